//! The nodes of the simulated cluster: what they have, what is taken, and which one a pod gets.

use ecp_core::manifest::GPU_TYPE_LABEL;
use ecp_core::placement::{self, NodeGpus, Place};
use ecp_core::quantity::Resources;
use ecp_core::sizing::ContainerResources;
use ecp_core::text::Message;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// What the simulated cluster consists of; a section of the configuration file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SimulatedNodes {
    /// Groups of equal nodes.
    pub pools: Vec<NodePool>,
    /// Storage of the whole cluster in GB (10⁹ bytes).
    pub storage_gb: u64,
}

/// Equal nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodePool {
    /// First part of the nodes' names.
    pub name: String,
    /// How many.
    pub nodes: u32,
    /// Allocatable CPU of each in thousandths of a core.
    pub cpu_millicores: u64,
    /// Allocatable memory of each in MiB.
    pub memory_mib: u64,
    /// GPUs of each.
    #[serde(default)]
    pub gpu: u64,
    /// Their type, as the catalog spells it; needed where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_type: Option<String>,
}

impl Default for SimulatedNodes {
    /// 32 nodes of 125 cores, 512 GiB and 8 GPUs: 4,000 cores, 16 TiB, 64 T4, 128 V100 and 64 L40S;
    /// 1 PB of storage.
    fn default() -> Self {
        let pool = |gpu_type: &str, nodes| NodePool {
            name: format!("demo-{gpu_type}"),
            nodes,
            cpu_millicores: 125_000,
            memory_mib: 512 * 1024,
            gpu: 8,
            gpu_type: Some(gpu_type.to_owned()),
        };
        Self { pools: vec![pool("t4", 8), pool("v100", 16), pool("l40s", 8)], storage_gb: 1_000_000 }
    }
}

impl SimulatedNodes {
    /// Everything that is wrong with it, for the check of the whole configuration.
    pub fn faults(&self) -> Vec<Message> {
        let mut faults = Vec::new();
        if self.pools.iter().all(|pool| pool.nodes == 0) {
            faults.push(Message::new("config.pools_empty"));
        }
        let mut names: Vec<&str> = self.pools.iter().map(|pool| pool.name.as_str()).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair[0] == pair[1]) {
            faults.push(Message::new("config.pools_alike"));
        }
        for pool in &self.pools {
            let mut fault = |text| faults.push(Message::new(text).with("pool", pool.name.escape_debug()));
            if !is_label(&pool.name) {
                fault("config.pool_name");
            }
            if pool.cpu_millicores == 0 || pool.memory_mib == 0 {
                fault("config.pool_without_room");
            }
            if pool.gpu > 0 && pool.gpu_type.is_none() {
                fault("config.pool_without_gpu_type");
            }
        }
        let nodes: u64 = self.pools.iter().map(|pool| u64::from(pool.nodes)).sum();
        if nodes > 10_000 {
            faults.push(Message::new("config.pools_too_large").with("nodes", nodes));
        }
        faults
    }
}

/// True of what can be the first part of a node's name.
fn is_label(name: &str) -> bool {
    /// A label's 63, less a dash and the node's number.
    const LONGEST: usize = 57;
    let known = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST).contains(&name.len()) && name.bytes().all(known) && !name.starts_with('-')
}

/// One node.
#[derive(Serialize, Deserialize)]
struct Node {
    /// As the configuration has it.
    #[serde(skip)]
    facts: Arc<placement::Node>,
    used: ContainerResources,
    /// When each image is, or was, there.
    images: HashMap<Arc<str>, u64>,
    /// Images are pulled one after the other, as kubelets do; when the next can begin.
    pulls_until: u64,
}

/// All nodes.
#[derive(Serialize, Deserialize)]
pub(super) struct Nodes {
    nodes: Vec<Node>,
    /// What they were made of. What was kept before it was noted stood on the default.
    #[serde(default)]
    plan: SimulatedNodes,
}

/// What a pod asks of its node.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) requests: ContainerResources,
    pub(super) selector: &'a BTreeMap<String, String>,
    /// How the resource of its GPUs is called.
    pub(super) gpu_resource: &'a str,
}

