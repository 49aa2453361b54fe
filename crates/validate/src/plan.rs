//! What the manifest would cost and how long it would take, in terms of the catalog.

use super::resources::{Sums, Totals};
use super::workloads::{Workload, Workloads};
use ecp_core::catalog::Catalog;
use ecp_core::sizing::{self, DeploymentTime};

/// Label that says which of the tenant's services a pod is of.
const SERVICE_LABEL: &str = "ecp.ai/service";

/// Price and time.
pub(super) struct Estimate {
    /// List price in whole US dollars a month of the smallest plan that holds the services.
    pub list_price_usd: u64,
    /// From the number of services and of those that load a model onto a GPU.
    pub deployment_time: DeploymentTime,
}

/// Which of the tenant's services a workload is.
fn service<'t>(workload: &Workload<'t>) -> Option<&'t str> {
    workload.labels.get(SERVICE_LABEL).copied()
}

/// Estimates. Where the manifest marks its services, what runs beside them (redis) is on top of
/// the plan, as it is in the plan's quota; otherwise everything counts.
pub(super) fn estimate(catalog: &Catalog, workloads: &Workloads<'_>, totals: &Totals<'_>) -> Estimate {
    let marked = workloads.all.iter().any(|workload| service(workload).is_some());
    let mut services = Sums::default();
    let mut count = 0;
    let mut gpu_models = 0;
    for (workload, sum) in workloads.all.iter().zip(&totals.by_workload) {
        let name = service(workload);
        if marked && name.is_none() {
            continue;
        }
        services.add(sum);
        count += 1;
        let ordered = catalog.gpu.order.iter().any(|service| name == Some(service.as_str()));
        if ordered || sum.limits.gpu > 0 {
            gpu_models += 1;
        }
    }
    let held = if marked { services } else { totals.all() };
    Estimate {
        list_price_usd: sizing::list_price_of(catalog, &held.limits.resources()),
        deployment_time: sizing::deployment_time(catalog, count, gpu_models),
    }
}
