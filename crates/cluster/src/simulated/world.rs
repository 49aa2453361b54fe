//! The state of the simulated cluster and what happens in it as its time passes; no clock, no
//! tasks, no locks.

use super::kept;
use super::nodes::{Ask, Nodes, SimulatedNodes};
use super::pod::{PATIENCE, Phase, Pod};
use super::space::{Entry, Space};
use super::workload::{Template, WorkloadSpec};
use super::writing::Writer;
use ecp_core::happenings::PodName;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::placement::{App, Places, TenantPod};
use ecp_core::ports::{Capacity, ClusterError, Observation};
use ecp_core::quantity::Resources;
use ecp_core::tenant::DemoFault;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap, VecDeque};

/// Events of a tenant that are kept.
const MOST_HAPPENED: usize = 200;
/// From the end of the last pod until the namespace is gone.
const NAMESPACE_CLEANUP_MS: u64 = 5000;

/// Something that happens at its time.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Event {
    /// A pod goes on, if it still is at this turn.
    Pod(u64, u32),
    /// A namespace is gone.
    NamespaceGone(TenantId),
}

/// What makes two pods equal to the scheduler: CPU, memory, GPUs, selector.
type Shape = (u64, u64, u64, BTreeMap<String, String>);

/// Everything.
#[derive(Serialize, Deserialize)]
pub(super) struct World {
    now: u64,
    nodes: Nodes,
    spaces: HashMap<TenantId, Space>,
    pods: HashMap<u64, Pod>,
    pods_made: u64,
    /// Pods without a node, by shape, oldest first.
    #[serde(with = "kept::pairs")]
    waiting: BTreeMap<Shape, BTreeSet<u64>>,
    /// A pod gave its room back since the scheduler last looked.
    room_came_free: bool,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    events_made: u64,
    changed: BTreeSet<TenantId>,
    /// What happened to pods, oldest first.
    happened: HashMap<TenantId, VecDeque<Happened>>,
}

/// Something that happened to a pod.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Happened {
    /// When, in the cluster's life.
    pub(super) at: u64,
    pub(super) pod: String,
    pub(super) reason: Cow<'static, str>,
    pub(super) message: String,
    pub(super) is_warning: bool,
}

impl World {
    pub(super) fn new(plan: &SimulatedNodes) -> Self {
        Self {
            now: 0,
            nodes: Nodes::new(plan),
            spaces: HashMap::new(),
            pods: HashMap::new(),
            pods_made: 0,
            waiting: BTreeMap::new(),
            room_came_free: false,
            events: BinaryHeap::new(),
            events_made: 0,
            changed: BTreeSet::new(),
            happened: HashMap::new(),
        }
    }

    /// Takes over what is known of another's nodes; false where they are not the same. What is taken of them is
    /// counted anew from the pods.
    pub(super) fn stands_on_nodes_of(&mut self, other: &Self) -> bool {
        let placed = self.pods.values().filter_map(|pod| Some((pod.node?, &pod.template.requests)));
        self.nodes.are_those_of(&other.nodes) && self.nodes.count(placed)
    }

    /// Lets everything happen that is due.
    pub(super) fn advance(&mut self, now: u64) {
        while let Some(due) = self.next_event().filter(|due| *due <= now) {
            self.now = self.now.max(due);
            while let Some(Reverse((_, _, event))) =
                self.events.peek().is_some_and(|next| next.0.0 <= due).then(|| self.events.pop()).flatten()
            {
                self.happen(event);
            }
            self.offer_free_room();
        }
        self.now = self.now.max(now);
    }

    /// When the next thing happens.
    pub(super) fn next_event(&self) -> Option<u64> {
        self.events.peek().map(|Reverse((due, _, _))| *due)
    }

    /// Tenants that look different since this was last asked.
    pub(super) fn take_changed(&mut self) -> BTreeSet<TenantId> {
        std::mem::take(&mut self.changed)
    }

    /// Makes objects so. The fault is what the tenant asks for now.
    pub(super) fn apply(
        &mut self,
        tenant: &TenantId,
        objects: &[Object],
        fault: Option<DemoFault>,
    ) -> Result<(), ClusterError> {
        for object in objects {
            let space = self.spaces.entry(tenant.clone()).or_default();
            if space.terminating {
                let reason = format!("namespace {} is being terminated", tenant.namespace());
                return Err(ClusterError::Unreachable(reason));
            }
            if object.kind() != "Namespace" && !space.exists() {
                if space.entries.is_empty() {
                    self.spaces.remove(tenant);
                }
                return Err(ClusterError::Refused {
                    kind: object.kind().to_owned(),
                    name: object.name().to_owned(),
                    reason: "its namespace does not exist".to_owned(),
                });
            }
            if space.put(object) {
                self.changed.insert(tenant.clone());
            }
        }
        if let Some(space) = self.spaces.get_mut(tenant) {
            space.ask_for(fault);
            for at in 0..space.entries.len() {
                self.roll(tenant, at);
            }
        }
        Ok(())
    }

