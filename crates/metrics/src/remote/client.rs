//! HTTP to the store: credentials, limits of time and size, tries again, and whether it answers.

use super::settings::RemoteSettings;
use ecp_core::ports::{MetricError, MetricHealth};
use parking_lot::Mutex;
use reqwest::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How long a connection may take to come up.
const CONNECT_WITHIN: Duration = Duration::from_secs(3);
/// How long a store that did not answer last time may take: callers are told soon that it is away.
const WITHIN_WHILE_AWAY: Duration = Duration::from_secs(2);
/// First pause between two tries; each further one is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// Largest answer that is read.
const ANSWER_BYTES: usize = 32 << 20;
/// As much of a refusal as is told.
const REFUSAL_BYTES: usize = 400;
/// Questions at once: so many answers may be in memory.
const QUESTIONS_AT_ONCE: usize = 4;
/// Writes at once.
const WRITES_AT_ONCE: usize = 64;

/// Speaks with one store.
pub(super) struct StoreClient {
    http: Client,
    settings: RemoteSettings,
    credentials: Mutex<Option<HeaderValue>>,
    health: Mutex<MetricHealth>,
    questions: Semaphore,
    writes: Semaphore,
}

/// What a call is about; it decides what a refusal means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Read,
    Write,
    Delete,
}

/// Why settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RemoteSettingsError {
    /// The file of the credentials cannot be read.
    #[error(
        "metrics.credentials_file: {path} can not be read ({source}); check the path and who may read it"
    )]
    CredentialsFile {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// It says something else.
    #[error(
        "metrics.credentials_file: {0} must be one line, `Bearer TOKEN` or `Basic USER:PASSWORD`, in ASCII"
    )]
    Credentials(String),
    /// No client can be made.
    #[error("no HTTP client can be made")]
    Client(#[source] reqwest::Error),
}

/// What a try ended with.
enum Tried {
    Done(Response),
    /// Worth another try, and when the store asks for it.
    Again(String, Option<Duration>),
    Failed(MetricError),
}

impl StoreClient {
    pub(super) fn new(settings: RemoteSettings) -> Result<Self, RemoteSettingsError> {
        let http = Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(RemoteSettingsError::Client)?;
        let credentials = Mutex::new(read_credentials(&settings)?);
        Ok(Self {
            http,
            settings,
            credentials,
            health: Mutex::new(MetricHealth::NotAsked),
            questions: Semaphore::new(QUESTIONS_AT_ONCE),
            writes: Semaphore::new(WRITES_AT_ONCE),
        })
    }

    /// Whether it answered last time.
    pub(super) fn health(&self) -> MetricHealth {
        self.health.lock().clone()
    }

    /// When a call that begins now must have ended.
    pub(super) fn deadline(&self) -> Instant {
        Instant::now() + self.settings.timeout
    }

    /// Sends a body of remote write; returns when it was taken.
    pub(super) async fn write(&self, body: Vec<u8>) -> Result<(), MetricError> {
        let body = bytes::Bytes::from(body);
        let request = || {
            self.http
                .post(self.settings.write_url.url().clone())
                .header(CONTENT_TYPE, "application/x-protobuf")
                .header(CONTENT_ENCODING, "snappy")
                .header("X-Prometheus-Remote-Write-Version", "0.1.0")
                .body(body.clone())
        };
        let deadline = self.deadline();
        let _place = place(&self.writes, deadline).await?;
        self.call(Purpose::Write, deadline, &request).await.map(|_taken| ())
    }

    /// Asks below the address for reading and gives the answer's body.
    pub(super) async fn ask(
        &self,
        path: &str,
        parameters: &[(&str, String)],
        deadline: Instant,
    ) -> Result<Vec<u8>, MetricError> {
        let url = self.settings.read_url.below(path);
        let request = || self.http.post(url.clone()).form(parameters);
        let _place = place(&self.questions, deadline).await?;
        let answer = self.call(Purpose::Read, deadline, &request).await?;
        let reading = read_body(answer);
        let body = tokio::time::timeout_at(deadline.into(), reading).await;
        body.unwrap_or_else(|_late| Err(self.away("it did not answer in time".to_owned())))
    }

