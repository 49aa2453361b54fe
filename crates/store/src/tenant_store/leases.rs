//! Which tenants this process works on, where several are one service on a server: each is leased to one
//! of them, by the server's clock, with an epoch that goes up whenever it changes hands.
//!
//! Once every [`RENEW_EVERY`] one transaction gives the sign of life, renews everything that is held, takes
//! what nobody holds up to a fair share, and gives some of what is over it. All writers of a schema take its
//! lock first, so that what is seen there is so until the commit. What memory says is changed after the
//! commit, on the writer's thread.
//!
//! Two things keep a process that was away from writing: every write of the controller looks, in its own
//! transaction, whether the lease is still of the epoch under which it began; and what is done to a cluster
//! is done only within [`ACTS_FOR`] of the moment before the last renewal was sent.

use super::lease_rows::{free_tenants, give, give_up, held_by_another, queued, renewed, take};
use super::replica::Replica;
use super::{Backend, Shared, SqlStore};
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::ids::TenantId;
use ecp_core::ports::{ALONE, Lease, Leases, StoreError, WorkItem};
use jiff::SignedDuration;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How long a lease holds, by the server's clock. A process counts as there for as long.
pub(super) const LEASED_FOR_S: i64 = 9;
/// Between two renewals.
const RENEW_EVERY: Duration = Duration::from_secs(2);
/// How long after a renewal was sent this process may change a cluster: shorter than the lease, so that it
/// has stopped before another may begin.
const ACTS_FOR: SignedDuration = SignedDuration::from_secs(6);
/// The lease of what is done once in a mode; no tenant has such an id.
pub(super) const MODE: &str = "*";
/// Setting under which the state of a cluster in memory is kept.
const KEPT_CLUSTER: &str = "cluster.state";
/// Of what a process holds over its share it gives this part at a time, and at least one.
const GIVEN_AT_ONCE: usize = 4;

/// What one lease is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseUnit {
    /// One tenant, as on a real cluster.
    Tenant,
    /// All tenants of the mode together: their cluster is in the memory of one process.
    Mode,
}

/// What this process holds, as the newest commit has it.
#[derive(Debug, Default)]
pub(super) struct Held {
    tenants: BTreeMap<TenantId, u64>,
    mode: Option<u64>,
    /// When the last renewal was about to be sent, by a clock that is not set.
    renewed: Option<Timestamp>,
}

impl Held {
    fn tenure(&self, unit: LeaseUnit, id: &TenantId) -> Option<u64> {
        match unit {
            LeaseUnit::Tenant => self.tenants.get(id).copied(),
            LeaseUnit::Mode => self.mode,
        }
    }

    fn acts(&self, now: Timestamp) -> bool {
        self.renewed.is_some_and(|renewed| now.duration_since(renewed) < ACTS_FOR)
    }
}

impl Replica {
    fn tenure(&self, id: &TenantId) -> Option<u64> {
        self.held.lock().tenure(self.unit, id)
    }

    /// The row that says who works on a tenant.
    fn lease_name<'a>(&self, id: &'a TenantId) -> &'a str {
        match self.unit {
            LeaseUnit::Tenant => id.as_str(),
            LeaseUnit::Mode => MODE,
        }
    }
}

/// What has to be so in the transaction of a write of the controller.
pub(super) struct Fence {
    replica: Arc<Replica>,
    tenant: TenantId,
    epoch: u64,
}

impl Fence {
    /// Refuses where the lease is another's by now, or of another epoch.
    pub(super) fn check(&self, sql: &Sql<'_>) -> Result<(), WorkError> {
        let name = self.replica.lease_name(&self.tenant);
        let holds = "SELECT 1 FROM leases WHERE tenant_id = ?1 AND holder = ?2 AND epoch = ?3";
        match sql.exists(holds, values![name, &self.replica.id, self.epoch])? {
            true => Ok(()),
            false => Err(StoreError::LeaseLost(self.tenant.clone()).into()),
        }
    }
}

impl Shared {
    /// Under which epoch this process works on a tenant.
    pub(super) fn tenure(&self, id: &TenantId) -> Option<u64> {
        match self.replica.get() {
            Some(replica) => replica.tenure(id),
            None => Some(ALONE),
        }
    }

    /// True where this process works on a tenant, as this transaction sees it.
    pub(super) fn holds(&self, sql: &Sql<'_>, id: &TenantId) -> Result<bool, WorkError> {
        let Some(replica) = self.replica.get() else { return Ok(true) };
        let holds = "SELECT 1 FROM leases WHERE tenant_id = ?1 AND holder = ?2";
        sql.exists(holds, values![replica.lease_name(id), &replica.id])
    }

