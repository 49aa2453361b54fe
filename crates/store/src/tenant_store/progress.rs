//! Deployments: what the controller found, and reading them back.

use super::revisions;
use super::rows::{self, to_document};
use super::tenants::queue;
use super::{Shared, SqlStore};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::{Deployment, DeploymentKind, Removal};
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::origin::Origin;
use ecp_core::ports::{ProgressUpdate, StoreError};
use ecp_core::tenant::{Tenant, TenantStatus};
use std::sync::Arc;
use tokio::sync::watch;

impl SqlStore {
    /// The deployment's new state, with the tenant's status where it is the deployment to say.
    /// A deletion that was hurried stays so, however old the state is that progress was made from.
    pub(super) async fn keep_progress(&self, update: ProgressUpdate) -> Result<(), StoreError> {
        let id = update.deployment.tenant_id.clone();
        self.write_held(
            &id,
            "recording progress",
            move |sql, _| Kept::of(sql, update),
            |shared, kept| kept.publish(shared),
        )
        .await
        .map(|_kept| ())
    }

    /// Has a deletion go on as it is asked for now and queues its tenant; false where all of it was
    /// asked for before. Progress is left as it is on disk, however old the state is that the caller
    /// saw.
    pub(super) async fn change_deletion(
        &self,
        id: TenantId,
        how: Removal,
        origin: Option<Origin>,
        audit: AuditEntry,
    ) -> Result<bool, StoreError> {
        let (due, queued) = (self.clock.steady(), id.clone());
        self.write(
            "hurrying a deletion",
            move |sql, shared| {
                let tenant = rows::tenant(sql, &id)?;
                let tenant = tenant.ok_or_else(|| StoreError::TenantNotFound(id.clone()))?;
                let deletion = rows::deployment(sql, &tenant.deployment_id)?;
                let mut deletion =
                    deletion.ok_or_else(|| StoreError::DeploymentNotFound(tenant.deployment_id.clone()))?;
                let DeploymentKind::Delete(before) = deletion.kind else { return Ok(None) };
                if before.and(how) == before {
                    return Ok(None);
                }
                deletion.kind = DeploymentKind::Delete(before.and(how));
                deletion.origin = origin;
                update_deployment(sql, &deletion, &to_document(&deletion)?)?;
                rows::insert_audit(sql, &audit)?;
                let number = shared.next_queue_number();
                queue(sql, &id, number)?;
                sql.touch(Change::Work(id));
                Ok(Some((Arc::new(deletion), number)))
            },
            move |shared, hurried| {
                let Some((deletion, number)) = hurried else { return };
                shared.index.write().deployments.put(deletion.clone());
                shared.put_queued(&queued, *number, 0, due);
            },
        )
        .await
        .map(|hurried| hurried.is_some())
    }

    /// From memory, or from disk where it is finished and was not asked for lately.
    pub(super) fn find_deployment(&self, id: &DeploymentId) -> Option<Arc<Deployment>> {
        let now = self.clock.now();
        let in_memory = self.shared.index.read().deployments.get(id, now);
        in_memory.or_else(|| self.read_deployment(id).map(|state| state.borrow().clone()))
    }

    /// As [`Self::find_deployment`], with later states.
    pub(super) fn watch_deployment(&self, id: &DeploymentId) -> Option<watch::Receiver<Arc<Deployment>>> {
        let now = self.clock.now();
        let in_memory = self.shared.index.read().deployments.subscribe(id, now);
        in_memory.or_else(|| self.read_deployment(id))
    }

    /// Brings a finished deployment from disk into memory.
    fn read_deployment(&self, id: &DeploymentId) -> Option<watch::Receiver<Arc<Deployment>>> {
        const OPERATION: &str = "reading a deployment";
        let wanted = id.clone();
        let read = self.database.read_blocking(OPERATION, move |sql| rows::deployment(sql, &wanted));
        let deployment = read.unwrap_or_else(|error| {
            tracing::error!(deployment.id = %id, error = &error as &dyn std::error::Error, "reading a deployment failed");
            None
        })?;
        let mut index = self.shared.index.write();
        // The tenant may have gone since.
        index.entry(&deployment.tenant_id)?;
        Some(index.deployments.put_read(Arc::new(deployment)))
    }
}

