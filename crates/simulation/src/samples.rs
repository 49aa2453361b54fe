//! No samples: what a controller asks of them is to forget them.

use async_trait::async_trait;
use ecp_core::ids::TenantKey;
use ecp_core::metrics::{Latest, Metric, Retention, Sample, SampleSource, Series, SeriesQuery};
use ecp_core::ports::{MetricCapabilities, MetricError, MetricStore};
use tokio::sync::watch;

/// A metric store that keeps nothing.
pub struct NoSamples;

#[async_trait]
impl MetricStore for NoSamples {
    fn capabilities(&self) -> MetricCapabilities {
        MetricCapabilities::EMBEDDED
    }

    async fn append(&self, _: &TenantKey, _: SampleSource, _: &[Sample]) -> Result<(), MetricError> {
        Ok(())
    }

    fn told_by_clients(&self, _: &TenantKey, _: Metric) -> Option<i64> {
        None
    }

    async fn has_own_samples(&self, _: &TenantKey) -> Result<bool, MetricError> {
        Ok(false)
    }

    async fn query(&self, _: &TenantKey, _: &SeriesQuery) -> Result<Vec<Series>, MetricError> {
        Ok(Vec::new())
    }

    fn subscribe(&self, _: &TenantKey) -> watch::Receiver<Option<Latest>> {
        watch::channel(None).1
    }

    async fn remove_tenant(&self, _: &TenantKey) -> Result<(), MetricError> {
        Ok(())
    }

    fn retention(&self) -> Retention {
        Retention::default()
    }
}
