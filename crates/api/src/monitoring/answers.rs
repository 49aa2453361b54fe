//! Series that were written out before and have not changed since: encoded once, sent again.
//!
//! A dashboard asks for the same day every few seconds, and many ask for the same one. What changes from
//! call to call is the range that the answer names; its series change with a sample or with the next bucket.

use bytes::Bytes;
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Interval, Metric, SeriesQuery};
use ecp_core::ports::SampleState;
use quick_cache::Weighter;
use quick_cache::sync::Cache;
use std::sync::Arc;

/// Bytes that are kept for one mode.
const BUDGET_BYTES: u64 = 8 << 20;
/// What an answer takes beside its bytes.
const OVERHEAD_BYTES: u64 = 256;
/// A day at five minutes of three series.
const USUAL_BYTES: u64 = 48 << 10;

/// Which answer: whose, of which metrics, how wide the buckets and how long the range.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Question {
    /// Whose samples.
    pub(super) tenant: TenantKey,
    metrics: Vec<Metric>,
    interval: Interval,
    length_ms: i64,
}

impl Question {
    pub(super) fn new(tenant: TenantKey, asked: &SeriesQuery) -> Self {
        Self {
            tenant,
            metrics: asked.metrics.clone(),
            interval: asked.interval,
            length_ms: asked.end_ms - asked.start_ms,
        }
    }
}

/// Encoded series, and as of when they hold.
#[derive(Debug)]
pub(super) struct Answer {
    /// The samples that it is of.
    pub(super) samples: SampleState,
    /// First bucket that is shown.
    pub(super) start_ms: i64,
    /// Moment up to which it was made; it holds for later ones.
    pub(super) end_ms: i64,
    /// Points of all series.
    pub(super) points: usize,
    /// `"metrics":{…},"summary":{…}}`.
    pub(super) encoded: Bytes,
}

impl Answer {
    fn holds(&self, samples: SampleState, shown: &SeriesQuery) -> bool {
        self.samples == samples && self.start_ms == shown.start_ms && self.end_ms <= shown.end_ms
    }
}

#[derive(Clone)]
struct BySize;

impl Weighter<Question, Arc<Answer>> for BySize {
    fn weight(&self, _question: &Question, answer: &Arc<Answer>) -> u64 {
        answer.encoded.len() as u64 + OVERHEAD_BYTES
    }
}

/// The answers of one mode, as many as fit the budget; what was not asked for lately goes first.
pub(crate) struct Answers(Cache<Question, Arc<Answer>, BySize>);

impl Default for Answers {
    fn default() -> Self {
        Self(Cache::with_weighter((BUDGET_BYTES / USUAL_BYTES) as usize, BUDGET_BYTES, BySize))
    }
}

impl Answers {
    /// The answer, where one is kept that still holds.
    pub(super) fn get(
        &self,
        question: &Question,
        samples: SampleState,
        shown: &SeriesQuery,
    ) -> Option<Arc<Answer>> {
        self.0.get(question).filter(|answer| answer.holds(samples, shown))
    }

    /// Keeps an answer in place of the one before.
    pub(super) fn put(&self, question: Question, answer: Arc<Answer>) {
        self.0.insert(question, answer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_for_the_same_samples_and_buckets_and_a_later_end() {
        let samples = SampleState::unique();
        let answer = Answer { samples, start_ms: 300_000, end_ms: 900_000, points: 2, encoded: Bytes::new() };
        let shown = |start_ms, end_ms| SeriesQuery {
            metrics: vec![Metric::CpuUsage],
            start_ms,
            end_ms,
            interval: Interval::FiveMinutes,
        };
        assert!(answer.holds(samples, &shown(300_000, 900_000)));
        assert!(answer.holds(samples, &shown(300_000, 901_000)));
        assert!(!answer.holds(samples, &shown(300_000, 899_000)), "the clock was set back");
        assert!(!answer.holds(samples, &shown(600_000, 901_000)), "the first bucket left the range");
        assert!(!answer.holds(SampleState::unique(), &shown(300_000, 901_000)), "a sample came");
    }
}
