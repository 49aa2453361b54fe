//! Requests by method, route and status, and how long they took.
//!
//! Label sets are resolved once; later requests of the same route find their handles without making
//! a label.

use http::{Method, StatusCode};
use parking_lot::RwLock;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// Bounds of the duration histogram in seconds: from a cached read to the request time limit.
const DURATION_BUCKETS: [f64; 14] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Route of requests that match none; their paths are the callers' own and not to be counted by.
const UNMATCHED: &str = "unmatched";

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: &'static str,
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabels {
    method: &'static str,
    route: String,
}

/// Handles of one method of one route.
struct Handles {
    method: &'static str,
    duration: Histogram,
    by_status: RwLock<Vec<(u16, Counter)>>,
}

/// Requests by method, route and status.
pub(super) struct RequestMetrics {
    pub in_flight: Gauge,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, fn() -> Histogram>,
    routes: RwLock<HashMap<String, Vec<Arc<Handles>>>>,
}

impl RequestMetrics {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let in_flight = Gauge::default();
        registry.register("http_requests_in_flight", "Requests being handled", in_flight.clone());
        let requests = Family::default();
        registry.register("http_requests", "Requests by method, route and status", requests.clone());
        let make: fn() -> Histogram = || Histogram::new(DURATION_BUCKETS);
        let durations = Family::new_with_constructor(make);
        registry.register(
            "http_request_duration_seconds",
            "Time from the request line to the answer",
            durations.clone(),
        );
        Self { in_flight, requests, durations, routes: RwLock::default() }
    }

    pub(super) fn observe(
        &self,
        method: &Method,
        route: Option<&str>,
        status: StatusCode,
        duration: Duration,
    ) {
        let route = route.unwrap_or(UNMATCHED);
        let handles = self.handles(known_method(method), route);
        handles.duration.observe(duration.as_secs_f64());
        let status = status.as_u16();
        if let Some((_, counter)) = handles.by_status.read().iter().find(|(known, _)| *known == status) {
            counter.inc();
            return;
        }
        let labels = RequestLabels { method: handles.method, route: route.to_owned(), status };
        let counter = self.requests.get_or_create_owned(&labels);
        counter.inc();
        let mut by_status = handles.by_status.write();
        if by_status.iter().all(|(known, _)| *known != status) {
            by_status.push((status, counter));
        }
    }

    fn handles(&self, method: &'static str, route: &str) -> Arc<Handles> {
        let find = |handles: &[Arc<Handles>]| handles.iter().find(|known| known.method == method).cloned();
        if let Some(found) = self.routes.read().get(route).and_then(|handles| find(handles)) {
            return found;
        }
        let mut routes = self.routes.write();
        let of_route = routes.entry(route.to_owned()).or_default();
        if let Some(found) = find(of_route) {
            return found;
        }
        let duration = self.durations.get_or_create_owned(&RouteLabels { method, route: route.to_owned() });
        let made = Arc::new(Handles { method, duration, by_status: RwLock::default() });
        of_route.push(made.clone());
        made
    }
}

/// Methods that a caller made up are one, so that they can not fill the memory.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "OTHER",
    }
}
