//! What the watches saw, by tenant: small facts to judge by, and each object as it was applied.
//!
//! Every question of the domain is answered from here without asking the cluster. What an [`entry`] holds, what
//! differs from what is wanted ([`diff`]), what is noted of ours ([`noted`]), what a tenant that goes waits for
//! ([`leaving`]) and who runs where ([`places`]) have files of their own.

mod broken;
mod dead;
mod diff;
mod entry;
mod external;
mod leaving;
mod noted;
mod places;
mod seen;

use super::capacity::{GpuResources, NodeFacts, PodRequests};
use super::devices::{ClaimFacts, SliceFacts};
use super::kinds::{self, CLAIM, KINDS};
use super::pods::PodFacts;
use super::state::{self, EventFacts};
use broken::Broken;
use dead::Dead;
pub(super) use diff::Autoscaled;
use ecp_core::happenings::PodName;
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ledger::Notes;
use ecp_core::manifest::Object;
use ecp_core::ports::{ObjectState, Observation};
use ecp_core::text::Message;
use entry::{Entry, entry_of, tenant_of, version_of};
use kube::core::DynamicObject;
pub(super) use noted::{Left, addition_left};
use parking_lot::Mutex;
use places::{NamespaceFacts, ReplicaSetFacts};
pub(super) use seen::Seen;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use tokio::sync::{Notify, broadcast};

/// Changes that a reader may be behind before it looks at every tenant.
const CHANGES_KEPT: usize = 4096;

/// Place of a kind in the order, and name.
type Key = (usize, String);

/// An object of which a list does not tell whether it is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) tenant: TenantId,
    pub(super) name: String,
    uid: String,
}

#[derive(Debug, Default)]
struct TenantIndex {
    objects: BTreeMap<Key, Entry>,
    /// What the ledger says is ours, with the uid where it is known.
    noted: BTreeMap<Key, Option<String>>,
    /// What others added to our objects and can not be taken out, by uid.
    left: BTreeMap<Key, (String, Vec<Left>)>,
    /// The tenant goes: its pods that are left are told.
    goes: bool,
    /// What others keep in the namespace, while the tenant goes.
    shared_with: Vec<ObjectState>,
    pods: HashMap<String, (PodFacts, PodRequests)>,
    events: Vec<EventFacts>,
    /// Objects that were to be applied and whose kind the cluster does not know.
    skipped: BTreeSet<Key>,
    /// Nothing changed since all objects were found as they should be.
    verified: bool,
}

impl TenantIndex {
    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.pods.is_empty() && self.skipped.is_empty() && self.noted.is_empty()
    }

    /// What there is to say of an object; of its pods, which are its by their controllers' uids.
    fn judged(&self, entry: &Entry) -> ObjectState {
        let pods = self.pods.values().map(|(facts, _)| facts).filter(|facts| facts.is_of(&entry.uid));
        state::judge_with_events(&entry.facts, &pods.collect::<Vec<_>>(), &self.events)
    }
}

#[derive(Debug, Default)]
struct Inner {
    tenants: HashMap<TenantId, TenantIndex>,
    /// All namespaces by name.
    namespaces: HashMap<String, NamespaceFacts>,
    /// Tenants whose objects were made before anything was noted, and are not noted yet.
    unnoted: HashSet<TenantId>,
    nodes: HashMap<String, NodeFacts>,
    /// What slices of the driver say that nodes have, by name, and what claims hold, by uid.
    slices: HashMap<String, SliceFacts>,
    claims: HashMap<String, ClaimFacts>,
    /// Neither can be read.
    devices_unknown: bool,
    /// ReplicaSets in tenants' namespaces, by uid.
    replica_sets: HashMap<String, ReplicaSetFacts>,
    /// Pods that are nobody's tenant's.
    other_pods: HashMap<String, PodRequests>,
    /// Watches whose first list is complete.
    complete: HashSet<&'static str>,
    /// Of kinds that are being listed: uids of what was put in since the list began.
    lists: HashMap<usize, HashSet<String>>,
    /// Kinds that the cluster does not know, by place.
    unknown: HashSet<usize>,
    /// Watches that fail.
    broken: Broken,
    /// What went lately.
    dead: Dead,
}

