//! Revisions of tenants, with their catalogs and manifests.

use super::rows::{self, to_document};
use super::{Shared, SqlStore};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Row, Sql, values};
use ecp_core::catalog::{CatalogDigest, Edition};
use ecp_core::deployment::{Deployment, DeploymentStatus};
use ecp_core::ids::TenantId;
use ecp_core::manifest::{ManifestDigest, PinnedManifest};
use ecp_core::ports::StoreError;
use ecp_core::revision::{NewRevision, REVISIONS_KEPT, Reach, Revision, Revisions, reach_shown};
use flate2::Compression;
use flate2::read::{ZlibDecoder, ZlibEncoder};
use std::collections::HashMap;
use std::io::Read;
use std::sync::Arc;

/// A revision as its rows hold it, made before the writer's thread has it.
pub(super) struct RevisionRows {
    new: NewRevision,
    document: String,
    /// The deflated manifest.
    manifest: Option<Vec<u8>>,
}

impl RevisionRows {
    pub(super) fn of(new: NewRevision) -> Result<Self, WorkError> {
        let document = to_document(&new.revision)?;
        let manifest = new.manifest.as_ref().map(|manifest| deflate(manifest.text())).transpose()?;
        Ok(Self { new, document, manifest })
    }

    /// Adds the rows, and takes away those of revisions that are too old.
    pub(super) fn insert(&self, sql: &Sql<'_>, id: &TenantId) -> Result<(), WorkError> {
        let Revision { number: at, catalog, manifest, reach, seen_running_whole_at, .. } = &self.new.revision;
        if let Some(edition) = &self.new.edition {
            sql.execute(
                "INSERT INTO catalogs (digest, document) VALUES (?1, ?2) ON CONFLICT (digest) DO NOTHING",
                values![edition.digest.as_str(), edition.document()],
            )?;
        }
        if let Some(data) = &self.manifest {
            sql.execute(
                "INSERT INTO manifests (tenant_id, digest, data) VALUES (?1, ?2, ?3)
                     ON CONFLICT (tenant_id, digest) DO NOTHING",
                values![id.as_str(), manifest.as_str(), data],
            )?;
        }
        sql.execute(
            "INSERT INTO revisions (tenant_id, number, catalog, manifest, reach, whole, document)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            values![
                id.as_str(),
                *at,
                catalog.as_str(),
                manifest.as_str(),
                step(*reach),
                seen_running_whole_at.is_some(),
                &self.document
            ],
        )?;
        forget_old(sql, id, *at)
    }

    /// Takes the catalog into memory.
    pub(super) fn publish(&self, shared: &Shared, id: &TenantId) {
        let mut index = shared.index.write();
        if let Some(edition) = &self.new.edition {
            index.editions.entry(edition.digest.clone()).or_insert_with(|| edition.clone());
        }
        let digest = self.new.revision.catalog.clone();
        if let Some(entry) = index.entry_mut(id) {
            entry.catalog = Some(digest);
        }
    }
}

impl SqlStore {
    /// Every kept revision of a tenant.
    pub(super) async fn read_revisions(&self, id: TenantId) -> Result<Revisions, StoreError> {
        let damage = self.shared.damage.clone();
        self.read("reading revisions", move |sql| all(sql, &damage, &id)).await
    }

    /// The objects of a revision.
    pub(super) async fn read_manifest(
        &self,
        id: TenantId,
        digest: ManifestDigest,
    ) -> Result<Option<PinnedManifest>, StoreError> {
        self.read("reading a manifest", move |sql| {
            let data: Option<Vec<u8>> = sql.value(
                "SELECT data FROM manifests WHERE tenant_id = ?1 AND digest = ?2",
                values![id.as_str(), digest.as_str()],
            )?;
            let Some(data) = data else { return Ok(None) };
            let pinned = PinnedManifest::from_text(inflate(&data)?);
            if pinned.digest != digest {
                return Err(WorkError::Damaged(format!(
                    "manifest {digest} of tenant {id} is not what its digest says"
                )));
            }
            Ok(Some(pinned))
        })
        .await
    }

    /// Keeps the revisions of a tenant that has none.
    pub(super) async fn keep_adopted(
        &self,
        id: TenantId,
        revisions: Vec<NewRevision>,
    ) -> Result<(), StoreError> {
        const OPERATION: &str = "adopting revisions";
        let rows: Result<Vec<_>, WorkError> = revisions.into_iter().map(RevisionRows::of).collect();
        let rows = Arc::new(rows.map_err(|error| error.into_store_error(OPERATION))?);
        let (written, adopted) = (rows.clone(), id.clone());
        self.write(
            OPERATION,
            move |sql, _| {
                let there =
                    sql.exists("SELECT 1 FROM revisions WHERE tenant_id = ?1", values![id.as_str()])?;
                if there || !rows::tenant_exists(sql, &id)? {
                    return Ok(false);
                }
                for row in &*written {
                    row.insert(sql, &id)?;
                }
                sql.touch(Change::Tenant(id));
                Ok(true)
            },
            move |shared, done| {
                for row in rows.iter().filter(|_| *done) {
                    row.publish(shared, &adopted);
                }
            },
        )
        .await
        .map(|_done| ())
    }
}

