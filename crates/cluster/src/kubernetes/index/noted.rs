//! What is ours: the ledger's notes, held against what the watches see; and what of ours others
//! changed for good.

use super::{Index, Inner, Key, TenantIndex, entry::Entry};
use crate::kubernetes::drift::Addition;
use crate::kubernetes::index::Doubt;
use crate::kubernetes::kinds::{self, CLAIM, KINDS};
use crate::kubernetes::ownership::{Marks, is_sibling};
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ledger::{NotedObject, Notes};
use ecp_core::manifest::Object;
use ecp_core::ports::{Drift, ObjectState};
use ecp_core::text::Message;
use serde_json::Value;
use std::collections::BTreeMap;

/// Something that was added to an object of ours and is there again after it was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::kubernetes) struct Left {
    /// Where, as in [`crate::kubernetes::drift::Addition::place`].
    pub(in crate::kubernetes) place: String,
    /// What: another value there is another deed.
    pub(in crate::kubernetes) value: Value,
    /// Whose.
    pub(in crate::kubernetes) manager: Option<String>,
    /// It is worth a word: not a field that the cluster filled in by itself.
    pub(in crate::kubernetes) is_told: bool,
}

impl Left {
    /// True of an addition that is what was left.
    pub(in crate::kubernetes) fn is(&self, addition: &Addition, live: &Value) -> bool {
        self.place == addition.place && live.pointer(&addition.pointer) == Some(&self.value)
    }
}

impl TenantIndex {
    /// True of an object that is ours: by its uid in the ledger; by our marks where its name is noted
    /// and its uid not yet, as after a crash; a volume by its name, which its StatefulSet gave it.
    pub(super) fn owns(&self, key: &Key, entry: &Entry, installation: &InstallationId) -> bool {
        match self.noted.get(key) {
            None => KINDS[key.0].name == CLAIM && self.has_sibling(key, &entry.marks),
            Some(_) if KINDS[key.0].name == CLAIM => true,
            Some(Some(uid)) => *uid == entry.uid,
            Some(None) => entry.marks.are_of(installation),
        }
    }

    /// True of a volume beside one that is noted.
    fn has_sibling(&self, key: &Key, marks: &Marks) -> bool {
        let claims = self.noted.keys().filter(|(kind, _)| *kind == key.0);
        claims.into_iter().any(|(_, known)| is_sibling(known, &key.1, marks))
    }

    /// What was added to an object and can not be taken out of it.
    pub(super) fn left_of(&self, key: &Key, uid: &str) -> &[Left] {
        self.left.get(key).filter(|(of, _)| of == uid).map(|(_, left)| left.as_slice()).unwrap_or_default()
    }

    /// The same in words.
    pub(super) fn said_of_left(&self, key: &Key, entry: &Entry) -> Option<Message> {
        let told: Vec<&Left> = self.left_of(key, &entry.uid).iter().filter(|left| left.is_told).collect();
        (!told.is_empty()).then(|| addition_left(KINDS[key.0].name, &key.1, told.into_iter()))
    }

    /// Pods of a workload of ours whose labels are not as its template has them, with the right ones.
    pub(super) fn pods_to_relabel(
        &self,
        key: &Key,
        workload: &Entry,
        live: &Value,
        installation: &InstallationId,
    ) -> Vec<(String, Value)> {
        if !self.owns(key, workload, installation) {
            return Vec::new();
        }
        let Some(wanted) = live.pointer("/spec/template/metadata/labels").and_then(Value::as_object) else {
            return Vec::new();
        };
        let pods = self.pods.values().map(|(facts, _)| facts);
        let pods = pods.filter(|facts| !facts.terminating && facts.is_of(&workload.uid));
        pods.filter_map(|facts| {
            let differs = |(key, value): &(&String, &Value)| {
                facts.labels.get(*key).map(String::as_str) != value.as_str()
            };
            let labels = wanted.iter().filter(differs).map(|(key, value)| (key.clone(), value.clone()));
            let labels: serde_json::Map<String, Value> = labels.collect();
            (!labels.is_empty()).then(|| (facts.name.clone(), Value::Object(labels)))
        })
        .collect()
    }

    /// The same, by field.
    pub(super) fn pods_differing(
        &self,
        key: &Key,
        workload: &Entry,
        live: &Value,
        installation: &InstallationId,
    ) -> Vec<(String, Option<String>)> {
        let pods = self.pods_to_relabel(key, workload, live, installation);
        let field = |pod: &str, key: &str| {
            format!("/pods/{pod}/metadata/labels/{}", key.replace('~', "~0").replace('/', "~1"))
        };
        pods.iter()
            .flat_map(|(pod, labels)| {
                let keys = labels.as_object().into_iter().flatten().map(|(key, _)| key);
                keys.map(move |key| (field(pod, key), None))
            })
            .collect()
    }
}

