//! Alerts: what one is about, how serious it is, and the changes it goes through.
//!
//! The built-in rules and the decision about a value are in [`rules`]; watching samples as they
//! arrive is the metrics crate's, keeping and numbering changes the store's.

pub mod filter;
pub mod notice;
pub mod receiver;
pub mod rules;
pub mod settings;
pub mod silence;

use crate::Timestamp;
use crate::ids::{AlertId, Incarnation, TenantId, TenantKey};
use crate::metrics::Metric;
use crate::text::Message;
use serde::{Deserialize, Serialize};

/// How serious an alert is now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth a look.
    Warning,
    /// Needs someone now.
    Critical,
}

impl Severity {
    /// Every severity.
    pub const ALL: [Self; 2] = [Self::Warning, Self::Critical];

    /// The spelling of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// What an alert is about; one alert at most is open for each tenant and subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertSubject {
    /// CPU use in percent.
    Cpu,
    /// Memory use in percent.
    Memory,
    /// GPU use in percent.
    Gpu,
    /// Storage in percent of the tenant's quota.
    Storage,
    /// Response time in milliseconds against the SLA.
    ResponseTime,
    /// Failed requests in percent.
    ErrorRate,
    /// No samples for five minutes from a running tenant.
    NoSamples,
    /// A roll-out that failed, until the tenant recovers.
    DeploymentFailed,
}

/// The contract's `type` of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertKind {
    /// How much of what a tenant has is used.
    ResourceUsage,
    /// How well it serves.
    Performance,
    /// Whether anything is heard of it.
    Availability,
    /// Whether its last roll-out came to its end.
    DeploymentFailed,
}

impl AlertKind {
    /// Every type.
    pub const ALL: [Self; 4] =
        [Self::ResourceUsage, Self::Performance, Self::Availability, Self::DeploymentFailed];

    /// The spelling of the contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ResourceUsage => "resource_usage",
            Self::Performance => "performance",
            Self::Availability => "availability",
            Self::DeploymentFailed => "deployment_failed",
        }
    }
}

/// An alert as it stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its id from opening to resolution.
    pub id: AlertId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Which of the tenants of that id.
    #[serde(default)]
    pub incarnation: Incarnation,
    /// How serious now (when resolved: last).
    pub severity: Severity,
    /// What it is about.
    pub subject: AlertSubject,
    /// For people.
    pub message: Message,
    /// Value that last changed it; for `no_samples` the seconds of silence.
    #[serde(with = "finite")]
    pub current_value: f64,
    /// Threshold that it is over (when resolved: was over).
    #[serde(with = "finite")]
    pub threshold: f64,
    /// When it opened.
    pub opened_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// When it resolved, if it did.
    pub resolved_at: Option<Timestamp>,
}

impl AlertSubject {
    /// Every subject; the position is its [`AlertSubject::index`].
    pub const ALL: [Self; 8] = [
        Self::Cpu,
        Self::Memory,
        Self::Gpu,
        Self::Storage,
        Self::ResponseTime,
        Self::ErrorRate,
        Self::NoSamples,
        Self::DeploymentFailed,
    ];

    /// Its position in [`AlertSubject::ALL`].
    pub fn index(self) -> usize {
        self as usize
    }

    /// The contract's `type`.
    pub fn kind(self) -> AlertKind {
        match self {
            Self::Cpu | Self::Memory | Self::Gpu | Self::Storage => AlertKind::ResourceUsage,
            Self::ResponseTime | Self::ErrorRate => AlertKind::Performance,
            Self::NoSamples => AlertKind::Availability,
            Self::DeploymentFailed => AlertKind::DeploymentFailed,
        }
    }

    /// The subjects of a `type`.
    pub fn of_kind(kind: AlertKind) -> Vec<Self> {
        Self::ALL.into_iter().filter(|subject| subject.kind() == kind).collect()
    }

    /// Its name among Prometheus alerts.
    pub fn alert_name(self) -> &'static str {
        match self {
            Self::Cpu => "TenantCpu",
            Self::Memory => "TenantMemory",
            Self::Gpu => "TenantGpu",
            Self::Storage => "TenantStorage",
            Self::ResponseTime => "TenantResponseTime",
            Self::ErrorRate => "TenantErrorRate",
            Self::NoSamples => "TenantNoSamples",
            Self::DeploymentFailed => "TenantDeploymentFailed",
        }
    }

    /// The contract's `metric`: the series' name, `samples` or `deployment`.
    pub fn metric_name(self) -> &'static str {
        match self {
            Self::Cpu => Metric::CpuUsage.series(),
            Self::Memory => Metric::MemoryUsage.series(),
            Self::Gpu => Metric::GpuUsage.series(),
            Self::Storage => Metric::StorageUsed.series(),
            Self::ResponseTime => Metric::ResponseTime.series(),
            Self::ErrorRate => Metric::ErrorRate.series(),
            Self::NoSamples => "samples",
            Self::DeploymentFailed => "deployment",
        }
    }
}

impl Alert {
    /// Names the tenant and no other of its id.
    pub fn tenant_key(&self) -> TenantKey {
        TenantKey { id: self.tenant_id.clone(), incarnation: self.incarnation }
    }
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertChange {
    /// It is new.
    Opened,
    /// Warning became critical.
    Raised,
    /// Critical became warning.
    Lowered,
    /// It is over.
    Resolved,
}

/// One change of one alert, as persisted and streamed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    /// Counts from 1 within the tenant, without gaps.
    pub seq: u64,
    /// Counts the changes of all tenants' alerts, in the order in which they were recorded.
    #[serde(default)]
    pub number: u64,
    /// What happened.
    pub change: AlertChange,
    /// The alert after it.
    pub alert: Alert,
}

/// Numbers in documents. JSON has neither infinities nor NaN: it would keep `null` for them, which does
/// not read as a number. What is not finite is kept as the nearest number that is.
mod finite {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &f64, serializer: S) -> Result<S::Ok, S::Error> {
        let finite = if value.is_nan() { 0.0 } else { value.clamp(f64::MIN, f64::MAX) };
        serializer.serialize_f64(finite)
    }

    /// Earlier releases kept `null` where a value was too large.
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
        Ok(Option::deserialize(deserializer)?.unwrap_or(f64::MAX))
    }
}

#[cfg(test)]
mod fixtures {
    use super::*;

    /// An alert about CPU.
    pub(super) fn alert(severity: Severity, open: bool) -> Alert {
        Alert {
            id: AlertId::from_text("alert-1"),
            tenant_id: TenantId::parse("one").expect("a label"),
            incarnation: Default::default(),
            severity,
            subject: AlertSubject::Cpu,
            message: Message::new("alert.cpu_over").with("threshold", 80),
            current_value: 85.0,
            threshold: 80.0,
            opened_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
            resolved_at: (!open).then_some(Timestamp::UNIX_EPOCH),
        }
    }
}
