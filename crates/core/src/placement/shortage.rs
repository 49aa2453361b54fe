//! What is short where pods have no room, and why nodes were left out.

use super::room::{Free, Resource, Room};
use super::{Absence, Place, PodDemand};
use crate::quantity::{Resources, memory_text};
use crate::sizing::ContainerResources;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Node names that are given for one reason; the number is always whole.
const NODES_NAMED: usize = 10;

/// Why a tenant has no room.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Shortage {
    /// Resources of which there is too little.
    pub short: Vec<Shortfall>,
    /// Nodes that pods without a place could not go to, by reason.
    pub left_out: Vec<LeftOut>,
}

/// What of a tenant's pods is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// What they ask of the scheduler, node by node.
    Requests,
    /// What they may use at most, over all nodes.
    Limits,
}

impl Counted {
    /// The spelling of answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Limits => "limits",
        }
    }
}

/// One resource of which the cluster has too little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shortfall {
    /// `cpu`, `memory`, `gpu`, `pods`, `storage`.
    pub resource: &'static str,
    /// What of the pods is too much.
    pub counted: Counted,
    /// What the tenant asks for, with unit.
    pub requested: String,
    /// The part of it for which there is room, with unit.
    pub available: String,
    /// The rest, with unit.
    pub missing: String,
}

/// Why a node is none for a pod.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOutReason {
    /// Its kubelet does not answer.
    NotReady,
    /// It is cordoned.
    Cordoned,
    /// A taint that is not tolerated, such as `dedicated=db:NoSchedule`.
    Taint(String),
    /// A label that the catalog asks for and the node does not have, such as `pool=tenants`.
    Selector(String),
    /// Too little is left on it of these.
    Insufficient(Vec<&'static str>),
    /// What devices it has is not known, and why.
    DevicesUnknown(&'static str),
}

impl LeftOutReason {
    /// A stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotReady => "not_ready",
            Self::Cordoned => "cordoned",
            Self::Taint(_) => "taint",
            Self::Selector(_) => "selector",
            Self::Insufficient(_) => "insufficient",
            Self::DevicesUnknown(_) => "devices_unknown",
        }
    }

    /// Which taint, label or resources.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::NotReady | Self::Cordoned => None,
            Self::Taint(text) | Self::Selector(text) => Some(text.clone()),
            Self::Insufficient(resources) => Some(resources.join(", ")),
            Self::DevicesUnknown(why) => Some((*why).to_owned()),
        }
    }
}

impl fmt::Display for LeftOutReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            Some(detail) => write!(f, "{} {detail}", self.code()),
            None => f.write_str(self.code()),
        }
    }
}

/// Nodes that were left out for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftOut {
    /// Why.
    pub reason: LeftOutReason,
    /// How many.
    pub count: usize,
    /// The first of their names.
    pub nodes: Vec<String>,
}

impl Shortfall {
    /// Of what a tenant asks for of a resource, the part that is missing.
    pub(super) fn new(resource: Resource, counted: Counted, requested: u64, missing: u64) -> Self {
        let text = |amount: u64| match resource {
            Resource::Cpu => format!("{amount}m"),
            Resource::Memory => memory_text(amount),
            Resource::Gpu | Resource::Pods => amount.to_string(),
        };
        Self {
            resource: resource.as_str(),
            counted,
            requested: text(requested),
            available: text(requested.saturating_sub(missing)),
            missing: text(missing),
        }
    }
}

impl Shortage {
    /// Notes what nodes have too little of for what was promised; it stands for what they have too little of
    /// for requests, which is less.
    pub(super) fn promise(&mut self, short: Vec<Shortfall>) {
        self.short.retain(|known| short.iter().all(|more| more.resource != known.resource));
        self.short.extend(short);
        let place = |short: &Shortfall| {
            Resource::ALL.into_iter().position(|resource| resource.as_str() == short.resource)
        };
        self.short.sort_by_key(place);
    }

    /// `gpu 2, cpu 1200m`: what is missing, in short.
    pub fn summary(&self) -> String {
        let parts: Vec<String> =
            self.short.iter().map(|short| format!("{} {}", short.resource, short.missing)).collect();
        parts.join(", ")
    }

    /// `3 × taint dedicated=db:NoSchedule, 1 × cordoned`; a dash where no node was left out.
    pub fn left_out_summary(&self) -> String {
        let parts: Vec<String> =
            self.left_out.iter().map(|left| format!("{} × {}", left.count, left.reason)).collect();
        if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
    }

