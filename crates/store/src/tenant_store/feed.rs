//! The feed: each commit that changes what is kept in memory has a revision and says what it changed. A
//! process takes its own commits as they end; those of others it reads here.

use super::{Shared, alert_feed, alert_rules, alerts, ledger, receivers, revisions, rows, silences, tenants};
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use ecp_core::deployment::Deployment;
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::ports::Clock;
use ecp_core::tenant::Tenant;
use std::sync::Arc;

/// Revisions that are kept; who is further behind reads everything again.
const KEPT: u64 = 10_000;
/// How many are forgotten at a time.
const FORGOTTEN_TOGETHER: u64 = 256;

/// Gives this transaction its revision, where it changed something; no two transactions that write run at
/// once.
pub(super) fn append(sql: &Sql<'_>, changes: Vec<Change>) -> Result<Option<u64>, WorkError> {
    if changes.is_empty() {
        return Ok(None);
    }
    let revision: Option<u64> = sql.value(
        "INSERT INTO feed (revision, changes) SELECT coalesce(max(revision), 0) + 1, ?1 FROM feed RETURNING revision",
        values![&rows::to_document(&changes)?],
    )?;
    if let Some(old) = revision.and_then(|revision| revision.checked_sub(KEPT))
        && old % FORGOTTEN_TOGETHER == 0
    {
        sql.execute("DELETE FROM feed WHERE revision <= ?1", values![old])?;
    }
    Ok(revision)
}

/// Revision of the newest commit; 0 before the first.
pub(super) fn newest(sql: &Sql<'_>) -> Result<u64, WorkError> {
    Ok(sql.value("SELECT coalesce(max(revision), 0) FROM feed", &[])?.unwrap_or(0))
}

/// Takes every commit after the newest that memory has. Nobody else changes memory meanwhile.
pub(super) fn follow(shared: &Shared, sql: &Sql<'_>, clock: &dyn Clock) -> Result<(), WorkError> {
    let seen = *shared.revision.borrow();
    let entries = sql.rows(
        "SELECT revision, changes FROM feed WHERE revision > ?1 ORDER BY revision",
        values![seen],
        |row| Ok((row.get::<u64>(0)?, row.get::<String>(1)?)),
    )?;
    let Some((newest, _)) = entries.last() else { return Ok(()) };
    let newest = *newest;
    let mut taken = Taken { shared, sql, clock, tenants: false, outbox: false };
    if entries.first().is_some_and(|(first, _)| *first > seen + 1) {
        tracing::warn!(seen, newest, "the feed has forgotten what comes next: everything is read again");
        taken.everything()?;
    } else {
        let mut changes = Vec::new();
        for (_, text) in &entries {
            changes.extend(serde_json::from_str::<Vec<Change>>(text)?);
        }
        for change in changes {
            taken.take(change)?;
        }
    }
    if taken.tenants {
        shared.tell_tenants_changed();
    }
    if taken.outbox {
        shared.tell_outbox_changed();
    }
    // Last: who waits for the revision finds all of it.
    shared.reach(newest);
    Ok(())
}

/// What was taken so far.
struct Taken<'a, 's> {
    shared: &'a Shared,
    sql: &'a Sql<'s>,
    clock: &'a dyn Clock,
    tenants: bool,
    outbox: bool,
}

impl Taken<'_, '_> {
    fn take(&mut self, change: Change) -> Result<(), WorkError> {
        match change {
            Change::Tenant(id) => self.tenant(&id),
            Change::TenantGone(id, deletion) => {
                // It may be there again.
                self.gone(&id, Some(Arc::new(*deletion)));
                ledger::tell(self.sql, self.shared, &id)?;
                self.tenant(&id)
            }
            Change::Deployment(id) => self.deployment(&id),
            Change::Alerts(id) => self.alerts(&id),
            Change::AlertRules(id) => self.alert_rules(&id),
            Change::Silences => self.silences(),
            Change::Receivers => self.receivers(),
            Change::Cluster => {
                self.shared.cluster_kept.send_modify(|changes| *changes += 1);
                Ok(())
            }
            Change::Setting => {
                self.shared.tell_settings_changed();
                Ok(())
            }
            Change::Work(id) => self.work(&id),
            Change::Notes(id) => ledger::tell(self.sql, self.shared, &id),
            Change::LeasesFreed => {
                self.shared.leases_freed.notify_one();
                Ok(())
            }
        }
    }

