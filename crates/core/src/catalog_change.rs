//! What another catalog, or a release that renders otherwise, would change of tenants that are there.
//!
//! A tenant keeps what it was rendered with until it is changed or rolled out anew. This module says
//! what that would change and what a cluster would not let anybody change; rolling out is the
//! tenancy's and the controller's.

use crate::Timestamp;
use crate::catalog::{CatalogDigest, Edition};
use crate::ids::{RequestId, TenantId};
use crate::manifest::{self, ImmutableField, ObjectAction, ObjectChange, PinnedManifest};
use crate::origin::Origin;
use crate::ports::TenantStore;
use crate::revision::{Cause, Revision, Revisions};
use crate::sizing;
use crate::tenancy::TenancyError;
use crate::tenant::{Tenant, TenantStatus};
use serde::{Deserialize, Serialize};

/// What the present catalog would change of one tenant.
#[derive(Clone, Debug, PartialEq)]
pub struct TenantDifference {
    /// Whose.
    pub tenant_id: TenantId,
    /// Where the tenant stands.
    pub status: TenantStatus,
    /// Its newest revision.
    pub revision: u64,
    /// The catalog of that revision.
    pub catalog: CatalogDigest,
    /// Keys of the catalog that differ; none where only this release renders otherwise.
    pub changed_keys: Vec<String>,
    /// The objects that would come, change or go.
    pub objects: Vec<ObjectChange>,
    /// What would have to change and can not; where there is any, nothing is rolled out.
    pub immutable: Vec<ImmutableField>,
}

impl TenantDifference {
    /// True where it can be rolled out as it is.
    pub fn is_in_place(&self) -> bool {
        self.immutable.is_empty()
    }
}

/// What came of rolling out to a tenant exactly what would be rolled out to it now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt {
    /// It is being rolled out.
    UnderWay,
    /// It was rolled out and did not run whole.
    Failed,
    /// It was rolled out and ran whole.
    Ran,
}

/// Where a tenant stands towards the present catalog.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// What would change; none where the tenant is as the catalog has it.
    pub difference: Option<TenantDifference>,
    /// What came of the newest attempt since a time.
    pub attempt: Option<Attempt>,
}

/// A roll-out of the catalog to all tenants that somebody asked for; kept until it is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogOrder {
    /// The catalog that is to be rolled out.
    pub catalog: CatalogDigest,
    /// A token's name, `anonymous`, or `catalog` where the configuration asks for it.
    pub actor: String,
    /// The request, where there was one.
    pub request_id: Option<String>,
    /// Its span, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_parent: Option<String>,
    /// When.
    pub asked_at: Timestamp,
}

impl CatalogOrder {
    /// The request that asked, where one did.
    pub fn origin(&self) -> Option<Origin> {
        let request_id = RequestId::from_text(self.request_id.as_deref()?);
        Some(Origin { request_id, trace_parent: self.trace_parent.clone() })
    }
}

/// How the roll-out of the catalog stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatalogRolloutState {
    /// Nobody asked for one, or it is done.
    #[default]
    Idle,
    /// It goes on, a few tenants at a time.
    UnderWay,
    /// Too many tenants failed: no further one is begun.
    Stopped,
}

impl CatalogRolloutState {
    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::UnderWay => "under_way",
            Self::Stopped => "stopped",
        }
    }
}

/// How tenants stand towards the present catalog, as last looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogStatus {
    /// Whether a changed catalog is rolled out without being asked for.
    pub automatic: bool,
    /// How the roll-out stands.
    pub state: CatalogRolloutState,
    /// Tenants that run with another catalog, or with what another release rendered.
    pub behind: Vec<TenantId>,
    /// Those of them that can not be changed in place.
    pub not_in_place: Vec<TenantId>,
    /// Tenants to which it is being rolled out.
    pub under_way: Vec<TenantId>,
    /// Tenants to which it was rolled out in vain.
    pub failed: Vec<TenantId>,
}

/// What a catalog would make of a tenant, beside what the tenant was told to be.
struct Prospect {
    pinned: PinnedManifest,
    revisions: Revisions,
}

async fn prospect(
    store: &dyn TenantStore,
    edition: &Edition,
    tenant: &Tenant,
) -> Result<Prospect, TenancyError> {
    let sizing = sizing::size(&edition.catalog, &tenant.spec.demand());
    let after = Tenant { sizing, ..tenant.clone() };
    let secrets = store.tenant_secrets(&tenant.id).await?;
    let pinned = PinnedManifest::render(&edition.catalog, &after, &secrets);
    Ok(Prospect { pinned, revisions: store.revisions(&tenant.id).await? })
}

