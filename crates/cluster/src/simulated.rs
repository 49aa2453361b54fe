//! The cluster behind demo mode: nodes that fill up, pods that take their time, faults on request.
//!
//! [`World`] is the whole state and knows no clock; [`SimulatedCluster`] gives it the injected one,
//! run faster than life, and speaks the `Cluster` port. It lives in memory alone: after a restart
//! `restore` puts back what the store says is there.

mod kept;
mod nodes;
mod pod;
mod space;
mod speed;
mod workload;
mod world;
mod writing;

#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod tests;

pub use kept::KeptFault;
pub use nodes::{NodePool, SimulatedNodes};
pub use speed::{DemoSpeed, DemoSpeedFault};

use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::deployment::Removal;
use ecp_core::happenings::{ClusterEvent, LogQuery, PodLogs, PodName};
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{
    Capacity, Clock, Cluster, ClusterError, ClusterHealth, ClusterView, Drift, Observation, Refusal,
};
use ecp_core::tenant::DemoFault;
use ecp_core::text::Message;
use parking_lot::Mutex;
use speed::LifeTime;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use world::World;

/// Lines of logs that wait for a slow reader.
const LINES_WAITING: usize = 256;
/// Between two looks at what is followed.
const FOLLOW_EVERY: Duration = Duration::from_millis(500);
/// Changes that a slow reader may fall behind before it has to look at every tenant.
const CHANGES_KEPT: usize = 4096;

/// Says which fault a tenant asks for now.
pub type FaultOf = Arc<dyn Fn(&TenantId) -> Option<DemoFault> + Send + Sync>;

/// A Kubernetes cluster that exists in memory.
pub struct SimulatedCluster {
    world: Mutex<World>,
    clock: Arc<dyn Clock>,
    life: Mutex<LifeTime>,
    fault_of: FaultOf,
    changes: broadcast::Sender<TenantId>,
    timers_changed: Notify,
}

impl SimulatedCluster {
    /// An empty cluster whose life begins now. The nodes were checked with the configuration.
    pub fn new(nodes: &SimulatedNodes, speed: DemoSpeed, clock: Arc<dyn Clock>, fault_of: FaultOf) -> Self {
        Self {
            world: Mutex::new(World::new(nodes)),
            life: Mutex::new(LifeTime::from(clock.steady(), speed)),
            clock,
            fault_of,
            changes: broadcast::Sender::new(CHANGES_KEPT),
            timers_changed: Notify::new(),
        }
    }

