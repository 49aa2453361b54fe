//! Configuration: embedded defaults, then a file, then the environment, then flags.
//!
//! The four are merged as TOML and validated as a whole: every fault is reported at once, with the
//! source that it came from.

mod check;
mod notifications;
mod sources;

use self::sources::{check_names, merge, merge_environment, read_file};
use crate::cli::language::say_text;
use ecp_api::sites::{Host, Origin, Sites};
use ecp_api::telemetry::{NotPerTenant, PerTenant};
use ecp_cluster::SimulatedNodes;
use ecp_core::metrics::Metric;
use ecp_metrics::{Expressions, MetricsUrl, MetricsUrlError, RemoteSettings};
use ecp_store::{PostgresError, PostgresUrl};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::{Table, Value};

pub(crate) use check::database_fault;
pub use notifications::Notifications;

/// The commented defaults; also what `ecp config` prints.
pub const DEFAULTS: &str = include_str!("../default.toml");

/// What the server runs with.
#[derive(Clone, Debug, Deserialize)]
pub struct Config {
    /// Address and port.
    pub listen: SocketAddr,
    /// Folder of the databases.
    pub data_dir: PathBuf,
    /// Address of the PostgreSQL server that keeps everything but samples; empty for files.
    pub database_url: String,
    /// Address of the metric store that keeps samples; empty for the data folder.
    pub metrics_url: String,
    /// How many times faster than life the simulated cluster runs.
    pub demo_speed: f64,
    /// Kubeconfig file of the real cluster; empty where there is none.
    pub kubeconfig: String,
    /// Context of that file; empty for its current one.
    pub context: String,
    /// Catalog file; empty for the embedded one.
    pub catalog: String,
    /// Logging.
    pub log: Log,
    /// Names and sites.
    pub server: Server,
    /// Bearer tokens.
    pub auth: Auth,
    /// Requests a second.
    pub rate_limit: RateLimit,
    /// Connections and times.
    pub limits: Limits,
    /// How that store is asked.
    pub metrics: Metrics,
    /// How long samples are kept.
    pub retention: ecp_core::metrics::Retention,
    /// The audit trail.
    pub audit: History,
    /// Deployments that ended.
    pub deployments: History,
    /// The reconciler.
    pub controller: Controller,
    /// Receivers of alerts.
    pub notifications: Notifications,
    /// Traces.
    pub telemetry: Telemetry,
    /// Demo mode.
    pub demo: Demo,
    /// Samples are in a store that several processes share, whatever else says so.
    #[serde(skip)]
    pub shared_samples: bool,
}

/// Logging.
#[derive(Clone, Debug, Deserialize)]
pub struct Log {
    /// For people or for machines.
    pub format: LogFormat,
    /// A tracing filter.
    pub level: String,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// Which names are served, and pages of which sites may ask.
#[derive(Clone, Debug, Deserialize)]
pub struct Server {
    /// Names and addresses beside this machine's own that are served while no token is required.
    pub allowed_hosts: Vec<String>,
    /// Origins of pages that may ask beside the server's own.
    pub allowed_origins: Vec<String>,
    /// Path under which a proxy serves everything; empty for none.
    pub base_path: String,
}

/// Bearer tokens.
#[derive(Clone, Debug, Deserialize)]
pub struct Auth {
    /// When they are required.
    pub tokens: TokenPolicy,
}

/// When bearer tokens are required.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenPolicy {
    /// Unless the server listens on loopback only.
    Auto,
    /// Always.
    On,
    /// Never.
    Off,
}

/// Requests a second for each client.
#[derive(Clone, Debug, Deserialize)]
pub struct RateLimit {
    /// 0 for none, -1 for none on loopback and 1000 elsewhere.
    pub per_second: i64,
    /// Requests at once before the limit holds a client back.
    pub burst: u32,
}

/// Connections and times.
#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    /// Connections at once.
    pub max_connections: usize,
    /// WebSockets at once.
    pub max_websockets: usize,
    /// Seconds for request headers.
    pub header_timeout_seconds: u64,
    /// Seconds between requests.
    pub idle_timeout_seconds: u64,
    /// Seconds for a request body.
    pub body_timeout_seconds: u64,
    /// Seconds for an answer.
    pub request_timeout_seconds: u64,
    /// Seconds for requests in flight after SIGTERM.
    pub shutdown_grace_seconds: u64,
}

