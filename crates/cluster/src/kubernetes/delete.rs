//! Taking objects away: what is too much, and a whole tenant in order, the namespace last.

use super::KubernetesCluster;
use super::client::{MANAGER, answered, api};
use super::kinds::{self, CLAIM, KINDS, Kind};
use super::watches::is_labelled;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::ClusterError;
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::json;
use std::collections::HashSet;

/// Kinds that people and other programs leave in a namespace.
const FOREIGN_KINDS: [&str; 6] = ["ConfigMap", "Secret", "Service", "StatefulSet", "Deployment", CLAIM];
/// What every namespace has.
const ROOT_CERTIFICATE: &str = "kube-root-ca.crt";

impl KubernetesCluster {
    /// Deletes what our manager applied and `keep` does not hold.
    pub(super) async fn prune_objects(&self, tenant: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.check_reachable()?;
        if keep.is_empty() {
            return Ok(());
        }
        self.index.forget_skipped(tenant, keep);
        let kept: HashSet<(&str, &str)> = keep.iter().map(|object| (object.kind(), object.name())).collect();
        for (place, name, uid, leaving) in self.index.inventory(tenant) {
            let kind = &KINDS[place];
            let is_kept = kept.contains(&(kind.name, name.as_str()));
            // Volumes hold data, and the namespace all else.
            if is_kept || leaving || kind.name == CLAIM || !kind.is_namespaced() {
                continue;
            }
            self.delete_one(tenant, kind, &name, &uid, false).await?;
        }
        Ok(())
    }

    /// Goes one step towards an empty cluster: what is applied last goes first, pods before what
    /// they use, the namespace when nothing else of the tenant is there.
    pub(super) async fn delete_tenant(&self, tenant: &TenantId, force: bool) -> Result<(), ClusterError> {
        self.check_reachable()?;
        self.index.forget_skipped(tenant, &[]);
        let inventory = self.index.inventory(tenant);
        let pods = self.index.pods(tenant);
        let is_namespace = |place: usize| !KINDS[place].is_namespaced();
        let first = |place: usize| KINDS[place].step >= kinds::WORKLOADS;
        let workloads_left = inventory.iter().any(|(place, ..)| first(*place));
        for (place, name, uid, leaving) in &inventory {
            let its_turn =
                if workloads_left { first(*place) } else { pods.is_empty() && !is_namespace(*place) };
            if !its_turn {
                continue;
            }
            if !leaving {
                self.delete_one(tenant, &KINDS[*place], name, uid, force).await?;
            } else if force {
                self.release_finalizers(tenant, *place, name).await?;
            }
        }
        if force {
            let namespace = tenant.namespace();
            let resource = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Pod"), "pods");
            let calls = api(&self.client, &resource, Some(&namespace));
            for (name, uid) in pods.iter().filter(|_| !inventory.is_empty()) {
                let now = DeleteParams::background().grace_period(0).preconditions(only(uid));
                match answered(calls.delete(name, &now)).await {
                    Err(error) if !error.is_not_found() => return Err(self.told(error, "Pod", name)),
                    _ => {}
                }
            }
        }
        let only_namespace = inventory.iter().all(|(place, ..)| is_namespace(*place)) && pods.is_empty();
        if only_namespace && let Some((place, name, uid, false)) = inventory.first() {
            let foreign = self.foreign_objects(name).await?;
            if foreign.is_empty() {
                self.delete_one(tenant, &KINDS[*place], name, uid, force).await?;
            } else {
                self.release_namespace(*place, name, &foreign).await?;
            }
        }
        Ok(())
    }

