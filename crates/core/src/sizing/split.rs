//! Dealing the plan out: replicas, requests, limits and GPUs of each service's pods.
//!
//! Limits split the envelope by weight, rounded down, so that the containers always fit it. GPUs go
//! to the services in the catalog's order, one a replica. A service gets them only if every replica
//! gets one, since the pods of one Deployment are alike; the first one gets as many pods as there are
//! GPUs where these are fewer than its replicas. GPUs that are left over make more replicas of the
//! services that have them, as long as each pod's share holds what it asks for.

use super::capacity::Fit;
use super::demand::Work;
use super::{ContainerResources, ServicePlan};
use crate::catalog::{Catalog, ServiceModel};
use crate::tenant::Service;

/// A service's part of the envelope.
struct Part {
    service: Service,
    cpu_millicores: u64,
    memory_mib: u64,
    replicas: u32,
    /// GPUs of each pod.
    gpu: u64,
}

/// The services of a tenant, in listing order.
pub(super) fn services(catalog: &Catalog, work: &Work, fit: &Fit) -> Vec<ServicePlan> {
    let mut parts = parts(catalog, work, fit);
    deal_gpus(catalog, &mut parts, fit.resources.gpu);
    let (asked, steps) = (&catalog.requests, &catalog.limits);
    parts
        .into_iter()
        .zip(work.counts.values())
        .map(|(part, count)| {
            let pods = u64::from(part.replicas);
            let limits = ContainerResources {
                cpu_millicores: rounded_down(part.cpu_millicores / pods, steps.cpu_step_millicores),
                memory_mib: rounded_down(part.memory_mib / pods, steps.memory_step_mib),
                gpu: part.gpu,
            };
            let requests = ContainerResources {
                cpu_millicores: asked.cpu_millicores.min(limits.cpu_millicores),
                memory_mib: asked.memory_mib.min(limits.memory_mib),
                gpu: part.gpu,
            };
            ServicePlan { service: part.service, count: *count, replicas: part.replicas, requests, limits }
        })
        .collect()
}

/// The envelope's CPU and memory by weight, without GPUs.
fn parts(catalog: &Catalog, work: &Work, fit: &Fit) -> Vec<Part> {
    let total = |weight: fn(&ServiceModel) -> u64| -> u64 {
        work.counts.keys().map(|service| weight(catalog.service(*service))).sum()
    };
    let (cpu_weights, memory_weights) = (total(|model| model.cpu_weight), total(|model| model.memory_weight));
    let share = |amount: u64, weight: u64, weights: u64| {
        let share = u128::from(amount) * u128::from(weight) / u128::from(weights.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    };
    let part = |service: &Service| {
        let model = catalog.service(*service);
        Part {
            service: *service,
            cpu_millicores: share(fit.resources.cpu_millicores, model.cpu_weight, cpu_weights),
            memory_mib: share(fit.resources.memory_mib, model.memory_weight, memory_weights),
            replicas: fit.replicas,
            gpu: 0,
        }
    };
    work.counts.keys().map(part).collect()
}

fn deal_gpus(catalog: &Catalog, parts: &mut [Part], gpus: u64) {
    let mut left = gpus;
    let mut takers = Vec::new();
    for service in &catalog.gpu.order {
        let Some(index) = parts.iter().position(|part| part.service == *service) else { continue };
        let part = &mut parts[index];
        if takers.is_empty() && left < u64::from(part.replicas) {
            part.replicas = u32::try_from(left).unwrap_or(u32::MAX);
        }
        if left >= u64::from(part.replicas) {
            left -= u64::from(part.replicas);
            part.gpu = 1;
            takers.push(index);
        }
    }
    let among = takers.len() as u64;
    for (place, index) in takers.into_iter().enumerate() {
        let more = left / among + u64::from((place as u64) < left % among);
        let part = &mut parts[index];
        let room = most_pods(catalog, part).saturating_sub(u64::from(part.replicas));
        let more = u32::try_from(more.min(room)).unwrap_or(u32::MAX);
        part.replicas = part.replicas.saturating_add(more);
    }
}

/// Pods at which a service's part still holds what each of them asks for.
fn most_pods(catalog: &Catalog, part: &Part) -> u64 {
    let asked = &catalog.requests;
    (part.cpu_millicores / asked.cpu_millicores).min(part.memory_mib / asked.memory_mib)
}

/// A whole number of steps where there is at least one.
fn rounded_down(amount: u64, step: u64) -> u64 {
    if amount < step { amount } else { amount - amount % step }
}
