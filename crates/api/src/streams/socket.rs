//! One WebSocket: takes a frame when the last one left, pings, and closes.

use super::StreamOptions;
use super::places::Place;
use crate::serve::ConnectionInput;
use crate::telemetry::StreamMetrics;
use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, close_code};
use bytes::Bytes;
use futures_util::{Sink, Stream};
use std::error::Error as _;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::{Instant, Sleep};
use tokio_util::sync::CancellationToken;
use tungstenite::error::{CapacityError, Error as SocketError, ProtocolError};

/// Largest message of a client; a larger one ends the connection.
pub(super) const MESSAGE_BYTES: usize = 64 * 1024;
/// What waits together leaves in one write of about that many bytes.
pub(super) const WRITE_BYTES: usize = 32 * 1024;
/// How long a client may take to answer our close.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// What a client did.
pub(crate) enum Incoming {
    /// It sent a text.
    Text(Utf8Bytes),
    /// It sent bytes.
    Binary,
    /// It sends a message over [`MESSAGE_BYTES`]; nothing more can be read.
    TooLarge,
    /// It sends what is no WebSocket, or a text that is not UTF-8; nothing more can be read. With the code that says
    /// so.
    Broken(u16),
    /// It took the last frame; the next may follow.
    Writable,
    /// It is gone, or silent for too long.
    Gone,
}

/// The client is gone, or reads nothing.
#[derive(Debug)]
pub(crate) struct Gone;

/// An open WebSocket.
pub(crate) struct LiveSocket {
    socket: WebSocket,
    options: StreamOptions,
    metrics: StreamMetrics,
    /// Bytes wait for the client to take them.
    flushing: bool,
    next_ping: Instant,
    last_pong: Instant,
    timer: Pin<Box<Sleep>>,
    place: Place,
    /// To throw away what it still sends when it is given up.
    input: Option<ConnectionInput>,
}

impl LiveSocket {
    pub(super) fn new(
        socket: WebSocket,
        options: StreamOptions,
        metrics: StreamMetrics,
        place: Place,
        input: Option<ConnectionInput>,
    ) -> Self {
        metrics.subscribers.inc();
        let now = Instant::now();
        let next_ping = now + options.ping_interval;
        let timer = Box::pin(tokio::time::sleep_until(next_ping));
        let mut live = Self {
            socket,
            options,
            metrics,
            flushing: false,
            next_ping,
            last_pong: now,
            timer,
            place,
            input,
        };
        live.arm();
        live
    }

    /// Cancelled when another client needs the place more.
    pub fn place_wanted(&self) -> CancellationToken {
        self.place.wanted()
    }

    /// True where the client has taken everything so far.
    pub fn is_writable(&self) -> bool {
        !self.flushing
    }

    /// Counts frames that newer values took the place of.
    pub fn count_conflated(&self, frames: u64) {
        self.metrics.conflated.inc_by(frames);
    }

    /// Takes a frame to be sent; [`Self::flush`] and [`Self::receive`] send it.
    pub fn send(&mut self, frame: Utf8Bytes) -> Result<(), Gone> {
        self.metrics.frames.inc();
        self.start_send(Message::Text(frame))
    }

    /// Takes a frame, and what waits behind it for as long as it all fits into one write.
    pub fn send_with(
        &mut self,
        frame: Utf8Bytes,
        mut waiting: impl FnMut() -> Option<Utf8Bytes>,
    ) -> Result<(), Gone> {
        let mut bytes = frame.len();
        self.send(frame)?;
        while bytes < WRITE_BYTES
            && let Some(frame) = waiting()
        {
            bytes += frame.len();
            self.send(frame)?;
        }
        Ok(())
    }

    /// Sends what the client takes at once.
    pub async fn flush(&mut self) -> Result<(), Gone> {
        poll_fn(|cx| match self.poll_flush(cx) {
            Poll::Pending => Poll::Ready(Ok(())),
            flushed => flushed,
        })
        .await
    }

