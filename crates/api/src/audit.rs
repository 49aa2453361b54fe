//! `GET /api/v1/audit`: who did what to which tenant.

use crate::auth::Auditor;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::{Page, PageIn, QueryReader};
use crate::request_context::Api;
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::audit::AuditEntry;
use ecp_core::ids::TenantId;
use ecp_core::ports::AuditQuery;
use ecp_core::text::Message;
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// One accepted change.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditEntryOut<'a> {
    /// When.
    #[schema(example = "2024-01-20T14:30:00Z")]
    timestamp: String,
    /// Token name, `anonymous` where tokens are off, `controller` for the reconciler.
    #[schema(example = "anonymous")]
    actor: &'a str,
    /// `tenant.create`, `tenant.update`, `tenant.delete` …
    #[schema(example = "tenant.create")]
    action: &'a str,
    /// Whose; `null` of what is about all tenants, such as a receiver of every alert.
    #[schema(example = "my-ai-service")]
    tenant_id: Option<&'a str>,
    /// Request that asked for it, where one did.
    #[schema(example = "req-xyz789")]
    request_id: Option<&'a str>,
    /// State before: an object, or of what was healed a list of what was found; `null` where there was none.
    #[schema(value_type = Value)]
    before: Option<&'a Value>,
    /// State after, where there is one.
    #[schema(value_type = Value)]
    after: Option<&'a Value>,
    /// `accepted`, `completed`, `failed`.
    #[schema(example = "accepted")]
    outcome: &'a str,
}

impl<'a> AuditEntryOut<'a> {
    fn new(entry: &'a AuditEntry) -> Self {
        Self {
            timestamp: wire::timestamp_text(entry.timestamp),
            actor: &entry.actor,
            action: &entry.action,
            tenant_id: entry.tenant_id.as_ref().map(TenantId::as_str),
            request_id: entry.request_id.as_deref(),
            before: entry.before.as_ref(),
            after: entry.after.as_ref(),
            outcome: &entry.outcome,
        }
    }
}

/// A page of the audit trail.
#[derive(Debug, Serialize, ToSchema)]
pub struct AuditListOut<'a> {
    /// Newest first.
    entries: Vec<AuditEntryOut<'a>>,
    /// Entries that the filter matches.
    total_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// List the audit trail
///
/// Newest first; it outlives the tenants. For administrators.
#[utoipa::path(
    get,
    path = "/api/v1/audit",
    tag = "audit",
    params(
        ("tenant_id" = Option<String>, Query, description = "Only changes of this tenant"),
        ("actor" = Option<String>, Query, description = "Only by this token name, or `controller`"),
        ("action" = Option<String>, Query, description = "Only this action, such as `tenant.heal`"),
        ("outcome" = Option<String>, Query, description = "Only with this outcome, such as `restored`"),
        ("request_id" = Option<String>, Query, description = "Only what this request asked for"),
        ("since" = Option<String>, Query, description = "Not before this RFC 3339 time, such as 2024-01-20T14:30:00Z"),
        ("until" = Option<String>, Query, description = "Before this RFC 3339 time, such as 2024-01-21T14:30:00Z"),
        PageIn,
    ),
    responses(
        (status = 200, description = "A page of the audit trail", body = AuditListOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
    ),
)]
pub(crate) async fn list_audit_entries(Auditor(api): Auditor, uri: Uri) -> Result<Response, ApiError> {
    let (filter, page) = read_filter(&api, &uri)?;
    if let Some(id) = &filter.tenant_id {
        api.own(id)?;
    }
    let (entries, total_count) = api.services().tenants.audit(filter).await?;
    let body = AuditListOut {
        entries: entries.iter().map(AuditEntryOut::new).collect(),
        total_count,
        pagination: PaginationOut::new(page, total_count),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

fn read_filter(api: &Api, uri: &Uri) -> Result<(AuditQuery, Page), ApiError> {
    let query = QueryReader::new(uri);
    let page = query.page();
    let tenant_id = query.text("tenant_id").map(TenantId::parse).transpose();
    if tenant_id.is_err() {
        query.fault("tenant_id", Message::new("api.tenant_id_not_a_label"));
    }
    // The trail is asked for one tenant at a time by who may not see all of them.
    if tenant_id == Ok(None) && api.access.tenants.is_some() {
        query.fault("tenant_id", Message::new("api.audit_tenant_required"));
    }
    let text = |name| query.text(name).map(str::to_owned);
    let filter = AuditQuery {
        // A fault is answered below.
        tenant_id: tenant_id.ok().flatten(),
        actor: text("actor"),
        action: text("action"),
        outcome: text("outcome"),
        request_id: text("request_id"),
        since: query.time("since"),
        until: query.time("until"),
        skip: page.skip,
        limit: page.limit,
    };
    query.finish(&api.context)?;
    Ok((filter, page))
}

/// The entry of a change that is done when it is answered, by who asks.
pub(crate) fn entry<T: Serialize>(
    api: &Api,
    action: &str,
    tenant_id: Option<&TenantId>,
    before: Option<&T>,
    after: Option<&T>,
) -> AuditEntry {
    let caller = api.caller();
    let state = |state: Option<&T>| state.and_then(|state| serde_json::to_value(state).ok());
    AuditEntry {
        timestamp: api.state.clock.now(),
        request_id: caller.request_id().map(str::to_owned),
        actor: caller.actor,
        action: action.to_owned(),
        tenant_id: tenant_id.cloned(),
        before: state(before),
        after: state(after),
        outcome: "completed".to_owned(),
    }
}
