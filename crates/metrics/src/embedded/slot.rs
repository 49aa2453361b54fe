//! What is kept in memory of each tenant, and the registry of all of them.

use crate::head;
use crate::newest::{Ahead, Newest, ToldByClients};
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Latest, Sample};
use ecp_core::ports::SampleState;
use parking_lot::{Mutex, RwLock};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// A tenant's samples that are not in chunks yet, and its newest values.
pub(super) struct Slot {
    pub(super) tenant: TenantKey,
    pub(super) state: Mutex<SlotState>,
    pub(super) newest: Newest,
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
    /// Samples that are ahead of the clock.
    pub(super) ahead: Ahead,
    /// What clients told.
    pub(super) told: ToldByClients,
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
            ahead: Ahead::default(),
            told: ToldByClients::default(),
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
        Self { tenant, state: Mutex::default(), newest: Newest::default() }
    }

    /// The newest sample of each metric and what is ahead of the clock, in order of time: what a start
    /// needs to know of what is in chunks.
    pub(super) fn newest_samples(&self) -> Vec<Sample> {
        let newest = self.newest.latest().map(|latest| latest.samples()).unwrap_or_default();
        head::merged(&newest, self.state.lock().ahead.samples())
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
            return slot.newest.subscribe();
        }
        self.get_or_add(tenant).newest.subscribe()
    }

    pub(super) fn all(&self) -> Vec<Arc<Slot>> {
        self.slots.read().values().cloned().collect()
    }

    /// Drops slots without samples that nobody holds or looks at.
    pub(super) fn drop_unused(&self) {
        self.slots.write().retain(|_, slot| {
            // Nobody can take a slot while the registry is locked for writing.
            Arc::strong_count(slot) > 1 || slot.newest.is_watched() || slot.state.lock().key.is_some()
        });
    }
}
