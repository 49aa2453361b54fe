//! Rolling out the present catalog: to one tenant at once, or to all of them, a few at a time.

use super::{Tenancy, TenancyError, TenantPatch};
use crate::catalog::Edition;
use crate::catalog_change::{self, CatalogOrder, CatalogStatus, Differences};
use crate::deployment::{Deployment, DeploymentKind};
use crate::ids::TenantId;
use crate::manifest::{self, Manifest, PinnedManifest, RenderOptions};
use crate::origin::Caller;
use crate::ports::{StoreError, TenantChange};
use crate::revision::Cause;
use crate::tenant::Tenant;
use std::sync::Arc;
use tokio::sync::watch;

/// The setting that keeps an order through restarts.
const ORDER: &str = "catalog.order";

/// What the part that rolls out to all tenants and those who ask share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    status: watch::Sender<CatalogStatus>,
    orders: watch::Sender<u64>,
}

impl Tenancy {
    /// The catalog of this start.
    pub fn edition(&self) -> &Arc<Edition> {
        &self.edition
    }

    /// The manifest of a tenant's newest revision: what is applied, and where something else is asked
    /// for, what its catalog makes of that.
    pub async fn manifest(&self, tenant: &Tenant, options: &RenderOptions) -> Result<Manifest, TenancyError> {
        let secrets = self.store.tenant_secrets(&tenant.id).await?;
        let pinned = match self.pinned_of(tenant, options).await {
            // While the database is away it is rendered again from what is in memory.
            Err(StoreError::Database { .. }) if self.store.behind().is_some() => None,
            pinned => pinned?,
        };
        if let Some(pinned) = pinned {
            let objects = if options.redact_secrets { pinned.redacted() } else { pinned.objects(&secrets) };
            let unreadable = |source| TenancyError::Pinned { tenant_id: tenant.id.clone(), source };
            return Ok(Manifest { objects: objects.map_err(unreadable)? });
        }
        let kept = self.store.edition_of(&tenant.id);
        let edition = kept.as_ref().unwrap_or(&self.edition);
        Ok(manifest::render(&edition.catalog, tenant, &secrets, options))
    }

    /// What was accepted of a tenant's newest generation, where that is asked for.
    async fn pinned_of(
        &self,
        tenant: &Tenant,
        options: &RenderOptions,
    ) -> Result<Option<PinnedManifest>, StoreError> {
        if !options.is_as_applied() {
            return Ok(None);
        }
        let revisions = self.store.revisions(&tenant.id).await?;
        match revisions.newest().filter(|newest| newest.number == tenant.generation) {
            Some(newest) => self.store.pinned_manifest(&tenant.id, &newest.manifest).await,
            None => Ok(None),
        }
    }

    /// What the present catalog would change of every tenant.
    pub async fn catalog_differences(&self) -> Differences {
        catalog_change::differences(&*self.store, &self.edition).await
    }

    /// Rolls the present catalog out to a tenant, as a change with history, deadline and rollback; none
    /// where the tenant has it already.
    pub async fn roll_out_catalog(
        &self,
        caller: &Caller,
        id: &TenantId,
    ) -> Result<Option<Arc<Tenant>>, TenancyError> {
        let _changing = self.changing.lock().await;
        let now = self.now();
        let (before, planned) =
            self.plan_update(id, TenantPatch::default(), None, Cause::Catalog, now).await?;
        let Some((tenant, revision)) = planned else { return Ok(None) };
        let deployment = self
            .deployment_of(&tenant, DeploymentKind::Update, now)
            .replacing(before.deployment_id.clone())
            .asked_for(Cause::Catalog, caller);
        let mut audit = self.audit(caller, "tenant.update", Some(&before), &tenant, now);
        let kept = self.store.edition_of(id).map(|edition| edition.digest.clone());
        for (state, digest) in
            [(&mut audit.before, kept), (&mut audit.after, Some(self.edition.digest.clone()))]
        {
            let Some(state) = state.as_mut() else { continue };
            state["catalog"] = digest.map(|digest| digest.as_str().to_owned()).into();
        }
        if let Some(after) = audit.after.as_mut() {
            after["cause"] = Cause::Catalog.as_str().into();
        }
        let change = TenantChange {
            deployment: Deployment { rollback: Some(true), ..deployment },
            revision: Some(revision),
            audit,
            admission: self.readmission(&before, &tenant)?,
            tenant,
            ended: None,
        };
        Ok(Some(self.store.change_tenant(change).await?))
    }

    /// Asks for a roll-out to all tenants, a few at a time; it is on disk when this returns.
    pub async fn order_catalog_rollout(&self, caller: &Caller) -> Result<CatalogOrder, TenancyError> {
        let order = CatalogOrder {
            catalog: self.edition.digest.clone(),
            actor: caller.actor.clone(),
            request_id: caller.request_id().map(str::to_owned),
            trace_parent: caller.origin.as_ref().and_then(|origin| origin.trace_parent.clone()),
            asked_at: self.now(),
        };
        let text = serde_json::to_string(&order).unwrap_or_default();
        self.store.set_setting(ORDER, &text).await?;
        self.catalog.orders.send_modify(|orders| *orders += 1);
        Ok(order)
    }

    /// The roll-out to all tenants that is not done yet.
    pub async fn catalog_order(&self) -> Result<Option<CatalogOrder>, TenancyError> {
        let text = self.store.setting(ORDER).await?;
        // An order that this release can not read is none; asking again is cheap.
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// Forgets the order: it is done, or about another catalog.
    pub async fn end_catalog_order(&self) -> Result<(), TenancyError> {
        Ok(self.store.set_setting(ORDER, "").await?)
    }

    /// Says that a roll-out was asked for; the value counts.
    pub fn subscribe_catalog_orders(&self) -> watch::Receiver<u64> {
        self.catalog.orders.subscribe()
    }

    /// How tenants stand towards the present catalog, as last looked at.
    pub fn catalog_status(&self) -> CatalogStatus {
        self.catalog.status.borrow().clone()
    }

    /// Says how tenants stand; whoever rolls out does.
    pub fn publish_catalog_status(&self, status: CatalogStatus) {
        self.catalog.status.send_replace(status);
    }
}
