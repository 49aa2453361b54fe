//! Where pods run: the tenants' pods, those of others, nodes, and whose the namespaces are.

use super::entry::{tenant_of, value_of};
use super::{Index, TenantIndex};
use crate::kubernetes::capacity::{self, NodeFacts, PodRequests};
use crate::kubernetes::devices::{self, ClaimFacts, SliceFacts};
use crate::kubernetes::kinds::{self, KINDS};
use crate::kubernetes::ownership::Marks;
use crate::kubernetes::pods::{Controller, PodFacts, Workload};
use ecp_core::catalog::KubernetesSettings;
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ports::Capacity;
use kube::core::DynamicObject;
use std::collections::HashSet;

/// A namespace, whoever's it is.
#[derive(Clone, Debug)]
pub(super) struct NamespaceFacts {
    uid: String,
    marks: Marks,
}

/// A ReplicaSet in a tenant's namespace, whoever's it is.
#[derive(Clone, Debug)]
pub(super) struct ReplicaSetFacts {
    /// The Deployment that controls it; none of one that stands alone.
    deployment: Option<Workload>,
}

impl TenantIndex {
    /// True of a pod whose controllers lead, by their uids, to a workload that is noted as ours.
    pub(super) fn owns_pod(&self, pod: &PodFacts, installation: &InstallationId) -> bool {
        let Some(workload) = &pod.workload else { return false };
        let workloads = self.noted.iter().filter(|(key, _)| KINDS[key.0].step == kinds::WORKLOADS);
        workloads.into_iter().any(|(key, noted)| match noted {
            Some(uid) => *uid == workload.uid,
            // Its uid is not written down yet: what is there under the name may be ours.
            None => self
                .objects
                .get(key)
                .is_some_and(|entry| entry.uid == workload.uid && self.owns(key, entry, installation)),
        })
    }
}

impl Index {
    /// A pod is as given. It is a tenant's where a workload in the tenant's namespace made it, whatever
    /// labels it has by now.
    pub(in crate::kubernetes) fn pod_applied(&self, pod: &DynamicObject) {
        let Some(value) = value_of(pod) else { return };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let (mut facts, requests) = (PodFacts::of(&value), PodRequests::of(&value, &self.gpu_resources));
        let mut inner = self.inner.lock();
        let Some(tenant) = tenant_of(pod) else {
            inner.other_pods.insert(uid, requests);
            return;
        };
        let known = inner.tenants.get(&tenant).and_then(|index| index.pods.get(&uid)).map(|(known, _)| known);
        match &facts.controller {
            Some(Controller::StatefulSet(_)) => {}
            Some(Controller::ReplicaSet(set)) => {
                // Of a ReplicaSet that went before its pods it is known whose they are.
                let before = || known.filter(|known| known.controller == facts.controller);
                facts.workload = match inner.replica_sets.get(set) {
                    Some(set) => set.deployment.clone(),
                    None => before().and_then(|known| known.workload.clone()),
                };
            }
            // One that was cut off from what made it is still what it was.
            None => facts.workload = known.and_then(|known| known.workload.clone()),
        }
        if facts.workload.is_none() && facts.controller.is_none() {
            inner.other_pods.insert(uid, requests);
            return;
        }
        inner.other_pods.remove(&uid);
        let index = inner.tenants.entry(tenant.clone()).or_default();
        let known = index.pods.get(&uid);
        let same = known.is_some_and(|(known, asked)| *known == facts && *asked == requests);
        let relabelled =
            known.is_none_or(|(known, _)| known.labels != facts.labels || known.workload != facts.workload);
        index.verified &= !relabelled;
        index.pods.insert(uid, (facts, requests));
        drop(inner);
        if !same {
            self.tell(&tenant);
        }
    }

    /// A ReplicaSet is as given: whose its pods are.
    pub(in crate::kubernetes) fn replica_set_applied(&self, set: &DynamicObject) {
        let Some(tenant) = tenant_of(set) else { return };
        let uid = set.metadata.uid.clone().unwrap_or_default();
        let deployment = Workload::of_replica_set(&set.metadata);
        let mut inner = self.inner.lock();
        let made_by = Some(Controller::ReplicaSet(uid.clone()));
        inner.replica_sets.insert(uid, ReplicaSetFacts { deployment: deployment.clone() });
        let Some(index) = inner.tenants.get_mut(&tenant) else { return };
        let pods = index.pods.values_mut().map(|(facts, _)| facts);
        let mut is_news = false;
        for pod in pods.filter(|pod| pod.controller == made_by && pod.workload != deployment) {
            pod.workload.clone_from(&deployment);
            is_news = true;
        }
        index.verified &= !is_news;
        drop(inner);
        if is_news {
            self.tell(&tenant);
        }
    }

