//! One connection: hyper over the socket, the router behind it, the watchdog beside it.

use super::activity::{Activity, Timeouts, Watchdog};
use super::stream::ConnectionStream;
use super::{Held, ServeOptions};
use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::response::Response;
use http::{Request, StatusCode};
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
const LINGER: Duration = Duration::from_secs(1);

/// What one connection is served with.
pub(super) struct Connection {
    pub peer: SocketAddr,
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
    let Connection { peer, router, options, stop, cut } = connection;
    let timeouts = Timeouts {
        header: options.header_timeout,
        idle: options.idle_timeout,
        write: options.write_timeout,
        linger: LINGER,
    };
    let activity = Arc::new(Activity::new(timeouts));
    let stream = ConnectionStream::new(stream, activity.clone(), options.unreadable.clone(), held);
    let service = RequestService { peer, router, activity: activity.clone() };
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
    let mut is_stopping = false;
    let end = poll_fn(|cx| {
        if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
            is_stopping = true;
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
}

impl Service<Request<Incoming>> for RequestService {
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn call(&self, request: Request<Incoming>) -> Self::Future {
        self.activity.request_started(!request.body().is_end_stream());
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(self.peer));
        let answer = self.router.clone().oneshot(request);
        let activity = self.activity.clone();
        Box::pin(async move {
            let response = answer.await?;
            if response.status() != StatusCode::SWITCHING_PROTOCOLS {
                activity.request_answered();
            }
            Ok(response)
        })
    }
}