    /// Queues a tenant that this process works on; what others work on is theirs to queue.
    pub(super) fn put_queued(&self, id: &TenantId, number: u64, attempts: u32, due: Timestamp) {
        if self.tenure(id).is_some() {
            self.queue.lock().put(id, number, attempts, due);
            self.tell_work_changed();
        }
    }

    /// Takes the lease of a tenant that is being made, in its transaction: who accepts it works on it.
    pub(super) fn lease_new(&self, sql: &Sql<'_>, id: &TenantId) -> Result<Option<u64>, WorkError> {
        let Some(replica) = self.replica.get() else { return Ok(None) };
        if replica.unit == LeaseUnit::Mode {
            return Ok(None);
        }
        if held_by_another(sql, replica, id.as_str())? {
            return Ok(None);
        }
        let epochs = take(sql, replica, &[id.as_str()])?;
        Ok(epochs.first().map(|(_, epoch)| *epoch))
    }

    /// After the commit of [`Self::lease_new`].
    pub(super) fn leased_new(&self, id: &TenantId, epoch: Option<u64>) {
        if let (Some(replica), Some(epoch)) = (self.replica.get(), epoch) {
            replica.held.lock().tenants.insert(id.clone(), epoch);
            self.tell_leases_changed();
        }
    }

    /// Gives back the lease of a tenant that goes, in its transaction: who accepts the next of its id has it
    /// at once. From before the commit on, since its answer may be lost, nothing is done for the tenant here
    /// until a later round knows.
    pub(super) fn unlease_gone(&self, sql: &Sql<'_>, id: &TenantId) -> Result<(), WorkError> {
        let Some(replica) = self.replica.get().filter(|replica| replica.unit == LeaseUnit::Tenant) else {
            return Ok(());
        };
        give_up(sql, replica, id.as_str())?;
        self.queue.lock().hold_back(id);
        Ok(())
    }

    /// A tenant is gone.
    pub(super) fn unlease(&self, id: &TenantId) {
        if let Some(replica) = self.replica.get() {
            replica.held.lock().tenants.remove(id);
        }
    }

    fn tell_leases_changed(&self) {
        self.leases_changed.send_modify(|changes| *changes += 1);
    }

    /// Takes over what a renewal found and took.
    fn publish_round(&self, replica: &Replica, round: &Round, sent: Timestamp) {
        let mut held = replica.held.lock();
        let mut queue = self.queue.lock();
        let same = held.mode == round.mode && held.tenants == round.tenants && !queue.withholds();
        let lost = |id: &TenantId| match replica.unit {
            LeaseUnit::Tenant => held.tenants.contains_key(id) && !round.tenants.contains_key(id),
            LeaseUnit::Mode => round.mode.is_none() && held.mode.is_some(),
        };
        if !same {
            queue.withdraw(lost);
            queue.give_out();
            (held.tenants, held.mode) = (round.tenants.clone(), round.mode);
            for (id, number, attempts) in &round.queued {
                queue.put(id, *number, *attempts, sent);
            }
        }
        held.renewed = Some(sent);
        drop((queue, held));
        if !same {
            self.tell_leases_changed();
            self.tell_work_changed();
        }
    }
}

/// What one renewal came to.
#[derive(Debug, Default)]
pub(super) struct Round {
    pub(super) tenants: BTreeMap<TenantId, u64>,
    mode: Option<u64>,
    /// Work of what was taken: number and failed tries.
    queued: Vec<(TenantId, u64, u32)>,
}

