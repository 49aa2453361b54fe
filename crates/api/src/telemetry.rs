//! What Prometheus reads at `/metrics`.
//!
//! It counts what the API sees; what other parts know (queues, commits, tenants) they register as
//! functions that are asked at each scrape. What is said of tenants and of clusters is read from memory
//! at each scrape ([`fleet`], [`tenants`]). Whether `/metrics` is open, and whom those are for, is [`crate::auth`]'s.

mod callback;
mod fleet;
mod requests;
mod tenants;

use crate::state::ApiState;
use callback::Callback;
use ecp_core::Mode;
use ecp_core::ports::TenantStore;
use ecp_core::tenant::TenantStatus;
use http::{Method, StatusCode};
use parking_lot::Mutex;
use prometheus_client::encoding::text::{encode_eof, encode_registry};
use prometheus_client::encoding::{EncodeLabelSet, EncodeLabelValue};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use requests::RequestMetrics;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub use callback::Observations;
pub use tenants::{NotPerTenant, PerTenant};

/// Every name begins with it and `_`.
const PREFIX: &str = "ecp";

/// Media type of the exposition.
pub(crate) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The three streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EncodeLabelValue)]
pub(crate) enum Stream {
    #[allow(non_camel_case_types, reason = "the variant is the label's value")]
    monitoring,
    #[allow(non_camel_case_types, reason = "the variant is the label's value")]
    deployment,
    #[allow(non_camel_case_types, reason = "the variant is the label's value")]
    alerts,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StreamLabels {
    stream: Stream,
}

/// Handles of one stream's figures, resolved once.
#[derive(Clone)]
pub(crate) struct StreamMetrics {
    /// Subscribers now.
    pub subscribers: Gauge,
    /// Frames sent.
    pub frames: Counter,
    /// Frames that a slow reader did not get because newer values took their place.
    pub conflated: Counter,
}

/// Everything that is counted.
pub struct Telemetry {
    registry: Mutex<Registry>,
    requests: RequestMetrics,
    connections_open: Gauge,
    connection_limit_reached: Counter,
    rate_limited: Counter,
    unauthorized: Counter,
    samples_demo: Counter,
    samples_real: Counter,
    streams: [StreamMetrics; 3],
}

impl Default for Telemetry {
    fn default() -> Self {
        Self::new()
    }
}

impl Telemetry {
    /// Registers everything, all at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "Version of the program", build);
        let started = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        registry.register(
            "process_start_time_seconds",
            "When the process started, in seconds since 1970",
            ConstGauge::new(started),
        );
        let requests = RequestMetrics::register(&mut registry);
        let connections_open = Gauge::default();
        registry.register(
            "connections_open",
            "Open connections, WebSockets included",
            connections_open.clone(),
        );
        let counter = |registry: &mut Registry, name: &str, help: &str| {
            let counter = Counter::default();
            registry.register(name, help, counter.clone());
            counter
        };
        let connection_limit_reached = counter(
            &mut registry,
            "connection_limit_reached",
            "Times that new connections had to wait because the limit was reached",
        );
        let rate_limited =
            counter(&mut registry, "rate_limited_requests", "Requests refused by the rate limit");
        let unauthorized =
            counter(&mut registry, "unauthorized_requests", "Requests with a token that is not known");
        let samples = Family::<Vec<(&'static str, &'static str)>, Counter>::default();
        registry.register("samples_accepted", "Monitoring samples stored for clients", samples.clone());
        let streams = register_streams(&mut registry);
        Self {
            requests,
            connections_open,
            connection_limit_reached,
            rate_limited,
            unauthorized,
            samples_demo: samples.get_or_create_owned(&vec![("mode", Mode::Demo.as_str())]),
            samples_real: samples.get_or_create_owned(&vec![("mode", Mode::Real.as_str())]),
            streams,
            registry: Mutex::new(registry),
        }
    }

