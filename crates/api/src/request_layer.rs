//! The one layer around every route: context, time limit, panics, error envelopes, `debug` objects,
//! the headers of every response, and the access log.

use crate::admission::admit;
use crate::error::{ApiError, ErrorCode};
use crate::memory::{Charge, charged};
use crate::request_context::{Notes, RequestContext, Warning, WarningCode, X_REQUEST_ID, X_WARNING_CODE};
use crate::revisions;
use crate::serve::NoPlace;
use crate::sites;
use crate::state::ApiState;
use crate::tracing_context::{record_answer, request_span};
use axum::body::{Body, HttpBody};
use axum::extract::MatchedPath;
use axum::response::{IntoResponse, Response};
use ecp_core::Mode;
use ecp_core::ids::TenantId;
use ecp_core::text::Message;
use futures_util::FutureExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WARNING};
use http::{HeaderValue, Method, Request, StatusCode, Uri};
use serde_json::{Map, Value, json};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tower::{Layer, Service};
use tracing::Instrument as _;

/// Target of the access log, so that a filter can name it.
const ACCESS_LOG: &str = "ecp_api::access";
/// What is answered also on places that are kept for it.
const WATCHED: [&str; 3] = ["/healthz", "/readyz", "/metrics"];
/// Warns of an answer from memory that may be older than what is stored.
const BEHIND: &str = "the database does not answer: this is what was read from it last";
/// Longest answer that is not charged to anything.
const UNCHARGED_BYTES: usize = 4096;

/// Wraps routes in [`RequestService`].
#[derive(Clone)]
pub(crate) struct RequestLayer(pub Arc<ApiState>);

impl<S> Layer<S> for RequestLayer {
    type Service = RequestService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RequestService { state: self.0.clone(), inner }
    }
}

/// A route with everything that all requests have in common.
#[derive(Clone)]
pub(crate) struct RequestService<S> {
    state: Arc<ApiState>,
    inner: S,
}

impl<S> Service<Request<Body>> for RequestService<S>
where
    S: Service<Request<Body>, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        // The clone stays behind: only the original was polled ready.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        let state = self.state.clone();
        Box::pin(async move {
            let context = Arc::new(RequestContext::read(request.headers()));
            request.extensions_mut().insert(context.clone());
            let (method, uri) = (request.method().clone(), request.uri().clone());
            let route = request.extensions().get::<MatchedPath>().cloned();
            let span = request_span(&request, route.as_ref(), &context);
            let _in_flight = state.telemetry.request_started();
            let (foreign_page, admitted) = match state.sites.check(&request) {
                Ok(page) => (page, admit(&state, &mut request)),
                Err(refusal) => (None, Err(refusal)),
            };
            let admitted = match request.extensions().get::<NoPlace>() {
                Some(NoPlace) if !WATCHED.contains(&request.uri().path().trim_end_matches('/')) => {
                    Err(no_place())
                }
                _ => admitted,
            };
            let shown = if admitted.is_ok() { shown(&context, &request) } else { Ok(None) };
            let leave = foreign_page.as_ref().and_then(|_| sites::preflight(&request));
            let services = state.clone();
            let answer = async move {
                let seen = match shown {
                    Ok(Some((mode, revision))) => revisions::reach(services.services(mode), revision).await,
                    Ok(None) => Ok(()),
                    Err(error) => Err(error),
                };
                match (admitted.and(seen), leave) {
                    (Err(error), _) => Ok(error.into_response()),
                    (Ok(()), Some(leave)) => Ok(leave),
                    (Ok(()), None) => inner.call(request).await,
                }
            };
            let answer = AssertUnwindSafe(answer.instrument(span.clone())).catch_unwind();
            let response = match tokio::time::timeout(state.limits.request_timeout, answer).await {
                Ok(Ok(Ok(response))) => response,
                Ok(Ok(Err(never))) => match never {},
                Ok(Err(panic)) => render_error(&panicked(&*panic), &context, &state),
                Err(_elapsed) => render_error(&timed_out(), &context, &state),
            };
            let mut response = finish(response, &context, &state, &method, &uri).await;
            if let Some(origin) = foreign_page {
                sites::allow_reading(response.headers_mut(), origin);
            }
            record_answer(&span, &context, &response);
            let route = route.as_ref().map(MatchedPath::as_str);
            state.telemetry.request_answered(&method, route, response.status(), context.started.elapsed());
            Ok(response)
        })
    }
}

