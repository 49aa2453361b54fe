//! Whether a tenant's pods have somewhere to go: node by node, as a scheduler looks at them.
//!
//! Counted are nodes that are ready, take pods, and whose taints and labels the pods accept; what is
//! taken there by others, by the pods of accepted tenants, and by those pods of theirs that are still
//! to come. The pods are put first-fit, the largest first. Pure: who asks, and when, is
//! [`crate::tenancy`]'s; what nodes and pods there are is the cluster's.

mod headroom;
mod nodes;
mod promise;
mod room;
mod shortage;

pub use headroom::{Headroom, MOST_TRIED, headroom, without_largest_node};
pub use nodes::NodeUse;
pub use shortage::{Counted, LeftOut, LeftOutReason, Shortage, Shortfall};

use crate::catalog::{Catalog, KubernetesSettings, TolerationSettings};
use crate::ids::TenantId;
use crate::manifest;
use crate::ports::Capacity;
use crate::quantity::Resources;
use crate::sizing::{ContainerResources, Sizing};
use crate::tenant::{Service, Tenant, TenantStatus};
use room::Room;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

/// What a taint does to a pod that does not tolerate it; one that only prefers no pods does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TaintEffect {
    /// New pods stay away.
    NoSchedule,
    /// Pods that are there go, too.
    NoExecute,
}

impl TaintEffect {
    /// The spelling of Kubernetes.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoSchedule => "NoSchedule",
            Self::NoExecute => "NoExecute",
        }
    }
}

/// A taint that keeps pods off a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    /// Its key.
    pub key: String,
    /// Its value; may be empty.
    pub value: String,
    /// What it does.
    pub effect: TaintEffect,
}

impl Taint {
    fn is_tolerated(&self, tolerations: &[&TolerationSettings]) -> bool {
        tolerations.iter().any(|toleration| {
            toleration.key == self.key
                && toleration.value.as_ref().is_none_or(|value| *value == self.value)
                && toleration.effect.as_ref().is_none_or(|effect| effect == self.effect.as_str())
        })
    }
}

impl fmt::Display for Taint {
    /// As `kubectl taint` spells it: `dedicated=db:NoSchedule`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equals = if self.value.is_empty() { "" } else { "=" };
        write!(f, "{}{equals}{}:{}", self.key, self.value, self.effect.as_str())
    }
}

/// Why a node takes no new pods at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// Its kubelet does not answer; its pods will need another place.
    NotReady,
    /// It is cordoned; its pods stay.
    Cordoned,
}

/// What does not change when pods come and go on a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Taints that keep pods off.
    pub taints: Vec<Taint>,
    /// Why it takes no new pods at all; none where it does.
    pub absence: Option<Absence>,
    /// Its GPUs, those of each name apart.
    pub gpus: Vec<NodeGpus>,
    /// What pods can ask of it, all together; GPUs of every name.
    pub allocatable: ContainerResources,
    /// Pods that it can run.
    pub max_pods: u64,
}

/// GPUs of a node that are asked for by one name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeGpus {
    /// Their device type, such as `v100`.
    pub gpu_type: String,
    /// The name by which they are asked for; none where any will do.
    pub asked_as: Option<String>,
    /// How many there are.
    pub count: u64,
}

impl Node {
    /// The device type of which it has most; none where it has no GPUs.
    pub fn gpu_type(&self) -> Option<&str> {
        // The first of equals.
        let most = self.gpus.iter().rev().max_by_key(|gpus| gpus.count)?;
        Some(&most.gpu_type)
    }

    /// Place in [`Self::gpus`] of those that are asked for by a name.
    pub fn gpus_asked_as(&self, name: &str) -> Option<usize> {
        self.gpus.iter().position(|gpus| gpus.asked_as.as_deref().is_none_or(|own| own == name))
    }

    /// Whether pods of any tenant could come here: with a GPU or without.
    pub fn is_for_tenants(&self, settings: &KubernetesSettings) -> bool {
        self.left_out(settings).is_none()
    }
}

/// A node, and what pods that are no tenant's take of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The node.
    pub node: Arc<Node>,
    /// What they requested, GPUs of every name.
    pub taken: ContainerResources,
    /// GPUs that they requested, in the order of the node's; none are taken of those that are left out.
    pub taken_gpus: Vec<u64>,
    /// How many they are.
    pub pods: u64,
}

