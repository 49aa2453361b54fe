//! Dealing the plan out: replicas, requests, limits and GPUs of each service's pods.
//!
//! Every container first gets what it asks of the scheduler, then what its work needs, level by level,
//! then the rest of the plan goes by the services' weights: a service whose need is over its weight's
//! share keeps its need, and the others share what that leaves. Limits are whole steps, and no pod is
//! larger than a node.

use super::capacity::Fit;
use super::demand::Work;
use super::needs::{Levels, Need, weight};
use super::{ContainerResources, ServicePlan};
use crate::catalog::Catalog;

/// What one service's pods get of a resource, each: what it asks of the scheduler, what it needs level by level
/// on top of that, and of the rest by weight.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Dealt {
    pub asked: u64,
    pub least: u64,
    pub fed: u64,
    pub good: u64,
    pub rest: u64,
}

impl Dealt {
    pub fn sum(&self) -> u64 {
        self.asked + self.least + self.fed + self.good + self.rest
    }
}

/// CPU and memory of each service's pods, in listing order.
pub(super) fn dealt(catalog: &Catalog, fit: &Fit) -> Vec<(Dealt, Dealt)> {
    let needs = &fit.needs.services;
    let (asked, steps, node) = (&catalog.requests, &catalog.limits, &catalog.nodes);
    let parts = |level: fn(&Need) -> Levels, memory: bool| -> Vec<Part> {
        let part = |need: &Need| {
            let weight = weight(catalog.service(need.service), memory);
            Part { pods: u64::from(need.pods), weight, levels: level(need) }
        };
        needs.iter().map(part).collect()
    };
    let cpu =
        Deal { step: steps.cpu_step_millicores, request: asked.cpu_millicores, most: node.cpu_millicores };
    let memory = Deal { step: steps.memory_step_mib, request: asked.memory_mib, most: node.memory_mib };
    let cpu = cpu.deal(fit.resources.cpu_millicores, &parts(|need| need.cpu, false));
    cpu.into_iter().zip(memory.deal(fit.resources.memory_mib, &parts(|need| need.memory, true))).collect()
}

/// The services of a tenant, in listing order.
pub(super) fn services(catalog: &Catalog, work: &Work, fit: &Fit) -> Vec<ServicePlan> {
    let asked = &catalog.requests;
    (fit.needs.services.iter().zip(dealt(catalog, fit)))
        .map(|(need, (cpu, memory))| {
            let (cpu_millicores, memory_mib) = (cpu.sum(), memory.sum());
            let limits = ContainerResources { cpu_millicores, memory_mib, gpu: need.gpu };
            let requests = ContainerResources {
                cpu_millicores: asked.cpu_millicores.min(cpu_millicores),
                memory_mib: asked.memory_mib.min(memory_mib),
                gpu: need.gpu,
            };
            let count = work.counts.get(&need.service).copied().unwrap_or(0);
            ServicePlan { service: need.service, count, replicas: need.pods, requests, limits }
        })
        .collect()
}

/// One service's claim on a resource.
struct Part {
    pods: u64,
    weight: u64,
    /// Of each pod.
    levels: Levels,
}

/// How one resource is dealt.
struct Deal {
    step: u64,
    request: u64,
    most: u64,
}

impl Deal {
    /// What each pod of each part gets of an envelope.
    fn deal(&self, envelope: u64, parts: &[Part]) -> Vec<Dealt> {
        let mut each = vec![self.request; parts.len()];
        let mut dealt = vec![Dealt { asked: self.request, ..Dealt::default() }; parts.len()];
        let mut note = |each: &[u64], before: &[u64], amount: fn(&mut Dealt) -> &mut u64| {
            for (dealt, (has, had)) in dealt.iter_mut().zip(each.iter().zip(before)) {
                *amount(dealt) = has.saturating_sub(*had);
            }
        };
        type Level = (fn(&Levels) -> f64, fn(&mut Dealt) -> &mut u64);
        let levels: [Level; 3] = [
            (|levels| levels.least, |dealt| &mut dealt.least),
            (|levels| levels.fed, |dealt| &mut dealt.fed),
            (|levels| levels.good, |dealt| &mut dealt.good),
        ];
        for (level, amount) in levels {
            let before = each.clone();
            let wanted = |part: &Part| self.rounded_up(level(&part.levels)).min(self.most.max(self.request));
            self.raise(envelope, parts, &mut each, wanted);
            note(&each, &before, amount);
        }
        let before = each.clone();
        self.rest(envelope, parts, &mut each);
        note(&each, &before, |dealt| &mut dealt.rest);
        dealt
    }

