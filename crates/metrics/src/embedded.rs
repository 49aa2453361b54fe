//! [`MetricStore`] on the embedded database.
//!
//! The way of a sample: into a queue; with its group as one row into the log (`ingest`), committed
//! and acknowledged; in memory in its tenant's head until a flush merges it into chunks (`flush`);
//! then on disk alone. Queries put the parts together (`read`). Tenants that send nothing take a
//! few hundred bytes.

mod ahead;
mod export;
mod flush;
mod ingest;
mod maintain;
mod open;
mod read;
mod slot;
mod tables;

use crate::cache::RollupCache;
use async_trait::async_trait;
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Latest, Metric, Retention, Sample, SampleSource, Series, SeriesQuery, to_millis};
use ecp_core::ports::{Clock, MetricCapabilities, MetricError, MetricStore, SampleObserver, SampleState};
use ecp_store::Database;
use parking_lot::{Mutex, RwLock};
use slot::{Registry, Slot};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

/// How an [`EmbeddedMetrics`] works; the defaults suit a server of thousands of tenants.
#[derive(Clone, Copy, Debug)]
pub struct MetricsOptions {
    /// How long samples and roll-ups are kept.
    pub retention: Retention,
    /// Longest time between two flushes.
    pub flush_every: Duration,
    /// Bytes of the log, or of its samples in memory where that is more, over which a flush starts at once.
    /// They are replayed at a start, and stay in memory until then.
    pub flush_at_log_bytes: usize,
    /// Bytes, counted the same way, over which appends wait for a flush.
    pub log_bytes_limit: usize,
    /// Bytes of decoded roll-ups kept for queries.
    pub cache_bytes: usize,
    /// Samples that may wait for their write; further appends wait for a place.
    pub queued_samples: usize,
}

impl Default for MetricsOptions {
    fn default() -> Self {
        Self {
            retention: Retention::default(),
            flush_every: Duration::from_secs(600),
            flush_at_log_bytes: 32 << 20,
            log_bytes_limit: 128 << 20,
            cache_bytes: 16 << 20,
            queued_samples: 131_072,
        }
    }
}

/// Says whether a tenant still exists: samples on their way when it goes are refused, not kept.
pub type Tenants = Arc<dyn Fn(&TenantKey) -> bool + Send + Sync>;

/// Samples of one mode in its database. Cheap to clone.
#[derive(Clone)]
pub struct EmbeddedMetrics {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    options: MetricsOptions,
    tenants: Tenants,
    registry: Registry,
    cache: RollupCache,
    observers: RwLock<Vec<Arc<dyn SampleObserver>>>,
    queue: Mutex<ingest::Queue>,
    /// Says that the calls a group waits for are there.
    gathered: Notify,
    /// Places in the queue, one a sample.
    places: Semaphore,
    /// Tenants with a head. Held while a group is published and while heads are taken for a flush.
    unflushed: Mutex<Vec<Arc<Slot>>>,
    /// Tenants with samples that are ahead of the clock.
    ahead: Mutex<Vec<Arc<Slot>>>,
    /// Says that a tenant was added to them.
    ahead_changed: Notify,
    /// Log rows that can not be read, to be set aside when the log is shortened.
    damaged_log: Mutex<Vec<i64>>,
    /// Newest log row that is in memory.
    log_id: AtomicI64,
    /// Size of the log, or of its samples in memory where that is more.
    log_bytes: AtomicUsize,
    flush_wanted: Notify,
    /// Held by whoever changes chunks.
    maintenance: tokio::sync::Mutex<()>,
}

impl Inner {
    fn now_ms(&self) -> i64 {
        to_millis(self.clock.now())
    }

    /// Waits for the observers that have something of the tenant in hand, which is rare.
    async fn settle(&self, tenant: &TenantKey) {
        let is_busy = |observer: &&Arc<dyn SampleObserver>| !observer.is_settled(tenant);
        let busy: Vec<_> = self.observers.read().iter().filter(is_busy).cloned().collect();
        for observer in busy {
            observer.settle(tenant).await;
        }
    }
}

impl EmbeddedMetrics {
    /// Adds an observer; it sees what is accepted from now on.
    pub fn observe(&self, observer: Arc<dyn SampleObserver>) {
        self.inner.observers.write().push(observer);
    }

    /// Moves everything that is in the log into chunks. Queries answer the same before and after.
    ///
    /// # Errors
    /// The storage's; what was not moved stays in the log.
    pub async fn flush(&self) -> Result<(), MetricError> {
        self.inner.flush_all().await
    }

    /// Flushes, deletes what is past its retention and clears away what was forgotten, once.
    ///
    /// # Errors
    /// The storage's; the rest is done the next time.
    pub async fn maintain_once(&self) -> Result<(), MetricError> {
        self.inner.maintain_once().await
    }

    /// Does so again and again, and shows samples that were ahead of the clock when their time has
    /// come, until it is cancelled. Nothing is lost without: the log keeps all.
    pub async fn maintain(&self, cancel: CancellationToken) {
        tokio::join!(self.inner.maintain(cancel.clone()), self.inner.show_what_was_ahead(cancel));
    }

    /// Shows samples that were ahead of the clock and are not any more.
    #[cfg(test)]
    pub(crate) fn show_due(&self) {
        self.inner.show_due(self.inner.now_ms());
    }

    /// Forgets the samples of all tenants but these: a tenant may have been removed just before
    /// the process ended. For start-up, before tenants can be created.
    ///
    /// # Errors
    /// The storage's.
    pub async fn forget_all_but(&self, stays: impl Fn(&TenantKey) -> bool) -> Result<(), MetricError> {
        for slot in self.inner.registry.all() {
            if !stays(&slot.tenant) {
                self.inner.remove(slot).await?;
            }
        }
        Ok(())
    }
}

#[async_trait]
impl MetricStore for EmbeddedMetrics {
    fn capabilities(&self) -> MetricCapabilities {
        MetricCapabilities::EMBEDDED
    }

    async fn append(
        &self,
        key: &TenantKey,
        source: SampleSource,
        samples: &[Sample],
    ) -> Result<(), MetricError> {
        self.inner.append(self.inner.registry.get_or_add(key), source, samples).await?;
        if source.is_measured() {
            // Who sent them may ask at once what came of them.
            self.inner.settle(key).await;
        }
        Ok(())
    }

    fn told_by_clients(&self, key: &TenantKey, metric: Metric) -> Option<i64> {
        self.inner.registry.get(key)?.state.lock().told.at(metric)
    }

    async fn has_own_samples(&self, key: &TenantKey) -> Result<bool, MetricError> {
        Ok(self.inner.registry.get(key).is_some_and(|slot| slot.state.lock().own))
    }

    async fn query(&self, key: &TenantKey, query: &SeriesQuery) -> Result<Vec<Series>, MetricError> {
        self.inner.query(key, query).await
    }

    fn sample_state(&self, key: &TenantKey) -> Option<SampleState> {
        self.inner.registry.get(key)?.state.lock().sample_state()
    }

    fn subscribe(&self, key: &TenantKey) -> watch::Receiver<Option<Latest>> {
        self.inner.registry.subscribe(key)
    }

    async fn remove_tenant(&self, key: &TenantKey) -> Result<(), MetricError> {
        match self.inner.registry.get(key) {
            Some(slot) => self.inner.remove(slot).await,
            None => Ok(()),
        }
    }

    fn retention(&self) -> Retention {
        self.inner.options.retention
    }
}

#[cfg(test)]
mod tests;
