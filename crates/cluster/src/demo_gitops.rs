//! Demo mode's stand-in for what applies the objects of tenants that others manage: a GitOps controller that
//! looks every few seconds at what the manifest says, and brings the simulated cluster there.
//!
//! It writes to the cluster by itself, past the controller, as Argo CD or Flux would.

use crate::SimulatedCluster;
use ecp_core::manifest::Object;
use ecp_core::ports::{Cluster, ClusterView, StoreError, TenantStore};
use ecp_core::tenant::{Tenant, TenantStatus};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Between two looks.
const SYNC_EVERY: Duration = Duration::from_secs(3);

/// Works until told to stop.
pub(crate) async fn run(cluster: &SimulatedCluster, store: &dyn TenantStore, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(SYNC_EVERY) => {}
        }
        for tenant in store.tenants().iter() {
            if !tenant.spec.is_external() || tenant.status == TenantStatus::Deleting {
                continue;
            }
            if let Err(error) = sync(cluster, store, tenant).await {
                tracing::debug!(error, tenant.id = %tenant.id, "a tenant that others manage is synced later");
            }
        }
    }
}

/// Brings one tenant to what its manifest says; where it is there already, nothing happens.
async fn sync(cluster: &SimulatedCluster, store: &dyn TenantStore, tenant: &Tenant) -> Result<(), String> {
    let objects = newest(store, tenant).await.map_err(|error| error.to_string())?;
    let objects = objects.ok_or("its manifest can not be read")?;
    let seen = cluster.observe_wanted(&tenant.id, &objects).map_err(|error| error.to_string())?;
    if seen.0.objects.len() == objects.len() && seen.1.is_empty() {
        return Ok(());
    }
    cluster.prune(&tenant.id, &objects).await.map_err(|error| error.to_string())?;
    cluster.apply(&tenant.id, &objects).await.map_err(|error| error.to_string())?;
    if store.tenant(&tenant.id).is_none_or(|now| now.key() != tenant.key()) {
        // It went meanwhile, and what was made just now with it.
        cluster.forget(&tenant.id);
    }
    Ok(())
}

async fn newest(store: &dyn TenantStore, tenant: &Tenant) -> Result<Option<Vec<Object>>, StoreError> {
    let revisions = store.revisions(&tenant.id).await?;
    let Some(revision) = revisions.newest() else { return Ok(None) };
    let Some(pinned) = store.pinned_manifest(&tenant.id, &revision.manifest).await? else { return Ok(None) };
    let secrets = store.tenant_secrets(&tenant.id).await?;
    Ok(pinned.objects(&secrets).ok())
}