    /// A ReplicaSet is gone; of its pods it stays known whose they are.
    pub(in crate::kubernetes) fn replica_set_deleted(&self, set: &DynamicObject) {
        self.inner.lock().replica_sets.remove(set.metadata.uid.as_deref().unwrap_or_default());
    }

    /// Forgets ReplicaSets that a complete list does not hold.
    pub(in crate::kubernetes) fn retain_replica_sets(&self, listed: &HashSet<String>) {
        self.inner.lock().replica_sets.retain(|uid, _| listed.contains(uid));
    }

    /// A pod is gone.
    pub(in crate::kubernetes) fn pod_deleted(&self, pod: &DynamicObject) {
        let uid = pod.metadata.uid.as_deref().unwrap_or_default();
        self.inner.lock().other_pods.remove(uid);
        if let Some(tenant) = tenant_of(pod) {
            self.forget_pod(&tenant, uid);
        }
    }

    fn forget_pod(&self, tenant: &TenantId, uid: &str) {
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        if index.pods.remove(uid).is_none() {
            return;
        }
        if index.is_empty() {
            inner.tenants.remove(tenant);
        }
        drop(inner);
        self.tell(tenant);
    }

    /// Forgets pods that a complete list does not hold.
    pub(in crate::kubernetes) fn retain_pods(&self, listed: &HashSet<String>) {
        let mut inner = self.inner.lock();
        inner.other_pods.retain(|uid, _| listed.contains(uid));
        let gone: Vec<(TenantId, String)> = inner
            .tenants
            .iter()
            .flat_map(|(tenant, index)| index.pods.keys().map(move |uid| (tenant.clone(), uid.clone())))
            .filter(|(_, uid)| !listed.contains(uid))
            .collect();
        drop(inner);
        for (tenant, uid) in gone {
            self.forget_pod(&tenant, &uid);
        }
    }

    /// A slice of a driver's devices is as given.
    pub(in crate::kubernetes) fn slice_applied(&self, slice: &DynamicObject) {
        let (Some(value), Some(wanted)) = (value_of(slice), self.gpu_resources.claimed()) else { return };
        let name = slice.metadata.name.clone().unwrap_or_default();
        let mut inner = self.inner.lock();
        match SliceFacts::of(&value, wanted) {
            Some(facts) => _ = inner.slices.insert(name, facts),
            None => _ = inner.slices.remove(&name),
        }
    }

    /// A slice is gone.
    pub(in crate::kubernetes) fn slice_deleted(&self, slice: &DynamicObject) {
        self.inner.lock().slices.remove(slice.metadata.name.as_deref().unwrap_or_default());
    }

    /// Forgets slices that a complete list does not name.
    pub(in crate::kubernetes) fn retain_slices(&self, listed: &HashSet<String>) {
        self.inner.lock().slices.retain(|name, _| listed.contains(name));
    }

    /// A claim of devices is as given.
    pub(in crate::kubernetes) fn claim_applied(&self, claim: &DynamicObject) {
        let (Some(value), Some(wanted)) = (value_of(claim), self.gpu_resources.claimed()) else { return };
        let uid = claim.metadata.uid.clone().unwrap_or_default();
        let mut inner = self.inner.lock();
        match ClaimFacts::of(&value, wanted) {
            Some(facts) => _ = inner.claims.insert(uid, facts),
            None => _ = inner.claims.remove(&uid),
        }
    }

    /// A claim is gone.
    pub(in crate::kubernetes) fn claim_deleted(&self, claim: &DynamicObject) {
        self.inner.lock().claims.remove(claim.metadata.uid.as_deref().unwrap_or_default());
    }

    /// Forgets claims that a complete list does not hold.
    pub(in crate::kubernetes) fn retain_claims(&self, listed: &HashSet<String>) {
        self.inner.lock().claims.retain(|uid, _| listed.contains(uid));
    }

    /// Whether GPUs are asked for by claims.
    pub(in crate::kubernetes) fn claims_devices(&self) -> bool {
        self.gpu_resources.claimed().is_some()
    }

    /// Whether it can be told what devices nodes have.
    pub(in crate::kubernetes) fn set_devices_unknown(&self, unknown: bool) {
        self.inner.lock().devices_unknown = unknown;
    }

    /// A node is as given.
    pub(in crate::kubernetes) fn node_applied(&self, node: &DynamicObject) {
        let Some(value) = value_of(node) else { return };
        let facts = NodeFacts::of(&value, &self.gpu_resources);
        self.inner.lock().nodes.insert(node.metadata.name.clone().unwrap_or_default(), facts);
    }

    /// A node is gone.
    pub(in crate::kubernetes) fn node_deleted(&self, node: &DynamicObject) {
        self.inner.lock().nodes.remove(node.metadata.name.as_deref().unwrap_or_default());
    }

