//! `POST /api/v1/capacity`: how many more tenants of one demand fit.

use crate::auth::{Reader, require_everything};
use crate::body::RawBody;
use crate::error::{ApiError, ErrorCode, shortage_details};
use crate::openapi::ErrorOut;
use crate::sizing::CalculateResourcesIn;
use crate::tenants::input::{DEMAND, read_demand};
use crate::wire::{self, ResourcesOut};
use axum::response::Response;
use ecp_core::ids::TenantId;
use ecp_core::placement::{Headroom, headroom, without_largest_node};
use ecp_core::tenancy::planned_tenant;
use ecp_core::tenant::TenantSpec;
use ecp_core::text::Message;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// How many more fit.
#[derive(Debug, Serialize, ToSchema)]
pub struct CapacityOut {
    /// The plan that one of them gets.
    #[schema(example = "medium")]
    preset: &'static str,
    /// What that plan holds.
    resources: ResourcesOut,
    /// Its GPU type.
    #[schema(example = "v100")]
    gpu_type: String,
    /// Now.
    now: HeadroomOut,
    /// With the largest node lost; `null` where no node takes pods.
    without_largest_node: Option<WithoutNodeOut>,
}

/// How many more fit, and what runs out.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeadroomOut {
    /// How many would be admitted, one after another.
    #[schema(example = 12)]
    more: usize,
    /// True where even more might fit: no more than 1,000 are tried.
    at_least: bool,
    /// What runs out first: `cpu`, `memory`, `gpu`, `pods`, `storage`; `null` where nothing did.
    #[schema(example = "gpu")]
    runs_out: Option<&'static str>,
    /// What the next one would lack, and why nodes are left out; as in `INSUFFICIENT_RESOURCES`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    shortage: Option<Value>,
}

/// The same with a node lost.
#[derive(Debug, Serialize, ToSchema)]
pub struct WithoutNodeOut {
    /// The node: the one with the most GPUs of the type, then of any, then cores, then memory.
    #[schema(example = "gpu-node-3")]
    node: String,
    /// How many more would be admitted then.
    #[schema(example = 9)]
    more: usize,
    /// True where even more might fit.
    at_least: bool,
    /// What runs out first.
    #[schema(example = "gpu")]
    runs_out: Option<&'static str>,
}

impl HeadroomOut {
    fn new(headroom: &Headroom) -> Self {
        Self {
            more: headroom.more,
            at_least: headroom.runs_out.is_none(),
            runs_out: runs_out(headroom),
            shortage: headroom.runs_out.as_ref().map(shortage_details),
        }
    }
}

fn runs_out(headroom: &Headroom) -> Option<&'static str> {
    headroom.runs_out.as_ref()?.short.first().map(|short| short.resource)
}

/// Ask for capacity
///
/// How many more tenants of this demand would be admitted now, one after another, what runs out first, and
/// the same with the largest node lost. Stores nothing. For tokens that are not limited to tenants.
#[utoipa::path(
    post,
    path = "/api/v1/capacity",
    tag = "overview",
    request_body = CalculateResourcesIn,
    responses(
        (status = 200, description = "How many more fit", body = CapacityOut),
        (status = 422, description = "VALIDATION_FAILED or INVALID_PRESET, with every wrong field", body = ErrorOut),
        (status = 503, description = "KUBERNETES_ERROR: the cluster does not answer", body = ErrorOut),
    ),
)]
pub(crate) async fn get_capacity(Reader(api): Reader, body: RawBody) -> Result<Response, ApiError> {
    require_everything(&api.access)?;
    let catalog = api.state.catalog.clone();
    let (body, faults) = body.json(&api.state, &DEMAND).await?;
    let demand = read_demand(&body, catalog.default_sla(), &faults);
    api.warn_of_unknown_fields(faults)?;
    let demand = demand.ok_or_else(|| ApiError::invalid_fields(Vec::new()))?;
    let capacity = api.services().cluster.capacity()?;
    let accepted = api.services().tenants.tenants();
    // Nothing of it is kept; the id is only compared.
    let id = TenantId::parse("what-if").map_err(|_| ApiError::invalid_fields(Vec::new()))?;
    let spec = TenantSpec {
        name: String::new(),
        preset: demand.preset,
        service_requirements: demand.service_requirements,
        sla_target: demand.sla_target,
        sizing: demand.options,
        description: None,
        exposure: None,
        management: Default::default(),
        demo_fault: None,
    };
    let like = planned_tenant(&catalog, id, spec, api.state.clock.now());
    let sizing = like.sizing.clone();
    let placing = tokio::task::spawn_blocking(move || {
        let now = headroom(&catalog, &capacity, &accepted, &like);
        let lost = without_largest_node(&capacity, &like.sizing.gpu_type)
            .map(|(node, rest)| (node, headroom(&catalog, &rest, &accepted, &like)));
        (now, lost)
    });
    let (now, lost) = placing.await.map_err(|error| {
        ApiError::new(ErrorCode::InternalError, Message::new("api.internal_error")).caused_by(error)
    })?;
    let body = CapacityOut {
        preset: sizing.preset.as_str(),
        resources: (&sizing.resources).into(),
        gpu_type: sizing.gpu_type,
        now: HeadroomOut::new(&now),
        without_largest_node: lost.map(|(node, headroom)| WithoutNodeOut {
            node,
            more: headroom.more,
            at_least: headroom.runs_out.is_none(),
            runs_out: runs_out(&headroom),
        }),
    };
    Ok(wire::json(StatusCode::OK, &body))
}
