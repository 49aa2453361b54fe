//! `/api/v1/catalog/…`: what the catalog would change of tenants that are there, and rolling it out.

use crate::auth::{Reader, Writer, require_everything};
use crate::body::RawBody;
use crate::error::{ApiError, ErrorCode, FieldFault};
use crate::fields::{Faults, FieldReader, pointer_to};
use crate::json::Shape;
use crate::openapi::ErrorOut;
use crate::request_context::Api;
use crate::tenants::ObjectChangeOut;
use crate::wire;
use axum::response::Response;
use ecp_core::catalog::{Catalog, Edition};
use ecp_core::catalog_change::{self, Differences, TenantDifference};
use ecp_core::ids::TenantId;
use ecp_core::manifest::ImmutableField;
use ecp_core::tenancy::TenancyError;
use ecp_core::text::{Language, Message};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// What is read of a catalog to compare with.
static CATALOG: Shape = Shape::Object(&[("catalog", Shape::Scalar)]);
/// Most tenants that one call names.
const MOST_NAMED: usize = 10_000;
/// What is read of a catalog's roll-out.
static ROLLOUT: Shape = Shape::Object(&[("tenants", Shape::Array(&Shape::Scalar, MOST_NAMED))]);

/// What a catalog would change.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogDiffOut {
    /// SHA-256 of what the catalog says, whatever its comments.
    #[schema(example = "9e177b1c84df72c6b9c9b8ce5ff7032ec424ae027bcf57b0a5c589aa5728c8ff")]
    catalog: String,
    /// Whether it is the catalog that the server runs with.
    #[schema(example = true)]
    present: bool,
    /// How the roll-out of the server's catalog stands; absent for a catalog that is only asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    rollout: Option<CatalogRolloutOut>,
    /// Tenants of which something would change.
    tenants: Vec<TenantDiffOut>,
    /// Tenants of which it can not be told, because what is kept of them can not be read.
    unreadable: Vec<String>,
    /// Tenants of which nothing would.
    #[schema(example = 12)]
    unchanged: usize,
}

/// How the roll-out of a changed catalog stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct CatalogRolloutOut {
    /// `automatic` or `manual`, as `controller.catalog_rollout` says.
    #[schema(example = "manual")]
    mode: &'static str,
    /// `idle`, `under_way`, or `stopped` where tenants failed.
    #[schema(example = "idle")]
    state: &'static str,
    /// Tenants to which it is being rolled out.
    under_way: Vec<String>,
    /// Tenants to which it was rolled out in vain.
    failed: Vec<String>,
}

/// What a catalog would change of one tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantDiffOut {
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// Where the tenant stands.
    #[schema(example = "running")]
    status: &'static str,
    /// Its newest revision: the generation.
    #[schema(example = 3)]
    revision: u64,
    /// SHA-256 of the catalog of that revision.
    catalog: String,
    /// Keys of the catalog that differ; none where only this release renders otherwise.
    #[schema(example = json!(["kubernetes.images.tag"]))]
    changed_keys: Vec<String>,
    /// The objects that would come, change or go.
    objects: Vec<ObjectChangeOut>,
    /// False where a cluster does not let anybody change what would have to change.
    #[schema(example = true)]
    in_place: bool,
    /// What would have to change and can not.
    immutable: Vec<ImmutableFieldOut>,
    /// Why not, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// A field that is fixed when its object is made.
#[derive(Debug, Serialize, ToSchema)]
pub struct ImmutableFieldOut {
    /// Kind.
    #[schema(example = "StatefulSet")]
    kind: &'static str,
    /// Name.
    #[schema(example = "redis")]
    name: String,
    /// The field, as a JSON pointer.
    #[schema(example = "/spec/volumeClaimTemplates")]
    field: &'static str,
}

impl From<&ImmutableField> for ImmutableFieldOut {
    fn from(field: &ImmutableField) -> Self {
        Self { kind: field.kind, name: field.name.clone(), field: field.field }
    }
}

impl TenantDiffOut {
    fn new(difference: &TenantDifference, language: Language) -> Self {
        let refusal = (!difference.is_in_place()).then(|| {
            ApiError::from(TenancyError::NotInPlace {
                tenant_id: difference.tenant_id.clone(),
                fields: difference.immutable.clone(),
            })
        });
        Self {
            tenant_id: difference.tenant_id.to_string(),
            status: difference.status.as_str(),
            revision: difference.revision,
            catalog: difference.catalog.as_str().to_owned(),
            changed_keys: difference.changed_keys.clone(),
            objects: difference.objects.iter().map(ObjectChangeOut::from).collect(),
            in_place: difference.is_in_place(),
            immutable: difference.immutable.iter().map(ImmutableFieldOut::from).collect(),
            reason: refusal.map(|refusal| refusal.message(language)),
        }
    }
}

