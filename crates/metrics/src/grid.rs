//! Answers a query: buckets of a range, filled from roll-ups and raw samples.

use crate::head;
use crate::rollup::{Bucket, RollupRow};
use crate::tier::{Tier, floor};
use ecp_core::metrics::{Metric, Retention, Sample, Series, SeriesQuery};

/// How far after now samples are looked for: more than any clock is ahead, and a bound on a query.
const FUTURE_MS: i64 = 86_400_000;

/// The range of a query, cut to what can be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Range {
    /// The tier that answers.
    pub(crate) tier: Tier,
    /// Start of the first bucket.
    pub(crate) start_ms: i64,
    /// Last moment, inclusive.
    pub(crate) end_ms: i64,
    bucket_ms: i64,
}

impl Range {
    /// Widens the start to a bucket's boundary, and leaves out what is past the tier's retention
    /// or far in the future; nothing where nothing remains.
    pub(crate) fn of(query: &SeriesQuery, retention: &Retention, now_ms: i64) -> Option<Self> {
        let tier = Tier::answering(query.interval);
        let bucket_ms = query.interval.millis();
        let start_ms = floor(query.start_ms, bucket_ms).max(tier.oldest_row(retention, now_ms));
        let end_ms = query.end_ms.min(now_ms.saturating_add(FUTURE_MS));
        (start_ms <= end_ms).then_some(Self { tier, start_ms, end_ms, bucket_ms })
    }

    /// Width of a bucket in milliseconds.
    pub(crate) fn bucket_ms(&self) -> i64 {
        self.bucket_ms
    }

    /// Starts of the tier's rows that cover the range.
    pub(crate) fn rows(&self) -> impl Iterator<Item = i64> {
        self.tier.rows(self.start_ms, self.end_ms)
    }

    /// The samples that are in the range.
    pub(crate) fn select<'a>(&self, samples: &'a [Sample]) -> &'a [Sample] {
        head::within(samples, self.start_ms, self.end_ms)
    }
}

/// Buckets of a range for the metrics asked for.
pub(crate) struct Grid {
    range: Range,
    columns: Vec<(Metric, Vec<Bucket>)>,
}

impl Grid {
    /// Empty buckets.
    pub(crate) fn new(range: Range, metrics: &[Metric]) -> Self {
        let buckets = ((range.end_ms - range.start_ms) / range.bucket_ms) as usize + 1;
        let column = |metric: &Metric| (*metric, vec![Bucket::EMPTY; buckets]);
        Self { range, columns: metrics.iter().map(column).collect() }
    }

    /// Counts raw samples in; those outside the range are left out.
    pub(crate) fn add_samples(&mut self, samples: &[Sample]) {
        let range = self.range;
        for sample in range.select(samples) {
            let index = ((sample.timestamp_ms - range.start_ms) / range.bucket_ms) as usize;
            for (metric, buckets) in &mut self.columns {
                if let Some(value) = sample.get(*metric) {
                    buckets[index].add(value);
                }
            }
        }
    }

    /// Counts a bucket in that was computed elsewhere; one that is not of the range is left out.
    pub(crate) fn add_bucket(&mut self, metric: Metric, start_ms: i64, bucket: &Bucket) {
        let index = (start_ms - self.range.start_ms).div_euclid(self.range.bucket_ms);
        let column = self.columns.iter_mut().find(|(known, _)| *known == metric);
        let place =
            usize::try_from(index).ok().zip(column).and_then(|(index, (_, buckets))| buckets.get_mut(index));
        if let Some(place) = place {
            place.merge(bucket);
        }
    }

    /// Counts a roll-up row in, but for the buckets of the raw rows that start at `except`.
    pub(crate) fn add_row(&mut self, row: &RollupRow, except: &[i64]) {
        let range = self.range;
        // Index of the row's first bucket in the grid; before its start where negative.
        let offset = (row.start_ms() - range.start_ms).div_euclid(range.bucket_ms);
        let (skip, to) = ((-offset).max(0) as usize, offset.max(0) as usize);
        let excluded = |index: usize| {
            let timestamp_ms = range.start_ms + (to + index) as i64 * range.bucket_ms;
            except.contains(&Tier::Raw.row_start(timestamp_ms))
        };
        for (metric, buckets) in &mut self.columns {
            let from = row.column(*metric).get(skip..).unwrap_or_default();
            let pairs = buckets.get_mut(to..).unwrap_or_default().iter_mut().zip(from);
            for (index, (bucket, known)) in pairs.enumerate() {
                if known.count > 0 && (except.is_empty() || !excluded(index)) {
                    bucket.merge(known);
                }
            }
        }
    }

    /// Averages, and the summary over everything counted.
    pub(crate) fn finish(self) -> Vec<Series> {
        let range = self.range;
        let series = |(metric, buckets): (Metric, Vec<Bucket>)| {
            let mut total = Bucket::EMPTY;
            let mut points = Vec::with_capacity(buckets.len());
            for (index, bucket) in buckets.iter().enumerate() {
                if bucket.count > 0 {
                    let start_ms = range.start_ms + index as i64 * range.bucket_ms;
                    points.push((start_ms, bucket.sum / f64::from(bucket.count)));
                    total.merge(bucket);
                }
            }
            let any = total.count > 0;
            Series {
                metric,
                points,
                average: any.then(|| total.sum / f64::from(total.count)),
                maximum: any.then_some(total.max),
            }
        };
        self.columns.into_iter().map(series).collect()
    }
}

/// The answer where nothing is known.
pub(crate) fn no_series(metrics: &[Metric]) -> Vec<Series> {
    let series =
        |metric: &Metric| Series { metric: *metric, points: Vec::new(), average: None, maximum: None };
    metrics.iter().map(series).collect()
}
