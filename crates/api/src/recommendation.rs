//! `GET /api/v1/tenants/{tenant_id}/recommendation`: what was measured against what was assumed.

use crate::auth::Reader;
use crate::error::ApiError;
use crate::monitoring::{MAX_HOURS, MILLIS_PER_HOUR, TimeRangeOut};
use crate::openapi::ErrorOut;
use crate::query::QueryReader;
use crate::request_context::PathText;
use crate::wire::{self, ResourcesOut, WarningOut};
use axum::response::Response;
use ecp_core::Timestamp;
use ecp_core::metrics::{Interval, SeriesQuery, to_millis};
use ecp_core::recommendation::{
    Advice, HOURS_OF_A_DAY, Observed, Proposal, Recommendation, ResponseTimes, Usage, recommend, sized_since,
};
use ecp_core::sizing::Sizing;
use ecp_core::tenant::{PresetChoice, ServiceRequirements, Tenant, TenantSpec};
use ecp_core::text::{Language, Message};
use http::{StatusCode, Uri};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Hours that are looked at unless the caller says otherwise: a week, which has every kind of day.
const DEFAULT_HOURS: u64 = 168;

/// What fits a tenant by what was measured of it.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecommendationOut {
    /// Whose.
    #[schema(example = "my-ai-service")]
    tenant_id: String,
    /// The tenant's generation for which it holds: sent quoted as `If-Match` with `apply`, it refuses to
    /// overwrite what was changed since.
    #[schema(example = 3)]
    generation: u64,
    /// From when to when it was looked at.
    time_range: TimeRangeOut,
    /// What to do: `wait` (too little was measured), `keep`, `grow`, `shrink`, or `investigate` where the
    /// SLA was missed and more capacity would change nothing.
    #[schema(example = "shrink")]
    advice: &'static str,
    /// The same for people, with the reason.
    message: String,
    /// How far it can be trusted: `none`, `low` (less than a day), `medium`, `high` (a week).
    #[schema(example = "high")]
    confidence: &'static str,
    /// How much was measured.
    data: MeasuredOut,
    /// What was measured, and what the sizing expects.
    observed: ObservedOut,
    /// What the tenant has.
    current: FitOut,
    /// What fits; `null` where nothing is to be changed.
    recommended: Option<FitOut>,
    /// Body of the PUT that would change it; `null` where nothing is to be changed. Nothing is changed
    /// before it is sent.
    #[schema(value_type = Option<Object>, example = json!({"service_requirements": {"callbot": 20}}))]
    apply: Option<Value>,
    /// Each figure that led there with its formula, inputs, result, unit, label and source.
    #[schema(value_type = Vec<Object>)]
    explanation: Vec<Value>,
}

/// How much was measured.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasuredOut {
    /// Hours of the range, which begins where its size last changed at the earliest.
    #[schema(example = 168)]
    hours: usize,
    /// Hours of it with samples.
    #[schema(example = 168)]
    hours_with_samples: usize,
    /// Share of the hours with samples, 0–1.
    #[schema(example = 1.0)]
    coverage: f64,
    /// `measured`, or `synthetic` where demo mode made the samples up.
    #[schema(example = "measured")]
    source: &'static str,
}

/// What was measured; `null` of what no sample has.
#[derive(Debug, Serialize, ToSchema)]
pub struct ObservedOut {
    /// CPU use in percent.
    cpu: Option<MeasuredUsageOut>,
    /// Memory use in percent.
    memory: Option<MeasuredUsageOut>,
    /// GPU use in percent.
    gpu: Option<MeasuredUsageOut>,
    /// Response time in milliseconds.
    response_time: Option<MeasuredResponseTimeOut>,
    /// Mean share of failed requests in percent.
    #[schema(example = 0.02)]
    error_rate: Option<f64>,
    /// Load of the busiest hour over the one that the sizing expects of it, by GPU use where there are
    /// GPUs, else by CPU use; `null` where neither was measured.
    #[schema(example = 0.4)]
    load_factor: Option<f64>,
    /// Units of each service that cause such a load, by what the model expects of a unit: calls, users or
    /// agents at once in the busiest hour. Nothing is measured by service, so all are scaled alike.
    #[schema(example = json!({"callbot": 20}))]
    sessions: BTreeMap<&'static str, u32>,
}

/// How much of something was used, in percent.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasuredUsageOut {
    /// Mean over the samples.
    #[schema(example = 21.5)]
    mean: f64,
    /// Mean of the busiest hour.
    #[schema(example = 38.0)]
    busiest_hour: f64,
    /// Largest sample.
    #[schema(example = 55.5)]
    maximum: f64,
    /// What the sizing expects of the busiest hour; absent where it expects nothing in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 62.5)]
    expected: Option<f64>,
}

