//! One look at a tenant whose objects others apply: see what is, say what changed, and write nothing to the
//! cluster.
//!
//! What the manifest asks for is awaited for as long as it takes: deadlines run only while all of it is there.

use super::hands::HandsOff;
use super::look::Look;
use super::rollout::{APPLIED, SCALED};
use super::view::{View, pods_ready};
use super::{LookEnd, LookError, Shared};
use ecp_core::deployment::{Deployment, DeploymentStatus, LogLevel, Phase};
use ecp_core::ids::TenantId;
use ecp_core::manifest::Object;
use ecp_core::ports::{ClusterError, Drift, Observation};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use ecp_core::watched::Watched;
use std::sync::Arc;

/// Percent done while nothing is there.
const AWAITED: u8 = 5;

impl Shared {
    pub(super) async fn look_at_external(
        &self,
        tenant: Arc<Tenant>,
        recorded: &Deployment,
    ) -> Result<LookEnd, LookError> {
        let revisions = self.store.revisions(&tenant.id).await?;
        // Whatever came of earlier ones: others apply what the manifest says now.
        let wanted = revisions
            .numbered(recorded.generation)
            .ok_or_else(|| LookError::Unkept { tenant_id: tenant.id.clone(), number: recorded.generation })?;
        let objects = self.objects_of(&tenant.id, wanted).await?;
        let unpinned = (wanted.manifest.clone(), objects.clone());
        self.manifests.lock().insert(tenant.id.clone(), unpinned);
        let deployment = recorded.clone();
        let whole = objects.clone();
        let mut look = Look { hand: HandsOff, shared: self, tenant, objects, whole, revisions, deployment };
        if look.deployment.status.is_final() { look.watch().await } else { look.await_others().await }
    }

    /// True where a tenant that others manage does not look as its record says.
    pub(super) async fn looks_otherwise(&self, tenant: &Tenant, deployment: &Deployment) -> bool {
        let Ok(revisions) = self.store.revisions(&tenant.id).await else { return false };
        let Some(wanted) = revisions.numbered(deployment.generation) else { return false };
        let Ok(objects) = self.objects_of(&tenant.id, wanted).await else { return false };
        let Ok(seen) = self.see_wanted(&tenant.id, &objects, true) else { return false };
        !seen.view.is_shown_by(deployment)
    }

    fn see_wanted(&self, id: &TenantId, objects: &[Object], ended: bool) -> Result<Seen, ClusterError> {
        let (mut observation, drifts) = self.cluster.observe_wanted(id, objects)?;
        mark(&mut observation, &drifts, ended);
        Ok(Seen { view: View::of(objects, &observation), drifts })
    }
}

/// What is there of what is wanted.
struct Seen {
    view: View,
    drifts: Vec<Drift>,
}

impl Seen {
    /// All that the manifest says is there, as it says.
    fn is_applied(&self) -> bool {
        self.view.missing.is_empty() && self.view.ending.is_empty() && self.drifts.is_empty()
    }
}

/// Says of each object that differs what of it does; while it is awaited it is not ready for that.
fn mark(observation: &mut Observation, drifts: &[Drift], ended: bool) {
    for state in &mut observation.objects {
        let of_it: Vec<&Drift> =
            drifts.iter().filter(|drift| drift.kind == state.kind && drift.name == state.name).collect();
        if of_it.is_empty() {
            continue;
        }
        let fields: Vec<&str> = of_it.iter().map(|drift| drift.field.as_str()).collect();
        let differs = Message::new("cluster.differs_from_manifest").with("fields", fields.join(", "));
        state.reason = state.reason.take().or(Some(differs));
        state.ready &= ended;
    }
}

