//! Documents in rows: JSON to types and back, with the row's name in the error.

use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, Value, values};
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::Deployment;
use ecp_core::ids::{DeploymentId, TenantId, TenantKey};
use ecp_core::ports::{AuditQuery, StoreError};
use ecp_core::tenant::Tenant;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A value as its column holds it. Whatever is written must be readable: builds with assertions read it
/// at once.
pub(super) fn to_document<T: Serialize + DeserializeOwned>(value: &T) -> Result<String, WorkError> {
    let document = serde_json::to_string(value)?;
    debug_assert!(serde_json::from_str::<T>(&document).is_ok(), "{}", std::any::type_name::<T>());
    Ok(document)
}

/// Rows that can be read; those that can not are set aside. `query` selects a document, what tells its
/// row from the others of the table, and whose it is.
pub(super) fn readable<T: DeserializeOwned>(
    sql: &Sql<'_>,
    damage: &DamageLog,
    table: &'static str,
    query: &str,
    values: &[Value<'_>],
) -> Result<Vec<T>, WorkError> {
    let rows = sql.rows(query, values, |row| {
        let read = || -> Result<T, WorkError> { Ok(serde_json::from_str(&row.get::<String>(0)?)?) };
        Ok(read().map_err(|error| damage.set_aside(table, row.told(1), row.owner(2), &reason(&error))).ok())
    })?;
    Ok(rows.into_iter().flatten().collect())
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
    sql: &Sql<'_>,
    query: &str,
    values: &[Value<'_>],
) -> Result<Option<T>, WorkError> {
    let text: Option<String> = sql.value(query, values)?;
    Ok(text.map(|text| serde_json::from_str(&text)).transpose()?)
}

/// A tenant as this transaction sees it, with what its neighbours in the same commit wrote.
pub(super) fn tenant(sql: &Sql<'_>, id: &TenantId) -> Result<Option<Tenant>, WorkError> {
    document(sql, "SELECT document FROM tenants WHERE id = ?1", values![id.as_str()])
}

/// True where the tenant exists in this transaction.
pub(super) fn tenant_exists(sql: &Sql<'_>, id: &TenantId) -> Result<bool, WorkError> {
    sql.exists("SELECT 1 FROM tenants WHERE id = ?1", values![id.as_str()])
}

/// True where this very tenant exists in this sql, and not another one of its id.
pub(super) fn tenant_is(sql: &Sql<'_>, key: &TenantKey) -> Result<bool, WorkError> {
    sql.exists(
        "SELECT 1 FROM tenants WHERE id = ?1 AND incarnation = ?2",
        values![key.id.as_str(), key.incarnation.first_generation()],
    )
}

/// Generation with which the last tenant of an id ended, where there was one.
pub(super) fn last_generation(sql: &Sql<'_>, id: &TenantId) -> Result<Option<u64>, WorkError> {
    sql.value("SELECT generation FROM ended_tenants WHERE tenant_id = ?1", values![id.as_str()])
}

/// Keeps the generation with which a tenant ends.
pub(super) fn end_generations(sql: &Sql<'_>, id: &TenantId, generation: u64) -> Result<(), WorkError> {
    sql.execute(
        "INSERT INTO ended_tenants (tenant_id, generation) VALUES (?1, ?2)
         ON CONFLICT (tenant_id) DO UPDATE SET generation = excluded.generation
         WHERE ended_tenants.generation < excluded.generation",
        values![id.as_str(), generation],
    )?;
    Ok(())
}

/// Replaces a tenant's document.
pub(super) fn update_tenant(sql: &Sql<'_>, tenant: &Tenant, document: &str) -> Result<(), WorkError> {
    sql.execute(
        "UPDATE tenants SET deployment_id = ?2, document = ?3 WHERE id = ?1",
        values![tenant.id.as_str(), tenant.deployment_id.as_str(), document],
    )?;
    sql.touch(Change::Tenant(tenant.id.clone()));
    Ok(())
}

/// A small value that is kept under a name.
pub(super) fn setting(sql: &Sql<'_>, name: &str) -> Result<Option<String>, WorkError> {
    sql.value("SELECT value FROM settings WHERE name = ?1", values![name])
}

/// Keeps a small value under a name.
pub(super) fn set_setting(sql: &Sql<'_>, name: &str, value: &str) -> Result<(), WorkError> {
    sql.execute(
        "INSERT INTO settings (name, value) VALUES (?1, ?2)
         ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        values![name, value],
    )?;
    Ok(())
}

/// A deployment from disk.
pub(super) fn deployment(sql: &Sql<'_>, id: &DeploymentId) -> Result<Option<Deployment>, WorkError> {
    document(sql, "SELECT document FROM deployments WHERE id = ?1", values![id.as_str()])
}

/// Adds a deployment.
pub(super) fn insert_deployment(
    sql: &Sql<'_>,
    deployment: &Deployment,
    document: &str,
) -> Result<(), WorkError> {
    sql.execute(
        "INSERT INTO deployments (id, tenant_id, generation, finished, finished_s, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        values![
            deployment.id.as_str(),
            deployment.tenant_id.as_str(),
            deployment.generation,
            deployment.status.is_final(),
            deployment.finished_at.map(|at| at.as_second()),
            document
        ],
    )?;
    sql.touch(Change::Deployment(deployment.id.clone()));
    Ok(())
}

/// Adds the entry of a change to the audit trail, and has others told what changed.
pub(super) fn insert_audit_of(sql: &Sql<'_>, entry: &AuditEntry, change: Change) -> Result<(), WorkError> {
    insert_audit(sql, entry)?;
    sql.touch(change);
    Ok(())
}

/// Refuses one more row of a table that has as many as can be kept.
pub(super) fn check_room(sql: &Sql<'_>, table: &'static str, most: usize) -> Result<(), WorkError> {
    if sql.count(&format!("SELECT count(*) FROM {table}"), &[])? >= most {
        return Err(StoreError::TooMany { what: table, most }.into());
    }
    Ok(())
}

/// Adds to the audit trail; the entry's number.
pub(super) fn insert_audit(sql: &Sql<'_>, entry: &AuditEntry) -> Result<u64, WorkError> {
    // No tenant has an id without letters: it stands for none.
    let tenant = entry.tenant_id.as_ref().map_or("", TenantId::as_str);
    let number = sql.value(
        "INSERT INTO audit (tenant_id, actor, action, outcome, request_id, at_ms, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) RETURNING number",
        values![
            tenant,
            &entry.actor,
            &entry.action,
            &entry.outcome,
            entry.request_id.as_ref(),
            entry.timestamp.as_millisecond(),
            &to_document(entry)?
        ],
    )?;
    number.ok_or_else(|| WorkError::Damaged("an entry of the audit trail got no number".to_owned()))
}

/// The audit trail, newest first: a page and how many there are.
pub(super) fn audit_page(
    sql: &Sql<'_>,
    damage: &DamageLog,
    query: &AuditQuery,
) -> Result<(Vec<AuditEntry>, usize), WorkError> {
    let mut filter = Filter::default();
    filter.add("tenant_id = ?", query.tenant_id.as_ref().map(TenantId::as_str));
    filter.add("actor = ?", query.actor.as_ref());
    filter.add("action = ?", query.action.as_ref());
    filter.add("outcome = ?", query.outcome.as_ref());
    filter.add("request_id = ?", query.request_id.as_ref());
    filter.add("at_ms >= ?", query.since.map(|since| since.as_millisecond()));
    filter.add("at_ms < ?", query.until.map(|until| until.as_millisecond()));
    filter.page(sql, damage, "audit", "number", query.skip, query.limit)
}

/// Conditions of a list. Only what is asked for is in the statement, so that each finds its index.
#[derive(Default)]
pub(super) struct Filter<'a> {
    conditions: Vec<String>,
    values: Vec<Value<'a>>,
}

