//! Demo mode's cluster at the start of the server: empty, then as the store says it was.

use crate::{DemoSpeed, SimulatedCluster, SimulatedNodes};
use ecp_core::deployment::{DeploymentStatus, Phase};
use ecp_core::manifest::Object;
use ecp_core::ports::{Clock, Cluster, ClusterView, StoreError, TenantStore};
use ecp_core::tenant::Tenant;
use std::sync::Arc;

/// Makes the simulated cluster, empty. Faults that it is asked to show are read from the store.
pub fn demo_cluster(
    store: Arc<dyn TenantStore>,
    clock: Arc<dyn Clock>,
    nodes: &SimulatedNodes,
    speed: DemoSpeed,
) -> Arc<SimulatedCluster> {
    let fault_of = Arc::new(move |id: &_| store.tenant(id).and_then(|tenant| tenant.spec.demo_fault));
    Arc::new(SimulatedCluster::new(nodes, speed, clock, fault_of))
}

/// Puts back every tenant whose deployment had ended, with its pods ready at once; where it was under
/// way and everything was applied, its pods begin anew, and what was not applied yet the controller
/// applies. Tenants of which the cluster has everything are left as they are. Call it before the controller
/// runs; requests may come before, since what a tenant's status is stands in the store.
pub async fn restore_demo_cluster(
    cluster: &SimulatedCluster,
    store: &dyn TenantStore,
) -> Result<(), StoreError> {
    // Those that run come first: what failed for want of room must not take theirs.
    for status in [DeploymentStatus::Running, DeploymentStatus::Failed, DeploymentStatus::Deploying] {
        for tenant in store.tenants().iter() {
            let deployment = store.deployment(&tenant.deployment_id);
            let Some(deployment) = deployment.filter(|deployment| deployment.status == status) else {
                continue;
            };
            let under_way = !status.is_final();
            if under_way && deployment.phase < Phase::ScalingServices {
                continue;
            }
            let objects = match objects_in_force(store, tenant).await {
                Ok(Some(objects)) => objects,
                Ok(None) => continue,
                Err(StoreError::Closed) => return Err(StoreError::Closed),
                // What is kept of this tenant can not be read; the others are not stopped by it.
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(error, tenant.id = %tenant.id, "a tenant is not restored");
                    continue;
                }
            };
            if has_all(cluster, tenant, &objects) {
                continue;
            }
            let restored = match under_way {
                true => cluster.apply(&tenant.id, &objects).await.map(|_warnings| ()),
                false => cluster.restore(&tenant.id, &objects),
            };
            if let Err(error) = restored {
                tracing::warn!(%error, tenant.id = %tenant.id, "the simulated cluster does not take a tenant back");
            }
        }
    }
    Ok(())
}

/// True where nothing of these objects is missing.
fn has_all(cluster: &SimulatedCluster, tenant: &Tenant, objects: &[Object]) -> bool {
    let Ok(seen) = cluster.observe(&tenant.id) else { return false };
    let is_there = |object: &Object| {
        seen.objects.iter().any(|seen| seen.kind == object.kind() && seen.name == object.name())
    };
    objects.iter().all(is_there)
}

/// What was in the cluster of a tenant of which everything had been applied.
async fn objects_in_force(
    store: &dyn TenantStore,
    tenant: &Tenant,
) -> Result<Option<Vec<Object>>, StoreError> {
    let revisions = store.revisions(&tenant.id).await?;
    let Some(revision) = revisions.in_force() else { return Ok(None) };
    let Some(pinned) = store.pinned_manifest(&tenant.id, &revision.manifest).await? else { return Ok(None) };
    let secrets = store.tenant_secrets(&tenant.id).await?;
    Ok(pinned
        .objects(&secrets)
        .inspect_err(|error| tracing::error!(%error, tenant.id = %tenant.id, "kept objects can not be read"))
        .ok())
}
