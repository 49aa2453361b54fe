//! Demo mode's cluster at the start of the server: empty, then as the store says it was.

use crate::{DemoSpeed, SimulatedCluster, SimulatedNodes};
use ecp_core::catalog::Catalog;
use ecp_core::deployment::DeploymentStatus;
use ecp_core::manifest::{RenderOptions, render};
use ecp_core::ports::{Clock, StoreError, TenantStore};
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

/// Puts back every tenant whose deployment had ended, with its pods ready at once; those that were
/// under way begin anew with the controller. Call it before the controller runs; requests may come
/// before, since what a tenant's status is stands in the store.
pub async fn restore_demo_cluster(
    cluster: &SimulatedCluster,
    store: &dyn TenantStore,
    catalog: &Catalog,
) -> Result<(), StoreError> {
    // Those that run come first: what failed for want of room must not take theirs.
    for ended in [DeploymentStatus::Running, DeploymentStatus::Failed] {
        for tenant in store.tenants().iter() {
            let deployment = store.deployment(&tenant.deployment_id);
            if !deployment.is_some_and(|deployment| deployment.status == ended) {
                continue;
            }
            let secrets = store.tenant_secrets(&tenant.id).await?;
            let manifest = render(catalog, tenant, &secrets, &RenderOptions::default());
            if let Err(error) = cluster.restore(&tenant.id, &manifest.objects) {
                tracing::warn!(%error, tenant.id = %tenant.id, "the simulated cluster does not take a tenant back");
            }
        }
    }
    Ok(())
}
