//! `POST /api/v1/tenants/`: accepts a tenant, or gives the first answer again.

use super::idempotency::SentKey;
use super::input::{TENANT, read_creation};
use crate::auth::Writer;
use crate::body::RawBody;
use crate::error::ApiError;
use crate::query::QueryReader;
use crate::wire::{self, ResourcesOut, WarningOut};
use axum::response::Response;
use ecp_core::tenancy::Accepted;
use ecp_core::tenant::Tenant;
use ecp_core::text::Language;
use http::header::LOCATION;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Says that the response is the one to an earlier request under the same key.
const IDEMPOTENT_REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// A tenant to create.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "tenant_id": "my-ai-service",
    "name": "내 AI 서비스",
    "preset": "medium",
    "service_requirements": {"callbot": 50, "chatbot": 100, "advisor": 25, "stt": 30, "tts": 30},
    "sla_target": {"availability": "99.9%", "response_time": "200ms", "concurrent_users": 200},
    "description": "내 AI 서비스 설명"
}))]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct CreateTenantIn {
    /// A DNS-1123 label of at most 56 characters.
    #[schema(max_length = 56, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    tenant_id: String,
    /// Name for people.
    #[schema(min_length = 1, max_length = 200)]
    name: String,
    /// `micro`, `small`, `medium`, `large`; left out, the calculator chooses.
    preset: Option<String>,
    /// `calculator` has the calculator choose whatever `preset` says; as the detail call answers.
    preset_chosen_by: Option<String>,
    /// Units by service (callbot, chatbot, advisor, stt, tts, ta, qa), at least one over 0.
    #[schema(value_type = Object)]
    service_requirements: Value,
    /// What is promised; by default the catalog's (99.9%, 300ms).
    sla_target: Option<SlaTargetIn>,
    /// What the planner asks for beyond that; all optional.
    sizing: Option<SizingIn>,
    /// Free text.
    #[schema(max_length = 2000)]
    description: Option<String>,
    /// How the services are reached from outside: `none`, `ingress`, `gateway`; by default as the
    /// catalog says.
    exposure: Option<String>,
    /// `catalog` follows the catalog whatever `exposure` says; as the detail call answers.
    exposure_chosen_by: Option<String>,
    /// Who brings the tenant's objects to the cluster: `internal` (the orchestrator; default) or `external`
    /// (Argo CD, Flux, …: the orchestrator watches, judges and alerts, and writes nothing).
    management: Option<String>,
    /// Demo mode only: the failure that the deployment is to show (`image-not-found`, `crash-loop`,
    /// `unschedulable`), or `none`.
    demo_fault: Option<String>,
}

/// What is to be promised.
#[derive(Debug, ToSchema)]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct SlaTargetIn {
    /// Share of time in service: `99.9%`.
    availability: Option<String>,
    /// Response time: `200ms`, `0.2s` or milliseconds, 1–60000 ms.
    response_time: Option<String>,
    /// Users at once over all services.
    #[schema(minimum = 1, maximum = 10_000_000)]
    concurrent_users: Option<u32>,
}

/// What a planner may ask for beyond units and SLA.
#[derive(Debug, ToSchema)]
#[schema(example = json!({"size_for": "busy_hour", "percentile": "p95", "headroom": "20%", "survives": "node"}))]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct SizingIn {
    /// `mean_hour` (the default), or `busy_hour`: by the catalog's share of a day's items that come in it.
    size_for: Option<String>,
    /// That share by service, such as `{"callbot": "15%"}`; a service that is named is sized for it.
    #[schema(value_type = Option<Object>)]
    busy_hour_share: Option<Value>,
    /// Share of calls that may find every line busy, such as `1%`; by default what the availability leaves.
    blocking: Option<String>,
    /// The figure of the response time that keeps the SLA: `mean` (the default), `p95`, `p99`.
    percentile: Option<String>,
    /// Response time by service, such as `{"callbot": "150ms"}`, where it is another than the tenant's.
    #[schema(value_type = Option<Object>)]
    response_time: Option<Value>,
    /// What is kept free on top of the work, such as `20%`.
    headroom: Option<String>,
    /// By how much the load is to grow before the tenant is sized again, such as `30%`.
    growth: Option<String>,
    /// What may be lost without missing the SLA: `nothing` (the default), `device`, `node`.
    survives: Option<String>,
}

