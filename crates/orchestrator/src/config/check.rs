//! Whether the settings can be run with: every fault, in words that say what to write instead.

use super::{Config, address};
use crate::cli::language::{say_text, told};
use ecp_api::sites::{Host, Origin};
use ecp_core::text::Message;
use ecp_metrics::MetricsUrlError;
use ecp_notifications::AllowedFault;
use ecp_store::{PostgresError, UrlFault};
use std::fmt::Display;

impl Config {
    pub(super) fn check(&self, faults: &mut Vec<String>) {
        let mut demand = |holds: bool, message: Message| {
            if !holds {
                faults.push(told(&message));
            }
        };
        demand(
            self.demo_speed.is_finite() && (0.001..=100_000.0).contains(&self.demo_speed),
            between("demo_speed", "0.001", "100000"),
        );
        demand(!self.data_dir.as_os_str().is_empty(), Message::new("config.data_dir"));
        demand(is_log_filter(&self.log.level), of_value("config.log_level", &self.log.level));
        if let Err(fault) = self.postgres() {
            demand(false, fault_of("database_url", database_fault(&fault)));
        }
        self.check_metrics(&mut demand);
        for host in &self.server.allowed_hosts {
            demand(Host::parse(host).is_some(), of_value("config.allowed_host", host));
        }
        for origin in &self.server.allowed_origins {
            demand(Origin::parse(origin).is_some(), of_value("config.allowed_origin", origin));
        }
        let base_path = &self.server.base_path;
        demand(is_base_path(base_path), of_value("config.base_path", base_path));
        demand(self.rate_limit.per_second >= -1, Message::new("config.rate_limit"));
        let seconds = [
            ("limits.header_timeout_seconds", self.limits.header_timeout_seconds),
            ("limits.idle_timeout_seconds", self.limits.idle_timeout_seconds),
            ("limits.body_timeout_seconds", self.limits.body_timeout_seconds),
            ("limits.request_timeout_seconds", self.limits.request_timeout_seconds),
        ];
        for (key, value) in seconds {
            demand((1..=86_400).contains(&value), between(key, 1, 86_400));
        }
        demand(self.limits.shutdown_grace_seconds <= 9, Message::new("config.shutdown_grace"));
        let retention = self.retention;
        demand(
            retention.raw_days >= 1
                && retention.raw_days <= retention.five_minutes_days
                && retention.five_minutes_days <= retention.one_hour_days,
            Message::new("config.retention"),
        );
        let controller = &self.controller;
        for (key, holds) in [
            ("rate_limit.burst", self.rate_limit.burst > 0),
            ("limits.max_connections", self.limits.max_connections > 0),
            ("controller.max_concurrent", controller.max_concurrent > 0),
            ("controller.catalog_rollout_at_once", controller.catalog_rollout_at_once > 0),
            ("controller.catalog_rollout_stop_after", controller.catalog_rollout_stop_after > 0),
            ("controller.progress_deadline_seconds", controller.progress_deadline_seconds > 0),
        ] {
            demand(holds, Message::new("config.at_least_one").with("key", key));
        }
        for AllowedFault(range) in self.notifications.allowed().err().unwrap_or_default() {
            demand(false, of_value("config.allow_private", &range));
        }
        let endpoint = &self.telemetry.otlp_endpoint;
        demand(
            endpoint.is_empty() || endpoint.starts_with("http://") || endpoint.starts_with("https://"),
            of_value("config.otlp_endpoint", endpoint),
        );
        for fault in self.demo.nodes.faults() {
            demand(false, fault);
        }
        let per_tenant = self.per_tenant_metrics();
        demand(per_tenant.is_ok(), of_value("config.per_tenant", &self.metrics.per_tenant));
        demand(self.context.is_empty() || !self.kubeconfig.is_empty(), Message::new("config.context_alone"));
    }

    fn check_metrics(&self, demand: &mut impl FnMut(bool, Message)) {
        let metrics = &self.metrics;
        for (key, url) in [("metrics_url", &self.metrics_url), ("metrics.write_url", &metrics.write_url)] {
            if let Err(fault) = address(url) {
                demand(false, fault_of(key, told(&address_fault(fault))));
            }
        }
        let has_store = !self.metrics_url.is_empty();
        for (key, value) in [
            ("write_url", &metrics.write_url),
            ("credentials_file", &metrics.credentials_file),
            ("scope_org_id", &metrics.scope_org_id),
        ] {
            demand(has_store || value.is_empty(), Message::new("config.no_metric_store").with("key", key));
        }
        demand(has_store || !metrics.read_only, Message::new("config.read_only_without_store"));
        let expressions = self.expressions();
        demand(!metrics.read_only || !expressions.is_empty(), Message::new("config.expression_missing"));
        for metric in expressions.of_no_tenant() {
            demand(false, Message::new("config.expression_of_no_tenant").with("metric", metric));
        }
        demand(
            metrics.scope_org_id.chars().all(|c| c.is_ascii_graphic()),
            Message::new("config.scope_org_id"),
        );
        demand(
            metrics.timeout_seconds >= 1 && metrics.timeout_seconds < self.limits.request_timeout_seconds,
            Message::new("config.timeout"),
        );
    }
}

fn between(key: &str, least: impl Display, most: impl Display) -> Message {
    Message::new("config.between").with("key", key).with("least", least).with("most", most)
}

fn of_value(text: &'static str, value: &str) -> Message {
    Message::new(text).with("value", value.escape_debug())
}

fn fault_of(key: &str, fault: impl Display) -> Message {
    Message::new("config.fault_of").with("key", key).with("fault", fault)
}

/// What is wrong with the address of a server; its password is not repeated.
pub(crate) fn database_fault(fault: &PostgresError) -> String {
    match fault {
        PostgresError::Url(UrlFault::Scheme) => say_text!("config.database_url_scheme"),
        PostgresError::Url(UrlFault::Unreadable(reason)) => {
            say_text!("config.database_url_unreadable", reason = reason)
        }
        other => other.to_string(),
    }
}

fn address_fault(fault: MetricsUrlError) -> Message {
    match fault {
        MetricsUrlError::Unreadable(reason) => {
            Message::new("config.address_unreadable").with("reason", reason)
        }
        MetricsUrlError::Scheme => Message::new("config.address_scheme"),
        MetricsUrlError::Credentials => Message::new("config.address_credentials"),
        MetricsUrlError::Query => Message::new("config.address_query"),
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
