//! Roll-up rows, by metric: the count of every bucket, then sum and maximum of those not empty.

use super::{CodecError, columns, frame};
use crate::rollup::{Bucket, RollupRow};
use crate::set::MetricSet;
use crate::tier::Tier;
use ecp_core::metrics::Metric;

const FORMAT: u8 = 0x21;

/// Encodes a row that is wholly loaded and not empty.
pub(crate) fn encode(row: &RollupRow) -> Vec<u8> {
    debug_assert_eq!(row.loaded, MetricSet::ALL, "a partly loaded row would lose the rest");
    let mut out = frame::start(FORMAT);
    out.extend_from_slice(&row.last_ms.unwrap_or(i64::MIN).to_le_bytes());
    for metric in Metric::ALL {
        let column = row.column(metric);
        let filled: Vec<&Bucket> = column.iter().filter(|bucket| bucket.count > 0).collect();
        out.push(u8::from(!filled.is_empty()));
        if !filled.is_empty() {
            columns::write(&mut out, &column.iter().map(|bucket| bucket.count).collect::<Vec<_>>());
            columns::write(&mut out, &filled.iter().map(|bucket| bucket.sum).collect::<Vec<_>>());
            columns::write(&mut out, &filled.iter().map(|bucket| bucket.max).collect::<Vec<_>>());
        }
    }
    frame::seal(out)
}

/// Decodes a row, with the columns of `wanted` metrics alone.
pub(crate) fn decode(
    bytes: &[u8],
    tier: Tier,
    start_ms: i64,
    wanted: MetricSet,
) -> Result<RollupRow, CodecError> {
    let mut reader = frame::open(bytes, FORMAT)?;
    let mut row = RollupRow::empty(tier, start_ms);
    row.last_ms = Some(reader.i64()?);
    row.loaded = wanted;
    for metric in Metric::ALL {
        if reader.u8()? == 0 {
            continue;
        }
        if !wanted.contains(metric) {
            for _ in 0..3 {
                columns::skip(&mut reader)?;
            }
            continue;
        }
        let counts = columns::read::<u32>(&mut reader, tier.buckets())?;
        let filled = counts.iter().filter(|count| **count > 0).count();
        let mut sums = columns::read::<f64>(&mut reader, filled)?.into_iter();
        let mut maxima = columns::read::<f64>(&mut reader, filled)?.into_iter();
        let buckets = counts.into_iter().map(|count| {
            if count == 0 {
                return Bucket::EMPTY;
            }
            let (sum, max) = (sums.next().unwrap_or_default(), maxima.next().unwrap_or_default());
            Bucket { sum, max, count }
        });
        row.set_column(metric, buckets.collect());
    }
    reader.finish()?;
    Ok(row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::arbitrary_samples;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn a_row_comes_back_as_it_was(samples in arbitrary_samples(1..100)) {
            for tier in Tier::ROLLUPS {
                let start_ms = tier.row_start(samples[0].timestamp_ms);
                let mut row = RollupRow::empty(tier, start_ms);
                row.add(&samples);
                let bytes = encode(&row);
                prop_assert_eq!(&decode(&bytes, tier, start_ms, MetricSet::ALL).expect("decodes"), &row);
                let wanted = MetricSet::from_iter([Metric::MemoryUsage]);
                let part = decode(&bytes, tier, start_ms, wanted).expect("decodes");
                prop_assert_eq!(part.column(Metric::MemoryUsage), row.column(Metric::MemoryUsage));
                prop_assert!(part.column(Metric::CpuUsage).is_empty() && part.loaded == wanted);
            }
        }
    }

    #[test]
    fn a_row_of_another_tier_is_an_error() {
        let mut row = RollupRow::empty(Tier::FiveMinutes, 0);
        row.add(&[ecp_core::metrics::Sample { timestamp_ms: 1, values: [1.0; 9] }]);
        assert!(decode(&encode(&row), Tier::OneHour, 0, MetricSet::ALL).is_err());
    }
}
