//! One object as the index keeps it, and what is read off it before.

use super::TENANT_LABEL;
use crate::kubernetes::client::MANAGER;
use crate::kubernetes::drift;
use crate::kubernetes::kinds::KINDS;
use crate::kubernetes::state::ObjectFacts;
use ecp_core::ids::TenantId;
use kube::core::DynamicObject;
use serde_json::Value;

/// One object of a tenant.
#[derive(Debug)]
pub(in crate::kubernetes) struct Entry {
    pub(in crate::kubernetes) facts: ObjectFacts,
    pub(in crate::kubernetes) uid: String,
    pub(super) resource_version: u64,
    /// Our manager applied it; what merely carries our labels is not ours.
    pub(in crate::kubernetes) ours: bool,
    /// Who else changed it last.
    pub(super) other_manager: Option<String>,
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

pub(super) fn tenant_of(object: &DynamicObject) -> Option<TenantId> {
    let label = object.metadata.labels.as_ref()?.get(TENANT_LABEL)?;
    let tenant = TenantId::parse(label).ok()?;
    // Only its own namespace is a tenant's: the same labels elsewhere are somebody's copy.
    let place = object.metadata.namespace.as_ref().or(object.metadata.name.as_ref())?;
    (*place == tenant.namespace()).then_some(tenant)
}

pub(super) fn version_of(object: &DynamicObject) -> u64 {
    object.metadata.resource_version.as_deref().and_then(|version| version.parse().ok()).unwrap_or(0)
}

pub(super) fn is_ours(object: &DynamicObject) -> bool {
    let fields = object.metadata.managed_fields.as_deref().unwrap_or_default();
    tenant_of(object).is_some() && fields.iter().any(|entry| entry.manager.as_deref() == Some(MANAGER))
}

pub(super) fn entry_of(kind: usize, object: DynamicObject, uid: String, resource_version: u64) -> Entry {
    let ours = is_ours(&object);
    let fields = object.metadata.managed_fields.clone().unwrap_or_default();
    let others = || fields.iter().filter(|entry| entry.manager.as_deref() != Some(MANAGER));
    let other_manager = others()
        .filter(|entry| entry.subresource.as_deref().unwrap_or_default() != "status")
        .max_by_key(|entry| entry.time.as_ref().map(|time| time.0))
        .and_then(|entry| entry.manager.clone());
    let owns_replicas = |value: &Value| value.pointer("/f:spec/f:replicas").is_some();
    let replicas_owned_by_other =
        others().any(|entry| entry.fields_v1.as_ref().is_some_and(|fields| owns_replicas(&fields.0)));
    let value = value_of(&object).unwrap_or(Value::Null);
    let facts = ObjectFacts::of(KINDS[kind].name, &value);
    let live = serde_json::to_vec(&drift::pruned(value)).unwrap_or_default().into_boxed_slice();
    Entry { facts, uid, resource_version, ours, other_manager, replicas_owned_by_other, live }
}
