//! Liveness, readiness and figures, for whoever watches the process.

use crate::auth::MetricsReader;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::state::{ApiState, ModeServices};
use crate::telemetry;
use crate::wire;
use axum::extract::State;
use axum::response::Response;
use ecp_core::catalog_change::CatalogStatus;
use ecp_core::damage::Damage;
use ecp_core::ports::{ClusterHealth, MetricHealth};
use http::header::CONTENT_TYPE;
use http::{HeaderName, StatusCode};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthOut {
    /// `ok`; for readiness `starting`, `ready`, `degraded` (it serves what it can, and something is wrong that the
    /// other fields name) or `stopping`.
    #[schema(example = "ok")]
    status: &'static str,
    /// For readiness: whether the cluster of real mode answers, `ok`, `not_configured`, or
    /// `unreachable` with the reason. One that does not answer leaves the server ready: reads and
    /// demo mode need no cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ok")]
    kubernetes: Option<String>,
    /// For readiness: why a mode's database can not be written, where that is so; it is tried again until
    /// it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "real: database or disk is full")]
    storage: Option<String>,
    /// For readiness: whether the metric store that samples are kept in answers, `ok`, `unreachable` with the reason,
    /// or `not_asked` in the first moment after a start; left out where they are in the data folder. Without it
    /// monitoring is 503 and everything else goes on.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ok")]
    metrics: Option<String>,
    /// For readiness: the id that this installation marks its objects in the cluster with; what
    /// carries another is foreign.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ecp-7k2m9q4w8xyz")]
    installation: Option<String>,
    /// For readiness: stored rows that can not be read and are set aside, by file and table. The log
    /// names each with its tenant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    damaged: Vec<DamagedRowsOut>,
    /// For readiness: whether the tenants of real mode are as the catalog has them, `ok`, or how many are
    /// not; `GET /api/v1/catalog/diff` says what would change. They run all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ok")]
    catalog: Option<String>,
    /// For readiness: this process among those that share a PostgreSQL server, by mode. Absent where it has its
    /// databases to itself.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    replica: BTreeMap<&'static str, ReplicaOut>,
}

/// A process among those that are one service.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub struct ReplicaOut {
    /// Its id, as `holder` of a lease has it; new with each start.
    #[schema(example = "ecp-7k2m9q4w8xyz")]
    id: String,
    /// Tenants that it works on.
    #[schema(example = 12)]
    leases: usize,
    /// True of the one that does what is done once in a mode.
    leads: bool,
    /// Seconds since what is in memory was last held against the database.
    #[schema(example = 0.12)]
    view_lag_seconds: f64,
}

impl ReplicaOut {
    fn of(services: &ModeServices) -> Option<(&'static str, Self)> {
        let tenants = &services.tenants;
        let replica = Self {
            id: tenants.replica()?,
            leases: tenants.held().unwrap_or_default(),
            leads: tenants.leads(),
            view_lag_seconds: tenants.view_age().as_secs_f64(),
        };
        Some((services.mode.as_str(), replica))
    }
}

/// Rows of one table that can not be read.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct DamagedRowsOut {
    /// The database file.
    #[schema(example = "real.db")]
    file: String,
    /// The table.
    #[schema(example = "alerts")]
    table: &'static str,
    /// How many.
    #[schema(example = 1)]
    rows: usize,
}

impl DamagedRowsOut {
    /// Counts by file and table; whose they are is for the log, since nobody needs a token here.
    fn count(damage: impl IntoIterator<Item = Damage>) -> Vec<Self> {
        let mut counts: BTreeMap<(String, &'static str), usize> = BTreeMap::new();
        for one in damage {
            *counts.entry((one.file, one.table)).or_default() += 1;
        }
        counts.into_iter().map(|((file, table), rows)| Self { file, table, rows }).collect()
    }
}

/// Tell that the process lives
///
/// Answers as long as it can answer at all.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    responses(
        (status = 200, description = "It lives", body = HealthOut),
        (status = 403, description = "FORBIDDEN: a page of another site asks", body = ErrorOut),
    ),
)]
pub(crate) async fn get_health() -> Response {
    let body = HealthOut {
        status: "ok",
        kubernetes: None,
        installation: None,
        metrics: None,
        storage: None,
        damaged: Vec::new(),
        catalog: None,
        replica: BTreeMap::new(),
    };
    wire::json(StatusCode::OK, &body)
}

