//! What receivers were told, what waits, and whether they can be told at all.

use super::find;
use crate::auth::Admin;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::{PageIn, QueryReader};
use crate::request_context::{Api, PathText};
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::Timestamp;
use ecp_core::alerts::notice::{Attempt, Delivery, DeliveryState, NoticeKind};
use ecp_core::alerts::receiver::Receiver;
use ecp_core::ids::DeliveryId;
use ecp_core::ports::DeliveryQuery;
use http::{StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

/// A notice on its way to a receiver.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryOut {
    /// Its id: what a webhook gets as `webhook-id`, the same at each try.
    #[schema(example = "msg-0123456789ab")]
    delivery_id: String,
    /// `opened`, `raised`, `lowered`, `repeated` (a silence ended over it), `resolved` or `test`.
    #[schema(example = "opened")]
    event: &'static str,
    /// Of which alert; `null` of a test, as are the next four.
    #[schema(example = "alert-123")]
    alert_id: Option<String>,
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: Option<String>,
    /// Its type.
    #[serde(rename = "type")]
    #[schema(example = "resource_usage")]
    kind: Option<&'static str>,
    /// Series, `samples`, or `deployment`.
    #[schema(example = "cpu")]
    metric: Option<&'static str>,
    /// Its severity then.
    #[schema(example = "warning")]
    severity: Option<&'static str>,
    /// `pending`, `delivered` or `given_up`.
    #[schema(example = "delivered")]
    status: &'static str,
    /// Tries so far.
    #[schema(example = 1)]
    attempts: u32,
    /// When it was recorded.
    #[schema(example = "2024-01-20T14:30:00Z")]
    created_at: String,
    /// When it was last tried.
    #[schema(example = "2024-01-20T14:30:01Z")]
    last_attempt_at: Option<String>,
    /// What the receiver answered then, where it did.
    #[schema(example = 204)]
    last_status_code: Option<u16>,
    /// Why that failed; `null` where it did not.
    last_error: Option<String>,
    /// When it is tried next; `null` at its end, and while an earlier one of the same alert waits.
    next_attempt_at: Option<String>,
}

impl DeliveryOut {
    fn new(delivery: &Delivery, api: &Api) -> Self {
        let alert = delivery.alert.as_ref();
        let last = delivery.last_attempt.as_ref();
        let fault = last.and_then(|attempt| attempt.fault.as_ref());
        Self {
            delivery_id: delivery.id.to_string(),
            event: delivery.notice.as_str(),
            alert_id: alert.map(|alert| alert.id.to_string()),
            tenant_id: alert.map(|alert| alert.tenant_id.to_string()),
            kind: alert.map(|alert| alert.subject.kind().as_str()),
            metric: alert.map(|alert| alert.subject.metric_name()),
            severity: alert.map(|alert| alert.severity.as_str()),
            status: delivery.state.as_str(),
            attempts: delivery.attempts,
            created_at: wire::timestamp_text(delivery.created_at),
            last_attempt_at: last.map(|attempt| wire::timestamp_text(attempt.at)),
            last_status_code: last.and_then(|attempt| attempt.status_code),
            last_error: fault.map(|fault| fault.render(api.language())),
            next_attempt_at: delivery.due_at.map(wire::timestamp_text),
        }
    }
}

/// A page of deliveries.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryListOut {
    /// To whom.
    #[schema(example = "rcv-0123456789ab")]
    receiver_id: String,
    /// Newest first.
    deliveries: Vec<DeliveryOut>,
    /// Deliveries that the filter matches.
    #[schema(example = 1)]
    total_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// List a receiver's deliveries
///
/// Newest first. Those that came to their end are listed for 30 days, the newest 1,000 of each state.
#[utoipa::path(
    get,
    path = "/api/v1/receivers/{receiver_id}/deliveries",
    tag = "alerting",
    params(
        ("receiver_id" = String, Path, description = "As the creation answered it, or the list"),
        ("status" = Option<String>, Query, description = "Only deliveries in this state: pending, delivered, given_up"),
        PageIn,
    ),
    responses(
        (status = 200, description = "A page of deliveries", body = DeliveryListOut),
        (status = 404, description = "INVALID_REQUEST: there is none of this id", body = ErrorOut),
    ),
)]
pub(crate) async fn list_deliveries(
    Admin(api): Admin,
    PathText(id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let page = query.page();
    let state = query.choice("status", "api.unknown_status", &DeliveryState::ALL, DeliveryState::as_str);
    query.finish(&api.context)?;
    let receiver = find(&api, &id)?;
    let asked = DeliveryQuery { receiver_id: receiver.id.clone(), state, skip: page.skip, limit: page.limit };
    let (deliveries, total_count) = api.services().notifications.deliveries(asked).await?;
    let body = DeliveryListOut {
        receiver_id: receiver.id.to_string(),
        deliveries: deliveries.iter().map(|delivery| DeliveryOut::new(delivery, &api)).collect(),
        total_count,
        pagination: PaginationOut::new(page, total_count),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

/// Test a receiver
///
/// Sends it a test once, waits for what comes of it, and says so in the answer: `status` is `delivered`, or
/// `given_up` with the reason in `last_error`.
#[utoipa::path(
    post,
    path = "/api/v1/receivers/{receiver_id}/test",
    tag = "alerting",
    params(("receiver_id" = String, Path, description = "As the creation answered it, or the list")),
    responses(
        (status = 200, description = "What came of it", body = DeliveryOut),
        (status = 404, description = "INVALID_REQUEST: there is none of this id", body = ErrorOut),
    ),
)]
pub(crate) async fn test_receiver(Admin(api): Admin, PathText(id): PathText) -> Result<Response, ApiError> {
    let receiver = find(&api, &id)?;
    let (delivery_id, created_at) = (DeliveryId::generate(), api.state.clock.now());
    let attempt = api.services().notifier.send_test(&receiver, &delivery_id).await;
    let delivery = test_delivery(delivery_id, &receiver, created_at, attempt);
    let body = DeliveryOut::new(&delivery, &api);
    api.services().notifications.add_delivery(delivery).await?;
    Ok(wire::json(StatusCode::OK, &body))
}

fn test_delivery(id: DeliveryId, receiver: &Receiver, created_at: Timestamp, attempt: Attempt) -> Delivery {
    let state = if attempt.fault.is_none() { DeliveryState::Delivered } else { DeliveryState::GivenUp };
    Delivery {
        id,
        receiver_id: receiver.id.clone(),
        notice: NoticeKind::Test,
        alert: None,
        told_before: None,
        goes_on: false,
        created_at,
        state,
        attempts: 1,
        last_attempt: Some(attempt),
        due_at: None,
    }
}
