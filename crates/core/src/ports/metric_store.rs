//! Where samples are kept, what such a store promises, and who watches them pass.

use super::StoreError;
use crate::ids::TenantKey;
use crate::metrics::{Latest, Metric, Retention, Sample, SampleSource, Series, SeriesQuery};
use async_trait::async_trait;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// What the metric store fails at.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// The storage of this process failed; nothing of the batch is kept.
    #[error("the metric storage failed")]
    Storage(#[source] StoreError),
    /// The store elsewhere does not answer, or not in time: whether a batch is kept is not known. Worth
    /// another try.
    #[error("the metric store can not be reached: {0}")]
    Unavailable(String),
    /// The store elsewhere answered that it does not take this; trying again changes nothing.
    #[error("the metric store refused: {0}")]
    Refused(String),
    /// Others write to the store, and this process reads alone.
    #[error("the metric store is read only")]
    ReadOnly,
    /// The tenant is gone; nothing is kept, and nothing shows up under a later one of its id.
    #[error("tenant {0} is gone")]
    TenantGone(TenantKey),
}

/// What a metric store promises beyond keeping samples and answering queries by them. Nobody relies on
/// one of these without asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricCapabilities {
    /// The samples are elsewhere: every process that is told of the store reads the same ones.
    pub shared: bool,
    /// Samples are taken; false where others write them and [`MetricStore::append`] refuses.
    pub writable: bool,
    /// A batch is kept as a whole or not at all, whatever fails meanwhile.
    pub atomic: bool,
    /// The same moment again replaces the values that it names. Without, one of the values counts, and which
    /// is the store's to say.
    pub replaces: bool,
    /// What was acknowledged is on disk, and the next query sees it.
    pub immediate: bool,
    /// Samples of a tenant that is gone are deleted. Without, they may stay in the store, where no query of
    /// ours sees them.
    pub deletes: bool,
}

impl MetricCapabilities {
    /// Of a store in this process' own database: everything, for this process alone.
    pub const EMBEDDED: Self =
        Self { shared: false, writable: true, atomic: true, replaces: true, immediate: true, deletes: true };
}

/// Whether a metric store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricHealth {
    /// It is this process' own; its database tells how it is.
    Embedded,
    /// It was not asked since the start.
    NotAsked,
    /// It answered when it was last asked.
    Ready,
    /// It did not; why.
    Unreachable(String),
}

/// A state of a tenant's samples; see [`MetricStore::sample_state`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SampleState(u64);

impl SampleState {
    /// A state that is equal to none before it in this process.
    pub fn unique() -> Self {
        static STATES: AtomicU64 = AtomicU64::new(0);
        Self(STATES.fetch_add(1, Ordering::Relaxed))
    }
}

/// Samples of one mode. They belong to one tenant and are never seen under another of its id. The first
/// samples that were measured displace all synthetic ones, which no query sees from then on, and those that
/// still come are ignored.
#[async_trait]
pub trait MetricStore: Send + Sync {
    /// What this store promises.
    fn capabilities(&self) -> MetricCapabilities;
    /// Whether it answers, from memory.
    fn health(&self) -> MetricHealth {
        MetricHealth::Embedded
    }
    /// Stores a batch; returns when the store has acknowledged it. Of two samples of one moment the metrics
    /// complete each other. What more is promised is said by [`Self::capabilities`].
    async fn append(
        &self,
        key: &TenantKey,
        source: SampleSource,
        samples: &[Sample],
    ) -> Result<(), MetricError>;
    /// When the newest value of a metric that a client sent was measured, in milliseconds since 1970,
    /// from memory; it may be forgotten with a restart.
    fn told_by_clients(&self, key: &TenantKey, metric: Metric) -> Option<i64>;
    /// True once samples were measured.
    async fn has_own_samples(&self, key: &TenantKey) -> Result<bool, MetricError>;
    /// Averages by bucket and summaries.
    async fn query(&self, key: &TenantKey, query: &SeriesQuery) -> Result<Vec<Series>, MetricError>;
    /// Which state of a tenant's samples a query would see now. The same state again means the same answer
    /// to the same range as long as it ends later; no two states of a process are equal. `None` where that
    /// cannot be said: the store is shared, or samples that are ahead of the clock become due by themselves.
    fn sample_state(&self, _key: &TenantKey) -> Option<SampleState> {
        None
    }
    /// The newest sample now (`None` before the first) and each later one, from memory.
    fn subscribe(&self, key: &TenantKey) -> watch::Receiver<Option<Latest>>;
    /// Forgets all samples of a tenant: no query sees them from here on.
    async fn remove_tenant(&self, key: &TenantKey) -> Result<(), MetricError>;
    /// How long samples are kept.
    fn retention(&self) -> Retention;
}

/// Sees every accepted batch, in order of acceptance for each tenant, before it is acknowledged: after it is
/// on disk where the store is this process' own, as it passes where it is not. Of a shared store it also sees,
/// some seconds later, what is newest of what passed other processes. Must be quick: it runs on the path of the
/// request.
#[async_trait]
pub trait SampleObserver: Send + Sync {
    /// A batch passed.
    fn samples_stored(&self, key: &TenantKey, source: SampleSource, samples: &[Sample]);
    /// True where nothing that the tenant's samples led to waits to be recorded.
    fn is_settled(&self, _key: &TenantKey) -> bool {
        true
    }
    /// Waits for that, but not for ever, so that who sent a sample can read what came of it.
    async fn settle(&self, _key: &TenantKey) {}
}
