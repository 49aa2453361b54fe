//! What looks at tenants have in common, whether or not they write to the cluster: how a deployment ends, and
//! what is recorded of it.

use super::view::{View, stalled};
use super::{LookEnd, LookError, Shared};
use crate::reasons;
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::{Deployment, DeploymentKind, Failure, LogLevel, ResourceState};
use ecp_core::manifest::Object;
use ecp_core::origin::{Caller, ServerActor};
use ecp_core::ports::{Admission, ObjectState, ProgressUpdate, StoreError, TenantChange};
use ecp_core::revision::{Cause, NewRevision, Revision, Revisions, returned_to};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use std::sync::Arc;

/// A look at a tenant that is there to stay. With `H` it can write to the cluster: a [`Hand`](super::hands::Hand) on
/// the tenant, or [`HandsOff`](super::hands::HandsOff).
pub(super) struct Look<'a, H> {
    pub(super) hand: H,
    pub(super) shared: &'a Shared,
    pub(super) tenant: Arc<Tenant>,
    /// What is to be there now.
    pub(super) objects: Arc<Vec<Object>>,
    /// What is to be there in the end: an update rolls out with a wider quota, since pods that go and
    /// pods that come count together, and those that come might wait for ever for those that go.
    pub(super) whole: Arc<Vec<Object>>,
    /// What the tenant was and is to be; `objects` are of one of these.
    pub(super) revisions: Revisions,
    /// The record, as it will be written next.
    pub(super) deployment: Deployment,
}

