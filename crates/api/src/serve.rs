//! The server around the router: listening, connections, their limits, and the end.
//!
//! It runs hyper itself because a plain `axum::serve` never closes a slow socket. Each connection has
//! deadlines for its headers, for the pause between requests and for a reader that stalls
//! ([`activity`]); how long a body and an answer may take is the request layer's. What a request means
//! is the router's.

mod activity;
mod connection;
mod left_over;
mod open_files;
mod places;
mod stream;
#[cfg(test)]
mod tests;

pub use open_files::allowed_connections;
pub(crate) use stream::ConnectionInput;

use crate::error::{ApiError, ErrorCode};
use crate::request_context::RequestContext;
use crate::telemetry::Telemetry;
use activity::Activity;
use axum::Router;
use bytes::Bytes;
use connection::{Connection, serve_connection, timeouts};
use ecp_core::ports::Clock;
use ecp_core::text::Message;
use http::{HeaderMap, StatusCode};
use places::{Place, Places};
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections that the operating system keeps waiting for us.
const BACKLOG: i32 = 4096;
/// Bytes of an answer that the operating system takes before the first of them is on its way.
#[cfg(target_os = "linux")]
const UNSENT_BYTES: u32 = 16 * 1024;
/// Shortest and longest pause after an accept that failed for want of files or memory.
const ACCEPT_PAUSE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// What is answered to a request that can not be read: the whole response, ready to be sent.
pub type UnreadableResponse = Arc<dyn Fn(StatusCode) -> Bytes + Send + Sync>;

/// Answers in the error envelope, in Korean: what language the caller speaks can not be read either.
pub fn unreadable_responses(clock: Arc<dyn Clock>) -> UnreadableResponse {
    Arc::new(move |status| {
        let key = match status {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => "serve.headers_too_large",
            StatusCode::URI_TOO_LONG => "serve.uri_too_long",
            _ => "serve.unreadable",
        };
        let error = ApiError::new(ErrorCode::InvalidRequest, Message::new(key)).with_status(status);
        let request = RequestContext::read(&HeaderMap::new());
        let request_id = request.request_id.as_str();
        let body = error.envelope(request.language, clock.now(), request_id).to_string();
        let reason = status.canonical_reason().unwrap_or_default();
        Bytes::from(format!(
            "HTTP/1.1 {} {reason}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
             x-request-id: {request_id}\r\nconnection: close\r\n\r\n{body}",
            status.as_str(),
            body.len(),
        ))
    })
}

/// Limits of the server.
#[derive(Clone)]
pub struct ServeOptions {
    /// Connections at once, shared by address; an idle one gives way where they run short.
    pub max_connections: usize,
    /// Time for the headers of a request, and for a new connection to send its first.
    pub header_timeout: Duration,
    /// Time that a connection may stay open between requests.
    pub idle_timeout: Duration,
    /// Time that a client may take none of the response that waits for it.
    pub write_timeout: Duration,
    /// Time for requests in flight after the server was told to stop.
    pub shutdown_grace: Duration,
    /// Largest request line and headers together, in bytes; more is answered 431. At least 8192.
    pub max_header_bytes: usize,
    /// Answers a request that can not be read.
    pub unreadable: UnreadableResponse,
    /// Counts connections.
    pub telemetry: Arc<Telemetry>,
}

impl ServeOptions {
    /// The defaults.
    pub fn new(unreadable: UnreadableResponse, telemetry: Arc<Telemetry>) -> Self {
        Self {
            max_connections: 10_240,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            write_timeout: Duration::from_secs(30),
            shutdown_grace: Duration::from_secs(8),
            max_header_bytes: 16 * 1024,
            unreadable,
            telemetry,
        }
    }
}

/// On requests whose connection has a place that is kept for those who watch the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NoPlace;

/// Opens a listening socket whose address can be taken again right after a restart. Must be called
/// within a runtime. Fails where the address is taken or not ours.
pub fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Serves until `stop` is cancelled; then stops accepting, lets requests in flight finish within the
/// grace, cuts what is left, and returns how many connections it had to cut.
///
/// WebSockets see the same token and close themselves.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    options: ServeOptions,
    stop: CancellationToken,
) -> usize {
    let options = Arc::new(options);
    let places = Places::new(options.max_connections);
    let open = TaskTracker::new();
    let cut = CancellationToken::new();
    loop {
        let Some(()) = stop.run_until_cancelled(places.room()).await else { break };
        let Some((stream, peer)) = stop.run_until_cancelled(accept(&listener)).await else { break };
        let activity = Arc::new(Activity::new(timeouts(&options)));
        // Without any place it is closed at once; others are taken meanwhile only by this very loop.
        let Some(place) = places.take(peer.ip(), &activity) else { continue };
        if place.is_kept {
            options.telemetry.connection_limit_reached();
            tracing::warn!(%peer, "all connections are busy; only health is answered (limits.max_connections)");
        }
        let connection = Connection {
            peer,
            activity,
            router: router.clone(),
            options: options.clone(),
            stop: stop.clone(),
            cut: cut.clone(),
        };
        let held = Held { place, _open: open.token(), telemetry: options.telemetry.clone() };
        held.telemetry.connection_opened();
        tokio::spawn(serve_connection(connection, stream, held));
    }
    drop(listener);
    open.close();
    if tokio::time::timeout(options.shutdown_grace, open.wait()).await.is_ok() {
        return 0;
    }
    let left = open.len();
    tracing::warn!(connections = left, "cutting connections that did not finish in time");
    cut.cancel();
    left
}

/// What a connection holds as long as its socket is open, upgraded or not.
struct Held {
    place: Place,
    _open: tokio_util::task::task_tracker::TaskTrackerToken,
    telemetry: Arc<Telemetry>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.telemetry.connection_closed();
    }
}

/// Takes the next connection. Without files or memory it waits a little and tries again; a connection
/// that ended before it was taken is nobody's loss.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    let mut pause = ACCEPT_PAUSE.0;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                if let Err(error) = tune(&stream) {
                    tracing::debug!(%error, "a socket option could not be set");
                }
                return (stream, peer);
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "accepting connections failed; check the limit of open files");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(ACCEPT_PAUSE.1);
            }
        }
    }
}

/// Sends small answers at once, and leaves no more than a little unsent with the operating system: what
/// it holds for a slow reader of a stream is old before it is read.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES)?;
    Ok(())
}

fn concerns_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
