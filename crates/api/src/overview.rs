//! `GET /api/v1/overview`: everything at a glance, and what somebody should look at now.

use crate::auth::Reader;
use crate::error::ApiError;
use crate::gpu_headroom::{GpuHeadroom, gpu_headroom};
use crate::request_context::Api;
use crate::wire;
use axum::response::Response;
use ecp_core::Timestamp;
use ecp_core::alerts::{Alert, AlertSubject, Severity};
use ecp_core::ports::Capacity;
use ecp_core::tenant::{Tenant, TenantStatus};
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Everything at a glance.
#[derive(Debug, Serialize, ToSchema)]
pub struct OverviewOut {
    /// True in demo mode.
    is_demo: bool,
    /// When this was so.
    #[schema(example = "2024-01-20T14:30:00Z")]
    timestamp: String,
    /// Sums over the tenants that the caller may see.
    totals: TotalsOut,
    /// GPUs by device type; `null` for tokens that are limited to tenants, and where the cluster does not
    /// answer.
    gpu: Option<Vec<GpuHeadroomOut>>,
    /// What somebody should look at now: failed tenants first, then critical alerts, SLA misses, warnings;
    /// each oldest first.
    attention: Vec<AttentionOut>,
}

/// Sums over tenants.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct TotalsOut {
    /// Tenants.
    #[schema(example = 15)]
    tenants: usize,
    /// Those that run.
    #[schema(example = 12)]
    running: usize,
    /// Those that come up.
    #[schema(example = 1)]
    pending: usize,
    /// Those that failed.
    #[schema(example = 1)]
    failed: usize,
    /// Those that go.
    #[schema(example = 1)]
    deleting: usize,
    /// Open alerts.
    #[schema(example = 4)]
    open_alerts: usize,
    /// Critical ones among them.
    #[schema(example = 1)]
    critical_alerts: usize,
    /// Tenants whose response time is over their SLA now.
    #[schema(example = 1)]
    sla_misses: usize,
    /// Whole GPUs of all plans.
    #[schema(example = 40)]
    gpu: u64,
    /// What the tenants pay, in US dollars a month.
    #[schema(example = 5250)]
    list_price_usd: u64,
    /// What they cost the operator, in US dollars a month.
    #[schema(example = 48000)]
    operator_cost_usd: u64,
}

/// GPUs of one device type.
#[derive(Debug, Serialize, ToSchema)]
pub struct GpuHeadroomOut {
    /// Device type.
    #[schema(example = "v100")]
    gpu_type: String,
    /// On nodes that tenants' pods could go to.
    #[schema(example = 128)]
    total: u64,
    /// In the plans of accepted tenants, whether their pods are there or not.
    #[schema(example = 36)]
    promised: u64,
    /// Requested by pods, whoever's they are.
    #[schema(example = 33)]
    requested: u64,
    /// Of those promised, in the plans of tenants that measured how busy theirs are; `used` knows of these alone.
    #[schema(example = 33)]
    measured: u64,
    /// Busy: what tenants measured of their GPUs last, as a number of GPUs.
    #[schema(example = 21.4)]
    used: f64,
}

/// Why somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum AttentionKind {
    TenantFailed,
    CriticalAlert,
    SlaMiss,
    Warning,
}

impl AttentionKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::TenantFailed => "tenant_failed",
            Self::CriticalAlert => "critical_alert",
            Self::SlaMiss => "sla_miss",
            Self::Warning => "warning",
        }
    }

    fn of(alert: &Alert) -> Self {
        match (alert.severity, alert.subject) {
            (Severity::Critical, _) => Self::CriticalAlert,
            (Severity::Warning, AlertSubject::ResponseTime) => Self::SlaMiss,
            (Severity::Warning, _) => Self::Warning,
        }
    }
}

/// Something to look at.
#[derive(Debug, Serialize, ToSchema)]
pub struct AttentionOut {
    /// `tenant_failed`, `critical_alert`, `sla_miss`, `warning`.
    #[schema(example = "tenant_failed")]
    kind: &'static str,
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// Its name for people.
    #[schema(example = "내 AI 서비스")]
    name: String,
    /// What is wrong, and for a failed tenant how to fix it.
    message: String,
    /// Since when.
    #[schema(example = "2024-01-20T14:30:00Z")]
    since: String,
    /// The roll-out that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "dep-abc123")]
    deployment_id: Option<String>,
    /// The alert.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "alert-123")]
    alert_id: Option<String>,
    /// True of an alert of which a silence has nobody told.
    #[schema(example = false)]
    silenced: bool,
}