    /// Forgets nodes that a complete list does not name.
    pub(in crate::kubernetes) fn retain_nodes(&self, listed: &HashSet<String>) {
        self.inner.lock().nodes.retain(|name, _| listed.contains(name));
    }

    /// A namespace is there, whoever's it is.
    pub(in crate::kubernetes) fn namespace_applied(&self, namespace: &DynamicObject) {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        let uid = namespace.metadata.uid.clone().unwrap_or_default();
        let facts = NamespaceFacts { uid, marks: Marks::of(&namespace.metadata) };
        self.inner.lock().namespaces.insert(name, facts);
    }

    /// A namespace is gone.
    pub(in crate::kubernetes) fn namespace_deleted(&self, namespace: &DynamicObject) {
        self.inner.lock().namespaces.remove(namespace.metadata.name.as_deref().unwrap_or_default());
    }

    /// Forgets namespaces that a complete list does not hold.
    pub(in crate::kubernetes) fn retain_namespaces(&self, listed: &HashSet<String>) {
        self.inner.lock().namespaces.retain(|_, facts| listed.contains(&facts.uid));
    }

    /// True where a namespace is there, whoever's it is.
    pub(in crate::kubernetes) fn has_namespace(&self, name: &str) -> bool {
        self.inner.lock().namespaces.contains_key(name)
    }

    /// True of a namespace outside the tenants' that this installation made.
    pub(in crate::kubernetes) fn is_own_namespace(&self, name: &str) -> bool {
        let inner = self.inner.lock();
        inner.namespaces.get(name).is_some_and(|facts| facts.marks.are_of(&self.installation))
    }

    /// True where the namespace of a tenant is there and is not ours.
    pub(in crate::kubernetes) fn is_foreign(&self, tenant: &TenantId) -> bool {
        let inner = self.inner.lock();
        let Some(facts) = inner.namespaces.get(&tenant.namespace()) else { return false };
        let key = (kinds::NAMESPACE, tenant.namespace());
        let noted = inner.tenants.get(tenant).and_then(|index| index.noted.get(&key));
        match noted {
            _ if inner.unnoted.contains(tenant) => !facts.marks.applied,
            None => true,
            Some(Some(uid)) => *uid != facts.uid,
            Some(None) => !facts.marks.are_of(&self.installation),
        }
    }

    /// Names and uids of the pods of a tenant's own workloads.
    pub(in crate::kubernetes) fn pods(&self, tenant: &TenantId) -> Vec<(String, String)> {
        let inner = self.inner.lock();
        let Some(index) = inner.tenants.get(tenant) else { return Vec::new() };
        let pods = index.pods.iter().filter(|(_, (facts, _))| index.owns_pod(facts, &self.installation));
        pods.map(|(uid, (facts, _))| (facts.name.clone(), uid.clone())).collect()
    }

    /// What the nodes have, and what the pods asked for; those in namespaces of tenants that others manage are
    /// these tenants' too.
    pub(in crate::kubernetes) fn capacity(
        &self,
        settings: &KubernetesSettings,
        is_external: impl Fn(&TenantId) -> bool,
    ) -> Capacity {
        let inner = self.inner.lock();
        // A namespace that is called like a tenant's may be another installation's.
        let is_known = |id: &TenantId, index: &TenantIndex| {
            !index.noted.is_empty() || is_external(id) || inner.unnoted.contains(id)
        };
        // Beside a tenant's own workloads others may keep theirs.
        let is_the_tenants = |id: &TenantId, index: &TenantIndex, facts: &PodFacts| {
            let all_are = is_external(id) || inner.unnoted.contains(id);
            all_are || index.owns_pod(facts, &self.installation)
        };
        let pods = |known: bool| {
            let all = inner.tenants.iter().flat_map(|(id, index)| {
                index.pods.values().map(move |(facts, requests)| (id, index, facts, requests))
            });
            let them = all.filter(move |(id, index, facts, _)| is_the_tenants(id, index, facts) == known);
            them.map(|(id, _, _, requests)| (id, requests))
        };
        let others = inner.other_pods.values().chain(pods(false).map(|(_, requests)| requests));
        let is_tenants = |namespace: &str| {
            let tenant = TenantId::of_namespace(namespace);
            tenant.is_some_and(|id| inner.tenants.get(&id).is_some_and(|index| is_known(&id, index)))
        };
        let devices = self
            .gpu_resources
            .claimed()
            .map(|wanted| devices::by_node(wanted, inner.slices.values(), inner.claims.values(), is_tenants));
        let mut capacity =
            capacity::capacity(settings, inner.nodes.values(), devices.as_ref(), pods(true), others);
        capacity.places.devices_unknown = inner.devices_unknown.then_some(devices::UNKNOWN);
        capacity
    }
}
