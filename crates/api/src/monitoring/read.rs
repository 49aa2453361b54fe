//! `GET /api/v1/tenants/{tenant_id}/monitoring`: averages by bucket and their summary.
//!
//! A day at five minutes is some 900 points, so the body is written into one buffer by hand.

use super::answers::{Answer, Question};
use crate::auth::Reader;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::PathText;
use crate::state::ModeServices;
use crate::wire;
use axum::response::Response;
use ecp_core::Timestamp;
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Interval, Metric, Series, SeriesQuery, to_millis};
use ecp_core::ports::{MetricError, SampleState};
use ecp_core::text::Message;
use http::{StatusCode, Uri};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// Most points of one series in an answer.
const MAX_POINTS: i64 = 11_000;
/// Hours that are queried unless the caller says otherwise.
const DEFAULT_HOURS: u64 = 24;
/// Most hours that can be queried: a year.
pub(crate) const MAX_HOURS: u64 = 8760;
pub(crate) const MILLIS_PER_HOUR: i64 = 3_600_000;
/// `{"timestamp":"2024-01-20T14:00:00Z","value":65.1234},`
const BYTES_PER_POINT: usize = 56;

/// What `metric_type` can name.
pub(crate) const METRIC_TYPES: [(&str, &[Metric]); 8] = [
    ("cpu", &[Metric::CpuUsage]),
    ("memory", &[Metric::MemoryUsage]),
    ("gpu", &[Metric::GpuUsage]),
    ("network", &[Metric::NetworkIn, Metric::NetworkOut]),
    ("storage", &[Metric::StorageUsed]),
    ("request_count", &[Metric::RequestCount]),
    ("response_time", &[Metric::ResponseTime]),
    ("error_rate", &[Metric::ErrorRate]),
];

/// Series of a tenant.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "tenant_id": "my-ai-service",
    "time_range": {"start": "2024-01-20T00:00:00Z", "end": "2024-01-21T00:00:00Z"},
    "metrics": {
        "cpu": [
            {"timestamp": "2024-01-20T14:00:00Z", "value": 65.5},
            {"timestamp": "2024-01-20T14:05:00Z", "value": 68.2}
        ]
    },
    "summary": {"avg_cpu": 66.8, "max_cpu": 89.2}
}))]
#[allow(dead_code, reason = "documents the body, which is written by hand")]
pub struct MonitoringOut {
    /// Whose.
    tenant_id: String,
    /// From when to when.
    time_range: TimeRangeOut,
    /// Averages by series (cpu, memory, gpu, network_in, network_out, storage, request_count,
    /// response_time, error_rate); buckets without samples are left out.
    metrics: BTreeMap<String, Vec<PointOut>>,
    /// `avg_<series>` and `max_<series>` over the raw samples, for each series that has any.
    summary: BTreeMap<String, f64>,
}

/// From when to when, both inclusive.
#[derive(Debug, Serialize, ToSchema)]
pub struct TimeRangeOut {
    /// First moment.
    start: String,
    /// Last moment.
    end: String,
}

impl TimeRangeOut {
    /// From two times as they are printed.
    pub(crate) fn new(start: String, end: String) -> Self {
        Self { start, end }
    }
}

/// The average of one bucket.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is written by hand")]
pub struct PointOut {
    /// Start of the bucket.
    timestamp: String,
    /// Average of its samples.
    value: f64,
}

/// Get monitoring data
///
/// Averages by bucket, stamped with its start; the summary is over the raw samples.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/monitoring",
    tag = "monitoring",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("metric_type" = Option<String>, Query, description = "cpu, memory, gpu, network, storage, request_count, response_time, error_rate; repeated or comma-separated, none means all", example = "cpu,memory,gpu"),
        ("hours" = Option<u32>, Query, description = "Hours back from now (default 24)", minimum = 1, maximum = 8760, example = 24),
        ("interval" = Option<String>, Query, description = "Bucket width: 1m, 5m (default), 1h", example = "5m"),
    ),
    responses(
        (status = 200, description = "The series", body = MonitoringOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter; also where range and interval would give more than 11,000 points", body = ErrorOut),
        (status = 503, description = "MONITORING_UNAVAILABLE", body = ErrorOut),
    ),
)]
pub(crate) async fn get_monitoring(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let reader = QueryReader::new(&uri);
    let query = read_query(&reader, api.state.clock.now());
    reader.finish(&api.context)?;
    let tenant = api.find_tenant(&tenant_id)?;
    let answer = answer(api.services(), tenant.key(), &query).await?;
    api.context.debug_note("points", || answer.points.into());
    Ok(wire::json_bytes(StatusCode::OK, write_body(tenant.id.as_str(), &query, &answer.encoded)))
}

