//! A store that fails: nothing is taken in hand until it is worth another try.

use ecp_core::Timestamp;
use std::time::Duration;

/// After the first failure; doubled each time.
const FIRST: Duration = Duration::from_millis(500);
/// At most.
const LONGEST: Duration = Duration::from_secs(30);

/// Whether the controller waits for its store; by a clock that never jumps.
#[derive(Debug, Default)]
pub(super) struct Pause {
    failures: u32,
    until: Option<Timestamp>,
}

impl Pause {
    /// The store failed; true where it did not before. Failures of looks that run side by side count
    /// once.
    pub(super) fn failed(&mut self, now: Timestamp) -> bool {
        if self.is_on(now) {
            return false;
        }
        let wait = FIRST.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        self.until = Some(now + wait);
        self.failures == 1
    }

    /// The store took a write; true where it had failed.
    pub(super) fn succeeded(&mut self) -> bool {
        self.until = None;
        std::mem::take(&mut self.failures) > 0
    }

    /// Nothing is to be begun.
    pub(super) fn is_on(&self, now: Timestamp) -> bool {
        self.left(now).is_some()
    }

    /// How long nothing is to be begun.
    pub(super) fn left(&self, now: Timestamp) -> Option<Duration> {
        let left = self.until?.duration_since(now);
        Duration::try_from(left).ok().filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_with_each_failure_and_says_once_that_it_began_and_ended() {
        let (mut pause, mut now) = (Pause::default(), Timestamp::UNIX_EPOCH);
        assert!(!pause.is_on(now) && !pause.succeeded());
        assert!(pause.failed(now));
        assert!(!pause.failed(now), "another look at the same time");
        let mut waits = Vec::new();
        for _ in 0..8 {
            let left = pause.left(now).expect("it is on");
            waits.push(left.as_millis());
            let until = now + left;
            assert!(pause.is_on(now) && !pause.is_on(until));
            now = until;
            assert!(!pause.failed(now), "it was told already");
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
        assert!(pause.succeeded() && !pause.succeeded());
        assert!(pause.failed(now));
    }
}
