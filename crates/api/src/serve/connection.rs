//! One connection: hyper over the socket, the router behind it, the watchdog beside it.

use super::activity::{Activity, Timeouts, Watchdog};
use super::left_over::{is_done, watched};
use super::stream::{ConnectionInput, ConnectionStream};
use super::{Held, NoPlace, ServeOptions};
use axum::Router;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::header::{CONNECTION, EXPECT};
use http::{HeaderValue, Request, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How long a client that still sends may go on after our answer.
pub(super) const LINGER: Duration = Duration::from_secs(1);

/// What one connection is served with.
pub(super) struct Connection {
    pub peer: SocketAddr,
    pub activity: Arc<Activity>,
    pub router: Router,
    pub options: Arc<ServeOptions>,
    /// Finish what is in flight.
    pub stop: CancellationToken,
    /// End now.
    pub cut: CancellationToken,
}

enum End {
    Closed(hyper::Result<()>),
    TimedOut,
    Cut,
}

/// Serves requests until either side closes, or the connection becomes a WebSocket, which then owns
/// the socket and everything it holds.
pub(super) async fn serve_connection(connection: Connection, stream: TcpStream, held: Held) {
    let Connection { peer, activity, router, options, stop, cut } = connection;
    let (give_way, is_kept) = (held.place.give_way.clone(), held.place.is_kept);
    let input = ConnectionInput::default();
    let stream =
        ConnectionStream::new(stream, activity.clone(), options.unreadable.clone(), input.clone(), held);
    let service = RequestService { peer, router, activity: activity.clone(), input, is_kept };
    let mut builder = http1::Builder::new();
    builder
        // The watchdog tells slow headers from idle connections; hyper's one timer does not.
        .header_read_timeout(None)
        // A client may close its side once it has asked, as `nc` does.
        .half_close(true)
        .max_buf_size(options.max_header_bytes)
        .max_header_size(options.max_header_bytes);
    let mut serving = pin!(builder.serve_connection(TokioIo::new(stream), service).with_upgrades());

    let mut watchdog = Watchdog::default();
    let (mut stopping, mut cutting) = (pin!(stop.cancelled()), pin!(cut.cancelled()));
    let mut giving_way = pin!(give_way.cancelled());
    let (mut is_stopping, mut is_ending) = (false, false);
    let end = poll_fn(|cx| {
        if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
            is_stopping = true;
        }
        if !is_ending && (is_stopping || giving_way.as_mut().poll(cx).is_ready()) {
            is_ending = true;
            serving.as_mut().graceful_shutdown();
        }
        if is_stopping && cutting.as_mut().poll(cx).is_ready() {
            return Poll::Ready(End::Cut);
        }
        if let Poll::Ready(result) = serving.as_mut().poll(cx) {
            return Poll::Ready(End::Closed(result));
        }
        watchdog.poll(&activity, cx).map(|()| End::TimedOut)
    })
    .await;
    match end {
        End::Closed(Ok(())) => {}
        End::Closed(Err(error)) => tracing::debug!(%peer, %error, "connection ended"),
        End::TimedOut => tracing::debug!(%peer, "closing a connection that is too slow"),
        End::Cut => tracing::debug!(%peer, "cutting a connection"),
    }
}

/// The router, as hyper calls it.
struct RequestService {
    peer: SocketAddr,
    router: Router,
    activity: Arc<Activity>,
    input: ConnectionInput,
    is_kept: bool,
}

/// Times of a connection under these options.
pub(super) fn timeouts(options: &ServeOptions) -> Timeouts {
    Timeouts {
        header: options.header_timeout,
        idle: options.idle_timeout,
        write: options.write_timeout,
        linger: LINGER,
    }
}

impl Service<Request<Incoming>> for RequestService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.activity.request_started(!request.body().is_end_stream());
        let awaits_leave = request.headers().contains_key(EXPECT);
        let (parts, body) = request.into_parts();
        let (body, left_over) = watched(body);
        let mut request = Request::from_parts(parts, body);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        request.extensions_mut().insert(self.input.clone());
        if self.is_kept {
            request.extensions_mut().insert(NoPlace);
        }
        let answer = self.router.clone().oneshot(request);
        let (activity, is_kept) = (self.activity.clone(), self.is_kept);
        Box::pin(async move {
            let mut response = answer.await?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                // A place that is kept is for one question at a time.
                if !is_done(&left_over, awaits_leave).await || is_kept {
                    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
                }
                activity.request_answered();
            }
            Ok(response)
        })
    }
}
