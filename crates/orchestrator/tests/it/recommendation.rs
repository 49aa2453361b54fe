//! Which size fits by what was measured.

use ecp_testkit::{ManualClock, TestServer};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A sample an hour, the last of them now.
fn samples(hours: usize, now: &str, gpu: f64, response_time: f64) -> Value {
    let now: jiff::Timestamp = now.parse().expect("a time");
    let one = |hour: usize| {
        let at = now - HOUR * i32::try_from(hour).expect("few");
        json!({"timestamp": at.to_string(), "metrics": {"cpu": 10, "memory": 10, "gpu": gpu, "response_time": response_time}})
    };
    json!({ "samples": (0..hours).map(one).collect::<Vec<_>>() })
}

#[tokio::test]
async fn a_week_of_little_load_recommends_less_and_what_it_says_to_send_is_taken() {
    let clock = Arc::new(ManualClock::at("2026-11-01T00:30:00Z"));
    let server = TestServer::builder().clock(clock.clone()).start().await;
    let client = server.client();
    let tenant = json!({
        "tenant_id": "idle", "name": "Idle", "preset": "large",
        "service_requirements": {"callbot": 200, "chatbot": 500},
    });
    client.post("/api/v1/tenants/", &tenant).await.expect(201);
    let path = "/api/v1/tenants/idle/recommendation";
    clock.advance(HOUR * 24 * 7);
    let few = samples(3, "2026-11-08T00:30:00Z", 1.0, 50.0);
    client.post("/api/v1/tenants/idle/monitoring", &few).await.expect(201);
    let early = client.get(path).await.expect(200).json();
    assert_eq!((&early["advice"], &early["confidence"]), (&json!("wait"), &json!("low")), "{early:#}");
    assert_eq!((&early["recommended"], &early["apply"]), (&Value::Null, &Value::Null));

    let week = samples(168, "2026-11-08T00:30:00Z", 1.0, 50.0);
    client.post("/api/v1/tenants/idle/monitoring", &week).await.expect(201);
    let answer = client.get(path).await.expect(200).json();
    assert_eq!((&answer["advice"], &answer["confidence"]), (&json!("shrink"), &json!("high")), "{answer:#}");
    assert_eq!(answer["data"]["source"], "measured");
    assert_eq!(answer["data"]["hours_with_samples"], 168);
    assert_eq!(answer["observed"]["gpu"]["busiest_hour"], 1.0);
    assert_eq!(answer["observed"]["response_time"]["p95"], 50.0);
    let cost = |fit: &str| answer[fit]["operator_cost_usd"].as_u64().expect("dollars");
    assert!(cost("recommended") < cost("current"), "{answer:#}");

    // Nothing was changed by asking, and what is to be sent is taken as it is.
    let before = client.get("/api/v1/tenants/idle").await.json();
    assert_eq!(before["service_requirements"], tenant["service_requirements"]);
    let apply = async || {
        let put = client.request(reqwest::Method::PUT, "/api/v1/tenants/idle");
        let put = put.header("if-match", format!("\"{}\"", answer["generation"]));
        client.send(put.json(&answer["apply"])).await
    };
    apply().await.expect(200);
    let after = client.get("/api/v1/tenants/idle").await.json();
    assert_eq!(after["service_requirements"], answer["recommended"]["service_requirements"]);
    assert_eq!(after["preset"], answer["recommended"]["preset"]);
    assert_eq!(after["resources"], answer["recommended"]["resources"]);
    // It was for the tenant as it was: by now it is another one.
    let stale = apply().await;
    assert_eq!((stale.status.as_u16(), stale.error_code()), (412, json!("CONFLICT")));
    assert_eq!(client.get("/api/v1/tenants/idle").await.json()["generation"], after["generation"]);
}

#[tokio::test]
async fn a_missed_sla_recommends_more_and_bad_hours_are_refused() {
    let clock = Arc::new(ManualClock::at("2026-11-01T00:30:00Z"));
    let server = TestServer::builder().clock(clock.clone()).start().await;
    let client = server.client();
    let tenant = json!({"tenant_id": "busy", "name": "Busy", "service_requirements": {"callbot": 50}});
    client.post("/api/v1/tenants/", &tenant).await.expect(201);
    clock.advance(HOUR * 24 * 7);
    let week = samples(168, "2026-11-08T00:30:00Z", 70.0, 400.0);
    client.post("/api/v1/tenants/busy/monitoring", &week).await.expect(201);
    let answer = client.get("/api/v1/tenants/busy/recommendation?hours=168").await.expect(200).json();
    assert_eq!(answer["advice"], "grow", "{answer:#}");
    let callbot = |fit: &str| answer[fit]["service_requirements"]["callbot"].as_u64().expect("channels");
    assert!(callbot("recommended") > callbot("current"), "{answer:#}");
    for figure in answer["explanation"].as_array().expect("figures") {
        for name in ["name", "formula", "inputs", "result", "unit", "label", "source"] {
            assert!(!figure[name].is_null(), "{name} of {figure}");
        }
    }
    for wrong in ["hours=0", "hours=8761", "hours=x"] {
        let refused = client.get(&format!("/api/v1/tenants/busy/recommendation?{wrong}")).await.expect(422);
        assert_eq!(refused.error_code(), "VALIDATION_FAILED", "{wrong}");
    }
    client.get("/api/v1/tenants/nobody/recommendation").await.expect(404);
}
