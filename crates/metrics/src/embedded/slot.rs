//! What is kept in memory of each tenant, and the registry of all of them.

use crate::head;
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Latest, Metric, Sample, SampleSource};
use ecp_core::ports::SampleState;
use parking_lot::{Mutex, RwLock};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// A tenant's samples that are not in chunks yet, and its newest values.
pub(super) struct Slot {
    pub(super) tenant: TenantKey,
    pub(super) state: Mutex<SlotState>,
    latest: watch::Sender<Option<Latest>>,
    /// Changes of `latest` so far; goes on where the samples are forgotten and come again.
    versions: AtomicU64,
}

/// The state behind a slot's lock. It changes after commits alone, so it never says more than the
/// disk does.
pub(super) struct SlotState {
    /// The tenant's key in the database; none without samples.
    pub(super) key: Option<i64>,
    /// True once a client sent samples.
    pub(super) own: bool,
    /// Newest log row of which the samples are in chunks.
    pub(super) flushed_log_id: i64,
    /// Samples that are in the log alone.
    pub(super) head: Vec<Sample>,
    /// Newest log row with samples of the head.
    pub(super) head_log_id: i64,
    /// Samples on their way into chunks.
    pub(super) flushing: Option<Arc<Flushing>>,
    /// True while the slot is listed for the next flush.
    pub(super) listed: bool,
    /// Samples that are ahead of the clock: nobody is shown them before their time. Sorted, and at
    /// most one a second, so that they are bounded by how far ahead a sample may be.
    ahead: Vec<Sample>,
    /// When the newest value of each metric that a client sent was measured, by [`Metric::index`].
    told: [Option<i64>; Metric::ALL.len()],
    /// Another one after every change of what queries see.
    samples: SampleState,
}

impl Default for SlotState {
    fn default() -> Self {
        Self {
            key: None,
            own: false,
            flushed_log_id: 0,
            head: Vec::new(),
            head_log_id: 0,
            flushing: None,
            listed: false,
            ahead: Vec::new(),
            told: Default::default(),
            samples: SampleState::unique(),
        }
    }
}

/// Samples on their way into chunks; still in the log until all of a flush is done.
pub(super) struct Flushing {
    pub(super) log_id: i64,
    pub(super) samples: Vec<Sample>,
}

impl SlotState {
    /// Forgets everything in memory and takes another key.
    pub(super) fn restart(&mut self, key: Option<i64>, own: bool) {
        let listed = self.listed;
        *self = Self { key, own, listed, ..Self::default() };
    }

    /// Says that queries see other samples from now on.
    pub(super) fn note_change(&mut self) {
        self.samples = SampleState::unique();
    }

    /// Which samples queries see now; none where time alone changes that.
    pub(super) fn sample_state(&self) -> Option<SampleState> {
        self.ahead.is_empty().then_some(self.samples)
    }

    /// Remembers what clients told.
    pub(super) fn note_source(&mut self, source: SampleSource, samples: &[Sample]) {
        if source != SampleSource::Client {
            return;
        }
        for sample in samples {
            for (told, value) in self.told.iter_mut().zip(sample.values) {
                if !value.is_nan() {
                    *told = (*told).max(Some(sample.timestamp_ms));
                }
            }
        }
    }

    /// When the newest value of a metric that a client sent was measured.
    pub(super) fn told_by_clients(&self, metric: Metric) -> Option<i64> {
        self.told[metric.index()]
    }

    /// When the next sample that is ahead is due, in milliseconds since 1970.
    pub(super) fn next_due(&self) -> Option<i64> {
        self.ahead.first().map(|sample| sample.timestamp_ms)
    }

