//! [`MetricStore`] that only reads: a Prometheus scrapes the tenants already, and an expression for each metric says
//! what its series are.
//!
//! The newest values are asked for every few seconds and judged by the alert rules as if they had been sent. Nothing
//! is written.

use super::client::{RemoteSettingsError, StoreClient};
use super::promql::Answered;
use super::read::{Question, Selected, Windows};
use super::settings::RemoteSettings;
use super::tenants::Registry;
use crate::grid::{Grid, Range, no_series};
use async_trait::async_trait;
use ecp_core::ids::{TenantId, TenantKey};
use ecp_core::metrics::{Latest, Metric, Retention, Sample, SampleSource, Series, SeriesQuery, to_millis};
use ecp_core::ports::{
    Clock, MetricCapabilities, MetricError, MetricHealth, MetricStore, SampleObserver, TenantStore,
};
use ecp_core::tenant::TenantStatus;
use futures_util::StreamExt as _;
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Between two looks at the newest values.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Tenants that are asked about at once.
const TENANTS_AT_ONCE: usize = 4;
/// What stands for the tenant in an expression.
const TENANT: &str = "$tenant_id";
/// What stands for its namespace.
const NAMESPACE: &str = "$namespace";
/// The label that tells of which metric a value is.
const METRIC: &str = "metric";

/// An expression of PromQL for each metric that is scraped, with `$tenant_id` and `$namespace` in it.
#[derive(Clone, Debug, Default)]
pub struct Expressions(Vec<(Metric, String)>);

impl Expressions {
    /// Those that are not empty.
    pub fn new(expressions: impl IntoIterator<Item = (Metric, String)>) -> Self {
        Self(expressions.into_iter().filter(|(_, text)| !text.trim().is_empty()).collect())
    }

    /// True where no metric is scraped.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Metrics whose expression names neither tenant nor namespace: every tenant would have the same values.
    pub fn of_no_tenant(&self) -> Vec<Metric> {
        let names = |text: &str| text.contains(TENANT) || text.contains(NAMESPACE);
        self.0.iter().filter(|(_, text)| !names(text)).map(|(metric, _)| *metric).collect()
    }

    /// The expressions of these metrics for a tenant, held within what a metric may be.
    fn of(&self, id: &TenantId, metrics: &[Metric]) -> Vec<(Metric, String)> {
        let namespace = id.namespace();
        let wanted = self.0.iter().filter(|(metric, _)| metrics.contains(metric));
        let fill = |(metric, text): &(Metric, String)| {
            let text = text.trim().replace(TENANT, id.as_str()).replace(NAMESPACE, &namespace);
            (*metric, format!("clamp_max(clamp_min({text},0),{})", metric.largest()))
        };
        wanted.map(fill).collect()
    }
}

/// Samples of tenants that others scrape. Cheap to clone.
#[derive(Clone)]
pub struct ScrapedMetrics {
    inner: Arc<Inner>,
}

struct Inner {
    client: StoreClient,
    windows: Windows,
    expressions: Expressions,
    retention: Retention,
    clock: Arc<dyn Clock>,
    tenants: Arc<dyn TenantStore>,
    registry: Registry,
    observers: RwLock<Vec<Arc<dyn SampleObserver>>>,
}

impl ScrapedMetrics {
    /// An adapter; asks nothing yet.
    ///
    /// # Errors
    /// The credentials' file can not be read or says something else.
    pub fn new(
        settings: RemoteSettings,
        expressions: Expressions,
        retention: Retention,
        clock: Arc<dyn Clock>,
        tenants: Arc<dyn TenantStore>,
    ) -> Result<Self, RemoteSettingsError> {
        Ok(Self {
            inner: Arc::new(Inner {
                client: StoreClient::new(settings)?,
                windows: Windows::default(),
                expressions,
                retention,
                clock,
                tenants,
                registry: Registry::default(),
                observers: RwLock::default(),
            }),
        })
    }

    /// Adds an observer; it sees what is read from now on.
    pub fn observe(&self, observer: Arc<dyn SampleObserver>) {
        self.inner.observers.write().push(observer);
    }

    /// Reads the newest values again and again, until it is cancelled.
    pub async fn maintain(&self, cancel: CancellationToken) {
        let looking = async {
            loop {
                self.look().await;
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        cancel.run_until_cancelled(looking).await;
    }

    /// Reads the newest values of every tenant that is not being deleted.
    pub(super) async fn look(&self) {
        let tenants = self.inner.tenants.tenants();
        let looks = tenants.iter().filter(|tenant| tenant.status != TenantStatus::Deleting).map(|tenant| {
            let key = tenant.key();
            async move {
                if let Err(error) = self.inner.look_at(&key).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, tenant.id = %key.id, "the newest values are not known");
                }
            }
        });
        let looks: Vec<_> = looks.collect();
        if looks.is_empty() {
            // Whether it answers is known before the first tenant needs it.
            let (client, now_ms) = (&self.inner.client, to_millis(self.inner.clock.now()));
            let _known_by_health = client.instant("vector(1)".to_owned(), now_ms, client.deadline()).await;
        }
        futures_util::stream::iter(looks).for_each_concurrent(TENANTS_AT_ONCE, |look| look).await;
        self.inner.registry.drop_unused(|key| self.inner.tenants.exists(key));
    }
}

