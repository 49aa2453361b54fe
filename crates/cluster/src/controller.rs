//! The controller: a level-triggered reconciler that brings each tenant of a mode to the cluster.
//!
//! It takes work from the store's durable queue and is woken by the store, by the cluster and by
//! time; none of them tells it what changed. Each look at a tenant works from the whole state and
//! can be cut short anywhere: what is on disk is enough to go on. One file a kind of look:
//! [`rollout`], [`external`] and [`deletion`]; [`look`] is what they share, [`hands`] who writes, [`view`] compares, [`slots`] keeps who is in hand, [`healing`] who
//! changes what.

mod bounds;
mod deadlines;
mod deletion;
mod external;
mod hands;
mod healing;
mod keeping;
mod look;
mod pause;
mod records;
mod retries;
mod rollout;
mod slots;
mod tenures;
#[cfg(test)]
mod tests;
mod tracing_context;
mod view;

use deadlines::Deadlines;
use ecp_core::Mode;
use ecp_core::audit::Intent;
use ecp_core::deployment::{Deployment, DeploymentKind, DeploymentStatus};
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::manifest::{ManifestDigest, Object};
use ecp_core::ports::{
    Clock, Cluster, ClusterError, ClusterView, MetricError, MetricStore, StoreError, TenantStore, WorkItem,
};
use ecp_core::tenant::Tenant;
use hands::Hands;
use healing::Fights;
use parking_lot::Mutex;
use pause::Pause;
use retries::Outage;
use slots::{Job, Slots};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Items leased at once.
const LEASE_BATCH: usize = 256;
/// Until the queue is asked again after it failed or repeated itself.
const QUEUE_PAUSE: Duration = Duration::from_millis(500);
/// However fast the cluster lives, a machine that is busy gets this long in its own time.
const SHORTEST_DEADLINE: Duration = Duration::from_secs(30);

/// How often it is noted whether the cluster is seen.
const WATCH_EVERY: Duration = Duration::from_secs(1);

/// How the controller works.
#[derive(Clone, Debug)]
pub struct ControllerOptions {
    /// Tenants looked at side by side.
    pub max_concurrent: usize,
    /// How many times faster than life the cluster runs; 1 for a real one.
    pub time_scale: f64,
    /// Life time without any visible change after which a roll-out has failed.
    pub progress_deadline: Duration,
    /// Whether a failed update brings back what ran before, where the request does not say.
    pub rollback_on_failure: bool,
    /// Wait after the first failed try; doubled each time.
    pub backoff_base: Duration,
    /// Longest wait between tries.
    pub backoff_max: Duration,
    /// How often every tenant is looked at whether or not anything happened.
    pub resync: Duration,
}

impl Default for ControllerOptions {
    fn default() -> Self {
        Self {
            max_concurrent: 8,
            time_scale: 1.0,
            progress_deadline: Duration::from_secs(600),
            rollback_on_failure: false,
            backoff_base: Duration::from_secs(1),
            backoff_max: Duration::from_secs(60),
            resync: Duration::from_secs(30),
        }
    }
}

/// The controller of one mode.
#[derive(Clone)]
pub struct Controller {
    shared: Arc<Shared>,
}

/// A deployment, and what is to be there while it rolls out.
type RollingObjects = (DeploymentId, Arc<Vec<Object>>);

/// What all looks share.
struct Shared {
    mode: Mode,
    store: Arc<dyn TenantStore>,
    metrics: Arc<dyn MetricStore>,
    /// What all looks see; who may write has a hand.
    cluster: Arc<dyn ClusterView>,
    hands: Hands,
    clock: Arc<dyn Clock>,
    options: ControllerOptions,
    slots: Mutex<Slots>,
    /// Objects of tenants in hand, by the digest of what was pinned.
    manifests: Mutex<HashMap<TenantId, Unpinned>>,
    /// Objects of tenants in hand while a deployment rolls them out.
    rolling: Mutex<HashMap<TenantId, RollingObjects>>,
    /// Healing of tenants that was begun, where it is known; none where nothing is.
    intents: Mutex<HashMap<TenantId, Option<Intent>>>,
    /// Who changes what the controller puts back.
    fights: Mutex<Fights>,
    /// Deadlines run while the cluster is seen.
    deadlines: Mutex<Deadlines>,
    /// Whether the store fails.
    pause: Mutex<Pause>,
    /// Whether the cluster is away, and who waits for it.
    outage: Mutex<Outage>,
    /// Under which tenure what is remembered of a tenant was seen, where there are other processes.
    tenures: Mutex<HashMap<TenantId, u64>>,
}

