//! Figures that are asked for when they are read.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use std::fmt;

type Observe = Box<dyn Fn(&mut Observations<'_>) + Send + Sync>;

/// A metric whose values a function tells.
pub(super) struct Callback {
    name: &'static str,
    help: &'static str,
    metric_type: MetricType,
    observe: Observe,
}

impl Callback {
    pub(super) fn new(
        name: &'static str,
        help: &'static str,
        metric_type: MetricType,
        observe: impl Fn(&mut Observations<'_>) + Send + Sync + 'static,
    ) -> Self {
        Self { name, help, metric_type, observe: Box::new(observe) }
    }
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Callback").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Collector for Callback {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let encoder = encoder.encode_descriptor(self.name, self.help, None, self.metric_type)?;
        let is_counter = matches!(self.metric_type, MetricType::Counter);
        let mut observations = Observations { encoder, is_counter, result: Ok(()) };
        (self.observe)(&mut observations);
        observations.result
    }
}

/// Takes the values of one metric.
pub struct Observations<'a> {
    encoder: MetricEncoder<'a>,
    is_counter: bool,
    result: fmt::Result,
}

impl Observations<'_> {
    /// Adds a value under labels; each set of labels once.
    pub fn add(&mut self, labels: &[(&str, &str)], value: f64) {
        if self.result.is_ok() {
            self.result = self.encode(labels, value);
        }
    }

    fn encode(&mut self, labels: &[(&str, &str)], value: f64) -> fmt::Result {
        if labels.is_empty() {
            return write(&mut self.encoder, self.is_counter, value);
        }
        write(&mut self.encoder.encode_family(&labels)?, self.is_counter, value)
    }
}

fn write(encoder: &mut MetricEncoder<'_>, is_counter: bool, value: f64) -> fmt::Result {
    if is_counter {
        encoder.encode_counter::<NoLabelSet, u64, u64>(&(value as u64), None)
    } else {
        encoder.encode_gauge(&value)
    }
}
