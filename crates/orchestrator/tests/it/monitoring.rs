//! Samples: ingest and query; the cluster as a whole.

use ecp_testkit::{ManualClock, TestServer, my_ai_service};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const PATH: &str = "/api/v1/tenants/my-ai-service/monitoring";

/// A server at a fixed time with the contract's tenant.
async fn server() -> TestServer {
    let clock = Arc::new(ManualClock::at("2024-01-20T15:00:00Z"));
    let server = TestServer::builder().clock(clock).start().await;
    server.create(&my_ai_service()).await;
    server
}

async fn send(server: &TestServer, body: Value) {
    server.client().post(PATH, &body).await.expect(201);
}

/// Asks again until the answer is the expected one: alerts are recorded beside the samples' way.
async fn until(ask: impl AsyncFn() -> Value, expected: impl Fn(&Value) -> bool) -> Value {
    let patience = Duration::from_secs(20);
    let asking = async {
        loop {
            let answer = ask().await;
            if expected(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(patience, asking).await.expect("the expected answer comes")
}

#[tokio::test]
async fn samples_come_back_as_averages_by_bucket_with_a_summary_over_the_raw_ones() {
    let server = server().await;
    for (time, cpu) in [("14:00:00", 60.0), ("14:04:59", 71.0), ("14:05:00", 80.5)] {
        send(&server, json!({"timestamp": format!("2024-01-20T{time}Z"), "metrics": {"cpu_usage": cpu}}))
            .await;
    }
    let body = server.client().get(&format!("{PATH}?metric_type=cpu&hours=2")).await.expect(200).json();
    assert_eq!(
        body,
        json!({
            "tenant_id": "my-ai-service",
            "time_range": {"start": "2024-01-20T13:00:00Z", "end": "2024-01-20T15:00:00Z"},
            "metrics": {"cpu": [
                {"timestamp": "2024-01-20T14:00:00Z", "value": 65.5},
                {"timestamp": "2024-01-20T14:05:00Z", "value": 80.5}
            ]},
            "summary": {"avg_cpu": 70.5, "max_cpu": 80.5}
        })
    );
}

#[tokio::test]
async fn a_post_is_accepted_with_long_and_short_names_and_as_a_batch() {
    let server = server().await;
    let client = server.client();
    let single = client.post(PATH, &json!({"metrics": {"cpu": 65.5, "memory": 78.2}})).await.expect(201);
    assert_eq!(single.json(), json!({"tenant_id": "my-ai-service", "accepted": 1}));
    let batch = json!({"samples": [
        {"timestamp": "2024-01-20T14:00:00Z", "metrics": {"network_in": 1_250_000, "network_out": 850_000}},
        {"timestamp": "2024-01-20T14:01:00Z", "metrics": {"storage_used": 750_000_000_000_u64}}
    ]});
    assert_eq!(client.post(PATH, &batch).await.expect(201).json()["accepted"], 2);
    let body = client.get(PATH).await.expect(200).json();
    for series in ["cpu", "memory", "network_in", "network_out", "storage"] {
        assert_eq!(body["metrics"][series].as_array().map(Vec::len), Some(1), "{series}");
    }
    assert_eq!(body["summary"]["max_storage"], 750_000_000_000.0);
    assert!(body["summary"].get("avg_gpu").is_none(), "{}", body["summary"]);
}

#[tokio::test]
async fn the_same_timestamp_replaces_the_sample() {
    let server = server().await;
    for cpu in [10, 20] {
        send(&server, json!({"timestamp": "2024-01-20T14:00:00Z", "metrics": {"cpu": cpu}})).await;
    }
    let body = server.client().get(&format!("{PATH}?metric_type=cpu")).await.json();
    assert_eq!(body["summary"], json!({"avg_cpu": 20.0, "max_cpu": 20.0}));
}

#[tokio::test]
async fn collectors_of_one_second_complete_each_other_and_a_correction_counts_once() {
    let server = server().await;
    let at = "2024-01-20T13:30:00Z";
    for metrics in [json!({"cpu": 41, "memory": 52}), json!({"gpu": 77}), json!({"gpu": 70})] {
        send(&server, json!({"timestamp": at, "metrics": metrics})).await;
    }
    let check = async |server: &TestServer| {
        for interval in ["1m", "5m", "1h"] {
            let query = format!("{PATH}?metric_type=cpu,memory,gpu&hours=6&interval={interval}");
            let body = server.client().get(&query).await.expect(200).json();
            for (series, value) in [("cpu", 41.0), ("memory", 52.0), ("gpu", 70.0)] {
                let points = body["metrics"][series].as_array().expect("points");
                assert_eq!((points.len(), &points[0]["value"]), (1, &json!(value)), "{interval} {body}");
                for figure in ["avg", "max"] {
                    assert_eq!(body["summary"][format!("{figure}_{series}")], json!(value), "{interval}");
                }
            }
        }
    };
    check(&server).await;
    let clock = Arc::new(ManualClock::at("2024-01-20T15:00:00Z"));
    let server = TestServer::builder().clock(clock).folder(server.stop().await).start().await;
    check(&server).await;
}

#[tokio::test]
async fn one_clock_that_is_ahead_blinds_no_alert_and_raises_none_before_its_time() {
    let clock = Arc::new(ManualClock::at("2024-01-20T15:00:00Z"));
    let server = TestServer::builder().clock(clock.clone()).start().await;
    server.create(&my_ai_service()).await;
    let at =
        |time: &str, metrics: Value| json!({"timestamp": format!("2024-01-20T{time}Z"), "metrics": metrics});
    send(&server, at("15:00:00", json!({"cpu": 30, "memory": 30}))).await;
    send(&server, at("15:04:00", json!({"cpu": 50, "gpu": 99}))).await;
    send(&server, at("15:00:00", json!({"cpu": 99}))).await;
    send(&server, at("15:00:00", json!({"memory": 97}))).await;
    let open = async || {
        let path = "/api/v1/tenants/my-ai-service/alerts?status=open";
        let body = server.client().get(path).await.expect(200).json();
        let alerts = body["alerts"].as_array().expect("alerts").iter();
        let told = |alert: &Value| {
            let text = |name: &str| alert[name].as_str().unwrap_or_default().to_owned();
            (text("metric"), text("severity"), alert["current_value"].as_f64().unwrap_or_default())
        };
        let mut open: Vec<_> = alerts.map(told).collect();
        open.sort_by(|a, b| a.0.cmp(&b.0));
        json!(open)
    };
    assert_eq!(open().await, json!([["cpu", "critical", 99.0], ["memory", "critical", 97.0]]));
    let mut socket = server.socket("/ws/monitoring/my-ai-service").await;
    socket.send(&json!({"action": "subscribe", "interval": 100})).await;
    let frame = socket.frame().await;
    assert_eq!(frame["metrics"], json!({"cpu": 99.0, "memory": 97.0}));
    assert_eq!(frame["timestamp"], "2024-01-20T15:00:00Z");
    clock.advance(jiff::SignedDuration::from_mins(4));
    let expected = json!([["gpu", "critical", 99.0], ["memory", "critical", 97.0]]);
    until(open, |open| *open == expected).await;
    assert_eq!(socket.frame().await["metrics"]["gpu"], json!(99.0));
}

#[tokio::test]
async fn an_answer_given_before_hides_nothing_that_came_since() {
    let clock = Arc::new(ManualClock::at("2024-01-20T15:00:00Z"));
    let server = TestServer::builder().clock(clock.clone()).start().await;
    server.create(&my_ai_service()).await;
    let sample =
        |time: &str, cpu: f64| json!({"timestamp": format!("2024-01-20T{time}Z"), "metrics": {"cpu": cpu}});
    let told = async |hours: u32| {
        let path = format!("{PATH}?metric_type=cpu&hours={hours}");
        let (first, again) = (server.client().get(&path).await, server.client().get(&path).await);
        assert_eq!(first.text, again.text, "the second answer of the same moment is the first");
        let body = first.expect(200).json();
        let values =
            body["metrics"]["cpu"].as_array().expect("points").iter().map(|point| point["value"].clone());
        (values.collect::<Vec<_>>(), body["summary"]["max_cpu"].clone(), body["time_range"]["end"].clone())
    };
    assert_eq!(told(1).await.0, [] as [Value; 0]);
    send(&server, sample("14:30:00", 40.0)).await;
    assert_eq!(told(1).await.0, [40.0]);
    send(&server, sample("14:30:00", 60.0)).await;
    assert_eq!(told(1).await.0, [60.0], "a correction");
    send(&server, sample("12:30:00", 99.0)).await;
    assert_eq!(told(1).await.0, [60.0]);
    assert_eq!(told(24).await.0, [99.0, 60.0], "another range is another answer");
    clock.advance(jiff::SignedDuration::from_secs(2));
    assert_eq!(told(1).await.2, "2024-01-20T15:00:02Z", "the range goes on");
    clock.advance(jiff::SignedDuration::from_mins(31));
    assert_eq!(told(1).await.0, [] as [Value; 0], "the bucket left the range");
    send(&server, sample("15:33:00", 70.0)).await;
    assert_eq!(told(1).await, (vec![], Value::Null, json!("2024-01-20T15:31:02Z")), "ahead of the clock");
    clock.advance(jiff::SignedDuration::from_mins(2));
    assert_eq!(told(1).await.0, [70.0], "and due now");
}

#[tokio::test]
async fn a_wrong_sample_refuses_the_whole_batch_and_names_every_fault() {
    let server = server().await;
    let batch = json!({"samples": [
        {"metrics": {"cpu_usage": 50}},
        {"timestamp": "2024-01-20T15:06:00Z", "metrics": {"cpu_usage": 101, "network_in": -1}},
        {"timestamp": "2001-01-01T00:00:00Z", "metrics": {"cpu_usge": 5}}
    ]});
    let reply = server.client().post(PATH, &batch).await.expect(422);
    let body = reply.json();
    let fields = body["error"]["details"]["fields"].as_array().expect("fields").iter();
    let pointers: Vec<&Value> = fields.map(|field| &field["pointer"]).collect();
    assert_eq!(
        pointers,
        [
            "/samples/1/timestamp",
            "/samples/1/metrics/cpu_usage",
            "/samples/1/metrics/network_in",
            "/samples/2/timestamp",
            "/samples/2/metrics/cpu_usge"
        ]
    );
    assert!(reply.text.contains("'cpu_usage'"), "the nearest name: {}", reply.text);
    assert_eq!(server.client().get(PATH).await.json()["summary"], json!({}));
    let nan = server.client().post_text(PATH, r#"{"metrics": {"cpu_usage": NaN}}"#).await.expect(422);
    assert_eq!(nan.json()["error"]["details"]["fields"][0]["pointer"], "/metrics/cpu_usage");
}

#[tokio::test]
async fn a_query_is_checked_and_a_range_with_too_many_points_names_the_way_out() {
    let server = server().await;
    let wrong = format!("{PATH}?metric_type=cpus,gpu&hours=8761&interval=2m");
    let reply = server.client().get(&wrong).await.expect(422);
    let body = reply.json();
    let fields = body["error"]["details"]["fields"].as_array().expect("fields");
    assert_eq!(fields.len(), 3, "{body}");
    assert!(reply.text.contains("'cpu'"), "{}", reply.text);
    let reply = server.client().get(&format!("{PATH}?hours=8760&interval=5m")).await.expect(422);
    assert!(reply.text.contains("1h"), "{}", reply.text);
    server.client().get(&format!("{PATH}?hours=8760&interval=1h")).await.expect(200);
}

#[tokio::test]
async fn an_unknown_tenant_is_404_for_samples_too() {
    let server = TestServer::start().await;
    let path = "/api/v1/tenants/none/monitoring";
    let sample = json!({"metrics": {"cpu": 1}});
    assert_eq!(server.client().post(path, &sample).await.expect(404).error_code(), "TENANT_NOT_FOUND");
    assert_eq!(server.client().get(path).await.expect(404).error_code(), "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn the_cluster_fills_as_tenants_come() {
    let server = TestServer::start().await;
    let system = async || server.client().get("/api/v1/monitoring/system").await.expect(200).json();
    let before = system().await;
    assert_eq!((&before["total_tenants"], &before["active_tenants"]), (&json!(0), &json!(0)));
    assert_eq!(before["cluster_status"], "healthy");
    server.deploy(&my_ai_service()).await;
    let after = system().await;
    assert_eq!((&after["total_tenants"], &after["active_tenants"]), (&json!(1), &json!(1)));
    assert_eq!(before["total_resources"], after["total_resources"]);
    let gpus = |body: &Value| body["used_resources"]["gpu"].as_u64().expect("a number");
    assert_eq!(gpus(&after), gpus(&before) + 3);
    assert!(after["utilization"]["gpu"].as_f64() > before["utilization"]["gpu"].as_f64());
}

#[tokio::test]
async fn an_alert_opens_once_resolves_and_is_listed() {
    let server = server().await;
    let client = server.client();
    let alerts = async |query: &str| {
        client.get(&format!("/api/v1/tenants/my-ai-service/alerts{query}")).await.expect(200).json()
    };
    assert_eq!(alerts("").await["total_count"], 0);
    for second in [0, 5, 10] {
        send(
            &server,
            json!({"timestamp": format!("2024-01-20T14:59:{second:02}Z"), "metrics": {"cpu": 85.2}}),
        )
        .await;
    }
    let open = until(async || alerts("?status=open").await, |open| open["total_count"] == 1).await;
    let alert = &open["alerts"][0];
    assert_eq!((&alert["severity"], &alert["type"]), (&json!("warning"), &json!("resource_usage")));
    assert_eq!((&alert["metric"], &alert["threshold"]), (&json!("cpu"), &json!(80.0)));
    assert_eq!((&alert["state"], &alert["resolved_at"]), (&json!("open"), &Value::Null));
    assert_eq!(alerts("?status=resolved").await["total_count"], 0);

    send(&server, json!({"timestamp": "2024-01-20T14:59:30Z", "metrics": {"cpu": 50}})).await;
    let resolved = until(async || alerts("?status=resolved").await, |body| body["total_count"] == 1).await;
    assert_eq!(alerts("?status=open").await["total_count"], 0);
    assert_eq!(resolved["alerts"][0]["alert_id"], alert["alert_id"]);
    assert_eq!(resolved["alerts"][0]["state"], "resolved");
    assert_eq!(alerts("?limit=1").await["pagination"], json!({"skip": 0, "limit": 1, "has_more": false}));
    let wrong = client.get("/api/v1/tenants/my-ai-service/alerts?status=opened").await.expect(422);
    assert!(wrong.text.contains("'open'"), "{}", wrong.text);
    client.get("/api/v1/tenants/none/alerts").await.expect(404);
}

#[tokio::test]
async fn alerts_of_all_tenants_are_listed_and_filtered() {
    let server = server().await;
    let client = server.client();
    let other =
        json!({"tenant_id": "other", "name": "o", "preset": "micro", "service_requirements": {"chatbot": 5}});
    server.create(&other).await;
    send(&server, json!({"metrics": {"cpu": 97, "error_rate": 2}})).await;
    client.post("/api/v1/tenants/other/monitoring", &json!({"metrics": {"cpu": 85}})).await.expect(201);
    let list = async |query: &str| client.get(&format!("/api/v1/alerts{query}")).await.expect(200).json();
    until(async || list("").await, |body| body["total_count"] == 3).await;
    let found = async |query: &str| {
        let body = list(query).await;
        let alerts = body["alerts"].as_array().expect("alerts").iter();
        let mut told: Vec<String> = alerts
            .map(|alert| format!("{}/{}", alert["tenant_id"], alert["metric"]).replace('"', ""))
            .collect();
        told.sort();
        assert_eq!(body["total_count"], told.len(), "{body}");
        told.join(" ")
    };
    assert_eq!(found("?status=open").await, "my-ai-service/cpu my-ai-service/error_rate other/cpu");
    assert_eq!(found("?severity=critical").await, "my-ai-service/cpu");
    assert_eq!(found("?type=performance").await, "my-ai-service/error_rate");
    assert_eq!(found("?tenant_id=other&severity=warning&type=resource_usage").await, "other/cpu");
    assert_eq!(found("?status=resolved").await, "");
    assert_eq!(list("?limit=2").await["pagination"], json!({"skip": 0, "limit": 2, "has_more": true}));
    client.get("/api/v1/alerts?tenant_id=none").await.expect(404);
    let wrong = client.get("/api/v1/alerts?severity=critcal&type=x&status=opened").await.expect(422);
    assert_eq!(wrong.json()["error"]["details"]["fields"].as_array().map(Vec::len), Some(3));
    assert!(wrong.text.contains("'critical'"), "{}", wrong.text);
    assert_eq!(client.real().get("/api/v1/alerts").await.expect(200).json()["total_count"], 0);
}
