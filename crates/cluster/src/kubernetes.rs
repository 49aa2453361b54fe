//! A real Kubernetes cluster behind the `Cluster` port.
//!
//! [`watches`] keep the [`index`], from which every question is answered; [`apply`] and [`delete`]
//! write, [`trial`] only asks, and not again what [`tried`] knows, [`survey`] looks through a namespace before
//! it goes. [`state`], [`drift`], [`ownership`], [`capacity`] and [`devices`] judge, and know no connection.
//! [`adopt`] takes over what earlier builds made.

mod adopt;
mod apply;
mod capacity;
mod client;
mod delete;
mod devices;
mod drift;
mod events;
mod index;
mod kinds;
mod ownership;
mod pods;
mod state;
mod survey;
mod told;
mod trial;
mod tried;
mod usage;
mod watches;

pub use client::{ConnectError, KubernetesSource};

use async_trait::async_trait;
use capacity::GpuResources;
use ecp_core::catalog::Catalog;
use ecp_core::deployment::Removal;
use ecp_core::happenings::{ClusterEvent, LogQuery, PodLogs, PodName};
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ledger::{Notes, ObjectLedger};
use ecp_core::manifest::Object;
use ecp_core::ports::{
    Capacity, Cluster, ClusterError, ClusterHealth, ClusterView, Drift, MetricStore, Observation, Refusal,
    TenantStore,
};
use ecp_core::text::Message;
use index::Index;
use kube::Client;
use parking_lot::Mutex;
use serde_json::Value;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;
use trial::Answers;
use tried::Tried;

/// A kind that a tenant is made of, by its name.
pub(crate) fn kind_name(name: &str) -> Option<&'static str> {
    kinds::find(name).map(|(_, kind)| kind.name)
}

/// Calls under way at once, for all tenants.
const CALLS_AT_ONCE: usize = 32;
/// Between two probes.
const PROBE_EVERY: Duration = Duration::from_secs(2);
/// For the answer to a probe.
const PROBE_TIMEOUT: Duration = Duration::from_secs(3);

/// Who is told what other processes note.
enum Told {
    /// Nobody yet.
    Early(Vec<(TenantId, Notes)>),
    /// The index.
    To(Arc<Index>),
}

/// What the last probe of the API server showed.
#[derive(Clone)]
enum Probed {
    /// There was none yet.
    NotYet,
    /// It failed, and why.
    Away(String),
    /// It was answered.
    Answers,
}

/// A real cluster.
pub struct KubernetesCluster {
    client: Client,
    log_client: Client,
    index: Arc<Index>,
    catalog: Arc<Catalog>,
    ledger: Arc<dyn ObjectLedger>,
    /// Who manages a tenant; there once the cluster is watched.
    store: OnceLock<Arc<dyn TenantStore>>,
    turns: Semaphore,
    tried: Tried,
    probed: Mutex<Probed>,
}

impl KubernetesCluster {
    /// Takes up the configuration; the cluster itself may be away. The catalog says what counts as a
    /// GPU, and to which nodes tenants' pods may go; the ledger, what is ours there.
    ///
    /// # Errors
    /// The configuration can not be used, or the ledger not be read.
    pub async fn connect(
        source: &KubernetesSource,
        catalog: Arc<Catalog>,
        ledger: Arc<dyn ObjectLedger>,
    ) -> Result<Arc<Self>, ConnectError> {
        let client::Clients { calls: client, logs: log_client } = client::connect(source).await?;
        let installation = ledger.installation().await?;
        // Told from before all there is is read: what is told until then comes after it.
        let told: Arc<Mutex<Told>> = Arc::new(Mutex::new(Told::Early(Vec::new())));
        let telling = told.clone();
        ledger.on_noted_elsewhere(Arc::new(move |tenant, notes| match &mut *telling.lock() {
            Told::Early(early) => early.push((tenant.clone(), notes)),
            Told::To(index) => index.note_anew(tenant, notes),
        }));
        let notes = ledger.notes().await?;
        tracing::info!(installation.id = %installation, "objects in the cluster carry this installation's id");
        let index = Arc::new(Index::new(GpuResources::of(&catalog), installation, notes));
        {
            let mut told = told.lock();
            if let Told::Early(early) = &mut *told {
                early.drain(..).for_each(|(tenant, notes)| index.note_anew(&tenant, notes));
            }
            *told = Told::To(index.clone());
        }
        Ok(Arc::new(Self {
            client,
            log_client,
            index,
            catalog,
            ledger,
            store: OnceLock::new(),
            turns: Semaphore::new(CALLS_AT_ONCE),
            tried: Tried::default(),
            probed: Mutex::new(Probed::NotYet),
        }))
    }

