//! `/ws/monitoring/{tenant_id}`: the newest values, once an interval.

use super::handshake::Handshake;
use super::index::TenantFeed;
use super::session::{Feed, Session, Step, unknown_action};
use crate::error::{ApiError, ErrorCode};
use crate::fields::{Faults, FieldReader, unknown_choice};
use crate::monitoring::{METRIC_TYPES, write_number};
use crate::openapi::ErrorOut;
use crate::request_context::PathText;
use crate::telemetry::Stream;
use crate::wire;
use axum::extract::ws::Utf8Bytes;
use axum::response::Response;
use ecp_core::Timestamp;
use ecp_core::metrics::{CURRENT_MS, Latest, Metric, Reading};
use ecp_core::text::Message;
use serde_json::Value;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use utoipa::ToSchema;

/// Milliseconds between two frames that a client can ask for.
const INTERVALS_MS: RangeInclusive<u64> = 100..=3_600_000;
/// Milliseconds between two frames unless it does.
const DEFAULT_INTERVAL_MS: u64 = 5000;
/// Names beside those of `metric_type`: the two series of `network`, as frames spell them.
const SERIES_NAMES: [(&str, &[Metric]); 2] =
    [("network_in", &[Metric::NetworkIn]), ("network_out", &[Metric::NetworkOut])];

/// Watch a tenant's newest samples
///
/// A WebSocket. Nothing comes before `{"action": "subscribe", "metrics": ["cpu", "memory"],
/// "interval": 5000}`, where `metrics` (all) and `interval` (milliseconds, 5000) may be left out; a
/// new one replaces the old. Then one frame an interval with the newest values, `{"timestamp",
/// "tenant_id", "metrics": {"cpu": 65.5}, "seq"}`, and none when nothing is new. `seq` counts what was
/// to be sent: a gap is what a slow reader missed. `{"action": "unsubscribe"}` stops the frames,
/// `{"action": "ping"}` is answered `{"action": "pong", "seq"}`.
#[utoipa::path(
    get,
    path = "/ws/monitoring/{tenant_id}",
    tag = "streams",
    params(("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center")),
    responses(
        (status = 101, description = "The WebSocket is open"),
        (status = 404, description = "TENANT_NOT_FOUND", body = ErrorOut),
    ),
)]
pub(crate) async fn watch_monitoring(
    handshake: Handshake,
    PathText(tenant_id): PathText,
) -> Result<Response, ApiError> {
    let api = &handshake.api;
    let tenant = api.find_tenant(&tenant_id)?;
    let shared = api.state.streams.index.tenant(api, &tenant)?;
    let samples = api.services().metrics.subscribe(&tenant.key());
    let session = Session::new(api, handshake.language, shared.ended.clone());
    let reminder = Instant::now() + api.state.streams.options.subscribe_timeout;
    let feed = MonitoringFeed { shared, samples, subscription: None, reminder: Some(reminder), seq: 0 };
    handshake.accept(Stream::monitoring, |socket| session.run(socket, feed))
}

/// What a client wants to see, and how far it is.
pub(crate) struct Subscription {
    /// Bits by [`Metric::index`].
    metrics: u16,
    interval: Duration,
    /// When the next frame is due.
    due: Instant,
    /// Changes of each metric that were looked at, by [`Metric::index`]; none before the first frame.
    seen: Option<[Option<u64>; Metric::ALL.len()]>,
}

struct MonitoringFeed {
    shared: Arc<TenantFeed>,
    samples: watch::Receiver<Option<Latest>>,
    subscription: Option<Subscription>,
    /// When a client that has not subscribed is told so.
    reminder: Option<Instant>,
    seq: u64,
}

impl Feed for MonitoringFeed {
    async fn next(&mut self) -> Step {
        loop {
            let Some(subscription) = &self.subscription else {
                return self.remind().await;
            };
            sleep_until(subscription.due).await;
            if let Some(step) = self.take_due() {
                return step;
            }
        }
    }

    /// The newest values alone are sent, and not more often than they are wanted.
    fn waiting(&mut self) -> Option<Utf8Bytes> {
        None
    }

    fn command(&mut self, action: &str, body: &Value) -> Result<(), ApiError> {
        match action {
            "subscribe" => {
                self.subscription = Some(read_subscription(body)?);
                self.reminder = None;
                Ok(())
            }
            "unsubscribe" => {
                self.subscription = None;
                Ok(())
            }
            other => Err(unknown_action(other, &["subscribe", "unsubscribe", "ping"])),
        }
    }

    fn seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }
}

impl MonitoringFeed {
    /// Waits until the client should have subscribed; for ever once it was told or has unsubscribed.
    async fn remind(&mut self) -> Step {
        let Some(reminder) = self.reminder else { return std::future::pending().await };
        sleep_until(reminder).await;
        self.reminder = None;
        Step::Fault(ApiError::new(ErrorCode::InvalidRequest, Message::new("stream.subscribe_missing")))
    }

    /// The frame that is due now, where there is something new; sets the time of the next.
    fn take_due(&mut self) -> Option<Step> {
        let subscription = self.subscription.as_mut()?;
        // More than one interval passed where the client was too slow for a frame.
        let late = Instant::now().saturating_duration_since(subscription.due);
        let passed =
            u32::try_from(late.as_nanos() / subscription.interval.as_nanos()).unwrap_or(u32::MAX - 1);
        subscription.due += subscription.interval * (passed + 1);
        let latest = (*self.samples.borrow())?;
        let wanted = subscription.metrics;
        let news = news(&latest, wanted, subscription.seen.as_ref());
        if news == 0 {
            return None;
        }
        subscription.seen = Some(Metric::ALL.map(|metric| Some(latest.get(metric)?.changes)));
        let body = self
            .shared
            .samples
            .get((latest.version, wanted), || encode(self.shared.id.as_str(), &latest, wanted));
        if body.is_empty() {
            return None;
        }
        let missed = news.min(u64::from(passed) + 1) - 1;
        self.seq += missed + 1;
        let frame = numbered(&body, self.seq);
        Some(if missed == 0 { Step::Frame(frame) } else { Step::Conflated(frame, missed) })
    }
}

