//! What the orchestrator made in a cluster, written down: an object is ours because we noted it, not
//! because of what it carries.
//!
//! A name is noted before the object is made and its uid as soon as the cluster gave it one, so that a
//! crash between the two leaves neither an object that nobody knows nor a claim to somebody else's.

use crate::ids::{InstallationId, TenantId};
use crate::ports::StoreError;
use async_trait::async_trait;
use std::sync::Arc;

/// An object that was made for a tenant, or is about to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotedObject {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the cluster calls it; none before it was made, and after it was taken away.
    pub uid: Option<String>,
}

/// What the ledger of a mode says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Every noted object, by tenant.
    pub objects: Vec<(TenantId, NotedObject)>,
    /// Tenants that were accepted before anything was noted: what a cluster shows of theirs is to be
    /// looked at and noted once.
    pub unnoted: Vec<TenantId>,
}

/// Who is told what other processes note.
pub type NotedElsewhere = dyn Fn(&TenantId, Notes) + Send + Sync;

/// The ledger of one mode.
#[async_trait]
pub trait ObjectLedger: Send + Sync {
    /// The installation's id, made at the first call and the same ever after.
    async fn installation(&self) -> Result<InstallationId, StoreError>;
    /// All there is, for the start.
    async fn notes(&self) -> Result<Notes, StoreError>;
    /// Notes objects of a tenant in one transaction; what was noted of the same kind and name is
    /// replaced. Of a tenant that is gone nothing is noted.
    async fn note(&self, id: &TenantId, objects: &[NotedObject]) -> Result<(), StoreError>;
    /// Notes what was found of a tenant that was accepted before anything was noted, once.
    async fn adopt(&self, id: &TenantId, objects: &[NotedObject]) -> Result<(), StoreError>;
    /// Has `told` know all that is noted of a tenant whenever another process noted something, in the order
    /// of the commits: nothing of a tenant that is gone. It must be quick.
    fn on_noted_elsewhere(&self, _told: Arc<NotedElsewhere>) {}
}
