//! What a tenant takes of a cluster: quantities, requests, and the quota that bounds them.

use super::Scope;
use crate::catalog::{Catalog, KubernetesSettings};
use crate::placement::{App, PodDemand};
use crate::quantity::{Resources, memory_text};
use crate::sizing::{ContainerResources, Sizing};
use k8s_openapi::api::core::v1::ResourceRequirements;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use std::collections::BTreeMap;

/// The pods that a tenant is to have, as the scheduler sees them: those of its redis and of its
/// services.
pub fn pod_demands(catalog: &Catalog, sizing: &Sizing) -> Vec<PodDemand> {
    let redis = PodDemand { app: App::Redis, replicas: 1, requests: catalog.kubernetes.redis.requests() };
    let services = sizing.services.iter().map(|plan| PodDemand {
        app: App::Service(plan.service),
        replicas: plan.replicas,
        requests: plan.requests,
    });
    std::iter::once(redis).chain(services).collect()
}

/// The same pods with what each may use at most, in place of what it asks for.
pub fn pod_limits(catalog: &Catalog, sizing: &Sizing) -> Vec<PodDemand> {
    let limits = sizing.services.iter().map(|plan| plan.limits);
    let limits = std::iter::once(catalog.kubernetes.redis.limits()).chain(limits);
    let with = |(demand, limits): (PodDemand, ContainerResources)| PodDemand { requests: limits, ..demand };
    pod_demands(catalog, sizing).into_iter().zip(limits).map(with).collect()
}

/// What a tenant's pods ask of the scheduler, redis among them; the storage is that of the plan.
pub fn requested_resources(catalog: &Catalog, sizing: &Sizing) -> Resources {
    let pods = pod_demands(catalog, sizing);
    let sum = (pods.iter().map(|demand| times(demand.requests, demand.replicas)))
        .fold(Resources::default(), |sum, pods| sum.plus(&pods));
    Resources { storage_gb: sizing.resources.storage_gb, ..sum }
}

/// What a tenant's pods may use at most, redis among them.
pub fn limits(catalog: &Catalog, sizing: &Sizing) -> Resources {
    let redis = times(catalog.kubernetes.redis.limits(), 1);
    sizing
        .services
        .iter()
        .map(|plan| times(plan.limits, plan.replicas))
        .fold(redis, |sum, pods| sum.plus(&pods))
}

/// What the namespace may use at most: the plan, and redis on top. There is no room for more pods
/// while a roll-out is under way, so a roll-out replaces pods instead of adding any.
pub(crate) fn quota(settings: &KubernetesSettings, plan: &Resources) -> Resources {
    let redis = &settings.redis;
    let storage_bytes = u128::from(redis.storage_gib) << 30;
    let storage_gb = u64::try_from(storage_bytes.div_ceil(1_000_000_000)).unwrap_or(u64::MAX);
    plan.plus(&Resources { storage_gb, ..times(redis.limits(), 1) })
}

/// The same for a number of pods.
pub(super) fn times(pod: ContainerResources, pods: u32) -> Resources {
    let pods = u64::from(pods);
    Resources {
        cpu_millicores: pod.cpu_millicores * pods,
        memory_mib: pod.memory_mib * pods,
        gpu: pod.gpu * pods,
        storage_gb: 0,
    }
}

/// `resources` of a container.
pub(super) fn requirements(
    scope: &Scope<'_>,
    requests: ContainerResources,
    limits: ContainerResources,
) -> ResourceRequirements {
    let claims = scope.settings.claims().filter(|_| limits.gpu > 0);
    // What is claimed is no amount.
    let gpus_left = |amounts: ContainerResources| match claims {
        Some(_) => ContainerResources { gpu: 0, ..amounts },
        None => amounts,
    };
    ResourceRequirements {
        claims: claims.map(|_| super::claims::of_container(limits.gpu)),
        limits: Some(quantities(scope.gpu_resource(), gpus_left(limits))),
        requests: Some(quantities(scope.gpu_resource(), gpus_left(requests))),
    }
}

pub(super) fn cpu(millicores: u64) -> Quantity {
    Quantity(format!("{millicores}m"))
}

pub(super) fn memory(mib: u64) -> Quantity {
    Quantity(memory_text(mib))
}

/// GPUs are left out where there are none: a container that asks for 0 of a resource that the
/// cluster does not know is refused by some versions.
pub(super) fn quantities(gpu_resource: &str, amounts: ContainerResources) -> BTreeMap<String, Quantity> {
    let mut quantities = BTreeMap::from([
        ("cpu".to_owned(), cpu(amounts.cpu_millicores)),
        ("memory".to_owned(), memory(amounts.memory_mib)),
    ]);
    if amounts.gpu > 0 {
        quantities.insert(gpu_resource.to_owned(), Quantity(amounts.gpu.to_string()));
    }
    quantities
}