/// The revision that a request wants to see, with its mode.
fn shown<B>(context: &RequestContext, request: &Request<B>) -> Result<Option<(Mode, u64)>, ApiError> {
    // A handshake is its handler's to read, and the process's own state has no revision.
    let Ok(mode) = context.mode else { return Ok(None) };
    if !request.uri().path().starts_with("/api/") {
        return Ok(None);
    }
    Ok(revisions::shown(request.headers())?.map(|revision| (mode, revision)))
}

/// Adds what every response has, and writes the access log.
async fn finish(
    mut response: Response,
    context: &RequestContext,
    state: &ApiState,
    method: &Method,
    uri: &Uri,
) -> Response {
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = render_error(&error, context, state);
    }
    let mut notes = context.take_notes();
    if let Ok(mode) = context.mode
        && uri.path().starts_with("/api/")
    {
        let services = state.services(mode);
        revisions::name(response.headers_mut(), method, uri.path(), services);
        if method.is_safe() && services.tenants.behind().is_some() {
            notes.warnings.push(Warning { code: WarningCode::Stale, text: BEHIND.to_owned() });
        }
    }
    for warning in &notes.warnings {
        // The text is visible ASCII and spaces, which every header can carry.
        if let Ok(value) = HeaderValue::from_str(&warning_text(&warning.text)) {
            let headers = response.headers_mut();
            headers.append(WARNING, value);
            headers.append(X_WARNING_CODE, HeaderValue::from_static(warning.code.as_str()));
        }
    }
    if context.debug && uri.path().starts_with("/api/") {
        response = add_debug(response, context, notes).await;
    }
    response = charge(response, context, state).await;
    if let Ok(value) = HeaderValue::from_str(context.request_id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    log_access(response.status(), context, method, uri.path());
    response
}

/// Writes one line for the request: what changed something or was refused at `info`, what the server
/// failed at as `warn`, and successful reads and samples, which come by the ten thousand, at `debug`.
fn log_access(status: StatusCode, context: &RequestContext, method: &Method, path: &str) {
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: ACCESS_LOG,
                {
                    request.id = context.request_id.as_str(),
                    tenant.id = context.tenant_id().map(TenantId::as_str),
                    mode = context.mode.ok().map(Mode::as_str),
                    %method,
                    path,
                    status = status.as_u16(),
                    duration_us = elapsed_us(context),
                },
                "request"
            )
        };
    }
    let samples = *method == Method::POST && path.trim_end_matches('/').ends_with("/monitoring");
    if status.is_server_error() {
        line!(warn);
    } else if status.is_client_error() || !(method.is_safe() || samples) {
        line!(info);
    } else {
        line!(debug);
    }
}

/// Writes an error's envelope, and logs what the caller does not get to see.
pub(crate) fn render_error(error: &ApiError, context: &RequestContext, state: &ApiState) -> Response {
    if let Some(cause) = error.cause_text() {
        tracing::error!(
            request.id = context.request_id.as_str(),
            tenant.id = context.tenant_id().map(|id| id.as_str()),
            code = error.code().as_str(),
            cause,
            "request failed"
        );
    }
    let envelope = error.envelope(context.language, state.clock.now(), context.request_id.as_str());
    let mut response = Response::new(Body::from(envelope.to_string()));
    *response.status_mut() = error.status();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    for (name, value) in error.headers() {
        headers.append(name.clone(), value.clone());
    }
    response
}

/// Puts a `debug` object into the body, where the body is a JSON object.
async fn add_debug(response: Response, context: &RequestContext, notes: Notes) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json");
    if !is_json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // The bodies are complete in memory already; reading one can neither wait nor fail.
    let Ok(bytes) = axum::body::to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let mut debug = Map::new();
    debug.insert("request_id".to_owned(), json!(context.request_id.as_str()));
    debug.insert("mode".to_owned(), json!(context.mode.ok().map(|mode| mode.as_str())));
    debug.extend(notes.debug);
    debug.insert("timings".to_owned(), json!({"total_us": elapsed_us(context)}));
    let Some(longer) = with_member(&bytes, "debug", &Value::Object(debug)) else {
        return Response::from_parts(parts, Body::from(bytes));
    };
    parts.headers.remove(CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(longer))
}

