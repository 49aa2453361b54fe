//! `X-Revision`: what was written through one replica is read through another.
//!
//! An answer to a write names the revision that this replica's memory then had, which is not older than
//! the write. Who shows it is answered from memory that has it.

use crate::error::{ApiError, ErrorCode};
use crate::state::ModeServices;
use ecp_core::text::Message;
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use std::time::Duration;

/// Names a revision, in answers to writes and in requests that want to see one.
pub(crate) const X_REVISION: HeaderName = HeaderName::from_static("x-revision");

/// How long memory may take to get there.
const REACHED_WITHIN: Duration = Duration::from_secs(2);

/// The revision that a request's headers show, where they do.
pub(crate) fn shown(headers: &HeaderMap) -> Result<Option<u64>, ApiError> {
    let Some(value) = headers.get(&X_REVISION) else { return Ok(None) };
    parse(value.to_str().unwrap_or_default()).map(Some)
}

/// A revision as it is written.
pub(crate) fn parse(text: &str) -> Result<u64, ApiError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        ApiError::new(ErrorCode::InvalidRequest, Message::new("api.revision_invalid"))
            .detail("header", "X-Revision")
    })
}

/// Waits until memory has a revision.
pub(crate) async fn reach(services: &ModeServices, wanted: u64) -> Result<(), ApiError> {
    if services.tenants.revision() >= wanted {
        return Ok(());
    }
    let mut revisions = services.tenants.subscribe_revision();
    let reached = revisions.wait_for(|revision| *revision >= wanted);
    match tokio::time::timeout(REACHED_WITHIN, reached).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(_)) | Err(_) => {
            let text = Message::new("api.revision_not_reached").with("revision", wanted);
            Err(ApiError::new(ErrorCode::DatabaseError, text)
                .detail("revision", wanted)
                .detail("reached", services.tenants.revision())
                .header(RETRY_AFTER, HeaderValue::from_static("2")))
        }
    }
}

/// Names the revision of what was just written; samples have none.
pub(crate) fn name(headers: &mut HeaderMap, method: &Method, path: &str, services: &ModeServices) {
    let samples = *method == Method::POST && path.trim_end_matches('/').ends_with("/monitoring");
    if !method.is_safe() && !samples {
        headers.insert(X_REVISION, HeaderValue::from(services.tenants.revision()));
    }
}