/// The index of one cluster.
#[derive(Debug)]
pub(super) struct Index {
    inner: Mutex<Inner>,
    changes: broadcast::Sender<TenantId>,
    gpu_resources: GpuResources,
    installation: InstallationId,
    /// By place of a kind: somebody was told that the cluster does not know it.
    doubted: Vec<Notify>,
}

impl Index {
    /// What `notes` say is ours of what the watches will see.
    pub(super) fn new(gpu_resources: GpuResources, installation: InstallationId, notes: Notes) -> Self {
        let mut inner = Inner { unnoted: notes.unnoted.into_iter().collect(), ..Inner::default() };
        for (tenant, object) in notes.objects {
            if let Some((kind, _)) = kinds::find(&object.kind) {
                inner.tenants.entry(tenant).or_default().noted.insert((kind, object.name), object.uid);
            }
        }
        let changes = broadcast::Sender::new(CHANGES_KEPT);
        let doubted = KINDS.iter().map(|_| Notify::new()).collect();
        Self { inner: Mutex::new(inner), changes, gpu_resources, installation, doubted }
    }

    /// Which installation this is.
    pub(super) fn installation(&self) -> &InstallationId {
        &self.installation
    }

    pub(super) fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.changes.subscribe()
    }

    fn tell(&self, tenant: &TenantId) {
        // No reader is no error.
        _ = self.changes.send(tenant.clone());
    }

    /// A watch has seen everything there is.
    pub(super) fn complete(&self, watch: &'static str) {
        self.inner.lock().complete.insert(watch);
    }

    /// Whether the cluster knows a kind. What was skipped while it did not is to be applied once it
    /// does.
    pub(super) fn set_known(&self, kind: usize, known: bool) {
        let mut inner = self.inner.lock();
        if !known {
            inner.unknown.insert(kind);
            return;
        }
        if !inner.unknown.remove(&kind) {
            return;
        }
        let mut waiting = Vec::new();
        for (tenant, index) in &mut inner.tenants {
            let before = index.skipped.len();
            index.skipped.retain(|key| key.0 != kind);
            if index.skipped.len() < before {
                index.verified = false;
                waiting.push(tenant.clone());
            }
        }
        drop(inner);
        waiting.iter().for_each(|tenant| self.tell(tenant));
    }

    /// A call was told that the cluster does not know a kind: so it is until it was listed anew.
    pub(super) fn doubt_kind(&self, kind: usize) {
        self.set_known(kind, false);
        self.doubted[kind].notify_one();
    }

    /// Ends when a kind is doubted.
    pub(super) async fn doubted(&self, kind: usize) {
        self.doubted[kind].notified().await;
    }

    /// True of a kind that the cluster does not know.
    pub(super) fn is_unknown(&self, kind: usize) -> bool {
        self.inner.lock().unknown.contains(&kind)
    }

    /// Notes that an object is skipped where its kind is unknown; true where it is.
    pub(super) fn skip_unknown(&self, tenant: &TenantId, kind: usize, name: &str) -> bool {
        let mut inner = self.inner.lock();
        if !inner.unknown.contains(&kind) {
            return false;
        }
        let index = inner.tenants.entry(tenant.clone()).or_default();
        index.skipped.insert((kind, name.to_owned()));
        true
    }

    /// Forgets what was skipped for a tenant, but for what is still wanted.
    pub(super) fn forget_skipped(&self, tenant: &TenantId, wanted: &[Object]) {
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        let is_wanted = |key: &Key| {
            wanted.iter().any(|object| object.kind() == KINDS[key.0].name && object.name() == key.1)
        };
        index.skipped.retain(is_wanted);
        if index.is_empty() {
            inner.tenants.remove(tenant);
        }
    }

    /// How many watches have.
    pub(super) fn completed(&self) -> usize {
        self.inner.lock().complete.len()
    }

    /// An object of a tenant is as given.
    pub(super) fn object_applied(&self, kind: usize, object: DynamicObject) {
        let Some(tenant) = tenant_of(&object) else { return };
        let name = object.metadata.name.clone().unwrap_or_default();
        let version = version_of(&object);
        let uid = object.metadata.uid.clone().unwrap_or_default();
        let mut guard = self.inner.lock();
        let inner = &mut *guard;
        if inner.dead.holds(&uid, version) {
            return;
        }
        let index = inner.tenants.entry(tenant.clone()).or_default();
        let key = (kind, name);
        let known = index.objects.get(&key);
        // The answer to an apply may come before or after the watch's news of it.
        if known.is_some_and(|known| known.uid == uid && known.resource_version >= version && version > 0) {
            return;
        }
        if let Some(meanwhile) = inner.lists.get_mut(&kind) {
            meanwhile.insert(uid.clone());
        }
        let entry = entry_of(kind, object, uid, version);
        let same_content = known.is_some_and(|known| {
            known.live == entry.live
                && known.marks == entry.marks
                && known.taken == entry.taken
                && known.uid == entry.uid
        });
        let same = same_content && known.is_some_and(|known| known.facts == entry.facts);
        index.verified &= same_content;
        index.objects.insert(key, entry);
        drop(guard);
        if !same {
            self.tell(&tenant);
        }
    }

    /// An object is gone.
    pub(super) fn object_deleted(&self, kind: usize, object: &DynamicObject) {
        let Some(tenant) = tenant_of(object) else { return };
        let name = object.metadata.name.clone().unwrap_or_default();
        if let Some(uid) = &object.metadata.uid {
            self.inner.lock().dead.add(uid, version_of(object));
        }
        self.forget(&tenant, &(kind, name), object.metadata.uid.as_deref());
    }

    /// An object left its watch: it is gone, or has lost the label by which it is watched. Where it is
    /// noted as ours it is given back, to be asked for.
    pub(super) fn object_left(&self, kind: usize, object: &DynamicObject) -> Option<Doubt> {
        let tenant = tenant_of(object)?;
        let name = object.metadata.name.clone().unwrap_or_default();
        let is_noted = self.inner.lock().is_noted(&tenant, &(kind, name.clone()));
        if is_noted {
            let uid = object.metadata.uid.clone().unwrap_or_default();
            return Some(Doubt { tenant, name, uid });
        }
        self.object_deleted(kind, object);
        None
    }

    fn forget(&self, tenant: &TenantId, key: &Key, uid: Option<&str>) {
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        if index.objects.get(key).is_some_and(|known| uid.is_none_or(|uid| uid == known.uid)) {
            index.objects.remove(key);
            index.verified = false;
        }
        if index.is_empty() {
            inner.tenants.remove(tenant);
        }
        drop(inner);
        self.tell(tenant);
    }

    /// A list of a kind is asked for: what was known before and is not in it will be gone.
    pub(super) fn begin_list(&self, kind: usize) {
        self.inner.lock().lists.insert(kind, HashSet::new());
    }

    /// Forgets the objects of a kind that a complete list does not hold. What was put in while the
    /// list was under way may be newer than the list, or gone since, and what is noted may have lost
    /// the label by which it is listed: these are kept and given back, to be asked for.
    pub(super) fn retain_objects(&self, kind: usize, listed: &HashSet<String>) -> Vec<Doubt> {
        let mut inner = self.inner.lock();
        let meanwhile = inner.lists.remove(&kind).unwrap_or_default();
        let (doubts, gone): (Vec<Doubt>, Vec<Doubt>) = inner
            .tenants
            .iter()
            .flat_map(|(tenant, index)| index.objects.iter().map(move |(key, entry)| (tenant, key, entry)))
            .filter(|(_, key, entry)| key.0 == kind && !listed.contains(&entry.uid))
            .map(|(tenant, key, entry)| Doubt {
                tenant: tenant.clone(),
                name: key.1.clone(),
                uid: entry.uid.clone(),
            })
            .partition(|doubt| {
                meanwhile.contains(&doubt.uid) || inner.is_noted(&doubt.tenant, &(kind, doubt.name.clone()))
            });
        let mut doubts = doubts;
        doubts.extend(inner.noted_unseen(kind));
        drop(inner);
        for doubt in gone {
            self.settle_gone(kind, doubt);
        }
        doubts
    }

    /// A tenant's pods, by name; those of every workload in the namespace where others manage the tenant.
    pub(super) fn pod_names(&self, tenant: &TenantId, is_external: bool) -> Vec<PodName> {
        let inner = self.inner.lock();
        let Some(index) = inner.tenants.get(tenant) else { return Vec::new() };
        let all_are = is_external || inner.unnoted.contains(tenant);
        let pods = index.pods.values().map(|(facts, _)| facts);
        let pods = pods.filter(|facts| all_are || index.owns_pod(facts, &self.installation));
        let pods = pods.map(|facts| PodName {
            name: facts.name.clone(),
            app: facts.service().unwrap_or_default().to_owned(),
            containers: facts.containers().map(str::to_owned).collect(),
        });
        let mut pods: Vec<PodName> = pods.collect();
        pods.sort();
        pods
    }

    /// An object that was in doubt is gone.
    pub(super) fn settle_gone(&self, kind: usize, doubt: Doubt) {
        self.forget(&doubt.tenant, &(kind, doubt.name), Some(&doubt.uid));
    }

    /// The tenant's objects, judged; its volumes go and come with their StatefulSet. While the tenant goes, its
    /// pods are told too, and what waits for them says so.
    pub(super) fn observe(&self, tenant: &TenantId) -> Observation {
        let inner = self.inner.lock();
        let Some(index) = inner.tenants.get(tenant) else { return Observation::default() };
        let ours: Vec<(&Key, &Entry)> = index
            .objects
            .iter()
            .filter(|(key, entry)| KINDS[key.0].name != CLAIM && index.owns(key, entry, &self.installation))
            .collect();
        let mut objects: Vec<ObjectState> = ours.iter().map(|(_, entry)| index.judged(entry)).collect();
        let mut pods = Vec::new();
        if index.goes && !ours.is_empty() {
            pods = index.pods_left(&self.installation);
            leaving::tell_what_waits(&mut objects, &pods);
        }
        for ((key, entry), state) in ours.iter().zip(&mut objects) {
            if !KINDS[key.0].is_namespaced() && !index.shared_with.is_empty() && !entry.facts.terminating {
                state.reason = Some(leaving::shared(&index.shared_with));
            }
            state.reason = state.reason.take().or_else(|| index.said_of_left(key, entry));
        }
        objects.extend(pods);
        objects.extend(index.shared_with.iter().filter(|_| !ours.is_empty()).cloned());
        objects.extend(index.skipped.iter().map(skipped));
        Observation { objects }
    }

    /// Reads one entry.
    pub(super) fn with_entry<T>(
        &self,
        tenant: &TenantId,
        kind: usize,
        name: &str,
        read: impl FnOnce(&Entry) -> T,
    ) -> Option<T> {
        let inner = self.inner.lock();
        inner.tenants.get(tenant)?.objects.get(&(kind, name.to_owned())).map(read)
    }

    /// Every object of a tenant that may be deleted, as `(kind, name, uid, leaving)`: what is ours, and
    /// the volumes that came of it.
    pub(super) fn inventory(&self, tenant: &TenantId) -> Vec<(usize, String, String, bool)> {
        let inner = self.inner.lock();
        let entries = inner.tenants.get(tenant).into_iter().flat_map(|index| index.objects.iter());
        entries
            .filter(|(key, entry)| {
                inner.tenants.get(tenant).is_some_and(|index| index.owns(key, entry, &self.installation))
            })
            .map(|(key, entry)| (key.0, key.1.clone(), entry.uid.clone(), entry.facts.terminating))
            .collect()
    }

    /// Tenants with a workload that is not ready: what happened to them is worth asking.
    pub(super) fn in_trouble(&self) -> Vec<TenantId> {
        let inner = self.inner.lock();
        let troubled = |index: &TenantIndex| {
            let mut workloads = index.objects.iter().filter(|(key, _)| KINDS[key.0].step == kinds::WORKLOADS);
            workloads.any(|(_, entry)| !state::judge(&entry.facts, &[]).ready)
        };
        inner.tenants.iter().filter(|(_, index)| troubled(index)).map(|(id, _)| id.clone()).collect()
    }

    /// What was said of a tenant's objects.
    pub(super) fn set_events(&self, tenant: &TenantId, events: Vec<EventFacts>) {
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        let same = index.events == events;
        index.events = events;
        drop(inner);
        if !same {
            self.tell(tenant);
        }
    }
}

/// An object that the cluster can not have: nothing more is expected of it.
fn skipped(key: &Key) -> ObjectState {
    let kind = KINDS[key.0].name;
    ObjectState {
        kind: kind.to_owned(),
        name: key.1.clone(),
        status: "Skipped".to_owned(),
        ready: true,
        replicas: None,
        reason: Some(Message::new("cluster.kind_unknown").with("kind", kind).with("name", &key.1)),
        stuck: false,
    }
}

#[cfg(test)]
mod tests;
