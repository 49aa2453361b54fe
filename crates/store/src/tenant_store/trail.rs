//! The audit trail: deeds that are written down before they are done, and how long history is kept.

use super::SqliteStore;
use super::rows::{self, to_document};
use crate::errors::WorkError;
use ecp_core::Timestamp;
use ecp_core::audit::{AuditEntry, BEGUN, Intent};
use ecp_core::ids::TenantId;
use ecp_core::ports::StoreError;
use rusqlite::{Connection, Transaction, params};

/// Rows that one transaction takes away, so that others do not wait for it.
const BATCH: usize = 500;

impl SqliteStore {
    /// An entry at the end of the trail, with its number.
    pub(super) async fn write_intent(&self, entry: AuditEntry) -> Result<Intent, StoreError> {
        self.write(
            "writing down an intent",
            move |transaction, _| {
                rows::insert_audit(transaction, &entry)?;
                let number = transaction.last_insert_rowid();
                let number = u64::try_from(number)
                    .map_err(|_| WorkError::Damaged(format!("the audit trail has a number {number}")))?;
                Ok(Intent { number, entry })
            },
            |_, _| {},
        )
        .await
    }

    /// What came of it, in its place.
    pub(super) async fn settle_intent(
        &self,
        number: u64,
        entry: Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        self.write(
            "settling an intent",
            move |transaction, _| {
                let number = rows::number(number);
                match &entry {
                    Some(entry) => transaction
                        .prepare_cached("UPDATE audit SET document = ?2 WHERE number = ?1")?
                        .execute(params![number, to_document(entry)?])?,
                    None => transaction
                        .prepare_cached("DELETE FROM audit WHERE number = ?1")?
                        .execute(params![number])?,
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
        forget: fn(&Transaction<'_>, i64) -> Result<usize, WorkError>,
    ) -> Result<usize, StoreError> {
        let before = before.as_second();
        let mut all = 0;
        loop {
            let work = move |transaction: &Transaction<'_>, _: &super::Shared| forget(transaction, before);
            let gone = self.write("forgetting history", work, |_, _| {}).await?;
            all += gone;
            if gone < BATCH {
                return Ok(all);
            }
        }
    }
}

/// Deeds of a tenant that are not settled.
pub(super) fn intents(connection: &Connection, id: &TenantId) -> Result<Vec<Intent>, WorkError> {
    let mut found = connection.prepare_cached(
        "SELECT number, document FROM audit WHERE tenant_id = ?1 AND document ->> 'outcome' = ?2 ORDER BY number",
    )?;
    let mut rows = found.query(params![id.as_str(), BEGUN])?;
    let mut intents = Vec::new();
    while let Some(row) = rows.next()? {
        let document: String = row.get(1)?;
        intents.push(Intent { number: rows::natural(row, 0)?, entry: serde_json::from_str(&document)? });
    }
    Ok(intents)
}

/// The oldest entries come first in the trail: where a batch is not all old, there are no more.
fn forget_entries(transaction: &Transaction<'_>, before: i64) -> Result<usize, WorkError> {
    let mut forget = transaction.prepare_cached(
        "DELETE FROM audit WHERE number IN (
             SELECT number FROM (SELECT number, document FROM audit ORDER BY number LIMIT ?2)
             WHERE unixepoch(document ->> 'timestamp') < ?1 AND document ->> 'outcome' <> ?3)",
    )?;
    Ok(forget.execute(params![before, rows::size(BATCH), BEGUN])?)
}

fn forget_deployments(transaction: &Transaction<'_>, before: i64) -> Result<usize, WorkError> {
    let mut forget = transaction.prepare_cached(
        "DELETE FROM deployments WHERE id IN (
             SELECT id FROM deployments
             WHERE finished = 1 AND unixepoch(document ->> 'finished_at') < ?1
                 AND id NOT IN (SELECT deployment_id FROM tenants)
             LIMIT ?2)",
    )?;
    Ok(forget.execute(params![before, rows::size(BATCH)])?)
}
