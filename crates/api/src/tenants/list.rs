//! `GET /api/v1/tenants/`: a page of the tenants of one mode.

use super::live::{Expand, Expanded, LiveAlertsOut, LiveCostOut, LiveMetricsOut};
use super::order::Order;
use crate::auth::Reader;
use crate::deployments::FailureOut;
use crate::error::ApiError;
use crate::query::{PageIn, QueryReader};
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::tenant::{Preset, Tenant, TenantStatus};
use http::{StatusCode, Uri};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// One tenant of the list.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantSummaryOut<'a> {
    /// Its id.
    #[schema(example = "global-call-center")]
    tenant_id: &'a str,
    /// Its name for people.
    #[schema(example = "글로벌 콜센터")]
    name: &'a str,
    /// `micro`, `small`, `medium`, `large`.
    #[schema(example = "large")]
    preset: &'static str,
    /// True in demo mode.
    is_demo: bool,
    /// `pending`, `running`, `failed`, `deleting`.
    #[schema(example = "running")]
    status: &'static str,
    /// Services that run, those that others bring included.
    #[schema(example = 5)]
    services_count: usize,
    /// CPU of the plan.
    #[schema(example = "45000m")]
    cpu_limit: String,
    /// Memory of the plan.
    #[schema(example = "64Gi")]
    memory_limit: String,
    /// Whole GPUs of the plan.
    #[schema(example = 6)]
    gpu_limit: u64,
    /// Storage of the plan.
    #[schema(example = "2.0TB")]
    storage_limit: String,
    /// GPU type.
    #[schema(example = "v100")]
    gpu_type: &'a str,
    /// Promised availability.
    #[schema(example = "99.86%")]
    sla_availability: String,
    /// Promised response time.
    #[schema(example = "265ms")]
    sla_response_time: String,
    /// When it was accepted.
    #[schema(example = "2024-01-15T10:30:00Z")]
    created_at: String,
    /// Free text; `null` where none was given.
    #[schema(example = "글로벌 콜센터 AI 서비스")]
    description: Option<&'a str>,
    /// Newest values; with `expand=metrics`.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<LiveMetricsOut>,
    /// Open alerts; with `expand=alerts`.
    #[serde(skip_serializing_if = "Option::is_none")]
    alerts: Option<LiveAlertsOut>,
    /// What it pays and costs; with `expand=cost`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<LiveCostOut>,
    /// Why the newest roll-out failed, `null` where it did not; with `expand=failure`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<FailureOut>)]
    failure: Option<Option<FailureOut<'a>>>,
}

impl<'a> TenantSummaryOut<'a> {
    fn new(tenant: &'a Tenant, is_demo: bool, expanded: Expanded) -> Self {
        let (spec, sizing) = (&tenant.spec, &tenant.sizing);
        Self {
            tenant_id: tenant.id.as_str(),
            name: &spec.name,
            preset: sizing.preset.as_str(),
            is_demo,
            status: tenant.status.as_str(),
            services_count: sizing.services.len(),
            cpu_limit: sizing.resources.cpu_text(),
            memory_limit: sizing.resources.memory_text(),
            gpu_limit: sizing.resources.gpu,
            storage_limit: sizing.resources.storage_text(),
            gpu_type: &sizing.gpu_type,
            sla_availability: spec.sla_target.availability.to_string(),
            sla_response_time: format!("{}ms", spec.sla_target.response_time_ms),
            created_at: wire::timestamp_text(tenant.created_at),
            description: spec.description.as_deref(),
            metrics: expanded.metrics,
            alerts: expanded.alerts,
            cost: expanded.cost,
            failure: expanded.failure,
        }
    }
}

/// A page of tenants, with counts over everything that the filters match.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantListOut<'a> {
    /// Ordered as asked, else by `created_at`, then id.
    tenants: Vec<TenantSummaryOut<'a>>,
    /// Tenants that the filters match.
    #[schema(example = 1)]
    total_count: usize,
    /// That number in demo mode, 0 in real mode.
    #[schema(example = 0)]
    demo_count: usize,
    /// Those of them that run.
    #[schema(example = 1)]
    active_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// List tenants
///
/// Ordered by `created_at`, then id, unless `sort` says otherwise.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/",
    tag = "tenants",
    params(
        PageIn,
        ("preset" = Option<String>, Query, description = "Only tenants of this preset: micro, small, medium, large"),
        ("status" = Option<String>, Query, description = "Only tenants of this status: pending, running, failed, deleting"),
        ("q" = Option<String>, Query, description = "Only tenants whose id or name contains this, in upper or lower case"),
        ("sort" = Option<String>, Query, description = "name, status (failed, pending, deleting, running), created_at, gpu, cost, cpu_usage, gpu_usage or response_time; `-` before it for descending. Tenants without a value come last"),
        ("expand" = Option<String>, Query, description = "metrics, alerts, cost, failure; repeated or comma-separated. Each adds an object of that name to every row"),
    ),
    responses((status = 200, description = "A page of tenants", body = TenantListOut)),
)]
pub(crate) async fn list_tenants(Reader(api): Reader, uri: Uri) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let page = query.page();
    let preset = query.choice("preset", "api.unknown_preset", &Preset::ALL, Preset::as_str);
    let status = query.choice("status", "api.unknown_status", &TenantStatus::ALL, TenantStatus::as_str);
    let contains = query.text("q").map(str::to_lowercase);
    let order = query.choice("sort", "api.unknown_sort", &Order::ALL, Order::as_str);
    let expand = query.choices("expand", "api.unknown_expand", &Expand::ALL, Expand::as_str);
    query.finish(&api.context)?;

    let services = api.services();
    let tenants = services.tenants.tenants();
    let is_demo = api.mode.is_demo();
    let matches = |tenant: &Tenant| {
        api.access.may_see(&tenant.id)
            && preset.is_none_or(|preset| preset == tenant.sizing.preset)
            && status.is_none_or(|status| status == tenant.status)
            && contains.as_deref().is_none_or(|text| {
                tenant.id.as_str().contains(text) || tenant.spec.name.to_lowercase().contains(text)
            })
    };
    let mut found: Vec<Arc<Tenant>> = tenants.iter().filter(|tenant| matches(tenant)).cloned().collect();
    if let Some(order) = order {
        order.apply(&mut found, services);
    }
    let total_count = found.len();
    let active_count = found.iter().filter(|tenant| tenant.status == TenantStatus::Running).count();
    let entries = found.iter().skip(page.skip).take(page.limit).map(|tenant| {
        let expanded = Expanded::new(services, tenant, &expand, api.language());
        TenantSummaryOut::new(tenant, is_demo, expanded)
    });
    let body = TenantListOut {
        tenants: entries.collect(),
        total_count,
        demo_count: if is_demo { total_count } else { 0 },
        active_count,
        pagination: PaginationOut::new(page, total_count),
    };
    Ok(wire::json(StatusCode::OK, &body))
}