/// The wanted metrics, with the newest value of each.
fn wanted_readings(latest: &Latest, wanted: u16) -> impl Iterator<Item = (Metric, Reading)> {
    let metrics = Metric::ALL.into_iter().filter(move |metric| wanted & bit(*metric) != 0);
    metrics.filter_map(|metric| Some((metric, latest.get(metric)?)))
}

/// Changes of the wanted metrics since what was seen: two collectors of one moment are one.
fn news(latest: &Latest, wanted: u16, seen: Option<&[Option<u64>; Metric::ALL.len()]>) -> u64 {
    let since = |(metric, reading): (Metric, Reading)| {
        seen.and_then(|seen| seen[metric.index()]).map_or(1, |seen| reading.changes.saturating_sub(seen))
    };
    wanted_readings(latest, wanted).map(since).max().unwrap_or(0)
}

/// The newest values of a tenant, one frame an interval, as [`encode`] writes it.
#[derive(ToSchema)]
#[schema(as = MonitoringFrame)]
#[expect(dead_code, reason = "frames are written straight into text, which the document describes by this")]
pub(crate) struct MonitoringFrame {
    /// When the newest of the values was taken.
    timestamp: String,
    /// Whose.
    tenant_id: String,
    /// Values by series: those that are subscribed and sent at present.
    metrics: BTreeMap<String, f64>,
    /// Counts what was to be sent on this connection: a gap is what a slow reader missed.
    seq: u64,
}

/// A frame up to its number; empty where none of the wanted values is there. What is no longer sent is
/// left out beside newer values of others.
fn encode(tenant_id: &str, latest: &Latest, wanted: u16) -> String {
    let newest_ms = wanted_readings(latest, wanted).map(|(_, reading)| reading.timestamp_ms).max();
    let Some(newest_ms) = newest_ms else { return String::new() };
    let timestamp = Timestamp::from_millisecond(newest_ms).unwrap_or(Timestamp::UNIX_EPOCH);
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(b"{\"timestamp\":\"");
    bytes.extend_from_slice(wire::timestamp_text(timestamp).as_bytes());
    bytes.extend_from_slice(b"\",\"tenant_id\":\"");
    bytes.extend_from_slice(tenant_id.as_bytes());
    bytes.extend_from_slice(b"\",\"metrics\":{");
    let mut separator: &[u8] = b"\"";
    let is_current = |reading: &Reading| newest_ms - reading.timestamp_ms <= CURRENT_MS;
    for (metric, reading) in wanted_readings(latest, wanted).filter(|(_, reading)| is_current(reading)) {
        bytes.extend_from_slice(separator);
        bytes.extend_from_slice(metric.series().as_bytes());
        bytes.extend_from_slice(b"\":");
        write_number(reading.value, &mut bytes);
        separator = b",\"";
    }
    bytes.extend_from_slice(b"},\"seq\":");
    // Only ASCII was written: ids are labels, series have fixed names.
    String::from_utf8(bytes).unwrap_or_default()
}

fn numbered(body: &str, seq: u64) -> Utf8Bytes {
    format!("{body}{seq}}}").into()
}

fn bit(metric: Metric) -> u16 {
    1 << metric.index()
}

/// What a `subscribe` asks for; every wrong field.
pub(crate) fn read_subscription(body: &Value) -> Result<Subscription, ApiError> {
    let faults = Faults::default();
    let (mut metrics, mut interval_ms) = (0, None);
    if let Some(reader) = FieldReader::new(&faults, String::new(), body) {
        metrics = read_metrics(&reader, &faults);
        interval_ms = reader.integer("interval", INTERVALS_MS);
    }
    faults.finish()?;
    Ok(Subscription {
        metrics,
        interval: Duration::from_millis(interval_ms.unwrap_or(DEFAULT_INTERVAL_MS)),
        due: Instant::now(),
        seen: None,
    })
}

/// The wanted metrics; none means all.
fn read_metrics(reader: &FieldReader<'_>, faults: &Faults) -> u16 {
    let all = Metric::ALL.into_iter().map(bit).sum();
    let Some(value) = reader.value("metrics") else { return all };
    let Some(names) = value.as_array() else {
        reader.fault("metrics", Message::new("stream.expects_metric_list"));
        return all;
    };
    let known = || METRIC_TYPES.iter().chain(&SERIES_NAMES);
    let mut wanted = 0;
    for (index, name) in names.iter().enumerate() {
        let pointer = format!("/metrics/{index}");
        let Some(name) = name.as_str() else {
            faults.add(pointer, Message::new("api.expects_text"));
            continue;
        };
        match known().find(|(candidate, _)| *candidate == name) {
            Some((_, metrics)) => wanted |= metrics.iter().copied().map(bit).fold(0, |a, b| a | b),
            None => {
                let choices = known().map(|(name, _)| *name);
                faults.add(pointer, unknown_choice("api.unknown_metric", name, choices));
            }
        }
    }
    if wanted == 0 { all } else { wanted }
}

#[cfg(test)]
mod tests;
