//! What a row of the tenant list says on demand: newest values, open alerts, costs, the failure.
//!
//! All of it is in memory; none costs more with more samples kept.

use crate::deployments::FailureOut;
use crate::state::ModeServices;
use crate::wire;
use ecp_core::Timestamp;
use ecp_core::alerts::{Alert, Severity};
use ecp_core::deployment::DeploymentStatus;
use ecp_core::metrics::{Latest, Metric};
use ecp_core::tenant::Tenant;
use ecp_core::text::Language;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// What `expand` can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expand {
    Metrics,
    Alerts,
    Cost,
    Failure,
}

impl Expand {
    /// All of them.
    pub(super) const ALL: [Self; 4] = [Self::Metrics, Self::Alerts, Self::Cost, Self::Failure];

    /// The spelling of the query.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Alerts => "alerts",
            Self::Cost => "cost",
            Self::Failure => "failure",
        }
    }
}

/// The newest values of a tenant; what was never measured is left out.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(example = json!({"timestamp": "2024-01-20T14:30:00Z", "cpu": 65.5, "gpu": 85.0, "response_time": 145.8}))]
pub struct LiveMetricsOut {
    /// When the newest of them was measured; `null` where nothing was.
    timestamp: Option<String>,
    /// CPU use in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu: Option<f64>,
    /// Memory use in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    memory: Option<f64>,
    /// GPU use in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    gpu: Option<f64>,
    /// Bytes received a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    network_in: Option<f64>,
    /// Bytes sent a second.
    #[serde(skip_serializing_if = "Option::is_none")]
    network_out: Option<f64>,
    /// Bytes stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<f64>,
    /// Requests since the sample before.
    #[serde(skip_serializing_if = "Option::is_none")]
    request_count: Option<f64>,
    /// Mean response time in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    response_time: Option<f64>,
    /// Failed requests in percent.
    #[serde(skip_serializing_if = "Option::is_none")]
    error_rate: Option<f64>,
}

/// The open alerts of a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveAlertsOut {
    /// Open alerts.
    #[schema(example = 2)]
    open: usize,
    /// Critical ones among them.
    #[schema(example = 1)]
    critical: usize,
    /// Warnings among them.
    #[schema(example = 1)]
    warning: usize,
}

/// What a tenant pays and costs, in US dollars a month.
#[derive(Debug, Serialize, ToSchema)]
pub struct LiveCostOut {
    /// List price: what the tenant pays.
    #[schema(example = 350)]
    list_price_usd: u64,
    /// What its devices and nodes cost the operator.
    #[schema(example = 5400)]
    operator_cost_usd: u64,
    /// The first less the second.
    #[schema(example = -5050)]
    margin_usd: i64,
}

/// What was asked for beside a row.
#[derive(Debug, Default)]
pub(super) struct Expanded {
    pub(super) metrics: Option<LiveMetricsOut>,
    pub(super) alerts: Option<LiveAlertsOut>,
    pub(super) cost: Option<LiveCostOut>,
    /// The inner `None` where nothing failed.
    pub(super) failure: Option<Option<FailureOut<'static>>>,
}

impl Expanded {
    /// What is asked for of a tenant.
    pub(super) fn new(
        services: &ModeServices,
        tenant: &Tenant,
        expand: &[Expand],
        language: Language,
    ) -> Self {
        let asked = |what| expand.contains(&what);
        Self {
            metrics: asked(Expand::Metrics).then(|| LiveMetricsOut::new(&newest(services, tenant))),
            alerts: asked(Expand::Alerts)
                .then(|| LiveAlertsOut::new(&services.tenants.open_alerts(&tenant.id))),
            cost: asked(Expand::Cost).then(|| LiveCostOut::new(tenant)),
            failure: asked(Expand::Failure).then(|| failure(services, tenant, language)),
        }
    }
}

impl LiveMetricsOut {
    fn new(latest: &Latest) -> Self {
        let value = |metric: Metric| latest.get(metric).map(|reading| reading.value);
        let time = latest.timestamp_ms().and_then(|millis| Timestamp::from_millisecond(millis).ok());
        Self {
            timestamp: time.map(wire::timestamp_text),
            cpu: value(Metric::CpuUsage),
            memory: value(Metric::MemoryUsage),
            gpu: value(Metric::GpuUsage),
            network_in: value(Metric::NetworkIn),
            network_out: value(Metric::NetworkOut),
            storage: value(Metric::StorageUsed),
            request_count: value(Metric::RequestCount),
            response_time: value(Metric::ResponseTime),
            error_rate: value(Metric::ErrorRate),
        }
    }
}

impl LiveAlertsOut {
    fn new(open: &[Arc<Alert>]) -> Self {
        let critical = open.iter().filter(|alert| alert.severity == Severity::Critical).count();
        Self { open: open.len(), critical, warning: open.len() - critical }
    }
}

impl LiveCostOut {
    fn new(tenant: &Tenant) -> Self {
        let (list_price_usd, operator_cost_usd) =
            (tenant.sizing.list_price_usd, tenant.sizing.operator_cost_usd);
        // Prices are far below what either type holds.
        let margin_usd = list_price_usd as i64 - operator_cost_usd as i64;
        Self { list_price_usd, operator_cost_usd, margin_usd }
    }
}

/// The newest values of a tenant; nothing is known of one that sent none.
pub(crate) fn newest(services: &ModeServices, tenant: &Tenant) -> Latest {
    services.metrics.subscribe(&tenant.key()).borrow().unwrap_or_default()
}

/// Why the newest roll-out of a tenant failed, where it did.
pub(crate) fn failure(
    services: &ModeServices,
    tenant: &Tenant,
    language: Language,
) -> Option<FailureOut<'static>> {
    let deployment = services.tenants.deployment(&tenant.deployment_id)?;
    let failure = deployment.failure.as_ref().filter(|_| deployment.status == DeploymentStatus::Failed)?;
    Some(FailureOut::owned(failure, language))
}
