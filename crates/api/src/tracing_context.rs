//! The span of a request, as OpenTelemetry sees it: under the caller's, where `traceparent` names one.
//!
//! Without a subscriber that takes the target, the span is disabled and costs nothing.

use crate::request_context::RequestContext;
use axum::extract::MatchedPath;
use axum::response::Response;
use ecp_core::Mode;
use ecp_core::ids::TenantId;
use http::{HeaderMap, Request};
use opentelemetry::propagation::{Extractor, TextMapPropagator};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// Headers as the propagator reads them.
struct Headers<'a>(&'a HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}

/// The span of a request that begins.
pub(crate) fn request_span<B>(
    request: &Request<B>,
    route: Option<&MatchedPath>,
    context: &RequestContext,
) -> Span {
    let route = route.map(MatchedPath::as_str);
    let span = tracing::info_span!(
        target: ecp_core::TRACE_TARGET,
        "request",
        otel.name = Empty,
        otel.kind = "server",
        otel.status_code = Empty,
        http.request.method = request.method().as_str(),
        http.route = route,
        http.response.status_code = Empty,
        tenant.id = Empty,
        mode = context.mode.as_ref().ok().copied().map(Mode::as_str),
    );
    if !span.is_disabled() {
        span.record("otel.name", format!("{} {}", request.method(), route.unwrap_or("unmatched")));
        let parent = TraceContextPropagator::new().extract(&Headers(request.headers()));
        // What is done for the request has its id, by this value.
        let parent = parent.with_value(context.request_id.clone());
        // Refused only of a span that has begun, which this one has not.
        let _ = span.set_parent(parent);
    }
    span
}

/// The span of the request that is being answered, as `traceparent` spells it; none where no collector takes
/// traces.
pub(crate) fn trace_parent() -> Option<String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&Span::current().context(), &mut headers);
    headers.remove("traceparent")
}

/// Says in a request's span how it was answered.
pub(crate) fn record_answer(span: &Span, context: &RequestContext, response: &Response) {
    span.record("http.response.status_code", response.status().as_u16());
    if let Some(tenant_id) = context.tenant_id().map(TenantId::as_str) {
        span.record("tenant.id", tenant_id);
    }
    if response.status().is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
