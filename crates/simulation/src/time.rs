//! One time for all, and the clocks by which processes tell it.

use ecp_core::Timestamp;
use ecp_core::ports::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// When every schedule begins, in milliseconds since 1970.
const BEGINNING_MS: i64 = 1_795_392_000_000;

/// The time of a schedule, which goes on when it is told to.
#[derive(Clone, Debug)]
pub struct Time(Arc<AtomicI64>);

impl Time {
    /// At the beginning.
    pub fn begin() -> Self {
        Self(Arc::new(AtomicI64::new(BEGINNING_MS)))
    }

    /// Milliseconds since 1970.
    pub fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Milliseconds since the beginning.
    pub fn passed_ms(&self) -> i64 {
        self.now_ms() - BEGINNING_MS
    }

    /// Goes on.
    pub fn pass(&self, ms: u64) {
        self.0.fetch_add(ms as i64, Ordering::Relaxed);
    }
}

/// A machine's clock. It can be set; what it counts beneath goes on.
pub struct MachineClock {
    time: Time,
    ahead_ms: AtomicI64,
    /// Of what passes, it counts one part of so many.
    counts_one_of: i64,
}

impl MachineClock {
    /// That tells the time as it is.
    pub fn right(time: &Time) -> Self {
        Self { time: time.clone(), ahead_ms: AtomicI64::new(0), counts_one_of: 1 }
    }

    /// That counts half of the time that passes.
    pub fn slow(time: &Time) -> Self {
        Self { counts_one_of: 2, ..Self::right(time) }
    }

    /// Somebody sets it.
    pub fn set_ahead(&self, ms: i64) {
        self.ahead_ms.store(ms, Ordering::Relaxed);
    }
}

fn timestamp(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH)
}

impl Clock for MachineClock {
    fn now(&self) -> Timestamp {
        timestamp(self.time.now_ms() + self.ahead_ms.load(Ordering::Relaxed))
    }

    fn steady(&self) -> Timestamp {
        timestamp(BEGINNING_MS + self.time.passed_ms() / self.counts_one_of)
    }
}
