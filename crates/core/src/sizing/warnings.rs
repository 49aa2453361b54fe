//! What a plan is expected to be short of, in words, with the way out.

use super::capacity::{self, Fit, Shortage, fastest_response_ms};
use super::needs::Need;
use super::report::lines_of_pod;
use super::{Model, ServicePlan, SizingWarning, availability};
use crate::tenant::Service;
use crate::text::Message;

/// What would do instead of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Remedy {
    /// A larger plan.
    Larger,
    /// The largest plan, grown; a plan that is named does not grow.
    Grown,
}

/// A warning for each shortage of the plan that is given; `enough` is the one that the calculator would
/// choose.
pub(super) fn warnings(model: &Model<'_>, enough: &Fit, services: &[ServicePlan]) -> Vec<SizingWarning> {
    let fit = &model.fit;
    // A plan that is named does not grow, the larger one neither.
    let still_short = capacity::listed(model.catalog, enough.preset, &model.work, model.demand);
    let still_short = still_short.shortages(model.demand);
    let lost = lost_turns(model, services);
    let is_lossy = lost > tolerated_turns(model);
    let mut shortages = fit.shortages(model.demand);
    // The sums of a plan say that it may be short; what its pods lose says whether it is.
    shortages.retain(|shortage| *shortage != Shortage::Blocking);
    if is_lossy && !shortages.contains(&Shortage::Cpu) {
        let place = shortages.iter().take_while(|shortage| **shortage != Shortage::Availability).count();
        shortages.insert(place, Shortage::Blocking);
    }
    shortages
        .into_iter()
        .map(|shortage| {
            let service = short_service(model, shortage, services);
            let of_cpu = shortage == Shortage::Blocking && still_short.contains(&Shortage::Cpu);
            let is_grown = enough.preset == fit.preset || of_cpu || still_short.contains(&shortage);
            let remedy = if is_grown { Remedy::Grown } else { Remedy::Larger };
            let message = message(model, shortage, remedy, lost).with("preset", enough.preset);
            let message = match service {
                Some(service) => message.with("service", service),
                None => message.with("service", "-"),
            };
            SizingWarning {
                message,
                short_of: shortage.as_str().to_owned(),
                service,
                suggested_preset: (!is_unreachable(model, shortage)).then_some(enough.preset),
            }
        })
        .collect()
}

/// The service that a shortage hits: whose pods get least of what they need, or whose requests are most
/// of what the GPUs can not carry in time.
fn short_service(model: &Model<'_>, shortage: Shortage, services: &[ServicePlan]) -> Option<Service> {
    let worst = |need: fn(&Need) -> f64, has: fn(&ServicePlan) -> u64| {
        let met = |(need_of, plan): &(&Need, &ServicePlan)| has(plan) as f64 / need(need_of).max(1e-9);
        let pairs = model.fit.needs.services.iter().zip(services);
        pairs.min_by(|left, right| met(left).total_cmp(&met(right))).map(|(need, _)| need.service)
    };
    match shortage {
        Shortage::Cpu => worst(|need| need.cpu.least, |plan| plan.limits.cpu_millicores),
        Shortage::Blocking => worst(|need| need.cpu.good, |plan| plan.limits.cpu_millicores),
        Shortage::Memory => worst(|need| need.memory.least, |plan| plan.limits.memory_mib),
        Shortage::Gpu | Shortage::ResponseTime => {
            let device = model.catalog.device(&model.fit.gpu_type);
            let load = |service: &Service| {
                model.work.caused.get(service).map_or(0.0, |caused| caused.devices(model.catalog, device))
            };
            let services = model.work.caused.keys().copied();
            services.max_by(|left, right| load(left).total_cmp(&load(right)))
        }
        Shortage::Storage | Shortage::Availability | Shortage::Survival => None,
    }
}

/// Share of the spoken turns that the pods as they are rendered lose.
fn lost_turns(model: &Model<'_>, services: &[ServicePlan]) -> f64 {
    let pods = services.iter().find(|plan| plan.service == Service::Stt);
    pods.map_or(0.0, |plan| {
        model.work.turns_on_pod(f64::from(plan.replicas)).blocking(lines_of_pod(model.catalog, plan))
    })
}

/// The share over which a plan is warned of: the target where one was named, else what the catalog says,
/// which is never below it.
fn tolerated_turns(model: &Model<'_>) -> f64 {
    let target = model.work.blocking;
    if model.demand.options.blocking.is_some() {
        target
    } else {
        target.max(model.catalog.cpu.stt_blocking_warned_of)
    }
}

/// Whether no plan helps, however large.
fn is_unreachable(model: &Model<'_>, shortage: Shortage) -> bool {
    let Model { catalog, demand, fit, .. } = model;
    match shortage {
        Shortage::ResponseTime => {
            f64::from(demand.response_time_ms()) < fastest_response_ms(catalog, demand, fit).ceil()
        }
        Shortage::Availability => {
            demand.sla_target.availability > availability::highest(catalog, model.work.counts.len())
        }
        _ => false,
    }
}

fn message(model: &Model<'_>, shortage: Shortage, remedy: Remedy, lost_turns: f64) -> Message {
    let Model { catalog, demand, fit, .. } = model;
    let sla = &demand.sla_target;
    let new = |larger, grown| Message::new(if remedy == Remedy::Larger { larger } else { grown });
    let (needed, plan) = (&fit.needed, &fit.resources);
    match shortage {
        Shortage::Cpu => new("sizing.short_of_cpu", "sizing.short_of_cpu_in_largest")
            .with("needed", needed.cpu_text())
            .with("available", plan.cpu_text()),
        Shortage::Memory => new("sizing.short_of_memory", "sizing.short_of_memory_in_largest")
            .with("needed", needed.memory_text())
            .with("available", plan.memory_text()),
        Shortage::Gpu => new("sizing.short_of_gpu", "sizing.short_of_gpu_in_largest")
            .with("needed", needed.gpu)
            .with("available", plan.gpu),
        Shortage::Storage => new("sizing.short_of_storage", "sizing.short_of_storage_in_largest")
            .with("needed", needed.storage_text())
            .with("available", plan.storage_text()),
        Shortage::ResponseTime => {
            let fastest = fastest_response_ms(catalog, demand, fit).ceil();
            let message = if is_unreachable(model, shortage) {
                Message::new("sizing.response_time_unreachable").with("fastest", format!("{fastest}ms"))
            } else {
                new("sizing.short_of_response_time", "sizing.short_of_response_time_in_largest")
            };
            message
                .with("expected", format!("{:.0}ms", fit.response_time_ms.ceil()))
                .with("target", format!("{}ms", demand.response_time_ms()))
        }
        Shortage::Blocking => new("sizing.short_of_blocking", "sizing.short_of_blocking_in_largest")
            .with("needed", format!("{:.0}m", fit.needs.cpu.good.ceil()))
            .with("available", plan.cpu_text())
            .with("expected", percent(lost_turns))
            .with("target", percent(model.work.blocking)),
        Shortage::Survival => new("sizing.short_of_survival", "sizing.short_of_survival_in_largest"),
        Shortage::Availability => {
            let highest = availability::highest(catalog, model.work.counts.len());
            let message = if is_unreachable(model, shortage) {
                Message::new("sizing.availability_unreachable").with("highest", highest)
            } else {
                new("sizing.short_of_availability", "sizing.short_of_availability_in_largest")
            };
            message.with("expected", percent(1.0 - fit.unavailability)).with("target", sla.availability)
        }
    }
}

/// A share in percent, rounded down to the four decimals that availabilities have.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.4}", (share * 1e6 + 1e-6).floor() / 1e4);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}
