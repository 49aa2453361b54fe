//! The store against a naive model, and the promises one by one.

mod memory;
mod model;
mod promises;

use super::*;
use crate::testing::TestClock;
use ecp_core::ids::TenantId;
use ecp_core::metrics::{Interval, Metric};
use ecp_store::MIGRATIONS;
use tempfile::TempDir;

/// Saturday, 20 January 2024, 12:34:56 UTC.
const NOW_MS: i64 = 1_705_754_096_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// A store in a folder of its own.
struct Bench {
    open: Option<EmbeddedMetrics>,
    clock: Arc<TestClock>,
    folder: TempDir,
}

impl Bench {
    fn new() -> Self {
        let (folder, clock) = (TempDir::new().expect("a temporary folder"), TestClock::at(NOW_MS));
        Self { open: Some(open(&folder, &clock)), clock, folder }
    }

    fn metrics(&self) -> &EmbeddedMetrics {
        self.open.as_ref().expect("open but for the moment of reopening")
    }

    /// Ends the store and starts it again on the same file. What it had in memory alone is gone.
    async fn reopen(&mut self) {
        self.metrics().inner.database.close();
        // The task of the last write may still have to end.
        while Arc::strong_count(&self.metrics().inner) > 1 {
            tokio::task::yield_now().await;
        }
        self.open = None;
        self.open = Some(open(&self.folder, &self.clock));
    }

    fn rows_of(&self, table: &str) -> i64 {
        let count = format!("SELECT count(*) FROM {table}");
        self.metrics()
            .inner
            .database
            .read_blocking("counting", |connection| {
                connection
                    .query_row(&count, [], |row| row.get(0))
                    .map_err(ecp_store::database_error("counting"))
            })
            .expect("counts")
    }
}

fn open(folder: &TempDir, clock: &Arc<TestClock>) -> EmbeddedMetrics {
    let database = Database::open(&folder.path().join("test.db"), MIGRATIONS).expect("opens");
    EmbeddedMetrics::open(database, clock.clone(), MetricsOptions::default(), everybody()).expect("loads")
}

/// Every tenant exists.
fn everybody() -> Tenants {
    Arc::new(|_| true)
}

fn tenant(name: &str) -> TenantKey {
    TenantKey { id: TenantId::parse(name).expect("a label"), incarnation: Default::default() }
}

/// A sample whose CPU use is this.
fn cpu(timestamp_ms: i64, value: f64) -> Sample {
    let mut sample = Sample::empty(timestamp_ms);
    sample.values[Metric::CpuUsage.index()] = value;
    sample
}

/// Every metric of everything up to now.
fn everything(interval: Interval) -> SeriesQuery {
    SeriesQuery { metrics: Metric::ALL.to_vec(), start_ms: 0, end_ms: NOW_MS, interval }
}

/// The CPU series of some days up to the clock's now.
async fn cpu_series(bench: &Bench, id: &TenantKey, interval: Interval, days: i64) -> Series {
    let end_ms = bench.clock.now_ms();
    let query =
        SeriesQuery { metrics: vec![Metric::CpuUsage], start_ms: end_ms - days * DAY_MS, end_ms, interval };
    bench.metrics().query(id, &query).await.expect("answers").remove(0)
}