    /// Notes the storage, where there is too little.
    pub(super) fn storage(&mut self, requested: u64, available: u64) {
        if requested > available {
            let text = |storage_gb: u64| Resources { storage_gb, ..Resources::default() }.storage_text();
            self.short.push(Shortfall {
                resource: "storage",
                counted: Counted::Limits,
                requested: text(requested),
                available: text(available),
                missing: text(requested - available),
            });
        }
    }
}

/// What is found out about pods that have no place.
#[derive(Default)]
pub(super) struct Search {
    missing: BTreeMap<Resource, u64>,
    left_out: BTreeMap<LeftOutReason, BTreeSet<usize>>,
}

impl Search {
    /// Notes what keeps pods without a place off every node.
    pub(super) fn look_for(
        &mut self,
        room: &Room<'_>,
        class_index: usize,
        requests: &ContainerResources,
        pods: u32,
    ) {
        let pod = Free::of(requests);
        let class = &room.classes[class_index];
        let open: BTreeSet<usize> = class.open.iter().copied().collect();
        // What keeps the pods off the nodes that are nearest to taking them is what is short.
        let mut nearest: Option<(usize, BTreeSet<Resource>)> = None;
        for (node, place) in room.places.nodes.iter().enumerate() {
            if open.contains(&node) {
                let lacking: Vec<Resource> = room.free_for(class_index, node).lacks(&pod).collect();
                let reason = match room.places.devices_unknown {
                    Some(why) if lacking.contains(&Resource::Gpu) => LeftOutReason::DevicesUnknown(why),
                    _ => {
                        let names = lacking.iter().map(|resource| resource.as_str());
                        LeftOutReason::Insufficient(names.collect())
                    }
                };
                self.left_out.entry(reason).or_default().insert(node);
                match &mut nearest {
                    Some((count, all)) if *count == lacking.len() => all.extend(lacking),
                    Some((count, _)) if *count < lacking.len() => {}
                    _ => nearest = Some((lacking.len(), lacking.into_iter().collect())),
                }
                continue;
            }
            let node_of = &place.node;
            let taint =
                node_of.taints.iter().find(|taint| !taint.is_tolerated(&class.constraint.tolerations));
            let reason = match node_of.absence {
                Some(Absence::NotReady) => LeftOutReason::NotReady,
                Some(Absence::Cordoned) => LeftOutReason::Cordoned,
                None => match (room.wrong_label(&class.constraint, node), taint) {
                    (Some((key, value)), _) => LeftOutReason::Selector(format!("{key}={value}")),
                    (None, Some(taint)) => LeftOutReason::Taint(taint.to_string()),
                    // Its GPUs go by another name, as a scheduler sees it.
                    (None, None) => LeftOutReason::Insufficient(vec![Resource::Gpu.as_str()]),
                },
            };
            self.left_out.entry(reason).or_default().insert(node);
        }
        let all_asked = || {
            let asked = Resource::ALL.into_iter().filter(|resource| *resource != Resource::Pods);
            asked.filter(|resource| resource.of(&pod) > 0).collect()
        };
        let short = nearest.map_or_else(all_asked, |(_, short)| short);
        for resource in short {
            let more = resource.of(&pod).saturating_mul(u64::from(pods));
            let missing = self.missing.entry(resource).or_default();
            *missing = missing.saturating_add(more);
        }
    }

    /// Says how much of what the tenant asks for is missing, and which nodes were left out.
    pub(super) fn shortage(self, places: &[Place], demands: &[PodDemand]) -> Shortage {
        let short = self.missing.into_iter().map(|(resource, missing)| {
            let of_demand = |demand: &PodDemand| {
                resource.of(&Free::of(&demand.requests)).saturating_mul(u64::from(demand.replicas))
            };
            let requested = demands.iter().map(of_demand).fold(0, u64::saturating_add);
            Shortfall::new(resource, Counted::Requests, requested, missing)
        });
        let name = |node: &usize| places[*node].node.name.clone();
        let left_out = self.left_out.into_iter().map(|(reason, nodes)| LeftOut {
            reason,
            count: nodes.len(),
            nodes: nodes.iter().take(NODES_NAMED).map(name).collect(),
        });
        Shortage { short: short.collect(), left_out: left_out.collect() }
    }
}