/// Response times in milliseconds.
#[derive(Debug, Serialize, ToSchema)]
pub struct MeasuredResponseTimeOut {
    /// Mean over the samples.
    #[schema(example = 130.0)]
    mean: f64,
    /// What the means of 95 % of the hours stay within.
    #[schema(example = 180.0)]
    p95: f64,
    /// Mean of the slowest hour.
    #[schema(example = 190.0)]
    slowest_hour: f64,
    /// What is promised.
    #[schema(example = 200)]
    sla: u32,
}

/// A sizing: what it serves, what it holds, what it costs.
#[derive(Debug, Serialize, ToSchema)]
pub struct FitOut {
    /// The plan.
    #[schema(example = "small")]
    preset: &'static str,
    /// Units by service.
    #[schema(value_type = Object, example = json!({"callbot": 20}))]
    service_requirements: BTreeMap<&'static str, u32>,
    /// What the plan holds.
    resources: ResourcesOut,
    /// Device type.
    #[schema(example = "t4")]
    gpu_type: String,
    /// List price in US dollars a month.
    #[schema(example = 130)]
    list_price_usd: u64,
    /// The operator's own cost in US dollars a month.
    #[schema(example = 400)]
    operator_cost_usd: u64,
    /// What is left of the list price; below 0 where it does not cover the cost.
    #[schema(example = -270)]
    margin_usd: i64,
    /// Where the model expects it not to hold.
    warnings: Vec<WarningOut>,
}

impl FitOut {
    fn new(requirements: &ServiceRequirements, sizing: &Sizing, language: Language) -> Self {
        Self {
            preset: sizing.preset.as_str(),
            service_requirements: by_name(requirements),
            resources: ResourcesOut::from(&sizing.resources),
            gpu_type: sizing.gpu_type.clone(),
            list_price_usd: sizing.list_price_usd,
            operator_cost_usd: sizing.operator_cost_usd,
            margin_usd: sizing.margin_usd(),
            warnings: WarningOut::list(&sizing.warnings, language),
        }
    }
}

impl MeasuredUsageOut {
    fn new(usage: Usage, expected: Option<f64>) -> Self {
        Self { mean: usage.mean, busiest_hour: usage.busiest_hour, maximum: usage.maximum, expected }
    }
}

impl MeasuredResponseTimeOut {
    fn new(times: ResponseTimes, sla: u32) -> Self {
        Self { mean: times.mean, p95: times.p95_of_hours, slowest_hour: times.slowest_hour, sla }
    }
}

impl ObservedOut {
    fn new(observed: &Observed, found: &Recommendation, sla: u32) -> Self {
        Self {
            cpu: observed.cpu.map(|usage| MeasuredUsageOut::new(usage, found.expected_cpu)),
            memory: observed.memory.map(|usage| MeasuredUsageOut::new(usage, None)),
            gpu: observed.gpu.map(|usage| MeasuredUsageOut::new(usage, found.expected_gpu)),
            response_time: observed.response_time_ms.map(|times| MeasuredResponseTimeOut::new(times, sla)),
            error_rate: observed.error_rate,
            load_factor: found.load_factor,
            sessions: by_name(&found.observed_units),
        }
    }
}

fn by_name(requirements: &ServiceRequirements) -> BTreeMap<&'static str, u32> {
    requirements.iter().map(|(service, units)| (service.as_str(), *units)).collect()
}

/// Why, for people.
fn message(tenant: &Tenant, observed: &Observed, found: &Recommendation) -> Message {
    let units = || {
        let units = found.proposal.iter().flat_map(|proposal| &proposal.service_requirements);
        units.map(|(service, units)| format!("{} {units}", service.as_str())).collect::<Vec<_>>().join(", ")
    };
    match found.advice {
        Advice::Wait if observed.hours_with_samples == 0 => Message::new("recommendation.wait_for_samples"),
        Advice::Wait => Message::new("recommendation.wait_for_a_day")
            .with("hours", observed.hours_with_samples)
            .with("needed", HOURS_OF_A_DAY),
        Advice::Keep => Message::new("recommendation.keep"),
        Advice::Grow => Message::new("recommendation.grow").with("units", units()),
        Advice::Shrink => {
            let then = found.proposal.as_ref().map_or(0, |proposal| proposal.sizing.operator_cost_usd);
            Message::new("recommendation.shrink")
                .with("units", units())
                .with("saving", tenant.sizing.operator_cost_usd.saturating_sub(then))
        }
        Advice::Investigate => {
            let slowest = observed.response_time_ms.map_or(0.0, |times| times.slowest_hour);
            Message::new("recommendation.investigate")
                .with("response_time", slowest.round())
                .with("sla", tenant.spec.sla_target.response_time_ms)
        }
    }
}

