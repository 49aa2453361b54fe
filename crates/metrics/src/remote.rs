//! [`MetricStore`](ecp_core::ports::MetricStore) on a store elsewhere that takes Prometheus remote write and
//! answers PromQL: VictoriaMetrics, Prometheus, Mimir, Thanos.

mod settings;

pub use settings::{MetricsUrl, MetricsUrlError, RemoteSettings};
