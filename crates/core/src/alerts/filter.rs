//! Which alerts are meant: by tenant, type, metric and severity.

use super::{Alert, AlertKind, AlertSubject, Severity};
use crate::ids::TenantId;
use serde::{Deserialize, Serialize};

/// Names alerts by what they have in common; what is not named can be anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertFilter {
    /// Alerts of this tenant.
    pub tenant_id: Option<TenantId>,
    /// Of this type.
    pub kind: Option<AlertKind>,
    /// About this.
    pub subject: Option<AlertSubject>,
    /// With this severity now.
    pub severity: Option<Severity>,
}

impl AlertFilter {
    /// True where nothing is named, so that every alert would be meant.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// True where no alert can be meant: what it names never goes together.
    pub fn is_contradictory(&self) -> bool {
        self.kind.zip(self.subject).is_some_and(|(kind, subject)| subject.kind() != kind)
    }

    /// True of an alert that is meant.
    pub fn matches(&self, alert: &Alert) -> bool {
        self.tenant_id.as_ref().is_none_or(|id| *id == alert.tenant_id)
            && self.kind.is_none_or(|kind| kind == alert.subject.kind())
            && self.subject.is_none_or(|subject| subject == alert.subject)
            && self.severity.is_none_or(|severity| severity == alert.severity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alerts::fixtures::alert;

    #[test]
    fn an_alert_is_meant_where_all_that_is_named_is_so() {
        let one = AlertFilter { tenant_id: TenantId::parse("one").ok(), ..AlertFilter::default() };
        let two = AlertFilter { tenant_id: TenantId::parse("two").ok(), ..AlertFilter::default() };
        let usage = AlertFilter { kind: Some(AlertKind::ResourceUsage), ..one.clone() };
        let memory = AlertFilter { subject: Some(AlertSubject::Memory), ..usage.clone() };
        let critical = AlertFilter { severity: Some(Severity::Critical), ..usage.clone() };
        let filters = [AlertFilter::default(), one, two, usage, memory, critical];
        let meant = filters.map(|filter| filter.matches(&alert(Severity::Warning, true)));
        assert_eq!(meant, [true, true, false, true, false, false]);
    }

    #[test]
    fn a_type_and_a_metric_of_another_type_mean_nothing() {
        let filter = AlertFilter {
            kind: Some(AlertKind::Performance),
            subject: Some(AlertSubject::Cpu),
            ..AlertFilter::default()
        };
        assert!(filter.is_contradictory());
    }
}