impl Nodes {
    pub(super) fn new(plan: &SimulatedNodes) -> Self {
        let nodes = plan.pools.iter().flat_map(|pool| {
            (0..pool.nodes).map(move |number| {
                let mut labels =
                    BTreeMap::from([("kubernetes.io/hostname".into(), format!("{}-{number}", pool.name))]);
                if let Some(gpu_type) = &pool.gpu_type {
                    labels.insert(GPU_TYPE_LABEL.into(), gpu_type.clone());
                }
                let allocatable = ContainerResources {
                    cpu_millicores: pool.cpu_millicores,
                    memory_mib: pool.memory_mib,
                    gpu: pool.gpu,
                };
                let of_type = pool.gpu_type.iter().filter(|_| pool.gpu > 0);
                let gpus = of_type.map(|gpu_type| NodeGpus {
                    gpu_type: gpu_type.clone(),
                    asked_as: None,
                    count: pool.gpu,
                });
                let facts = placement::Node {
                    name: format!("{}-{number}", pool.name),
                    labels,
                    gpus: gpus.collect(),
                    allocatable,
                    max_pods: u64::MAX,
                    ..placement::Node::default()
                };
                Node {
                    facts: Arc::new(facts),
                    used: ContainerResources::default(),
                    images: HashMap::new(),
                    pulls_until: 0,
                }
            })
        });
        Self { nodes: nodes.collect(), plan: plan.clone() }
    }

    /// Takes over what the others' configuration says of them; false where it says something else.
    pub(super) fn are_those_of(&mut self, others: &Self) -> bool {
        if self.plan != others.plan || self.nodes.len() != others.nodes.len() {
            return false;
        }
        for (node, other) in self.nodes.iter_mut().zip(&others.nodes) {
            node.facts = other.facts.clone();
        }
        true
    }

    /// Counts what pods have that were placed, whatever was counted before; false where one is on a node that is not
    /// there.
    pub(super) fn count<'p>(
        &mut self,
        placed: impl Iterator<Item = (usize, &'p ContainerResources)>,
    ) -> bool {
        self.nodes.iter_mut().for_each(|node| node.used = ContainerResources::default());
        for (node, requests) in placed {
            let Some(node) = self.nodes.get_mut(node) else { return false };
            add(&mut node.used, requests);
        }
        true
    }

    /// Takes what is asked from the node that is least taken afterwards, or says as the scheduler
    /// does why none has it.
    pub(super) fn place(&mut self, ask: &Ask<'_>) -> Result<usize, String> {
        let selector = self.known_selector(ask.selector);
        let best = self
            .nodes
            .iter()
            .enumerate()
            .filter(|(_, node)| node.matches(&selector) && node.lacks(&ask.requests) == [false; 3])
            .map(|(index, node)| (index, node.share_after(&ask.requests)))
            .min_by(|(_, a), (_, b)| a.total_cmp(b));
        let Some((index, _)) = best else { return Err(self.refusal(ask, &selector)) };
        add(&mut self.nodes[index].used, &ask.requests);
        Ok(index)
    }

    /// Gives back what a pod had.
    pub(super) fn release(&mut self, node: usize, requests: &ContainerResources) {
        let used = &mut self.nodes[node].used;
        used.cpu_millicores -= requests.cpu_millicores;
        used.memory_mib -= requests.memory_mib;
        used.gpu -= requests.gpu;
    }

    /// When the image is on the node, where pulling it takes `pull_ms`; who asks later for the same
    /// image waits for the same pull.
    pub(super) fn image_ready_at(&mut self, node: usize, image: &Arc<str>, now: u64, pull_ms: u64) -> u64 {
        let node = &mut self.nodes[node];
        if let Some(&at) = node.images.get(image) {
            return at.max(now);
        }
        let at = node.pulls_until.max(now) + pull_ms;
        node.pulls_until = at;
        node.images.insert(image.clone(), at);
        at
    }

    /// The scheduler's sentence for a pod that no node takes, whatever there is.
    pub(super) fn nothing_left(&self, ask: &Ask<'_>) -> String {
        let resource = if ask.requests.gpu > 0 { ask.gpu_resource } else { "cpu" };
        let count = self.nodes.len();
        format!("0/{count} nodes are available: {count} Insufficient {resource}")
    }

    /// A node's name.
    pub(super) fn name(&self, node: usize) -> String {
        self.nodes.get(node).map(|node| node.facts.name.clone()).unwrap_or_default()
    }

    /// Everything there is.
    pub(super) fn total(&self) -> Resources {
        let sum = self.sum(|node| &node.facts.allocatable);
        Resources { storage_gb: self.plan.storage_gb, ..sum }
    }

