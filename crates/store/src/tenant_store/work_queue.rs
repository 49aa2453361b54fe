//! The work queue in memory: what is due when, and what is leased. The table keeps the items, this
//! keeps the leases, which end with the process.

use ecp_core::Timestamp;
use ecp_core::ids::TenantId;
use ecp_core::ports::WorkItem;
use std::collections::{BTreeSet, HashMap, HashSet};

/// One queued tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Item {
    number: u64,
    attempts: u32,
    due: Timestamp,
}

/// Items by tenant, at most one each, and leases, at most one each.
#[derive(Debug, Default)]
pub(super) struct WorkQueue {
    items: HashMap<TenantId, Item>,
    /// Number of the item that a worker has.
    leases: HashMap<TenantId, u64>,
    /// Tenants that are being given up: no worker gets them until it is known whether they were.
    withheld: BTreeSet<TenantId>,
    /// Items whose tenant is neither leased nor withheld, soonest first.
    waiting: BTreeSet<(Timestamp, u64, TenantId)>,
}

impl WorkQueue {
    /// Queues a tenant anew; it waits for the end of a lease that there is.
    pub(super) fn put(&mut self, id: &TenantId, number: u64, attempts: u32, due: Timestamp) {
        self.stop_waiting(id);
        self.items.insert(id.clone(), Item { number, attempts, due });
        self.wait(id);
    }

    /// True where the tenant is queued, not begun, and due by `now`: queueing it again adds nothing.
    pub(super) fn is_pending(&self, id: &TenantId, now: Timestamp) -> bool {
        let leased = self.leases.get(id);
        self.items.get(id).is_some_and(|item| item.due <= now && leased != Some(&item.number))
    }

    /// True where the lease's item is still the newest.
    pub(super) fn is_newest(&self, lease: &WorkItem) -> bool {
        self.items.get(&lease.tenant_id).is_some_and(|item| item.number == lease.lease)
    }

    /// Leases what is due, soonest first.
    pub(super) fn lease(&mut self, now: Timestamp, limit: usize) -> Vec<WorkItem> {
        let due = self.waiting.iter().take_while(|(due, ..)| *due <= now).take(limit);
        let due: Vec<_> = due.cloned().collect();
        let mut leased = Vec::with_capacity(due.len());
        for entry in due {
            self.waiting.remove(&entry);
            let (_, number, tenant_id) = entry;
            let attempts = self.items.get(&tenant_id).map_or(0, |item| item.attempts);
            self.leases.insert(tenant_id.clone(), number);
            leased.push(WorkItem { tenant_id, attempts, lease: number });
        }
        leased
    }

    /// Ends a lease with its item, unless that was queued anew.
    pub(super) fn finish(&mut self, lease: &WorkItem) {
        if self.is_newest(lease) {
            self.stop_waiting(&lease.tenant_id);
            self.items.remove(&lease.tenant_id);
        }
        self.release(lease);
    }

    /// Ends a lease; its item becomes `number`, due at `due`, unless it was queued anew.
    pub(super) fn retry(&mut self, lease: &WorkItem, number: u64, attempts: u32, due: Timestamp) {
        if self.is_newest(lease) {
            self.put(&lease.tenant_id, number, attempts, due);
        }
        self.release(lease);
    }

    /// Makes items that wait for a later time due by `now`; true where there are any.
    pub(super) fn hasten(&mut self, ids: &BTreeSet<TenantId>, now: Timestamp) -> bool {
        let mut hastened = false;
        for id in ids {
            let Some(item) = self.items.get(id).copied().filter(|item| item.due > now) else { continue };
            self.put(id, item.number, item.attempts, now);
            hastened = true;
        }
        hastened
    }

    /// Ends a lease and leaves what is queued; a lease that ended before changes nothing.
    pub(super) fn release(&mut self, lease: &WorkItem) {
        if self.leases.get(&lease.tenant_id) == Some(&lease.lease) {
            self.leases.remove(&lease.tenant_id);
            self.wait(&lease.tenant_id);
        }
    }

    /// Tenants that a worker has.
    pub(super) fn in_hand(&self) -> HashSet<TenantId> {
        self.leases.keys().cloned().collect()
    }

