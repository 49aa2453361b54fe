//! Which plan carries the work, and how far a demand over the largest one makes it grow.

use super::demand::Work;
use super::queueing::response_time_ms;
use super::{Alternative, Demand, Sizing, SizingWarning, cost};
use crate::catalog::{Catalog, Device, Plan};
use crate::quantity::Resources;
use crate::tenant::{Preset, SlaTarget};
use crate::text::Message;

/// Utilisation below which adding devices is pointless: the response time is within a tenth of an
/// idle device's. An SLA that asks for less than that can not be bought with devices.
const LOWEST_UTILISATION: f64 = 0.1;

/// A plan, grown or not, with the work on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fit {
    pub preset: Preset,
    /// What the plan holds, growth included.
    pub resources: Resources,
    pub gpu_type: String,
    /// Pods of each service.
    pub replicas: u32,
    /// What the work needs; storage and memory with the containers' base.
    pub needed: Resources,
    /// Utilisation of the GPUs, 0–1 and over.
    pub utilisation: f64,
    /// Milliseconds; infinite where the devices can not keep up.
    pub response_time_ms: f64,
    /// Availability that the replicas reach, 0–1.
    pub availability: f64,
}

/// The smallest plan that carries the work and keeps the SLA, else `large`, grown.
pub(super) fn choose(catalog: &Catalog, work: &Work, sla: &SlaTarget) -> Fit {
    Preset::ALL
        .into_iter()
        .map(|preset| fit(catalog, preset, work, sla))
        .find(|fit| fit.shortages(sla).is_empty())
        .unwrap_or_else(|| grow(catalog, work, sla))
}

/// A plan as listed, with the work on it.
pub(super) fn fit(catalog: &Catalog, preset: Preset, work: &Work, sla: &SlaTarget) -> Fit {
    let plan = catalog.plan(preset);
    fit_with(catalog, plan, plan.resources(), &plan.gpu_type, plan.replicas, work, sla)
}

/// The fit behind a sizing, grown or not.
pub(super) fn fit_of(catalog: &Catalog, sizing: &Sizing, work: &Work, sla: &SlaTarget) -> Fit {
    let plan = catalog.plan(sizing.preset);
    let replicas = replicas_of(plan, &sizing.resources);
    fit_with(catalog, plan, sizing.resources, &sizing.gpu_type, replicas, work, sla)
}

fn fit_with(
    catalog: &Catalog,
    plan: &Plan,
    resources: Resources,
    gpu_type: &str,
    replicas: u32,
    work: &Work,
    sla: &SlaTarget,
) -> Fit {
    let device = catalog.device(gpu_type);
    let load = work.devices(catalog, device);
    let utilisation = load / resources.gpu as f64;
    let needed = needed(catalog, work, u64::from(replicas), device, sla);
    Fit {
        preset: plan.name,
        resources,
        gpu_type: gpu_type.to_owned(),
        replicas,
        needed,
        utilisation,
        response_time_ms: response_time_ms(catalog.gpu.service_time_ms, utilisation),
        availability: 1.0 - (1.0 - catalog.availability.pod_share).powi(replicas.min(64) as i32),
    }
}

/// What the work needs with a number of replicas on a type of device.
fn needed(catalog: &Catalog, work: &Work, replicas: u64, device: &Device, sla: &SlaTarget) -> Resources {
    let containers = work.counts.len() as u64 * replicas;
    let requests = &catalog.requests;
    Resources {
        cpu_millicores: work.cpu_millicores.ceil() as u64 + containers * requests.cpu_millicores,
        memory_mib: work.memory_mib.ceil() as u64 + containers * requests.memory_mib,
        gpu: devices_needed(catalog, work, device, sla),
        storage_gb: work.storage_gb.ceil() as u64,
    }
}

/// Devices of a type that carry the GPU work within the response time; where no number does, as many
/// as still help.
fn devices_needed(catalog: &Catalog, work: &Work, device: &Device, sla: &SlaTarget) -> u64 {
    let load = work.devices(catalog, device);
    let allowed = 1.0 - catalog.gpu.service_time_ms / f64::from(sla.response_time_ms);
    (load / allowed.max(LOWEST_UTILISATION)).ceil() as u64
}

