//! Alerts and their numbered changes.

use super::SqlStore;
use super::alert_feed;
use super::outbox::Outbox;
use super::rows::{self, Filter, to_document};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use ecp_core::alerts::{Alert, AlertChange, AlertEvent, AlertSubject};
use ecp_core::ids::{AlertId, TenantId, TenantKey};
use ecp_core::ports::{AlertQuery, StoreError};
use ecp_core::text::Message;
use std::sync::Arc;

/// Newest changes kept for each tenant, and as many resolved alerts; older ones give way.
pub const ALERT_CHANGES_KEPT: u64 = 1_000;

impl SqlStore {
    /// Numbers, keeps and publishes changes; those of tenants that are gone, or that another process judges by
    /// now, are dropped.
    pub(super) async fn keep_alerts(&self, changes: Vec<(AlertChange, Alert)>) -> Result<(), StoreError> {
        if changes.is_empty() {
            return Ok(());
        }
        let now = self.clock.now();
        self.write(
            "recording alerts",
            move |sql, shared| {
                let outbox = Outbox::open(sql, &shared.damage, now)?;
                let mut kept = Vec::with_capacity(changes.len());
                for (change, alert) in changes {
                    if !rows::tenant_is(sql, &alert.tenant_key())? || !shared.holds(sql, &alert.tenant_id)? {
                        continue;
                    }
                    let event = insert_change(sql, change, alert)?;
                    if let Some(outbox) = &outbox {
                        outbox.tell(sql, shared, &event.alert)?;
                    }
                    kept.push(event);
                }
                Ok(kept)
            },
            |shared, kept: &Vec<AlertEvent>| {
                let mut index = shared.index.write();
                for event in kept {
                    index.put_alert_event(event);
                }
                drop(index);
                shared.tell_outbox_changed();
            },
        )
        .await
        .map(|_kept| ())
    }

    /// Forgets alerts and changes; the numbers go on where they were.
    pub(super) async fn forget_alerts(&self, key: TenantKey) -> Result<(), StoreError> {
        let (cleared, now) = (key.clone(), self.clock.now());
        self.write(
            "clearing alerts",
            move |sql, shared| {
                if !rows::tenant_is(sql, &key)? || !shared.holds(sql, &key.id)? {
                    return Ok(Vec::new());
                }
                let message = Message::new("alert.load_made_up");
                let last = alert_feed::last_changes(sql, shared, &key.id, now, &message)?;
                for delete in [
                    "DELETE FROM alerts WHERE tenant_id = ?1",
                    "DELETE FROM alert_events WHERE tenant_id = ?1",
                ] {
                    sql.execute(delete, values![key.id.as_str()])?;
                }
                sql.touch(Change::Alerts(key.id.clone()));
                Ok(last)
            },
            move |shared, last: &Vec<Arc<AlertEvent>>| {
                let mut index = shared.index.write();
                if let Some(entry) = index.entry_mut(&cleared.id)
                    && entry.tenant.incarnation == cleared.incarnation
                {
                    entry.open_alerts.clear();
                }
                last.iter().for_each(|event| index.alert_feed.push(event.clone()));
                drop(index);
                shared.tell_outbox_changed();
            },
        )
        .await
        .map(|_last| ())
    }
}

fn insert_change(sql: &Sql<'_>, change: AlertChange, alert: Alert) -> Result<AlertEvent, WorkError> {
    let tenant_id = alert.tenant_id.as_str().to_owned();
    let seq: Option<u64> = sql.value(
        "INSERT INTO alert_sequences (tenant_id, seq) VALUES (?1, 1)
         ON CONFLICT (tenant_id) DO UPDATE SET seq = alert_sequences.seq + 1 RETURNING seq",
        values![&tenant_id],
    )?;
    let seq = seq.ok_or_else(|| WorkError::Damaged("a change of an alert got no number".to_owned()))?;
    let resolved = alert.resolved_at.is_some();
    sql.execute(
        "INSERT INTO alerts (id, tenant_id, resolved, severity, subject, document) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE SET resolved = excluded.resolved, severity = excluded.severity,
             document = excluded.document",
        values![
            alert.id.as_str(),
            &tenant_id,
            resolved,
            alert.severity.as_str(),
            &word(&alert.subject)?,
            &to_document(&alert)?
        ],
    )?;
    sql.touch(Change::Alerts(alert.tenant_id.clone()));
    let number = alert_feed::next_number(sql)?;
    let event = AlertEvent { seq, number, change, alert };
    sql.execute(
        "INSERT INTO alert_events (tenant_id, seq, number, alert_id, opening, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            &tenant_id,
            seq,
            number,
            event.alert.id.as_str(),
            change == AlertChange::Opened,
            &to_document(&event)?
        ],
    )?;
    forget_oldest(sql, &tenant_id, seq, resolved)?;
    Ok(event)
}

