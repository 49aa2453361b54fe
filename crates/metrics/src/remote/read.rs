//! Answers queries with what the embedded store would say to the same samples.
//!
//! A bucket is `[start, start + width)`, a window of PromQL is `(end - width, end]` or, in older stores,
//! `[end - width, end]`. Times are whole milliseconds, so that a window that ends one millisecond before the next bucket
//! holds exactly the bucket, as long as it is known which of the two the store has: it is asked once. Sum, count and
//! maximum of each bucket are computed where the samples are; averages and the summary follow from these. The last
//! bucket, which the range may cut, is put together here from its raw samples.

use super::client::StoreClient;
use super::promql::Answered;
use super::series::metric_and_source;
use crate::grid::{Grid, Range};
use crate::rollup::Bucket;
use crate::tier::floor;
use ecp_core::metrics::{Interval, Metric, SampleSource};
use ecp_core::ports::MetricError;
use std::collections::HashMap;
use std::time::Instant;
use tokio::sync::OnceCell;

/// Buckets of one question: so that no answer is large.
const BUCKETS_AT_ONCE: i64 = 1000;
/// The label that tells what was computed.
const FIGURE: &str = "figure";
/// What is computed of each bucket, as PromQL names it.
const FIGURES: [&str; 3] = ["sum", "count", "max"];

/// Which ends of a window belong to it.
#[derive(Default)]
pub(super) struct Windows {
    /// True where the first moment does not.
    left_open: OnceCell<bool>,
}

impl Windows {
    /// A constant, evaluated every second, is in a window of two seconds twice or three times.
    async fn are_left_open(&self, client: &StoreClient, deadline: Instant) -> Result<bool, MetricError> {
        let ask = || async {
            let at_ms = 1_000_000_000_000;
            let answer =
                client.instant("count_over_time(vector(1)[2s:1s])".to_owned(), at_ms, deadline).await?;
            let count = answer.first().and_then(|series| series.values.first()).map(|(_, count)| *count);
            Ok(count != Some(3.0))
        };
        self.left_open.get_or_try_init(ask).await.copied()
    }

    /// Length of the window that is one bucket where it ends one millisecond before the next.
    async fn of_bucket(
        &self,
        width_ms: i64,
        client: &StoreClient,
        deadline: Instant,
    ) -> Result<i64, MetricError> {
        Ok(if self.are_left_open(client, deadline).await? { width_ms } else { width_ms - 1 })
    }
}

/// Buckets by metric, source and start.
type Found = HashMap<(Metric, SampleSource, i64), Bucket>;

/// What samples are read from.
pub(super) struct Selected {
    /// Of which metric they are; where it is not said, their labels tell it.
    metric: Option<Metric>,
    /// A selector, or an expression in brackets.
    vector: String,
    /// Between two evaluations of an expression, as `:15s`; empty for a selector.
    resolution: &'static str,
}

impl Selected {
    /// The samples of series.
    pub(super) fn series(selector: String) -> Self {
        Self { metric: None, vector: selector, resolution: "" }
    }

    /// The values of an expression, one series, as if it had been sampled.
    pub(super) fn expression(metric: Metric, expression: &str, interval: Interval) -> Self {
        let resolution = match interval {
            Interval::OneMinute => ":15s",
            Interval::FiveMinutes => ":30s",
            Interval::OneHour => ":1m",
        };
        Self { metric: Some(metric), vector: format!("({expression})"), resolution }
    }

    fn over(&self, window_ms: i64) -> String {
        format!("{}[{window_ms}ms{}]", self.vector, self.resolution)
    }

    /// What a series of the answer is about; none where it is not ours.
    fn about(&self, series: &Answered) -> Option<(Metric, SampleSource)> {
        match self.metric {
            Some(metric) => Some((metric, SampleSource::Collector)),
            None => metric_and_source(&series.labels),
        }
    }

    /// Refuses an expression that yields several series: which one is meant is nobody's to guess.
    fn check(&self, answer: &[Answered], figures: usize) -> Result<(), MetricError> {
        match self.metric {
            Some(metric) if answer.len() > figures => Err(MetricError::Unavailable(format!(
                "metrics.expressions.{metric} yields {} series; aggregate them with sum(), avg() or max()",
                answer.len().div_ceil(figures)
            ))),
            _ => Ok(()),
        }
    }
}

