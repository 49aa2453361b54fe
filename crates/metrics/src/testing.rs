//! Makes samples, tenants and time for this crate's tests and compares them.

use crate::{EmbeddedMetrics, MetricsOptions};
use ecp_core::Timestamp;
use ecp_core::audit::AuditEntry;
use ecp_core::catalog::{Catalog, Edition};
use ecp_core::deployment::{Deployment, DeploymentKind, Removal};
use ecp_core::ids::{DeploymentId, TenantId, TenantKey};
use ecp_core::metrics::Sample;
use ecp_core::ports::{Admission, Clock, NewTenant, ProgressUpdate, TenantChange, TenantStore};
use ecp_core::quantity::Resources;
use ecp_core::revision::{Cause, NewRevision};
use ecp_core::sizing::{DeploymentTime, Sizing};
use ecp_core::tenant::{
    Availability, Preset, Service, SlaTarget, Tenant, TenantSecrets, TenantSpec, TenantStatus,
};
use ecp_store::{Database, MIGRATIONS, SqlStore, database_error};
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;

/// Values of all kinds: absent, whole, with a decimal, large.
fn value() -> impl Strategy<Value = f64> {
    prop_oneof![
        2 => Just(f64::NAN),
        3 => (0..100i32).prop_map(f64::from),
        3 => (0..1000i32).prop_map(|tenths| f64::from(tenths) / 10.0),
        1 => 0.0..1e12f64,
    ]
}

fn sample_at(timestamp_ms: i64) -> impl Strategy<Value = Sample> {
    prop::array::uniform9(value()).prop_map(move |values| Sample { timestamp_ms, values })
}

/// Samples in ascending order of time, each time once.
pub(crate) fn arbitrary_samples(count: Range<usize>) -> impl Strategy<Value = Vec<Sample>> {
    prop::collection::btree_set(1_700_000_000_000..1_700_000_900_000i64, count)
        .prop_flat_map(|times: BTreeSet<i64>| times.into_iter().map(sample_at).collect::<Vec<_>>())
}

/// Batches of samples at times of a range, in any order and with repetitions.
pub(crate) fn batches(times: Range<i64>, length: Range<usize>) -> impl Strategy<Value = Vec<Vec<Sample>>> {
    let batch = prop::collection::vec(times.prop_flat_map(sample_at), length);
    prop::collection::vec(batch, 0..12)
}

/// True when both are the same, absent values included.
pub(crate) fn same_samples(left: &[Sample], right: &[Sample]) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| {
            left.timestamp_ms == right.timestamp_ms
                && left.values.map(f64::to_bits) == right.values.map(f64::to_bits)
        })
}

/// A running tenant of plan large.
pub(crate) fn tenant(id: &str) -> Tenant {
    let created_at = Timestamp::from_second(1_704_000_000).expect("in range");
    Tenant {
        id: TenantId::parse(id).expect("a label"),
        spec: TenantSpec {
            name: id.to_owned(),
            preset: Some(Preset::Large),
            service_requirements: BTreeMap::from([(Service::Callbot, 25), (Service::Chatbot, 85)]),
            sla_target: SlaTarget {
                availability: Availability(999_000),
                response_time_ms: 200,
                concurrent_users: None,
            },
            description: None,
            exposure: None,
            management: Default::default(),
            demo_fault: None,
            sizing: ecp_core::sizing::SizingOptions::default(),
        },
        sizing: Sizing {
            preset: Preset::Large,
            resources: Resources { cpu_millicores: 45_000, memory_mib: 65_536, gpu: 6, storage_gb: 2000 },
            gpu_type: "v100".to_owned(),
            services: Vec::new(),
            list_price_usd: 450,
            operator_cost_usd: 900,
            deployment_time: DeploymentTime { min_minutes: 15, max_minutes: 20 },
            warnings: Vec::new(),
            places: ecp_core::sizing::Places::new(),
        },
        status: TenantStatus::Running,
        generation: 1,
        incarnation: Default::default(),
        deployment_id: DeploymentId::generate(),
        created_at,
        updated_at: created_at,
    }
}

/// A clock that stands where a test puts it.
pub(crate) struct TestClock(AtomicI64);

impl TestClock {
    pub(crate) fn at(now_ms: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(now_ms)))
    }

    pub(crate) fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::Relaxed);
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millisecond(self.now_ms()).expect("in range")
    }
}

