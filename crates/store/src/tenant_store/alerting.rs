//! What people set about alerts, behind its port.

use super::SqlStore;
use super::silences::Silences;
use async_trait::async_trait;
use ecp_core::alerts::AlertEvent;
use ecp_core::alerts::settings::AlertRules;
use ecp_core::alerts::silence::Silence;
use ecp_core::audit::AuditEntry;
use ecp_core::ids::{AlertId, SilenceId, TenantKey};
use ecp_core::ports::{AlertingStore, StoreError};
use std::sync::Arc;
use tokio::sync::watch;

#[async_trait]
impl AlertingStore for SqlStore {
    fn alert_rules(&self, key: &TenantKey) -> Arc<AlertRules> {
        self.find_alert_rules(key)
    }

    async fn set_alert_rules(
        &self,
        key: &TenantKey,
        rules: AlertRules,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        self.keep_alert_rules(key.clone(), rules, audit).await
    }

    fn subscribe_alert_feed(&self) -> watch::Receiver<u64> {
        self.watch_alert_feed()
    }

    async fn alert_feed_after(&self, number: u64, limit: usize) -> Result<Vec<Arc<AlertEvent>>, StoreError> {
        self.read_alert_feed(number, limit).await
    }

    async fn alert_opening(&self, id: &AlertId) -> Result<Option<u64>, StoreError> {
        self.find_opening(id).await
    }

    fn silences(&self) -> Silences {
        self.shared.index.read().silences.clone()
    }

    async fn add_silence(&self, silence: Silence, audit: AuditEntry) -> Result<(), StoreError> {
        self.keep_silence(silence, audit).await
    }

    async fn remove_silence(&self, id: &SilenceId, audit: AuditEntry) -> Result<bool, StoreError> {
        self.drop_silence(id.clone(), audit).await
    }
}
