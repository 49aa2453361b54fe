//! `GET|POST /api/v1/receivers`, `GET|PUT|DELETE /api/v1/receivers/{receiver_id}`, `GET …/deliveries` and
//! `POST …/test`: who is told of alerts, and what came of it. For admins who see every tenant.

pub(crate) mod deliveries;

use crate::alert_filter::{AlertFilterOut, check_reach, read_filter};
use crate::audit;
use crate::auth::Admin;
use crate::body::RawBody;
use crate::error::ApiError;
use crate::fields::{Faults, FieldReader};
use crate::json::Shape;
use crate::openapi::ErrorOut;
use crate::query::{PageIn, QueryReader};
use crate::request_context::{Api, PathText};
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::alerts::receiver::{Receiver, ReceiverKind, SigningSecret};
use ecp_core::audit::AuditEntry;
use ecp_core::ids::ReceiverId;
use ecp_core::text::Message;
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// What is read of a receiver.
static RECEIVER: Shape = Shape::Object(&[
    ("kind", Shape::Scalar),
    ("url", Shape::Scalar),
    ("secret", Shape::Scalar),
    ("tenant_id", Shape::Scalar),
    ("type", Shape::Scalar),
    ("metric", Shape::Scalar),
    ("severity", Shape::Scalar),
    ("comment", Shape::Scalar),
]);

/// Who is told of alerts.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiverOut {
    /// Its id.
    #[schema(example = "rcv-0123456789ab")]
    receiver_id: String,
    /// `webhook` or `alertmanager`.
    #[schema(example = "webhook")]
    kind: &'static str,
    /// Where it is told.
    #[schema(example = "https://hooks.example.com/ecp")]
    url: String,
    /// Of which alerts.
    #[serde(flatten)]
    filter: AlertFilterOut,
    /// What a webhook's messages are signed with; in the answer alone to the request that had it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
    /// What it is for.
    #[schema(example = "당직")]
    comment: Option<String>,
    /// Who made it.
    #[schema(example = "anonymous")]
    created_by: String,
    /// When.
    #[schema(example = "2024-01-20T14:30:00Z")]
    created_at: String,
    /// When it was last changed.
    #[schema(example = "2024-01-20T14:30:00Z")]
    updated_at: String,
}

impl ReceiverOut {
    fn new(receiver: &Receiver) -> Self {
        Self {
            receiver_id: receiver.id.to_string(),
            kind: receiver.kind.as_str(),
            url: receiver.url.clone(),
            filter: AlertFilterOut::new(&receiver.filter),
            secret: None,
            comment: receiver.comment.clone(),
            created_by: receiver.created_by.clone(),
            created_at: wire::timestamp_text(receiver.created_at),
            updated_at: wire::timestamp_text(receiver.updated_at),
        }
    }

    /// With the secret that was made for it, where one was.
    fn showing(receiver: &Receiver, made: Option<&SigningSecret>) -> Self {
        Self { secret: made.map(|secret| secret.expose().to_owned()), ..Self::new(receiver) }
    }
}

/// A page of receivers.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReceiverListOut {
    /// Oldest first.
    receivers: Vec<ReceiverOut>,
    /// How many there are.
    #[schema(example = 1)]
    total_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// A receiver as it is to be. It is told of the alerts for which all that is named of `tenant_id`, `type`,
/// `metric` and `severity` is so; where none is named, of every alert.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
#[schema(example = json!({"kind": "webhook", "url": "https://hooks.example.com/ecp", "severity": "critical", "comment": "당직"}))]
pub struct ReceiverIn {
    /// `webhook` or `alertmanager`.
    kind: String,
    /// `http` or `https`: the address of a webhook, the base address of an Alertmanager.
    url: String,
    /// What a webhook's messages are signed with: `whsec_` and the base64 of 24 to 64 bytes. Where it is left
    /// out, one that the receiver has is kept, else one is made and shown in this answer alone.
    secret: Option<String>,
    /// Alerts of this tenant.
    tenant_id: Option<String>,
    /// `resource_usage`, `performance`, `availability` or `deployment_failed`.
    #[schema(rename = "type")]
    alert_type: Option<String>,
    /// Series, `samples`, or `deployment`.
    metric: Option<String>,
    /// `warning` or `critical`.
    severity: Option<String>,
    /// What it is for.
    comment: Option<String>,
}

