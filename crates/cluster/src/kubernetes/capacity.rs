//! What the nodes of a cluster have and what pods requested of them; pure.
//!
//! Counts as the scheduler does: by allocatable amounts and effective requests. Volumes are not
//! counted: a cluster does not say how much storage its classes can still provide.

use ecp_core::ports::Capacity;
use ecp_core::quantity::{Resources, parse_quantity};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::ops::{Add, AddAssign};

/// The label of the GPU operator's feature discovery.
const GPU_PRODUCT: &str = "nvidia.com/gpu.product";
/// A device type as the catalog spells it, for nodes that an operator labels by hand.
const GPU_TYPE: &str = "ecp.ai/gpu-type";
/// The label that all of a tenant's objects have.
const TENANT: &str = "ecp.ai/tenant";
/// Nodes with these taints run the cluster itself, not its users' pods.
const CONTROL_PLANE: [&str; 2] = ["node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master"];

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
    /// Reads a list of resources, such as `requests`.
    fn of(list: &Value, gpu_resource: &str) -> Self {
        let thousandths = |name: &str| quantity(&list[name]).unwrap_or(0);
        let whole = |name: &str| thousandths(name).div_ceil(1000);
        Self {
            cpu_millicores: bounded(thousandths("cpu")),
            memory_bytes: bounded(whole("memory")),
            gpu: bounded(whole(gpu_resource)),
        }
    }

    fn larger(self, other: Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores.max(other.cpu_millicores),
            memory_bytes: self.memory_bytes.max(other.memory_bytes),
            gpu: self.gpu.max(other.gpu),
        }
    }

    fn resources(self, memory_mib: u64) -> Resources {
        Resources { cpu_millicores: self.cpu_millicores, memory_mib, gpu: self.gpu, storage_gb: 0 }
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

/// What a node gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NodeFacts {
    /// Its name.
    pub(crate) name: String,
    /// Its kubelet answers and its pods can run.
    pub(crate) ready: bool,
    /// It takes new pods (is not cordoned).
    pub(crate) schedulable: bool,
    /// It is there for the cluster itself.
    control_plane: bool,
    allocatable: Amounts,
    /// Type of its GPUs, as the catalog spells it where it knows it (`v100`); none without GPUs.
    pub(crate) gpu_type: Option<String>,
}

impl NodeFacts {
    /// Reads a Node; `gpu_resource` is what its GPUs are called, such as `nvidia.com/gpu`.
    pub(crate) fn of(node: &Value, gpu_resource: &str) -> Self {
        let allocatable = Amounts::of(&node["status"]["allocatable"], gpu_resource);
        let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
        let is_ready = |condition: &Value| condition["type"] == "Ready" && condition["status"] == "True";
        let is_reserved = |taint: &Value| {
            taint["effect"] != "PreferNoSchedule"
                && taint["key"].as_str().is_some_and(|key| CONTROL_PLANE.contains(&key))
        };
        Self {
            name: node["metadata"]["name"].as_str().unwrap_or_default().to_owned(),
            ready: list(&node["status"]["conditions"]).iter().any(is_ready),
            schedulable: node["spec"]["unschedulable"] != true,
            control_plane: list(&node["spec"]["taints"]).iter().any(is_reserved),
            allocatable,
            gpu_type: (allocatable.gpu > 0).then(|| gpu_type(&node["metadata"]["labels"])),
        }
    }

    fn counts(&self) -> bool {
        self.ready && self.schedulable && !self.control_plane
    }
}

/// `Tesla-V100-SXM2-32GB` is `v100`: the first part with a digit names the model.
fn gpu_type(labels: &Value) -> String {
    if let Some(own) = labels[GPU_TYPE].as_str() {
        return own.to_owned();
    }
    let product = labels[GPU_PRODUCT].as_str().unwrap_or("unknown");
    let has_digit = |part: &&str| part.contains(|letter: char| letter.is_ascii_digit());
    product.split('-').find(has_digit).unwrap_or(product).to_lowercase()
}

/// What a pod takes of its node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PodRequests {
    /// The node it is on; none before it has one.
    pub(crate) node: Option<String>,
    /// The tenant it belongs to, if it is ours.
    pub(crate) tenant: Option<String>,
    /// It is on its way out.
    terminating: bool,
    requests: Amounts,
}

impl PodRequests {
    /// Reads a Pod; one that has ended takes nothing.
    pub(crate) fn of(pod: &Value, gpu_resource: &str) -> Self {
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let ended = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
        Self {
            node: text(&pod["spec"]["nodeName"]),
            tenant: text(&pod["metadata"]["labels"][TENANT]),
            terminating: pod["metadata"]["deletionTimestamp"].is_string(),
            requests: if ended { Amounts::default() } else { effective(&pod["spec"], gpu_resource) },
        }
    }
}

/// All containers together, or the largest step of the initialization where that needs more; init
/// containers that keep running (sidecars) are part of both. What is asked of the pod as a whole
/// goes before what its containers ask.
fn effective(spec: &Value, gpu_resource: &str) -> Amounts {
    let list = |key: &str| spec[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let asked = |container: &Value| Amounts::of(&container["resources"]["requests"], gpu_resource);
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
    let of_pod = Amounts::of(whole, gpu_resource);
    if !whole["cpu"].is_null() {
        sum.cpu_millicores = of_pod.cpu_millicores;
    }
    if !whole["memory"].is_null() {
        sum.memory_bytes = of_pod.memory_bytes;
    }
    sum + Amounts::of(&spec["overhead"], gpu_resource)
}

/// The sums. Nodes that are not ready or take no pods are left out, with what others run there; a
/// tenant's pod counts before it has a node and when its node is lost, because it will need one.
pub(crate) fn capacity<'a>(
    nodes: impl Iterator<Item = &'a NodeFacts>,
    pods: impl Iterator<Item = &'a PodRequests>,
) -> Capacity {
    let mut total = Amounts::default();
    let mut gpu_by_type: BTreeMap<String, u64> = BTreeMap::new();
    let mut counted: HashMap<&str, bool> = HashMap::new();
    let mut degraded = false;
    for node in nodes {
        counted.insert(&node.name, node.counts());
        degraded |= !node.ready || !node.schedulable;
        if node.counts() {
            total += node.allocatable;
            if let Some(gpu_type) = &node.gpu_type {
                *gpu_by_type.entry(gpu_type.clone()).or_default() += node.allocatable.gpu;
            }
        }
    }
    let (mut used, mut used_by_tenants) = (Amounts::default(), Amounts::default());
    for pod in pods {
        let on_counted_node =
            pod.node.as_ref().is_some_and(|node| counted.get(node.as_str()).copied().unwrap_or(false));
        let ours = pod.tenant.is_some() && (on_counted_node || !pod.terminating);
        if ours {
            used_by_tenants += pod.requests;
        }
        if ours || on_counted_node {
            used += pod.requests;
        }
    }
    let used_resources = |amounts: Amounts| amounts.resources(amounts.memory_bytes.div_ceil(1 << 20));
    let status = if degraded || counted.is_empty() { "degraded" } else { "healthy" };
    Capacity {
        status: status.to_owned(),
        total: total.resources(total.memory_bytes >> 20),
        used: used_resources(used),
        used_by_tenants: used_resources(used_by_tenants),
        gpu_by_type: gpu_by_type.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests;
