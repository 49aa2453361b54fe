//! Handing samples out, for a move to another store.

use super::{EmbeddedMetrics, tables};
use crate::codec::{raw, rollup};
use crate::rollup::Bucket;
use crate::set::MetricSet;
use crate::tier::Tier;
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Metric, Sample, SampleSource};
use ecp_core::ports::MetricError;
use ecp_store::database_error;

const EXPORTING: &str = "reading samples to move";
/// How far after now samples may be.
const FUTURE_MS: i64 = 86_400_000;

impl EmbeddedMetrics {
    /// The tenants that have samples, and who measured them: what a client sent and what was collected are not told
    /// apart any more once they are in chunks.
    pub fn tenants_with_samples(&self) -> Vec<(TenantKey, SampleSource)> {
        let of = |own: bool| if own { SampleSource::Client } else { SampleSource::Synthetic };
        let slots = self.inner.registry.all().into_iter();
        let kept = slots.filter_map(|slot| {
            let state = slot.state.lock();
            state.key.map(|_| (slot.tenant.clone(), of(state.own)))
        });
        kept.collect()
    }

    /// Hands a tenant's samples out row by row, oldest first; of the time before raw samples are kept, the average of
    /// each bucket at its start. What is not in chunks yet is moved there first.
    ///
    /// # Errors
    /// The storage's, a row that can not be read, and those of `take`.
    pub async fn export(
        &self,
        key: &TenantKey,
        mut take: impl AsyncFnMut(Vec<Sample>) -> Result<(), MetricError>,
    ) -> Result<(), MetricError> {
        self.flush().await?;
        let Some(tenant_key) = self.inner.registry.get(key).and_then(|slot| slot.state.lock().key) else {
            return Ok(());
        };
        let (now_ms, retention) = (self.inner.now_ms(), self.inner.options.retention);
        let from = |tier: Tier| tier.oldest_row(&retention, now_ms);
        let spans = [
            (Tier::OneHour, from(Tier::OneHour), from(Tier::FiveMinutes)),
            (Tier::FiveMinutes, from(Tier::FiveMinutes), from(Tier::Raw)),
            (Tier::Raw, from(Tier::Raw), now_ms + FUTURE_MS),
        ];
        for (tier, start_ms, end_ms) in spans {
            for row_ms in tier.rows(start_ms, end_ms - 1) {
                let samples = self.row(tenant_key, tier, row_ms).await?;
                let wanted = |sample: &Sample| (start_ms..end_ms).contains(&sample.timestamp_ms);
                let samples: Vec<Sample> = samples.into_iter().filter(wanted).collect();
                if !samples.is_empty() {
                    take(samples).await?;
                }
            }
        }
        Ok(())
    }

    async fn row(&self, tenant_key: i64, tier: Tier, row_ms: i64) -> Result<Vec<Sample>, MetricError> {
        let read = move |connection: &rusqlite::Connection| {
            let chunk =
                tables::chunk(connection, tenant_key, tier, row_ms).map_err(database_error(EXPORTING))?;
            let Some(data) = chunk else { return Ok(Vec::new()) };
            match tier {
                Tier::Raw => raw::decode(&data, MetricSet::ALL),
                _ => rollup::decode(&data, tier, row_ms, MetricSet::ALL).map(|row| {
                    let buckets = |index: usize| {
                        let mut sample = Sample::empty(row_ms + index as i64 * tier.bucket_ms());
                        for metric in Metric::ALL {
                            let bucket = row.column(metric).get(index).copied().unwrap_or(Bucket::EMPTY);
                            if bucket.count > 0 {
                                sample.values[metric.index()] = bucket.sum / f64::from(bucket.count);
                            }
                        }
                        sample
                    };
                    let has_values = |sample: &Sample| sample.values.iter().any(|value| !value.is_nan());
                    (0..tier.buckets()).map(buckets).filter(has_values).collect()
                }),
            }
            .map_err(database_error(EXPORTING))
        };
        self.inner.database.read(EXPORTING, read).await.map_err(MetricError::Storage)
    }
}