    fn tenant(&mut self, id: &TenantId) -> Result<(), WorkError> {
        let query = "SELECT document, id, id FROM tenants WHERE id = ?1";
        let read: Vec<Tenant> =
            rows::readable(self.sql, &self.shared.damage, super::load::TENANTS, query, values![id.as_str()])?;
        let Some(tenant) = read.into_iter().next() else { return Ok(()) };
        let known =
            self.shared.index.read().entry(id).is_some_and(|entry| {
                entry.secrets.is_some() && entry.tenant.incarnation == tenant.incarnation
            });
        let secrets = match known {
            true => None,
            false => tenants::secrets(self.sql, &self.shared.damage, id).ok(),
        };
        let edition = revisions::newest_edition(self.sql, &self.shared.damage, id)?;
        let mut index = self.shared.index.write();
        let other_before =
            index.entry(id).is_some_and(|entry| entry.tenant.incarnation != tenant.incarnation);
        if other_before {
            index.remove_tenant(id);
        }
        index.put_tenant(Arc::new(tenant));
        if let Some((entry, secrets)) = index.entry_mut(id).zip(secrets) {
            entry.secrets = Some(secrets);
        }
        if let Some(edition) = edition {
            let digest = edition.digest.clone();
            index.editions.entry(digest.clone()).or_insert(edition);
            if let Some(entry) = index.entry_mut(id) {
                entry.catalog = Some(digest);
            }
        }
        drop(index);
        self.tenants = true;
        self.work(id)
    }

    fn gone(&mut self, id: &TenantId, deletion: Option<Arc<Deployment>>) {
        let mut index = self.shared.index.write();
        index.remove_tenant(id);
        if let Some(deletion) = deletion {
            index.deployments.end_tenant(id, deletion, self.clock.now());
        }
        drop(index);
        self.shared.queue.lock().remove(id);
        self.shared.unlease(id);
        self.tenants = true;
    }

    fn deployment(&mut self, id: &DeploymentId) -> Result<(), WorkError> {
        if let Some(deployment) = rows::deployment(self.sql, id)? {
            self.shared.index.write().deployments.put(Arc::new(deployment));
        }
        Ok(())
    }

    fn alerts(&mut self, id: &TenantId) -> Result<(), WorkError> {
        let open = alerts::open_of(self.sql, &self.shared.damage, id)?;
        let query = "SELECT seq FROM alert_sequences WHERE tenant_id = ?1";
        let seq: Option<u64> = self.sql.value(query, values![id.as_str()])?;
        if let Some(entry) = self.shared.index.write().entry_mut(id) {
            entry.open_alerts = open.into_iter().map(Arc::new).collect();
            entry.alert_seq.send_replace(seq.unwrap_or(0));
        }
        self.outbox = true;
        self.alert_feed()
    }

    fn alert_feed(&mut self) -> Result<(), WorkError> {
        let newest = alert_feed::newest_number(self.sql)?;
        self.shared.index.write().alert_feed.reach(newest);
        Ok(())
    }

    fn alert_rules(&mut self, id: &TenantId) -> Result<(), WorkError> {
        let set = alert_rules::of(self.sql, &self.shared.damage, id)?;
        if let Some(entry) = self.shared.index.write().entry_mut(id) {
            entry.alert_rules = set;
        }
        // Whoever judges the tenant does so by them from now on.
        self.tenants = true;
        Ok(())
    }

    fn silences(&mut self) -> Result<(), WorkError> {
        let silences = silences::load(self.sql, &self.shared.damage)?;
        self.shared.index.write().silences = silences;
        self.outbox = true;
        Ok(())
    }

    fn receivers(&mut self) -> Result<(), WorkError> {
        let receivers = receivers::read_all(self.sql, &self.shared.damage)?;
        self.shared.outbox_bounds.keep(&receivers);
        self.shared.index.write().receivers = Arc::new(receivers);
        self.outbox = true;
        Ok(())
    }

    fn work(&mut self, id: &TenantId) -> Result<(), WorkError> {
        let query = "SELECT queue_number, attempts FROM work_queue WHERE tenant_id = ?1";
        let queued: Option<(u64, u32)> =
            self.sql.row(query, values![id.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))?;
        if let Some((number, attempts)) = queued {
            self.shared.take_queued(id, number, attempts, self.clock.steady());
        }
        Ok(())
    }

    /// What is there, whatever changed.
    fn everything(&mut self) -> Result<(), WorkError> {
        let there = self.sql.rows("SELECT id FROM tenants", &[], |row| Ok(row.owner(0)))?;
        let there: Vec<TenantId> = there.into_iter().flatten().collect();
        let known = self.shared.index.read().ordered();
        for tenant in known.iter().filter(|tenant| !there.contains(&tenant.id)) {
            self.gone(&tenant.id, None);
            ledger::tell(self.sql, self.shared, &tenant.id)?;
        }
        for id in &there {
            self.tenant(id)?;
            self.alerts(id)?;
            self.alert_rules(id)?;
            ledger::tell(self.sql, self.shared, id)?;
        }
        self.silences()?;
        self.receivers()?;
        let under_way = "SELECT id FROM deployments WHERE finished = 0";
        let mut deployments: Vec<DeploymentId> =
            self.sql.rows(under_way, &[], |row| Ok(DeploymentId::from_text(row.get::<String>(0)?)))?;
        deployments.extend(self.shared.index.read().deployments.ids());
        for id in deployments {
            self.deployment(&id)?;
        }
        Ok(())
    }
}
