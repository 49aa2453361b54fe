//! What runs pods: each workload with its pod, its containers and what they expose.

use super::objects::{Object, Objects};
use super::tree::{Kind, Node};
use std::collections::{HashMap, HashSet};

/// Selector comparisons that one manifest may cost. The largest real ones need a few thousand;
/// only a text made for it reaches the bound, and is told so.
const MAX_COMPARISONS: u64 = 2_000_000;

/// An object that runs pods.
pub(super) struct Workload<'t> {
    /// Place of the object among all.
    pub object: usize,
    /// Namespace of the object.
    pub namespace: &'t str,
    /// What its pods are made from; the object itself where that is a pod.
    pub template: Node<'t>,
    /// The pods' `spec`.
    pub pod: Node<'t>,
    /// Labels of the pods.
    pub labels: HashMap<&'t str, &'t str>,
    /// Pods that it runs.
    pub replicas: u64,
    /// It runs until it is stopped; jobs end by themselves.
    pub long_running: bool,
    /// Containers that run beside each other, sidecars included.
    pub containers: Vec<Node<'t>>,
    /// Containers that run before them.
    pub init_containers: Vec<Node<'t>>,
    /// Ports that the containers declare.
    pub ports: HashSet<i64>,
    /// Names of those ports.
    pub port_names: HashSet<&'t str>,
}

impl<'t> Workload<'t> {
    fn of(place: usize, object: &Object<'t>) -> Option<Self> {
        let kind = object.info?.kind;
        let template = match kind {
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" => {
                object.root.at(&["spec", "template"])?
            }
            "CronJob" => object.root.at(&["spec", "jobTemplate", "spec", "template"])?,
            "Pod" => object.root,
            "PodTemplate" => object.root.get("template")?,
            _ => return None,
        };
        let pod = template.get("spec").filter(|pod| pod.kind() == Kind::Mapping)?;
        let replicas = match kind {
            "PodTemplate" => 0,
            "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController" => {
                whole(object.spec(), "replicas")
            }
            "Job" => whole(object.spec(), "parallelism"),
            "CronJob" => whole(object.root.at(&["spec", "jobTemplate", "spec"]), "parallelism"),
            // A DaemonSet runs on every node, and how many there are is not the manifest's to say.
            _ => 1,
        };
        let (sidecars, init_containers): (Vec<_>, Vec<_>) =
            pod.list_at("initContainers").partition(|init| init.text_at("restartPolicy") == Some("Always"));
        let mut workload = Self {
            object: place,
            namespace: object.namespace,
            template,
            pod,
            labels: labels(template.at(&["metadata", "labels"])),
            replicas,
            long_running: !matches!(kind, "Job" | "CronJob" | "Pod" | "PodTemplate"),
            containers: pod.list_at("containers").chain(sidecars).collect(),
            init_containers,
            ports: HashSet::new(),
            port_names: HashSet::new(),
        };
        for port in workload.containers.iter().flat_map(|container| container.list_at("ports")) {
            workload.ports.extend(port.get("containerPort").and_then(Node::as_integer));
            workload.port_names.extend(port.text_at("name"));
        }
        Some(workload)
    }

    /// True where a port, by number or name, is one that a container declares.
    pub fn exposes(&self, port: Node<'_>) -> bool {
        match port.as_integer() {
            Some(number) => self.ports.contains(&number),
            None => self.port_names.contains(port.text()),
        }
    }
}

/// A number of pods: one unless the field says otherwise.
fn whole(spec: Option<Node<'_>>, field: &str) -> u64 {
    let value = spec.and_then(|spec| spec.get(field)).and_then(Node::as_integer);
    value.map_or(1, |value| u64::try_from(value).unwrap_or(0))
}

/// A mapping of labels.
pub(super) fn labels<'t>(node: Option<Node<'t>>) -> HashMap<&'t str, &'t str> {
    node.into_iter().flat_map(Node::children).map(|label| (label.key(), label.text())).collect()
}

/// All workloads, found by the labels of their pods.
pub(super) struct Workloads<'t> {
    /// In the order of the text.
    pub all: Vec<Workload<'t>>,
    by_label: HashMap<(&'t str, &'t str, &'t str), Vec<usize>>,
    by_namespace: HashMap<&'t str, Vec<usize>>,
}

/// Selector comparisons that are left for a manifest.
pub(super) struct Effort {
    left: u64,
}