impl<'a> Filter<'a> {
    /// A condition with one `?`, where there is a value for it.
    pub(super) fn add(&mut self, condition: &str, value: Option<impl Into<Value<'a>>>) {
        if let Some(value) = value {
            self.any(condition, [value]);
        }
    }

    /// A condition without a value.
    pub(super) fn always(&mut self, condition: &str) {
        self.conditions.push(condition.to_owned());
    }

    /// A condition whose `?` stands for all of these.
    pub(super) fn any(&mut self, condition: &str, values: impl IntoIterator<Item = impl Into<Value<'a>>>) {
        let mut places = Vec::new();
        for value in values {
            self.values.push(value.into());
            places.push(format!("?{}", self.values.len()));
        }
        self.conditions.push(condition.replace('?', &places.join(", ")));
    }

    /// What the conditions let through of a table, newest first: a page and how many there are.
    pub(super) fn page<T: DeserializeOwned>(
        mut self,
        sql: &Sql<'_>,
        damage: &DamageLog,
        table: &'static str,
        number: &str,
        skip: usize,
        limit: usize,
    ) -> Result<(Vec<T>, usize), WorkError> {
        let conditions = match self.conditions.is_empty() {
            true => String::new(),
            false => format!("WHERE {}", self.conditions.join(" AND ")),
        };
        let total = sql.count(&format!("SELECT count(*) FROM {table} {conditions}"), &self.values)?;
        let (limit_at, skip_at) = (self.values.len() + 1, self.values.len() + 2);
        let query = format!(
            "SELECT document, {number}, tenant_id FROM {table} {conditions}
             ORDER BY number DESC LIMIT ?{limit_at} OFFSET ?{skip_at}"
        );
        self.values.extend([Value::from(limit), Value::from(skip)]);
        Ok((readable(sql, damage, table, &query, &self.values)?, total))
    }
}
