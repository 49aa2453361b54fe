//! Where the samples of a mode are: in its file, or in a metric store elsewhere.

use crate::config::Config;
use ecp_core::Mode;
use ecp_core::ids::TenantKey;
use ecp_core::ledger::ObjectLedger as _;
use ecp_core::ports::{Clock, MetricStore, SampleObserver, TenantStore as _};
use ecp_metrics::{EmbeddedMetrics, MetricsOptions, RemoteMetrics, ScrapedMetrics};
use ecp_store::{Database, SqlStore};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// The metric store of one mode.
#[derive(Clone)]
pub(crate) enum ModeMetrics {
    /// In the mode's file.
    Embedded(EmbeddedMetrics),
    /// In a store elsewhere.
    Remote(RemoteMetrics),
    /// In a store elsewhere that others fill.
    Scraped(ScrapedMetrics),
}

impl ModeMetrics {
    /// Opens what the configuration names.
    pub async fn open(
        mode: Mode,
        config: &Config,
        file: &Database,
        tenants: &Arc<SqlStore>,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let existing = tenants.clone();
        let exists = Arc::new(move |key: &TenantKey| existing.exists(key));
        let elsewhere = !(mode.is_demo() && config.keeps_demo_samples());
        let Some(settings) = config.metric_store()?.filter(|_| elsewhere) else {
            let options = MetricsOptions { retention: config.retention, ..MetricsOptions::default() };
            return Ok(Self::Embedded(EmbeddedMetrics::open(file.clone(), clock.clone(), options, exists)?));
        };
        crate::tls::install_crypto_provider();
        if config.metrics.read_only && !mode.is_demo() {
            let (expressions, kept) = (config.expressions(), config.retention);
            let metrics = ScrapedMetrics::new(settings, expressions, kept, clock.clone(), tenants.clone())?;
            return Ok(Self::Scraped(metrics));
        }
        let installation = tenants.installation().await?;
        let owner = (mode, &installation);
        Ok(Self::Remote(RemoteMetrics::new(settings, owner, config.retention, clock.clone(), exists)?))
    }

    /// It as everybody else knows it.
    pub fn store(&self) -> Arc<dyn MetricStore> {
        match self {
            Self::Embedded(metrics) => Arc::new(metrics.clone()),
            Self::Remote(metrics) => Arc::new(metrics.clone()),
            Self::Scraped(metrics) => Arc::new(metrics.clone()),
        }
    }

    /// Adds an observer; it sees what is accepted from now on.
    pub fn observe(&self, observer: Arc<dyn SampleObserver>) {
        match self {
            Self::Embedded(metrics) => metrics.observe(observer),
            Self::Remote(metrics) => metrics.observe(observer),
            Self::Scraped(metrics) => metrics.observe(observer),
        }
    }

    /// Forgets the samples of tenants that went just before the process ended; elsewhere their labels hide them.
    pub async fn forget_all_but(&self, stays: impl Fn(&TenantKey) -> bool) -> anyhow::Result<()> {
        if let Self::Embedded(metrics) = self {
            metrics.forget_all_but(stays).await?;
        }
        Ok(())
    }

    /// Does what is due by itself, until it is cancelled.
    pub async fn maintain(&self, cancel: CancellationToken) {
        match self {
            Self::Embedded(metrics) => metrics.maintain(cancel).await,
            Self::Remote(metrics) => metrics.maintain(cancel).await,
            Self::Scraped(metrics) => metrics.maintain(cancel).await,
        }
    }
}
