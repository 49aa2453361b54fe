//! Which plan carries the work, and how far a demand over the largest one makes it grow.
//!
//! Every comparison here is monotone: more work or a tighter SLA only adds shortages and only raises
//! what is needed, so that no answer is ever smaller for it.

use super::demand::Work;
use super::queueing::response_time_ms;
use super::{Alternative, Demand, cost};
use crate::catalog::{Catalog, Device, Plan, ServiceModel};
use crate::quantity::Resources;
use crate::tenant::{Availability, Preset, SlaTarget};
use crate::text::Message;

/// Most replicas that are tried for an availability; no catalog's share of a pod needs more.
const MOST_REPLICAS: u32 = 64;

/// A plan, grown or not, with the work on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub preset: Preset,
    /// What the plan holds, growth included.
    pub resources: Resources,
    pub gpu_type: String,
    /// Pods of each service.
    pub replicas: u32,
    /// What the work needs, the containers' requests included.
    pub needed: Resources,
    /// Devices that the work would keep fully busy.
    pub gpu_load: f64,
    /// Share of the GPUs' time that is used; over 1 where they can not keep up.
    pub utilization: f64,
    /// Milliseconds; infinite where the devices can not keep up.
    pub response_time_ms: f64,
    /// Share of time in which no replica of a service answers.
    pub unavailability: f64,
}

/// A resource or promise that a plan is short of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shortage {
    Cpu,
    Memory,
    Gpu,
    Storage,
    ResponseTime,
    Availability,
}

impl Shortage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Gpu => "gpu",
            Self::Storage => "storage",
            Self::ResponseTime => "response_time",
            Self::Availability => "availability",
        }
    }
}

impl Fit {
    fn new(
        catalog: &Catalog,
        preset: Preset,
        resources: Resources,
        device: &Device,
        replicas: u32,
        work: &Work,
        sla: &SlaTarget,
    ) -> Self {
        let gpu_load = work.devices(catalog, device);
        let utilization = gpu_load / resources.gpu as f64;
        // A service whose pods need a GPU has no more of them than there are GPUs.
        let on_gpu = catalog.gpu.order.iter().any(|service| work.counts.contains_key(service));
        let gpus = u32::try_from(resources.gpu).unwrap_or(u32::MAX);
        let fewest = if on_gpu { replicas.min(gpus) } else { replicas };
        Self {
            preset,
            resources,
            gpu_type: device.name.clone(),
            replicas,
            needed: needed(catalog, work, replicas, device, sla),
            gpu_load,
            utilization,
            response_time_ms: response_time_ms(catalog.gpu.service_time_ms, utilization),
            unavailability: unavailability(catalog, fewest),
        }
    }

    /// What is short.
    pub fn shortages(&self, sla: &SlaTarget) -> Vec<Shortage> {
        let (have, need) = (&self.resources, &self.needed);
        let overloaded = self.utilization >= 1.0;
        let too_slow = self.response_time_ms > f64::from(sla.response_time_ms);
        [
            (Shortage::Cpu, have.cpu_millicores < need.cpu_millicores),
            (Shortage::Memory, have.memory_mib < need.memory_mib),
            (Shortage::Gpu, overloaded),
            (Shortage::Storage, have.storage_gb < need.storage_gb),
            (Shortage::ResponseTime, !overloaded && too_slow),
            (Shortage::Availability, !is_available(self.unavailability, sla.availability)),
        ]
        .into_iter()
        .filter_map(|(shortage, is_short)| is_short.then_some(shortage))
        .collect()
    }
}

/// The smallest plan that carries the work and keeps the SLA, else `large`, grown.
pub(super) fn choose(catalog: &Catalog, work: &Work, sla: &SlaTarget) -> Fit {
    Preset::ALL
        .into_iter()
        .map(|preset| listed(catalog, preset, work, sla))
        .find(|fit| fit.shortages(sla).is_empty())
        .unwrap_or_else(|| grown(catalog, work, sla))
}

/// A plan as listed, with the work on it.
pub(super) fn listed(catalog: &Catalog, preset: Preset, work: &Work, sla: &SlaTarget) -> Fit {
    let plan = catalog.plan(preset);
    let device = catalog.device(&plan.gpu_type);
    Fit::new(catalog, preset, plan.resources(), device, plan.replicas, work, sla)
}

/// `large`, with each resource grown to what the work needs; the device type by the number needed.
fn grown(catalog: &Catalog, work: &Work, sla: &SlaTarget) -> Fit {
    let plan = catalog.plan(Preset::Large);
    let (device, gpu) = grown_devices(catalog, plan, work, sla);
    let replicas = grown_replicas(catalog, plan, work, sla);
    let needed = needed(catalog, work, replicas, device, sla);
    let (listed, steps) = (plan.resources(), &catalog.growth);
    let resources = Resources {
        cpu_millicores: whole(needed.cpu_millicores, steps.cpu_step_millicores).max(listed.cpu_millicores),
        memory_mib: whole(needed.memory_mib, steps.memory_step_mib).max(listed.memory_mib),
        gpu,
        storage_gb: whole(needed.storage_gb, steps.storage_step_gb).max(listed.storage_gb),
    };
    Fit::new(catalog, Preset::Large, resources, device, replicas, work, sla)
}

