//! The ledger: what was made in the cluster, and which installation this is.

use super::SqliteStore;
use crate::errors::WorkError;
use async_trait::async_trait;
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ledger::{NotedObject, Notes, ObjectLedger};
use ecp_core::ports::StoreError;
use rusqlite::{Connection, OptionalExtension, Transaction, params};

/// Setting under which the installation's id is kept.
const INSTALLATION: &str = "installation.id";

#[async_trait]
impl ObjectLedger for SqliteStore {
    async fn installation(&self) -> Result<InstallationId, StoreError> {
        self.write("reading the installation's id", |transaction, _| installation(transaction), |_, _| {})
            .await
    }

    async fn notes(&self) -> Result<Notes, StoreError> {
        self.read("reading the ledger", notes).await
    }

    async fn note(&self, id: &TenantId, objects: &[NotedObject]) -> Result<(), StoreError> {
        self.keep_notes(id, objects, |_, _| Ok(true)).await
    }

    async fn adopt(&self, id: &TenantId, objects: &[NotedObject]) -> Result<(), StoreError> {
        self.keep_notes(id, objects, |transaction, id| {
            let taken = transaction
                .prepare_cached("DELETE FROM unnoted_tenants WHERE tenant_id = ?1")?
                .execute(params![id.as_str()])?;
            Ok(taken > 0)
        })
        .await
    }
}

impl SqliteStore {
    /// Writes notes of a tenant that is there, where `wanted` says so in the same transaction.
    async fn keep_notes(
        &self,
        id: &TenantId,
        objects: &[NotedObject],
        wanted: impl FnOnce(&Transaction<'_>, &TenantId) -> Result<bool, WorkError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (id, objects) = (id.clone(), objects.to_vec());
        self.write(
            "writing the ledger",
            move |transaction, _| {
                if !wanted(transaction, &id)? {
                    return Ok(());
                }
                // A tenant may have ended since: what refers to it can not be written any more.
                let mut insert = transaction.prepare_cached(
                    "INSERT INTO noted_objects (tenant_id, kind, name, uid)
                     SELECT id, ?2, ?3, ?4 FROM tenants WHERE id = ?1
                     ON CONFLICT (tenant_id, kind, name) DO UPDATE SET uid = excluded.uid",
                )?;
                for object in &objects {
                    insert.execute(params![id.as_str(), object.kind, object.name, object.uid])?;
                }
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }
}

fn installation(transaction: &Transaction<'_>) -> Result<InstallationId, WorkError> {
    let kept: Option<String> = transaction
        .prepare_cached("SELECT value FROM settings WHERE name = ?1")?
        .query_row(params![INSTALLATION], |row| row.get(0))
        .optional()?;
    if let Some(kept) = kept {
        return Ok(InstallationId::from_text(kept));
    }
    let made = InstallationId::generate();
    transaction
        .prepare_cached("INSERT INTO settings (name, value) VALUES (?1, ?2)")?
        .execute(params![INSTALLATION, made.as_str()])?;
    Ok(made)
}

fn notes(connection: &Connection) -> Result<Notes, WorkError> {
    // An id that can not be read is the tenant's fault, which its own row tells of.
    let id = |text: String| TenantId::parse(&text).ok();
    let mut select = connection.prepare_cached("SELECT tenant_id, kind, name, uid FROM noted_objects")?;
    let rows = select.query_map([], |row| {
        let object = NotedObject { kind: row.get(1)?, name: row.get(2)?, uid: row.get(3)? };
        Ok((row.get(0)?, object))
    })?;
    let mut objects = Vec::new();
    for row in rows {
        let (tenant, object) = row?;
        objects.extend(id(tenant).map(|tenant| (tenant, object)));
    }
    let mut select = connection.prepare_cached("SELECT tenant_id FROM unnoted_tenants")?;
    let unnoted = select.query_map([], |row| row.get(0))?.collect::<Result<Vec<String>, _>>()?;
    Ok(Notes { objects, unnoted: unnoted.into_iter().filter_map(id).collect() })
}