impl SqlStore {
    /// Renews until told to stop.
    pub async fn keep_leases(&self, stop: CancellationToken) {
        if self.shared.replica.get().is_none() {
            return;
        }
        let freed = self.shared.leases_freed.clone();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RENEW_EVERY) => {}
                () = freed.notified() => {}
            }
            match self.renew().await {
                Ok(()) => {}
                Err(error @ StoreError::AnotherProcess(_)) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::error!(
                        error,
                        "this process was away and another took its place: stop one of them"
                    );
                }
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "leases are not renewed");
                }
            }
        }
    }

    /// Gives back what is held, so that others have it at once. What a worker still has in hand is not given:
    /// a call of its may be on its way to the cluster, and another may begin only when the lease has run out.
    pub async fn leave(&self) {
        let Some(replica) = self.shared.replica.get().cloned() else { return };
        let leave = move |sql: &Sql<'_>, shared: &Shared| {
            sql.execute("DELETE FROM replicas WHERE id = ?1", values![&replica.id])?;
            let (tenants, leads) = {
                let mut held = replica.held.lock();
                // From before the commit on, since its answer may be lost.
                held.renewed = None;
                (held.tenants.keys().cloned().collect::<Vec<_>>(), held.mode.is_some())
            };
            let (given, busy) = {
                let mut queue = shared.queue.lock();
                (queue.withhold(tenants, usize::MAX), !queue.in_hand().is_empty())
            };
            let mode = (leads && !(replica.unit == LeaseUnit::Mode && busy)).then_some(MODE);
            let names: Vec<&str> = given.iter().map(TenantId::as_str).chain(mode).collect();
            give(sql, &replica, &names)
        };
        let left = |shared: &Shared, (): &()| {
            if let Some(replica) = shared.replica.get() {
                let mut held = replica.held.lock();
                (held.tenants, held.mode) = Default::default();
            }
            shared.tell_leases_changed();
        };
        // Where it can not be said, it is forgotten by itself.
        let _ = self.write("leaving the database", leave, left).await;
    }

    /// One round: sign of life, renewal, taking and giving.
    pub(super) async fn renew(&self) -> Result<(), StoreError> {
        let Some(replica) = self.shared.replica.get().cloned() else { return Ok(()) };
        let sent = self.clock.steady();
        let published = replica.clone();
        let work = move |sql: &Sql<'_>, shared: &Shared| round(sql, &replica, shared);
        self.write("renewing leases", work, move |shared, round| {
            shared.publish_round(&published, round, sent);
        })
        .await
        .map(|_round| ())
    }

    /// What a write of the controller about a tenant has to hold; none where there can be no other process.
    pub(super) fn fence(&self, id: &TenantId) -> Result<Option<Fence>, StoreError> {
        let Some(replica) = self.shared.replica.get() else { return Ok(None) };
        let epoch = replica.tenure(id).ok_or_else(|| StoreError::LeaseLost(id.clone()))?;
        Ok(Some(Fence { replica: replica.clone(), tenant: id.clone(), epoch }))
    }

    /// As [`Self::write`], of the controller: kept only while the tenant's lease is of the epoch that it is
    /// of now.
    pub(super) async fn write_held<T: Send + 'static>(
        &self,
        id: &TenantId,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>, &Shared) -> Result<T, WorkError> + Send + 'static,
        publish: impl FnOnce(&Shared, &T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let fence = self.fence(id)?;
        let fenced = move |sql: &Sql<'_>, shared: &Shared| {
            if let Some(fence) = &fence {
                fence.check(sql)?;
            }
            work(sql, shared)
        };
        let written = self.write(operation, fenced, publish).await;
        if let Err(StoreError::LeaseLost(_)) = &written {
            // Memory is the last to know.
            self.shared.leases_freed.notify_one();
        }
        written
    }
}

pub(super) fn round(sql: &Sql<'_>, replica: &Replica, shared: &Shared) -> Result<Round, WorkError> {
    replica.sign(sql)?;
    let (tenants_before, mode_before) = {
        let held = replica.held.lock();
        (held.tenants.clone(), held.mode)
    };
    let mut round = Round::default();
    // What is in hand under a lease that was lost is taken again when it was put down; what memory still
    // holds, when memory knows that it is lost.
    let in_hand = shared.queue.lock().in_hand();
    for (name, epoch) in renewed(sql, replica)? {
        if name == MODE {
            round.mode = Some(epoch).filter(|epoch| mode_before.is_none_or(|before| before == *epoch));
        } else if let Ok(id) = TenantId::parse(&name)
            && tenants_before.get(&id).is_none_or(|before| *before == epoch)
        {
            round.tenants.insert(id, epoch);
        }
    }
    let may_take_mode = mode_before.is_none() && (replica.unit == LeaseUnit::Tenant || in_hand.is_empty());
    if round.mode.is_none() && may_take_mode {
        let free = "SELECT 1 FROM leases WHERE tenant_id = ?1 AND expires > clock_timestamp()";
        if !sql.exists(free, values![MODE])? {
            round.mode = take(sql, replica, &[MODE])?.first().map(|(_, epoch)| *epoch);
        }
    }
    if replica.unit == LeaseUnit::Mode {
        if round.mode.is_some() && mode_before.is_none() {
            round.queued = queued(sql, None)?;
        }
        return Ok(round);
    }
    let there = sql.count("SELECT count(*) FROM replicas WHERE expires > clock_timestamp()", &[])?;
    let share = sql.count("SELECT count(*) FROM tenants", &[])?.div_ceil(there.max(1));
    if let Some(room) = share.checked_sub(round.tenants.len()).filter(|room| *room > 0) {
        let not: HashSet<&str> = in_hand.iter().chain(tenants_before.keys()).map(TenantId::as_str).collect();
        let free = free_tenants(sql, &not, room)?;
        let free: Vec<&str> = free.iter().map(String::as_str).collect();
        for (name, epoch) in take(sql, replica, &free)? {
            round.tenants.extend(TenantId::parse(&name).ok().map(|id| (id, epoch)));
        }
    } else if let Some(over) = round.tenants.len().checked_sub(share).filter(|over| *over > 0) {
        // Withheld from before the commit on, since its answer may be lost, until a later round knows.
        let at_once = (over / GIVEN_AT_ONCE).max(1);
        let given = shared.queue.lock().withhold(round.tenants.keys().cloned(), at_once);
        if !given.is_empty() {
            let names: Vec<&str> = given.iter().map(TenantId::as_str).collect();
            give(sql, replica, &names)?;
            given.iter().for_each(|id| _ = round.tenants.remove(id));
        }
    }
    // Those too that an earlier round took whose answer was lost.
    let fresh = round.tenants.keys().filter(|id| !tenants_before.contains_key(*id));
    let fresh: Vec<&str> = fresh.map(TenantId::as_str).collect();
    if !fresh.is_empty() {
        round.queued = queued(sql, Some(&fresh))?;
    }
    Ok(round)
}

