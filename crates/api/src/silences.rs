//! `GET|POST /api/v1/silences` and `GET|DELETE /api/v1/silences/{silence_id}`: alerts of which nobody is
//! told for a while. They are listed all the same.

use crate::alert_filter::{AlertFilterOut, check_reach, read_named_filter};
use crate::alerts::AlertOut;
use crate::audit;
use crate::auth::{Reader, Writer};
use crate::body::RawBody;
use crate::error::ApiError;
use crate::fields::{Faults, FieldReader};
use crate::json::Shape;
use crate::openapi::ErrorOut;
use crate::query::{PageIn, QueryReader};
use crate::request_context::{Api, PathText};
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::Timestamp;
use ecp_core::alerts::Alert;
use ecp_core::alerts::silence::{DEFAULT_SECONDS, LONGEST_SECONDS, Silence, SilencePhase};
use ecp_core::audit::AuditEntry;
use ecp_core::ids::SilenceId;
use ecp_core::text::Message;
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use std::sync::Arc;
use utoipa::ToSchema;

/// What is read of a silence.
static SILENCE: Shape = Shape::Object(&[
    ("tenant_id", Shape::Scalar),
    ("type", Shape::Scalar),
    ("metric", Shape::Scalar),
    ("severity", Shape::Scalar),
    ("starts_at", Shape::Scalar),
    ("ends_at", Shape::Scalar),
    ("comment", Shape::Scalar),
]);
/// Alerts that a trial lists; the rest is counted.
const ALERTS_SHOWN: usize = 1_000;

/// A silence.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceOut {
    /// Its id.
    #[schema(example = "sil-0123456789ab")]
    silence_id: String,
    /// Which alerts.
    #[serde(flatten)]
    filter: AlertFilterOut,
    /// From when on.
    #[schema(example = "2024-01-20T14:30:00Z")]
    starts_at: String,
    /// Until when.
    #[schema(example = "2024-01-20T15:30:00Z")]
    ends_at: String,
    /// `pending`, `active` or `ended`.
    #[schema(example = "active")]
    status: &'static str,
    /// Why.
    #[schema(example = "부하 시험")]
    comment: Option<String>,
    /// Who asked for it.
    #[schema(example = "anonymous")]
    created_by: String,
    /// When.
    #[schema(example = "2024-01-20T14:30:00Z")]
    created_at: String,
}

impl SilenceOut {
    fn new(silence: &Silence, now: Timestamp) -> Self {
        Self {
            silence_id: silence.id.to_string(),
            filter: AlertFilterOut::new(&silence.filter),
            starts_at: wire::timestamp_text(silence.starts_at),
            ends_at: wire::timestamp_text(silence.ends_at),
            status: silence.phase(now).as_str(),
            comment: silence.comment.clone(),
            created_by: silence.created_by.clone(),
            created_at: wire::timestamp_text(silence.created_at),
        }
    }
}

/// A page of silences.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceListOut {
    /// Newest first.
    silences: Vec<SilenceOut>,
    /// Silences that the filter matches.
    #[schema(example = 1)]
    total_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// What a silence would do.
#[derive(Debug, Serialize, ToSchema)]
pub struct SilenceTrialOut<'a> {
    /// Open alerts that it would hit, oldest first; 1,000 at most.
    alerts: Vec<AlertOut<'a>>,
    /// How many it would hit.
    #[schema(example = 1)]
    total_count: usize,
}

/// A silence that is asked for. At least one of `tenant_id`, `type`, `metric` and `severity` is named;
/// an alert is silenced where all that is named is so.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
#[schema(example = json!({"tenant_id": "global-call-center", "metric": "cpu", "comment": "부하 시험"}))]
pub struct SilenceIn {
    /// Alerts of this tenant.
    tenant_id: Option<String>,
    /// `resource_usage`, `performance`, `availability` or `deployment_failed`.
    #[schema(rename = "type")]
    kind: Option<String>,
    /// Series, `samples`, or `deployment`.
    metric: Option<String>,
    /// `warning` or `critical`.
    severity: Option<String>,
    /// From when on; now where it is left out.
    starts_at: Option<String>,
    /// Until when; an hour after the start where it is left out.
    ends_at: Option<String>,
    /// Why.
    comment: Option<String>,
}

