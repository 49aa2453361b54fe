//! Which plan carries the work, and how far a demand over the largest one makes it grow.
//!
//! Every comparison here is monotone: more work or a tighter SLA only adds shortages and only raises
//! what is needed, so that no answer is ever smaller for it.

use super::demand::Work;
use super::needs::{Frame, Needs};
use super::places;
use super::report::lines_of_pod;
use super::{Alternative, Demand, SlaMiss, availability, cost, split};
use crate::catalog::{Catalog, Device};
use crate::quantity::Resources;
use crate::tenant::{Preset, Service};
use crate::text::Message;

/// A plan, grown or not, with the work on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub preset: Preset,
    /// What the plan holds, growth included.
    pub resources: Resources,
    pub gpu_type: String,
    /// What the pods need, service by service.
    pub needs: Needs,
    /// What the work needs, the containers' requests included.
    pub needed: Resources,
    /// Devices that the work would keep fully busy.
    pub gpu_load: f64,
    /// Milliseconds of the slowest kind of request on an idle device.
    pub service_time_ms: f64,
    /// Share of the GPUs' time that is used; over 1 where they can not keep up.
    pub utilization: f64,
    /// Milliseconds of the figure that has to keep the SLA; infinite where the devices can not keep up.
    pub response_time_ms: f64,
    /// Replicas of each service that count as spares of each other, in listing order.
    pub spares: Vec<u32>,
    /// Share of time in which a service of the tenant or its redis is away.
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
    Blocking,
    Availability,
    Survival,
}

impl Shortage {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Gpu => "gpu",
            Self::Storage => "storage",
            Self::ResponseTime => "response_time",
            Self::Blocking => "blocking",
            Self::Availability => "availability",
            Self::Survival => "survival",
        }
    }
}

impl Fit {
    fn new(
        frame: &Frame<'_>,
        preset: Preset,
        resources: Resources,
        device: &Device,
        as_needed: bool,
    ) -> Self {
        let Frame { catalog, demand, work, replicas, .. } = *frame;
        let needs = frame.needs((!as_needed).then_some(&resources));
        let gpu_load = work.devices(catalog, device);
        let utilization = if gpu_load > 0.0 { gpu_load / needs.surviving_gpus as f64 } else { 0.0 };
        // A service whose pods need a GPU has no more of them than there are GPUs.
        let spares: Vec<u32> = needs.services.iter().map(|need| need.pods.min(replicas)).collect();
        let service_time_ms = work.service_time_ms(catalog, device);
        Self {
            preset,
            resources,
            gpu_type: device.name.clone(),
            needed: needed(frame, &needs, device),
            needs,
            gpu_load,
            service_time_ms,
            utilization,
            response_time_ms: demand.options.percentile.response_ms(service_time_ms, utilization),
            unavailability: availability::unavailability(catalog, spares.iter().copied()),
            spares,
        }
    }

    /// Whether the figure that has to keep the SLA misses it. Work without requests to GPUs has none.
    pub fn is_too_slow(&self, demand: &Demand) -> bool {
        self.gpu_load > 0.0 && self.response_time_ms > f64::from(demand.response_time_ms())
    }

    /// What is short.
    pub fn shortages(&self, demand: &Demand) -> Vec<Shortage> {
        let (have, need) = (&self.resources, &self.needed);
        let sla = &demand.sla_target;
        let overloaded = self.utilization >= 1.0;
        let short_of_cpu = have.cpu_millicores < need.cpu_millicores;
        let short_of_memory = have.memory_mib < need.memory_mib || self.needs.oversized;
        let recognises = self.needs.services.iter().any(|need| need.stt_lines > 0);
        let blocking = recognises && !short_of_cpu && (have.cpu_millicores as f64) < self.needs.cpu.good;
        [
            (Shortage::Cpu, short_of_cpu),
            (Shortage::Memory, short_of_memory),
            (Shortage::Gpu, overloaded),
            (Shortage::Storage, have.storage_gb < need.storage_gb),
            (Shortage::ResponseTime, !overloaded && self.is_too_slow(demand)),
            (Shortage::Blocking, blocking),
            (Shortage::Availability, !availability::is_kept(self.unavailability, sla.availability)),
            (Shortage::Survival, self.needs.unsurvivable),
        ]
        .into_iter()
        .filter_map(|(shortage, is_short)| is_short.then_some(shortage))
        .collect()
    }
}

/// The smallest plan that carries the work and keeps the SLA, else `large`, grown.
pub(super) fn choose(catalog: &Catalog, work: &Work, demand: &Demand) -> Fit {
    Preset::ALL
        .into_iter()
        .map(|preset| listed(catalog, preset, work, demand))
        .find(|fit| fit.shortages(demand).is_empty())
        .unwrap_or_else(|| grown(catalog, work, demand))
}

/// A plan as listed, with the work on it.
pub(super) fn listed(catalog: &Catalog, preset: Preset, work: &Work, demand: &Demand) -> Fit {
    let plan = catalog.plan(preset);
    let device = catalog.device(&plan.gpu_type);
    let frame = Frame { catalog, demand, work, replicas: plan.replicas, gpus: plan.gpu };
    Fit::new(&frame, preset, plan.resources(), device, false)
}

