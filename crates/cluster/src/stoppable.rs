//! A cluster whose calls end when the process stops, however long the API server takes, and that is changed
//! only for tenants that this process works on and whose objects are not managed by others.
//!
//! Everything that the orchestrator asks of a cluster goes through the port, so this one place is
//! enough. A call that is cut short is like one that a crash cut short: what is on disk is enough to
//! go on after the next start.

use async_trait::async_trait;
use ecp_core::deployment::Removal;
use ecp_core::happenings::{ClusterEvent, LogQuery, PodLogs, PodName};
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::manifest::Object;
use ecp_core::ports::{
    Capacity, Cluster, ClusterError, ClusterHealth, ClusterView, Drift, Observation, Refusal, TenantStore,
};
use ecp_core::text::Message;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Another cluster, until told to stop.
pub struct Stoppable {
    inner: Arc<dyn Cluster>,
    stop: CancellationToken,
    may_act: Arc<MayAct>,
}

/// Whether this process may change anything of a tenant in the cluster now, and why not.
type MayAct = dyn Fn(&TenantId) -> Result<(), &'static str> + Send + Sync;

/// What keeps a process from acting whose lease of the tenant is not certain.
const UNCERTAIN: &str = "this process does not know whether another has taken its place";
/// What keeps everybody from acting for a tenant whose objects others apply.
const EXTERNAL: &str = "the tenant's objects are managed by others";

/// Lets a process change of the cluster what it has the lease of, and nothing of tenants that others manage.
pub fn guard(store: Arc<dyn TenantStore>) -> impl Fn(&TenantId) -> Result<(), &'static str> {
    move |id| {
        if store.tenant(id).is_some_and(|tenant| tenant.spec.is_external()) {
            return Err(EXTERNAL);
        }
        if store.may_act(id) { Ok(()) } else { Err(UNCERTAIN) }
    }
}

/// How long after it was cut short a request may still reach the cluster: less than a lease holds after who has it
/// stops acting.
const LANDS_WITHIN: Duration = Duration::from_secs(3);

/// How often a call that changes the cluster and waits is asked whether it still may.
const ASKED_EVERY: Duration = Duration::from_millis(500);

impl Stoppable {
    /// Cuts the calls of `inner` short once `stop` is cancelled.
    /// Nothing of a tenant is changed while `may_act` refuses, as [`guard`] does.
    pub fn new(
        inner: Arc<dyn Cluster>,
        stop: CancellationToken,
        may_act: impl Fn(&TenantId) -> Result<(), &'static str> + Send + Sync + 'static,
    ) -> Self {
        Self { inner, stop, may_act: Arc::new(may_act) }
    }

    /// As [`Self::until_stopped`], for what changes the cluster. A call is many requests: before each step
    /// of it, the first one after the process was paused too, it is asked whether it still may. One that is cut
    /// short ends when nothing of it can arrive any more: until then the tenant is in hand, so that it is neither
    /// given to another process nor looked at, who would go on from what is about to change.
    async fn acting<T>(
        &self,
        operation: &'static str,
        tenant_id: &TenantId,
        call: impl Future<Output = Result<T, ClusterError>>,
    ) -> Result<T, ClusterError> {
        let mut call = Box::pin(call);
        let mut asked = tokio::time::interval(ASKED_EVERY);
        let mut has_begun = false;
        let acting = async {
            let answer = poll_fn(|context| {
                while asked.poll_tick(context).is_ready() {}
                if let Err(reason) = (self.may_act)(tenant_id) {
                    return Poll::Ready(Err(reason));
                }
                has_begun = true;
                call.as_mut().poll(context).map(Ok)
            });
            match answer.await {
                Ok(answer) => answer,
                Err(reason) => {
                    // What was not sent yet is not.
                    drop(call);
                    if has_begun {
                        tokio::time::sleep(LANDS_WITHIN).await;
                    }
                    Err(ClusterError::Unreachable(reason.to_owned()))
                }
            }
        };
        self.until_stopped(operation, acting).await
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
                Err(ClusterError::Stopping)
            }
        }
    }
}

#[async_trait]
impl ClusterView for Stoppable {
    async fn dry_run(&self, objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.until_stopped("dry_run", self.inner.dry_run(objects)).await
    }

