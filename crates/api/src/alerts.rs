//! `GET /api/v1/tenants/{tenant_id}/alerts` and `GET /api/v1/alerts`: alerts of one tenant and of all, open
//! and resolved.

use crate::auth::Reader;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::{Page, PageIn, QueryReader};
use crate::request_context::{Api, PathText};
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::alerts::{Alert, AlertKind, AlertSubject, Severity};
use ecp_core::ports::AlertQuery;
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
    /// `resource_usage`, `performance`, `availability`, `deployment_failed`.
    #[serde(rename = "type")]
    #[schema(example = "resource_usage")]
    kind: &'static str,
    /// For people.
    #[schema(example = "CPU 사용률이 80%를 초과했습니다")]
    message: String,
    /// Series, `samples`, or `deployment`.
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
    /// True while a silence has nobody told of it.
    #[schema(example = false)]
    silenced: bool,
}

impl<'a> AlertOut<'a> {
    /// An alert as this caller reads it.
    pub(crate) fn new(alert: &'a Alert, api: &Api) -> Self {
        Self {
            alert_id: alert.id.as_str(),
            tenant_id: alert.tenant_id.as_str(),
            severity: alert.severity.as_str(),
            kind: alert.subject.kind().as_str(),
            message: alert.message.render(api.language()),
            metric: alert.subject.metric_name(),
            current_value: alert.current_value,
            threshold: alert.threshold,
            timestamp: wire::timestamp_text(alert.updated_at),
            state: if alert.resolved_at.is_some() { "resolved" } else { "open" },
            opened_at: wire::timestamp_text(alert.opened_at),
            resolved_at: alert.resolved_at.map(wire::timestamp_text),
            silenced: api.services().alerting.is_silenced(alert, api.state.clock.now()),
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

    /// The query's, all where it says nothing.
    fn read(query: &QueryReader) -> Self {
        query.choice("status", "api.unknown_status", &Self::ALL, Self::as_str).unwrap_or(Self::All)
    }

    /// A page of the alerts in this state.
    fn of_page(self, page: Page) -> AlertQuery {
        let open = match self {
            Self::Open => Some(true),
            Self::Resolved => Some(false),
            Self::All => None,
        };
        AlertQuery { open, skip: page.skip, limit: page.limit, ..AlertQuery::default() }
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
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("status" = Option<String>, Query, description = "`all` (default), `open` or `resolved`"),
        PageIn,
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
    let state = StateFilter::read(&query);
    query.finish(&api.context)?;

    let tenant = api.find_tenant(&tenant_id)?;
    let filter = AlertQuery { tenant_id: Some(tenant.id.clone()), ..state.of_page(page) };
    let (alerts, total_count) = api.services().tenants.alerts(filter).await?;
    let body = AlertListOut {
        tenant_id: tenant.id.as_str(),
        alerts: alerts.iter().map(|alert| AlertOut::new(alert, &api)).collect(),
        total_count,
        pagination: PaginationOut::new(page, total_count),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

/// A page of alerts of all tenants.
#[derive(Debug, Serialize, ToSchema)]
pub struct AllAlertsOut<'a> {
    /// Newest first.
    alerts: Vec<AlertOut<'a>>,
    /// Alerts that the filter matches.
    #[schema(example = 1)]
    total_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// List alerts of all tenants
///
/// Newest first. A token for some tenants alone has to name one.
#[utoipa::path(
    get,
    path = "/api/v1/alerts",
    tag = "monitoring",
    params(
        ("tenant_id" = Option<String>, Query, description = "Only alerts of this tenant"),
        ("severity" = Option<String>, Query, description = "Only alerts of this severity: warning, critical"),
        ("type" = Option<String>, Query, description = "Only alerts of this type: resource_usage, performance, availability, deployment_failed"),
        ("status" = Option<String>, Query, description = "`all` (default), `open` or `resolved`"),
        PageIn,
    ),
    responses(
        (status = 200, description = "A page of alerts", body = AllAlertsOut),
        (status = 404, description = "TENANT_NOT_FOUND", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
    ),
)]
pub(crate) async fn list_all_alerts(Reader(api): Reader, uri: Uri) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let page = query.page();
    let state = StateFilter::read(&query);
    let severity = query.choice("severity", "api.unknown_severity", &Severity::ALL, Severity::as_str);
    let kind = query.choice("type", "api.unknown_alert_type", &AlertKind::ALL, AlertKind::as_str);
    let named = query.text("tenant_id").map(str::to_owned);
    query.finish(&api.context)?;

    let tenant_id = match &named {
        Some(id) => Some(api.find_tenant(id)?.id.clone()),
        None => {
            api.see_all()?;
            None
        }
    };
    let subjects = kind.map(AlertSubject::of_kind).unwrap_or_default();
    let filter = AlertQuery { tenant_id, severity, subjects, ..state.of_page(page) };
    let (alerts, total_count) = api.services().tenants.alerts(filter).await?;
    let body = AllAlertsOut {
        alerts: alerts.iter().map(|alert| AlertOut::new(alert, &api)).collect(),
        total_count,
        pagination: PaginationOut::new(page, total_count),
    };
    Ok(wire::json(StatusCode::OK, &body))
}