/// List silences
///
/// Newest first. Those that ended are listed for a week. A token for some tenants alone sees those that
/// name one of them.
#[utoipa::path(
    get,
    path = "/api/v1/silences",
    tag = "alerting",
    params(
        ("status" = Option<String>, Query, description = "Only silences in this state: pending, active, ended"),
        PageIn,
    ),
    responses((status = 200, description = "A page of silences", body = SilenceListOut)),
)]
pub(crate) async fn list_silences(Reader(api): Reader, uri: Uri) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let page = query.page();
    let phase = query.choice("status", "api.unknown_status", &SilencePhase::ALL, SilencePhase::as_str);
    query.finish(&api.context)?;
    let now = api.state.clock.now();
    let silences = api.services().alerting.silences();
    let is_asked_for = |silence: &&Arc<Silence>| {
        may_see(&api, silence) && phase.is_none_or(|phase| silence.phase(now) == phase)
    };
    let found: Vec<&Arc<Silence>> = silences.iter().rev().filter(is_asked_for).collect();
    let body = SilenceListOut {
        silences: found
            .iter()
            .skip(page.skip)
            .take(page.limit)
            .map(|silence| SilenceOut::new(silence, now))
            .collect(),
        total_count: found.len(),
        pagination: PaginationOut::new(page, found.len()),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

/// Get a silence
#[utoipa::path(
    get,
    path = "/api/v1/silences/{silence_id}",
    tag = "alerting",
    params(("silence_id" = String, Path, description = "As the creation answered it, or the list")),
    responses(
        (status = 200, description = "The silence", body = SilenceOut),
        (status = 404, description = "INVALID_REQUEST: there is none of this id", body = ErrorOut),
    ),
)]
pub(crate) async fn get_silence(
    Reader(api): Reader,
    PathText(silence_id): PathText,
) -> Result<Response, ApiError> {
    let silence = find(&api, &silence_id)?;
    Ok(wire::json(StatusCode::OK, &SilenceOut::new(&silence, api.state.clock.now())))
}

/// Silence alerts
///
/// Nobody is told of them until it ends; they are listed as `silenced`. One that is still open then is
/// told of. A token for some tenants alone has to name one of them.
#[utoipa::path(
    post,
    path = "/api/v1/silences",
    tag = "alerting",
    params(
        ("dry_run" = Option<bool>, Query, description = "Only say which open alerts it would hit (200), and silence none (default false)", example = false),
    ),
    request_body = SilenceIn,
    responses(
        (status = 200, description = "With `dry_run`: the open alerts that it would hit", body = SilenceTrialOut),
        (status = 201, description = "It silences", body = SilenceOut),
        (status = 404, description = "TENANT_NOT_FOUND", body = ErrorOut),
        (status = 409, description = "CONFLICT: there are as many silences as can be kept", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn create_silence(
    Writer(api): Writer,
    uri: Uri,
    body: RawBody,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let dry_run = query.flag("dry_run").unwrap_or(false);
    query.finish(&api.context)?;
    let (body, faults) = body.json(&api.state, &SILENCE).await?;
    let now = api.state.clock.now();
    let silence = read_silence(&api, &body, &faults, now);
    api.warn_of_unknown_fields(faults)?;
    check_reach(&api, &silence.filter)?;
    if dry_run {
        return Ok(trial_response(&api, &silence));
    }
    let out = SilenceOut::new(&silence, now);
    let audit = audit(&api, "silence.create", None, Some(&silence));
    api.services().alerting.add_silence(silence, audit).await?;
    Ok(wire::json(StatusCode::CREATED, &out))
}

/// End a silence
///
/// At once; alerts that it silenced and that are still open are told of.
#[utoipa::path(
    delete,
    path = "/api/v1/silences/{silence_id}",
    tag = "alerting",
    params(("silence_id" = String, Path, description = "As the creation answered it, or the list")),
    responses(
        (status = 200, description = "The silence as it was", body = SilenceOut),
        (status = 403, description = "FORBIDDEN: it names no tenant and the token does not cover all", body = ErrorOut),
        (status = 404, description = "INVALID_REQUEST: there is none of this id", body = ErrorOut),
    ),
)]
pub(crate) async fn delete_silence(
    Writer(api): Writer,
    PathText(silence_id): PathText,
) -> Result<Response, ApiError> {
    let silence = find(&api, &silence_id)?;
    let audit = audit(&api, "silence.delete", Some(&silence), None);
    if !api.services().alerting.remove_silence(&silence.id, audit).await? {
        return Err(ApiError::nothing_named("api.silence_not_found", &silence_id));
    }
    Ok(wire::json(StatusCode::OK, &SilenceOut::new(&silence, api.state.clock.now())))
}

