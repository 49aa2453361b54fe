#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use ecp_core::ids::{TenantId, TenantKey};
use ecp_core::metrics::Sample;
use ecp_core::text::Language;
use serde_json::json;

/// 20 January 2024, 14:30:00.25 UTC.
const NOW_MS: i64 = 1_705_761_000_250;

fn sample(timestamp_ms: i64, values: &[(Metric, f64)]) -> Sample {
    let mut sample = Sample::empty(timestamp_ms);
    for (metric, value) in values {
        sample.values[metric.index()] = *value;
    }
    sample
}

fn latest(samples: &[Sample]) -> Latest {
    let mut latest = Latest::default();
    latest.offer(samples, NOW_MS);
    latest
}

#[test]
fn a_frame_has_the_contracts_fields_and_its_number() {
    let values = [(Metric::CpuUsage, 65.5), (Metric::MemoryUsage, 78.2), (Metric::GpuUsage, 85.0)];
    let body = encode("my-ai-service", &latest(&[sample(NOW_MS, &values)]), u16::MAX);
    let frame: Value = serde_json::from_str(&numbered(&body, 7)).unwrap();
    assert_eq!(
        frame,
        json!({
            "timestamp": "2024-01-20T14:30:00Z",
            "tenant_id": "my-ai-service",
            "metrics": {"cpu": 65.5, "memory": 78.2, "gpu": 85.0},
            "seq": 7
        })
    );
}

#[test]
fn only_wanted_values_that_were_sent_are_in_a_frame() {
    let values = [(Metric::CpuUsage, 1.0), (Metric::NetworkIn, 1_250_000.0)];
    let latest = latest(&[sample(NOW_MS, &values)]);
    let wanted = read_subscription(&json!({"metrics": ["network", "gpu"]})).unwrap().metrics;
    let frame: Value = serde_json::from_str(&numbered(&encode("a", &latest, wanted), 1)).unwrap();
    assert_eq!(frame["metrics"], json!({"network_in": 1_250_000.0}));
    let wanted = read_subscription(&json!({"metrics": ["gpu"]})).unwrap().metrics;
    assert_eq!(encode("a", &latest, wanted), "");
}

#[test]
fn what_two_collectors_sent_is_one_frame_and_what_is_no_longer_sent_is_left_out() {
    let value = |time, metric, value| sample(time, &[(metric, value)]);
    let old = NOW_MS - CURRENT_MS - 1;
    let latest = latest(&[
        value(NOW_MS, Metric::CpuUsage, 41.0),
        value(NOW_MS - CURRENT_MS, Metric::MemoryUsage, 52.0),
        value(old, Metric::GpuUsage, 70.0),
    ]);
    let metrics = |wanted: u16| {
        let frame: Value = serde_json::from_str(&numbered(&encode("a", &latest, wanted), 1)).unwrap();
        frame["metrics"].clone()
    };
    assert_eq!(metrics(u16::MAX), json!({"cpu": 41.0, "memory": 52.0}));
    assert_eq!(metrics(bit(Metric::GpuUsage)), json!({"gpu": 70.0}), "alone it is the newest");
}

#[test]
fn only_changes_of_wanted_metrics_are_news() {
    let (cpu, gpu) = (bit(Metric::CpuUsage), bit(Metric::GpuUsage));
    let mut latest = latest(&[sample(NOW_MS, &[(Metric::CpuUsage, 1.0)])]);
    assert_eq!((news(&latest, cpu, None), news(&latest, gpu, None)), (1, 0));
    let seen = Metric::ALL.map(|metric| Some(latest.get(metric)?.changes));
    for value in [2.0, 3.0] {
        latest.offer(&[sample(NOW_MS, &[(Metric::GpuUsage, value)])], NOW_MS);
    }
    assert_eq!(news(&latest, cpu, Some(&seen)), 0);
    assert_eq!(news(&latest, cpu | gpu, Some(&seen)), 1, "it was not there before");
}

#[test]
fn a_subscription_may_leave_everything_out() {
    for body in [json!({}), json!({"metrics": null, "interval": null}), json!({"metrics": []})] {
        let subscription = read_subscription(&body).unwrap();
        assert_eq!(subscription.metrics, 0b1_1111_1111);
        assert_eq!(subscription.interval, Duration::from_secs(5));
    }
}

#[test]
fn every_wrong_field_of_a_subscription_is_named_with_the_nearest_metric() {
    let body = json!({"metrics": ["cpu", "memry", 3], "interval": 99});
    let error = read_subscription(&body).map(|_| ()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ValidationFailed);
    let envelope = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-test");
    let fields = envelope["error"]["details"]["fields"].as_array().unwrap();
    let pointers: Vec<&str> = fields.iter().map(|field| field["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/metrics/1", "/metrics/2", "/interval"]);
    assert!(fields[0]["reason"].as_str().unwrap().contains("'memory'"), "{}", fields[0]);
    for interval in [json!(100), json!(3_600_000), json!(5000.0)] {
        assert!(read_subscription(&json!({ "interval": interval })).is_ok());
    }
    for interval in [json!(3_600_001), json!(-1), json!("5000"), json!(100.5)] {
        assert!(read_subscription(&json!({ "interval": interval })).is_err());
    }
}

