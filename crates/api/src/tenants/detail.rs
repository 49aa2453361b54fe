//! `GET /api/v1/tenants/{tenant_id}`: one tenant, from bytes kept since it last changed.

use super::entity_tag;
use super::expectation::{ExpectationOut, SizingOptionsOut};
use crate::auth::Reader;
use crate::error::ApiError;
use crate::request_context::{Api, PathText};
use crate::wire::{self, ResourcesOut, WarningOut};
use axum::response::Response;
use bytes::Bytes;
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::quantity::memory_text;
use ecp_core::sizing::{self, Demand, ServicePlan, ServiceReport, Sizing};
use ecp_core::tenant::{SlaTarget, Tenant};
use ecp_core::text::Language;
use http::header::ETAG;
use http::{HeaderValue, StatusCode};
use parking_lot::RwLock;
use serde::Serialize;
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::ToSchema;

/// What was promised to a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlaTargetOut {
    /// Share of time in service.
    #[schema(example = "99.86%")]
    availability: String,
    /// Response time.
    #[schema(example = "265ms")]
    response_time: String,
    /// Users at once, where stated.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 200)]
    concurrent_users: Option<u32>,
}

impl From<&SlaTarget> for SlaTargetOut {
    fn from(target: &SlaTarget) -> Self {
        Self {
            availability: target.availability.to_string(),
            response_time: format!("{}ms", target.response_time_ms),
            concurrent_users: target.concurrent_users,
        }
    }
}

/// How one service of a tenant runs.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantServiceOut {
    /// `callbot`, `chatbot`, `advisor`, `stt`, `tts`, `ta`, `qa`.
    #[schema(example = "callbot")]
    service_name: &'static str,
    /// Always `ai_service`.
    #[schema(example = "ai_service")]
    service_type: &'static str,
    /// Always true: a service that is not ordered is not listed.
    enabled: bool,
    /// Units it serves, what other services bring included.
    #[schema(example = 25)]
    count: u32,
    /// Pods.
    #[schema(example = 3)]
    replicas: u32,
    /// Container image.
    #[schema(example = "ecp-ai/callbot:latest")]
    image: String,
    /// Of each pod.
    resources: ContainerResourcesOut,
    /// What it can expect of them.
    #[serde(flatten)]
    expectation: ExpectationOut,
}