/// What a catalog would change of a tenant; none where nothing, or where the tenant goes away.
///
/// # Errors
/// The store failed, or kept objects can not be read.
pub async fn difference(
    store: &dyn TenantStore,
    edition: &Edition,
    tenant: &Tenant,
) -> Result<Option<TenantDifference>, TenancyError> {
    let prospect = prospect(store, edition, tenant).await?;
    prospect.difference(store, edition, tenant).await
}

/// What a catalog would change of every tenant.
#[derive(Debug, Default)]
pub struct Differences {
    /// Of tenants of which something would change.
    pub found: Vec<TenantDifference>,
    /// Tenants of which it can not be told, because what is kept of them can not be read.
    pub unreadable: Vec<TenantId>,
}

/// What a catalog would change of every tenant. One that can not be read stops no other.
pub async fn differences(store: &dyn TenantStore, edition: &Edition) -> Differences {
    let mut differences = Differences::default();
    for tenant in store.tenants().iter() {
        match difference(store, edition, tenant).await {
            Ok(found) => differences.found.extend(found),
            Err(_) => differences.unreadable.push(tenant.id.clone()),
        }
    }
    differences
}

/// Where a tenant stands towards a catalog, with what came of attempts since a time.
///
/// # Errors
/// As [`difference`].
pub async fn standing(
    store: &dyn TenantStore,
    edition: &Edition,
    tenant: &Tenant,
    since: Timestamp,
) -> Result<Standing, TenancyError> {
    let prospect = prospect(store, edition, tenant).await?;
    let attempt = prospect.attempt(store, since);
    let difference = prospect.difference(store, edition, tenant).await?;
    Ok(Standing { difference, attempt })
}

impl Prospect {
    fn attempt(&self, store: &dyn TenantStore, since: Timestamp) -> Option<Attempt> {
        let same = |revision: &&Revision| {
            revision.cause == Cause::Catalog
                && revision.manifest == self.pinned.digest
                && revision.created_at >= since
        };
        let newest = self.revisions.iter().rev().find(same)?;
        let deployment = store.deployment(&newest.deployment_id);
        Some(if newest.seen_running_whole_at.is_some() {
            Attempt::Ran
        } else if newest.was_tried_in_vain(deployment.as_deref()) {
            Attempt::Failed
        } else {
            Attempt::UnderWay
        })
    }

    async fn difference(
        &self,
        store: &dyn TenantStore,
        edition: &Edition,
        tenant: &Tenant,
    ) -> Result<Option<TenantDifference>, TenancyError> {
        let Some(newest) = self.revisions.newest() else { return Ok(None) };
        if tenant.status == TenantStatus::Deleting || newest.manifest == self.pinned.digest {
            return Ok(None);
        }
        let unreadable = |source| TenancyError::Pinned { tenant_id: tenant.id.clone(), source };
        let before = match store.pinned_manifest(&tenant.id, &newest.manifest).await? {
            Some(pinned) => pinned.redacted().map_err(unreadable)?,
            None => Vec::new(),
        };
        let after = self.pinned.redacted().map_err(unreadable)?;
        let mut objects = manifest::difference(&before, &after);
        objects.retain(|change| change.action != ObjectAction::Unchanged);
        let kept = store.edition_of(&tenant.id);
        Ok(Some(TenantDifference {
            tenant_id: tenant.id.clone(),
            status: tenant.status,
            revision: newest.number,
            catalog: newest.catalog.clone(),
            changed_keys: kept.map_or_else(Vec::new, |kept| kept.changed_keys(edition)),
            objects,
            immutable: immutable(store, &tenant.id, &self.revisions, &self.pinned).await?,
        }))
    }
}

/// What a tenant would have to change in objects that are there, or may be, and can not.
///
/// # Errors
/// As [`difference`].
pub async fn immutable(
    store: &dyn TenantStore,
    id: &TenantId,
    revisions: &Revisions,
    wanted: &PinnedManifest,
) -> Result<Vec<ImmutableField>, TenancyError> {
    let unreadable = |source| TenancyError::Pinned { tenant_id: id.clone(), source };
    let after = wanted.redacted().map_err(unreadable)?;
    let mut fields: Vec<ImmutableField> = Vec::new();
    for revision in revisions.perhaps_in_cluster().filter(|revision| revision.manifest != wanted.digest) {
        let Some(pinned) = store.pinned_manifest(id, &revision.manifest).await? else { continue };
        let before = pinned.redacted().map_err(unreadable)?;
        let new = manifest::changed_in_vain(&before, &after);
        fields.extend(new.into_iter().filter(|field| !fields.contains(field)).collect::<Vec<_>>());
    }
    Ok(fields)
}
