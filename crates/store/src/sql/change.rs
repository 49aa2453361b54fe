//! What a transaction changed: an entry of the feed.

use ecp_core::deployment::Deployment;
use ecp_core::ids::{DeploymentId, TenantId};
use serde::{Deserialize, Serialize};

/// One thing that changed; who keeps it in memory reads it again.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Change {
    /// A tenant was made or changed, with its newest revision.
    Tenant(TenantId),
    /// A tenant is gone; how its deletion ended, which nothing else keeps.
    TenantGone(TenantId, Box<Deployment>),
    /// A deployment went on.
    Deployment(DeploymentId),
    /// Alerts of a tenant.
    Alerts(TenantId),
    /// What a tenant sets of the alert rules.
    AlertRules(TenantId),
    /// Silences.
    Silences,
    /// Receivers.
    Receivers,
    /// The state of a cluster in a process's memory.
    Cluster,
    /// A small value that is kept under a name.
    Setting,
    /// A tenant was queued anew.
    Work(TenantId),
    /// Something was noted of a tenant in the ledger.
    Notes(TenantId),
    /// A process gave back what it worked on.
    LeasesFreed,
}
