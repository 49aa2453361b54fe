//! What people set about alerts, and where it is kept.

use super::StoreError;
use crate::alerts::settings::AlertRules;
use crate::audit::AuditEntry;
use crate::ids::TenantKey;
use async_trait::async_trait;
use std::sync::Arc;

/// Rules, beside the alerts themselves, of one mode.
#[async_trait]
pub trait AlertingStore: Send + Sync {
    /// What a tenant sets of the built-in rules, from memory; nothing where the tenant is gone.
    fn alert_rules(&self, key: &TenantKey) -> Arc<AlertRules>;
    /// Sets all rules of a tenant, with the entry of who asked. They go with the tenant.
    async fn set_alert_rules(
        &self,
        key: &TenantKey,
        rules: AlertRules,
        audit: AuditEntry,
    ) -> Result<(), StoreError>;
}

/// Judges by rules from the moment they are set.
#[async_trait]
pub trait RuleObserver: Send + Sync {
    /// A tenant's rules were set; returns when what that led to is recorded, but does not wait for ever.
    async fn rules_changed(&self, key: &TenantKey);
}
