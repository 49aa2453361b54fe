//! Tenants, deployments, work, alerts and the audit trail of one mode.
//!
//! Each write is one transaction; what reads need is kept in memory and changed after the commit.
//! The submodules follow the tables: `tenants`, `progress` (deployments), `revisions`, `work`, `alerts`, `ledger`; `index`,
//! `deployments` and `work_queue` are the memory beside them.

mod alert_feed;
mod alert_rules;
mod alerting;
mod alerts;
mod backend;
mod deployments;
mod feed;
mod index;
mod lease_rows;
mod leases;
mod ledger;
mod load;
mod outbox;
mod prices;
mod progress;
mod receivers;
mod replica;
mod revisions;
mod rows;
mod silences;
mod tenants;
mod trail;
mod work;
mod work_queue;

use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql};
use async_trait::async_trait;
pub use backend::Backend;
#[cfg(test)]
pub(crate) use backend::PROBE_EVERY;
use ecp_core::Timestamp;
use ecp_core::alerts::{Alert, AlertChange, AlertEvent};
use ecp_core::audit::{AuditEntry, Intent};
use ecp_core::catalog::Edition;
use ecp_core::costs::PricePeriod;
use ecp_core::damage::Damage;
use ecp_core::deployment::{Deployment, Removal};
use ecp_core::ids::{AlertId, DeploymentId, TenantId, TenantKey};
use ecp_core::ledger::NotedElsewhere;
use ecp_core::manifest::{ManifestDigest, PinnedManifest};
use ecp_core::origin::Origin;
use ecp_core::ports::{
    AlertQuery, AuditQuery, Clock, Created, IdempotencyKey, NewTenant, ProgressUpdate, StoreError,
    TenantChange, TenantStore, WorkItem,
};
use ecp_core::revision::{NewRevision, Revisions};
use ecp_core::tenant::{Tenant, TenantSecrets};
use index::Index;
pub use leases::LeaseUnit;
use parking_lot::{Mutex, RwLock};
pub use replica::Samples;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Notify, watch};
use work_queue::WorkQueue;

pub use alerts::ALERT_CHANGES_KEPT;

/// The tenant store, on an embedded file or on a server.
pub struct SqlStore {
    database: Backend,
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
    /// Revision of the newest commit that memory has.
    revision: watch::Sender<u64>,
    tenants_changed: watch::Sender<u64>,
    work_changed: watch::Sender<u64>,
    outbox_changed: watch::Sender<u64>,
    /// What may be added to the receivers' queues before they are looked at again.
    outbox_bounds: outbox::Bounds,
    /// What statements cost so far.
    #[cfg(test)]
    work: Mutex<crate::sql::Work>,
    /// Statements of the transaction that had most.
    #[cfg(test)]
    most_statements: AtomicU64,
    /// This process among those that share the database; none where it is alone.
    replica: OnceLock<Arc<replica::Replica>>,
    /// Another process changed a setting.
    settings_changed: watch::Sender<u64>,
    /// Another process kept the state of its cluster.
    cluster_kept: watch::Sender<u64>,
    leases_changed: watch::Sender<u64>,
    /// Who is told what other processes note.
    noted: OnceLock<Arc<NotedElsewhere>>,
    /// Another process gave leases back.
    leases_freed: Arc<Notify>,
}

