//! A log row: every append of one group, in order of acceptance.
//!
//! The log is written on the path of a request and read only after a restart, so it is laid out
//! for cheap writing: fixed little-endian fields, no compression.

use super::{CodecError, frame};
use crate::set::MetricSet;
use ecp_core::metrics::{Metric, Sample, SampleSource};

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
    pub(crate) fn push(&mut self, tenant_key: i64, source: SampleSource, samples: &[Sample]) {
        debug_assert!(samples.len() <= COUNT as usize, "a call is far smaller");
        self.frame.extend_from_slice(&tenant_key.to_le_bytes());
        self.frame.extend_from_slice(&(samples.len() as u32 | number(source) << COUNT_BITS).to_le_bytes());
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

/// Bits of the word that counts the samples of a call; above them is their source. Rows of releases that
/// kept no source read as a client's.
const COUNT_BITS: u32 = 30;
const COUNT: u32 = (1 << COUNT_BITS) - 1;

fn number(source: SampleSource) -> u32 {
    match source {
        SampleSource::Client => 0,
        SampleSource::Collector => 1,
        SampleSource::Synthetic => 2,
    }
}

/// The samples of one call: tenant key and source.
pub(crate) type Call = (i64, SampleSource, Vec<Sample>);

/// Decodes a log row: each call, in order.
pub(crate) fn decode(bytes: &[u8]) -> Result<Vec<Call>, CodecError> {
    let mut reader = frame::open(bytes, FORMAT)?;
    let mut calls = Vec::new();
    while !reader.is_empty() {
        let tenant_key = reader.i64()?;
        let mut samples = Vec::new();
        let word = reader.u32()?;
        let sources = [SampleSource::Client, SampleSource::Collector, SampleSource::Synthetic];
        let source = sources
            .into_iter()
            .find(|source| number(*source) == word >> COUNT_BITS)
            .ok_or(CodecError::Inconsistent("samples have a source that is not known"))?;
        for _ in 0..word & COUNT {
            let present = MetricSet::from_bits(reader.u16()?)
                .ok_or(CodecError::Inconsistent("a sample has metrics that are not known"))?;
            let mut sample = Sample::empty(reader.i64()?);
            for metric in present.iter() {
                sample.values[metric.index()] = reader.f64()?;
            }
            samples.push(sample);
        }
        calls.push((tenant_key, source, samples));
    }
    Ok(calls)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{arbitrary_samples, same_samples};
    use proptest::prelude::*;

    fn source() -> impl Strategy<Value = SampleSource> {
        use SampleSource::{Client, Collector, Synthetic};
        prop::sample::select(vec![Client, Collector, Synthetic])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn calls_come_back_in_order(calls in prop::collection::vec((any::<i64>(), source(), arbitrary_samples(0..9)), 0..9)) {
            let mut writer = LogWriter::with_samples(4);
            for (key, source, samples) in &calls {
                writer.push(*key, *source, samples);
            }
            let decoded = decode(&writer.finish()).expect("decodes");
            prop_assert_eq!(decoded.len(), calls.len());
            for (decoded, call) in decoded.iter().zip(&calls) {
                prop_assert_eq!((decoded.0, decoded.1), (call.0, call.1));
                prop_assert!(same_samples(&decoded.2, &call.2));
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
