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

/// The newest sample of a tenant, as live views see it.
#[derive(Clone, Copy, Debug)]
pub struct Latest {
    /// Counts the changes of this tenant's newest sample since the server started.
    pub version: u64,
    /// The newest values.
    pub sample: Sample,
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