/// Both stores of a mode on one database.
pub(crate) struct World {
    pub(crate) store: Arc<SqlStore>,
    pub(crate) metrics: EmbeddedMetrics,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) database: Database,
    folder: TempDir,
}

impl World {
    pub(crate) fn new(now_ms: i64) -> Self {
        Self::open(TempDir::new().expect("a temporary folder"), TestClock::at(now_ms))
    }

    fn open(folder: TempDir, clock: Arc<TestClock>) -> Self {
        let database = Database::open(&folder.path().join("test.db"), MIGRATIONS).expect("opens");
        let store = Arc::new(SqlStore::open(database.clone(), clock.clone()).expect("loads"));
        let (options, tenants) = (MetricsOptions::default(), store.clone());
        let exists = Arc::new(move |key: &TenantKey| tenants.exists(key));
        let metrics = EmbeddedMetrics::open(database.clone(), clock.clone(), options, exists);
        Self { store, metrics: metrics.expect("loads"), clock, database, folder }
    }

    /// Ends both stores and starts them again on the same file.
    pub(crate) fn reopen(self) -> Self {
        self.database.close();
        Self::open(self.folder, self.clock)
    }

    /// Adds a tenant in this state; returns it as the store has it.
    pub(crate) async fn add_tenant(&self, name: &str, status: TenantStatus) -> Tenant {
        let now = self.clock.now();
        let tenant = Tenant { status, created_at: now, updated_at: now, ..tenant(name) };
        let deployment = Deployment::accepted(
            tenant.deployment_id.clone(),
            tenant.id.clone(),
            1,
            DeploymentKind::Create,
            now,
            None,
        );
        let secrets = TenantSecrets::generate(&[]);
        let edition = Arc::new(Edition::of(Arc::new(Catalog::embedded())));
        let new = NewTenant {
            revision: NewRevision::render(&edition, &tenant, &secrets, Cause::Request),
            tenant: tenant.clone(),
            deployment,
            secrets,
            idempotency: None,
            admission: Admission::default(),
            audit: self.audit(&tenant, "tenant.create"),
        };
        self.store.create_tenant(new).await.expect("creates");
        Tenant::clone(&self.store.tenant(&tenant.id).expect("it exists"))
    }

    pub(crate) async fn set_status(&self, tenant: &Tenant, status: TenantStatus) {
        let deployment = self.store.deployment(&tenant.deployment_id).expect("it has one");
        let update =
            ProgressUpdate { deployment: Deployment::clone(&deployment), tenant_status: status, audit: None };
        self.store.record_progress(update).await.expect("records");
    }

    pub(crate) async fn delete_tenant(&self, tenant: &Tenant) {
        self.start_deletion(tenant).await;
        self.store.remove_tenant(&tenant.id, self.audit(tenant, "tenant.delete")).await.expect("removes");
    }

    pub(crate) async fn start_deletion(&self, tenant: &Tenant) {
        let id = DeploymentId::generate_deletion();
        let kind = DeploymentKind::Delete(Removal::ORDERLY);
        let deployment = Deployment::accepted(id.clone(), tenant.id.clone(), 2, kind, self.clock.now(), None);
        let tenant = Tenant {
            generation: tenant.generation + 1,
            deployment_id: id,
            status: TenantStatus::Deleting,
            ..tenant.clone()
        };
        let audit = self.audit(&tenant, "tenant.delete");
        let (revision, admission) = (None, Admission::default());
        let change = TenantChange { tenant, deployment, revision, audit, admission, ended: None };
        self.store.change_tenant(change).await.expect("changes");
    }

    /// Runs SQL past the stores.
    pub(crate) async fn tamper(&self, sql: &'static str) {
        let run = move |transaction: &rusqlite::Transaction<'_>| {
            transaction.execute_batch(sql).map_err(database_error("tampering"))
        };
        self.database.write("tampering", run).await.expect("tampers");
    }

    fn audit(&self, tenant: &Tenant, action: &str) -> AuditEntry {
        AuditEntry {
            timestamp: self.clock.now(),
            actor: "test".to_owned(),
            action: action.to_owned(),
            tenant_id: Some(tenant.id.clone()),
            request_id: None,
            before: None,
            after: None,
            outcome: "accepted".to_owned(),
        }
    }
}