/// What names no tenant is for those who see all of them.
fn may_see(api: &Api, silence: &Silence) -> bool {
    match &silence.filter.tenant_id {
        Some(id) => api.access.may_see(id),
        None => api.access.sees_everything(),
    }
}

fn find(api: &Api, id: &str) -> Result<Arc<Silence>, ApiError> {
    let silences = api.services().alerting.silences();
    let found = silences.iter().find(|silence| silence.id.as_str() == id && may_see(api, silence));
    found.cloned().ok_or_else(|| ApiError::nothing_named("api.silence_not_found", id))
}

fn read_silence(api: &Api, body: &Value, faults: &Faults, now: Timestamp) -> Silence {
    let mut silence = Silence {
        id: SilenceId::generate(),
        filter: Default::default(),
        starts_at: now,
        ends_at: now,
        comment: None,
        created_by: api.caller().actor,
        created_at: now,
    };
    let Some(reader) = FieldReader::new(faults, String::new(), body) else { return silence };
    silence.filter = read_named_filter(&reader);
    let starts_at = reader.time("starts_at");
    silence.starts_at = starts_at.unwrap_or(now);
    let after = |seconds: i64| {
        let start = silence.starts_at.as_second();
        Timestamp::from_second(start.saturating_add(seconds)).unwrap_or(Timestamp::MAX)
    };
    let ends_at = reader.time("ends_at");
    silence.ends_at = ends_at.unwrap_or_else(|| after(DEFAULT_SECONDS));
    if silence.ends_at <= silence.starts_at || silence.ends_at <= now {
        reader.fault("ends_at", Message::new("api.silence_ends_early"));
    } else if silence.ends_at > after(LONGEST_SECONDS) {
        let days = LONGEST_SECONDS / (24 * 60 * 60);
        reader.fault("ends_at", Message::new("api.silence_too_long").with("days", days));
    }
    silence.comment = reader.text("comment", 0..=1000).map(str::to_owned);
    reader.note_unknown();
    silence
}

fn trial_response(api: &Api, silence: &Silence) -> Response {
    let services = api.services();
    let tenants = services.tenants.tenants();
    let named = silence.filter.tenant_id.as_ref();
    let mut hit: Vec<Arc<Alert>> = Vec::new();
    for tenant in tenants.iter().filter(|tenant| named.is_none_or(|id| *id == tenant.id)) {
        let open = services.tenants.open_alerts(&tenant.id);
        hit.extend(open.into_iter().filter(|alert| silence.filter.matches(alert)));
    }
    hit.sort_by_key(|alert| alert.opened_at);
    let body = SilenceTrialOut {
        alerts: hit.iter().take(ALERTS_SHOWN).map(|alert| AlertOut::new(alert, api)).collect(),
        total_count: hit.len(),
    };
    wire::json(StatusCode::OK, &body)
}

/// The entry of the trail.
fn audit(api: &Api, action: &str, before: Option<&Silence>, after: Option<&Silence>) -> AuditEntry {
    let silence = after.or(before);
    let tenant_id = silence.and_then(|silence| silence.filter.tenant_id.as_ref());
    let entry = audit::entry(api, action, tenant_id, before, after);
    let id = silence.map(|silence| silence.id.as_str());
    tracing::info!(entry.actor, action, silence.id = id, "a silence was changed");
    entry
}
