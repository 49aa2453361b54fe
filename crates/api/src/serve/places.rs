//! The places of connections: as many as there may be, shared by address where they run short.
//!
//! Nobody waits behind connections on which nothing is asked: where no place is free, the client with
//! the most gives up the one that has been idle longest. Where all are busy, a few are kept for those
//! who watch the process, and whoever else comes in on one of them is told so at once.

use super::activity::Activity;
use crate::clients::Client;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Most places that are kept for those who watch.
const MOST_KEPT: usize = 16;

/// All places.
pub(super) struct Places {
    /// For anyone.
    most: usize,
    /// For one client; the rest is for the others, however busy that one is.
    most_of_one: usize,
    /// For those who watch, besides.
    kept: usize,
    taken: Mutex<Taken>,
    /// Says that a place was given back.
    freed: Notify,
}

#[derive(Default)]
struct Taken {
    count: usize,
    kept: usize,
    next: u64,
    /// The oldest first.
    by_client: HashMap<Client, BTreeMap<u64, Holder>>,
}

struct Holder {
    activity: Arc<Activity>,
    give_way: CancellationToken,
}

/// One place, until it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    client: Client,
    number: u64,
    /// It is one of those that are kept for who watches the process.
    pub is_kept: bool,
    /// Cancelled when another connection needs the place and nothing is asked on this one.
    pub give_way: CancellationToken,
}

impl Places {
    /// So many in all; at least one is for anyone.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let most = most.max(1);
        let kept = (most / 8).clamp(1, MOST_KEPT);
        let most_of_one = (most - most / 4).max(1);
        Arc::new(Self { most, most_of_one, kept, taken: Mutex::default(), freed: Notify::new() })
    }

    /// Waits until a connection could get a place, if only a kept one.
    pub(super) async fn room(&self) {
        loop {
            let freed = self.freed.notified();
            if self.has_room() {
                return;
            }
            freed.await;
        }
    }

    fn has_room(&self) -> bool {
        let taken = self.taken.lock();
        taken.count < self.most || taken.kept < self.kept || taken.idlest(|_, _| true).is_some()
    }

    /// A place for a connection from an address; none where even the kept ones are taken.
    pub(super) fn take(self: &Arc<Self>, address: IpAddr, activity: &Arc<Activity>) -> Option<Place> {
        let client = Client::at(Some(address));
        let mut taken = self.taken.lock();
        let own = taken.of(client);
        let is_free = if own >= self.most_of_one {
            taken.give_up(|holder, _| holder == client)
        } else if taken.count >= self.most {
            taken.give_up(|holder, held| holder == client || held > own)
        } else {
            true
        };
        if !is_free && taken.kept >= self.kept {
            return None;
        }
        let number = taken.next;
        taken.next += 1;
        let give_way = CancellationToken::new();
        if is_free {
            taken.count += 1;
            let holder = Holder { activity: activity.clone(), give_way: give_way.clone() };
            taken.by_client.entry(client).or_default().insert(number, holder);
        } else {
            taken.kept += 1;
        }
        Some(Place { places: self.clone(), client, number, is_kept: !is_free, give_way })
    }
}

impl Taken {
    fn of(&self, client: Client) -> usize {
        self.by_client.get(&client).map_or(0, BTreeMap::len)
    }

    /// The connection that has been idle longest, of the client that holds the most among these.
    fn idlest(&self, among: impl Fn(Client, usize) -> bool) -> Option<(Client, u64)> {
        let clients = self.by_client.iter().filter(|(client, held)| among(**client, held.len()));
        let idle = clients.filter_map(|(client, held)| {
            let idle =
                held.iter().filter_map(|(number, holder)| Some((holder.activity.idle_since()?, *number)));
            let (_, number) = idle.min()?;
            Some((held.len(), *client, number))
        });
        idle.max_by_key(|(held, ..)| *held).map(|(_, client, number)| (client, number))
    }

    /// Takes the place of an idle connection; false where there is none.
    fn give_up(&mut self, among: impl Fn(Client, usize) -> bool) -> bool {
        let Some((client, number)) = self.idlest(among) else { return false };
        self.remove(client, number).inspect(|holder| holder.give_way.cancel()).is_some()
    }

    fn remove(&mut self, client: Client, number: u64) -> Option<Holder> {
        let held = self.by_client.get_mut(&client)?;
        let holder = held.remove(&number)?;
        if held.is_empty() {
            self.by_client.remove(&client);
        }
        self.count -= 1;
        Some(holder)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        if self.is_kept {
            taken.kept -= 1;
        } else {
            // One that was given up was taken out already.
            taken.remove(self.client, self.number);
        }
        drop(taken);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::activity::Timeouts;
    use std::time::Duration;

    fn connection(is_busy: bool) -> Arc<Activity> {
        let never = Duration::from_secs(3600);
        let activity = Activity::new(Timeouts { header: never, idle: never, write: never, linger: never });
        activity.request_started(false);
        if !is_busy {
            activity.request_answered();
        }
        Arc::new(activity)
    }

    fn address(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    #[test]
    fn idle_connections_give_way_the_oldest_of_the_largest_holder_first() {
        let places = Places::new(8);
        let mut held: Vec<Place> =
            (0..6).map(|_| places.take(address(1), &connection(false)).expect("a place")).collect();
        held.extend((0..2).map(|_| places.take(address(2), &connection(false)).expect("a place")));
        let newcomer = places.take(address(3), &connection(true)).expect("a place");
        assert!(!newcomer.is_kept);
        let gave_way: Vec<bool> = held.iter().map(|place| place.give_way.is_cancelled()).collect();
        assert_eq!(gave_way, [true, false, false, false, false, false, false, false]);
        assert_eq!(places.taken.lock().count, 8);
        drop((held, newcomer));
        let taken = places.taken.lock();
        assert!(taken.count == 0 && taken.by_client.is_empty());
    }

    #[test]
    fn a_busy_client_leaves_a_quarter_to_others_and_what_watches_always_gets_in() {
        let places = Places::new(8);
        let busy: Vec<Place> = (0..7)
            .map_while(|_| places.take(address(1), &connection(true)).filter(|place| !place.is_kept))
            .collect();
        assert_eq!(busy.len(), 6, "a quarter is for others");
        let other: Vec<Place> = (0..2).filter_map(|_| places.take(address(2), &connection(true))).collect();
        assert!(other.iter().all(|place| !place.is_kept));
        let watching = places.take(address(3), &connection(true)).expect("a kept place");
        assert!(watching.is_kept);
        assert!(places.take(address(4), &connection(true)).is_none());
        assert!(!places.has_room());
        drop(watching);
        assert!(places.has_room());
        drop(busy);
        assert!(places.take(address(4), &connection(true)).is_some_and(|place| !place.is_kept));
    }
}