    /// Withholds those of `candidates` that no worker has, at most `limit`, until [`Self::give_out`]: chosen and
    /// withheld in one step, so that none of them can come into a worker's hand in between. In their order.
    pub(super) fn withhold(
        &mut self,
        candidates: impl IntoIterator<Item = TenantId>,
        limit: usize,
    ) -> Vec<TenantId> {
        let idle = candidates.into_iter().filter(|id| !self.leases.contains_key(id));
        let chosen: Vec<TenantId> = idle.take(limit).collect();
        for id in &chosen {
            self.stop_waiting(id);
            self.withheld.insert(id.clone());
        }
        chosen
    }

    /// Withholds one that a worker may have; what it still has in hand ends by itself.
    pub(super) fn hold_back(&mut self, id: &TenantId) {
        self.stop_waiting(id);
        self.withheld.insert(id.clone());
    }

    /// Lets workers have again what was withheld.
    pub(super) fn give_out(&mut self) {
        for id in std::mem::take(&mut self.withheld) {
            self.wait(&id);
        }
    }

    /// True of a tenant that is being given to another process.
    pub(super) fn is_withheld(&self, id: &TenantId) -> bool {
        self.withheld.contains(id)
    }

    /// True where something is withheld.
    pub(super) fn withholds(&self) -> bool {
        !self.withheld.is_empty()
    }

    /// Takes out the items of tenants that another process works on by now; what a worker has of them stays
    /// in its hand until it puts it down.
    pub(super) fn withdraw(&mut self, lost: impl Fn(&TenantId) -> bool) {
        let lost: Vec<TenantId> = self.items.keys().filter(|id| lost(id)).cloned().collect();
        for id in lost {
            self.stop_waiting(&id);
            self.items.remove(&id);
        }
    }

    /// Forgets a tenant that is gone, with its lease.
    pub(super) fn remove(&mut self, id: &TenantId) {
        self.stop_waiting(id);
        self.items.remove(id);
        self.leases.remove(id);
        self.withheld.remove(id);
    }