impl Place {
    /// What they left of the node's GPUs, by the place in its list.
    fn free_gpus(&self) -> impl Iterator<Item = u64> {
        let taken = self.taken_gpus.iter().copied().chain(std::iter::repeat(0));
        self.node.gpus.iter().zip(taken).map(|(gpus, taken)| gpus.count.saturating_sub(taken))
    }
}

/// A workload of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum App {
    /// A service's Deployment.
    Service(Service),
    /// The tenant's redis.
    Redis,
}

impl App {
    /// Value of its pods' `app` label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Service(service) => service.as_str(),
            Self::Redis => "redis",
        }
    }

    /// Reads the label.
    pub fn parse(label: &str) -> Option<Self> {
        if label == Self::Redis.as_str() { Some(Self::Redis) } else { label.parse().ok().map(Self::Service) }
    }
}

/// A tenant's pod that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TenantPod {
    /// Place of its node in [`Places::nodes`]; none before it has one, or where the node is gone.
    pub node: Option<usize>,
    /// What it is a pod of, where it is known.
    pub app: Option<App>,
    /// What it requested.
    pub requests: ContainerResources,
    /// Which of its node's GPUs, as a place in [`Node::gpus`]; none without GPUs, or where the node has none
    /// of the name that it asked for.
    pub gpus: Option<usize>,
    /// It is on its way out.
    pub leaving: bool,
}

/// Pods of one workload that a tenant is to have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PodDemand {
    /// The workload.
    pub app: App,
    /// How many.
    pub replicas: u32,
    /// What each asks of its node.
    pub requests: ContainerResources,
}

/// Nodes, and who is on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places {
    /// The nodes, in an order of their own.
    pub nodes: Vec<Place>,
    /// Pods of tenants.
    pub tenants: HashMap<TenantId, Vec<TenantPod>>,
    /// A selector's label that no node has is passed over: the simulated nodes have none of those
    /// that an operator gave the real ones.
    pub known_labels_only: bool,
    /// Why nobody can tell what devices nodes have; none where that is known.
    pub devices_unknown: Option<&'static str>,
}

/// Whole GPUs of one device type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gpus {
    /// On nodes that tenants' pods could go to.
    pub total: u64,
    /// Requested there, by whoever's pods.
    pub requested: u64,
}

impl Places {
    /// GPUs by device type, on nodes that tenants' pods could go to.
    pub fn gpus(&self, settings: &KubernetesSettings) -> BTreeMap<&str, Gpus> {
        let mut requested: Vec<Vec<u64>> = self.nodes.iter().map(|place| place.taken_gpus.clone()).collect();
        for (place, requested) in self.nodes.iter().zip(&mut requested) {
            requested.resize(place.node.gpus.len(), 0);
        }
        for pod in self.tenants.values().flatten() {
            let of_node = pod.node.and_then(|node| requested.get_mut(node));
            if let Some(taken) = of_node.zip(pod.gpus).and_then(|(of_node, gpus)| of_node.get_mut(gpus)) {
                *taken += pod.requests.gpu;
            }
        }
        let mut by_type: BTreeMap<&str, Gpus> = BTreeMap::new();
        for (place, requested) in self.nodes.iter().zip(requested) {
            if !place.node.is_for_tenants(settings) {
                continue;
            }
            for (of_node, requested) in place.node.gpus.iter().zip(requested) {
                let gpus = by_type.entry(&of_node.gpu_type).or_default();
                gpus.total += of_node.count;
                gpus.requested += requested;
            }
        }
        by_type
    }
}

/// What keeps a tenant's pods to some nodes, from the catalog; the renderer writes the same into
/// their templates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Constraint<'a> {
    /// Labels that the node has.
    pub selector: BTreeMap<&'a str, &'a str>,
    /// Taints that are tolerated.
    pub tolerations: Vec<&'a TolerationSettings>,
    /// The name by which GPUs are asked for; none of pods without.
    pub gpus_asked_as: Option<String>,
}

impl<'a> Constraint<'a> {
    /// Of pods with or without a GPU, for a tenant of that device type.
    pub fn of(settings: &'a KubernetesSettings, gpu_type: &str, has_gpu: bool) -> Self {
        let nodes = &settings.nodes;
        let mut selector: BTreeMap<&str, &str> = pairs(&nodes.selector).collect();
        let mut tolerations: Vec<_> = nodes.tolerations.iter().collect();
        if has_gpu {
            selector.extend(nodes.gpu_selectors.get(gpu_type).into_iter().flat_map(pairs));
            tolerations.extend(&nodes.gpu_tolerations);
        }
        let gpus_asked_as = has_gpu.then(|| settings.gpus_asked_as(gpu_type).to_owned());
        Self { selector, tolerations, gpus_asked_as }
    }

