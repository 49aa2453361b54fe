//! Whose word counts, and what the sums are.

use super::*;
use async_trait::async_trait;
use ecp_core::metrics::{Latest, Retention};
use parking_lot::Mutex;
use serde_json::json;

#[test]
fn use_is_summed_by_tenant_and_told_in_percent_of_the_limits() {
    let pod = |tenant: &str, cpu: &str| {
        let json = json!({
            "metadata": {"name": "a", "labels": {TENANT_LABEL: tenant}},
            "containers": [{"name": "main", "usage": {"cpu": cpu, "memory": "512Mi"}}],
        });
        serde_json::from_value::<DynamicObject>(json).expect("an object")
    };
    let sums = by_tenant(&[pod("acme", "250m"), pod("acme", "1"), pod("other", "1n")]);
    let acme = TenantId::parse("acme").expect("a valid id");
    assert_eq!(sums[&acme], Usage { cpu_millicores: 1250, memory_mib: 1024 });
    let limits =
        ecp_core::quantity::Resources { cpu_millicores: 5000, memory_mib: 4096, ..Default::default() };
    let sample = sample_of(1, sums[&acme], limits);
    assert_eq!(sample.get(Metric::CpuUsage), Some(25.0));
    assert_eq!(sample.get(Metric::MemoryUsage), Some(25.0));
}

/// Keeps samples as they come and averages them by minute.
#[derive(Default)]
struct Samples(Mutex<Vec<Sample>>);

#[async_trait]
impl MetricStore for Samples {
    async fn append(&self, _: &TenantKey, samples: &[Sample]) -> Result<(), MetricError> {
        self.0.lock().extend(samples);
        Ok(())
    }
    async fn append_synthetic(&self, _: &TenantKey, _: &[Sample]) -> Result<(), MetricError> {
        Ok(())
    }
    async fn has_own_samples(&self, _: &TenantKey) -> Result<bool, MetricError> {
        Ok(true)
    }
    async fn query(&self, _: &TenantKey, query: &SeriesQuery) -> Result<Vec<Series>, MetricError> {
        let width = query.interval.millis();
        let asked = query.start_ms.div_euclid(width) * width..=query.end_ms;
        let samples = self.0.lock();
        let series = query.metrics.iter().map(|&metric| {
            let mut minutes: std::collections::BTreeMap<i64, Vec<f64>> = Default::default();
            for sample in samples.iter().filter(|sample| asked.contains(&sample.timestamp_ms)) {
                let minute = sample.timestamp_ms.div_euclid(width) * width;
                minutes.entry(minute).or_default().extend(sample.get(metric));
            }
            minutes.retain(|_, values| !values.is_empty());
            let mean = |values: Vec<f64>| values.iter().sum::<f64>() / values.len() as f64;
            let points = minutes.into_iter().map(|(minute, values)| (minute, mean(values))).collect();
            Series { metric, points, average: None, maximum: None }
        });
        Ok(series.collect())
    }
    fn subscribe(&self, _: &TenantKey) -> tokio::sync::watch::Receiver<Option<Latest>> {
        tokio::sync::watch::Sender::new(None).subscribe()
    }
    async fn remove_tenant(&self, _: &TenantKey) -> Result<(), MetricError> {
        Ok(())
    }
    fn retention(&self) -> Retention {
        Retention::default()
    }
}

fn acme() -> TenantKey {
    TenantKey { id: TenantId::parse("acme").expect("a valid id"), incarnation: Default::default() }
}

const SECOND: i64 = 1000;
/// The middle of a minute.
const START: i64 = 1_800_000_030 * SECOND;

fn sample(at: i64, metric: Metric, value: f64) -> Sample {
    let mut sample = Sample::empty(at);
    sample.values[metric.index()] = value;
    sample
}

/// Rounds of the collector from `from` to `to`, and when it stored something.
async fn rounds(store: &Samples, own: &mut Vec<Sample>, from: i64, to: i64) -> Vec<i64> {
    let acme = acme();
    let mut stored = Vec::new();
    for now in (from..=to).step_by(15 * SECOND as usize) {
        let before = own.last().map(|sample| sample.timestamp_ms);
        let used = sample(now, Metric::CpuUsage, (now / SECOND % 97) as f64 / 7.0);
        keep(store, &acme, used, own).await.expect("the store answers");
        stored.extend(own.last().map(|sample| sample.timestamp_ms).filter(|at| Some(*at) != before));
    }
    stored
}

#[tokio::test]
async fn where_no_client_speaks_every_round_is_kept() {
    let (store, mut own) = (Samples::default(), Vec::new());
    let stored = rounds(&store, &mut own, START, START + 600 * SECOND).await;
    assert_eq!(stored.len(), 41);
    assert!(own.len() <= 14, "only what can still matter is remembered: {}", own.len());
}

#[tokio::test]
async fn a_client_s_word_counts_for_two_minutes_whatever_it_sends_after_it() {
    for metric in TOLD {
        let (store, mut own) = (Samples::default(), Vec::new());
        let acme = acme();
        store.append(&acme, &[sample(START, metric, 40.0)]).await.expect("the store answers");
        // Newer, and says nothing of CPU or memory.
        let requests = sample(START + SECOND, Metric::RequestCount, 7.0);
        store.append(&acme, &[requests]).await.expect("the store answers");
        let stored = rounds(&store, &mut own, START + 2 * SECOND, START + 300 * SECOND).await;
        let first = stored[0] - START;
        assert!(first > CLIENTS_WORD_MS && first <= CLIENTS_WORD_MS + 75 * SECOND, "{metric}: {first}");
    }
}

#[tokio::test]
async fn a_client_whose_samples_come_late_is_heard_though_the_collector_s_are_newer() {
    let (store, mut own) = (Samples::default(), Vec::new());
    let acme = acme();
    assert_eq!(rounds(&store, &mut own, START, START + 30 * SECOND).await.len(), 3);
    let late = sample(START + 25 * SECOND, Metric::CpuUsage, 90.0);
    store.append(&acme, &[late]).await.expect("the store answers");
    let stored = rounds(&store, &mut own, START + 45 * SECOND, START + 140 * SECOND).await;
    assert!(stored.is_empty(), "{stored:?}");
}
