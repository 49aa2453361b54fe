//! The ledger: what was made in the cluster, and which installation this is.

use super::{Shared, SqlStore, rows};
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use async_trait::async_trait;
use ecp_core::ids::{InstallationId, TenantId};
use ecp_core::ledger::{NotedElsewhere, NotedObject, Notes, ObjectLedger};
use ecp_core::ports::StoreError;
use std::sync::Arc;

/// Setting under which the installation's id is kept.
const INSTALLATION: &str = "installation.id";

#[async_trait]
impl ObjectLedger for SqlStore {
    async fn installation(&self) -> Result<InstallationId, StoreError> {
        self.write("reading the installation's id", |sql, _| installation(sql), |_, _| {}).await
    }

    async fn notes(&self) -> Result<Notes, StoreError> {
        self.read("reading the ledger", |sql| notes(sql, None)).await
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

    fn on_noted_elsewhere(&self, told: Arc<NotedElsewhere>) {
        self.shared.noted.get_or_init(|| told);
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
        let (held, id, objects) = (id, id.clone(), objects.to_vec());
        self.write_held(
            held,
            "writing the ledger",
            move |sql, shared| {
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
                if shared.replica.get().is_some() {
                    sql.touch(Change::Notes(id));
                }
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }
}

/// Tells who wants to know all that is noted of a tenant.
pub(super) fn tell(sql: &Sql<'_>, shared: &Shared, id: &TenantId) -> Result<(), WorkError> {
    if let Some(told) = shared.noted.get() {
        told(id, notes(sql, Some(id))?);
    }
    Ok(())
}

fn installation(sql: &Sql<'_>) -> Result<InstallationId, WorkError> {
    if let Some(kept) = rows::setting(sql, INSTALLATION)? {
        return Ok(InstallationId::from_text(kept));
    }
    let made = InstallationId::generate();
    sql.execute("INSERT INTO settings (name, value) VALUES (?1, ?2)", values![INSTALLATION, made.as_str()])?;
    Ok(made)
}

/// Of one tenant, or of all.
fn notes(sql: &Sql<'_>, of: Option<&TenantId>) -> Result<Notes, WorkError> {
    let (which, of) = match of {
        Some(id) => ("WHERE tenant_id = ?1", vec![id.as_str().into()]),
        None => ("", Vec::new()),
    };
    // An id that can not be read is the tenant's fault, which its own row tells of.
    let objects = format!("SELECT tenant_id, kind, name, uid FROM noted_objects {which}");
    let objects = sql.rows(&objects, &of, |row| {
        let object = NotedObject { kind: row.get(1)?, name: row.get(2)?, uid: row.get(3)? };
        Ok(row.owner(0).map(|tenant| (tenant, object)))
    })?;
    let unnoted = format!("SELECT tenant_id FROM unnoted_tenants {which}");
    let unnoted = sql.rows(&unnoted, &of, |row| Ok(row.owner(0)))?;
    Ok(Notes {
        objects: objects.into_iter().flatten().collect(),
        unnoted: unnoted.into_iter().flatten().collect(),
    })
}
