//! The traits through which the domain meets databases and clusters, and what crosses them.
//!
//! Reads are answered from memory and never wait for a writer; a write returns when it is on disk.

mod alerting;
mod cluster;
mod leases;
mod metric_store;
mod notifications;

pub use alerting::{AlertingStore, RuleObserver};
pub use cluster::{
    Capacity, Cluster, ClusterError, ClusterHealth, ClusterView, Drift, Hindrance, ObjectState, Observation,
    Refusal,
};
pub use leases::{ALONE, Lease, Leases};
pub use metric_store::{
    MetricCapabilities, MetricError, MetricHealth, MetricStore, SampleObserver, SampleState,
};
pub use notifications::{DeliveryQuery, NotificationStore, Notifier, Turn, Waiting};

use crate::Timestamp;
use crate::alerts::{Alert, AlertEvent, AlertSubject, Severity};
use crate::audit::{AuditEntry, Intent};
use crate::catalog::Edition;
use crate::costs::PricePeriod;
use crate::damage::Damage;
use crate::deployment::{Deployment, Removal};
use crate::ids::{AlertId, DeploymentId, Incarnation, TenantId, TenantKey};
use crate::manifest::{ManifestDigest, PinnedManifest};
use crate::origin::Origin;
use crate::placement::Shortage;
use crate::revision::{NewRevision, Revisions};
use crate::tenant::{Tenant, TenantSecrets, TenantStatus};
use async_trait::async_trait;
use std::collections::BTreeSet;
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tokio::sync::watch;

/// Tells the time; tests set it.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
    /// A time that only goes on, however the clock is set: what is due and what is overdue is told by
    /// it. It need not be right, and does not go on while the machine is suspended.
    fn steady(&self) -> Timestamp {
        self.now()
    }
}

/// The machine's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn steady(&self) -> Timestamp {
        static START: LazyLock<(Instant, Timestamp)> = LazyLock::new(|| (Instant::now(), Timestamp::now()));
        let (instant, time) = &*START;
        time.checked_add(instant.elapsed()).unwrap_or(Timestamp::MAX)
    }
}

/// What a store refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The id is taken.
    #[error("tenant {tenant_id} already exists ({existing_status})")]
    TenantExists {
        /// The id asked for.
        tenant_id: TenantId,
        /// Status of the one that has it.
        existing_status: TenantStatus,
    },
    /// There is no such tenant.
    #[error("tenant {0} does not exist")]
    TenantNotFound(TenantId),
    /// There is no such deployment.
    #[error("deployment {0} does not exist")]
    DeploymentNotFound(DeploymentId),
    /// The tenant changed since the caller read it.
    #[error("tenant {tenant_id} is at generation {actual}")]
    GenerationMismatch {
        /// The tenant.
        tenant_id: TenantId,
        /// Its generation now.
        actual: u64,
    },
    /// The tenant is there and can not be read: its row is damaged.
    #[error("the stored tenant {0} is damaged")]
    TenantDamaged(TenantId),
    /// The tenant is being deleted and can not be changed.
    #[error("tenant {0} is being deleted")]
    TenantDeleting(TenantId),
    /// The cluster has too little left for it, beside every other tenant that was accepted.
    #[error("the cluster has too little left for tenant {tenant_id}: {}", shortage.summary())]
    InsufficientResources {
        /// The tenant.
        tenant_id: TenantId,
        /// What is short, and why nodes were left out.
        shortage: Box<Shortage>,
    },
    /// There are as many as can be kept.
    #[error("there are {most} {what} already")]
    TooMany {
        /// Of what, in the plural.
        what: &'static str,
        /// How many can be kept.
        most: usize,
    },
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    IdempotencyKeyReused {
        /// The tenant that the other request created, where its answer says so.
        tenant_id: Option<String>,
    },
    /// The database was written by a newer version of the program.
    #[error(
        "the database has schema {found}, this program knows up to {known}: start the newer program, or restore a backup made before it"
    )]
    SchemaTooNew {
        /// Version in the file.
        found: i64,
        /// Newest version that this program knows.
        known: i64,
    },
    /// Another process works on these tables, and each keeps samples of its own.
    #[error(
        "another process ({0}) works on this database: with samples in files of its own a process must be the only \
         one; stop the other, or give each of them a database"
    )]
    AnotherProcess(String),
    /// Another process leads the mode by now.
    #[error("another process leads the mode")]
    LeadLost,
    /// Another process works on the tenant by now, or may: nothing of the write is kept.
    #[error("tenant {0} is another process's to work on")]
    LeaseLost(TenantId),
    /// What the file held is kept by a server now.
    #[error(
        "the tenants of this data folder were moved to {0}: start with that --database-url, or, to go back to what \
         was here before, delete the row `moved.to` of the table `settings`"
    )]
    MovedTo(String),
    /// The database failed; nothing of the write is kept.
    #[error("the database failed at {operation}")]
    Database {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store is shutting down.
    #[error("the store is closed")]
    Closed,
}

