//! One object as the index keeps it, and what is read off it before.

use crate::kubernetes::drift;
use crate::kubernetes::kinds::KINDS;
use crate::kubernetes::ownership::{self, Marks, Taken};
use crate::kubernetes::state::ObjectFacts;
use ecp_core::ids::TenantId;
use kube::core::DynamicObject;
use serde_json::Value;

/// One object in a tenant's namespace.
#[derive(Debug)]
pub(in crate::kubernetes) struct Entry {
    pub(in crate::kubernetes) facts: ObjectFacts,
    pub(in crate::kubernetes) uid: String,
    pub(in crate::kubernetes) resource_version: u64,
    /// What it carries of its maker.
    pub(in crate::kubernetes) marks: Marks,
    /// What of it others own and we do not.
    pub(in crate::kubernetes) taken: Vec<Taken>,
    /// Another manager owns the number of replicas.
    pub(in crate::kubernetes) replicas_owned_by_other: bool,
    /// The object as JSON, without what the cluster adds by itself.
    pub(super) live: Box<[u8]>,
}

impl Entry {
    /// The object, as JSON.
    pub(in crate::kubernetes) fn live(&self) -> Value {
        serde_json::from_slice(&self.live).unwrap_or(Value::Null)
    }
}

/// The object as JSON.
pub(super) fn value_of(object: &DynamicObject) -> Option<Value> {
    serde_json::to_value(object).ok()
}

/// Whose namespace an object is in, whatever it carries.
pub(super) fn tenant_of(object: &DynamicObject) -> Option<TenantId> {
    let place = object.metadata.namespace.as_ref().or(object.metadata.name.as_ref())?;
    TenantId::of_namespace(place)
}

pub(super) fn version_of(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

pub(super) fn entry_of(kind: usize, object: DynamicObject, uid: String, resource_version: u64) -> Entry {
    let fields = object.metadata.managed_fields.as_deref().unwrap_or_default();
    let (marks, taken) = (Marks::of(&object.metadata), ownership::taken(fields));
    let owns_replicas = |value: &Value| value.pointer("/f:spec/f:replicas").is_some();
    let replicas_owned_by_other = fields
        .iter()
        .filter(|entry| !ownership::is_ours(entry))
        .any(|entry| entry.fields_v1.as_ref().is_some_and(|fields| owns_replicas(&fields.0)));
    let value = value_of(&object).unwrap_or(Value::Null);
    let facts = ObjectFacts::of(KINDS[kind].name, &value);
    let live = serde_json::to_vec(&drift::pruned(value)).unwrap_or_default().into_boxed_slice();
    Entry { facts, uid, resource_version, marks, taken, replicas_owned_by_other, live }
}
