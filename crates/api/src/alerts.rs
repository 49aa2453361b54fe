//! `GET /api/v1/tenants/{tenant_id}/alerts`: a tenant's alerts, open and resolved.

use crate::auth::Reader;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::{Page, QueryReader};
use crate::request_context::{Api, PathText};
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::alerts::{Alert, Severity};
use ecp_core::ids::TenantId;
use ecp_core::text::Language;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

/// An alert as it stands; the same fields as a frame of the alert stream.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertOut<'a> {
    /// Its id from opening to resolution.
    #[schema(example = "alert-123")]
    alert_id: &'a str,
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: &'a str,
    /// `warning` or `critical`; when resolved, the last.
    #[schema(example = "warning")]
    severity: &'static str,
    /// `resource_usage`, `performance`, `availability`.
    #[serde(rename = "type")]
    #[schema(example = "resource_usage")]
    kind: &'static str,
    /// For people.
    #[schema(example = "CPU 사용률이 80%를 초과했습니다")]
    message: String,
    /// Series, or `samples`.
    #[schema(example = "cpu")]
    metric: &'static str,
    /// Value that last changed it.
    #[schema(example = 85.2)]
    current_value: f64,
    /// Threshold that it is over.
    #[schema(example = 80.0)]
    threshold: f64,
    /// When it last changed.
    #[schema(example = "2024-01-20T14:30:00Z")]
    timestamp: String,
    /// `open` or `resolved`.
    #[schema(example = "open")]
    state: &'static str,
    /// When it opened.
    #[schema(example = "2024-01-20T14:30:00Z")]
    opened_at: String,
    /// When it resolved; `null` while it is open.
    resolved_at: Option<String>,
}

impl<'a> AlertOut<'a> {
    /// An alert in a language.
    pub(crate) fn new(alert: &'a Alert, language: Language) -> Self {
        Self {
            alert_id: alert.id.as_str(),
            tenant_id: alert.tenant_id.as_str(),
            severity: match alert.severity {
                Severity::Warning => "warning",
                Severity::Critical => "critical",
            },
            kind: alert.subject.kind(),
            message: alert.message.render(language),
            metric: alert.subject.metric_name(),
            current_value: alert.current_value,
            threshold: alert.threshold,
            timestamp: wire::timestamp_text(alert.updated_at),
            state: if alert.resolved_at.is_some() { "resolved" } else { "open" },
            opened_at: wire::timestamp_text(alert.opened_at),
            resolved_at: alert.resolved_at.map(wire::timestamp_text),
        }
    }
}

/// A page of a tenant's alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct AlertListOut<'a> {
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: &'a str,
    /// Newest first.
    alerts: Vec<AlertOut<'a>>,
    /// Alerts that the filter matches.
    total_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// Which alerts are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateFilter {
    Open,
    Resolved,
    All,
}

impl StateFilter {
    /// Every filter.
    pub(crate) const ALL: [Self; 3] = [Self::Open, Self::Resolved, Self::All];

    /// The spelling of the query.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::All => "all",
        }
    }
}

/// List a tenant's alerts
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/alerts",
    tag = "monitoring",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "my-ai-service"),
        ("status" = Option<String>, Query, description = "`all` (default), `open` or `resolved`"),
        ("skip" = Option<u32>, Query, description = "Entries to leave out first", minimum = 0, example = 0),
        ("limit" = Option<u32>, Query, description = "Entries at most (default 100)", minimum = 1, maximum = 1000, example = 100),
    ),
    responses(
        (status = 200, description = "A page of alerts", body = AlertListOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
    ),
)]
pub(crate) async fn list_alerts(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let page = query.page();
    let filter = query
        .choice("status", "api.unknown_status", &StateFilter::ALL, StateFilter::as_str)
        .unwrap_or(StateFilter::All);
    query.finish(&api.context)?;

    let tenant = api.find_tenant(&tenant_id)?;
    let (alerts, total_count) = select(&api, &tenant.id, filter, page).await?;
    let body = AlertListOut {
        tenant_id: tenant.id.as_str(),
        alerts: alerts.iter().map(|alert| AlertOut::new(alert, api.language())).collect(),
        total_count,
        pagination: PaginationOut::new(page, total_count),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

/// The page of the alerts that the filter matches, and how many it matches in all.
async fn select(
    api: &Api,
    id: &TenantId,
    filter: StateFilter,
    page: Page,
) -> Result<(Vec<Alert>, usize), ApiError> {
    let store = &api.services().tenants;
    match filter {
        StateFilter::All => Ok(store.alerts(id, false, page.skip, page.limit).await?),
        StateFilter::Open => Ok(store.alerts(id, true, page.skip, page.limit).await?),
        StateFilter::Resolved => {
            // At most so many of the newest alerts are open; at most one is for each subject.
            let open = store.open_alerts(id).len();
            let (newest, total) = store.alerts(id, false, 0, page.skip + page.limit + open).await?;
            let resolved = newest.into_iter().filter(|alert| alert.resolved_at.is_some());
            Ok((resolved.skip(page.skip).take(page.limit).collect(), total.saturating_sub(open)))
        }
    }
}