/// What `/metrics` says, and how the metric store at `metrics_url` is asked.
#[derive(Clone, Debug, Deserialize)]
pub struct Metrics {
    /// Of how many tenants of a mode `/metrics` has series, as [`PerTenant`] reads it.
    pub per_tenant: String,
    /// Address of remote write; empty for `metrics_url` with `/api/v1/write`.
    pub write_url: String,
    /// File with its credentials; empty for none.
    pub credentials_file: String,
    /// `X-Scope-OrgID`; empty for none.
    pub scope_org_id: String,
    /// Seconds for a question or a write.
    pub timeout_seconds: u64,
    /// Whether the tenants of real mode are scraped, so that nothing is written.
    pub read_only: bool,
    /// What each metric is then, in PromQL; empty where nobody measures it.
    pub expressions: BTreeMap<Metric, String>,
}

/// The reconciler.
#[derive(Clone, Debug, Deserialize)]
pub struct Controller {
    /// Tenants at once.
    pub max_concurrent: usize,
    /// Seconds of life without progress before a deployment fails.
    pub progress_deadline_seconds: u64,
    /// Whether a failed update brings back what ran before.
    pub rollback_on_failure: bool,
    /// Whether a changed catalog is rolled out without being asked for.
    pub catalog_rollout: CatalogRollout,
    /// Tenants at once to which it is rolled out.
    pub catalog_rollout_at_once: usize,
    /// Tenants that failed after which it is rolled out to no further one.
    pub catalog_rollout_stop_after: usize,
}

/// Whether a changed catalog is rolled out without being asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CatalogRollout {
    /// At the start with it, a few tenants at a time.
    Automatic,
    /// Where somebody asks for it, or changes the tenant.
    Manual,
}

/// How long something is kept.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct History {
    /// Days; 0 for ever.
    pub retention_days: u32,
}

impl History {
    /// What is older than this goes.
    pub fn kept_since(&self, now: ecp_core::Timestamp) -> Option<ecp_core::Timestamp> {
        let age = std::time::Duration::from_secs(u64::from(self.retention_days) * 24 * 60 * 60);
        (self.retention_days > 0).then(|| now.checked_sub(age).ok()).flatten()
    }
}

/// Traces.
#[derive(Clone, Debug, Deserialize)]
pub struct Telemetry {
    /// Address of an OpenTelemetry collector, without the path; empty for none.
    pub otlp_endpoint: String,
}

