//! The namespace of one tenant in the simulated cluster: its objects, and how each looks.

use super::kept;
use super::pod::{Phase, Pod};
use super::workload::{Member, WorkloadSpec};
use ecp_core::manifest::Object;
use ecp_core::ports::ObjectState;
use ecp_core::quantity::parse_quantity;
use ecp_core::tenant::DemoFault;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::sync::Arc;

/// A namespace and what is in it, in the order in which it came.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Space {
    pub(super) entries: Vec<Entry>,
    /// It is being deleted.
    pub(super) terminating: bool,
    /// Nothing is left in it, and its own end is near.
    pub(super) going: bool,
}

/// One object.
#[derive(Serialize, Deserialize)]
pub(super) struct Entry {
    #[serde(deserialize_with = "kept::kind")]
    pub(super) kind: kept::KindName,
    pub(super) name: Arc<str>,
    /// What it wants, where it has pods.
    pub(super) spec: Option<WorkloadSpec>,
    /// The fault that its pods are to show.
    pub(super) fault: Option<DemoFault>,
    pub(super) revision: u64,
    pub(super) pods: Vec<u64>,
    pub(super) pods_made: u32,
    /// It is gone but for its pods, which are ending.
    pub(super) terminating: bool,
    storage_gb: u64,
}

impl Space {
    /// Where an object is.
    pub(super) fn find(&self, kind: &str, name: &str) -> Option<usize> {
        self.entries.iter().position(|entry| entry.kind == kind && &*entry.name == name)
    }

    /// True once the namespace itself was applied.
    pub(super) fn exists(&self) -> bool {
        self.entries.iter().any(|entry| entry.kind == "Namespace")
    }

    /// True where an object is there and not as given.
    pub(super) fn differs(&self, object: &Object) -> bool {
        let entry = self.find(object.kind(), object.name()).map(|at| &self.entries[at]);
        entry.is_some_and(|entry| entry.is_changed_by(&WorkloadSpec::read(object), storage_gb(object)))
    }

    /// Makes an object so; true where that changed anything.
    pub(super) fn put(&mut self, object: &Object) -> bool {
        let (spec, storage_gb) = (WorkloadSpec::read(object), storage_gb(object));
        let Some(at) = self.find(object.kind(), object.name()) else {
            self.entries.push(Entry {
                kind: object.kind(),
                name: object.name().into(),
                spec,
                fault: None,
                revision: 0,
                pods: Vec::new(),
                pods_made: 0,
                terminating: false,
                storage_gb,
            });
            return true;
        };
        let entry = &mut self.entries[at];
        let changed = entry.terminating || entry.is_changed_by(&spec, storage_gb);
        (entry.spec, entry.storage_gb, entry.terminating) = (spec, storage_gb, false);
        changed
    }

    /// Lets the first Deployment show the fault, and every workload know its revision.
    pub(super) fn ask_for(&mut self, fault: Option<DemoFault>) {
        let mut fault = fault;
        for entry in self.entries.iter_mut().filter(|entry| !entry.terminating) {
            let Some(spec) = &entry.spec else { continue };
            entry.fault = if entry.kind == "Deployment" { fault.take() } else { None };
            entry.revision = spec.revision(entry.fault);
        }
    }

    /// Storage that the tenant takes: what its quota names, or else what its claims ask for.
    pub(super) fn storage_gb(&self) -> u64 {
        let of_kind = |kind| -> u64 {
            self.entries.iter().filter(|entry| entry.kind == kind).map(|entry| entry.storage_gb).sum()
        };
        match of_kind("ResourceQuota") {
            0 => of_kind("StatefulSet"),
            quota => quota,
        }
    }
}

impl Entry {
    fn is_changed_by(&self, spec: &Option<WorkloadSpec>, storage_gb: u64) -> bool {
        self.spec != *spec || self.storage_gb != storage_gb
    }

    /// Its pods that are not ending, oldest first.
    pub(super) fn members(&self, pods: &HashMap<u64, Pod>) -> Vec<Member> {
        self.living(pods)
            .map(|(id, pod)| Member {
                pod: id,
                current: pod.revision == self.revision,
                ready: pod.phase == Phase::Ready,
            })
            .collect()
    }

    /// How it looks.
    pub(super) fn state(&self, space: &Space, pods: &HashMap<u64, Pod>) -> ObjectState {
        let mut state = ObjectState {
            kind: self.kind.to_owned(),
            name: self.name.to_string(),
            status: "Active".to_owned(),
            ready: true,
            replicas: None,
            reason: None,
            stuck: false,
        };
        if let Some(spec) = &self.spec {
            self.look_at_pods(spec, pods, &mut state);
        }
        if self.terminating || space.terminating {
            state.status = "Terminating".to_owned();
            (state.ready, state.stuck, state.reason) = (false, false, None);
        }
        state
    }

    fn look_at_pods(&self, spec: &WorkloadSpec, pods: &HashMap<u64, Pod>, state: &mut ObjectState) {
        let members = self.members(pods);
        let ready = members.iter().filter(|member| member.current && member.ready).count() as u32;
        state.replicas = Some((ready, spec.replicas));
        state.ready = ready == spec.replicas && members.iter().all(|member| member.current);
        let troubled = |stuck: bool| {
            self.living(pods)
                .map(|(_, pod)| pod)
                .find(move |pod| pod.is_stuck() == stuck && pod.reason().is_some())
        };
        let worst = troubled(true).or_else(|| troubled(false));
        state.reason = worst.and_then(Pod::reason);
        state.stuck = worst.is_some_and(Pod::is_stuck);
        let status = if state.ready {
            "Available"
        } else if state.stuck {
            "Failed"
        } else if self.living(pods).any(|(_, pod)| pod.has_started()) {
            "Progressing"
        } else {
            "Pending"
        };
        state.status = status.to_owned();
    }

    fn living<'a>(&'a self, pods: &'a HashMap<u64, Pod>) -> impl Iterator<Item = (u64, &'a Pod)> {
        self.pods
            .iter()
            .filter_map(|id| Some((*id, pods.get(id)?)))
            .filter(|(_, pod)| pod.phase != Phase::Terminating)
    }
}

/// What an object says about storage, in GB (10⁹ bytes).
fn storage_gb(object: &Object) -> u64 {
    let amounts = match object {
        Object::ResourceQuota(quota) => {
            let hard = quota.spec.as_ref().and_then(|spec| spec.hard.as_ref());
            hard.and_then(|hard| hard.get("requests.storage")).into_iter().collect::<Vec<_>>()
        }
        Object::StatefulSet(set) => set
            .spec
            .iter()
            .flat_map(|spec| spec.volume_claim_templates.iter().flatten())
            .filter_map(|claim| claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?.get("storage"))
            .collect(),
        _ => Vec::new(),
    };
    let thousandths: u128 = amounts.iter().filter_map(|amount| parse_quantity(&amount.0)).sum();
    u64::try_from(thousandths.div_ceil(1_000_000_000_000)).unwrap_or(u64::MAX)
}
