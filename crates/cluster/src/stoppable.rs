//! A cluster whose calls end when the process stops, however long the API server takes.
//!
//! Everything that the orchestrator asks of a cluster goes through the port, so this one place is
//! enough. A call that is cut short is like one that a crash cut short: what is on disk is enough to
//! go on after the next start.

use async_trait::async_trait;
use ecp_core::deployment::Removal;
use ecp_core::happenings::{ClusterEvent, LogQuery, PodLogs, PodName};
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::manifest::Object;
use ecp_core::ports::{Capacity, Cluster, ClusterError, ClusterHealth, Drift, Observation, Refusal};
use ecp_core::text::Message;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Another cluster, until told to stop.
pub struct Stoppable {
    inner: Arc<dyn Cluster>,
    stop: CancellationToken,
    may_act: Arc<MayAct>,
}

/// Whether this process may change anything in the cluster now.
type MayAct = dyn Fn() -> bool + Send + Sync;

impl Stoppable {
    /// Cuts the calls of `inner` short once `stop` is cancelled.
    /// Nothing is changed while `may_act` says no: another process may have begun to.
    pub fn new(
        inner: Arc<dyn Cluster>,
        stop: CancellationToken,
        may_act: impl Fn() -> bool + Send + Sync + 'static,
    ) -> Self {
        Self { inner, stop, may_act: Arc::new(may_act) }
    }

    /// As [`Self::until_stopped`], for what changes the cluster.
    async fn acting<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        if !(self.may_act)() {
            let reason = "this process does not know whether another has taken its place";
            return Err(ClusterError::Unreachable(reason.to_owned()));
        }
        self.until_stopped(operation, call).await
    }

    async fn until_stopped<T>(
        &self,
        operation: &'static str,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let span = tracing::info_span!(
            target: ecp_core::TRACE_TARGET,
            "cluster.call",
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            operation,
        );
        let call = async {
            let answer = call.await;
            if answer.is_err() {
                tracing::Span::current().record("otel.status_code", "ERROR");
            }
            answer
        };
        tokio::select! {
            // What is answered already is not thrown away.
            biased;
            answer = call.instrument(span) => answer,
            () = self.stop.cancelled() => {
                Err(ClusterError::Unreachable("the orchestrator is stopping".to_owned()))
            }
        }
    }
}

#[async_trait]
impl Cluster for Stoppable {
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        self.acting("apply", self.inner.apply(tenant_id, objects)).await
    }

    async fn dry_run(&self, objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.until_stopped("dry_run", self.inner.dry_run(objects)).await
    }

    async fn prune(&self, tenant_id: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.acting("prune", self.inner.prune(tenant_id, keep)).await
    }

    async fn delete(&self, tenant_id: &TenantId, how: Removal) -> Result<(), ClusterError> {
        self.acting("delete", self.inner.delete(tenant_id, how)).await
    }

    fn forget(&self, tenant_id: &TenantId) {
        self.inner.forget(tenant_id);
    }

    fn left_as_is(&self, tenant_id: &TenantId) -> Vec<Drift> {
        self.inner.left_as_is(tenant_id)
    }

    fn installation(&self) -> Option<InstallationId> {
        self.inner.installation()
    }

    fn drift(&self, tenant_id: &TenantId, wanted: &[Object]) -> Result<Vec<Drift>, ClusterError> {
        self.inner.drift(tenant_id, wanted)
    }

    fn may_have_drifted(&self, tenant_id: &TenantId) -> bool {
        self.inner.may_have_drifted(tenant_id)
    }

    fn check_namespace(&self, tenant_id: &TenantId) -> Result<(), ClusterError> {
        self.inner.check_namespace(tenant_id)
    }

    fn health(&self) -> ClusterHealth {
        self.inner.health()
    }

    fn observe(&self, tenant_id: &TenantId) -> Result<Observation, ClusterError> {
        self.inner.observe(tenant_id)
    }

    async fn events(&self, tenant_id: &TenantId) -> Result<Vec<ClusterEvent>, ClusterError> {
        self.until_stopped("events", self.inner.events(tenant_id)).await
    }

    fn pods(&self, tenant_id: &TenantId) -> Result<Vec<PodName>, ClusterError> {
        self.inner.pods(tenant_id)
    }

    async fn logs(
        &self,
        tenant_id: &TenantId,
        pods: Vec<PodName>,
        query: LogQuery,
    ) -> Result<PodLogs, ClusterError> {
        self.until_stopped("logs", self.inner.logs(tenant_id, pods, query)).await
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.inner.changes()
    }

    fn capacity(&self) -> Result<Capacity, ClusterError> {
        self.inner.capacity()
    }
}
