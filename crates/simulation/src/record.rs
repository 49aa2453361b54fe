//! What happened, and what must not: written down as it happens.

use crate::time::Time;
use parking_lot::Mutex;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

/// The record of one schedule.
#[derive(Clone)]
pub struct Record {
    time: Time,
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    /// Lines, where somebody reads them.
    told: bool,
    steps: DefaultHasher,
    broken: Option<String>,
}

impl Record {
    /// Empty; `told` prints each line.
    pub fn new(time: &Time, told: bool) -> Self {
        let inner = Inner { told, steps: DefaultHasher::new(), broken: None };
        Self { time: time.clone(), inner: Arc::new(Mutex::new(inner)) }
    }

    /// Something happened. The line must be the same whenever the seed is.
    pub fn note(&self, line: impl FnOnce() -> String) {
        let mut inner = self.inner.lock();
        let line = line();
        (self.time.now_ms(), &line).hash(&mut inner.steps);
        if inner.told {
            tracing::info!("{:>9.3} s  {line}", self.time.passed_ms() as f64 / 1000.0);
        }
    }

    /// A promise is broken; the first one counts.
    pub fn broken(&self, what: impl FnOnce() -> String) {
        let mut inner = self.inner.lock();
        if inner.broken.is_none() {
            let what = format!("{:.3} s: {}", self.time.passed_ms() as f64 / 1000.0, what());
            if inner.told {
                tracing::error!("{what}");
            }
            inner.broken = Some(what);
        }
    }

    /// What was broken.
    pub fn what_broke(&self) -> Option<String> {
        self.inner.lock().broken.clone()
    }

    /// A number that is the same for the same steps.
    pub fn digest(&self) -> u64 {
        self.inner.lock().steps.finish()
    }
}
