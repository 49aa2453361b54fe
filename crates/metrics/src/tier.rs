//! The three resolutions that are kept, and how each is cut into rows.
//!
//! A row holds one tenant's data of one span; spans are aligned to 1970, and every span is a whole
//! number of the spans and buckets below it, so that a bucket never straddles two rows.

use ecp_core::metrics::{Interval, Retention};

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// One resolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Tier {
    /// Samples as they came, in rows of two hours.
    Raw,
    /// Sum, count and maximum by five minutes, in rows of a day.
    FiveMinutes,
    /// Sum, count and maximum by hour, in rows of thirty days.
    OneHour,
}

impl Tier {
    /// Every tier, finest first.
    pub(crate) const ALL: [Self; 3] = [Self::Raw, Self::FiveMinutes, Self::OneHour];

    /// The tiers that keep roll-ups.
    pub(crate) const ROLLUPS: [Self; 2] = [Self::FiveMinutes, Self::OneHour];

    /// The tier that answers a query of this interval; minutes are averaged from raw samples.
    pub(crate) fn answering(interval: Interval) -> Self {
        match interval {
            Interval::OneMinute => Self::Raw,
            Interval::FiveMinutes => Self::FiveMinutes,
            Interval::OneHour => Self::OneHour,
        }
    }

    /// The tier's number in the database.
    pub(crate) fn number(self) -> i64 {
        self as i64
    }

    /// Span of a row in milliseconds.
    pub(crate) fn row_ms(self) -> i64 {
        match self {
            Self::Raw => 2 * HOUR_MS,
            Self::FiveMinutes => DAY_MS,
            Self::OneHour => 30 * DAY_MS,
        }
    }

    /// Span of a bucket in milliseconds; raw samples have none.
    pub(crate) fn bucket_ms(self) -> i64 {
        match self {
            Self::Raw => 1,
            Self::FiveMinutes => 5 * MINUTE_MS,
            Self::OneHour => HOUR_MS,
        }
    }

    /// Buckets in a row.
    pub(crate) fn buckets(self) -> usize {
        (self.row_ms() / self.bucket_ms()) as usize
    }

    /// Start of the row that a moment falls in.
    pub(crate) fn row_start(self, timestamp_ms: i64) -> i64 {
        floor(timestamp_ms, self.row_ms())
    }

    /// Start of the oldest row that is kept at `now_ms`: the one in which the retention ends.
    pub(crate) fn oldest_row(self, retention: &Retention, now_ms: i64) -> i64 {
        let days = match self {
            Self::Raw => retention.raw_days,
            Self::FiveMinutes => retention.five_minutes_days,
            Self::OneHour => retention.one_hour_days,
        };
        self.row_start(now_ms.saturating_sub(i64::from(days) * DAY_MS))
    }

    /// Starts of the rows that cover `[start_ms, end_ms]`, oldest first.
    pub(crate) fn rows(self, start_ms: i64, end_ms: i64) -> impl Iterator<Item = i64> {
        let step = usize::try_from(self.row_ms()).expect("a row is a positive span");
        (self.row_start(start_ms)..=end_ms).step_by(step)
    }
}

/// The largest multiple of `step_ms` that is not after the moment.
pub(crate) fn floor(timestamp_ms: i64, step_ms: i64) -> i64 {
    timestamp_ms.saturating_sub(timestamp_ms.rem_euclid(step_ms))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_buckets_nest() {
        for pair in Tier::ALL.windows(2) {
            assert_eq!(pair[1].row_ms() % pair[0].row_ms(), 0);
            assert_eq!(pair[0].row_ms() % pair[1].bucket_ms(), 0, "a bucket lies in one finer row");
        }
    }

    #[test]
    fn rows_cover_both_ends_of_a_range() {
        let hour = HOUR_MS;
        assert_eq!(Tier::Raw.rows(hour, 4 * hour).collect::<Vec<_>>(), [0, 2 * hour, 4 * hour]);
        assert_eq!(Tier::Raw.rows(0, 0).collect::<Vec<_>>(), [0]);
        assert_eq!(Tier::Raw.rows(-1, -1).collect::<Vec<_>>(), [-2 * hour]);
        assert_eq!(Tier::Raw.rows(5, 4).count(), 1, "an empty range still names its row");
    }
}