    /// Gives every part what it wants, or all of them the same share of it.
    fn raise(&self, envelope: u64, parts: &[Part], each: &mut [u64], wanted: impl Fn(&Part) -> u64) {
        let left = envelope.saturating_sub(taken(parts, each));
        let missing: Vec<u64> =
            parts.iter().zip(each.iter()).map(|(part, has)| wanted(part).saturating_sub(*has)).collect();
        let sum: u128 =
            missing.iter().zip(parts).map(|(more, part)| u128::from(*more) * u128::from(part.pods)).sum();
        for (has, more) in each.iter_mut().zip(&missing) {
            *has += if sum <= u128::from(left) {
                *more
            } else {
                let share = u128::from(*more) * u128::from(left) / sum;
                let share = u64::try_from(share).unwrap_or(u64::MAX);
                share - share % self.step
            };
        }
    }

    /// Deals by weight what no need has taken.
    fn rest(&self, envelope: u64, parts: &[Part], each: &mut [u64]) {
        let has = |each: &[u64], index: usize| u128::from(each[index]) * u128::from(parts[index].pods);
        // Those over their weight's share keep what they have; the others share what that leaves.
        let mut sharing: Vec<usize> = (0..parts.len()).collect();
        let mut wanted: Vec<u128> = (0..parts.len()).map(|index| has(each, index)).collect();
        while !sharing.is_empty() {
            let kept: u128 =
                (0..parts.len()).filter(|index| !sharing.contains(index)).map(|index| has(each, index)).sum();
            let amount = u128::from(envelope).saturating_sub(kept);
            let weights: u128 = sharing.iter().map(|index| u128::from(parts[*index].weight)).sum();
            let share = |index: usize| amount * u128::from(parts[index].weight) / weights.max(1);
            let (below, over): (Vec<usize>, Vec<usize>) =
                sharing.iter().partition(|index| has(each, **index) <= share(**index));
            if over.is_empty() {
                for index in below {
                    wanted[index] = share(index);
                }
                break;
            }
            sharing = below;
        }
        for (index, part) in parts.iter().enumerate() {
            let target =
                u64::try_from(wanted[index] / u128::from(part.pods)).unwrap_or(u64::MAX).min(self.most);
            let whole = if target < self.step { target } else { target - target % self.step };
            each[index] = each[index].max(whole);
        }
        // What rounding left goes out in whole steps, first to whom it is owed most.
        for _ in 0..4 * parts.len() {
            let left = envelope.saturating_sub(taken(parts, each));
            let fits = |index: &usize| {
                let unit = self.step.saturating_mul(parts[*index].pods);
                unit <= left
                    && each[*index].saturating_add(self.step) <= self.most
                    && each[*index] >= self.step
            };
            let owed = |index: &usize| wanted[*index].saturating_sub(has(each, *index));
            let Some(next) = (0..parts.len()).filter(fits).filter(|index| owed(index) > 0).max_by_key(owed)
            else {
                break;
            };
            each[next] += self.step;
        }
    }

    fn rounded_up(&self, amount: f64) -> u64 {
        // The last bits of a division are no reason for another step.
        let whole = (amount - 1e-6).ceil().max(0.0) as u64;
        whole.div_ceil(self.step).saturating_mul(self.step)
    }
}

fn taken(parts: &[Part], each: &[u64]) -> u64 {
    let sum: u128 = parts.iter().zip(each).map(|(part, has)| u128::from(part.pods) * u128::from(*has)).sum();
    u64::try_from(sum).unwrap_or(u64::MAX)
}
