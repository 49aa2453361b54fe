//! What requests and answers may take of the memory at once, over all clients.
//!
//! Bytes that a client made us hold — a body on its way, a message or a request head that does not end,
//! an answer that it does not take — are charged to a [`Budget`]. Over it the request is refused, and
//! can be sent again. A little of each budget is left to what is small, so that large bodies do not
//! keep small ones out. Work on large bodies takes [`Turns`].

use crate::error::{ApiError, ErrorCode};
use bytes::Bytes;
use ecp_core::text::Message;
use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What is at most so long may use the part of a budget that is left to what is small.
const SMALL_BYTES: usize = 64 * 1024;
/// Large bodies that are worked on at once.
const TURNS: usize = 2;

/// Bytes that may be held at once.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    used: AtomicUsize,
}

/// There is no more to be had now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exhausted;

impl From<Exhausted> for ApiError {
    fn from(_: Exhausted) -> Self {
        Self::new(ErrorCode::InternalError, Message::new("api.memory_exhausted"))
            .with_status(StatusCode::SERVICE_UNAVAILABLE)
            .header(RETRY_AFTER, HeaderValue::from_static("1"))
    }
}

impl Budget {
    /// So many bytes.
    pub fn new(bytes: usize) -> Arc<Self> {
        Arc::new(Self { bytes, used: AtomicUsize::new(0) })
    }

    /// Bytes held now.
    #[cfg(test)]
    pub fn used(&self) -> usize {
        self.used.load(Ordering::Relaxed)
    }

    fn take(&self, more: usize, limit: usize) -> Result<(), Exhausted> {
        let taken = self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(more).filter(|sum| *sum <= limit)
        });
        taken.map(|_| ()).map_err(|_| Exhausted)
    }
}

/// What one body holds of a budget; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Charge {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Charge {
    /// Nothing yet.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: budget.clone(), bytes: 0 }
    }

    /// Holds at least so many bytes.
    pub fn raise_to(&mut self, bytes: usize) -> Result<(), Exhausted> {
        if bytes > self.bytes {
            let whole = self.budget.bytes;
            let limit = if bytes > SMALL_BYTES { whole - whole / 4 } else { whole };
            self.budget.take(bytes - self.bytes, limit)?;
            self.bytes = bytes;
        }
        Ok(())
    }

    /// Gives everything back.
    pub fn clear(&mut self) {
        self.budget.used.fetch_sub(std::mem::take(&mut self.bytes), Ordering::Relaxed);
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Bytes that hold their charge until the last of them is gone.
pub(crate) fn charged(bytes: Bytes, charge: Charge) -> Bytes {
    struct Owner {
        bytes: Bytes,
        _charge: Charge,
    }
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    Bytes::from_owner(Owner { bytes, _charge: charge })
}

/// All budgets, and the turns of work on large bodies.
#[derive(Debug)]
pub(crate) struct Memory {
    /// Bodies that arrive or are worked on.
    pub bodies: Arc<Budget>,
    /// Answers that are not taken yet.
    pub answers: Arc<Budget>,
    turns: Turns,
    scrapes: Turns,
}

impl Memory {
    /// Budgets in bytes.
    pub fn new(bodies: usize, answers: usize) -> Self {
        let turns = Turns(Arc::new(Semaphore::new(TURNS)));
        let scrapes = Turns(Arc::new(Semaphore::new(1)));
        Self { bodies: Budget::new(bodies), answers: Budget::new(answers), turns, scrapes }
    }

    /// Waits for a turn. Whoever waits holds no more than the body that was charged.
    pub async fn turn(&self) -> Turn {
        self.turns.take().await
    }

    /// Waits for a turn to write `/metrics`: one at a time, and never behind work on large bodies.
    pub async fn scrape(&self) -> Turn {
        self.scrapes.take().await
    }
}

#[derive(Debug)]
struct Turns(Arc<Semaphore>);

impl Turns {
    async fn take(&self) -> Turn {
        let permit = self.0.clone().acquire_owned().await;
        Turn { _permit: permit.expect("the semaphore is never closed") }
    }
}

/// Leave to work on something large, until it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    /// Computes where requests are not held up by it.
    pub async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        tokio::task::spawn_blocking(work).await.map_err(|error| {
            ApiError::new(ErrorCode::InternalError, Message::new("api.internal_error")).caused_by(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_given_back_and_keeps_a_quarter_for_what_is_small() {
        let budget = Budget::new(1024 * 1024);
        let mut large = Charge::new(&budget);
        assert_eq!(large.raise_to(700 * 1024), Ok(()));
        assert_eq!(large.raise_to(800 * 1024), Err(Exhausted));
        assert_eq!(budget.used(), 700 * 1024, "a refusal takes nothing");
        let small: Vec<Charge> = (0..8)
            .map_while(|_| {
                let mut charge = Charge::new(&budget);
                charge.raise_to(SMALL_BYTES).ok().map(|()| charge)
            })
            .collect();
        assert_eq!(small.len(), 5);
        drop((large, small));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn bytes_hold_their_charge_until_the_last_slice_is_gone() {
        let budget = Budget::new(1000);
        let mut charge = Charge::new(&budget);
        assert_eq!(charge.raise_to(100), Ok(()));
        let mut bytes = charged(Bytes::from(vec![1; 100]), charge);
        let last = bytes.split_off(90);
        drop(bytes);
        assert_eq!((budget.used(), last.len()), (100, 10));
        drop(last);
        assert_eq!(budget.used(), 0);
    }
}
