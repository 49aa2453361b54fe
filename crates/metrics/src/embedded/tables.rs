//! The SQL of the sample tables.

use crate::tier::Tier;
use ecp_core::ids::TenantKey;
use ecp_store::DamageLog;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// A row of `sample_tenants`.
pub(super) struct TenantRow {
    pub(super) tenant_key: i64,
    pub(super) tenant_id: String,
    pub(super) incarnation: i64,
    pub(super) own: bool,
    pub(super) flushed_log_id: i64,
    pub(super) newest: Option<Vec<u8>>,
}

pub(super) fn tenants(connection: &Connection) -> rusqlite::Result<Vec<TenantRow>> {
    let mut statement = connection.prepare(
        "SELECT tenant_key, tenant_id, incarnation, own, flushed_log_id, newest FROM sample_tenants",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(TenantRow {
            tenant_key: row.get(0)?,
            tenant_id: row.get(1)?,
            incarnation: row.get(2)?,
            own: row.get(3)?,
            flushed_log_id: row.get(4)?,
            newest: row.get(5)?,
        })
    })?;
    rows.collect()
}

/// Gives a tenant a fresh key.
pub(super) fn add_tenant(
    transaction: &Transaction<'_>,
    tenant: &TenantKey,
    own: bool,
) -> rusqlite::Result<i64> {
    let incarnation = i64::try_from(tenant.incarnation.first_generation()).unwrap_or(i64::MAX);
    transaction
        .prepare_cached(
            "INSERT INTO sample_tenants (tenant_id, incarnation, own, flushed_log_id) VALUES (?1, ?2, ?3, 0)
             RETURNING tenant_key",
        )?
        .query_row(params![tenant.id.as_str(), incarnation, own], |row| row.get(0))
}

/// Takes a tenant's key away and leaves its chunks to be cleared.
pub(super) fn drop_tenant(transaction: &Transaction<'_>, tenant_key: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM sample_tenants WHERE tenant_key = ?1")?.execute([tenant_key])?;
    transaction
        .prepare_cached("INSERT INTO sample_garbage (tenant_key) VALUES (?1)")?
        .execute([tenant_key])?;
    Ok(())
}

/// Notes up to where a tenant's samples are in chunks; false where the key is gone.
pub(super) fn mark_flushed(
    transaction: &Transaction<'_>,
    tenant_key: i64,
    log_id: i64,
    newest: &[u8],
) -> rusqlite::Result<bool> {
    let changed = transaction
        .prepare_cached("UPDATE sample_tenants SET flushed_log_id = ?2, newest = ?3 WHERE tenant_key = ?1")?
        .execute(params![tenant_key, log_id, newest])?;
    Ok(changed == 1)
}

/// Up to where a tenant's samples are in chunks; none where the key is gone.
pub(super) fn flushed_log_id(connection: &Connection, tenant_key: i64) -> rusqlite::Result<Option<i64>> {
    connection
        .prepare_cached("SELECT flushed_log_id FROM sample_tenants WHERE tenant_key = ?1")?
        .query_row([tenant_key], |row| row.get(0))
        .optional()
}

pub(super) fn append_log(transaction: &Transaction<'_>, id: i64, data: &[u8]) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("INSERT INTO sample_log (id, data) VALUES (?1, ?2)")?
        .execute(params![id, data])?;
    Ok(())
}

pub(super) fn for_each_log_row(
    connection: &Connection,
    mut visit: impl FnMut(i64, &[u8]),
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare("SELECT id, data FROM sample_log ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let data = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        visit(row.get(0)?, data);
    }
    Ok(())
}

/// Keeps a log row that can not be read for whoever mends it, before the log is shortened.
pub(super) fn set_log_aside(transaction: &Transaction<'_>, id: i64) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO set_aside (source, row, reason, data)
             SELECT 'sample_log', id, 'it can not be decoded', data FROM sample_log WHERE id = ?1",
        )?
        .execute([id])?;
    Ok(())
}

