//! Tenants that have one id, one after another: nothing of one is ever seen under the next, whatever is
//! on its way while it goes.

use ecp_testkit::{Client, Socket, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::task::JoinHandle;

const TENANT: &str = "/api/v1/tenants/again";
const MONITORING: &str = "/api/v1/tenants/again/monitoring";
const ALERTS: &str = "/api/v1/tenants/again/alerts";
/// Senders of samples at a time.
const SENDERS: usize = 4;

fn again() -> Value {
    json!({"tenant_id": "again", "name": "Again", "preset": "micro", "service_requirements": {"chatbot": 5}})
}

/// Sends samples with this CPU use, one and many, until the tenant is gone; returns how many were taken.
async fn send_until_gone(client: Client, cpu: f64, batch: usize) -> usize {
    let sample = json!({"metrics": {"cpu": cpu, "memory": 97}});
    let body = if batch == 1 { sample } else { json!({"samples": vec![sample; batch]}) };
    let mut taken = 0;
    loop {
        let reply = client.post(MONITORING, &body).await;
        match reply.status.as_u16() {
            201 => taken += batch,
            404 => return taken,
            other => panic!("{other}: {}", reply.text),
        }
    }
}

/// Reads a stream to its end and returns its frames.
fn read_to_end(mut socket: Socket) -> JoinHandle<Vec<Value>> {
    tokio::spawn(async move {
        let mut frames = Vec::new();
        while let Ok(frame) = socket.next().await {
            frames.push(frame);
        }
        frames
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deletion_under_load_leaves_nothing_to_the_next_tenant_of_the_id() {
    let mut server = TestServer::start().await;
    let mut tags = BTreeSet::new();
    for life in 0..6 {
        // Each life has a load of its own, so that whose a sample is can be told.
        let cpu = f64::from(90 + life);
        server.deploy(&again()).await;
        let client = server.client().clone();
        let empty = client.get(MONITORING).await.expect(200).json();
        assert_eq!(empty["summary"], json!({}), "life {life}: {empty}");
        assert_eq!(client.get(ALERTS).await.expect(200).json()["total_count"], 0, "life {life}");
        let tag = client.get(TENANT).await.expect(200).header("etag").to_owned();
        for old in &tags {
            for method in [Method::PUT, Method::DELETE] {
                let request = client.request(method, TENANT).header("if-match", old);
                client.send(request.json(&json!({"name": "stale"}))).await.expect(412);
            }
        }
        assert!(tags.insert(tag), "life {life} has the tag of an earlier one");

        let mut monitoring = server.socket("/ws/monitoring/again").await;
        monitoring.send(&json!({"action": "subscribe", "metrics": ["cpu"], "interval": 100})).await;
        let streams = [read_to_end(monitoring), read_to_end(server.socket("/ws/alerts/again").await)];
        let senders: Vec<_> = (0..SENDERS)
            .map(|index| tokio::spawn(send_until_gone(client.clone(), cpu, [1, 100][index % 2])))
            .collect();
        // The deletion begins in the middle of it, as soon as the load is seen.
        while client.get(ALERTS).await.expect(200).json()["total_count"] == 0 {
            tokio::task::yield_now().await;
        }
        client.delete(&format!("{TENANT}?force=true")).await.expect(200);
        server.wait_for_status(TENANT, 404).await;
        let mut taken = 0;
        for sender in senders {
            taken += sender.await.expect("a sender ends");
        }
        assert!(taken > 0);
        let [monitoring, alerts] = streams;
        for frame in monitoring.await.expect("the stream ends") {
            assert_eq!(frame["metrics"]["cpu"], json!(cpu), "life {life}: {frame}");
        }
        for frame in alerts.await.expect("the stream ends") {
            let value = frame["current_value"].as_f64().expect("a number");
            assert!(value == cpu || value == 97.0, "life {life}: {frame}");
        }
        if life == 3 {
            let folder = server.stop().await;
            server = TestServer::builder().folder(folder).start().await;
        }
    }
}

#[tokio::test]
async fn a_sample_of_an_earlier_tenant_does_not_come_back_with_a_restart() {
    let server = TestServer::start().await;
    let client = server.client().clone();
    server.deploy(&again()).await;
    client.post(MONITORING, &json!({"metrics": {"cpu": 99}})).await.expect(201);
    client.delete(&format!("{TENANT}?force=true")).await.expect(200);
    server.wait_for_status(TENANT, 404).await;
    client.post(MONITORING, &json!({"metrics": {"cpu": 99}})).await.expect(404);
    server.deploy(&again()).await;
    let folder = server.stop().await;
    let server = TestServer::builder().folder(folder).start().await;
    let client = server.client();
    assert_eq!(client.get(MONITORING).await.expect(200).json()["summary"], json!({}));
    assert_eq!(client.get(ALERTS).await.expect(200).json()["total_count"], 0);
    client.post(MONITORING, &json!({"metrics": {"cpu": 10}})).await.expect(201);
    let body = client.get(MONITORING).await.expect(200).json();
    assert_eq!((&body["summary"]["avg_cpu"], &body["summary"]["max_cpu"]), (&json!(10.0), &json!(10.0)));
}

#[tokio::test]
async fn an_idempotency_key_never_brings_a_deleted_tenant_back() {
    let server = TestServer::start().await;
    let client = server.client();
    let create = async || {
        let request = client.request(Method::POST, "/api/v1/tenants/").header("idempotency-key", "once");
        client.send(request.json(&again())).await.expect(201)
    };
    let first = create().await;
    client.delete(&format!("{TENANT}?force=true")).await.expect(200);
    server.wait_for_status(TENANT, 404).await;
    let late = create().await;
    assert_eq!((late.text, late.headers.contains_key("idempotent-replayed")), (first.text, true));
    client.get(TENANT).await.expect(404);
}
