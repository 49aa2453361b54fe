//! Liveness and readiness, for whoever watches the process.

use crate::state::ApiState;
use crate::wire;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// How the process is.
#[derive(Debug, Serialize, ToSchema)]
pub struct HealthOut {
    /// `ok`; for readiness `starting`, `ready` or `stopping`.
    #[schema(example = "ok")]
    status: &'static str,
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
    wire::json(StatusCode::OK, &HealthOut { status: "ok" })
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
    wire::json(status, &HealthOut { status: state.readiness.as_str() })
}
