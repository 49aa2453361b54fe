//! The cluster behind demo mode: nodes that fill up, pods that take their time, faults on request.
//!
//! [`World`] is the whole state and knows no clock; [`SimulatedCluster`] gives it the injected one,
//! run faster than life, and speaks the `Cluster` port. It lives in memory alone: after a restart
//! `restore` puts back what the store says is there.

mod nodes;
mod pod;
mod space;
mod speed;
mod workload;
mod world;

#[cfg(test)]
mod tests;

pub use nodes::{NodePool, SimulatedNodes};
pub use speed::{DemoSpeed, DemoSpeedFault};

use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::deployment::Removal;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{Capacity, Clock, Cluster, ClusterError, ClusterHealth, Drift, Observation, Refusal};
use ecp_core::tenant::DemoFault;
use ecp_core::text::Message;
use parking_lot::Mutex;
use speed::LifeTime;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::CancellationToken;
use world::World;

/// Changes that a slow reader may fall behind before it has to look at every tenant.
const CHANGES_KEPT: usize = 4096;

/// Says which fault a tenant asks for now.
pub type FaultOf = Arc<dyn Fn(&TenantId) -> Option<DemoFault> + Send + Sync>;

/// A Kubernetes cluster that exists in memory.
pub struct SimulatedCluster {
    world: Mutex<World>,
    clock: Arc<dyn Clock>,
    life: LifeTime,
    fault_of: FaultOf,
    changes: broadcast::Sender<TenantId>,
    timers_changed: Notify,
}

impl SimulatedCluster {
    /// An empty cluster whose life begins now. The nodes were checked with the configuration.
    pub fn new(nodes: &SimulatedNodes, speed: DemoSpeed, clock: Arc<dyn Clock>, fault_of: FaultOf) -> Self {
        Self {
            world: Mutex::new(World::new(nodes)),
            life: LifeTime::from(clock.steady(), speed),
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
        self.world.lock().next_event().map(|due| self.life.moment(due))
    }

    /// Puts a tenant's objects there as they were before a restart: pods are ready at once, but for
    /// those that show the fault the tenant asks for, and those that no node has room for.
    pub fn restore(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<(), ClusterError> {
        let fault = (self.fault_of)(tenant_id);
        self.with_world(|world| world.restore(tenant_id, objects, fault))
    }

    /// Deletes one object behind the controller's back, to see it come again.
    pub fn delete_object(&self, tenant_id: &TenantId, kind: &str, name: &str) {
        self.with_world(|world| world.drop_object(tenant_id, kind, name, false));
    }

    fn with_world<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.world.lock();
        let before = world.next_event();
        world.advance(self.life.at(self.clock.steady()));
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
impl Cluster for SimulatedCluster {
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        let fault = (self.fault_of)(tenant_id);
        self.with_world(|world| world.apply(tenant_id, objects, fault))?;
        Ok(Vec::new())
    }

    async fn dry_run(&self, _objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
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

    fn drift(&self, _tenant_id: &TenantId, _wanted: &[Object]) -> Result<Vec<Drift>, ClusterError> {
        Ok(Vec::new())
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

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.changes.subscribe()
    }

    fn capacity(&self) -> Result<Capacity, ClusterError> {
        Ok(self.world.lock().capacity())
    }
}
