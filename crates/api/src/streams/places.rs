//! The places of WebSockets: as many as there may be, shared fairly where they run short.

use crate::clients::Client;
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// All places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    taken: Mutex<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    count: usize,
    next: u64,
    /// What tells each holder that its place is wanted, oldest first, by client.
    by_client: HashMap<Client, BTreeMap<u64, CancellationToken>>,
}

/// One place, until it is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    places: Arc<Places>,
    client: Client,
    number: u64,
    wanted: CancellationToken,
}

impl Places {
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, taken: Mutex::default() })
    }

    /// A place. Where none is free the client that holds the most gives its newest up, unless the one
    /// who asks would then hold as many.
    pub(super) fn take(self: &Arc<Self>, client: Client) -> Option<Place> {
        let mut taken = self.taken.lock();
        if taken.count >= self.most {
            let own = taken.by_client.get(&client).map_or(0, BTreeMap::len);
            let most = taken.by_client.values_mut().max_by_key(|places| places.len())?;
            if most.len() <= own + 1 {
                return None;
            }
            let (_, wanted) = most.pop_last()?;
            wanted.cancel();
            taken.count -= 1;
        }
        let number = taken.next;
        let wanted = CancellationToken::new();
        taken.count += 1;
        taken.next += 1;
        taken.by_client.entry(client).or_default().insert(number, wanted.clone());
        Some(Place { places: self.clone(), client, number, wanted })
    }
}

impl Place {
    /// Cancelled when another client needs the place more.
    pub(crate) fn wanted(&self) -> CancellationToken {
        self.wanted.clone()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock();
        let Some(own) = taken.by_client.get_mut(&self.client) else { return };
        // One that was given up was taken out already.
        let held = own.remove(&self.number).is_some();
        if own.is_empty() {
            taken.by_client.remove(&self.client);
        }
        taken.count -= usize::from(held);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_may_have_all_and_gives_up_what_others_lack() {
        let places = Places::new(4);
        let (hog, other) = (Client::from_number(1), Client::from_number(2));
        let held: Vec<_> = (0..4).map(|_| places.take(hog).expect("free")).collect();
        assert!(places.take(hog).is_none());
        let newcomers: Vec<_> = (0..2).map(|_| places.take(other).expect("given up")).collect();
        assert!(places.take(other).is_none(), "both hold two");
        let wanted: Vec<bool> = held.iter().map(|place| place.wanted().is_cancelled()).collect();
        assert_eq!(wanted, [false, false, true, true]);
        assert_eq!(places.taken.lock().count, 4);
        drop((held, newcomers));
        let taken = places.taken.lock();
        assert!(taken.count == 0 && taken.by_client.is_empty());
    }
}
