//! What containers ask for and may use, and what that adds up to.

use super::amount::{self, Milli};
use super::findings::{Findings, Place};
use super::format::shortened;
use super::objects::Objects;
use super::tree::{Kind, Node};
use super::workloads::{Workload, Workloads};
use ecp_core::quantity::Resources;
use ecp_core::text::Message;
use std::collections::HashMap;

/// Amounts of the four resources: thousandths of cores, bytes, devices and bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Amounts {
    pub cpu: Milli,
    pub memory: Milli,
    pub gpu: Milli,
    pub storage: Milli,
}

impl Amounts {
    fn each(self, other: Self, combine: impl Fn(Milli, Milli) -> Milli) -> Self {
        Self {
            cpu: combine(self.cpu, other.cpu),
            memory: combine(self.memory, other.memory),
            gpu: combine(self.gpu, other.gpu),
            storage: combine(self.storage, other.storage),
        }
    }

    fn plus(self, other: Self) -> Self {
        self.each(other, Milli::saturating_add)
    }

    fn times(self, count: u64) -> Self {
        self.each(self, |amount, _| amount.saturating_mul(Milli::from(count)))
    }

    /// In the units of the contract, parts rounded up.
    pub fn resources(self) -> Resources {
        let whole = |amount: Milli, unit: Milli| {
            let amount = amount.max(0);
            u64::try_from(amount / unit + Milli::from(amount % unit != 0)).unwrap_or(u64::MAX)
        };
        Resources {
            cpu_millicores: whole(self.cpu, 1),
            memory_mib: whole(self.memory, 1000 << 20),
            gpu: whole(self.gpu, 1000),
            storage_gb: whole(self.storage, 1_000_000_000_000),
        }
    }
}

/// What the workloads of one namespace add up to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    /// What the scheduler reserves.
    pub requests: Amounts,
    /// What may be used at most.
    pub limits: Amounts,
    /// Pods.
    pub pods: u64,
}

impl Sums {
    /// Adds another sum.
    pub fn add(&mut self, other: &Self) {
        self.requests = self.requests.plus(other.requests);
        self.limits = self.limits.plus(other.limits);
        self.pods = self.pods.saturating_add(other.pods);
    }

    fn add_storage(&mut self, storage: Milli) {
        let storage = Amounts { storage, ..Amounts::default() };
        self.add(&Self { requests: storage, limits: storage, pods: 0 });
    }
}

/// What a LimitRange gives to containers that say nothing.
#[derive(Clone, Copy, Default)]
struct Defaults<'t> {
    limits: Option<Node<'t>>,
    requests: Option<Node<'t>>,
}

/// What everything adds up to.
#[derive(Debug, Default)]
pub(super) struct Totals<'t> {
    /// By namespace.
    pub by_namespace: HashMap<&'t str, Sums>,
    /// By workload, in their order.
    pub by_workload: Vec<Sums>,
}

impl Totals<'_> {
    /// The whole manifest.
    pub fn all(&self) -> Sums {
        let mut sum = Sums::default();
        self.by_namespace.values().for_each(|namespace| sum.add(namespace));
        sum
    }
}

/// Checks every container and adds up.
pub(super) fn check<'t>(
    objects: &Objects<'t>,
    workloads: &Workloads<'t>,
    gpu_resources: &[&str],
    findings: &mut Findings,
) -> Totals<'t> {
    let mut defaults: HashMap<&str, Defaults<'_>> = HashMap::new();
    for range in objects.of_kind("LimitRange") {
        for item in range.spec().into_iter().flat_map(|spec| spec.list_at("limits")) {
            if item.text_at("type") == Some("Container") {
                let entry = defaults.entry(range.namespace).or_default();
                entry.limits = entry.limits.or(item.get("default"));
                entry.requests = entry.requests.or(item.get("defaultRequest"));
            }
        }
    }
    let mut totals = Totals::default();
    for workload in &workloads.all {
        let defaults = defaults.get(workload.namespace).copied().unwrap_or_default();
        for container in workload.init_containers.iter().chain(&workload.containers) {
            check_container(workload.pod, *container, defaults, findings);
            check_units(*container, findings);
        }
        check_units(workload.pod, findings);
        let mut sum = sum_workload(workload, defaults, gpu_resources);
        let claims = objects.all[workload.object].spec().into_iter();
        let claims = claims.flat_map(|spec| spec.list_at("volumeClaimTemplates"));
        let storage = claims.filter_map(storage_of).fold(0, Milli::saturating_add);
        sum.add_storage(storage.saturating_mul(Milli::from(workload.replicas)));
        totals.by_namespace.entry(workload.namespace).or_default().add(&sum);
        totals.by_workload.push(sum);
    }
    for claim in objects.of_kind("PersistentVolumeClaim") {
        let storage = storage_of(claim.root).unwrap_or(0);
        totals.by_namespace.entry(claim.namespace).or_default().add_storage(storage);
    }
    totals
}

/// Storage that a claim asks for.
fn storage_of(claim: Node<'_>) -> Option<Milli> {
    amount::parse(claim.at(&["spec", "resources", "requests", "storage"])?.text())
}

