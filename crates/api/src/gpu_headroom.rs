//! GPUs by device type: what the cluster has, what plans promise, what pods requested, what is busy.

use crate::state::{ApiState, ModeServices};
use crate::tenants::live;
use ecp_core::metrics::Metric;
use ecp_core::ports::Capacity;
use ecp_core::tenant::Tenant;
use std::collections::BTreeMap;
use std::sync::Arc;

/// GPUs of one device type.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct GpuHeadroom {
    /// On nodes that tenants' pods could go to.
    pub total: u64,
    /// In the plans of accepted tenants, whether their pods are there or not.
    pub promised: u64,
    /// Requested by pods, whoever's they are.
    pub requested: u64,
    /// In the plans of tenants that measured how busy theirs are.
    pub measured: u64,
    /// Busy: what tenants measured of their GPUs last, as a number of GPUs.
    pub used: f64,
}

/// By device type: those that the cluster has, and those that plans name.
pub(crate) fn gpu_headroom<'a>(
    state: &ApiState,
    services: &ModeServices,
    tenants: impl IntoIterator<Item = &'a Arc<Tenant>>,
    capacity: &Capacity,
) -> BTreeMap<String, GpuHeadroom> {
    let mut by_type: BTreeMap<String, GpuHeadroom> = BTreeMap::new();
    for (gpu_type, gpus) in capacity.places.gpus(&state.catalog.kubernetes) {
        let entry = by_type.entry(gpu_type.to_owned()).or_default();
        (entry.total, entry.requested) = (gpus.total, gpus.requested);
    }
    for tenant in tenants.into_iter().filter(|tenant| tenant.sizing.resources.gpu > 0) {
        if !by_type.contains_key(&tenant.sizing.gpu_type) {
            by_type.insert(tenant.sizing.gpu_type.clone(), GpuHeadroom::default());
        }
        let Some(entry) = by_type.get_mut(&tenant.sizing.gpu_type) else { continue };
        let promised = tenant.sizing.resources.gpu;
        entry.promised += promised;
        let Some(busy) = live::newest(services, tenant).get(Metric::GpuUsage) else { continue };
        entry.measured += promised;
        entry.used += promised as f64 * busy.value / 100.0;
    }
    by_type
}
