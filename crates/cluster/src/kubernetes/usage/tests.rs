//! Whose word counts, and what the sums are.

use super::*;
use async_trait::async_trait;
use ecp_core::metrics::{Latest, Retention, Series, SeriesQuery};
use ecp_core::ports::MetricCapabilities;
use ecp_core::tenant::Management;
use parking_lot::Mutex;
use serde_json::json;

#[test]
fn use_is_summed_by_tenant_and_told_in_percent_of_the_limits() {
    let named = |name: &str, tenant: &str, cpu: &str| {
        let json = json!({
            "metadata": {"name": name, "namespace": format!("ecp-ai-{tenant}")},
            "containers": [{"name": "main", "usage": {"cpu": cpu, "memory": "512Mi"}}],
        });
        serde_json::from_value::<DynamicObject>(json).expect("an object")
    };
    let pod = |tenant: &str, cpu: &str| named("a", tenant, cpu);
    let pods = [pod("acme", "250m"), pod("acme", "1"), pod("other", "1n"), named("theirs", "acme", "7")];
    let sums = by_tenant(&pods, |_| ["a".to_owned()].into());
    let acme = TenantId::parse("acme").expect("a valid id");
    assert_eq!(sums[&acme], Usage { cpu_millicores: 1250, memory_mib: 1024 });
    let limits =
        ecp_core::quantity::Resources { cpu_millicores: 5000, memory_mib: 4096, ..Default::default() };
    let sample = sample_of(1, sums[&acme], limits);
    assert_eq!(sample.get(Metric::CpuUsage), Some(25.0));
    assert_eq!(sample.get(Metric::MemoryUsage), Some(25.0));
}

#[test]
fn pods_are_measured_while_a_tenant_runs_and_while_a_change_waits_for_others() {
    let demand = json!({
        "name": "acme", "preset": "micro", "service_requirements": {"chatbot": 1},
        "sla_target": {"availability": 999_000, "response_time_ms": 300},
    });
    let spec = serde_json::from_value(demand).expect("a specification");
    let id = TenantId::parse("acme").expect("a valid id");
    let now = ecp_core::Timestamp::UNIX_EPOCH;
    let mut tenant = ecp_core::tenancy::planned_tenant(&Catalog::embedded(), id, spec, now);
    let mut measured = |management| {
        tenant.spec.management = management;
        [TenantStatus::Pending, TenantStatus::Running, TenantStatus::Failed, TenantStatus::Deleting].map(
            |status| {
                tenant.status = status;
                is_measured(&tenant)
            },
        )
    };
    assert_eq!(measured(Management::Internal), [false, true, false, false]);
    assert_eq!(measured(Management::External), [true, true, false, false]);
}

/// Knows what clients told, and keeps when the collector's samples came.
#[derive(Default)]
struct Samples {
    told: Mutex<HashMap<Metric, i64>>,
    collected: Mutex<Vec<i64>>,
}

impl Samples {
    fn tell(&self, metric: Metric, at: i64) {
        self.told.lock().insert(metric, at);
    }
}

#[async_trait]
impl MetricStore for Samples {
    fn capabilities(&self) -> MetricCapabilities {
        MetricCapabilities::EMBEDDED
    }
    async fn append(
        &self,
        _: &TenantKey,
        source: SampleSource,
        samples: &[Sample],
    ) -> Result<(), MetricError> {
        assert_eq!(source, SampleSource::Collector);
        self.collected.lock().extend(samples.iter().map(|sample| sample.timestamp_ms));
        Ok(())
    }
    fn told_by_clients(&self, _: &TenantKey, metric: Metric) -> Option<i64> {
        self.told.lock().get(&metric).copied()
    }
    async fn has_own_samples(&self, _: &TenantKey) -> Result<bool, MetricError> {
        Ok(true)
    }
    async fn query(&self, _: &TenantKey, _: &SeriesQuery) -> Result<Vec<Series>, MetricError> {
        Ok(Vec::new())
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

const SECOND: i64 = 1000;
const START: i64 = 1_800_000_030 * SECOND;

/// Rounds of the collector from `from` to `to`, and when it stored something.
async fn rounds(store: &Samples, from: i64, to: i64) -> Vec<i64> {
    let acme =
        TenantKey { id: TenantId::parse("acme").expect("a valid id"), incarnation: Default::default() };
    for now in (from..=to).step_by(15 * SECOND as usize) {
        // The same value every time: whose it is can not be told from it.
        let used = Sample { timestamp_ms: now, values: [40.0; 9] };
        keep(store, &acme, used).await.expect("the store answers");
    }
    std::mem::take(&mut *store.collected.lock())
}

#[tokio::test]
async fn where_no_client_speaks_every_round_is_kept() {
    let store = Samples::default();
    store.tell(Metric::RequestCount, START);
    assert_eq!(rounds(&store, START, START + 600 * SECOND).await.len(), 41);
}

#[tokio::test]
async fn a_client_s_word_counts_for_two_minutes_whatever_it_says() {
    for metric in TOLD {
        let store = Samples::default();
        store.tell(metric, START);
        let stored = rounds(&store, START, START + 300 * SECOND).await;
        assert_eq!(stored[0], START + CLIENTS_WORD_MS + 15 * SECOND, "{metric}");
    }
}

#[tokio::test]
async fn a_client_whose_clock_is_ahead_or_behind_is_heard() {
    for skew in [-60 * SECOND, 240 * SECOND] {
        let store = Samples::default();
        store.tell(Metric::CpuUsage, START + skew);
        assert!(rounds(&store, START, START + 45 * SECOND).await.is_empty(), "{skew}");
    }
}