/// Says what was added and is left, and who added it.
pub(in crate::kubernetes) fn addition_left<'l>(
    kind: &str,
    name: &str,
    left: impl Iterator<Item = &'l Left>,
) -> Message {
    let mut managers: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for one in left {
        managers.entry(one.manager.as_deref().unwrap_or("admission")).or_default().push(&one.place);
    }
    let fields: Vec<&str> = managers.values().flatten().copied().collect();
    let managers: Vec<&str> = managers.keys().copied().collect();
    Message::new("cluster.addition_left")
        .with("object", format!("{kind} {name}"))
        .with("fields", fields.join(", "))
        .with("manager", managers.join(", "))
}

impl Inner {
    /// True of an object of which the ledger knows.
    pub(super) fn is_noted(&self, tenant: &TenantId, key: &Key) -> bool {
        self.tenants.get(tenant).is_some_and(|index| index.noted.contains_key(key))
    }

    /// Objects of a kind that were made and are not seen.
    pub(super) fn noted_unseen(&self, kind: usize) -> Vec<Doubt> {
        let noted = self
            .tenants
            .iter()
            .flat_map(|(tenant, index)| index.noted.iter().map(move |it| (tenant, index, it)));
        noted
            .filter(|(_, index, (key, _))| key.0 == kind && !index.objects.contains_key(*key))
            .filter_map(|(tenant, _, (key, uid))| {
                Some(Doubt { tenant: tenant.clone(), name: key.1.clone(), uid: uid.clone()? })
            })
            .collect()
    }
}

impl Index {
    /// Objects that are about to be made, first or anew, as the ledger takes them: of what is not there the uid is
    /// not known, so that a crash between its making and its note leaves no doubt whose it is. The volumes of a
    /// StatefulSet, which its controller names, are among them.
    pub(in crate::kubernetes) fn unnoted_of(&self, tenant: &TenantId, wanted: &[Object]) -> Vec<NotedObject> {
        let inner = self.inner.lock();
        let index = inner.tenants.get(tenant);
        let is_noted = |index: &TenantIndex, key: &Key| match index.noted.get(key) {
            None => false,
            Some(None) => true,
            Some(Some(_)) if key.0 == kinds::NAMESPACE => inner.namespaces.contains_key(&key.1),
            // Its controller makes it anew, and it is ours by its name.
            Some(Some(_)) if KINDS[key.0].name == CLAIM => true,
            Some(Some(_)) => index.objects.contains_key(key),
        };
        let of_itself = |object: &Object| (object.kind().to_owned(), object.name().to_owned());
        let names = wanted.iter().flat_map(|object| {
            std::iter::once(of_itself(object))
                .chain(claims_of(object).into_iter().map(|name| (CLAIM.to_owned(), name)))
        });
        names
            .filter(|(kind, name)| {
                kinds::find(kind).is_some_and(|(place, _)| {
                    index.is_none_or(|index| !is_noted(index, &(place, name.clone())))
                })
            })
            .map(|(kind, name)| NotedObject { kind, name, uid: None })
            .collect()
    }

    /// Takes over what was written into the ledger.
    pub(in crate::kubernetes) fn note(&self, tenant: &TenantId, objects: &[NotedObject]) {
        if objects.is_empty() {
            return;
        }
        let mut inner = self.inner.lock();
        let index = inner.tenants.entry(tenant.clone()).or_default();
        for object in objects {
            if let Some((kind, _)) = kinds::find(&object.kind) {
                index.noted.insert((kind, object.name.clone()), object.uid.clone());
            }
        }
        index.verified = false;
    }

    /// Takes over all that another process noted of a tenant.
    pub(in crate::kubernetes) fn note_anew(&self, tenant: &TenantId, notes: Notes) {
        let mut inner = self.inner.lock();
        if notes.unnoted.is_empty() {
            inner.unnoted.remove(tenant);
        }
        let noted = notes.objects.into_iter().filter_map(|(_, object)| {
            let (kind, _) = kinds::find(&object.kind)?;
            Some(((kind, object.name), object.uid))
        });
        let noted: BTreeMap<Key, Option<String>> = noted.collect();
        if noted.is_empty() && !inner.tenants.contains_key(tenant) {
            return;
        }
        let index = inner.tenants.entry(tenant.clone()).or_default();
        index.noted = noted;
        index.verified = false;
        if index.is_empty() {
            inner.tenants.remove(tenant);
        }
    }

    /// The uid under which an object is noted: none where it is not, `Some(None)` where its uid is not
    /// known.
    pub(in crate::kubernetes) fn noted_uid(
        &self,
        tenant: &TenantId,
        kind: usize,
        name: &str,
    ) -> Option<Option<String>> {
        self.inner.lock().tenants.get(tenant)?.noted.get(&(kind, name.to_owned())).cloned()
    }

    /// Everything that is noted of a tenant, as `(kind, name, uid)`.
    pub(in crate::kubernetes) fn noted(&self, tenant: &TenantId) -> Vec<(usize, String, Option<String>)> {
        let inner = self.inner.lock();
        let noted = inner.tenants.get(tenant).into_iter().flat_map(|index| index.noted.iter());
        noted.map(|((kind, name), uid)| (*kind, name.clone(), uid.clone())).collect()
    }

