//! Dealing the plan out: replicas, requests, limits and GPUs of each service's pods.
//!
//! Limits split the envelope by weight, rounded down, so that the containers always fit it. GPUs go
//! to the services in the catalog's order, one a replica. A service gets them only if every replica
//! gets one, since pods of one Deployment are alike; what is left over then makes more replicas of the
//! services that have them.

use super::capacity::Fit;
use super::demand::Work;
use super::{ContainerResources, ServicePlan};
use crate::catalog::Catalog;
use crate::tenant::Service;
use std::collections::BTreeMap;

/// CPU limits are whole multiples of this where the share allows.
const CPU_STEP_MILLICORES: u64 = 10;

/// The services of a tenant, in listing order.
pub(super) fn services(catalog: &Catalog, work: &Work, fit: &Fit) -> Vec<ServicePlan> {
    let replicas = replicas(catalog, work, fit);
    let weight = |pick: fn(&crate::catalog::ServiceModel) -> u64| {
        work.counts.keys().map(|service| u128::from(pick(catalog.service(*service)))).sum::<u128>()
    };
    let (cpu_weights, memory_weights) =
        (weight(|model| model.cpu_weight), weight(|model| model.memory_weight));
    let share = |total: u64, part: u64, of: u128, pods: u32| {
        let share = u128::from(total) * u128::from(part) / of.max(1) / u128::from(pods.max(1));
        u64::try_from(share).unwrap_or(u64::MAX)
    };
    work.counts
        .iter()
        .map(|(service, count)| {
            let model = catalog.service(*service);
            let (pods, gpu) = replicas[service];
            let cpu = share(fit.resources.cpu_millicores, model.cpu_weight, cpu_weights, pods);
            let memory = share(fit.resources.memory_mib, model.memory_weight, memory_weights, pods);
            let limits = ContainerResources {
                cpu_millicores: if cpu > CPU_STEP_MILLICORES { cpu - cpu % CPU_STEP_MILLICORES } else { cpu },
                memory_mib: memory,
                gpu,
            };
            let requests = ContainerResources {
                cpu_millicores: catalog.requests.cpu_millicores.min(limits.cpu_millicores),
                memory_mib: catalog.requests.memory_mib.min(limits.memory_mib),
                gpu,
            };
            ServicePlan { service: *service, count: *count, replicas: pods, requests, limits }
        })
        .collect()
}

/// Replicas and GPUs of a pod, by service.
fn replicas(catalog: &Catalog, work: &Work, fit: &Fit) -> BTreeMap<Service, (u32, u64)> {
    let mut replicas: BTreeMap<_, _> =
        work.counts.keys().map(|service| (*service, (fit.replicas, 0_u64))).collect();
    let mut left = fit.resources.gpu;
    let mut with_gpu = Vec::new();
    for service in catalog.gpu.order.iter().filter(|service| work.counts.contains_key(service)) {
        let wanted = u64::from(fit.replicas);
        if left >= wanted {
            left -= wanted;
            replicas.insert(*service, (fit.replicas, 1));
            with_gpu.push(*service);
        } else if with_gpu.is_empty() && left > 0 {
            // Fewer GPUs than replicas: as many pods as there are GPUs.
            replicas.insert(*service, (u32::try_from(left).unwrap_or(u32::MAX), 1));
            left = 0;
            with_gpu.push(*service);
        }
    }
    let takers = with_gpu.len() as u64;
    for (index, service) in with_gpu.into_iter().enumerate() {
        let more = left / takers + u64::from((index as u64) < left % takers);
        if let Some((pods, _)) = replicas.get_mut(&service) {
            *pods = pods.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        }
    }
    replicas
}
