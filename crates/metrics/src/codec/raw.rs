//! Raw samples of one row, by column: timestamps, then each metric that any sample has.

use super::{CodecError, columns, frame};
use crate::set::MetricSet;
use ecp_core::metrics::{Metric, Sample};

const FORMAT: u8 = 0x11;

const ABSENT: u8 = 0;
const EVERYWHERE: u8 = 1;
const SOMEWHERE: u8 = 2;

/// Encodes samples; they are in ascending order of time, each time once.
pub(crate) fn encode(samples: &[Sample]) -> Vec<u8> {
    let mut out = frame::start(FORMAT);
    let timestamps: Vec<i64> = samples.iter().map(|sample| sample.timestamp_ms).collect();
    columns::write(&mut out, &timestamps);
    let mut counts = [0_usize; Metric::ALL.len()];
    for sample in samples {
        for (count, value) in counts.iter_mut().zip(sample.values) {
            *count += usize::from(!value.is_nan());
        }
    }
    for metric in Metric::ALL {
        let count = counts[metric.index()];
        if count == 0 {
            out.push(ABSENT);
            continue;
        }
        let mut present = Vec::with_capacity(count);
        present.extend(samples.iter().filter_map(|sample| sample.get(metric)));
        if count == samples.len() {
            out.push(EVERYWHERE);
        } else {
            out.push(SOMEWHERE);
            out.extend(samples.chunks(8).map(|eight| {
                eight
                    .iter()
                    .enumerate()
                    .fold(0u8, |bits, (bit, sample)| bits | u8::from(sample.get(metric).is_some()) << bit)
            }));
        }
        columns::write(&mut out, &present);
    }
    frame::seal(out)
}

/// Decodes samples, with the values of `wanted` metrics alone.
pub(crate) fn decode(bytes: &[u8], wanted: MetricSet) -> Result<Vec<Sample>, CodecError> {
    let mut reader = frame::open(bytes, FORMAT)?;
    let timestamps: Vec<i64> = columns::read_any(&mut reader)?;
    if !timestamps.is_sorted_by(|earlier, later| earlier < later) {
        return Err(CodecError::Inconsistent("timestamps do not ascend"));
    }
    let mut samples: Vec<Sample> = timestamps.into_iter().map(Sample::empty).collect();
    for metric in Metric::ALL {
        let presence = match reader.u8()? {
            ABSENT => continue,
            EVERYWHERE => None,
            SOMEWHERE => Some(reader.bytes(samples.len().div_ceil(8))?),
            _ => return Err(CodecError::Inconsistent("a column is neither there nor absent")),
        };
        if !wanted.contains(metric) {
            columns::skip(&mut reader)?;
            continue;
        }
        let is_present = |index: usize| presence.is_none_or(|bits| bits[index / 8] >> (index % 8) & 1 == 1);
        let count = (0..samples.len()).filter(|index| is_present(*index)).count();
        let mut values = columns::read::<f64>(&mut reader, count)?.into_iter();
        for (index, sample) in samples.iter_mut().enumerate() {
            if is_present(index) {
                sample.values[metric.index()] = values.next().unwrap_or(f64::NAN);
            }
        }
    }
    reader.finish()?;
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arbitrary_samples, same_samples};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn samples_come_back_as_they_were(samples in arbitrary_samples(0..80)) {
            let decoded = decode(&encode(&samples), MetricSet::ALL).expect("what was encoded decodes");
            prop_assert!(same_samples(&decoded, &samples));
        }

        #[test]
        fn only_the_metrics_asked_for_are_decoded(samples in arbitrary_samples(1..50)) {
            let wanted = [Metric::GpuUsage, Metric::ErrorRate];
            let decoded = decode(&encode(&samples), wanted.iter().copied().collect()).expect("decodes");
            for (decoded, sample) in decoded.iter().zip(&samples) {
                for metric in Metric::ALL {
                    let expected = if wanted.contains(&metric) { sample.get(metric) } else { None };
                    prop_assert_eq!(decoded.get(metric), expected);
                }
            }
        }

        #[test]
        fn bytes_that_are_no_chunk_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes, MetricSet::ALL).is_err());
            // Behind a right checksum too, nothing panics.
            let mut framed = frame::start(FORMAT);
            framed.extend_from_slice(&bytes);
            let _ = decode(&frame::seal(framed), MetricSet::ALL);
        }
    }
}
