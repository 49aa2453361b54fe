//! Sizing: from what a tenant wants to CPU, memory, GPUs, storage, replicas and cost.
//!
//! A chain of pure steps: [`demand`] turns units into work, [`places`] says whose pods do it,
//! [`queueing`] knows blocking and waiting, [`speech`] what turns lose that come in runs, [`needs`] what the pods of each service need, [`capacity`]
//! finds the plan that carries that, [`split`] deals the plan out to pods, [`cost`] prices it,
//! [`warnings`] says what is short, [`report`] what each service can expect of the pods as they are
//! rendered, [`availability`] how much of the time all of it answers, and [`explain`] where every number comes from.

mod availability;
mod capacity;
mod cost;
mod demand;
pub(crate) mod explain;
mod needs;
mod options;
mod places;
pub mod queueing;
mod report;
mod speech;
mod split;
#[cfg(test)]
mod tests;
mod warnings;

use crate::catalog::Catalog;
use crate::quantity::Resources;
use crate::sizing::capacity::Fit;
use crate::sizing::demand::Work;
use crate::tenant::{Preset, Service, ServiceRequirements, SlaTarget};
use crate::text::Message;
use serde::{Deserialize, Serialize};

pub(crate) use demand::service_time_ms;
pub use demand::{ServiceLoad, service_loads};
pub use options::{Percentile, Share, SizedFor, SizingOptions, SizingPatch, Survives};
pub use places::{Places, Stage};
pub use report::{Busy, HourReport, LinesReport, ServiceReport, StageReport, fewest_replicas, report};

/// What is to be sized.
#[derive(Clone, Debug, PartialEq)]
pub struct Demand {
    /// The plan that the caller named; absent, the calculator chooses.
    pub preset: Option<Preset>,
    /// Units ordered.
    pub service_requirements: ServiceRequirements,
    /// What was promised.
    pub sla_target: SlaTarget,
    /// What the planner asks for beyond that.
    pub options: SizingOptions,
}

impl Demand {
    /// Milliseconds that the tenant's requests may take: the least that is promised for a service, as all
    /// of them share the GPUs.
    fn response_time_ms(&self) -> u32 {
        let ordered = |service: &Service| self.service_requirements.contains_key(service);
        (self.options.response_time_ms.iter())
            .filter(|(service, _)| ordered(service))
            .map(|(_, response_time_ms)| *response_time_ms)
            .fold(self.sla_target.response_time_ms, u32::min)
    }
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
    /// Where each stage runs; empty for a tenant that was sized before stages had places.
    #[serde(default, skip_serializing_if = "Places::is_empty")]
    pub places: Places,
}

impl Sizing {
    /// What is left of the list price in whole US dollars a month when the operator's cost is paid.
    pub fn margin_usd(&self) -> i64 {
        let dollars = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        dollars(self.list_price_usd).saturating_sub(dollars(self.operator_cost_usd))
    }
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
    /// What is short: `cpu`, `memory`, `gpu`, `storage`, `response_time`, `blocking`, `availability`,
    /// `survival`.
    pub short_of: String,
    /// The service that goes short, where it is one more than others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Service>,
    /// The plan that would do; none where no plan does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suggested_preset: Option<Preset>,
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
    /// What of the SLA it misses, and by how much.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub misses: Vec<SlaMiss>,
}

/// A figure of the SLA that is missed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlaMiss {
    /// `response_time_ms` in milliseconds, `blocking` as a share.
    pub figure: String,
    /// What is expected.
    pub expected: f64,
    /// What was promised.
    pub target: f64,
}

impl SlaMiss {
    /// By how much it is missed.
    pub fn over(&self) -> f64 {
        self.expected - self.target
    }
}

/// A calculation with its alternatives; [`explain`] gives the reasons.
#[derive(Clone, Debug, PartialEq)]
pub struct Calculation {
    /// The recommended plan.
    pub sizing: Sizing,
    /// Smaller plans that nearly do, dearest first.
    pub alternatives: Vec<Alternative>,
}

/// Sizes a tenant: the plan named, or the one that the calculator chooses. A named plan is honoured as
/// it is listed; where it is expected not to carry the work or the SLA, `warnings` say so. An SLA that
/// nothing reaches is warned of too.
pub fn size(catalog: &Catalog, demand: &Demand) -> Sizing {
    Model::new(catalog, demand).sizing()
}

