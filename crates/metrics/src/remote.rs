//! [`MetricStore`] on a store elsewhere that takes Prometheus remote write and answers PromQL: VictoriaMetrics,
//! Prometheus, Mimir, Thanos.
//!
//! A sample passes through memory (newest values, alerts), is written (`wire`, `client`) and acknowledged when the
//! store has acknowledged it. Queries are answered by the store (`read`). What other processes write is looked up
//! every few seconds (`follow`). Nothing of it is on this machine's disk.

mod client;
mod follow;
mod promql;
mod read;
mod scraped;
mod series;
mod settings;
mod tenants;
mod wire;

pub use client::RemoteSettingsError;
pub use scraped::{Expressions, ScrapedMetrics};
pub use settings::{MetricsUrl, MetricsUrlError, RemoteSettings};

use crate::embedded::Tenants;
use crate::grid::{Grid, Range, no_series};
use crate::head;
use async_trait::async_trait;
use client::StoreClient;
use ecp_core::Mode;
use ecp_core::ids::{InstallationId, TenantKey};
use ecp_core::metrics::{Latest, Metric, Retention, Sample, SampleSource, Series, SeriesQuery, to_millis};
use ecp_core::ports::{Clock, MetricCapabilities, MetricError, MetricHealth, MetricStore, SampleObserver};
use parking_lot::{Mutex, RwLock};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tenants::{Known, Registry};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Selectors that may wait for the store to delete what they select.
const DOOMED_AT_MOST: usize = 10_000;

/// Samples of one mode in a store elsewhere. Cheap to clone.
#[derive(Clone)]
pub struct RemoteMetrics {
    inner: Arc<Inner>,
}

struct Inner {
    client: StoreClient,
    windows: read::Windows,
    owner: series::Owner,
    retention: Retention,
    clock: Arc<dyn Clock>,
    exists: Tenants,
    registry: Registry,
    observers: RwLock<Vec<Arc<dyn SampleObserver>>>,
    /// Selectors of series that are to be deleted.
    doomed: Mutex<Vec<String>>,
    doomed_changed: Notify,
    /// False once the store said that it does not delete series.
    deletes: AtomicBool,
}

impl RemoteMetrics {
    /// An adapter for the tenants of one mode of an installation; asks nothing yet.
    ///
    /// # Errors
    /// The credentials' file can not be read or says something else.
    pub fn new(
        settings: RemoteSettings,
        (mode, installation): (Mode, &InstallationId),
        retention: Retention,
        clock: Arc<dyn Clock>,
        exists: Tenants,
    ) -> Result<Self, RemoteSettingsError> {
        Ok(Self {
            inner: Arc::new(Inner {
                client: StoreClient::new(settings)?,
                windows: read::Windows::default(),
                owner: series::Owner::new(mode.as_str(), installation.as_str()),
                retention,
                clock,
                exists,
                registry: Registry::default(),
                observers: RwLock::default(),
                doomed: Mutex::default(),
                doomed_changed: Notify::new(),
                deletes: AtomicBool::new(true),
            }),
        })
    }

    /// Adds an observer; it sees what passes from now on.
    pub fn observe(&self, observer: Arc<dyn SampleObserver>) {
        self.inner.observers.write().push(observer);
    }

    /// Shows samples in their time, looks up what others wrote, and deletes what is to be deleted, until it is
    /// cancelled.
    pub async fn maintain(&self, cancel: CancellationToken) {
        let inner = &self.inner;
        let all = async {
            tokio::join!(inner.show_what_was_ahead(), inner.follow(), inner.delete_what_is_doomed())
        };
        cancel.run_until_cancelled(all).await;
    }
}

impl Inner {
    fn now_ms(&self) -> i64 {
        to_millis(self.clock.now())
    }

    /// Shows samples as they pass, and has them judged.
    fn pass(&self, tenant: &Known, source: SampleSource, samples: &[Sample]) {
        let now_ms = self.now_ms();
        let observers = self.observers.read();
        // Held to the end: observers see a tenant's samples in one order.
        let mut passing = tenant.passing.lock();
        passing.told.note(source, samples);
        let due = passing.ahead.take_due(samples, now_ms);
        if !due.is_empty() {
            tenant.newest.offer(&due, now_ms);
            observers.iter().for_each(|seen| seen.samples_stored(&tenant.key, source, &due));
        }
    }

    /// Says that a tenant has samples of its own: what was made up gives way.
    fn note_own(&self, tenant: &Known) {
        if !tenant.own.swap(true, Ordering::AcqRel) && tenant.made_up.swap(false, Ordering::AcqRel) {
            tenant.newest.forget();
            self.doom(self.owner.synthetic_selector(&tenant.key));
        }
    }

