//! The ledger: what was made in the cluster, and which installation this is.

use super::{SqlStore, rows};
use crate::errors::WorkError;
use crate::sql::{Sql, values};
use async_trait::async_trait;
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ledger::{NotedObject, Notes, ObjectLedger};
use ecp_core::ports::StoreError;

/// Setting under which the installation's id is kept.
const INSTALLATION: &str = "installation.id";

#[async_trait]
impl ObjectLedger for SqlStore {
    async fn installation(&self) -> Result<InstallationId, StoreError> {
        self.write("reading the installation's id", |sql, _| installation(sql), |_, _| {}).await
    }

    async fn notes(&self) -> Result<Notes, StoreError> {
        self.read("reading the ledger", notes).await
    }

    async fn note(&self, id: &TenantId, objects: &[NotedObject]) -> Result<(), StoreError> {
        self.keep_notes(id, objects, |_, _| Ok(true)).await
    }

    async fn adopt(&self, id: &TenantId, objects: &[NotedObject]) -> Result<(), StoreError> {
        self.keep_notes(id, objects, |sql, id| {
            let taken =
                sql.execute("DELETE FROM unnoted_tenants WHERE tenant_id = ?1", values![id.as_str()])?;
            Ok(taken > 0)
        })
        .await
    }
}

impl SqlStore {
    /// Writes notes of a tenant that is there, where `wanted` says so in the same transaction.
    async fn keep_notes(
        &self,
        id: &TenantId,
        objects: &[NotedObject],
        wanted: impl FnOnce(&Sql<'_>, &TenantId) -> Result<bool, WorkError> + Send + 'static,
    ) -> Result<(), StoreError> {
        let (id, objects) = (id.clone(), objects.to_vec());
        self.write(
            "writing the ledger",
            move |sql, _| {
                if !wanted(sql, &id)? {
                    return Ok(());
                }
                // A tenant may have ended since: what refers to it can not be written any more.
                if !rows::tenant_exists(sql, &id)? {
                    return Ok(());
                }
                for object in &objects {
                    sql.execute(
                        "INSERT INTO noted_objects (tenant_id, kind, name, uid) VALUES (?1, ?2, ?3, ?4)
                         ON CONFLICT (tenant_id, kind, name) DO UPDATE SET uid = excluded.uid",
                        values![id.as_str(), &object.kind, &object.name, object.uid.as_ref()],
                    )?;
                }
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }
}

fn installation(sql: &Sql<'_>) -> Result<InstallationId, WorkError> {
    if let Some(kept) = rows::setting(sql, INSTALLATION)? {
        return Ok(InstallationId::from_text(kept));
    }
    let made = InstallationId::generate();
    sql.execute("INSERT INTO settings (name, value) VALUES (?1, ?2)", values![INSTALLATION, made.as_str()])?;
    Ok(made)
}

fn notes(sql: &Sql<'_>) -> Result<Notes, WorkError> {
    // An id that can not be read is the tenant's fault, which its own row tells of.
    let objects = sql.rows("SELECT tenant_id, kind, name, uid FROM noted_objects", &[], |row| {
        let object = NotedObject { kind: row.get(1)?, name: row.get(2)?, uid: row.get(3)? };
        Ok(row.owner(0).map(|tenant| (tenant, object)))
    })?;
    let unnoted = sql.rows("SELECT tenant_id FROM unnoted_tenants", &[], |row| Ok(row.owner(0)))?;
    Ok(Notes {
        objects: objects.into_iter().flatten().collect(),
        unnoted: unnoted.into_iter().flatten().collect(),
    })
}