/// Tell whether traffic is welcome
///
/// `degraded` is welcome too: what is damaged is set aside and stops nothing else.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    responses(
        (status = 200, description = "Traffic is welcome", body = HealthOut),
        (status = 403, description = "FORBIDDEN: a page of another site asks", body = ErrorOut),
        (status = 503, description = "The server starts or stops, or can not write", body = HealthOut),
    ),
)]
pub(crate) async fn get_readiness(State(state): State<Arc<ApiState>>) -> Response {
    let modes = [&state.demo, &state.real];
    let failing = modes.into_iter().filter_map(|services| {
        let reason = services.tenants.write_failure()?;
        Some(format!("{}: {reason}", services.mode.as_str()))
    });
    let failing: Vec<String> = failing.collect();
    let storage = (!failing.is_empty()).then(|| failing.join("; "));
    // A replica whose server is away still answers reads, as all of them do then.
    let cannot_write = |services: &&ModeServices| {
        services.tenants.write_failure().is_some() && services.tenants.behind().is_none()
    };
    let is_welcome = state.readiness.is_ready() && !modes.iter().any(cannot_write);
    let status = if is_welcome { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let kubernetes = match state.real.cluster.health() {
        ClusterHealth::NotConfigured => "not_configured".to_owned(),
        ClusterHealth::Ready => "ok".to_owned(),
        ClusterHealth::Unreachable(reason) => format!("unreachable: {reason}"),
    };
    let modes = [&state.demo, &state.real].into_iter().flat_map(|mode| mode.tenants.damage());
    let damaged = DamagedRowsOut::count(modes.chain(state.authentication.damage()));
    let stores = [&state.demo, &state.real].map(|services| services.metrics.health());
    let is_away = stores.iter().any(|health| matches!(health, MetricHealth::Unreachable(_)));
    let metrics = metrics_text(stores);
    let is_degraded = state.readiness.is_ready() && (!damaged.is_empty() || storage.is_some() || is_away);
    let text = if is_degraded { "degraded" } else { state.readiness.as_str() };
    let catalog = Some(catalog_text(&state.real.tenancy.catalog_status()));
    let body = HealthOut {
        status: text,
        kubernetes: Some(kubernetes),
        installation: state.real.cluster.installation().map(|id| id.to_string()),
        metrics,
        storage,
        damaged,
        catalog,
        replica: [&state.demo, &state.real].into_iter().filter_map(ReplicaOut::of).collect(),
    };
    wire::json(status, &body)
}

/// Of both modes, which ask the same store.
fn metrics_text(modes: [MetricHealth; 2]) -> Option<String> {
    let mut text = None;
    for health in modes {
        match health {
            MetricHealth::Embedded => {}
            MetricHealth::NotAsked => text = text.or_else(|| Some("not_asked".to_owned())),
            MetricHealth::Ready => text = Some("ok".to_owned()),
            MetricHealth::Unreachable(reason) => return Some(format!("unreachable: {reason}")),
        }
    }
    text
}

fn catalog_text(status: &CatalogStatus) -> String {
    if status.behind.is_empty() {
        return "ok".to_owned();
    }
    let failed = match status.failed.len() {
        0 => String::new(),
        count => format!(", {count} failed"),
    };
    format!(
        "{} tenants run with another catalog; roll-out {}{failed}",
        status.behind.len(),
        status.state.as_str()
    )
}

/// Tell what was counted
///
/// In OpenMetrics text, for Prometheus. Needs a token of any role that sees all tenants, unless the server
/// listens on loopback only or asks for no tokens. Where tokens are required and none is shown on loopback,
/// what is said of tenants, costs and GPUs is left out.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses(
        (status = 200, description = "The figures", body = String, content_type = "application/openmetrics-text"),
        (status = 401, description = "UNAUTHORIZED: a token is needed, or is not good", body = ErrorOut),
        (status = 403, description = "FORBIDDEN: a page of another site asks, or the token sees some tenants only", body = ErrorOut),
    ),
)]
pub(crate) async fn get_metrics(
    reader: MetricsReader,
    State(state): State<Arc<ApiState>>,
) -> Result<([(HeaderName, &'static str); 1], String), ApiError> {
    let turn = state.memory.scrape().await;
    let asked = state.clone();
    let text = turn.compute(move || asked.telemetry.exposition(&asked, reader.sees_tenants)).await?;
    Ok(([(CONTENT_TYPE, telemetry::CONTENT_TYPE)], text))
}
