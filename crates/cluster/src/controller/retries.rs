//! When a look that failed is tried again, and what is said meanwhile.

use super::{ControllerOptions, LookError, Shared};
use ecp_core::Timestamp;
use ecp_core::deployment::{Deployment, LogLevel};
use ecp_core::ids::TenantId;
use ecp_core::ports::{ClusterError, StoreError, WorkItem};
use ecp_core::text::Message;
use std::time::Duration;

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
        let reason = match error {
            ClusterError::NotConfigured => Message::new("deployment.cluster_not_configured"),
            ClusterError::BeingRead(read) => {
                Message::new("deployment.cluster_being_read").with("reason", read)
            }
            other => Message::new("deployment.cluster_unreachable").with("reason", other),
        };
        // Once an outage, not at every try.
        if deployment.logs.last().is_some_and(|line| line.message.key == reason.key) {
            return Ok(());
        }
        let message = reason.with("attempt", attempts).with("seconds", wait.as_secs_f64().ceil());
        let mut deployment = Deployment::clone(&deployment);
        deployment.note(now, LogLevel::Warning, message);
        self.record(deployment, tenant.status, None).await
    }
}

/// Doubles from the base to the maximum, less up to a fifth by tenant, so that tenants that failed
/// together do not all come back together.
pub(super) fn backoff(options: &ControllerOptions, id: &TenantId, attempts: u32) -> Duration {
    let doubled = options.backoff_base.saturating_mul(1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX));
    let spread =
        id.as_str().bytes().fold(attempts, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    doubled.min(options.backoff_max).mul_f64(1.0 - f64::from(spread % 64) / 320.0)
}
