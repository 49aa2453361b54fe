//! `GET /api/v1/nodes`: what each node of the cluster has, and what is taken of it.

use crate::auth::{Reader, require_everything};
use crate::error::ApiError;
use crate::openapi::ErrorOut;
use crate::wire;
use axum::response::Response;
use ecp_core::placement::{Absence, LeftOutReason, NodeUse};
use ecp_core::quantity::Resources;
use ecp_core::sizing::ContainerResources;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

/// The nodes.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodesOut {
    /// True in demo mode.
    is_demo: bool,
    /// When this was so.
    #[schema(example = "2024-01-20T14:30:00Z")]
    timestamp: String,
    /// Every node, by name.
    nodes: Vec<NodeOut>,
}

/// One node.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeOut {
    /// Its name.
    #[schema(example = "gpu-node-3")]
    name: String,
    /// `ready`, `cordoned`, `not_ready`.
    #[schema(example = "ready")]
    status: &'static str,
    /// Why no tenant's pods come here; `null` where they do.
    left_out: Option<NodeLeftOut>,
    /// Its device type, of several the one of which it has most; `null` where it has no GPU.
    #[schema(example = "v100")]
    gpu_type: Option<String>,
    /// What pods can ask of it, all together.
    allocatable: NodeResourcesOut,
    /// What they asked, whoever's they are.
    requested: NodeResourcesOut,
    /// Pods on it.
    #[schema(example = 17)]
    pods: u64,
    /// Pods that it can run; `null` where there is no bound.
    #[schema(example = 110)]
    max_pods: Option<u64>,
    /// Tenants with pods on it.
    #[schema(example = 6)]
    tenants: u64,
}

/// Why a node takes no tenant's pods.
#[derive(Debug, Serialize, ToSchema)]
pub struct NodeLeftOut {
    /// `not_ready`, `cordoned`, `taint`, `selector`.
    #[schema(example = "taint")]
    reason: &'static str,
    /// Which taint or label; `null` for the others.
    #[schema(example = "dedicated=db:NoSchedule")]
    detail: Option<String>,
}

/// Resources of one node.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"cpu": "64000m", "memory": "256Gi", "gpu": 8}))]
pub struct NodeResourcesOut {
    /// CPU in thousandths of a core.
    cpu: String,
    /// Memory in binary units.
    memory: String,
    /// Whole GPUs.
    gpu: u64,
}

impl From<ContainerResources> for NodeResourcesOut {
    fn from(of: ContainerResources) -> Self {
        let amounts = Resources {
            cpu_millicores: of.cpu_millicores,
            memory_mib: of.memory_mib,
            gpu: of.gpu,
            ..Resources::default()
        };
        Self { cpu: amounts.cpu_text(), memory: amounts.memory_text(), gpu: amounts.gpu }
    }
}

impl From<&LeftOutReason> for NodeLeftOut {
    fn from(reason: &LeftOutReason) -> Self {
        Self { reason: reason.code(), detail: reason.detail() }
    }
}

impl From<&NodeUse<'_>> for NodeOut {
    fn from(used: &NodeUse<'_>) -> Self {
        let node = used.node;
        Self {
            name: node.name.clone(),
            status: match node.absence {
                None => "ready",
                Some(Absence::Cordoned) => "cordoned",
                Some(Absence::NotReady) => "not_ready",
            },
            left_out: used.left_out.as_ref().map(Into::into),
            gpu_type: node.gpu_type().map(str::to_owned),
            allocatable: node.allocatable.into(),
            requested: used.requested.into(),
            pods: used.pods,
            max_pods: (node.max_pods < u64::MAX).then_some(node.max_pods),
            tenants: used.tenants,
        }
    }
}

/// List nodes
///
/// What each node has, what pods requested of it, and why tenants' pods stay away where they do. For tokens that
/// are not limited to tenants.
#[utoipa::path(
    get,
    path = "/api/v1/nodes",
    tag = "overview",
    responses(
        (status = 200, description = "Every node, by name", body = NodesOut),
        (status = 503, description = "KUBERNETES_ERROR: the cluster does not answer", body = ErrorOut),
    ),
)]
pub(crate) async fn list_nodes(Reader(api): Reader) -> Result<Response, ApiError> {
    require_everything(&api.access)?;
    let capacity = api.services().cluster.capacity()?;
    let uses = capacity.places.node_uses(&api.state.catalog.kubernetes);
    let body = NodesOut {
        is_demo: api.mode.is_demo(),
        timestamp: wire::timestamp_text(api.state.clock.now()),
        nodes: uses.iter().map(Into::into).collect(),
    };
    Ok(wire::json(StatusCode::OK, &body))
}