/// A caller's idempotency key, scoped to who sent it, with digests of the request under it.
#[derive(Clone, Debug)]
pub struct IdempotencyKey {
    /// Who sent it: the same key of somebody else is another one.
    pub actor: String,
    /// The key as it was sent.
    pub key: String,
    /// SHA-256 of method, path and what the body means: this is kept.
    pub request_digest: [u8; 32],
    /// SHA-256 of method, path and the body's own bytes: what is kept of a request that a release before took,
    /// which told requests apart by the letter.
    pub letters_digest: [u8; 32],
}

/// Decides, inside the transaction that would reserve it, whether the cluster has room for a tenant.
/// It is given every tenant as that transaction sees it, so that two requests never count on the
/// same free GPU.
#[derive(Clone, Default)]
pub struct Admission(Option<Arc<Decide>>);

type Decide = dyn Fn(&[Arc<Tenant>]) -> Result<(), Box<Shortage>> + Send + Sync;

impl Admission {
    /// By a decision that only computes: it runs where writers wait for it.
    pub fn by(decide: impl Fn(&[Arc<Tenant>]) -> Result<(), Box<Shortage>> + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(decide)))
    }

    /// The decision; none where nothing is to be decided: what was promised before, or is given back.
    pub fn decision(&self) -> Option<&Decide> {
        self.0.as_deref()
    }
}

impl std::fmt::Debug for Admission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Admission(decides)" } else { "Admission(as it is)" })
    }
}

/// An accepted creation: tenant, first deployment, secrets, work item and audit entry are one
/// transaction.
#[derive(Clone, Debug)]
pub struct NewTenant {
    /// The tenant, status pending, generation 1: where its id was used before, the store lets it
    /// [succeed](Self::succeed).
    pub tenant: Tenant,
    /// Its first deployment.
    pub deployment: Deployment,
    /// Its secrets.
    pub secrets: TenantSecrets,
    /// Its first revision.
    pub revision: NewRevision,
    /// Key and the response body to give again, where the caller sent one.
    pub idempotency: Option<(IdempotencyKey, serde_json::Value)>,
    /// Who asked.
    pub audit: AuditEntry,
    /// Whether there is room for it.
    pub admission: Admission,
}

impl NewTenant {
    /// Goes on counting after the last generation of the id's last tenant.
    pub fn succeed(&mut self, last_generation: u64) {
        let generation = last_generation + 1;
        self.tenant.generation = generation;
        self.tenant.incarnation = Incarnation::begun_at(generation);
        self.deployment.generation = generation;
        self.revision.revision.number = generation;
        if let Some(told) = self.audit.after.as_mut().and_then(|after| after.get_mut("generation")) {
            *told = generation.into();
        }
    }
}

/// How a creation ended.
#[derive(Clone, Debug)]
pub enum Created {
    /// It is on disk.
    New(Arc<Tenant>),
    /// The same request was accepted before; this was its response body.
    Replayed(serde_json::Value),
}

