//! `PUT /api/v1/tenants/{tenant_id}`: changes what is named and leaves the rest.

use super::create::{SizingIn, SlaTargetIn};
use super::detail::TenantOut;
use super::if_match;
use super::input::{TENANT, read_patch};
use crate::auth::Writer;
use crate::body::RawBody;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::PathText;
use axum::response::Response;
use http::{HeaderMap, Uri};
use serde_json::Value;
use utoipa::ToSchema;

/// What to change of a tenant; what is left out stays.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "name": "수정된 서비스 이름",
    "service_requirements": {"callbot": 75, "chatbot": 150},
    "sla_target": {"availability": "99.95%", "response_time": "150ms"}
}))]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct UpdateTenantIn {
    /// Name for people.
    #[schema(min_length = 1, max_length = 200)]
    name: Option<String>,
    /// `micro`, `small`, `medium`, `large`.
    preset: Option<String>,
    /// `calculator` has the calculator choose, now and on every later change, whatever `preset` says; as
    /// the detail call answers.
    preset_chosen_by: Option<String>,
    /// Units by service; 0 removes the service.
    #[schema(value_type = Option<Object>)]
    service_requirements: Option<Value>,
    /// What is promised.
    sla_target: Option<SlaTargetIn>,
    /// What the planner asks for beyond that; all optional.
    sizing: Option<SizingIn>,
    /// Free text.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// How the services are reached from outside: `none`, `ingress`, `gateway`.
    exposure: Option<String>,
    /// `catalog` follows the catalog whatever `exposure` says; as the detail call answers.
    exposure_chosen_by: Option<String>,
    /// Who brings the tenant's objects to the cluster: `internal` or `external`. From `external` to
    /// `internal` the orchestrator takes over what is there.
    management: Option<String>,
    /// Demo mode only: the failure that the deployment is to show, or `none`.
    demo_fault: Option<String>,
}

/// Update a tenant
///
/// Changes what is named and leaves the rest; a service set to 0 is removed. While the tenant is
/// being deleted this is 409.
#[utoipa::path(
    put,
    path = "/api/v1/tenants/{tenant_id}",
    tag = "tenants",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("rollback" = Option<bool>, Query, description = "Bring back what ran before where the roll-out fails (default: as configured)", example = true),
        ("dry_run" = Option<bool>, Query, description = "Only say what would be done (200, see PreviewOut), write nothing (default false)", example = false),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the caller read, or `*`"),
    ),
    request_body = UpdateTenantIn,
    responses(
        (status = 200, description = "The tenant after the change", body = TenantOut,
            headers(("ETag" = String, description = "The generation, quoted"))),
        (status = 409, description = "CONFLICT: the tenant is being deleted or was changed meanwhile; INSUFFICIENT_RESOURCES", body = ErrorOut),
        (status = 412, description = "CONFLICT: `If-Match` is stale", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED or INVALID_PRESET, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn update_tenant(
    Writer(api): Writer,
    PathText(tenant_id): PathText,
    uri: Uri,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let dry_run = query.flag("dry_run").unwrap_or(false);
    let rollback = query.flag("rollback");
    query.finish(&api.context)?;
    let present = api.find_tenant(&tenant_id)?;
    let expected = if_match(&headers, &present)?;
    let (body, faults) = body.json(&api.state, &TENANT).await?;
    let patch = read_patch(&body, &present.id, api.mode, &faults);
    api.warn_of_unknown_fields(faults)?;
    // Without faults the body was an object.
    let patch = patch.unwrap_or_default();

    let tenancy = &api.services().tenancy;
    if dry_run {
        let preview = tenancy.preview_update(&present.id, patch, expected).await;
        return Ok(api.preview_response(preview.map_err(|error| api.refusal(error))?));
    }
    let tenant = tenancy.update_tenant(&api.caller(), &present.id, patch, expected, rollback).await;
    let tenant = tenant.map_err(|error| api.refusal(error))?;
    api.context.debug_note("sizing", || super::create::sizing_note(&tenant));
    Ok(api.detail_response(&tenant))
}