/// The series of a range, as they were written out before where nothing has changed since.
async fn answer(
    services: &ModeServices,
    tenant: TenantKey,
    asked: &SeriesQuery,
) -> Result<Arc<Answer>, MetricError> {
    let shown = whole_buckets(asked);
    // Said before the samples are read: what comes in between makes it another state.
    let samples = services.metrics.sample_state(&tenant);
    // What a range loses by ageing is said by no state.
    let kept_ms = i64::from(services.metrics.retention().raw_days) * 24 * MILLIS_PER_HOUR;
    let samples = samples.filter(|_| asked.end_ms - asked.start_ms < kept_ms);
    let question = Question::new(tenant, asked);
    if let Some(known) = samples.and_then(|samples| services.answers.get(&question, samples, &shown)) {
        return Ok(known);
    }
    let series = services.metrics.query(&question.tenant, &shown).await?;
    let encode = |samples| {
        Arc::new(Answer {
            samples,
            start_ms: shown.start_ms,
            end_ms: shown.end_ms,
            points: series.iter().map(|series| series.points.len()).sum(),
            encoded: encode_series(&series).into(),
        })
    };
    Ok(match samples {
        None => encode(SampleState::unique()),
        Some(samples) => {
            let answer = encode(samples);
            services.answers.put(question, answer.clone());
            answer
        }
    })
}

fn read_query(reader: &QueryReader, now: Timestamp) -> SeriesQuery {
    let metrics = metrics(reader);
    // At most a year of hours.
    let hours = reader.integer("hours", 1..=MAX_HOURS).unwrap_or(DEFAULT_HOURS) as i64;
    let interval = reader
        .choice("interval", "api.unknown_interval", &Interval::ALL, Interval::as_str)
        .unwrap_or(Interval::FiveMinutes);
    let points = |interval: Interval| hours * MILLIS_PER_HOUR / interval.millis();
    if points(interval) > MAX_POINTS {
        let finest = Interval::ALL.into_iter().find(|interval| points(*interval) <= MAX_POINTS);
        let reason = Message::new("api.too_many_points")
            .with("points", points(interval))
            .with("max", MAX_POINTS)
            .with("interval", finest.unwrap_or(Interval::OneHour).as_str())
            .with("hours", MAX_POINTS * interval.millis() / MILLIS_PER_HOUR);
        reader.fault("interval", reason);
    }
    // Whole seconds, as the range is printed; rounded up, so that a sample of this moment is in it.
    let end_ms = (to_millis(now) + 999).div_euclid(1000) * 1000;
    SeriesQuery { metrics, start_ms: end_ms - hours * MILLIS_PER_HOUR, end_ms, interval }
}

/// The part of a range that is shown: from the first bucket that lies in it whole, since points are
/// averages of whole buckets and none is before the range.
fn whole_buckets(asked: &SeriesQuery) -> SeriesQuery {
    let width = asked.interval.millis();
    let start_ms = (asked.start_ms + width - 1).div_euclid(width) * width;
    SeriesQuery { start_ms, ..asked.clone() }
}

/// The metrics that are asked for, each once, in the order of [`Metric::ALL`]; none means all.
fn metrics(reader: &QueryReader) -> Vec<Metric> {
    let chosen = reader.choices("metric_type", "api.unknown_metric", &METRIC_TYPES, |(name, _)| name);
    let mut wanted: Vec<Metric> = chosen.into_iter().flat_map(|(_, metrics)| metrics).copied().collect();
    if wanted.is_empty() {
        return Metric::ALL.to_vec();
    }
    wanted.sort_unstable();
    wanted.dedup();
    wanted
}

fn write_body(tenant_id: &str, query: &SeriesQuery, encoded_series: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(256 + encoded_series.len());
    let mut times = TimeWriter::default();
    // A tenant id is a DNS label: nothing in it needs escaping.
    body.extend_from_slice(b"{\"tenant_id\":\"");
    body.extend_from_slice(tenant_id.as_bytes());
    body.extend_from_slice(b"\",\"time_range\":{\"start\":\"");
    times.write(query.start_ms, &mut body);
    body.extend_from_slice(b"\",\"end\":\"");
    times.write(query.end_ms, &mut body);
    body.extend_from_slice(b"\"},");
    body.extend_from_slice(encoded_series);
    body
}

