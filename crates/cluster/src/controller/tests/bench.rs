//! A server's worth of parts that can be crashed and started again on the same file.

use super::super::*;
use crate::testing::ManualClock;
use crate::{DemoSpeed, SimulatedCluster, SimulatedNodes, demo_cluster, restore_demo_cluster};
use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::audit::AuditEntry;
use ecp_core::catalog::{Catalog, Edition};
use ecp_core::deployment::{Phase, Removal};
use ecp_core::ids::{DeploymentId, RequestId, TenantKey};
use ecp_core::metrics::{Latest, Metric, Retention, Sample, SampleSource, Series, SeriesQuery};
use ecp_core::origin::{Caller, Origin};
use ecp_core::ports::{
    Admission, AuditQuery, Capacity, ClusterHealth, ClusterView, Drift, Hindrance, MetricCapabilities,
    NewTenant, Observation, Refusal, TenantChange,
};
use ecp_core::quantity::Resources;
use ecp_core::revision::{Cause, NewRevision};
use ecp_core::sizing::{ContainerResources, DeploymentTime, ServicePlan, Sizing};
use ecp_core::tenant::{
    Availability, DemoFault, Management, Preset, Service, SlaTarget, TenantSecrets, TenantSpec, TenantStatus,
};
use ecp_core::text::Message;
use ecp_store::{Database, MIGRATIONS, SqlStore};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use tokio::sync::{Notify, broadcast, watch};

/// Metrics that are only removed here.
#[derive(Default)]
pub(super) struct Metrics {
    pub(super) removed: Mutex<Vec<TenantId>>,
}

#[async_trait]
impl MetricStore for Metrics {
    fn capabilities(&self) -> MetricCapabilities {
        MetricCapabilities::EMBEDDED
    }
    async fn append(&self, _: &TenantKey, _: SampleSource, _: &[Sample]) -> Result<(), MetricError> {
        Ok(())
    }
    fn told_by_clients(&self, _: &TenantKey, _: Metric) -> Option<i64> {
        None
    }
    async fn has_own_samples(&self, _: &TenantKey) -> Result<bool, MetricError> {
        Ok(false)
    }
    async fn query(&self, _: &TenantKey, _: &SeriesQuery) -> Result<Vec<Series>, MetricError> {
        Ok(vec![])
    }
    fn subscribe(&self, _: &TenantKey) -> watch::Receiver<Option<Latest>> {
        watch::channel(None).1
    }
    async fn remove_tenant(&self, id: &TenantKey) -> Result<(), MetricError> {
        self.removed.lock().push(id.id.clone());
        Ok(())
    }
    fn retention(&self) -> Retention {
        Retention::default()
    }
}

/// When a cluster refuses an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// When it is asked what it would say.
    Beforehand,
    /// When the object is applied, those before it are there then.
    Applying,
}

/// An object that somebody else makes under a name of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct MadeByOthers {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    /// Once so many applies were begun.
    pub(super) after_applies: u32,
    pub(super) is_of_another_installation: bool,
}

impl MadeByOthers {
    fn is(&self, object: &Object) -> bool {
        (self.kind, self.name) == (object.kind(), object.name())
    }
}

