//! When a receiver has its next turn: who takes nothing is left alone, and so costs the same for a long queue as
//! for a short one.

use std::time::{Duration, Instant};

/// How long a receiver is left alone whose turn another process has, or brought nothing.
const LEFT_ALONE: Duration = Duration::from_secs(2);
/// How long a receiver is left alone that took nothing, the first time and at most: who can not be told costs no
/// more for a long queue than for a short one.
const LEFT_ALONE_AFTER_FAILURE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(5));

/// How a turn ended.
pub(crate) enum End {
    /// Something was taken; there may be more.
    Taken,
    /// What was sent was not taken.
    Failed,
    /// Another process has the receiver, or nothing was to be sent, or the store failed.
    Nothing,
}

/// A receiver that has a turn, or was left alone.
#[derive(Default)]
pub(crate) struct Pace {
    /// It has its turn now.
    pub(crate) is_busy: bool,
    /// It is left alone until then.
    pub(crate) until: Option<Instant>,
    /// Turns in which it took nothing, one after another.
    pub(crate) failures: u32,
}

impl Pace {
    /// True where it may have a turn.
    pub(crate) fn is_free(&self) -> bool {
        !self.is_busy && self.until.is_none_or(|until| until <= Instant::now())
    }

    /// How long the receiver is left alone after a turn that ended so.
    fn pause_after(&mut self, end: &End) -> Option<Duration> {
        match end {
            End::Taken => {
                self.failures = 0;
                None
            }
            End::Failed => {
                let (first, longest) = LEFT_ALONE_AFTER_FAILURE;
                let pause = first.saturating_mul(1 << self.failures.min(8)).min(longest);
                self.failures = self.failures.saturating_add(1);
                Some(pause)
            }
            End::Nothing => Some(LEFT_ALONE),
        }
    }

    /// Its turn ended so.
    pub(crate) fn end(&mut self, end: End) {
        self.is_busy = false;
        self.until = self.pause_after(&end).map(|pause| Instant::now() + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_takes_nothing_is_left_alone_for_longer_each_time_until_it_takes_something() {
        let mut pace = Pace::default();
        let pauses: Vec<_> = (0..5).map(|_| pace.pause_after(&End::Failed)).collect();
        assert_eq!(pauses, [1, 2, 4, 5, 5].map(|seconds| Some(Duration::from_secs(seconds))));
        pace.end(End::Failed);
        assert!(!pace.is_free());
        pace.end(End::Taken);
        assert!(pace.is_free());
        assert_eq!(pace.pause_after(&End::Failed), Some(Duration::from_secs(1)), "it begins anew");
    }
}
