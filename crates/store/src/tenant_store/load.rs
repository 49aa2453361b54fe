//! What is read at start: everything that answers come from, and no finished deployment.

use super::Shared;
use super::index::Index;
use super::work_queue::WorkQueue;
use super::{revisions, rows};
use crate::database::Database;
use crate::errors::WorkError;
use ecp_core::Timestamp;
use ecp_core::alerts::Alert;
use ecp_core::deployment::Deployment;
use ecp_core::ids::TenantId;
use ecp_core::ports::StoreError;
use ecp_core::tenant::Tenant;
use parking_lot::{Mutex, RwLock};
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use tokio::sync::watch;

/// Reads one state of the database; queued work is due at `now`.
pub(super) fn load(database: &Database, now: Timestamp) -> Result<Shared, StoreError> {
    const OPERATION: &str = "loading tenants";
    database.read_blocking(OPERATION, |connection| {
        let loaded = || -> Result<Shared, WorkError> {
            let index = load_index(connection)?;
            let (queue, queue_number) = load_queue(connection, now)?;
            Ok(Shared {
                index: RwLock::new(index),
                queue: Mutex::new(queue),
                queue_number: AtomicU64::new(queue_number),
                published_number: AtomicU64::new(queue_number),
                tenants_changed: watch::Sender::new(0),
                work_changed: watch::Sender::new(0),
            })
        };
        loaded().map_err(|error| error.into_store_error(OPERATION))
    })
}

fn load_index(connection: &Connection) -> Result<Index, WorkError> {
    let mut index = Index::default();
    let mut tenants: Vec<Tenant> = rows::documents(connection, "SELECT document FROM tenants", [])?;
    // In listing order each one goes to the end of the list.
    tenants.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    for tenant in tenants {
        index.put_tenant(Arc::new(tenant));
    }
    index.editions = revisions::load_editions(connection)?;
    for (id, catalog) in revisions::load_newest_catalogs(connection)? {
        if let Some(entry) = index.entry_mut(&tenant_id(id)?) {
            entry.catalog = Some(catalog);
        }
    }
    let under_way: Vec<Deployment> =
        rows::documents(connection, "SELECT document FROM deployments WHERE finished = 0", [])?;
    for deployment in under_way {
        index.deployments.put(Arc::new(deployment));
    }
    let open: Vec<Alert> =
        rows::documents(connection, "SELECT document FROM alerts WHERE resolved = 0 ORDER BY number", [])?;
    for alert in open {
        if let Some(entry) = index.entry_mut(&alert.tenant_id) {
            entry.open_alerts.push(Arc::new(alert));
        }
    }
    let mut sequences = connection.prepare("SELECT tenant_id, seq FROM alert_sequences")?;
    let mut found = sequences.query([])?;
    while let Some(row) = found.next()? {
        if let Some(entry) = index.entry_mut(&tenant_id(row.get(0)?)?) {
            entry.alert_seq.send_replace(rows::natural(row, 1)?);
        }
    }
    Ok(index)
}

fn load_queue(connection: &Connection, now: Timestamp) -> Result<(WorkQueue, u64), WorkError> {
    let mut queue = WorkQueue::default();
    let mut newest = 0;
    let mut items = connection.prepare("SELECT tenant_id, queue_number, attempts FROM work_queue")?;
    let mut found = items.query([])?;
    while let Some(row) = found.next()? {
        let number = rows::natural(row, 1)?;
        queue.put(&tenant_id(row.get(0)?)?, number, row.get(2)?, now);
        newest = newest.max(number);
    }
    Ok((queue, newest))
}

fn tenant_id(text: String) -> Result<TenantId, WorkError> {
    TenantId::parse(&text)
        .map_err(|fault| WorkError::Damaged(format!("the stored tenant id {text:?} {fault}")))
}
