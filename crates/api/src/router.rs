//! The routes, and what is answered where there is none.

use crate::error::{ApiError, ErrorCode};
use crate::health::{get_health, get_readiness};
use crate::request_context::context_of;
use crate::request_layer::RequestLayer;
use crate::state::ApiState;
use axum::Router;
use axum::routing::{MethodRouter, get};
use ecp_core::text::Message;
use http::request::Parts;
use http::{Method, StatusCode, Uri};
use std::sync::Arc;

/// Every route of the API, with everything that requests have in common around it.
pub fn router(state: Arc<ApiState>) -> Router {
    let mut router = Router::new();
    router = resource(router, "/healthz", get(get_health));
    router = resource(router, "/readyz", get(get_readiness));
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(RequestLayer(state.clone()))
        .with_state(state)
}

/// Routes a path with and without a trailing slash: the same resource, no redirect.
fn resource(
    router: Router<Arc<ApiState>>,
    path: &str,
    methods: MethodRouter<Arc<ApiState>>,
) -> Router<Arc<ApiState>> {
    router.route(path, methods.clone()).route(&format!("{path}/"), methods)
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, Message::new("api.unknown_path").with("path", uri.path()))
        .with_status(StatusCode::NOT_FOUND)
        .detail("path", uri.path())
}

/// The route exists, the method does not. The mode is asked for first, as on every request there.
async fn method_not_allowed(method: Method, uri: Uri, parts: Parts) -> ApiError {
    if uri.path().starts_with("/api/")
        && let Err(fault) = context_of(&parts).mode
    {
        return fault.into();
    }
    ApiError::new(
        ErrorCode::InvalidRequest,
        Message::new("api.method_not_allowed").with("method", &method).with("path", uri.path()),
    )
    .with_status(StatusCode::METHOD_NOT_ALLOWED)
    .detail("method", method.as_str())
    .detail("path", uri.path())
}