    /// Takes samples that just came and returns those that are due, with those that were ahead and
    /// are not any more; keeps what is ahead.
    pub(super) fn take_due<'a>(&mut self, samples: &'a [Sample], now_ms: i64) -> Cow<'a, [Sample]> {
        let is_due = |sample: &Sample| sample.timestamp_ms <= now_ms;
        if self.ahead.is_empty() && samples.iter().all(is_due) {
            return Cow::Borrowed(samples);
        }
        let rest = self.ahead.partition_point(is_due);
        let mut due: Vec<Sample> = self.ahead.drain(..rest).collect();
        for sample in samples {
            if is_due(sample) {
                due.push(*sample);
            } else {
                self.keep_ahead(sample);
            }
        }
        Cow::Owned(due)
    }

    fn keep_ahead(&mut self, sample: &Sample) {
        let second = |sample: &Sample| sample.timestamp_ms.div_euclid(1000);
        let place = self.ahead.partition_point(|known| second(known) < second(sample));
        match self.ahead.get_mut(place) {
            Some(known) if second(known) == second(sample) => {
                known.update(sample);
                known.timestamp_ms = known.timestamp_ms.max(sample.timestamp_ms);
            }
            _ => self.ahead.insert(place, *sample),
        }
    }

    /// Moves the head out, for a flush; none where there is nothing to flush.
    pub(super) fn take_head(&mut self) -> Option<(i64, Arc<Flushing>)> {
        let key = self.key?;
        if self.head.is_empty() {
            return None;
        }
        let flushing =
            Arc::new(Flushing { log_id: self.head_log_id, samples: std::mem::take(&mut self.head) });
        self.flushing = Some(flushing.clone());
        Some((key, flushing))
    }

    /// Puts the samples of a flush that failed back.
    pub(super) fn restore_head(&mut self, flushing: &Flushing) {
        self.head = head::merged(&flushing.samples, &self.head);
        self.head_log_id = self.head_log_id.max(flushing.log_id);
        self.flushing = None;
    }
}

impl Slot {
    fn new(tenant: TenantKey) -> Self {
        let latest = watch::Sender::new(None);
        Self { tenant, state: Mutex::default(), latest, versions: AtomicU64::new(0) }
    }

    /// The newest sample of each metric and what is ahead of the clock, in order of time: what a start
    /// needs to know of what is in chunks.
    pub(super) fn newest(&self) -> Vec<Sample> {
        let newest = self.latest.borrow().map(|latest| latest.samples()).unwrap_or_default();
        head::merged(&newest, &self.state.lock().ahead)
    }

    /// Publishes what is newer in samples that are due.
    pub(super) fn offer_newest(&self, samples: &[Sample], now_ms: i64) {
        self.latest.send_if_modified(|known| {
            let mut latest = known.unwrap_or_else(|| Latest::after(self.versions.load(Ordering::Relaxed)));
            let newer = latest.offer(samples, now_ms);
            if newer {
                self.versions.store(latest.version, Ordering::Relaxed);
                *known = Some(latest);
            }
            newer
        });
    }

    /// Publishes that there is no sample any more.
    pub(super) fn forget_newest(&self) {
        self.latest.send_if_modified(|latest| latest.take().is_some());
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Option<Latest>> {
        self.latest.subscribe()
    }
}

/// Every tenant that has samples, or that someone looks at.
#[derive(Default)]
pub(super) struct Registry {
    slots: RwLock<HashMap<TenantKey, Arc<Slot>>>,
}

impl Registry {
    pub(super) fn get(&self, tenant: &TenantKey) -> Option<Arc<Slot>> {
        self.slots.read().get(tenant).cloned()
    }

    pub(super) fn get_or_add(&self, tenant: &TenantKey) -> Arc<Slot> {
        if let Some(slot) = self.get(tenant) {
            return slot;
        }
        let slot = || Arc::new(Slot::new(tenant.clone()));
        self.slots.write().entry(tenant.clone()).or_insert_with(slot).clone()
    }

    /// Subscribes while the slot can not be dropped.
    pub(super) fn subscribe(&self, tenant: &TenantKey) -> watch::Receiver<Option<Latest>> {
        if let Some(slot) = self.slots.read().get(tenant) {
            return slot.subscribe();
        }
        self.get_or_add(tenant).subscribe()
    }

    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.slots.read().values().cloned().collect()
    }

    /// Drops slots without samples that nobody holds or looks at.
    pub(super) fn drop_unused(&self) {
        self.slots.write().retain(|_, slot| {
            // Nobody can take a slot while the registry is locked for writing.
            Arc::strong_count(slot) > 1 || slot.latest.receiver_count() > 0 || slot.state.lock().key.is_some()
        });
    }
}
