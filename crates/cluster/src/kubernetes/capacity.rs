//! What the nodes of a cluster have and what pods requested of them; pure.
//!
//! Counts as the scheduler does: by allocatable amounts and effective requests. Volumes are not
//! counted: a cluster does not say how much storage its classes can still provide; the catalog may.

use super::devices::{ClaimedDevices, NodeDevices};
use ecp_core::catalog::{Catalog, KubernetesSettings};
use ecp_core::ids::TenantId;
use ecp_core::manifest::GPU_TYPE_LABEL;
use ecp_core::placement::{Absence, App, Node, NodeGpus, Place, Places, Taint, TaintEffect, TenantPod};
use ecp_core::ports::Capacity;
use ecp_core::quantity::{Resources, parse_quantity};
use ecp_core::sizing::ContainerResources;
use serde_json::Value;
use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::{Add, AddAssign};
use std::sync::Arc;

/// The label of the GPU operator's feature discovery.
const GPU_PRODUCT: &str = "nvidia.com/gpu.product";
/// Before the profile of a slice in a product's name.
const MIG: &str = "-MIG-";
/// At the end of the name of a product whose devices are shared by time.
const SHARED: &str = "-SHARED";

/// CPU, memory and GPUs, exact enough to add up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Amounts {
    cpu_millicores: u64,
    memory_bytes: u64,
    gpu: u64,
}

impl Add for Amounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores.saturating_add(other.cpu_millicores),
            memory_bytes: self.memory_bytes.saturating_add(other.memory_bytes),
            gpu: self.gpu.saturating_add(other.gpu),
        }
    }
}

impl AddAssign for Amounts {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Amounts {
    /// Reads a list of resources, such as `requests`; GPUs are those of these names.
    fn of<'n>(list: &Value, gpus: impl IntoIterator<Item = &'n str>) -> Self {
        let thousandths = |name: &str| quantity(&list[name]).unwrap_or(0);
        let whole = |name: &str| bounded(thousandths(name).div_ceil(1000));
        Self {
            cpu_millicores: bounded(thousandths("cpu")),
            memory_bytes: whole("memory"),
            gpu: gpus.into_iter().map(whole).fold(0, u64::saturating_add),
        }
    }

    fn larger(self, other: Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores.max(other.cpu_millicores),
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            gpu: self.gpu.max(other.gpu),
        }
    }

    /// What may be promised of it: in whole MiB, no more than is there.
    fn rounded_down(self) -> ContainerResources {
        let Self { cpu_millicores, memory_bytes, gpu } = self;
        ContainerResources { cpu_millicores, memory_mib: memory_bytes >> 20, gpu }
    }

    /// What it takes: in whole MiB, no less than is asked for.
    fn rounded_up(self) -> ContainerResources {
        ContainerResources { memory_mib: self.memory_bytes.div_ceil(1 << 20), ..self.rounded_down() }
    }
}

fn quantity(value: &Value) -> Option<u128> {
    match value {
        Value::String(text) => parse_quantity(text),
        Value::Number(number) => parse_quantity(&number.to_string()),
        _ => None,
    }
}

fn bounded(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}

/// How GPUs are asked for.
#[derive(Clone, Debug)]
pub(crate) struct GpuResources {
    /// By which extended resources, and which device types have one of their own; none where they are claimed.
    resources: Vec<(String, Option<String>)>,
    /// What is claimed.
    claimed: Option<ClaimedDevices>,
}

impl GpuResources {
    /// As a catalog has them.
    pub(crate) fn of(catalog: &Catalog) -> Self {
        let settings = &catalog.kubernetes;
        let only = |resource: &str| {
            let mut of = settings.gpu_resources.iter().filter(|(_, own)| *own == resource);
            let device = of.next().map(|(device, _)| device.clone());
            device.filter(|_| of.next().is_none() && resource != settings.gpu_resource)
        };
        let claimed = ClaimedDevices::of(catalog);
        let all = settings.all_gpu_resources().into_iter().filter(|_| claimed.is_none());
        let resources = all.map(|resource| (resource.to_owned(), only(resource))).collect();
        Self { resources, claimed }
    }