/// Demo mode.
#[derive(Clone, Debug, Deserialize)]
pub struct Demo {
    /// Create a few tenants in a new database.
    pub seed: bool,
    /// Make up load.
    pub load: bool,
    /// What the simulated cluster consists of.
    pub nodes: SimulatedNodes,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", say_text!("config.faults", count = .0.len(), faults = .0.join("\n")))]
pub struct ConfigFaults(pub Vec<String>);

/// Values given as flags; `None` where a flag was not given.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// `--config`, or `ECP_CONFIG`.
    pub file: Option<PathBuf>,
    /// Flags by key.
    pub flags: Vec<(&'static str, Value)>,
}

impl Config {
    /// Merges all sources and validates the result. `environment` looks a variable up.
    pub fn load(
        overrides: &Overrides,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigFaults> {
        let mut merged: Table = DEFAULTS.parse().expect("the embedded defaults are valid TOML");
        let mut faults = Vec::new();
        let file = overrides.file.clone().or_else(|| environment("ECP_CONFIG").map(PathBuf::from));
        if let Some(path) = file {
            match read_file(&path) {
                Ok(table) => merge(&mut merged, table, &path.display().to_string(), "", &mut faults),
                Err(fault) => faults.push(fault),
            }
        }
        merge_environment(&mut merged, "", &environment, &mut faults);
        if let Some(Value::Table(telemetry)) = merged.get_mut("telemetry")
            && telemetry.get("otlp_endpoint").and_then(Value::as_str) == Some("")
            && let Some(endpoint) = environment("OTEL_EXPORTER_OTLP_ENDPOINT")
        {
            telemetry.insert("otlp_endpoint".to_owned(), Value::String(endpoint));
        }
        for (key, value) in &overrides.flags {
            merged.insert((*key).to_owned(), value.clone());
        }
        let config = match Value::Table(merged).try_into::<Self>() {
            Ok(config) => config,
            Err(error) => {
                faults.push(say_text!("config.value_unreadable", error = error.to_string().trim()));
                return Err(ConfigFaults(faults));
            }
        };
        config.check(&mut faults);
        if faults.is_empty() { Ok(config) } else { Err(ConfigFaults(faults)) }
    }

    /// As [`Self::load`], from the environment of this process, of which every variable of a section must be a
    /// key.
    ///
    /// # Errors
    /// A source can not be read, a key is unknown, or a value is wrong.
    pub fn load_here(overrides: &Overrides) -> Result<Self, ConfigFaults> {
        let mut faults = Vec::new();
        let defaults: Table = DEFAULTS.parse().expect("the embedded defaults are valid TOML");
        let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        check_names(&defaults, names, &mut faults);
        match Self::load(overrides, |name| std::env::var(name).ok()) {
            Ok(config) if faults.is_empty() => Ok(config),
            Ok(_) => Err(ConfigFaults(faults)),
            Err(ConfigFaults(more)) => {
                faults.extend(more);
                Err(ConfigFaults(faults))
            }
        }
    }

    /// The metric store that keeps samples, where there is one.
    pub fn metric_store(&self) -> Result<Option<RemoteSettings>, MetricsUrlError> {
        let Some(read_url) = address(&self.metrics_url)? else { return Ok(None) };
        let metrics = &self.metrics;
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Ok(Some(RemoteSettings {
            write_url: address(&metrics.write_url)?.unwrap_or_else(|| read_url.write_url()),
            read_url,
            credentials_file: some(&metrics.credentials_file).map(PathBuf::from),
            scope_org_id: some(&metrics.scope_org_id),
            timeout: Duration::from_secs(metrics.timeout_seconds),
        }))
    }

    /// What each metric is where tenants are scraped.
    pub fn expressions(&self) -> Expressions {
        Expressions::new(self.metrics.expressions.iter().map(|(metric, text)| (*metric, text.clone())))
    }

    /// True where samples of demo mode are kept in the data folder although there is a metric store: it is only
    /// read.
    pub fn keeps_demo_samples(&self) -> bool {
        self.metrics.read_only && self.metrics.write_url.is_empty()
    }

    /// True where samples of both modes are elsewhere, so that every replica reads the same ones.
    pub fn samples_are_shared(&self) -> bool {
        self.shared_samples || (!self.metrics_url.is_empty() && !self.keeps_demo_samples())
    }

    /// The server that keeps everything but samples, where there is one.
    pub fn postgres(&self) -> Result<Option<PostgresUrl>, PostgresError> {
        (!self.database_url.is_empty()).then(|| self.database_url.parse()).transpose()
    }

    /// Of how many tenants `/metrics` has series.
    pub fn per_tenant_metrics(&self) -> Result<PerTenant, NotPerTenant> {
        self.metrics.per_tenant.parse()
    }

    /// The OpenTelemetry collector that takes traces, where there is one.
    pub fn otlp_endpoint(&self) -> Option<&str> {
        Some(self.telemetry.otlp_endpoint.as_str()).filter(|endpoint| !endpoint.is_empty())
    }

    /// True where bearer tokens are required.
    pub fn tokens_required(&self) -> bool {
        match self.auth.tokens {
            TokenPolicy::On => true,
            TokenPolicy::Off => false,
            TokenPolicy::Auto => !self.listen.ip().is_loopback(),
        }
    }

    /// Which names are served, and pages of which sites may ask.
    pub fn sites(&self) -> Sites {
        let hosts = self.server.allowed_hosts.iter().filter_map(|host| Host::parse(host));
        let origins = self.server.allowed_origins.iter().filter_map(|origin| Origin::parse(origin));
        Sites::new(hosts, origins, self.tokens_required())
    }

    /// Requests a second for each client; `None` for no limit.
    pub fn requests_per_second(&self) -> Option<u32> {
        match self.rate_limit.per_second {
            0 => None,
            -1 if self.listen.ip().is_loopback() => None,
            -1 => Some(1000),
            limit => Some(u32::try_from(limit).unwrap_or(u32::MAX)),
        }
    }
}

/// The address of a metric store, where one is named.
fn address(text: &str) -> Result<Option<MetricsUrl>, MetricsUrlError> {
    (!text.is_empty()).then(|| text.parse()).transpose()
}

#[cfg(test)]
mod tests;
