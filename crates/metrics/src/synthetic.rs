//! The load of demo tenants: made up, but believable.
//!
//! [`load_at`] is what a tenant would measure at a moment; [`SyntheticLoad`] feeds it to the metric
//! store: a day of history for a tenant that is new, then a sample every five seconds, until the
//! tenant sends samples of its own.

mod load;

pub use load::load_at;

use crate::tier::floor;
use ecp_core::Timestamp;
use ecp_core::ids::TenantId;
use ecp_core::metrics::{Sample, SampleSource, to_millis};
use ecp_core::ports::{Clock, MetricError, MetricStore, TenantStore};
use ecp_core::tenant::{Tenant, TenantStatus};
use load::SAMPLE_SPACING_MS;
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How far back the history of a new tenant goes.
const HISTORY_MS: i64 = 24 * 3_600_000;
/// The spacing of history.
const HISTORY_SPACING_MS: i64 = 60_000;
/// Tenants whose samples are appended at a time: they share commits, and memory stays bounded.
const TENANTS_AT_A_TIME: usize = 64;

/// Makes up the load of one store's tenants.
pub struct SyntheticLoad {
    store: Arc<dyn TenantStore>,
    metrics: Arc<dyn MetricStore>,
    clock: Arc<dyn Clock>,
    hot: HashSet<TenantId>,
}

impl SyntheticLoad {
    /// Makes up load for the tenants of this store; those in `hot` cross the alert thresholds now
    /// and then.
    pub fn new(
        store: Arc<dyn TenantStore>,
        metrics: Arc<dyn MetricStore>,
        clock: Arc<dyn Clock>,
        hot: HashSet<TenantId>,
    ) -> Self {
        Self { store, metrics, clock, hot }
    }

    /// Feeds samples until cancelled. New tenants get theirs at once.
    pub async fn run(&self, cancel: CancellationToken) {
        let mut tenants_changed = self.store.subscribe_tenants();
        let mut timer = tokio::time::interval(Duration::from_millis(SAMPLE_SPACING_MS as u64));
        timer.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            let only_new = tokio::select! {
                () = cancel.cancelled() => return,
                _ = timer.tick() => false,
                changed = tenants_changed.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    true
                }
            };
            if cancel.run_until_cancelled(self.feed(only_new)).await.is_none() {
                return;
            }
        }
    }

    /// Appends what is due now: to every tenant, or to those alone that have no sample yet. Of several processes
    /// the one that leads the mode does.
    async fn feed(&self, only_new: bool) {
        if !self.store.leads() {
            return;
        }
        let now = self.clock.now();
        let tenants = self.store.tenants();
        let due: Vec<&Arc<Tenant>> = tenants
            .iter()
            .filter(|tenant| tenant.status != TenantStatus::Deleting)
            .filter(|tenant| !only_new || self.metrics.subscribe(&tenant.key()).borrow().is_none())
            .collect();
        for tenants in due.chunks(TENANTS_AT_A_TIME) {
            let mut appends = JoinSet::new();
            for tenant in tenants {
                let metrics = self.metrics.clone();
                let (tenant, hot) = (Arc::clone(tenant), self.hot.contains(&tenant.id));
                appends.spawn(async move {
                    if let Err(error) = feed_tenant(&*metrics, &tenant, hot, now).await {
                        tracing::warn!(
                            tenant.id = %tenant.id, error = &error as &dyn std::error::Error,
                            "no load could be made up"
                        );
                    }
                });
            }
            appends.join_all().await;
        }
    }
}

async fn feed_tenant(
    metrics: &dyn MetricStore,
    tenant: &Tenant,
    hot: bool,
    now: Timestamp,
) -> Result<(), MetricError> {
    let key = tenant.key();
    if metrics.has_own_samples(&key).await? {
        return Ok(());
    }
    let newest_ms = metrics.subscribe(&key).borrow().and_then(|latest| latest.timestamp_ms());
    let samples: Vec<Sample> = due_times(newest_ms, to_millis(now))
        .filter_map(|time_ms| Timestamp::from_millisecond(time_ms).ok())
        .map(|at| load_at(tenant, hot, at))
        .collect();
    match metrics.append(&key, SampleSource::Synthetic, &samples).await {
        // It was removed while its samples were on their way.
        Err(MetricError::TenantGone(_)) => Ok(()),
        appended => appended,
    }
}

/// When samples are due: by the minute since the newest one, a day back at most, and one for now.
fn due_times(newest_ms: Option<i64>, now_ms: i64) -> impl Iterator<Item = i64> {
    let live_ms = floor(now_ms, SAMPLE_SPACING_MS);
    let day_ago = now_ms - HISTORY_MS;
    let after_ms = newest_ms.map_or(day_ago, |newest| newest.max(day_ago));
    let first_ms = floor(after_ms, HISTORY_SPACING_MS) + HISTORY_SPACING_MS;
    let history = (first_ms..live_ms).step_by(HISTORY_SPACING_MS as usize);
    // While samples come every few seconds, minutes pass without being gaps.
    let is_gap = live_ms - after_ms > HISTORY_SPACING_MS;
    let live = newest_ms.is_none_or(|newest| newest < live_ms).then_some(live_ms);
    history.filter(move |_| is_gap).chain(live)
}

#[cfg(test)]
mod tests;
