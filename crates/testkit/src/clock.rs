//! A clock that tests set.

use ecp_core::Timestamp;
use ecp_core::ports::Clock;
use jiff::SignedDuration;
use parking_lot::Mutex;

/// Stands still until it is moved.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that stands at an RFC 3339 time.
    ///
    /// # Panics
    /// Where the text is no such time.
    pub fn at(time: &str) -> Self {
        Self(Mutex::new(time.parse().expect("an RFC 3339 time")))
    }

    /// Moves it forward.
    pub fn advance(&self, duration: SignedDuration) {
        let mut now = self.0.lock();
        *now += duration;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}