    /// Registers a gauge that is asked for at each scrape; the name gets the prefix `ecp_`.
    pub fn register_gauge(
        &self,
        name: &'static str,
        help: &'static str,
        observe: impl Fn(&mut Observations<'_>) + Send + Sync + 'static,
    ) {
        self.register_callback(Callback::new(name, help, MetricType::Gauge, observe));
    }

    /// Registers a counter that is asked for at each scrape; the name gets the prefix `ecp_` and the
    /// suffix `_total`.
    pub fn register_counter(
        &self,
        name: &'static str,
        help: &'static str,
        observe: impl Fn(&mut Observations<'_>) + Send + Sync + 'static,
    ) {
        self.register_callback(Callback::new(name, help, MetricType::Counter, observe));
    }

    fn register_callback(&self, callback: Callback) {
        self.registry.lock().register_collector(Box::new(callback));
    }

    /// Registers the number of tenants by mode and status.
    pub(crate) fn register_tenants(&self, demo: Arc<dyn TenantStore>, real: Arc<dyn TenantStore>) {
        self.register_gauge("tenants", "Tenants by mode and status", move |observations| {
            for (mode, store) in [(Mode::Demo, &demo), (Mode::Real, &real)] {
                let tenants = store.tenants();
                for status in TenantStatus::ALL {
                    let count = tenants.iter().filter(|tenant| tenant.status == status).count();
                    observations.add(&[("mode", mode.as_str()), ("status", status.as_str())], count as f64);
                }
            }
        });
    }

    /// The exposition, in OpenMetrics text: what was counted, what the process says of itself, and
    /// for readers that see all tenants what is said of those.
    pub(crate) fn exposition(&self, state: &Arc<ApiState>, sees_tenants: bool) -> String {
        let mut text = self.render();
        let mut asked = Registry::with_prefix(PREFIX);
        asked.register_collector(Box::new(fleet::Server { state: state.clone(), sees_tenants }));
        if sees_tenants {
            asked.register_collector(Box::new(fleet::Fleet(state.clone())));
            asked.register_collector(Box::new(tenants::Tenants(state.clone())));
        }
        // Writing into a string does not fail.
        let _ = encode_registry(&mut text, &asked).and_then(|()| encode_eof(&mut text));
        text
    }

    /// What was counted, without the end mark.
    pub(crate) fn render(&self) -> String {
        let mut text = String::new();
        // Writing into a string does not fail.
        let _ = encode_registry(&mut text, &self.registry.lock());
        text
    }

    /// A request is being handled until the guard is dropped.
    pub(crate) fn request_started(&self) -> InFlight {
        self.requests.in_flight.inc();
        InFlight(self.requests.in_flight.clone())
    }

    /// A request was answered. `route` is its pattern, `None` where none matched.
    pub(crate) fn request_answered(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        duration: Duration,
    ) {
        self.requests.observe(method, route, status, duration);
    }

    /// Samples of clients were stored.
    pub fn samples_accepted(&self, mode: Mode, count: usize) {
        let counter = match mode {
            Mode::Demo => &self.samples_demo,
            Mode::Real => &self.samples_real,
        };
        counter.inc_by(count as u64);
    }

    pub(crate) fn connection_opened(&self) {
        self.connections_open.inc();
    }

    pub(crate) fn connection_closed(&self) {
        self.connections_open.dec();
    }

    pub(crate) fn connection_limit_reached(&self) {
        self.connection_limit_reached.inc();
    }

    pub(crate) fn request_rate_limited(&self) {
        self.rate_limited.inc();
    }

    pub(crate) fn token_refused(&self) {
        self.unauthorized.inc();
    }

    pub(crate) fn stream(&self, stream: Stream) -> &StreamMetrics {
        &self.streams[stream as usize]
    }
}

fn register_streams(registry: &mut Registry) -> [StreamMetrics; 3] {
    let subscribers = Family::<StreamLabels, Gauge>::default();
    registry.register("websocket_subscribers", "Open WebSockets by stream", subscribers.clone());
    let frames = Family::<StreamLabels, Counter>::default();
    registry.register("websocket_frames_sent", "Frames sent by stream", frames.clone());
    let conflated = Family::<StreamLabels, Counter>::default();
    registry.register(
        "websocket_frames_conflated",
        "Frames that slow readers did not get because newer values took their place",
        conflated.clone(),
    );
    [Stream::monitoring, Stream::deployment, Stream::alerts].map(|stream| {
        let labels = StreamLabels { stream };
        StreamMetrics {
            subscribers: subscribers.get_or_create_owned(&labels),
            frames: frames.get_or_create_owned(&labels),
            conflated: conflated.get_or_create_owned(&labels),
        }
    })
}

/// Counts a request as in flight.
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_counted_by_method_route_and_status() {
        let telemetry = Telemetry::new();
        let in_flight = telemetry.request_started();
        assert!(telemetry.render().contains("ecp_http_requests_in_flight 1\n"));
        drop(in_flight);
        for status in [StatusCode::OK, StatusCode::OK, StatusCode::NOT_FOUND] {
            let route = Some("/api/v1/tenants/{tenant_id}");
            telemetry.request_answered(&Method::GET, route, status, Duration::from_millis(3));
        }
        let odd = Method::from_bytes(b"BREW").expect("a method");
        telemetry.request_answered(&odd, None, StatusCode::NOT_FOUND, Duration::from_millis(3));
        let text = telemetry.render();
        for line in [
            "ecp_http_requests_total{method=\"GET\",route=\"/api/v1/tenants/{tenant_id}\",status=\"200\"} 2\n",
            "ecp_http_requests_total{method=\"GET\",route=\"/api/v1/tenants/{tenant_id}\",status=\"404\"} 1\n",
            "ecp_http_requests_total{method=\"OTHER\",route=\"unmatched\",status=\"404\"} 1\n",
            "ecp_http_requests_in_flight 0\n",
            "le=\"0.005\",method=\"GET\",route=\"/api/v1/tenants/{tenant_id}\"} 3\n",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }

    #[test]
    fn registered_functions_are_asked_at_each_scrape() {
        let telemetry = Telemetry::new();
        let depth = Arc::new(std::sync::atomic::AtomicU64::new(3));
        let seen = depth.clone();
        telemetry.register_gauge("work_queue_depth", "Items due", move |observations| {
            observations.add(&[("mode", "demo")], seen.load(std::sync::atomic::Ordering::Relaxed) as f64);
        });
        telemetry.register_counter("store_commits", "Commits", |observations| observations.add(&[], 7.0));
        assert!(telemetry.render().contains("ecp_work_queue_depth{mode=\"demo\"} 3.0\n"));
        depth.store(4, std::sync::atomic::Ordering::Relaxed);
        let text = telemetry.render();
        assert!(text.contains("ecp_work_queue_depth{mode=\"demo\"} 4.0\n"), "{text}");
        assert!(text.contains("ecp_store_commits_total 7\n"), "{text}");
    }

    #[test]
    fn streams_samples_and_the_build_are_there_from_the_start() {
        let telemetry = Telemetry::new();
        telemetry.samples_accepted(Mode::Real, 1000);
        telemetry.stream(Stream::alerts).subscribers.inc();
        let text = telemetry.render();
        for line in [
            "ecp_samples_accepted_total{mode=\"real\"} 1000\n",
            "ecp_samples_accepted_total{mode=\"demo\"} 0\n",
            "ecp_websocket_subscribers{stream=\"alerts\"} 1\n",
            "ecp_websocket_subscribers{stream=\"monitoring\"} 0\n",
            concat!("ecp_build_info{version=\"", env!("CARGO_PKG_VERSION"), "\"} 1\n"),
            "ecp_process_start_time_seconds ",
        ] {
            assert!(text.contains(line), "{line} in\n{text}");
        }
    }
}
