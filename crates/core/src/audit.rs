//! The audit trail: who did what to which tenant, when, and how it ended.

use crate::Timestamp;
use crate::ids::TenantId;
use serde::{Deserialize, Serialize};

/// One accepted change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub timestamp: Timestamp,
    /// Token name, or a [`crate::origin::ServerActor`].
    pub actor: String,
    /// `tenant.create`, `tenant.update`, `tenant.delete` …
    pub action: String,
    /// Whose; none of what is about all tenants, such as a receiver of every alert.
    pub tenant_id: Option<TenantId>,
    /// Request that asked for it, where one did.
    pub request_id: Option<String>,
    /// State before, where there was one.
    pub before: Option<serde_json::Value>,
    /// State after, where there is one.
    pub after: Option<serde_json::Value>,
    /// `accepted`, `completed`, `failed`, `restored`, or [`BEGUN`].
    pub outcome: String,
}

/// The outcome of a deed that was written down before it was done and whose end is not known yet.
pub const BEGUN: &str = "begun";

/// An entry that was written down before its deed.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// Where it is in the trail.
    pub number: u64,
    /// Whose tenant's.
    pub tenant_id: TenantId,
    /// What it says so far.
    pub entry: AuditEntry,
}