    /// Watches and probes the cluster until told to stop. Of tenants that this process works on it takes
    /// over what earlier versions made.
    pub async fn run(&self, leases: Arc<dyn TenantStore>, stop: CancellationToken) {
        self.store.get_or_init(|| leases.clone());
        let watching = async {
            tokio::join!(
                watches::run(self.client.clone(), self.index.clone(), stop.clone()),
                events::run(self.client.clone(), self.index.clone(), stop.clone()),
                self.probe(stop.clone()),
                self.adopt(&*leases, stop.clone()),
            );
        };
        // Whatever is under way: an API server that hangs is not waited for.
        tokio::select! {
            () = stop.cancelled() => {}
            () = watching => {}
        }
    }

    /// Collects what running pods use, where the cluster has the metrics API, until told to stop.
    pub async fn collect_usage(
        &self,
        catalog: Arc<Catalog>,
        store: Arc<dyn TenantStore>,
        metrics: Arc<dyn MetricStore>,
        stop: CancellationToken,
    ) {
        // A metrics API that hangs is not waited for.
        let collecting = usage::run(self.client.clone(), self.index.clone(), catalog, store, metrics);
        stop.run_until_cancelled(collecting).await;
    }

    async fn probe(&self, stop: CancellationToken) {
        loop {
            let answer = tokio::time::timeout(PROBE_TIMEOUT, self.client.apiserver_version()).await;
            let probed = match answer {
                Ok(Ok(_)) => Probed::Answers,
                Ok(Err(error)) => Probed::Away(match client::CallError::from(error) {
                    client::CallError::Away(reason) | client::CallError::Hindered(reason) => reason,
                    client::CallError::Answered(status) => status.message,
                }),
                Err(_) => Probed::Away(format!("no answer within {} s", PROBE_TIMEOUT.as_secs())),
            };
            let before = std::mem::replace(&mut *self.probed.lock(), probed.clone());
            match (&before, &probed) {
                (Probed::NotYet | Probed::Away(_), Probed::Answers) => tracing::info!("the cluster answers"),
                (Probed::NotYet | Probed::Answers, Probed::Away(reason)) => {
                    tracing::warn!(reason, "the cluster does not answer");
                }
                _ => {}
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PROBE_EVERY) => {}
            }
        }
    }

    /// Fails where the cluster does not answer, what is watched is not known yet, or a watch fails for so long
    /// that what is known is what was.
    fn check_reachable(&self) -> Result<(), ClusterError> {
        match self.probed.lock().clone() {
            Probed::NotYet => return Err(ClusterError::BeingRead("it was not asked yet".to_owned())),
            Probed::Away(reason) => return Err(ClusterError::Unreachable(reason)),
            Probed::Answers => {}
        }
        let (known, all) = (self.index.completed(), watches::count(&self.index));
        if let Some(unwatched) = self.index.unwatched() {
            return Err(ClusterError::Unwatched(unwatched));
        }
        if known < all {
            let failing = self.index.failing().map(|failing| format!("; {failing}")).unwrap_or_default();
            let reason = format!("{known} of {all} first lists are complete{failing}");
            return Err(ClusterError::BeingRead(reason));
        }
        Ok(())
    }

    /// Fails also where it is not known yet what of the tenant's objects is ours.
    fn check_known(&self, tenant: &TenantId) -> Result<(), ClusterError> {
        self.check_reachable()?;
        if self.index.is_unnoted(tenant) {
            let reason = format!("what an earlier version made for {tenant} is being written down");
            return Err(ClusterError::BeingRead(reason));
        }
        Ok(())
    }

    /// True of a tenant whose objects others apply.
    fn is_external(&self, id: &TenantId) -> bool {
        let tenant = self.store.get().and_then(|store| store.tenant(id));
        tenant.is_some_and(|tenant| tenant.spec.is_external())
    }

    fn check_owner(&self, tenant: &TenantId) -> Result<(), ClusterError> {
        if self.index.is_foreign(tenant) {
            return Err(ClusterError::ForeignNamespace { namespace: tenant.namespace() });
        }
        Ok(())
    }
}

