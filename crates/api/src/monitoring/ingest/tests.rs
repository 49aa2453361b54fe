#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use ecp_core::text::Language;
use serde_json::json;

fn window() -> Window {
    Window::new("2024-01-20T14:30:00Z".parse().unwrap(), Retention::default())
}

/// What a request is answered with: both passes, as the handler runs them.
fn read(body: &Value) -> Result<Vec<Sample>, ApiError> {
    let bytes = serde_json::to_vec(body).unwrap();
    if let Some(samples) = fast::read(&bytes, window(), 3) {
        return Ok(samples);
    }
    let faults = Faults::default();
    let samples = read_samples(body, window(), 3, &faults);
    faults.finish().map(|_| samples)
}

fn pointers(body: &Value) -> Vec<String> {
    let error = read(body).unwrap_err();
    let body = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-test");
    let fields = body["error"]["details"]["fields"].as_array().unwrap();
    fields.iter().map(|field| field["pointer"].as_str().unwrap().to_owned()).collect()
}

fn contract_example() -> Value {
    json!({
        "timestamp": "2024-01-20T14:30:00Z",
        "metrics": {
            "cpu_usage": 65.5, "memory_usage": 78.2, "gpu_usage": 85.0, "network_in": 1_250_000,
            "network_out": 850_000, "storage_used": 750_000_000_000_u64, "request_count": 1250,
            "response_time": 145.8, "error_rate": 0.02
        }
    })
}

#[test]
fn the_contracts_example_is_read_by_both_passes_alike() {
    let body = contract_example();
    let quick = fast::read(&serde_json::to_vec(&body).unwrap(), window(), 3).unwrap();
    let faults = Faults::default();
    let thorough = read_samples(&body, window(), 3, &faults);
    assert_eq!(faults.count(), 0);
    assert_eq!(quick.len(), 1);
    assert_eq!(quick[0].timestamp_ms, thorough[0].timestamp_ms);
    assert_eq!(quick[0].values, thorough[0].values);
    assert_eq!(quick[0].get(Metric::StorageUsed), Some(750e9));
    assert_eq!(quick[0].get(Metric::ErrorRate), Some(0.02));
}

#[test]
fn short_names_and_a_missing_timestamp_are_accepted() {
    let samples = read(&json!({"metrics": {"cpu": 65.5, "memory": 78.2, "gpu": null}})).unwrap();
    assert_eq!(samples[0].timestamp_ms, window().now_ms);
    assert_eq!(samples[0].get(Metric::CpuUsage), Some(65.5));
    assert_eq!(samples[0].get(Metric::GpuUsage), None);
}

#[test]
fn the_same_metric_under_both_names_is_a_fault() {
    assert_eq!(pointers(&json!({"metrics": {"cpu": 1, "cpu_usage": 2}})), ["/metrics/cpu_usage"]);
}

#[test]
fn every_fault_of_a_batch_is_named_with_its_place() {
    let body = json!({"samples": [
        {"metrics": {"cpu_usage": 101, "network_in": -1, "response_time": "fast"}},
        {"timestamp": "yesterday", "metrics": {"cpu_usge": 5, "error_rate": -0.1}},
        {"metrics": {}}
    ]});
    assert_eq!(
        pointers(&body),
        [
            "/samples/0/metrics/cpu_usage",
            "/samples/0/metrics/network_in",
            "/samples/0/metrics/response_time",
            "/samples/1/timestamp",
            "/samples/1/metrics/cpu_usge",
            "/samples/1/metrics/error_rate",
            "/samples/2/metrics"
        ]
    );
}

#[test]
fn values_end_where_whole_numbers_stop_being_exact() {
    let metrics = |name: &str, value: &str| -> Value {
        serde_json::from_str(&format!(r#"{{"metrics": {{"{name}": {value}}}}}"#)).unwrap()
    };
    for metric in Metric::ALL {
        let name = metric.as_str();
        let path = format!("/metrics/{name}");
        let largest = if metric.is_percentage() { "100" } else { "9007199254740992" };
        for fine in ["0", "-0.0", "1e-300", largest] {
            let samples = read(&metrics(name, fine)).unwrap();
            assert!(metric.accepts(samples[0].get(metric).unwrap()), "{name} {fine}");
        }
        for wrong in
            ["-1", "-1e-300", "9007199254740993", "9007199254740994.0", "18446744073709551615", "1.7e308"]
        {
            assert_eq!(pointers(&metrics(name, wrong)), [path.as_str()], "{name} {wrong}");
        }
    }
}

#[test]
fn a_batch_has_a_length_and_stands_alone() {
    let sample = json!({"metrics": {"cpu": 1}});
    assert_eq!(read(&json!({"samples": [sample, sample, sample]})).unwrap().len(), 3);
    assert_eq!(pointers(&json!({"samples": []})), ["/samples"]);
    assert_eq!(pointers(&json!({"samples": [sample, sample, sample, sample]})), ["/samples"]);
    assert_eq!(pointers(&json!({"samples": {}})), ["/samples"]);
    assert_eq!(pointers(&json!({"samples": [1]})), ["/samples/0"]);
    assert_eq!(pointers(&json!({"samples": [sample], "metrics": {"cpu": 1}})), ["/metrics"]);
}

#[test]
fn a_body_without_metrics_is_refused() {
    assert_eq!(pointers(&json!({})), ["/metrics"]);
    assert_eq!(pointers(&json!({"metrics": {"cpu": null}})), ["/metrics"]);
    assert_eq!(pointers(&json!({"metrics": 5})), ["/metrics"]);
    assert_eq!(pointers(&json!([])), [""]);
}

#[test]
fn timestamps_are_bounded_by_clock_skew_and_retention() {
    let at = |timestamp: &str| json!({"timestamp": timestamp, "metrics": {"cpu": 1}});
    assert!(read(&at("2024-01-20T14:35:00Z")).is_ok());
    assert!(read(&at("2024-01-20T23:30:00+09:00")).is_ok());
    assert!(read(&at("2022-12-16T14:30:00Z")).is_ok(), "400 days ago");
    for wrong in [
        "2024-01-20T14:35:00.001Z",
        "2022-12-16T14:29:59Z",
        "2024-01-20",
        "2024-01-20T14:30:00",
        "1705761000",
        "",
    ] {
        assert_eq!(pointers(&at(wrong)), ["/timestamp"], "{wrong}");
    }
    assert_eq!(pointers(&json!({"timestamp": 1_705_761_000, "metrics": {"cpu": 1}})), ["/timestamp"]);
}

#[test]
fn unknown_fields_are_accepted_by_the_thorough_pass_and_named() {
    let faults = Faults::default();
    let body = json!({"metrics": {"cpu": 1}, "host": "a"});
    assert!(fast::read(&serde_json::to_vec(&body).unwrap(), window(), 3).is_none());
    assert_eq!(read_samples(&body, window(), 3, &faults).len(), 1);
    assert_eq!(faults.finish().unwrap(), ["host"]);
}

#[test]
fn a_bare_nan_or_infinity_is_a_wrong_value_and_not_an_unreadable_body() {
    for number in ["NaN", "Infinity", "-Infinity", "1e999"] {
        let text = format!(r#"{{"metrics": {{"memory": 5, "cpu_usage": {number}}}}}"#);
        assert!(fast::read(text.as_bytes(), window(), 3).is_none());
        let body = crate::json::read(&quote_non_finite(text.as_bytes()), &SAMPLES).unwrap().value;
        assert_eq!(pointers(&body), ["/metrics/cpu_usage"], "{number}");
    }
}
