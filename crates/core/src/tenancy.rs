//! What a request does to a tenant: create, change, delete, through the ports. Rolling out the
//! present catalog is in [`catalog`], going back in [`rollback`], what a request would do in [`preview`].

mod catalog;
mod patch;
mod preview;
mod rollback;

pub use patch::TenantPatch;
pub use preview::Preview;

use crate::Timestamp;
use crate::alerts::settings::AlertRules;
use crate::audit::AuditEntry;
use crate::catalog::{Catalog, Edition};
use crate::catalog_change;
use crate::deployment::{Deployment, DeploymentKind, Removal};
use crate::ids::{DeploymentId, TenantId};
use crate::manifest::{self, ImmutableField, PinnedManifest};
use crate::origin::Caller;
use crate::placement;
use crate::ports::{
    Admission, Clock, ClusterError, ClusterView, Created, IdempotencyKey, NewTenant, StoreError,
    TenantChange, TenantStore,
};
use crate::revision::{Cause, NewRevision};
use crate::sizing::{self, DeploymentTime, Sizing};
use crate::tenant::{Tenant, TenantSecrets, TenantSpec, TenantStatus};
use jiff::SignedDuration;
use serde_json::json;
use std::sync::Arc;
use tokio::sync::Mutex;

/// How an accepted creation is answered.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// It is on disk.
    New(Arc<Tenant>),
    /// The same request under the same key was accepted before; this was its response body.
    Replayed(serde_json::Value),
}

/// A deletion that is under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion {
    /// `del-…`; the same one however often it is asked.
    pub deletion_id: DeploymentId,
    /// Estimated time until everything is gone.
    pub estimated_time: DeploymentTime,
    /// The namespace that is left as it is, where others manage the tenant.
    pub left: Option<String>,
}

