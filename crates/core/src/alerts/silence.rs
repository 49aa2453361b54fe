//! Silences: alerts of which nobody is to be told for a while. They are listed all the same.

use super::Alert;
use super::filter::AlertFilter;
use crate::Timestamp;
use crate::ids::SilenceId;
use serde::{Deserialize, Serialize};

/// How long a silence lasts that does not say, in seconds.
pub const DEFAULT_SECONDS: i64 = 60 * 60;
/// Longest silence, in seconds: a year.
pub const LONGEST_SECONDS: i64 = 366 * 24 * 60 * 60;
/// How long one that has ended is still listed, in seconds: a week.
pub const KEPT_SECONDS: i64 = 7 * 24 * 60 * 60;
/// Silences of a mode at most, those that ended included.
pub const MOST: usize = 1_000;

/// Alerts of which nobody is told from a time to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Silence {
    /// Its id.
    pub id: SilenceId,
    /// Which alerts.
    pub filter: AlertFilter,
    /// From when on.
    pub starts_at: Timestamp,
    /// Until when.
    pub ends_at: Timestamp,
    /// Why, for people.
    pub comment: Option<String>,
    /// Who asked for it.
    pub created_by: String,
    /// When.
    pub created_at: Timestamp,
}

/// Where a silence is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilencePhase {
    /// It has not begun.
    Pending,
    /// It silences.
    Active,
    /// It is over.
    Ended,
}

impl SilencePhase {
    /// Every phase.
    pub const ALL: [Self; 3] = [Self::Pending, Self::Active, Self::Ended];

    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Ended => "ended",
        }
    }
}

impl Silence {
    /// Where it is in its life.
    pub fn phase(&self, now: Timestamp) -> SilencePhase {
        if now < self.starts_at {
            SilencePhase::Pending
        } else if now < self.ends_at {
            SilencePhase::Active
        } else {
            SilencePhase::Ended
        }
    }

    /// True of an alert of which it has nobody told now.
    pub fn silences(&self, alert: &Alert, now: Timestamp) -> bool {
        self.phase(now) == SilencePhase::Active && self.filter.matches(alert)
    }
}
