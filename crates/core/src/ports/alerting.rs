//! What people set about alerts, and where it is kept.

use super::StoreError;
use crate::Timestamp;
use crate::alerts::settings::AlertRules;
use crate::alerts::silence::Silence;
use crate::alerts::{Alert, AlertEvent};
use crate::audit::AuditEntry;
use crate::ids::{AlertId, SilenceId, TenantKey};
use async_trait::async_trait;
use std::sync::Arc;
use tokio::sync::watch;

/// Rules and silences of one mode.
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

    /// The number of the newest change of any tenant's alert (0 without any) and each later one.
    fn subscribe_alert_feed(&self) -> watch::Receiver<u64>;
    /// Changes of all tenants' alerts with a number over this one, oldest first, so many at most. Alerts
    /// that went with their tenant are seen to resolve by who asks soon after.
    async fn alert_feed_after(&self, number: u64, limit: usize) -> Result<Vec<Arc<AlertEvent>>, StoreError>;
    /// The number of an alert's opening; none where it is not kept.
    async fn alert_opening(&self, id: &AlertId) -> Result<Option<u64>, StoreError>;

    /// Every silence, those that ended some time ago included, oldest first, from memory.
    fn silences(&self) -> Arc<Vec<Arc<Silence>>>;
    /// Keeps a silence. One that names a tenant goes with it, and is refused where it is gone.
    async fn add_silence(&self, silence: Silence, audit: AuditEntry) -> Result<(), StoreError>;
    /// Takes a silence away; false where it is not there.
    async fn remove_silence(&self, id: &SilenceId, audit: AuditEntry) -> Result<bool, StoreError>;

    /// True of an open alert of which nobody is told now.
    fn is_silenced(&self, alert: &Alert, now: Timestamp) -> bool {
        alert.resolved_at.is_none() && self.silences().iter().any(|silence| silence.silences(alert, now))
    }
}

/// Judges by rules from the moment they are set.
#[async_trait]
pub trait RuleObserver: Send + Sync {
    /// A tenant's rules were set; returns when what that led to is recorded, but does not wait for ever.
    async fn rules_changed(&self, key: &TenantKey);
}