/// Objects by tenant, kind and name.
pub(super) type Live = BTreeMap<(TenantId, &'static str, String), Object>;

/// The simulated cluster behind a connection that can be disturbed.
pub(super) struct Line {
    pub(super) simulated: Arc<SimulatedCluster>,
    /// Nothing gets through.
    pub(super) cut: AtomicBool,
    /// Objects of this kind are refused.
    pub(super) refused_kind: Mutex<Option<&'static str>>,
    /// Objects of this kind would be refused.
    pub(super) refused_beforehand: Mutex<Option<&'static str>>,
    /// One object, by kind and name, is refused at this point.
    pub(super) refused_object: Mutex<Option<(Refused, &'static str, &'static str)>>,
    /// One object, by kind and name, can not be written for now.
    pub(super) hindered_object: Mutex<Option<(&'static str, &'static str)>>,
    /// Objects that say this are refused beforehand.
    pub(super) refused_text: Mutex<Option<&'static str>>,
    /// The namespace is somebody else's.
    pub(super) foreign: AtomicBool,
    /// What somebody else makes under a name of ours.
    pub(super) made_by_others: Mutex<Vec<MadeByOthers>>,
    /// What applying warns of.
    pub(super) warning: Mutex<Option<Message>>,
    /// What others changed; applying it puts it back.
    pub(super) drifts: Mutex<HashMap<TenantId, Vec<Drift>>>,
    /// Of whom it was asked what others changed.
    pub(super) drift_asked: Mutex<Vec<TenantId>>,
    /// What was applied, by `Kind name`, since somebody cleared it.
    pub(super) applied: Mutex<Vec<String>>,
    /// Every object as it was applied last, by tenant, kind and name.
    pub(super) live: Mutex<Live>,
    /// Applies until the process dies in the middle of one: before it reaches the cluster, or
    /// (odd numbers) after.
    pub(super) dies_after: AtomicUsize,
    pub(super) died: Notify,
    pub(super) applying: AtomicUsize,
    pub(super) most_applying: AtomicUsize,
    pub(super) applies: AtomicU32,
}

impl Line {
    fn to(simulated: Arc<SimulatedCluster>) -> Self {
        Self {
            simulated,
            cut: AtomicBool::new(false),
            refused_kind: Mutex::new(None),
            refused_beforehand: Mutex::new(None),
            refused_object: Mutex::new(None),
            hindered_object: Mutex::new(None),
            refused_text: Mutex::new(None),
            foreign: AtomicBool::new(false),
            made_by_others: Mutex::default(),
            warning: Mutex::new(None),
            drifts: Mutex::default(),
            drift_asked: Mutex::default(),
            applied: Mutex::default(),
            live: Mutex::default(),
            dies_after: AtomicUsize::new(usize::MAX),
            died: Notify::new(),
            applying: AtomicUsize::new(0),
            most_applying: AtomicUsize::new(0),
            applies: AtomicU32::new(0),
        }
    }

    fn applies(&self) -> u32 {
        self.applies.load(Ordering::SeqCst)
    }

    fn check(&self) -> Result<(), ClusterError> {
        if self.cut.load(Ordering::SeqCst) {
            return Err(ClusterError::Unreachable("connection refused".to_owned()));
        }
        Ok(())
    }

    fn refuses(&self, at: Refused, kind: &str, name: &str) -> bool {
        self.refused_object.lock().is_some_and(|(when, of, named)| (when, of, named) == (at, kind, name))
    }

    /// Somebody changes an object of a tenant.
    pub(super) fn change_by_hand(&self, tenant_id: &TenantId, kind: &str, name: &str) {
        let drift = Drift {
            kind: kind.to_owned(),
            name: name.to_owned(),
            field: "/spec/replicas".to_owned(),
            manager: Some("kubectl-edit".to_owned()),
        };
        self.drifts.lock().entry(tenant_id.clone()).or_default().push(drift);
    }

    /// One of the points at which the process may die.
    async fn mortal_point(&self) {
        let before = self.dies_after.load(Ordering::SeqCst);
        if before == 0 {
            self.died.notify_one();
            std::future::pending::<()>().await;
        }
        if before != usize::MAX {
            self.dies_after.store(before - 1, Ordering::SeqCst);
        }
    }
}

#[async_trait]
impl ClusterView for Line {
    async fn dry_run(&self, objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.check()?;
        let refused = *self.refused_beforehand.lock();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let said = *self.refused_text.lock();
        let asked = objects.iter().enumerate().filter(|(_, object)| {
            if said.is_some_and(|said| object.to_string().contains(said)) {
                return true;
            }
            let (kind, name) = (text(&object["kind"]), text(&object["metadata"]["name"]));
            Some(kind.as_str()) == refused || self.refuses(Refused::Beforehand, &kind, &name)
        });
        let refusal = |(index, object): (usize, &serde_json::Value)| Refusal {
            index,
            kind: object["kind"].as_str().unwrap().to_owned(),
            name: object["metadata"]["name"].as_str().unwrap().to_owned(),
            reason: "denied by policy".to_owned(),
        };
        Ok(asked.map(refusal).collect())
    }

    fn drift(&self, tenant_id: &TenantId, _: &[Object]) -> Result<Vec<Drift>, ClusterError> {
        self.check()?;
        self.drift_asked.lock().push(tenant_id.clone());
        Ok(self.drifts.lock().get(tenant_id).cloned().unwrap_or_default())
    }

    fn may_have_drifted(&self, tenant_id: &TenantId) -> bool {
        self.drifts.lock().get(tenant_id).is_some_and(|drifts| !drifts.is_empty())
    }

    fn observe_wanted(
        &self,
        tenant_id: &TenantId,
        wanted: &[Object],
    ) -> Result<(Observation, Vec<Drift>), ClusterError> {
        self.simulated.observe_wanted(tenant_id, wanted)
    }

    fn check_namespace(&self, tenant_id: &TenantId) -> Result<(), ClusterError> {
        self.simulated.check_namespace(tenant_id)
    }

    fn health(&self) -> ClusterHealth {
        match self.check() {
            Ok(()) => self.simulated.health(),
            Err(error) => ClusterHealth::Unreachable(error.to_string()),
        }
    }

    fn observe(&self, tenant_id: &TenantId) -> Result<Observation, ClusterError> {
        self.check()?;
        self.simulated.observe(tenant_id)
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.simulated.changes()
    }

    fn capacity(&self) -> Result<Capacity, ClusterError> {
        self.simulated.capacity()
    }
}

#[async_trait]
impl Cluster for Line {
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        self.check()?;
        self.applies.fetch_add(1, Ordering::SeqCst);
        if self.foreign.load(Ordering::SeqCst) {
            return Err(ClusterError::ForeignNamespace { namespace: format!("ecp-ai-{tenant_id}") });
        }
        let newcomer = |one: &&MadeByOthers| {
            one.after_applies <= self.applies() && objects.iter().any(|object| one.is(object))
        };
        if let Some(one) = self.made_by_others.lock().iter().find(newcomer) {
            let (kind, name) = (one.kind.to_owned(), one.name.to_owned());
            return Err(ClusterError::ForeignObject { namespace: format!("ecp-ai-{tenant_id}"), kind, name });
        }
        let refused = *self.refused_kind.lock();
        let is_refused = |object: &&Object| {
            Some(object.kind()) == refused || self.refuses(Refused::Applying, object.kind(), object.name())
        };
        if let Some(object) = objects.iter().find(is_refused) {
            return Err(ClusterError::Refused {
                kind: object.kind().to_owned(),
                name: object.name().to_owned(),
                reason: "denied by policy".to_owned(),
            });
        }
        let hindered = *self.hindered_object.lock();
        let is_hindered = |object: &Object| Some((object.kind(), object.name())) == hindered;
        if let Some(object) = objects.iter().find(|object| is_hindered(object)) {
            return Err(ClusterError::Hindered {
                kind: object.kind().to_owned(),
                name: object.name().to_owned(),
                hindrance: Hindrance::Admission,
                reason: "failed calling webhook".to_owned(),
            });
        }
        self.mortal_point().await;
        let applying = self.applying.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_applying.fetch_max(applying, Ordering::SeqCst);
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        let mut warnings = self.simulated.apply(tenant_id, objects).await?;
        warnings.extend(self.warning.lock().clone());
        let names = |object: &Object| (object.kind().to_owned(), object.name().to_owned());
        let names: Vec<_> = objects.iter().map(names).collect();
        if let Some(drifts) = self.drifts.lock().get_mut(tenant_id) {
            drifts.retain(|drift| !names.contains(&(drift.kind.clone(), drift.name.clone())));
        }
        let key = |object: &Object| (tenant_id.clone(), object.kind(), object.name().to_owned());
        self.live.lock().extend(objects.iter().map(|object| (key(object), object.clone())));
        self.applied.lock().extend(names.iter().map(|(kind, name)| format!("{kind} {name}")));
        self.applying.fetch_sub(1, Ordering::SeqCst);
        self.mortal_point().await;
        Ok(warnings)
    }

    async fn prune(&self, tenant_id: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.check()?;
        let kept = |kind: &str, name: &str| {
            keep.is_empty() || keep.iter().any(|object| object.kind() == kind && object.name() == name)
        };
        self.live.lock().retain(|(id, kind, name), _| id != tenant_id || kept(kind, name));
        self.simulated.prune(tenant_id, keep).await
    }

    async fn delete(&self, tenant_id: &TenantId, how: Removal) -> Result<(), ClusterError> {
        self.check()?;
        self.live.lock().retain(|(id, ..), _| id != tenant_id);
        self.simulated.delete(tenant_id, how).await
    }

    async fn take_over(&self, _: &TenantId, wanted: &[Object]) -> Result<bool, ClusterError> {
        let mut made_by_others = self.made_by_others.lock();
        let before = made_by_others.len();
        made_by_others.retain(|one| {
            let is_wanted = wanted.iter().any(|object| one.is(object));
            one.is_of_another_installation || !is_wanted || one.after_applies > self.applies()
        });
        Ok(made_by_others.len() < before)
    }
}

