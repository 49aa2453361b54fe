//! Upkeep in the background: flushing, ageing, clearing away.

use super::Inner;
use super::tables;
use crate::tier::Tier;
use ecp_core::ports::MetricError;
use ecp_store::database_error;
use std::sync::Arc;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// Rows deleted in one transaction, so that appends do not wait long for it.
const ROWS_IN_A_DELETION: usize = 128;

impl Inner {
    /// Flushes when it is time or the log has grown, and ages and clears after each flush. A step
    /// that fails is logged and done again the next time. What is in the log at the end stays
    /// there, for the next start.
    pub(super) async fn maintain(self: &Arc<Self>, cancel: CancellationToken) {
        let mut timer = tokio::time::interval(self.options.flush_every);
        timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The first tick is immediate; after a start there is nothing to hurry for.
        timer.tick().await;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                _ = timer.tick() => {}
                () = self.flush_wanted.notified() => {}
            }
            if let Err(error) = self.maintain_once().await {
                tracing::error!(error = &error as &dyn std::error::Error, "samples stay in the log for now");
            }
        }
    }

    pub(super) async fn maintain_once(self: &Arc<Self>) -> Result<(), MetricError> {
        self.flush_all().await?;
        self.age().await?;
        self.clear().await?;
        self.registry.drop_unused();
        Ok(())
    }

    /// Deletes what is past its tier's retention.
    async fn age(&self) -> Result<(), MetricError> {
        const AGEING: &str = "deleting old samples";
        for tier in Tier::ALL {
            let oldest = tier.oldest_row(&self.options.retention, self.now_ms());
            loop {
                let _alone = self.maintenance.lock().await;
                let deletion = move |transaction: &rusqlite::Transaction<'_>| {
                    tables::delete_old_chunks(transaction, tier, oldest, ROWS_IN_A_DELETION)
                        .map_err(database_error(AGEING))
                };
                let deleted = self.database.write(AGEING, deletion).await.map_err(MetricError::Storage)?;
                if deleted < ROWS_IN_A_DELETION {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Clears away the chunks of keys that no tenant has any more.
    async fn clear(&self) -> Result<(), MetricError> {
        const CLEARING: &str = "clearing away forgotten samples";
        let clearing = |transaction: &rusqlite::Transaction<'_>| {
            tables::clear_garbage(transaction, ROWS_IN_A_DELETION).map_err(database_error(CLEARING))
        };
        loop {
            let _alone = self.maintenance.lock().await;
            if !self.database.write(CLEARING, clearing).await.map_err(MetricError::Storage)? {
                return Ok(());
            }
        }
    }
}
