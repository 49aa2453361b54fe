//! Wire types and spellings that several resources share.

use axum::body::Body;
use axum::response::Response;
use ecp_core::Timestamp;
use ecp_core::ids::TenantId;
use ecp_core::quantity::Resources;
use ecp_core::sizing::{DeploymentTime, SizingWarning};
use ecp_core::text::Language;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::query::Page;

/// `application/json`, as every JSON body is marked.
pub(crate) const APPLICATION_JSON: HeaderValue = HeaderValue::from_static("application/json");

/// What a plan holds.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"cpu": "45000m", "memory": "64Gi", "gpu": 6, "storage": "2.0TB"}))]
pub struct ResourcesOut {
    /// CPU in thousandths of a core.
    pub cpu: String,
    /// Memory in binary units.
    pub memory: String,
    /// Whole GPUs.
    pub gpu: u64,
    /// Storage in decimal units.
    pub storage: String,
}

impl From<&Resources> for ResourcesOut {
    fn from(resources: &Resources) -> Self {
        Self {
            cpu: resources.cpu_text(),
            memory: resources.memory_text(),
            gpu: resources.gpu,
            storage: resources.storage_text(),
        }
    }
}

/// A plan that is expected not to hold.
#[derive(Debug, Serialize, ToSchema)]
pub struct WarningOut {
    /// What is expected, and what to do.
    pub message: String,
    /// What is short: `cpu`, `memory`, `gpu`, `storage`, `response_time`, `blocking`, `availability`,
    /// `survival`.
    #[schema(example = "response_time")]
    pub short_of: String,
    /// The service that goes short first; absent where it is no single one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "stt")]
    pub service: Option<&'static str>,
    /// The preset that would do; absent where none does, such as for a response time that no number of GPUs
    /// reaches.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "large")]
    pub suggested_preset: Option<&'static str>,
}

impl WarningOut {
    /// The warnings of a plan in a language.
    pub fn list(warnings: &[SizingWarning], language: Language) -> Vec<Self> {
        warnings
            .iter()
            .map(|warning| Self {
                message: warning.message.render(language),
                short_of: warning.short_of.clone(),
                service: warning.service.map(|service| service.as_str()),
                suggested_preset: warning.suggested_preset.map(|preset| preset.as_str()),
            })
            .collect()
    }
}

/// Which part of a list this is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"skip": 0, "limit": 100, "has_more": false}))]
pub struct PaginationOut {
    /// Entries left out before this page.
    pub skip: usize,
    /// Entries of a page at most.
    pub limit: usize,
    /// True when entries follow.
    pub has_more: bool,
}

impl PaginationOut {
    /// The page of a list of `total` entries.
    pub fn new(page: Page, total: usize) -> Self {
        Self { skip: page.skip, limit: page.limit, has_more: page.has_more(total) }
    }
}

/// RFC 3339 in whole seconds with `Z`, as the contract prints every timestamp.
pub(crate) fn timestamp_text(timestamp: Timestamp) -> String {
    let seconds = timestamp.as_second();
    Timestamp::from_second(seconds).unwrap_or(timestamp).to_string()
}

/// `$350/month`.
pub(crate) fn cost_text(usd: u64) -> String {
    format!("${usd}/month")
}

/// `15-20 minutes`; `15 minutes` where both ends are the same.
pub(crate) fn minutes_text(time: DeploymentTime) -> String {
    let DeploymentTime { min_minutes, max_minutes } = time;
    if min_minutes == max_minutes {
        format!("{min_minutes} minutes")
    } else {
        format!("{min_minutes}-{max_minutes} minutes")
    }
}

/// The detail path of a tenant, for `Location`.
pub(crate) fn tenant_path(id: &TenantId) -> HeaderValue {
    // A tenant id is a DNS label, which every header can carry.
    HeaderValue::try_from(format!("/api/v1/tenants/{id}"))
        .unwrap_or(HeaderValue::from_static("/api/v1/tenants/"))
}

/// A JSON response. Wire types serialize without fail: their keys are texts.
pub(crate) fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => json_bytes(status, bytes),
        Err(error) => {
            use crate::error::{ApiError, ErrorCode};
            use axum::response::IntoResponse;
            let message = ecp_core::text::Message::new("api.internal_error");
            ApiError::new(ErrorCode::InternalError, message).caused_by(error).into_response()
        }
    }
}

/// A JSON response from bytes that were serialized before.
pub(crate) fn json_bytes(status: StatusCode, bytes: impl Into<Body>) -> Response {
    let mut response = Response::new(bytes.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, APPLICATION_JSON);
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_printed_in_whole_seconds() {
        let timestamp: Timestamp = "2024-01-20T14:30:00.987654Z".parse().expect("a timestamp");
        assert_eq!(timestamp_text(timestamp), "2024-01-20T14:30:00Z");
    }

    #[test]
    fn costs_and_times_are_printed_as_the_contract_prints_them() {
        assert_eq!(cost_text(350), "$350/month");
        assert_eq!(minutes_text(DeploymentTime { min_minutes: 15, max_minutes: 20 }), "15-20 minutes");
        assert_eq!(minutes_text(DeploymentTime { min_minutes: 5, max_minutes: 5 }), "5 minutes");
    }
}
