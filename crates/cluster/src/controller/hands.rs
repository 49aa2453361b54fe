//! The one way to write to the cluster: a hand on a tenant, which nobody gets whose objects others apply.

use ecp_core::deployment::Removal;
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{Cluster, ClusterError};
use ecp_core::tenant::Tenant;
use ecp_core::text::Message;
use std::sync::Arc;

/// The cluster as it is changed; the controller beside it only sees the view.
pub(super) struct Hands(Arc<dyn Cluster>);

/// Writes to the cluster for one tenant that the orchestrator manages.
pub(super) struct Hand<'a> {
    cluster: &'a dyn Cluster,
    tenant_id: TenantId,
}

/// Writes nothing.
pub(super) struct HandsOff;

impl Hands {
    pub(super) fn new(cluster: Arc<dyn Cluster>) -> Self {
        Self(cluster)
    }

    /// A hand on a tenant; none where others apply its objects.
    pub(super) fn on(&self, tenant: &Tenant) -> Option<Hand<'_>> {
        let hand = || Hand { cluster: &*self.0, tenant_id: tenant.id.clone() };
        (!tenant.spec.is_external()).then(hand)
    }
}

impl Hand<'_> {
    pub(super) async fn apply(&self, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        self.cluster.apply(&self.tenant_id, objects).await
    }

    pub(super) async fn prune(&self, keep: &[Object]) -> Result<(), ClusterError> {
        self.cluster.prune(&self.tenant_id, keep).await
    }

    pub(super) async fn delete(&self, how: Removal) -> Result<(), ClusterError> {
        self.cluster.delete(&self.tenant_id, how).await
    }

    pub(super) async fn take_over(&self, wanted: &[Object]) -> Result<bool, ClusterError> {
        self.cluster.take_over(&self.tenant_id, wanted).await
    }
}