/// An accepted tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedTenantOut<'a> {
    /// Its id.
    #[schema(example = "my-ai-service")]
    tenant_id: &'a str,
    /// `pending` until everything is ready.
    #[schema(example = "pending")]
    status: &'static str,
    /// The roll-out to watch.
    #[schema(example = "dep-abc123")]
    deployment_id: &'a str,
    /// The plan.
    #[schema(example = json!({"cpu": "24000m", "memory": "32Gi", "gpu": 3, "storage": "1.0TB"}))]
    estimated_resources: ResourcesOut,
    /// What the tenant pays.
    #[schema(example = "$350/month")]
    estimated_cost: String,
    /// How long the roll-out should take.
    #[schema(example = "15-20 minutes")]
    deployment_time: String,
    /// When it was accepted.
    #[schema(example = "2024-01-20T14:30:00Z")]
    created_at: String,
    /// Where the model expects the plan not to carry the load or the SLA; absent where it does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningOut>,
}

impl<'a> CreatedTenantOut<'a> {
    fn new(tenant: &'a Tenant, language: Language) -> Self {
        let sizing = &tenant.sizing;
        Self {
            tenant_id: tenant.id.as_str(),
            status: tenant.status.as_str(),
            deployment_id: tenant.deployment_id.as_str(),
            estimated_resources: (&sizing.resources).into(),
            estimated_cost: wire::cost_text(sizing.list_price_usd),
            deployment_time: wire::minutes_text(sizing.deployment_time),
            created_at: wire::timestamp_text(tenant.created_at),
            warnings: WarningOut::list(&sizing.warnings, language),
        }
    }
}

/// Create a tenant
///
/// Answers as soon as the intent is on disk; the deployment follows. With `Idempotency-Key` the same
/// request again gets the first answer.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/",
    tag = "tenants",
    params(
        ("dry_run" = Option<bool>, Query, description = "Only say what would be done (200, see PreviewOut), write nothing (default false)", example = false),
        ("Idempotency-Key" = Option<String>, Header, description = "1–255 visible ASCII characters, a new one for each creation: `uuidgen` makes one"),
    ),
    request_body = CreateTenantIn,
    responses(
        (status = 201, description = "Accepted", body = CreatedTenantOut, headers(
            ("Location" = String, description = "Path of the tenant"),
            ("Idempotent-Replayed" = String, description = "`true` where this is the answer to an earlier request under the same key"),
        )),
        (status = 200, description = "With `dry_run`: what would be done", body = super::preview::PreviewOut),
        (status = 409, description = "TENANT_ALREADY_EXISTS, INSUFFICIENT_RESOURCES, or CONFLICT where the idempotency key was used for another request", body = crate::openapi::ErrorOut),
        (status = 422, description = "VALIDATION_FAILED or INVALID_PRESET, with every wrong field", body = crate::openapi::ErrorOut),
    ),
)]
pub(crate) async fn create_tenant(
    Writer(api): Writer,
    uri: Uri,
    headers: HeaderMap,
    body: RawBody,
) -> Result<Response, ApiError> {
    let query = QueryReader::new(&uri);
    let dry_run = query.flag("dry_run").unwrap_or(false);
    query.finish(&api.context)?;
    let caller = api.caller();
    let key = SentKey::read(&headers)?;
    let (read, faults) = body.json(&api.state, &TENANT).await?;
    let creation = read_creation(&read, api.mode, api.state.catalog.default_sla(), &faults);
    api.warn_of_unknown_fields(faults)?;
    // Without faults everything that is required was there.
    let (id, spec) = creation.ok_or_else(|| ApiError::invalid_fields(Vec::new()))?;
    api.context.set_tenant(&id);
    api.own(&id)?;

    if dry_run {
        return Ok(api.preview_response(
            api.services().tenancy.preview_creation(id, spec).await.map_err(|error| api.refusal(error))?,
        ));
    }
    let idempotency = key.map(|key| key.bind(&caller.actor, &read, &body.bytes));
    let location = wire::tenant_path(&id);
    let language = api.language();
    let respond = |tenant: &Tenant| {
        // Every key is a text and every number finite, so serializing can not fail.
        serde_json::to_value(CreatedTenantOut::new(tenant, language)).expect("a tenant serializes")
    };
    let tenancy = &api.services().tenancy;
    let accepted = tenancy.create_tenant(&caller, id, spec, idempotency, respond).await;
    let accepted = accepted.map_err(|error| api.refusal(error))?;
    let mut response = match &accepted {
        Accepted::New(tenant) => {
            api.context.debug_note("sizing", || sizing_note(tenant));
            wire::json(StatusCode::CREATED, &respond(tenant))
        }
        Accepted::Replayed(body) => {
            let mut response = wire::json(StatusCode::CREATED, body);
            response.headers_mut().insert(IDEMPOTENT_REPLAYED, HeaderValue::from_static("true"));
            response
        }
    };
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// What was decided about a tenant's size and why, for the `debug` object.
pub(super) fn sizing_note(tenant: &Tenant) -> Value {
    let sizing = &tenant.sizing;
    json!({
        "preset": sizing.preset.as_str(),
        "preset_chosen_by": tenant.spec.preset_choice().as_str(),
        "services": sizing.services,
        "warnings": sizing.warnings.len(),
    })
}
