//! `POST /api/v1/tenants/calculate-resources`: the plan that a demand needs, with alternatives.

use crate::auth::Reader;
use crate::body::RawBody;
use crate::error::{ApiError, ErrorCode};
use crate::openapi::ErrorOut;
use crate::tenants::input::{DEMAND, read_calculation};
use crate::tenants::{SizingIn, SlaTargetIn, TenantServiceOut};
use crate::verification::VerificationOut;
use crate::wire::{self, ResourcesOut, WarningOut};
use axum::response::Response;
use ecp_core::catalog::Catalog;
use ecp_core::quantity::Resources;
use ecp_core::sizing::{Alternative, Calculation, Demand, calculate, explain};
use ecp_core::text::{Language, Message};
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What is to be sized.
#[derive(Debug, ToSchema)]
#[schema(example = json!({
    "service_requirements": {"callbot": 100, "chatbot": 200, "advisor": 50},
    "sla_target": {"availability": "99.9%", "response_time": "150ms"}
}))]
#[allow(dead_code, reason = "documents the body, which is checked field by field")]
pub struct CalculateResourcesIn {
    /// Units by service (callbot, chatbot, advisor, stt, tts, ta, qa), at least one over 0.
    #[schema(value_type = Object)]
    service_requirements: Value,
    /// What is promised; by default the catalog's (99.9%, 300ms).
    sla_target: Option<SlaTargetIn>,
    /// What the planner asks for beyond that; all optional.
    sizing: Option<SizingIn>,
    /// Simulates the tenant as it would be rendered, and holds the promises against what happens
    /// (default false).
    verify: Option<bool>,
    /// Sizes this preset instead of choosing one.
    preset: Option<String>,
}

/// The recommended plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct CalculationOut<'a> {
    /// `micro`, `small`, `medium`, `large`.
    #[schema(example = "large")]
    recommended_preset: &'static str,
    /// What it holds.
    resources: ResourcesOut,
    /// GPU type.
    #[schema(example = "v100")]
    gpu_type: &'a str,
    /// What the tenant pays.
    #[schema(example = "$450/month")]
    estimated_cost: String,
    /// What it costs the operator.
    #[schema(example = "$980/month")]
    operator_cost: String,
    /// What is left of the cost when the operator's is paid, in whole US dollars a month; below 0 where the list
    /// price does not cover it.
    #[schema(example = -530)]
    margin_usd: i64,
    /// Smaller plans that nearly do, dearest first.
    alternatives: Vec<AlternativeOut>,
    /// What of the SLA the alternatives miss, and by how much; absent where they keep it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    misses: Vec<SlaMissOut>,
    /// Services that run, those that others bring included, and what each can expect of its pods.
    services: Vec<TenantServiceOut>,
    /// Where the model expects the plan not to carry the load or the SLA; absent where it does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<WarningOut>,
    /// The promises against a simulation of the mean hour and of the busiest; with `verify` only.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    verification: Vec<VerificationOut>,
}

impl<'a> CalculationOut<'a> {
    pub(crate) fn new(
        catalog: &Catalog,
        demand: &Demand,
        calculation: &'a Calculation,
        language: Language,
    ) -> Self {
        let sizing = &calculation.sizing;
        Self {
            recommended_preset: sizing.preset.as_str(),
            resources: (&sizing.resources).into(),
            gpu_type: &sizing.gpu_type,
            estimated_cost: wire::cost_text(sizing.list_price_usd),
            operator_cost: wire::cost_text(sizing.operator_cost_usd),
            margin_usd: sizing.margin_usd(),
            alternatives: calculation
                .alternatives
                .iter()
                .map(|plan| AlternativeOut::new(plan, language))
                .collect(),
            misses: calculation.alternatives.iter().flat_map(SlaMissOut::of).collect(),
            services: TenantServiceOut::list(catalog, demand, sizing, language),
            warnings: WarningOut::list(&sizing.warnings, language),
            verification: Vec::new(),
        }
    }

    /// With what a simulation says of it.
    pub(crate) fn verified(self, verification: Vec<VerificationOut>) -> Self {
        Self { verification, ..self }
    }
}