/// List receivers
///
/// Oldest first. For tokens of role admin without a list of tenants, as is all about receivers.
#[utoipa::path(
    get,
    path = "/api/v1/receivers",
    tag = "alerting",
    params(
        PageIn,
    ),
    responses((status = 200, description = "A page of receivers", body = ReceiverListOut)),
)]
pub(crate) async fn list_receivers(Admin(api): Admin, uri: Uri) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let page = query.page();
    query.finish(&api.context)?;
    let receivers = api.services().notifications.receivers();
    let shown = receivers.iter().skip(page.skip).take(page.limit);
    let body = ReceiverListOut {
        receivers: shown.map(|receiver| ReceiverOut::new(receiver)).collect(),
        total_count: receivers.len(),
        pagination: PaginationOut::new(page, receivers.len()),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

/// Make a receiver
///
/// It is told of what happens to alerts from now on; an Alertmanager is sent those that are open, too. Webhooks
/// get messages as the Standard Webhooks specification has them.
#[utoipa::path(
    post,
    path = "/api/v1/receivers",
    tag = "alerting",
    request_body = ReceiverIn,
    responses(
        (status = 201, description = "It is told; with the `secret` that was made for it, where one was", body = ReceiverOut),
        (status = 404, description = "TENANT_NOT_FOUND", body = ErrorOut),
        (status = 409, description = "CONFLICT: there are as many receivers as can be kept", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn create_receiver(Admin(api): Admin, body: RawBody) -> Result<Response, ApiError> {
    let (body, faults) = body.json(&api.state, &RECEIVER).await?;
    let receiver = read_receiver(&api, &body, &faults, None);
    check_url(&api, &receiver).await.unwrap_or_else(|reason| faults.add("/url", reason));
    api.warn_of_unknown_fields(faults)?;
    let (receiver, made) = with_secret(receiver);
    check_reach_of(&api, &receiver, None)?;
    let audit = audit(&api, "receiver.create", None, Some(&receiver));
    let out = ReceiverOut::showing(&receiver, made.as_ref());
    api.services().notifications.add_receiver(receiver, audit).await?;
    Ok(wire::json(StatusCode::CREATED, &out))
}

/// Get a receiver
#[utoipa::path(
    get,
    path = "/api/v1/receivers/{receiver_id}",
    tag = "alerting",
    params(("receiver_id" = String, Path, description = "As the creation answered it, or the list")),
    responses(
        (status = 200, description = "The receiver", body = ReceiverOut),
        (status = 404, description = "INVALID_REQUEST: there is none of this id", body = ErrorOut),
    ),
)]
pub(crate) async fn get_receiver(Admin(api): Admin, PathText(id): PathText) -> Result<Response, ApiError> {
    Ok(wire::json(StatusCode::OK, &ReceiverOut::new(&*find(&api, &id)?)))
}

/// Change a receiver
///
/// To what the body says, as a whole; a secret alone is kept where it is left out. What waits for it is sent
/// as it is by then.
#[utoipa::path(
    put,
    path = "/api/v1/receivers/{receiver_id}",
    tag = "alerting",
    params(("receiver_id" = String, Path, description = "As the creation answered it, or the list")),
    request_body = ReceiverIn,
    responses(
        (status = 200, description = "As it is now; with the `secret` that was made for it, where one was", body = ReceiverOut),
        (status = 404, description = "INVALID_REQUEST: there is none of this id; TENANT_NOT_FOUND", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn update_receiver(
    Admin(api): Admin,
    PathText(id): PathText,
    body: RawBody,
) -> Result<Response, ApiError> {
    let before = find(&api, &id)?;
    let (body, faults) = body.json(&api.state, &RECEIVER).await?;
    let receiver = read_receiver(&api, &body, &faults, Some(&before));
    check_url(&api, &receiver).await.unwrap_or_else(|reason| faults.add("/url", reason));
    api.warn_of_unknown_fields(faults)?;
    let (receiver, made) = with_secret(receiver);
    check_reach_of(&api, &receiver, Some(&before))?;
    let audit = audit(&api, "receiver.update", Some(&before), Some(&receiver));
    let out = ReceiverOut::showing(&receiver, made.as_ref());
    if !api.services().notifications.change_receiver(receiver, audit).await? {
        return Err(not_found(&id));
    }
    Ok(wire::json(StatusCode::OK, &out))
}

/// Remove a receiver
///
/// At once, with what waits for it and the list of its deliveries.
#[utoipa::path(
    delete,
    path = "/api/v1/receivers/{receiver_id}",
    tag = "alerting",
    params(("receiver_id" = String, Path, description = "As the creation answered it, or the list")),
    responses(
        (status = 200, description = "The receiver as it was", body = ReceiverOut),
        (status = 404, description = "INVALID_REQUEST: there is none of this id", body = ErrorOut),
    ),
)]
pub(crate) async fn delete_receiver(Admin(api): Admin, PathText(id): PathText) -> Result<Response, ApiError> {
    let receiver = find(&api, &id)?;
    let audit = audit(&api, "receiver.delete", Some(&receiver), None);
    if !api.services().notifications.remove_receiver(&receiver.id, audit).await? {
        return Err(not_found(&id));
    }
    Ok(wire::json(StatusCode::OK, &ReceiverOut::new(&receiver)))
}

fn not_found(id: &str) -> ApiError {
    ApiError::nothing_named("api.receiver_not_found", id)
}

fn find(api: &Api, id: &str) -> Result<Arc<Receiver>, ApiError> {
    let receivers = api.services().notifications.receivers();
    receivers.iter().find(|receiver| receiver.id.as_str() == id).cloned().ok_or_else(|| not_found(id))
}

/// A tenant that is named has to be there; one that is gone since may stay as it is.
fn check_reach_of(api: &Api, receiver: &Receiver, before: Option<&Receiver>) -> Result<(), ApiError> {
    if before.is_some_and(|before| before.filter.tenant_id == receiver.filter.tenant_id) {
        return Ok(());
    }
    check_reach(api, &receiver.filter)
}

/// A webhook without a secret gets one; the one that was made.
fn with_secret(mut receiver: Receiver) -> (Receiver, Option<SigningSecret>) {
    let made =
        (receiver.kind == ReceiverKind::Webhook && receiver.secret.is_none()).then(SigningSecret::generate);
    if made.is_some() {
        receiver.secret.clone_from(&made);
    }
    (receiver, made)
}

/// Refuses an address that must not be dialled; one that could not be read was refused before.
async fn check_url(api: &Api, receiver: &Receiver) -> Result<(), Message> {
    if receiver.url.is_empty() {
        return Ok(());
    }
    api.services().notifier.check_url(receiver.kind, &receiver.url).await
}

fn read_receiver(api: &Api, body: &Value, faults: &Faults, before: Option<&Arc<Receiver>>) -> Receiver {
    let now = api.state.clock.now();
    let mut receiver = Receiver {
        id: before.map_or_else(ReceiverId::generate, |before| before.id.clone()),
        kind: ReceiverKind::Webhook,
        url: String::new(),
        filter: Default::default(),
        comment: None,
        created_by: before.map_or_else(|| api.caller().actor, |before| before.created_by.clone()),
        created_at: before.map_or(now, |before| before.created_at),
        updated_at: now,
        secret: None,
    };
    let Some(reader) = FieldReader::new(faults, String::new(), body) else { return receiver };
    reader.require("kind");
    let kind = reader.choice("kind", "api.unknown_receiver_kind", &ReceiverKind::ALL, ReceiverKind::as_str);
    receiver.kind = kind.unwrap_or(ReceiverKind::Webhook);
    reader.require("url");
    if let Some(url) = reader.text("url", 1..=2_000) {
        url.clone_into(&mut receiver.url);
    }
    if let Some(secret) = reader.any_text("secret") {
        match SigningSecret::parse(secret) {
            _ if kind == Some(ReceiverKind::Alertmanager) => {
                reader.fault("secret", Message::new("api.secret_not_taken"));
            }
            Ok(secret) => receiver.secret = Some(secret),
            Err(_) => reader.fault("secret", Message::new("api.secret_malformed")),
        }
    } else if kind == Some(ReceiverKind::Webhook) {
        receiver.secret = before.and_then(|before| before.secret.clone());
    }
    receiver.filter = read_filter(&reader);
    receiver.comment = reader.text("comment", 0..=1000).map(str::to_owned);
    reader.note_unknown();
    receiver
}

/// The entry of the trail.
fn audit(api: &Api, action: &str, before: Option<&Receiver>, after: Option<&Receiver>) -> AuditEntry {
    let receiver = after.or(before);
    let tenant_id = receiver.and_then(|receiver| receiver.filter.tenant_id.as_ref());
    let entry = audit::entry(api, action, tenant_id, before, after);
    let id = receiver.map(|receiver| receiver.id.as_str());
    tracing::info!(entry.actor, action, receiver.id = id, "a receiver was changed");
    entry
}
