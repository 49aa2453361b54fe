#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

//! The promises of the tenant store's trait, one file a topic.

mod alerts;
mod deployments;
mod extremes;
mod revisions;
mod tenants;
mod work;

use super::*;
use crate::MIGRATIONS;
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

/// A store in a folder of its own, which can be closed and opened again.
struct World {
    folder: TempDir,
    clock: Arc<TestClock>,
    store: SqliteStore,
}

impl World {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Arc::new(TestClock(Mutex::new(start())));
        let store = open(&folder, &clock);
        Self { folder, clock, store }
    }

    fn reopen(mut self) -> Self {
        self.store.database.close();
        self.store = open(&self.folder, &self.clock);
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

    fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        let count = |connection: &Connection| connection.query_row(&sql, [], |row| row.get(0));
        self.store
            .database
            .read_blocking("counting", |connection| {
                count(connection).map_err(crate::database_error("counting"))
            })
            .unwrap()
    }
}

const DELETE: DeploymentKind = DeploymentKind::Delete(Removal::ORDERLY);

fn open(folder: &TempDir, clock: &Arc<TestClock>) -> SqliteStore {
    let database = Database::open(&folder.path().join("demo.db"), MIGRATIONS).unwrap();
    SqliteStore::open(database, clock.clone()).unwrap()
}

fn start() -> Timestamp {
    "2024-01-20T14:30:00Z".parse().unwrap()
}

fn tenant_id(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

fn audit(id: &str, action: &str) -> AuditEntry {
    AuditEntry {
        timestamp: start(),
        actor: "tester".to_owned(),
        action: action.to_owned(),
        tenant_id: tenant_id(id),
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
    TenantChange { tenant, deployment, revision, audit, admission: Admission::default() }
}

fn revision(tenant: &Tenant, secrets: &TenantSecrets) -> NewRevision {
    let edition = Arc::new(Edition::of(Arc::new(Catalog::embedded())));
    NewRevision::render(&edition, tenant, secrets, Cause::Request)
}
