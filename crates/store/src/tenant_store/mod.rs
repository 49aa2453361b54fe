//! Tenants, deployments, work, alerts and the audit trail of one mode.
//!
//! Each write is one transaction; what reads need is kept in memory and changed after the commit.
//! The submodules follow the tables: `tenants`, `progress` (deployments), `revisions`, `work`, `alerts`, `ledger`; `index`,
//! `deployments` and `work_queue` are the memory beside them.

mod alerts;
mod deployments;
mod index;
mod ledger;
mod load;
mod progress;
mod revisions;
mod rows;
mod tenants;
mod trail;
mod work;
mod work_queue;

use crate::database::{DamageLog, Database};
use crate::errors::WorkError;
use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::alerts::{Alert, AlertChange, AlertEvent};
use ecp_core::audit::{AuditEntry, Intent};
use ecp_core::catalog::Edition;
use ecp_core::damage::Damage;
use ecp_core::deployment::{Deployment, Removal};
use ecp_core::ids::{AlertId, DeploymentId, TenantId, TenantKey};
use ecp_core::manifest::{ManifestDigest, PinnedManifest};
use ecp_core::ports::{
    AlertQuery, AuditQuery, Clock, Created, IdempotencyKey, NewTenant, ProgressUpdate, StoreError,
    TenantChange, TenantStore, WorkItem,
};
use ecp_core::revision::{NewRevision, Revisions};
use ecp_core::tenant::{Tenant, TenantSecrets};
use index::Index;
use parking_lot::{Mutex, RwLock};
use rusqlite::{Connection, OptionalExtension, Transaction, params};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;
use work_queue::WorkQueue;

pub use alerts::ALERT_CHANGES_KEPT;

/// The tenant store on an embedded database.
pub struct SqliteStore {
    database: Database,
    clock: Arc<dyn Clock>,
    shared: Arc<Shared>,
}

/// What the writer's thread changes after a commit.
struct Shared {
    /// Rows that can not be read.
    damage: DamageLog,
    index: RwLock<Index>,
    queue: Mutex<WorkQueue>,
    /// Number of the newest queued item.
    queue_number: AtomicU64,
    /// Number of the newest queued item that the index knows of.
    published_number: AtomicU64,
    tenants_changed: watch::Sender<u64>,
    work_changed: watch::Sender<u64>,
}

impl Shared {
    /// A number that no queued item has had in this process.
    fn next_queue_number(&self) -> u64 {
        self.queue_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn tell_tenants_changed(&self) {
        self.tenants_changed.send_modify(|changes| *changes += 1);
    }

    fn tell_work_changed(&self) {
        self.work_changed.send_modify(|changes| *changes += 1);
    }
}

impl SqliteStore {
    /// Loads what is kept in memory. The database must have been opened with
    /// [`crate::MIGRATIONS`]; work that was leased when it was last closed is due again.
    pub fn open(database: Database, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let shared = load::load(&database, clock.steady())?;
        Ok(Self { database, clock, shared: Arc::new(shared) })
    }

    /// Runs `work` in a transaction and `publish` after its commit.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Transaction<'_>, &Shared) -> Result<T, WorkError> + Send + 'static,
        publish: impl FnOnce(&Shared, &T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (at_work, at_publish) = (self.shared.clone(), self.shared.clone());
        self.database
            .write_then(
                operation,
                move |transaction| {
                    work(transaction, &at_work).map_err(|error| error.into_store_error(operation))
                },
                move |value| publish(&at_publish, value),
            )
            .await
    }

    /// Runs `work` on one state of the database.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.database
            .read(operation, move |connection| {
                work(connection).map_err(|error| error.into_store_error(operation))
            })
            .await
    }
}