/// The PUT that brings a proposal about.
fn update(spec: &TenantSpec, proposal: &Proposal) -> Value {
    let mut body = Map::new();
    if let Some(preset) = proposal.preset {
        body.insert("preset".to_owned(), preset.as_str().into());
    } else if spec.preset_choice() == PresetChoice::Request {
        body.insert("preset_chosen_by".to_owned(), PresetChoice::Calculator.as_str().into());
    }
    let units = by_name(&proposal.service_requirements).into_iter();
    let units = units.map(|(service, units)| (service.to_owned(), units.into())).collect::<Map<_, _>>();
    body.insert("service_requirements".to_owned(), units.into());
    body.into()
}

/// Recommend a size
///
/// What was measured of a tenant against what its sizing assumes, and the sizing that fits what was
/// measured, with its money. Samples of before its size last changed do not count. Less than a day of samples recommends nothing. Changes nothing: `apply` is the
/// body of the PUT that would.
#[utoipa::path(
    get,
    path = "/api/v1/tenants/{tenant_id}/recommendation",
    tag = "tenants",
    params(
        ("tenant_id" = String, Path, description = "Tenant id", example = "global-call-center"),
        ("hours" = Option<u32>, Query, description = "Hours back from now (default 168, a week)", minimum = 1, maximum = 8760, example = 168),
    ),
    responses(
        (status = 200, description = "What fits", body = RecommendationOut),
        (status = 422, description = "VALIDATION_FAILED, with every wrong parameter", body = ErrorOut),
        (status = 503, description = "MONITORING_UNAVAILABLE", body = ErrorOut),
    ),
)]
pub(crate) async fn get_recommendation(
    Reader(api): Reader,
    PathText(tenant_id): PathText,
    uri: Uri,
) -> Result<Response, ApiError> {
    let reader = QueryReader::new(&uri);
    // At most a year of hours.
    let hours = reader.integer("hours", 1..=MAX_HOURS).unwrap_or(DEFAULT_HOURS) as i64;
    reader.finish(&api.context)?;
    let tenant = api.find_tenant(&tenant_id)?;
    let metrics = &api.services().metrics;
    let now = api.state.clock.now();
    let end_ms = to_millis(now).div_euclid(MILLIS_PER_HOUR) * MILLIS_PER_HOUR + MILLIS_PER_HOUR;
    let whole_hour =
        |millis: i64| (millis + MILLIS_PER_HOUR - 1).div_euclid(MILLIS_PER_HOUR) * MILLIS_PER_HOUR;
    let sized_at = sized_since(&api.services().tenants.revisions(&tenant.id).await?, &tenant);
    let sized_ms = whole_hour(to_millis(sized_at)).min(end_ms - MILLIS_PER_HOUR);
    let query = SeriesQuery {
        metrics: Observed::METRICS.to_vec(),
        start_ms: (end_ms - hours * MILLIS_PER_HOUR).max(sized_ms),
        end_ms: end_ms - 1,
        interval: Interval::OneHour,
    };
    let key = tenant.key();
    let series = metrics.query(&key, &query).await?;
    let is_measured = metrics.has_own_samples(&key).await?;
    let there = (query.end_ms - query.start_ms) / MILLIS_PER_HOUR + 1;
    let observed = Observed::new(usize::try_from(there).unwrap_or(0), &series);
    let found = recommend(&api.state.catalog, &tenant.spec, &tenant.sizing, &observed);
    let language = api.language();
    let time = |millis: i64| {
        wire::timestamp_text(Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH))
    };
    let body = RecommendationOut {
        tenant_id: tenant.id.as_str().to_owned(),
        generation: tenant.generation,
        time_range: TimeRangeOut::new(time(query.start_ms), wire::timestamp_text(now)),
        advice: found.advice.as_str(),
        message: message(&tenant, &observed, &found).render(language),
        confidence: observed.confidence().as_str(),
        data: MeasuredOut {
            hours: observed.hours,
            hours_with_samples: observed.hours_with_samples,
            coverage: observed.coverage(),
            source: if is_measured { "measured" } else { "synthetic" },
        },
        observed: ObservedOut::new(&observed, &found, tenant.spec.sla_target.response_time_ms),
        current: FitOut::new(&tenant.spec.service_requirements, &tenant.sizing, language),
        recommended: (found.proposal.as_ref())
            .map(|proposal| FitOut::new(&proposal.service_requirements, &proposal.sizing, language)),
        apply: found.proposal.as_ref().map(|proposal| update(&tenant.spec, proposal)),
        explanation: found.figures,
    };
    Ok(wire::json(StatusCode::OK, &body))
}
