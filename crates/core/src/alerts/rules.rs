//! The built-in rules: which value is over which threshold, and when an alert changes.
//!
//! Pure: a rule looks at one value and at the alert that is open, and says what changes. A value
//! is over a threshold only above it, never at it. An alert falls back only once the value has
//! left a margin below the threshold, so that a value that swings about it does not chatter:
//!
//! | subject | warning | critical | margin |
//! |---|---|---|---|
//! | cpu, memory, gpu | 80 % | 95 % | 5 points |
//! | storage, of the quota | 85 % | 95 % | 5 points |
//! | response time | the SLA | twice the SLA | 5 % of the threshold |
//! | error rate | 1 % | 5 % | half the threshold (5 points would be below zero) |
//! | no samples | 5 minutes | – | ends with the next sample |
//! | a failed roll-out | – | at once | ends when the tenant recovers |
//!
//! These are the defaults; [`super::settings`] has what a tenant sets otherwise. Where a rule has a time,
//! each value of that long has to be over the threshold before anything is raised.
//!
//! Where a metric is not sent for five minutes, its alert ends: its last value says nothing of now.

use super::settings::{AlertRules, Rule};
use super::{Alert, AlertChange, AlertSubject, Severity};
use crate::Timestamp;
use crate::ids::{AlertId, TenantKey};
use crate::metrics::{Metric, Sample};
use crate::tenant::Tenant;
use crate::text::Message;

/// Silence of a running tenant, in seconds, over which it is alerted.
pub const SILENCE_SECONDS: f64 = 300.0;

/// Bytes in the GB in which storage is sold.
const BYTES_PER_GB: f64 = 1e9;

/// Points below a percentage at which an alert falls back from it.
const MARGIN_POINTS: f64 = 5.0;

/// The thresholds of one subject, and where an alert falls back from them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Limits {
    /// Seconds that values have to be over a threshold before an alert is raised.
    pub for_seconds: u32,
    /// Above it is a warning.
    pub warning: f64,
    /// At or below it an alert resolves.
    pub warning_clear: f64,
    /// Above it is critical; infinite where the subject has no critical state.
    pub critical: f64,
    /// At or below it a critical alert is lowered to a warning.
    pub critical_clear: f64,
}

impl Limits {
    /// A margin in points, but never more than half the threshold: an alert must be able to end.
    fn points(rule: &Rule) -> Self {
        Self::cleared(rule, |threshold| threshold - MARGIN_POINTS.min(threshold / 2.0))
    }

    fn share(rule: &Rule, margin: f64) -> Self {
        Self::cleared(rule, |threshold| threshold * (1.0 - margin))
    }

    fn cleared(rule: &Rule, clear: impl Fn(f64) -> f64) -> Self {
        let Rule { warning, critical, for_seconds, .. } = *rule;
        Self {
            for_seconds,
            warning,
            warning_clear: clear(warning),
            critical,
            critical_clear: clear(critical),
        }
    }

    /// The same thresholds without the margin: what was raised by other ones is judged anew.
    #[must_use]
    pub fn without_margin(self) -> Self {
        Self { warning_clear: self.warning, critical_clear: self.critical, ..self }
    }

    /// The threshold of a severity.
    pub fn threshold(&self, severity: Severity) -> f64 {
        match severity {
            Severity::Warning => self.warning,
            Severity::Critical => self.critical,
        }
    }
}

/// The rules as they hold for one tenant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rules {
    storage_quota_bytes: f64,
    response_time_ms: f64,
    rules: [Rule; AlertSubject::ALL.len()],
}

impl Rules {
    /// The default rules; the storage quota and the promised response time are the tenant's.
    pub fn of(tenant: &Tenant) -> Self {
        Self {
            storage_quota_bytes: tenant.sizing.resources.storage_gb as f64 * BYTES_PER_GB,
            response_time_ms: f64::from(tenant.spec.sla_target.response_time_ms),
            rules: AlertSubject::ALL.map(Rule::default_of),
        }
    }

    /// The same with what the tenant sets otherwise.
    #[must_use]
    pub fn with(self, settings: &AlertRules) -> Self {
        Self { rules: AlertSubject::ALL.map(|subject| settings.rule(subject)), ..self }
    }