#[async_trait]
impl ClusterView for KubernetesCluster {
    async fn dry_run(&self, objects: &[Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.try_objects(objects, Answers::New).await
    }

    async fn try_out(&self, objects: &[Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.try_objects(objects, Answers::Recent).await
    }

    fn forget(&self, tenant_id: &TenantId) {
        self.index.forget_noted(tenant_id);
    }

    fn installation(&self) -> Option<InstallationId> {
        Some(self.index.installation().clone())
    }

    fn left_as_is(&self, tenant_id: &TenantId) -> Vec<Drift> {
        self.index.all_left(tenant_id)
    }

    fn drift(&self, tenant_id: &TenantId, wanted: &[Object]) -> Result<Vec<Drift>, ClusterError> {
        self.check_known(tenant_id)?;
        Ok(self.index.drift(tenant_id, wanted))
    }

    fn observe_wanted(
        &self,
        tenant_id: &TenantId,
        wanted: &[Object],
    ) -> Result<(Observation, Vec<Drift>), ClusterError> {
        self.check_reachable()?;
        Ok(self.index.observe_wanted(tenant_id, wanted))
    }

    fn may_have_drifted(&self, tenant_id: &TenantId) -> bool {
        self.index.may_have_drifted(tenant_id)
    }

    fn check_namespace(&self, tenant_id: &TenantId) -> Result<(), ClusterError> {
        self.check_reachable()?;
        self.check_owner(tenant_id)
    }

    fn health(&self) -> ClusterHealth {
        match self.check_reachable() {
            Ok(()) => ClusterHealth::Ready,
            Err(error) => ClusterHealth::Unreachable(error.to_string()),
        }
    }

    fn observe(&self, tenant_id: &TenantId) -> Result<Observation, ClusterError> {
        self.check_known(tenant_id)?;
        Ok(self.index.observe(tenant_id))
    }

    async fn events(&self, tenant_id: &TenantId) -> Result<Vec<ClusterEvent>, ClusterError> {
        self.list_events(tenant_id).await
    }

    fn pods(&self, tenant_id: &TenantId) -> Result<Vec<PodName>, ClusterError> {
        Ok(self.index.pod_names(tenant_id, self.is_external(tenant_id)))
    }

    async fn logs(
        &self,
        tenant_id: &TenantId,
        pods: Vec<PodName>,
        query: LogQuery,
    ) -> Result<PodLogs, ClusterError> {
        self.read_logs(tenant_id, pods, query).await
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.index.changes()
    }

    fn capacity(&self) -> Result<Capacity, ClusterError> {
        self.check_reachable()?;
        Ok(self.index.capacity(&self.catalog.kubernetes, |id| self.is_external(id)))
    }
}

#[async_trait]
impl Cluster for KubernetesCluster {
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError> {
        self.apply_objects(tenant_id, objects).await
    }

    async fn prune(&self, tenant_id: &TenantId, keep: &[Object]) -> Result<(), ClusterError> {
        self.prune_objects(tenant_id, keep).await
    }

    async fn delete(&self, tenant_id: &TenantId, how: Removal) -> Result<(), ClusterError> {
        self.delete_tenant(tenant_id, how).await
    }

    async fn take_over(&self, tenant_id: &TenantId, wanted: &[Object]) -> Result<bool, ClusterError> {
        self.check_known(tenant_id)?;
        let objects = self.not_ours_yet(tenant_id, wanted).await?;
        let noted = self.ledger.note(tenant_id, &objects).await;
        noted.map_err(|error| ClusterError::Unreachable(format!("the ledger: {error}")))?;
        self.index.note(tenant_id, &objects);
        Ok(!objects.is_empty())
    }
}