/// `large`, with each resource grown to what the work needs; the device type by the number needed.
fn grown(catalog: &Catalog, work: &Work, demand: &Demand) -> Fit {
    let plan = catalog.plan(Preset::Large);
    let target = demand.sla_target.availability;
    let replicas = availability::replicas_for(catalog, plan.replicas, work.counts.len(), target);
    let frame = Frame { catalog, demand, work, replicas, gpus: plan.gpu };
    let (device, gpu) = grown_devices(&frame);
    let frame = Frame { gpus: gpu, ..frame };
    let needs = frame.needs(None);
    let needed = needed(&frame, &needs, device);
    let (listed, steps) = (plan.resources(), &catalog.growth);
    let whole =
        |need: u64, good: f64, step: u64| need.max(good.ceil() as u64).div_ceil(step).saturating_mul(step);
    let resources = Resources {
        cpu_millicores: whole(needed.cpu_millicores, needs.cpu.good, steps.cpu_step_millicores)
            .max(listed.cpu_millicores),
        memory_mib: whole(needed.memory_mib, needs.memory.good, steps.memory_step_mib).max(listed.memory_mib),
        gpu,
        storage_gb: whole(needed.storage_gb, 0.0, steps.storage_step_gb).max(listed.storage_gb),
    };
    Fit::new(&frame, Preset::Large, resources, device, true)
}

/// The smallest device type that is offered, from the plan's on, whose number stays within its bound, and the number.
/// A larger type starts where the smaller one ends, so that more work never means fewer devices.
fn grown_devices<'c>(frame: &Frame<'c>) -> (&'c Device, u64) {
    let Frame { catalog, work, replicas, gpus, .. } = *frame;
    let plan = catalog.plan(Preset::Large);
    let mut at_least = gpus;
    if places::gpu_host(catalog, &work.counts).is_some() {
        at_least = at_least.max(u64::from(replicas)).max(frame.fewest_gpus());
    }
    for device in catalog.offered().skip_while(|device| device.name != plan.gpu_type) {
        let count = devices_needed(frame, device).max(at_least);
        if device.up_to_count == 0 || count <= device.up_to_count {
            return (device, count);
        }
        at_least = at_least.max(device.up_to_count + 1);
    }
    // Validation gives the last offered device no bound, so the loop has returned.
    (catalog.device(&plan.gpu_type), at_least)
}

/// What the work needs in the pods and on a type of device.
fn needed(frame: &Frame<'_>, needs: &Needs, device: &Device) -> Resources {
    Resources {
        cpu_millicores: needs.cpu.least.ceil() as u64,
        memory_mib: needs.memory.least.ceil() as u64,
        gpu: devices_needed(frame, device),
        storage_gb: frame.work.storage_gb.ceil() as u64,
    }
}

/// Devices of a type that carry the GPU work within the response time; where no number does, as many
/// as still help.
fn devices_needed(frame: &Frame<'_>, device: &Device) -> u64 {
    let Frame { catalog, demand, work, .. } = *frame;
    let service_time_ms = work.service_time_ms(catalog, device);
    let target_ms = f64::from(demand.response_time_ms());
    let allowed = demand.options.percentile.highest_utilization(service_time_ms, target_ms);
    let load = work.devices(catalog, device);
    let carrying = (load / allowed.max(catalog.gpu.lowest_utilization)).ceil() as u64;
    let lost = frame.lost_devices();
    if carrying == 0 { 0 } else { carrying.saturating_add(lost) }
}

/// Milliseconds below which devices of the plan's type can not bring the figure that has to keep the SLA.
pub(super) fn fastest_response_ms(catalog: &Catalog, demand: &Demand, fit: &Fit) -> f64 {
    demand.options.percentile.response_ms(fit.service_time_ms, catalog.gpu.lowest_utilization)
}

/// Smaller plans that carry the work, if more slowly or losing more calls; dearest first.
pub(super) fn alternatives(catalog: &Catalog, work: &Work, demand: &Demand, fit: &Fit) -> Vec<Alternative> {
    let mut alternatives = Vec::new();
    for preset in Preset::ALL.into_iter().rev().filter(|preset| *preset < fit.preset) {
        let smaller = listed(catalog, preset, work, demand);
        let only_slower = (smaller.shortages(demand).iter())
            .all(|short| matches!(short, Shortage::ResponseTime | Shortage::Blocking));
        let increase = (smaller.response_time_ms / fit.response_time_ms - 1.0) * 100.0;
        if only_slower && increase <= catalog.alternatives.max_response_increase_percent {
            alternatives.push(Alternative {
                preset,
                resources: smaller.resources,
                list_price_usd: cost::list_price(catalog, demand, &smaller),
                performance_impact: Message::new("sizing.response_time_increase")
                    .with("percent", increase.round().max(0.0)),
                misses: misses(catalog, work, demand, &smaller),
            });
        }
    }
    alternatives
}

/// What of the SLA a plan misses that carries the work.
fn misses(catalog: &Catalog, work: &Work, demand: &Demand, fit: &Fit) -> Vec<SlaMiss> {
    let mut misses = Vec::new();
    let mut note = |figure: &str, expected: f64, target: f64| {
        if expected > target {
            misses.push(SlaMiss { figure: figure.to_owned(), expected, target });
        }
    };
    if fit.is_too_slow(demand) {
        note("response_time_ms", fit.response_time_ms, f64::from(demand.response_time_ms()));
    }
    let services = split::services(catalog, work, fit);
    if let Some(plan) = services.iter().find(|plan| plan.service == Service::Stt) {
        let lost = work.turns_on_pod(f64::from(plan.replicas)).blocking(lines_of_pod(catalog, plan));
        note("blocking", lost, work.blocking);
    }
    misses
}
