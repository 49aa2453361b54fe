//! Samples, series and summaries: the shapes; storage is the metrics crate's.

use crate::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Largest value that is not a percentage, 2^53: up to here every whole number is exact, and whatever
/// is summed or averaged stays finite.
pub const LARGEST_VALUE: f64 = 9_007_199_254_740_992.0;

/// One value of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// CPU use, percent 0–100.
    CpuUsage,
    /// Memory use, percent 0–100.
    MemoryUsage,
    /// GPU use, percent 0–100.
    GpuUsage,
    /// Bytes received a second.
    NetworkIn,
    /// Bytes sent a second.
    NetworkOut,
    /// Bytes stored.
    StorageUsed,
    /// Requests since the last sample.
    RequestCount,
    /// Mean response time in milliseconds.
    ResponseTime,
    /// Share of failed requests, percent 0–100.
    ErrorRate,
}

impl Metric {
    /// Every metric; the position is its index in [`Sample::values`].
    pub const ALL: [Self; 9] = [
        Self::CpuUsage,
        Self::MemoryUsage,
        Self::GpuUsage,
        Self::NetworkIn,
        Self::NetworkOut,
        Self::StorageUsed,
        Self::RequestCount,
        Self::ResponseTime,
        Self::ErrorRate,
    ];

    /// Name in POST bodies.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CpuUsage => "cpu_usage",
            Self::MemoryUsage => "memory_usage",
            Self::GpuUsage => "gpu_usage",
            Self::NetworkIn => "network_in",
            Self::NetworkOut => "network_out",
            Self::StorageUsed => "storage_used",
            Self::RequestCount => "request_count",
            Self::ResponseTime => "response_time",
            Self::ErrorRate => "error_rate",
        }
    }

    /// Name of its series in GET bodies, streams and alerts: `cpu`, `memory`, `gpu`, `network_in`,
    /// `network_out`, `storage`, `request_count`, `response_time`, `error_rate`.
    pub fn series(self) -> &'static str {
        match self {
            Self::CpuUsage => "cpu",
            Self::MemoryUsage => "memory",
            Self::GpuUsage => "gpu",
            Self::StorageUsed => "storage",
            other => other.as_str(),
        }
    }

    /// True where its values are percent, 0–100.
    pub fn is_percentage(self) -> bool {
        match self {
            Self::CpuUsage | Self::MemoryUsage | Self::GpuUsage | Self::ErrorRate => true,
            Self::NetworkIn
            | Self::NetworkOut
            | Self::StorageUsed
            | Self::RequestCount
            | Self::ResponseTime => false,
        }
    }

    /// The largest value that a sample may have of it.
    pub fn largest(self) -> f64 {
        if self.is_percentage() { 100.0 } else { LARGEST_VALUE }
    }

    /// True for a value that a sample may have of it: none is negative, infinite or NaN.
    pub fn accepts(self, value: f64) -> bool {
        (0.0..=self.largest()).contains(&value)
    }

    /// Its index in [`Sample::values`].
    pub fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Where samples come from. What is done with them is decided by this, never guessed from their values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SampleSource {
    /// A client sent them.
    Client,
    /// We read them from the cluster.
    Collector,
    /// Demo mode made them up.
    Synthetic,
}

impl SampleSource {
    /// Every source.
    pub const ALL: [Self; 3] = [Self::Client, Self::Collector, Self::Synthetic];

    /// `client`, `collector` or `synthetic`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Collector => "collector",
            Self::Synthetic => "synthetic",
        }
    }

    /// True where somebody measured them: they displace what was made up.
    pub fn is_measured(self) -> bool {
        match self {
            Self::Client | Self::Collector => true,
            Self::Synthetic => false,
        }
    }
}

/// What one tenant measured at one moment. A value that was not sent is absent (`NaN` inside).
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Milliseconds since 1970 (UTC).
    pub timestamp_ms: i64,
    /// By [`Metric::index`]; `NaN` where absent.
    pub values: [f64; 9],
}