fn all(sql: &Sql<'_>, damage: &DamageLog, id: &TenantId) -> Result<Revisions, WorkError> {
    let query = "SELECT document, tenant_id || '/' || number, tenant_id FROM revisions
               WHERE tenant_id = ?1 ORDER BY number";
    Ok(Revisions::new(rows::readable(sql, damage, "revisions", query, values![id.as_str()])?))
}

/// Lets a revision learn what its deployment was just recorded to show.
pub(super) fn learn(sql: &Sql<'_>, deployment: &Deployment) -> Result<(), WorkError> {
    let (reach, whole) = (reach_shown(deployment), deployment.status == DeploymentStatus::Running);
    if reach == Reach::Accepted && !whole {
        return Ok(());
    }
    let (id, at) = (deployment.tenant_id.as_str(), deployment.generation);
    let query = "SELECT document FROM revisions
               WHERE tenant_id = ?1 AND number = ?2 AND (reach < ?3 OR whole < ?4)";
    let Some(mut revision) = rows::document::<Revision>(sql, query, values![id, at, step(reach), whole])?
    else {
        return Ok(());
    };
    if revision.learn_from(deployment) {
        sql.execute(
            "UPDATE revisions SET reach = ?3, whole = ?4, document = ?5 WHERE tenant_id = ?1 AND number = ?2",
            values![
                id,
                at,
                step(revision.reach),
                revision.seen_running_whole_at.is_some(),
                &to_document(&revision)?
            ],
        )?;
    }
    Ok(())
}

/// Takes away what is older than is kept, but for what is in force and what last ran whole.
fn forget_old(sql: &Sql<'_>, id: &TenantId, newest: u64) -> Result<(), WorkError> {
    let Some(oldest) = newest.checked_sub(REVISIONS_KEPT).filter(|oldest| *oldest > 0) else { return Ok(()) };
    let gone = sql.execute("DELETE FROM revisions WHERE tenant_id = ?1 AND number <= ?2
             AND number IS DISTINCT FROM (SELECT max(number) FROM revisions WHERE tenant_id = ?1 AND reach = ?3)
             AND number IS DISTINCT FROM (SELECT max(number) FROM revisions WHERE tenant_id = ?1 AND whole = 1)", values![id.as_str(), oldest, step(Reach::Applied)])?;
    if gone > 0 {
        sql.execute(
            "DELETE FROM manifests WHERE tenant_id = ?1
                 AND digest NOT IN (SELECT manifest FROM revisions WHERE tenant_id = ?1)",
            values![id.as_str()],
        )?;
        sql.execute("DELETE FROM catalogs WHERE digest NOT IN (SELECT catalog FROM revisions)", &[])?;
    }
    Ok(())
}

/// The catalogs that revisions name.
pub(super) fn load_editions(
    sql: &Sql<'_>,
    damage: &DamageLog,
) -> Result<HashMap<CatalogDigest, Arc<Edition>>, WorkError> {
    let kept = sql.rows("SELECT digest, document FROM catalogs", &[], |row| edition(row, damage))?;
    Ok(kept.into_iter().flatten().map(|edition| (edition.digest.clone(), edition)).collect())
}

/// The catalog of a tenant's newest revision.
pub(super) fn newest_edition(
    sql: &Sql<'_>,
    damage: &DamageLog,
    id: &TenantId,
) -> Result<Option<Arc<Edition>>, WorkError> {
    let query = "SELECT catalogs.digest, catalogs.document FROM revisions
                 JOIN catalogs ON catalogs.digest = revisions.catalog
                 WHERE tenant_id = ?1 ORDER BY number DESC LIMIT 1";
    Ok(sql.row(query, values![id.as_str()], |row| edition(row, damage))?.flatten())
}

fn edition(row: &Row<'_>, damage: &DamageLog) -> Result<Option<Arc<Edition>>, WorkError> {
    let digest = CatalogDigest::from_text(row.get::<String>(0)?);
    let restored = Edition::restore(digest.clone(), row.get(1)?).map(Arc::new);
    if restored.is_none() {
        // What runs is healed from its own manifest; only questions about the catalog go short.
        damage.set_aside("catalogs", digest.as_str(), None, &"it is not what its digest says");
    }
    Ok(restored)
}

/// The catalog of each tenant's newest revision.
pub(super) fn load_newest_catalogs(sql: &Sql<'_>) -> Result<Vec<(String, CatalogDigest)>, WorkError> {
    let query = "SELECT tenant_id, catalog FROM revisions AS newest WHERE number =
                     (SELECT max(number) FROM revisions WHERE tenant_id = newest.tenant_id)";
    sql.rows(query, &[], |row| Ok((row.get(0)?, CatalogDigest::from_text(row.get::<String>(1)?))))
}

fn step(reach: Reach) -> i64 {
    match reach {
        Reach::Accepted => 0,
        Reach::Applying => 1,
        Reach::Applied => 2,
    }
}

fn deflate(text: &str) -> Result<Vec<u8>, WorkError> {
    let mut data = Vec::new();
    ZlibEncoder::new(text.as_bytes(), Compression::fast()).read_to_end(&mut data).map_err(damaged)?;
    Ok(data)
}

fn inflate(data: &[u8]) -> Result<String, WorkError> {
    let mut text = String::new();
    ZlibDecoder::new(data).read_to_string(&mut text).map_err(damaged)?;
    Ok(text)
}

fn damaged(error: std::io::Error) -> WorkError {
    WorkError::Damaged(format!("a stored manifest does not inflate: {error}"))
}
