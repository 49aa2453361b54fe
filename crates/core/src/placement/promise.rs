//! What tenants were promised altogether, against what nodes have.
//!
//! The scheduler looks at requests, which are a small part of what pods may use: nodes that have room by
//! requests may have been promised many times. So a tenant also counts with what its pods may use at most,
//! and the sum of all stays within what nodes have, times the catalog's factors. GPUs count by device type:
//! a node serves the types whose labels the catalog looks for; where it looks for none, the node's own
//! type, or every type where that is none of the catalog's.

use super::room::{Resource, Room};
use super::shortage::{Counted, Shortfall};
use super::{Absence, App, NodeGpus, PodDemand, TenantPod};
use crate::catalog::Catalog;
use crate::ids::TenantId;
use crate::manifest;
use crate::sizing::{ContainerResources, Sizing};
use crate::tenant::{Tenant, TenantStatus};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// CPU, memory, and GPUs by device type.
#[derive(Clone, Debug, Default, PartialEq)]
struct Amounts {
    /// Of all pods, or of the nodes that any pod can go to.
    all: ContainerResources,
    /// Of pods without a GPU, or of the nodes that these can go to.
    plain: ContainerResources,
    /// GPUs of one type.
    gpu: BTreeMap<String, u64>,
    /// GPUs that any type may be.
    any_gpu: u64,
}

impl Amounts {
    /// Adds a number of pods, with GPUs of a type, where that is known.
    fn add(&mut self, pod: &ContainerResources, pods: u32, gpu_type: Option<&str>) {
        let pods = u64::from(pods);
        grow(&mut self.all, pod, pods);
        if pod.gpu == 0 {
            return grow(&mut self.plain, pod, pods);
        }
        let gpus = match gpu_type {
            Some(gpu_type) => self.gpu.entry(gpu_type.to_owned()).or_default(),
            None => &mut self.any_gpu,
        };
        *gpus = gpus.saturating_add(pod.gpu.saturating_mul(pods));
    }

    fn add_tenant(&mut self, catalog: &Catalog, sizing: &Sizing) {
        for PodDemand { replicas, requests: may_use, .. } in manifest::pod_limits(catalog, sizing) {
            self.add(&may_use, replicas, Some(&sizing.gpu_type));
        }
    }

    fn of_type(&self, gpu_type: &str) -> u64 {
        self.gpu.get(gpu_type).copied().unwrap_or(0)
    }
}

fn grow(sum: &mut ContainerResources, pod: &ContainerResources, pods: u64) {
    let plus = |sum: u64, each: u64| sum.saturating_add(each.saturating_mul(pods));
    sum.cpu_millicores = plus(sum.cpu_millicores, pod.cpu_millicores);
    sum.memory_mib = plus(sum.memory_mib, pod.memory_mib);
    sum.gpu = plus(sum.gpu, pod.gpu);
}

/// What of a tenant's promise is more than nodes have left beside everyone else's. `accepted` may hold the
/// tenant as it was before: of what it had then it may have as much as before, however short nodes are.
pub(super) fn shortfalls(
    catalog: &Catalog,
    room: &mut Room<'_>,
    accepted: &[Arc<Tenant>],
    id: &TenantId,
    sizing: &Sizing,
) -> Vec<Shortfall> {
    let tenants: HashMap<&TenantId, &Tenant> =
        accepted.iter().map(|tenant| (&tenant.id, tenant.as_ref())).collect();
    let mut taken = Amounts::default();
    for tenant in accepted.iter().filter(|tenant| tenant.id != *id) {
        if tenant.status != TenantStatus::Deleting {
            taken.add_tenant(catalog, &tenant.sizing);
        }
    }
    // Who leaves, or is not known any more, has what its pods have while they are there.
    for (other, pods) in room.places.tenants.iter().filter(|(other, _)| *other != id) {
        let tenant = tenants.get(other).copied();
        if tenant.is_some_and(|tenant| tenant.status != TenantStatus::Deleting) {
            continue;
        }
        for pod in pods {
            let Some(place) = pod.node.and_then(|node| room.places.nodes.get(node)) else { continue };
            let of_node = pod.gpus.and_then(|gpus| place.node.gpus.get(gpus));
            let of_node = of_node.map(|gpus| &*gpus.gpu_type).filter(|of_node| is_known(catalog, of_node));
            let gpu_type = tenant.map(|tenant| tenant.sizing.gpu_type.as_str()).or(of_node);
            taken.add(&may_use(catalog, tenant, pod), 1, gpu_type);
        }
    }
    let (mut had, mut wants) = (Amounts::default(), Amounts::default());
    if let Some(before) = tenants.get(id) {
        had.add_tenant(catalog, &before.sizing);
    }
    wants.add_tenant(catalog, sizing);
    let supply = supply(catalog, room, &tenants);
    let gpu_type = &*sizing.gpu_type;
    let missing =
        |wanted: u64, had: u64, left: u64| if wanted > had { wanted.saturating_sub(left) } else { 0 };
    let of = |pick: fn(&ContainerResources) -> u64| {
        let of_nodes = |part: fn(&Amounts) -> &ContainerResources| {
            let [wanted, had, all, taken] =
                [&wants, &had, &supply, &taken].map(|amounts| pick(part(amounts)));
            missing(wanted, had, all.saturating_sub(taken))
        };
        (pick(&wants.all), of_nodes(|amounts| &amounts.all).max(of_nodes(|amounts| &amounts.plain)))
    };
    let gpus = wants.of_type(gpu_type);
    let short = [
        (Resource::Cpu, of(|amounts| amounts.cpu_millicores)),
        (Resource::Memory, of(|amounts| amounts.memory_mib)),
        (Resource::Gpu, (gpus, missing(gpus, had.of_type(gpu_type), gpus_left(&supply, &taken, gpu_type)))),
    ];
    short
        .into_iter()
        .filter(|(_, (_, missing))| *missing > 0)
        .map(|(resource, (wanted, missing))| Shortfall::new(resource, Counted::Limits, wanted, missing))
        .collect()
}

