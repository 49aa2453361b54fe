//! One look at a tenant that is to be there: a deployment that has not ended is brought further here, what has ended is
//! kept in [`super::keeping`].

use super::bounds;
use super::hands::Hand;
use super::look::Look;
use super::view::{View, news, pods_ready};
use super::{LookEnd, LookError, Shared};
use crate::reasons;
use ecp_core::deployment::{Deployment, DeploymentKind, DeploymentStatus, LogLevel, Phase};
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::ClusterError;
use ecp_core::revision::{Reach, Revisions, reach_shown};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use std::sync::Arc;
use std::time::Duration;

/// Percent done once everything is applied.
pub(super) const APPLIED: u8 = 40;
/// Percent done when all pods are ready.
pub(super) const SCALED: u8 = 90;
/// Percent done during the last look.
const VERIFYING: u8 = 95;

/// One step of applying.
struct Step {
    /// Phase while it is under way.
    phase: Phase,
    /// Percent done when it begins.
    progress: u8,
    /// What is said when it begins.
    begins: &'static str,
    /// The kinds that it applies; none means all that no other step does.
    kinds: &'static [&'static str],
}

const STEPS: [Step; 3] = [
    Step {
        phase: Phase::CreatingNamespace,
        progress: 5,
        begins: "deployment.started",
        kinds: &["Namespace", "ResourceQuota", "LimitRange", "NetworkPolicy", "ServiceAccount"],
    },
    Step {
        phase: Phase::CreatingConfig,
        progress: 15,
        begins: "deployment.namespace_created",
        kinds: &["ConfigMap", "Secret"],
    },
    Step { phase: Phase::CreatingServices, progress: 25, begins: "deployment.config_created", kinds: &[] },
];

impl Step {
    fn objects(&self, all: &[Object]) -> Vec<Object> {
        let named = |object: &Object| STEPS.iter().any(|step| step.kinds.contains(&object.kind()));
        let ours = |object: &&Object| match self.kinds {
            [] => !named(object),
            kinds => kinds.contains(&object.kind()),
        };
        all.iter().filter(ours).cloned().collect()
    }
}

impl Shared {
    pub(super) async fn look_at_rollout(
        &self,
        tenant: Arc<Tenant>,
        recorded: &Deployment,
        hand: Hand<'_>,
    ) -> Result<LookEnd, LookError> {
        let revisions = self.store.revisions(&tenant.id).await?;
        let is_final = recorded.status.is_final();
        let wanted = if is_final { revisions.in_force() } else { revisions.numbered(recorded.generation) };
        let whole = match wanted {
            Some(revision) => self.objects_of(&tenant.id, revision).await?,
            // The cluster took nothing yet of what it could be kept at.
            None if is_final => return Ok(LookEnd::Done),
            None => {
                let (tenant_id, number) = (tenant.id.clone(), recorded.generation);
                return Err(LookError::Unkept { tenant_id, number });
            }
        };
        if let Some(revision) = wanted {
            let unpinned = (revision.manifest.clone(), whole.clone());
            self.manifests.lock().insert(tenant.id.clone(), unpinned);
        }
        let widens_quota =
            recorded.kind == DeploymentKind::Update && !is_final && recorded.phase < Phase::Verifying;
        let objects = match widens_quota {
            true => self.rolling_objects(&tenant.id, &revisions, recorded, &whole).await?,
            false => whole.clone(),
        };
        let deployment = recorded.clone();
        let mut look = Look { hand, shared: self, tenant, objects, whole, revisions, deployment };
        let end = if recorded.status.is_final() { look.keep().await } else { look.roll_out().await };
        match end {
            // Others made it between the take-over and its apply: it is taken over like the rest.
            Err(LookError::Cluster(
                ClusterError::ForeignNamespace { .. } | ClusterError::ForeignObject { .. },
            )) if look.is_taking_over() && look.take_over().await? => Ok(LookEnd::Again),
            Err(LookError::Cluster(
                refusal @ (ClusterError::Refused { .. }
                | ClusterError::ForeignNamespace { .. }
                | ClusterError::ForeignObject { .. }),
            )) => look.refused(&refusal).await,
            Err(LookError::Cluster(hindered @ ClusterError::Hindered { .. })) => {
                look.hindered(hindered).await
            }
            end => end,
        }
    }
}

impl Shared {
    /// What is to be there while a revision takes the place of earlier ones; worked out once a
    /// deployment.
    async fn rolling_objects(
        &self,
        id: &TenantId,
        revisions: &Revisions,
        deployment: &Deployment,
        whole: &[Object],
    ) -> Result<Arc<Vec<Object>>, LookError> {
        let kept = self.rolling.lock().get(id).cloned();
        if let Some((_, objects)) = kept.filter(|(deployment_id, _)| *deployment_id == deployment.id) {
            return Ok(objects);
        }
        let earlier = self.earlier_objects(id, revisions, deployment.generation).await?;
        let earlier: Vec<&[Object]> = earlier.iter().map(Vec::as_slice).collect();
        let objects = Arc::new(bounds::while_rolling_out(whole, &earlier));
        self.rolling.lock().insert(id.clone(), (deployment.id.clone(), objects.clone()));
        Ok(objects)
    }
}

