//! One look at a tenant that goes away: first its objects, then its samples, then the tenant.

use super::hands::Hand;
use super::view::resource;
use super::{LookEnd, LookError, Shared};
use crate::reasons;
use ecp_core::deployment::{Deployment, LogLevel, Phase, Removal, ResourceState};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_core::text::Message;
use std::sync::Arc;

/// Percent done while objects are going.
const GOING: std::ops::RangeInclusive<u8> = 10..=90;

impl Shared {
    pub(super) async fn look_at_deletion(
        &self,
        tenant: Arc<Tenant>,
        recorded: &Deployment,
        how: Removal,
        fresh: bool,
        hand: Hand<'_>,
    ) -> Result<LookEnd, LookError> {
        let mut deletion = recorded.clone();
        if deletion.phase == Phase::Queued {
            self.supersede(&tenant, &deletion).await?;
        }
        let seen = self.cluster.observe(&tenant.id)?;
        if seen.objects.is_empty() {
            return self.finish_deletion(&tenant, deletion).await;
        }
        if fresh || seen.objects.iter().any(|object| object.status != "Terminating") {
            hand.delete(how).await?;
        }
        let seen = self.cluster.observe(&tenant.id)?;
        if seen.objects.is_empty() {
            return self.finish_deletion(&tenant, deletion).await;
        }
        let left: Vec<ResourceState> = seen.objects.iter().map(resource).collect();
        let now = self.clock.now();
        if deletion.phase == Phase::Queued {
            deletion.advance(Phase::ScalingServices, *GOING.start());
            deletion.note(now, LogLevel::Info, Message::new("deployment.deleting"));
        } else if left != deletion.pending_resources {
            deletion.advance(Phase::ScalingServices, progress(&deletion, left.len()));
            deletion.announce(now, Message::new("deployment.deleting_left").with("left", left.len()));
        } else if self.is_overdue(&deletion) {
            let names = holders(&left);
            let message = Message::new("deployment.deletion_stalled").with("objects", names.join(", "));
            deletion.note(now, LogLevel::Warning, message);
        } else {
            return Ok(LookEnd::Waiting);
        }
        let known = |reason: &Message| deletion.logs.iter().any(|line| line.message == *reason);
        let news: Vec<Message> = left
            .iter()
            .filter_map(|resource| resource.reason.clone())
            .filter(|reason| !reasons::is_waiting(reason) && !known(reason))
            .collect();
        for reason in news {
            deletion.note(now, LogLevel::Warning, reason);
        }
        deletion.created_resources.clear();
        deletion.pending_resources = left;
        // Someone may have asked for force since this look began.
        if let Some(newest) = self.newest_deployment(&tenant) {
            deletion.kind = newest.kind;
        }
        self.record(deletion, TenantStatus::Deleting, None).await?;
        Ok(LookEnd::Waiting)
    }

    /// Ends a tenant whose objects others apply, and leaves them.
    pub(super) async fn look_at_external_deletion(
        &self,
        tenant: Arc<Tenant>,
        recorded: &Deployment,
    ) -> Result<LookEnd, LookError> {
        let mut deletion = recorded.clone();
        self.supersede(&tenant, &deletion).await?;
        let left = Message::new("deployment.external_left").with("namespace", tenant.id.namespace());
        deletion.note(self.clock.now(), LogLevel::Info, left);
        self.finish_deletion(&tenant, deletion).await
    }

    async fn finish_deletion(&self, tenant: &Tenant, mut deletion: Deployment) -> Result<LookEnd, LookError> {
        let key = tenant.key();
        self.metrics.remove_tenant(&key).await?;
        self.fights.lock().forget(&tenant.id);
        self.intents.lock().remove(&tenant.id);
        // The store ends it together with the tenant: whoever is told so finds neither.
        deletion.complete(self.clock.now());
        self.store.remove_tenant(&tenant.id, self.audit(tenant, &deletion, "completed")).await?;
        self.cluster.forget(&tenant.id);
        // Samples may have come between the two; from here on none is taken any more.
        if let Err(error) = self.metrics.remove_tenant(&key).await {
            tracing::warn!(%error, tenant.id = %tenant.id, "late samples are forgotten at the next start");
        }
        Ok(LookEnd::Done)
    }
}

/// Names of what does not go by itself; of everything, where nothing says that it waits for something else.
fn holders(left: &[ResourceState]) -> Vec<&str> {
    let waits = |resource: &&ResourceState| resource.reason.as_ref().is_some_and(reasons::is_waiting);
    let holders: Vec<&str> =
        left.iter().filter(|it| !waits(it)).map(|resource| resource.name.as_str()).collect();
    if holders.is_empty() { left.iter().map(|resource| resource.name.as_str()).collect() } else { holders }
}

/// Goes on towards the end by the share of the remaining objects that went since the last record.
fn progress(deletion: &Deployment, left: usize) -> u8 {
    let before = deletion.pending_resources.len();
    let gone = before.saturating_sub(left);
    let ahead = usize::from(GOING.end().saturating_sub(deletion.progress));
    let step = (ahead * gone).checked_div(before).unwrap_or(0);
    deletion.progress + u8::try_from(step).unwrap_or(0)
}