/// A smaller plan that nearly does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "preset": "medium",
    "resources": {"cpu": "24000m", "memory": "32Gi", "gpu": 3},
    "cost": "$250/month",
    "performance_impact": "응답시간 20% 증가 예상"
}))]
pub struct AlternativeOut {
    /// `micro`, `small`, `medium`, `large`.
    preset: &'static str,
    /// What it holds.
    resources: ComputeOut,
    /// What the tenant pays.
    cost: String,
    /// What it costs in performance.
    performance_impact: String,
}

/// A figure of the SLA that an alternative misses.
#[derive(Debug, Serialize, ToSchema)]
pub struct SlaMissOut {
    /// The alternative: `micro`, `small`, `medium`, `large`.
    #[schema(example = "medium")]
    preset: &'static str,
    /// `response_time_ms` in milliseconds, `blocking` as a share of what is spoken.
    #[schema(example = "response_time_ms")]
    figure: String,
    /// What is expected.
    #[schema(example = 167.2)]
    expected: f64,
    /// What was promised.
    #[schema(example = 150.0)]
    target: f64,
    /// By how much it is missed.
    #[schema(example = 17.2)]
    over: f64,
}

impl SlaMissOut {
    fn of(alternative: &Alternative) -> impl Iterator<Item = Self> {
        alternative.misses.iter().map(|miss| Self {
            preset: alternative.preset.as_str(),
            figure: miss.figure.clone(),
            expected: miss.expected,
            target: miss.target,
            over: miss.over(),
        })
    }
}

impl AlternativeOut {
    fn new(alternative: &Alternative, language: Language) -> Self {
        Self {
            preset: alternative.preset.as_str(),
            resources: (&alternative.resources).into(),
            cost: wire::cost_text(alternative.list_price_usd),
            performance_impact: alternative.performance_impact.render(language),
        }
    }
}

/// CPU, memory and GPUs.
#[derive(Debug, Serialize, ToSchema)]
pub struct ComputeOut {
    /// CPU in thousandths of a core.
    cpu: String,
    /// Memory in binary units.
    memory: String,
    /// Whole GPUs.
    gpu: u64,
}

impl From<&Resources> for ComputeOut {
    fn from(resources: &Resources) -> Self {
        Self { cpu: resources.cpu_text(), memory: resources.memory_text(), gpu: resources.gpu }
    }
}

/// Calculate resources
///
/// Sizes a demand without creating anything. With `X-Debug: true` the `debug` object explains every
/// number: formula, inputs, source, and which stage is the bottleneck.
#[utoipa::path(
    post,
    path = "/api/v1/tenants/calculate-resources",
    tag = "tenants",
    request_body = CalculateResourcesIn,
    responses(
        (status = 200, description = "The recommended plan", body = CalculationOut),
        (status = 422, description = "VALIDATION_FAILED or INVALID_PRESET, with every wrong field", body = ErrorOut),
    ),
)]
pub(crate) async fn calculate_resources(Reader(api): Reader, body: RawBody) -> Result<Response, ApiError> {
    let (body, faults) = body.json(&api.state, &DEMAND).await?;
    let read = read_calculation(&body, api.state.catalog.default_sla(), &faults);
    api.warn_of_unknown_fields(faults)?;
    // Without faults everything that is required was there.
    let (demand, verify) = read.ok_or_else(|| ApiError::invalid_fields(Vec::new()))?;

    let calculation = calculate(&api.state.catalog, &demand);
    let verification = if verify {
        let (catalog, demand, sizing) =
            (api.state.catalog.clone(), demand.clone(), calculation.sizing.clone());
        let simulated = move || VerificationOut::both_hours(&catalog, &demand, &sizing);
        // A simulation takes a good part of a second, which must not hold up other requests.
        tokio::task::spawn_blocking(simulated).await.map_err(|error| {
            ApiError::new(ErrorCode::InternalError, Message::new("api.internal_error")).caused_by(error)
        })?
    } else {
        Vec::new()
    };
    let out = CalculationOut::new(&api.state.catalog, &demand, &calculation, api.language());
    let response = wire::json(StatusCode::OK, &out.verified(verification));
    api.context.debug_note("explanation", || explain(&api.state.catalog, &demand));
    Ok(response)
}