/// Why a request about a tenant is refused or fails.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cluster can not be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The `If-Match` generation is not the tenant's.
    #[error("tenant {tenant_id} is at generation {actual}, not {expected}")]
    Stale {
        /// The tenant.
        tenant_id: TenantId,
        /// What the caller has.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The change needs what a cluster does not let anybody change in an object that is there.
    #[error("tenant {tenant_id} can not be changed in place")]
    NotInPlace {
        /// The tenant.
        tenant_id: TenantId,
        /// What would have to change.
        fields: Vec<ImmutableField>,
    },
    /// No revision was seen running whole that is not what runs now.
    #[error("tenant {tenant_id} has nothing to go back to")]
    NothingToReturnTo {
        /// The tenant.
        tenant_id: TenantId,
    },
    /// The revision that is to be gone back to was never seen running whole.
    #[error("deployment {deployment_id} of tenant {tenant_id} never ran whole")]
    NeverRan {
        /// The tenant.
        tenant_id: TenantId,
        /// The deployment.
        deployment_id: DeploymentId,
    },
    /// The kept objects of a revision can not be read.
    #[error("the kept objects of tenant {tenant_id} can not be read")]
    Pinned {
        /// The tenant.
        tenant_id: TenantId,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The change would leave the tenant without any service.
    #[error("tenant {0} would be left without a service")]
    NoServices(TenantId),
}

/// How often a change is planned before its caller is told that another replica was faster each time.
const PLANS: usize = 8;

/// The tenants of one mode.
pub struct Tenancy {
    edition: Arc<Edition>,
    store: Arc<dyn TenantStore>,
    cluster: Arc<dyn ClusterView>,
    clock: Arc<dyn Clock>,
    /// How many times faster than life the cluster runs; 1 but for a simulated one.
    time_scale: f64,
    /// Held from reading a tenant until its change is on disk, so that changes follow each other where
    /// the store would refuse the second one.
    changing: Mutex<()>,
    /// What rolls the catalog out to all tenants, and who asks for it.
    catalog: catalog::Shared,
}

impl Tenancy {
    /// Wires one mode.
    pub fn new(
        catalog: Arc<Catalog>,
        store: Arc<dyn TenantStore>,
        cluster: Arc<dyn ClusterView>,
        clock: Arc<dyn Clock>,
        time_scale: f64,
    ) -> Self {
        let edition = Arc::new(Edition::of(catalog));
        let (changing, shared) = (Mutex::new(()), catalog::Shared::default());
        Self { edition, store, cluster, clock, time_scale, changing, catalog: shared }
    }

    /// Accepts a tenant; when this returns, it is on disk. `respond` makes the response body that
    /// is kept under the idempotency key.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        id: TenantId,
        spec: TenantSpec,
        idempotency: Option<IdempotencyKey>,
        respond: impl Fn(&Tenant) -> serde_json::Value + Send,
    ) -> Result<Accepted, TenancyError> {
        let key = idempotency.clone();
        if let Some(key) = &key
            && let Some(answer) = self.store.idempotent_response(key).await?
        {
            return Ok(Accepted::Replayed(answer));
        }
        let refusal = match self.accept_creation(caller, id, spec, idempotency, respond).await {
            Ok(accepted) => return Ok(accepted),
            Err(refusal) => refusal,
        };
        // The first request under the key may have been accepted since: its tenant is then what is in the way.
        match key {
            Some(key) => match self.store.idempotent_response(&key).await? {
                Some(answer) => Ok(Accepted::Replayed(answer)),
                None => Err(refusal),
            },
            None => Err(refusal),
        }
    }

    async fn accept_creation(
        &self,
        caller: &Caller,
        id: TenantId,
        spec: TenantSpec,
        idempotency: Option<IdempotencyKey>,
        respond: impl Fn(&Tenant) -> serde_json::Value + Send,
    ) -> Result<Accepted, TenancyError> {
        let now = self.now();
        let tenant = self.plan_creation(id, spec, now)?;
        let secrets = TenantSecrets::generate(manifest::SECRET_KEYS);
        let new = NewTenant {
            deployment: self
                .deployment_of(&tenant, DeploymentKind::Create, now)
                .asked_for(Cause::Request, caller),
            revision: NewRevision::render(&self.edition, &tenant, &secrets, Cause::Request),
            secrets,
            idempotency: idempotency.map(|key| (key, respond(&tenant))),
            audit: self.audit(caller, "tenant.create", None, &tenant, now),
            admission: self.admission(&tenant)?,
            tenant,
        };
        Ok(match self.store.create_tenant(new).await? {
            Created::New(tenant) => Accepted::New(tenant),
            Created::Replayed(answer) => Accepted::Replayed(answer),
        })
    }

    /// Accepts a change. `if_match` is the generation that the caller read. A change that changes
    /// nothing rolls nothing out, unless the last roll-out failed: then it is a retry. `rollback`
    /// says whether a failure of the roll-out brings back what ran before.
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        id: &TenantId,
        patch: TenantPatch,
        if_match: Option<u64>,
        rollback: Option<bool>,
    ) -> Result<Arc<Tenant>, TenancyError> {
        self.change(|| self.update_once(caller, id, patch.clone(), if_match, rollback)).await
    }

    /// Makes one change at a time. Where another replica wrote in between, the store refuses what was planned, and
    /// memory has caught up by then: planned anew, the change is over what there is, or is refused for what it asks.
    async fn change<T, Once>(&self, once: impl Fn() -> Once) -> Result<T, TenancyError>
    where
        Once: Future<Output = Result<T, TenancyError>>,
    {
        let _changing = self.changing.lock().await;
        for _ in 1..PLANS {
            match once().await {
                Err(TenancyError::Store(
                    StoreError::GenerationMismatch { .. } | StoreError::TenantDeleting(_),
                )) => {}
                done => return done,
            }
        }
        once().await
    }

    async fn update_once(
        &self,
        caller: &Caller,
        id: &TenantId,
        patch: TenantPatch,
        if_match: Option<u64>,
        rollback: Option<bool>,
    ) -> Result<Arc<Tenant>, TenancyError> {
        let now = self.now();
        let (before, planned) = self.plan_update(id, patch, if_match, Cause::Request, now).await?;
        let Some((tenant, revision)) = planned else { return Ok(before) };
        let deployment = self
            .deployment_of(&tenant, DeploymentKind::Update, now)
            .replacing(before.deployment_id.clone())
            .asked_for(Cause::Request, caller);
        let change = TenantChange {
            deployment: Deployment { rollback, ..deployment },
            revision: Some(revision),
            audit: self.audit(caller, "tenant.update", Some(&before), &tenant, now),
            admission: self.readmission(&before, &tenant)?,
            tenant,
            ended: None,
        };
        Ok(self.store.change_tenant(change).await?)
    }

    /// Starts a deletion, or finds the one under way; asking again, what is asked for
    /// now counts too.
    pub async fn delete_tenant(
        &self,
        caller: &Caller,
        id: &TenantId,
        how: Removal,
        if_match: Option<u64>,
    ) -> Result<Deletion, TenancyError> {
        self.change(|| self.delete_once(caller, id, how, if_match)).await
    }

    async fn delete_once(
        &self,
        caller: &Caller,
        id: &TenantId,
        how: Removal,
        if_match: Option<u64>,
    ) -> Result<Deletion, TenancyError> {
        let before = self.existing(id)?;
        let left = before.spec.is_external().then(|| before.id.namespace());
        let estimated_time = match left {
            Some(_) => sizing::RECORD_DELETION_TIME,
            None => sizing::deletion_time(self.figures(), &before.sizing),
        };
        if before.status == TenantStatus::Deleting {
            if how != Removal::ORDERLY {
                let audit = self.audit(caller, "tenant.delete", Some(&before), &before, self.now());
                let after = audit.after.clone().map(|mut after| {
                    after["force"] = how.force.into();
                    after["release"] = how.release.into();
                    after
                });
                let audit = AuditEntry { after, ..audit };
                self.store.hurry_deletion(id, how, caller.origin.clone(), audit).await?;
            }
            return Ok(Deletion { deletion_id: before.deployment_id.clone(), estimated_time, left });
        }
        check_generation(&before, if_match)?;
        let now = self.now();
        let tenant = Tenant {
            status: TenantStatus::Deleting,
            generation: before.generation + 1,
            deployment_id: DeploymentId::generate_deletion(),
            updated_at: now,
            ..(*before).clone()
        };
        let deletion_id = tenant.deployment_id.clone();
        let change = TenantChange {
            deployment: self
                .deployment_of(&tenant, DeploymentKind::Delete(how), now)
                .replacing(before.deployment_id.clone())
                .asked_for(Cause::Request, caller),
            revision: None,
            audit: self.audit(caller, "tenant.delete", Some(&before), &tenant, now),
            admission: Admission::default(),
            tenant,
            ended: None,
        };
        self.store.change_tenant(change).await?;
        Ok(Deletion { deletion_id, estimated_time, left })
    }

    /// The tenant that a creation would make.
    fn plan_creation(&self, id: TenantId, spec: TenantSpec, now: Timestamp) -> Result<Tenant, TenancyError> {
        if let Some(existing) = self.store.tenant(&id) {
            return Err(StoreError::TenantExists { tenant_id: id, existing_status: existing.status }.into());
        }
        let tenant = planned_tenant(self.figures(), id, spec, now);
        // Who applies the objects makes the namespace too, and may have done so.
        if !tenant.spec.is_external() {
            self.cluster.check_namespace(&tenant.id)?;
        }
        Ok(tenant)
    }

    /// The tenant as it is, and as a change would make it; none where there is nothing to roll out.
    async fn plan_update(
        &self,
        id: &TenantId,
        patch: TenantPatch,
        if_match: Option<u64>,
        cause: Cause,
        now: Timestamp,
    ) -> Result<(Arc<Tenant>, Option<(Tenant, NewRevision)>), TenancyError> {
        let before = self.existing(id)?;
        if before.status == TenantStatus::Deleting {
            return Err(StoreError::TenantDeleting(id.clone()).into());
        }
        check_generation(&before, if_match)?;
        let spec = patch.applied_to(&before.spec);
        if spec.service_requirements.is_empty() {
            return Err(TenancyError::NoServices(id.clone()));
        }
        let sizing = size(self.figures(), &spec);
        let tenant = Tenant {
            spec,
            sizing,
            status: TenantStatus::Pending,
            generation: before.generation + 1,
            deployment_id: DeploymentId::generate(),
            updated_at: now,
            ..(*before).clone()
        };
        let secrets = self.store.tenant_secrets(id).await?;
        let revisions = self.store.revisions(id).await?;
        let pinned = PinnedManifest::render(self.figures(), &tenant, &secrets);
        let same = tenant.spec == before.spec && tenant.sizing == before.sizing;
        let rendered_alike = revisions.newest().is_some_and(|newest| newest.manifest == pinned.digest);
        // Who changes a failed tenant to the same again tries again; a catalog does not.
        let is_retry = before.status == TenantStatus::Failed && cause == Cause::Request;
        if same && rendered_alike && !is_retry {
            return Ok((before, None));
        }
        let fields = catalog_change::immutable(&*self.store, id, &revisions, &pinned).await?;
        if !fields.is_empty() {
            return Err(TenancyError::NotInPlace { tenant_id: id.clone(), fields });
        }
        let revision = NewRevision::pin(&self.edition, &tenant, pinned, cause);
        Ok((before, Some((tenant, revision))))
    }

    fn figures(&self) -> &Catalog {
        &self.edition.catalog
    }

    fn existing(&self, id: &TenantId) -> Result<Arc<Tenant>, TenancyError> {
        self.store.tenant(id).ok_or_else(|| StoreError::TenantNotFound(id.clone()).into())
    }

    /// Whether the cluster, as it is now, can hold a tenant beside every other one that was accepted,
    /// whether their pods are there already or not, and beside what is not ours.
    fn admission(&self, tenant: &Tenant) -> Result<Admission, ClusterError> {
        let (catalog, capacity) = (self.edition.catalog.clone(), self.cluster.capacity()?);
        let (id, sizing) = (tenant.id.clone(), tenant.sizing.clone());
        Ok(Admission::by(move |accepted| placement::admit(&catalog, &capacity, accepted, &id, &sizing)))
    }

    /// The same for a tenant that has room already: it keeps what it has, however short the cluster
    /// is. The cluster must answer all the same.
    fn readmission(&self, before: &Tenant, after: &Tenant) -> Result<Admission, ClusterError> {
        if placement::needs_more(self.figures(), &before.sizing, &after.sizing) {
            return self.admission(after);
        }
        self.cluster.capacity()?;
        Ok(Admission::default())
    }

    /// What [`Admission`] says now; where something is written, the store asks it again.
    fn try_admission(&self, id: &TenantId, admission: &Admission) -> Result<(), StoreError> {
        let decision = admission.decision().map_or(Ok(()), |decide| decide(&self.store.tenants()));
        decision.map_err(|shortage| StoreError::InsufficientResources { tenant_id: id.clone(), shortage })
    }

    fn deployment_of(&self, tenant: &Tenant, kind: DeploymentKind, now: Timestamp) -> Deployment {
        let time = match kind {
            DeploymentKind::Delete(_) => sizing::deletion_time(self.figures(), &tenant.sizing),
            DeploymentKind::Create | DeploymentKind::Update => tenant.sizing.deployment_time,
        };
        let seconds = f64::from(time.max_minutes) * 60.0 / self.time_scale;
        let estimate = now.checked_add(SignedDuration::from_secs(seconds.ceil() as i64)).ok();
        Deployment::accepted(
            tenant.deployment_id.clone(),
            tenant.id.clone(),
            tenant.generation,
            kind,
            now,
            estimate,
        )
    }

    fn audit(
        &self,
        caller: &Caller,
        action: &str,
        before: Option<&Tenant>,
        after: &Tenant,
        now: Timestamp,
    ) -> AuditEntry {
        let state = |tenant: &Tenant| {
            json!({
                "generation": tenant.generation,
                "status": tenant.status,
                "deployment_id": tenant.deployment_id,
                "spec": tenant.spec,
            })
        };
        AuditEntry {
            timestamp: now,
            actor: caller.actor.clone(),
            action: action.to_owned(),
            tenant_id: Some(after.id.clone()),
            request_id: caller.request_id().map(str::to_owned),
            before: before.map(state),
            after: Some(state(after)),
            outcome: "accepted".to_owned(),
        }
    }

    /// The entry of a change of a tenant's alert rules.
    pub fn audit_of_alert_rules(
        &self,
        caller: &Caller,
        tenant: &Tenant,
        before: &AlertRules,
        after: &AlertRules,
    ) -> AuditEntry {
        AuditEntry {
            before: Some(json!(before)),
            after: Some(json!(after)),
            outcome: "completed".to_owned(),
            ..self.audit(caller, "tenant.alert_rules", None, tenant, self.now())
        }
    }

    /// Now in whole seconds, as every date of the API is printed.
    fn now(&self) -> Timestamp {
        let now = self.clock.now();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }
}

/// The tenant that a specification makes, sized; whether a cluster has room for it is another question.
pub fn planned_tenant(catalog: &Catalog, id: TenantId, spec: TenantSpec, now: Timestamp) -> Tenant {
    Tenant {
        id,
        sizing: size(catalog, &spec),
        spec,
        status: TenantStatus::Pending,
        generation: 1,
        incarnation: Default::default(),
        deployment_id: DeploymentId::generate(),
        created_at: now,
        updated_at: now,
    }
}

fn size(catalog: &Catalog, spec: &TenantSpec) -> Sizing {
    sizing::size(catalog, &spec.demand())
}

fn check_generation(tenant: &Tenant, if_match: Option<u64>) -> Result<(), TenancyError> {
    match if_match {
        Some(expected) if expected != tenant.generation => {
            Err(TenancyError::Stale { tenant_id: tenant.id.clone(), expected, actual: tenant.generation })
        }
        _ => Ok(()),
    }
}
