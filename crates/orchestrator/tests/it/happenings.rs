//! Events and logs of demo mode's cluster.

use ecp_core::access::Role;
use ecp_core::ports::SystemClock;
use ecp_store::{AccessStore, NewToken};
use ecp_testkit::{TestServer, my_ai_service};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

const TENANT: &str = "/api/v1/tenants/my-ai-service";

#[tokio::test]
async fn events_are_told_newest_first_with_the_pod_that_they_are_about() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let events = server.client().get(&format!("{TENANT}/events")).await.expect(200).json();
    let events = events["events"].as_array().expect("a list").clone();
    assert!(events.len() > 5, "{events:?}");
    let times: Vec<&str> = events.iter().filter_map(|event| event["timestamp"].as_str()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b), "{times:?}");
    for reason in ["Scheduled", "Pulling", "Pulled", "Started"] {
        assert!(events.iter().any(|event| event["reason"] == reason), "{reason}");
    }
    assert!(events.iter().all(|event| event["object"]["kind"] == "Pod" && event["type"] == "Normal"));
    let two = server.client().get(&format!("{TENANT}/events?limit=2")).await.expect(200).json();
    assert_eq!(two["events"], json!(events[..2]));
    server.client().get(&format!("{TENANT}/events?limit=0")).await.expect(422);
    server.client().get("/api/v1/tenants/nobody/events").await.expect(404);
}

#[tokio::test]
async fn a_fault_is_in_the_events_and_in_the_log_of_the_container_that_ended() {
    let server = TestServer::start().await;
    let mut crashing = my_ai_service();
    crashing["demo_fault"] = "crash-loop".into();
    let created = server.create(&crashing).await;
    let deployment = created["deployment_id"].as_str().expect("an id").to_owned();
    server.follow(&deployment).await;
    let events = server.client().get(&format!("{TENANT}/events")).await.expect(200).json();
    let warnings =
        events["events"].as_array().expect("a list").iter().filter(|event| event["type"] == "Warning");
    assert!(warnings.clone().any(|event| event["reason"] == "BackOff"), "{events}");
    let previous =
        server.client().get(&format!("{TENANT}/logs?previous=true&service=callbot")).await.expect(200);
    assert!(
        previous.text.contains("Error: model file") || previous.text.contains("OOMKilled"),
        "{}",
        previous.text
    );
}

#[tokio::test]
async fn logs_are_lines_with_the_pods_name_where_there_are_several() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let client = server.client();
    let all = client.get(&format!("{TENANT}/logs?tail=3")).await.expect(200);
    assert_eq!(all.header("content-type"), "text/plain; charset=utf-8");
    let lines: Vec<&str> = all.text.lines().collect();
    let pods: std::collections::BTreeSet<&str> =
        lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(lines.len(), pods.len() * 3, "three of each: {lines:?}");
    let pod = pods.iter().find(|pod| pod.starts_with("callbot-")).expect("a pod of callbot");
    let one = client.get(&format!("{TENANT}/logs?tail=5&pod={pod}")).await.expect(200);
    assert_eq!(one.text.lines().count(), 5);
    assert!(
        one.text
            .lines()
            .all(|line| !line.starts_with("callbot-") && line.contains(" INFO ") || line.contains(" WARN "))
    );
    assert_eq!(client.get(&format!("{TENANT}/logs?tail=0")).await.expect(200).text, "");
    let before = client.get(&format!("{TENANT}/logs?previous=true&pod={pod}")).await.expect(200);
    assert_eq!(before.text, "");
    assert!(before.header("warning").contains("before the last restart"), "{}", before.header("warning"));
    assert_eq!(before.header("x-warning-code"), "NO_PREVIOUS_CONTAINER");
    for (query, pointer) in [
        ("service=nothing", "service"),
        ("pod=nothing", "pod"),
        ("container=nothing", "container"),
        ("service=callbot&container=redis", "container"),
        ("tail=10001", "tail"),
        ("follow=perhaps", "follow"),
    ] {
        let refused = client.get(&format!("{TENANT}/logs?{query}")).await.expect(422).json();
        assert_eq!(refused["error"]["details"]["fields"][0]["pointer"], pointer, "{refused}");
    }
    let refused = client.get(&format!("{TENANT}/logs?service=nothing")).await.json();
    let reason: &Value = &refused["error"]["details"]["fields"][0]["reason"];
    assert!(reason.as_str().is_some_and(|reason| reason.contains("callbot, ")), "{reason}");
    let refused = client.get(&format!("{TENANT}/logs?service=callbot&container=nothing")).await.json();
    let reason = &refused["error"]["details"]["fields"][0]["reason"];
    assert!(reason.as_str().is_some_and(|reason| reason.ends_with(": callbot")), "{reason}");
    let of_redis = client.get(&format!("{TENANT}/logs?container=redis&tail=2")).await.expect(200);
    assert_eq!(of_redis.text.lines().count(), 2, "pods without it are left out: {}", of_redis.text);
}

#[tokio::test]
async fn what_is_followed_comes_as_it_is_written_and_ends_with_the_server() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let url = format!("http://{}{TENANT}/logs?follow=true&tail=1&service=callbot", server.address());
    let mut followed = ecp_testkit::http_client()
        .get(url)
        .header("X-Demo-Mode", "true")
        .send()
        .await
        .expect("it is answered");
    assert_eq!(followed.status(), 200);
    let mut text = String::new();
    let enough = async {
        while text.lines().count() < 12 {
            let piece = followed.chunk().await.expect("it goes on").expect("it goes on");
            text.push_str(&String::from_utf8_lossy(&piece));
        }
    };
    tokio::time::timeout(Duration::from_secs(30), enough).await.expect("lines come");
    let stopping = tokio::spawn(server.stop());
    let ended = async { while let Ok(Some(_)) = followed.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(10), ended).await.expect("it ends with the server");
    tokio::time::timeout(Duration::from_secs(10), stopping).await.expect("in time").expect("it stops");
}

#[tokio::test]
async fn nobody_follows_on_with_a_token_that_was_revoked() {
    let server = TestServer::builder().tokens().start().await;
    let tokens = AccessStore::open(&server.file("access.db"), Arc::new(SystemClock)).expect("tokens");
    let new = NewToken { name: "leaver".to_owned(), role: Role::Admin, tenants: None, expires_at: None };
    let (info, secret) = tokens.create_token(new).expect("a token");
    let client = server.client().with_token(secret.expose());
    client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    let url = format!("http://{}{TENANT}/logs?follow=true", server.address());
    let mut followed = ecp_testkit::http_client()
        .get(url)
        .header("X-Demo-Mode", "true")
        .bearer_auth(secret.expose())
        .send()
        .await
        .expect("it is answered");
    assert_eq!(followed.status(), 200);
    tokens.revoke_token(&info.id).expect("revoked");
    let ended = async { while let Ok(Some(_)) = followed.chunk().await {} };
    tokio::time::timeout(Duration::from_secs(30), ended).await.expect("it ends with the token");
}