/// An object's text with one more member at its end, without reading the object: an answer may be large.
fn with_member(object: &[u8], name: &str, value: &Value) -> Option<Vec<u8>> {
    let members = object.trim_ascii().strip_prefix(b"{")?.strip_suffix(b"}")?.trim_ascii();
    let separator = if members.is_empty() { "" } else { "," };
    let mut longer = Vec::with_capacity(members.len() + 256);
    longer.push(b'{');
    longer.extend_from_slice(members);
    longer.extend_from_slice(format!("{separator}{}:{value}}}", json!(name)).as_bytes());
    Some(longer)
}

/// Charges an answer until its client has taken it; where there is no room for it, it is refused instead.
async fn charge(response: Response, context: &RequestContext, state: &ApiState) -> Response {
    let Some(length) = response.body().size_hint().exact().and_then(|length| usize::try_from(length).ok())
    else {
        return response;
    };
    if length <= UNCHARGED_BYTES {
        return response;
    }
    let mut charge = Charge::new(&state.memory.answers);
    if let Err(exhausted) = charge.raise_to(length) {
        return render_error(&exhausted.into(), context, state);
    }
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => Response::from_parts(parts, Body::from(charged(bytes, charge))),
        Err(_incomplete) => Response::from_parts(parts, Body::empty()),
    }
}

fn elapsed_us(context: &RequestContext) -> u64 {
    u64::try_from(context.started.elapsed().as_micros()).unwrap_or(u64::MAX)
}

/// RFC 9111's form: code 299 (miscellaneous persistent), no agent, quoted text. What a header can not
/// carry is written as an escape.
pub(crate) fn warning_text(text: &str) -> String {
    let mut warning = String::from("299 - \"");
    for character in text.chars() {
        match character {
            '"' | '\\' => warning.extend(['\\', character]),
            ' '..='~' => warning.push(character),
            other => warning.extend(other.escape_unicode()),
        }
    }
    warning.push('"');
    warning
}

/// What a handler's panic said.
#[derive(Debug, thiserror::Error)]
#[error("a handler panicked: {0}")]
struct Panicked(String);

fn panicked(panic: &(dyn std::any::Any + Send)) -> ApiError {
    let text = match (panic.downcast_ref::<&'static str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        _ => "no text".to_owned(),
    };
    ApiError::new(ErrorCode::InternalError, Message::new("api.internal_error")).caused_by(Panicked(text))
}

/// The connection came in on a place that is kept for those who watch the process, and no other is free.
fn no_place() -> ApiError {
    ApiError::new(ErrorCode::InternalError, Message::new("api.no_connection_free"))
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .header(RETRY_AFTER, HeaderValue::from_static("1"))
}

fn timed_out() -> ApiError {
    ApiError::new(ErrorCode::InternalError, Message::new("api.timed_out"))
        .with_status(StatusCode::SERVICE_UNAVAILABLE)
        .header(RETRY_AFTER, HeaderValue::from_static("5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_added_to_an_object_of_any_size_and_to_nothing_else() {
        let added = |text: &str| {
            let longer = with_member(text.as_bytes(), "debug", &json!({"a": 1}));
            longer.map(|bytes| String::from_utf8(bytes).expect("text"))
        };
        assert_eq!(added("{}").as_deref(), Some(r#"{"debug":{"a":1}}"#));
        assert_eq!(added("{\"x\":[{}]}\n").as_deref(), Some(r#"{"x":[{}],"debug":{"a":1}}"#));
        for other in ["[]", "", "{", "5", "\"{}\""] {
            assert_eq!(added(other), None, "{other}");
        }
    }

    #[test]
    fn a_warning_names_any_field_in_visible_ascii() {
        assert_eq!(warning_text("unknown field: foo"), r#"299 - "unknown field: foo""#);
        assert_eq!(warning_text("a\"b\\c"), r#"299 - "a\"b\\c""#);
        assert_eq!(warning_text("이"), r#"299 - "\u{c774}""#);
    }
}
