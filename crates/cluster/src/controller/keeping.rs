//! Keeping a tenant as it should be: what is missing comes back, what was changed is undone, and both are said.

use super::bounds;
use super::hands::Hand;
use super::healing::{FIGHT_TIME, Found};
use super::look::Look;
use super::view::{View, pods_ready};
use super::{LookEnd, LookError};
use crate::reasons;
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::{DeploymentStatus, LogLevel};
use ecp_core::manifest::Object;
use ecp_core::ports::{ClusterError, Drift};
use ecp_core::tenant::TenantStatus;
use ecp_core::text::Message;

impl Found {
    /// True of an object that was not as it should be.
    fn names(&self, object: &Object) -> bool {
        let drifted =
            self.drifts.iter().any(|drift| drift.kind == object.kind() && drift.name == object.name());
        drifted || self.missing.iter().any(|name| *name == format!("{} {}", object.kind(), object.name()))
    }
}

impl Look<'_, Hand<'_>> {
    /// Keeps a tenant whose deployment has ended as it should be.
    pub(super) async fn keep(&mut self) -> Result<LookEnd, LookError> {
        if self.deployment.unsettled {
            self.clear_away().await?;
        }
        let (view, found) = self.put_right().await?;
        if self.stays_at().is_some() {
            return self.keep_earlier(&view, &found).await;
        }
        if !found.is_nothing() {
            // Told with what comes of it, in one record: what shows all ready never says that it is not.
            self.tell_healed(&found);
        }
        let was = self.tenant.status;
        let told = found.is_nothing() && self.shows(&view);
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

    /// Applies again what is missing or was changed, deletes what is too much, and says what there is
    /// then and what was found.
    pub(super) async fn put_right(&mut self) -> Result<(View, Found), LookError> {
        let view = self.observe()?;
        let drifts = self.shared.cluster.drift(&self.tenant.id, &self.objects)?;
        let (id, now) = (&self.tenant.id, self.shared.clock.steady());
        let mut found = Found { missing: view.missing.clone(), drifts, ..Found::default() };
        found.leave_what_ends(&view);
        self.shared.fights.lock().hold_back(id, &mut found, now);
        // What is applied may come to nothing that is worth a word, and is there all the same.
        let is_stale = found.is_to_be_put_back() || view.surplus;
        if found.is_to_be_put_back() {
            let wanted: Vec<Object> =
                self.objects.iter().filter(|object| found.names(object)).cloned().collect();
            let intent = self.shared.intend_healing(&self.tenant, &found).await?;
            let applied = match self.apply_each(&wanted).await {
                // It is tried again, and is the same deed then.
                Err(
                    away @ (ClusterError::Unreachable(_)
                    | ClusterError::BeingRead(_)
                    | ClusterError::Unwatched(_)
                    | ClusterError::Stopping
                    | ClusterError::NotConfigured),
                ) => {
                    return Err(away.into());
                }
                Err(hindered @ ClusterError::Hindered { .. }) => {
                    self.tell_hindered(&hindered).await?;
                    return Err(hindered.into());
                }
                applied => applied,
            };
            let objects = found.objects();
            let left = self.shared.cluster.drift(&self.tenant.id, &self.objects)?;
            let tried = found.missing.len() + found.drifts.len();
            found.keep_what_happened(&self.observe()?, &left);
            found.leave_out_what_never_was(&self.deployment);
            // What is there again is no more healed than it was lost.
            let again = self.shared.cluster.left_as_is(&self.tenant.id);
            found.drifts.retain(|drift| {
                let same = |other: &Drift| {
                    (&other.kind, &other.name, &other.field) == (&drift.kind, &drift.name, &drift.field)
                };
                !again.iter().any(same)
            });
            self.shared.fights.lock().tried(&self.tenant.id, objects.into_keys(), &found, now);
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
            self.hand.prune(&self.objects).await?;
        }
        if is_stale { Ok((self.observe()?, found)) } else { Ok((view, found)) }
    }

    /// Shows what is there while something can not be put back, with what keeps it; it is tried again.
    async fn tell_hindered(&mut self, error: &ClusterError) -> Result<(), LookError> {
        let Some((kind, name, reason)) = reasons::hindered(error) else { return Ok(()) };
        let mut view = self.observe()?;
        view.explain(kind, name, &reason);
        let is = match self.deployment.status {
            DeploymentStatus::Running if view.down => TenantStatus::Pending,
            DeploymentStatus::Running => TenantStatus::Running,
            _ => self.tenant.status,
        };
        if self.shows(&view) && is == self.tenant.status {
            return Ok(());
        }
        if !self.deployment.logs.last().is_some_and(|line| line.message == reason) {
            self.note(LogLevel::Warning, reason);
        }
        self.show(&view);
        self.record(is).await?;
        Ok(())
    }

    /// Says what was put back, and who had changed it.
    pub(super) fn tell_healed(&mut self, found: &Found) {
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
        for contested in &found.contested {
            let message = Message::new("deployment.contested")
                .with("object", &contested.object)
                .with("manager", contested.manager.as_deref().unwrap_or("unknown"))
                .with("times", contested.times)
                .with("seconds", FIGHT_TIME.as_secs());
            self.note(LogLevel::Warning, message);
        }
    }

    /// Applies objects one after another: what the cluster refuses keeps no other from coming back.
    async fn apply_each(&mut self, objects: &[Object]) -> Result<(), ClusterError> {
        let mut refused = None;
        for object in objects {
            match self.apply(std::slice::from_ref(object)).await {
                Err(
                    refusal @ (ClusterError::Refused { .. }
                    | ClusterError::ForeignObject { .. }
                    | ClusterError::Hindered { .. }),
                ) => _ = refused.get_or_insert(refusal),
                end => end?,
            }
        }
        refused.map_or(Ok(()), Err)
    }

    /// Makes everything what is in force after a roll-out that left something else: its own doing, so
    /// this is no healing either.
    async fn clear_away(&mut self) -> Result<(), LookError> {
        let whole = self.whole.clone();
        self.apply(&bounds::quotas(&whole)).await?;
        self.hand.prune(&whole).await?;
        self.apply_each(&whole).await?;
        self.deployment.unsettled = false;
        self.record(self.tenant.status).await?;
        Ok(())
    }
}
