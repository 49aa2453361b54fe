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
    gpu_resource: &str,
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
            check_container(*container, defaults, gpu_resource, findings);
        }
        let mut sum = sum_workload(workload, defaults, gpu_resource);
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

fn check_container(container: Node<'_>, defaults: Defaults<'_>, gpu_resource: &str, findings: &mut Findings) {
    if container.kind() != Kind::Mapping {
        return;
    }
    let resources = container.get("resources");
    let part = |name: &str| resources.and_then(|resources| resources.get(name));
    let (requests, limits) = (part("requests"), part("limits"));
    let limited = |name: &str| {
        limits.and_then(|limits| limits.get(name)).is_some()
            || defaults.limits.and_then(|limits| limits.get(name)).is_some()
    };
    let missing: Vec<&str> = ["cpu", "memory"].into_iter().filter(|name| !limited(name)).collect();
    if !missing.is_empty() {
        let place = match (limits, resources) {
            (Some(limits), _) => Place::Value(limits),
            (None, Some(resources)) => Place::Missing(resources, "limits"),
            (None, None) => Place::Missing(container, "resources"),
        };
        findings.warning(place, || {
            Message::new("validate.resources.no_limits")
                .with("container", shortened(container.text_at("name").unwrap_or("")))
                .with("missing", missing.join(", "))
        });
    }
    for limit in limits.into_iter().flat_map(Node::children) {
        check_amount(limit, gpu_resource, findings);
    }
    let limits_by_name: HashMap<&str, Node<'_>> =
        limits.into_iter().flat_map(Node::children).map(|limit| (limit.key(), limit)).collect();
    for request in requests.into_iter().flat_map(Node::children) {
        check_amount(request, gpu_resource, findings);
        let limit = limits_by_name.get(request.key()).copied();
        let values = (amount::parse(request.text()), limit.map(|limit| amount::parse(limit.text())));
        let message = |key: &'static str| {
            Message::new(key)
                .with("resource", shortened(request.key()))
                .with("request", shortened(request.text()))
        };
        let with_limit = |message: Message| message.with("limit", limit.map_or("", Node::text));
        match values {
            (Some(_), None) if is_extended(request.key()) => {
                findings.error(request, || message("validate.resources.extended_limit"));
            }
            (Some(asked), Some(Some(limit))) if is_device(request.key(), gpu_resource) && asked != limit => {
                findings.error(request, || with_limit(message("validate.resources.gpu_mismatch")));
            }
            (Some(asked), Some(Some(limit))) if asked > limit => {
                findings.error(request, || with_limit(message("validate.resources.request_over_limit")));
            }
            _ => {}
        }
    }
}

/// Extended resources are whole devices, whose limit must equal the request.
fn is_device(name: &str, gpu_resource: &str) -> bool {
    name == gpu_resource || is_extended(name)
}

fn is_extended(name: &str) -> bool {
    name.split_once('/').is_some_and(|(domain, _)| !domain.ends_with("kubernetes.io"))
}

fn check_amount(node: Node<'_>, gpu_resource: &str, findings: &mut Findings) {
    let name = node.key();
    let known = ["cpu", "memory", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-");
    if !known && !name.contains('/') {
        findings.error(Place::Key(node), || {
            Message::new("validate.resources.unknown").with("resource", shortened(name))
        });
    }
    let Some(amount) = amount::parse(node.text()) else { return };
    let message =
        |key| Message::new(key).with("resource", shortened(name)).with("value", shortened(node.text()));
    if amount < 0 {
        findings.error(node, || message("validate.resources.negative"));
    } else if is_device(name, gpu_resource) && amount % 1000 != 0 {
        findings.error(node, || message("validate.resources.fraction"));
    }
}

/// What one pod reserves or may use: its containers beside each other, or the largest of those
/// that run before them.
fn sum_workload(workload: &Workload<'_>, defaults: Defaults<'_>, gpu_resource: &str) -> Sums {
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
        let of = |amount: &dyn Fn(&str) -> Milli| Amounts {
            cpu: amount("cpu"),
            memory: amount("memory"),
            gpu: amount(gpu_resource),
            storage: 0,
        };
        (of(&request), of(&|name| limit(name).unwrap_or(0)))
    };
    let mut requests = Amounts::default();
    let mut limits = Amounts::default();
    for (request, limit) in workload.containers.iter().map(amounts_of) {
        requests = requests.plus(request);
        limits = limits.plus(limit);
    }
    for (request, limit) in workload.init_containers.iter().map(amounts_of) {
        requests = requests.each(request, Milli::max);
        limits = limits.each(limit, Milli::max);
    }
    let replicas = workload.replicas;
    Sums { requests: requests.times(replicas), limits: limits.times(replicas), pods: replicas }
}