    /// Puts objects there as they are after a long time: every pod ready, but for those that show
    /// the fault.
    pub(super) fn restore(
        &mut self,
        tenant: &TenantId,
        objects: &[Object],
        fault: Option<DemoFault>,
    ) -> Result<(), ClusterError> {
        self.apply(tenant, objects, fault)?;
        let Some(space) = self.spaces.get(tenant) else { return Ok(()) };
        let pods: Vec<u64> = space.entries.iter().flat_map(|entry| entry.pods.iter().copied()).collect();
        for id in pods {
            let Some(pod) = self.pods.get_mut(&id).filter(|pod| pod.fault.is_none()) else { continue };
            // A pod that has its room keeps it.
            let node = pod.node.map_or_else(|| self.nodes.place(&ask(&pod.template)), Ok);
            if let Ok(node) = node {
                self.nodes.image_ready_at(node, &pod.template.image, self.now, 0);
                (pod.node, pod.phase, pod.turn) = (Some(node), Phase::Ready, pod.turn + 1);
            }
        }
        Ok(())
    }

    /// Deletes what `keep` does not name; the namespace stays.
    pub(super) fn prune(&mut self, tenant: &TenantId, keep: &[Object]) {
        let kept: BTreeSet<(&str, &str)> = keep.iter().map(|object| (object.kind(), object.name())).collect();
        let Some(space) = self.spaces.get(tenant).filter(|_| !keep.is_empty()) else { return };
        let goes = |entry: &&Entry| entry.kind != "Namespace" && !kept.contains(&(entry.kind, &*entry.name));
        let gone: Vec<(&'static str, String)> =
            space.entries.iter().filter(goes).map(|entry| (entry.kind, entry.name.to_string())).collect();
        for (kind, name) in gone {
            self.drop_object(tenant, kind, &name, false);
        }
    }

    /// Starts deleting everything of a tenant; `force` skips the grace period.
    pub(super) fn delete(&mut self, tenant: &TenantId, force: bool) {
        let Some(space) = self.spaces.get_mut(tenant) else { return };
        space.terminating = true;
        self.changed.insert(tenant.clone());
        let all: Vec<(&'static str, String)> =
            space.entries.iter().map(|entry| (entry.kind, entry.name.to_string())).collect();
        for (kind, name) in all.iter().filter(|(kind, _)| *kind != "Namespace") {
            self.drop_object(tenant, kind, name, force);
        }
        self.finish_namespace(tenant);
    }

    /// Deletes one object; its pods end by themselves. A namespace takes everything with it.
    pub(super) fn drop_object(&mut self, tenant: &TenantId, kind: &str, name: &str, force: bool) {
        if kind == "Namespace" {
            return self.delete(tenant, force);
        }
        let Some(space) = self.spaces.get_mut(tenant) else { return };
        let Some(at) = space.find(kind, name) else { return };
        self.changed.insert(tenant.clone());
        let entry = &mut space.entries[at];
        entry.terminating = true;
        let pods = entry.pods.clone();
        if pods.is_empty() {
            space.entries.remove(at);
        }
        for pod in pods {
            self.terminate(pod, force);
        }
    }

    /// Loses one object to somebody's hand: it is gone at once, and its pods end by themselves.
    pub(super) fn lose_object(&mut self, tenant: &TenantId, kind: &str, name: &str) {
        if kind == "Namespace" {
            return self.delete(tenant, false);
        }
        let Some(space) = self.spaces.get_mut(tenant) else { return };
        let Some(at) = space.find(kind, name) else { return };
        let entry = space.entries.remove(at);
        self.changed.insert(tenant.clone());
        for pod in entry.pods {
            self.terminate(pod, false);
        }
    }

    /// Everything of a tenant.
    pub(super) fn observe(&self, tenant: &TenantId) -> Observation {
        let Some(space) = self.spaces.get(tenant) else { return Observation::default() };
        let state = |entry: &Entry| entry.state(space, &self.pods);
        Observation { objects: space.entries.iter().map(state).collect() }
    }

    /// Which of these objects are there and not as given.
    pub(super) fn differing<'o>(&self, tenant: &TenantId, objects: &'o [Object]) -> Vec<&'o Object> {
        let Some(space) = self.spaces.get(tenant) else { return Vec::new() };
        objects.iter().filter(|object| space.differs(object)).collect()
    }

