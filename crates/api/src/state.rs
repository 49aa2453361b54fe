//! What every request can reach: the services of both modes, the catalog, the clock and the limits.

use crate::auth::Authentication;
use crate::memory::Memory;
use crate::monitoring::Answers;
use crate::rate_limit::RateLimit;
use crate::sites::Sites;
use crate::streams::{StreamOptions, Streams};
use crate::telemetry::{PerTenant, Telemetry};
use crate::tenants::DetailCache;
use ecp_core::Mode;
use ecp_core::catalog::Catalog;
use ecp_core::ports::{
    AlertingStore, Clock, ClusterView, MetricStore, NotificationStore, Notifier, RuleObserver, TenantStore,
};
use ecp_core::tenancy::Tenancy;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Everything that one mode's requests need.
pub struct ModeServices {
    /// Which mode.
    pub mode: Mode,
    /// Accepts creations, changes and deletions.
    pub tenancy: Arc<Tenancy>,
    /// Tenants, deployments, alerts and the audit trail.
    pub tenants: Arc<dyn TenantStore>,
    /// What people set about alerts.
    pub alerting: Arc<dyn AlertingStore>,
    /// Judges by what they set.
    pub rule_observer: Arc<dyn RuleObserver>,
    /// Who is told of alerts.
    pub notifications: Arc<dyn NotificationStore>,
    /// Tells them.
    pub notifier: Arc<dyn Notifier>,
    /// Samples.
    pub metrics: Arc<dyn MetricStore>,
    /// The cluster, real or simulated.
    pub cluster: Arc<dyn ClusterView>,
    pub(crate) details: DetailCache,
    pub(crate) answers: Answers,
}

impl ModeServices {
    /// Wires one mode.
    pub fn new(
        mode: Mode,
        tenancy: Arc<Tenancy>,
        tenants: Arc<dyn TenantStore>,
        (alerting, rule_observer): (Arc<dyn AlertingStore>, Arc<dyn RuleObserver>),
        (notifications, notifier): (Arc<dyn NotificationStore>, Arc<dyn Notifier>),
        metrics: Arc<dyn MetricStore>,
        cluster: Arc<dyn ClusterView>,
    ) -> Self {
        let (details, answers) = (DetailCache::default(), Answers::default());
        Self {
            mode,
            tenancy,
            tenants,
            alerting,
            rule_observer,
            notifications,
            notifier,
            metrics,
            cluster,
            details,
            answers,
        }
    }
}

/// Shared by all requests.
pub struct ApiState {
    /// Demo mode.
    pub demo: ModeServices,
    /// Real mode.
    pub real: ModeServices,
    /// Presets, services, prices.
    pub catalog: Arc<Catalog>,
    /// Tells the time of timestamps.
    pub clock: Arc<dyn Clock>,
    /// Sizes and times that a request may take.
    pub limits: Limits,
    /// What requests and answers may hold at once.
    pub(crate) memory: Memory,
    /// Whether callers must show a token.
    pub authentication: Authentication,
    /// Which names are served, and pages of which sites may ask.
    pub sites: Sites,
    /// How many requests a client may send; `None` for any number.
    pub rate_limit: Option<RateLimit>,
    /// Counts what happens.
    pub telemetry: Arc<Telemetry>,
    /// Of how many tenants `/metrics` has series.
    pub per_tenant: PerTenant,
    /// What all WebSockets share.
    pub(crate) streams: Streams,
    /// Cancelled when the server stops; WebSockets close then.
    pub stopping: CancellationToken,
    /// Answers `/readyz`.
    pub readiness: Readiness,
}

impl ApiState {
    /// A state that is not ready yet, asks nobody for a token and answers to this machine's names.
    pub fn new(
        demo: ModeServices,
        real: ModeServices,
        catalog: Arc<Catalog>,
        clock: Arc<dyn Clock>,
        limits: Limits,
    ) -> Self {
        let telemetry = Arc::new(Telemetry::new());
        telemetry.register_tenants(demo.tenants.clone(), real.tenants.clone());
        Self {
            demo,
            real,
            catalog,
            clock,
            memory: Memory::new(limits.bodies_bytes, limits.answers_bytes),
            limits,
            authentication: Authentication::off(),
            sites: Sites::default(),
            rate_limit: None,
            telemetry,
            per_tenant: PerTenant::default(),
            streams: Streams::new(StreamOptions::default()),
            stopping: CancellationToken::new(),
            readiness: Readiness::default(),
        }
    }

    /// Says whether callers must show a token.
    #[must_use]
    pub fn with_authentication(mut self, authentication: Authentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Says which names are served, and pages of which sites may ask.
    #[must_use]
    pub fn with_sites(mut self, sites: Sites) -> Self {
        self.sites = sites;
        self
    }

    /// Says how many requests a client may send.
    #[must_use]
    pub fn with_rate_limit(mut self, rate_limit: Option<RateLimit>) -> Self {
        self.rate_limit = rate_limit;
        self
    }

    /// Says of how many tenants `/metrics` has series.
    #[must_use]
    pub fn with_per_tenant_metrics(mut self, per_tenant: PerTenant) -> Self {
        self.per_tenant = per_tenant;
        self
    }

    /// Says how WebSockets are treated.
    #[must_use]
    pub fn with_stream_options(mut self, options: StreamOptions) -> Self {
        self.streams = Streams::new(options);
        self
    }

    /// The services of a mode.
    pub fn services(&self, mode: Mode) -> &ModeServices {
        match mode {
            Mode::Demo => &self.demo,
            Mode::Real => &self.real,
        }
    }
}

/// Sizes and times that a request may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Largest request body in bytes.
    pub body_bytes: usize,
    /// Largest body of a manifest validation in bytes: 4 MiB of manifest, escaped as JSON.
    pub manifest_body_bytes: usize,
    /// All request bodies that arrive or are worked on, in bytes.
    pub bodies_bytes: usize,
    /// All answers that clients have not taken yet, in bytes.
    pub answers_bytes: usize,
    /// A body that has not arrived by then is refused with 408.
    pub body_timeout: Duration,
    /// A request that is not answered by then is answered 503.
    pub request_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 1024 * 1024,
            manifest_body_bytes: 8 * 1024 * 1024,
            bodies_bytes: 48 * 1024 * 1024,
            answers_bytes: 48 * 1024 * 1024,
            body_timeout: Duration::from_secs(15),
            request_timeout: Duration::from_secs(30),
        }
    }
}

/// Whether traffic should come here: starting, ready, or stopping.
#[derive(Debug, Default)]
pub struct Readiness(AtomicU8);

impl Readiness {
    const READY: u8 = 1;
    const STOPPING: u8 = 2;

    /// Everything is open and caught up.
    pub fn set_ready(&self) {
        self.0.store(Self::READY, Ordering::Release);
    }

    /// Shutdown has begun.
    pub fn set_stopping(&self) {
        self.0.store(Self::STOPPING, Ordering::Release);
    }

    /// `starting`, `ready` or `stopping`.
    pub fn as_str(&self) -> &'static str {
        match self.0.load(Ordering::Acquire) {
            Self::READY => "ready",
            Self::STOPPING => "stopping",
            _ => "starting",
        }
    }

    /// True while traffic is welcome.
    pub fn is_ready(&self) -> bool {
        self.0.load(Ordering::Acquire) == Self::READY
    }
}
