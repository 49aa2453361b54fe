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
        encode_family(&mut encoder, self.name, self.help, self.metric_type, |observations| {
            (self.observe)(observations);
        })
    }
}

/// Writes a metric with the values that a function tells.
pub(super) fn encode_family(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    metric_type: MetricType,
    observe: impl FnOnce(&mut Observations<'_>),
) -> fmt::Result {
    let encoder = encoder.encode_descriptor(name, help, None, metric_type)?;
    let mut observations = Observations { encoder, metric_type, result: Ok(()) };
    observe(&mut observations);
    observations.result
}

/// Takes the values of one metric.
pub struct Observations<'a> {
    encoder: MetricEncoder<'a>,
    metric_type: MetricType,
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
        if matches!(self.metric_type, MetricType::Info) {
            // Labels of a family beside none of its own would begin with a comma.
            return self.encoder.encode_info(&labels);
        }
        if labels.is_empty() {
            return write(&mut self.encoder, self.metric_type, value);
        }
        write(&mut self.encoder.encode_family(&labels)?, self.metric_type, value)
    }
}

fn write(encoder: &mut MetricEncoder<'_>, metric_type: MetricType, value: f64) -> fmt::Result {
    match metric_type {
        MetricType::Counter => encoder.encode_counter::<NoLabelSet, u64, u64>(&(value as u64), None),
        _ => encoder.encode_gauge(&value),
    }
}
