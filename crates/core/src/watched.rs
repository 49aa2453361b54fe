//! Time that counts against a deadline: only while somebody watched.
//!
//! An outage of the cluster, a machine that was suspended, a clock that was set and a restart are time
//! in which nothing could be seen to move; none of it is held against anybody.

use crate::Timestamp;
use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// An amount of watched time, in whole milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Watched(u64);

impl Watched {
    /// True where none was.
    pub fn is_zero(&self) -> bool {
        self.0 == 0
    }

    /// The sum of two.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }

    /// What came since `earlier`.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self(self.0.saturating_sub(earlier.0))
    }
}

impl From<Watched> for Duration {
    fn from(watched: Watched) -> Self {
        Self::from_millis(watched.0)
    }
}

impl From<Duration> for Watched {
    fn from(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }
}

/// Adds up the time between looks at which something was seen.
#[derive(Debug, Default)]
pub struct Vigil {
    /// The last look, where something was seen.
    last: Option<Timestamp>,
    total: Watched,
}

impl Vigil {
    /// The longest time between two looks that counts: after a longer one nobody was there.
    pub const LONGEST_GAP: SignedDuration = SignedDuration::from_secs(5);

    /// A look, at a time of a clock that never jumps ([`crate::ports::Clock::steady`]); the time since
    /// the last one counts where both saw something. All that was watched so far.
    pub fn look(&mut self, now: Timestamp, sees: bool) -> Watched {
        let gap = self
            .last
            .map(|last| now.duration_since(last))
            .filter(|gap| (SignedDuration::ZERO..=Self::LONGEST_GAP).contains(gap));
        // Rounded down at each look, it would add up to nothing: the rest waits for the next one.
        let counted = gap.and_then(|gap| u64::try_from(gap.as_millis()).ok()).filter(|_| sees).unwrap_or(0);
        self.total = self.total.plus(Watched(counted));
        self.last = match self.last.filter(|_| sees && gap.is_some()) {
            Some(last) => Some(last + SignedDuration::from_millis(i64::try_from(counted).unwrap_or(0))),
            None => sees.then_some(now),
        };
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(milliseconds: i64) -> Timestamp {
        Timestamp::from_millisecond(milliseconds).expect("in range")
    }

    #[test]
    fn only_time_between_looks_that_saw_something_counts() {
        let mut vigil = Vigil::default();
        for (now, sees, total) in [
            (0, true, 0),
            (1000, true, 1000),
            // An outage, from the last look that saw something to the first that does again.
            (2000, false, 1000),
            (900_000, false, 1000),
            (901_000, true, 1000),
            (902_500, true, 2500),
            // A machine that was asleep, or a process that was stopped.
            (5_000_000, true, 2500),
            (5_001_000, true, 3500),
            // A clock that went back counts nothing, and goes on from there.
            (1000, true, 3500),
            (2000, true, 4500),
        ] {
            assert_eq!(vigil.look(at(now), sees), Watched(total), "at {now}");
        }
    }

    #[test]
    fn looks_closer_than_a_millisecond_lose_nothing() {
        let mut vigil = Vigil::default();
        let start = at(0);
        for step in 0..=5000 {
            vigil.look(start + SignedDuration::from_micros(step * 200), true);
        }
        assert_eq!(vigil.look(at(1000), true), Watched(1000));
    }
}