    /// False where nothing is alerted of a subject.
    pub fn is_enabled(&self, subject: AlertSubject) -> bool {
        self.rules[subject.index()].enabled
    }

    /// The thresholds of a subject, in the unit of [`Self::reading`].
    pub fn limits(&self, subject: AlertSubject) -> Limits {
        let rule = &self.rules[subject.index()];
        match subject {
            AlertSubject::Cpu | AlertSubject::Memory | AlertSubject::Gpu | AlertSubject::Storage => {
                Limits::points(rule)
            }
            AlertSubject::ResponseTime => {
                let of_the_sla = |percent: f64| percent * self.response_time_ms / 100.0;
                let (warning, critical) = (of_the_sla(rule.warning), of_the_sla(rule.critical));
                Limits::share(&Rule { warning, critical, ..*rule }, 0.05)
            }
            AlertSubject::ErrorRate => Limits::share(rule, 0.5),
            // Silence is measured by its length: nothing has to last once more.
            AlertSubject::NoSamples => Limits {
                for_seconds: 0,
                warning: f64::from(rule.for_seconds),
                warning_clear: 0.0,
                critical: f64::INFINITY,
                critical_clear: f64::INFINITY,
            },
            // 1 is failed, 0 is not.
            AlertSubject::DeploymentFailed => Limits {
                for_seconds: rule.for_seconds,
                warning: 0.0,
                warning_clear: 0.0,
                critical: 0.0,
                critical_clear: 0.0,
            },
        }
    }

    /// What a sample says about a subject: percent, or milliseconds for the response time. Absent
    /// where the sample has no such value, or the tenant has no quota to compare it with.
    pub fn reading(&self, subject: AlertSubject, sample: &Sample) -> Option<f64> {
        match subject {
            AlertSubject::Cpu => sample.get(Metric::CpuUsage),
            AlertSubject::Memory => sample.get(Metric::MemoryUsage),
            AlertSubject::Gpu => sample.get(Metric::GpuUsage),
            AlertSubject::Storage if self.storage_quota_bytes > 0.0 => {
                sample.get(Metric::StorageUsed).map(|bytes| bytes * 100.0 / self.storage_quota_bytes)
            }
            AlertSubject::ResponseTime => sample.get(Metric::ResponseTime),
            AlertSubject::ErrorRate => sample.get(Metric::ErrorRate),
            AlertSubject::Storage | AlertSubject::NoSamples | AlertSubject::DeploymentFailed => None,
        }
    }
}

/// Since when the values of a subject are over its thresholds.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Over {
    warning: Option<Timestamp>,
    critical: Option<Timestamp>,
}

impl Over {
    /// Takes a value in; says whether it was over the warning and the critical threshold for long enough.
    fn take(&mut self, limits: &Limits, value: f64, at: Timestamp) -> (bool, bool) {
        let long_enough = |since: &mut Option<Timestamp>, threshold: f64| {
            if value.is_nan() {
                return false;
            }
            if value <= threshold {
                *since = None;
                return false;
            }
            // A sample that is older than the first one over the threshold begins nothing anew.
            let begun = *since.get_or_insert(at);
            at.duration_since(begun).as_secs_f64() >= f64::from(limits.for_seconds)
        };
        (long_enough(&mut self.warning, limits.warning), long_enough(&mut self.critical, limits.critical))
    }
}

/// Says what a value changes, given the severity of the open alert, if one is open, and whether values
/// were over the thresholds for long enough; with the severity after the change (when resolved: the last
/// one). Nothing where only the value changed.
fn judge(
    open: Option<Severity>,
    limits: &Limits,
    value: f64,
    (warns, is_critical): (bool, bool),
) -> Option<(AlertChange, Severity)> {
    use Severity::{Critical, Warning};
    match open {
        None if is_critical => Some((AlertChange::Opened, Critical)),
        None if warns => Some((AlertChange::Opened, Warning)),
        None => None,
        Some(severity) if value <= limits.warning_clear => Some((AlertChange::Resolved, severity)),
        Some(Warning) if is_critical => Some((AlertChange::Raised, Critical)),
        Some(Critical) if value <= limits.critical_clear => Some((AlertChange::Lowered, Warning)),
        Some(_) => None,
    }
}

