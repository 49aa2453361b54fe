//! Reads request bodies: size and time limits, content type, JSON with line and column on a fault.

use crate::error::{ApiError, ErrorCode};
use crate::state::ApiState;
use axum::body::{Body, HttpBody};
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use ecp_core::text::Message;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How many times its limit a body may be over it and still be read and thrown away, so that the
/// caller gets to read the answer before the connection closes.
const DISCARDED_LIMITS: usize = 8;

/// A body that has been read whole and says or may be JSON; not parsed yet.
#[derive(Debug)]
pub(crate) struct RawBody(pub Bytes);

/// A body parsed as JSON, with its bytes.
#[derive(Debug)]
pub(crate) struct JsonBody {
    /// The document.
    pub value: Value,
    /// What was sent.
    pub bytes: Bytes,
}

impl FromRequest<Arc<ApiState>> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        read(request, state.limits.body_bytes, state.limits.body_timeout).await.map(Self)
    }
}

impl FromRequest<Arc<ApiState>> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        Ok(Self { value: parse_json(&bytes)?, bytes })
    }
}

/// A body of a manifest validation: the same, with room for a manifest.
#[derive(Debug)]
pub(crate) struct ManifestBody(pub Value);

impl FromRequest<Arc<ApiState>> for ManifestBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        let bytes = read(request, state.limits.manifest_body_bytes, state.limits.body_timeout).await?;
        parse_json(&bytes).map(Self)
    }
}

/// Parses JSON; a fault is answered with its line and column.
pub(crate) fn parse_json(bytes: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(bytes).map_err(|error| {
        let message =
            Message::new("api.unparsable_json").with("line", error.line()).with("column", error.column());
        ApiError::new(ErrorCode::InvalidRequest, message)
            .detail("line", error.line())
            .detail("column", error.column())
            .detail("reason", reason_without_position(&error))
    })
}

/// serde_json appends ` at line 1 column 2`, which `details` has in fields of their own.
fn reason_without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(cut) => text[..cut].to_owned(),
        None => text,
    }
}

async fn read(request: Request, limit: usize, timeout: Duration) -> Result<Bytes, ApiError> {
    let (parts, body) = request.into_parts();
    check_content_type(&parts.headers)?;
    let reading = async {
        if declared_length(&parts.headers).is_some_and(|length| length > limit as u64) {
            // Who waits for a go-ahead has not sent the body yet and need not.
            if !parts.headers.contains_key(EXPECT) {
                discard(body, limit.saturating_mul(DISCARDED_LIMITS)).await;
            }
            return Err(too_large(limit));
        }
        collect(body, limit).await
    };
    match tokio::time::timeout(timeout, reading).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(ApiError::new(ErrorCode::InvalidRequest, Message::new("api.body_too_slow"))
            .with_status(StatusCode::REQUEST_TIMEOUT)),
    }
}

/// Missing is taken for JSON; another type that is named is refused.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Ok(()) };
    let text = value.to_str().unwrap_or_default();
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json")) {
        return Ok(());
    }
    Err(ApiError::new(ErrorCode::InvalidRequest, Message::new("api.not_json_content_type"))
        .detail("header", "Content-Type")
        .detail("given", crate::fields::shortened(text)))
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let Some(first) = next_chunk(&mut body).await? else { return Ok(Bytes::new()) };
    if first.len() <= limit && body.is_end_stream() {
        return Ok(first);
    }
    let mut bytes = BytesMut::from(first);
    loop {
        if bytes.len() > limit {
            discard(body, limit.saturating_mul(DISCARDED_LIMITS)).await;
            return Err(too_large(limit));
        }
        match next_chunk(&mut body).await? {
            Some(chunk) => bytes.extend_from_slice(&chunk),
            None => return Ok(bytes.freeze()),
        }
    }
}

async fn next_chunk(body: &mut Body) -> Result<Option<Bytes>, ApiError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            ApiError::new(ErrorCode::InvalidRequest, Message::new("api.body_broken")).caused_by(error)
        })?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}

async fn discard(mut body: Body, limit: usize) {
    let mut seen = 0;
    while seen <= limit {
        match next_chunk(&mut body).await {
            Ok(Some(chunk)) => seen += chunk.len(),
            Ok(None) | Err(_) => return,
        }
    }
}

/// The body, or what is in it, is over its limit.
pub(crate) fn too_large(limit: usize) -> ApiError {
    ApiError::new(ErrorCode::InvalidRequest, Message::new("api.body_too_large").with("limit_bytes", limit))
        .with_status(StatusCode::PAYLOAD_TOO_LARGE)
        .detail("limit_bytes", limit)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;
    use ecp_core::Timestamp;
    use ecp_core::text::Language;

    fn request(content_type: Option<&str>, body: Body) -> Request {
        let mut builder = Request::builder();
        if let Some(content_type) = content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        builder.body(body).unwrap()
    }

    async fn read_text(request: Request, limit: usize) -> Result<Bytes, ApiError> {
        read(request, limit, Duration::from_secs(5)).await
    }

    #[tokio::test]
    async fn a_body_up_to_the_limit_is_read_and_one_over_it_is_413() {
        let body = || Body::from("0123456789");
        assert_eq!(read_text(request(None, body()), 10).await.unwrap(), "0123456789");
        let error = read_text(request(None, body()), 9).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        let mut declared = request(None, Body::empty());
        declared.headers_mut().insert(CONTENT_LENGTH, 11.into());
        assert_eq!(read_text(declared, 10).await.unwrap_err().status(), StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn a_body_in_pieces_is_put_together() {
        let pieces = || ["012", "345", "6789"].map(|piece| Ok::<_, std::io::Error>(Bytes::from(piece)));
        let body = Body::from_stream(futures_util::stream::iter(pieces()));
        assert_eq!(read_text(request(None, body), 10).await.unwrap(), "0123456789");
        let body = Body::from_stream(futures_util::stream::iter(pieces()));
        assert_eq!(
            read_text(request(None, body), 9).await.unwrap_err().status(),
            StatusCode::PAYLOAD_TOO_LARGE
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_never_ends_is_408() {
        let endless = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let error = read_text(request(None, Body::from_stream(endless)), 10).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[tokio::test]
    async fn another_content_type_than_json_is_refused_and_none_is_taken_for_json() {
        for accepted in [
            None,
            Some("application/json"),
            Some("Application/JSON; charset=utf-8"),
            Some("application/x+json"),
        ] {
            assert!(read_text(request(accepted, Body::from("{}")), 10).await.is_ok(), "{accepted:?}");
        }
        for refused in ["text/plain", "application/x-www-form-urlencoded", "application/yaml", ""] {
            let error = read_text(request(Some(refused), Body::from("{}")), 10).await.unwrap_err();
            assert_eq!(error.status(), StatusCode::BAD_REQUEST, "{refused}");
        }
    }

    #[test]
    fn a_json_fault_says_line_and_column() {
        let error = parse_json(b"{\n  \"a\": trux\n}").unwrap_err();
        let body = error.envelope(Language::En, Timestamp::UNIX_EPOCH, "req-test");
        assert_eq!(body["error"]["code"], "INVALID_REQUEST");
        assert_eq!(body["error"]["details"]["line"], 2);
        assert_eq!(body["error"]["details"]["reason"], "expected ident");
        assert!(parse_json("[".repeat(100_000).as_bytes()).is_err(), "deep nesting is refused");
        assert!(parse_json(b"\xff").is_err());
        assert!(parse_json(b"").is_err());
    }
}
