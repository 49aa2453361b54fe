//! One schedule: what a seed makes of processes, faults and requests.

use crate::chance::Chance;
use crate::line::Shore;
use crate::plan::Plan;
use crate::planted::Planted;
use crate::promises;
use crate::record::Record;
use crate::replica::{Replica, Surroundings};
use crate::time::{MachineClock, Time};
use crate::users::{self, Users};
use ecp_cluster::{DemoSpeed, SimulatedCluster, SimulatedNodes};
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::ports::ClusterView as _;
use ecp_store::{Fate, SimulatedDatabase, SimulatedServer, SqlStore, Wire};
use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Runtime;

/// How many times faster than life pods become ready.
const CLUSTER_SPEED: f64 = 240.0;
/// When faults have stopped, all is at rest within this.
const AT_REST_WITHIN_MS: i64 = 300_000;
/// Steps without anything on its way, after which it is looked whether all is as it is to be.
const LOOKS_AFTER: u32 = 20;
/// A process that leaves is gone by then.
const LEAVES_WITHIN_MS: i64 = 30_000;

thread_local! {
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// Has panics of tasks fail the schedule in which they happen; once a program.
pub fn watch_panics() {
    let usual = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        PANICS.with_borrow_mut(|panics| panics.push(panic.to_string()));
        usual(panic);
    }));
}

/// What one schedule came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What was broken; none where all promises were kept.
    pub broken: Option<String>,
    /// A number that is the same whenever the seed is.
    pub digest: u64,
    /// Requests that were acknowledged.
    pub acknowledged: usize,
    /// How long it lasted in its own time, in milliseconds.
    pub lasted_ms: i64,
}

/// Runs schedules, one after another.
pub struct Stage {
    server: SimulatedServer,
    catalog: Arc<Catalog>,
    outside: Runtime,
}

/// Without faults.
struct Calm;

impl Wire for Calm {
    fn delay(&self) -> Duration {
        Duration::ZERO
    }

    fn hears_after(&self) -> Duration {
        Duration::from_secs(1)
    }

    fn fate(&self, _operation: &'static str) -> Fate {
        Fate::Answered
    }
}

impl Stage {
    /// Prepares what all schedules use.
    pub fn new() -> anyhow::Result<Self> {
        Ok(Self {
            server: SimulatedServer::new(0)?,
            catalog: Arc::new(Catalog::embedded()),
            outside: tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()?,
        })
    }

    /// Runs the schedule of a seed.
    pub fn run(&self, seed: u64, told: bool) -> Outcome {
        self.run_with(seed, told, Planted::Nothing)
    }

    /// Runs the schedule of a seed with processes that do something wrong.
    pub fn run_with(&self, seed: u64, told: bool, planted: Planted) -> Outcome {
        let mut schedule = match Schedule::new(self, seed, told, planted) {
            Ok(schedule) => schedule,
            Err(error) => {
                return Outcome { broken: Some(format!("it does not begin: {error}")), ..Outcome::default() };
            }
        };
        let result = schedule.run(self);
        let panics = PANICS.with_borrow_mut(std::mem::take);
        let broken = schedule
            .record
            .what_broke()
            .or_else(|| result.err())
            .or_else(|| panics.first().map(|panic| format!("a task panicked: {panic}")));
        let acknowledged =
            schedule.users.requests.lock().iter().filter(|request| request.is_acknowledged()).count();
        Outcome {
            broken,
            digest: schedule.record.digest(),
            acknowledged,
            lasted_ms: schedule.around.time.passed_ms(),
        }
    }
}

struct Schedule {
    around: Surroundings,
    record: Record,
    users: Users,
    replicas: Vec<Option<Replica>>,
    ids: Vec<TenantId>,
}

impl Schedule {
    fn new(stage: &Stage, seed: u64, told: bool, planted: Planted) -> anyhow::Result<Self> {
        let chance = Chance::of(seed);
        let plan = Arc::new(Plan::draw(&chance));
        let time = Time::begin();
        let record = Record::new(&time, told);
        stage.server.clear()?;
        stage.server.set_clock(time.now_ms());
        let clock = Arc::new(MachineClock::right(&time));
        let cluster = SimulatedCluster::new(
            &SimulatedNodes::default(),
            DemoSpeed::new(CLUSTER_SPEED)?,
            clock,
            Arc::new(|_| None),
        );
        let shore = Shore::new(Arc::new(cluster), &stage.server, &record, &time);
        if told {
            tracing::info!("{plan:?}");
        }
        let ids =
            (0..plan.tenants).map(users::tenant).collect::<Result<_, _>>().map_err(anyhow::Error::msg)?;
        let users = Users::new(&record, &chance);
        let replicas = (0..plan.replicas).map(|_| None).collect();
        let (catalog, server, calm) = (stage.catalog.clone(), stage.server.clone(), Arc::default());
        let around = Surroundings { catalog, chance, plan, calm, time, server, shore, planted };
        Ok(Self { around, record, users, replicas, ids })
    }

    fn run(&mut self, stage: &Stage) -> Result<(), String> {
        for _ in 0..self.around.plan.steps {
            self.misfortune();
            self.request();
            self.step(stage, self.around.plan.longest_step_ms, 12)?;
        }
        self.record.note(|| "faults stop".to_owned());
        self.around.calm.store(true, Ordering::Relaxed);
        let until = self.around.time.now_ms() + AT_REST_WITHIN_MS;
        let (mut quiet, mut missing) = (0, None);
        while self.around.time.now_ms() < until {
            self.step(stage, 100, 40)?;
            if !promises::is_at_rest(&self.around.server)? {
                (quiet, missing) = (0, None);
                continue;
            }
            quiet += 1;
            if quiet % LOOKS_AFTER == 0 {
                match self.is_kept(stage) {
                    Ok(()) => return Ok(()),
                    Err(what) => missing = Some(what),
                }
            }
        }
        Err(missing.unwrap_or_else(|| {
            let moves = promises::what_moves(&self.around.server, &self.replicas);
            format!("it does not come to rest: {moves}")
        }))
    }

