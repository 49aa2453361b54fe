//! Real servers for tests, started on this machine and ended with the process that asked for them.

#![allow(clippy::panic, clippy::expect_used, clippy::unwrap_used, reason = "a test without its server fails")]

mod metric_store;
mod postgres;
mod process;

pub use metric_store::{MetricStoreKind, MetricStoreServer};
pub use postgres::Postgres;
