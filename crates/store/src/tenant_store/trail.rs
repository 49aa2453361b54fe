//! The audit trail: deeds that are written down before they are done, and how long history is kept.

use super::SqlStore;
use super::rows::{self, to_document};
use crate::errors::WorkError;
use crate::sql::{Sql, values};
use ecp_core::Timestamp;
use ecp_core::audit::{AuditEntry, BEGUN, Intent};
use ecp_core::ids::TenantId;
use ecp_core::ports::StoreError;

/// Rows that one transaction takes away, so that others do not wait for it.
const BATCH: usize = 500;

impl SqlStore {
    /// An entry at the end of the trail, with its number.
    pub(super) async fn write_intent(
        &self,
        tenant_id: TenantId,
        entry: AuditEntry,
    ) -> Result<Intent, StoreError> {
        let id = tenant_id.clone();
        self.write_held(
            &id,
            "writing down an intent",
            move |sql, _| Ok(Intent { number: rows::insert_audit(sql, &entry)?, tenant_id, entry }),
            |_, _| {},
        )
        .await
    }

    /// What came of it, in its place.
    pub(super) async fn settle_intent(
        &self,
        intent: &Intent,
        entry: Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        let number = intent.number;
        self.write_held(
            &intent.tenant_id,
            "settling an intent",
            move |sql, _| {
                match &entry {
                    Some(entry) => sql.execute(
                        "UPDATE audit SET outcome = ?2, document = ?3 WHERE number = ?1",
                        values![number, &entry.outcome, &to_document(entry)?],
                    )?,
                    None => sql.execute("DELETE FROM audit WHERE number = ?1", values![number])?,
                };
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }

    /// Both kinds of history, some rows at a time.
    pub(super) async fn forget_before(
        &self,
        entries_before: Option<Timestamp>,
        deployments_before: Option<Timestamp>,
    ) -> Result<(usize, usize), StoreError> {
        let mut gone = (0, 0);
        if let Some(before) = entries_before {
            gone.0 = self.forget_batches(before, forget_entries).await?;
        }
        if let Some(before) = deployments_before {
            gone.1 = self.forget_batches(before, forget_deployments).await?;
        }
        Ok(gone)
    }

    async fn forget_batches(
        &self,
        before: Timestamp,
        forget: fn(&Sql<'_>, i64) -> Result<usize, WorkError>,
    ) -> Result<usize, StoreError> {
        let before = before.as_millisecond();
        let mut all = 0;
        loop {
            let work = move |sql: &Sql<'_>, _: &super::Shared| forget(sql, before);
            let gone = self.write("forgetting history", work, |_, _| {}).await?;
            all += gone;
            if gone < BATCH {
                return Ok(all);
            }
        }
    }
}

/// Deeds of a tenant that are not settled.
pub(super) fn intents(sql: &Sql<'_>, id: &TenantId) -> Result<Vec<Intent>, WorkError> {
    sql.rows(
        "SELECT number, document FROM audit WHERE tenant_id = ?1 AND outcome = ?2 ORDER BY number",
        values![id.as_str(), BEGUN],
        |row| {
            let entry = serde_json::from_str(&row.get::<String>(1)?)?;
            Ok(Intent { number: row.get(0)?, tenant_id: id.clone(), entry })
        },
    )
}

/// The oldest entries come first in the trail: where a batch is not all old, there are no more.
fn forget_entries(sql: &Sql<'_>, before_ms: i64) -> Result<usize, WorkError> {
    sql.execute(
        "DELETE FROM audit WHERE number IN (
             SELECT number FROM (SELECT number, at_ms, outcome FROM audit ORDER BY number LIMIT ?2) AS oldest
             WHERE at_ms < ?1 AND outcome <> ?3)",
        values![before_ms, BATCH, BEGUN],
    )
}

fn forget_deployments(sql: &Sql<'_>, before_ms: i64) -> Result<usize, WorkError> {
    sql.execute(
        "DELETE FROM deployments WHERE id IN (
             SELECT id FROM deployments
             WHERE finished = 1 AND finished_s < ?1 AND id NOT IN (SELECT deployment_id FROM tenants)
             LIMIT ?2)",
        values![before_ms.div_euclid(1000), BATCH],
    )
}
