//! One look at a tenant that is to be there: apply what should be, see what is, say what changed.

use super::bounds;
use super::healing::{FIGHT_TIME, Found, MOST_HEALS};
use super::view::{View, news, pods_ready, stalled};
use super::{LookEnd, LookError, Shared};
use crate::reasons;
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::{
    Deployment, DeploymentKind, DeploymentStatus, Failure, LogLevel, Phase, ResourceState,
};
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{Admission, ClusterError, Drift, ObjectState, StoreError, TenantChange};
use ecp_core::revision::{Cause, NewRevision, Reach, Revision, Revisions, reach_shown, returned_to};
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

impl Found {
    /// True of an object that was not as it should be.
    fn names(&self, object: &Object) -> bool {
        let drifted =
            self.drifts.iter().any(|drift| drift.kind == object.kind() && drift.name == object.name());
        drifted || self.missing.iter().any(|name| *name == format!("{} {}", object.kind(), object.name()))
    }
}

/// A look under way.
pub(super) struct Look<'a> {
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

impl Shared {
    pub(super) async fn look_at_rollout(
        &self,
        tenant: Arc<Tenant>,
        recorded: &Deployment,
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
        let mut look = Look { shared: self, tenant, objects, whole, revisions, deployment };
        let end = if recorded.status.is_final() { look.keep().await } else { look.roll_out().await };
        match end {
            Err(LookError::Cluster(
                refusal @ (ClusterError::Refused { .. }
                | ClusterError::ForeignNamespace { .. }
                | ClusterError::ForeignObject { .. }),
            )) => look.refused(&refusal).await,
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

impl Look<'_> {
    /// Brings a deployment that has not ended further.
    async fn roll_out(&mut self) -> Result<LookEnd, LookError> {
        if self.deployment.phase == Phase::Queued {
            self.shared.supersede(&self.tenant, &self.deployment).await?;
            // Whatever comes of this one, what the other left is cleared away.
            let replaced = self.deployment.replaces.as_ref().and_then(|id| self.shared.store.deployment(id));
            self.deployment.unsettled = replaced.is_some_and(|replaced| replaced.unsettled);
            if self.others_managed_before() {
                self.shared.cluster.take_over(&self.tenant.id, &self.whole).await?;
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
            self.shared.cluster.prune(&self.tenant.id, &self.objects).await?;
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
    async fn apply(&mut self, objects: &[Object]) -> Result<(), ClusterError> {
        for warning in self.shared.cluster.apply(&self.tenant.id, objects).await? {
            if !self.deployment.logs.iter().any(|line| line.message == warning) {
                self.note(LogLevel::Warning, warning);
            }
        }
        Ok(())
    }

    /// Applies objects one after another: what the cluster refuses keeps no other from coming back.
    async fn apply_each(&mut self, objects: &[Object]) -> Result<(), ClusterError> {
        let mut refused = None;
        for object in objects {
            match self.apply(std::slice::from_ref(object)).await {
                Err(refusal @ (ClusterError::Refused { .. } | ClusterError::ForeignObject { .. })) => {
                    _ = refused.get_or_insert(refusal)
                }
                end => end?,
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Asks the cluster about the whole manifest before anything is written; what it refuses, in
    /// words.
    async fn refused_beforehand(&self) -> Result<Option<Message>, LookError> {
        let objects: Vec<_> =
            self.objects.iter().filter_map(|object| serde_json::to_value(object).ok()).collect();
        let refusals = self.shared.cluster.dry_run(&objects).await?;
        let said: Vec<String> = refusals
            .iter()
            .map(|refusal| format!("{} {}: {}", refusal.kind, refusal.name, refusal.reason))
            .collect();
        let message = || Message::new("deployment.manifest_refused").with("refusals", said.join("; "));
        Ok((!said.is_empty()).then(message))
    }

    /// Applies again what is missing or was changed, deletes what is too much, and says what there is
    /// then and what was found.
    async fn put_right(&mut self) -> Result<(View, Found), LookError> {
        let view = self.observe()?;
        let drifts = self.shared.cluster.drift(&self.tenant.id, &self.objects)?;
        let (id, now) = (&self.tenant.id, self.shared.clock.steady());
        let mut found = Found { missing: view.missing.clone(), drifts, ..Found::default() };
        self.shared.fights.lock().hold_back(id, &mut found, now);
        if found.is_to_be_put_back() {
            let wanted: Vec<Object> =
                self.objects.iter().filter(|object| found.names(object)).cloned().collect();
            let intent = self.shared.intend_healing(&self.tenant, &found).await?;
            let applied = match self.apply_each(&wanted).await {
                // It is tried again, and is the same deed then.
                Err(away @ (ClusterError::Unreachable(_) | ClusterError::NotConfigured)) => {
                    return Err(away.into());
                }
                applied => applied,
            };
            self.shared.fights.lock().healed(&self.tenant.id, &found, now);
            let left = self.shared.cluster.drift(&self.tenant.id, &self.objects)?;
            let tried = found.missing.len() + found.drifts.len();
            found.keep_what_happened(&self.observe()?, &left);
            // What is there again is no more healed than it was lost.
            let again = self.shared.cluster.left_as_is(&self.tenant.id);
            found.drifts.retain(|drift| {
                let same = |other: &Drift| {
                    (&other.kind, &other.name, &other.field) == (&drift.kind, &drift.name, &drift.field)
                };
                !again.iter().any(same)
            });
            let happened = found.missing.len() + found.drifts.len();
            let came_of_it = match (&applied, happened > 0) {
                (_, true) if happened == tried => Some(AuditEntry {
                    before: intent.entry.before.clone(),
                    ..self.shared.audit_of_healing(&self.tenant, &found)
                }),
                (_, true) => Some(self.shared.audit_of_healing(&self.tenant, &found)),
                (Err(_), false) => Some(AuditEntry { outcome: "failed".to_owned(), ..intent.entry.clone() }),
                (Ok(()), false) => None,
            };
            self.shared.settle_healing(&self.tenant.id, &intent, came_of_it).await?;
            applied?;
        } else if let Some(intent) = self.shared.intent(&self.tenant.id).await? {
            // The crash came between the deed and its settling.
            let entry = AuditEntry { outcome: "restored".to_owned(), ..intent.entry.clone() };
            self.shared.settle_healing(&self.tenant.id, &intent, Some(entry)).await?;
        }
        if view.surplus {
            self.shared.cluster.prune(&self.tenant.id, &self.objects).await?;
        }
        if found.is_nothing() && !view.surplus { Ok((view, found)) } else { Ok((self.observe()?, found)) }
    }

    /// Says what was put back, and who had changed it.
    fn tell_healed(&mut self, found: &Found) {
        if !found.missing.is_empty() {
            let objects = found.missing.join(", ");
            self.note(
                LogLevel::Warning,
                Message::new("deployment.restored_objects").with("objects", objects),
            );
        }
        for drift in &found.drifts {
            let message = Message::new("deployment.healed")
                .with("object", format!("{} {}", drift.kind, drift.name))
                .with("field", &drift.field)
                .with("manager", drift.manager.as_deref().unwrap_or("unknown"));
            self.note(LogLevel::Warning, message);
        }
        for (object, manager) in &found.contested {
            let message = Message::new("deployment.contested")
                .with("object", object)
                .with("manager", manager.as_deref().unwrap_or("unknown"))
                .with("times", MOST_HEALS)
                .with("seconds", FIGHT_TIME.as_secs());
            self.note(LogLevel::Warning, message);
        }
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

    /// Makes everything what is in force after a roll-out that left something else: its own doing, so
    /// this is no healing either.
    async fn clear_away(&mut self) -> Result<(), LookError> {
        let whole = self.whole.clone();
        self.apply(&bounds::quotas(&whole)).await?;
        self.shared.cluster.prune(&self.tenant.id, &whole).await?;
        self.apply_each(&whole).await?;
        self.deployment.unsettled = false;
        self.record(self.tenant.status).await?;
        Ok(())
    }

    /// Keeps a tenant whose deployment has ended as it should be.
    async fn keep(&mut self) -> Result<LookEnd, LookError> {
        if self.deployment.unsettled {
            self.clear_away().await?;
        }
        let (view, found) = self.put_right().await?;
        if self.stays_at().is_some() {
            return self.keep_earlier(&view, &found).await;
        }
        if !found.is_nothing() {
            self.tell_healed(&found);
            let status = self.tenant.status;
            self.show(&view);
            self.record(status).await?;
        }
        let was = self.tenant.status;
        let told = found.is_nothing() && self.deployment.created_resources == view.created;
        if self.deployment.status == DeploymentStatus::Failed {
            if view.is_complete() {
                self.show(&view);
                self.deployment.complete(self.now());
                self.record_outcome(TenantStatus::Running, "completed").await?;
            } else if !told {
                self.announce(pods_ready(&view));
                self.show(&view);
                self.record(TenantStatus::Failed).await?;
            }
            return Ok(LookEnd::Done);
        }
        if let Some(stuck) = view.stuck.as_ref().filter(|_| view.down) {
            self.show(&view);
            return self.fail_for(stuck).await;
        }
        let is = if view.down { TenantStatus::Pending } else { TenantStatus::Running };
        if told && is == was {
            return Ok(LookEnd::Done);
        }
        match (was, is) {
            (TenantStatus::Running, TenantStatus::Pending) => {
                let names: Vec<&str> = view.pending.iter().map(|resource| resource.name.as_str()).collect();
                let message = Message::new("deployment.degraded").with("objects", names.join(", "));
                self.note(LogLevel::Warning, message);
            }
            (TenantStatus::Pending, TenantStatus::Running) => {
                self.note(LogLevel::Info, Message::new("deployment.recovered"));
            }
            _ => self.announce(pods_ready(&view)),
        }
        self.show(&view);
        self.record(is).await?;
        Ok(LookEnd::Done)
    }

    /// The revision that is in force although this deployment was to bring another.
    fn stays_at(&self) -> Option<&Revision> {
        self.revisions.in_force().filter(|revision| revision.number != self.deployment.generation)
    }

    /// Says what was put back of the revision that stays in force after a roll-out that came to
    /// nothing; the tenant is what the roll-out left it.
    async fn keep_earlier(&mut self, view: &View, found: &Found) -> Result<LookEnd, LookError> {
        if found.is_nothing() && self.shows(view) {
            return Ok(LookEnd::Done);
        }
        self.tell_healed(found);
        if found.is_nothing() {
            self.announce(pods_ready(view));
        }
        self.show(view);
        self.record(self.tenant.status).await?;
        Ok(LookEnd::Done)
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

    async fn fail(&mut self, code: &str, message: Message) -> Result<LookEnd, LookError> {
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
    /// rolled back.
    async fn roll_back(&mut self, failure: Failure, good: &Revision) -> Result<LookEnd, LookError> {
        let now = self.now();
        let tenant = returned_to(good, &self.tenant, now);
        let (id, newer) = (tenant.id.clone(), tenant.deployment_id.clone());
        let kind = DeploymentKind::Update;
        let deployment = Deployment::accepted(newer.clone(), id, tenant.generation, kind, now, None)
            .replacing(self.deployment.id.clone())
            .asked_for(Cause::Rollback, "controller");
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
        let change = TenantChange { tenant, deployment, revision, audit, admission };
        self.shared.store.change_tenant(change).await?;
        self.record_outcome(TenantStatus::Failed, "rolled_back").await?;
        Ok(LookEnd::Again)
    }

    fn observe(&self) -> Result<View, ClusterError> {
        Ok(View::of(&self.objects, &self.shared.cluster.observe(&self.tenant.id)?))
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
        let audit = self.shared.audit(&self.tenant, &self.deployment, outcome);
        self.shared.record(self.deployment.clone(), tenant_status, Some(audit)).await
    }

    pub(super) fn now(&self) -> ecp_core::Timestamp {
        self.shared.clock.now()
    }
}
