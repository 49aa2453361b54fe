//! Documents in rows: JSON to types and back, with the row's name in the error.

use crate::database::DamageLog;
use crate::errors::WorkError;
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::Deployment;
use ecp_core::ids::{DeploymentId, TenantId, TenantKey};
use ecp_core::ports::AuditQuery;
use ecp_core::tenant::Tenant;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as its column holds it. Whatever is written must be readable: builds with assertions read it
/// at once.
pub(super) fn to_document<T: Serialize + DeserializeOwned>(value: &T) -> Result<String, WorkError> {
    let document = serde_json::to_string(value)?;
    debug_assert!(serde_json::from_str::<T>(&document).is_ok(), "{}", std::any::type_name::<T>());
    Ok(document)
}

/// Rows that can be read; those that can not are set aside. `sql` selects a document, what tells its
/// row from the others of the table, and whose it is.
pub(super) fn readable<T: DeserializeOwned>(
    connection: &Connection,
    damage: &DamageLog,
    table: &'static str,
    sql: &str,
    params: impl Params,
) -> Result<Vec<T>, WorkError> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut values = Vec::new();
    while let Some(row) = rows.next()? {
        let read = || -> Result<T, WorkError> {
            Ok(serde_json::from_str(row.get_ref(0)?.as_str().map_err(rusqlite::Error::from)?)?)
        };
        match read() {
            Ok(value) => values.push(value),
            Err(error) => damage.set_aside(table, text(row.get_ref(1)?), owner(row, 2), &reason(&error)),
        }
    }
    Ok(values)
}

/// What a value says to people.
fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Text(text) => String::from_utf8_lossy(text).into_owned(),
        ValueRef::Integer(number) => number.to_string(),
        other => format!("{:?}", other.data_type()),
    }
}

/// Whose a row is, where the column says so.
pub(super) fn owner(row: &Row<'_>, column: usize) -> Option<TenantId> {
    TenantId::parse(row.get_ref(column).ok()?.as_str().ok()?).ok()
}

/// Why a row can not be read.
fn reason(error: &WorkError) -> String {
    match error {
        WorkError::Document(source) => source.to_string(),
        other => other.to_string(),
    }
}

