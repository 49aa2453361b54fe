//! The socket of a connection: notes what happens on it, puts the error envelope into hyper's own
//! error responses, and closes so that the client can read the last answer.

use super::activity::Activity;
use super::connection::LINGER;
use super::{Held, UnreadableResponse};
use bytes::{Buf, Bytes};
use http::StatusCode;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;

/// Bytes read at a time while discarding.
const DISCARD_BYTES: usize = 4096;

/// A socket with what is to be known about its connection.
pub(super) struct ConnectionStream {
    /// There until it is dropped.
    stream: Option<TcpStream>,
    activity: Arc<Activity>,
    unreadable: UnreadableResponse,
    /// Takes the place of a response of hyper's that is being written.
    replacement: Option<Bytes>,
    /// Reading until the client closes too.
    discarding: Option<bool>,
    input: ConnectionInput,
    /// There until it is dropped.
    held: Option<Held>,
}

/// What a WebSocket can say of the input of its connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct ConnectionInput(Arc<AtomicBool>);

impl ConnectionInput {
    /// What the client still sends is read and thrown away for a moment when the connection closes, so that
    /// it gets to read our reason.
    pub(crate) fn discard_rest(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads what still comes and throws it away.
async fn discard_rest(mut stream: TcpStream, held: Held) {
    let mut bytes = [0; DISCARD_BYTES];
    let reading = async {
        let _ = stream.shutdown().await;
        while stream.read(&mut bytes).await.is_ok_and(|length| length > 0) {}
    };
    let _ = tokio::time::timeout(LINGER, reading).await;
    drop(held);
}

impl Drop for ConnectionStream {
    fn drop(&mut self) {
        if self.input.0.load(Ordering::Relaxed)
            && let (Some(stream), Some(held)) = (self.stream.take(), self.held.take())
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            runtime.spawn(discard_rest(stream, held));
        }
    }
}

impl ConnectionStream {
    pub(super) fn new(
        stream: TcpStream,
        activity: Arc<Activity>,
        unreadable: UnreadableResponse,
        input: ConnectionInput,
        held: Held,
    ) -> Self {
        let (stream, held) = (Some(stream), Some(held));
        Self { stream, activity, unreadable, replacement: None, discarding: None, input, held }
    }

    fn socket(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::NotConnected.into())
    }

    fn poll_write_plain(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let result = self.socket()?.poll_write(cx, bytes);
        match &result {
            Poll::Ready(Ok(_)) => self.activity.written(),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => self.activity.write_blocked(),
        }
        result
    }

    /// Writes the replacement; done when all of it is written.
    fn poll_write_replacement(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(bytes) = self.replacement.clone().filter(|bytes| !bytes.is_empty()) {
            let written = ready!(self.poll_write_plain(cx, &bytes))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            if let Some(bytes) = &mut self.replacement {
                bytes.advance(written);
            }
        }
        self.replacement = None;
        Poll::Ready(Ok(()))
    }
}

/// The status of a response that hyper made itself because it could not read the request. Every
/// response of ours names its request.
fn made_by_hyper(bytes: &[u8]) -> Option<StatusCode> {
    let status = bytes.strip_prefix(b"HTTP/1.1 ")?.get(..3)?;
    if status[0] != b'4' || !bytes.ends_with(b"\r\n\r\n") {
        return None;
    }
    let headers = std::str::from_utf8(bytes).ok()?;
    if headers.to_ascii_lowercase().contains("\r\nx-request-id:") {
        return None;
    }
    StatusCode::from_bytes(status).ok()
}

impl AsyncRead for ConnectionStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let result = self.socket()?.poll_read(cx, buffer);
        if buffer.filled().len() > before {
            self.activity.received();
        }
        result
    }
}

impl AsyncWrite for ConnectionStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.replacement.is_none() {
            let Some(status) = made_by_hyper(bytes) else { return self.poll_write_plain(cx, bytes) };
            self.replacement = Some((self.unreadable)(status));
        }
        ready!(self.poll_write_replacement(cx))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_flush(cx)
    }

    /// Closes our side; where the client may still be sending, reads on until it stops, since closing
    /// over unread bytes would reset the connection and take our answer with it.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let discard = match self.discarding {
            Some(discard) => discard,
            None => {
                ready!(self.socket()?.poll_shutdown(cx))?;
                let discard = self.activity.closing();
                self.discarding = Some(discard);
                discard
            }
        };
        if !discard {
            return Poll::Ready(Ok(()));
        }
        let mut bytes = [0; DISCARD_BYTES];
        loop {
            let mut buffer = ReadBuf::new(&mut bytes);
            match ready!(self.socket()?.poll_read(cx, &mut buffer)) {
                Ok(()) if !buffer.filled().is_empty() => {}
                // The end, or a reset: there is nobody left to read our answer.
                Ok(()) | Err(_) => return Poll::Ready(Ok(())),
            }
        }
    }
}
