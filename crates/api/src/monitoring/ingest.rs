//! `POST /api/v1/tenants/{tenant_id}/monitoring`: stores samples, one or a batch.
//!
//! A right body is read in one typed pass. Whatever that pass does not understand or accept is read
//! again field by field, which finds every fault, and also accepts what is merely unusual.

mod fast;
mod non_finite;

use crate::auth::Writer;
use crate::body::{RawBody, read_json};
use crate::error::ApiError;
use crate::fields::{Faults, FieldReader, unknown_choice};
use crate::json::Shape;
use crate::openapi::ErrorOut;
use crate::request_context::PathText;
use crate::wire;
use axum::response::Response;
use ecp_core::metrics::{LARGEST_VALUE, Metric, Retention, Sample, SampleSource, to_millis};
use ecp_core::ports::MetricError;
use ecp_core::text::Message;
use ecp_core::{Timestamp, rfc3339};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::borrow::Cow;
use utoipa::ToSchema;

use self::non_finite::quote_non_finite;

/// How far in the future a timestamp may be: clocks differ.
const FUTURE_MS: i64 = 5 * 60 * 1000;
const MILLIS_PER_DAY: i64 = 86_400_000;

/// The spelling of a metric in a sample, and the metric.
const NAMES: [(&str, Metric); 12] = [
    ("cpu_usage", Metric::CpuUsage),
    ("memory_usage", Metric::MemoryUsage),
    ("gpu_usage", Metric::GpuUsage),
    ("network_in", Metric::NetworkIn),
    ("network_out", Metric::NetworkOut),
    ("storage_used", Metric::StorageUsed),
    ("request_count", Metric::RequestCount),
    ("response_time", Metric::ResponseTime),
    ("error_rate", Metric::ErrorRate),
    ("cpu", Metric::CpuUsage),
    ("memory", Metric::MemoryUsage),
    ("gpu", Metric::GpuUsage),
];

/// Most samples of one body.
const BATCH_SAMPLES: usize = 10_000;

/// What is read of one sample.
const SAMPLE: [(&str, Shape); 2] = [("timestamp", Shape::Scalar), ("metrics", Shape::Map(&Shape::Scalar))];

/// What is read of a body.
static SAMPLES: Shape = Shape::Object(&[
    ("timestamp", Shape::Scalar),
    ("metrics", Shape::Map(&Shape::Scalar)),
    ("samples", Shape::Array(&Shape::Object(&SAMPLE), BATCH_SAMPLES + 1)),
]);

fn metric_named(name: &str) -> Option<Metric> {
    NAMES.iter().find(|(candidate, _)| *candidate == name).map(|(_, metric)| *metric)
}

/// One sample, or a batch of them.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "metrics": {
        "cpu_usage": 65.5, "memory_usage": 78.2, "gpu_usage": 85.0, "network_in": 1250000,
        "network_out": 850000, "storage_used": 750000000000_u64, "request_count": 1250,
        "response_time": 145.8, "error_rate": 0.02
    }
}))]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct SendMetricsIn {
    /// When it was measured; left out, now.
    timestamp: Option<String>,
    /// What was measured; at least one.
    metrics: Option<MetricsIn>,
    /// Instead of `timestamp` and `metrics`: a batch, all or none of which is stored.
    #[schema(max_items = 10_000)]
    samples: Option<Vec<SampleIn>>,
}

/// One sample of a batch.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct SampleIn {
    /// When it was measured; left out, now.
    timestamp: Option<String>,
    /// What was measured; at least one.
    metrics: MetricsIn,
}

/// What was measured. `cpu`, `memory` and `gpu` are accepted for `cpu_usage`, `memory_usage` and
/// `gpu_usage`.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct MetricsIn {
    /// Percent.
    #[schema(minimum = 0, maximum = 100)]
    cpu_usage: Option<f64>,
    /// Percent.
    #[schema(minimum = 0, maximum = 100)]
    memory_usage: Option<f64>,
    /// Percent.
    #[schema(minimum = 0, maximum = 100)]
    gpu_usage: Option<f64>,
    /// Bytes a second.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992_u64)]
    network_in: Option<f64>,
    /// Bytes a second.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992_u64)]
    network_out: Option<f64>,
    /// Bytes.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992_u64)]
    storage_used: Option<f64>,
    /// Requests since the last sample.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992_u64)]
    request_count: Option<f64>,
    /// Mean, in milliseconds.
    #[schema(minimum = 0, maximum = 9_007_199_254_740_992_u64)]
    response_time: Option<f64>,
    /// Percent.
    #[schema(minimum = 0, maximum = 100)]
    error_rate: Option<f64>,
}

/// How much was stored.
#[derive(Debug, Serialize, ToSchema)]
pub struct AcceptedOut<'a> {
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: &'a str,
    /// Samples stored.
    #[schema(example = 1)]
    accepted: usize,
}

