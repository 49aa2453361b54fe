//! Alerts as an Alertmanager takes them: `POST /api/v2/alerts`. It knows an alert by its labels, ends one
//! that it is not sent again in time, and so is sent what is open every minute.

use ecp_core::alerts::notice::Delivery;
use ecp_core::alerts::{Alert, AlertSubject, Severity};
use ecp_core::ids::TenantId;
use ecp_core::text::Language;
use ecp_core::{Mode, Timestamp};
use serde_json::{Value, json};
use std::collections::HashSet;

/// Where alerts are sent, under the address of the receiver.
pub(crate) const PATH: &str = "api/v2/alerts";
/// How long an open alert stays open without being sent again, in seconds.
const OPEN_FOR_SECONDS: i64 = 5 * 60;

/// What tells alerts of one mode apart for an Alertmanager, which knows nothing of their ids.
pub(crate) type LabelSet = (TenantId, AlertSubject, Severity);

/// The label set of an alert as it is.
pub(crate) fn label_set(alert: &Alert) -> LabelSet {
    (alert.tenant_id.clone(), alert.subject, alert.severity)
}

/// What a delivery says: that the label set which was told before ended, where it did, and which one is open. Of a
/// label set that is `open` again, by a later alert, no end is told: a delivery that comes late would end that one.
pub(crate) fn of_delivery(
    mode: Mode,
    delivery: &Delivery,
    now: Timestamp,
    open_sets: &HashSet<LabelSet>,
) -> Vec<Value> {
    let Some(alert) = &delivery.alert else { return vec![test(mode, now)] };
    let is_open = alert.resolved_at.is_none();
    let mut told = Vec::new();
    let has_ended = |before: &Severity| {
        (!is_open || *before != alert.severity)
            && !open_sets.contains(&(alert.tenant_id.clone(), alert.subject, *before))
    };
    if let Some(before) = delivery.told_before.filter(has_ended) {
        let ended = alert.resolved_at.unwrap_or(alert.updated_at).max(alert.opened_at);
        told.push(alert_with(mode, alert, before, ended.min(now.max(alert.opened_at))));
    }
    if is_open && delivery.goes_on {
        told.push(open(mode, alert, now));
    }
    told
}

/// An open alert.
pub(crate) fn open(mode: Mode, alert: &Alert, now: Timestamp) -> Value {
    alert_with(mode, alert, alert.severity, after(now, OPEN_FOR_SECONDS))
}

fn alert_with(mode: Mode, alert: &Alert, severity: Severity, ends_at: Timestamp) -> Value {
    json!({
        "labels": {
            "alertname": alert.subject.alert_name(),
            "tenant_id": alert.tenant_id.as_str(),
            "type": alert.subject.kind().as_str(),
            "metric": alert.subject.metric_name(),
            "severity": severity.as_str(),
        },
        "annotations": {
            "summary": alert.message.render(Language::Ko),
            "summary_en": alert.message.render(Language::En),
            "alert_id": alert.id.as_str(),
            "current_value": alert.current_value.to_string(),
            "threshold": alert.threshold.to_string(),
            "mode": mode.as_str(),
        },
        "startsAt": alert.opened_at.to_string(),
        "endsAt": ends_at.to_string(),
    })
}

/// An alert that ends by itself after a minute.
pub(crate) fn test(mode: Mode, now: Timestamp) -> Value {
    json!({
        "labels": {
            "alertname": "ReceiverTest",
            "tenant_id": "test",
            "type": "test",
            "metric": "test",
            "severity": Severity::Warning.as_str(),
        },
        "annotations": {"summary": "ECP", "mode": mode.as_str()},
        "startsAt": now.to_string(),
        "endsAt": after(now, 60).to_string(),
    })
}

fn after(now: Timestamp, seconds: i64) -> Timestamp {
    Timestamp::from_second(now.as_second().saturating_add(seconds)).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{alert, delivery};
    use ecp_core::ids::ReceiverId;

    #[test]
    fn a_late_end_is_not_told_of_a_label_set_that_a_later_alert_has_open() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let late = delivery(&ReceiverId::generate(), alert("first", at(0), Some(at(60))));
        let told = |open: &[Alert]| {
            of_delivery(Mode::Real, &late, at(600), &open.iter().map(label_set).collect()).len()
        };
        assert_eq!(told(&[]), 1);
        assert_eq!(told(&[alert("second", at(120), None)]), 0);
        // What is open by another name is another alert.
        assert_eq!(told(&[Alert { severity: Severity::Critical, ..alert("second", at(120), None) }]), 1);
        assert_eq!(told(&[Alert { subject: AlertSubject::Gpu, ..alert("second", at(120), None) }]), 1);
    }
}
