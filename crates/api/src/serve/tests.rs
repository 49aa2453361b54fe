//! Connections over real sockets. Ends of connections are waited for, never timed.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use axum::body::Bytes as BodyBytes;
use axum::extract::ConnectInfo;
use axum::routing::{get, post};
use ecp_core::ports::SystemClock;
use http::header::HeaderName;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

/// Long enough that a test which waits for it has failed.
const NEVER: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(50);
/// Until a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<usize>,
    telemetry: Arc<Telemetry>,
}

/// Serves a router without any timeout but those that `adjust` sets.
fn start(router: Router, adjust: impl FnOnce(&mut ServeOptions)) -> Server {
    let telemetry = Arc::new(Telemetry::new());
    let mut options = ServeOptions::new(unreadable_responses(Arc::new(SystemClock)), telemetry.clone());
    options.header_timeout = NEVER;
    options.idle_timeout = NEVER;
    options.write_timeout = NEVER;
    adjust(&mut options);
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let served = tokio::spawn(serve(listener, router, options, stop.clone()));
    Server { address, stop, served, telemetry }
}

fn routes() -> Router {
    let request_id = [(HeaderName::from_static("x-request-id"), "req-test")];
    Router::new()
        .route("/", get(move || async move { (request_id, "hello") }))
        .route("/echo", post(|body: BodyBytes| async move { body }))
        .route("/ignore", post(|| async { (StatusCode::PAYLOAD_TOO_LARGE, "too large") }))
        .route("/peer", get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }))
}

impl Server {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }
}

/// Everything until the end of the connection; a reset is an end, too.
async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        let mut chunk = [0; 4096];
        while let Ok(length @ 1..) = stream.read(&mut chunk).await {
            bytes.extend_from_slice(&chunk[..length]);
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the server closes the connection");
    String::from_utf8(bytes).unwrap()
}

