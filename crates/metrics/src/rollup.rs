//! Roll-ups: sum, count and maximum of raw values by bucket, one row in memory.

use crate::set::MetricSet;
use crate::tier::Tier;
use ecp_core::metrics::{Metric, Sample};

/// What is known of the raw values of one bucket and metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bucket {
    pub(crate) sum: f64,
    pub(crate) max: f64,
    /// Zero where the bucket is empty.
    pub(crate) count: u32,
}

impl Bucket {
    pub(crate) const EMPTY: Self = Self { sum: 0.0, max: f64::NEG_INFINITY, count: 0 };

    pub(crate) fn add(&mut self, value: f64) {
        self.sum += value;
        self.max = self.max.max(value);
        self.count = self.count.saturating_add(1);
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.sum += other.sum;
        self.max = self.max.max(other.max);
        self.count = self.count.saturating_add(other.count);
    }
}

/// One row of a roll-up tier.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct RollupRow {
    tier: Tier,
    start_ms: i64,
    /// Newest raw sample that was ever counted in this row; none while the row is empty.
    pub(crate) last_ms: Option<i64>,
    /// The metrics that were decoded; a row of the database may have more.
    pub(crate) loaded: MetricSet,
    /// By [`Metric::index`]; empty where the metric has no value in this row, else one a bucket.
    columns: [Vec<Bucket>; 9],
}

impl RollupRow {
    /// A row without values.
    pub(crate) fn empty(tier: Tier, start_ms: i64) -> Self {
        Self { tier, start_ms, last_ms: None, loaded: MetricSet::ALL, columns: Default::default() }
    }

    pub(crate) fn start_ms(&self) -> i64 {
        self.start_ms
    }

    /// The buckets of a metric: one for each of the row, or none at all.
    pub(crate) fn column(&self, metric: Metric) -> &[Bucket] {
        &self.columns[metric.index()]
    }

    pub(crate) fn set_column(&mut self, metric: Metric, buckets: Vec<Bucket>) {
        debug_assert_eq!(buckets.len(), self.tier.buckets());
        self.columns[metric.index()] = buckets;
    }

    /// Bytes that it takes in memory.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + self.columns.iter().map(|column| column.capacity() * size_of::<Bucket>()).sum::<usize>()
    }

    /// Counts samples in; those outside this row are left out.
    pub(crate) fn add(&mut self, samples: &[Sample]) {
        let (row_ms, bucket_ms, buckets) = (self.tier.row_ms(), self.tier.bucket_ms(), self.tier.buckets());
        for sample in samples {
            let offset = sample.timestamp_ms.wrapping_sub(self.start_ms);
            if !(0..row_ms).contains(&offset) {
                continue;
            }
            self.last_ms = self.last_ms.max(Some(sample.timestamp_ms));
            for (column, value) in self.columns.iter_mut().zip(sample.values) {
                if !value.is_nan() {
                    if column.is_empty() {
                        column.resize(buckets, Bucket::EMPTY);
                    }
                    column[(offset / bucket_ms) as usize].add(value);
                }
            }
        }
    }

    /// True when no bucket of the span has a value.
    pub(crate) fn is_empty_in(&self, start_ms: i64, end_ms: i64) -> bool {
        let span = self.span(start_ms, end_ms);
        self.columns.iter().all(|column| {
            column.get(span.clone()).is_none_or(|part| part.iter().all(|bucket| bucket.count == 0))
        })
    }

    /// Empties the buckets of the span.
    pub(crate) fn clear(&mut self, start_ms: i64, end_ms: i64) {
        let span = self.span(start_ms, end_ms);
        for column in &mut self.columns {
            if let Some(part) = column.get_mut(span.clone()) {
                part.fill(Bucket::EMPTY);
            }
        }
    }

    /// Indexes of the buckets that lie in `[start_ms, end_ms)`, both being bucket boundaries.
    fn span(&self, start_ms: i64, end_ms: i64) -> std::ops::Range<usize> {
        let index = |timestamp_ms: i64| {
            let offset = timestamp_ms.saturating_sub(self.start_ms).clamp(0, self.tier.row_ms());
            (offset / self.tier.bucket_ms()) as usize
        };
        index(start_ms)..index(end_ms)
    }
}