    /// Has series deleted, if the store does that.
    fn doom(&self, selector: String) {
        let mut doomed = self.doomed.lock();
        // Who waits longer than that for the store is hidden by its labels all the same.
        if self.deletes.load(Ordering::Relaxed) && doomed.len() < DOOMED_AT_MOST {
            doomed.push(selector);
            self.doomed_changed.notify_one();
        }
    }

    /// True once samples were measured; asks the store where it is not known.
    async fn has_own(&self, tenant: &Known) -> Result<bool, MetricError> {
        if tenant.own.load(Ordering::Acquire) {
            return Ok(true);
        }
        let now_ms = self.now_ms();
        if tenant.was_asked_lately(now_ms) {
            return Ok(false);
        }
        let days = self.retention.one_hour_days;
        let query = format!("count(last_over_time({}[{days}d]))", self.owner.measured_selector(&tenant.key));
        let answer = self.client.instant(query, now_ms + 999, self.client.deadline()).await?;
        if answer.is_empty() {
            tenant.note_asked(now_ms);
            return Ok(false);
        }
        self.note_own(tenant);
        Ok(true)
    }

    async fn settle(&self, key: &TenantKey) {
        let is_busy = |observer: &&Arc<dyn SampleObserver>| !observer.is_settled(key);
        let busy: Vec<_> = self.observers.read().iter().filter(is_busy).cloned().collect();
        for observer in busy {
            observer.settle(key).await;
        }
    }
}

#[async_trait]
impl MetricStore for RemoteMetrics {
    fn capabilities(&self) -> MetricCapabilities {
        MetricCapabilities {
            shared: true,
            writable: true,
            atomic: false,
            replaces: false,
            immediate: false,
            deletes: self.inner.deletes.load(Ordering::Relaxed),
        }
    }

    fn health(&self) -> MetricHealth {
        self.inner.client.health()
    }

    async fn append(
        &self,
        key: &TenantKey,
        source: SampleSource,
        samples: &[Sample],
    ) -> Result<(), MetricError> {
        let inner = &self.inner;
        if samples.is_empty() {
            return Ok(());
        }
        if !(inner.exists)(key) {
            return Err(MetricError::TenantGone(key.clone()));
        }
        let tenant = inner.registry.get_or_add(key);
        if source.is_measured() {
            inner.note_own(&tenant);
        } else if tenant.own.load(Ordering::Acquire) {
            return Ok(());
        } else {
            tenant.made_up.store(true, Ordering::Release);
        }
        let mut sorted = Vec::with_capacity(samples.len());
        head::add(&mut sorted, samples);
        inner.pass(&tenant, source, &sorted);
        let labels = series::SeriesLabels { owner: &inner.owner, key, source };
        let body = wire::write_request(&labels, &sorted)
            .map_err(|error| MetricError::Refused(format!("the samples can not be encoded: {error}")))?;
        inner.client.write(body).await?;
        if source.is_measured() {
            // Who sent them may ask at once what came of them.
            inner.settle(key).await;
        }
        Ok(())
    }

    fn told_by_clients(&self, key: &TenantKey, metric: Metric) -> Option<i64> {
        self.inner.registry.get(key)?.passing.lock().told.at(metric)
    }

    async fn has_own_samples(&self, key: &TenantKey) -> Result<bool, MetricError> {
        self.inner.has_own(&self.inner.registry.get_or_add(key)).await
    }

    async fn query(&self, key: &TenantKey, query: &SeriesQuery) -> Result<Vec<Series>, MetricError> {
        let inner = &self.inner;
        // What the store still has is shown: how long that is, is set there.
        let kept = inner.retention.one_hour_days;
        let kept = Retention { raw_days: kept, five_minutes_days: kept, one_hour_days: kept };
        let Some(range) = Range::of(query, &kept, inner.now_ms()) else {
            return Ok(no_series(&query.metrics));
        };
        let question = read::Question {
            client: &inner.client,
            windows: &inner.windows,
            selected: &[read::Selected::series(inner.owner.tenant_selector(key, &query.metrics))],
            range,
        };
        let answer = question.ask().await?;
        // Made-up load is shown only where nothing was ever measured.
        let measured = answer.has_measured()
            || (!answer.is_empty() && inner.has_own(&inner.registry.get_or_add(key)).await?);
        let mut grid = Grid::new(range, &query.metrics);
        answer.fill(&mut grid, measured);
        Ok(grid.finish())
    }

    fn subscribe(&self, key: &TenantKey) -> watch::Receiver<Option<Latest>> {
        self.inner.registry.get_or_add(key).newest.subscribe()
    }

    async fn remove_tenant(&self, key: &TenantKey) -> Result<(), MetricError> {
        if let Some(tenant) = self.inner.registry.take(key) {
            tenant.newest.forget();
        }
        // The incarnation hides them from here on: nothing waits for the store, which may be away.
        self.inner.doom(self.inner.owner.tenant_selector(key, &[]));
        Ok(())
    }

    fn retention(&self) -> Retention {
        self.inner.retention
    }
}

#[cfg(test)]
mod tests;