/// `"metrics":{…},"summary":{…}}`: what follows the range.
fn encode_series(series: &[Series]) -> Vec<u8> {
    let points: usize = series.iter().map(|series| series.points.len()).sum();
    let mut body = Vec::with_capacity(512 + points * BYTES_PER_POINT);
    let mut times = TimeWriter::default();
    body.extend_from_slice(b"\"metrics\":{");
    for (index, series) in series.iter().enumerate() {
        let opening: &[u8] = if index == 0 { b"\"" } else { b",\"" };
        body.extend_from_slice(opening);
        body.extend_from_slice(series.metric.series().as_bytes());
        body.extend_from_slice(b"\":[");
        for (index, (start_ms, value)) in series.points.iter().enumerate() {
            let opening: &[u8] = if index == 0 { b"{\"timestamp\":\"" } else { b",{\"timestamp\":\"" };
            body.extend_from_slice(opening);
            times.write(*start_ms, &mut body);
            body.extend_from_slice(b"\",\"value\":");
            write_number(*value, &mut body);
            body.push(b'}');
        }
        body.push(b']');
    }
    body.extend_from_slice(b"},\"summary\":{");
    let mut first = true;
    for series in series {
        for (prefix, value) in [("avg_", series.average), ("max_", series.maximum)] {
            let Some(value) = value else { continue };
            let opening: &[u8] = if first { b"\"" } else { b",\"" };
            first = false;
            body.extend_from_slice(opening);
            body.extend_from_slice(prefix.as_bytes());
            body.extend_from_slice(series.metric.series().as_bytes());
            body.extend_from_slice(b"\":");
            write_number(value, &mut body);
        }
    }
    body.extend_from_slice(b"}}");
    body
}

/// Four decimals are finer than any sensor.
pub(crate) fn write_number(value: f64, body: &mut Vec<u8>) {
    /// Rounding would overflow only far beyond whole numbers' precision, where there are no decimals.
    const LARGEST_ROUNDED: f64 = 1e11;
    let rounded = if value.abs() < LARGEST_ROUNDED { (value * 1e4).round() / 1e4 } else { value };
    // Neither a number nor a Vec can fail to be written; samples are finite.
    let _ = serde_json::to_writer(body, &rounded);
}

/// Writes RFC 3339 times in whole seconds, and remembers the day of the last one.
#[derive(Debug, Default)]
struct TimeWriter {
    /// `2024-01-20T` and which day since 1970 that is.
    day: Option<(i64, String)>,
}

