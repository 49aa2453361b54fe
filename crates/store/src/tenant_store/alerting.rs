//! What people set about alerts, behind its port.

use super::SqlStore;
use async_trait::async_trait;
use ecp_core::alerts::settings::AlertRules;
use ecp_core::audit::AuditEntry;
use ecp_core::ids::TenantKey;
use ecp_core::ports::{AlertingStore, StoreError};
use std::sync::Arc;

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
}