/// One response with a `content-length`.
async fn read_response(stream: &mut TcpStream) -> String {
    let mut text = String::new();
    let reading = async {
        loop {
            text.push(char::from(stream.read_u8().await.unwrap()));
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() == length.map_or(0, |length| length.parse().unwrap()) {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.expect("the server answers");
    text
}

/// Sends one byte again and again until the other side is gone.
async fn drip(mut writer: tokio::net::tcp::OwnedWriteHalf) {
    while writer.write_all(b"x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let server = start(routes(), |options| options.header_timeout = SOON);
    assert_eq!(read_to_end(&mut server.connect().await).await, "");
}

#[tokio::test]
async fn headers_that_drip_close_the_connection_however_busy_it_looks() {
    let server = start(routes(), |options| options.header_timeout = SOON);
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nx-slow: ").await.unwrap();
    let (mut reader, writer) = stream.into_split();
    let dripping = tokio::spawn(drip(writer));
    let mut end = [0];
    let read = tokio::time::timeout(PATIENCE, reader.read(&mut end)).await.expect("closes");
    assert!(matches!(read, Ok(0) | Err(_)), "nothing is answered: {read:?}");
    dripping.await.unwrap();
}

#[tokio::test]
async fn an_idle_connection_is_closed_after_its_own_time_not_the_headers() {
    let server = start(routes(), |options| options.idle_timeout = SOON);
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_response(&mut stream).await.ends_with("hello"));
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn the_second_request_of_a_connection_has_a_header_deadline_too() {
    let server = start(routes(), |options| options.header_timeout = SOON);
    let mut stream = server.connect().await;
    for _ in 0..2 {
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(read_response(&mut stream).await.ends_with("hello"));
    }
    stream.write_all(b"GET / HT").await.unwrap();
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn a_client_that_never_reads_its_answer_is_closed() {
    let (reached, mut was_reached) = mpsc::unbounded_channel();
    let large = move || async move {
        reached.send(()).unwrap();
        vec![b'x'; 64 * 1024 * 1024]
    };
    let server = start(Router::new().route("/", get(large)), |options| options.write_timeout = SOON);
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    was_reached.recv().await.unwrap();
    server.stop.cancel();
    let cut = tokio::time::timeout(PATIENCE, server.served).await.expect("the connection ends");
    assert_eq!(cut.unwrap(), 0, "the watchdog ended it, not the shutdown");
}

#[tokio::test]
async fn headers_over_the_limit_are_answered_431_in_the_envelope() {
    let server = start(routes(), |_| {});
    let mut stream = server.connect().await;
    let request = format!("GET / HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(40_000));
    stream.write_all(request.as_bytes()).await.unwrap();
    let response = read_to_end(&mut stream).await;
    assert!(response.starts_with("HTTP/1.1 431 Request Header Fields Too Large\r\n"), "{response}");
    assert!(response.contains("{\"error\":{\"code\":\"INVALID_REQUEST\""), "{response}");
}

#[tokio::test]
async fn what_is_not_http_is_answered_400_in_the_envelope() {
    let server = start(routes(), |_| {});
    for garbage in
        ["\u{16}\u{3}\u{1} hello\r\n\r\n", "GET / HTTP/1.1\r\nbad header\r\n\r\n", "NOT HTTP\r\n\r\n"]
    {
        let mut stream = server.connect().await;
        stream.write_all(garbage.as_bytes()).await.unwrap();
        let response = read_to_end(&mut stream).await;
        assert!(response.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{garbage:?}: {response}");
        let (_, body) = response.split_once("\r\n\r\n").unwrap();
        let envelope: serde_json::Value = serde_json::from_str(body).unwrap();
        assert_eq!(envelope["error"]["code"], "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_is_still_sending_its_body() {
    let server = start(routes(), |_| {});
    let stream = server.connect().await;
    let (mut reader, mut writer) = stream.into_split();
    let sending = tokio::spawn(async move {
        let length = 8 * 1024 * 1024;
        let head = format!("POST /ignore HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n");
        writer.write_all(head.as_bytes()).await.unwrap();
        writer.write_all(&vec![b'x'; length]).await
    });
    let mut response = Vec::new();
    tokio::time::timeout(PATIENCE, reader.read_to_end(&mut response)).await.expect("closes").unwrap();
    assert!(response.starts_with(b"HTTP/1.1 413 "), "{}", String::from_utf8_lossy(&response));
    sending.await.unwrap().expect("the whole body is taken");
}

#[tokio::test]
async fn a_client_that_closes_its_side_after_asking_is_answered() {
    let server = start(routes(), |_| {});
    let mut stream = server.connect().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nping").await.unwrap();
    stream.shutdown().await.unwrap();
    assert!(read_to_end(&mut stream).await.ends_with("ping"));
}

#[tokio::test]
async fn handlers_learn_the_peers_address() {
    let server = start(routes(), |_| {});
    let mut stream = server.connect().await;
    let own = stream.local_addr().unwrap().to_string();
    stream.write_all(b"GET /peer HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_response(&mut stream).await.ends_with(&own));
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_asked_gives_way_to_a_new_one() {
    let server = start(routes(), |options| options.max_connections = 1);
    let mut first = server.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_response(&mut first).await.ends_with("hello"));
    let mut second = server.connect().await;
    second.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_response(&mut second).await.ends_with("hello"));
    assert_eq!(read_to_end(&mut first).await, "");
    assert!(!server.telemetry.render().contains("ecp_connection_limit_reached_total 1\n"));
}

#[tokio::test]
async fn where_all_are_busy_a_kept_place_takes_one_question_and_the_rest_is_closed() {
    let (router, mut was_reached, release) = held_route();
    let router = router.route(
        "/kept",
        get(|request: axum::extract::Request| async move {
            request.extensions().get::<NoPlace>().is_some().to_string()
        }),
    );
    let server = start(router, |options| options.max_connections = 1);
    let mut busy = server.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    was_reached.recv().await.unwrap();
    let mut watching = server.connect().await;
    watching.write_all(b"GET /kept HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let response = read_to_end(&mut watching).await;
    assert!(response.ends_with("true") && response.contains("connection: close"), "{response}");
    assert!(server.telemetry.render().contains("ecp_connection_limit_reached_total 1\n"));
    release.notify_one();
    assert!(read_response(&mut busy).await.ends_with("finished"));
    let mut next = server.connect().await;
    next.write_all(b"GET /kept HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    assert!(read_response(&mut next).await.ends_with("false"), "the idle one gave way");
}

#[tokio::test]
async fn a_small_body_that_nobody_reads_costs_no_connection_and_a_large_one_is_told_of() {
    let server = start(routes(), |_| {});
    let mut stream = server.connect().await;
    for _ in 0..3 {
        let head = b"POST /ignore HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\n\r\n12345";
        stream.write_all(head).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(
            response.starts_with("HTTP/1.1 413 ") && !response.contains("connection: close"),
            "{response}"
        );
    }
    for head in ["content-length: 1000000", "content-length: 5\r\nexpect: 100-continue"] {
        let mut stream = server.connect().await;
        let request = format!("POST /ignore HTTP/1.1\r\nhost: x\r\n{head}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let response = read_response(&mut stream).await;
        assert!(response.contains("connection: close"), "{head}: {response}");
    }
}

/// A route that says when it is reached and answers when it is allowed to.
fn held_route() -> (Router, mpsc::UnboundedReceiver<()>, Arc<Notify>) {
    let (reached, was_reached) = mpsc::unbounded_channel();
    let release = Arc::new(Notify::new());
    let waiting = release.clone();
    let handler = move || async move {
        reached.send(()).unwrap();
        waiting.notified().await;
        "finished"
    };
    (Router::new().route("/", get(handler)), was_reached, release)
}

#[tokio::test]
async fn stopping_closes_idle_connections_and_finishes_requests_in_flight() {
    let (router, mut was_reached, release) = held_route();
    let server = start(router, |_| {});
    let mut idle = server.connect().await;
    let mut busy = server.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    was_reached.recv().await.unwrap();
    server.stop.cancel();
    assert_eq!(read_to_end(&mut idle).await, "");
    release.notify_one();
    let response = read_to_end(&mut busy).await;
    assert!(response.ends_with("finished") && response.contains("connection: close"), "{response}");
    assert_eq!(server.served.await.unwrap(), 0);
    assert!(TcpStream::connect(server.address).await.is_err(), "nobody listens any more");
}

#[tokio::test]
async fn stopping_cuts_what_does_not_finish_within_the_grace() {
    let (router, mut was_reached, _release) = held_route();
    let server = start(router, |options| options.shutdown_grace = SOON);
    let mut busy = server.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    was_reached.recv().await.unwrap();
    server.stop.cancel();
    assert_eq!(server.served.await.unwrap(), 1);
    assert_eq!(read_to_end(&mut busy).await, "");
}

#[tokio::test]
async fn an_address_can_be_taken_again_right_after_a_stop() {
    let server = start(routes(), |_| {});
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    read_response(&mut stream).await;
    server.stop.cancel();
    server.served.await.unwrap();
    assert!(bind(server.address).is_ok());
}

#[tokio::test]
async fn a_request_is_handled_once_even_when_pipelined_with_a_broken_one() {
    let handled = Arc::new(AtomicUsize::new(0));
    let counter = handled.clone();
    let count = move || async move {
        counter.fetch_add(1, Ordering::Relaxed);
        ([(HeaderName::from_static("x-request-id"), "req-test")], "counted")
    };
    let server = start(Router::new().route("/", get(count)), |_| {});
    let mut stream = server.connect().await;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\nbroken\r\n\r\n").await.unwrap();
    let responses = read_to_end(&mut stream).await;
    assert!(responses.contains("counted"), "{responses}");
    assert_eq!(handled.load(Ordering::Relaxed), 1);
}
