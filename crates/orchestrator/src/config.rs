//! Configuration: embedded defaults, then a file, then the environment, then flags.
//!
//! The four are merged as TOML and validated as a whole: every fault is reported at once, with the
//! source that it came from.

mod notifications;
mod sources;

use self::sources::{check_names, merge, merge_environment, read_file};
use ecp_api::sites::{Host, Origin, Sites};
use ecp_api::telemetry::{NotPerTenant, PerTenant};
use ecp_core::metrics::Metric;
use ecp_metrics::{Expressions, MetricsUrl, MetricsUrlError, RemoteSettings};
use ecp_store::{PostgresError, PostgresUrl};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;
use toml::{Table, Value};

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
}

/// Everything that is wrong with a configuration.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the configuration has {} fault(s):\n{}", .0.len(), .0.join("\n"))]
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
                faults.push(error.to_string().trim().to_owned());
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

    fn check(&self, faults: &mut Vec<String>) {
        let mut demand = |holds: bool, text: &str| {
            if !holds {
                faults.push(text.to_owned());
            }
        };
        demand(
            self.demo_speed.is_finite() && (0.001..=100_000.0).contains(&self.demo_speed),
            "demo_speed: must be between 0.001 and 100000",
        );
        demand(!self.data_dir.as_os_str().is_empty(), "data_dir: must name a folder");
        demand(
            is_log_filter(&self.log.level),
            &format!(
                "log.level: {:?} is no level; write off, error, warn, info, debug or trace, or targets with \
                 levels such as \"warn,ecp=debug\"",
                self.log.level
            ),
        );
        if let Err(fault) = self.postgres() {
            demand(false, &format!("database_url: {fault}"));
        }
        self.check_metrics(&mut demand);
        for host in &self.server.allowed_hosts {
            demand(
                Host::parse(host).is_some(),
                &format!("server.allowed_hosts: {host:?} is no name or address; write it without a port"),
            );
        }
        for origin in &self.server.allowed_origins {
            demand(
                Origin::parse(origin).is_some(),
                &format!(
                    "server.allowed_origins: {origin:?} is no origin; write it as https://console.example.com, \
                     with the port where it is not the usual one and without a path"
                ),
            );
        }
        demand(
            is_base_path(&self.server.base_path),
            &format!(
                "server.base_path: {:?} is no path; write it as /ops/ecp: letters, digits, - . _ ~ and slashes, \
                 or leave it empty",
                self.server.base_path
            ),
        );
        demand(self.rate_limit.per_second >= -1, "rate_limit.per_second: must be -1, 0 or more");
        demand(self.rate_limit.burst > 0, "rate_limit.burst: must be 1 or more");
        demand(self.limits.max_connections > 0, "limits.max_connections: must be 1 or more");
        let seconds = [
            ("header_timeout_seconds", self.limits.header_timeout_seconds),
            ("idle_timeout_seconds", self.limits.idle_timeout_seconds),
            ("body_timeout_seconds", self.limits.body_timeout_seconds),
            ("request_timeout_seconds", self.limits.request_timeout_seconds),
        ];
        for (key, value) in seconds {
            demand((1..=86_400).contains(&value), &format!("limits.{key}: must be between 1 and 86400"));
        }
        demand(
            self.limits.shutdown_grace_seconds <= 9,
            "limits.shutdown_grace_seconds: must be 9 or less, so that a shutdown ends within 10 s",
        );
        let retention = self.retention;
        demand(
            retention.raw_days >= 1
                && retention.raw_days <= retention.five_minutes_days
                && retention.five_minutes_days <= retention.one_hour_days,
            "retention: must be 1 <= raw_days <= five_minutes_days <= one_hour_days",
        );
        demand(self.controller.max_concurrent > 0, "controller.max_concurrent: must be 1 or more");
        demand(
            self.controller.catalog_rollout_at_once > 0,
            "controller.catalog_rollout_at_once: must be 1 or more",
        );
        demand(
            self.controller.catalog_rollout_stop_after > 0,
            "controller.catalog_rollout_stop_after: must be 1 or more",
        );
        demand(
            self.controller.progress_deadline_seconds > 0,
            "controller.progress_deadline_seconds: must be 1 or more",
        );
        for fault in self.notifications.allowed().err().unwrap_or_default() {
            demand(false, &format!("notifications.allow_private: {fault}"));
        }
        let endpoint = &self.telemetry.otlp_endpoint;
        demand(
            endpoint.is_empty() || endpoint.starts_with("http://") || endpoint.starts_with("https://"),
            &format!(
                "telemetry.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT): {endpoint:?} is no address; write it as \
                 http://otel-collector:4318"
            ),
        );
        if let Err(fault) = self.per_tenant_metrics() {
            demand(false, &format!("metrics.per_tenant: {:?} {fault}", self.metrics.per_tenant));
        }
        demand(
            self.context.is_empty() || !self.kubeconfig.is_empty(),
            "context: names a context, but no kubeconfig is given; set kubeconfig (ECP_KUBECONFIG, --kubeconfig) too",
        );
    }

    fn check_metrics(&self, demand: &mut impl FnMut(bool, &str)) {
        let metrics = &self.metrics;
        for (key, url) in [("metrics_url", &self.metrics_url), ("metrics.write_url", &metrics.write_url)] {
            if let Some(fault) = address(url).err() {
                demand(false, &format!("{key}: {fault}"));
            }
        }
        let has_store = !self.metrics_url.is_empty();
        for (key, value) in [
            ("write_url", &metrics.write_url),
            ("credentials_file", &metrics.credentials_file),
            ("scope_org_id", &metrics.scope_org_id),
        ] {
            demand(
                has_store || value.is_empty(),
                &format!(
                    "metrics.{key}: there is no metric store; set metrics_url (ECP_METRICS_URL, --metrics-url) too"
                ),
            );
        }
        demand(
            has_store || !metrics.read_only,
            "metrics.read_only: there is no metric store to read; set metrics_url (ECP_METRICS_URL, --metrics-url) too",
        );
        let expressions = self.expressions();
        demand(
            !metrics.read_only || !expressions.is_empty(),
            "metrics.expressions: with metrics.read_only at least one metric needs an expression",
        );
        for metric in expressions.of_no_tenant() {
            demand(
                false,
                &format!(
                    "metrics.expressions.{metric}: names neither $namespace nor $tenant_id, so every tenant would \
                     have the same values"
                ),
            );
        }
        demand(
            metrics.scope_org_id.chars().all(|c| c.is_ascii_graphic()),
            "metrics.scope_org_id: must be visible ASCII characters without spaces",
        );
        demand(
            metrics.timeout_seconds >= 1 && metrics.timeout_seconds < self.limits.request_timeout_seconds,
            "metrics.timeout_seconds: must be 1 or more, and less than limits.request_timeout_seconds",
        );
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

/// Levels, and targets with theirs. A word alone would be a target too, and of a level that is misspelt nothing
/// would ever be logged.
fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |text: &str| LEVELS.iter().any(|level| text.eq_ignore_ascii_case(level));
    text.split(',').map(str::trim).all(|part| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    })
}