/// The first column of the only row, read as a document.
pub(super) fn document<T: DeserializeOwned>(
    connection: &Connection,
    sql: &str,
    params: impl Params,
) -> Result<Option<T>, WorkError> {
    let mut statement = connection.prepare_cached(sql)?;
    let text: Option<String> = statement.query_row(params, |row| row.get(0)).optional()?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// A tenant as this transaction sees it, with what its neighbours in the same commit wrote.
pub(super) fn tenant(connection: &Connection, id: &TenantId) -> Result<Option<Tenant>, WorkError> {
    document(connection, "SELECT document FROM tenants WHERE id = ?1", params![id.as_str()])
}

/// True where the tenant exists in this transaction.
pub(super) fn tenant_exists(connection: &Connection, id: &TenantId) -> Result<bool, WorkError> {
    Ok(connection.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1")?.exists(params![id.as_str()])?)
}

/// True where this very tenant exists in this transaction, and not another one of its id.
pub(super) fn tenant_is(connection: &Connection, key: &TenantKey) -> Result<bool, WorkError> {
    let mut found = connection.prepare_cached("SELECT 1 FROM tenants WHERE id = ?1 AND incarnation = ?2")?;
    Ok(found.exists(params![key.id.as_str(), number(key.incarnation.first_generation())])?)
}

/// Generation with which the last tenant of an id ended, where there was one.
pub(super) fn last_generation(connection: &Connection, id: &TenantId) -> Result<Option<u64>, WorkError> {
    let mut found = connection.prepare_cached("SELECT generation FROM ended_tenants WHERE tenant_id = ?1")?;
    Ok(found.query_row(params![id.as_str()], |row| natural(row, 0)).optional()?)
}

/// Keeps the generation with which a tenant ends.
pub(super) fn end_generations(
    transaction: &Transaction<'_>,
    id: &TenantId,
    generation: u64,
) -> Result<(), WorkError> {
    transaction
        .prepare_cached(
            "INSERT INTO ended_tenants (tenant_id, generation) VALUES (?1, ?2)
             ON CONFLICT (tenant_id) DO UPDATE SET generation = max(generation, excluded.generation)",
        )?
        .execute(params![id.as_str(), number(generation)])?;
    Ok(())
}

/// Replaces a tenant's document.
pub(super) fn update_tenant(
    transaction: &Transaction<'_>,
    tenant: &Tenant,
    document: &str,
) -> Result<(), WorkError> {
    transaction
        .prepare_cached("UPDATE tenants SET deployment_id = ?2, document = ?3 WHERE id = ?1")?
        .execute(params![tenant.id.as_str(), tenant.deployment_id.as_str(), document])?;
    Ok(())
}

/// A deployment from disk.
pub(super) fn deployment(
    connection: &Connection,
    id: &DeploymentId,
) -> Result<Option<Deployment>, WorkError> {
    document(connection, "SELECT document FROM deployments WHERE id = ?1", params![id.as_str()])
}

/// Adds a deployment.
pub(super) fn insert_deployment(
    transaction: &Transaction<'_>,
    deployment: &Deployment,
    document: &str,
) -> Result<(), WorkError> {
    transaction
        .prepare_cached(
            "INSERT INTO deployments (id, tenant_id, finished, document) VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            deployment.id.as_str(),
            deployment.tenant_id.as_str(),
            deployment.status.is_final(),
            document
        ])?;
    Ok(())
}

/// Adds to the audit trail.
pub(super) fn insert_audit(transaction: &Transaction<'_>, entry: &AuditEntry) -> Result<(), WorkError> {
    transaction
        .prepare_cached("INSERT INTO audit (tenant_id, document) VALUES (?1, ?2)")?
        .execute(params![entry.tenant_id.as_str(), to_document(entry)?])?;
    Ok(())
}

/// The audit trail, newest first: a page and how many there are.
pub(super) fn audit_page(
    connection: &Connection,
    damage: &DamageLog,
    query: &AuditQuery,
) -> Result<(Vec<AuditEntry>, usize), WorkError> {
    // A tenant's entries are found by their index; the other filters look at what is left.
    // One that is no JSON matches none of them, and must not fail the others.
    const MATCHES: &str = "(?1 IS NULL OR tenant_id = ?1) AND CASE WHEN NOT json_valid(document) THEN
        coalesce(?2, ?3, ?4, ?5, ?6, ?7) IS NULL ELSE
            (?2 IS NULL OR document ->> 'actor' = ?2)
        AND (?3 IS NULL OR document ->> 'action' = ?3)
        AND (?4 IS NULL OR document ->> 'outcome' = ?4)
        AND (?5 IS NULL OR document ->> 'request_id' = ?5)
        AND (?6 IS NULL OR unixepoch(document ->> 'timestamp', 'subsec') >= ?6)
        AND (?7 IS NULL OR unixepoch(document ->> 'timestamp', 'subsec') < ?7) END";
    let tenant = query.tenant_id.as_ref().map(TenantId::as_str);
    let seconds = |time: &ecp_core::Timestamp| time.as_millisecond() as f64 / 1000.0;
    let (since, until) = (query.since.as_ref().map(seconds), query.until.as_ref().map(seconds));
    let (actor, action, outcome) = (&query.actor, &query.action, &query.outcome);
    let filter = params![tenant, actor, action, outcome, query.request_id, since, until];
    let total = connection
        .prepare_cached(&format!("SELECT count(*) FROM audit WHERE {MATCHES}"))?
        .query_row(filter, |row| natural(row, 0))?;
    let page = format!(
        "SELECT document, number, tenant_id FROM audit WHERE {MATCHES} ORDER BY number DESC LIMIT ?8 OFFSET ?9"
    );
    let (limit, skip) = (size(query.limit), size(query.skip));
    let filter = params![tenant, actor, action, outcome, query.request_id, since, until, limit, skip];
    let entries = readable(connection, damage, "audit", &page, filter)?;
    Ok((entries, total as usize))
}

/// A count as SQL takes it.
pub(super) fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// A running number as SQL takes it.
pub(super) fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A running number or count from a column.
pub(super) fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(column)?;
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}
