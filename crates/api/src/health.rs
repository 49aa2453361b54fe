//! Liveness and readiness, for whoever watches the process.

use crate::state::ApiState;
use axum::Json;
use axum::extract::State;
use http::StatusCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// Answers as long as the process can answer at all.
pub(crate) async fn get_health() -> Json<Value> {
    Json(json!({"status": "ok"}))
}

/// Answers 200 while traffic is welcome, 503 while the server starts or stops.
pub(crate) async fn get_readiness(State(state): State<Arc<ApiState>>) -> (StatusCode, Json<Value>) {
    let status = if state.readiness.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({"status": state.readiness.as_str()})))
}
