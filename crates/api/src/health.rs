//! Liveness, readiness and figures, for whoever watches the process.

use crate::auth::MetricsReader;
use crate::state::ApiState;
use crate::telemetry;
use crate::wire;
use axum::extract::State;
use axum::response::Response;
use ecp_core::ports::ClusterHealth;
use http::header::CONTENT_TYPE;
use http::{HeaderName, StatusCode};
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthOut {
    /// `ok`; for readiness `starting`, `ready` or `stopping`.
    #[schema(example = "ok")]
    status: &'static str,
    /// For readiness: whether the cluster of real mode answers, `ok`, `not_configured`, or
    /// `unreachable` with the reason. One that does not answer leaves the server ready: reads and
    /// demo mode need no cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "ok")]
    kubernetes: Option<String>,
}

/// Tell that the process lives
///
/// Answers as long as it can answer at all.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "server",
    responses((status = 200, description = "It lives", body = HealthOut)),
)]
pub(crate) async fn get_health() -> Response {
    wire::json(StatusCode::OK, &HealthOut { status: "ok", kubernetes: None })
}

/// Tell whether traffic is welcome
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "server",
    responses(
        (status = 200, description = "Traffic is welcome", body = HealthOut),
        (status = 503, description = "The server starts or stops", body = HealthOut),
    ),
)]
pub(crate) async fn get_readiness(State(state): State<Arc<ApiState>>) -> Response {
    let status = if state.readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let kubernetes = match state.real.cluster.health() {
        ClusterHealth::NotConfigured => "not_configured".to_owned(),
        ClusterHealth::Ready => "ok".to_owned(),
        ClusterHealth::Unreachable(reason) => format!("unreachable: {reason}"),
    };
    wire::json(status, &HealthOut { status: state.readiness.as_str(), kubernetes: Some(kubernetes) })
}

/// Tell what was counted
///
/// In OpenMetrics text, for Prometheus. Needs a token of any role, unless the server listens on
/// loopback only or asks for no tokens.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "server",
    responses((status = 200, description = "The figures", body = String, content_type = "application/openmetrics-text")),
)]
pub(crate) async fn get_metrics(
    _reader: MetricsReader,
    State(state): State<Arc<ApiState>>,
) -> ([(HeaderName, &'static str); 1], String) {
    ([(CONTENT_TYPE, telemetry::CONTENT_TYPE)], state.telemetry.render())
}
