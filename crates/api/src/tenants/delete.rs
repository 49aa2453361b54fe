//! `DELETE /api/v1/tenants/{tenant_id}`: starts a deletion, or finds the one under way.

use super::if_match;
use crate::auth::Writer;
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::PathText;
use crate::wire;
use axum::response::Response;
use ecp_core::deployment::Removal;
use ecp_core::text::Message;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use utoipa::ToSchema;

/// A deletion under way.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeletionOut {
    /// For people.
    #[schema(example = "테넌트 삭제가 시작되었습니다")]
    message: String,
    /// Its id; the same one however often it is asked.
    #[schema(example = "del-xyz789")]
    deletion_id: String,
    /// Until everything is gone.
    #[schema(example = "5-10 minutes")]
    estimated_time: String,
}

/// Delete a tenant
///
/// Answers at once; when everything is gone the tenant is 404 and its id is free. Where something in
/// its namespace is not the orchestrator's, the namespace stays, the deployment status names what it
/// is, and the tenant goes by itself once that is gone; `release=true` gives the namespace up instead.
/// Of a tenant that others manage (`management` is `external`) nothing in the cluster is touched.
#[utoipa::path(
    delete,
    path = "/api/v1/tenants/{tenant_id}",
    tag = "tenants",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "my-ai-service"),
        ("force" = Option<bool>, Query, description = "Skip grace periods and finalizers (default false)", example = false),
        ("release" = Option<bool>, Query, description = "Give a namespace in which others keep something up to them: what is the orchestrator's is taken out of it, its labels too, and the tenant ends (default false)", example = false),
        ("dry_run" = Option<bool>, Query, description = "Only say what would be done (200, see PreviewOut), write nothing (default false)", example = false),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the caller read, or `*`"),
    ),
    responses(
        (status = 200, description = "Under way", body = DeletionOut),
        (status = 412, description = "CONFLICT: `If-Match` is stale", body = ErrorOut),
    ),
)]
pub(crate) async fn delete_tenant(
    Writer(api): Writer,
    PathText(tenant_id): PathText,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let how = Removal {
        force: query.flag("force").unwrap_or(false),
        release: query.flag("release").unwrap_or(false),
    };
    let dry_run = query.flag("dry_run").unwrap_or(false);
    query.finish(&api.context)?;
    let tenant = api.find_tenant(&tenant_id)?;
    let expected = if_match(&headers, &tenant)?;

    let tenancy = &api.services().tenancy;
    if dry_run {
        return Ok(api.preview_response(tenancy.preview_deletion(&tenant.id, expected).await?));
    }
    let deletion = tenancy.delete_tenant(&api.caller(), &tenant.id, how, expected).await?;
    let message = match &deletion.left {
        Some(namespace) => Message::new("api.deletion_leaves").with("namespace", namespace),
        None => Message::new("api.deletion_started"),
    };
    let body = DeletionOut {
        message: message.render(api.language()),
        deletion_id: deletion.deletion_id.to_string(),
        estimated_time: wire::minutes_text(deletion.estimated_time),
    };
    Ok(wire::json(StatusCode::OK, &body))
}
