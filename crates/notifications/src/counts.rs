//! What was sent and what waits, for `/metrics`: by kind of receiver, so that their number bounds nothing.

use ecp_core::alerts::receiver::ReceiverKind;
use std::sync::atomic::{AtomicU64, Ordering};

/// How a try ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The receiver took it.
    Delivered,
    /// It failed and is tried again.
    Failed,
    /// It failed and was the last one.
    GivenUp,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::GivenUp];

    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// Figures of one mode.
#[derive(Debug, Default)]
pub struct Counts {
    outcomes: [[AtomicU64; 3]; 2],
    waiting: [AtomicU64; 2],
}

impl Counts {
    pub(crate) fn tried(&self, kind: ReceiverKind, outcome: Outcome) {
        self.outcomes[kind as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Deliveries that wait, for each receiver its kind and how many.
    pub(crate) fn set_waiting(&self, lengths: impl IntoIterator<Item = (ReceiverKind, usize)>) {
        let mut waiting = [0_u64; 2];
        for (kind, length) in lengths {
            waiting[kind as usize] = waiting[kind as usize].saturating_add(length as u64);
        }
        for (place, waiting) in self.waiting.iter().zip(waiting) {
            place.store(waiting, Ordering::Relaxed);
        }
    }

    /// Tries since the start that ended so.
    pub fn outcomes(&self, kind: ReceiverKind, outcome: Outcome) -> u64 {
        self.outcomes[kind as usize][outcome as usize].load(Ordering::Relaxed)
    }

    /// Deliveries that have not come to their end.
    pub fn waiting(&self, kind: ReceiverKind) -> u64 {
        self.waiting[kind as usize].load(Ordering::Relaxed)
    }
}