impl TimeWriter {
    fn write(&mut self, millis: i64, body: &mut Vec<u8>) {
        const SECONDS_PER_DAY: i64 = 86_400;
        let seconds = millis.div_euclid(1000);
        let (day, second) = (seconds.div_euclid(SECONDS_PER_DAY), seconds.rem_euclid(SECONDS_PER_DAY));
        if self.day.as_ref().is_none_or(|(known, _)| *known != day) {
            let midnight = Timestamp::from_second(day * SECONDS_PER_DAY).unwrap_or(Timestamp::UNIX_EPOCH);
            let text = midnight.to_string();
            let date = text.split('T').next().unwrap_or_default();
            self.day = Some((day, format!("{date}T")));
        }
        if let Some((_, date)) = &self.day {
            body.extend_from_slice(date.as_bytes());
        }
        let two_digits = |number: i64| [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        body.extend_from_slice(&two_digits(second / 3600));
        body.push(b':');
        body.extend_from_slice(&two_digits(second / 60 % 60));
        body.push(b':');
        body.extend_from_slice(&two_digits(second % 60));
        body.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use crate::request_context::RequestContext;
    use http::HeaderMap;
    use serde_json::{Value, json};

    fn read(query: &str) -> Result<SeriesQuery, ApiError> {
        let reader = QueryReader::new(&format!("/x?{query}").parse().unwrap());
        let now = "2024-01-21T00:00:00.5Z".parse().unwrap();
        let read = read_query(&reader, now);
        reader.finish(&RequestContext::read(&HeaderMap::new())).map(|()| read)
    }

    #[test]
    fn without_parameters_a_day_at_five_minutes_of_every_metric_is_asked_for() {
        let query = read("").unwrap();
        assert_eq!(query.metrics, Metric::ALL);
        assert_eq!(query.interval, Interval::FiveMinutes);
        // Half a second past midnight: the end is rounded up to a second.
        assert_eq!(query.end_ms % 60_000, 1000);
        assert_eq!(query.end_ms - query.start_ms, 24 * MILLIS_PER_HOUR);
    }

    #[test]
    fn what_is_shown_begins_with_the_first_bucket_that_lies_in_the_range_whole() {
        for (interval, first) in [("1m", "00:01:00"), ("5m", "00:05:00"), ("1h", "01:00:00")] {
            let asked = read(&format!("interval={interval}")).unwrap();
            let shown = whole_buckets(&asked);
            assert_eq!(
                shown.start_ms,
                to_millis(format!("2024-01-20T{first}Z").parse().unwrap()),
                "{interval}"
            );
            assert_eq!(shown.end_ms, asked.end_ms);
            let aligned = SeriesQuery { start_ms: shown.start_ms, ..asked };
            assert_eq!(whole_buckets(&aligned).start_ms, shown.start_ms);
        }
    }

    #[test]
    fn metric_types_repeat_or_are_separated_by_commas_and_network_is_two_series() {
        let metrics = |query| read(query).unwrap().metrics;
        let expected = [Metric::CpuUsage, Metric::GpuUsage, Metric::NetworkIn, Metric::NetworkOut];
        assert_eq!(metrics("metric_type=network,gpu&metric_type=cpu,cpu"), expected);
        assert_eq!(metrics("metric_type=cpu%2Cgpu"), [Metric::CpuUsage, Metric::GpuUsage]);
    }

    #[test]
    fn ranges_that_give_too_many_points_are_refused() {
        assert!(read("hours=8760&interval=1h").is_ok());
        assert!(read("hours=183&interval=1m").is_ok(), "10,980 points");
        for wrong in [
            "hours=184&interval=1m",
            "hours=8760",
            "hours=0",
            "hours=8761",
            "interval=2m",
            "metric_type=cpus",
        ] {
            assert_eq!(read(wrong).unwrap_err().status(), StatusCode::UNPROCESSABLE_ENTITY, "{wrong}");
        }
    }

    #[test]
    fn the_body_is_the_contracts() {
        let at = |text: &str| to_millis(text.parse().unwrap());
        let query = SeriesQuery {
            metrics: vec![Metric::CpuUsage, Metric::NetworkIn],
            start_ms: at("2024-01-20T00:00:00Z"),
            end_ms: at("2024-01-21T00:00:00Z"),
            interval: Interval::FiveMinutes,
        };
        let series = [
            Series {
                metric: Metric::CpuUsage,
                points: vec![(at("2024-01-20T14:00:00Z"), 65.5), (at("2024-01-21T00:00:00Z"), 200.0 / 3.0)],
                average: Some(66.8),
                maximum: Some(89.2),
            },
            Series { metric: Metric::NetworkIn, points: vec![], average: None, maximum: None },
        ];
        let body: Value =
            serde_json::from_slice(&write_body("my-ai-service", &query, &encode_series(&series))).unwrap();
        let expected = json!({
            "tenant_id": "my-ai-service",
            "time_range": {"start": "2024-01-20T00:00:00Z", "end": "2024-01-21T00:00:00Z"},
            "metrics": {
                "cpu": [
                    {"timestamp": "2024-01-20T14:00:00Z", "value": 65.5},
                    {"timestamp": "2024-01-21T00:00:00Z", "value": 66.6667}
                ],
                "network_in": []
            },
            "summary": {"avg_cpu": 66.8, "max_cpu": 89.2}
        });
        assert_eq!(body, expected);
        let empty = write_body("a", &query, &encode_series(&[]));
        assert_eq!(serde_json::from_slice::<Value>(&empty).unwrap()["summary"], json!({}));
    }

    #[test]
    fn times_before_1970_and_on_leap_days_are_written_right() {
        for text in ["1969-12-31T23:59:59Z", "2024-02-29T12:34:56Z", "2023-03-01T00:00:00Z"] {
            let mut body = Vec::new();
            TimeWriter::default().write(to_millis(text.parse().unwrap()), &mut body);
            assert_eq!(String::from_utf8(body).unwrap(), text);
        }
    }

    #[test]
    fn large_numbers_keep_their_value() {
        let text = |value| {
            let mut body = Vec::new();
            write_number(value, &mut body);
            String::from_utf8(body).unwrap()
        };
        assert_eq!(text(750_000_000_000.0), "750000000000.0");
        assert_eq!(text(1e300), "1e+300");
        assert_eq!(text(85.0), "85.0");
        assert_eq!(text(0.123_456), "0.1235");
    }
}
