//! Sizing: from what a tenant wants to CPU, memory, GPUs, storage, replicas and cost.

use crate::catalog::Catalog;
use crate::quantity::Resources;
use crate::tenant::{Preset, Service, ServiceRequirements, SlaTarget};
use crate::text::Message;
use serde::{Deserialize, Serialize};

/// What is to be sized.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The plan that the caller named; absent, the calculator chooses.
    pub preset: Option<Preset>,
    /// Units ordered.
    pub service_requirements: ServiceRequirements,
    /// What was promised.
    pub sla_target: SlaTarget,
}

/// The answer: the plan, what it holds, how it splits over the services and what it costs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sizing {
    /// The plan that is given.
    pub preset: Preset,
    /// The tenant's envelope; its quota.
    pub resources: Resources,
    /// Device type, as the catalog spells it (`t4`, `v100`, `l40s`).
    pub gpu_type: String,
    /// One entry a service, ordered or derived (callbot and advisor bring stt and tts).
    pub services: Vec<ServicePlan>,
    /// List price in whole US dollars a month: what the tenant pays.
    pub list_price_usd: u64,
    /// The operator's own cost in whole US dollars a month, from device-hours and node prices.
    pub operator_cost_usd: u64,
    /// Estimated time to deploy.
    pub deployment_time: DeploymentTime,
    /// Where the model expects the plan not to carry the load or the SLA.
    pub warnings: Vec<SizingWarning>,
}

/// How one service of the tenant runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServicePlan {
    /// Which service.
    pub service: Service,
    /// Units it serves: what was ordered plus what other services bring.
    pub count: u32,
    /// Pods.
    pub replicas: u32,
    /// What the scheduler reserves for each pod.
    pub requests: ContainerResources,
    /// What each pod may use at most.
    pub limits: ContainerResources,
}

/// Resources of one container.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerResources {
    /// CPU in thousandths of a core.
    pub cpu_millicores: u64,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// Whole GPUs.
    pub gpu: u64,
}

/// A span of minutes, printed `15-20 minutes`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentTime {
    /// Shortest expected.
    pub min_minutes: u32,
    /// Longest expected.
    pub max_minutes: u32,
}

/// A plan that is expected not to hold, what is short, and the plan that would do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SizingWarning {
    /// For people.
    pub message: Message,
    /// What is short: `cpu`, `memory`, `gpu`, `storage`, `response_time`, `availability` …
    pub short_of: String,
    /// The plan that would do.
    pub suggested_preset: Preset,
}

/// A smaller plan that nearly does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alternative {
    /// The plan.
    pub preset: Preset,
    /// What it holds; the contract prints CPU, memory and GPU of it.
    pub resources: Resources,
    /// List price in whole US dollars a month.
    pub list_price_usd: u64,
    /// What it costs in performance.
    pub performance_impact: Message,
}

/// A calculation with its alternatives and its reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Calculation {
    /// The recommended plan.
    pub sizing: Sizing,
    /// Smaller plans that nearly do, dearest first.
    pub alternatives: Vec<Alternative>,
    /// Every number with its formula, inputs and source, and which stage is the bottleneck;
    /// printed under `debug` when the caller asks.
    pub explanation: serde_json::Value,
}

/// Sizes a tenant: the plan named, or the one that the calculator chooses.
pub fn size(catalog: &Catalog, demand: &Demand) -> Sizing {
    let _ = (catalog, demand);
    unimplemented!()
}

/// Sizes a demand with alternatives and an explanation, for the calculator call.
pub fn calculate(catalog: &Catalog, demand: &Demand) -> Calculation {
    let _ = (catalog, demand);
    unimplemented!()
}