/// A catalog to ask about.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct CatalogIn {
    /// The whole file, as TOML.
    catalog: String,
}

/// Tell what the catalog changes
///
/// What the catalog that the server runs with would change of tenants that were accepted with another
/// one, or that an earlier release rendered. They run on and are healed as they are until they are
/// changed, or it is rolled out.
#[utoipa::path(
    get,
    path = "/api/v1/catalog/diff",
    tag = "catalog",
    responses((status = 200, description = "What would change", body = CatalogDiffOut)),
)]
pub(crate) async fn get_catalog_diff(Reader(api): Reader) -> Result<Response, ApiError> {
    let tenancy = &api.services().tenancy;
    let status = tenancy.catalog_status();
    let visible =
        |ids: &[TenantId]| ids.iter().filter(|id| api.access.may_see(id)).map(ToString::to_string).collect();
    let rollout = CatalogRolloutOut {
        mode: if status.automatic { "automatic" } else { "manual" },
        state: status.state.as_str(),
        under_way: visible(&status.under_way),
        failed: visible(&status.failed),
    };
    let differences = tenancy.catalog_differences().await;
    Ok(diff_response(&api, tenancy.edition(), &differences, Some(rollout)))
}

/// Tell what another catalog would change
///
/// As `GET`, for a catalog that the server does not run with: nothing is written.
#[utoipa::path(
    post,
    path = "/api/v1/catalog/diff",
    tag = "catalog",
    request_body(content = CatalogIn, example = json!({"catalog": ecp_core::catalog::EMBEDDED})),
    responses(
        (status = 200, description = "What would change", body = CatalogDiffOut),
        (status = 422, description = "VALIDATION_FAILED, with every fault of the catalog", body = ErrorOut),
    ),
)]
pub(crate) async fn compare_catalog(Writer(api): Writer, body: RawBody) -> Result<Response, ApiError> {
    let (body, faults) = body.json(&api.state, &CATALOG).await?;
    let mut text = None;
    if let Some(reader) = FieldReader::new(&faults, String::new(), &body) {
        text = reader.any_text("catalog").map(str::to_owned);
        if text.is_none() {
            reader.require("catalog");
        }
        reader.note_unknown();
    }
    api.warn_of_unknown_fields(faults)?;
    let text = text.unwrap_or_default();
    let parsed = tokio::task::spawn_blocking(move || Catalog::parse(&text));
    let catalog = match parsed.await {
        Ok(Ok(catalog)) => catalog,
        Ok(Err(faults)) => {
            let fault = |fault: Message| FieldFault {
                pointer: "/catalog".to_owned(),
                reason: Message::new("api.catalog_fault").with_part("fault", fault),
            };
            return Err(ApiError::invalid_fields(faults.0.into_iter().map(fault).collect()));
        }
        Err(broken) => {
            return Err(
                ApiError::new(ErrorCode::InternalError, Message::new("api.internal_error")).caused_by(broken)
            );
        }
    };
    let edition = Arc::new(Edition::of(Arc::new(catalog)));
    let services = api.services();
    let differences = catalog_change::differences(&*services.tenants, &edition).await;
    Ok(diff_response(&api, &edition, &differences, None))
}

fn diff_response(
    api: &Api,
    edition: &Edition,
    differences: &Differences,
    rollout: Option<CatalogRolloutOut>,
) -> Response {
    let services = api.services();
    let all = services.tenants.tenants();
    let visible: HashSet<&TenantId> =
        all.iter().map(|tenant| &tenant.id).filter(|id| api.access.may_see(id)).collect();
    let body = CatalogDiffOut {
        present: edition.digest == services.tenancy.edition().digest,
        rollout,
        ..CatalogDiffOut::new(edition, differences, &visible, api.language())
    };
    wire::json(StatusCode::OK, &body)
}

impl CatalogDiffOut {
    /// What an edition would change of these tenants.
    pub(crate) fn new(
        edition: &Edition,
        differences: &Differences,
        tenants: &HashSet<&TenantId>,
        language: Language,
    ) -> Self {
        let shown = |id: &TenantId| tenants.contains(id);
        let found = differences.found.iter().filter(|difference| shown(&difference.tenant_id));
        let unreadable = differences.unreadable.iter().filter(|id| shown(id));
        let found: Vec<_> = found.map(|difference| TenantDiffOut::new(difference, language)).collect();
        let unreadable: Vec<_> = unreadable.map(ToString::to_string).collect();
        Self {
            catalog: edition.digest.as_str().to_owned(),
            present: false,
            rollout: None,
            unchanged: tenants.len().saturating_sub(found.len() + unreadable.len()),
            tenants: found,
            unreadable,
        }
    }
}