/// Keeps a chunk that can not be read for whoever mends it, before another takes its place.
pub(super) fn set_chunk_aside(
    transaction: &Transaction<'_>,
    tenant: &TenantKey,
    chunk: &DamagedChunk,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO set_aside (source, row, tenant_id, reason, data)
             SELECT 'sample_chunks', ?4, ?5, ?6, data FROM sample_chunks
             WHERE tenant_key = ?1 AND tier = ?2 AND start_ms = ?3",
        )?
        .execute(params![
            chunk.tenant_key,
            chunk.tier.number(),
            chunk.start_ms,
            chunk.row(),
            tenant.id.as_str(),
            chunk.reason
        ])?;
    Ok(())
}

/// A chunk that can not be read.
pub(super) struct DamagedChunk {
    pub(super) tenant_key: i64,
    pub(super) tier: Tier,
    pub(super) start_ms: i64,
    pub(super) reason: String,
}

impl DamagedChunk {
    /// What tells it from the other chunks.
    pub(super) fn row(&self) -> String {
        format!("{}/{}/{}", self.tenant_key, self.tier.number(), self.start_ms)
    }

    /// Says that it is set aside.
    pub(super) fn report(&self, damage: &DamageLog, tenant: &TenantKey) {
        damage.set_aside("sample_chunks", self.row(), Some(tenant.id.clone()), &self.reason);
    }
}

pub(super) fn delete_log(transaction: &Transaction<'_>, up_to: i64) -> rusqlite::Result<()> {
    transaction.prepare_cached("DELETE FROM sample_log WHERE id <= ?1")?.execute([up_to])?;
    Ok(())
}

pub(super) fn chunk(
    connection: &Connection,
    tenant_key: i64,
    tier: Tier,
    start_ms: i64,
) -> rusqlite::Result<Option<Vec<u8>>> {
    connection
        .prepare_cached(
            "SELECT data FROM sample_chunks WHERE tenant_key = ?1 AND tier = ?2 AND start_ms = ?3",
        )?
        .query_row(params![tenant_key, tier.number(), start_ms], |row| row.get(0))
        .optional()
}

pub(super) fn put_chunk(
    transaction: &Transaction<'_>,
    tenant_key: i64,
    tier: Tier,
    start_ms: i64,
    data: &[u8],
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached(
            "INSERT INTO sample_chunks (tenant_key, tier, start_ms, data) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (tenant_key, tier, start_ms) DO UPDATE SET data = excluded.data",
        )?
        .execute(params![tenant_key, tier.number(), start_ms, data])?;
    Ok(())
}

pub(super) fn delete_chunk(
    transaction: &Transaction<'_>,
    tenant_key: i64,
    tier: Tier,
    start_ms: i64,
) -> rusqlite::Result<()> {
    transaction
        .prepare_cached("DELETE FROM sample_chunks WHERE tenant_key = ?1 AND tier = ?2 AND start_ms = ?3")?
        .execute(params![tenant_key, tier.number(), start_ms])?;
    Ok(())
}

/// Deletes rows of a tier that start before a moment, some at a time; returns how many.
pub(super) fn delete_old_chunks(
    transaction: &Transaction<'_>,
    tier: Tier,
    before_ms: i64,
    limit: usize,
) -> rusqlite::Result<usize> {
    transaction
        .prepare_cached(
            "DELETE FROM sample_chunks WHERE rowid IN
             (SELECT rowid FROM sample_chunks WHERE tier = ?1 AND start_ms < ?2 LIMIT ?3)",
        )?
        .execute(params![tier.number(), before_ms, limit as i64])
}

/// Clears away chunks that no tenant owns, some at a time; false when there are none left.
pub(super) fn clear_garbage(transaction: &Transaction<'_>, limit: usize) -> rusqlite::Result<bool> {
    let tenant_key: Option<i64> = transaction
        .prepare_cached("SELECT tenant_key FROM sample_garbage LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let Some(tenant_key) = tenant_key else { return Ok(false) };
    let deleted = transaction
        .prepare_cached(
            "DELETE FROM sample_chunks WHERE rowid IN
             (SELECT rowid FROM sample_chunks WHERE tenant_key = ?1 LIMIT ?2)",
        )?
        .execute(params![tenant_key, limit as i64])?;
    if deleted < limit {
        transaction
            .prepare_cached("DELETE FROM sample_garbage WHERE tenant_key = ?1")?
            .execute([tenant_key])?;
    }
    Ok(true)
}
