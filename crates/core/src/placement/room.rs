//! What is free on each node, and putting pods there.

use super::shortage::Search;
use super::{Absence, Constraint, Places, PodDemand, Shortage, TenantPod};
use crate::catalog::{Catalog, KubernetesSettings};
use crate::ids::TenantId;
use crate::manifest;
use crate::sizing::{ContainerResources, Sizing};
use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

/// Room on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Free {
    pub(super) cpu_millicores: u64,
    pub(super) memory_mib: u64,
    pub(super) gpu: u64,
    pub(super) pods: u64,
}

impl Free {
    /// One pod.
    pub(super) fn of(requests: &ContainerResources) -> Self {
        let ContainerResources { cpu_millicores, memory_mib, gpu } = *requests;
        Self { cpu_millicores, memory_mib, gpu, pods: 1 }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores.saturating_add(other.cpu_millicores),
            memory_mib: self.memory_mib.saturating_add(other.memory_mib),
            gpu: self.gpu.saturating_add(other.gpu),
            pods: self.pods.saturating_add(other.pods),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            cpu_millicores: self.cpu_millicores.saturating_sub(other.cpu_millicores),
            memory_mib: self.memory_mib.saturating_sub(other.memory_mib),
            gpu: self.gpu.saturating_sub(other.gpu),
            pods: self.pods.saturating_sub(other.pods),
        }
    }

    /// Of what a pod asks for that is not here. A pod that asks for none of a resource does not care
    /// how much of it is left.
    pub(super) fn lacks(&self, pod: &Self) -> impl Iterator<Item = Resource> {
        let (free, pod) = (*self, *pod);
        Resource::ALL.into_iter().filter(move |resource| resource.of(&free) < resource.of(&pod))
    }

    fn holds(&self, pod: &Self) -> bool {
        self.lacks(pod).next().is_none()
    }
}

/// What a node can run out of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Resource {
    Cpu,
    Memory,
    Gpu,
    Pods,
}

impl Resource {
    pub(super) const ALL: [Self; 4] = [Self::Cpu, Self::Memory, Self::Gpu, Self::Pods];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Gpu => "gpu",
            Self::Pods => "pods",
        }
    }

    pub(super) fn of(self, free: &Free) -> u64 {
        match self {
            Self::Cpu => free.cpu_millicores,
            Self::Memory => free.memory_mib,
            Self::Gpu => free.gpu,
            Self::Pods => free.pods,
        }
    }
}

/// Pods that may go to the same nodes.
pub(super) struct Class<'a> {
    pub(super) constraint: Constraint<'a>,
    /// Nodes that new pods may go to. Those without a GPU come first, so that pods that need none
    /// leave the others to those that do.
    pub(super) open: Vec<usize>,
    /// Whether a node is one of them.
    is_open: Vec<bool>,
    /// Whether a node has the labels, be it open or not.
    matching: Vec<bool>,
    /// By node, which of its GPUs these pods take, as a place in its list.
    gpus: Vec<Option<usize>>,
}

impl Class<'_> {
    /// Whether its pods take those of a node's GPUs that stand at a place of its list.
    pub(super) fn takes(&self, node: usize, gpus: usize) -> bool {
        self.gpus.get(node) == Some(&Some(gpus))
    }
}

/// Pods that are still to be put somewhere.
struct Missing {
    class: usize,
    requests: ContainerResources,
    pods: u32,
    /// Whose pods go away for them, and where from.
    giver: Option<usize>,
}

/// What is free, and what is needed to tell where.
pub(super) struct Room<'a> {
    pub(super) places: &'a Places,
    settings: &'a KubernetesSettings,
    /// By node; GPUs are in `free_gpus`.
    free: Vec<Free>,
    /// By node, of each of its lists of GPUs.
    free_gpus: Vec<Vec<u64>>,
    pub(super) classes: Vec<Class<'a>>,
    class_of: HashMap<(String, bool), usize>,
    /// Labels that some node has.
    known_labels: BTreeSet<&'a str>,
    /// By class and requests: nodes before this one of the class have no room for such a pod.
    cursors: HashMap<(usize, Size), usize>,
}

/// CPU, memory and GPUs of a pod.
type Size = (u64, u64, u64);

/// What pods of a tenant that will go away have, by node: free for the tenant's own new pods.
type Given = HashMap<usize, Free>;

impl<'a> Room<'a> {
    /// All that nodes have, less what is no tenant's.
    pub(super) fn new(settings: &'a KubernetesSettings, places: &'a Places) -> Self {
        let free = places.nodes.iter().map(|place| {
            let all = Free { pods: place.node.max_pods, ..Free::of(&place.node.allocatable) };
            let left = all.minus(Free { pods: place.pods, ..Free::of(&place.taken) });
            Free { gpu: 0, ..left }
        });
        let known_labels =
            places.nodes.iter().flat_map(|place| place.node.labels.keys()).map(String::as_str).collect();
        Self {
            free: free.collect(),
            free_gpus: places.nodes.iter().map(|place| place.free_gpus().collect()).collect(),
            places,
            settings,
            classes: Vec::new(),
            class_of: HashMap::new(),
            known_labels,
            cursors: HashMap::new(),
        }
    }

