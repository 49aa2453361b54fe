//! Taking over what builds made that wrote nothing down: once, and only what is certainly ours.

use super::KubernetesCluster;
use super::client::{CallError, MANAGER, answered, api};
use super::kinds::KINDS;
use super::ownership::INSTALLATION;
use ecp_core::ids::TenantId;
use ecp_core::ledger::NotedObject;
use ecp_core::ports::TenantStore;
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
                Err(CallError::Away(reason)) => return Err(reason),
            }
        }
        let objects: Vec<NotedObject> = found.into_iter().map(|(object, ..)| object).collect();
        self.ledger.adopt(tenant, &objects).await.map_err(|error| error.to_string())?;
        self.index.adopted(tenant, &objects);
        tracing::info!(tenant.id = %tenant, objects = objects.len(), "what an earlier version made is noted");
        Ok(())
    }
}
