//! When a look that failed is tried again, and what is said meanwhile.

use super::{ControllerOptions, LookError, Shared};
use crate::reasons;
use ecp_core::Timestamp;
use ecp_core::deployment::{Deployment, LogLevel};
use ecp_core::ids::TenantId;
use ecp_core::ports::{ClusterError, ClusterHealth, StoreError, WorkItem};
use ecp_core::text::Message;
use std::collections::BTreeSet;
use std::time::Duration;

/// A cluster that is not seen, and who waits for it.
#[derive(Default)]
pub(super) struct Outage {
    away: bool,
    waiting: BTreeSet<TenantId>,
}

impl Outage {
    /// Tells whether the cluster is seen; once it is seen again, all who waited.
    fn look(&mut self, sees: bool) -> BTreeSet<TenantId> {
        let was_away = std::mem::replace(&mut self.away, !sees);
        if was_away && sees { std::mem::take(&mut self.waiting) } else { BTreeSet::new() }
    }
}

impl Shared {
    /// Puts a tenant off after a failure; the durable queue brings it back.
    pub(super) async fn back_off(&self, item: &WorkItem, error: &LookError) {
        let id = &item.tenant_id;
        let attempts = item.attempts.saturating_add(1);
        let wait = backoff(&self.options, id, attempts);
        if let LookError::Store(error @ StoreError::Database { .. }) = error {
            // The lease is kept, so that nothing is due before the store takes writes again.
            self.store_failed(error);
            self.slots.lock().mark(id);
            return;
        }
        if let LookError::Cluster(ClusterError::Stopping) = error {
            // It stays in hand, so that it is not given back: others begin when its lease has run out, and
            // nothing of what was cut short can arrive any more.
            return;
        }
        tracing::warn!(%error, tenant.id = %id, attempts, wait_ms = wait.as_millis() as u64, "trying again later");
        if let LookError::Cluster(error) = error
            && !self.told(self.tell_waiting(id, error, attempts, wait, self.clock.now()).await)
        {
            self.slots.lock().mark(id);
            return;
        }
        if self.told(self.store.retry_work(item, attempts, self.clock.steady() + wait).await) {
            self.put_down(item);
            let mut outage = self.outage.lock();
            if outage.away && matches!(error, LookError::Cluster(_)) {
                outage.waiting.insert(id.clone());
            }
        }
    }

    /// Has tenants that wait for a cluster that was away tried at once when it is seen again, however long
    /// they were put off by then.
    pub(super) fn end_outage(&self) {
        let sees = self.cluster.health() == ClusterHealth::Ready;
        let waited = self.outage.lock().look(sees);
        if !waited.is_empty() {
            tracing::info!(
                tenants = waited.len(),
                mode = self.mode.as_str(),
                "the cluster answers again; what waited for it goes on"
            );
            self.store.hasten_work(&waited);
        }
    }

    /// Says in the log of a deployment that is under way why nothing moves.
    async fn tell_waiting(
        &self,
        id: &TenantId,
        error: &ClusterError,
        attempts: u32,
        wait: Duration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let Some(tenant) = self.store.tenant(id) else { return Ok(()) };
        let Some(deployment) = self.newest_deployment(&tenant) else { return Ok(()) };
        if deployment.status.is_final() {
            return Ok(());
        }
        let hindered = reasons::hindered(error);
        let said = hindered.as_ref().map(|(_, _, reason)| reason.clone());
        let reason = said.unwrap_or_else(|| match error {
            ClusterError::NotConfigured => Message::new("deployment.cluster_not_configured"),
            ClusterError::BeingRead(read) => {
                Message::new("deployment.cluster_being_read").with("reason", read)
            }
            ClusterError::Unwatched(reason) => {
                Message::new("deployment.cluster_unwatched").with("reason", reason)
            }
            other => Message::new("deployment.cluster_unreachable").with("reason", other),
        });
        // Each reason once while nothing else happens, not at every try.
        let is_same = |told: &Message| {
            let by_key = matches!(error, ClusterError::BeingRead(_));
            told.key == reason.key
                && (by_key || reason.values.iter().all(|value| told.values.contains(value)))
        };
        let waiting = deployment.logs.iter().rev().map(|line| &line.message);
        if waiting.take_while(|told| tells_of_waiting(told)).any(is_same) {
            return Ok(());
        }
        let mut deployment = Deployment::clone(&deployment);
        let message = match hindered {
            Some((kind, name, reason)) => {
                let pending = deployment.pending_resources.iter_mut();
                for resource in pending.filter(|resource| resource.kind == kind && resource.name == name) {
                    resource.reason = Some(reason.clone());
                }
                reason
            }
            None => reason.with("attempt", attempts).with("seconds", wait.as_secs_f64().ceil()),
        };
        deployment.note(now, LogLevel::Warning, message);
        self.record(deployment, tenant.status, None).await
    }
}

/// True of what [`Shared::tell_waiting`] writes.
fn tells_of_waiting(message: &Message) -> bool {
    let prefixes = ["deployment.cluster_", "cluster.hindered_by_", "cluster.refused_for_now"];
    prefixes.iter().any(|prefix| message.key.starts_with(prefix))
}

/// Doubles from the base to the maximum, less up to a fifth by tenant, so that tenants that failed
/// together do not all come back together.
pub(super) fn backoff(options: &ControllerOptions, id: &TenantId, attempts: u32) -> Duration {
    let doubled = options.backoff_base.saturating_mul(1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX));
    let spread =
        id.as_str().bytes().fold(attempts, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    doubled.min(options.backoff_max).mul_f64(1.0 - f64::from(spread % 64) / 320.0)
}
