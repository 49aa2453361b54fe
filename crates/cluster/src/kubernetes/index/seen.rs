//! What an apply needs to know of an object that is there.

use super::{Index, Key};
use crate::kubernetes::drift;
use crate::kubernetes::ownership::Taken;
use ecp_core::ids::TenantId;
use serde_json::Value;

/// An object as it was last seen.
#[derive(Clone, Debug)]
pub(in crate::kubernetes) struct Seen {
    pub(in crate::kubernetes) live: Value,
    pub(in crate::kubernetes) uid: String,
    pub(in crate::kubernetes) resource_version: u64,
    pub(in crate::kubernetes) taken: Vec<Taken>,
    /// Another manager owns the number of replicas.
    pub(in crate::kubernetes) replicas_owned_by_other: bool,
    /// Ours, applied by us with a digest that is still ours, and not on its way out.
    pub(in crate::kubernetes) is_kept: bool,
    /// Pods of it, by name, with the labels that they lack.
    pub(in crate::kubernetes) pods: Vec<(String, Value)>,
}

impl Seen {
    /// The digest of what was last applied to it.
    pub(in crate::kubernetes) fn applied(&self) -> Option<&str> {
        self.live["metadata"]["annotations"][drift::APPLIED].as_str()
    }
}

impl Index {
    /// An object of a tenant's namespace as it was last seen.
    pub(in crate::kubernetes) fn seen(&self, tenant: &TenantId, kind: usize, name: &str) -> Option<Seen> {
        let inner = self.inner.lock();
        let index = inner.tenants.get(tenant)?;
        let key: Key = (kind, name.to_owned());
        let entry = index.objects.get(&key)?;
        let live = entry.live();
        Some(Seen {
            uid: entry.uid.clone(),
            resource_version: entry.resource_version,
            taken: entry.taken.clone(),
            replicas_owned_by_other: entry.replicas_owned_by_other,
            is_kept: index.owns(&key, entry, &self.installation)
                && entry.marks.applied
                && entry.marks.digested
                && !entry.facts.terminating,
            pods: index.pods_to_relabel(&key, entry, &live, &self.installation),
            live,
        })
    }
}
