//! Replicas on one schema under schedules that a seed draws: time that passes and jumps, rounds that are late or
//! whose answer is lost, replicas that are killed, stopped and started. Each schedule is driven by hand, one step
//! after the other; after each it is asked whether a tenant is in two hands, and whether anything was written
//! under a lease that was lost.
//!
//! `ECP_SIMULATE_SEEDS` says how many schedules (default 12), `ECP_SIMULATE_FROM` the first seed: `make simulate`.
//! The database's clock is made to go on by taking from what the leases have left.

use super::*;
use crate::tenant_store::leases;
use crate::tenant_store::{LeaseUnit, Samples};
use ecp_core::ports::Leases;
use std::collections::HashMap;

const STEPS: usize = 90;
const REPLICAS: usize = 3;

/// SplitMix64: the same numbers for the same seed.
struct Draw(u64);

impl Draw {
    fn below(&mut self, most: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut drawn = self.0;
        drawn = (drawn ^ (drawn >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        drawn = (drawn ^ (drawn >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (drawn ^ (drawn >> 31)) % most
    }

    fn place(&mut self, of: usize) -> usize {
        self.below(of as u64) as usize
    }
}

/// One process, with what its controller has in hand and under which tenure it took it.
struct Process {
    store: SqlStore,
    clock: Arc<TestClock>,
    hand: Vec<(WorkItem, u64)>,
}

struct Simulation {
    seed: u64,
    draw: Draw,
    place: Server,
    processes: Vec<Process>,
    tenants: Vec<TenantId>,
    told: Vec<String>,
}

/// Who a tenant is leased to, as the database has it.
#[derive(Clone, Debug)]
struct Row {
    holder: String,
    epoch: u64,
    runs: bool,
}

impl Simulation {
    async fn new(seed: u64) -> Self {
        let mut this = Self {
            seed,
            draw: Draw(seed),
            place: Server::new(),
            processes: Vec::new(),
            tenants: Vec::new(),
            told: Vec::new(),
        };
        for _ in 0..REPLICAS {
            let process = this.start(start()).await;
            this.processes.push(process);
        }
        this
    }

    async fn start(&self, now: Timestamp) -> Process {
        let clock = Arc::new(TestClock(Mutex::new(now)));
        let store = SqlStore::open(self.place.open(), clock.clone()).unwrap();
        store.join(Samples::Shared, LeaseUnit::Tenant).await.unwrap();
        Process { store, clock, hand: Vec::new() }
    }

    async fn rows(&self) -> HashMap<String, Row> {
        let all = "SELECT tenant_id, holder, epoch,
                       CAST(CASE WHEN expires > clock_timestamp() THEN 1 ELSE 0 END AS BIGINT)
                   FROM leases";
        let read = move |sql: &Sql<'_>| {
            sql.rows(all, &[], |row| {
                let lease = Row { holder: row.get(1)?, epoch: row.get(2)?, runs: row.get(3)? };
                Ok((row.get::<String>(0)?, lease))
            })
        };
        self.processes[0].store.database.read("looking", read).await.unwrap().into_iter().collect()
    }

    /// Time goes on for everybody; clocks of processes run a little slower or faster than the database's.
    async fn pass(&mut self, milliseconds: i64) {
        for process in &self.processes {
            let skew = self.draw.below(41) as i64 - 20;
            let own = milliseconds + milliseconds * skew / 1000;
            *process.clock.0.lock() += SignedDuration::from_millis(own);
        }
        let shift = move |sql: &Sql<'_>| {
            for table in ["leases", "replicas"] {
                let shift = format!(
                    "UPDATE {table} SET expires = expires - CAST(?1 AS BIGINT) * interval '1 millisecond'"
                );
                sql.execute(&shift, values![milliseconds])?;
            }
            Ok(())
        };
        self.processes[0].store.database.write_then("passing time", shift, |()| {}).await.unwrap();
    }

    async fn step(&mut self) {
        let at = self.draw.place(REPLICAS);
        let what = self.draw.below(100);
        self.told.push(format!("{what} at {at}"));
        match what {
            0..30 => {
                // A round is refused by nothing here.
                self.processes[at].store.renew().await.unwrap();
            }
            30..35 => {
                let store = &self.processes[at].store;
                let replica = store.shared.replica.get().cloned().unwrap();
                let shared = store.shared.clone();
                let unheard = move |sql: &Sql<'_>| leases::round(sql, &replica, &shared).map(|_| ());
                // It is kept, and the process is never told.
                store.database.write_then("a lost answer", unheard, |()| {}).await.unwrap();
            }
            35..55 => {
                let long = self.draw.below(10) == 0;
                let most = if long { 20_000 } else { 3_000 };
                let passed = self.draw.below(most) as i64;
                self.pass(passed).await;
            }
            55..65 => {
                let id = format!("tenant-{}", self.tenants.len());
                let now = *self.processes[at].clock.0.lock();
                self.processes[at].store.create_tenant(new_tenant(&id, now)).await.unwrap();
                self.tenants.push(tenant_id(&id));
            }
            65..75 => {
                let process = &mut self.processes[at];
                let now = process.clock.steady();
                for item in process.store.lease_work(now, 3).await.unwrap() {
                    let tenure =
                        process.store.tenure(&item.tenant_id).expect("it works on what is due to it");
                    process.hand.push((item, tenure));
                }
            }
            75..88 => self.write(at).await,
            88..94 => {
                let process = &mut self.processes[at];
                let Some((item, _)) = process.hand.pop() else { return };
                match process.store.tenure(&item.tenant_id) {
                    Some(_) => match process.store.finish_work(&item).await {
                        Ok(()) | Err(StoreError::LeaseLost(_)) => {}
                        Err(error) => panic!("{error:?}"),
                    },
                    None => process.store.let_go(&item),
                }
            }
            94..97 => {
                // Killed, and another begins in its place.
                let now = *self.processes[at].clock.0.lock();
                let another = self.start(now).await;
                let killed = std::mem::replace(&mut self.processes[at], another);
                killed.store.close();
            }
            _ => {
                let now = *self.processes[at].clock.0.lock();
                let another = self.start(now).await;
                let stopped = std::mem::replace(&mut self.processes[at], another);
                stopped.store.leave().await;
                stopped.store.close();
            }
        }
    }

    /// The controller of a process writes about what it has in hand.
    async fn write(&mut self, at: usize) {
        let process = &self.processes[at];
        let Some((item, tenure)) = process.hand.first().cloned() else { return };
        let rows = self.rows().await;
        let row = rows.get(item.tenant_id.as_str()).expect("it was leased");
        let holds = Some(&row.holder) == process.store.replica().as_ref() && row.epoch == tenure;
        let Some(tenant) = process.store.tenant(&item.tenant_id) else { return };
        let Some(deployment) = process.store.deployment(&tenant.deployment_id) else { return };
        let update = ProgressUpdate {
            deployment: Deployment::clone(&deployment),
            tenant_status: tenant.status,
            audit: None,
        };
        let written = process.store.record_progress(update).await;
        match (holds, &written) {
            (true, Ok(())) | (false, Err(StoreError::LeaseLost(_))) => {}
            // It lost the lease and does not know.
            (true, Err(StoreError::LeaseLost(_))) if process.store.tenure(&item.tenant_id).is_none() => {}
            _ => panic!("{}: {row:?}, in hand under {tenure}: {written:?}", self),
        }
    }

    /// What must be so after each step.
    async fn check(&self) {
        let rows = self.rows().await;
        for id in &self.tenants {
            let mut acting = 0;
            for process in &self.processes {
                if process.store.may_act(id) {
                    acting += 1;
                    let row = rows.get(id.as_str()).expect("it is leased");
                    let mine = Some(&row.holder) == process.store.replica().as_ref();
                    assert!(
                        mine && Some(row.epoch) == process.store.tenure(id) && row.runs,
                        "{self}: {id} is acted on under {:?}, and the database has {row:?}",
                        process.store.tenure(id)
                    );
                }
            }
            assert!(acting <= 1, "{self}: {id} is in {acting} hands");
        }
        for process in &self.processes {
            for (item, tenure) in &process.hand {
                let now = process.store.tenure(&item.tenant_id);
                assert!(now.is_none_or(|now| now == *tenure), "{self}: {now:?} in the hand of {tenure}");
            }
        }
    }

    /// In the end, when all are well, each tenant is worked on by one, and nobody has more than a share.
    async fn come_to_rest(&mut self) {
        for process in &mut self.processes {
            for (item, _) in process.hand.drain(..) {
                process.store.let_go(&item);
            }
        }
        for _ in 0..20 {
            self.pass(1_000).await;
            for process in &self.processes {
                process.store.renew().await.unwrap();
            }
        }
        self.check().await;
        let there = self.processes.iter().map(|process| process.store.held().unwrap()).collect::<Vec<_>>();
        assert_eq!(there.iter().sum::<usize>(), self.tenants.len(), "{self}: {there:?}");
        let share = self.tenants.len().div_ceil(REPLICAS);
        assert!(there.iter().all(|held| *held <= share), "{self}: {there:?} of {share}");
        let leading = self.processes.iter().filter(|process| process.store.leads()).count();
        assert_eq!(leading, 1, "{self}");
    }
}

impl std::fmt::Display for Simulation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "seed {}, after {}", self.seed, self.told.join(", "))
    }
}

#[tokio::test]
async fn whatever_happens_no_tenant_is_in_two_hands_and_nothing_is_written_under_a_lost_lease() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let from = number("ECP_SIMULATE_FROM").unwrap_or(1);
    for seed in from..from + number("ECP_SIMULATE_SEEDS").unwrap_or(12) {
        let mut simulation = Simulation::new(seed).await;
        for _ in 0..STEPS {
            simulation.step().await;
            simulation.check().await;
        }
        simulation.come_to_rest().await;
        simulation.processes.iter().for_each(|process| process.store.close());
    }
}
