//! Spans that reach a collector over a real socket, and a collector that is not there.

use ecp_testkit::{Program, http_client};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value as AnyValue;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use serde_json::json;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT_ID: &str = "b7ad6b7169203331";

/// Takes what is posted to `/v1/traces`, and hands on its spans.
fn collector() -> (String, Receiver<Span>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    let (spans, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (Ok(stream), spans) = (stream, spans.clone()) else { return };
            std::thread::spawn(move || take(stream, &spans));
        }
    });
    (address, received)
}

fn take(stream: TcpStream, spans: &Sender<Span>) {
    let mut answers = stream.try_clone().expect("a second handle");
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        assert!(line.starts_with("POST /v1/traces "), "{line}");
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header).expect("a header");
            let header = header.trim_end().to_ascii_lowercase();
            if header.is_empty() {
                break;
            }
            if let Some(value) = header.strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).expect("a body");
        let request = ExportTraceServiceRequest::decode(&*body).expect("OTLP");
        let scopes = request.resource_spans.into_iter().flat_map(|resource| resource.scope_spans);
        for span in scopes.flat_map(|scope| scope.spans) {
            // The test may have seen enough.
            let _ = spans.send(span);
        }
        let empty = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n";
        answers.write_all(empty).expect("an answer");
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text<'a>(span: &'a Span, key: &str) -> Option<&'a str> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match found.value.as_ref()?.value.as_ref()? {
        AnyValue::StringValue(text) => Some(text),
        _ => None,
    }
}

/// Spans that came, until one is there that is wanted.
fn until<'a>(received: &Receiver<Span>, seen: &'a mut Vec<Span>, wanted: impl Fn(&Span) -> bool) -> &'a Span {
    loop {
        if let Some(place) = seen.iter().position(&wanted) {
            return &seen[place];
        }
        let next = received.recv_timeout(Duration::from_secs(30));
        seen.push(next.unwrap_or_else(|_| panic!("the span never came; there are {seen:#?}")));
    }
}

/// A server in demo mode at the speed of life, so that a deployment takes longer than a test.
fn traced(endpoint: &str, folder: &Path, speed: &str) -> Program {
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
        ("OTEL_BSP_SCHEDULE_DELAY", "50"),
        ("ECP_DEMO_SPEED", speed),
    ];
    Program::builder(env!("CARGO_BIN_EXE_ecp"), folder).envs(&variables).start()
}

/// A request under the caller's own span and id.
async fn ask(request: reqwest::RequestBuilder, request_id: &str) -> reqwest::StatusCode {
    let answer = request
        .header("x-demo-mode", "true")
        .header("x-request-id", request_id)
        .header("traceparent", format!("00-{TRACE_ID}-{PARENT_ID}-01"))
        .send()
        .await;
    answer.expect("an answer").status()
}

async fn create_alpha(server: &Program) {
    let body = json!({"tenant_id": "alpha", "name": "A", "service_requirements": {"chatbot": 5}});
    let request = http_client().post(server.url("/api/v1/tenants/")).json(&body);
    assert_eq!(ask(request, "the-callers-own").await, 201);
}

fn is_of(request_id: &str) -> impl Fn(&Span) -> bool {
    move |span| text(span, "request.id") == Some(request_id)
}

#[tokio::test]
async fn a_request_its_transaction_the_pass_and_its_calls_are_spans_in_their_place() {
    let (endpoint, received) = collector();
    let folder = tempfile::tempdir().expect("a folder");
    let server = traced(&endpoint, folder.path(), "120");
    create_alpha(&server).await;
    let seen = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        let is_request = |span: &Span| span.name == "POST /api/v1/tenants/";
        let request = until(&received, &mut seen, is_request).clone();
        assert_eq!(
            (hex(&request.trace_id), hex(&request.parent_span_id)),
            (TRACE_ID.into(), PARENT_ID.into())
        );
        let of = |parent: Span, name: &'static str| {
            move |span: &Span| span.name == name && span.parent_span_id == parent.span_id
        };
        let transaction = until(&received, &mut seen, of(request.clone(), "store.transaction")).clone();
        let call = until(&received, &mut seen, |span| {
            span.name == "cluster.call" && text(span, "operation") == Some("apply")
        })
        .clone();
        let pass = until(&received, &mut seen, |span| span.span_id == call.parent_span_id).clone();
        assert_eq!((pass.name.as_str(), text(&pass, "tenant.id")), ("reconcile", Some("alpha")));
        assert_eq!(pass.parent_span_id, request.span_id, "a pass is under the request that asked for it");
        let written = until(&received, &mut seen, of(pass.clone(), "store.transaction")).clone();
        for span in [&request, &transaction, &call, &pass, &written] {
            assert_eq!(hex(&span.trace_id), TRACE_ID, "{span:#?}");
            assert!(is_of("the-callers-own")(span), "{span:#?}");
        }
    });
    seen.await.expect("the spans are as they should be");
    server.kill();
}

#[tokio::test]
async fn a_pass_after_a_crash_is_under_the_request_that_was_answered_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (endpoint, _) = collector();
    let server = traced(&endpoint, folder.path(), "1");
    create_alpha(&server).await;
    server.kill();
    let (endpoint, received) = collector();
    let server = traced(&endpoint, folder.path(), "1");
    let (seen, received) = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        let is_pass = |span: &Span| span.name == "reconcile" && is_of("the-callers-own")(span);
        let pass = until(&received, &mut seen, is_pass).clone();
        assert_eq!((hex(&pass.trace_id), text(&pass, "tenant.id")), (TRACE_ID.into(), Some("alpha")));
        let is_call = |span: &Span| span.name == "cluster.call" && is_of("the-callers-own")(span);
        until(&received, &mut seen, is_call);
        (seen, received)
    })
    .await
    .expect("the spans are as they should be");
    // A deletion takes its place: from then on it is what passes are for.
    let deletion = http_client().delete(server.url("/api/v1/tenants/alpha/"));
    assert_eq!(ask(deletion, "the-deletion").await, 200);
    tokio::task::spawn_blocking(move || {
        let mut seen = seen;
        let is_pass = |span: &Span| span.name == "reconcile" && is_of("the-deletion")(span);
        until(&received, &mut seen, is_pass);
    })
    .await
    .expect("the spans are as they should be");
    server.kill();
}

#[tokio::test]
async fn without_a_collector_nothing_is_held_up() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    // It takes connections and never answers.
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let folder = tempfile::tempdir().expect("a folder");
    let variables = [("ECP_TELEMETRY__OTLP_ENDPOINT", endpoint.as_str()), ("OTEL_BSP_SCHEDULE_DELAY", "1")];
    let server = Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path()).envs(&variables).start();
    let http = http_client();
    for _ in 0..3000 {
        let answer = http.get(server.url("/healthz")).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
    }
    assert!(server.ends_well_when_asked(), "it ends by itself, with 0");
}