    /// What pods requested.
    pub(super) fn used(&self) -> Resources {
        self.sum(|node| &node.used)
    }

    /// The nodes as pods are placed on them; all pods are tenants'.
    pub(super) fn places(&self) -> Vec<Place> {
        let place = |node: &Node| Place {
            node: node.facts.clone(),
            taken: ContainerResources::default(),
            taken_gpus: Vec::new(),
            pods: 0,
        };
        self.nodes.iter().map(place).collect()
    }

    fn sum(&self, part: impl Fn(&Node) -> &ContainerResources) -> Resources {
        let mut sum = ContainerResources::default();
        for node in &self.nodes {
            add(&mut sum, part(node));
        }
        Resources {
            cpu_millicores: sum.cpu_millicores,
            memory_mib: sum.memory_mib,
            gpu: sum.gpu,
            storage_gb: 0,
        }
    }

    /// An operator's selector names labels of the real nodes; those that no simulated node has say
    /// nothing here.
    fn known_selector<'a>(&self, selector: &'a BTreeMap<String, String>) -> Vec<(&'a str, &'a str)> {
        selector
            .iter()
            .filter(|(key, _)| self.nodes.iter().any(|node| node.facts.labels.contains_key(*key)))
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    fn refusal(&self, ask: &Ask<'_>, selector: &[(&str, &str)]) -> String {
        let (mut lacking, mut unselected) = ([0_usize; 3], 0_usize);
        for node in &self.nodes {
            if !node.matches(selector) {
                unselected += 1;
                continue;
            }
            for (count, lacks) in lacking.iter_mut().zip(node.lacks(&ask.requests)) {
                *count += usize::from(lacks);
            }
        }
        let resources = ["cpu", "memory", ask.gpu_resource];
        let mut parts: Vec<String> = lacking
            .iter()
            .zip(resources)
            .filter(|(count, _)| **count > 0)
            .map(|(count, resource)| format!("{count} Insufficient {resource}"))
            .collect();
        if unselected > 0 {
            parts.push(format!("{unselected} node(s) didn't match Pod's node affinity/selector"));
        }
        format!("0/{} nodes are available: {}", self.nodes.len(), parts.join(", "))
    }
}

impl Node {
    fn matches(&self, selector: &[(&str, &str)]) -> bool {
        selector.iter().all(|(key, value)| self.facts.labels.get(*key).is_some_and(|has| has == value))
    }

    /// Whether CPU, memory and GPUs are too few.
    fn lacks(&self, asked: &ContainerResources) -> [bool; 3] {
        let (has, used) = (&self.facts.allocatable, &self.used);
        [
            used.cpu_millicores.saturating_add(asked.cpu_millicores) > has.cpu_millicores,
            used.memory_mib.saturating_add(asked.memory_mib) > has.memory_mib,
            // Pods that ask for no GPU do not care how many are left.
            asked.gpu > 0 && used.gpu.saturating_add(asked.gpu) > has.gpu,
        ]
    }

    /// How much of the node is taken once the pod is there: the mean of what the pod asks for.
    fn share_after(&self, asked: &ContainerResources) -> f64 {
        let share = |used: u64, asked: u64, has: u64| (used + asked) as f64 / has.max(1) as f64;
        let (has, used) = (&self.facts.allocatable, &self.used);
        let cpu = share(used.cpu_millicores, asked.cpu_millicores, has.cpu_millicores);
        let memory = share(used.memory_mib, asked.memory_mib, has.memory_mib);
        if asked.gpu == 0 {
            return (cpu + memory) / 2.0;
        }
        (cpu + memory + share(used.gpu, asked.gpu, has.gpu)) / 3.0
    }
}

