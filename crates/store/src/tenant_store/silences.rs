//! Alerts of which nobody is told for a while.

use super::outbox::Outbox;
use super::rows::{self, to_document};
use super::{Shared, SqlStore};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use ecp_core::Timestamp;
use ecp_core::alerts::Alert;
use ecp_core::alerts::silence::{KEPT_SECONDS, MOST, Silence, SilencePhase};
use ecp_core::audit::AuditEntry;
use ecp_core::ids::{SilenceId, TenantId};
use ecp_core::ports::StoreError;
use std::sync::Arc;

/// Silences in memory, oldest first.
pub(super) type Silences = Arc<Vec<Arc<Silence>>>;

impl SqlStore {
    /// One more silence; those that ended long ago give way.
    pub(super) async fn keep_silence(&self, silence: Silence, audit: AuditEntry) -> Result<(), StoreError> {
        let forgotten_ms = self.clock.now().as_millisecond() - KEPT_SECONDS * 1000;
        let kept = Arc::new(silence.clone());
        self.write(
            "keeping a silence",
            move |sql, _| {
                sql.execute("DELETE FROM silences WHERE ends_ms < ?1", values![forgotten_ms])?;
                rows::check_room(sql, "silences", MOST)?;
                let tenant_id = silence.filter.tenant_id.as_ref();
                if let Some(id) = tenant_id
                    && !rows::tenant_exists(sql, id)?
                {
                    return Err(StoreError::TenantNotFound(id.clone()).into());
                }
                sql.execute(
                    "INSERT INTO silences (id, tenant_id, ends_ms, document) VALUES (?1, ?2, ?3, ?4)",
                    values![
                        silence.id.as_str(),
                        tenant_id.map(TenantId::as_str),
                        silence.ends_at.as_millisecond(),
                        &to_document(&silence)?
                    ],
                )?;
                rows::insert_audit_of(sql, &audit, Change::Silences)
            },
            move |shared, ()| {
                let mut index = shared.index.write();
                let silences = Arc::make_mut(&mut index.silences);
                silences.retain(|silence| silence.ends_at.as_millisecond() >= forgotten_ms);
                silences.push(kept);
            },
        )
        .await
    }

    /// Takes a silence away; false where it is not there.
    pub(super) async fn drop_silence(&self, id: SilenceId, audit: AuditEntry) -> Result<bool, StoreError> {
        let (dropped, now) = (id.clone(), self.clock.now());
        let found = self
            .write(
                "ending a silence",
                move |sql, shared| {
                    let query = "SELECT document, id, tenant_id FROM silences WHERE id = ?1 AND removed = 0";
                    let values = values![id.as_str()];
                    let mut active: Vec<Silence> =
                        rows::readable(sql, &shared.damage, "silences", query, values)?;
                    active.retain(|silence| silence.phase(now) == SilencePhase::Active);
                    // One that silenced something ends now; it goes once that is told.
                    let found = match active.is_empty() {
                        true => sql.execute("DELETE FROM silences WHERE id = ?1 AND removed = 0", values)?,
                        false => sql.execute(
                            "UPDATE silences SET removed = 1, ends_ms = ?2 WHERE id = ?1",
                            values![id.as_str(), now.as_millisecond()],
                        )?,
                    } > 0;
                    if found {
                        rows::insert_audit_of(sql, &audit, Change::Silences)?;
                    }
                    Ok(found)
                },
                move |shared, _found| {
                    let mut index = shared.index.write();
                    Arc::make_mut(&mut index.silences).retain(|silence| silence.id != dropped);
                    drop(index);
                    shared.tell_outbox_changed();
                },
            )
            .await?;
        // It is gone, whatever becomes of the rest, which is looked for again and again.
        if found && let Err(error) = self.tell_ended_silences().await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "alerts whose silence was taken away are not told yet");
        }
        Ok(found)
    }

    /// Has open alerts told over which a silence ended, some in a transaction, so that samples wait for none of
    /// them for long.
    pub(super) async fn tell_ended_silences(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        let now_ms = now.as_millisecond();
        loop {
            let there = "SELECT 1 FROM silences WHERE ended = 0 AND ends_ms <= ?1 LIMIT 1";
            let is_there = self.read("looking for silences", move |sql| sql.exists(there, values![now_ms]));
            if !is_there.await? {
                return Ok(());
            }
            self.write(
                "ending silences",
                move |sql, shared| tell_some(sql, shared, now),
                |shared, ()| shared.tell_outbox_changed(),
            )
            .await?;
        }
    }
}

/// Tells the next alerts over which silences ended; after the last of them the silences are done with.
fn tell_some(sql: &Sql<'_>, shared: &Shared, now: Timestamp) -> Result<(), WorkError> {
    let now_ms = now.as_millisecond();
    let query = "SELECT document, told_number FROM silences WHERE ended = 0 AND ends_ms <= ?1";
    // One that can not be read tells nothing, and was set aside when it was loaded.
    let ended = sql.rows(query, values![now_ms], |row| {
        Ok((serde_json::from_str::<Silence>(&row.get::<String>(0)?).ok(), row.get::<u64>(1)?))
    })?;
    let Some(from) = ended.iter().map(|(_, told)| *told).min() else { return Ok(()) };
    let outbox = Outbox::open(sql, &shared.damage, now)?;
    let most = outbox.as_ref().map_or(0, Outbox::alerts_in_a_transaction);
    let query =
        "SELECT number, document FROM alerts WHERE resolved = 0 AND number > ?1 ORDER BY number LIMIT ?2";
    let open = sql.rows(query, values![from, most], |row| {
        Ok((row.get::<u64>(0)?, serde_json::from_str::<Alert>(&row.get::<String>(1)?).ok()))
    })?;
    for (number, alert) in &open {
        let Some((outbox, alert)) = outbox.as_ref().zip(alert.as_ref()) else { continue };
        let is_meant = ended.iter().any(|(silence, told)| {
            told < number && silence.as_ref().is_some_and(|silence| silence.filter.matches(alert))
        });
        if is_meant {
            outbox.tell_unsilenced(sql, shared, alert)?;
        }
    }
    match open.last().filter(|_| open.len() == most) {
        Some((last, _)) => sql.execute(
            "UPDATE silences SET told_number = ?2 WHERE ended = 0 AND ends_ms <= ?1 AND told_number < ?2",
            values![now_ms, *last],
        )?,
        None => {
            sql.execute("UPDATE silences SET ended = 1 WHERE ended = 0 AND ends_ms <= ?1", values![now_ms])?;
            sql.execute("DELETE FROM silences WHERE removed = 1 AND ended = 1", &[])?
        }
    };
    Ok(())
}

/// All silences, oldest first.
pub(super) fn load(sql: &Sql<'_>, damage: &DamageLog) -> Result<Silences, WorkError> {
    let query = "SELECT document, id, tenant_id FROM silences WHERE removed = 0";
    let mut silences: Vec<Silence> = rows::readable(sql, damage, "silences", query, &[])?;
    silences.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Arc::new(silences.into_iter().map(Arc::new).collect()))
}