/// The smallest device type, from the plan's on, whose number stays within its bound, and the number.
/// A larger type starts where the smaller one ends, so that more work never means fewer devices.
fn grown_devices<'c>(catalog: &'c Catalog, plan: &Plan, work: &Work, sla: &SlaTarget) -> (&'c Device, u64) {
    let first = catalog.devices.iter().position(|device| device.name == plan.gpu_type).unwrap_or(0);
    let mut at_least = plan.gpu;
    for device in &catalog.devices[first..] {
        let count = devices_needed(catalog, work, device, sla).max(at_least);
        if device.up_to_count == 0 || count <= device.up_to_count {
            return (device, count);
        }
        at_least = at_least.max(device.up_to_count + 1);
    }
    // Validation gives the last device no bound, so the loop has returned.
    (catalog.device(&plan.gpu_type), at_least)
}

/// Pods of each service of a grown plan: as many more as the work takes more CPU than the plan has,
/// and enough for the availability.
fn grown_replicas(catalog: &Catalog, plan: &Plan, work: &Work, sla: &SlaTarget) -> u32 {
    let for_work = f64::from(plan.replicas) * work.cpu_millicores() / plan.cpu_millicores as f64;
    let for_availability = (plan.replicas..MOST_REPLICAS)
        .find(|replicas| is_available(unavailability(catalog, *replicas), sla.availability))
        .unwrap_or(plan.replicas);
    // Past any u32 the cast gives the largest, which is what is wanted.
    (for_work.ceil() as u32).max(for_availability).max(plan.replicas)
}

/// What the work needs with a number of replicas on a type of device. The plan is split by weight, so it
/// must also be large enough for the lightest service's pods to get what they ask for.
fn needed(catalog: &Catalog, work: &Work, replicas: u32, device: &Device, sla: &SlaTarget) -> Resources {
    let services = || work.counts.keys().map(|service| catalog.service(*service));
    let with_requests = |work: f64, request: u64, weight: fn(&ServiceModel) -> u64| {
        let asked = u64::from(replicas).saturating_mul(request);
        let lightest = services().map(weight).min().unwrap_or(1);
        let for_lightest = asked.saturating_mul(services().map(weight).sum()).div_ceil(lightest);
        let for_all = (work.ceil() as u64).saturating_add(asked.saturating_mul(services().count() as u64));
        for_all.max(for_lightest)
    };
    let requests = &catalog.requests;
    Resources {
        cpu_millicores: with_requests(work.cpu_millicores(), requests.cpu_millicores, |model| {
            model.cpu_weight
        }),
        memory_mib: with_requests(work.memory_mib, requests.memory_mib, |model| model.memory_weight),
        gpu: devices_needed(catalog, work, device, sla),
        storage_gb: work.storage_gb.ceil() as u64,
    }
}

/// Devices of a type that carry the GPU work within the response time; where no number does, as many
/// as still help.
fn devices_needed(catalog: &Catalog, work: &Work, device: &Device, sla: &SlaTarget) -> u64 {
    let allowed = 1.0 - catalog.gpu.service_time_ms / f64::from(sla.response_time_ms);
    let load = work.devices(catalog, device);
    (load / allowed.max(catalog.gpu.lowest_utilization)).ceil() as u64
}

/// Milliseconds below which devices can not bring the response time.
pub(super) fn fastest_response_ms(catalog: &Catalog) -> f64 {
    response_time_ms(catalog.gpu.service_time_ms, catalog.gpu.lowest_utilization)
}

/// Share of time in which none of a number of pods answers.
fn unavailability(catalog: &Catalog, replicas: u32) -> f64 {
    let replicas = i32::try_from(replicas.min(MOST_REPLICAS)).unwrap_or(i32::MAX);
    (1.0 - catalog.availability.pod_share).powi(replicas)
}

/// Whether an unavailability is within what an availability allows. All of the time never is: there is
/// always a chance that every pod is away. The tolerance is for the last bit of the subtraction.
fn is_available(unavailability: f64, target: Availability) -> bool {
    let allowed = f64::from(1_000_000_u32.saturating_sub(target.0)) / 1e6;
    allowed > 0.0 && unavailability <= allowed * (1.0 + 1e-9)
}

fn whole(amount: u64, step: u64) -> u64 {
    amount.div_ceil(step).saturating_mul(step)
}

/// Smaller plans that carry the work, if more slowly; dearest first.
pub(super) fn alternatives(catalog: &Catalog, work: &Work, demand: &Demand, fit: &Fit) -> Vec<Alternative> {
    let sla = &demand.sla_target;
    let mut alternatives = Vec::new();
    for preset in Preset::ALL.into_iter().rev().filter(|preset| *preset < fit.preset) {
        let smaller = listed(catalog, preset, work, sla);
        let only_slower = smaller.shortages(sla).iter().all(|short| *short == Shortage::ResponseTime);
        let increase = (smaller.response_time_ms / fit.response_time_ms - 1.0) * 100.0;
        if only_slower && increase <= catalog.alternatives.max_response_increase_percent {
            alternatives.push(Alternative {
                preset,
                resources: smaller.resources,
                list_price_usd: cost::list_price(catalog, demand, &smaller),
                performance_impact: Message::new("sizing.response_time_increase")
                    .with("percent", increase.round().max(0.0)),
            });
        }
    }
    alternatives
}
