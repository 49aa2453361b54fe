//! Reads request bodies: size and time limits, content type, JSON with line and column on a fault.

use crate::error::{ApiError, ErrorCode};
use crate::fields::Faults;
use crate::json::{self, Read, Shape};
use crate::memory::Charge;
use crate::state::ApiState;
use axum::body::Body;
use axum::extract::{FromRequest, Request};
use bytes::{Bytes, BytesMut};
use ecp_core::text::Message;
use http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, EXPECT};
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use serde_json::Value;
use std::sync::Arc;
use std::time::Duration;

/// How many times its limit a body may be over it and still be read and thrown away, so that the
/// caller gets to read the answer before the connection closes.
const DISCARDED_LIMITS: usize = 8;
/// How long the rest of such a body is waited for: who stopped sending reads the answer as it is.
const DISCARD_PAUSE: Duration = Duration::from_secs(1);
/// And in all, far less than a body may take: it is too large, not too slow.
const DISCARD_TIME: Duration = Duration::from_secs(10);
/// Bytes that a body is given room for at first.
const SMALLEST_BUFFER: usize = 4096;
/// Longest body that is parsed by the task that serves the request.
const PARSED_AT_ONCE: usize = 64 * 1024;

/// A body that has been read whole and says or may be JSON; not parsed yet.
#[derive(Debug)]
pub(crate) struct RawBody {
    /// What was sent.
    pub bytes: Bytes,
    /// What it holds of the memory, for as long as it is worked on.
    charge: Charge,
}

impl FromRequest<Arc<ApiState>> for RawBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        read(request, state, state.limits.body_bytes).await
    }
}

impl RawBody {
    /// Reads what `shape` asks for. A large body is parsed where it holds no other request up.
    pub async fn json(&self, state: &ApiState, shape: &'static Shape) -> Result<(Value, Faults), ApiError> {
        read_json(self.bytes.clone(), state, shape).await
    }

    /// As [`Self::json`], of a body that is no longer needed: what it was made into waits for a turn in its
    /// place, under the same charge.
    pub async fn into_json(
        self,
        state: &ApiState,
        shape: &'static Shape,
    ) -> Result<(Value, Faults, Charge), ApiError> {
        let (value, faults) = read_json(self.bytes, state, shape).await?;
        Ok((value, faults, self.charge))
    }
}

/// As [`RawBody::json`], of what a body was made into.
pub(crate) async fn read_json(
    bytes: Bytes,
    state: &ApiState,
    shape: &'static Shape,
) -> Result<(Value, Faults), ApiError> {
    let read = if bytes.len() <= PARSED_AT_ONCE {
        json::read(&bytes, shape)
    } else {
        state.memory.turn().await.compute(move || json::read(&bytes, shape)).await?
    };
    read.map(|Read { value, unknown, repeated }| (value, Faults::beside(unknown, repeated)))
}

/// A body of a manifest validation: the same, with room for a manifest.
#[derive(Debug)]
pub(crate) struct ManifestBody(pub RawBody);

impl FromRequest<Arc<ApiState>> for ManifestBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &Arc<ApiState>) -> Result<Self, ApiError> {
        read(request, state, state.limits.manifest_body_bytes).await.map(Self)
    }
}

async fn read(request: Request, state: &ApiState, limit: usize) -> Result<RawBody, ApiError> {
    let charge = Charge::new(&state.memory.bodies);
    read_charged(request, charge, limit, state.limits.body_timeout).await
}

