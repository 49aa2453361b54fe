//! A process's way to the cluster, on which calls fail, hang, and arrive late. The cluster itself is one, in
//! memory, and outlives the processes.

use crate::chance::Chance;
use crate::plan::Plan;
use crate::record::Record;
use crate::time::Time;
use async_trait::async_trait;
use ecp_cluster::SimulatedCluster;
use ecp_core::deployment::Removal;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{
    Capacity, Cluster, ClusterError, ClusterHealth, ClusterView, Drift, Observation, Refusal,
};
use ecp_core::text::Message;
use ecp_store::SimulatedServer;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::broadcast;

/// How late a call may arrive whose caller gave up: less than a lease holds after who has it stops acting.
const LATEST_MS: u64 = 2500;
/// How long a call hangs before the connection ends.
const HANGS_FOR: Duration = Duration::from_secs(20);

/// What changes the cluster.
#[derive(Clone)]
pub enum Write {
    /// These objects are to be so.
    Apply(Vec<Object>),
    /// All but these are to go.
    Prune(Vec<Object>),
    /// A tenant is to go.
    Delete(Removal),
}

impl Write {
    fn name(&self) -> &'static str {
        match self {
            Self::Apply(_) => "apply",
            Self::Prune(_) => "prune",
            Self::Delete(_) => "delete",
        }
    }
}

/// The cluster, and what is on its way to it.
#[derive(Clone)]
pub struct Shore {
    pub(crate) cluster: Arc<SimulatedCluster>,
    server: SimulatedServer,
    record: Record,
    time: Time,
    late: Arc<Mutex<Vec<Late>>>,
}

/// A write that is still on its way when its caller gave up.
struct Late {
    due_ms: i64,
    holder: String,
    tenant_id: TenantId,
    write: Write,
}

impl Shore {
    pub(crate) fn new(
        cluster: Arc<SimulatedCluster>,
        server: &SimulatedServer,
        record: &Record,
        time: &Time,
    ) -> Self {
        let (server, record, time) = (server.clone(), record.clone(), time.clone());
        Self { cluster, server, record, time, late: Arc::default() }
    }

    /// What was late and is due arrives.
    pub(crate) async fn land_late(&self) {
        let now = self.time.now_ms();
        let due: Vec<_> = self.late.lock().extract_if(.., |late| late.due_ms <= now).collect();
        for Late { holder, tenant_id, write, .. } in due {
            // Whatever the answer is, nobody hears it.
            let _ = self.land(&holder, &tenant_id, write).await;
        }
    }

    /// A write arrives: whose it is must be who holds the tenant.
    async fn land(
        &self,
        holder: &str,
        tenant_id: &TenantId,
        write: Write,
    ) -> Result<Vec<Message>, ClusterError> {
        let lease = format!("SELECT holder, epoch FROM leases WHERE tenant_id = '{tenant_id}'");
        let holds = match self.server.rows(&lease) {
            Ok(rows) => rows.first().map(|row| row[0].clone()).unwrap_or_default(),
            Err(error) => error.to_string(),
        };
        let name = write.name();
        self.record.note(|| format!("cluster: {name} {tenant_id}"));
        if holds != holder {
            let whose = if holds.is_empty() { "nobody" } else { "another process" };
            self.record.broken(|| {
                format!("{name} of {tenant_id} reaches the cluster while {whose} holds the tenant")
            });
        }
        match write {
            Write::Apply(objects) => self.cluster.apply(tenant_id, &objects).await,
            Write::Prune(keep) => self.cluster.prune(tenant_id, &keep).await.map(|()| Vec::new()),
            Write::Delete(how) => self.cluster.delete(tenant_id, how).await.map(|()| Vec::new()),
        }
    }
}

/// The way of one process.
pub struct Line {
    shore: Shore,
    /// Of the process, as the server knows it.
    holder: String,
    chance: Chance,
    plan: Arc<Plan>,
    calm: Arc<AtomicBool>,
}

impl Line {
    pub(crate) fn new(
        shore: &Shore,
        holder: String,
        chance: &Chance,
        plan: &Arc<Plan>,
        calm: &Arc<AtomicBool>,
    ) -> Self {
        let (chance, plan, calm) = (chance.clone(), plan.clone(), calm.clone());
        Self { shore: shore.clone(), holder, chance, plan, calm }
    }

