//! A WebSocket stream of the API that survives its connections, frame by frame.
//!
//! Alerts go on where they stopped and repeats are left out; a roll-out starts with its present state and
//! ends by itself; monitoring can not bring back what an interruption lost. What was missed is told.

use super::Client;
use super::connection::{Call, Connection};
use super::failure::{CONNECTION_ERROR, CallFailure, Failure};
use super::language::say_text;
use super::output::Output;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use std::collections::{HashSet, VecDeque};
use std::ops::ControlFlow;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, HeaderValue};
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// First pause before connecting again; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// Longest pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);
/// The server pings every 20 s: a connection that is silent for longer is dead.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);
/// Frames that are remembered to recognise repeats.
const REMEMBERED: usize = 2_000;

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Which stream, and how it behaves.
#[derive(Default)]
pub(super) struct Stream {
    /// Its path.
    path: String,
    /// First message.
    hello: Option<Value>,
    /// The connection's end with code 1000 is the stream's end.
    ends: bool,
    /// `seq` counts the stream, not the connection; `?since=` goes on after an alert.
    resumes: bool,
    /// An interruption loses frames.
    lossy: bool,
    /// The alert to go on after.
    since: Option<String>,
}

impl Stream {
    /// A tenant's newest values.
    pub(super) fn monitoring(tenant_id: &str, metrics: &[String], interval: Duration) -> Self {
        let mut hello = json!({"action": "subscribe", "interval": interval.as_millis() as u64});
        if !metrics.is_empty() {
            hello["metrics"] = json!(metrics);
        }
        Self { hello: Some(hello), lossy: true, ..Self::new("monitoring", tenant_id) }
    }

    /// A roll-out or deletion, to its end.
    pub(super) fn deployment(deployment_id: &str) -> Self {
        Self { ends: true, ..Self::new("deployment", deployment_id) }
    }

    /// Alerts of a tenant or of all: the open ones, or what came after `since`; then each change.
    pub(super) fn alerts(tenant_id: Option<&str>, since: Option<String>) -> Self {
        let of_all = Self { path: "/ws/alerts".to_owned(), ..Self::default() };
        let stream = tenant_id.map_or(of_all, |id| Self::new("alerts", id));
        Self { resumes: true, since, ..stream }
    }

    fn new(kind: &str, id: &str) -> Self {
        Self { path: format!("/ws/{kind}/{}", super::connection::escaped(id)), ..Self::default() }
    }
}

/// What is known of the frames so far.
#[derive(Default)]
struct Seen {
    last: Option<u64>,
    newest_opening: String,
    recent: HashSet<String>,
    order: VecDeque<String>,
}

