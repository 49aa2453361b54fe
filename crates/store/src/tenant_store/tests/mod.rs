#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

//! The promises of the tenant store's trait, one file a topic, each kept on both databases.

use super::*;
use crate::{Database, MIGRATIONS, PostgresDatabase};
use ecp_core::catalog::Catalog;
use ecp_core::deployment::{DeploymentKind, Removal};
use ecp_core::ports::Admission;
use ecp_core::quantity::Resources;
use ecp_core::revision::Cause;
use ecp_core::sizing::{DeploymentTime, Sizing};
use ecp_core::tenant::{Availability, Preset, Service, SlaTarget, TenantSpec, TenantStatus};
use jiff::SignedDuration;
use std::collections::BTreeMap;
use tempfile::TempDir;

/// A clock that stands still until it is moved.
struct TestClock(Mutex<Timestamp>);

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        *self.0.lock()
    }
}

mod on_a_file;
mod on_a_server;

/// What a world's store is kept in, which outlives the store.
trait Place {
    /// An empty one.
    fn new() -> Self;
    /// Opens what is there.
    fn open(&self) -> Backend;
    /// What damage there is told to be in, or its beginning.
    fn name(&self) -> &'static str;
}

/// A file in a folder of its own.
struct File(TempDir);

impl Place for File {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn open(&self) -> Backend {
        Database::open(&self.0.path().join(self.name()), MIGRATIONS).unwrap().into()
    }

    fn name(&self) -> &'static str {
        "demo.db"
    }
}

/// A schema on a server.
struct Server(&'static str);

impl Place for Server {
    fn new() -> Self {
        static SCHEMAS: AtomicU64 = AtomicU64::new(0);
        Self(Box::leak(format!("world_{}", SCHEMAS.fetch_add(1, Ordering::Relaxed)).into_boxed_str()))
    }

    fn open(&self) -> Backend {
        let url = ecp_testservers::Postgres::shared().url().parse().unwrap();
        let open = || PostgresDatabase::open(&url, self.0).unwrap();
        // On a thread that runs no tasks.
        std::thread::scope(|scope| scope.spawn(open).join().unwrap()).into()
    }

    fn name(&self) -> &'static str {
        "postgres://"
    }
}

/// A store in a place of its own, which can be closed and opened again.
struct World<P> {
    place: P,
    clock: Arc<TestClock>,
    store: SqlStore,
}

impl<P: Place> World<P> {
    fn new() -> Self {
        let place = P::new();
        let clock = Arc::new(TestClock(Mutex::new(start())));
        let store = SqlStore::open(place.open(), clock.clone()).unwrap();
        Self { place, clock, store }
    }

    fn reopen(mut self) -> Self {
        self.store.close();
        self.store = SqlStore::open(self.place.open(), self.clock.clone()).unwrap();
        self
    }

    fn pass(&self, time: SignedDuration) {
        let mut now = self.clock.0.lock();
        *now += time;
    }

    async fn create(&self, id: &str) -> Arc<Tenant> {
        match self.store.create_tenant(new_tenant(id, self.clock.now())).await.unwrap() {
            Created::New(tenant) => tenant,
            Created::Replayed(_) => panic!("replayed without a key"),
        }
    }

    /// Changes a tenant as a request would and returns the deployment of it.
    async fn change(&self, id: &str, kind: DeploymentKind) -> Result<Deployment, StoreError> {
        let change = change(&self.store.tenant(&tenant_id(id)).unwrap(), kind, self.clock.now());
        let deployment = change.deployment.clone();
        self.store.change_tenant(change).await.map(|_| deployment)
    }

    /// Deletes a tenant to the end and returns the deletion's id.
    async fn delete(&self, id: &str) -> DeploymentId {
        let deletion = self.change(id, DELETE).await.unwrap();
        self.store.remove_tenant(&tenant_id(id), audit(id, "tenant.delete")).await.unwrap();
        deletion.id
    }

    fn count(&self, table: &str) -> usize {
        let query = format!("SELECT count(*) FROM {table}");
        self.store.database.read_blocking("counting", move |sql| sql.count(&query, &[])).unwrap()
    }
}

const DELETE: DeploymentKind = DeploymentKind::Delete(Removal::ORDERLY);

fn start() -> Timestamp {
    "2024-01-20T14:30:00Z".parse().unwrap()
}

fn tenant_id(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// Of what is about all tenants.
fn nobody_s(action: &str) -> AuditEntry {
    AuditEntry { tenant_id: None, ..audit("none", action) }
}

fn audit(id: &str, action: &str) -> AuditEntry {
    AuditEntry {
        timestamp: start(),
        actor: "tester".to_owned(),
        action: action.to_owned(),
        tenant_id: Some(tenant_id(id)),
        request_id: Some("req-1".to_owned()),
        before: None,
        after: None,
        outcome: "accepted".to_owned(),
    }
}

fn new_tenant(id: &str, now: Timestamp) -> NewTenant {
    let deployment =
        Deployment::accepted(DeploymentId::generate(), tenant_id(id), 1, DeploymentKind::Create, now, None);
    let tenant = Tenant {
        id: tenant_id(id),
        spec: TenantSpec {
            name: format!("{id} 서비스"),
            preset: Some(Preset::Medium),
            service_requirements: BTreeMap::from([(Service::Callbot, 50)]),
            sla_target: SlaTarget {
                availability: Availability::parse("99.9%").unwrap(),
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
            preset: Preset::Medium,
            resources: Resources { cpu_millicores: 24_000, memory_mib: 32_768, gpu: 3, storage_gb: 1_000 },
            gpu_type: "t4".to_owned(),
            services: Vec::new(),
            list_price_usd: 350,
            operator_cost_usd: 1_000,
            deployment_time: DeploymentTime { min_minutes: 15, max_minutes: 20 },
            warnings: Vec::new(),
            places: ecp_core::sizing::Places::new(),
        },
        status: TenantStatus::Pending,
        generation: 1,
        incarnation: Default::default(),
        deployment_id: deployment.id.clone(),
        created_at: now,
        updated_at: now,
    };
    let secrets = TenantSecrets::generate(&["REDIS_PASSWORD"]);
    NewTenant {
        revision: revision(&tenant, &secrets),
        tenant,
        deployment,
        secrets,
        idempotency: None,
        admission: Admission::default(),
        audit: audit(id, "tenant.create"),
    }
}

fn change(tenant: &Tenant, kind: DeploymentKind, now: Timestamp) -> TenantChange {
    let is_deletion = matches!(kind, DeploymentKind::Delete(_));
    let id = if is_deletion { DeploymentId::generate_deletion() } else { DeploymentId::generate() };
    let mut tenant = tenant.clone();
    tenant.generation += 1;
    tenant.deployment_id = id.clone();
    tenant.status = if is_deletion { TenantStatus::Deleting } else { TenantStatus::Pending };
    tenant.spec.name = format!("generation {}", tenant.generation);
    let deployment = Deployment::accepted(id, tenant.id.clone(), tenant.generation, kind, now, None);
    let audit = audit(tenant.id.as_str(), "tenant.update");
    let secrets = TenantSecrets::generate(&["REDIS_PASSWORD"]);
    let revision = (!is_deletion).then(|| revision(&tenant, &secrets));
    TenantChange { tenant, deployment, revision, audit, admission: Admission::default(), ended: None }
}

fn revision(tenant: &Tenant, secrets: &TenantSecrets) -> NewRevision {
    let edition = Arc::new(Edition::of(Arc::new(Catalog::embedded())));
    NewRevision::render(&edition, tenant, secrets, Cause::Request)
}