    /// Takes what the pods of every tenant but one have now.
    pub(super) fn take_what_is_there(&mut self, but: &TenantId) {
        for (_, pods) in self.places.tenants.iter().filter(|(id, _)| *id != but) {
            for pod in pods {
                self.take(pod);
            }
        }
    }

    fn take(&mut self, pod: &TenantPod) {
        let Some(node) = pod.node.filter(|node| *node < self.free.len()) else { return };
        self.free[node] = self.free[node].minus(Free::of(&pod.requests));
        if let Some(free) = pod.gpus.and_then(|gpus| self.free_gpus[node].get_mut(gpus)) {
            *free = free.saturating_sub(pod.requests.gpu);
        }
    }

    /// What is free on a node for pods of a class, of whose GPUs those that they take.
    pub(super) fn free_for(&self, class: usize, node: usize) -> Free {
        let gpus = self.classes[class].gpus[node];
        Free { gpu: gpus.map_or(0, |gpus| self.free_gpus[node][gpus]), ..self.free[node] }
    }

    /// Takes it.
    fn take_for(&mut self, class: usize, node: usize, taken: Free) {
        self.free[node] = self.free[node].minus(taken);
        if let Some(gpus) = self.classes[class].gpus[node] {
            self.free_gpus[node][gpus] = self.free_gpus[node][gpus].saturating_sub(taken.gpu);
        }
    }