impl Client {
    /// Follows a stream until it ends or `on_frame` breaks off. Gaps and errors that pass are told beside.
    pub(super) async fn follow(
        &self,
        connection: &Connection,
        mut stream: Stream,
        mut on_frame: impl FnMut(&Value) -> Result<ControlFlow<()>, Failure>,
    ) -> Result<(), Failure> {
        let mut seen = Seen::default();
        let mut pause = FIRST_PAUSE;
        let mut opened = false;
        let mut attempt = 0;
        loop {
            match connect(connection, &stream).await {
                Ok(mut socket) => {
                    if opened && stream.lossy {
                        self.output.gap("reconnect", seen.last, None);
                    }
                    if !stream.resumes {
                        seen.last = None;
                    }
                    opened = true;
                    while let Some(text) = next_text(&mut socket, stream.ends).await {
                        let Next::Frame(text) = text else { return Ok(()) };
                        let Some(frame) = self.check(&text, &mut stream, &mut seen) else { continue };
                        pause = FIRST_PAUSE;
                        if on_frame(&frame)?.is_break() {
                            // The server learns of it at the end of the connection at the latest.
                            let _ = socket.close(None).await;
                            return Ok(());
                        }
                    }
                }
                Err(failure) => {
                    let hopeless = matches!(failure.status, 401 | 403 | 404);
                    if hopeless || (!opened && attempt >= connection.retries) {
                        return Err(failure.into());
                    }
                    self.output.complain_of_stream(&failure);
                }
            }
            attempt += 1;
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// The frame, unless it is none or has come before.
    fn check(&self, text: &str, stream: &mut Stream, seen: &mut Seen) -> Option<Value> {
        let frame: Value = serde_json::from_str(text).unwrap_or_default();
        let seq = frame["seq"].as_u64();
        if frame.get("error").is_some() {
            self.output.complain_of_stream(&CallFailure::from_answer(400, text, None));
            return None;
        }
        let Some(seq) = seq else {
            let start: String = text.chars().take(80).collect();
            let what = say_text!("cli.no_frame", text = start);
            self.output.complain_of_stream(&CallFailure::own(super::failure::INVALID_RESPONSE, 0, what));
            return None;
        };
        if stream.resumes && !seen.is_new(&frame, seq) {
            return None;
        }
        if let Some(last) = seen.last.filter(|last| seq > last + 1) {
            self.output.gap("sequence", Some(last), Some(seq));
        }
        seen.last = Some(seen.last.unwrap_or(seq).max(seq));
        if stream.resumes
            && let (Some(opening), Some(id)) = (frame["opened_at"].as_str(), frame["alert_id"].as_str())
            && opening >= seen.newest_opening.as_str()
        {
            seen.newest_opening = opening.to_owned();
            stream.since = Some(id.to_owned());
        }
        Some(frame)
    }
}

impl Seen {
    fn is_new(&mut self, frame: &Value, seq: u64) -> bool {
        let key = format!("{seq} {} {}", frame["alert_id"], frame["state"]);
        if !self.recent.insert(key.clone()) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.recent.remove(&oldest);
        }
        true
    }
}

enum Next {
    Frame(String),
    End,
}

/// The next text; nothing where the connection is lost.
async fn next_text(socket: &mut Socket, ends: bool) -> Option<Next> {
    loop {
        match timeout(LONGEST_SILENCE, socket.next()).await.ok()?? {
            Ok(Message::Text(text)) => return Some(Next::Frame(text.as_str().to_owned())),
            Ok(Message::Close(reason)) => {
                let over = ends && reason.is_some_and(|reason| reason.code == CloseCode::Normal);
                return over.then_some(Next::End);
            }
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}

async fn connect(connection: &Connection, stream: &Stream) -> Result<Socket, CallFailure> {
    let broken = |error: String| CallFailure::own(CONNECTION_ERROR, 0, error);
    let since: Vec<_> = stream.since.iter().map(|since| ("since", since.clone())).collect();
    let url = connection.stream_url(&stream.path, &since)?;
    let mut request = url.as_str().into_client_request().map_err(|error| broken(error.to_string()))?;
    for (name, value) in connection.headers() {
        let value = HeaderValue::from_str(&value).map_err(|error| broken(format!("{name}: {error}")))?;
        request.headers_mut().insert(HeaderName::from_static(name), value);
    }
    let handshake = timeout(connection.timeout, tokio_tungstenite::connect_async(request)).await;
    let mut socket = match handshake {
        Ok(Ok((socket, _))) => socket,
        Ok(Err(Error::Http(response))) => {
            let call = Call::get(&stream.path).query("since", stream.since.as_ref());
            return Err(refusal(connection, &call, response.status().as_u16()).await);
        }
        Ok(Err(error)) => return Err(broken(format!("{url}: {error}"))),
        Err(_) => {
            return Err(broken(say_text!(
                "cli.no_answer",
                server = url,
                seconds = connection.timeout.as_secs_f64()
            )));
        }
    };
    if let Some(hello) = &stream.hello {
        let message = Message::text(hello.to_string());
        socket.send(message).await.map_err(|error| broken(format!("{url}: {error}")))?;
    }
    Ok(socket)
}

/// Why a handshake was refused: a plain request to the same path is answered with the envelope.
async fn refusal(connection: &Connection, call: &Call, status: u16) -> CallFailure {
    match connection.once(call).await {
        Err(failure) if failure.status == status => failure,
        _ => CallFailure::own(CONNECTION_ERROR, status, say_text!("cli.socket_refused", status = status)),
    }
}

impl Output {
    fn gap(&self, reason: &str, after: Option<u64>, before: Option<u64>) {
        if self.speaks_plainly() {
            self.complain("warning", &say_text!("cli.frames_missed", reason = reason));
        } else {
            self.note(&json!({"gap": {"reason": reason, "after": after, "before": before}}));
        }
    }

    fn complain_of_stream(&self, failure: &CallFailure) {
        if self.speaks_plainly() {
            self.complain("warning", &format!("{} ({})", failure.message, failure.code));
        } else {
            self.note(&json!({"warning": {"code": failure.code, "message": failure.message}}));
        }
    }
}
