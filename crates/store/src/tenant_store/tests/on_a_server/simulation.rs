//! Several processes over one database, in any order of what they do: each case is a schedule drawn from a seed,
//! one step after another, and shrinks to the few steps that break a promise.
//!
//! What runs is the store itself on a real server. Time stands still but for what a schedule lets pass, for the
//! processes and, since leases are by its clock, for the server. What is promised: no tenant is in two hands that
//! may act, nothing acknowledged is lost, all see the same in the end, and what is queued is due somewhere.

use super::processes::caught_up;
use super::*;
use crate::sql::values;
use crate::tenant_store::{LeaseUnit, Samples};
use ecp_core::ports::Leases;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Processes at most.
const PROCESSES: usize = 3;
/// Schedules of `make test`; `make simulate SEEDS=…` runs as many as it is told.
const SEEDS: u32 = 16;
/// What it is told.
const SEEDS_VARIABLE: &str = "ECP_SIMULATE_SEEDS";

#[derive(Clone, Debug)]
enum Step {
    /// A request reaches a process.
    Create {
        at: usize,
    },
    Change {
        at: usize,
        tenant: usize,
    },
    /// A process's round of leases.
    Renew {
        at: usize,
    },
    /// A process's workers take what is due.
    Take {
        at: usize,
    },
    /// A worker's ends, and what it writes meanwhile.
    Record {
        hand: usize,
    },
    Finish {
        hand: usize,
    },
    Retry {
        hand: usize,
    },
    PutDown {
        hand: usize,
    },
    /// Time, for all and for the server.
    Pass {
        seconds: i64,
    },
    /// A process stops, dies without a word, or begins.
    Leave {
        at: usize,
    },
    Crash {
        at: usize,
    },
    Join {
        at: usize,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let at = || 0..PROCESSES;
    let hand = || 0..8_usize;
    prop_oneof![
        4 => at().prop_map(|at| Step::Create { at }),
        3 => (at(), 0..8_usize).prop_map(|(at, tenant)| Step::Change { at, tenant }),
        8 => at().prop_map(|at| Step::Renew { at }),
        5 => at().prop_map(|at| Step::Take { at }),
        3 => hand().prop_map(|hand| Step::Record { hand }),
        3 => hand().prop_map(|hand| Step::Finish { hand }),
        2 => hand().prop_map(|hand| Step::Retry { hand }),
        1 => hand().prop_map(|hand| Step::PutDown { hand }),
        3 => (1..12_i64).prop_map(|seconds| Step::Pass { seconds }),
        1 => at().prop_map(|at| Step::Leave { at }),
        1 => at().prop_map(|at| Step::Crash { at }),
        3 => at().prop_map(|at| Step::Join { at }),
    ]
}

/// A tenant that a worker of a process has.
struct Hand {
    at: usize,
    item: WorkItem,
    /// Accepted changes of the tenant when it was taken.
    changes: u64,
}

struct Simulation {
    /// Its store only watches: it takes no lease and no work.
    world: World,
    processes: [Option<SqlStore>; PROCESSES],
    hands: Vec<Hand>,
    /// Generation that was acknowledged last.
    acknowledged: BTreeMap<TenantId, u64>,
    /// Accepted changes, and up to which of them the work is certainly done.
    changes: BTreeMap<TenantId, (u64, u64)>,
    /// When the server's clock was last put back.
    ticked: Instant,
}

impl Simulation {
    fn new() -> Self {
        Self {
            world: World::new(),
            processes: Default::default(),
            hands: Vec::new(),
            acknowledged: BTreeMap::new(),
            changes: BTreeMap::new(),
            ticked: Instant::now(),
        }
    }

    /// Lets so many seconds pass on the server, whatever passed on the machine.
    async fn tick(&mut self, seconds: f64) {
        let more = self.ticked.elapsed().as_secs_f64() - seconds;
        self.ticked = Instant::now();
        let set = move |sql: &Sql<'_>| {
            for table in ["leases", "replicas"] {
                let later = format!("UPDATE {table} SET expires = expires + {more:.3} * interval '1 second'");
                sql.execute(&later, values![])?;
            }
            Ok(())
        };
        self.world.store.database.write_then("setting the clock", set, |()| {}).await.unwrap();
    }