    /// Forgets what is noted of a tenant that is gone.
    pub(in crate::kubernetes) fn forget_noted(&self, tenant: &TenantId) {
        let mut inner = self.inner.lock();
        inner.unnoted.remove(tenant);
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        index.noted.clear();
        index.left.clear();
        index.shared_with.clear();
        index.goes = false;
        if index.is_empty() {
            inner.tenants.remove(tenant);
        }
    }

    /// What others keep in the namespace of a tenant that goes.
    pub(in crate::kubernetes) fn set_shared_with(&self, tenant: &TenantId, states: Vec<ObjectState>) {
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        index.shared_with = states;
    }

    /// What was added to an object and is left in it.
    pub(in crate::kubernetes) fn set_left(
        &self,
        tenant: &TenantId,
        kind: usize,
        name: &str,
        uid: &str,
        left: Vec<Left>,
    ) {
        let mut inner = self.inner.lock();
        let Some(index) = inner.tenants.get_mut(tenant) else { return };
        let key = (kind, name.to_owned());
        if left.is_empty() {
            index.left.remove(&key);
        } else {
            index.left.insert(key, (uid.to_owned(), left));
        }
    }

    /// Places of an object that are left as they are.
    pub(in crate::kubernetes) fn left_of(
        &self,
        tenant: &TenantId,
        kind: usize,
        name: &str,
        uid: &str,
    ) -> Vec<Left> {
        let inner = self.inner.lock();
        let Some(index) = inner.tenants.get(tenant) else { return Vec::new() };
        index.left_of(&(kind, name.to_owned()), uid).to_vec()
    }

    /// Everything of a tenant's objects that is left as it is.
    pub(in crate::kubernetes) fn all_left(&self, tenant: &TenantId) -> Vec<Drift> {
        let inner = self.inner.lock();
        let Some(index) = inner.tenants.get(tenant) else { return Vec::new() };
        let drifts = index.left.iter().flat_map(|((kind, name), (_, left))| {
            left.iter().map(move |left| Drift {
                kind: KINDS[*kind].name.to_owned(),
                name: name.clone(),
                field: left.place.clone(),
                manager: left.manager.clone(),
            })
        });
        drifts.collect()
    }

    /// Tenants whose objects were made before anything was noted.
    pub(in crate::kubernetes) fn unnoted(&self) -> Vec<TenantId> {
        self.inner.lock().unnoted.iter().cloned().collect()
    }

    /// True of a tenant whose objects are not noted yet.
    pub(in crate::kubernetes) fn is_unnoted(&self, tenant: &TenantId) -> bool {
        self.inner.lock().unnoted.contains(tenant)
    }

    /// What of an unnoted tenant's objects is certainly ours, as `(object, kind, signed)`: our manager
    /// applied it, it has the tenant's label, and no other installation signed it; and their volumes.
    pub(in crate::kubernetes) fn adoptable(&self, tenant: &TenantId) -> Vec<(NotedObject, usize, bool)> {
        let inner = self.inner.lock();
        let entries = inner.tenants.get(tenant).into_iter().flat_map(|index| index.objects.iter());
        let is_ours = |(key, entry): &(&Key, &Entry)| {
            let live = entry.live();
            let labelled = live["metadata"]["labels"]["ecp.ai/tenant"].as_str() == Some(tenant.as_str());
            let marked = entry.marks.are_unsigned() || entry.marks.are_of(&self.installation);
            labelled && (marked || KINDS[key.0].name == CLAIM)
        };
        entries
            .filter(is_ours)
            .map(|((kind, name), entry)| {
                let (kind_name, name) = (KINDS[*kind].name.to_owned(), name.clone());
                let uid = Some(entry.uid.clone());
                let signed = entry.marks.installation.is_some() || kind_name == CLAIM;
                (NotedObject { kind: kind_name, name, uid }, *kind, signed)
            })
            .collect()
    }

    /// A tenant's objects are noted from here on.
    pub(in crate::kubernetes) fn adopted(&self, tenant: &TenantId, objects: &[NotedObject]) {
        self.note(tenant, objects);
        self.inner.lock().unnoted.remove(tenant);
        self.tell(tenant);
    }
}

/// Names of the volume claims that the controller of a StatefulSet makes.
fn claims_of(object: &Object) -> Vec<String> {
    let Object::StatefulSet(set) = object else { return Vec::new() };
    let Some(spec) = &set.spec else { return Vec::new() };
    let templates = spec.volume_claim_templates.as_deref().unwrap_or_default();
    let templates = templates.iter().filter_map(|template| template.metadata.name.as_deref());
    let replicas = spec.replicas.unwrap_or(1).max(0);
    templates
        .flat_map(|template| {
            (0..replicas).map(move |ordinal| format!("{template}-{}-{ordinal}", object.name()))
        })
        .collect()
}