    /// Ready when the client has taken everything.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        let flushed = Pin::new(&mut self.socket).poll_flush(cx).map_err(|_broken| Gone);
        self.flushing = flushed.is_pending();
        flushed
    }

    fn start_send(&mut self, message: Message) -> Result<(), Gone> {
        self.flushing = true;
        Pin::new(&mut self.socket).start_send(message).map_err(|_refused| Gone)
    }

    /// Waits for the client, sends what waits to be sent, and keeps the connection alive. Nothing is
    /// lost where the returned future is dropped.
    pub async fn receive(&mut self) -> Incoming {
        poll_fn(|cx| self.poll_receive(cx)).await
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Incoming> {
        if self.poll_keep_alive(cx).is_err() {
            return Poll::Ready(Incoming::Gone);
        }
        loop {
            // Who takes none of our answers is not listened to: each message may be one more of them.
            if self.flushing {
                return self.poll_flush(cx).map(|flushed| match flushed {
                    Ok(()) => Incoming::Writable,
                    Err(Gone) => Incoming::Gone,
                });
            }
            let Poll::Ready(message) = Pin::new(&mut self.socket).poll_next(cx) else { return Poll::Pending };
            match message {
                Some(Ok(Message::Text(text))) => return Poll::Ready(Incoming::Text(text)),
                Some(Ok(Message::Binary(_))) => return Poll::Ready(Incoming::Binary),
                Some(Ok(Message::Pong(_))) => self.last_pong = Instant::now(),
                // The answer is made by the protocol's layer and waits to be sent.
                Some(Ok(Message::Ping(_) | Message::Close(_))) => self.flushing = true,
                Some(Err(error)) if is_too_large(&error) => return Poll::Ready(Incoming::TooLarge),
                Some(Err(error)) => {
                    return Poll::Ready(broken_code(&error).map_or(Incoming::Gone, Incoming::Broken));
                }
                None => return Poll::Ready(Incoming::Gone),
            }
        }
    }

    /// Pings when it is time; fails where the last pong is too long ago.
    fn poll_keep_alive(&mut self, cx: &mut Context<'_>) -> Result<(), Gone> {
        while self.timer.as_mut().poll(cx).is_ready() {
            let now = Instant::now();
            if now >= self.last_pong + self.options.pong_timeout {
                return Err(Gone);
            }
            if now >= self.next_ping {
                self.next_ping = now + self.options.ping_interval;
                self.start_send(Message::Ping(Bytes::new()))?;
            }
            self.arm();
        }
        Ok(())
    }

    fn arm(&mut self) {
        let deadline = self.next_ping.min(self.last_pong + self.options.pong_timeout);
        self.timer.as_mut().reset(deadline);
    }

    /// Says why and closes where nothing more can be read: the rest of what the client sends is thrown
    /// away, so that it gets to read our reason.
    pub async fn give_up(mut self, code: u16, reason: String) {
        if let Some(input) = &self.input {
            input.discard_rest();
        }
        let frame = CloseFrame { code, reason: reason.into() };
        if self.start_send(Message::Close(Some(frame))).is_ok() {
            let flushed = poll_fn(|cx| Pin::new(&mut self.socket).poll_flush(cx));
            // A client that takes nothing in time is none to wait for.
            let _ = tokio::time::timeout(CLOSE_TIMEOUT, flushed).await;
        }
    }

    /// Says why and closes; a client that does not answer is cut after a moment.
    pub async fn close(mut self, code: u16, reason: String) {
        let frame = CloseFrame { code, reason: reason.into() };
        if self.start_send(Message::Close(Some(frame))).is_err() {
            return;
        }
        let answered = poll_fn(|cx| {
            loop {
                match self.poll_receive(cx) {
                    Poll::Ready(Incoming::Gone) => return Poll::Ready(()),
                    Poll::Ready(_) => {}
                    Poll::Pending => return Poll::Pending,
                }
            }
        });
        // A client that does not answer in time is none to wait for.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, answered).await;
    }
}

fn is_too_large(error: &axum::Error) -> bool {
    matches!(cause(error), Some(SocketError::Capacity(CapacityError::MessageTooLong { .. })))
}

/// How RFC 6455 has a connection closed on which that was read; none where it broke off.
fn broken_code(error: &axum::Error) -> Option<u16> {
    match cause(error)? {
        SocketError::Protocol(
            ProtocolError::ResetWithoutClosingHandshake
            | ProtocolError::SendAfterClosing
            | ProtocolError::ReceivedAfterClosing,
        ) => None,
        SocketError::Protocol(_) => Some(close_code::PROTOCOL),
        SocketError::Utf8(_) => Some(close_code::INVALID),
        _ => None,
    }
}

fn cause(error: &axum::Error) -> Option<&SocketError> {
    error.source().and_then(|source| source.downcast_ref())
}

impl Drop for LiveSocket {
    fn drop(&mut self) {
        self.metrics.subscribers.dec();
    }
}

#[cfg(test)]
mod tests;
