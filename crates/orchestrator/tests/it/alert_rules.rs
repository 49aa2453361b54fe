//! The rules by which a tenant is alerted, and the alerts that they lead to.

use ecp_testkit::{Client, TestServer, my_ai_service};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const RULES: &str = "/api/v1/tenants/my-ai-service/alert-rules";
const ALERTS: &str = "/api/v1/tenants/my-ai-service/alerts?status=open";
const SAMPLES: &str = "/api/v1/tenants/my-ai-service/monitoring";

async fn send(client: &Client, metrics: Value) {
    client.post(SAMPLES, &json!({ "metrics": metrics })).await.expect(201);
}

/// Metric and severity of the open alerts, newest first.
async fn open(client: &Client) -> Vec<(String, String)> {
    let list = client.get(ALERTS).await.expect(200).json();
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    let alerts = list["alerts"].as_array().expect("alerts");
    alerts.iter().map(|alert| (text(&alert["metric"]), text(&alert["severity"]))).collect()
}

fn alert(metric: &str, severity: &str) -> (String, String) {
    (metric.to_owned(), severity.to_owned())
}

#[tokio::test]
async fn rules_hold_at_once_and_after_a_restart_and_an_empty_body_brings_the_defaults_back() {
    let server = TestServer::start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let rules = client.get(RULES).await.expect(200).json();
    assert_eq!(rules["rules"].as_object().expect("rules").len(), 8, "{rules}");
    assert_eq!(
        rules["rules"]["response_time"],
        json!({"type": "performance", "unit": "percent_of_sla", "warning": 100.0, "critical": 200.0,
            "for_seconds": 0, "enabled": true, "is_default": true})
    );
    assert_eq!(rules["rules"]["samples"]["for_seconds"], 300);

    send(client, json!({"cpu": 60.0, "response_time": 150.0})).await;
    assert_eq!(open(client).await, []);
    let mine = json!({"rules": {"cpu": {"warning": 50, "critical": 70}, "response_time": {"warning": 60}}});
    let set = client.put(RULES, &mine).await.expect(200).json();
    assert_eq!(
        (&set["rules"]["cpu"]["critical"], &set["rules"]["cpu"]["is_default"]),
        (&json!(70.0), &json!(false))
    );
    let mut both = open(client).await;
    both.sort();
    assert_eq!(
        both,
        [alert("cpu", "warning"), alert("response_time", "warning")],
        "what was sent last is judged"
    );

    let server = TestServer::builder().folder(server.stop().await).start().await;
    let client = server.client();
    assert_eq!(client.get(RULES).await.expect(200).json(), set, "they are kept");
    send(client, json!({"cpu": 71.0, "response_time": 20.0})).await;
    assert_eq!(open(client).await, [alert("cpu", "critical")]);
    // What was read can be sent back as it is.
    assert_eq!(client.put(RULES, &set).await.expect(200).json(), set);
    let off = json!({"rules": {"cpu": {"enabled": false}}});
    client.put(RULES, &off).await.expect(200);
    assert_eq!(open(client).await, []);
    send(client, json!({"cpu": 99.0})).await;
    assert_eq!(open(client).await, []);
    assert_eq!(client.put(RULES, &json!({})).await.expect(200).json(), rules);
    assert_eq!(open(client).await, [alert("cpu", "critical")]);
    let trail = client.get("/api/v1/audit?action=tenant.alert_rules").await.expect(200).json();
    assert_eq!(trail["entries"].as_array().map(Vec::len), Some(4), "{trail}");
}

#[tokio::test]
async fn every_wrong_rule_is_named_and_nothing_is_set() {
    let server = TestServer::start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    let wrong = json!({"rules": {
        "cpuu": {}, "cpu": {"warning": 96}, "gpu": {"warning": 101, "for_seconds": -1},
        "samples": {"warning": 5, "for_seconds": 1}, "memory": {"enabled": "no"}, "storage": 5,
    }});
    let refused = client.put(RULES, &wrong).await.expect(422).json();
    let fields = refused["error"]["details"]["fields"].as_array().expect("fields");
    let pointers: Vec<&str> = fields.iter().filter_map(|field| field["pointer"].as_str()).collect();
    for pointer in [
        "/rules/cpuu",
        "/rules/cpu/critical",
        "/rules/gpu/warning",
        "/rules/gpu/for_seconds",
        "/rules/samples/warning",
        "/rules/samples/for_seconds",
        "/rules/memory/enabled",
        "/rules/storage",
    ] {
        assert!(pointers.contains(&pointer), "{pointer} is not in {pointers:?}");
    }
    let unknown = client.put(RULES, &json!({"rules": {"cpu": {"warn": 5}}})).await.expect(200);
    assert!(unknown.header("warning").contains("rules/cpu/warn"), "{:?}", unknown.headers);
    let rules = unknown.json();
    assert_eq!(rules["rules"]["cpu"]["is_default"], true);

    // Rules outside of `rules` are not passed over: that would bring every default back.
    let own = client.put(RULES, &json!({"rules": {"gpu": {"warning": 70}}})).await.expect(200).json();
    for metric in rules["rules"].as_object().expect("rules").keys() {
        let refused = client.put(RULES, &json!({metric: {"enabled": true}})).await.expect(422).json();
        assert_eq!(refused["error"]["details"]["fields"][0]["pointer"], format!("/{metric}"));
    }
    assert_eq!(client.get(RULES).await.expect(200).json(), own);
    client.get("/api/v1/tenants/none/alert-rules").await.expect(404);
}

#[tokio::test]
async fn a_later_tenant_of_the_id_has_the_defaults() {
    let server = TestServer::start().await;
    let client = server.client();
    server.deploy(&my_ai_service()).await;
    client.put(RULES, &json!({"rules": {"gpu": {"enabled": false}}})).await.expect(200);
    client.delete("/api/v1/tenants/my-ai-service").await.expect(200);
    server.wait_for_status(RULES, 404).await;
    server.create(&my_ai_service()).await;
    assert_eq!(client.get(RULES).await.expect(200).json()["rules"]["gpu"]["is_default"], true);
}

#[tokio::test]
async fn a_failed_roll_out_is_a_critical_alert_until_the_tenant_recovers() {
    let server = TestServer::start().await;
    let client = server.client();
    let mut broken = my_ai_service();
    broken["demo_fault"] = json!("image-not-found");
    server.deploy(&broken).await;
    let until = Instant::now() + Duration::from_secs(10);
    let failed = [alert("deployment", "critical")];
    while open(client).await != failed {
        assert!(Instant::now() < until, "{:?}", open(client).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let of_type = client.get("/api/v1/alerts?type=deployment_failed").await.expect(200).json();
    assert_eq!(
        (&of_type["total_count"], &of_type["alerts"][0]["type"]),
        (&json!(1), &json!("deployment_failed"))
    );
    let mended = json!({"demo_fault": "none"});
    let change = client.put("/api/v1/tenants/my-ai-service", &mended).await.expect(200).json();
    server.follow(change["deployment_id"].as_str().expect("an id")).await;
    while !open(client).await.is_empty() {
        assert!(Instant::now() < until, "{:?}", open(client).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    // One that is taken back by itself failed as well, however soon the tenant runs again.
    let broken = json!({"service_requirements": {"chatbot": 11}, "demo_fault": "image-not-found"});
    client.put("/api/v1/tenants/my-ai-service?rollback=true", &broken).await.expect(200);
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let told = client.get("/api/v1/alerts?type=deployment_failed&status=all").await.expect(200).json();
        if told["total_count"] == 2 && open(client).await.is_empty() {
            break;
        }
        assert!(Instant::now() < until, "{told}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