/// Empty, or segments of plain characters that no client rewrites.
fn is_base_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.is_empty() || path.strip_prefix('/').is_some_and(|path| path.split('/').all(segment))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_defaults_are_valid_and_listen_on_loopback_without_tokens() {
        let config = Config::load(&Overrides::default(), nothing).expect("the defaults are valid");
        assert_eq!(config.listen.to_string(), "127.0.0.1:8001");
        assert!(!config.tokens_required());
        assert_eq!(config.requests_per_second(), None);
    }

    #[test]
    fn flags_win_over_the_environment_and_the_environment_over_the_file() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        writeln!(file, "data_dir = 'from-file'\ndemo_speed = 3\nlisten = '127.0.0.1:1'").expect("writes");
        let overrides = Overrides {
            file: Some(file.path().to_owned()),
            flags: vec![("listen", Value::String("0.0.0.0:9".into()))],
        };
        let environment = |name: &str| match name {
            "ECP_LISTEN" => Some("127.0.0.1:2".to_owned()),
            "ECP_DEMO_SPEED" => Some("7".to_owned()),
            "ECP_RATE_LIMIT__BURST" => Some("9".to_owned()),
            _ => None,
        };
        let config = Config::load(&overrides, environment).expect("valid");
        assert_eq!(config.listen.to_string(), "0.0.0.0:9");
        assert_eq!(config.demo_speed, 7.0);
        assert_eq!(config.data_dir, PathBuf::from("from-file"));
        assert_eq!(config.rate_limit.burst, 9);
        assert!(config.tokens_required(), "listening elsewhere than on loopback needs tokens");
        assert_eq!(config.requests_per_second(), Some(1000));
    }

    #[test]
    fn hosts_and_origins_are_lists_and_wrong_ones_are_faults() {
        let good = |name: &str| match name {
            "ECP_SERVER__ALLOWED_HOSTS" => Some("ecp.example.com, [2001:db8::1],192.0.2.7".to_owned()),
            "ECP_SERVER__ALLOWED_ORIGINS" => Some("https://console.example.com".to_owned()),
            _ => None,
        };
        let config = Config::load(&Overrides::default(), good).expect("valid");
        assert_eq!(config.server.allowed_hosts, ["ecp.example.com", "[2001:db8::1]", "192.0.2.7"]);
        let wrong = |name: &str| match name {
            "ECP_SERVER__ALLOWED_HOSTS" => Some("ecp.example.com:8001,*".to_owned()),
            "ECP_SERVER__ALLOWED_ORIGINS" => Some("console.example.com,null,https://a.example/x".to_owned()),
            _ => None,
        };
        let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("five faults");
        assert_eq!(faults.len(), 5, "{faults:?}");
    }

    #[test]
    fn a_metric_store_has_an_address_and_nothing_is_said_of_one_that_is_not_there() {
        let good = |name: &str| match name {
            "ECP_METRICS_URL" => Some("http://mimir:8080/prometheus".to_owned()),
            "ECP_METRICS__WRITE_URL" => Some("http://mimir:8080/api/v1/push".to_owned()),
            "ECP_METRICS__SCOPE_ORG_ID" => Some("ecp".to_owned()),
            _ => None,
        };
        let config = Config::load(&Overrides::default(), good).expect("valid");
        assert!(config.samples_are_shared());
        let store = config.metric_store().expect("valid").expect("there is one");
        assert_eq!(store.write_url.to_string(), "http://mimir:8080/api/v1/push");
        assert_eq!((store.scope_org_id.as_deref(), store.timeout), (Some("ecp"), Duration::from_secs(10)));
        let wrong = |name: &str| match name {
            "ECP_METRICS__WRITE_URL" => Some("mimir:8080".to_owned()),
            "ECP_METRICS__CREDENTIALS_FILE" => Some("token".to_owned()),
            "ECP_METRICS__TIMEOUT_SECONDS" => Some("60".to_owned()),
            _ => None,
        };
        let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("four faults");
        assert_eq!(faults.len(), 4, "{faults:?}");
        assert!(!Config::load(&Overrides::default(), nothing).expect("valid").samples_are_shared());
    }

    #[test]
    fn a_store_that_is_only_read_has_expressions_that_name_the_tenant() {
        let good = |name: &str| match name {
            "ECP_METRICS_URL" => Some("http://prometheus:9090".to_owned()),
            "ECP_METRICS__READ_ONLY" => Some("true".to_owned()),
            _ => None,
        };
        let config = Config::load(&Overrides::default(), good).expect("the defaults are valid");
        assert!(!config.expressions().is_empty());
        assert!(!config.samples_are_shared(), "demo mode keeps its own");
        let wrong = |name: &str| match name {
            "ECP_METRICS__READ_ONLY" => Some("true".to_owned()),
            "ECP_METRICS__EXPRESSIONS__ERROR_RATE" => Some("sum(errors)".to_owned()),
            _ => None,
        };
        let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("two faults");
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_level_that_is_none_and_a_folder_without_a_name_are_faults() {
        for (level, right) in [
            ("info", true),
            ("WARN", true),
            ("warn,ecp=debug", true),
            ("info, ecp_api::access=off", true),
            ("inof", false),
            ("", false),
            ("info,ecp", false),
            ("ecp=loud", false),
            ("=info", false),
        ] {
            assert_eq!(is_log_filter(level), right, "{level:?}");
        }
        let wrong = |name: &str| match name {
            "ECP_LOG__LEVEL" => Some("verbose".to_owned()),
            "ECP_DATA_DIR" => Some(String::new()),
            _ => None,
        };
        let ConfigFaults(faults) = Config::load(&Overrides::default(), wrong).expect_err("two faults");
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_variable_of_a_section_that_is_no_key_is_a_fault() {
        let base: Table = DEFAULTS.parse().expect("TOML");
        let mut faults = Vec::new();
        let names = [
            "ECP_AUTH__TOKENS",
            "ECP_METRICS__EXPRESSIONS__CPU_USAGE",
            "ECP_DEMO",
            "ECP_SERVER",
            "HOME",
            "OTHER__X",
            "ECP_AUTH__TOKEN",
            "ECP_LIMIT__MAX_CONNECTIONS",
            "ECP_METRICS__EXPRESSIONS",
            "ECP_AUTH__TOKENS__X",
        ];
        check_names(&base, names.into_iter().map(str::to_owned), &mut faults);
        let named: Vec<_> = faults.iter().filter_map(|fault| fault.split(':').next()).collect();
        assert_eq!(
            named,
            [
                "ECP_AUTH__TOKEN",
                "ECP_AUTH__TOKENS__X",
                "ECP_LIMIT__MAX_CONNECTIONS",
                "ECP_METRICS__EXPRESSIONS"
            ]
        );
    }

    #[test]
    fn a_base_path_is_a_plain_path_or_nothing() {
        for (path, right) in [
            ("", true),
            ("/", true),
            ("/ops", true),
            ("/ops/ecp-1.51/", true),
            ("ops", false),
            ("/ops//ecp", false),
            ("/../ecp", false),
            ("/a b", false),
            ("/%2e", false),
            ("https://a.example/ecp", false),
        ] {
            assert_eq!(is_base_path(path), right, "{path:?}");
        }
    }

    #[test]
    fn every_fault_is_reported_at_once_with_its_source() {
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
        writeln!(file, "lisen = 'x'\n[limits]\nmax_connections = 'many'").expect("writes");
        let overrides = Overrides { file: Some(file.path().to_owned()), flags: Vec::new() };
        let environment = |name: &str| (name == "ECP_DEMO_SPEED").then(|| "fast".to_owned());
        let ConfigFaults(faults) = Config::load(&overrides, environment).expect_err("three faults");
        assert_eq!(faults.len(), 3, "{faults:?}");
        for part in
            ["lisen: there is no such key", "limits.max_connections: must be a integer", "ECP_DEMO_SPEED"]
        {
            assert!(faults.iter().any(|fault| fault.contains(part)), "{part} in {faults:?}");
        }
    }
}