impl Look<'_, HandsOff> {
    fn see(&self) -> Result<Seen, ClusterError> {
        self.shared.see_wanted(&self.tenant.id, &self.objects, self.deployment.status.is_final())
    }

    /// Waits until others have applied a revision and all of it runs.
    async fn await_others(&mut self) -> Result<LookEnd, LookError> {
        if self.deployment.phase == Phase::Queued {
            self.shared.supersede(&self.tenant, &self.deployment).await?;
            self.deployment.status = DeploymentStatus::Deploying;
            // Nobody knows when others will.
            self.deployment.estimated_completion = None;
            self.deployment.advance(Phase::CreatingServices, AWAITED);
            let waits = Message::new("deployment.external_waits").with("tenant_id", &self.tenant.id);
            self.note(LogLevel::Info, waits);
            self.record(TenantStatus::Pending).await?;
        }
        let seen = self.see()?;
        let applied = seen.is_applied();
        if applied && self.deployment.phase < Phase::ScalingServices {
            self.deployment.advance(Phase::ScalingServices, APPLIED);
            self.note(LogLevel::Info, Message::new("deployment.external_applied"));
            self.show(&seen.view);
            self.record(TenantStatus::Pending).await?;
        }
        self.tell(&seen).await?;
        if !applied {
            // Others take the time that they take.
            self.shared.deadlines.lock().forget(&self.tenant.id);
            self.deployment.quiet = Watched::default();
            return Ok(LookEnd::Waiting);
        }
        if seen.view.is_complete() {
            self.deployment.complete(self.now());
            self.record_outcome(TenantStatus::Running, "completed").await?;
            return Ok(LookEnd::Done);
        }
        self.end_or_wait(&seen.view).await
    }

    /// Records what changed since the last record.
    async fn tell(&mut self, seen: &Seen) -> Result<(), LookError> {
        let share = |from: u8, to: u8, percent: u32| from + (u32::from(to - from) * percent / 100) as u8;
        let progress = if seen.is_applied() {
            share(APPLIED, SCALED, seen.view.percent_ready())
        } else {
            let wanted = self.objects.len().max(1);
            let there = wanted.saturating_sub(seen.view.missing.len() + seen.view.ending.len());
            share(AWAITED, APPLIED, u32::try_from(there * 100 / wanted).unwrap_or(0))
        };
        if self.shows(&seen.view) {
            return Ok(());
        }
        let trouble = self.new_trouble(&seen.view);
        self.deployment.advance(self.deployment.phase, progress.max(self.deployment.progress));
        if trouble.is_empty() {
            self.announce(pods_ready(&seen.view));
        }
        for reason in trouble {
            self.note(LogLevel::Warning, reason);
        }
        self.show(&seen.view);
        self.record(TenantStatus::Pending).await?;
        Ok(())
    }

    /// Says how a tenant is whose roll-out has ended.
    async fn watch(&mut self) -> Result<LookEnd, LookError> {
        let seen = self.see()?;
        if seen.view.is_shown_by(&self.deployment) {
            return Ok(LookEnd::Done);
        }
        let missing = seen.view.missing.join(", ");
        if self.deployment.status == DeploymentStatus::Failed {
            if seen.is_applied() && seen.view.is_complete() {
                self.show(&seen.view);
                self.deployment.complete(self.now());
                self.record_outcome(TenantStatus::Running, "completed").await?;
            } else {
                self.announce(pods_ready(&seen.view));
                self.show(&seen.view);
                self.record(TenantStatus::Failed).await?;
            }
            return Ok(LookEnd::Done);
        }
        if let Some(stuck) = seen.view.stuck.as_ref().filter(|_| seen.view.down) {
            self.show(&seen.view);
            return self.fail_for(stuck).await;
        }
        let is = if seen.view.down { TenantStatus::Pending } else { TenantStatus::Running };
        let news = self.differences_not_told(&seen);
        if !missing.is_empty() && !self.has_told_missing(&seen.view) {
            self.note(
                LogLevel::Warning,
                Message::new("deployment.external_missing").with("objects", missing),
            );
        } else if (self.tenant.status, is) == (TenantStatus::Pending, TenantStatus::Running) {
            self.note(LogLevel::Info, Message::new("deployment.recovered"));
        } else if news.is_empty() {
            self.announce(pods_ready(&seen.view));
        }
        for message in news {
            self.note(LogLevel::Warning, message);
        }
        self.show(&seen.view);
        self.record(is).await?;
        Ok(LookEnd::Done)
    }

    /// What differs and is not in the record, in words.
    fn differences_not_told(&self, seen: &Seen) -> Vec<Message> {
        let recorded = self.deployment.created_resources.iter().chain(&self.deployment.pending_resources);
        let recorded: Vec<_> = recorded.filter(|resource| resource.reason.is_some()).collect();
        let shown = seen.view.created.iter().chain(&seen.view.pending);
        let news = shown.filter(|resource| {
            resource.reason.is_some()
                && !recorded.iter().any(|known| {
                    (&known.kind, &known.name, &known.reason)
                        == (&resource.kind, &resource.name, &resource.reason)
                })
        });
        let drifts = news.flat_map(|resource| {
            seen.drifts.iter().filter(|drift| drift.kind == resource.kind && drift.name == resource.name)
        });
        let said = |drift: &Drift| {
            Message::new("deployment.external_differs")
                .with("object", format!("{} {}", drift.kind, drift.name))
                .with("field", &drift.field)
                .with("manager", drift.manager.as_deref().unwrap_or("unknown"))
        };
        drifts.map(said).collect()
    }

    /// The record names as many objects that are not there.
    fn has_told_missing(&self, view: &View) -> bool {
        view.missing.iter().all(|name| {
            self.deployment
                .pending_resources
                .iter()
                .any(|known| *name == format!("{} {}", known.kind, known.name))
        })
    }
}