fn add(sum: &mut ContainerResources, part: &ContainerResources) {
    sum.cpu_millicores += part.cpu_millicores;
    sum.memory_mib += part.memory_mib;
    sum.gpu += part.gpu;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(gpu: u64, selector: &BTreeMap<String, String>) -> Ask<'_> {
        let requests = ContainerResources { cpu_millicores: 200, memory_mib: 512, gpu };
        Ask { requests, selector, gpu_resource: "nvidia.com/gpu" }
    }

    #[test]
    fn nodes_of_another_plan_are_others_even_where_they_are_as_many() {
        let mut kept = Nodes::new(&SimulatedNodes::default());
        assert!(kept.are_those_of(&Nodes::new(&SimulatedNodes::default())));
        let mut smaller = SimulatedNodes::default();
        smaller.pools[0].cpu_millicores = 8000;
        assert!(!kept.are_those_of(&Nodes::new(&smaller)));
    }

    #[test]
    fn the_default_is_a_generous_demo_cluster() {
        let nodes = Nodes::new(&SimulatedNodes::default());
        let total = nodes.total();
        assert_eq!((total.cpu_millicores, total.memory_mib), (4_000_000, 16 * 1024 * 1024));
        assert_eq!((total.gpu, total.storage_gb), (256, 1_000_000));
        let by_type = [("l40s".to_owned(), 64), ("t4".to_owned(), 64), ("v100".to_owned(), 128)];
        let places = placement::Places { nodes: nodes.places(), ..placement::Places::default() };
        let settings = ecp_core::catalog::Catalog::embedded().kubernetes;
        let gpus = places.gpus(&settings).into_iter().map(|(name, gpus)| (name.to_owned(), gpus.total));
        assert_eq!(gpus.collect::<Vec<_>>(), by_type);
        assert_eq!(SimulatedNodes::default().faults(), []);
    }

    #[test]
    fn pods_spread_until_the_gpus_are_gone_and_the_refusal_reads_like_the_schedulers() {
        let mut nodes = Nodes::new(&SimulatedNodes::default());
        let none = BTreeMap::new();
        let first: Vec<usize> = (0..32).map(|_| nodes.place(&ask(1, &none)).expect("room")).collect();
        assert_eq!(first, (0..32).collect::<Vec<_>>());
        for _ in 32..256 {
            nodes.place(&ask(1, &none)).expect("room");
        }
        let refusal = nodes.place(&ask(1, &none)).expect_err("no GPU is left");
        assert_eq!(refusal, "0/32 nodes are available: 32 Insufficient nvidia.com/gpu");
        nodes.place(&ask(0, &none)).expect("a pod without GPU still fits");
        nodes.release(7, &ask(1, &none).requests);
        assert_eq!(nodes.place(&ask(1, &none)), Ok(7));
    }

    #[test]
    fn a_selector_is_honoured_where_its_label_is_known_and_ignored_elsewhere() {
        let mut nodes = Nodes::new(&SimulatedNodes::default());
        let l40s = BTreeMap::from([("ecp.ai/gpu-type".to_owned(), "l40s".to_owned())]);
        assert_eq!(nodes.place(&ask(1, &l40s)), Ok(24));
        let foreign = BTreeMap::from([("cloud.example/pool".to_owned(), "gpu".to_owned())]);
        assert_eq!(nodes.place(&ask(1, &foreign)), Ok(0));
        let h100 = BTreeMap::from([("ecp.ai/gpu-type".to_owned(), "h100".to_owned())]);
        let refusal = nodes.place(&ask(1, &h100)).expect_err("there is none");
        assert_eq!(refusal, "0/32 nodes are available: 32 node(s) didn't match Pod's node affinity/selector");
    }

    #[test]
    fn a_node_pulls_one_image_after_the_other_and_each_once() {
        let mut nodes = Nodes::new(&SimulatedNodes::default());
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        assert_eq!(nodes.image_ready_at(0, &a, 0, 60), 60);
        assert_eq!(nodes.image_ready_at(0, &b, 10, 60), 120);
        assert_eq!(nodes.image_ready_at(0, &a, 20, 60), 60);
        assert_eq!(nodes.image_ready_at(0, &a, 90, 60), 90);
    }

    #[test]
    fn a_plan_without_nodes_or_with_unnamed_gpus_is_refused_with_all_its_faults() {
        let pool =
            NodePool { name: "p".into(), nodes: 1, cpu_millicores: 0, memory_mib: 1, gpu: 1, gpu_type: None };
        assert_eq!(SimulatedNodes { pools: vec![pool], storage_gb: 0 }.faults().len(), 2);
        assert_eq!(SimulatedNodes { pools: vec![], storage_gb: 0 }.faults().len(), 1);
        let mut twice = SimulatedNodes::default();
        twice.pools[1].name = twice.pools[0].name.clone();
        twice.pools[2].name = "Nodes of ours".to_owned();
        assert_eq!(twice.faults().len(), 2);
    }
}
