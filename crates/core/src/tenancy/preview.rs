//! What a request would do, without doing it.

use super::{Tenancy, TenancyError, TenantPatch, check_generation};
use crate::ids::TenantId;
use crate::manifest;
use crate::ports::Refusal;
use crate::revision::Cause;
use crate::tenant::{Tenant, TenantSecrets, TenantSpec, TenantStatus};
use std::sync::Arc;

/// What a request would do.
#[derive(Clone, Debug)]
pub struct Preview {
    /// The tenant as it is; none before its creation.
    pub before: Option<Arc<Tenant>>,
    /// The tenant as it would be; none after its deletion.
    pub after: Option<Tenant>,
    /// What would become of each object.
    pub objects: Vec<manifest::ObjectChange>,
    /// What the cluster would refuse.
    pub refusals: Vec<Refusal>,
}

impl Tenancy {
    /// What [`Self::create_tenant`] would do; nothing is written.
    pub async fn preview_creation(&self, id: TenantId, spec: TenantSpec) -> Result<Preview, TenancyError> {
        let tenant = self.plan_creation(id, spec, self.now())?;
        self.try_admission(&tenant.id, &self.admission(&tenant)?)?;
        self.preview(None, Some(tenant)).await
    }

    /// What [`Self::update_tenant`] would do; nothing is written.
    pub async fn preview_update(
        &self,
        id: &TenantId,
        patch: TenantPatch,
        if_match: Option<u64>,
    ) -> Result<Preview, TenancyError> {
        let (before, planned) = self.plan_update(id, patch, if_match, Cause::Request, self.now()).await?;
        if let Some((after, _)) = &planned {
            self.try_admission(id, &self.readmission(&before, after)?)?;
        }
        let after = planned.map_or_else(|| (*before).clone(), |(tenant, _)| tenant);
        self.preview(Some(before), Some(after)).await
    }

    /// What [`Self::delete_tenant`] would do; nothing is written.
    pub async fn preview_deletion(
        &self,
        id: &TenantId,
        if_match: Option<u64>,
    ) -> Result<Preview, TenancyError> {
        let before = self.existing(id)?;
        if before.status != TenantStatus::Deleting {
            check_generation(&before, if_match)?;
        }
        self.preview(Some(before), None).await
    }

    async fn preview(
        &self,
        before: Option<Arc<Tenant>>,
        after: Option<Tenant>,
    ) -> Result<Preview, TenancyError> {
        let secrets = match &before {
            Some(before) => self.store.tenant_secrets(&before.id).await?,
            None => TenantSecrets::generate(manifest::SECRET_KEYS),
        };
        let rendered = |tenant: &Tenant| {
            manifest::render(self.figures(), tenant, &secrets, &manifest::RenderOptions::default()).objects
        };
        let old = match &before {
            // A deletion leaves what others apply.
            Some(before) if after.is_none() && before.spec.is_external() => Vec::new(),
            Some(before) => self.objects_in_force(&before.id, &secrets).await?,
            None => Vec::new(),
        };
        let new = after.as_ref().map(rendered).unwrap_or_default();
        let tried: Vec<_> = new.iter().filter_map(|object| serde_json::to_value(object).ok()).collect();
        let refusals = if tried.is_empty() { Vec::new() } else { self.cluster.dry_run(&tried).await? };
        Ok(Preview { objects: manifest::difference(&old, &new), before, after, refusals })
    }

    /// What is to be in the cluster now.
    async fn objects_in_force(
        &self,
        id: &TenantId,
        secrets: &TenantSecrets,
    ) -> Result<Vec<manifest::Object>, TenancyError> {
        let revisions = self.store.revisions(id).await?;
        let Some(revision) = revisions.in_force().or(revisions.newest()) else { return Ok(Vec::new()) };
        let Some(pinned) = self.store.pinned_manifest(id, &revision.manifest).await? else {
            return Ok(Vec::new());
        };
        pinned.objects(secrets).map_err(|source| TenancyError::Pinned { tenant_id: id.clone(), source })
    }
}
