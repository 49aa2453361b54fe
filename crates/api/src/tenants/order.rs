//! In which order tenants are listed.

use super::live;
use crate::state::ModeServices;
use ecp_core::metrics::Metric;
use ecp_core::tenant::{Tenant, TenantStatus};
use std::cmp::Ordering;
use std::sync::Arc;

/// What a list is ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Key {
    Name,
    Status,
    CreatedAt,
    Gpu,
    Cost,
    CpuUsage,
    GpuUsage,
    ResponseTime,
}

/// The order of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order {
    key: Key,
    descending: bool,
    spelling: &'static str,
}

const fn order(key: Key, descending: bool, spelling: &'static str) -> Order {
    Order { key, descending, spelling }
}

impl Order {
    /// Every order.
    pub(super) const ALL: [Self; 16] = [
        order(Key::Name, false, "name"),
        order(Key::Name, true, "-name"),
        order(Key::Status, false, "status"),
        order(Key::Status, true, "-status"),
        order(Key::CreatedAt, false, "created_at"),
        order(Key::CreatedAt, true, "-created_at"),
        order(Key::Gpu, false, "gpu"),
        order(Key::Gpu, true, "-gpu"),
        order(Key::Cost, false, "cost"),
        order(Key::Cost, true, "-cost"),
        order(Key::CpuUsage, false, "cpu_usage"),
        order(Key::CpuUsage, true, "-cpu_usage"),
        order(Key::GpuUsage, false, "gpu_usage"),
        order(Key::GpuUsage, true, "-gpu_usage"),
        order(Key::ResponseTime, false, "response_time"),
        order(Key::ResponseTime, true, "-response_time"),
    ];

    /// The spelling of the query.
    pub(super) fn as_str(self) -> &'static str {
        self.spelling
    }

    /// Puts tenants in this order. What is equal stays as it is; who has no value comes last, either way.
    pub(super) fn apply(self, tenants: &mut [Arc<Tenant>], services: &ModeServices) {
        match self.key {
            Key::Name => self.by(tenants, |tenant| Some(tenant.spec.name.to_lowercase())),
            Key::Status => self.by(tenants, |tenant| Some(urgency(tenant.status))),
            Key::CreatedAt => self.by(tenants, |tenant| Some(tenant.created_at)),
            Key::Gpu => self.by(tenants, |tenant| Some(tenant.sizing.resources.gpu)),
            Key::Cost => self.by(tenants, |tenant| Some(tenant.sizing.list_price_usd)),
            Key::CpuUsage => self.by_metric(tenants, services, Metric::CpuUsage),
            Key::GpuUsage => self.by_metric(tenants, services, Metric::GpuUsage),
            Key::ResponseTime => self.by_metric(tenants, services, Metric::ResponseTime),
        }
    }

    fn by_metric(self, tenants: &mut [Arc<Tenant>], services: &ModeServices, metric: Metric) {
        self.by(tenants, |tenant| {
            live::newest(services, tenant).get(metric).map(|reading| Finite(reading.value))
        });
    }

    /// Each key is made once: one that is measured may change while tenants are compared.
    fn by<K: Ord>(self, tenants: &mut [Arc<Tenant>], key: impl Fn(&Tenant) -> Option<K>) {
        let mut keyed: Vec<_> = tenants.iter().map(|tenant| (key(tenant), tenant.clone())).collect();
        keyed.sort_by(|(left, _), (right, _)| match (left, right) {
            (Some(left), Some(right)) if self.descending => right.cmp(left),
            (Some(left), Some(right)) => left.cmp(right),
            (left, right) => right.is_some().cmp(&left.is_some()),
        });
        for (place, (_, tenant)) in tenants.iter_mut().zip(keyed) {
            *place = tenant;
        }
    }
}

/// What somebody should look at first comes first.
fn urgency(status: TenantStatus) -> u8 {
    match status {
        TenantStatus::Failed => 0,
        TenantStatus::Pending => 1,
        TenantStatus::Deleting => 2,
        TenantStatus::Running => 3,
    }
}

/// A measured value; none is NaN.
struct Finite(f64);

impl Ord for Finite {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Finite {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Finite {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Finite {}
