//! The typed pass over a body of samples: no tree, no copies, and no answer where anything is wrong
//! or unusual.

use super::{Window, metric_named};
use ecp_core::metrics::{LARGEST_VALUE, Sample, to_millis};
use ecp_core::rfc3339;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::fmt;

/// The samples of a body in the contract's plain form, each of them right.
pub(super) fn read(bytes: &[u8], window: Window, max_samples: usize) -> Option<Vec<Sample>> {
    // Checked once for the whole body, and not again for each of its texts.
    let body: Body<'_> = serde_json::from_str(std::str::from_utf8(bytes).ok()?).ok()?;
    match body {
        Body { timestamp, metrics: Some(metrics), samples: None } => {
            Some(vec![sample(timestamp, metrics, window)?])
        }
        Body { timestamp: None, metrics: None, samples: Some(batch) } => {
            if batch.is_empty() || batch.len() > max_samples {
                return None;
            }
            batch.into_iter().map(|entry| sample(entry.timestamp, entry.metrics, window)).collect()
        }
        _ => None,
    }
}

fn sample(timestamp: Option<&str>, metrics: Values, window: Window) -> Option<Sample> {
    let timestamp_ms = match timestamp {
        Some(text) => to_millis(rfc3339::parse(text)?),
        None => window.now_ms,
    };
    window.holds(timestamp_ms).then_some(Sample { timestamp_ms, values: metrics.0 })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a str>,
    metrics: Option<Values>,
    #[serde(borrow)]
    samples: Option<Vec<Entry<'a>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry<'a> {
    #[serde(borrow)]
    timestamp: Option<&'a str>,
    metrics: Values,
}

/// Values by metric, at least one, each in its range.
struct Values([f64; 9]);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ValuesVisitor)
    }
}

struct ValuesVisitor;

impl<'de> Visitor<'de> for ValuesVisitor {
    type Value = Values;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("metrics by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
        let refused = || A::Error::custom("left to the thorough pass");
        let mut sample = Sample::empty(0);
        let mut any = false;
        while let Some(name) = map.next_key::<&str>()? {
            let metric = metric_named(name).ok_or_else(refused)?;
            let Some(value) = map.next_value::<Option<f64>>()? else { continue };
            // At the largest one, the other pass looks whether it was written as one larger still.
            if !metric.accepts(value) || value >= LARGEST_VALUE || sample.get(metric).is_some() {
                return Err(refused());
            }
            sample.values[metric.index()] = value;
            any = true;
        }
        if any { Ok(Values(sample.values)) } else { Err(refused()) }
    }
}