    /// Lives until told to stop.
    pub async fn run(&self, shutdown: CancellationToken) {
        loop {
            self.tick();
            let rest = async {
                match self.next_event_at() {
                    Some(due) => {
                        let until = due.duration_since(self.clock.steady());
                        tokio::time::sleep(Duration::try_from(until).unwrap_or_default()).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.timers_changed.notified() => {}
                () = rest => {}
            }
        }
    }

    /// Lets everything happen that is due by the clock. [`Self::run`] does it in time.
    pub fn tick(&self) {
        self.with_world(|_| ());
    }

    /// When the next thing happens, by the clock.
    pub fn next_event_at(&self) -> Option<Timestamp> {
        self.world.lock().next_event().map(|due| self.life.lock().moment(due))
    }

    /// Puts a tenant's objects there as they were before a restart: pods are ready at once, but for
    /// those that show the fault the tenant asks for, and those that no node has room for.
    pub fn restore(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<(), ClusterError> {
        let fault = (self.fault_of)(tenant_id);
        self.with_world(|world| world.restore(tenant_id, objects, fault))
    }

    /// Deletes one object behind the controller's back, to see it come again.
    pub fn delete_object(&self, tenant_id: &TenantId, kind: &str, name: &str) {
        self.with_world(|world| world.lose_object(tenant_id, kind, name));
    }

    fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock();
        let before = world.next_event();
        world.advance(self.life.lock().at(self.clock.steady()));
        let result = act(&mut world);
        let changed = world.take_changed();
        let timers_changed = world.next_event() != before;
        drop(world);
        for tenant in changed {
            // Nobody listening is no fault.
            let _ = self.changes.send(tenant);
        }
        if timers_changed {
            self.timers_changed.notify_one();
        }
        result
    }
}

#[async_trait]
impl ClusterView for SimulatedCluster {
    async fn dry_run(&self, _objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        Ok(Vec::new())
    }

    /// What is left of a tenant that others managed goes with them.
    fn forget(&self, tenant_id: &TenantId) {
        self.with_world(|world| world.delete(tenant_id, false));
    }

    fn drift(&self, _tenant_id: &TenantId, _wanted: &[Object]) -> Result<Vec<Drift>, ClusterError> {
        Ok(Vec::new())
    }

    fn observe_wanted(
        &self,
        tenant_id: &TenantId,
        wanted: &[Object],
    ) -> Result<(Observation, Vec<Drift>), ClusterError> {
        let world = self.world.lock();
        let mut observation = world.observe(tenant_id);
        observation.objects.retain(|seen| {
            wanted.iter().any(|object| object.kind() == seen.kind && object.name() == seen.name)
        });
        let drift = |object: &Object| Drift {
            kind: object.kind().to_owned(),
            name: object.name().to_owned(),
            field: "/spec".to_owned(),
            manager: None,
        };
        let drifts = world.differing(tenant_id, wanted).into_iter().map(drift).collect();
        Ok((observation, drifts))
    }

    fn may_have_drifted(&self, _tenant_id: &TenantId) -> bool {
        false
    }

    fn check_namespace(&self, _tenant_id: &TenantId) -> Result<(), ClusterError> {
        Ok(())
    }

    fn health(&self) -> ClusterHealth {
        ClusterHealth::Ready
    }

    fn observe(&self, tenant_id: &TenantId) -> Result<Observation, ClusterError> {
        Ok(self.world.lock().observe(tenant_id))
    }

    async fn events(&self, tenant_id: &TenantId) -> Result<Vec<ClusterEvent>, ClusterError> {
        let happened = self.with_world(|world| world.happened(tenant_id));
        let life = *self.life.lock();
        Ok(happened
            .into_iter()
            .map(|one| ClusterEvent {
                at: life.moment(one.at),
                count: 1,
                is_warning: one.is_warning,
                reason: one.reason.into_owned(),
                message: one.message,
                kind: "Pod".to_owned(),
                name: one.pod,
            })
            .collect())
    }

    fn pods(&self, tenant_id: &TenantId) -> Result<Vec<PodName>, ClusterError> {
        Ok(self.with_world(|world| world.writers(tenant_id)).into_iter().map(|(name, _)| name).collect())
    }

    async fn logs(
        &self,
        tenant_id: &TenantId,
        pods: Vec<PodName>,
        query: LogQuery,
    ) -> Result<PodLogs, ClusterError> {
        let (now, many) = (self.clock.now(), pods.len() > 1);
        let named = move |pod: &str, line: String| if many { format!("{pod} {line}") } else { line };
        let writers = self.with_world(|world| world.writers(tenant_id));
        let writers: Vec<_> = writers.into_iter().filter(|(name, _)| pods.contains(name)).collect();
        let (mut first, mut without_previous) = (Vec::new(), Vec::new());
        for (name, writer) in &writers {
            let lines = match query.previous {
                false => Some(writer.tail(now, query.tail)),
                true => writer.previous(now, query.tail),
            };
            match lines {
                Some(lines) => first.extend(lines.into_iter().map(|line| named(&name.name, line))),
                None => without_previous.push(name.name.clone()),
            }
        }
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        let (clock, follow) = (self.clock.clone(), query.follow && !query.previous);
        tokio::spawn(async move {
            let mut told = now;
            let mut waiting = first;
            loop {
                for line in waiting.drain(..) {
                    if sender.send(line).await.is_err() {
                        return;
                    }
                }
                if !follow {
                    return;
                }
                tokio::select! {
                    () = sender.closed() => return,
                    () = tokio::time::sleep(FOLLOW_EVERY) => {}
                }
                let now = clock.now().max(told);
                for (name, writer) in &writers {
                    waiting.extend(writer.since(told, now).into_iter().map(|line| named(&name.name, line)));
                }
                told = now;
            }
        });
        Ok(PodLogs { lines, without_previous })
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.changes.subscribe()
    }

    fn capacity(&self) -> Result<Capacity, ClusterError> {
        Ok(self.world.lock().capacity())
    }
}

#[async_trait]
impl Cluster for SimulatedCluster {
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        let fault = (self.fault_of)(tenant_id);
        self.with_world(|world| world.apply(tenant_id, objects, fault))?;
        Ok(Vec::new())
    }

    async fn prune(&self, tenant_id: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.with_world(|world| world.prune(tenant_id, keep));
        Ok(())
    }

    async fn delete(&self, tenant_id: &TenantId, how: Removal) -> Result<(), ClusterError> {
        self.with_world(|world| world.delete(tenant_id, how.force));
        Ok(())
    }

    async fn take_over(&self, _tenant_id: &TenantId, _wanted: &[Object]) -> Result<bool, ClusterError> {
        Ok(false)
    }
}