/// What each pod of a service is given.
#[derive(Debug, Serialize, ToSchema)]
pub struct ContainerResourcesOut {
    /// CPU that the scheduler reserves.
    #[schema(example = "200m")]
    cpu_request: String,
    /// Memory that the scheduler reserves.
    #[schema(example = "512Mi")]
    memory_request: String,
    /// Whole GPUs; absent where there is none.
    #[serde(skip_serializing_if = "is_zero")]
    #[schema(example = 1)]
    gpu_request: u64,
    /// Most CPU that it may use.
    #[schema(example = "2000m")]
    cpu_limit: String,
    /// Most memory that it may use.
    #[schema(example = "4Gi")]
    memory_limit: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl TenantServiceOut {
    /// Every service of a sizing, with what it can expect.
    pub(crate) fn list(catalog: &Catalog, demand: &Demand, sizing: &Sizing, language: Language) -> Vec<Self> {
        let reports = sizing::report(catalog, demand, sizing);
        let services = sizing.services.iter().zip(&reports);
        services.map(|(plan, report)| Self::new(catalog, plan, report, language)).collect()
    }

    fn new(catalog: &Catalog, plan: &ServicePlan, report: &ServiceReport, language: Language) -> Self {
        Self {
            service_name: plan.service.as_str(),
            service_type: "ai_service",
            enabled: true,
            count: plan.count,
            replicas: plan.replicas,
            image: catalog.kubernetes.image(plan.service),
            resources: ContainerResourcesOut {
                cpu_request: format!("{}m", plan.requests.cpu_millicores),
                memory_request: memory_text(plan.requests.memory_mib),
                gpu_request: plan.requests.gpu,
                cpu_limit: format!("{}m", plan.limits.cpu_millicores),
                memory_limit: memory_text(plan.limits.memory_mib),
            },
            expectation: ExpectationOut::new(report, language),
        }
    }
}

/// One tenant.
#[derive(Debug, Serialize, ToSchema)]
pub struct TenantOut<'a> {
    /// Its id.
    #[schema(example = "global-call-center")]
    tenant_id: &'a str,
    /// Its name for people.
    #[schema(example = "글로벌 콜센터")]
    name: &'a str,
    /// `micro`, `small`, `medium`, `large`.
    #[schema(example = "large")]
    preset: &'static str,
    /// `request` where the plan was named, `calculator` where it was chosen and is chosen again on every
    /// change. Sent back in a PUT, it keeps that so.
    #[schema(example = "request")]
    preset_chosen_by: &'static str,
    /// True in demo mode.
    is_demo: bool,
    /// `pending`, `running`, `failed`, `deleting`.
    #[schema(example = "running")]
    status: &'static str,
    /// Units ordered by service.
    #[schema(value_type = Object, example = json!({"callbot": 25, "chatbot": 85, "advisor": 32}))]
    service_requirements: Map<String, Value>,
    /// The plan.
    resources: ResourcesOut,
    /// What was promised.
    sla_target: SlaTargetOut,
    /// What the planner asked for beyond that; absent where nothing was.
    #[serde(skip_serializing_if = "Option::is_none")]
    sizing: Option<SizingOptionsOut>,
    /// Services that run, those that others bring included.
    services: Vec<TenantServiceOut>,
    /// When it was accepted.
    #[schema(example = "2024-01-15T10:30:00Z")]
    created_at: String,
    /// When a request last changed it.
    #[schema(example = "2024-01-15T10:30:00Z")]
    updated_at: String,
    /// Free text; `null` where none was given.
    #[schema(example = "글로벌 콜센터 AI 서비스")]
    description: Option<&'a str>,
    /// How its services are reached from outside: `none`, `ingress`, `gateway`.
    #[schema(example = "none")]
    exposure: &'static str,
    /// `request` where the exposure was named, `catalog` where it follows the catalog. Sent back in a
    /// PUT, it keeps that so.
    #[schema(example = "catalog")]
    exposure_chosen_by: &'static str,
    /// Who brings the tenant's objects to the cluster: `internal` (the orchestrator) or `external` (others).
    #[schema(example = "internal")]
    management: &'static str,
    /// GPU type.
    #[schema(example = "v100")]
    gpu_type: &'a str,
    /// What the tenant pays.
    #[schema(example = "$450/month")]
    estimated_cost: String,
    /// What it costs the operator.
    #[schema(example = "$980/month")]
    operator_cost: String,
    /// The newest roll-out, or the deletion.
    #[schema(example = "dep-abc123")]
    deployment_id: &'a str,
    /// Counts accepted changes from 1; also the `ETag`.
    #[schema(example = 1)]
    generation: u64,
    /// In demo mode, the failure that the deployment was asked to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "crash-loop")]
    demo_fault: Option<&'static str>,
    /// Where the model expects the plan not to carry the load or the SLA; absent where it does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningOut>,
}

impl<'a> TenantOut<'a> {
    pub(super) fn new(catalog: &Catalog, tenant: &'a Tenant, is_demo: bool, language: Language) -> Self {
        let (spec, sizing) = (&tenant.spec, &tenant.sizing);
        let requirements =
            spec.service_requirements.iter().map(|(service, units)| (service.to_string(), (*units).into()));
        Self {
            tenant_id: tenant.id.as_str(),
            name: &spec.name,
            preset: sizing.preset.as_str(),
            preset_chosen_by: spec.preset_choice().as_str(),
            is_demo,
            status: tenant.status.as_str(),
            service_requirements: requirements.collect(),
            resources: (&sizing.resources).into(),
            sla_target: (&spec.sla_target).into(),
            sizing: (!spec.sizing.is_default()).then(|| (&spec.sizing).into()),
            services: TenantServiceOut::list(catalog, &spec.demand(), sizing, language),
            created_at: wire::timestamp_text(tenant.created_at),
            updated_at: wire::timestamp_text(tenant.updated_at),
            description: spec.description.as_deref(),
            exposure: spec.exposure.unwrap_or(catalog.kubernetes.exposure).as_str(),
            exposure_chosen_by: spec.exposure_choice().as_str(),
            management: spec.management.as_str(),
            gpu_type: &sizing.gpu_type,
            estimated_cost: wire::cost_text(sizing.list_price_usd),
            operator_cost: wire::cost_text(sizing.operator_cost_usd),
            deployment_id: tenant.deployment_id.as_str(),
            generation: tenant.generation,
            demo_fault: spec.demo_fault.map(|fault| fault.as_str()),
            warnings: WarningOut::list(&sizing.warnings, language),
        }
    }
}