/// A subscriber of tenant `acme`, and what publishes its samples.
fn feed() -> (MonitoringFeed, watch::Sender<Option<Latest>>) {
    let (publish, samples) = watch::channel(None);
    let shared = Arc::new(TenantFeed::new(
        TenantKey { id: TenantId::parse("acme").unwrap(), incarnation: Default::default() },
        tokio_util::sync::CancellationToken::new(),
    ));
    let reminder = Some(Instant::now() + Duration::from_secs(10));
    (MonitoringFeed { shared, samples, subscription: None, reminder, seq: 0 }, publish)
}

fn publish(publish: &watch::Sender<Option<Latest>>, version: u64) {
    publish.send_modify(|latest| {
        let latest = latest.get_or_insert_default();
        while latest.version < version {
            let value = (latest.version + 1) as f64;
            latest.offer(&[sample(NOW_MS, &[(Metric::CpuUsage, value)])], NOW_MS);
        }
    });
}

/// The next frame and how many it replaces, where one comes within a time.
async fn frame_within(feed: &mut MonitoringFeed, time: Duration) -> Option<(Value, u64)> {
    match tokio::time::timeout(time, feed.next()).await {
        Ok(Step::Frame(frame)) => Some((serde_json::from_str(&frame).unwrap(), 0)),
        Ok(Step::Conflated(frame, count)) => Some((serde_json::from_str(&frame).unwrap(), count)),
        Ok(_) => panic!("no frame"),
        Err(_elapsed) => None,
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_subscribe_is_told_so_once_after_ten_seconds() {
    let (mut feed, publisher) = feed();
    publish(&publisher, 1);
    let opened = Instant::now();
    let Step::Fault(fault) = feed.next().await else { panic!("no fault") };
    assert_eq!(fault.code(), ErrorCode::InvalidRequest);
    assert_eq!(opened.elapsed(), Duration::from_secs(10));
    assert_eq!(frame_within(&mut feed, 1000 * SECOND).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_subscribed_and_unsubscribed_is_left_in_peace() {
    let (mut feed, publisher) = feed();
    publish(&publisher, 1);
    feed.command("subscribe", &json!({})).unwrap();
    assert!(frame_within(&mut feed, Duration::ZERO).await.is_some());
    feed.command("unsubscribe", &json!({})).unwrap();
    assert_eq!(frame_within(&mut feed, 1000 * SECOND).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_frame_comes_once_an_interval_and_only_with_news() {
    let (mut feed, publisher) = feed();
    feed.command("subscribe", &json!({"interval": 1000})).unwrap();
    let subscribed = Instant::now();
    assert_eq!(frame_within(&mut feed, 10 * SECOND).await, None);
    for version in 1..=3 {
        publish(&publisher, version);
        let (frame, conflated) = frame_within(&mut feed, SECOND).await.unwrap();
        assert_eq!((&frame["seq"], conflated), (&json!(version), 0));
        assert_eq!(subscribed.elapsed().as_millis() % 1000, 0, "frames keep to the beat");
    }
    assert_eq!(frame_within(&mut feed, 10 * SECOND).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_gets_the_newest_values_and_sees_the_gap() {
    let (mut feed, publisher) = feed();
    feed.command("subscribe", &json!({"interval": 1000})).unwrap();
    publish(&publisher, 1);
    assert_eq!(frame_within(&mut feed, SECOND).await.unwrap().0["seq"], 1);
    // Four samples and seven intervals pass while the client takes nothing.
    for version in 2..=5 {
        publish(&publisher, version);
    }
    tokio::time::advance(7 * SECOND).await;
    let (frame, conflated) = frame_within(&mut feed, Duration::ZERO).await.unwrap();
    assert_eq!((&frame["metrics"]["cpu"], &frame["seq"], conflated), (&json!(5.0), &json!(5), 3));
    // Hundreds of samples within one interval are one frame for everybody.
    for version in 6..=500 {
        publish(&publisher, version);
    }
    let (frame, conflated) = frame_within(&mut feed, SECOND).await.unwrap();
    assert_eq!((&frame["metrics"]["cpu"], &frame["seq"], conflated), (&json!(500.0), &json!(6), 0));
}

#[tokio::test(start_paused = true)]
async fn waiting_can_be_broken_off_at_any_time_without_loss() {
    let (mut feed, publisher) = feed();
    feed.command("subscribe", &json!({"interval": 1000})).unwrap();
    publish(&publisher, 1);
    frame_within(&mut feed, SECOND).await.unwrap();
    publish(&publisher, 2);
    for _ in 0..9 {
        assert_eq!(frame_within(&mut feed, SECOND / 10).await, None);
    }
    assert_eq!(frame_within(&mut feed, SECOND / 10).await.unwrap().0["seq"], 2);
}

#[test]
fn subscribers_of_the_same_metrics_share_what_is_encoded() {
    let (feed, _publisher) = feed();
    let frame = |wanted| {
        let encode = || encode("acme", &latest(&[sample(NOW_MS, &[(Metric::CpuUsage, 1.0)])]), wanted);
        feed.shared.samples.get((1, wanted), encode)
    };
    assert_eq!(frame(1).as_str().as_ptr(), frame(1).as_str().as_ptr());
    assert_ne!(frame(1).as_str().as_ptr(), frame(3).as_str().as_ptr());
}
