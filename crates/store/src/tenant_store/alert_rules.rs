//! What tenants set of the built-in alert rules.

use super::SqlStore;
use super::index::Index;
use super::rows::{self, to_document};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use ecp_core::alerts::settings::AlertRules;
use ecp_core::audit::AuditEntry;
use ecp_core::ids::{TenantId, TenantKey};
use ecp_core::ports::StoreError;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// A row's document.
#[derive(Serialize, Deserialize)]
struct TenantRules {
    tenant_id: TenantId,
    rules: AlertRules,
}

impl SqlStore {
    /// From memory; nothing of a tenant that is gone.
    pub(super) fn find_alert_rules(&self, key: &TenantKey) -> Arc<AlertRules> {
        let index = self.shared.index.read();
        let entry = index.entry(&key.id).filter(|entry| entry.tenant.incarnation == key.incarnation);
        entry.map(|entry| entry.alert_rules.clone()).unwrap_or_default()
    }

    /// All rules of a tenant, and who asked, in one transaction.
    pub(super) async fn keep_alert_rules(
        &self,
        key: TenantKey,
        rules: AlertRules,
        audit: AuditEntry,
    ) -> Result<(), StoreError> {
        let (changed, set) = (key.clone(), Arc::new(rules.clone()));
        self.write(
            "setting alert rules",
            move |sql, _| {
                if !rows::tenant_is(sql, &key)? {
                    return Err(StoreError::TenantNotFound(key.id).into());
                }
                let document = to_document(&TenantRules { tenant_id: key.id.clone(), rules })?;
                sql.execute(
                    "INSERT INTO alert_rules (tenant_id, document) VALUES (?1, ?2)
                     ON CONFLICT (tenant_id) DO UPDATE SET document = excluded.document",
                    values![key.id.as_str(), &document],
                )?;
                rows::insert_audit_of(sql, &audit, Change::AlertRules(key.id.clone()))
            },
            move |shared, ()| {
                if let Some(entry) = shared.index.write().entry_mut(&changed.id)
                    && entry.tenant.incarnation == changed.incarnation
                {
                    entry.alert_rules = set;
                }
            },
        )
        .await
    }
}

/// Takes the rules of all tenants into memory.
pub(super) fn load(sql: &Sql<'_>, damage: &DamageLog, index: &mut Index) -> Result<(), WorkError> {
    let query = "SELECT document, tenant_id, tenant_id FROM alert_rules";
    let set: Vec<TenantRules> = rows::readable(sql, damage, "alert_rules", query, &[])?;
    for TenantRules { tenant_id, rules } in set {
        if let Some(entry) = index.entry_mut(&tenant_id) {
            entry.alert_rules = Arc::new(rules);
        }
    }
    Ok(())
}

/// The rules of one tenant.
pub(super) fn of(sql: &Sql<'_>, damage: &DamageLog, id: &TenantId) -> Result<Arc<AlertRules>, WorkError> {
    let query = "SELECT document, tenant_id, tenant_id FROM alert_rules WHERE tenant_id = ?1";
    let set: Vec<TenantRules> = rows::readable(sql, damage, "alert_rules", query, values![id.as_str()])?;
    Ok(Arc::new(set.into_iter().next().map(|set| set.rules).unwrap_or_default()))
}