fn check_container(pod: Node<'_>, container: Node<'_>, defaults: Defaults<'_>, findings: &mut Findings) {
    if container.kind() != Kind::Mapping {
        return;
    }
    let resources = container.get("resources");
    let limits = resources.and_then(|resources| resources.get("limits"));
    let limited = |name: &str| {
        limits.and_then(|limits| limits.get(name)).is_some()
            || defaults.limits.and_then(|limits| limits.get(name)).is_some()
            || pod.at(&["resources", "limits", name]).is_some()
    };
    let missing: Vec<&str> = ["cpu", "memory"].into_iter().filter(|name| !limited(name)).collect();
    if !missing.is_empty() {
        let place = match (limits, resources) {
            (Some(limits), _) => Place::Value(limits),
            (None, Some(resources)) => Place::Missing(resources, "limits"),
            (None, None) => Place::Missing(container, "resources"),
        };
        findings.policy(place, || {
            Message::new("validate.resources.no_limits")
                .with("container", shortened(container.text_at("name").unwrap_or("")))
                .with("missing", missing.join(", "))
        });
    }
}

/// Whole cores of one container from which on thousandths are likelier to be meant.
const MANY_CORES: Milli = 500_000;
/// Memory with which no program starts.
const LITTLE_MEMORY: Milli = 1000 * 1024 * 1024;
/// Memory that no node has.
const MUCH_MEMORY: Milli = 1000 * 64 * 1024 * 1024 * 1024 * 1024;

/// What of an amount can be read and is meant by nobody.
fn doubt(name: &str, text: &str) -> Option<&'static str> {
    let amount = amount::parse(text)?;
    match name {
        "cpu" if text.ends_with(['i', 'k', 'M', 'G', 'T', 'P', 'E']) => Some("validate.resources.unit_cpu"),
        "cpu" if amount >= MANY_CORES && !text.ends_with(['m', 'u', 'n']) => {
            Some("validate.resources.many_cores")
        }
        "memory" | "ephemeral-storage" if text.ends_with(['m', 'u', 'n']) => {
            Some("validate.resources.unit_memory")
        }
        "memory" if (1..LITTLE_MEMORY).contains(&amount) => Some("validate.resources.little_memory"),
        "memory" if amount > MUCH_MEMORY => Some("validate.resources.much_memory"),
        _ => None,
    }
}

/// Units that can be read and that nobody means: bytes of CPU, thousandths of a byte, none where one is needed.
fn check_units(holder: Node<'_>, findings: &mut Findings) {
    let resources = holder.get("resources").into_iter();
    let amounts = resources.flat_map(|resources| ["requests", "limits"].map(|part| resources.get(part)));
    for amount in amounts.flatten().flat_map(Node::children) {
        let text = amount.text();
        let Some(key) = doubt(amount.key(), text) else { continue };
        findings.warning(amount, || {
            Message::new(key)
                .with("resource", amount.key())
                .with("value", shortened(text))
                .with("meant", text.trim_end_matches(|c: char| c.is_ascii_alphabetic()))
        });
    }
}

/// What one pod reserves or may use: its containers beside each other, or the largest of those
/// that run before them.
fn sum_workload(workload: &Workload<'_>, defaults: Defaults<'_>, gpu_resources: &[&str]) -> Sums {
    let amounts_of = |container: &Node<'_>| {
        let resources = container.get("resources");
        let amount = |part: &str, fallback: Option<Node<'_>>, name: &str| {
            resources
                .and_then(|resources| resources.get(part))
                .and_then(|part| part.get(name))
                .or_else(|| fallback.and_then(|fallback| fallback.get(name)))
                .and_then(|node| amount::parse(node.text()))
        };
        let limit = |name: &str| amount("limits", defaults.limits, name);
        let request =
            |name: &str| amount("requests", defaults.requests, name).or_else(|| limit(name)).unwrap_or(0);
        // A claim is a device, whatever it is made from.
        let claims = resources.map_or(0, |resources| resources.list_at("claims").count());
        let claimed = Milli::try_from(claims).unwrap_or(Milli::MAX).saturating_mul(1000);
        let of = |amount: &dyn Fn(&str) -> Milli| Amounts {
            cpu: amount("cpu"),
            memory: amount("memory"),
            gpu: gpu_resources.iter().map(|resource| amount(resource)).fold(claimed, Milli::saturating_add),
            storage: 0,
        };
        (of(&request), of(&|name| limit(name).unwrap_or(0)))
    };
    let main = workload.pod.list_at("containers").map(|container| amounts_of(&container));
    let (mut requests, mut limits) = main
        .fold((Amounts::default(), Amounts::default()), |(requests, limits), (request, limit)| {
            (requests.plus(request), limits.plus(limit))
        });
    // A sidecar stays beside everything that starts after it.
    let mut sidecars = (Amounts::default(), Amounts::default());
    let mut starting = (Amounts::default(), Amounts::default());
    for init in workload.pod.list_at("initContainers") {
        let (request, limit) = amounts_of(&init);
        let beside = (sidecars.0.plus(request), sidecars.1.plus(limit));
        if init.text_at("restartPolicy") == Some("Always") {
            sidecars = beside;
        }
        starting = (starting.0.each(beside.0, Milli::max), starting.1.each(beside.1, Milli::max));
    }
    requests = requests.plus(sidecars.0).each(starting.0, Milli::max);
    limits = limits.plus(sidecars.1).each(starting.1, Milli::max);
    // What the pod as a whole may have stands above what its containers say.
    let whole = |part: &str, name: &str| {
        workload.pod.at(&["resources", part, name]).and_then(|node| amount::parse(node.text()))
    };
    requests.cpu = whole("requests", "cpu").or(whole("limits", "cpu")).unwrap_or(requests.cpu);
    requests.memory = whole("requests", "memory").or(whole("limits", "memory")).unwrap_or(requests.memory);
    limits.cpu = whole("limits", "cpu").unwrap_or(limits.cpu);
    limits.memory = whole("limits", "memory").unwrap_or(limits.memory);
    let replicas = workload.replicas;
    Sums { requests: requests.times(replicas), limits: limits.times(replicas), pods: replicas }
}