#[async_trait]
impl Leases for SqlStore {
    fn replica(&self) -> Option<String> {
        self.shared.replica.get().map(|replica| replica.id.clone())
    }

    fn may_act(&self, id: &TenantId) -> bool {
        self.shared.replica.get().is_none_or(|replica| {
            let held = replica.held.lock();
            // What is being given may be another's from the commit on, before this process is told.
            held.acts(self.clock.steady())
                && held.tenure(replica.unit, id).is_some()
                && !self.shared.queue.lock().is_withheld(id)
        })
    }

    fn tenure(&self, id: &TenantId) -> Option<u64> {
        self.shared.tenure(id)
    }

    fn leads(&self) -> bool {
        self.shared.replica.get().is_none_or(|replica| {
            let held = replica.held.lock();
            held.acts(self.clock.steady()) && held.mode.is_some()
        })
    }

    fn led_under(&self) -> Option<u64> {
        match self.shared.replica.get() {
            Some(replica) => replica.held.lock().mode,
            None => Some(ALONE),
        }
    }

    fn is_shared(&self) -> bool {
        self.shared.replica.get().is_some_and(|replica| !replica.is_alone())
    }

    fn held(&self) -> Option<usize> {
        let replica = self.shared.replica.get()?;
        let held = replica.held.lock();
        Some(match replica.unit {
            LeaseUnit::Tenant => held.tenants.len(),
            LeaseUnit::Mode if held.mode.is_some() => self.shared.index.read().ordered().len(),
            LeaseUnit::Mode => 0,
        })
    }

    fn view_age(&self) -> Duration {
        match &self.database {
            Backend::Sqlite(_) => Duration::ZERO,
            Backend::Postgres(server) => server.view_age(),
            #[cfg(feature = "simulation")]
            Backend::Simulated(_) => Duration::ZERO,
        }
    }

    fn subscribe_leases(&self) -> watch::Receiver<u64> {
        self.shared.leases_changed.subscribe()
    }

    fn let_go(&self, item: &WorkItem) {
        self.shared.queue.lock().release(item);
        self.shared.tell_work_changed();
    }

    async fn lease_of(&self, id: &TenantId) -> Result<Option<Lease>, StoreError> {
        let Some(replica) = self.shared.replica.get() else { return Ok(None) };
        let name = replica.lease_name(id).to_owned();
        self.read("reading a lease", move |sql| {
            let lease = "SELECT holder, epoch, CAST(extract(epoch FROM expires) * 1000 AS BIGINT)
                         FROM leases WHERE tenant_id = ?1";
            sql.row(lease, values![&name], |row| {
                let expires = Timestamp::from_millisecond(row.get(2)?)
                    .map_err(|error| WorkError::Damaged(error.to_string()))?;
                Ok(Lease { holder: row.get(0)?, epoch: row.get(1)?, expires })
            })
        })
        .await
    }

    async fn keep_cluster(&self, state: String) -> Result<(), StoreError> {
        let lead = match self.shared.replica.get() {
            Some(replica) => {
                let epoch = replica.held.lock().mode.ok_or(StoreError::LeadLost)?;
                Some((replica.clone(), epoch))
            }
            None => None,
        };
        let keep = move |sql: &Sql<'_>, _: &Shared| {
            if let Some((replica, epoch)) = &lead {
                let leads = "SELECT 1 FROM leases WHERE tenant_id = ?1 AND holder = ?2 AND epoch = ?3";
                if !sql.exists(leads, values![MODE, &replica.id, *epoch])? {
                    return Err(StoreError::LeadLost.into());
                }
            }
            super::rows::set_setting(sql, KEPT_CLUSTER, &state)?;
            sql.touch(Change::Cluster);
            Ok(())
        };
        self.write("keeping the cluster's state", keep, |_, ()| {}).await
    }

    async fn kept_cluster(&self) -> Result<Option<String>, StoreError> {
        self.read("reading the cluster's state", |sql| super::rows::setting(sql, KEPT_CLUSTER)).await
    }

    fn subscribe_kept_cluster(&self) -> watch::Receiver<u64> {
        self.shared.cluster_kept.subscribe()
    }
}