impl Shared {
    /// A number that no queued item has had in this process.
    fn next_queue_number(&self) -> u64 {
        self.queue_number.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Takes an item that another process queued.
    fn take_queued(&self, id: &TenantId, number: u64, attempts: u32, due: Timestamp) {
        self.published_number.fetch_max(number, Ordering::Relaxed);
        self.queue_number.fetch_max(number, Ordering::Relaxed);
        self.put_queued(id, number, attempts, due);
    }

    /// Memory has every commit up to this one.
    fn reach(&self, revision: u64) {
        self.revision.send_if_modified(|newest| {
            let newer = revision > *newest;
            *newest = (*newest).max(revision);
            newer
        });
    }

    fn tell_tenants_changed(&self) {
        self.tenants_changed.send_modify(|changes| *changes += 1);
    }

    fn tell_settings_changed(&self) {
        self.settings_changed.send_modify(|changes| *changes += 1);
    }

    fn tell_work_changed(&self) {
        self.work_changed.send_modify(|changes| *changes += 1);
    }

    fn tell_outbox_changed(&self) {
        self.outbox_changed.send_modify(|changes| *changes += 1);
    }
}

impl SqlStore {
    /// Loads what is kept in memory, and follows what other processes write. A file must have been opened
    /// with [`crate::MIGRATIONS`]; work that was leased when it was last closed is due again.
    pub fn open(database: impl Into<Backend>, clock: Arc<dyn Clock>) -> Result<Self, StoreError> {
        let database = database.into();
        if let Some(server) = database.moved_to()? {
            return Err(StoreError::MovedTo(server));
        }
        let shared = Arc::new(load::load(&database, clock.steady())?);
        if let Backend::Postgres(server) = &database {
            let (followed, clock) = (shared.clone(), clock.clone());
            server.follow(Arc::new(move |sql| feed::follow(&followed, sql, &*clock)))?;
        }
        #[cfg(feature = "simulation")]
        if let Backend::Simulated(server) = &database {
            let (followed, clock) = (shared.clone(), clock.clone());
            server.follow(Arc::new(move |sql| feed::follow(&followed, sql, &*clock)));
        }
        Ok(Self { database, clock, shared })
    }

    /// What it is kept in.
    pub fn backend(&self) -> &Backend {
        &self.database
    }

    /// Finishes what is queued and closes the database. Blocks for as long as that takes.
    pub fn close(&self) {
        self.database.close();
    }

    /// Runs `work` in a transaction and `publish` after its commit. What the work touched is an entry of
    /// the feed in the same transaction.
    async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>, &Shared) -> Result<T, WorkError> + Send + 'static,
        publish: impl FnOnce(&Shared, &T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let (at_work, at_publish) = (self.shared.clone(), self.shared.clone());
        let written = self
            .database
            .write_then(
                operation,
                move |sql| {
                    if let Some(replica) = at_work.replica.get() {
                        replica.check(sql)?;
                    }
                    let value = work(sql, &at_work)?;
                    #[cfg(test)]
                    {
                        *at_work.work.lock() += sql.work();
                        at_work.most_statements.fetch_max(sql.work().statements, Ordering::Relaxed);
                    }
                    let revision = feed::append(sql, sql.take_changes())?;
                    Ok((value, revision))
                },
                move |(value, revision)| {
                    publish(&at_publish, value);
                    if let Some(revision) = revision {
                        at_publish.reach(*revision);
                    }
                },
            )
            .await;
        written.map(|(value, _)| value)
    }

    /// Runs `work` on one state of the database.
    async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, StoreError> {
        #[cfg(test)]
        let work = {
            let shared = self.shared.clone();
            move |sql: &Sql<'_>| {
                let value = work(sql);
                *shared.work.lock() += sql.work();
                value
            }
        };
        self.database.read(operation, work).await
    }
}

#[async_trait]
impl TenantStore for SqlStore {
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>> {
        self.shared.index.read().entry(id).map(|entry| entry.tenant.clone())
    }

    fn tenants(&self) -> Arc<Vec<Arc<Tenant>>> {
        self.shared.index.read().ordered()
    }

    fn write_failure(&self) -> Option<String> {
        self.database.write_failure()
    }

    fn behind(&self) -> Option<String> {
        match &self.database {
            Backend::Sqlite(_) => None,
            Backend::Postgres(server) => server.write_failure(),
            #[cfg(feature = "simulation")]
            Backend::Simulated(server) => server.write_failure(),
        }
    }

    fn revision(&self) -> u64 {
        *self.shared.revision.borrow()
    }

