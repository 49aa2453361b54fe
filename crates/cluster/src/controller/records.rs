//! What the controller keeps of deployments, and reads of revisions.

use super::{LookError, Shared};
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::{Deployment, DeploymentKind};
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::origin::ServerActor;
use ecp_core::ports::{ProgressUpdate, StoreError};
use ecp_core::revision::{Revision, Revisions};
use ecp_core::tenant::{Tenant, TenantStatus};
use std::sync::Arc;

impl Shared {
    pub(super) async fn record(
        &self,
        deployment: Deployment,
        tenant_status: TenantStatus,
        audit: Option<AuditEntry>,
    ) -> Result<(), StoreError> {
        self.store.record_progress(ProgressUpdate { deployment, tenant_status, audit }).await
    }

    /// Ends the deployments that a newer one takes the place of, the oldest first: where this is cut short,
    /// what has ended leads to nothing that has not.
    pub(super) async fn supersede(&self, tenant: &Tenant, deployment: &Deployment) -> Result<(), StoreError> {
        let mut overtaken = Vec::new();
        let mut previous = deployment.replaces.clone();
        while let Some(old) = previous.take().and_then(|id| self.store.deployment(&id)) {
            if old.status.is_final() {
                break;
            }
            previous.clone_from(&old.replaces);
            overtaken.push(old);
        }
        for old in overtaken.iter().rev() {
            let mut old = Deployment::clone(old);
            old.supersede(self.clock.now(), &deployment.id);
            self.record(old, tenant.status, None).await?;
        }
        Ok(())
    }

    /// The objects of a revision, as they were when it was accepted.
    pub(super) async fn objects_of(
        &self,
        id: &TenantId,
        revision: &Revision,
    ) -> Result<Arc<Vec<Object>>, LookError> {
        let kept = self.manifests.lock().get(id).cloned();
        if let Some((_, objects)) = kept.filter(|(digest, _)| *digest == revision.manifest) {
            return Ok(objects);
        }
        Ok(Arc::new(self.read_objects(id, revision).await?))
    }

    /// What the cluster may still have of earlier revisions while one is being rolled out.
    pub(super) async fn earlier_objects(
        &self,
        id: &TenantId,
        revisions: &Revisions,
        number: u64,
    ) -> Result<Vec<Vec<Object>>, LookError> {
        let mut earlier = Vec::new();
        for revision in revisions.perhaps_left_before(number) {
            match self.read_objects(id, revision).await {
                Ok(objects) => earlier.push(objects),
                Err(LookError::Unkept { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(earlier)
    }

    pub(super) async fn read_objects(
        &self,
        id: &TenantId,
        revision: &Revision,
    ) -> Result<Vec<Object>, LookError> {
        let number = revision.number;
        let pinned = self.store.pinned_manifest(id, &revision.manifest).await?;
        let pinned = pinned.ok_or_else(|| LookError::Unkept { tenant_id: id.clone(), number })?;
        let secrets = self.store.tenant_secrets(id).await?;
        let unreadable = |source| LookError::Unreadable { tenant_id: id.clone(), number, source };
        pinned.objects(&secrets).map_err(unreadable)
    }

    pub(super) fn audit(&self, tenant: &Tenant, deployment: &Deployment, outcome: &str) -> AuditEntry {
        let action = match deployment.kind {
            DeploymentKind::Create => "tenant.create",
            DeploymentKind::Update => "tenant.update",
            DeploymentKind::Delete(_) => "tenant.delete",
        };
        AuditEntry {
            timestamp: self.clock.now(),
            actor: ServerActor::Controller.into(),
            action: action.to_owned(),
            tenant_id: Some(tenant.id.clone()),
            request_id: None,
            before: None,
            after: Some(serde_json::json!({
                "deployment_id": deployment.id,
                "generation": deployment.generation,
                "status": deployment.status,
            })),
            outcome: outcome.to_owned(),
        }
    }
}