/// `large`, with each resource grown to what the work needs; device type by the number needed.
fn grow(catalog: &Catalog, work: &Work, sla: &SlaTarget) -> Fit {
    let plan = catalog.plan(Preset::Large);
    let (device, gpu) = grown_devices(catalog, plan, work, sla);
    // More replicas need more CPU and memory, which make more replicas: settled after a few rounds,
    // because a replica asks for far less than the envelope that it stands for.
    let mut resources = Resources { gpu, ..plan.resources() };
    let mut replicas = replicas_of(plan, &resources);
    for _ in 0..64 {
        let needed = needed(catalog, work, u64::from(replicas), device, sla);
        resources = Resources {
            cpu_millicores: whole_cores(needed.cpu_millicores).max(resources.cpu_millicores),
            memory_mib: whole_gibibytes(needed.memory_mib).max(resources.memory_mib),
            gpu,
            storage_gb: needed.storage_gb.max(resources.storage_gb),
        };
        let grown = replicas_of(plan, &resources);
        if grown == replicas {
            break;
        }
        replicas = grown;
    }
    fit_with(catalog, plan, resources, &device.name, replicas, work, sla)
}

/// The smallest device type whose number stays within its bound, and the number. A larger type starts
/// where the smaller one ends, so that more work never means fewer devices.
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

/// Pods of each service: the plan's, and more as the envelope's CPU grows over the plan's.
fn replicas_of(plan: &Plan, resources: &Resources) -> u32 {
    let grown = u128::from(plan.replicas) * u128::from(resources.cpu_millicores);
    u32::try_from(grown / u128::from(plan.cpu_millicores)).unwrap_or(u32::MAX).max(plan.replicas)
}

fn whole_cores(millicores: u64) -> u64 {
    millicores.div_ceil(1000) * 1000
}

fn whole_gibibytes(mebibytes: u64) -> u64 {
    mebibytes.div_ceil(1024) * 1024
}

/// Smaller plans that carry the work, if more slowly; dearest first.
pub(super) fn alternatives(catalog: &Catalog, work: &Work, demand: &Demand, fit: &Fit) -> Vec<Alternative> {
    let sla = &demand.sla_target;
    let mut alternatives = Vec::new();
    for preset in Preset::ALL.into_iter().rev().filter(|preset| *preset < fit.preset) {
        let smaller = self::fit(catalog, preset, work, sla);
        let only_slower =
            smaller.shortages(sla).iter().all(|short| matches!(*short, "gpu" | "response_time"));
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

impl Fit {
    /// What is short, by the names that warnings use.
    pub fn shortages(&self, sla: &SlaTarget) -> Vec<&'static str> {
        let (have, need) = (&self.resources, &self.needed);
        let target = f64::from(sla.response_time_ms);
        let short = [
            ("cpu", have.cpu_millicores < need.cpu_millicores),
            ("memory", have.memory_mib < need.memory_mib),
            ("gpu", self.utilisation >= 1.0),
            ("storage", have.storage_gb < need.storage_gb),
            ("response_time", self.utilisation < 1.0 && self.response_time_ms > target),
            ("availability", self.availability < sla.availability.fraction() - 1e-12),
        ];
        short.into_iter().filter_map(|(name, is_short)| is_short.then_some(name)).collect()
    }

    /// A warning for each shortage, naming the plan that would do.
    pub fn warnings(&self, catalog: &Catalog, sla: &SlaTarget, suggested: Preset) -> Vec<SizingWarning> {
        let text = |short: &str| match short {
            "cpu" => Message::new("sizing.short_of_cpu")
                .with("needed", self.needed.cpu_text())
                .with("available", self.resources.cpu_text()),
            "memory" => Message::new("sizing.short_of_memory")
                .with("needed", self.needed.memory_text())
                .with("available", self.resources.memory_text()),
            "gpu" => Message::new("sizing.short_of_gpu")
                .with("needed", self.needed.gpu)
                .with("available", self.resources.gpu),
            "storage" => Message::new("sizing.short_of_storage")
                .with("needed", self.needed.storage_text())
                .with("available", self.resources.storage_text()),
            "availability" => Message::new("sizing.short_of_availability")
                .with("expected", format!("{:.4}%", self.availability * 100.0))
                .with("target", sla.availability),
            _ => {
                let idle = catalog.gpu.service_time_ms;
                let reachable = f64::from(sla.response_time_ms) >= idle / (1.0 - LOWEST_UTILISATION);
                let key = if reachable {
                    "sizing.short_of_response_time"
                } else {
                    "sizing.response_time_unreachable"
                };
                Message::new(key)
                    .with("expected", format!("{:.0}ms", self.response_time_ms))
                    .with("target", format!("{}ms", sla.response_time_ms))
            }
        };
        self.shortages(sla)
            .into_iter()
            .map(|short| SizingWarning {
                message: text(short).with("preset", suggested),
                short_of: short.to_owned(),
                suggested_preset: suggested,
            })
            .collect()
    }
}