/// What lives as long as the process.
pub(super) struct Process {
    pub(super) database: Database,
    pub(super) store: Arc<SqlStore>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) line: Arc<Line>,
    pub(super) controller: Controller,
    changes: broadcast::Receiver<TenantId>,
}

/// The parts, a file and a clock.
pub(super) struct Bench {
    folder: tempfile::TempDir,
    pub(super) clock: Arc<ManualClock>,
    nodes: SimulatedNodes,
    max_concurrent: usize,
    /// What the next start is given.
    pub(super) catalog: Arc<Catalog>,
    pub(super) options: ControllerOptions,
    /// Most tenants that were looked at side by side.
    pub(super) most_looks: usize,
    /// Calls that were accepted: whose, what for, under which request id.
    pub(super) calls: Mutex<Vec<(TenantId, &'static str, String)>>,
    process: Option<Process>,
}

impl Bench {
    pub(super) async fn new() -> Self {
        Self::with(SimulatedNodes::default(), 8).await
    }

    pub(super) async fn with(nodes: SimulatedNodes, max_concurrent: usize) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::new());
        let mut bench = Self {
            folder,
            clock,
            nodes,
            max_concurrent,
            catalog: Arc::new(Catalog::embedded()),
            options: ControllerOptions::default(),
            most_looks: 0,
            calls: Mutex::default(),
            process: None,
        };
        bench.start().await;
        bench
    }

    async fn start(&mut self) {
        let database = Database::open(&self.folder.path().join("demo.db"), MIGRATIONS).unwrap();
        let clock: Arc<dyn Clock> = self.clock.clone();
        let store = Arc::new(SqlStore::open(database.clone(), clock.clone()).unwrap());
        let speed = DemoSpeed::new(1.0).unwrap();
        let simulated = demo_cluster(store.clone(), clock.clone(), &self.nodes, speed);
        restore_demo_cluster(&simulated, &*store).await.unwrap();
        let line = Arc::new(Line::to(simulated));
        let metrics = Arc::new(Metrics::default());
        let options = ControllerOptions { max_concurrent: self.max_concurrent, ..self.options.clone() };
        let controller =
            Controller::new(Mode::Demo, store.clone(), metrics.clone(), line.clone(), clock.clone(), options);
        let changes = line.changes();
        controller.look_around().await;
        self.process = Some(Process { database, store, metrics, line, controller, changes });
    }

    /// Loses everything but the file.
    pub(super) async fn crash_and_restart(&mut self) {
        let process = self.process.take().unwrap();
        process.database.close();
        let live = std::mem::take(&mut *process.line.live.lock());
        drop(process);
        self.start().await;
        *self.line().live.lock() = live;
    }

    /// What runs.
    pub(super) fn process(&self) -> &Process {
        self.process.as_ref().unwrap()
    }

    pub(super) fn line(&self) -> &Line {
        &self.process().line
    }

    pub(super) fn store(&self) -> &SqlStore {
        &self.process().store
    }

    /// The file.
    pub(super) fn database(&self) -> &Database {
        &self.process().database
    }

    /// Transactions so far.
    pub(super) fn commits(&self) -> u64 {
        self.process().database.commits()
    }

    /// Lets time pass, second by second, while the controller watches.
    pub(super) fn watch_seconds(&self, seconds: u64) {
        for _ in 0..seconds {
            self.clock.pass_seconds(1);
            self.process().controller.shared.watch();
        }
    }

    /// Lets the controller do what it can do now; false where the process died meanwhile.
    pub(super) async fn settle(&mut self) -> bool {
        let process = self.process.as_mut().unwrap();
        loop {
            let mut tenants = BTreeSet::new();
            loop {
                match process.changes.try_recv() {
                    Ok(tenant) => _ = tenants.insert(tenant),
                    Err(TryRecvError::Lagged(_)) => process.controller.look_around().await,
                    Err(_) => break,
                }
            }
            process.controller.cluster_changed(tenants).await;
            process.controller.work_changed();
            if !process.controller.shared.is_paused() {
                process.controller.lease_due().await;
            }
            let mut looks = JoinSet::new();
            process.controller.start_looks(&mut looks);
            self.most_looks = self.most_looks.max(looks.len());
            if looks.is_empty() {
                return true;
            }
            while !looks.is_empty() {
                tokio::select! {
                    Some(ended) = looks.join_next() => {
                        ended.unwrap();
                        process.controller.start_looks(&mut looks);
                        self.most_looks = self.most_looks.max(looks.len());
                    }
                    () = process.line.died.notified() => return false,
                }
            }
        }
    }

    /// Goes on to the next thing that happens in the cluster; false when nothing is left to happen.
    pub(super) fn next_event(&self) -> bool {
        let simulated = &self.line().simulated;
        let Some(due) = simulated.next_event_at() else { return false };
        self.clock.set(due);
        simulated.tick();
        true
    }

    /// One event and all that the controller makes of it; false when all is at rest.
    pub(super) async fn step(&mut self) -> bool {
        assert!(self.settle().await, "the process died");
        self.next_event()
    }

    pub(super) async fn run_to_rest(&mut self) {
        let mut steps = 0;
        while self.step().await {
            steps += 1;
            assert!(steps < 100_000, "it never comes to rest");
        }
    }

    /// The catalog of this start, under its name.
    pub(super) fn edition(&self) -> Arc<Edition> {
        Arc::new(Edition::of(self.catalog.clone()))
    }

    pub(super) async fn create(&self, name: &str, fault: Option<DemoFault>) -> DeploymentId {
        self.accept(tenant(name, self.clock.now(), fault)).await
    }

    /// A tenant whose objects others apply.
    pub(super) async fn create_external(&self, name: &str, fault: Option<DemoFault>) -> DeploymentId {
        let mut tenant = tenant(name, self.clock.now(), fault);
        tenant.spec.management = Management::External;
        self.accept(tenant).await
    }

    async fn accept(&self, tenant: Tenant) -> DeploymentId {
        let deployment = deployment(&tenant, DeploymentKind::Create, self.clock.now());
        let deployment_id = deployment.id.clone();
        let secrets = TenantSecrets::generate(ecp_core::manifest::SECRET_KEYS);
        let new = NewTenant {
            audit: self.accepted(&tenant, "tenant.create"),
            revision: NewRevision::render(&self.edition(), &tenant, &secrets, Cause::Request),
            tenant,
            deployment,
            secrets,
            idempotency: None,
            admission: Admission::default(),
        };
        self.store().create_tenant(new).await.unwrap();
        deployment_id
    }

    pub(super) async fn change(&self, change: (Tenant, DeploymentKind)) -> DeploymentId {
        let (mut tenant, kind) = change;
        let previous = tenant.deployment_id.clone();
        tenant.generation += 1;
        tenant.deployment_id = match kind {
            DeploymentKind::Delete(_) => DeploymentId::generate_deletion(),
            _ => DeploymentId::generate(),
        };
        tenant.status = match kind {
            DeploymentKind::Delete(_) => TenantStatus::Deleting,
            _ => TenantStatus::Pending,
        };
        let deployment = deployment(&tenant, kind, self.clock.now()).replacing(previous);
        let deployment_id = deployment.id.clone();
        let revision = match kind {
            DeploymentKind::Delete(_) => None,
            _ => {
                let secrets = self.store().tenant_secrets(&tenant.id).await.unwrap();
                Some(NewRevision::render(&self.edition(), &tenant, &secrets, Cause::Request))
            }
        };
        let action = match kind {
            DeploymentKind::Delete(_) => "tenant.delete",
            _ => "tenant.update",
        };
        let audit = self.accepted(&tenant, action);
        let admission = Admission::default();
        let change = TenantChange { tenant, deployment, revision, audit, admission, ended: None };
        self.store().change_tenant(change).await.unwrap();
        deployment_id
    }

    /// Who makes a call that will be accepted; the call is remembered.
    pub(super) fn caller(&self, name: &str, action: &'static str) -> Caller {
        let request_id = self.remember(&id(name), action);
        let origin = Origin { request_id: RequestId::from_text(&request_id), trace_parent: None };
        Caller { actor: "anonymous".to_owned(), origin: Some(origin) }
    }

    fn remember(&self, tenant_id: &TenantId, action: &'static str) -> String {
        let mut calls = self.calls.lock();
        let request_id = format!("call-{}", calls.len());
        calls.push((tenant_id.clone(), action, request_id.clone()));
        request_id
    }

    /// The entry that an accepted call brings along; the call is remembered.
    fn accepted(&self, tenant: &Tenant, action: &'static str) -> AuditEntry {
        let request_id = self.remember(&tenant.id, action);
        AuditEntry {
            timestamp: tenant.updated_at,
            actor: "anonymous".to_owned(),
            action: action.to_owned(),
            tenant_id: Some(tenant.id.clone()),
            request_id: Some(request_id),
            before: None,
            after: None,
            outcome: "accepted".to_owned(),
        }
    }

    pub(super) fn tenant(&self, name: &str) -> Tenant {
        Tenant::clone(&self.store().tenant(&id(name)).unwrap())
    }

    pub(super) fn status(&self, name: &str) -> TenantStatus {
        self.tenant(name).status
    }

    /// The newest deployment of a tenant.
    pub(super) fn newest(&self, name: &str) -> Deployment {
        self.deployment(&self.tenant(name).deployment_id)
    }

    pub(super) fn deployment(&self, id: &DeploymentId) -> Deployment {
        Deployment::clone(&self.store().deployment(id).unwrap())
    }

    /// What the trail says that the controller did to a tenant, oldest first.
    pub(super) async fn trail(&self, name: &str) -> Vec<(String, String)> {
        let query = AuditQuery { tenant_id: Some(id(name)), limit: 100, ..Default::default() };
        let (entries, _) = self.store().audit(query).await.unwrap();
        let by_controller = entries.into_iter().rev().filter(|entry| entry.actor == "controller");
        by_controller.map(|entry| (entry.action, entry.outcome)).collect()
    }

    /// Different phases that a deployment went through, in order.
    pub(super) fn phases(&self, id: &DeploymentId) -> Vec<Phase> {
        let mut phases: Vec<Phase> = self.deployment(id).events.iter().map(|event| event.phase).collect();
        phases.dedup();
        phases
    }
}

