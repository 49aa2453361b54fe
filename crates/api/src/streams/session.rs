//! The life of a connection: frames of a feed go out, messages of the client come in, until one ends
//! it.

use super::socket::{Gone, Incoming, LiveSocket, MESSAGE_BYTES};
use crate::auth::Authentication;
use crate::error::{ApiError, ErrorCode};
use crate::fields::unknown_choice;
use crate::json::{self, Read, Shape};
use crate::request_context::Api;
use axum::extract::ws::{Utf8Bytes, close_code};
use ecp_core::access::Access;
use ecp_core::ids::RequestId;
use ecp_core::ports::Clock;
use ecp_core::text::{Language, Message};
use serde_json::{Value, json};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

/// What is read of a message.
static COMMAND: Shape = Shape::Object(&[
    ("action", Shape::Scalar),
    ("metrics", Shape::Array(&Shape::Scalar, 256)),
    ("interval", Shape::Scalar),
]);

/// What a feed does next.
pub(super) enum Step {
    /// Sends a frame.
    Frame(Utf8Bytes),
    /// Sends a frame in place of so many that the client was too slow for.
    Conflated(Utf8Bytes, u64),
    /// Tells the client of a fault.
    Fault(ApiError),
    /// Closes: there is nothing more to come.
    End(Message),
    /// Closes: what is to come can not be read.
    Fail,
}

/// Where a connection's frames come from.
pub(super) trait Feed: Send {
    /// Waits for the next thing to do. Asked only while the client takes frames; dropped and asked
    /// anew at any time, so nothing may be lost while waiting.
    fn next(&mut self) -> impl Future<Output = Step> + Send;

    /// The next frame, where it is there already: what waits together leaves in one write.
    fn waiting(&mut self) -> Option<Utf8Bytes>;

    /// Takes a command; commands that all streams have are handled before.
    fn command(&mut self, action: &str, body: &Value) -> Result<(), ApiError>;

    /// The number for a frame that is no data: an error, an answer.
    fn seq(&mut self) -> u64;
}

/// What a connection needs beside its socket and its feed.
pub(super) struct Session {
    language: Language,
    request_id: RequestId,
    clock: Arc<dyn Clock>,
    /// The server stops.
    stopping: CancellationToken,
    /// The server stops, or what is watched is gone.
    ended: CancellationToken,
    /// By which the client was let in.
    access: Arc<Access>,
    authentication: Authentication,
    token_interval: Duration,
}

impl Session {
    pub(super) fn new(api: &Api, language: Language, ended: CancellationToken) -> Self {
        Self {
            language,
            request_id: api.context.request_id.clone(),
            clock: api.state.clock.clone(),
            stopping: api.state.stopping.clone(),
            ended,
            access: api.access.clone(),
            authentication: api.state.authentication.clone(),
            token_interval: api.state.streams.options.token_interval,
        }
    }

    /// Runs until the client goes, its token is no longer valid, the feed ends, the tenant is deleted or
    /// the server stops.
    pub(super) async fn run(self, mut socket: LiveSocket, mut feed: impl Feed) {
        let mut ended = pin!(self.ended.cancelled());
        let mut given_up = pin!(socket.place_wanted().cancelled_owned());
        let mut recheck = pin!(sleep(self.token_interval));
        loop {
            let writable = socket.is_writable();
            let step = tokio::select! {
                biased;
                () = &mut ended => {
                    let (code, key) = if self.stopping.is_cancelled() {
                        (close_code::AWAY, "stream.server_stopping")
                    } else {
                        (close_code::NORMAL, "stream.tenant_deleted")
                    };
                    return socket.close(code, self.text(key)).await;
                }
                () = &mut given_up => {
                    return socket.close(close_code::AGAIN, self.text("stream.place_given_up")).await;
                }
                () = &mut recheck => {
                    if !self.authentication.still_holds(&self.access) {
                        return socket.close(close_code::POLICY, self.text("stream.token_ended")).await;
                    }
                    recheck.as_mut().reset(Instant::now() + self.token_interval);
                    continue;
                }
                incoming = socket.receive() => {
                    let result = match incoming {
                        Incoming::Text(text) => self.take(&text, &mut socket, &mut feed),
                        Incoming::Binary => {
                            self.send_fault(&binary(), &mut socket, &mut feed)
                        }
                        Incoming::Writable => Ok(()),
                        Incoming::TooLarge => {
                            let reason = Message::new("stream.message_too_large").with("limit_bytes", MESSAGE_BYTES);
                            return socket.give_up(close_code::SIZE, reason.render(self.language)).await;
                        }
                        Incoming::Broken(code) => {
                            return socket.give_up(code, self.text("stream.not_understood")).await;
                        }
                        Incoming::Gone => Err(Gone),
                    };
                    if result.is_err() {
                        return;
                    }
                    continue;
                }
                step = feed.next(), if writable => step,
            };
            let sent = match step {
                Step::Frame(frame) => socket.send_with(frame, || feed.waiting()),
                Step::Conflated(frame, count) => {
                    socket.count_conflated(count);
                    socket.send(frame)
                }
                Step::Fault(fault) => self.send_fault(&fault, &mut socket, &mut feed),
                Step::End(reason) => {
                    return socket.close(close_code::NORMAL, reason.render(self.language)).await;
                }
                Step::Fail => {
                    return socket.close(close_code::ERROR, self.text("stream.failed")).await;
                }
            };
            if sent.is_err() || socket.flush().await.is_err() {
                return;
            }
        }
    }

    /// Obeys a message, or says why not.
    fn take(&self, text: &str, socket: &mut LiveSocket, feed: &mut impl Feed) -> Result<(), Gone> {
        match self.obey(text, feed) {
            Ok(None) => Ok(()),
            Ok(Some(answer)) => socket.send(answer),
            Err(fault) => self.send_fault(&fault, socket, feed),
        }
    }

    fn obey(&self, text: &str, feed: &mut impl Feed) -> Result<Option<Utf8Bytes>, ApiError> {
        let (action, body) = read_command(text)?;
        if action == "ping" {
            let answer = json!({"action": "pong", "seq": feed.seq()});
            return Ok(Some(answer.to_string().into()));
        }
        feed.command(&action, &body).map(|()| None)
    }

    /// Sends the error envelope with a number.
    fn send_fault(
        &self,
        fault: &ApiError,
        socket: &mut LiveSocket,
        feed: &mut impl Feed,
    ) -> Result<(), Gone> {
        let mut frame = fault.envelope(self.language, self.clock.now(), self.request_id.as_str());
        frame["seq"] = json!(feed.seq());
        socket.send(frame.to_string().into())
    }

    fn text(&self, key: &'static str) -> String {
        Message::new(key).render(self.language)
    }
}

/// What a message asks for, and the whole of it.
pub(crate) fn read_command(text: &str) -> Result<(String, Value), ApiError> {
    let Read { value: body, .. } = json::read_message(text, &COMMAND)?;
    let Some(action) = body.get("action").and_then(Value::as_str) else {
        return Err(ApiError::new(ErrorCode::InvalidRequest, Message::new("stream.no_action")));
    };
    Ok((action.to_owned(), body))
}

/// A command that the stream does not have.
pub(super) fn unknown_action(action: &str, known: &[&'static str]) -> ApiError {
    let message = unknown_choice("stream.unknown_action", action, known.iter().copied());
    ApiError::new(ErrorCode::InvalidRequest, message)
}

fn binary() -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, Message::new("stream.binary"))
}