    /// What is claimed, where GPUs are.
    pub(super) fn claimed(&self) -> Option<&ClaimedDevices> {
        self.claimed.as_ref()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.resources.iter().map(|(resource, _)| resource.as_str())
    }

    /// Of those that a node has, each with its place in the catalog's order.
    fn of_node(&self, node: &Value) -> Vec<(usize, NodeGpus)> {
        let count = |resource: &str| Amounts::of(&node["status"]["allocatable"], [resource]).gpu;
        let gpus = self.resources.iter().enumerate().map(|(place, (resource, device))| {
            let of_labels = || gpu_type(&node["metadata"]["labels"], resource);
            let gpu_type = device.clone().unwrap_or_else(of_labels);
            (place, NodeGpus { gpu_type, asked_as: Some(resource.clone()), count: count(resource) })
        });
        gpus.filter(|(_, gpus)| gpus.count > 0).collect()
    }
}

/// What a node gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    /// What pods are placed by.
    node: Arc<Node>,
    allocatable: Amounts,
    /// Places of its GPUs' resources in the catalog's order.
    gpu_resources: Vec<usize>,
}

impl NodeFacts {
    /// The same node with devices that are claimed.
    fn with_devices(&self, devices: &[(NodeGpus, u64)]) -> Self {
        let gpus: Vec<NodeGpus> = devices.iter().map(|(gpus, _)| gpus.clone()).collect();
        let gpu = gpus.iter().map(|gpus| gpus.count).sum();
        let node = Node {
            gpus,
            allocatable: ContainerResources { gpu, ..self.node.allocatable },
            ..Node::clone(&self.node)
        };
        Self {
            node: Arc::new(node),
            allocatable: Amounts { gpu, ..self.allocatable },
            gpu_resources: Vec::new(),
        }
    }

    /// Reads a Node.
    pub(crate) fn of(node: &Value, gpus: &GpuResources) -> Self {
        let allocatable = Amounts::of(&node["status"]["allocatable"], gpus.names());
        let (gpu_resources, gpus): (Vec<usize>, Vec<NodeGpus>) = gpus.of_node(node).into_iter().unzip();
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        let taint = |taint: &Value| {
            let effect = match taint["effect"].as_str() {
                Some("NoSchedule") => TaintEffect::NoSchedule,
                Some("NoExecute") => TaintEffect::NoExecute,
                // It only prefers that no pods come.
                _ => return None,
            };
            Some(Taint { key: text(&taint["key"]), value: text(&taint["value"]), effect })
        };
        let absence = if !list(&node["status"]["conditions"]).iter().any(is_ready) {
            Some(Absence::NotReady)
        } else if node["spec"]["unschedulable"] == true {
            Some(Absence::Cordoned)
        } else {
            None
        };
        let labels = node["metadata"]["labels"].as_object().into_iter().flatten();
        let max_pods =
            quantity(&node["status"]["allocatable"]["pods"]).map_or(u64::MAX, |pods| bounded(pods / 1000));
        Self {
            node: Arc::new(Node {
                name: text(&node["metadata"]["name"]),
                labels: labels.map(|(key, value)| (key.clone(), text(value))).collect(),
                taints: list(&node["spec"]["taints"]).iter().filter_map(taint).collect(),
                absence,
                gpus,
                allocatable: allocatable.rounded_down(),
                max_pods,
            }),
            allocatable,
            gpu_resources,
        }
    }
}

/// `Tesla-V100-SXM2-32GB` is `v100`: the first part with a digit names the model. Where the resource is a part
/// of a device, the device plugin says which: `NVIDIA-A100-SXM4-80GB-MIG-1g.10gb` is `a100-mig-1g.10gb`, and
/// `Tesla-T4-SHARED` is `t4-shared`. What is said of the resource goes before what is said of the node, whose slices
/// may be of several profiles.
fn gpu_type(labels: &Value, resource: &str) -> String {
    if let Some(own) = labels[GPU_TYPE_LABEL].as_str() {
        return own.to_owned();
    }
    let of_resource = labels[format!("{resource}.product")].as_str();
    type_of_product(of_resource.or_else(|| labels[GPU_PRODUCT].as_str()).unwrap_or("unknown"))
}

