//! The keep-alive and the close of a socket, against a client that is no more than TCP.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::clients::Client;
use crate::serve::{ServeOptions, bind, serve, unreadable_responses};
use crate::streams::places::Places;
use crate::telemetry::{Stream, Telemetry};
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::routing::get;
use ecp_core::ports::SystemClock;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Until a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);
const HANDSHAKE: &[u8] = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const PING: [u8; 2] = [0x89, 0];
const MASKED_PONG: [u8; 6] = [0x8a, 0x80, 1, 2, 3, 4];

/// What the server's side of a socket does.
#[derive(Clone, Copy)]
enum Behaviour {
    Listen,
    Close,
}

struct Server {
    address: std::net::SocketAddr,
    telemetry: Arc<Telemetry>,
    /// Says that a socket is over.
    ended: mpsc::UnboundedReceiver<()>,
}

fn start(options: StreamOptions, behaviour: Behaviour) -> Server {
    let telemetry = Arc::new(Telemetry::new());
    let metrics = telemetry.stream(Stream::alerts).clone();
    let (end, ended) = mpsc::unbounded_channel();
    let places = Places::new(1);
    let handler = move |upgrade: WebSocketUpgrade| async move {
        upgrade.on_upgrade(move |socket| async move {
            let place = places.take(Client::from_number(1)).unwrap();
            let mut socket = LiveSocket::new(socket, options, metrics, place, None);
            match behaviour {
                Behaviour::Listen => while !matches!(socket.receive().await, Incoming::Gone) {},
                Behaviour::Close => socket.close(1000, "the end".to_owned()).await,
            }
            end.send(()).unwrap();
        })
    };
    let options = ServeOptions::new(unreadable_responses(Arc::new(SystemClock)), telemetry.clone());
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve(listener, Router::new().route("/", get(handler)), options, CancellationToken::new()));
    Server { address, telemetry, ended }
}

fn options(ping: u64, pong: u64) -> StreamOptions {
    StreamOptions {
        ping_interval: Duration::from_millis(ping),
        pong_timeout: Duration::from_millis(pong),
        ..StreamOptions::default()
    }
}

async fn connect(server: &Server) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    stream.write_all(HANDSHAKE).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_closed() {
    let mut server = start(options(20, 60), Behaviour::Listen);
    let mut stream = connect(&server).await;
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it closes").unwrap();
    assert!(bytes.starts_with(&PING), "{bytes:?}");
    server.ended.recv().await.unwrap();
    assert!(server.telemetry.render().contains("ecp_websocket_subscribers{stream=\"alerts\"} 0\n"));
}

#[tokio::test]
async fn a_client_that_answers_pings_stays_for_longer_than_the_pong_timeout() {
    let mut server = start(options(20, 2_000), Behaviour::Listen);
    let mut stream = connect(&server).await;
    let opened = Instant::now();
    while opened.elapsed() < Duration::from_millis(2_500) {
        let mut ping = [0; 2];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut ping)).await.expect("a ping").unwrap();
        assert_eq!(ping, PING);
        stream.write_all(&MASKED_PONG).await.unwrap();
    }
    assert!(server.ended.try_recv().is_err());
}

#[tokio::test]
async fn a_close_says_why_and_waits_for_the_client_only_so_long() {
    let mut server = start(options(60_000, 60_000), Behaviour::Close);
    let mut stream = connect(&server).await;
    let mut bytes = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.expect("it closes").unwrap();
    assert_eq!(bytes, [&[0x88, 9, 0x03, 0xe8][..], b"the end"].concat());
    server.ended.recv().await.unwrap();
}