    fn subscribe_revision(&self) -> watch::Receiver<u64> {
        self.shared.revision.subscribe()
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
        self.read("reading an idempotency key", move |sql| tenants::kept_response(sql, &key, now)).await
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
        let known = self.shared.index.read().entry(id).and_then(|entry| entry.secrets.clone());
        if let Some(secrets) = known {
            return Ok(secrets);
        }
        let (id, damage) = (id.clone(), self.shared.damage.clone());
        self.read("reading secrets", move |sql| tenants::secrets(sql, &damage, &id)).await
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
        self.read("listing deployments", move |sql| progress::page(sql, &damage, &id, skip, limit)).await
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
        origin: Option<Origin>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        self.change_deletion(id.clone(), how, origin, audit).await
    }

    async fn queue_work(&self, id: &TenantId) -> Result<(), StoreError> {
        self.queue_anew(id.clone()).await
    }

    fn hasten_work(&self, ids: &BTreeSet<TenantId>) {
        let hastened = self.shared.queue.lock().hasten(ids, self.clock.steady());
        if hastened {
            self.shared.tell_work_changed();
        }
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
        let (damage, asked) = (self.shared.damage.clone(), query.clone());
        let page = self.read("listing alerts", move |sql| alerts::page(sql, &damage, &asked)).await;
        match page {
            // What is open is in memory, which goes on without the server.
            Err(StoreError::Database { .. }) if self.behind().is_some() && query.open == Some(true) => {
                Ok(self.shared.index.read().open_alerts_page(&query))
            }
            page => page,
        }
    }

    async fn alert_events_since(
        &self,
        id: &TenantId,
        since: &AlertId,
    ) -> Result<Vec<AlertEvent>, StoreError> {
        let (id, since, damage) = (id.clone(), since.clone(), self.shared.damage.clone());
        self.read("listing alert changes", move |sql| {
            let opening = alerts::opening(sql, &id, &since)?.unwrap_or(0);
            alerts::events_after(sql, &damage, &id, opening)
        })
        .await
    }

    async fn alert_events_after(&self, id: &TenantId, seq: u64) -> Result<Vec<AlertEvent>, StoreError> {
        let (id, damage) = (id.clone(), self.shared.damage.clone());
        self.read("listing alert changes", move |sql| alerts::events_after(sql, &damage, &id, seq)).await
    }

    fn subscribe_alerts(&self, id: &TenantId) -> watch::Receiver<u64> {
        let index = self.shared.index.read();
        // Nothing will ever come for a tenant that is not there: its channel is closed at once.
        index.entry(id).map_or_else(|| watch::channel(0).1, |entry| entry.alert_seq.subscribe())
    }

    async fn clear_alerts(&self, key: &TenantKey) -> Result<(), StoreError> {
        self.forget_alerts(key.clone()).await
    }

    async fn intend(&self, id: &TenantId, entry: AuditEntry) -> Result<Intent, StoreError> {
        self.write_intent(id.clone(), entry).await
    }

    async fn settle(&self, intent: &Intent, entry: Option<AuditEntry>) -> Result<(), StoreError> {
        self.settle_intent(intent, entry).await
    }

    async fn intents(&self, id: &TenantId) -> Result<Vec<Intent>, StoreError> {
        let id = id.clone();
        self.read("listing intents", move |sql| trail::intents(sql, &id)).await
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
        self.read("listing the audit trail", move |sql| rows::audit_page(sql, &damage, &query)).await
    }

    async fn price_periods(&self, from: Timestamp, until: Timestamp) -> Result<Vec<PricePeriod>, StoreError> {
        self.read_prices(from, until).await
    }

    fn subscribe_settings(&self) -> watch::Receiver<u64> {
        self.shared.settings_changed.subscribe()
    }

    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError> {
        let name = name.to_owned();
        self.read("reading a setting", move |sql| rows::setting(sql, &name)).await
    }

    async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError> {
        let (name, value) = (name.to_owned(), value.to_owned());
        let set = move |sql: &Sql<'_>, shared: &Shared| {
            if shared.replica.get().is_some() {
                sql.touch(Change::Setting);
            }
            rows::set_setting(sql, &name, &value)
        };
        self.write("keeping a setting", set, |_, ()| {}).await
    }
}

#[cfg(test)]
mod tests;
