//! What is kept in memory of each tenant, and the registry of all of them.

use crate::head;
use ecp_core::ids::TenantId;
use ecp_core::metrics::{Latest, Sample};
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

/// A tenant's samples that are not in chunks yet, and its newest sample.
pub(super) struct Slot {
    pub(super) id: TenantId,
    pub(super) state: Mutex<SlotState>,
    latest: watch::Sender<Option<Latest>>,
    /// Changes of `latest` so far; goes on where the samples are forgotten and come again.
    versions: AtomicU64,
}

/// The state behind a slot's lock. It changes after commits alone, so it never says more than the
/// disk does.
#[derive(Default)]
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
    fn new(id: TenantId) -> Self {
        Self { id, state: Mutex::default(), latest: watch::Sender::new(None), versions: AtomicU64::new(0) }
    }

    /// The newest sample.
    pub(super) fn newest(&self) -> Option<Sample> {
        self.latest.borrow().map(|latest| latest.sample)
    }

    /// Publishes the newest of some samples, unless a newer one is known.
    pub(super) fn offer_newest(&self, samples: &[Sample]) {
        // Of equal times the last one given is the one that is kept.
        let Some(sample) = samples.iter().max_by_key(|sample| sample.timestamp_ms) else { return };
        self.latest.send_if_modified(|latest| {
            let newer = latest.is_none_or(|known| sample.timestamp_ms >= known.sample.timestamp_ms);
            if newer {
                let version = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
                *latest = Some(Latest { version, sample: *sample });
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
    slots: RwLock<HashMap<TenantId, Arc<Slot>>>,
}

impl Registry {
    pub(super) fn get(&self, id: &TenantId) -> Option<Arc<Slot>> {
        self.slots.read().get(id).cloned()
    }

    pub(super) fn get_or_add(&self, id: &TenantId) -> Arc<Slot> {
        if let Some(slot) = self.get(id) {
            return slot;
        }
        self.slots.write().entry(id.clone()).or_insert_with(|| Arc::new(Slot::new(id.clone()))).clone()
    }

    /// Subscribes while the slot can not be dropped.
    pub(super) fn subscribe(&self, id: &TenantId) -> watch::Receiver<Option<Latest>> {
        if let Some(slot) = self.slots.read().get(id) {
            return slot.subscribe();
        }
        self.get_or_add(id).subscribe()
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
