//! Where pods run: the tenants' pods, those of others, nodes, and whose the namespaces are.

use super::Index;
use super::entry::{is_ours, tenant_of, value_of};
use crate::kubernetes::capacity::{self, NodeFacts, PodRequests};
use crate::kubernetes::pods::PodFacts;
use ecp_core::catalog::KubernetesSettings;
use ecp_core::ids::TenantId;
use ecp_core::ports::Capacity;
use kube::core::DynamicObject;
use std::collections::HashSet;

impl Index {
    /// A pod of a tenant is as given.
    pub(in crate::kubernetes) fn pod_applied(&self, pod: &DynamicObject) {
        let (Some(tenant), Some(value)) = (tenant_of(pod), value_of(pod)) else { return };
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        let facts = (PodFacts::of(&value), PodRequests::of(&value, &self.gpu_resource));
        let mut inner = self.inner.lock();
        let pods = &mut inner.tenants.entry(tenant.clone()).or_default().pods;
        let same = pods.get(&uid) == Some(&facts);
        pods.insert(uid, facts);
        drop(inner);
        if !same {
            self.tell(&tenant);
        }
    }

    /// A pod of a tenant is gone.
    pub(in crate::kubernetes) fn pod_deleted(&self, pod: &DynamicObject) {
        let Some(tenant) = tenant_of(pod) else { return };
        self.forget_pod(&tenant, pod.metadata.uid.as_deref().unwrap_or_default());
    }

    fn forget_pod(&self, tenant: &TenantId, uid: &str) {
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        index.pods.remove(uid);
        if index.is_empty() {
            inner.tenants.remove(tenant);
        }
        drop(inner);
        self.tell(tenant);
    }

    /// Forgets the tenants' pods that a complete list does not hold.
    pub(in crate::kubernetes) fn retain_pods(&self, listed: &HashSet<String>) {
        let inner = self.inner.lock();
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

    /// A pod that is nobody's tenant's.
    pub(in crate::kubernetes) fn other_pod_applied(&self, pod: &DynamicObject) {
        let Some(value) = value_of(pod) else { return };
        let requests = PodRequests::of(&value, &self.gpu_resource);
        let uid = pod.metadata.uid.clone().unwrap_or_default();
        self.inner.lock().other_pods.insert(uid, requests);
    }

    /// That pod is gone.
    pub(in crate::kubernetes) fn other_pod_deleted(&self, pod: &DynamicObject) {
        self.inner.lock().other_pods.remove(pod.metadata.uid.as_deref().unwrap_or_default());
    }

    /// Forgets such pods that a complete list does not hold.
    pub(in crate::kubernetes) fn retain_other_pods(&self, listed: &HashSet<String>) {
        self.inner.lock().other_pods.retain(|uid, _| listed.contains(uid));
    }

    /// A node is as given.
    pub(in crate::kubernetes) fn node_applied(&self, node: &DynamicObject) {
        let Some(value) = value_of(node) else { return };
        let facts = NodeFacts::of(&value, &self.gpu_resource);
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
        self.inner.lock().namespaces.insert(name, is_ours(namespace));
    }

    /// A namespace is gone.
    pub(in crate::kubernetes) fn namespace_deleted(&self, namespace: &DynamicObject) {
        self.inner.lock().namespaces.remove(namespace.metadata.name.as_deref().unwrap_or_default());
    }

    /// Forgets namespaces that a complete list does not name.
    pub(in crate::kubernetes) fn retain_namespaces(&self, listed: &HashSet<String>) {
        self.inner.lock().namespaces.retain(|name, _| listed.contains(name));
    }

    /// Whether a namespace is there, and ours.
    pub(in crate::kubernetes) fn namespace(&self, name: &str) -> Option<bool> {
        self.inner.lock().namespaces.get(name).copied()
    }

    /// Names and uids of a tenant's pods.
    pub(in crate::kubernetes) fn pods(&self, tenant: &TenantId) -> Vec<(String, String)> {
        let inner = self.inner.lock();
        let pods = inner.tenants.get(tenant).into_iter().flat_map(|index| index.pods.iter());
        pods.map(|(uid, (facts, _))| (facts.name.clone(), uid.clone())).collect()
    }

    /// What the nodes have, and what the pods asked for.
    pub(in crate::kubernetes) fn capacity(&self, settings: &KubernetesSettings) -> Capacity {
        let inner = self.inner.lock();
        let ours = inner
            .tenants
            .iter()
            .flat_map(|(id, index)| index.pods.values().map(move |(_, requests)| (id, requests)));
        capacity::capacity(settings, inner.nodes.values(), ours, inner.other_pods.values())
    }
}
