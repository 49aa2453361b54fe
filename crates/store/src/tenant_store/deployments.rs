//! Deployments in memory: those under way, some that are finished, and ended deletions for a while.
//!
//! The documents of finished deployments are large and seldom read: most stay on disk.

use ecp_core::Timestamp;
use ecp_core::deployment::Deployment;
use ecp_core::ids::{DeploymentId, TenantId};
use jiff::SignedDuration;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// Finished deployments kept in memory beside those that somebody watches.
pub(super) const FINISHED_KEPT: usize = 64;
/// How long an ended deletion can still be read.
pub(super) const DELETION_KEPT: SignedDuration = SignedDuration::from_mins(10);

struct Slot {
    state: watch::Sender<Arc<Deployment>>,
    /// True while the slot is in the line of those that may give way.
    aging: bool,
    /// For an ended deletion: until when it can be read.
    kept_until: Option<Timestamp>,
}

impl Slot {
    fn is_final(&self) -> bool {
        self.state.borrow().status.is_final()
    }
}

#[derive(Default)]
pub(super) struct Deployments {
    slots: HashMap<DeploymentId, Slot>,
    /// Finished ones, longest in memory first.
    aging: VecDeque<DeploymentId>,
    /// Ended deletions, oldest first.
    ended: VecDeque<DeploymentId>,
}

impl Deployments {
    /// The newest state, where it is in memory.
    pub(super) fn get(&self, id: &DeploymentId, now: Timestamp) -> Option<Arc<Deployment>> {
        self.live_slot(id, now).map(|slot| slot.state.borrow().clone())
    }

    /// The state now and later ones, where it is in memory.
    pub(super) fn subscribe(
        &self,
        id: &DeploymentId,
        now: Timestamp,
    ) -> Option<watch::Receiver<Arc<Deployment>>> {
        self.live_slot(id, now).map(|slot| slot.state.subscribe())
    }

    fn live_slot(&self, id: &DeploymentId, now: Timestamp) -> Option<&Slot> {
        self.slots.get(id).filter(|slot| slot.kept_until.is_none_or(|until| now < until))
    }

    /// Takes a state that was committed and tells those who watch.
    pub(super) fn put(&mut self, deployment: Arc<Deployment>) {
        let id = deployment.id.clone();
        match self.slots.get_mut(&id) {
            Some(slot) => {
                slot.state.send_replace(deployment);
            }
            None => {
                let state = watch::Sender::new(deployment);
                self.slots.insert(id.clone(), Slot { state, aging: false, kept_until: None });
            }
        }
        self.let_age(&id);
        self.evict();
    }

    /// Takes a state that was read from disk, unless a newer one is here already, and watches it.
    pub(super) fn put_read(&mut self, deployment: Arc<Deployment>) -> watch::Receiver<Arc<Deployment>> {
        let id = deployment.id.clone();
        let slot = self.slots.entry(id.clone()).or_insert_with(|| Slot {
            state: watch::Sender::new(deployment),
            aging: false,
            kept_until: None,
        });
        // Watched before others give way, so that it is not itself the one to go.
        let receiver = slot.state.subscribe();
        self.let_age(&id);
        self.evict();
        receiver
    }

    /// Forgets the deployments of a tenant that is gone, but for its deletion, which ends here.
    pub(super) fn end_tenant(&mut self, tenant_id: &TenantId, deletion: Arc<Deployment>, now: Timestamp) {
        self.slots.retain(|id, slot| {
            *id == deletion.id || slot.kept_until.is_some() || slot.state.borrow().tenant_id != *tenant_id
        });
        self.aging.retain(|id| self.slots.contains_key(id));
        let id = deletion.id.clone();
        self.put(deletion);
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.kept_until = Some(now + DELETION_KEPT);
            self.ended.push_back(id);
        }
        self.forget_ended(now);
    }

    fn forget_ended(&mut self, now: Timestamp) {
        while let Some(oldest) = self.ended.front() {
            let over =
                self.slots.get(oldest).is_none_or(|slot| slot.kept_until.is_none_or(|until| until <= now));
            if !over {
                return;
            }
            self.slots.remove(oldest);
            self.ended.pop_front();
        }
    }

    fn let_age(&mut self, id: &DeploymentId) {
        if let Some(slot) = self.slots.get_mut(id)
            && slot.is_final()
            && !slot.aging
        {
            slot.aging = true;
            self.aging.push_back(id.clone());
        }
    }

    /// Lets finished ones that nobody watches give way to newer ones.
    fn evict(&mut self) {
        for _ in 0..self.aging.len() {
            if self.aging.len() <= FINISHED_KEPT {
                return;
            }
            let Some(id) = self.aging.pop_front() else { return };
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            if slot.kept_until.is_some() || !slot.is_final() {
                slot.aging = false;
            } else if slot.state.receiver_count() > 0 {
                self.aging.push_back(id);
            } else {
                self.slots.remove(&id);
            }
        }
    }

    /// Those that are in memory.
    pub(super) fn ids(&self) -> impl Iterator<Item = DeploymentId> {
        self.slots.keys().cloned()
    }

    /// How many are in memory.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}
