//! Taking over what builds made that wrote nothing down: once, and only what is certainly ours; and what others
//! made of a tenant that they managed.

use super::KubernetesCluster;
use super::client::{CallError, MANAGER, answered, api};
use super::kinds::{self, CLAIM, KINDS};
use super::ownership::{INSTALLATION, Marks};
use ecp_core::ids::TenantId;
use ecp_core::ledger::NotedObject;
use ecp_core::manifest::Object;
use ecp_core::ports::{ClusterError, TenantStore};
use kube::api::{Patch, PatchParams};
use serde_json::json;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Until it is tried again where the cluster or the database did not take it.
const PAUSE: Duration = Duration::from_millis(500);

impl KubernetesCluster {
    /// Notes what earlier builds made, as soon as the cluster was seen whole.
    pub(super) async fn adopt(&self, leases: &dyn TenantStore, stop: CancellationToken) {
        while !self.index.unnoted().is_empty() {
            if self.check_reachable().is_ok() {
                let is_ours = |id: &TenantId| {
                    leases.may_act(id) && leases.tenant(id).is_none_or(|tenant| !tenant.spec.is_external())
                };
                for tenant in self.index.unnoted().into_iter().filter(is_ours) {
                    if let Err(reason) = self.adopt_tenant(&tenant).await {
                        tracing::warn!(tenant.id = %tenant, reason, "what an earlier version made is not noted yet");
                        break;
                    }
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    }

    /// Objects of `wanted` that are there and are to be ours. Those that others made a moment ago are not in the
    /// index yet: the API server is asked.
    pub(super) async fn not_ours_yet(
        &self,
        tenant: &TenantId,
        wanted: &[Object],
    ) -> Result<Vec<NotedObject>, ClusterError> {
        let mut found = self.index.to_take_over(tenant, wanted);
        for object in wanted {
            let Some((place, kind)) = kinds::find(object.kind()).filter(|(_, kind)| kind.name != CLAIM)
            else {
                continue;
            };
            let name = object.name();
            if self.index.has_seen(tenant, place, name) {
                continue;
            }
            let namespace = kind.is_namespaced().then(|| tenant.namespace());
            let calls = api(&self.client, &kind.resource(), namespace.as_deref());
            match answered(calls.get(name)).await {
                Ok(there) => {
                    let marks = Marks::of(&there.metadata);
                    if marks.installation.is_none() || marks.are_of(self.index.installation()) {
                        let (kind, name) = (kind.name.to_owned(), name.to_owned());
                        found.push(NotedObject { kind, name, uid: there.metadata.uid });
                    }
                }
                Err(CallError::Away(reason) | CallError::Hindered(reason)) => {
                    return Err(ClusterError::Unreachable(reason));
                }
                // It is not there, or its kind is not, or it is not ours to see: applying tells.
                Err(CallError::Answered(_)) => {}
            }
        }
        found.retain(|object| {
            let place = kinds::find(&object.kind).map(|(place, _)| place);
            place.is_some_and(|place| {
                self.index.noted_uid(tenant, place, &object.name) != Some(object.uid.clone())
            })
        });
        Ok(found)
    }

    async fn adopt_tenant(&self, tenant: &TenantId) -> Result<(), String> {
        let found = self.index.adoptable(tenant);
        let how = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        for (object, place, signed) in &found {
            if *signed {
                continue;
            }
            let kind = &KINDS[*place];
            let namespace = kind.is_namespaced().then(|| tenant.namespace());
            let calls = api(&self.client, &kind.resource(), namespace.as_deref());
            let patch = json!({"metadata": {
                "uid": object.uid,
                "annotations": {INSTALLATION: self.index.installation().as_str()},
            }});
            match answered(calls.patch(&object.name, &how, &Patch::Merge(&patch))).await {
                Ok(signed) => self.index.object_applied(*place, signed),
                // It went, or is not taken any more: drift tells.
                Err(CallError::Answered(_)) => {}
                Err(CallError::Away(reason) | CallError::Hindered(reason)) => return Err(reason),
            }
        }
        let objects: Vec<NotedObject> = found.into_iter().map(|(object, ..)| object).collect();
        self.ledger.adopt(tenant, &objects).await.map_err(|error| error.to_string())?;
        self.index.adopted(tenant, &objects);
        tracing::info!(tenant.id = %tenant, objects = objects.len(), "what an earlier version made is noted");
        Ok(())
    }
}
