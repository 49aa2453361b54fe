//! Who works on what, where several processes are one service.

use super::{StoreError, WorkItem};
use crate::Timestamp;
use crate::ids::TenantId;
use async_trait::async_trait;
use std::time::Duration;
use tokio::sync::watch;

/// Who works on a tenant, as the database has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The process; see [`Leases::replica`]. Empty where it was given back and nobody has taken it yet.
    pub holder: String,
    /// Goes up whenever another process takes it, or the same one anew.
    pub epoch: u64,
    /// Until when it holds unless it is renewed, by the database's clock.
    pub expires: Timestamp,
}

/// What this process works on. Alone on its database, as on an embedded file, it works on everything and
/// nothing of this costs anything.
#[async_trait]
pub trait Leases: Send + Sync {
    /// The process, as the others know it; none where there can be no others.
    fn replica(&self) -> Option<String> {
        None
    }
    /// True while nobody else can have begun to work on a tenant: what is done to a cluster is done only
    /// then. It ends some time before the lease does.
    fn may_act(&self, _id: &TenantId) -> bool {
        true
    }
    /// Under which epoch this process works on a tenant; none where another process does, or nobody. It
    /// stays the same while the controller has the tenant in hand.
    fn tenure(&self, _id: &TenantId) -> Option<u64> {
        Some(ALONE)
    }
    /// True where this process does what is done once in a mode, however many processes there are. It ends
    /// some time before the lease does.
    fn leads(&self) -> bool {
        true
    }
    /// Under which epoch this process does what is done once in a mode; none where another process does. Unlike
    /// [`Self::leads`] it does not end before the lease is known to be lost.
    fn led_under(&self) -> Option<u64> {
        Some(ALONE)
    }
    /// True where others may work beside this process.
    fn is_shared(&self) -> bool {
        false
    }
    /// Tenants that this process works on; none where there can be no others.
    fn held(&self) -> Option<usize> {
        None
    }
    /// How long ago what is in memory was last held against the database: what others wrote since is not in
    /// it. Zero where nobody else writes.
    fn view_age(&self) -> Duration {
        Duration::ZERO
    }
    /// Says that what this process works on changed; the value counts the changes.
    fn subscribe_leases(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
    /// Puts an item down that was in hand when its tenant was lost to another process.
    fn let_go(&self, item: &WorkItem);
    /// Who works on a tenant, as the database has it now; none where there can be no others, or nobody has
    /// taken it yet.
    async fn lease_of(&self, _id: &TenantId) -> Result<Option<Lease>, StoreError> {
        Ok(None)
    }
    /// Keeps the state of a cluster that is in the memory of who leads the mode, for the others to show and
    /// to take over; refused where another process leads.
    async fn keep_cluster(&self, state: String) -> Result<(), StoreError>;
    /// The state that was kept last.
    async fn kept_cluster(&self) -> Result<Option<String>, StoreError>;
    /// Says that another process kept a state; the value counts the changes.
    fn subscribe_kept_cluster(&self) -> watch::Receiver<u64>;
}

/// The tenure of a process that has no others beside it.
pub const ALONE: u64 = 0;