    /// Which of a node's GPUs these pods ask for, as a place in its list.
    fn gpus_of(&self, node: &Node) -> Option<usize> {
        node.gpus_asked_as(self.gpus_asked_as.as_deref()?)
    }

    /// Whether a node's GPUs, where it has some, are asked for as these pods do.
    fn takes_gpus_of(&self, node: &Node) -> bool {
        self.gpus_asked_as.is_none() || node.gpus.is_empty() || self.gpus_of(node).is_some()
    }
}

fn pairs(labels: &BTreeMap<String, String>) -> impl Iterator<Item = (&str, &str)> {
    labels.iter().map(|(key, value)| (key.as_str(), value.as_str()))
}

/// Whether a tenant of this size has room beside every other one that was accepted: its pods by what they
/// ask for, node by node, and by what they may use, over all nodes. `accepted` may hold the tenant as it was
/// before; what it has then is free for it, and is never too much.
///
/// # Errors
/// What is short, by how much, and why nodes were left out.
pub fn admit(
    catalog: &Catalog,
    capacity: &Capacity,
    accepted: &[Arc<Tenant>],
    id: &TenantId,
    sizing: &Sizing,
) -> Result<(), Box<Shortage>> {
    let others = || accepted.iter().filter(|tenant| tenant.id != *id);
    let before = accepted.iter().find(|tenant| tenant.id == *id);
    let mut room = Room::new(&catalog.kubernetes, &capacity.places);
    let promise = promise::shortfalls(catalog, &mut room, accepted, id, sizing);
    let mut shortage = Shortage::default();
    if before.is_none_or(|before| asks_for_more(catalog, &before.sizing, sizing)) {
        room.take_what_is_there(id);
        let staying = others().filter(|tenant| tenant.status != TenantStatus::Deleting);
        room.reserve(staying.map(|tenant| (&tenant.id, &tenant.sizing)), catalog);
        shortage = room.place_tenant(id, sizing, catalog);
    }
    shortage.promise(promise);

    // A cluster that does not say how much storage it has is not asked for it.
    let total = capacity.total.storage_gb;
    let storage = |sizing: &Sizing| manifest::quota(&catalog.kubernetes, &sizing.resources).storage_gb;
    let had = before.map_or(0, |before| storage(&before.sizing));
    if total > 0 && storage(sizing) > had {
        let taken: u64 = others().map(|tenant| storage(&tenant.sizing)).fold(0, u64::saturating_add);
        shortage.storage(storage(sizing), total.saturating_sub(taken));
    }
    if shortage.short.is_empty() { Ok(()) } else { Err(Box::new(shortage)) }
}

/// Whether one size needs more of any resource than another: what its pods ask for, what they may use, or
/// what the plan stores. GPUs of another device type are another resource.
pub fn needs_more(catalog: &Catalog, before: &Sizing, after: &Sizing) -> bool {
    let (had, wants) = (manifest::limits(catalog, before), manifest::limits(catalog, after));
    asks_for_more(catalog, before, after)
        || wants.gpu > 0 && before.gpu_type != after.gpu_type
        || is_more(&had, &wants)
}

/// The same by what the scheduler sees: GPUs that the catalog tells apart by labels of their nodes are
/// different resources.
fn asks_for_more(catalog: &Catalog, before: &Sizing, after: &Sizing) -> bool {
    let (had, wants) =
        (manifest::requested_resources(catalog, before), manifest::requested_resources(catalog, after));
    let gpu_nodes = |sizing: &Sizing| Constraint::of(&catalog.kubernetes, &sizing.gpu_type, true).selector;
    let asked_as = [before, after].map(|sizing| catalog.kubernetes.gpus_asked_as(&sizing.gpu_type));
    let other_gpus = wants.gpu > 0 && (gpu_nodes(before) != gpu_nodes(after) || asked_as[0] != asked_as[1]);
    other_gpus || is_more(&had, &wants)
}

fn is_more(had: &Resources, wants: &Resources) -> bool {
    wants.cpu_millicores > had.cpu_millicores
        || wants.memory_mib > had.memory_mib
        || wants.gpu > had.gpu
        || wants.storage_gb > had.storage_gb
}

#[cfg(test)]
mod tests;