fn forget_oldest(sql: &Sql<'_>, tenant_id: &str, seq: u64, resolved: bool) -> Result<(), WorkError> {
    if seq > ALERT_CHANGES_KEPT {
        sql.execute(
            "DELETE FROM alert_events WHERE tenant_id = ?1 AND seq <= ?2",
            values![tenant_id, seq - ALERT_CHANGES_KEPT],
        )?;
    }
    if resolved {
        sql.execute(
            "DELETE FROM alerts WHERE tenant_id = ?1 AND resolved = 1 AND number <= (
                 SELECT number FROM alerts WHERE tenant_id = ?1 AND resolved = 1
                 ORDER BY number DESC LIMIT 1 OFFSET ?2)",
            values![tenant_id, ALERT_CHANGES_KEPT],
        )?;
    }
    Ok(())
}

/// Open alerts of all tenants, oldest first.
pub(super) fn open_of_all(sql: &Sql<'_>, damage: &DamageLog) -> Result<Vec<Alert>, WorkError> {
    let query = "SELECT document, id, tenant_id FROM alerts WHERE resolved = 0 ORDER BY number";
    rows::readable(sql, damage, "alerts", query, &[])
}

/// A tenant's open alerts, oldest first.
pub(super) fn open_of(sql: &Sql<'_>, damage: &DamageLog, id: &TenantId) -> Result<Vec<Alert>, WorkError> {
    let query = "SELECT document, id, tenant_id FROM alerts
                 WHERE resolved = 0 AND tenant_id = ?1 ORDER BY number";
    rows::readable(sql, damage, "alerts", query, values![id.as_str()])
}

/// Newest first: a page and how many there are.
pub(super) fn page(
    sql: &Sql<'_>,
    damage: &DamageLog,
    query: &AlertQuery,
) -> Result<(Vec<Alert>, usize), WorkError> {
    let subjects = query.subjects.iter().map(word).collect::<Result<Vec<_>, _>>()?;
    let mut filter = Filter::default();
    filter.add("tenant_id = ?", query.tenant_id.as_ref().map(TenantId::as_str));
    match query.open {
        // With the number in the statement its partial index can be used.
        Some(true) => filter.always("resolved = 0"),
        Some(false) => filter.always("resolved = 1"),
        None => {}
    }
    filter.add("severity = ?", query.severity.map(|severity| severity.as_str()));
    if !subjects.is_empty() {
        filter.any("subject IN (?)", &subjects);
    }
    filter.page(sql, damage, "alerts", "id", query.skip, query.limit)
}

/// The word under which a subject is stored.
fn word(subject: &AlertSubject) -> Result<String, WorkError> {
    match serde_json::to_value(subject)? {
        serde_json::Value::String(word) => Ok(word),
        other => Ok(other.to_string()),
    }
}

/// The number of an alert's opening, where it is kept.
pub(super) fn opening(sql: &Sql<'_>, id: &TenantId, alert_id: &AlertId) -> Result<Option<u64>, WorkError> {
    sql.value(
        "SELECT seq FROM alert_events WHERE alert_id = ?1 AND opening = 1 AND tenant_id = ?2",
        values![alert_id.as_str(), id.as_str()],
    )
}

/// Changes with a number over `seq`, oldest first.
pub(super) fn events_after(
    sql: &Sql<'_>,
    damage: &DamageLog,
    id: &TenantId,
    seq: u64,
) -> Result<Vec<AlertEvent>, WorkError> {
    rows::readable(
        sql,
        damage,
        "alert_events",
        "SELECT document, tenant_id || '/' || seq, tenant_id FROM alert_events
         WHERE tenant_id = ?1 AND seq > ?2 ORDER BY seq",
        values![id.as_str(), seq],
    )
}
