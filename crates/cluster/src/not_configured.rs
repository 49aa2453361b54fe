//! The cluster of a mode that has none: every call says so.

use async_trait::async_trait;
use ecp_core::deployment::Removal;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{
    Capacity, Cluster, ClusterError, ClusterHealth, ClusterView, Drift, Observation, Refusal,
};
use ecp_core::text::Message;
use tokio::sync::broadcast;

/// Real mode without a cluster.
#[derive(Debug)]
pub struct NotConfigured {
    // Kept so that receivers stay open and silent instead of ending at once.
    changes: broadcast::Sender<TenantId>,
}

impl Default for NotConfigured {
    fn default() -> Self {
        Self { changes: broadcast::Sender::new(1) }
    }
}

#[async_trait]
impl ClusterView for NotConfigured {
    async fn dry_run(&self, _objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    fn drift(&self, _tenant_id: &TenantId, _wanted: &[Object]) -> Result<Vec<Drift>, ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    fn observe_wanted(
        &self,
        _tenant_id: &TenantId,
        _wanted: &[Object],
    ) -> Result<(Observation, Vec<Drift>), ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    fn may_have_drifted(&self, _tenant_id: &TenantId) -> bool {
        false
    }

    fn check_namespace(&self, _tenant_id: &TenantId) -> Result<(), ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    fn health(&self) -> ClusterHealth {
        ClusterHealth::NotConfigured
    }

    fn observe(&self, _tenant_id: &TenantId) -> Result<Observation, ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.changes.subscribe()
    }

    fn capacity(&self) -> Result<Capacity, ClusterError> {
        Err(ClusterError::NotConfigured)
    }
}

#[async_trait]
impl Cluster for NotConfigured {
    async fn apply(&self, _tenant_id: &TenantId, _objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    async fn prune(&self, _tenant_id: &TenantId, _keep: &[Object]) -> Result<(), ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    async fn delete(&self, _tenant_id: &TenantId, _how: Removal) -> Result<(), ClusterError> {
        Err(ClusterError::NotConfigured)
    }

    async fn take_over(&self, _tenant_id: &TenantId, _wanted: &[Object]) -> Result<bool, ClusterError> {
        Err(ClusterError::NotConfigured)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_call_says_that_no_cluster_is_configured() {
        let cluster = NotConfigured::default();
        let id = TenantId::parse("acme").expect("a valid id");
        assert!(matches!(cluster.apply(&id, &[]).await, Err(ClusterError::NotConfigured)));
        assert!(matches!(cluster.prune(&id, &[]).await, Err(ClusterError::NotConfigured)));
        assert!(matches!(cluster.delete(&id, Removal::FORCED).await, Err(ClusterError::NotConfigured)));
        assert!(matches!(cluster.observe(&id), Err(ClusterError::NotConfigured)));
        assert!(matches!(cluster.capacity(), Err(ClusterError::NotConfigured)));
    }

    #[test]
    fn its_change_signal_stays_open_and_silent() {
        let cluster = NotConfigured::default();
        let mut changes = cluster.changes();
        assert!(matches!(changes.try_recv(), Err(broadcast::error::TryRecvError::Empty)));
    }
}
