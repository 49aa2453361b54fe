//! Sizing: from what a tenant wants to CPU, memory, GPUs, storage, replicas and cost.
//!
//! A chain of pure steps: [`demand`] turns units into work, [`queueing`] knows blocking and waiting,
//! [`capacity`] finds the plan that carries the work, [`split`] deals the plan out to pods, [`cost`]
//! prices it, and [`explain`] says where every number comes from.

mod capacity;
mod cost;
mod demand;
mod explain;
pub mod queueing;
mod split;
#[cfg(test)]
mod tests;

use crate::catalog::Catalog;
use crate::quantity::Resources;
use crate::sizing::capacity::Fit;
use crate::sizing::demand::Work;
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

/// Sizes a tenant: the plan named, or the one that the calculator chooses. A named plan is honoured;
/// where it is expected not to carry the work or the SLA, `warnings` say so.
pub fn size(catalog: &Catalog, demand: &Demand) -> Sizing {
    let work = Work::of(catalog, demand);
    let chosen = capacity::choose(catalog, &work, &demand.sla_target);
    match demand.preset {
        None => sizing_of(catalog, demand, &work, &chosen, Vec::new()),
        Some(preset) => {
            let named = capacity::fit(catalog, preset, &work, &demand.sla_target);
            // Over `large` the named plan grows, as the chosen one does.
            let grown = preset == Preset::Large && chosen.preset == Preset::Large;
            let fit = if grown { &chosen } else { &named };
            let warnings = fit.warnings(catalog, &demand.sla_target, chosen.preset);
            sizing_of(catalog, demand, &work, fit, warnings)
        }
    }
}

/// Sizes a demand with alternatives and an explanation, for the calculator call.
pub fn calculate(catalog: &Catalog, demand: &Demand) -> Calculation {
    let sizing = size(catalog, demand);
    let work = Work::of(catalog, demand);
    let fit = capacity::fit_of(catalog, &sizing, &work, &demand.sla_target);
    let alternatives = capacity::alternatives(catalog, &work, demand, &fit);
    let explanation = explain::explanation(catalog, demand, &work, &fit, &sizing);
    Calculation { sizing, alternatives, explanation }
}

/// Estimated time to delete a tenant.
pub fn deletion_time(catalog: &Catalog, sizing: &Sizing) -> DeploymentTime {
    let minutes = &catalog.deployment_time;
    let workloads = sizing.services.len() as u32;
    let min_minutes = (minutes.deletion_minutes_per_workload * workloads).max(1);
    let max_minutes = min_minutes + (minutes.deletion_spread_minutes_per_workload * workloads).max(1);
    DeploymentTime { min_minutes, max_minutes }
}

/// Estimated time to deploy a number of workloads, some of which load a model onto a GPU.
pub fn deployment_time(catalog: &Catalog, workloads: usize, gpu_models: usize) -> DeploymentTime {
    let minutes = &catalog.deployment_time;
    let (workloads, gpu_models) = (workloads as u32, gpu_models as u32);
    let min_minutes = minutes.base_minutes
        + minutes.minutes_per_workload * workloads
        + minutes.minutes_per_gpu_model * gpu_models;
    let max_minutes = min_minutes + (minutes.spread_minutes_per_workload * workloads).max(1);
    DeploymentTime { min_minutes, max_minutes }
}

/// The smallest plan that holds an amount of resources; `large` where none does.
pub fn smallest_preset_for(catalog: &Catalog, resources: &Resources) -> Preset {
    let holds = |have: Resources| {
        have.cpu_millicores >= resources.cpu_millicores
            && have.memory_mib >= resources.memory_mib
            && have.gpu >= resources.gpu
            && have.storage_gb >= resources.storage_gb
    };
    let plan = catalog.presets.iter().find(|plan| holds(plan.resources()));
    plan.map_or(Preset::Large, |plan| plan.name)
}

/// List price in whole US dollars a month of the smallest plan that holds an amount of resources.
pub fn list_price_of(catalog: &Catalog, resources: &Resources) -> u64 {
    let plan = catalog.plan(smallest_preset_for(catalog, resources));
    cost::plan_price(plan, resources)
}

fn sizing_of(
    catalog: &Catalog,
    demand: &Demand,
    work: &Work,
    fit: &Fit,
    warnings: Vec<SizingWarning>,
) -> Sizing {
    let services = split::services(catalog, work, fit);
    let gpu_models = work.counts.keys().filter(|service| catalog.gpu.order.contains(service)).count();
    Sizing {
        preset: fit.preset,
        resources: fit.resources,
        gpu_type: fit.gpu_type.clone(),
        list_price_usd: cost::list_price(catalog, demand, fit),
        operator_cost_usd: cost::operator_cost(catalog, fit),
        deployment_time: deployment_time(catalog, services.len(), gpu_models),
        services,
        warnings,
    }
}