    async fn delete_one(
        &self,
        tenant: &TenantId,
        kind: &Kind,
        name: &str,
        uid: &str,
        force: bool,
    ) -> Result<(), ClusterError> {
        let _turn = self.turns.acquire().await;
        let namespace = kind.is_namespaced().then(|| tenant.namespace());
        let calls = api(&self.client, &kind.resource(), namespace.as_deref());
        let mut how = DeleteParams::background().preconditions(only(uid));
        if force && kind.is_namespaced() {
            how = how.grace_period(0);
        }
        match answered(calls.delete(name, &how)).await {
            Err(error) if !error.is_not_found() => Err(self.told(error, kind.name, name)),
            _ => Ok(()),
        }
    }

    /// Takes our own finalizers off an object that is on its way out; other people's stay.
    async fn release_finalizers(
        &self,
        tenant: &TenantId,
        place: usize,
        name: &str,
    ) -> Result<(), ClusterError> {
        const OURS: &str = "ecp.ai/";
        let kind = &KINDS[place];
        let finalizers = self.index.with_entry(tenant, place, name, |entry| entry.facts.finalizers.clone());
        let finalizers = finalizers.unwrap_or_default();
        let kept: Vec<&String> = finalizers.iter().filter(|finalizer| !finalizer.starts_with(OURS)).collect();
        if kept.len() == finalizers.len() {
            return Ok(());
        }
        let namespace = kind.is_namespaced().then(|| tenant.namespace());
        let calls = api(&self.client, &kind.resource(), namespace.as_deref());
        let patch = Patch::Merge(json!({"metadata": {"finalizers": kept}}));
        match answered(calls.patch(name, &PatchParams::default(), &patch)).await {
            Err(error) if !error.is_not_found() => Err(self.told(error, kind.name, name)),
            _ => Ok(()),
        }
    }

    /// What is in a namespace and was not made for the tenant.
    async fn foreign_objects(&self, namespace: &str) -> Result<Vec<String>, ClusterError> {
        let pods = ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("", "v1", "Pod"), "pods");
        let kinds = FOREIGN_KINDS.iter().filter_map(|name| kinds::find(name));
        let kinds = kinds.map(|(_, kind)| (kind.name, kind.resource())).chain([("Pod", pods)]);
        let mut found = Vec::new();
        for (kind, resource) in kinds {
            let calls = api(&self.client, &resource, Some(namespace));
            let listed = answered(calls.list(&ListParams::default())).await;
            let listed = listed.map_err(|error| self.told(error, kind, namespace))?;
            let foreign = listed.items.iter().filter(|object| is_foreign(object));
            found.extend(
                foreign
                    .map(|object| format!("{kind} {}", object.metadata.name.as_deref().unwrap_or_default())),
            );
        }
        Ok(found)
    }

    /// Leaves a namespace in which others keep something, and takes our labels off it.
    async fn release_namespace(
        &self,
        place: usize,
        name: &str,
        foreign: &[String],
    ) -> Result<(), ClusterError> {
        let kind = &KINDS[place];
        tracing::warn!(
            namespace = name,
            objects = foreign.join(", "),
            "the namespace is kept: it holds objects that are not the orchestrator's"
        );
        let calls = api(&self.client, &kind.resource(), None);
        // Applying nothing gives up every field that was ours.
        let bare = json!({"apiVersion": kind.api_version(), "kind": kind.name, "metadata": {"name": name}});
        let (how, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&bare));
        let released = answered(calls.patch(name, &how, &patch)).await;
        released.map(|_| ()).map_err(|error| self.told(error, kind.name, name))
    }
}

fn only(uid: &str) -> Preconditions {
    Preconditions { uid: Some(uid.to_owned()), resource_version: None }
}

fn is_foreign(object: &DynamicObject) -> bool {
    let metadata = &object.metadata;
    let owned = metadata.owner_references.as_ref().is_some_and(|owners| !owners.is_empty());
    let of_the_system = metadata.name.as_deref() == Some(ROOT_CERTIFICATE)
        || object.types.as_ref().is_some_and(|types| types.kind == "Secret")
            && object.data.get("type").is_some_and(|kind| kind == "kubernetes.io/service-account-token");
    !owned && !of_the_system && !is_labelled(object)
}
