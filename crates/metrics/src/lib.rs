//! Samples: taking them in, keeping them small, answering queries, alerting, and making them up.
//!
//! [`EmbeddedMetrics`] and [`RemoteMetrics`] are the stores behind [`ecp_core::ports::MetricStore`]. The rules of alerts are
//! core's; HTTP, and who may see what, are the api crate's.

mod alerting;
mod cache;
mod codec;
mod embedded;
mod grid;
mod head;
mod newest;
mod remote;
mod rollup;
mod set;
mod synthetic;
mod tier;

#[cfg(test)]
mod testing;

pub use alerting::AlertEngine;
pub use embedded::{EmbeddedMetrics, MetricsOptions};
pub use remote::{
    Expressions, MetricsUrl, MetricsUrlError, RemoteMetrics, RemoteSettings, RemoteSettingsError,
    ScrapedMetrics,
};
pub use synthetic::{SyntheticLoad, load_at};
