//! The WebSockets, over real sockets.

use ecp_testkit::{Socket, TestServer, my_ai_service};
use serde_json::{Value, json};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const SAMPLES: &str = "/api/v1/tenants/my-ai-service/monitoring";
const MONITORING: &str = "/ws/monitoring/my-ai-service";
const ALERTS: &str = "/ws/alerts/my-ai-service";
const DEMO: (&str, &str) = ("x-demo-mode", "true");

/// A server with the contract's tenant.
async fn server() -> TestServer {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    server
}

async fn post(server: &TestServer, metrics: Value) {
    server.client().post(SAMPLES, &json!({ "metrics": metrics })).await.expect(201);
}

/// The next frame, which must be the answer to a ping.
async fn pong(socket: &mut Socket) -> Value {
    socket.send(&json!({"action": "ping"})).await;
    let frame = socket.frame().await;
    assert_eq!(frame["action"], "pong", "{frame}");
    frame
}

/// The status and error code of a refused handshake.
async fn refused(server: &TestServer, path: &str, headers: &[(&'static str, &str)]) -> (u16, Value) {
    match server.try_socket(path, headers).await {
        Ok(_) => panic!("{path} was opened"),
        Err((status, body)) => {
            let body: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("no envelope: {body}"));
            assert!(body["error"]["request_id"].is_string(), "{body}");
            (status, body["error"]["code"].clone())
        }
    }
}

#[tokio::test]
async fn nothing_is_sent_before_a_subscription_and_the_newest_sample_right_after_it() {
    let server = server().await;
    post(&server, json!({"cpu": 10.0, "memory": 20.0, "network_in": 5})).await;
    post(&server, json!({"cpu": 11.0, "memory": 21.0, "network_in": 6})).await;
    let mut socket = server.socket(MONITORING).await;
    assert_eq!(pong(&mut socket).await["seq"], 1);
    socket.send(&json!({"action": "subscribe", "metrics": ["cpu", "network"], "interval": 3_600_000})).await;
    let frame = socket.frame().await;
    assert_eq!(frame["metrics"], json!({"cpu": 11.0, "network_in": 6.0}));
    assert_eq!(frame["seq"], 2);
    let fields: Vec<&String> = frame.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["timestamp", "tenant_id", "metrics", "seq"]);
}

#[tokio::test]
async fn an_interval_without_news_has_no_frame_and_numbers_have_no_gap() {
    let server = server().await;
    let mut socket = server.socket(MONITORING).await;
    socket.send(&json!({"action": "subscribe", "interval": 100})).await;
    for number in 1..=5 {
        post(&server, json!({ "cpu": number })).await;
        let frame = socket.frame().await;
        assert_eq!((&frame["seq"], &frame["metrics"]), (&json!(number), &json!({"cpu": f64::from(number)})));
    }
}

#[tokio::test]
async fn a_new_subscription_replaces_the_old_one_and_unsubscribing_ends_it() {
    let server = server().await;
    post(&server, json!({"cpu": 1.0, "gpu": 2.0})).await;
    let mut socket = server.socket(MONITORING).await;
    let mut other = server.socket(MONITORING).await;
    other.send(&json!({"action": "subscribe", "interval": 100})).await;
    other.frame().await;
    socket.send(&json!({"action": "subscribe", "metrics": ["cpu"], "interval": 100})).await;
    assert_eq!(socket.frame().await["metrics"], json!({"cpu": 1.0}));
    socket.send(&json!({"action": "subscribe", "metrics": ["gpu"], "interval": 100})).await;
    assert_eq!(socket.frame().await["metrics"], json!({"gpu": 2.0}));
    socket.send(&json!({"action": "unsubscribe"})).await;
    pong(&mut socket).await;
    for number in 3..6 {
        post(&server, json!({ "gpu": number })).await;
        // An interval has passed for everybody once it has for the other subscriber.
        other.frame().await;
    }
    pong(&mut socket).await;
}