    /// Takes what pods of tenants will need that are not there yet, the largest first. What has no
    /// room waits for it, and takes nothing.
    pub(super) fn reserve<'t>(
        &mut self,
        tenants: impl Iterator<Item = (&'t TenantId, &'t Sizing)>,
        catalog: &Catalog,
    ) {
        let mut givers: Vec<Given> = Vec::new();
        let mut missing: Vec<Missing> = Vec::new();
        for (id, sizing) in tenants {
            let pods = self.places.tenants.get(id).map(Vec::as_slice).unwrap_or_default();
            let mut stays = vec![false; pods.len()];
            let first = missing.len();
            let with_gpu = self.class(&sizing.gpu_type, true);
            for demand in manifest::pod_demands(catalog, sizing) {
                let class = self.class(&sizing.gpu_type, demand.requests.gpu > 0);
                let there = self.matched(class, &demand, pods, &mut stays);
                if there < demand.replicas {
                    let pods = demand.replicas - there;
                    missing.push(Missing { class, requests: demand.requests, pods, giver: None });
                }
            }
            if missing.len() > first {
                let given = given(pods, &stays, &self.classes[with_gpu].gpus);
                if !given.is_empty() {
                    missing[first..].iter_mut().for_each(|one| one.giver = Some(givers.len()));
                    givers.push(given);
                }
            }
        }
        missing.sort_by_key(|one| largest_first(&one.requests));
        for Missing { class, requests, pods, giver } in missing {
            let given = giver.and_then(|giver| givers.get_mut(giver));
            self.put(class, &requests, pods, given);
        }
    }

    /// Puts a tenant's pods where there is room; what its own pods have is free for it. Says what is
    /// short for those that have none.
    pub(super) fn place_tenant(&mut self, id: &TenantId, sizing: &Sizing, catalog: &Catalog) -> Shortage {
        let pods = self.places.tenants.get(id).map(Vec::as_slice).unwrap_or_default();
        let mut stays = vec![false; pods.len()];
        let mut demands = manifest::pod_demands(catalog, sizing);
        demands.sort_by_key(|demand| largest_first(&demand.requests));
        let mut missing = Vec::new();
        for demand in &demands {
            let class = self.class(&sizing.gpu_type, demand.requests.gpu > 0);
            let there = self.matched(class, demand, pods, &mut stays);
            missing.push((class, demand, demand.replicas - there));
        }
        for (pod, _) in pods.iter().zip(&stays).filter(|(_, stays)| **stays) {
            self.take(pod);
        }
        let mut search = Search::default();
        for (class, demand, pods) in missing {
            let left = pods - self.put(class, &demand.requests, pods, None);
            if left > 0 {
                search.look_for(self, class, &demand.requests, left);
            }
        }
        search.shortage(&self.places.nodes, &demands)
    }

    /// How many of the pods that are wanted are there as they should be and stay; they are marked.
    fn matched(&self, class: usize, demand: &PodDemand, pods: &[TenantPod], stays: &mut [bool]) -> u32 {
        let mut found = 0;
        for (pod, stays) in pods.iter().zip(stays) {
            if found < demand.replicas && !*stays && self.is_as_wanted(class, demand, pod) {
                *stays = true;
                found += 1;
            }
        }
        found
    }

    fn is_as_wanted(&self, class: usize, demand: &PodDemand, pod: &TenantPod) -> bool {
        let on_its_node = |node: usize| {
            let place = self.places.nodes.get(node);
            self.classes[class].matching.get(node) == Some(&true)
                && (pod.requests.gpu == 0 || self.classes[class].gpus[node] == pod.gpus)
                && place.is_some_and(|place| place.node.absence != Some(Absence::NotReady))
        };
        pod.app == Some(demand.app)
            && pod.requests == demand.requests
            && !pod.leaving
            && pod.node.is_some_and(on_its_node)
    }

    /// The class of pods with or without a GPU, for tenants of a device type.
    pub(super) fn class(&mut self, gpu_type: &str, has_gpu: bool) -> usize {
        // Without a GPU the type makes no difference.
        let key = (if has_gpu { gpu_type } else { "" }.to_owned(), has_gpu);
        if let Some(class) = self.class_of.get(&key) {
            return *class;
        }
        let constraint = Constraint::of(self.settings, gpu_type, has_gpu);
        let matching: Vec<bool> =
            (0..self.places.nodes.len()).map(|node| self.wrong_label(&constraint, node).is_none()).collect();
        let is_open = |node: &usize| {
            let place = &self.places.nodes[*node].node;
            matching[*node]
                && place.absence.is_none()
                && constraint.takes_gpus_of(place)
                && place.taints.iter().all(|taint| taint.is_tolerated(&constraint.tolerations))
        };
        let is_open: Vec<bool> = (0..self.places.nodes.len()).map(|node| is_open(&node)).collect();
        let mut open: Vec<usize> = (0..is_open.len()).filter(|node| is_open[*node]).collect();
        if !has_gpu {
            open.sort_by_key(|node| self.places.nodes[*node].node.allocatable.gpu);
        }
        let gpus = self.places.nodes.iter().map(|place| constraint.gpus_of(&place.node)).collect();
        self.classes.push(Class { constraint, open, is_open, matching, gpus });
        self.class_of.insert(key, self.classes.len() - 1);
        self.classes.len() - 1
    }

    /// Whether new pods of a class may go to a node.
    pub(super) fn is_open(&self, class: usize, node: usize) -> bool {
        self.classes[class].is_open[node]
    }

    /// The first label of the selector that a node does not have.
    pub(super) fn wrong_label<'c>(
        &self,
        constraint: &Constraint<'c>,
        node: usize,
    ) -> Option<(&'c str, &'c str)> {
        let labels = &self.places.nodes[node].node.labels;
        let passed_over = |key: &str| self.places.known_labels_only && !self.known_labels.contains(key);
        constraint
            .selector
            .iter()
            .map(|(key, value)| (*key, *value))
            .find(|(key, value)| labels.get(*key).map(String::as_str) != Some(*value) && !passed_over(key))
    }

    /// Puts up to `pods` equal pods, and says how many found room.
    fn put(
        &mut self,
        class: usize,
        requests: &ContainerResources,
        pods: u32,
        given: Option<&mut Given>,
    ) -> u32 {
        let pod = Free::of(requests);
        let mut left = pods;
        if let Some(given) = given {
            for (node, more) in given.iter_mut() {
                if self.classes[class].is_open.get(*node) != Some(&true) {
                    continue;
                }
                while left > 0 && self.free_for(class, *node).plus(*more).holds(&pod) {
                    // What its own pods leave goes first.
                    self.take_for(class, *node, pod.minus(*more));
                    *more = more.minus(pod);
                    left -= 1;
                }
            }
        }
        let key = (class, (requests.cpu_millicores, requests.memory_mib, requests.gpu));
        let mut place = self.cursors.get(&key).copied().unwrap_or(0);
        while left > 0 {
            let Some(&node) = self.classes[class].open.get(place) else { break };
            if self.free_for(class, node).holds(&pod) {
                self.take_for(class, node, pod);
                left -= 1;
            } else {
                place += 1;
            }
        }
        self.cursors.insert(key, place);
        pods - left
    }
}

/// What pods that do not stay have, by node; of their GPUs those that the tenant's pods take there.
fn given(pods: &[TenantPod], stays: &[bool], gpus: &[Option<usize>]) -> Given {
    let mut given = Given::new();
    for (pod, _) in pods.iter().zip(stays).filter(|(_, stays)| !**stays) {
        if let Some(node) = pod.node {
            let mut freed = Free::of(&pod.requests);
            if pod.gpus.is_none() || gpus.get(node) != Some(&pod.gpus) {
                freed.gpu = 0;
            }
            let more = given.entry(node).or_default();
            *more = more.plus(freed);
        }
    }
    given
}

fn largest_first(requests: &ContainerResources) -> Reverse<Size> {
    Reverse((requests.gpu, requests.cpu_millicores, requests.memory_mib))
}
