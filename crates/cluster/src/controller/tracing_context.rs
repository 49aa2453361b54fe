//! The span of a look, as OpenTelemetry sees it: under the request whose deployment it carries on, which
//! may have been answered by another process long ago.

use ecp_core::Mode;
use ecp_core::deployment::Deployment;
use ecp_core::origin::Origin;
use ecp_core::ports::WorkItem;
use opentelemetry::Context;
use opentelemetry::propagation::TextMapPropagator;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use std::collections::HashMap;
use std::sync::Arc;
use tracing::Span;
use tracing::field::Empty;
use tracing_opentelemetry::OpenTelemetrySpanExt;

/// The span of a look that begins; `unfinished` is asked for only where somebody takes spans. A look that
/// carries nothing on – all is well, or something is healed – is a trace of its own.
pub(super) fn pass_span(
    mode: Mode,
    item: &WorkItem,
    unfinished: impl FnOnce() -> Option<Arc<Deployment>>,
) -> Span {
    let span = tracing::info_span!(
        target: ecp_core::TRACE_TARGET,
        parent: None,
        "reconcile",
        tenant.id = %item.tenant_id,
        deployment.id = Empty,
        mode = mode.as_str(),
        attempts = item.attempts,
    );
    if !span.is_disabled()
        && let Some(deployment) = unfinished()
    {
        span.record("deployment.id", deployment.id.as_str());
        if let Some(origin) = &deployment.origin {
            // Refused only of a span that has begun, which this one has not.
            let _ = span.set_parent(context_of(origin));
        }
    }
    span
}

/// Under the request's span where that is known, and with the request's id in any case.
fn context_of(origin: &Origin) -> Context {
    let header = origin.trace_parent.iter().map(|parent| ("traceparent".to_owned(), parent.clone()));
    let headers: HashMap<String, String> = header.collect();
    let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &headers);
    parent.with_value(origin.request_id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecp_core::ids::RequestId;
    use opentelemetry::trace::TraceContextExt as _;

    #[test]
    fn a_damaged_parent_is_none_and_the_request_is_known_all_the_same() {
        for parent in [None, Some(""), Some("00-0-0-01"), Some("\u{0}")] {
            let trace_parent = parent.map(str::to_owned);
            let context = context_of(&Origin { request_id: RequestId::from_text("req-1"), trace_parent });
            assert!(!context.span().span_context().is_valid(), "{parent:?}");
            assert_eq!(context.get::<RequestId>().map(RequestId::as_str), Some("req-1"));
        }
    }
}