    /// When the next item that a worker may have is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first().map(|(due, ..)| *due)
    }

    fn wait(&mut self, id: &TenantId) {
        if self.leases.contains_key(id) || self.withheld.contains(id) {
            return;
        }
        if let Some(item) = self.items.get(id) {
            self.waiting.insert((item.due, item.number, id.clone()));
        }
    }

    fn stop_waiting(&mut self, id: &TenantId) {
        if let Some(item) = self.items.get(id) {
            self.waiting.remove(&(item.due, item.number, id.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Put { tenant: usize, due: i64 },
        Lease { now: i64, limit: usize },
        Finish { held: usize },
        Retry { held: usize, due: i64 },
        Hasten { tenants: Vec<usize>, now: i64 },
        Remove { tenant: usize },
        Withhold { tenants: Vec<usize>, limit: usize },
        HoldBack { tenant: usize },
        GiveOut,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0..4_usize, 0..10_i64).prop_map(|(tenant, due)| Step::Put { tenant, due }),
            3 => (0..10_i64, 0..4_usize).prop_map(|(now, limit)| Step::Lease { now, limit }),
            // Leases of long ago are ended too, as a worker that was cut off would.
            3 => (0..40_usize).prop_map(|held| Step::Finish { held }),
            2 => (0..40_usize, 0..10_i64).prop_map(|(held, due)| Step::Retry { held, due }),
            1 => (prop::collection::vec(0..4_usize, 0..4), 0..10_i64)
                .prop_map(|(tenants, now)| Step::Hasten { tenants, now }),
            1 => (0..4_usize).prop_map(|tenant| Step::Remove { tenant }),
            2 => (prop::collection::vec(0..4_usize, 0..4), 0..4_usize)
                .prop_map(|(tenants, limit)| Step::Withhold { tenants, limit }),
            1 => (0..4_usize).prop_map(|tenant| Step::HoldBack { tenant }),
            1 => Just(Step::GiveOut),
        ]
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    proptest! {
        /// Against a model that knows only which number is newest and which is held.
        #[test]
        fn no_work_is_lost_and_no_tenant_is_leased_twice_at_once(steps in prop::collection::vec(step(), 1..80)) {
            let ids: Vec<TenantId> =
                ["a", "b", "c", "d"].map(|id| TenantId::parse(id).expect("a label")).to_vec();
            let mut queue = WorkQueue::default();
            let mut newest: BTreeMap<TenantId, (u64, i64)> = BTreeMap::new();
            let mut held: BTreeMap<TenantId, u64> = BTreeMap::new();
            let mut withheld: BTreeSet<TenantId> = BTreeSet::new();
            let mut handed_out: Vec<WorkItem> = Vec::new();
            let mut numbers = 1_u64..;
            let mut number = || numbers.next().expect("endless");
            for step in steps {
                match step {
                    Step::Put { tenant, due } => {
                        let number = number();
                        queue.put(&ids[tenant], number, 0, at(due));
                        newest.insert(ids[tenant].clone(), (number, due));
                    }
                    Step::Lease { now, limit } => {
                        let due = newest.iter().filter(|(id, (_, due))| {
                            *due <= now && !held.contains_key(*id) && !withheld.contains(*id)
                        });
                        let due = due.count();
                        let leased = queue.lease(at(now), limit);
                        prop_assert_eq!(leased.len(), due.min(limit));
                        for item in leased {
                            let (number, due) = newest[&item.tenant_id];
                            prop_assert!(due <= now && number == item.lease);
                            prop_assert!(!withheld.contains(&item.tenant_id));
                            prop_assert!(held.insert(item.tenant_id.clone(), item.lease).is_none());
                            handed_out.push(item);
                        }
                    }
                    Step::Finish { held: index } => {
                        let Some(item) = handed_out.get(index) else { continue };
                        queue.finish(item);
                        let id = &item.tenant_id;
                        if newest.get(id).is_some_and(|(number, _)| *number == item.lease) {
                            newest.remove(id);
                        }
                        if held.get(id) == Some(&item.lease) {
                            held.remove(id);
                        }
                    }
                    Step::Retry { held: index, due } => {
                        let Some(item) = handed_out.get(index) else { continue };
                        let number = number();
                        queue.retry(item, number, item.attempts + 1, at(due));
                        let id = &item.tenant_id;
                        if newest.get(id).is_some_and(|(number, _)| *number == item.lease) {
                            newest.insert(id.clone(), (number, due));
                        }
                        if held.get(id) == Some(&item.lease) {
                            held.remove(id);
                        }
                    }
                    Step::Hasten { tenants, now } => {
                        let chosen: BTreeSet<_> = tenants.iter().map(|tenant| ids[*tenant].clone()).collect();
                        let mut hastened = false;
                        for (_, (_, due)) in newest.iter_mut().filter(|(id, _)| chosen.contains(*id)) {
                            hastened |= *due > now;
                            *due = (*due).min(now);
                        }
                        prop_assert_eq!(queue.hasten(&chosen, at(now)), hastened);
                    }
                    Step::Remove { tenant } => {
                        queue.remove(&ids[tenant]);
                        newest.remove(&ids[tenant]);
                        held.remove(&ids[tenant]);
                        withheld.remove(&ids[tenant]);
                    }
                    Step::Withhold { tenants, limit } => {
                        let candidates = tenants.iter().map(|tenant| ids[*tenant].clone());
                        let idle = tenants.iter().filter(|tenant| !held.contains_key(&ids[**tenant])).count();
                        let chosen = queue.withhold(candidates, limit);
                        prop_assert_eq!(chosen.len(), idle.min(limit));
                        prop_assert!(chosen.iter().all(|id| !held.contains_key(id)));
                        withheld.extend(chosen);
                    }
                    Step::HoldBack { tenant } => {
                        queue.hold_back(&ids[tenant]);
                        withheld.insert(ids[tenant].clone());
                    }
                    Step::GiveOut => {
                        queue.give_out();
                        withheld.clear();
                    }
                }
                prop_assert_eq!(queue.withholds(), !withheld.is_empty());
                prop_assert!(ids.iter().all(|id| queue.is_withheld(id) == withheld.contains(id)));
                let waiting = newest.iter().filter(|(id, _)| !held.contains_key(*id) && !withheld.contains(*id));
                let expected = waiting.map(|(_, (_, due))| at(*due)).min();
                prop_assert_eq!(queue.next_due(), expected);
            }
        }
    }
}
