//! Alerts of which nobody is told for a while.

use super::SqlStore;
use super::receivers;
use super::rows::{self, to_document};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
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
        self.write(
            "ending a silence",
            move |sql, shared| {
                let query = "SELECT document, id, tenant_id FROM silences WHERE id = ?1";
                let values = values![id.as_str()];
                let mut active: Vec<Silence> =
                    rows::readable(sql, &shared.damage, "silences", query, values)?;
                active.retain(|silence| silence.phase(now) == SilencePhase::Active);
                let found = sql.execute("DELETE FROM silences WHERE id = ?1", values)? > 0;
                if found {
                    receivers::tell_unsilenced(sql, shared, &active, now)?;
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
        .await
    }
}

/// All silences, oldest first.
pub(super) fn load(sql: &Sql<'_>, damage: &DamageLog) -> Result<Silences, WorkError> {
    let query = "SELECT document, id, tenant_id FROM silences";
    let mut silences: Vec<Silence> = rows::readable(sql, damage, "silences", query, &[])?;
    silences.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(Arc::new(silences.into_iter().map(Arc::new).collect()))
}