/// A range as the store is asked about it.
pub(super) struct Question<'a> {
    pub(super) client: &'a StoreClient,
    pub(super) windows: &'a Windows,
    pub(super) selected: &'a [Selected],
    pub(super) range: Range,
}

/// What the store has of a range, by source.
pub(super) struct Answer {
    found: Found,
}

impl Question<'_> {
    /// Asks the store.
    pub(super) async fn ask(&self) -> Result<Answer, MetricError> {
        let deadline = self.client.deadline();
        let (range, width_ms) = (&self.range, self.range.bucket_ms());
        let mut found = Found::new();
        let last_ms = floor(range.end_ms, width_ms);
        let mut start_ms = range.start_ms;
        while start_ms < last_ms {
            let end_ms = last_ms.min(start_ms + BUCKETS_AT_ONCE * width_ms);
            self.ask_whole_buckets(start_ms, end_ms, deadline, &mut found).await?;
            start_ms = end_ms;
        }
        self.ask_last_bucket(last_ms.max(range.start_ms), deadline, &mut found).await?;
        Ok(Answer { found })
    }

    async fn ask_whole_buckets(
        &self,
        start_ms: i64,
        end_ms: i64,
        deadline: Instant,
        found: &mut Found,
    ) -> Result<(), MetricError> {
        let width_ms = self.range.bucket_ms();
        let window_ms = self.windows.of_bucket(width_ms, self.client, deadline).await?;
        for selected in self.selected {
            let window = selected.over(window_ms);
            let figure = |name: &str| {
                format!(
                    "label_replace({name}_over_time({window} offset 1ms),\"{FIGURE}\",\"{name}\",\"\",\"\")"
                )
            };
            let query = FIGURES.map(figure).join(" or ");
            let answer = self.client.range(query, (start_ms + width_ms, end_ms, width_ms), deadline).await?;
            selected.check(&answer, FIGURES.len())?;
            for series in &answer {
                let Some((metric, source)) = selected.about(series) else { continue };
                let Some(figure) = series.labels.get(FIGURE) else { continue };
                for (evaluated_ms, value) in &series.values {
                    let place = (metric, source, evaluated_ms - width_ms);
                    let bucket = found.entry(place).or_insert(Bucket::EMPTY);
                    match figure.as_str() {
                        "sum" => bucket.sum = *value,
                        "max" => bucket.max = *value,
                        _ => bucket.count = *value as u32,
                    }
                }
            }
        }
        Ok(())
    }

    async fn ask_last_bucket(
        &self,
        start_ms: i64,
        deadline: Instant,
        found: &mut Found,
    ) -> Result<(), MetricError> {
        // Asked for up to a whole second and with a moment to spare; what is outside is left out here.
        let at_ms = (self.range.end_ms + 999).div_euclid(1000) * 1000;
        for selected in self.selected {
            let query = selected.over(at_ms - start_ms + 1);
            let answer = self.client.instant(query, at_ms, deadline).await?;
            selected.check(&answer, 1)?;
            for series in &answer {
                let Some((metric, source)) = selected.about(series) else { continue };
                for (timestamp_ms, value) in &series.values {
                    if (start_ms..=self.range.end_ms).contains(timestamp_ms) {
                        found.entry((metric, source, start_ms)).or_insert(Bucket::EMPTY).add(*value);
                    }
                }
            }
        }
        Ok(())
    }
}

impl Answer {
    /// True where somebody measured any of it.
    pub(super) fn has_measured(&self) -> bool {
        self.found.keys().any(|(_, source, _)| source.is_measured())
    }

    /// True where there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// Puts it into buckets; what was made up is left out where something is measured.
    pub(super) fn fill(&self, grid: &mut Grid, measured: bool) {
        for ((metric, source, start_ms), bucket) in &self.found {
            if bucket.count > 0 && source.is_measured() == measured {
                grid.add_bucket(*metric, *start_ms, bucket);
            }
        }
    }
}