/// A change of a tenant that was accepted; one transaction as in [`NewTenant`].
#[derive(Clone, Debug)]
pub struct TenantChange {
    /// The tenant after the change; its `generation` is one more than what the caller read.
    pub tenant: Tenant,
    /// The deployment (or deletion) that rolls it out.
    pub deployment: Deployment,
    /// What the tenant becomes; none of a deletion.
    pub revision: Option<NewRevision>,
    /// Who asked.
    pub audit: AuditEntry,
    /// Whether there is room for it.
    pub admission: Admission,
    /// What it takes the place of, as that ended, where it is the controller that changes the tenant: it is
    /// kept only while the tenant's lease holds, as every write of the controller.
    pub ended: Option<ProgressUpdate>,
}

/// A tenant whose desired and actual state may differ, leased to one worker of the controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkItem {
    /// Which tenant.
    pub tenant_id: TenantId,
    /// Failed tries in a row.
    pub attempts: u32,
    /// Changes whenever the item is queued anew; finishing an old lease leaves newer work queued.
    pub lease: u64,
}

/// What the controller writes after a step; one transaction.
#[derive(Clone, Debug)]
pub struct ProgressUpdate {
    /// The deployment after the step.
    pub deployment: Deployment,
    /// The tenant's status after the step; applied only while the deployment is the tenant's
    /// newest.
    pub tenant_status: TenantStatus,
    /// Something worth the audit trail.
    pub audit: Option<AuditEntry>,
}

/// Filters of alerts; newest first.
#[derive(Clone, Debug, Default)]
pub struct AlertQuery {
    /// Of this tenant.
    pub tenant_id: Option<TenantId>,
    /// With this severity now (when resolved: last).
    pub severity: Option<Severity>,
    /// About one of these; empty means all.
    pub subjects: Vec<AlertSubject>,
    /// Open ones, or resolved ones.
    pub open: Option<bool>,
    /// Entries to leave out first.
    pub skip: usize,
    /// Entries at most.
    pub limit: usize,
}

/// Filters of the audit trail; newest first.
#[derive(Clone, Debug, Default)]
pub struct AuditQuery {
    /// Of this tenant.
    pub tenant_id: Option<TenantId>,
    /// By this actor.
    pub actor: Option<String>,
    /// Of this action, such as `tenant.heal`.
    pub action: Option<String>,
    /// With this outcome.
    pub outcome: Option<String>,
    /// Asked for by this request.
    pub request_id: Option<String>,
    /// Not before this.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// Entries to leave out first.
    pub skip: usize,
    /// Entries at most.
    pub limit: usize,
}

/// Tenants, deployments, work, alerts and the audit trail of one mode.
#[async_trait]
pub trait TenantStore: Leases {
    /// One tenant, from memory.
    fn tenant(&self, id: &TenantId) -> Option<Arc<Tenant>>;
    /// Every tenant, ordered by `created_at`, then id, from memory. Cheap: a shared snapshot.
    fn tenants(&self) -> Arc<Vec<Arc<Tenant>>>;
    /// True while this very tenant exists, from memory.
    fn exists(&self, key: &TenantKey) -> bool {
        self.tenant(&key.id).is_some_and(|tenant| tenant.incarnation == key.incarnation)
    }
    /// Why writes fail, from the first that does until one succeeds again: a full disk, a file that can
    /// not be written.
    fn write_failure(&self) -> Option<String> {
        None
    }
    /// Why memory may be older than what is stored: the database is elsewhere and does not answer.
    fn behind(&self) -> Option<String> {
        None
    }
    /// Revision of the newest commit that is in memory: what was written before it was read is in it. It
    /// only grows, through restarts too.
    fn revision(&self) -> u64;
    /// Each later revision.
    fn subscribe_revision(&self) -> watch::Receiver<u64>;
    /// Rows that can not be read. They are set aside, and nothing else is stopped by them.
    fn damage(&self) -> Vec<Damage> {
        Vec::new()
    }
    /// True where a tenant of this id is there and can not be read; its id is taken, and what belongs
    /// to it is kept.
    fn is_damaged(&self, _id: &TenantId) -> bool {
        false
    }
    /// Says that [`Self::tenants`] changed; the value counts the changes.
    fn subscribe_tenants(&self) -> watch::Receiver<u64>;

