//! One process: its view and queue, its controller, its way to the server and the cluster – all tasks of a
//! runtime of its own, whose time stands still but for what it is let go on. Not to let it go on is to stop the
//! process; to drop it is to kill it.

use crate::chance::Chance;
use crate::line::{Line, Shore};
use crate::plan::Plan;
use crate::planted::Planted;
use crate::samples::NoSamples;
use crate::time::{MachineClock, Time};
use ecp_cluster::{Controller, ControllerOptions, Stoppable, guard};
use ecp_core::Mode;
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::ports::{Clock, Cluster, Leases as _, StoreError, TenantStore};
use ecp_core::tenancy::Tenancy;
use ecp_store::{Fate, LeaseUnit, Samples, SimulatedDatabase, SimulatedServer, SqlStore, Wire};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// What every process of a schedule is given.
pub struct Surroundings {
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) chance: Chance,
    pub(crate) plan: Arc<Plan>,
    /// Faults have stopped.
    pub(crate) calm: Arc<AtomicBool>,
    pub(crate) time: Time,
    pub(crate) server: SimulatedServer,
    pub(crate) shore: Shore,
    pub(crate) planted: Planted,
}

/// A process.
pub struct Replica {
    runtime: Runtime,
    /// Up to when it went on.
    lived_to_ms: i64,
    /// Until when it stands still.
    pub(crate) stopped_until_ms: Option<i64>,
    /// It leaves, and is gone at this time at the latest.
    pub(crate) leaves_by_ms: Option<i64>,
    pub(crate) left: Arc<AtomicBool>,
    pub(crate) clock: Arc<MachineClock>,
    pub(crate) store: Arc<SqlStore>,
    pub(crate) tenancy: Arc<Tenancy>,
    /// The controller, until it has put down what it has in hand.
    controller: Option<JoinHandle<()>>,
    working: CancellationToken,
    background: CancellationToken,
    calls: CancellationToken,
}

/// How long a process that leaves waits for calls to the cluster.
const CALLS_GRACE: Duration = Duration::from_secs(5);

/// A process's way to the server.
struct ServerLine {
    chance: Chance,
    plan: Arc<Plan>,
    calm: Arc<AtomicBool>,
    planted: Planted,
}

impl Wire for ServerLine {
    fn delay(&self) -> Duration {
        let most = if self.calm.load(Ordering::Relaxed) { 2 } else { self.plan.server_ms };
        Duration::from_millis(self.chance.below(most + 1))
    }

    fn hears_after(&self) -> Duration {
        Duration::from_millis(self.chance.between(1, self.plan.hears_ms))
    }

    fn fate(&self, _operation: &'static str) -> Fate {
        if self.calm.load(Ordering::Relaxed) {
            return Fate::Answered;
        }
        if self.planted == Planted::ForgetsWrites && self.chance.per_mille(20) {
            return Fate::Forgotten;
        }
        if self.chance.per_mille(self.plan.lost) {
            return Fate::Lost;
        }
        if self.chance.per_mille(self.plan.unanswered) { Fate::Unanswered } else { Fate::Answered }
    }
}

impl Replica {
    /// Starts one. It joins when it is let go on.
    pub(crate) fn start(around: &Surroundings) -> Result<Self, StoreError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.map_err(|error| StoreError::Database {
            operation: "starting a process",
            source: error.into(),
        })?;
        let clock = Arc::new(match around.planted {
            Planted::CountsSlowly => MachineClock::slow(&around.time),
            _ => MachineClock::right(&around.time),
        });
        let (chance, plan, calm) = (around.chance.clone(), around.plan.clone(), around.calm.clone());
        let wire = Arc::new(ServerLine { chance, plan, calm, planted: around.planted });
        let entered = runtime.enter();
        let database = SimulatedDatabase::connect(&around.server, wire);
        let store = Arc::new(SqlStore::open(database, clock.clone() as Arc<dyn Clock>)?);
        drop(entered);
        // Where the first round fails, the next one begins it.
        let joined = runtime.block_on(async { store.join(Samples::Shared, LeaseUnit::Tenant).await });
        let holder = store.replica().unwrap_or_default();
        let line: Arc<dyn Cluster> =
            Arc::new(Line::new(&around.shore, holder, &around.chance, &around.plan, &around.calm));
        let [working, background, calls] = std::array::from_fn(|_| CancellationToken::new());
        let shared: Arc<dyn TenantStore> = store.clone();
        let (may_act, planted) = (guard(shared.clone()), around.planted);
        let may_act = move |id: &TenantId| match planted {
            Planted::ActsWithoutLease => Ok(()),
            _ => may_act(id),
        };
        let cluster: Arc<dyn Cluster> = Arc::new(Stoppable::new(line, calls.clone(), may_act));
        let options = ControllerOptions {
            max_concurrent: around.plan.at_once,
            backoff_max: Duration::from_secs(8),
            ..ControllerOptions::default()
        };
        let steady: Arc<dyn Clock> = clock.clone();
        let controller = Controller::new(
            Mode::Real,
            shared.clone(),
            Arc::new(NoSamples),
            cluster.clone(),
            steady.clone(),
            options,
        );
        let tenancy = Arc::new(Tenancy::new(around.catalog.clone(), shared, cluster, steady, 1.0));
        joined?;
        let (keeping, stopping) = (store.clone(), background.clone());
        runtime.spawn(async move { keeping.keep_leases(stopping).await });
        let (probing, stopping) = (store.clone(), background.clone());
        runtime.spawn(async move { probing.backend().keep_probing(stopping).await });
        let stopping = working.clone();
        let controller = Some(runtime.spawn(async move { controller.run(stopping).await }));
        Ok(Self {
            runtime,
            lived_to_ms: around.time.now_ms(),
            stopped_until_ms: None,
            leaves_by_ms: None,
            left: Arc::default(),
            clock,
            store,
            tenancy,
            controller,
            working,
            background,
            calls,
        })
    }

    /// Lets it go on up to now, by so many turns of its tasks.
    pub(crate) fn go_on(&mut self, now_ms: i64, turns: u64) {
        let passed = u64::try_from(now_ms - self.lived_to_ms).unwrap_or(0);
        self.lived_to_ms = now_ms;
        self.runtime.block_on(async {
            if passed > 0 {
                tokio::time::advance(Duration::from_millis(passed)).await;
            }
            for _ in 0..turns {
                tokio::task::yield_now().await;
            }
        });
    }

    /// Begins something in it.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// It is told to stop: the controller ends, calls are cut short after a while, and what is held is given
    /// back.
    pub(crate) fn leave(&mut self) {
        let Some(mut controller) = self.controller.take() else { return };
        let (store, left) = (self.store.clone(), self.left.clone());
        let (working, background, calls) =
            (self.working.clone(), self.background.clone(), self.calls.clone());
        self.runtime.spawn(async move {
            working.cancel();
            if tokio::time::timeout(CALLS_GRACE, &mut controller).await.is_err() {
                calls.cancel();
                let _ = controller.await;
            }
            calls.cancel();
            background.cancel();
            store.leave().await;
            left.store(true, Ordering::Relaxed);
        });
    }
}
