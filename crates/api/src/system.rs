//! `GET /api/v1/monitoring/system`: what the cluster has and what is taken.

use crate::auth::Reader;
use crate::error::ApiError;
use crate::wire::{self, ResourcesOut};
use axum::response::Response;
use ecp_core::manifest::requested_resources;
use ecp_core::quantity::Resources;
use ecp_core::tenant::TenantStatus;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The cluster as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub struct SystemMetricsOut {
    /// `healthy`, or `degraded` where a node is not ready.
    #[schema(example = "healthy")]
    cluster_status: String,
    /// Tenants of this mode.
    #[schema(example = 15)]
    total_tenants: usize,
    /// Those that run.
    #[schema(example = 12)]
    active_tenants: usize,
    /// Allocatable on all ready nodes; for a token with a list of tenants what their plans hold.
    #[schema(example = json!({"cpu": "500000m", "memory": "1000Gi", "gpu": 50, "storage": "50TB"}))]
    total_resources: ResourcesOut,
    /// Requested by pods; for a token with a list of tenants by the pods that their plans have.
    #[schema(example = json!({"cpu": "285000m", "memory": "650Gi", "gpu": 28, "storage": "25TB"}))]
    used_resources: ResourcesOut,
    /// Used of total.
    utilization: UtilizationOut,
}

/// As for a plan, but the contract prints a cluster's whole terabytes without a decimal: `50TB`.
fn amounts(resources: &Resources) -> ResourcesOut {
    let mut out = ResourcesOut::from(resources);
    out.memory = resources.memory_gib_text();
    if let Some(whole) = out.storage.strip_suffix(".0TB") {
        out.storage = format!("{whole}TB");
    }
    out
}

/// Used of total in percent, with one decimal.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({"cpu": 57.0, "memory": 65.0, "gpu": 56.0, "storage": 50.0}))]
pub struct UtilizationOut {
    /// CPU.
    cpu: f64,
    /// Memory.
    memory: f64,
    /// GPUs.
    gpu: f64,
    /// Storage.
    storage: f64,
}

impl UtilizationOut {
    fn new(used: &Resources, total: &Resources) -> Self {
        Self {
            cpu: percent(used.cpu_millicores, total.cpu_millicores),
            memory: percent(used.memory_mib, total.memory_mib),
            gpu: percent(used.gpu, total.gpu),
            storage: percent(used.storage_gb, total.storage_gb),
        }
    }
}

/// Rounded to one decimal; 0 where there is nothing to use.
fn percent(used: u64, total: u64) -> f64 {
    if total == 0 { 0.0 } else { (used as f64 / total as f64 * 1000.0).round() / 10.0 }
}

/// Get system metrics
///
/// From the cluster's nodes and pods in real mode, from the simulated cluster in demo mode. A token with a
/// list of tenants sees no figure of the cluster as a whole: it gets what its tenants hold and request.
#[utoipa::path(
    get,
    path = "/api/v1/monitoring/system",
    tag = "monitoring",
    responses((status = 200, description = "The cluster as a whole", body = SystemMetricsOut)),
)]
pub(crate) async fn get_system_metrics(Reader(api): Reader) -> Result<Response, ApiError> {
    let services = api.services();
    let capacity = services.cluster.capacity()?;
    let tenants = services.tenants.tenants();
    let visible = || tenants.iter().filter(|tenant| api.access.may_see(&tenant.id));
    let running = visible().filter(|tenant| tenant.status == TenantStatus::Running);
    let (total, used) = if api.access.sees_everything() {
        (capacity.total, capacity.used)
    } else {
        let none = (Resources::default(), Resources::default());
        visible().fold(none, |(total, used), tenant| {
            let requested = requested_resources(&api.state.catalog, &tenant.sizing);
            (total.plus(&tenant.sizing.resources), used.plus(&requested))
        })
    };
    let body = SystemMetricsOut {
        active_tenants: running.count(),
        total_tenants: visible().count(),
        total_resources: amounts(&total),
        used_resources: amounts(&used),
        utilization: UtilizationOut::new(&used, &total),
        cluster_status: capacity.status,
    };
    Ok(wire::json(StatusCode::OK, &body))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_contracts_example_has_the_contracts_utilization() {
        let total = Resources { cpu_millicores: 500_000, memory_mib: 1_024_000, gpu: 50, storage_gb: 50_000 };
        let used = Resources { cpu_millicores: 285_000, memory_mib: 665_600, gpu: 28, storage_gb: 25_000 };
        let expected = UtilizationOut { cpu: 57.0, memory: 65.0, gpu: 56.0, storage: 50.0 };
        assert_eq!(UtilizationOut::new(&used, &total), expected);
        assert_eq!((amounts(&total).memory, amounts(&total).storage), ("1000Gi".into(), "50TB".into()));
        assert_eq!(percent(0, 0), 0.0);
        assert_eq!(percent(1, 3), 33.3);
    }
}
