//! Which names the server answers to, and pages of which sites may ask: over real sockets, on every kind
//! of path, with tokens and without.

use ecp_testkit::{TestServer, TestServerBuilder, my_ai_service};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One path of each kind; none of them may answer a stranger.
const PATHS: [&str; 8] = [
    "/api/v1/tenants",
    "/ws/alerts/my-ai-service?demo_mode=true",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
    "/nothing",
];

fn listing(origins: &[&str]) -> TestServerBuilder {
    let origins: Vec<String> = origins.iter().map(|&origin| origin.to_owned()).collect();
    TestServer::builder().configure(|config| config.server.allowed_origins = origins)
}

/// Status and body of a request whose head is written by hand.
async fn ask(server: &TestServer, head: &str) -> (u16, Value) {
    let mut stream = TcpStream::connect(server.address()).await.expect("connects");
    stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes()).await.expect("writes");
    let mut response = String::new();
    let reading = stream.read_to_string(&mut response);
    tokio::time::timeout(Duration::from_secs(20), reading).await.expect("an answer in time").expect("text");
    let status = response.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    let (_, body) = response.split_once("\r\n\r\n").expect("a body");
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[tokio::test]
async fn a_page_whose_name_was_bound_to_this_machine_reaches_nothing() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    for path in PATHS {
        let head = format!("GET {path} HTTP/1.1\r\nhost: evil.example:8001\r\nx-demo-mode: true\r\n");
        let (status, body) = ask(&server, &head).await;
        assert_eq!((status, &body["error"]["code"]), (421, &json!("INVALID_REQUEST")), "{path}: {body}");
        assert_eq!(body["error"]["details"]["host"], "evil.example");
    }
    let created =
        "POST /api/v1/tenants HTTP/1.1\r\nhost: evil.example\r\nx-demo-mode: true\r\ncontent-length: 2\r\n";
    assert_eq!(ask(&server, created).await.0, 421);
}

#[tokio::test]
async fn a_request_names_its_host_exactly_once() {
    for server in [TestServer::start().await, TestServer::builder().tokens().start().await] {
        for version in ["HTTP/1.1", "HTTP/1.0"] {
            for hosts in
                ["", "host: localhost\r\nhost: localhost\r\n", "host: localhost\r\nhost: evil.example\r\n"]
            {
                let (status, body) = ask(&server, &format!("GET /readyz {version}\r\n{hosts}")).await;
                assert_eq!(status, 400, "{version} {hosts:?}: {body}");
                assert_eq!(body["error"]["code"], "INVALID_REQUEST");
            }
            let (status, _) = ask(&server, &format!("GET /readyz {version}\r\nhost: localhost:1\r\n")).await;
            assert_eq!(status, 200, "{version}");
        }
        let absolute = "GET http://evil.example/readyz HTTP/1.1\r\nhost: localhost\r\n";
        let expected = if server.client().get("/api/v1/tenants").await.status == 401 { 200 } else { 421 };
        assert_eq!(ask(&server, absolute).await.0, expected);
    }
}

#[tokio::test]
async fn probes_by_address_are_answered_where_tokens_are_required() {
    let server = TestServer::builder().tokens().start().await;
    for path in ["/healthz", "/readyz"] {
        let head = format!("GET {path} HTTP/1.1\r\nhost: 10.244.0.7:8001\r\nuser-agent: kube-probe/1.36\r\n");
        assert_eq!(ask(&server, &head).await.0, 200, "{path}");
    }
    let listed = TestServer::builder()
        .configure(|config| config.server.allowed_hosts = vec!["10.244.0.7".to_owned()])
        .start()
        .await;
    assert_eq!(ask(&listed, "GET /healthz HTTP/1.1\r\nhost: 10.244.0.7:8001\r\n").await.0, 200);
}

#[tokio::test]
async fn pages_of_other_sites_are_refused_with_tokens_and_without() {
    for server in [TestServer::start().await, TestServer::builder().tokens().start().await] {
        let host = server.address().to_string();
        for path in PATHS {
            for origin in ["http://evil.example", "null", "http://localhost:8001", "http://127.0.0.1"] {
                let head = format!(
                    "GET {path} HTTP/1.1\r\nhost: {host}\r\norigin: {origin}\r\nx-demo-mode: true\r\n"
                );
                let (status, body) = ask(&server, &head).await;
                assert_eq!(
                    (status, &body["error"]["code"]),
                    (403, &json!("FORBIDDEN")),
                    "{path} {origin}: {body}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_stream_opens_for_pages_of_our_own_and_of_listed_sites_alone() {
    let server = listing(&["https://console.example.com"]).start().await;
    server.create(&my_ai_service()).await;
    let path = "/ws/monitoring/my-ai-service?demo_mode=true";
    let own = format!("http://{}", server.address());
    for origin in [own.as_str(), "https://console.example.com"] {
        let mut socket = server.try_socket(path, &[("origin", origin)]).await.expect("opens");
        socket.send(&json!({"action": "ping"})).await;
        assert_eq!(socket.frame().await["action"], "pong");
    }
    for origin in ["http://evil.example", "null", "http://console.example.com"] {
        let (status, body) =
            server.try_socket(path, &[("origin", origin)]).await.map(|_| ()).expect_err("refused");
        assert_eq!(status, 403, "{origin}: {body}");
    }
}

#[tokio::test]
async fn a_listed_page_is_told_that_it_may_ask_and_read() {
    let origin = "https://console.example.com";
    let server = listing(&[origin]).tokens().start().await;
    let client = server.client();
    let preflight = |from: &'static str| {
        let request = client.bare(Method::OPTIONS, "/api/v1/tenants").header("origin", from);
        client.send(request.header("access-control-request-method", "POST"))
    };
    let leave = preflight(origin).await.expect(204);
    assert_eq!(leave.header("access-control-allow-origin"), origin);
    assert!(leave.header("access-control-allow-headers").contains("X-Demo-Mode"));
    assert!(leave.header("access-control-allow-methods").contains("PUT"));
    let refused = preflight("https://evil.example").await.expect(403);
    assert_eq!(refused.header("access-control-allow-origin"), "");
    // Errors can be read too; who is not let in by a token is not let in by an origin.
    let reply = client.send(client.request(Method::GET, "/api/v1/tenants").header("origin", origin)).await;
    let reply = reply.expect(401);
    assert_eq!((reply.header("access-control-allow-origin"), reply.header("vary")), (origin, "Origin"));
}