/// Objects, and the digest under which they are pinned.
type Unpinned = (ManifestDigest, Arc<Vec<Object>>);

/// How a look ended.
#[derive(Debug, PartialEq, Eq)]
enum LookEnd {
    /// Nothing more is to be done.
    Done,
    /// The cluster has to move first.
    Waiting,
    /// The tenant changed meanwhile.
    Again,
}

/// Why a look was cut short; it is taken again.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Metrics(#[from] MetricError),
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    #[error("revision {number} of tenant {tenant_id} is not kept with its objects")]
    Unkept { tenant_id: TenantId, number: u64 },
    #[error("the objects of revision {number} of tenant {tenant_id} can not be read")]
    Unreadable {
        tenant_id: TenantId,
        number: u64,
        #[source]
        source: serde_json::Error,
    },
}

impl Controller {
    /// Wires the controller of one mode.
    pub fn new(
        mode: Mode,
        store: Arc<dyn TenantStore>,
        metrics: Arc<dyn MetricStore>,
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn Clock>,
        options: ControllerOptions,
    ) -> Self {
        let (slots, manifests, rolling, fights) = Default::default();
        let (deadlines, pause, outage, intents, tenures) = Default::default();
        let shared = Shared {
            mode,
            store,
            metrics,
            cluster: cluster.clone(),
            hands: Hands::new(cluster),
            clock,
            options,
            slots,
            manifests,
            rolling,
            fights,
            intents,
            deadlines,
            pause,
            outage,
            tenures,
        };
        Self { shared: Arc::new(shared) }
    }