/// GPUs of a type that are left: its own, and those of any type that no other type takes.
fn gpus_left(supply: &Amounts, taken: &Amounts, gpu_type: &str) -> u64 {
    let beyond = |of_type: &str| taken.of_type(of_type).saturating_sub(supply.of_type(of_type));
    let shared = taken.gpu.keys().map(|of_type| beyond(of_type)).fold(taken.any_gpu, u64::saturating_add);
    let own = supply.of_type(gpu_type).saturating_sub(taken.of_type(gpu_type));
    own.saturating_add(supply.any_gpu.saturating_sub(shared))
}

/// What a pod that is there may use: what its workload's pods may, or what it asked for where that is
/// not known.
fn may_use(catalog: &Catalog, tenant: Option<&Tenant>, pod: &TenantPod) -> ContainerResources {
    let limits = tenant.zip(pod.app).and_then(|(tenant, app)| match app {
        App::Redis => Some(catalog.kubernetes.redis.limits()),
        App::Service(service) => {
            let plan = tenant.sizing.services.iter().find(|plan| plan.service == service);
            plan.map(|plan| plan.limits)
        }
    });
    limits.unwrap_or(pod.requests)
}

/// What nodes have for tenants' pods, times the catalog's factors. A node that takes no new pods has what
/// those that stay there may use.
fn supply(catalog: &Catalog, room: &mut Room<'_>, tenants: &HashMap<&TenantId, &Tenant>) -> Amounts {
    let plain_class = room.class("", false);
    let classes: Vec<(&str, usize)> =
        catalog.offered().map(|device| (&*device.name, room.class(&device.name, true))).collect();
    let mut stays: Vec<(Amounts, Vec<u64>)> =
        room.places.nodes.iter().map(|place| (Amounts::default(), vec![0; place.node.gpus.len()])).collect();
    for (id, pods) in &room.places.tenants {
        for pod in pods {
            let Some((sum, gpus)) = pod.node.and_then(|node| stays.get_mut(node)) else { continue };
            let may_use = may_use(catalog, tenants.get(id).copied(), pod);
            sum.add(&may_use, 1, None);
            if let Some(gpus) = pod.gpus.and_then(|place| gpus.get_mut(place)) {
                *gpus = gpus.saturating_add(may_use.gpu);
            }
        }
    }
    let factors = &catalog.overcommit;
    let mut supply = Amounts::default();
    for (index, (place, (stays, gpus_that_stay))) in room.places.nodes.iter().zip(&stays).enumerate() {
        let node = &place.node;
        let takes_plain = room.is_open(plain_class, index);
        let takes_gpus = classes.iter().any(|(_, class)| room.is_open(*class, index));
        let is_lost = node.absence == Some(Absence::NotReady);
        let bounded = |takes: bool, stays: u64, most: u64| match (takes, is_lost) {
            (true, _) => most,
            (false, true) => 0,
            (false, false) => most.min(stays),
        };
        let (free, taken) = (&node.allocatable, &place.taken);
        let cpu = scaled(free.cpu_millicores.saturating_sub(taken.cpu_millicores), factors.cpu);
        let memory = scaled(free.memory_mib.saturating_sub(taken.memory_mib), factors.memory);
        for (sum, takes, stays) in [
            (&mut supply.all, takes_plain || takes_gpus, &stays.all),
            (&mut supply.plain, takes_plain, &stays.plain),
        ] {
            let cpu_millicores = bounded(takes, stays.cpu_millicores, cpu);
            let memory_mib = bounded(takes, stays.memory_mib, memory);
            grow(sum, &ContainerResources { cpu_millicores, memory_mib, gpu: 0 }, 1);
        }
        let free_gpus = node.gpus.iter().zip(place.free_gpus()).zip(gpus_that_stay);
        for (kind, ((of_node, free), stays)) in free_gpus.enumerate() {
            let serves: Vec<&str> = (classes.iter())
                .filter(|(gpu_type, class)| {
                    room.classes[*class].takes(index, kind)
                        && is_of_type(catalog, of_node, gpu_type)
                        && (!takes_gpus || room.is_open(*class, index))
                })
                .map(|(gpu_type, _)| *gpu_type)
                .collect();
            let gpus = |factor: f64| bounded(takes_gpus, *stays, scaled(free, factor));
            match serves[..] {
                [] => {}
                [gpu_type] => {
                    *supply.gpu.entry(gpu_type.to_owned()).or_default() += gpus(factors.gpu_of(gpu_type));
                }
                _ => supply.any_gpu += gpus(1.0),
            }
        }
    }
    supply
}

/// Whether GPUs of a node are of a type that the catalog offers, or may be.
fn is_of_type(catalog: &Catalog, of_node: &NodeGpus, gpu_type: &str) -> bool {
    let looked_for = catalog.kubernetes.nodes.gpu_selectors.contains_key(gpu_type);
    looked_for || of_node.gpu_type == gpu_type || !is_known(catalog, &of_node.gpu_type)
}

fn is_known(catalog: &Catalog, gpu_type: &str) -> bool {
    catalog.offered().any(|device| device.name == gpu_type)
}

fn scaled(amount: u64, factor: f64) -> u64 {
    if factor == 1.0 { amount } else { (amount as f64 * factor).floor() as u64 }
}
