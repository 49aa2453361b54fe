//! What a tenant sets of the built-in rules: thresholds, how long they must be passed, and whether they
//! are watched at all. What is not set is the default, also of a rule that a later release adds.

use super::AlertSubject;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// Longest time that a rule can ask for, in seconds: a day.
pub const LONGEST_FOR_SECONDS: u32 = 24 * 60 * 60;
/// Silence that is no silence yet: metrics come once a minute and less.
pub const SHORTEST_SILENCE_SECONDS: u32 = 10;

/// One rule as it holds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rule {
    /// A value over it is a warning: percent; of the SLA for the response time, of the quota for storage.
    pub warning: f64,
    /// A value over it is critical.
    pub critical: f64,
    /// Seconds that values have to be over it before an alert is raised; of missing samples how long they
    /// are missing.
    pub for_seconds: u32,
    /// False where nothing is alerted.
    pub enabled: bool,
}

impl Rule {
    /// The rule where a tenant sets nothing.
    pub fn default_of(subject: AlertSubject) -> Self {
        let (warning, critical) = match subject {
            AlertSubject::Cpu | AlertSubject::Memory | AlertSubject::Gpu => (80.0, 95.0),
            AlertSubject::Storage => (85.0, 95.0),
            AlertSubject::ResponseTime => (100.0, 200.0),
            AlertSubject::ErrorRate => (1.0, 5.0),
            AlertSubject::NoSamples | AlertSubject::DeploymentFailed => (0.0, 0.0),
        };
        let for_seconds = if subject == AlertSubject::NoSamples { 300 } else { 0 };
        Self { warning, critical, for_seconds, enabled: true }
    }

    /// What its thresholds can be; none of a rule that has none.
    pub fn thresholds(subject: AlertSubject) -> Option<RangeInclusive<f64>> {
        match subject {
            AlertSubject::Cpu | AlertSubject::Memory | AlertSubject::Gpu | AlertSubject::ErrorRate => {
                Some(0.0..=100.0)
            }
            // More than its quota may be in use.
            AlertSubject::Storage => Some(0.0..=1000.0),
            AlertSubject::ResponseTime => Some(1.0..=10_000.0),
            AlertSubject::NoSamples | AlertSubject::DeploymentFailed => None,
        }
    }

    /// What its time can be, in seconds.
    pub fn times(subject: AlertSubject) -> RangeInclusive<u32> {
        match subject {
            AlertSubject::NoSamples => SHORTEST_SILENCE_SECONDS..=LONGEST_FOR_SECONDS,
            _ => 0..=LONGEST_FOR_SECONDS,
        }
    }
}

/// What is set of one rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RuleSetting {
    /// As [`Rule::warning`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warning: Option<f64>,
    /// As [`Rule::critical`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub critical: Option<f64>,
    /// As [`Rule::for_seconds`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_seconds: Option<u32>,
    /// As [`Rule::enabled`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

impl RuleSetting {
    /// The rule with what is set.
    pub fn over(&self, rule: Rule) -> Rule {
        Rule {
            warning: self.warning.unwrap_or(rule.warning),
            critical: self.critical.unwrap_or(rule.critical),
            for_seconds: self.for_seconds.unwrap_or(rule.for_seconds),
            enabled: self.enabled.unwrap_or(rule.enabled),
        }
    }
}

/// What a tenant sets of all rules; by default nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AlertRules(BTreeMap<AlertSubject, RuleSetting>);

impl AlertRules {
    /// Sets a rule; one that is the default rule then is as if it were not named.
    pub fn set(&mut self, subject: AlertSubject, setting: RuleSetting) {
        let default = Rule::default_of(subject);
        if setting.over(default) == default {
            self.0.remove(&subject);
        } else {
            self.0.insert(subject, setting);
        }
    }

    /// The rule of a subject as it holds.
    pub fn rule(&self, subject: AlertSubject) -> Rule {
        self.0.get(&subject).copied().unwrap_or_default().over(Rule::default_of(subject))
    }

    /// True where every rule is the default one.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }
}
