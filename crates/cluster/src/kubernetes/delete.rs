//! Taking objects away: what is too much, and a whole tenant in order, the namespace last.
//!
//! Only what the ledger knows by its uid is deleted. The namespace goes only where nothing else is in
//! it; what others keep there keeps it, or, where it is released, gets it.

use super::KubernetesCluster;
use super::client::{MANAGER, answered, api};
use super::drift::OUR_PREFIX;
use super::kinds::{self, CLAIM, KINDS, Kind};
use ecp_core::deployment::Removal;
use ecp_core::ids::TenantId;
use ecp_core::ledger::NotedObject;
use ecp_core::manifest::Object;
use ecp_core::ports::ClusterError;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Map, Value, json};
use std::collections::HashSet;

impl KubernetesCluster {
    /// Deletes what is ours and `keep` does not hold.
    pub(super) async fn prune_objects(&self, tenant: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.check_known(tenant)?;
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
            // Whoever takes the name from here on has it.
            self.note(tenant, &[unmade(kind, &name)]).await?;
        }
        Ok(())
    }

    /// Goes one step towards an empty cluster: what is applied last goes first, pods before what
    /// they use, the namespace when nothing else of the tenant is there.
    pub(super) async fn delete_tenant(&self, tenant: &TenantId, how: Removal) -> Result<(), ClusterError> {
        self.check_known(tenant)?;
        let force = how.force;
        self.index.set_goes(tenant, true);
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
        if only_namespace && let Some((_, name, uid, false)) = inventory.first() {
            self.end_namespace(tenant, name, uid, how).await?;
        }
        Ok(())
    }

    /// Ends a namespace in which nothing of ours is seen any more.
    async fn end_namespace(
        &self,
        tenant: &TenantId,
        name: &str,
        uid: &str,
        how: Removal,
    ) -> Result<(), ClusterError> {
        let kind = &KINDS[kinds::NAMESPACE];
        let calls = api(&self.client, &kind.resource(), None);
        let before = match answered(calls.get(name)).await {
            Ok(namespace) => namespace,
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) => return Err(self.told(error, kind.name, name)),
        };
        let survey = self.survey(tenant).await?;
        if survey.foreign.is_empty() {
            self.index.set_shared_with(tenant, Vec::new());
            // Whoever changed the namespace since it was looked through has it looked through again.
            let unchanged = Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: before.metadata.resource_version.clone(),
            };
            let gone = DeleteParams::background().preconditions(unchanged);
            return match answered(calls.delete(name, &gone)).await {
                Err(error) if !error.is_not_found() => Err(self.told(error, kind.name, name)),
                _ => Ok(()),
            };
        }
        if !how.release {
            let names: Vec<_> =
                survey.foreign.iter().map(|one| format!("{} {}", one.kind, one.name)).collect();
            tracing::warn!(
                tenant.id = %tenant,
                objects = names.join(", "),
                "the namespace is kept: it holds objects that are not the orchestrator's"
            );
            self.index.set_shared_with(tenant, survey.foreign);
            return Ok(());
        }
        // What lost its label is not seen by a watch, and is ours all the same.
        for (resource, object, uid) in &survey.ours {
            let calls = api(&self.client, resource, Some(name));
            let gone = DeleteParams::background().preconditions(only(uid));
            match answered(calls.delete(object, &gone)).await {
                Err(error) if !error.is_not_found() => {
                    return Err(self.told(error, &resource.kind, object));
                }
                _ => {}
            }
        }
        self.release_namespace(tenant, &before).await
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

    /// Leaves a namespace to those who keep something in it, and takes off it what is ours.
    async fn release_namespace(
        &self,
        tenant: &TenantId,
        namespace: &DynamicObject,
    ) -> Result<(), ClusterError> {
        let kind = &KINDS[kinds::NAMESPACE];
        let name = tenant.namespace();
        let told = |error| self.told(error, kind.name, &name);
        let calls = api(&self.client, &kind.resource(), None);
        // Applying nothing gives up every field that was ours; what somebody set by hand after us stays.
        let bare = json!({
            "apiVersion": kind.api_version(), "kind": kind.name,
            "metadata": {"name": name, "uid": namespace.metadata.uid},
        });
        let (how, patch) = (PatchParams::apply(MANAGER).force(), Patch::Apply(&bare));
        let released = answered(calls.patch(&name, &how, &patch)).await.map_err(told)?;
        let ours = |map: Option<std::collections::BTreeMap<String, String>>| -> Map<String, Value> {
            let keys = map.unwrap_or_default().into_keys();
            keys.filter(|key| key.starts_with(OUR_PREFIX)).map(|key| (key, Value::Null)).collect()
        };
        let (labels, annotations) =
            (ours(released.metadata.labels.clone()), ours(released.metadata.annotations.clone()));
        let mut released = released;
        if !labels.is_empty() || !annotations.is_empty() {
            let patch = json!({"metadata": {"labels": labels, "annotations": annotations}});
            let how = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
            released = answered(calls.patch(&name, &how, &Patch::Merge(&patch))).await.map_err(told)?;
        }
        tracing::info!(tenant.id = %tenant, namespace = name, "the namespace is released");
        self.note(tenant, &[unmade(kind, &name)]).await?;
        self.index.set_shared_with(tenant, Vec::new());
        self.index.namespace_applied(&released);
        self.index.object_applied(kinds::NAMESPACE, released);
        Ok(())
    }
}

fn only(uid: &str) -> Preconditions {
    Preconditions { uid: Some(uid.to_owned()), resource_version: None }
}

/// The note of an object that is ours no more.
fn unmade(kind: &Kind, name: &str) -> NotedObject {
    NotedObject { kind: kind.name.to_owned(), name: name.to_owned(), uid: None }
}