    async fn try_out(&self, objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.until_stopped("try_out", self.inner.try_out(objects)).await
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

    fn observe_wanted(
        &self,
        tenant_id: &TenantId,
        wanted: &[Object],
    ) -> Result<(Observation, Vec<Drift>), ClusterError> {
        self.inner.observe_wanted(tenant_id, wanted)
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

#[async_trait]
impl Cluster for Stoppable {
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        self.acting("apply", tenant_id, self.inner.apply(tenant_id, objects)).await
    }

    async fn prune(&self, tenant_id: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.acting("prune", tenant_id, self.inner.prune(tenant_id, keep)).await
    }

    async fn delete(&self, tenant_id: &TenantId, how: Removal) -> Result<(), ClusterError> {
        self.acting("delete", tenant_id, self.inner.delete(tenant_id, how)).await
    }

    async fn take_over(&self, tenant_id: &TenantId, wanted: &[Object]) -> Result<bool, ClusterError> {
        self.acting("take_over", tenant_id, self.inner.take_over(tenant_id, wanted)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ManualClock, namespace};
    use crate::{DemoSpeed, SimulatedCluster, SimulatedNodes};
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn simulated() -> Arc<dyn Cluster> {
        let speed = DemoSpeed::new(1.0).expect("a speed");
        let clock = Arc::new(ManualClock::new());
        Arc::new(SimulatedCluster::new(&SimulatedNodes::default(), speed, clock, Arc::new(|_| None)))
    }

    #[tokio::test]
    async fn nothing_is_changed_of_a_tenant_that_another_process_may_work_on() {
        let (ours, theirs) = ["ours", "theirs"].map(|id| TenantId::parse(id).expect("a valid id")).into();
        let may_act = |id: &TenantId| if id.as_str() == "ours" { Ok(()) } else { Err(UNCERTAIN) };
        let cluster = Stoppable::new(simulated(), CancellationToken::new(), may_act);
        cluster.apply(&ours, &[namespace()]).await.expect("it is taken");
        let refused = cluster.apply(&theirs, &[namespace()]).await;
        assert!(matches!(refused, Err(ClusterError::Unreachable(_))), "{refused:?}");
        assert!(cluster.prune(&theirs, &[namespace()]).await.is_err());
        assert!(cluster.delete(&theirs, Removal::ORDERLY).await.is_err());
        assert!(cluster.observe(&theirs).expect("it can be seen").objects.is_empty());
        assert_eq!(cluster.observe(&ours).expect("it can be seen").objects.len(), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_is_cut_short_ends_when_nothing_of_it_can_arrive_any_more() {
        let uncertain = Arc::new(AtomicUsize::new(0));
        let asked = uncertain.clone();
        let may_act =
            move |_: &TenantId| if asked.load(Ordering::SeqCst) == 0 { Ok(()) } else { Err(UNCERTAIN) };
        let stop = CancellationToken::new();
        let cluster = Stoppable::new(simulated(), stop.clone(), may_act);
        let acme = TenantId::parse("acme").expect("a valid id");
        let cut = || async {
            uncertain.store(1, Ordering::SeqCst);
            std::future::pending::<Result<(), ClusterError>>().await
        };
        let began = tokio::time::Instant::now();
        assert!(cluster.acting("apply", &acme, cut()).await.is_err());
        assert!(began.elapsed() >= LANDS_WITHIN);
        // What was refused before it began is not on its way.
        let began = tokio::time::Instant::now();
        assert!(cluster.apply(&acme, &[namespace()]).await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
        // A process that stops waits for nothing.
        uncertain.store(0, Ordering::SeqCst);
        stop.cancel();
        assert!(cluster.acting("apply", &acme, cut()).await.is_err());
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_of_many_steps_goes_no_step_further_once_the_lease_may_be_lost() {
        let steps = Arc::new(AtomicUsize::new(0));
        let asked = steps.clone();
        // Lost while the third step is awaited.
        let may_act =
            move |_: &TenantId| if asked.load(Ordering::SeqCst) < 3 { Ok(()) } else { Err(UNCERTAIN) };
        let cluster = Stoppable::new(simulated(), CancellationToken::new(), may_act);
        let call = async {
            for _ in 0..10 {
                steps.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
            Ok(())
        };
        let id = TenantId::parse("acme").expect("a valid id");
        assert!(matches!(cluster.acting("apply", &id, call).await, Err(ClusterError::Unreachable(_))));
        assert_eq!(steps.load(Ordering::SeqCst), 3);
        // One that waits for an answer is not waited for either.
        let never = cluster.acting("apply", &id, std::future::pending::<Result<(), ClusterError>>());
        assert!(never.await.is_err());
    }
}
