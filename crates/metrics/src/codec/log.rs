//! A log row: every append of one group, in order of acceptance.
//!
//! The log is written on the path of a request and read only after a restart, so it is laid out
//! for cheap writing: fixed little-endian fields, no compression.

use super::{CodecError, frame};
use crate::set::MetricSet;
use ecp_core::metrics::{Metric, Sample};

const FORMAT: u8 = 0x01;

/// Builds a log row.
pub(crate) struct LogWriter {
    frame: Vec<u8>,
}

impl LogWriter {
    /// Starts a row that is expected to hold about that many samples.
    pub(crate) fn with_samples(expected: usize) -> Self {
        let mut frame = frame::start(FORMAT);
        frame.reserve(expected * (10 + 8 * Metric::ALL.len()) + 64);
        Self { frame }
    }

    /// Appends the samples of one call.
    pub(crate) fn push(&mut self, tenant_key: i64, samples: &[Sample]) {
        self.frame.extend_from_slice(&tenant_key.to_le_bytes());
        self.frame.extend_from_slice(&(samples.len() as u32).to_le_bytes());
        for sample in samples {
            let mut present = MetricSet::default();
            let at = self.frame.len();
            self.frame.extend_from_slice(&[0; 2]);
            self.frame.extend_from_slice(&sample.timestamp_ms.to_le_bytes());
            for metric in Metric::ALL {
                if let Some(value) = sample.get(metric) {
                    present.insert(metric);
                    self.frame.extend_from_slice(&value.to_le_bytes());
                }
            }
            self.frame[at..at + 2].copy_from_slice(&present.bits().to_le_bytes());
        }
    }

    /// Ends the row.
    pub(crate) fn finish(self) -> Vec<u8> {
        frame::seal(self.frame)
    }
}

/// Decodes a log row: each call's tenant key and samples, in order.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<(i64, Vec<Sample>)>, CodecError> {
    let mut reader = frame::open(bytes, FORMAT)?;
    let mut calls = Vec::new();
    while !reader.is_empty() {
        let tenant_key = reader.i64()?;
        let mut samples = Vec::new();
        for _ in 0..reader.u32()? {
            let present = MetricSet::from_bits(reader.u16()?)
                .ok_or(CodecError::Inconsistent("a sample has metrics that are not known"))?;
            let mut sample = Sample::empty(reader.i64()?);
            for metric in present.iter() {
                sample.values[metric.index()] = reader.f64()?;
            }
            samples.push(sample);
        }
        calls.push((tenant_key, samples));
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arbitrary_samples, same_samples};
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn calls_come_back_in_order(calls in prop::collection::vec((any::<i64>(), arbitrary_samples(0..9)), 0..9)) {
            let mut writer = LogWriter::with_samples(4);
            for (key, samples) in &calls {
                writer.push(*key, samples);
            }
            let decoded = decode(&writer.finish()).expect("decodes");
            prop_assert_eq!(decoded.len(), calls.len());
            for (decoded, call) in decoded.iter().zip(&calls) {
                prop_assert_eq!(decoded.0, call.0);
                prop_assert!(same_samples(&decoded.1, &call.1));
            }
        }

        #[test]
        fn bytes_behind_a_right_checksum_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..99)) {
            let mut framed = frame::start(FORMAT);
            framed.extend_from_slice(&bytes);
            let _ = decode(&frame::seal(framed));
        }
    }
}