    /// What there is and what is taken. A tenant takes the storage that its quota names.
    pub(super) fn capacity(&self) -> Capacity {
        let storage_gb = self.spaces.values().map(Space::storage_gb).sum();
        let used = Resources { storage_gb, ..self.nodes.used() };
        let mut tenants: HashMap<TenantId, Vec<TenantPod>> = HashMap::new();
        for pod in self.pods.values() {
            tenants.entry(pod.tenant.clone()).or_default().push(TenantPod {
                node: pod.node,
                app: App::parse(&pod.owner),
                requests: pod.template.requests,
                // A simulated node has those of one name.
                gpus: (pod.template.requests.gpu > 0).then_some(0),
                leaving: pod.phase == Phase::Terminating,
            });
        }
        Capacity {
            status: "healthy".to_owned(),
            total: self.nodes.total(),
            used,
            used_by_tenants: used,
            places: Places {
                nodes: self.nodes.places(),
                tenants,
                known_labels_only: true,
                devices_unknown: None,
            },
        }
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::NamespaceGone(tenant) => {
                self.spaces.remove(&tenant);
                self.happened.remove(&tenant);
                self.changed.insert(tenant);
            }
            Event::Pod(id, turn) => {
                let Some(pod) = self.pods.get(&id).filter(|pod| pod.turn == turn) else { return };
                self.changed.insert(pod.tenant.clone());
                let before = pod.phase.clone();
                match before {
                    Phase::Created => self.schedule(id),
                    Phase::Unschedulable { .. } => self.give_up(id),
                    Phase::Terminating => self.remove_pod(id),
                    _ => self.step(id),
                }
                if before != Phase::Terminating {
                    self.note(id, &before);
                }
            }
        }
    }

    fn step(&mut self, id: u64) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let (next, turn) = (pod.step(), pod.turn);
        if let Some(after) = next {
            self.set_timer(after, Event::Pod(id, turn));
        } else if pod.phase == Phase::Ready {
            let (tenant, kind, owner) = (pod.tenant.clone(), pod.kind, pod.owner.clone());
            self.roll_owner(&tenant, kind, &owner);
        }
    }

    fn schedule(&mut self, id: u64) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        let ask = ask(&pod.template);
        let placed = if pod.fault == Some(DemoFault::Unschedulable) {
            Err(self.nodes.nothing_left(&ask))
        } else {
            self.nodes.place(&ask)
        };
        match placed {
            Ok(node) => self.start(id, node),
            Err(refusal) => {
                pod.phase = Phase::Unschedulable { refusal, given_up: false };
                if pod.fault.is_none() {
                    self.waiting.entry(shape(&pod.template)).or_default().insert(id);
                }
                let turn = pod.turn;
                self.set_timer(PATIENCE, Event::Pod(id, turn));
            }
        }
    }

    fn start(&mut self, id: u64, node: usize) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        (pod.node, pod.phase, pod.turn) = (Some(node), Phase::Pulling, pod.turn + 1);
        let after = if pod.fault == Some(DemoFault::ImageNotFound) {
            pod.refused_pull_ms()
        } else {
            self.nodes.image_ready_at(node, &pod.template.image, self.now, pod.pull_ms()) - self.now
        };
        let turn = pod.turn;
        self.changed.insert(pod.tenant.clone());
        self.set_timer(after, Event::Pod(id, turn));
    }

    fn give_up(&mut self, id: u64) {
        if let Some(Pod { phase: Phase::Unschedulable { given_up, .. }, .. }) = self.pods.get_mut(&id) {
            *given_up = true;
        }
    }

    /// Lets waiting pods have what others gave back; where one does not fit, none like it does.
    fn offer_free_room(&mut self) {
        if !std::mem::take(&mut self.room_came_free) {
            return;
        }
        let mut placed = Vec::new();
        for pods in self.waiting.values_mut() {
            while let Some(&id) = pods.first() {
                let Some(pod) = self.pods.get(&id) else {
                    pods.pop_first();
                    continue;
                };
                let Ok(node) = self.nodes.place(&ask(&pod.template)) else { break };
                placed.push((id, node));
                pods.pop_first();
            }
        }
        self.waiting.retain(|_, pods| !pods.is_empty());
        for (id, node) in placed {
            self.start(id, node);
        }
    }

    fn terminate(&mut self, id: u64, force: bool) {
        let Some(pod) = self.pods.get_mut(&id) else { return };
        if pod.phase == Phase::Terminating && !force {
            return;
        }
        if let Some(pods) = self.waiting.get_mut(&shape(&pod.template)) {
            pods.remove(&id);
        }
        let before = std::mem::replace(&mut pod.phase, Phase::Terminating);
        pod.turn += 1;
        let (after, turn) = (pod.stop_ms(force), pod.turn);
        self.set_timer(after, Event::Pod(id, turn));
        self.note(id, &before);
    }

    /// Keeps what a pod came to.
    fn note(&mut self, id: u64, before: &Phase) {
        let Some(pod) = self.pods.get(&id).filter(|pod| pod.phase != *before) else { return };
        let node = pod.node.map(|node| self.nodes.name(node));
        let told = pod.told(node.as_deref());
        let kept = self.happened.entry(pod.tenant.clone()).or_default();
        for (reason, message, is_warning) in told {
            if kept.len() == MOST_HAPPENED {
                kept.pop_front();
            }
            let (pod, reason) = (pod.name(id), Cow::Borrowed(reason));
            kept.push_back(Happened { at: self.now, pod, reason, message, is_warning });
        }
    }

    /// What happened to a tenant's pods, newest first.
    pub(super) fn happened(&self, tenant: &TenantId) -> Vec<Happened> {
        self.happened.get(tenant).map_or_else(Vec::new, |kept| kept.iter().rev().cloned().collect())
    }

    /// A tenant's pods, with what their containers write.
    pub(super) fn writers(&self, tenant: &TenantId) -> Vec<(PodName, Writer)> {
        let pods = self.pods.iter().filter(|(_, pod)| pod.tenant == *tenant);
        let mut pods: Vec<_> = pods
            .map(|(id, pod)| {
                let (name, app, writer) = (pod.name(*id), pod.owner.to_string(), pod.writer());
                (PodName { name, app, containers: vec![writer.container.clone()] }, writer)
            })
            .collect();
        pods.sort_by(|a, b| a.0.cmp(&b.0));
        pods
    }

    fn remove_pod(&mut self, id: u64) {
        let Some(pod) = self.pods.remove(&id) else { return };
        if let Some(node) = pod.node {
            self.nodes.release(node, &pod.template.requests);
            self.room_came_free = true;
        }
        let Some(space) = self.spaces.get_mut(&pod.tenant) else { return };
        let Some(at) = space.find(pod.kind, &pod.owner) else { return };
        let entry = &mut space.entries[at];
        entry.pods.retain(|other| *other != id);
        if entry.terminating && entry.pods.is_empty() {
            space.entries.remove(at);
            self.finish_namespace(&pod.tenant);
        } else {
            self.roll(&pod.tenant, at);
        }
    }

    /// Lets a terminating namespace go once nothing is left in it.
    fn finish_namespace(&mut self, tenant: &TenantId) {
        let Some(space) = self.spaces.get_mut(tenant) else { return };
        let empty = space.entries.iter().all(|entry| entry.kind == "Namespace");
        if space.terminating && empty && !std::mem::replace(&mut space.going, true) {
            self.set_timer(NAMESPACE_CLEANUP_MS, Event::NamespaceGone(tenant.clone()));
        }
    }

    fn roll_owner(&mut self, tenant: &TenantId, kind: &str, name: &str) {
        if let Some(at) = self.spaces.get(tenant).and_then(|space| space.find(kind, name)) {
            self.roll(tenant, at);
        }
    }

    /// Takes the steps of a roll-out that can be taken now.
    fn roll(&mut self, tenant: &TenantId, at: usize) {
        let Some(space) = self.spaces.get_mut(tenant) else { return };
        let entry = &mut space.entries[at];
        let Some(spec) = entry.spec.clone().filter(|_| !entry.terminating) else { return };
        let members = entry.members(&self.pods);
        let step = spec.next_step(&members);
        for _ in 0..step.create {
            self.make_pod(tenant, at, &spec);
        }
        for pod in step.terminate {
            self.terminate(pod, false);
        }
    }

    fn make_pod(&mut self, tenant: &TenantId, at: usize, spec: &WorkloadSpec) {
        let Some(space) = self.spaces.get_mut(tenant) else { return };
        let entry = &mut space.entries[at];
        let owner = (entry.kind, entry.name.clone());
        let revision = (spec.template.clone(), entry.revision);
        let pod = Pod::new(tenant.clone(), owner, revision, entry.fault, entry.pods_made);
        self.pods_made += 1;
        entry.pods_made += 1;
        entry.pods.push(self.pods_made);
        let after = pod.scheduling_ms();
        self.pods.insert(self.pods_made, pod);
        self.changed.insert(tenant.clone());
        self.set_timer(after, Event::Pod(self.pods_made, 0));
    }

    fn set_timer(&mut self, after: u64, event: Event) {
        self.events_made += 1;
        self.events.push(Reverse((self.now + after, self.events_made, event)));
    }
}

fn ask(template: &Template) -> Ask<'_> {
    Ask { requests: template.requests, selector: &template.selector, gpu_resource: &template.gpu_resource }
}

fn shape(template: &Template) -> Shape {
    let requests = &template.requests;
    (requests.cpu_millicores, requests.memory_mib, requests.gpu, template.selector.clone())
}
