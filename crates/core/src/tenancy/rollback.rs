//! Going back to an earlier revision because somebody asks for it.

use super::{Tenancy, TenancyError, check_generation};
use crate::catalog_change;
use crate::deployment::{Deployment, DeploymentKind};
use crate::ids::{DeploymentId, TenantId};
use crate::origin::Caller;
use crate::ports::{StoreError, TenantChange};
use crate::revision::{Cause, NewRevision, Revision, Revisions, returned_to};
use crate::tenant::{Tenant, TenantStatus};
use std::sync::Arc;

impl Tenancy {
    /// Goes back to the revision of a deployment, or to the last that was seen running whole and is not
    /// what runs now. Going to what is the newest already and runs rolls nothing out.
    pub async fn roll_back_tenant(
        &self,
        caller: &Caller,
        id: &TenantId,
        deployment_id: Option<&DeploymentId>,
        if_match: Option<u64>,
    ) -> Result<Arc<Tenant>, TenancyError> {
        self.change(|| self.roll_back_once(caller, id, deployment_id, if_match)).await
    }

    async fn roll_back_once(
        &self,
        caller: &Caller,
        id: &TenantId,
        deployment_id: Option<&DeploymentId>,
        if_match: Option<u64>,
    ) -> Result<Arc<Tenant>, TenancyError> {
        let before = self.existing(id)?;
        if before.status == TenantStatus::Deleting {
            return Err(StoreError::TenantDeleting(id.clone()).into());
        }
        check_generation(&before, if_match)?;
        let revisions = self.store.revisions(id).await?;
        let good = match deployment_id {
            Some(wanted) => named(&revisions, id, wanted)?,
            None => revisions
                .last_other_whole()
                .ok_or_else(|| TenancyError::NothingToReturnTo { tenant_id: id.clone() })?,
        };
        if good.number == before.generation {
            return Ok(before);
        }
        if let Some(pinned) = self.store.pinned_manifest(id, &good.manifest).await? {
            let fields = catalog_change::immutable(&*self.store, id, &revisions, &pinned).await?;
            if !fields.is_empty() {
                return Err(TenancyError::NotInPlace { tenant_id: id.clone(), fields });
            }
        }
        let now = self.now();
        let mut tenant = returned_to(good, &before, now);
        // Who manages the tenant is nothing that ran.
        tenant.spec.management = before.spec.management;
        let deployment = self
            .deployment_of(&tenant, DeploymentKind::Update, now)
            .replacing(before.deployment_id.clone())
            .asked_for(Cause::Rollback, caller);
        let mut audit = self.audit(caller, "tenant.rollback", Some(&before), &tenant, now);
        if let Some(after) = audit.after.as_mut() {
            after["rolled_back_to"] = good.deployment_id.as_str().into();
        }
        let change = TenantChange {
            // Going back and forth between two revisions that fail would never end.
            deployment: Deployment { rollback: Some(false), ..deployment },
            revision: Some(NewRevision::again(good, &tenant, Cause::Rollback)),
            audit,
            admission: self.readmission(&before, &tenant)?,
            tenant,
            ended: None,
        };
        Ok(self.store.change_tenant(change).await?)
    }
}

/// The revision of a deployment, which must have been seen running whole.
fn named<'r>(
    revisions: &'r Revisions,
    id: &TenantId,
    wanted: &DeploymentId,
) -> Result<&'r Revision, TenancyError> {
    let found = revisions.iter().find(|revision| revision.deployment_id == *wanted);
    let found = found.ok_or_else(|| StoreError::DeploymentNotFound(wanted.clone()))?;
    if found.seen_running_whole_at.is_none() {
        return Err(TenancyError::NeverRan { tenant_id: id.clone(), deployment_id: wanted.clone() });
    }
    Ok(found)
}
