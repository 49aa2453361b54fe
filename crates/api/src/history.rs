//! `GET /api/v1/tenants/{tenant_id}/deployments` and `POST …/rollback`: what was done, and going back.

use crate::auth::{Reader, Writer};
use crate::body::RawBody;
use crate::deployments::FailureOut;
use crate::error::ApiError;
use crate::fields::{Faults, FieldReader};
use crate::json::Shape;
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::PathText;
use crate::tenants::{SlaTargetOut, TenantOut, if_match};
use crate::wire::{self, PaginationOut};
use axum::response::Response;
use ecp_core::deployment::{Deployment, DeploymentKind};
use ecp_core::ids::DeploymentId;
use ecp_core::manifest::FieldChange;
use ecp_core::revision::{Revision, Revisions};
use ecp_core::tenant::TenantSpec;
use ecp_core::text::Language;
use http::{HeaderMap, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// What is read of a rollback.
static ROLLBACK: Shape = Shape::Object(&[("deployment_id", Shape::Scalar)]);

/// A page of a tenant's deployments.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentListOut<'a> {
    /// Newest first.
    deployments: Vec<DeploymentEntryOut<'a>>,
    /// Deployments of the tenant.
    total_count: usize,
    /// Which page this is.
    pagination: PaginationOut,
}

/// One roll-out of a tenant, or its deletion.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeploymentEntryOut<'a> {
    /// `dep-…`, or `del-…` for a deletion.
    #[schema(example = "dep-abc123")]
    deployment_id: String,
    /// `create`, `update` or `delete`.
    #[schema(example = "update")]
    kind: &'static str,
    /// `request`, `rollback`, or `catalog` where a changed catalog was rolled out.
    #[schema(example = "request")]
    cause: &'static str,
    /// Who asked: a token's name, `anonymous`, `controller` for a rollback by itself, `catalog`; `null`
    /// of what an earlier release accepted.
    #[schema(example = "anonymous")]
    actor: Option<String>,
    /// Tenant generation that it rolls out; the number of its revision.
    #[schema(example = 3)]
    generation: u64,
    /// `pending`, `deploying`, `running`, `failed`, `rolled_back`, `deleting`, `deleted`.
    #[schema(example = "running")]
    status: &'static str,
    /// When it was accepted.
    #[schema(example = "2024-01-20T14:30:00Z")]
    created_at: String,
    /// When it ended; `null` while it is under way.
    #[schema(example = "2024-01-20T14:45:00Z")]
    finished_at: Option<String>,
    /// When all of it was first seen running; `null` where it never was. To these can be rolled back.
    #[schema(example = "2024-01-20T14:45:00Z")]
    ran_whole_at: Option<String>,
    /// What it changed of the tenant against the revision before it; `null` where that is not kept.
    changes: Option<Vec<SpecChangeOut>>,
    /// Why it failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureOut<'a>>,
}

/// A value that changed, or would.
#[derive(Debug, Serialize, ToSchema)]
pub struct SpecChangeOut {
    /// What, as a JSON pointer into the specification, or the object; `/catalog` for the catalog's digest.
    #[schema(example = "/service_requirements/callbot")]
    field: String,
    /// Its value before; `null` where it had none.
    #[schema(example = 50)]
    before: Value,
    /// Its value after; `null` where it has none.
    #[schema(example = 75)]
    after: Value,
}

impl SpecChangeOut {
    /// A field of an object, unless its values are secret.
    pub(crate) fn of_field(field: &FieldChange) -> Option<Self> {
        let (before, after) = field.values.clone()?;
        Some(Self { field: field.pointer.clone(), before, after })
    }
}

impl<'a> DeploymentEntryOut<'a> {
    fn new(deployment: &'a Deployment, revisions: &Revisions, language: Language) -> Self {
        let revision = match deployment.kind {
            DeploymentKind::Delete(_) => None,
            _ => revisions.numbered(deployment.generation),
        };
        let before = revision.and_then(|revision| revisions.before(revision.number));
        Self {
            deployment_id: deployment.id.as_str().to_owned(),
            kind: match deployment.kind {
                DeploymentKind::Create => "create",
                DeploymentKind::Update => "update",
                DeploymentKind::Delete(_) => "delete",
            },
            cause: deployment.cause.as_str(),
            actor: deployment.actor.clone(),
            generation: deployment.generation,
            status: deployment.status.as_str(),
            created_at: wire::timestamp_text(deployment.created_at),
            finished_at: deployment.finished_at.map(wire::timestamp_text),
            ran_whole_at: revision
                .and_then(|revision| revision.seen_running_whole_at)
                .map(wire::timestamp_text),
            changes: revision.zip(before).map(|(revision, before)| changes(before, revision)),
            failure: deployment.failure.as_ref().map(|failure| FailureOut::new(failure, language)),
        }
    }
}