async fn read_charged(
    request: Request,
    mut charge: Charge,
    limit: usize,
    timeout: Duration,
) -> Result<RawBody, ApiError> {
    let (parts, body) = request.into_parts();
    check_content_type(&parts.headers)?;
    check_content_encoding(&parts.headers)?;
    let declared = declared_length(&parts.headers);
    let reading = async {
        if declared.is_some_and(|length| length > limit as u64) {
            // Who waits for a go-ahead has not sent the body yet and need not.
            if !parts.headers.contains_key(EXPECT) {
                discard(body, limit.saturating_mul(DISCARDED_LIMITS)).await;
            }
            return Err(too_large(limit));
        }
        let most = declared.and_then(|length| usize::try_from(length).ok()).unwrap_or(limit);
        collect(body, limit, most, &mut charge).await
    };
    match tokio::time::timeout(timeout, reading).await {
        Ok(outcome) => outcome.map(|bytes| RawBody { bytes, charge }),
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

/// A body is read as it is sent: one that is compressed would count for less than what it becomes.
fn check_content_encoding(headers: &HeaderMap) -> Result<(), ApiError> {
    let texts = headers.get_all(CONTENT_ENCODING).iter().map(|value| value.to_str().unwrap_or("?"));
    for coding in texts.flat_map(|text| text.split(',')).map(str::trim) {
        if !coding.is_empty() && !coding.eq_ignore_ascii_case("identity") {
            return Err(ApiError::new(ErrorCode::InvalidRequest, Message::new("api.body_encoded"))
                .detail("header", "Content-Encoding")
                .detail("given", crate::fields::shortened(coding)));
        }
    }
    Ok(())
}

fn declared_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// Collects a body whose length is at most `most` where it was declared. What is held is charged before
/// it is taken, and grows by doubling, never beyond what may still come.
async fn collect(mut body: Body, limit: usize, most: usize, charge: &mut Charge) -> Result<Bytes, ApiError> {
    let mut bytes = BytesMut::new();
    while let Some(chunk) = next_chunk(&mut body).await? {
        let length = bytes.len() + chunk.len();
        if length > limit {
            drop(bytes);
            discard(body, limit.saturating_mul(DISCARDED_LIMITS)).await;
            return Err(too_large(limit));
        }
        if length > bytes.capacity() {
            let capacity = length.max((bytes.capacity() * 2).min(most)).max(SMALLEST_BUFFER.min(most));
            charge.raise_to(capacity)?;
            bytes.reserve(capacity - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
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
    let rest = async {
        while seen <= limit {
            match tokio::time::timeout(DISCARD_PAUSE, next_chunk(&mut body)).await {
                Ok(Ok(Some(chunk))) => seen += chunk.len(),
                Ok(Ok(None) | Err(_)) | Err(_) => return,
            }
        }
    };
    // However it ends, the answer is the same.
    _ = tokio::time::timeout(DISCARD_TIME, rest).await;
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
    use crate::memory::Budget;

    fn request(content_type: Option<&str>, body: Body) -> Request {
        let mut builder = Request::builder();
        if let Some(content_type) = content_type {
            builder = builder.header(CONTENT_TYPE, content_type);
        }
        builder.body(body).unwrap()
    }

    async fn read_text(request: Request, limit: usize) -> Result<Bytes, ApiError> {
        let charge = Charge::new(&Budget::new(1024 * 1024));
        read_charged(request, charge, limit, Duration::from_secs(5)).await.map(|body| body.bytes)
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

    #[tokio::test(start_paused = true)]
    async fn a_body_that_says_that_it_is_too_large_and_does_not_come_is_413() {
        let began = tokio::time::Instant::now();
        let endless = futures_util::stream::pending::<Result<Bytes, std::io::Error>>();
        let mut declared = request(None, Body::from_stream(endless));
        declared.headers_mut().insert(CONTENT_LENGTH, 11.into());
        let error = read_text(declared, 10).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
        assert_eq!(began.elapsed(), DISCARD_PAUSE);
        // Who trickles on is told before it would be taken for slow.
        let trickle = futures_util::stream::unfold((), |()| async {
            tokio::time::sleep(DISCARD_PAUSE / 2).await;
            Some((Ok::<_, std::io::Error>(Bytes::from_static(b"x")), ()))
        });
        let mut declared = request(None, Body::from_stream(trickle));
        declared.headers_mut().insert(CONTENT_LENGTH, 1000.into());
        let charge = Charge::new(&Budget::new(1024 * 1024));
        let error = read_charged(declared, charge, 10, 2 * DISCARD_TIME).await.unwrap_err();
        assert_eq!(error.status(), StatusCode::PAYLOAD_TOO_LARGE);
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

    #[tokio::test]
    async fn a_body_that_finds_no_memory_is_503_and_gives_back_what_it_held() {
        let budget = Budget::new(100_000);
        let endless = || {
            futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1000])))
        };
        let body = Body::from_stream(endless());
        let reading =
            read_charged(request(None, body), Charge::new(&budget), 1_000_000, Duration::from_secs(5));
        let error = reading.await.unwrap_err();
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.headers().iter().any(|(name, _)| name == "retry-after"));
        assert_eq!(budget.used(), 0);
        let held = Body::from_stream(futures_util::StreamExt::take(endless(), 50));
        let reading =
            read_charged(request(None, held), Charge::new(&budget), 1_000_000, Duration::from_secs(5));
        let body = reading.await.unwrap();
        assert!(budget.used() >= body.bytes.len() && body.bytes.len() == 50_000);
        drop(body);
        assert_eq!(budget.used(), 0);
    }
}
