//! What clients send that mean harm, or know no better: memory stays bounded, others are served meanwhile.

use ecp_testkit::{Program, TestServer};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const VALIDATE: &str = "/api/v1/tenants/validate-manifest";
const CALCULATE: &str = "/api/v1/tenants/calculate-resources";
/// What no process may take, whatever is sent.
const MEMORY_LIMIT: u64 = 256 * 1024 * 1024;
const PATIENCE: Duration = Duration::from_secs(60);

fn head(path: &str, length: usize) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nhost: localhost\r\nx-demo-mode: true\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    )
}

/// The status of a POST; 0 where the connection ended without one.
async fn post(victim: &Program, path: &str, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(victim.address()).await.expect("a connection");
    stream.write_all(head(path, body.len()).as_bytes()).await.expect("the head is taken");
    // An early refusal ends the writing.
    let _ = stream.write_all(body).await;
    status(&mut stream).await
}

async fn status(stream: &mut TcpStream) -> u16 {
    let mut start = [0; 12];
    let reading =
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut start)).await.expect("an answer in time");
    reading.ok().and_then(|_| std::str::from_utf8(&start[9..]).ok()?.parse().ok()).unwrap_or(0)
}

/// Sends the same body so many times at once; every status.
async fn flood(victim: &Program, times: usize, path: &str, body: &[u8]) -> Vec<u16> {
    futures_util::future::join_all((0..times).map(|_| post(victim, path, body))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_stays_bounded_whatever_is_sent_however_often_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let victim = Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path()).start();
    let flat = format!("{{\"x\":[{}[]],\"manifest_content\":\"a: 1\"}}", "[],".repeat(2_600_000));
    assert_eq!(
        flood(&victim, 4, VALIDATE, flat.as_bytes()).await,
        [200; 4],
        "what nobody asked for is passed over"
    );
    let deep = format!("{{\"x\":{}{}}}", "[".repeat(500_000), "]".repeat(500_000));
    assert_eq!(flood(&victim, 24, CALCULATE, deep.as_bytes()).await, [400; 24]);
    let mut half = Vec::new();
    for _ in 0..66 {
        let mut stream = TcpStream::connect(victim.address()).await.expect("a connection");
        stream.write_all(head(VALIDATE, 8_000_000).as_bytes()).await.expect("the head is taken");
        let most = vec![b' '; 7_000_000];
        let _ = tokio::time::timeout(Duration::from_millis(20), stream.write_all(&most)).await;
        half.push(stream);
    }
    let small = json!({"service_requirements": {"chatbot": 10}}).to_string();
    assert_eq!(post(&victim, CALCULATE, small.as_bytes()).await, 200, "what is small is served meanwhile");
    drop(half);
    let manifests = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n".repeat(60_000);
    for content in [manifests, "- ".repeat(2_000_000), "[".repeat(2_000_000)] {
        let body = json!({"manifest_content": content}).to_string();
        let statuses = flood(&victim, 16, VALIDATE, body.as_bytes()).await;
        assert!(statuses.iter().all(|status| matches!(status, 200 | 422 | 503)), "{statuses:?}");
        assert!(statuses.iter().any(|status| *status != 503), "{statuses:?}");
    }
    let peak = victim.peak_memory();
    victim.kill();
    assert!(peak < MEMORY_LIMIT, "{} MiB", peak >> 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_connections_of_one_address_keep_nobody_out_even_with_few_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let victim = Program::builder_with_files(256, env!("CARGO_BIN_EXE_ecp"), folder.path()).start();
    let http = ecp_testkit::http_client();
    let mut idle = Vec::new();
    for _ in 0..205 {
        let mut stream = TcpStream::connect(victim.address()).await.expect("a connection");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.expect("a request");
        assert_eq!(status(&mut stream).await, 200);
        idle.push(stream);
    }
    let answer =
        tokio::time::timeout(PATIENCE, http.get(victim.url("/readyz")).send()).await.expect("in time");
    assert_eq!(answer.expect("an answer").status(), 200);
    let open = http.get(victim.url("/metrics")).send().await.expect("an answer").text().await.expect("text");
    let open = open.lines().find_map(|line| line.strip_prefix("ecp_connections_open ")).expect("the gauge");
    assert!(open.parse::<u32>().is_ok_and(|open| (80..=128).contains(&open)), "{open} of 256 files");
    drop(idle);
    victim.kill();
}

#[tokio::test]
async fn a_message_over_64_kib_ends_the_stream_with_1009_and_the_reason_arrives() {
    let server = TestServer::start().await;
    server.create(&ecp_testkit::my_ai_service()).await;
    let mut socket = server.socket("/ws/monitoring/my-ai-service").await;
    socket.send(&json!({"action": "x".repeat(70_000)})).await;
    assert_eq!(socket.next().await, Err(1009));
}

#[tokio::test]
async fn a_rollback_without_a_body_means_the_last_that_ran() {
    let server = TestServer::start().await;
    server.deploy(&ecp_testkit::my_ai_service()).await;
    let reply = {
        let client = server.client();
        client.send(client.request(Method::POST, "/api/v1/tenants/my-ai-service/rollback")).await
    };
    assert_eq!(
        reply.expect(409).json()["error"]["code"],
        Value::from("CONFLICT"),
        "there is nothing to go back to"
    );
}