    async fn wait(&self) {
        let most = if self.calm.load(Ordering::Relaxed) { 5 } else { self.plan.cluster_ms };
        tokio::time::sleep(Duration::from_millis(self.chance.below(most + 1))).await;
    }

    fn happens(&self, per_mille: u64) -> bool {
        !self.calm.load(Ordering::Relaxed) && self.chance.per_mille(per_mille)
    }

    async fn write(&self, tenant_id: &TenantId, write: Write) -> Result<Vec<Message>, ClusterError> {
        self.wait().await;
        if self.happens(self.plan.refused) {
            return Err(unreachable("connection refused"));
        }
        if self.happens(self.plan.hang) {
            tokio::time::sleep(HANGS_FOR).await;
            return Err(unreachable("no answer"));
        }
        if self.happens(self.plan.late) {
            let due_ms = self.shore.time.now_ms() + self.chance.below(LATEST_MS) as i64;
            let (holder, tenant_id) = (self.holder.clone(), tenant_id.clone());
            self.shore.late.lock().push(Late { due_ms, holder, tenant_id, write });
            // Who gave up tries no more than what it knows to have failed.
            tokio::time::sleep(Duration::from_millis(LATEST_MS)).await;
            return Err(unreachable("no answer in time"));
        }
        let answer = match write {
            // An apply is a request for each object.
            Write::Apply(objects) if self.chance.per_mille(200) => {
                let mut told = Vec::new();
                for object in objects {
                    told.extend(self.shore.land(&self.holder, tenant_id, Write::Apply(vec![object])).await?);
                    self.wait().await;
                    if self.happens(self.plan.refused / 8) {
                        return Err(unreachable("connection reset"));
                    }
                }
                Ok(told)
            }
            write => self.shore.land(&self.holder, tenant_id, write).await,
        };
        self.wait().await;
        if self.happens(self.plan.cut) {
            return Err(unreachable("connection reset"));
        }
        answer
    }
}

fn unreachable(reason: &str) -> ClusterError {
    ClusterError::Unreachable(reason.to_owned())
}

#[async_trait]
impl ClusterView for Line {
    async fn dry_run(&self, objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.wait().await;
        if self.happens(self.plan.refused) {
            return Err(unreachable("connection refused"));
        }
        self.shore.cluster.dry_run(objects).await
    }

    fn drift(&self, tenant_id: &TenantId, wanted: &[Object]) -> Result<Vec<Drift>, ClusterError> {
        self.shore.cluster.drift(tenant_id, wanted)
    }

    fn observe_wanted(
        &self,
        tenant_id: &TenantId,
        wanted: &[Object],
    ) -> Result<(Observation, Vec<Drift>), ClusterError> {
        self.shore.cluster.observe_wanted(tenant_id, wanted)
    }

    fn may_have_drifted(&self, tenant_id: &TenantId) -> bool {
        self.shore.cluster.may_have_drifted(tenant_id)
    }

    fn check_namespace(&self, tenant_id: &TenantId) -> Result<(), ClusterError> {
        self.shore.cluster.check_namespace(tenant_id)
    }

    fn health(&self) -> ClusterHealth {
        self.shore.cluster.health()
    }

    fn observe(&self, tenant_id: &TenantId) -> Result<Observation, ClusterError> {
        self.shore.cluster.observe(tenant_id)
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.shore.cluster.changes()
    }

    fn capacity(&self) -> Result<Capacity, ClusterError> {
        self.shore.cluster.capacity()
    }
}

#[async_trait]
impl Cluster for Line {
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        self.write(tenant_id, Write::Apply(objects.to_vec())).await
    }

    async fn prune(&self, tenant_id: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.write(tenant_id, Write::Prune(keep.to_vec())).await.map(drop)
    }

    async fn delete(&self, tenant_id: &TenantId, how: Removal) -> Result<(), ClusterError> {
        self.write(tenant_id, Write::Delete(how)).await.map(drop)
    }

    async fn take_over(&self, _tenant_id: &TenantId, _wanted: &[Object]) -> Result<bool, ClusterError> {
        Ok(false)
    }
}