/// The device type of a product, as labels name it.
pub(super) fn type_of_product(product: &str) -> String {
    let has_digit = |part: &&str| part.contains(|letter: char| letter.is_ascii_digit());
    let model = product.split('-').find(has_digit).unwrap_or(product);
    let slice = product.split_once(MIG).map(|(_, profile)| format!("{MIG}{profile}"));
    let shared = product.ends_with(SHARED).then(|| SHARED.to_owned());
    let part = slice.or(shared).unwrap_or_default();
    format!("{model}{part}").to_lowercase()
}

/// What a pod takes of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodRequests {
    /// The node it is on; none before it has one.
    node: Option<String>,
    /// What it is a pod of, where it is a tenant's.
    app: Option<App>,
    /// It is on its way out.
    terminating: bool,
    /// It has ended and takes nothing.
    ended: bool,
    requests: Amounts,
    /// GPUs by resource, in the catalog's order; empty where it asks for none.
    gpus: Vec<u64>,
    /// Devices that it claims, of a type; of a tenant's pod.
    claimed: Option<(String, u64)>,
}

impl PodRequests {
    /// Reads a Pod; one that has ended takes nothing.
    pub(crate) fn of(pod: &Value, gpus: &GpuResources) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        let effective = |names: &[&str]| effective(&pod["spec"], names);
        let is_claimed = gpus.claimed().is_some();
        let names: Vec<&str> = gpus.names().collect();
        let mut requests = if ended { Amounts::default() } else { effective(&names) };
        let gpus = match (requests.gpu, &names[..]) {
            (0, _) => Vec::new(),
            (gpu, [_]) => vec![gpu],
            (_, names) => names.iter().map(|name| effective(&[name]).gpu).collect(),
        };
        requests.gpu = gpus.iter().copied().fold(0, u64::saturating_add);
        let claims = pod["spec"]["resourceClaims"].as_array().map_or(0, |claims| claims.len() as u64);
        let gpu_type = pod["metadata"]["labels"][GPU_TYPE_LABEL].as_str();
        let claimed = gpu_type.filter(|_| claims > 0 && !ended).map(|gpu_type| (gpu_type.to_owned(), claims));
        Self {
            node: text(&pod["spec"]["nodeName"]),
            app: pod["metadata"]["labels"]["app"].as_str().and_then(App::parse),
            terminating: pod["metadata"]["deletionTimestamp"].is_string(),
            ended,
            requests,
            gpus,
            claimed: claimed.filter(|_| is_claimed),
        }
    }
}