/// To which tenants.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct CatalogRolloutIn {
    /// Their ids; left out, all that run with another catalog, a few at a time.
    #[schema(example = json!(["global-call-center"]))]
    tenants: Option<Vec<String>>,
}

/// What was begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct StartedRolloutOut {
    /// SHA-256 of what the catalog says.
    catalog: String,
    /// Whether all tenants are taken, a few at a time; `GET /api/v1/catalog/diff` says how it stands.
    #[schema(example = false)]
    all: bool,
    /// Roll-outs that were begun; empty where all tenants are taken.
    started: Vec<StartedTenantOut>,
    /// Tenants that have the catalog already.
    unchanged: Vec<String>,
    /// Tenants to which it can not be rolled out now.
    refused: Vec<RefusedTenantOut>,
}

/// A roll-out that was begun.
#[derive(Debug, Serialize, ToSchema)]
pub struct StartedTenantOut {
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// The roll-out.
    #[schema(example = "dep-abc123")]
    deployment_id: String,
}

/// A tenant that keeps what it has.
#[derive(Debug, Serialize, ToSchema)]
pub struct RefusedTenantOut {
    /// Which.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// An error code of the API.
    #[schema(example = "CONFLICT")]
    code: &'static str,
    /// Why.
    message: String,
}

/// Roll the catalog out
///
/// To the tenants that are named, at once, or to all that run with another catalog, a few at a time.
/// Each is a deployment with history, deadline and rollback.
#[utoipa::path(
    post,
    path = "/api/v1/catalog/rollout",
    tag = "catalog",
    request_body = CatalogRolloutIn,
    responses(
        (status = 200, description = "What was begun", body = StartedRolloutOut),
        (status = 403, description = "FORBIDDEN: no tenant is named and the token does not cover all", body = ErrorOut),
        (status = 404, description = "TENANT_NOT_FOUND: nothing was begun", body = ErrorOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn roll_out_catalog(Writer(api): Writer, body: RawBody) -> Result<Response, ApiError> {
    let (body, faults) = body.json(&api.state, &ROLLOUT).await?;
    let named = read_tenants(&body, &faults);
    api.warn_of_unknown_fields(faults)?;
    let tenancy = &api.services().tenancy;
    let mut out = StartedRolloutOut {
        catalog: tenancy.edition().digest.as_str().to_owned(),
        all: named.is_none(),
        started: Vec::new(),
        unchanged: Vec::new(),
        refused: Vec::new(),
    };
    let Some(named) = named else {
        require_everything(&api.access)?;
        tenancy.order_catalog_rollout(&api.caller()).await?;
        return Ok(wire::json(StatusCode::OK, &out));
    };
    let tenants: Result<Vec<_>, ApiError> = named.iter().map(|id| api.find_tenant(id)).collect();
    for tenant in tenants? {
        let tenant_id = tenant.id.to_string();
        match tenancy.roll_out_catalog(&api.caller(), &tenant.id).await {
            Ok(Some(after)) => out
                .started
                .push(StartedTenantOut { tenant_id, deployment_id: after.deployment_id.as_str().to_owned() }),
            Ok(None) => out.unchanged.push(tenant_id),
            Err(error) => {
                let error = api.refusal(error);
                if error.status().is_server_error() {
                    return Err(error);
                }
                let (code, message) = (error.code().as_str(), error.message(api.language()));
                out.refused.push(RefusedTenantOut { tenant_id, code, message });
            }
        }
    }
    Ok(wire::json(StatusCode::OK, &out))
}

/// The tenants that the body names; none where it names none.
fn read_tenants(body: &Value, faults: &Faults) -> Option<Vec<String>> {
    let reader = FieldReader::new(faults, String::new(), body)?;
    let tenants = reader.value("tenants");
    reader.note_unknown();
    let Value::Array(items) = tenants? else {
        faults.add("/tenants", Message::new("api.expects_tenant_ids"));
        return None;
    };
    let mut named: Vec<String> = Vec::new();
    for (place, item) in items.iter().enumerate() {
        match item.as_str() {
            Some(id) if !named.iter().any(|named| named == id) => named.push(id.to_owned()),
            Some(_) => {}
            None => faults.add(pointer_to("/tenants", &place.to_string()), Message::new("api.expects_text")),
        }
    }
    if items.is_empty() {
        faults.add("/tenants", Message::new("api.expects_tenant_ids"));
    }
    Some(named)
}