    /// Works until told to stop; looks that are under way are finished first.
    pub async fn run(&self, shutdown: CancellationToken) {
        let shared = &self.shared;
        let mut work = shared.store.subscribe_work();
        let mut changes = shared.cluster.changes();
        let mut leases = shared.store.subscribe_leases();
        let mut watch = tokio::time::interval(WATCH_EVERY);
        watch.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut resync = tokio::time::interval(shared.options.resync);
        resync.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks = JoinSet::new();
        let mut queue_due = Some(Instant::now());
        tracing::info!(mode = shared.mode.as_str(), "the controller works");
        loop {
            // While the store fails nothing is begun, whatever there is to do.
            let pause = shared.pause.lock().left(shared.clock.steady());
            if let Some(left) = pause {
                let until = Instant::now() + left;
                queue_due = Some(queue_due.map_or(until, |due| due.max(until)));
            }
            if queue_due.is_some_and(|due| due <= Instant::now()) {
                queue_due = self.lease_due().await.map(|after| Instant::now() + after);
            }
            self.start_looks(&mut looks);
            let until_due = async {
                match queue_due {
                    Some(due) => tokio::time::sleep_until(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What comes seldom before what may come without end: nothing waits for ever, and the same
                // events lead to the same steps.
                biased;
                () = shutdown.cancelled() => break,
                // Alone there is nobody who would change them.
                Ok(()) = leases.changed() => {
                    shared.put_down_lost();
                    // What was taken is looked at whole, whatever was queued of it.
                    self.look_around().await;
                }
                _ = resync.tick() => self.look_around().await,
                _ = watch.tick() => {
                    shared.watch();
                    shared.end_outage();
                }
                Some(ended) = looks.join_next() => {
                    match ended {
                        Ok(false) => {}
                        Ok(true) => queue_due = Some(Instant::now()),
                        Err(error) => {
                            tracing::error!(%error, mode = shared.mode.as_str(), "a look at a tenant broke off");
                        }
                    }
                }
                changed = work.changed() => {
                    if changed.is_err() {
                        break;
                    }
                    self.work_changed();
                    queue_due = Some(Instant::now());
                }
                change = changes.recv() => match change {
                    Ok(first) => {
                        let mut tenants = BTreeSet::from([first]);
                        let lagged = loop {
                            match changes.try_recv() {
                                Ok(tenant) => _ = tenants.insert(tenant),
                                Err(TryRecvError::Lagged(_)) => break true,
                                Err(_) => break false,
                            }
                        };
                        if lagged {
                            self.look_around().await;
                        } else {
                            self.cluster_changed(tenants).await;
                        }
                    }
                    Err(RecvError::Lagged(_)) => self.look_around().await,
                    Err(RecvError::Closed) => break,
                },
                () = until_due => {}
            }
        }
        while looks.join_next().await.is_some() {}
        shared.put_down_lost();
        tracing::info!(mode = shared.mode.as_str(), "the controller stopped");
    }

    /// Takes in hand what is due, and says after how long to ask again.
    async fn lease_due(&self) -> Option<Duration> {
        let shared = &self.shared;
        let now = shared.clock.steady();
        let due = async {
            loop {
                let items = shared.store.lease_work(now, LEASE_BATCH).await?;
                let leased = items.len();
                let mut slots = shared.slots.lock();
                items.into_iter().for_each(|item| slots.lease(item));
                if leased < LEASE_BATCH {
                    break;
                }
            }
            shared.store.next_work_due().await
        };
        let due = due.await;
        match due {
            Ok(due) => {
                let after = Duration::try_from(due?.duration_since(now)).unwrap_or_default();
                Some(after.max(QUEUE_PAUSE))
            }
            Err(StoreError::Closed) => None,
            Err(error) => {
                shared.store_failed(&error);
                Some(QUEUE_PAUSE)
            }
        }
    }

    /// Looks again at tenants in hand that are to be something else by now: what queued them waits
    /// behind the lease that is held.
    fn work_changed(&self) {
        let shared = &self.shared;
        let aim = |id: &TenantId| {
            let deployment = shared.newest_deployment(&*shared.store.tenant(id)?)?;
            Some((deployment.id.clone(), deployment.kind))
        };
        shared.slots.lock().mark_changed(aim);
    }

    fn start_looks(&self, looks: &mut JoinSet<bool>) {
        while looks.len() < self.shared.options.max_concurrent.max(1) {
            if self.shared.is_paused() {
                return;
            }
            let Some(job) = self.shared.slots.lock().take() else { return };
            looks.spawn(self.shared.clone().look(job));
        }
    }

    /// The cluster shows other objects of these tenants.
    async fn cluster_changed(&self, tenants: impl IntoIterator<Item = TenantId>) {
        for id in tenants {
            if !self.shared.slots.lock().mark(&id) {
                self.shared.queue_if_different(&id).await;
            }
        }
    }

    /// Looks at every tenant; where all is well this writes nothing.
    async fn look_around(&self) {
        self.shared.slots.lock().mark_all();
        for tenant in self.shared.store.tenants().iter() {
            let in_hand = self.shared.slots.lock().mark(&tenant.id);
            if !in_hand {
                self.shared.queue_if_different(&tenant.id).await;
            }
        }
    }
}

impl Shared {
    /// Queues a tenant at rest whose objects are not as its record says.
    async fn queue_if_different(&self, id: &TenantId) {
        let Some(tenant) = self.store.tenant(id).filter(|_| self.works_on(id)) else { return };
        let Some(deployment) = self.newest_deployment(&tenant) else { return };
        // What has not ended is in the queue already.
        if !matches!(deployment.status, DeploymentStatus::Running | DeploymentStatus::Failed) {
            return;
        }
        if tenant.spec.is_external() {
            if self.looks_otherwise(&tenant, &deployment).await && !self.is_paused() {
                self.told(self.store.queue_work(id).await);
            }
            return;
        }
        let Ok(observation) = self.cluster.observe(id) else { return };
        let differs = deployment.unsettled
            || view::differs_from_record(&deployment, &observation)
            || view::denies_its_record(&tenant, &deployment)
            || self.has_lost(&deployment, &observation)
            || self.fights.lock().has_rested(id, self.clock.steady())
            || self.differs_from_what_is_in_force(&deployment, &observation).await;
        if differs && !self.is_paused() {
            self.told(self.store.queue_work(id).await);
        }
    }

    /// Looks at one tenant and settles its lease; true where the queue may hold more for it.
    async fn look(self: Arc<Self>, job: Job) -> bool {
        let id = &job.item.tenant_id;
        // Whatever happens, the tenant must not count as looked at for ever.
        let _rest = Rest(&self, id);
        if !self.works_on(id) {
            self.let_go(&job.item);
            return true;
        }
        let pass = tracing_context::pass_span(self.mode, &job.item, || self.unfinished(id));
        match self.look_at(&job).instrument(pass).await {
            Err(LookError::Store(StoreError::LeaseLost(_))) => {
                self.let_go(&job.item);
                return true;
            }
            Ok(LookEnd::Waiting) if !self.works_on(id) => {
                self.let_go(&job.item);
                return true;
            }
            Ok(LookEnd::Waiting) => self.slots.lock().answered(id),
            Ok(LookEnd::Again) => _ = self.slots.lock().mark(id),
            Ok(LookEnd::Done) => {
                if self.told(self.store.finish_work(&job.item).await) {
                    self.deadlines.lock().forget(id);
                    if self.put_down(&job.item) {
                        self.queue_if_different(id).await;
                    }
                }
                return true;
            }
            Err(error) => {
                self.back_off(&job.item, &error).await;
                return true;
            }
        }
        false
    }

    async fn look_at(&self, job: &Job) -> Result<LookEnd, LookError> {
        let id = &job.item.tenant_id;
        let Some(tenant) = self.store.tenant(id) else { return Ok(LookEnd::Done) };
        let Some(deployment) = self.newest_deployment(&tenant) else { return Ok(LookEnd::Done) };
        self.slots.lock().aims_at(id, (deployment.id.clone(), deployment.kind));
        match (deployment.kind, self.hands.on(&tenant)) {
            (DeploymentKind::Delete(how), Some(hand)) => {
                self.look_at_deletion(tenant, &deployment, how, job.fresh, hand).await
            }
            (DeploymentKind::Delete(_), None) => self.look_at_external_deletion(tenant, &deployment).await,
            (DeploymentKind::Create | DeploymentKind::Update, Some(hand)) => {
                self.look_at_rollout(tenant, &deployment, hand).await
            }
            (DeploymentKind::Create | DeploymentKind::Update, None) => {
                self.look_at_external(tenant, &deployment).await
            }
        }
    }

    /// What the tenant was asked to become and is not yet.
    fn unfinished(&self, id: &TenantId) -> Option<Arc<Deployment>> {
        let deployment = self.newest_deployment(&*self.store.tenant(id)?)?;
        (deployment.unsettled || !deployment.status.is_final()).then_some(deployment)
    }

    fn newest_deployment(&self, tenant: &Tenant) -> Option<Arc<Deployment>> {
        self.store.deployment(&tenant.deployment_id)
    }

    /// Lets a tenant go; true where something happened since the last look at it began.
    fn put_down(&self, item: &WorkItem) -> bool {
        self.manifests.lock().remove(&item.tenant_id);
        self.rolling.lock().remove(&item.tenant_id);
        self.slots.lock().end(item)
    }

    /// True while nothing is to be begun, because the store fails.
    fn is_paused(&self) -> bool {
        self.pause.lock().is_on(self.clock.steady())
    }

    /// Notes whether the store took a write; true where it did.
    fn told(&self, written: Result<(), StoreError>) -> bool {
        match written {
            Ok(()) => {
                if self.pause.lock().succeeded() {
                    tracing::info!(mode = self.mode.as_str(), "the store takes writes again");
                }
                true
            }
            Err(error) => {
                self.store_failed(&error);
                false
            }
        }
    }

    /// Holds everything back for a while after a failure of the store, and says so once an outage.
    fn store_failed(&self, error: &StoreError) {
        // A refusal is no failure: the tenant went, or changed, meanwhile.
        let StoreError::Database { .. } = error else {
            if !matches!(error, StoreError::Closed) {
                tracing::debug!(%error, mode = self.mode.as_str(), "the store refused a write");
            }
            return;
        };
        if self.pause.lock().failed(self.clock.steady()) {
            let error = error as &dyn std::error::Error;
            tracing::error!(
                error,
                mode = self.mode.as_str(),
                "the store fails; the controller waits and tries again at longer and longer intervals"
            );
        }
    }

    /// Life time on the clock of the machine.
    fn scaled(&self, life: Duration) -> Duration {
        Duration::try_from_secs_f64(life.as_secs_f64() / self.options.time_scale).unwrap_or(life)
    }
}

/// Lets a tenant be looked at again when a look is over, however it ended.
struct Rest<'a>(&'a Shared, &'a TenantId);

impl Drop for Rest<'_> {
    fn drop(&mut self) {
        self.0.slots.lock().rest(self.1);
    }
}
