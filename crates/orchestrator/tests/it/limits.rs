//! What the server does not put up with: too many requests, slow bodies, broken HTTP.

use ecp_core::access::Role;
use ecp_core::ports::SystemClock;
use ecp_store::{AccessStore, NewToken};
use ecp_testkit::{TestServer, my_ai_service};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Until a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Everything that the server says until it closes.
async fn read_to_end(stream: &mut (impl AsyncReadExt + Unpin)) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..length]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the server closes the connection");
    String::from_utf8(bytes).expect("text")
}

fn envelope(response: &str) -> Value {
    let (_, body) = response.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {response}"))
}

#[tokio::test]
async fn a_client_over_its_rate_is_answered_429_and_told_when_to_come_back() {
    let server = TestServer::builder()
        .configure(|config| {
            config.rate_limit.per_second = 1;
            config.rate_limit.burst = 3;
        })
        .start()
        .await;
    let client = server.client();
    let mut refused = None;
    for _ in 0..100 {
        let reply = client.get("/api/v1/tenants/").await;
        if reply.status.as_u16() == 429 {
            refused = Some(reply);
            break;
        }
        assert_eq!(reply.status.as_u16(), 200);
    }
    let refused = refused.expect("a refusal");
    assert_eq!(refused.error_code(), "RATE_LIMITED");
    assert_eq!(refused.header("retry-after"), "1");
    assert!(refused.header("x-request-id").starts_with("req-"));
    // Whoever watches the process is not counted, and sees the refusal.
    for _ in 0..10 {
        client.get("/healthz").await.expect(200);
    }
    let metrics = client.get("/metrics").await.expect(200).text;
    assert!(metrics.contains("ecp_rate_limited_requests_total 1\n"), "{metrics}");
}

#[tokio::test]
async fn a_body_that_drips_is_answered_408_and_the_connection_closed() {
    let server =
        TestServer::builder().configure(|config| config.limits.body_timeout_seconds = 1).start().await;
    server.create(&my_ai_service()).await;
    let stream = TcpStream::connect(server.address()).await.expect("connects");
    let (mut reader, mut writer) = stream.into_split();
    let head = "POST /api/v1/tenants/my-ai-service/monitoring HTTP/1.1\r\nhost: localhost\r\nx-demo-mode: true\r\n\
                content-type: application/json\r\ncontent-length: 100000\r\n\r\n{";
    let dripping = tokio::spawn(async move {
        let mut bytes = head.as_bytes();
        while writer.write_all(bytes).await.is_ok() {
            bytes = b" ";
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let response = read_to_end(&mut reader).await;
    assert!(response.starts_with("HTTP/1.1 408 Request Timeout\r\n"), "{response}");
    assert_eq!(envelope(&response)["error"]["code"], "INVALID_REQUEST");
    dripping.await.expect("the client notices");
}

#[tokio::test]
async fn headers_that_do_not_end_close_the_connection() {
    let server =
        TestServer::builder().configure(|config| config.limits.header_timeout_seconds = 1).start().await;
    let mut stream = TcpStream::connect(server.address()).await.expect("connects");
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n").await.expect("writes");
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn headers_that_are_too_large_and_requests_that_are_none_get_the_envelope() {
    let server = TestServer::start().await;
    let large = format!("GET / HTTP/1.1\r\nhost: localhost\r\nx-large: {}\r\n\r\n", "x".repeat(50_000));
    for (request, status) in
        [(large.as_str(), "431"), ("BREW\r\n\r\n", "400"), ("GET\u{1} / HTTP/1.1\r\n\r\n", "400")]
    {
        let mut stream = TcpStream::connect(server.address()).await.expect("connects");
        stream.write_all(request.as_bytes()).await.expect("writes");
        let response = read_to_end(&mut stream).await;
        assert!(response.starts_with(&format!("HTTP/1.1 {status} ")), "{response}");
        let error = &envelope(&response)["error"];
        assert_eq!(error["code"], "INVALID_REQUEST");
        assert!(
            response.contains(&format!("x-request-id: {}", error["request_id"].as_str().expect("an id")))
        );
    }
}

#[tokio::test]
async fn slow_sockets_do_not_keep_others_from_being_served() {
    let server = TestServer::builder().configure(|config| config.limits.max_connections = 300).start().await;
    let mut slow = Vec::new();
    for _ in 0..250 {
        let mut stream = TcpStream::connect(server.address()).await.expect("connects");
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: ").await.expect("writes");
        slow.push(stream);
    }
    let tenants = server.client().get("/api/v1/tenants/").await.expect(200).json();
    assert_eq!(tenants["tenants"], json!([]));
    drop(slow);
}

#[tokio::test]
async fn figures_need_a_token_where_others_than_this_machine_can_ask() {
    let everywhere = "0.0.0.0:0".parse().expect("an address");
    let server = TestServer::builder().configure(|config| config.listen = everywhere).start().await;
    let refused = server.client().get("/metrics").await.expect(401);
    assert_eq!(refused.error_code(), "UNAUTHORIZED");
    server.client().get("/healthz").await.expect(200);
    // They count all tenants, so a token that covers some of them is not enough.
    let tokens = AccessStore::open(&server.file("access.db"), Arc::new(SystemClock)).expect("tokens");
    for (name, tenants, status) in [("some", Some(BTreeSet::new()), 403), ("all", None, 200)] {
        let new = NewToken { name: name.to_owned(), role: Role::Viewer, tenants, expires_at: None };
        let (_, secret) = tokens.create_token(new).expect("a token");
        server.client().with_token(secret.expose()).get("/metrics").await.expect(status);
    }
}