pub(super) fn id(name: &str) -> TenantId {
    TenantId::parse(name).unwrap()
}

/// The tenant with a service more, or fewer.
pub(super) fn changed(mut tenant: Tenant, services: &[(Service, u32)]) -> (Tenant, DeploymentKind) {
    tenant.spec.service_requirements = services.iter().copied().collect();
    tenant.sizing.services = plans(services);
    (tenant, DeploymentKind::Update)
}

pub(super) fn removal(tenant: Tenant, force: bool) -> (Tenant, DeploymentKind) {
    (tenant, DeploymentKind::Delete(Removal { force, release: false }))
}

fn deployment(tenant: &Tenant, kind: DeploymentKind, now: Timestamp) -> Deployment {
    let (id, tenant_id) = (tenant.deployment_id.clone(), tenant.id.clone());
    Deployment::accepted(id, tenant_id, tenant.generation, kind, now, None)
}

fn plans(services: &[(Service, u32)]) -> Vec<ServicePlan> {
    let plan = |&(service, count): &(Service, u32)| {
        let gpu = u64::from(service == Service::Callbot);
        let requests = ContainerResources { cpu_millicores: 200, memory_mib: 512, gpu };
        let limits = ContainerResources { cpu_millicores: 2000, memory_mib: 4096, gpu };
        ServicePlan { service, count, replicas: 3, requests, limits }
    };
    services.iter().map(plan).collect()
}

