//! Whether the settings can be run with: every fault, in words that say what to write instead.

use super::{Config, address};
use ecp_api::sites::{Host, Origin};

impl Config {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
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
        for fault in self.demo.nodes.faults() {
            demand(false, &format!("demo.nodes.{fault}"));
        }
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
}

/// Levels, and targets with theirs. A word alone would be a target too, and of a level that is misspelt nothing
/// would ever be logged.
pub(super) fn is_log_filter(text: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |text: &str| LEVELS.iter().any(|level| text.eq_ignore_ascii_case(level));
    text.split(',').map(str::trim).all(|part| match part.rsplit_once('=') {
        Some((target, level)) => !target.is_empty() && is_level(level),
        None => is_level(part),
    })
}

/// Empty, or segments of plain characters that no client rewrites.
pub(super) fn is_base_path(path: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.chars().all(plain);
    let path = path.strip_suffix('/').unwrap_or(path);
    path.is_empty() || path.strip_prefix('/').is_some_and(|path| path.split('/').all(segment))
}