#[async_trait]
impl TenantStore for SqliteStore {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.shared.index.read().entry(id).map(|entry| entry.tenant.clone())
    }

    fn tenants(&self) -> Arc<Vec<Arc<Tenant>>> {
        self.shared.index.read().ordered()
    }

    fn write_failure(&self) -> Option<String> {
        self.database.write_failure()
    }

    fn damage(&self) -> Vec<Damage> {
        self.shared.damage.rows()
    }

    fn is_damaged(&self, id: &TenantId) -> bool {
        self.shared.damage.has(load::TENANTS, id.as_str())
    }

    fn subscribe_tenants(&self) -> watch::Receiver<u64> {
        self.shared.tenants_changed.subscribe()
    }

    async fn create_tenant(&self, new: NewTenant) -> Result<Created, StoreError> {
        self.accept_creation(new).await
    }

    async fn idempotent_response(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<serde_json::Value>, StoreError> {
        let (key, now) = (key.clone(), self.clock.now());
        self.read("reading an idempotency key", move |connection| {
            tenants::kept_response(connection, &key, now)
        })
        .await
    }

    async fn change_tenant(&self, change: TenantChange) -> Result<Arc<Tenant>, StoreError> {
        self.accept_change(change).await
    }

    async fn remove_tenant(&self, id: &TenantId, audit: AuditEntry) -> Result<(), StoreError> {
        self.end_deletion(id.clone(), audit).await
    }

    async fn revisions(&self, id: &TenantId) -> Result<Revisions, StoreError> {
        self.read_revisions(id.clone()).await
    }

    async fn pinned_manifest(
        &self,
        id: &TenantId,
        digest: &ManifestDigest,
    ) -> Result<Option<PinnedManifest>, StoreError> {
        self.read_manifest(id.clone(), digest.clone()).await
    }

    fn edition_of(&self, id: &TenantId) -> Option<Arc<Edition>> {
        let index = self.shared.index.read();
        index.editions.get(index.entry(id)?.catalog.as_ref()?).cloned()
    }

    fn has_revisions(&self, id: &TenantId) -> bool {
        self.shared.index.read().entry(id).is_some_and(|entry| entry.catalog.is_some())
    }

    async fn adopt_revisions(&self, id: &TenantId, revisions: Vec<NewRevision>) -> Result<(), StoreError> {
        self.keep_adopted(id.clone(), revisions).await
    }

    async fn tenant_secrets(&self, id: &TenantId) -> Result<TenantSecrets, StoreError> {
        let (id, damage) = (id.clone(), self.shared.damage.clone());
        self.read("reading secrets", move |connection| tenants::secrets(connection, &damage, &id)).await
    }

    fn deployment(&self, id: &DeploymentId) -> Option<Arc<Deployment>> {
        self.find_deployment(id)
    }

    fn subscribe_deployment(&self, id: &DeploymentId) -> Option<watch::Receiver<Arc<Deployment>>> {
        self.watch_deployment(id)
    }

    async fn deployments(
        &self,
        id: &TenantId,
        skip: usize,
        limit: usize,
    ) -> Result<(Vec<Deployment>, usize), StoreError> {
        let (id, damage) = (id.clone(), self.shared.damage.clone());
        self.read("listing deployments", move |connection| {
            progress::page(connection, &damage, &id, skip, limit)
        })
        .await
    }

    async fn record_progress(&self, update: ProgressUpdate) -> Result<(), StoreError> {
        self.keep_progress(update).await
    }

    async fn lease_work(&self, now: Timestamp, limit: usize) -> Result<Vec<WorkItem>, StoreError> {
        Ok(self.shared.queue.lock().lease(now, limit))
    }

    async fn finish_work(&self, item: &WorkItem) -> Result<(), StoreError> {
        self.end_lease(item.clone()).await
    }

    async fn retry_work(&self, item: &WorkItem, attempts: u32, due: Timestamp) -> Result<(), StoreError> {
        self.put_back(item.clone(), attempts, due).await
    }

    async fn hurry_deletion(
        &self,
        id: &TenantId,
        how: Removal,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.change_deletion(id.clone(), how, audit).await
    }

    async fn queue_work(&self, id: &TenantId) -> Result<(), StoreError> {
        self.queue_anew(id.clone()).await
    }

    async fn next_work_due(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.shared.queue.lock().next_due())
    }

    fn subscribe_work(&self) -> watch::Receiver<u64> {
        self.shared.work_changed.subscribe()
    }

    async fn record_alerts(&self, changes: Vec<(AlertChange, Alert)>) -> Result<(), StoreError> {
        self.keep_alerts(changes).await
    }

    fn open_alerts(&self, id: &TenantId) -> Vec<Arc<Alert>> {
        self.shared.index.read().entry(id).map_or_else(Vec::new, |entry| entry.open_alerts.clone())
    }

    async fn alerts(&self, query: AlertQuery) -> Result<(Vec<Alert>, usize), StoreError> {
        let damage = self.shared.damage.clone();
        self.read("listing alerts", move |connection| alerts::page(connection, &damage, &query)).await
    }

    async fn alert_events_since(
        &self,
        id: &TenantId,
        since: &AlertId,
    ) -> Result<Vec<AlertEvent>, StoreError> {
        let (id, since, damage) = (id.clone(), since.clone(), self.shared.damage.clone());
        self.read("listing alert changes", move |connection| {
            let opening = alerts::opening(connection, &id, &since)?.unwrap_or(0);
            alerts::events_after(connection, &damage, &id, opening)
        })
        .await
    }

    async fn alert_events_after(&self, id: &TenantId, seq: u64) -> Result<Vec<AlertEvent>, StoreError> {
        let (id, damage) = (id.clone(), self.shared.damage.clone());
        self.read("listing alert changes", move |connection| {
            alerts::events_after(connection, &damage, &id, seq)
        })
        .await
    }

    fn subscribe_alerts(&self, id: &TenantId) -> watch::Receiver<u64> {
        let index = self.shared.index.read();
        // Nothing will ever come for a tenant that is not there: its channel is closed at once.
        index.entry(id).map_or_else(|| watch::channel(0).1, |entry| entry.alert_seq.subscribe())
    }

    async fn clear_alerts(&self, key: &TenantKey) -> Result<(), StoreError> {
        self.forget_alerts(key.clone()).await
    }

    async fn intend(&self, entry: AuditEntry) -> Result<Intent, StoreError> {
        self.write_intent(entry).await
    }

    async fn settle(&self, number: u64, entry: Option<AuditEntry>) -> Result<(), StoreError> {
        self.settle_intent(number, entry).await
    }

    async fn intents(&self, id: &TenantId) -> Result<Vec<Intent>, StoreError> {
        let id = id.clone();
        self.read("listing intents", move |connection| trail::intents(connection, &id)).await
    }

    async fn prune_history(
        &self,
        entries_before: Option<Timestamp>,
        deployments_before: Option<Timestamp>,
    ) -> Result<(usize, usize), StoreError> {
        self.forget_before(entries_before, deployments_before).await
    }

    async fn audit(&self, query: AuditQuery) -> Result<(Vec<AuditEntry>, usize), StoreError> {
        let damage = self.shared.damage.clone();
        self.read("listing the audit trail", move |connection| rows::audit_page(connection, &damage, &query))
            .await
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read("reading a setting", move |connection| {
            let mut found = connection.prepare_cached("SELECT value FROM settings WHERE name = ?1")?;
            Ok(found.query_row(params![name], |row| row.get(0)).optional()?)
        })
        .await
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        self.write(
            "keeping a setting",
            move |transaction, _| {
                transaction
                    .prepare_cached(
                        "INSERT INTO settings (name, value) VALUES (?1, ?2)
                         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
                    )?
                    .execute(params![name, value])?;
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }
}

#[cfg(test)]
mod tests;