    /// Accepts a creation.
    async fn create_tenant(&self, new: NewTenant) -> Result<Created, StoreError>;
    /// The response kept under a key: `Ok(None)` where there is none, an error where the key was
    /// used for another request.
    async fn idempotent_response(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<serde_json::Value>, StoreError>;
    /// Accepts a change or the start of a deletion; refused where the generation is not the one
    /// before, or the tenant is already being deleted.
    async fn change_tenant(&self, change: TenantChange) -> Result<Arc<Tenant>, StoreError>;
    /// Marks the deletion done: the tenant, its deployments, secrets and alerts go, the audit
    /// trail stays and gets `audit`.
    async fn remove_tenant(&self, id: &TenantId, audit: AuditEntry) -> Result<(), StoreError>;
    /// The revisions of a tenant, oldest first; none of a tenant that is not there. How far each got
    /// is what its deployment's recorded progress said, in the same transaction.
    async fn revisions(&self, id: &TenantId) -> Result<Revisions, StoreError>;
    /// The objects of one of a tenant's revisions; none where it is not kept (any more).
    async fn pinned_manifest(
        &self,
        id: &TenantId,
        digest: &ManifestDigest,
    ) -> Result<Option<PinnedManifest>, StoreError>;
    /// The catalog of a tenant's newest revision, from memory.
    fn edition_of(&self, id: &TenantId) -> Option<Arc<Edition>>;
    /// True of a tenant of which revisions are kept, from memory.
    fn has_revisions(&self, id: &TenantId) -> bool;
    /// Keeps revisions of a tenant of which none are kept; where there are some, nothing is done.
    async fn adopt_revisions(&self, id: &TenantId, revisions: Vec<NewRevision>) -> Result<(), StoreError>;
    /// Secret values of a tenant.
    async fn tenant_secrets(&self, id: &TenantId) -> Result<TenantSecrets, StoreError>;

    /// One deployment or deletion, from memory. Those of tenants that exist are kept; a finished
    /// deletion is kept in memory for some minutes so that its stream can end properly.
    fn deployment(&self, id: &DeploymentId) -> Option<Arc<Deployment>>;
    /// The deployment's state now and each later one. Slow readers see the newest; the events
    /// inside it let them send what they missed.
    fn subscribe_deployment(&self, id: &DeploymentId) -> Option<watch::Receiver<Arc<Deployment>>>;
    /// Deployments of a tenant, newest first, without logs, events and objects: page and total count.
    async fn deployments(
        &self,
        id: &TenantId,
        skip: usize,
        limit: usize,
    ) -> Result<(Vec<Deployment>, usize), StoreError>;
    /// Writes what the controller found. An update of a deployment that is no longer the tenant's
    /// newest is kept for the deployment and leaves the tenant alone.
    async fn record_progress(&self, update: ProgressUpdate) -> Result<(), StoreError>;

    /// Takes in hand up to `limit` items that are due, of tenants that this process works on; due times are by
    /// [`Clock::steady`]. What was in hand does not survive a restart: every item is due again then.
    async fn lease_work(&self, now: Timestamp, limit: usize) -> Result<Vec<WorkItem>, StoreError>;
    /// Ends a lease: the item is done, unless it was queued anew meanwhile.
    async fn finish_work(&self, item: &WorkItem) -> Result<(), StoreError>;
    /// Ends a lease: the item is due again at `due`, with `attempts` failed tries so far.
    async fn retry_work(&self, item: &WorkItem, attempts: u32, due: Timestamp) -> Result<(), StoreError>;
    /// Has a deletion go on as it is asked for now, with the entry of who asked, and queues the tenant:
    /// one transaction that leaves the deletion's progress as it is. False where all of it was asked
    /// for before.
    async fn hurry_deletion(
        &self,
        id: &TenantId,
        how: Removal,
        origin: Option<Origin>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError>;
    /// Queues a tenant now (healing, timers).
    async fn queue_work(&self, id: &TenantId) -> Result<(), StoreError>;
    /// Makes what waits for another try due now, of these tenants and in this process; failed tries in a row
    /// keep counting.
    fn hasten_work(&self, ids: &BTreeSet<TenantId>);
    /// When the next item is due; wakes the controller together with [`Self::subscribe_work`].
    async fn next_work_due(&self) -> Result<Option<Timestamp>, StoreError>;
    /// Says that work was queued.
    fn subscribe_work(&self) -> watch::Receiver<u64>;

    /// Persists changes of alerts in order, numbers them within their tenant, and publishes them.
    /// Changes of a tenant that is gone are dropped, whether or not its id was taken again.
    async fn record_alerts(
        &self,
        changes: Vec<(crate::alerts::AlertChange, Alert)>,
    ) -> Result<(), StoreError>;
    /// Open alerts of a tenant, oldest first, from memory.
    fn open_alerts(&self, id: &TenantId) -> Vec<Arc<Alert>>;
    /// Alerts, newest first: page and total count.
    async fn alerts(&self, query: AlertQuery) -> Result<(Vec<Alert>, usize), StoreError>;
    /// Changes of a tenant's alerts after the opening of `since`, oldest first; every kept change
    /// where `since` is unknown.
    async fn alert_events_since(&self, id: &TenantId, since: &AlertId)
    -> Result<Vec<AlertEvent>, StoreError>;
    /// Changes of a tenant's alerts with a number over `seq`, oldest first.
    async fn alert_events_after(&self, id: &TenantId, seq: u64) -> Result<Vec<AlertEvent>, StoreError>;
    /// The number of a tenant's newest alert change now (0 without any) and each later one.
    fn subscribe_alerts(&self, id: &TenantId) -> watch::Receiver<u64>;
    /// Forgets a tenant's alerts and their changes (its synthetic load gave way to real samples).
    async fn clear_alerts(&self, key: &TenantKey) -> Result<(), StoreError>;

    /// Writes down what is about to be done; it is on disk when this returns, so that no crash loses
    /// the deed, and doing it again after one does not tell it twice.
    async fn intend(&self, id: &TenantId, entry: AuditEntry) -> Result<Intent, StoreError>;
    /// Says what came of it; what did not happen at all is taken back.
    async fn settle(&self, intent: &Intent, entry: Option<AuditEntry>) -> Result<(), StoreError>;
    /// What was begun for a tenant and is not settled.
    async fn intents(&self, id: &TenantId) -> Result<Vec<Intent>, StoreError>;
    /// Forgets entries of the audit trail, and deployments that ended, from before these times; never a
    /// tenant's newest deployment, nor a deed that is not settled. How many of each went.
    async fn prune_history(
        &self,
        entries_before: Option<Timestamp>,
        deployments_before: Option<Timestamp>,
    ) -> Result<(usize, usize), StoreError>;
    /// The audit trail: page and total count.
    async fn audit(&self, query: AuditQuery) -> Result<(Vec<AuditEntry>, usize), StoreError>;

    /// What tenants paid and cost in a stretch of time, those that are gone too; in no order.
    async fn price_periods(&self, from: Timestamp, until: Timestamp) -> Result<Vec<PricePeriod>, StoreError>;

    /// A small value kept under a name (seeding marks and the like).
    async fn setting(&self, name: &str) -> Result<Option<String>, StoreError>;
    /// Keeps a small value under a name.
    async fn set_setting(&self, name: &str, value: &str) -> Result<(), StoreError>;
    /// Says that another process set one; the value counts the changes.
    fn subscribe_settings(&self) -> watch::Receiver<u64>;
}