/// Deployments of a tenant, newest first: a page and how many there are.
pub(super) fn page(
    sql: &Sql<'_>,
    damage: &DamageLog,
    id: &TenantId,
    skip: usize,
    limit: usize,
) -> Result<(Vec<Deployment>, usize), WorkError> {
    let total = sql.count("SELECT count(*) FROM deployments WHERE tenant_id = ?1", values![id.as_str()])?;
    let query = "SELECT document, id, tenant_id FROM deployments WHERE tenant_id = ?1
                 ORDER BY generation DESC LIMIT ?2 OFFSET ?3";
    let place = values![id.as_str(), limit, skip];
    let mut page: Vec<Deployment> = rows::readable(sql, damage, "deployments", query, place)?;
    // Their logs can be large, and nobody reads them there.
    for deployment in &mut page {
        deployment.logs.clear();
        deployment.events.clear();
        deployment.created_resources.clear();
        deployment.pending_resources.clear();
    }
    Ok((page, total))
}

/// A step of the controller that was written.
pub(super) struct Kept {
    deployment: Arc<Deployment>,
    /// With its new status, where that changed.
    tenant: Option<Arc<Tenant>>,
}

impl Kept {
    /// Writes it.
    pub(super) fn of(sql: &Sql<'_>, mut update: ProgressUpdate) -> Result<Self, WorkError> {
        let is_compared =
            update.audit.is_some() || matches!(update.deployment.kind, DeploymentKind::Delete(_));
        if is_compared && let Some(stored) = rows::deployment(sql, &update.deployment.id)? {
            // Who was not told that the end is kept tells it again.
            if stored.status.is_final() && stored.status == update.deployment.status {
                update.audit = None;
            }
            if let DeploymentKind::Delete(asked) = update.deployment.kind
                && let DeploymentKind::Delete(asked_before) = stored.kind
            {
                update.deployment.kind = DeploymentKind::Delete(asked.and(asked_before));
                update.deployment.origin = stored.origin;
            }
        }
        let document = to_document(&update.deployment)?;
        update_deployment(sql, &update.deployment, &document)?;
        revisions::learn(sql, &update.deployment)?;
        if let Some(audit) = &update.audit {
            rows::insert_audit(sql, audit)?;
        }
        let tenant = update_status(sql, &update)?;
        Ok(Self { deployment: Arc::new(update.deployment), tenant })
    }

    /// Takes it into memory.
    pub(super) fn publish(&self, shared: &Shared) {
        let mut index = shared.index.write();
        if let Some(tenant) = &self.tenant {
            index.put_tenant(tenant.clone());
        }
        index.deployments.put(self.deployment.clone());
        drop(index);
        if self.tenant.is_some() {
            shared.tell_tenants_changed();
        }
    }
}

fn update_deployment(sql: &Sql<'_>, deployment: &Deployment, document: &str) -> Result<(), WorkError> {
    let found = sql.execute(
        "UPDATE deployments SET finished = ?3, finished_s = ?4, document = ?5 WHERE id = ?1 AND tenant_id = ?2",
        values![
            deployment.id.as_str(),
            deployment.tenant_id.as_str(),
            deployment.status.is_final(),
            deployment.finished_at.map(|at| at.as_second()),
            document
        ],
    )?;
    if found == 0 {
        return Err(StoreError::DeploymentNotFound(deployment.id.clone()).into());
    }
    sql.touch(Change::Deployment(deployment.id.clone()));
    Ok(())
}

/// The tenant with its new status, where that changed: only its newest deployment says it, and of a
/// tenant that is being deleted only the deletion.
fn update_status(sql: &Sql<'_>, update: &ProgressUpdate) -> Result<Option<Arc<Tenant>>, WorkError> {
    let deployment = &update.deployment;
    let Some(mut tenant) = rows::tenant(sql, &deployment.tenant_id)? else { return Ok(None) };
    let is_deletion = matches!(deployment.kind, DeploymentKind::Delete(_));
    let may_say =
        tenant.deployment_id == deployment.id && (tenant.status != TenantStatus::Deleting || is_deletion);
    if !may_say || tenant.status == update.tenant_status {
        return Ok(None);
    }
    tenant.status = update.tenant_status;
    rows::update_tenant(sql, &tenant, &to_document(&tenant)?)?;
    Ok(Some(Arc::new(tenant)))
}