/// Get the overview
///
/// Totals, GPU headroom by device type, and what somebody should look at now. All of it is in memory.
#[utoipa::path(
    get,
    path = "/api/v1/overview",
    tag = "overview",
    responses((status = 200, description = "Everything at a glance", body = OverviewOut)),
)]
pub(crate) async fn get_overview(Reader(api): Reader) -> Result<Response, ApiError> {
    let services = api.services();
    let tenants = services.tenants.tenants();
    let visible: Vec<&Arc<Tenant>> = tenants.iter().filter(|tenant| api.access.may_see(&tenant.id)).collect();
    let mut totals = TotalsOut::default();
    let mut attention = Vec::new();
    for tenant in &visible {
        let alerts = services.tenants.open_alerts(&tenant.id);
        totals.add(tenant, &alerts);
        attention.extend(failed(&api, tenant));
        // That a roll-out failed is said once, with its reason.
        let told = |alert: &&Arc<Alert>| {
            alert.subject != AlertSubject::DeploymentFailed || tenant.status != TenantStatus::Failed
        };
        attention.extend(alerts.iter().filter(told).map(|alert| {
            let place = (AttentionKind::of(alert), alert.opened_at);
            (place, AttentionOut::of_alert(&api, tenant, alert))
        }));
    }
    // Stable: what is as old as another stays in the order of the tenants.
    attention.sort_by_key(|(place, _)| *place);
    let capacity = services.cluster.capacity().ok().filter(|_| api.access.sees_everything());
    let body = OverviewOut {
        is_demo: api.mode.is_demo(),
        timestamp: wire::timestamp_text(api.state.clock.now()),
        totals,
        gpu: capacity.map(|capacity| gpus(&api, &visible, &capacity)),
        attention: attention.into_iter().map(|(_, entry)| entry).collect(),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

impl TotalsOut {
    fn add(&mut self, tenant: &Tenant, alerts: &[Arc<Alert>]) {
        self.tenants += 1;
        *match tenant.status {
            TenantStatus::Running => &mut self.running,
            TenantStatus::Pending => &mut self.pending,
            TenantStatus::Failed => &mut self.failed,
            TenantStatus::Deleting => &mut self.deleting,
        } += 1;
        self.open_alerts += alerts.len();
        self.critical_alerts += alerts.iter().filter(|alert| alert.severity == Severity::Critical).count();
        let misses = alerts.iter().any(|alert| alert.subject == AlertSubject::ResponseTime);
        self.sla_misses += usize::from(misses);
        self.gpu += tenant.sizing.resources.gpu;
        self.list_price_usd += tenant.sizing.list_price_usd;
        self.operator_cost_usd += tenant.sizing.operator_cost_usd;
    }
}

/// The entry of a tenant that failed.
fn failed(api: &Api, tenant: &Tenant) -> Option<((AttentionKind, Timestamp), AttentionOut)> {
    if tenant.status != TenantStatus::Failed {
        return None;
    }
    let deployment = api.services().tenants.deployment(&tenant.deployment_id)?;
    let message = match &deployment.failure {
        Some(failure) => failure.message.render(api.language()),
        None => deployment.logs.last().map(|line| line.message.render(api.language()))?,
    };
    let since = deployment.finished_at.unwrap_or(tenant.updated_at);
    let entry = AttentionOut {
        kind: AttentionKind::TenantFailed.as_str(),
        message,
        since: wire::timestamp_text(since),
        deployment_id: Some(deployment.id.to_string()),
        alert_id: None,
        silenced: false,
        tenant_id: tenant.id.to_string(),
        name: tenant.spec.name.clone(),
    };
    Some(((AttentionKind::TenantFailed, since), entry))
}

impl AttentionOut {
    fn of_alert(api: &Api, tenant: &Tenant, alert: &Alert) -> Self {
        Self {
            kind: AttentionKind::of(alert).as_str(),
            message: alert.message.render(api.language()),
            since: wire::timestamp_text(alert.opened_at),
            deployment_id: None,
            alert_id: Some(alert.id.to_string()),
            silenced: api.services().alerting.is_silenced(alert, api.state.clock.now()),
            tenant_id: tenant.id.to_string(),
            name: tenant.spec.name.clone(),
        }
    }
}

/// GPUs by device type, to a tenth of one.
fn gpus(api: &Api, tenants: &[&Arc<Tenant>], capacity: &Capacity) -> Vec<GpuHeadroomOut> {
    let by_type = gpu_headroom(&api.state, api.services(), tenants.iter().copied(), capacity);
    let rounded = |(gpu_type, gpus): (String, GpuHeadroom)| GpuHeadroomOut {
        gpu_type,
        total: gpus.total,
        promised: gpus.promised,
        requested: gpus.requested,
        measured: gpus.measured,
        used: (gpus.used * 10.0).round() / 10.0,
    };
    by_type.into_iter().map(rounded).collect()
}