impl<H> Look<'_, H> {
    /// Ends a deployment that goes no further, and waits for the others.
    pub(super) async fn end_or_wait(&mut self, view: &View) -> Result<LookEnd, LookError> {
        if let Some(stuck) = &view.stuck {
            return self.fail_for(stuck).await;
        }
        if self.shared.is_overdue(&self.deployment) {
            return self.fail_for_standstill(view).await;
        }
        if let Some(quiet) = self.shared.quiet_to_record(&self.deployment) {
            self.deployment.quiet = quiet;
            self.record(TenantStatus::Pending).await?;
        }
        Ok(LookEnd::Waiting)
    }

    /// Ends the deployment with an object for which waiting will not help.
    pub(super) async fn fail_for(&mut self, stuck: &ObjectState) -> Result<LookEnd, LookError> {
        let reason = stuck.reason.clone();
        let reason =
            reason.unwrap_or_else(|| Message::new("deployment.stalled").with("objects", &stuck.name));
        let shortage = reasons::is_shortage(&reason);
        self.fail(if shortage { "INSUFFICIENT_RESOURCES" } else { "DEPLOYMENT_FAILED" }, reason).await
    }

    /// Ends a deployment in which nothing moves: with the reason of the first object that has one.
    async fn fail_for_standstill(&mut self, view: &View) -> Result<LookEnd, LookError> {
        let reason = view.pending.iter().find_map(|resource| resource.reason.clone());
        let Some(reason) = reason else { return self.fail("DEPLOYMENT_FAILED", stalled(view)).await };
        let shortage = reasons::is_shortage(&reason);
        self.fail(if shortage { "INSUFFICIENT_RESOURCES" } else { "DEPLOYMENT_FAILED" }, reason).await
    }

    pub(super) async fn fail(&mut self, code: &str, message: Message) -> Result<LookEnd, LookError> {
        let failure = Failure { code: code.to_owned(), message };
        let wanted = !self.deployment.status.is_final()
            && !self.tenant.spec.is_external()
            && self.deployment.rollback.unwrap_or(self.shared.options.rollback_on_failure);
        let good = self.revisions.last_whole_before(self.deployment.generation);
        if let Some(good) = good.filter(|_| wanted).cloned() {
            return self.roll_back(failure, &good).await;
        }
        self.deployment.fail(self.now(), failure);
        if wanted {
            self.note(LogLevel::Warning, Message::new("deployment.nothing_to_return_to"));
        }
        // Of what others manage nothing is put back.
        let stays_at = self.stays_at().filter(|_| !self.tenant.spec.is_external());
        if let Some(number) = stays_at.map(|revision| revision.number) {
            self.note(LogLevel::Info, Message::new("deployment.stays_at").with("revision", number));
        }
        self.record_outcome(TenantStatus::Failed, "failed").await?;
        // What was begun of the new one gives way to what is in force, now and not at some later look.
        Ok(if self.deployment.unsettled { LookEnd::Again } else { LookEnd::Done })
    }

    /// Makes an earlier revision the tenant's newest, to the letter, and ends this deployment as
    /// rolled back: one transaction, so that a crash leaves no roll-out that ended without a word.
    async fn roll_back(&mut self, failure: Failure, good: &Revision) -> Result<LookEnd, LookError> {
        let now = self.now();
        let tenant = returned_to(good, &self.tenant, now);
        let (id, newer) = (tenant.id.clone(), tenant.deployment_id.clone());
        let kind = DeploymentKind::Update;
        let by_us = Caller { actor: ServerActor::Controller.into(), origin: self.deployment.origin.clone() };
        let deployment = Deployment::accepted(newer.clone(), id, tenant.generation, kind, now, None)
            .replacing(self.deployment.id.clone())
            .asked_for(Cause::Rollback, &by_us);
        // Going back and forth between two revisions that fail would never end.
        let deployment = Deployment { rollback: Some(false), ..deployment };
        let revision = Some(NewRevision::again(good, &tenant, Cause::Rollback));
        self.deployment.roll_back(now, failure, &newer);
        let audit = AuditEntry {
            action: "tenant.rollback".to_owned(),
            before: Some(
                serde_json::json!({ "generation": self.tenant.generation, "spec": self.tenant.spec }),
            ),
            after: Some(serde_json::json!({ "generation": tenant.generation, "spec": tenant.spec })),
            ..self.shared.audit(&self.tenant, &self.deployment, "accepted")
        };
        // It had room for what it goes back to.
        let admission = Admission::default();
        let ended = Some(self.outcome(TenantStatus::Failed, "rolled_back"));
        let change = TenantChange { tenant, deployment, revision, audit, admission, ended };
        self.shared.store.change_tenant(change).await?;
        Ok(LookEnd::Again)
    }

    /// The revision that is in force although this deployment was to bring another.
    pub(super) fn stays_at(&self) -> Option<&Revision> {
        self.revisions.in_force().filter(|revision| revision.number != self.deployment.generation)
    }

    pub(super) fn shows(&self, view: &View) -> bool {
        view.is_shown_by(&self.deployment)
    }

    pub(super) fn show(&mut self, view: &View) {
        self.deployment.created_resources.clone_from(&view.created);
        self.deployment.pending_resources.clone_from(&view.pending);
    }

    /// Reasons that the record does not show yet.
    pub(super) fn new_trouble(&self, view: &View) -> Vec<Message> {
        let known = |resource: &ResourceState| {
            self.deployment.pending_resources.iter().any(|known| known.reason == resource.reason)
        };
        let new = view.pending.iter().filter(|resource| resource.reason.is_some() && !known(resource));
        new.filter_map(|resource| resource.reason.clone()).collect()
    }

    pub(super) fn announce(&mut self, message: Message) {
        let now = self.now();
        self.deployment.announce(now, message);
    }

    pub(super) fn note(&mut self, level: LogLevel, message: Message) {
        let now = self.now();
        self.deployment.note(now, level, message);
    }

    pub(super) async fn record(&self, tenant_status: TenantStatus) -> Result<(), StoreError> {
        self.shared.record(self.deployment.clone(), tenant_status, None).await
    }

    pub(super) async fn record_outcome(
        &self,
        tenant_status: TenantStatus,
        outcome: &str,
    ) -> Result<(), StoreError> {
        self.shared.store.record_progress(self.outcome(tenant_status, outcome)).await
    }

    /// This deployment as it ended, with what the audit trail says of it.
    fn outcome(&self, tenant_status: TenantStatus, outcome: &str) -> ProgressUpdate {
        let audit = Some(self.shared.audit(&self.tenant, &self.deployment, outcome));
        ProgressUpdate { deployment: self.deployment.clone(), tenant_status, audit }
    }

    pub(super) fn now(&self) -> ecp_core::Timestamp {
        self.shared.clock.now()
    }
}