impl Sample {
    /// A sample without values.
    pub fn empty(timestamp_ms: i64) -> Self {
        Self { timestamp_ms, values: [f64::NAN; 9] }
    }

    /// The value, where there is one.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        let value = self.values[metric.index()];
        (!value.is_nan()).then_some(value)
    }

    /// Takes over the values that a later sample of the same moment has, and keeps the others: two
    /// collectors of one second complete each other, and a correction replaces what it names.
    pub fn update(&mut self, later: &Self) {
        for (value, newer) in self.values.iter_mut().zip(later.values) {
            if !newer.is_nan() {
                *value = newer;
            }
        }
    }
}

/// Bucket width of a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Interval {
    /// One minute.
    #[serde(rename = "1m")]
    OneMinute,
    /// Five minutes.
    #[serde(rename = "5m")]
    FiveMinutes,
    /// One hour.
    #[serde(rename = "1h")]
    OneHour,
}

impl Interval {
    /// Every interval.
    pub const ALL: [Self; 3] = [Self::OneMinute, Self::FiveMinutes, Self::OneHour];

    /// The spelling of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::OneMinute => "1m",
            Self::FiveMinutes => "5m",
            Self::OneHour => "1h",
        }
    }

    /// Width in milliseconds.
    pub fn millis(self) -> i64 {
        match self {
            Self::OneMinute => 60_000,
            Self::FiveMinutes => 300_000,
            Self::OneHour => 3_600_000,
        }
    }
}

impl FromStr for Interval {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|interval| interval.as_str() == text).ok_or(())
    }
}

/// What a monitoring GET asks for. The range is `[start, end]`; the store widens the start down to
/// a bucket boundary so that every point is the average of its whole bucket.
#[derive(Clone, Debug)]
pub struct SeriesQuery {
    /// Which series; never empty.
    pub metrics: Vec<Metric>,
    /// Milliseconds since 1970, inclusive.
    pub start_ms: i64,
    /// Milliseconds since 1970, inclusive.
    pub end_ms: i64,
    /// Bucket width.
    pub interval: Interval,
}

/// Averages of one series by bucket, and its summary over raw samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Which metric.
    pub metric: Metric,
    /// Bucket start in milliseconds since 1970, and the average of the raw samples in it; empty
    /// buckets are left out.
    pub points: Vec<(i64, f64)>,
    /// Average over the raw samples of the range; absent without samples.
    pub average: Option<f64>,
    /// Largest raw sample of the range; absent without samples.
    pub maximum: Option<f64>,
}

/// A metric that is not sent for so long is no longer sent, in milliseconds: its last value is not
/// shown beside newer ones of others, and ends no alert and keeps none open.
pub const CURRENT_MS: i64 = 300_000;

/// The newest value of one metric, by the server's clock.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reading {
    /// When it was measured, in milliseconds since 1970.
    pub timestamp_ms: i64,
    /// The value.
    pub value: f64,
    /// Counts the changes of this metric's newest value since the server started.
    pub changes: u64,
}

/// The newest value of each metric of a tenant, as live views see them. A sample that is ahead of the
/// server's clock is not among them before its time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Latest {
    /// Counts the changes since the server started.
    pub version: u64,
    readings: [Option<Reading>; Metric::ALL.len()],
}

impl Latest {
    /// Nothing is known, and versions go on after this one.
    pub fn after(version: u64) -> Self {
        Self { version, ..Self::default() }
    }

    /// The newest value of a metric, where one was ever sent.
    pub fn get(&self, metric: Metric) -> Option<Reading> {
        self.readings[metric.index()]
    }

    /// When the newest value of all was measured, in milliseconds since 1970.
    pub fn timestamp_ms(&self) -> Option<i64> {
        self.readings.iter().flatten().map(|reading| reading.timestamp_ms).max()
    }

