//! Samples: taking them in, keeping them small, answering queries, alerting, and making them up.
//!
//! [`EmbeddedMetrics`] is the store behind [`ecp_core::ports::MetricStore`]. The rules of alerts are
//! core's; HTTP, and who may see what, are the api crate's.

mod cache;
mod codec;
mod embedded;
mod grid;
mod head;
mod rollup;
mod set;
pub mod synthetic;
mod tier;

#[cfg(test)]
mod testing;

pub use embedded::{EmbeddedMetrics, MetricsOptions};