fn tenant(name: &str, now: Timestamp, demo_fault: Option<DemoFault>) -> Tenant {
    let services = [(Service::Callbot, 50), (Service::Chatbot, 100)];
    Tenant {
        id: id(name),
        spec: TenantSpec {
            name: name.to_owned(),
            preset: Some(Preset::Medium),
            service_requirements: services.into_iter().collect(),
            sla_target: SlaTarget {
                availability: Availability(999_000),
                response_time_ms: 200,
                concurrent_users: None,
            },
            description: None,
            exposure: None,
            management: Default::default(),
            demo_fault,
            sizing: ecp_core::sizing::SizingOptions::default(),
        },
        sizing: Sizing {
            preset: Preset::Medium,
            resources: Resources { cpu_millicores: 24_000, memory_mib: 32 * 1024, gpu: 3, storage_gb: 1000 },
            gpu_type: "v100".to_owned(),
            services: plans(&services),
            list_price_usd: 250,
            operator_cost_usd: 4000,
            deployment_time: DeploymentTime { min_minutes: 15, max_minutes: 20 },
            warnings: vec![],
            places: ecp_core::sizing::Places::new(),
        },
        status: TenantStatus::Pending,
        generation: 1,
        incarnation: Default::default(),
        deployment_id: DeploymentId::generate(),
        created_at: now,
        updated_at: now,
    }
}