    /// Takes over what is newer in samples that are not ahead of the clock. A value of the same time
    /// replaces; so does any, where the one that is known is ahead, since the clock was set back. True
    /// where something changed.
    pub fn offer(&mut self, samples: &[Sample], now_ms: i64) -> bool {
        let mut newest: [Option<(i64, f64)>; Metric::ALL.len()] = [None; Metric::ALL.len()];
        for (index, known) in self.readings.iter().enumerate() {
            newest[index] = known
                .filter(|known| known.timestamp_ms <= now_ms)
                .map(|known| (known.timestamp_ms, known.value));
        }
        let mut changed = [false; Metric::ALL.len()];
        for sample in samples {
            for (index, value) in sample.values.into_iter().enumerate() {
                if !value.is_nan() && newest[index].is_none_or(|(known, _)| sample.timestamp_ms >= known) {
                    newest[index] = Some((sample.timestamp_ms, value));
                    changed[index] = true;
                }
            }
        }
        if !changed.contains(&true) {
            return false;
        }
        self.version += 1;
        for index in (0..changed.len()).filter(|index| changed[*index]) {
            if let Some((timestamp_ms, value)) = newest[index] {
                // Never less than before, even where all was forgotten in between.
                let changes = self.readings[index].map_or(self.version, |known| known.changes + 1);
                self.readings[index] = Some(Reading { timestamp_ms, value, changes });
            }
        }
        true
    }

    /// The readings as samples, oldest first: those of one moment are one sample.
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples: Vec<Sample> = Vec::new();
        for (index, reading) in self.readings.iter().enumerate() {
            let Some(reading) = reading else { continue };
            let place = samples.binary_search_by_key(&reading.timestamp_ms, |sample| sample.timestamp_ms);
            let place = place.unwrap_or_else(|place| {
                samples.insert(place, Sample::empty(reading.timestamp_ms));
                place
            });
            samples[place].values[index] = reading.value;
        }
        samples
    }
}

/// How long samples and roll-ups are kept, in days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Raw samples, and with them averages by minute.
    pub raw_days: u32,
    /// Averages by five minutes.
    pub five_minutes_days: u32,
    /// Averages by hour; also the oldest timestamp that is accepted.
    pub one_hour_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { raw_days: 8, five_minutes_days: 40, one_hour_days: 400 }
    }
}

/// Now in milliseconds, as samples count.
pub fn to_millis(timestamp: Timestamp) -> i64 {
    timestamp.as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(timestamp_ms: i64, values: &[(Metric, f64)]) -> Sample {
        let mut sample = Sample::empty(timestamp_ms);
        values.iter().for_each(|(metric, value)| sample.values[metric.index()] = *value);
        sample
    }

    #[test]
    fn the_newest_value_is_told_for_each_metric_by_itself() {
        let mut latest = Latest::default();
        let cpu = |time, value| sample(time, &[(Metric::CpuUsage, value)]);
        let gpu = |time, value| sample(time, &[(Metric::GpuUsage, value)]);
        assert!(latest.offer(&[cpu(5, 1.0), gpu(3, 2.0)], 9));
        assert!(!latest.offer(&[cpu(4, 7.0)], 9), "it is late");
        assert!(latest.offer(&[gpu(3, 4.0), cpu(1, 9.0)], 9), "the same time replaces");
        let told =
            |metric| latest.get(metric).map(|reading| (reading.timestamp_ms, reading.value, reading.changes));
        assert_eq!(told(Metric::CpuUsage), Some((5, 1.0, 1)));
        assert_eq!(told(Metric::GpuUsage), Some((3, 4.0, 2)));
        assert_eq!((told(Metric::ErrorRate), latest.version, latest.timestamp_ms()), (None, 2, Some(5)));
        let times: Vec<i64> = latest.samples().iter().map(|sample| sample.timestamp_ms).collect();
        assert_eq!(times, [3, 5]);
    }

    #[test]
    fn a_value_from_before_the_clock_was_set_back_gives_way() {
        let mut latest = Latest::default();
        latest.offer(&[sample(5000, &[(Metric::CpuUsage, 1.0)])], 5000);
        assert!(latest.offer(&[sample(100, &[(Metric::CpuUsage, 2.0)])], 100));
        assert_eq!(latest.get(Metric::CpuUsage).map(|reading| reading.value), Some(2.0));
    }
}
