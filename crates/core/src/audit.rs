//! The audit trail: who did what to which tenant, when, and how it ended.

use crate::Timestamp;
use crate::ids::TenantId;
use serde::{Deserialize, Serialize};

/// One accepted change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// When.
    pub timestamp: Timestamp,
    /// Token name, `anonymous` where tokens are off, `controller` for the reconciler.
    pub actor: String,
    /// `tenant.create`, `tenant.update`, `tenant.delete` …
    pub action: String,
    /// Whose.
    pub tenant_id: TenantId,
    /// Request that asked for it, where one did.
    pub request_id: Option<String>,
    /// State before, where there was one.
    pub before: Option<serde_json::Value>,
    /// State after, where there is one.
    pub after: Option<serde_json::Value>,
    /// `accepted`, `completed`, `failed`.
    pub outcome: String,
}