/// What one revision changed against another.
fn changes(before: &Revision, after: &Revision) -> Vec<SpecChangeOut> {
    let json = |revision: &Revision| {
        let mut spec = spec_json(&revision.spec);
        spec["catalog"] = revision.catalog.as_str().into();
        spec
    };
    let mut found = Vec::new();
    collect(&json(before), &json(after), "", &mut found);
    found
}

/// What a specification has that the other has not, or has otherwise; none stands for no tenant.
pub(crate) fn spec_changes(before: Option<&TenantSpec>, after: Option<&TenantSpec>) -> Vec<SpecChangeOut> {
    let json = |spec: Option<&TenantSpec>| spec.map_or_else(|| Value::Object(Map::new()), spec_json);
    let mut found = Vec::new();
    collect(&json(before), &json(after), "", &mut found);
    found
}

/// A specification with what is promised as the API spells it.
fn spec_json(spec: &TenantSpec) -> Value {
    let mut json = serde_json::to_value(spec).unwrap_or_default();
    json["sla_target"] = serde_json::to_value(SlaTargetOut::from(&spec.sla_target)).unwrap_or_default();
    json
}

fn collect(before: &Value, after: &Value, path: &str, found: &mut Vec<SpecChangeOut>) {
    match (before, after) {
        _ if before == after => {}
        (Value::Object(old), Value::Object(new)) => {
            for key in old.keys().chain(new.keys().filter(|key| !old.contains_key(*key))) {
                let value = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                collect(&value(old), &value(new), &crate::fields::pointer_to(path, key), found);
            }
        }
        _ => {
            found.push(SpecChangeOut { field: path.to_owned(), before: before.clone(), after: after.clone() })
        }
    }
}

/// List the deployments of a tenant
///
/// Newest first: who asked, when, what changed and how it ended.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/deployments",
    tag = "manifests",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("skip" = Option<u32>, Query, description = "Deployments to leave out first", minimum = 0, example = 0),
        ("limit" = Option<u32>, Query, description = "Deployments at most (default 100)", minimum = 1, maximum = 1000, example = 100),
    ),
    responses(
        (status = 200, description = "A page of the deployments", body = DeploymentListOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
    ),
)]
pub(crate) async fn list_deployments(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let page = query.page();
    query.finish(&api.context)?;
    let tenant = api.find_tenant(&tenant_id)?;
    let store = &api.services().tenants;
    let revisions = store.revisions(&tenant.id).await?;
    let (deployments, total_count) = store.deployments(&tenant.id, page.skip, page.limit).await?;
    let language = api.language();
    let body = DeploymentListOut {
        deployments: deployments
            .iter()
            .map(|deployment| DeploymentEntryOut::new(deployment, &revisions, language))
            .collect(),
        total_count,
        pagination: PaginationOut::new(page, total_count),
    };
    Ok(wire::json(StatusCode::OK, &body))
}

/// Where to go back to.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
#[schema(example = json!({}))]
pub struct RollbackIn {
    /// A deployment of the tenant that ran whole, `dep-…`; left out, the last that did and is not what
    /// runs now.
    deployment_id: Option<String>,
}

/// Roll a tenant back
///
/// To the revision of a deployment that was seen running whole, or to the last one that was and is not
/// what runs now: its specification, sizing and objects, to the letter, as a deployment of its own.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/{tenant_id}/rollback",
    tag = "manifests",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("If-Match" = Option<String>, Header, description = "The `ETag` that the caller read, or `*`"),
    ),
    request_body = RollbackIn,
    responses(
        (status = 200, description = "The tenant after the change", body = TenantOut,
            headers(("ETag" = String, description = "The generation, quoted"))),
        (status = 404, description = "TENANT_NOT_FOUND; DEPLOYMENT_NOT_FOUND where it is none of the tenant's, or no longer kept", body = ErrorOut),
        (status = 409, description = "CONFLICT: there is nothing to go back to, the deployment never ran whole, or the tenant is being deleted; INSUFFICIENT_RESOURCES", body = ErrorOut),
        (status = 412, description = "CONFLICT: `If-Match` is stale", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn roll_back_tenant(
    Writer(api): Writer,
    PathText(tenant_id): PathText,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, ApiError> {
    let present = api.find_tenant(&tenant_id)?;
    let expected = if_match(&headers, &present)?;
    // Who names no deployment need not send a body.
    let (body, faults) = match body.bytes.is_empty() {
        true => (Value::Object(serde_json::Map::new()), Faults::default()),
        false => body.json(&api.state, &ROLLBACK).await?,
    };
    let mut wanted = None;
    if let Some(reader) = FieldReader::new(&faults, String::new(), &body) {
        wanted = reader.text("deployment_id", 1..=64).map(DeploymentId::from_text);
        reader.note_unknown();
    }
    api.warn_of_unknown_fields(faults)?;
    let tenancy = &api.services().tenancy;
    let tenant = tenancy.roll_back_tenant(&api.caller(), &present.id, wanted.as_ref(), expected).await;
    let tenant = tenant.map_err(|error| api.refusal(error))?;
    Ok(api.detail_response(&tenant))
}