impl Inner {
    async fn look_at(&self, key: &TenantKey) -> Result<(), MetricError> {
        let at_ms = to_millis(self.clock.now()).div_euclid(1000) * 1000;
        let named = |(metric, text): (Metric, String)| {
            format!("label_replace({text},\"{METRIC}\",\"{}\",\"\",\"\")", metric.as_str())
        };
        let expressions = self.expressions.of(&key.id, &Metric::ALL);
        let query = expressions.into_iter().map(named).collect::<Vec<_>>().join(" or ");
        let answer = self.client.instant(query, at_ms, self.client.deadline()).await?;
        let sample = sample_of(at_ms, &answer)?;
        if sample.values.iter().all(|value| value.is_nan()) || !self.tenants.exists(key) {
            return Ok(());
        }
        let tenant = self.registry.get_or_add(key);
        let _in_order = tenant.passing.lock();
        tenant.newest.offer(&[sample], at_ms);
        for observer in self.observers.read().iter() {
            observer.samples_stored(key, SampleSource::Collector, &[sample]);
        }
        Ok(())
    }
}

/// The values of one moment.
fn sample_of(at_ms: i64, answer: &[Answered]) -> Result<Sample, MetricError> {
    let mut sample = Sample::empty(at_ms);
    for series in answer {
        let name = series.labels.get(METRIC);
        let metric = Metric::ALL.into_iter().find(|metric| Some(metric.as_str()) == name.map(String::as_str));
        let Some((metric, (_, value))) = metric.zip(series.values.last()) else { continue };
        if !sample.values[metric.index()].is_nan() {
            return Err(MetricError::Unavailable(format!(
                "metrics.expressions.{metric} yields several series; aggregate them with sum(), avg() or max()"
            )));
        }
        if metric.accepts(*value) {
            sample.values[metric.index()] = *value;
        }
    }
    Ok(sample)
}

#[async_trait]
impl MetricStore for ScrapedMetrics {
    fn capabilities(&self) -> MetricCapabilities {
        MetricCapabilities {
            shared: true,
            writable: false,
            atomic: false,
            replaces: false,
            immediate: false,
            deletes: false,
        }
    }

    fn health(&self) -> MetricHealth {
        self.inner.client.health()
    }

    async fn append(&self, _: &TenantKey, _: SampleSource, _: &[Sample]) -> Result<(), MetricError> {
        Err(MetricError::ReadOnly)
    }

    fn told_by_clients(&self, _: &TenantKey, _: Metric) -> Option<i64> {
        None
    }

    async fn has_own_samples(&self, _: &TenantKey) -> Result<bool, MetricError> {
        Ok(true)
    }

    async fn query(&self, key: &TenantKey, query: &SeriesQuery) -> Result<Vec<Series>, MetricError> {
        let inner = &self.inner;
        let kept = inner.retention.one_hour_days;
        let kept = Retention { raw_days: kept, five_minutes_days: kept, one_hour_days: kept };
        // Nothing of an earlier tenant of the id is shown: its namespace had the same name.
        let created_ms =
            inner.tenants.tenant(&key.id).map_or(i64::MIN, |tenant| to_millis(tenant.created_at));
        let query = &SeriesQuery { start_ms: query.start_ms.max(created_ms), ..query.clone() };
        let now_ms = to_millis(inner.clock.now());
        let Some(range) = Range::of(query, &kept, now_ms) else { return Ok(no_series(&query.metrics)) };
        let expressions = inner.expressions.of(&key.id, &query.metrics);
        let selected =
            |(metric, text): &(Metric, String)| Selected::expression(*metric, text, query.interval);
        let selected: Vec<Selected> = expressions.iter().map(selected).collect();
        let question =
            Question { client: &inner.client, windows: &inner.windows, selected: &selected, range };
        let mut grid = Grid::new(range, &query.metrics);
        question.ask().await?.fill(&mut grid, true);
        Ok(grid.finish())
    }

    fn subscribe(&self, key: &TenantKey) -> watch::Receiver<Option<Latest>> {
        self.inner.registry.get_or_add(key).newest.subscribe()
    }

    async fn remove_tenant(&self, key: &TenantKey) -> Result<(), MetricError> {
        if let Some(tenant) = self.inner.registry.take(key) {
            tenant.newest.forget();
        }
        Ok(())
    }

    fn retention(&self) -> Retention {
        self.inner.retention
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_names_the_tenant_and_is_held_within_what_its_metric_may_be() {
        let expressions = Expressions::new([
            (Metric::CpuUsage, " 100 * a{namespace=\"$namespace\"} ".to_owned()),
            (Metric::GpuUsage, " ".to_owned()),
            (Metric::NetworkIn, "sum(b)".to_owned()),
        ]);
        let id = TenantId::parse("acme").expect("a label");
        let filled = expressions.of(&id, &[Metric::CpuUsage, Metric::GpuUsage]);
        let expected = "clamp_max(clamp_min(100 * a{namespace=\"ecp-ai-acme\"},0),100)";
        assert_eq!(filled, [(Metric::CpuUsage, expected.to_owned())]);
        assert_eq!(expressions.of_no_tenant(), [Metric::NetworkIn]);
    }
}
