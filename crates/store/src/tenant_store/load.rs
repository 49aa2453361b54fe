//! What is read at start: everything that answers come from, and no finished deployment.

use super::alert_feed::{self, AlertFeed};
use super::index::Index;
use super::outbox::Bounds;
use super::work_queue::WorkQueue;
use super::{Backend, Shared};
use super::{alert_rules, alerts, receivers, revisions, rows, silences};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::Sql;
use ecp_core::Timestamp;
use ecp_core::deployment::Deployment;
use ecp_core::ids::TenantId;
use ecp_core::ports::StoreError;
use ecp_core::tenant::Tenant;
use parking_lot::{Mutex, RwLock};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Notify, watch};

/// The table whose damaged rows are tenants that are there and can not be read.
pub(super) const TENANTS: &str = "tenants";

/// Reads one state of the database; queued work is due at `now`. Rows that can not be read are set
/// aside.
pub(super) fn load(database: &Backend, now: Timestamp) -> Result<Shared, StoreError> {
    let damage = database.damage().clone();
    database.load("loading tenants", move |sql| {
        let index = load_index(sql, &damage)?;
        let (queue, queue_number) = load_queue(sql, &damage, now)?;
        let revision = super::feed::newest(sql)?;
        Ok(Shared {
            damage,
            index: RwLock::new(index),
            queue: Mutex::new(queue),
            queue_number: AtomicU64::new(queue_number),
            published_number: AtomicU64::new(queue_number),
            revision: watch::Sender::new(revision),
            tenants_changed: watch::Sender::new(0),
            work_changed: watch::Sender::new(0),
            outbox_changed: watch::Sender::new(0),
            outbox_bounds: Bounds::default(),
            #[cfg(test)]
            work: Mutex::default(),
            #[cfg(test)]
            most_statements: AtomicU64::new(0),
            replica: OnceLock::new(),
            settings_changed: watch::Sender::new(0),
            cluster_kept: watch::Sender::new(0),
            leases_changed: watch::Sender::new(0),
            noted: OnceLock::new(),
            leases_freed: Arc::new(Notify::new()),
        })
    })
}

fn load_index(sql: &Sql<'_>, damage: &DamageLog) -> Result<Index, WorkError> {
    let mut index = Index::default();
    let query = "SELECT document, id, id FROM tenants";
    let mut tenants: Vec<Tenant> = rows::readable(sql, damage, TENANTS, query, &[])?;
    // In listing order each one goes to the end of the list.
    tenants.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    for tenant in tenants {
        index.put_tenant(Arc::new(tenant));
    }
    index.editions = revisions::load_editions(sql, damage)?;
    for (id, catalog) in revisions::load_newest_catalogs(sql)? {
        if let Some(entry) = tenant_id(damage, "revisions", &id).and_then(|id| index.entry_mut(&id)) {
            entry.catalog = Some(catalog);
        }
    }
    let secrets = sql.rows("SELECT tenant_id, document FROM secrets", &[], |row| {
        Ok((row.owner(0), row.get::<String>(1)?))
    })?;
    let query = "SELECT document, id, tenant_id FROM deployments WHERE finished = 0";
    let under_way: Vec<Deployment> = rows::readable(sql, damage, "deployments", query, &[])?;
    for deployment in under_way {
        index.deployments.put(Arc::new(deployment));
    }
    for alert in alerts::open_of_all(sql, damage)? {
        if let Some(entry) = index.entry_mut(&alert.tenant_id) {
            entry.open_alerts.push(Arc::new(alert));
        }
    }
    for (id, document) in secrets {
        // What does not read is set aside when somebody asks for it.
        if let (Some(id), Ok(secrets)) = (id, serde_json::from_str(&document))
            && let Some(entry) = index.entry_mut(&id)
        {
            entry.secrets = Some(secrets);
        }
    }
    alert_rules::load(sql, damage, &mut index)?;
    index.silences = silences::load(sql, damage)?;
    index.receivers = Arc::new(receivers::read_all(sql, damage)?);
    index.alert_feed = AlertFeed::starting_at(alert_feed::newest_number(sql)?);
    load_set_aside(sql, damage)?;
    sql.rows("SELECT tenant_id, seq FROM alert_sequences", &[], |row| {
        const TABLE: &str = "alert_sequences";
        let id: String = row.get(0)?;
        match row.get(1) {
            Ok(seq) => {
                if let Some(entry) = tenant_id(damage, TABLE, &id).and_then(|id| index.entry_mut(&id)) {
                    entry.alert_seq.send_replace(seq);
                }
            }
            Err(error) => damage.set_aside(TABLE, id.as_str(), TenantId::parse(&id).ok(), &error),
        }
        Ok(())
    })?;
    Ok(index)
}

fn load_queue(sql: &Sql<'_>, damage: &DamageLog, now: Timestamp) -> Result<(WorkQueue, u64), WorkError> {
    const TABLE: &str = "work_queue";
    let mut queue = WorkQueue::default();
    let mut newest = 0;
    sql.rows("SELECT tenant_id, queue_number, attempts FROM work_queue", &[], |row| {
        let id: String = row.get(0)?;
        let Some(id) = tenant_id(damage, TABLE, &id) else { return Ok(()) };
        let numbers = || Ok::<(u64, u32), WorkError>((row.get(1)?, row.get(2)?));
        let (number, attempts) = numbers().unwrap_or_else(|error| {
            // The tenant is looked at all the same; that it is queued is all that has to be known.
            damage.set_aside(TABLE, id.as_str(), Some(id.clone()), &error);
            (0, 0)
        });
        queue.put(&id, number, attempts, now);
        newest = newest.max(number);
        Ok(())
    })?;
    Ok((queue, newest))
}

/// What earlier runs set aside for good, until it is mended or deleted by hand.
fn load_set_aside(sql: &Sql<'_>, damage: &DamageLog) -> Result<(), WorkError> {
    sql.rows("SELECT row, tenant_id, reason FROM set_aside", &[], |row| {
        damage.set_aside("set_aside", row.get::<String>(0)?, row.owner(1), &row.get::<String>(2)?);
        Ok(())
    })?;
    Ok(())
}

/// A tenant id of a row; one that is none sets the row aside.
fn tenant_id(damage: &DamageLog, table: &'static str, text: &str) -> Option<TenantId> {
    TenantId::parse(text).map_err(|fault| damage.set_aside(table, text, None, &fault)).ok()
}