/// Sizes a demand with alternatives, for the calculator call.
pub fn calculate(catalog: &Catalog, demand: &Demand) -> Calculation {
    let model = Model::new(catalog, demand);
    let alternatives = capacity::alternatives(catalog, &model.work, demand, &model.fit);
    Calculation { sizing: model.sizing(), alternatives }
}

/// Every number of a calculation with its formula, inputs and source, which stage is the bottleneck, and what
/// would be otherwise; some twenty times the work of the calculation itself.
pub fn explain(catalog: &Catalog, demand: &Demand) -> serde_json::Value {
    let model = Model::new(catalog, demand);
    let alternatives = capacity::alternatives(catalog, &model.work, demand, &model.fit);
    explain::explanation(&model, &model.sizing(), &alternatives)
}

/// Time to delete a tenant of which nothing in the cluster is touched.
pub const RECORD_DELETION_TIME: DeploymentTime = DeploymentTime { min_minutes: 0, max_minutes: 1 };

/// Estimated time to delete a tenant.
pub fn deletion_time(catalog: &Catalog, sizing: &Sizing) -> DeploymentTime {
    let minutes = &catalog.deployment_time;
    let workloads = count(sizing.services.len());
    let min_minutes = minutes.deletion_minutes_per_workload.saturating_mul(workloads).max(1);
    let spread = minutes.deletion_spread_minutes_per_workload.saturating_mul(workloads).max(1);
    DeploymentTime { min_minutes, max_minutes: min_minutes.saturating_add(spread) }
}

/// Estimated time to deploy a number of workloads, `gpu_models` of which are services of the catalog's
/// GPU order: each of these loads a model, wherever it runs.
pub fn deployment_time(catalog: &Catalog, workloads: usize, gpu_models: usize) -> DeploymentTime {
    let minutes = &catalog.deployment_time;
    let (workloads, gpu_models) = (count(workloads), count(gpu_models));
    let min_minutes = minutes
        .base_minutes
        .saturating_add(minutes.minutes_per_workload.saturating_mul(workloads))
        .saturating_add(minutes.minutes_per_gpu_model.saturating_mul(gpu_models))
        .max(1);
    let spread = minutes.spread_minutes_per_workload.saturating_mul(workloads).max(1);
    DeploymentTime { min_minutes, max_minutes: min_minutes.saturating_add(spread) }
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

/// List price in whole US dollars a month of the smallest plan that holds an amount of resources,
/// `large` growing as it does for a demand.
pub fn list_price_of(catalog: &Catalog, resources: &Resources) -> u64 {
    cost::plan_price(catalog.plan(smallest_preset_for(catalog, resources)), resources)
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// One run of the model: the demand, its work, the plan that it gets and the one that would be chosen.
struct Model<'a> {
    catalog: &'a Catalog,
    demand: &'a Demand,
    work: Work,
    /// What the calculator would choose.
    chosen: Fit,
    /// What is given.
    fit: Fit,
}

impl<'a> Model<'a> {
    fn new(catalog: &'a Catalog, demand: &'a Demand) -> Self {
        let work = Work::of(catalog, demand);
        let chosen = capacity::choose(catalog, &work, demand);
        let fit = match demand.preset {
            Some(preset) => capacity::listed(catalog, preset, &work, demand),
            None => chosen.clone(),
        };
        Self { catalog, demand, work, chosen, fit }
    }

    /// Devices that may be lost.
    fn lost_devices(&self) -> u64 {
        let Self { catalog, demand, work, fit, .. } = self;
        let replicas = catalog.plan(fit.preset).replicas;
        needs::Frame { catalog, demand, work, replicas, gpus: fit.resources.gpu }.lost_devices()
    }

    /// Services that load a model onto a GPU.
    fn gpu_models(&self) -> usize {
        let host = places::gpu_host(self.catalog, &self.work.counts);
        let loads = |service: &Service| self.catalog.gpu.order.contains(service) || Some(*service) == host;
        self.work.counts.keys().filter(|service| loads(service)).count()
    }

    fn sizing(&self) -> Sizing {
        let Self { catalog, demand, work, chosen, fit } = self;
        let services = split::services(catalog, work, fit);
        Sizing {
            preset: fit.preset,
            resources: fit.resources,
            gpu_type: fit.gpu_type.clone(),
            list_price_usd: cost::list_price(catalog, demand, fit),
            operator_cost_usd: cost::operator_cost(catalog, fit),
            deployment_time: deployment_time(catalog, services.len(), self.gpu_models()),
            warnings: warnings::warnings(self, chosen, &services),
            places: places::places(catalog, &work.counts),
            services,
        }
    }
}
