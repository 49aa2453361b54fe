//! Request bodies that a handler left unread: a small rest is read, so that the connection can go on; of a
//! larger one the answer says that the connection closes.

use axum::body::Body;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, Incoming, SizeHint};
use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// Most bytes that are read for nothing.
const MOST_BYTES: usize = 64 * 1024;
/// Longest wait for them.
const PATIENCE: Duration = Duration::from_millis(100);

/// Where a body is put back when its reader stops early.
pub(super) type LeftOver = Arc<Mutex<Option<Incoming>>>;

/// A body that comes back when it is dropped before its end.
struct Returned {
    body: Option<Incoming>,
    left_over: LeftOver,
}

/// The body for a handler, and where what it leaves of it will be.
pub(super) fn watched(body: Incoming) -> (Body, LeftOver) {
    let left_over = LeftOver::default();
    if body.is_end_stream() {
        return (Body::empty(), left_over);
    }
    (Body::new(Returned { body: Some(body), left_over: left_over.clone() }), left_over)
}

/// Reads a small rest; false where the connection cannot go on because there is more.
pub(super) async fn is_done(left_over: &LeftOver, awaits_leave: bool) -> bool {
    let Some(mut body) = left_over.lock().take() else { return true };
    // Who waits for a go-ahead has not sent the body, and must not be made to.
    if awaits_leave || body.size_hint().lower() > MOST_BYTES as u64 {
        return false;
    }
    let reading = async {
        let mut seen = 0;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else { return false };
            seen += frame.data_ref().map_or(0, Bytes::len);
            if seen > MOST_BYTES {
                return false;
            }
        }
        true
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or(false)
}

impl HttpBody for Returned {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.body {
            Some(body) => Pin::new(body).poll_frame(cx),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(HttpBody::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map_or_else(|| SizeHint::with_exact(0), HttpBody::size_hint)
    }
}

impl Drop for Returned {
    fn drop(&mut self) {
        if let Some(body) = self.body.take().filter(|body| !body.is_end_stream()) {
            *self.left_over.lock() = Some(body);
        }
    }
}