    fn accepted(&mut self, tenant: &Tenant) {
        let known = self.acknowledged.entry(tenant.id.clone()).or_default();
        *known = (*known).max(tenant.generation);
        self.changes.entry(tenant.id.clone()).or_default().0 += 1;
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Create { at } => {
                let Some(store) = &self.processes[at] else { return };
                let name = format!("tenant-{}", self.acknowledged.len());
                let new = new_tenant(&name, self.world.clock.now());
                let Created::New(tenant) = store.create_tenant(new).await.unwrap() else { unreachable!() };
                self.accepted(&tenant);
            }
            Step::Change { at, tenant } => {
                let Some(store) = &self.processes[at] else { return };
                let Some(before) = store.tenants().get(tenant).cloned() else { return };
                let changed = change(&before, DeploymentKind::Update, self.world.clock.now());
                match store.change_tenant(changed).await {
                    Ok(tenant) => self.accepted(&tenant),
                    // Another process was faster.
                    Err(StoreError::GenerationMismatch { .. }) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            Step::Renew { at } => {
                let Some(store) = &self.processes[at] else { return };
                store.renew().await.unwrap();
            }
            Step::Take { at } => {
                let Some(store) = &self.processes[at] else { return };
                let taken = store.lease_work(self.world.clock.steady(), 3).await.unwrap();
                let hand = |item: WorkItem| {
                    let changes = self.changes.get(&item.tenant_id).map_or(0, |(all, _)| *all);
                    Hand { at, item, changes }
                };
                self.hands.extend(taken.into_iter().map(hand));
            }
            Step::Record { hand } => {
                let Some(Hand { at, item, .. }) = self.hands.get(hand) else { return };
                let Some(store) = &self.processes[*at] else { return };
                let Some(tenant) = store.tenant(&item.tenant_id) else { return };
                let Some(deployment) = store.deployment(&tenant.deployment_id) else { return };
                let mut deployment = Deployment::clone(&deployment);
                deployment.progress = deployment.progress.saturating_add(1).min(99);
                let update = ProgressUpdate { deployment, tenant_status: tenant.status, audit: None };
                kept_or_lost(store.record_progress(update).await);
            }
            Step::Finish { hand } => {
                let Some(Hand { at, item, changes }) = self.put_down(hand) else { return };
                let Some(store) = &self.processes[at] else { return };
                if kept_or_lost(store.finish_work(&item).await) {
                    let (_, done) = self.changes.entry(item.tenant_id).or_default();
                    *done = (*done).max(changes);
                }
            }
            Step::Retry { hand } => {
                let Some(Hand { at, item, .. }) = self.put_down(hand) else { return };
                let Some(store) = &self.processes[at] else { return };
                let due = self.world.clock.steady() + SignedDuration::from_secs(30);
                kept_or_lost(store.retry_work(&item, item.attempts + 1, due).await);
            }
            Step::PutDown { hand } => {
                let Some(Hand { at, item, .. }) = self.put_down(hand) else { return };
                if let Some(store) = &self.processes[at] {
                    store.let_go(&item);
                }
            }
            Step::Pass { seconds } => {
                self.world.pass(SignedDuration::from_secs(seconds));
                self.tick(seconds as f64).await;
            }
            Step::Leave { at } => {
                if let Some(store) = self.processes[at].take() {
                    store.leave().await;
                    assert_eq!(store.held(), Some(0));
                    self.bury(at, store);
                }
            }
            Step::Crash { at } => {
                if let Some(store) = self.processes[at].take() {
                    self.bury(at, store);
                }
            }
            Step::Join { at } => {
                if self.processes[at].is_none() {
                    let store = SqlStore::open(self.world.place.open(), self.world.clock.clone()).unwrap();
                    store.join(Samples::Shared, LeaseUnit::Tenant).await.unwrap();
                    self.processes[at] = Some(store);
                }
            }
        }
    }

    fn put_down(&mut self, hand: usize) -> Option<Hand> {
        (hand < self.hands.len()).then(|| self.hands.swap_remove(hand))
    }

    fn bury(&mut self, at: usize, store: SqlStore) {
        self.hands.retain(|hand| hand.at != at);
        store.close();
    }

    /// True now and at every other moment.
    fn check(&self) {
        for id in self.acknowledged.keys() {
            let acting = self.processes.iter().flatten().filter(|store| store.may_act(id)).count();
            assert!(acting <= 1, "{acting} processes may act for {id}");
        }
    }

    /// When all is quiet: everything is everywhere, and what is to be done is done by one.
    async fn settle(&mut self) {
        for Hand { at, item, .. } in std::mem::take(&mut self.hands) {
            if let Some(store) = &self.processes[at] {
                store.let_go(&item);
            }
        }
        self.take(Step::Join { at: 0 }).await;
        self.take(Step::Pass { seconds: 60 }).await;
        let processes: Vec<&SqlStore> = self.processes.iter().flatten().collect();
        for _ in 0..12 {
            for store in &processes {
                store.renew().await.unwrap();
            }
        }
        let newest = processes.iter().max_by_key(|store| store.revision()).unwrap();
        caught_up(&self.world.store, newest).await;
        let seen = self.world.store.tenants();
        let kept: BTreeMap<TenantId, u64> =
            seen.iter().map(|tenant| (tenant.id.clone(), tenant.generation)).collect();
        assert_eq!(kept, self.acknowledged, "what was acknowledged is what is kept");
        let mut due: BTreeSet<TenantId> = BTreeSet::new();
        for store in &processes {
            caught_up(store, &self.world.store).await;
            assert_eq!(store.tenants(), seen);
            for item in store.lease_work(self.world.clock.steady(), 100).await.unwrap() {
                assert!(store.tenure(&item.tenant_id).is_some(), "{} is not its", item.tenant_id);
                assert!(due.insert(item.tenant_id.clone()), "{} is in two hands", item.tenant_id);
            }
        }
        for (id, (all, done)) in &self.changes {
            let holders = processes.iter().filter(|store| store.tenure(id).is_some()).count();
            assert_eq!(holders, 1, "{id}");
            assert!(all == done || due.contains(id), "the work of {id} is lost");
        }
    }
}

/// False where the tenant was another's by then.
fn kept_or_lost(written: Result<(), StoreError>) -> bool {
    match written {
        Ok(()) => true,
        Err(StoreError::LeaseLost(_)) => false,
        Err(error) => panic!("{error}"),
    }
}

fn config() -> ProptestConfig {
    let told = std::env::var(SEEDS_VARIABLE).ok().and_then(|seeds| seeds.parse().ok());
    ProptestConfig { cases: told.unwrap_or(SEEDS), max_shrink_iters: 400, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn no_schedule_of_several_processes_breaks_a_promise(steps in prop::collection::vec(step(), 10..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut simulation = Simulation::new();
            simulation.take(Step::Join { at: 0 }).await;
            for step in steps {
                simulation.tick(0.0).await;
                simulation.take(step).await;
                simulation.check();
            }
            simulation.settle().await;
        });
    }
}