impl Effort {
    /// The whole of it.
    pub fn new() -> Self {
        Self { left: MAX_COMPARISONS }
    }

    /// Takes some; false where it is used up, and then stays so.
    pub fn spend(&mut self, cost: u64) -> bool {
        self.left = self.left.saturating_sub(cost);
        self.left > 0
    }

    /// True once something was not looked at for want of effort.
    pub fn is_exhausted(&self) -> bool {
        self.left == 0
    }
}

impl<'t> Workloads<'t> {
    /// The workloads among the objects.
    pub fn of(objects: &Objects<'t>) -> Self {
        let all: Vec<_> = objects
            .all
            .iter()
            .enumerate()
            .filter_map(|(place, object)| Workload::of(place, object))
            .collect();
        let mut by_label: HashMap<_, Vec<usize>> = HashMap::new();
        let mut by_namespace: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, workload) in all.iter().enumerate() {
            by_namespace.entry(workload.namespace).or_default().push(place);
            for (&key, &value) in &workload.labels {
                by_label.entry((workload.namespace, key, value)).or_default().push(place);
            }
        }
        Self { all, by_label, by_namespace }
    }

    /// Looks in a namespace for a workload whose pods a selector takes and that `accept` says is
    /// the one; the search ends there. Absent where the effort is used up.
    pub fn search(
        &self,
        namespace: &str,
        selector: &Selector<'_>,
        effort: &mut Effort,
        mut accept: impl FnMut(&Workload<'t>) -> bool,
    ) -> Option<Found> {
        let candidates = match selector.pairs.first() {
            Some(&(key, value)) => self.by_label.get(&(namespace, key, value)),
            None => self.by_namespace.get(namespace),
        };
        let mut found = Found::default();
        for &place in candidates.into_iter().flatten() {
            if !effort.spend(selector.cost()) {
                return None;
            }
            let workload = &self.all[place];
            if selector.takes(&workload.labels) {
                found.any = true;
                found.declares_ports |= !workload.ports.is_empty();
                if accept(workload) {
                    found.accepted = true;
                    break;
                }
            }
        }
        Some(found)
    }
}

/// What a search came to.
#[derive(Default)]
pub(super) struct Found {
    /// Some workload has the labels.
    pub any: bool,
    /// One of those was accepted.
    pub accepted: bool,
    /// One of those looked at declares ports.
    pub declares_ports: bool,
}

/// A selector of pods, or of Services.
pub(super) struct Selector<'t> {
    pairs: Vec<(&'t str, &'t str)>,
    expressions: Vec<Node<'t>>,
    values: u64,
}

impl<'t> Selector<'t> {
    /// A plain mapping, as a Service has.
    pub fn of_map(map: Node<'t>) -> Self {
        let pairs = map.children().map(|label| (label.key(), label.text())).collect();
        Self { pairs, expressions: Vec::new(), values: 0 }
    }

    /// A `LabelSelector`.
    pub fn of(selector: Node<'t>) -> Self {
        let mut result = selector
            .get("matchLabels")
            .map_or(Self { pairs: Vec::new(), expressions: Vec::new(), values: 0 }, Self::of_map);
        result.expressions = selector.list_at("matchExpressions").collect();
        let values = result.expressions.iter().map(|expression| expression.list_at("values").count());
        result.values = values.map(|count| count as u64 + 1).sum();
        result
    }

    /// True where it takes everything.
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty() && self.expressions.is_empty()
    }

    /// What one comparison costs.
    pub fn cost(&self) -> u64 {
        1 + self.pairs.len() as u64 + self.values
    }

    /// True where it takes these labels.
    pub fn takes(&self, labels: &HashMap<&str, &str>) -> bool {
        self.pairs.iter().all(|(key, value)| labels.get(key) == Some(value))
            && self.expressions.iter().all(|expression| holds(*expression, labels))
    }
}

fn holds(expression: Node<'_>, labels: &HashMap<&str, &str>) -> bool {
    let Some(value) = expression.text_at("key").map(|key| labels.get(key)) else { return true };
    let listed = || value.is_some_and(|value| expression.list_at("values").any(|item| item.text() == *value));
    match expression.text_at("operator") {
        Some("In") => listed(),
        Some("NotIn") => !listed(),
        Some("Exists") => value.is_some(),
        Some("DoesNotExist") => value.is_none(),
        _ => true, // The schema check has said so.
    }
}
