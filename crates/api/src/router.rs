//! The routes, and what is answered where there is none.

use crate::error::{ApiError, ErrorCode};
use crate::request_context::context_of;
use crate::request_layer::RequestLayer;
use crate::state::ApiState;
use crate::{
    alert_rules, alerts, audit, capacity, catalog, costs, dashboard, deployments, docs, happenings, health,
    history, manifests, monitoring, nodes, openapi, overview, receivers, recommendation, silences, sizing,
    streams, system, tenants,
};
use axum::Router;
use axum::extract::MatchedPath;
use axum::routing::{MethodRouter, get, post};
use ecp_core::text::Message;
use http::request::Parts;
use http::{StatusCode, Uri};
use std::sync::{Arc, LazyLock};

/// Every route of the API, with everything that requests have in common around it.
pub fn router(state: Arc<ApiState>) -> Router {
    let tenant = get(tenants::get_tenant).put(tenants::update_tenant).delete(tenants::delete_tenant);
    let resources: Vec<(&str, MethodRouter<Arc<ApiState>>)> = vec![
        ("/api/v1/tenants", get(tenants::list_tenants).post(tenants::create_tenant)),
        ("/api/v1/tenants/calculate-resources", post(sizing::calculate_resources)),
        ("/api/v1/tenants/validate-manifest", post(manifests::validate_manifest)),
        ("/api/v1/tenants/{tenant_id}", tenant),
        ("/api/v1/tenants/{tenant_id}/manifest", get(manifests::get_manifest)),
        ("/api/v1/tenants/{tenant_id}/deployment-status", get(deployments::get_deployment_status)),
        ("/api/v1/tenants/{tenant_id}/deployments", get(history::list_deployments)),
        ("/api/v1/tenants/{tenant_id}/recommendation", get(recommendation::get_recommendation)),
        ("/api/v1/tenants/{tenant_id}/rollback", post(history::roll_back_tenant)),
        (
            "/api/v1/tenants/{tenant_id}/monitoring",
            get(monitoring::get_monitoring).post(monitoring::send_metrics),
        ),
        ("/api/v1/tenants/{tenant_id}/alerts", get(alerts::list_alerts)),
        (
            "/api/v1/tenants/{tenant_id}/alert-rules",
            get(alert_rules::get_alert_rules).put(alert_rules::set_alert_rules),
        ),
        ("/api/v1/alerts", get(alerts::list_all_alerts)),
        ("/api/v1/silences", get(silences::list_silences).post(silences::create_silence)),
        ("/api/v1/silences/{silence_id}", get(silences::get_silence).delete(silences::delete_silence)),
        ("/api/v1/receivers", get(receivers::list_receivers).post(receivers::create_receiver)),
        (
            "/api/v1/receivers/{receiver_id}",
            get(receivers::get_receiver).put(receivers::update_receiver).delete(receivers::delete_receiver),
        ),
        ("/api/v1/receivers/{receiver_id}/deliveries", get(receivers::deliveries::list_deliveries)),
        ("/api/v1/receivers/{receiver_id}/test", post(receivers::deliveries::test_receiver)),
        ("/api/v1/monitoring/system", get(system::get_system_metrics)),
        ("/api/v1/overview", get(overview::get_overview)),
        ("/api/v1/tenants/{tenant_id}/events", get(happenings::list_events)),
        ("/api/v1/tenants/{tenant_id}/logs", get(happenings::read_logs)),
        ("/api/v1/costs", get(costs::get_costs)),
        ("/api/v1/capacity", post(capacity::get_capacity)),
        ("/api/v1/nodes", get(nodes::list_nodes)),
        ("/api/v1/audit", get(audit::list_audit_entries)),
        ("/api/v1/catalog/diff", get(catalog::get_catalog_diff).post(catalog::compare_catalog)),
        ("/api/v1/catalog/rollout", post(catalog::roll_out_catalog)),
        ("/ws/monitoring/{tenant_id}", get(streams::watch_monitoring)),
        ("/ws/deployment/{deployment_id}", get(streams::watch_deployment)),
        ("/ws/alerts", get(streams::watch_all_alerts)),
        ("/ws/alerts/{tenant_id}", get(streams::watch_alerts)),
        ("/healthz", get(health::get_health)),
        ("/readyz", get(health::get_readiness)),
        ("/metrics", get(health::get_metrics)),
        ("/openapi.json", get(docs::get_openapi)),
        ("/docs", get(docs::get_docs)),
        ("", get(docs::get_index)),
    ];
    resources
        .into_iter()
        .fold(Router::new(), |router, (path, methods)| resource(router, path, methods))
        .route("/docs/{*file}", get(docs::get_docs_file))
        .route("/assets/{*file}", get(dashboard::get_dashboard_file))
        .fallback(async |uri: Uri| unknown_path(&uri))
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
    let with_slash = format!("{path}/");
    let router = if path.is_empty() { router } else { router.route(path, methods.clone()) };
    router.route(&with_slash, methods)
}

/// There is nothing at this path.
pub(crate) fn unknown_path(uri: &Uri) -> ApiError {
    let path = crate::fields::shortened(uri.path());
    ApiError::new(ErrorCode::InvalidRequest, Message::new("api.unknown_path").with("path", &path))
        .with_status(StatusCode::NOT_FOUND)
        .detail("path", path)
}

/// The route exists, the method does not. The mode is asked for first, as on every request there.
async fn method_not_allowed(parts: Parts) -> ApiError {
    let (method, path) = (parts.method.as_str(), parts.uri.path());
    if path.starts_with("/api/")
        && let Err(fault) = context_of(&parts).mode
    {
        return fault.into();
    }
    let allowed =
        parts.extensions.get::<MatchedPath>().map(|route| methods_of(route.as_str())).unwrap_or_default();
    let text = if allowed.is_empty() {
        Message::new("api.method_not_allowed")
    } else {
        Message::new("api.method_not_among").with("allowed", allowed.join(", "))
    };
    ApiError::new(ErrorCode::InvalidRequest, text.with("method", method).with("path", path))
        .with_status(StatusCode::METHOD_NOT_ALLOWED)
        .detail("method", method)
        .detail("path", path)
        .detail("allowed", allowed)
}

/// The methods of a route that the OpenAPI document describes, HEAD with GET as everywhere.
fn methods_of(route: &str) -> Vec<&'static str> {
    static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(openapi::openapi);
    let described = DOCUMENT.paths.paths.iter();
    let same = |path: &str| path.trim_end_matches('/') == route.trim_end_matches('/');
    let Some((_, item)) = { described }.find(|(path, _)| same(path)) else { return Vec::new() };
    let methods = [
        (item.get.is_some(), "GET"),
        (item.get.is_some(), "HEAD"),
        (item.post.is_some(), "POST"),
        (item.put.is_some(), "PUT"),
        (item.delete.is_some(), "DELETE"),
    ];
    methods.into_iter().filter_map(|(there, name)| there.then_some(name)).collect()
}