#[tokio::test]
async fn what_is_not_understood_is_answered_with_an_error_and_the_connection_stays() {
    let server = server().await;
    let headers = [DEMO, ("accept-language", "en"), ("x-request-id", "req-of-the-socket")];
    let mut socket = server.try_socket(MONITORING, &headers).await.expect("opens");
    let faults = [
        ("not json", "INVALID_REQUEST", "The message is not valid JSON"),
        ("[]", "INVALID_REQUEST", "no action"),
        (r#"{"action": 3}"#, "INVALID_REQUEST", "no action"),
        (r#"{"action": "subscrib"}"#, "INVALID_REQUEST", "'subscribe'"),
        (r#"{"action": "subscribe", "interval": 99}"#, "VALIDATION_FAILED", "wrong values (1)"),
        (r#"{"action": "subscribe", "metrics": ["cpux", 4]}"#, "VALIDATION_FAILED", "wrong values (2)"),
    ];
    for (index, (text, code, part)) in faults.into_iter().enumerate() {
        socket.send_text(text).await;
        let frame = socket.frame().await;
        assert_eq!(frame["error"]["code"], code, "{text}: {frame}");
        assert!(frame["error"]["message"].as_str().is_some_and(|text| text.contains(part)), "{frame}");
        assert_eq!(frame["error"]["request_id"], "req-of-the-socket");
        assert_eq!(frame["seq"], index + 1);
    }
    let reason = {
        socket.send_text(r#"{"action": "subscribe", "metrics": ["memroy"]}"#).await;
        socket.frame().await["error"]["details"]["fields"][0]["reason"].to_string()
    };
    assert!(reason.contains("'memory'"), "{reason}");
    socket.send_bytes(b"\x00\x01").await;
    assert_eq!(socket.frame().await["error"]["code"], "INVALID_REQUEST");
    pong(&mut socket).await;
}

#[tokio::test]
async fn a_message_over_64_kib_ends_the_connection() {
    let server = server().await;
    let mut socket = server.socket(MONITORING).await;
    socket.send_text(&"x".repeat(64 * 1024 + 1)).await;
    assert!(socket.next().await.is_err());
}

#[tokio::test]
async fn what_is_no_websocket_is_closed_with_the_code_that_says_so() {
    let server = server().await;
    let broken: [(&str, &[u8], u16); 5] = [
        ("not masked", b"\x81\x02hi", 1002),
        ("a reserved bit", b"\xc1\x80\0\0\0\0", 1002),
        ("a reserved kind", b"\x83\x80\0\0\0\0", 1002),
        ("a ping in parts", b"\x09\x80\0\0\0\0", 1002),
        ("not UTF-8", b"\x81\x82\0\0\0\0\xff\xfe", 1007),
    ];
    for (what, frame, code) in broken {
        let mut stream = tokio::net::TcpStream::connect(server.address()).await.expect("it listens");
        let handshake = format!(
            "GET {MONITORING} HTTP/1.1\r\nHost: localhost\r\nX-Demo-Mode: true\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(handshake.as_bytes()).await.expect("it is read");
        stream.write_all(frame).await.expect("it is read");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await;
        read.expect("it is closed").expect("it can be read");
        let head = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
        let close = &answer[head..];
        assert_eq!((close[0], u16::from_be_bytes([close[2], close[3]])), (0x88, code), "{what}");
    }
}

#[tokio::test]
async fn a_deployment_shows_its_state_at_once_then_every_change_and_closes_at_the_end() {
    let server = TestServer::builder().configure(|config| config.demo_speed = 300.0).start().await;
    let created = server.create(&my_ai_service()).await;
    let id = created["deployment_id"].as_str().expect("an id").to_owned();
    let path = format!("/ws/deployment/{id}");
    let mut socket = server.socket(&path).await;
    let first = socket.frame().await;
    let fields: Vec<&String> = first.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["deployment_id", "status", "progress", "phase", "message", "timestamp", "seq"]);
    assert_eq!(first["deployment_id"], id.as_str());
    let mut last = first;
    loop {
        match socket.next().await {
            Ok(frame) => {
                assert_eq!(frame["seq"].as_u64(), last["seq"].as_u64().map(|seq| seq + 1), "{frame}");
                assert!(frame["progress"].as_u64() >= last["progress"].as_u64(), "{frame}");
                last = frame;
            }
            Err(code) => {
                assert_eq!(code, 1000);
                break;
            }
        }
    }
    assert_eq!((&last["status"], &last["phase"]), (&json!("running"), &json!("completed")));
    // Whoever comes later sees the end, and is told that it is the end.
    let mut late = server.socket(&path).await;
    assert_eq!(late.frame().await, last);
    assert_eq!(late.next().await, Err(1000));
}

#[tokio::test]
async fn a_failed_deployment_says_why_in_its_last_frame() {
    let server = TestServer::start().await;
    let mut tenant = my_ai_service();
    tenant["demo_fault"] = json!("crash-loop");
    let last = server.deploy(&tenant).await;
    assert_eq!(last["status"], "failed", "{last}");
    assert_eq!(last["failure"]["code"], "DEPLOYMENT_FAILED");
    assert!(last["failure"]["message"].is_string());
}

#[tokio::test]
async fn a_deletion_is_watched_like_a_deployment_and_ends_the_tenants_streams() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let mut monitoring = server.socket(MONITORING).await;
    let mut alerts = server.socket(ALERTS).await;
    pong(&mut monitoring).await;
    pong(&mut alerts).await;
    let deletion = server.client().delete("/api/v1/tenants/my-ai-service").await.expect(200).json();
    let last = server.follow(deletion["deletion_id"].as_str().expect("an id")).await;
    assert_eq!(last["status"], "deleted", "{last}");
    assert_eq!(monitoring.next().await, Err(1000));
    assert_eq!(alerts.next().await, Err(1000));
    assert_eq!(refused(&server, ALERTS, &[DEMO]).await, (404, json!("TENANT_NOT_FOUND")));
}

#[tokio::test]
async fn alerts_come_open_ones_first_then_every_change_with_its_number() {
    let server = server().await;
    let mut first = server.socket(ALERTS).await;
    post(&server, json!({"cpu": 85.2})).await;
    let opened = first.frame().await;
    assert_eq!((&opened["state"], &opened["seq"]), (&json!("opened"), &json!(1)));
    assert_eq!((&opened["opened_at"], &opened["resolved_at"]), (&opened["timestamp"], &json!(null)));
    let fields: Vec<&String> = opened.as_object().expect("an object").keys().collect();
    let of_contract = [
        "alert_id",
        "tenant_id",
        "severity",
        "type",
        "message",
        "metric",
        "current_value",
        "threshold",
        "timestamp",
    ];
    assert_eq!(fields[..9], of_contract);
    post(&server, json!({"cpu": 97.0, "memory": 90.0})).await;
    let next = [first.frame().await, first.frame().await];
    assert_eq!(next.each_ref().map(|frame| frame["seq"].clone()), [json!(2), json!(3)]);
    let raised = next.iter().find(|frame| frame["alert_id"] == opened["alert_id"]).expect("cpu");
    assert_eq!((&raised["state"], &raised["severity"]), (&json!("raised"), &json!("critical")));

    let headers = [DEMO, ("accept-language", "en")];
    let mut second = server.try_socket(ALERTS, &headers).await.expect("opens");
    let open = [second.frame().await, second.frame().await];
    for (frame, metric) in open.iter().zip(["cpu", "memory"]) {
        assert_eq!((&frame["state"], &frame["metric"]), (&json!("opened"), &json!(metric)));
        assert_eq!(frame["seq"], 3, "the newest change that it includes");
    }
    assert!(open[0]["message"].as_str().is_some_and(|text| text.starts_with("CPU use")), "{}", open[0]);
    post(&server, json!({"cpu": 20.0, "memory": 90.0})).await;
    for socket in [&mut first, &mut second] {
        let resolved = socket.frame().await;
        assert_eq!((&resolved["state"], &resolved["seq"]), (&json!("resolved"), &json!(4)));
    }
}

#[tokio::test]
async fn since_resumes_alerts_with_nothing_lost() {
    let server = server().await;
    let mut socket = server.socket(ALERTS).await;
    post(&server, json!({"cpu": 85.0})).await;
    let first = socket.frame().await;
    drop(socket);
    for (cpu, memory) in [(97.0, 50.0), (20.0, 90.0), (20.0, 20.0)] {
        post(&server, json!({"cpu": cpu, "memory": memory})).await;
    }
    let since = first["alert_id"].as_str().expect("an id");
    let mut resumed = server.socket(&format!("{ALERTS}?since={since}")).await;
    for (seq, state) in [(2, "raised"), (3, "resolved"), (4, "opened"), (5, "resolved")] {
        let frame = resumed.frame().await;
        assert_eq!(frame["seq"], seq, "{frame}");
        if seq != 3 && seq != 4 {
            assert_eq!(frame["state"], state, "{frame}");
        }
    }
    post(&server, json!({"gpu": 99.0})).await;
    assert_eq!(resumed.frame().await["seq"], 6);
    let mut unknown = server.socket(&format!("{ALERTS}?since=alert-unknown")).await;
    assert_eq!(unknown.frame().await["seq"], 1, "every kept change");
}

#[tokio::test]
async fn the_handshake_is_refused_in_the_error_envelope() {
    let server = server().await;
    let not_found = |code| (404, json!(code));
    for path in ["/ws/monitoring/none", "/ws/alerts/none", "/ws/monitoring/Not-A-Label"] {
        assert_eq!(refused(&server, path, &[DEMO]).await, not_found("TENANT_NOT_FOUND"), "{path}");
    }
    let unknown = refused(&server, "/ws/deployment/dep-none", &[DEMO]).await;
    assert_eq!(unknown, not_found("DEPLOYMENT_NOT_FOUND"));
    let invalid = (400, json!("INVALID_REQUEST"));
    assert_eq!(refused(&server, MONITORING, &[("x-demo-mode", "perhaps")]).await, invalid);
    for unreadable in ["perhaps", "", "true&demo_mode=", "true&demo_mode=false", "%20true"] {
        let path = format!("/ws/monitoring/my-ai-service?demo_mode={unreadable}");
        assert_eq!(refused(&server, &path, &[]).await, invalid, "{unreadable:?}");
    }
    let wrong = refused(&server, "/ws/alerts/my-ai-service?demo_mode=true&lang=fr", &[]).await;
    assert_eq!(wrong, (422, json!("VALIDATION_FAILED")));
    for path in [MONITORING, ALERTS] {
        let plain = server.client().get(path).await.expect(426);
        assert_eq!((plain.error_code(), plain.header("upgrade")), (json!("INVALID_REQUEST"), "websocket"));
    }
}

#[tokio::test]
async fn the_mode_header_wins_over_the_parameter_and_neither_means_real() {
    let server = server().await;
    let real = (404, json!("TENANT_NOT_FOUND"));
    assert_eq!(refused(&server, MONITORING, &[]).await, real);
    let path = format!("{MONITORING}?demo_mode=true");
    server.try_socket(&path, &[]).await.expect("demo by parameter");
    assert_eq!(refused(&server, &path, &[("x-demo-mode", "false")]).await, real);
    let path = format!("{MONITORING}?demo_mode=false");
    server.try_socket(&path, &[DEMO]).await.expect("demo by header");
    assert_eq!(refused(&server, &path, &[]).await, real);
}

#[tokio::test]
async fn sockets_over_the_limit_are_answered_503_until_one_closes() {
    let server = TestServer::builder().configure(|config| config.limits.max_websockets = 1).start().await;
    server.create(&my_ai_service()).await;
    let first = server.socket(MONITORING).await;
    assert_eq!(refused(&server, ALERTS, &[DEMO]).await, (503, json!("MONITORING_UNAVAILABLE")));
    drop(first);
    while server.try_socket(ALERTS, &[DEMO]).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_stop_closes_every_stream_with_1001() {
    let server = TestServer::builder().configure(|config| config.demo_speed = 0.001).start().await;
    let created = server.create(&my_ai_service()).await;
    let deployment = format!("/ws/deployment/{}", created["deployment_id"].as_str().expect("an id"));
    let mut sockets = Vec::new();
    for path in [MONITORING, ALERTS, &deployment] {
        let mut socket = server.socket(path).await;
        socket.send(&json!({"action": "ping"})).await;
        while socket.frame().await["action"] != "pong" {}
        sockets.push(socket);
    }
    let stopping = tokio::spawn(server.stop());
    for mut socket in sockets {
        loop {
            match socket.next().await {
                Ok(_frame_of_the_deployment) => {}
                Err(code) => break assert_eq!(code, 1001),
            }
        }
    }
    stopping.await.expect("it stops");
}

#[tokio::test]
async fn the_metrics_count_subscribers_and_frames_by_stream() {
    let server = server().await;
    let mut socket = server.socket(ALERTS).await;
    pong(&mut socket).await;
    let text = server.client().get("/metrics").await.expect(200).text;
    for line in [
        "ecp_websocket_subscribers{stream=\"alerts\"} 1\n",
        "ecp_websocket_frames_sent_total{stream=\"alerts\"} 1\n",
        "ecp_http_requests_total{method=\"GET\",route=\"/ws/alerts/{tenant_id}\",status=\"101\"} 1\n",
        "ecp_tenants{mode=\"demo\",status=\"",
    ] {
        assert!(text.contains(line), "{line} in\n{text}");
    }
}

#[tokio::test]
async fn the_alerts_of_all_tenants_come_in_one_order_and_go_on_where_a_client_was() {
    let server = server().await;
    let mut other = my_ai_service();
    other["tenant_id"] = json!("other");
    server.create(&other).await;
    let post_other = async |metrics: Value| {
        let body = json!({ "metrics": metrics });
        server.client().post("/api/v1/tenants/other/monitoring", &body).await.expect(201);
    };
    let mut all = server.socket("/ws/alerts").await;
    pong(&mut all).await;
    post(&server, json!({"cpu": 85.2})).await;
    post_other(json!({"gpu": 97.0})).await;
    let frames = [all.frame().await, all.frame().await];
    let told = frames.each_ref().map(|frame| (frame["tenant_id"].clone(), frame["seq"].clone()));
    assert_eq!(told, [(json!("my-ai-service"), json!(1)), (json!("other"), json!(2))]);
    drop(all);
    post(&server, json!({"cpu": 20.0})).await;
    post_other(json!({"gpu": 20.0, "cpu": 99.0})).await;
    let since = frames[1]["alert_id"].as_str().expect("an id");
    let mut resumed = server.socket(&format!("/ws/alerts?since={since}")).await;
    for (seq, tenant) in [(3, "my-ai-service"), (4, "other"), (5, "other")] {
        let frame = resumed.frame().await;
        assert_eq!((&frame["seq"], &frame["tenant_id"]), (&json!(seq), &json!(tenant)), "{frame}");
    }
    let mut again = server.socket("/ws/alerts/").await;
    let open = again.frame().await;
    assert_eq!((&open["state"], &open["seq"], &open["metric"]), (&json!("opened"), &json!(5), &json!("cpu")));

    let server = TestServer::builder().folder(server.stop().await).start().await;
    let mut unknown = server.socket("/ws/alerts?since=alert-unknown").await;
    for seq in 1..=5 {
        assert_eq!(unknown.frame().await["seq"], seq, "every kept change, also after a restart");
    }
    post(&server, json!({"cpu": 85.2})).await;
    assert_eq!(unknown.frame().await["seq"], 6);
}

#[tokio::test]
async fn who_watches_all_alerts_sees_those_of_a_tenant_that_goes_resolve() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let mut all = server.socket("/ws/alerts").await;
    post(&server, json!({"cpu": 85.2})).await;
    let opened = all.frame().await;
    server.client().delete("/api/v1/tenants/my-ai-service").await.expect(200);
    let gone = all.frame().await;
    assert_eq!((&gone["state"], &gone["alert_id"]), (&json!("resolved"), &opened["alert_id"]), "{gone}");
    let real = server.try_socket("/ws/alerts", &[("x-demo-mode", "false")]).await;
    let mut real = real.expect("opens");
    pong(&mut real).await;
}
