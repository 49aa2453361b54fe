//! Which tenants the controller has in hand: leased, to be looked at, being looked at.

use ecp_core::deployment::DeploymentKind;
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::ports::WorkItem;
use std::collections::{BTreeMap, VecDeque};

/// Tenants in hand. A lease is held for as long as a roll-out lasts, so that waiting for pods
/// writes nothing; after a crash the store hands it out again.
#[derive(Default)]
pub(super) struct Slots {
    slots: BTreeMap<TenantId, Slot>,
    /// Marked and not running, in the order of marking.
    ready: VecDeque<TenantId>,
}

struct Slot {
    item: WorkItem,
    /// Nothing was done under this lease, or towards this aim, yet.
    fresh: bool,
    /// Something happened since the last look began.
    marked: bool,
    running: bool,
    /// What the last look was about.
    aim: Option<Aim>,
}

/// The deployment that a tenant is to be brought through, and how.
pub(super) type Aim = (DeploymentId, DeploymentKind);

/// A tenant that is to be looked at now.
pub(super) struct Job {
    pub(super) item: WorkItem,
    /// It is the first look under this lease or at this aim: what was under way may have been cut
    /// short, and may have been something else.
    pub(super) fresh: bool,
}

impl Slots {
    /// Takes a tenant in hand.
    pub(super) fn lease(&mut self, item: WorkItem) {
        let id = item.tenant_id.clone();
        match self.slots.get_mut(&id) {
            Some(slot) => (slot.item, slot.fresh) = (item, true),
            None => {
                let slot = Slot { item, fresh: true, marked: false, running: false, aim: None };
                self.slots.insert(id.clone(), slot);
            }
        }
        self.mark(&id);
    }

    /// Says that something happened; false where the tenant is not in hand.
    pub(super) fn mark(&mut self, id: &TenantId) -> bool {
        let Some(slot) = self.slots.get_mut(id) else { return false };
        if !slot.marked {
            slot.marked = true;
            if !slot.running {
                self.ready.push_back(id.clone());
            }
        }
        true
    }

    /// Marks every tenant in hand.
    pub(super) fn mark_all(&mut self) {
        let ids: Vec<TenantId> = self.slots.keys().cloned().collect();
        for id in ids {
            self.mark(&id);
        }
    }

    /// Marks the tenants that have another aim than at the last look; they begin afresh.
    pub(super) fn mark_changed(&mut self, aim: impl Fn(&TenantId) -> Option<Aim>) {
        let mut changed = Vec::new();
        for (id, slot) in &mut self.slots {
            if slot.aim.is_some() && aim(id) != slot.aim {
                slot.fresh = true;
                changed.push(id.clone());
            }
        }
        for id in changed {
            self.mark(&id);
        }
    }

    /// The next tenant to look at; it is running from here on.
    pub(super) fn take(&mut self) -> Option<Job> {
        let id = self.ready.pop_front()?;
        let slot = self.slots.get_mut(&id)?;
        (slot.marked, slot.running) = (false, true);
        Some(Job { item: slot.item.clone(), fresh: std::mem::take(&mut slot.fresh) })
    }

    /// Notes what the look is about.
    pub(super) fn aims_at(&mut self, id: &TenantId, aim: Aim) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.aim = Some(aim);
        }
    }

    /// A look is over and the tenant stays in hand.
    pub(super) fn rest(&mut self, id: &TenantId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        if std::mem::take(&mut slot.running) && slot.marked {
            self.ready.push_back(id.clone());
        }
    }

    /// The cluster answered: earlier failures do not count any more.
    pub(super) fn answered(&mut self, id: &TenantId) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.item.attempts = 0;
        }
    }

    /// A lease ended; the tenant is put down, unless there is newer work for it. True where it was
    /// put down although something happened since the last look began: nothing else remembers that.
    pub(super) fn end(&mut self, item: &WorkItem) -> bool {
        let newer = self.slots.get(&item.tenant_id).is_some_and(|slot| slot.item.lease != item.lease);
        if newer {
            self.mark(&item.tenant_id);
            self.rest(&item.tenant_id);
            return false;
        }
        self.slots.remove(&item.tenant_id).is_some_and(|slot| slot.marked)
    }

    /// Takes out what is not being looked at and is `lost`.
    pub(super) fn take_idle(&mut self, lost: impl Fn(&TenantId) -> bool) -> Vec<WorkItem> {
        let idle = self.slots.iter().filter(|(id, slot)| !slot.running && lost(id));
        let idle: Vec<TenantId> = idle.map(|(id, _)| id.clone()).collect();
        let taken = idle.iter().filter_map(|id| self.slots.remove(id)).map(|slot| slot.item).collect();
        self.ready.retain(|id| self.slots.contains_key(id));
        taken
    }

    /// How many are in hand.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ecp_core::deployment::Removal;

    fn item(lease: u64) -> WorkItem {
        WorkItem { tenant_id: TenantId::parse("acme").expect("a valid id"), attempts: 0, lease }
    }

    #[test]
    fn a_tenant_is_never_looked_at_twice_at_once() {
        let mut slots = Slots::default();
        let id = item(1).tenant_id;
        slots.lease(item(1));
        assert!(slots.take().is_some());
        assert!(slots.mark(&id));
        assert!(slots.take().is_none(), "it is still running");
        slots.rest(&id);
        assert!(slots.take().is_some_and(|job| !job.fresh));
        slots.rest(&id);
        assert!(slots.take().is_none(), "nothing happened since");
    }

    #[test]
    fn newer_work_survives_the_end_of_an_older_lease() {
        let mut slots = Slots::default();
        slots.lease(item(1));
        let old = slots.take().expect("a job").item;
        slots.lease(item(2));
        slots.end(&old);
        let newer = slots.take().expect("the newer work");
        assert_eq!((newer.item.lease, newer.fresh), (2, true));
        slots.end(&newer.item);
        assert_eq!(slots.len(), 0);
    }

    #[test]
    fn what_happens_while_a_lease_ends_is_told() {
        let mut slots = Slots::default();
        slots.lease(item(1));
        let job = slots.take().expect("a job");
        assert!(!slots.end(&job.item), "nothing happened");
        slots.lease(item(2));
        let job = slots.take().expect("a job");
        assert!(slots.mark(&job.item.tenant_id), "it is in hand until its lease has ended");
        assert!(slots.end(&job.item));
        assert!(slots.take().is_none());
    }

    #[test]
    fn a_tenant_with_another_aim_than_last_looked_at_is_marked() {
        let mut slots = Slots::default();
        let aim = |name: &str, force| {
            (DeploymentId::from_text(name), DeploymentKind::Delete(Removal { force, release: false }))
        };
        slots.lease(item(1));
        let id = slots.take().expect("a job").item.tenant_id;
        slots.aims_at(&id, aim("del-1", false));
        slots.rest(&id);
        slots.mark_changed(|_| Some(aim("del-1", false)));
        assert!(slots.take().is_none());
        for other in [aim("del-2", false), aim("del-1", true)] {
            slots.mark_changed(|_| Some(other.clone()));
            assert!(slots.take().is_some_and(|job| job.fresh));
            slots.rest(&id);
        }
    }
}