/// Serialized details of one mode, each as long as the store hands out the same tenant.
#[derive(Debug, Default)]
pub(crate) struct DetailCache(RwLock<HashMap<TenantId, CachedDetail>>);

#[derive(Debug)]
struct CachedDetail {
    /// The tenant that was serialized; the store makes a new one for every change.
    tenant: Arc<Tenant>,
    tag: HeaderValue,
    korean: Option<Bytes>,
    english: Option<Bytes>,
}

impl CachedDetail {
    fn body(&mut self, language: Language) -> &mut Option<Bytes> {
        match language {
            Language::Ko => &mut self.korean,
            Language::En => &mut self.english,
        }
    }
}

impl DetailCache {
    /// Tenants that are kept.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.read().len()
    }

    /// The bytes of a tenant in a language and its tag, serialized where the tenant changed.
    pub(super) fn get(
        &self,
        tenant: &Arc<Tenant>,
        language: Language,
        tenants_in_store: impl FnOnce() -> usize,
        serialize: impl FnOnce() -> Vec<u8>,
    ) -> (Bytes, HeaderValue) {
        if let Some(cached) = self.0.read().get(&tenant.id)
            && Arc::ptr_eq(&cached.tenant, tenant)
        {
            let body = match language {
                Language::Ko => &cached.korean,
                Language::En => &cached.english,
            };
            if let Some(body) = body {
                return (body.clone(), cached.tag.clone());
            }
        }
        let body = Bytes::from(serialize());
        let mut cache = self.0.write();
        // Deleted tenants are dropped in bulk, once they are half of what is kept.
        if cache.len() > 64 && cache.len() > 2 * tenants_in_store() {
            cache.clear();
        }
        let entry = cache.entry(tenant.id.clone()).or_insert_with(|| CachedDetail::new(tenant));
        if !Arc::ptr_eq(&entry.tenant, tenant) {
            *entry = CachedDetail::new(tenant);
        }
        *entry.body(language) = Some(body.clone());
        (body, entry.tag.clone())
    }
}

impl CachedDetail {
    fn new(tenant: &Arc<Tenant>) -> Self {
        // A quoted number is a header value.
        let tag =
            HeaderValue::try_from(entity_tag(tenant.generation)).unwrap_or(HeaderValue::from_static("\"0\""));
        Self { tenant: tenant.clone(), tag, korean: None, english: None }
    }
}

impl Api {
    /// The detail of a tenant, with its `ETag`.
    pub(crate) fn detail_response(&self, tenant: &Arc<Tenant>) -> Response {
        let (services, language) = (self.services(), self.language());
        let serialize = || {
            // The one that it runs with, which is not the present one where that was changed since.
            let kept = services.tenants.edition_of(&tenant.id);
            let catalog = kept.as_ref().map_or(&self.state.catalog, |edition| &edition.catalog);
            let out = TenantOut::new(catalog, tenant, self.mode.is_demo(), language);
            // Every key is a text and every number finite, so serializing can not fail.
            serde_json::to_vec(&out).expect("a tenant serializes")
        };
        let in_store = || services.tenants.tenants().len();
        let (body, tag) = services.details.get(tenant, language, in_store, serialize);
        let mut response = wire::json_bytes(StatusCode::OK, body);
        response.headers_mut().insert(ETAG, tag);
        response
    }
}

/// Get one tenant
///
/// `ETag` is the tenant's generation, for `If-Match` on update and delete. Where several replicas are one
/// service, `debug` (`X-Debug: true`) has the lease of who works on the tenant: `holder`, `epoch`, `expires`.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}",
    tag = "tenants",
    params(("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center")),
    responses(
        (status = 200, description = "The tenant", body = TenantOut,
            headers(("ETag" = String, description = "The generation, quoted"))),
    ),
)]
pub(crate) async fn get_tenant(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
) -> Result<Response, ApiError> {
    let tenant = api.find_tenant(&tenant_id)?;
    api.context.debug_note("sizing", || super::create::sizing_note(&tenant));
    if api.context.debug
        && let Some(lease) = api.services().tenants.lease_of(&tenant.id).await?
    {
        let lease = json!({"holder": lease.holder, "epoch": lease.epoch, "expires": lease.expires});
        api.context.debug_note("lease", || lease);
    }
    Ok(api.detail_response(&tenant))
}
