//! A tenant that goes: its pods that are left, what waits for what, and what others keep in its namespace.

use super::{Index, TenantIndex};
use crate::kubernetes::kinds::{self, KINDS};
use crate::kubernetes::pods::PodFacts;
use crate::kubernetes::state;
use crate::reasons;
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ports::ObjectState;
use ecp_core::text::Message;

/// Objects that one sentence names.
const NAMES_TOLD: usize = 20;

impl TenantIndex {
    /// Pods of the tenant's own workloads, as the status shows them, by name.
    pub(super) fn pods_left(&self, installation: &InstallationId) -> Vec<ObjectState> {
        let pods = self.pods.values().map(|(facts, _)| facts);
        let mut left: Vec<&PodFacts> = pods.filter(|facts| self.owns_pod(facts, installation)).collect();
        left.sort_by(|one, other| one.name.cmp(&other.name));
        left.into_iter().map(state::judge_leaving).collect()
    }
}

impl Index {
    /// Whether a tenant is on its way out.
    pub(in crate::kubernetes) fn set_goes(&self, tenant: &TenantId, goes: bool) {
        if let Some(index) = self.inner.lock().tenants.get_mut(tenant) {
            index.goes = goes;
        }
    }
}

/// Says of what is not on its way out yet for what it waits: workloads and their pods go first, the namespace
/// last.
pub(super) fn tell_what_waits(objects: &mut [ObjectState], pods: &[ObjectState]) {
    let is_first = |state: &ObjectState| {
        kinds::find(&state.kind).is_some_and(|(place, _)| KINDS[place].step >= kinds::WORKLOADS)
    };
    let is_namespace = |state: &ObjectState| state.kind == KINDS[kinds::NAMESPACE].name;
    let named = |states: Vec<&ObjectState>| (!states.is_empty()).then(|| reasons::waits_for(&names(&states)));
    let before_the_rest = named(objects.iter().filter(|state| is_first(state)).chain(pods).collect());
    let before_the_namespace =
        named(objects.iter().filter(|state| !is_namespace(state)).chain(pods).collect());
    for state in objects.iter_mut().filter(|state| state.status != "Terminating" && !is_first(state)) {
        let waits = if is_namespace(state) { &before_the_namespace } else { &before_the_rest };
        state.reason.clone_from(waits);
    }
}

/// Why the namespace of a tenant that goes is kept.
pub(super) fn shared(with: &[ObjectState]) -> Message {
    Message::new("cluster.namespace_shared").with("objects", names(&with.iter().collect::<Vec<_>>()))
}

fn names(states: &[&ObjectState]) -> String {
    let told = states.iter().take(NAMES_TOLD).map(|state| format!("{} {}", state.kind, state.name));
    let told = told.collect::<Vec<_>>().join(", ");
    match states.len().saturating_sub(NAMES_TOLD) {
        0 => told,
        more => format!("{told}, … (+{more})"),
    }
}