    /// What is to be so in the end, and may come of what was seen last.
    fn is_kept(&self, stage: &Stage) -> Result<(), String> {
        let database = SimulatedDatabase::connect(&self.around.server, Arc::new(Calm));
        let clock = Arc::new(MachineClock::right(&self.around.time));
        stage.outside.block_on(async {
            let fresh = SqlStore::open(database, clock).map_err(|error| error.to_string())?;
            let requests = self.users.requests.lock().clone();
            let cluster = &self.around.shore.cluster;
            let (server, replicas) = (&self.around.server, &self.replicas);
            let kept = promises::in_the_end(server, cluster, replicas, &fresh, &requests, &self.ids).await;
            fresh.close();
            kept
        })
    }

    /// Lets time pass, and every process go on that can.
    fn step(&mut self, stage: &Stage, longest_ms: u64, turns: u64) -> Result<(), String> {
        let around = &self.around;
        around.time.pass(around.chance.between(1, longest_ms));
        let now = around.time.now_ms();
        around.server.set_clock(now);
        around.shore.cluster.tick();
        stage.outside.block_on(around.shore.land_late());
        let calm = around.calm.load(Ordering::Relaxed);
        let first = around.chance.index(self.replicas.len());
        for at in 0..self.replicas.len() {
            let at = (at + first) % self.replicas.len();
            let Some(replica) = &mut self.replicas[at] else {
                if calm || around.chance.per_mille(100) {
                    self.record.note(|| format!("process {at} starts"));
                    self.replicas[at] = Replica::start(around).ok();
                }
                continue;
            };
            if !calm && replica.stopped_until_ms.is_some_and(|until| now < until) {
                continue;
            }
            if replica.stopped_until_ms.take().is_some() {
                self.record.note(|| format!("process {at} goes on"));
            }
            replica.go_on(now, around.chance.between(1, turns));
            let gone = replica.left.load(Ordering::Relaxed);
            if gone || replica.leaves_by_ms.is_some_and(|by| now >= by) {
                self.record.note(|| format!("process {at} is gone (as it should: {gone})"));
                self.replicas[at] = None;
            }
        }
        if let Some(broken) = self.record.what_broke().or_else(|| around.server.take_broken()) {
            return Err(broken);
        }
        PANICS.with_borrow(|panics| match panics.first() {
            Some(panic) => Err(format!("a task panicked: {panic}")),
            None => Ok(()),
        })?;
        promises::at_every_moment(&self.replicas, &self.ids)
    }

    /// What goes wrong before the next step.
    fn misfortune(&mut self) {
        let (chance, plan, now) = (&self.around.chance, &self.around.plan, self.around.time.now_ms());
        let at = chance.index(self.replicas.len());
        if chance.per_mille(plan.kill) && self.replicas[at].take().is_some() {
            self.record.note(|| format!("process {at} is killed"));
        }
        if chance.per_mille(plan.vandal) {
            self.vandalise();
        }
        let Some(replica) = &mut self.replicas[at] else { return };
        if chance.per_mille(plan.pause) {
            let ms = [500, 5_000, 9_500, 30_000][chance.index(4)];
            let ms = chance.between(1, ms);
            self.record.note(|| format!("process {at} stands still for {ms} ms"));
            replica.stopped_until_ms = Some(now + ms as i64);
        }
        if chance.per_mille(plan.leave) && replica.leaves_by_ms.is_none() {
            self.record.note(|| format!("process {at} leaves"));
            replica.leaves_by_ms = Some(now + LEAVES_WITHIN_MS);
            replica.leave();
        }
        if chance.per_mille(plan.clock) {
            let ms = chance.below(7_200_000) as i64 - 3_600_000;
            self.record.note(|| format!("the clock of process {at} is set to {ms} ms ahead"));
            replica.clock.set_ahead(ms);
        }
    }

    /// Somebody deletes an object of a tenant.
    fn vandalise(&self) {
        let (chance, cluster) = (&self.around.chance, &self.around.shore.cluster);
        let id = &self.ids[chance.index(self.ids.len())];
        let Ok(seen) = cluster.observe(id) else { return };
        let objects: Vec<_> = seen.objects.iter().filter(|object| object.kind != "Namespace").collect();
        if objects.is_empty() {
            return;
        }
        let object = objects[chance.index(objects.len())];
        self.record.note(|| format!("somebody deletes {} {} of {id}", object.kind, object.name));
        cluster.delete_object(id, &object.kind, &object.name);
    }

    /// Somebody may ask for something.
    fn request(&self) {
        let (chance, plan) = (&self.around.chance, &self.around.plan);
        let at = chance.index(self.replicas.len());
        let Some(replica) = &self.replicas[at] else { return };
        if replica.leaves_by_ms.is_some() || replica.stopped_until_ms.is_some() {
            return;
        }
        if chance.per_mille(plan.ask) {
            let id = self.ids[chance.index(self.ids.len())].clone();
            self.users.ask(replica, at, id);
        } else if chance.per_mille(plan.ask * plan.again / 1000) {
            self.users.ask_again(replica, at);
        }
    }
}
