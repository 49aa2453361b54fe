//! Alerts and their numbered changes.

use super::SqliteStore;
use super::rows::{self, to_document};
use crate::database::DamageLog;
use crate::errors::WorkError;
use ecp_core::alerts::{Alert, AlertChange, AlertEvent};
use ecp_core::ids::{AlertId, TenantId, TenantKey};
use ecp_core::ports::{AlertQuery, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Transaction, params, params_from_iter};

/// Newest changes kept for each tenant, and as many resolved alerts; older ones give way.
pub const ALERT_CHANGES_KEPT: u64 = 1_000;

impl SqliteStore {
    /// Numbers, keeps and publishes changes; those of tenants that are gone are dropped.
    pub(super) async fn keep_alerts(&self, changes: Vec<(AlertChange, Alert)>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.write(
            "recording alerts",
            move |transaction, _| {
                let mut kept = Vec::with_capacity(changes.len());
                for (change, alert) in changes {
                    if rows::tenant_is(transaction, &alert.tenant_key())? {
                        kept.push(insert_change(transaction, change, alert)?);
                    }
                }
                Ok(kept)
            },
            |shared, kept: &Vec<AlertEvent>| {
                let mut index = shared.index.write();
                for event in kept {
                    index.put_alert_event(event);
                }
            },
        )
        .await
        .map(|_kept| ())
    }

    /// Forgets alerts and changes; the numbers go on where they were.
    pub(super) async fn forget_alerts(&self, key: TenantKey) -> Result<(), StoreError> {
        let cleared = key.clone();
        self.write(
            "clearing alerts",
            move |transaction, _| {
                if !rows::tenant_is(transaction, &key)? {
                    return Ok(());
                }
                for sql in [
                    "DELETE FROM alerts WHERE tenant_id = ?1",
                    "DELETE FROM alert_events WHERE tenant_id = ?1",
                ] {
                    transaction.prepare_cached(sql)?.execute(params![key.id.as_str()])?;
                }
                Ok(())
            },
            move |shared, ()| {
                if let Some(entry) = shared.index.write().entry_mut(&cleared.id)
                    && entry.tenant.incarnation == cleared.incarnation
                {
                    entry.open_alerts.clear();
                }
            },
        )
        .await
    }
}

fn insert_change(
    transaction: &Transaction<'_>,
    change: AlertChange,
    alert: Alert,
) -> Result<AlertEvent, WorkError> {
    let tenant_id = alert.tenant_id.as_str().to_owned();
    let seq: u64 = transaction
        .prepare_cached(
            "INSERT INTO alert_sequences (tenant_id, seq) VALUES (?1, 1)
             ON CONFLICT (tenant_id) DO UPDATE SET seq = seq + 1 RETURNING seq",
        )?
        .query_row(params![tenant_id], |row| rows::natural(row, 0))?;
    let resolved = alert.resolved_at.is_some();
    transaction
        .prepare_cached(
            "INSERT INTO alerts (id, tenant_id, resolved, document) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (id) DO UPDATE SET resolved = excluded.resolved, document = excluded.document",
        )?
        .execute(params![alert.id.as_str(), tenant_id, resolved, to_document(&alert)?])?;
    let event = AlertEvent { seq, change, alert };
    transaction
        .prepare_cached(
            "INSERT INTO alert_events (tenant_id, seq, alert_id, opening, document) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            tenant_id,
            rows::number(seq),
            event.alert.id.as_str(),
            change == AlertChange::Opened,
            to_document(&event)?
        ])?;
    forget_oldest(transaction, &tenant_id, seq, resolved)?;
    Ok(event)
}

fn forget_oldest(
    transaction: &Transaction<'_>,
    tenant_id: &str,
    seq: u64,
    resolved: bool,
) -> Result<(), WorkError> {
    if seq > ALERT_CHANGES_KEPT {
        transaction
            .prepare_cached("DELETE FROM alert_events WHERE tenant_id = ?1 AND seq <= ?2")?
            .execute(params![tenant_id, rows::number(seq - ALERT_CHANGES_KEPT)])?;
    }
    if resolved {
        transaction
            .prepare_cached(
                "DELETE FROM alerts WHERE tenant_id = ?1 AND resolved = 1 AND number <= (
                     SELECT number FROM alerts WHERE tenant_id = ?1 AND resolved = 1
                     ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            )?
            .execute(params![tenant_id, rows::number(ALERT_CHANGES_KEPT)])?;
    }
    Ok(())
}

/// Newest first: a page and how many there are.
pub(super) fn page(
    connection: &Connection,
    damage: &DamageLog,
    query: &AlertQuery,
) -> Result<(Vec<Alert>, usize), WorkError> {
    // Only what is asked for is in the statement, so that each filter finds its index.
    let mut conditions: Vec<String> = Vec::new();
    let mut values: Vec<Value> = Vec::new();
    let mut condition = |sql: &str, value: Value| {
        values.push(value);
        conditions.push(sql.replace('?', &format!("?{}", values.len())));
    };
    if let Some(id) = &query.tenant_id {
        condition("tenant_id = ?", id.as_str().to_owned().into());
    }
    if let Some(open) = query.open {
        // With the number in the statement its partial index can be used.
        condition(if open { "resolved = 0 AND ? = 0" } else { "resolved = 1 AND ? = 0" }, 0.into());
    }
    if let Some(severity) = query.severity {
        condition(&field("severity"), severity.as_str().to_owned().into());
    }
    if !query.subjects.is_empty() {
        let names = to_document(&query.subjects)?;
        condition(
            "CASE WHEN json_valid(document) THEN document ->> 'subject' END IN (SELECT value FROM json_each(?))",
            names.into(),
        );
    }
    let filter =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let total = connection
        .prepare_cached(&format!("SELECT count(*) FROM alerts {filter}"))?
        .query_row(params_from_iter(&values), |row| rows::natural(row, 0))?;
    let (limit, skip) = (values.len() + 1, values.len() + 2);
    let sql = format!(
        "SELECT document, id, tenant_id FROM alerts {filter} ORDER BY number DESC LIMIT ?{limit} OFFSET ?{skip}"
    );
    values.extend([rows::size(query.limit).into(), rows::size(query.skip).into()]);
    let alerts = rows::readable(connection, damage, "alerts", &sql, params_from_iter(&values))?;
    Ok((alerts, total as usize))
}

/// A field of a document that may be none is this value.
fn field(name: &str) -> String {
    format!("CASE WHEN json_valid(document) THEN document ->> '{name}' END = ?")
}

/// The number of an alert's opening, where it is kept.
pub(super) fn opening(
    connection: &Connection,
    id: &TenantId,
    alert_id: &AlertId,
) -> Result<Option<u64>, WorkError> {
    let mut found = connection.prepare_cached(
        "SELECT seq FROM alert_events WHERE alert_id = ?1 AND opening = 1 AND tenant_id = ?2",
    )?;
    Ok(found.query_row(params![alert_id.as_str(), id.as_str()], |row| rows::natural(row, 0)).optional()?)
}

/// Changes with a number over `seq`, oldest first.
pub(super) fn events_after(
    connection: &Connection,
    damage: &DamageLog,
    id: &TenantId,
    seq: u64,
) -> Result<Vec<AlertEvent>, WorkError> {
    rows::readable(
        connection,
        damage,
        "alert_events",
        "SELECT document, tenant_id || '/' || seq, tenant_id FROM alert_events WHERE tenant_id = ?1 AND seq > ?2 ORDER BY seq",
        params![id.as_str(), rows::number(seq)],
    )
}
