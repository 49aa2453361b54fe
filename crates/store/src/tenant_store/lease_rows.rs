//! The rows of leases: renewing, taking and giving, each one statement.

use super::leases::{LEASED_FOR_S, MODE};
use super::replica::Replica;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use ecp_core::ids::TenantId;
use std::collections::HashSet;

/// Renews what the server says is this process's, whether or not it has run out: nobody else took it.
pub(super) fn renewed(sql: &Sql<'_>, replica: &Replica) -> Result<Vec<(String, u64)>, WorkError> {
    sql.rows(
        "UPDATE leases SET expires = clock_timestamp() + CAST(?2 AS BIGINT) * interval '1 second'
         WHERE holder = ?1 AND (tenant_id = ?3 OR tenant_id IN (SELECT id FROM tenants))
         RETURNING tenant_id, epoch",
        values![&replica.id, LEASED_FOR_S, MODE],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// Tenants that nobody works on.
pub(super) fn free_tenants(
    sql: &Sql<'_>,
    not: &HashSet<&str>,
    room: usize,
) -> Result<Vec<String>, WorkError> {
    let free = sql.rows(
        "SELECT tenants.id FROM tenants LEFT JOIN leases ON leases.tenant_id = tenants.id
         WHERE leases.tenant_id IS NULL OR leases.expires <= clock_timestamp()
         ORDER BY tenants.id LIMIT ?1",
        values![room.saturating_add(not.len())],
        |row| row.get::<String>(0),
    )?;
    Ok(free.into_iter().filter(|id| !not.contains(id.as_str())).take(room).collect())
}

/// Makes leases this process's, under their next epochs.
pub(super) fn take(
    sql: &Sql<'_>,
    replica: &Replica,
    names: &[&str],
) -> Result<Vec<(String, u64)>, WorkError> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    sql.rows(
        "INSERT INTO leases (tenant_id, holder, epoch, expires)
         SELECT name, ?2, 1, clock_timestamp() + CAST(?3 AS BIGINT) * interval '1 second'
         FROM unnest(string_to_array(?1, ',')) AS name
         ON CONFLICT (tenant_id) DO UPDATE
             SET holder = excluded.holder, epoch = leases.epoch + 1, expires = excluded.expires
         RETURNING tenant_id, epoch",
        values![&names.join(","), &replica.id, LEASED_FOR_S],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )
}

/// True where another process has a lease that has not run out.
pub(super) fn held_by_another(sql: &Sql<'_>, replica: &Replica, name: &str) -> Result<bool, WorkError> {
    sql.exists(
        "SELECT 1 FROM leases
         WHERE tenant_id = ?1 AND holder NOT IN ('', ?2) AND expires > clock_timestamp()",
        values![name, &replica.id],
    )
}

/// Gives a lease back of which nobody needs to be told. Its epoch goes on from there.
pub(super) fn give_up(sql: &Sql<'_>, replica: &Replica, name: &str) -> Result<(), WorkError> {
    sql.execute(
        "UPDATE leases SET holder = '', expires = clock_timestamp() WHERE tenant_id = ?1 AND holder = ?2",
        values![name, &replica.id],
    )?;
    Ok(())
}

/// Gives these leases back and says so: others take them at once.
pub(super) fn give(sql: &Sql<'_>, replica: &Replica, names: &[&str]) -> Result<(), WorkError> {
    let given = sql.execute(
        "UPDATE leases SET holder = '', expires = clock_timestamp()
         WHERE holder = ?1 AND tenant_id = ANY (string_to_array(?2, ','))",
        values![&replica.id, &names.join(",")],
    )?;
    if given > 0 {
        sql.touch(Change::LeasesFreed);
    }
    Ok(())
}

/// Queued work of these tenants, or of all.
pub(super) fn queued(sql: &Sql<'_>, of: Option<&[&str]>) -> Result<Vec<(TenantId, u64, u32)>, WorkError> {
    let names = of.map(|names| names.join(","));
    let queued = sql.rows(
        "SELECT tenant_id, queue_number, attempts FROM work_queue
         WHERE CAST(?1 AS TEXT) IS NULL OR tenant_id = ANY (string_to_array(?1, ','))",
        values![names.as_ref()],
        // A row that can not be read is looked at all the same.
        |row| Ok((row.owner(0), row.get(1).unwrap_or(0), row.get(2).unwrap_or(0))),
    )?;
    Ok(queued.into_iter().filter_map(|(id, number, attempts)| Some((id?, number, attempts))).collect())
}