/// All containers together, or the largest step of the initialization where that needs more; init
/// containers that keep running (sidecars) are part of both. What is asked of the pod as a whole
/// goes before what its containers ask.
fn effective(spec: &Value, gpus: &[&str]) -> Amounts {
    let list = |key: &str| spec[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let asked = |container: &Value| Amounts::of(&container["resources"]["requests"], gpus.iter().copied());
    let mut running = Amounts::default();
    let mut start = Amounts::default();
    for container in list("initContainers") {
        if container["restartPolicy"] == "Always" {
            running += asked(container);
            start = start.larger(running);
        } else {
            start = start.larger(running + asked(container));
        }
    }
    for container in list("containers") {
        running += asked(container);
    }
    let mut sum = running.larger(start);
    let whole = &spec["resources"]["requests"];
    let of_pod = Amounts::of(whole, gpus.iter().copied());
    if !whole["cpu"].is_null() {
        sum.cpu_millicores = of_pod.cpu_millicores;
    }
    if !whole["memory"].is_null() {
        sum.memory_bytes = of_pod.memory_bytes;
    }
    sum + Amounts::of(&spec["overhead"], gpus.iter().copied())
}

/// The sums, and the same node by node. Nodes to which no pod of a tenant could go are left out of the
/// sums, with what others run there; a tenant's pod counts before it has a node and when its node is
/// lost, because it will need one. Where GPUs are claimed, `devices` has those of the nodes.
pub(crate) fn capacity<'a>(
    settings: &KubernetesSettings,
    nodes: impl Iterator<Item = &'a NodeFacts>,
    devices: Option<&NodeDevices>,
    tenants: impl Iterator<Item = (&'a TenantId, &'a PodRequests)>,
    others: impl Iterator<Item = &'a PodRequests>,
) -> Capacity {
    let mut facts: Vec<Cow<'_, NodeFacts>> = nodes.map(Cow::Borrowed).collect();
    facts.sort_by(|a, b| a.node.name.cmp(&b.node.name));
    for node in &mut facts {
        if let Some(of_node) = devices.and_then(|devices| devices.get(&node.node.name)) {
            *node = Cow::Owned(node.with_devices(of_node));
        }
    }
    let mut total = Amounts::default();
    let mut by_name: HashMap<&str, (usize, bool)> = HashMap::new();
    let mut degraded = facts.is_empty();
    for (place, node) in facts.iter().enumerate() {
        let counts = node.node.is_for_tenants(settings);
        by_name.insert(&node.node.name, (place, counts));
        degraded |= node.node.absence.is_some();
        if counts {
            total += node.allocatable;
        }
    }
    let place_of = |pod: &PodRequests| pod.node.as_deref().and_then(|node| by_name.get(node)).copied();

    let (mut used, mut used_by_tenants) = (Amounts::default(), Amounts::default());
    let mut taken = Vec::with_capacity(facts.len());
    for node in &facts {
        let of_node = devices.and_then(|devices| devices.get(&node.node.name));
        let held: Vec<u64> = match of_node {
            Some(devices) => devices.iter().map(|(_, held)| *held).collect(),
            None => vec![0; node.gpu_resources.len()],
        };
        let of_claims = Amounts { gpu: held.iter().sum(), ..Amounts::default() };
        if node.node.is_for_tenants(settings) {
            used += of_claims;
        }
        taken.push((of_claims, 0_u64, held));
    }
    for pod in others.filter(|pod| !pod.ended) {
        let Some((place, counts)) = place_of(pod) else { continue };
        taken[place].0 += pod.requests;
        taken[place].1 += 1;
        for (resource, gpus) in facts[place].gpu_resources.iter().zip(&mut taken[place].2) {
            *gpus = gpus.saturating_add(pod.gpus.get(*resource).copied().unwrap_or(0));
        }
        if counts {
            used += pod.requests;
        }
    }
    let mut places = Places::default();
    for (id, pod) in tenants.filter(|(_, pod)| !pod.ended) {
        let place = place_of(pod);
        let mut requests = pod.requests;
        if let Some((_, devices)) = &pod.claimed {
            requests.gpu = requests.gpu.saturating_add(*devices);
        }
        if place.is_some_and(|(_, counts)| counts) || !pod.terminating {
            used_by_tenants += requests;
        }
        places.tenants.entry(id.clone()).or_default().push(TenantPod {
            node: place.map(|(place, _)| place),
            app: pod.app,
            requests: requests.rounded_up(),
            gpus: place.and_then(|(place, _)| {
                if let Some((gpu_type, _)) = &pod.claimed {
                    return facts[place].node.gpus_asked_as(gpu_type);
                }
                let is_asked = |resource: &usize| pod.gpus.get(*resource).is_some_and(|gpus| *gpus > 0);
                facts[place].gpu_resources.iter().position(is_asked)
            }),
            leaving: pod.terminating,
        });
    }
    used += used_by_tenants;
    let nodes = facts.iter().zip(taken).map(|(node, (taken, pods, taken_gpus))| Place {
        node: node.node.clone(),
        taken: taken.rounded_up(),
        taken_gpus,
        pods,
    });
    places.nodes = nodes.collect();
    let storage_gb = settings.storage_capacity_gb;
    Capacity {
        status: if degraded { "degraded" } else { "healthy" }.to_owned(),
        total: Resources { storage_gb, ..total.rounded_down().into() },
        used: used.rounded_up().into(),
        used_by_tenants: used_by_tenants.rounded_up().into(),
        places,
    }
}

#[cfg(test)]
mod tests;