    /// Asks for series to be deleted; false where the store does not do that.
    pub(super) async fn delete_series(&self, selector: &str) -> Result<bool, MetricError> {
        let url: Url = self.settings.read_url.below("api/v1/admin/tsdb/delete_series");
        let parameters = [("match[]", selector)];
        let request = || self.http.post(url.clone()).form(&parameters);
        match self.call(Purpose::Delete, self.deadline(), &request).await {
            Ok(_deleted) => Ok(true),
            Err(MetricError::Refused(reason)) => {
                tracing::debug!(reason, "the metric store does not delete series");
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    async fn call(
        &self,
        purpose: Purpose,
        deadline: Instant,
        request: &(dyn Fn() -> RequestBuilder + Send + Sync),
    ) -> Result<Response, MetricError> {
        let was_away = matches!(*self.health.lock(), MetricHealth::Unreachable(_));
        let deadline = if was_away { deadline.min(Instant::now() + WITHIN_WHILE_AWAY) } else { deadline };
        let mut pause = FIRST_PAUSE;
        let mut renewed = false;
        loop {
            let (reason, asked) = match self.try_once(purpose, deadline, request()).await {
                Tried::Done(response) => {
                    *self.health.lock() = MetricHealth::Ready;
                    return Ok(response);
                }
                Tried::Failed(error) => return Err(error),
                Tried::Again(reason, asked) => (reason, asked),
            };
            // Other credentials are tried at once, and once.
            if asked == Some(Duration::ZERO) && !renewed {
                renewed = true;
                continue;
            }
            let wait = asked.unwrap_or(pause).max(pause);
            if was_away || asked == Some(Duration::ZERO) || Instant::now() + wait >= deadline {
                return Err(self.away(reason));
            }
            tokio::time::sleep(wait).await;
            pause *= 2;
        }
    }

    async fn try_once(&self, purpose: Purpose, deadline: Instant, request: RequestBuilder) -> Tried {
        let mut request = request.timeout(deadline.saturating_duration_since(Instant::now()));
        if let Some(credentials) = self.credentials.lock().clone() {
            request = request.header(AUTHORIZATION, credentials);
        }
        if let Some(scope) = &self.settings.scope_org_id {
            request = request.header("X-Scope-OrgID", scope);
        }
        let response = match request.send().await {
            Ok(response) => response,
            Err(error) => return Tried::Again(told(&error), None),
        };
        let status = response.status();
        if status.is_success() {
            return Tried::Done(response);
        }
        let wanted = retry_after(&response);
        let words = first_words(response).await;
        let reason = format!("{status}: {words}");
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN if purpose != Purpose::Delete => {
                if let Ok(credentials) = read_credentials(&self.settings) {
                    *self.credentials.lock() = credentials;
                }
                Tried::Again(format!("{reason}; see metrics.credentials_file"), Some(Duration::ZERO))
            }
            // Prometheus answers so where its administration is off, and would not say otherwise later.
            _ if purpose == Purpose::Delete && !is_passing(status, &words) => {
                *self.health.lock() = MetricHealth::Ready;
                Tried::Failed(MetricError::Refused(reason))
            }
            _ if is_passing(status, &words) => Tried::Again(reason, wanted),
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::UNPROCESSABLE_ENTITY
                if purpose == Purpose::Write =>
            {
                *self.health.lock() = MetricHealth::Ready;
                tracing::warn!(reason, "the metric store refused samples");
                Tried::Failed(MetricError::Refused(reason))
            }
            _ => Tried::Failed(self.away(reason)),
        }
    }

    /// Notes that the store does not answer; it is logged where it did before.
    fn away(&self, reason: String) -> MetricError {
        let now = MetricHealth::Unreachable(reason.clone());
        let before = std::mem::replace(&mut *self.health.lock(), now);
        if !matches!(before, MetricHealth::Unreachable(_)) {
            tracing::warn!(reason, url = %self.settings.read_url, "the metric store does not answer");
        }
        MetricError::Unavailable(reason)
    }
}

/// True for answers that another try may get past.
fn is_passing(status: StatusCode, words: &str) -> bool {
    (status.is_server_error() && !words.contains("admin APIs disabled"))
        || status == StatusCode::TOO_MANY_REQUESTS
}

/// A place among the calls of this moment, in time.
async fn place(
    places: &Semaphore,
    deadline: Instant,
) -> Result<tokio::sync::SemaphorePermit<'_>, MetricError> {
    match tokio::time::timeout_at(deadline.into(), places.acquire()).await {
        Ok(Ok(place)) => Ok(place),
        _ => Err(MetricError::Unavailable("too many calls wait for the metric store".to_owned())),
    }
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// The beginning of a refusal, in one line.
async fn first_words(mut response: Response) -> String {
    let mut body = Vec::new();
    while body.len() < REFUSAL_BYTES {
        let Ok(Some(chunk)) = response.chunk().await else { break };
        body.extend_from_slice(&chunk);
    }
    body.truncate(REFUSAL_BYTES);
    String::from_utf8_lossy(&body).split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Reads a body of at most [`ANSWER_BYTES`].
async fn read_body(mut response: Response) -> Result<Vec<u8>, MetricError> {
    let mut body = Vec::new();
    let failed = |error: reqwest::Error| MetricError::Unavailable(told(&error));
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > ANSWER_BYTES {
            return Err(MetricError::Unavailable(format!("an answer is over {ANSWER_BYTES} bytes")));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// An error with its causes in one line, without the address.
fn told(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut text = String::new();
    let mut cause: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(error) = cause {
        if !text.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&error.to_string());
        cause = error.source();
    }
    if text.is_empty() { "no answer".to_owned() } else { text }
}

/// `Bearer TOKEN`, or `Basic USER:PASSWORD` in its encoding.
fn read_credentials(settings: &RemoteSettings) -> Result<Option<HeaderValue>, RemoteSettingsError> {
    let Some(path) = &settings.credentials_file else { return Ok(None) };
    let told = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|source| RemoteSettingsError::CredentialsFile { path: told.clone(), source })?;
    authorization(text.trim()).map(Some).ok_or(RemoteSettingsError::Credentials(told))
}

fn authorization(text: &str) -> Option<HeaderValue> {
    let (kind, rest) = text.split_once(' ')?;
    let rest = rest.trim();
    let value = match kind.to_ascii_lowercase().as_str() {
        "bearer" if !rest.is_empty() && !rest.contains(char::is_whitespace) => format!("Bearer {rest}"),
        "basic" if rest.contains(':') && !rest.contains('\n') => format!("Basic {}", base64(rest.as_bytes())),
        _ => return None,
    };
    let mut value = HeaderValue::from_str(&value).ok()?;
    value.set_sensitive(true);
    Some(value)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_are_one_line_of_either_kind() {
        let told = |text: &str| authorization(text).and_then(|value| value.to_str().map(str::to_owned).ok());
        assert_eq!(told("Bearer abc").as_deref(), Some("Bearer abc"));
        assert_eq!(told("basic ecp:secret word").as_deref(), Some("Basic ZWNwOnNlY3JldCB3b3Jk"));
        for wrong in ["", "abc", "Bearer ", "Bearer a b", "Basic ecp", "Digest a:b", "Bearer ä"] {
            assert!(told(wrong).is_none(), "{wrong}");
        }
        assert!(!format!("{:?}", authorization("Bearer abc")).contains("abc"), "it is never logged");
    }
}
