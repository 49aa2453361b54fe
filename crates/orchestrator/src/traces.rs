//! Traces for an OpenTelemetry collector: where they go, and their end.
//!
//! Spans wait in a bounded queue that a thread of its own sends away; where the collector is not there or
//! slow, they are dropped, and nothing waits for them.

use crate::config::Config;
use anyhow::Context as _;
use ecp_core::ids::RequestId;
use opentelemetry::trace::{Span as _, TracerProvider as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SdkTracerProvider, Span, SpanData, SpanProcessor, Tracer};
use std::time::Duration;

/// Path of traces under the address of a collector.
const PATH: &str = "/v1/traces";
/// For one batch to be taken.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// For the last spans to be taken when the server stops.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends spans until it is shut down.
pub(crate) struct Traces(SdkTracerProvider);

impl Traces {
    /// What the configuration names, if it names a collector. Must be called outside of a runtime.
    ///
    /// # Errors
    /// The exporter can not be made.
    pub(crate) fn start(config: &Config) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = config.otlp_endpoint() else { return Ok(None) };
        crate::tls::install_crypto_provider();
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}{PATH}", endpoint.trim_end_matches('/')))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .with_context(|| format!("telemetry.otlp_endpoint: {endpoint:?} can not be used"))?;
        let resource = Resource::builder().with_service_name("ecp-orchestrator").build();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(RequestIds)
            .with_batch_exporter(exporter)
            .with_resource(resource)
            .build();
        Ok(Some(Self(provider)))
    }

    /// What makes spans.
    pub(crate) fn tracer(&self) -> Tracer {
        self.0.tracer("ecp-orchestrator")
    }

    /// Sends what waits, for a second at most.
    pub(crate) fn shut_down(self) {
        if let Err(error) = self.0.shutdown_with_timeout(FLUSH_TIMEOUT) {
            tracing::warn!(%error, "the last spans did not reach the collector");
        }
    }
}

/// Gives each span that is under a request's, however deep, the id of the request.
#[derive(Debug)]
struct RequestIds;

impl SpanProcessor for RequestIds {
    fn on_start(&self, span: &mut Span, context: &Context) {
        if let Some(id) = context.get::<RequestId>() {
            span.set_attribute(KeyValue::new("request.id", id.as_str().to_owned()));
        }
    }

    fn on_end(&self, _span: SpanData) {}

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _timeout: Duration) -> OTelSdkResult {
        Ok(())
    }
}