impl Look<'_, Hand<'_>> {
    /// Brings a deployment that has not ended further.
    async fn roll_out(&mut self) -> Result<LookEnd, LookError> {
        if self.deployment.phase == Phase::Queued {
            self.shared.supersede(&self.tenant, &self.deployment).await?;
            // Whatever comes of this one, what the other left is cleared away.
            let replaced = self.deployment.replaces.as_ref().and_then(|id| self.shared.store.deployment(id));
            self.deployment.unsettled = replaced.is_some_and(|replaced| replaced.unsettled);
            if self.others_managed_before() {
                self.take_over().await?;
                self.note(LogLevel::Info, Message::new("deployment.taken_over"));
            }
            if let Some(refused) = self.refused_beforehand().await? {
                return self.fail("MANIFEST_INVALID", refused).await;
            }
            let time = self.tenant.sizing.deployment_time;
            let life = Duration::from_secs(u64::from(time.max_minutes) * 60);
            self.deployment.estimated_completion = Some(self.now() + self.shared.scaled(life));
            self.deployment.status = DeploymentStatus::Deploying;
            if self.deployment.kind == DeploymentKind::Update {
                self.deployment.unsettled = true;
            }
        }
        if self.deployment.phase == Phase::Verifying {
            self.bring_quota_back().await?;
        }
        if self.deployment.phase < Phase::ScalingServices && !self.apply_in_steps().await? {
            return Ok(LookEnd::Again);
        }
        let (view, found) = self.put_right().await?;
        if self.deployment.phase < Phase::ScalingServices {
            self.deployment.advance(Phase::ScalingServices, APPLIED);
            self.note(LogLevel::Info, Message::new("deployment.services_created"));
            self.show(&view);
            self.record(TenantStatus::Pending).await?;
        } else if !found.is_nothing() {
            self.tell_healed(&found);
            self.show(&view);
            self.record(TenantStatus::Pending).await?;
        }
        self.tell_progress(&view).await?;
        if view.is_complete() {
            return self.verify().await;
        }
        self.end_or_wait(&view).await
    }

    /// Makes ours what others applied, also what is wanted no more: it goes with the rest.
    async fn take_over(&mut self) -> Result<bool, LookError> {
        let (id, number) = (&self.tenant.id, self.deployment.generation);
        let earlier = self.shared.earlier_objects(id, &self.revisions, number).await?;
        let mut objects = Vec::clone(&self.whole);
        for object in earlier.into_iter().flatten() {
            let same = |other: &Object| (other.kind(), other.name()) == (object.kind(), object.name());
            if !objects.iter().any(same) {
                objects.push(object);
            }
        }
        Ok(self.hand.take_over(&objects).await?)
    }

    /// Until the deployment has ended that takes a tenant over.
    fn is_taking_over(&self) -> bool {
        !self.deployment.status.is_final() && self.others_managed_before()
    }

    /// Others applied what this deployment finds: the revision before it, or one that was overtaken before
    /// its turn came, says so.
    fn others_managed_before(&self) -> bool {
        let (mut number, mut overtaken) = (self.deployment.generation, self.deployment.replaces.clone());
        loop {
            let Some(before) = self.revisions.before(number) else { return false };
            if before.spec.is_external() {
                return true;
            }
            let Some(deployment) = overtaken.and_then(|id| self.shared.store.deployment(&id)) else {
                return false;
            };
            // One that ended was superseded where it stood.
            let began = reach_shown(&deployment) > Reach::Accepted || before.reach > Reach::Accepted;
            if began {
                return false;
            }
            (number, overtaken) = (before.number, deployment.replaces.clone());
        }
    }

    /// Applies step by step; false when the tenant changed meanwhile. Steps that the record is past
    /// are applied again, silently: the cluster may have lost since what they made.
    async fn apply_in_steps(&mut self) -> Result<bool, LookError> {
        if self.deployment.kind == DeploymentKind::Update {
            // What goes makes room for what comes.
            self.hand.prune(&self.objects).await?;
        }
        for step in &STEPS {
            let newest = self.shared.store.tenant(&self.tenant.id);
            if newest.is_none_or(|newest| newest.deployment_id != self.deployment.id) {
                return Ok(false);
            }
            if self.deployment.phase < step.phase {
                self.deployment.advance(step.phase, step.progress);
                self.note(LogLevel::Info, Message::new(step.begins));
                let view = self.observe()?;
                self.show(&view);
                self.record(TenantStatus::Pending).await?;
            }
            let objects = step.objects(&self.objects);
            self.apply(&objects).await?;
        }
        Ok(true)
    }

    /// Applies objects, and says in the log what the cluster made of them.
    pub(super) async fn apply(&mut self, objects: &[Object]) -> Result<(), ClusterError> {
        for warning in self.hand.apply(objects).await? {
            if !self.deployment.logs.iter().any(|line| line.message == warning) {
                self.note(LogLevel::Warning, warning);
            }
        }
        Ok(())
    }