/// Moves the alert of one subject by a value: changes `open` and returns what changed, or leaves
/// it alone. Opening makes a new id.
pub fn advance(
    open: &mut Option<Alert>,
    over: &mut Over,
    tenant: &TenantKey,
    subject: AlertSubject,
    limits: &Limits,
    value: f64,
    at: Timestamp,
) -> Option<(AlertChange, Alert)> {
    let long_enough = over.take(limits, value, at);
    let (change, severity) = judge(open.as_ref().map(|alert| alert.severity), limits, value, long_enough)?;
    let threshold = limits.threshold(severity);
    let before = open.take();
    let alert = Alert {
        id: before.as_ref().map_or_else(AlertId::generate, |alert| alert.id.clone()),
        tenant_id: tenant.id.clone(),
        incarnation: tenant.incarnation,
        severity,
        subject,
        message: message(subject, change, value, threshold),
        current_value: value,
        threshold,
        opened_at: before.map_or(at, |alert| alert.opened_at),
        updated_at: at,
        resolved_at: (change == AlertChange::Resolved).then_some(at),
    };
    if change != AlertChange::Resolved {
        *open = Some(alert.clone());
    }
    Some((change, alert))
}

/// Ends an alert about silence because nothing is expected of the tenant any more.
pub fn end_silence(open: &mut Option<Alert>, at: Timestamp) -> Option<(AlertChange, Alert)> {
    end(open, at, Message::new("alert.no_samples_ended"))
}

/// Ends an alert for another reason than a value; `message` says which.
pub fn end(open: &mut Option<Alert>, at: Timestamp, message: Message) -> Option<(AlertChange, Alert)> {
    let mut alert = open.take()?;
    alert.message = message;
    alert.updated_at = at;
    alert.resolved_at = Some(at);
    Some((AlertChange::Resolved, alert))
}

fn message(subject: AlertSubject, change: AlertChange, value: f64, threshold: f64) -> Message {
    let [over, lowered, resolved] = match subject {
        AlertSubject::Cpu => ["alert.cpu_over", "alert.cpu_lowered", "alert.cpu_resolved"],
        AlertSubject::Memory => ["alert.memory_over", "alert.memory_lowered", "alert.memory_resolved"],
        AlertSubject::Gpu => ["alert.gpu_over", "alert.gpu_lowered", "alert.gpu_resolved"],
        AlertSubject::Storage => ["alert.storage_over", "alert.storage_lowered", "alert.storage_resolved"],
        AlertSubject::ResponseTime => {
            ["alert.response_time_over", "alert.response_time_lowered", "alert.response_time_resolved"]
        }
        AlertSubject::ErrorRate => {
            ["alert.error_rate_over", "alert.error_rate_lowered", "alert.error_rate_resolved"]
        }
        AlertSubject::NoSamples => {
            return match change {
                AlertChange::Resolved => Message::new("alert.no_samples_resolved"),
                _ => Message::new("alert.no_samples_over").with("minutes", figure(threshold / 60.0)),
            };
        }
        AlertSubject::DeploymentFailed => {
            return Message::new(match change {
                AlertChange::Resolved => "alert.deployment_recovered",
                _ => "alert.deployment_failed",
            });
        }
    };
    match change {
        AlertChange::Opened | AlertChange::Raised => Message::new(over).with("threshold", figure(threshold)),
        AlertChange::Lowered => Message::new(lowered).with("value", figure(value)),
        AlertChange::Resolved => Message::new(resolved).with("value", figure(value)),
    }
}

/// Four significant digits, and of large figures one decimal: as people read them, and nothing that is there
/// becomes 0.
fn figure(value: f64) -> f64 {
    if value == 0.0 || !value.is_finite() {
        return value;
    }
    let whole_digits = value.abs().log10().floor() as i32 + 1;
    let scale = 10f64.powi((4 - whole_digits).clamp(1, 12));
    (value * scale).round() / scale
}

#[cfg(test)]
mod tests;