/// Send monitoring data
///
/// Answers once the samples are on disk. The same timestamp again replaces the metrics that it names.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/{tenant_id}/monitoring",
    tag = "monitoring",
    params(("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center")),
    request_body = SendMetricsIn,
    responses(
        (status = 201, description = "On disk", body = AcceptedOut),
        (status = 409, description = "CONFLICT: the metric store refused the samples, or is only read", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong field; nothing is stored", body = ErrorOut),
        (status = 503, description = "MONITORING_UNAVAILABLE", body = ErrorOut),
    ),
)]
pub(crate) async fn send_metrics(
    Writer(api): Writer,
    PathText(tenant_id): PathText,
    body: RawBody,
) -> Result<Response, ApiError> {
    let tenant = api.find_tenant(&tenant_id)?;
    let metrics = &api.services().metrics;
    if !metrics.capabilities().writable {
        return Err(MetricError::ReadOnly.into());
    }
    let window = Window::new(api.state.clock.now(), metrics.retention());
    let samples = match fast::read(&body.bytes, window, BATCH_SAMPLES) {
        Some(samples) => samples,
        None => {
            let quoted = match quote_non_finite(&body.bytes) {
                Cow::Borrowed(_) => body.bytes.clone(),
                Cow::Owned(quoted) => quoted.into(),
            };
            let (read, faults) = read_json(quoted, &api.state, &SAMPLES).await?;
            let samples = read_samples(&read, window, BATCH_SAMPLES, &faults);
            api.warn_of_unknown_fields(faults)?;
            samples
        }
    };
    drop(body);
    metrics.append(&tenant.key(), SampleSource::Client, &samples).await?;
    api.state.telemetry.samples_accepted(api.mode, samples.len());
    let body = AcceptedOut { tenant_id: tenant.id.as_str(), accepted: samples.len() };
    Ok(wire::json(StatusCode::CREATED, &body))
}

/// The timestamps that are accepted now.
#[derive(Clone, Copy, Debug)]
struct Window {
    now_ms: i64,
    oldest_ms: i64,
    retention_days: u32,
}

impl Window {
    fn new(now: Timestamp, retention: Retention) -> Self {
        let now_ms = to_millis(now);
        let retention_days = retention.one_hour_days;
        Self { now_ms, oldest_ms: now_ms - i64::from(retention_days) * MILLIS_PER_DAY, retention_days }
    }

    fn holds(&self, timestamp_ms: i64) -> bool {
        (self.oldest_ms..=self.now_ms + FUTURE_MS).contains(&timestamp_ms)
    }
}

/// A value as it was written, or why it can not be one of this metric.
fn read_value(metric: Metric, value: &Value) -> Result<f64, Message> {
    let number = value.as_f64().ok_or_else(|| Message::new("api.expects_number"))?;
    // As a double, the whole numbers just over the largest one would be that one.
    let over = value.as_u64().is_some_and(|whole| whole > LARGEST_VALUE as u64);
    if metric.accepts(number) && !over {
        return Ok(number);
    }
    Err(if metric.is_percentage() {
        Message::new("api.expects_percentage")
    } else if number < 0.0 {
        Message::new("api.expects_not_negative")
    } else {
        Message::new("api.expects_no_more").with("max", LARGEST_VALUE as u64)
    })
}

/// Reads a body field by field; where faults are left behind, the samples are not to be used.
fn read_samples(body: &Value, window: Window, max_samples: usize, faults: &Faults) -> Vec<Sample> {
    let Some(reader) = FieldReader::new(faults, String::new(), body) else { return Vec::new() };
    let Some(batch) = reader.value("samples") else {
        let samples = read_sample(&reader, window, faults).into_iter().collect();
        reader.note_unknown();
        return samples;
    };
    for single in ["timestamp", "metrics"] {
        if reader.value(single).is_some() {
            reader.fault(single, Message::new("api.sample_beside_batch"));
        }
    }
    reader.note_unknown();
    let Value::Array(batch) = batch else {
        reader.fault("samples", Message::new("api.expects_array"));
        return Vec::new();
    };
    if batch.is_empty() || batch.len() > max_samples {
        let reason = Message::new("api.batch_length").with("max", max_samples);
        reader.fault("samples", reason);
        return Vec::new();
    }
    let read = batch.iter().enumerate().filter_map(|(index, value)| {
        let reader = FieldReader::new(faults, format!("/samples/{index}"), value)?;
        let sample = read_sample(&reader, window, faults);
        reader.note_unknown();
        sample
    });
    read.collect()
}

fn read_sample(reader: &FieldReader<'_>, window: Window, faults: &Faults) -> Option<Sample> {
    let timestamp_ms = match reader.any_text("timestamp") {
        Some(text) => read_timestamp(reader, text, window),
        None => Some(window.now_ms),
    };
    reader.require("metrics");
    let metrics = reader.object("metrics")?;
    let mut sample = Sample::empty(timestamp_ms.unwrap_or(window.now_ms));
    let mut count = 0;
    for (key, value) in metrics.entries() {
        count += 1;
        let Some(metric) = metric_named(key) else {
            let names = NAMES.iter().map(|(name, _)| *name);
            metrics.fault(key, unknown_choice("api.unknown_metric", key, names));
            continue;
        };
        match read_value(metric, value) {
            Err(reason) => metrics.fault(key, reason),
            Ok(_) if sample.get(metric).is_some() => {
                metrics.fault(key, Message::new("api.metric_twice").with("metric", metric));
            }
            Ok(number) => sample.values[metric.index()] = number,
        }
    }
    if count == 0 {
        faults.add(reader.pointer_to("metrics"), Message::new("api.metrics_empty"));
    }
    Some(sample)
}

fn read_timestamp(reader: &FieldReader<'_>, text: &str, window: Window) -> Option<i64> {
    let Some(timestamp) = rfc3339::parse(text) else {
        reader.fault("timestamp", Message::new("api.expects_timestamp"));
        return None;
    };
    let timestamp_ms = to_millis(timestamp);
    if !window.holds(timestamp_ms) {
        let reason = if timestamp_ms > window.now_ms {
            Message::new("api.timestamp_in_future")
        } else {
            Message::new("api.timestamp_too_old").with("days", window.retention_days)
        };
        reader.fault("timestamp", reason);
        return None;
    }
    Some(timestamp_ms)
}

#[cfg(test)]
mod tests;