    /// Asks the cluster about the whole manifest before anything is written; what it refuses, in
    /// words.
    async fn refused_beforehand(&self) -> Result<Option<Message>, LookError> {
        let objects: Vec<_> =
            self.objects.iter().filter_map(|object| serde_json::to_value(object).ok()).collect();
        let refusals = self.shared.cluster.try_out(&objects).await?;
        let said: Vec<String> = refusals
            .iter()
            .map(|refusal| format!("{} {}: {}", refusal.kind, refusal.name, refusal.reason))
            .collect();
        let message = || Message::new("deployment.manifest_refused").with("refusals", said.join("; "));
        Ok((!said.is_empty()).then(message))
    }

    /// Records what changed since the last record; nothing changed, nothing written.
    async fn tell_progress(&mut self, view: &View) -> Result<(), LookError> {
        let percent = view.percent_ready() as u8;
        let progress = APPLIED + (u32::from(SCALED - APPLIED) * u32::from(percent) / 100) as u8;
        if self.shows(view) && self.deployment.progress >= progress {
            return Ok(());
        }
        let (started, ready) = news(&self.deployment, view);
        let trouble = self.new_trouble(view);
        self.deployment.advance(self.deployment.phase, progress);
        let (started, ready) = (started.join(", "), ready.join(", "));
        match (started.is_empty(), ready.is_empty()) {
            (false, false) => self.note(
                LogLevel::Info,
                Message::new("deployment.service_ready_and_started")
                    .with("ready", ready)
                    .with("started", started),
            ),
            (true, false) => {
                self.note(LogLevel::Info, Message::new("deployment.service_ready").with("services", ready));
            }
            (false, true) => {
                self.note(
                    LogLevel::Info,
                    Message::new("deployment.service_started").with("services", started),
                );
            }
            (true, true) if trouble.is_empty() => {
                self.announce(pods_ready(view));
            }
            (true, true) => {}
        }
        for reason in trouble {
            self.note(LogLevel::Warning, reason);
        }
        self.show(view);
        self.record(TenantStatus::Pending).await?;
        Ok(())
    }

    /// Looks once more at what seems complete, and ends the deployment if it still is.
    async fn verify(&mut self) -> Result<LookEnd, LookError> {
        if self.deployment.phase < Phase::Verifying {
            self.deployment.advance(Phase::Verifying, VERIFYING);
            self.note(LogLevel::Info, Message::new("deployment.verifying"));
            self.record(TenantStatus::Pending).await?;
            self.bring_quota_back().await?;
        }
        let view = self.observe()?;
        if !view.is_complete() {
            return Ok(LookEnd::Again);
        }
        self.show(&view);
        self.deployment.complete(self.now());
        self.record_outcome(TenantStatus::Running, "completed").await?;
        Ok(LookEnd::Done)
    }

    /// Makes the quota again what the manifest says. Nobody else changed it, so this is no healing;
    /// the next record of the deployment says that it is back.
    async fn bring_quota_back(&mut self) -> Result<(), LookError> {
        self.objects = self.whole.clone();
        if self.deployment.unsettled {
            self.apply(&bounds::quotas(&self.whole)).await?;
            self.deployment.unsettled = false;
        }
        Ok(())
    }

    /// Ends the deployment with what the cluster would not take.
    async fn refused(&mut self, refusal: &ClusterError) -> Result<LookEnd, LookError> {
        if self.deployment.status == DeploymentStatus::Failed {
            return Ok(LookEnd::Done);
        }
        match refusal {
            ClusterError::ForeignNamespace { namespace } => {
                let reason = Message::new("deployment.foreign_namespace").with("namespace", namespace);
                self.fail("CONFLICT", reason).await
            }
            ClusterError::ForeignObject { namespace, kind, name } => {
                let reason = Message::new("deployment.foreign_object")
                    .with("namespace", namespace)
                    .with("object", format!("{kind} {name}"));
                self.fail("CONFLICT", reason).await
            }
            _ => {
                let reason = Message::new("deployment.refused").with("reason", refusal);
                self.fail("DEPLOYMENT_FAILED", reason).await
            }
        }
    }

    /// Ends a deployment that can not go on for too long although the cluster answers; else it is tried again.
    async fn hindered(&mut self, hindered: ClusterError) -> Result<LookEnd, LookError> {
        let is_overdue = !self.deployment.status.is_final() && self.shared.is_overdue(&self.deployment);
        let reason = reasons::hindered(&hindered).map(|(_, _, reason)| reason);
        match reason.filter(|_| is_overdue) {
            Some(reason) => self.fail("DEPLOYMENT_FAILED", reason).await,
            None => Err(hindered.into()),
        }
    }

    pub(super) fn observe(&self) -> Result<View, ClusterError> {
        Ok(View::of(&self.objects, &self.shared.cluster.observe(&self.tenant.id)?))
    }
}
