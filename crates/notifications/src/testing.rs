//! An alert and what is to be told of it, for this crate's tests.

use ecp_core::Timestamp;
use ecp_core::alerts::notice::{Delivery, DeliveryState, NoticeKind};
use ecp_core::alerts::{Alert, AlertSubject, Severity};
use ecp_core::ids::{AlertId, DeliveryId, ReceiverId, TenantId};
use ecp_core::text::Message;

/// A warning about the CPU of `acme`.
pub(crate) fn alert(id: &str, opened_at: Timestamp, resolved_at: Option<Timestamp>) -> Alert {
    Alert {
        id: AlertId::from_text(id.to_owned()),
        tenant_id: TenantId::parse("acme").expect("a tenant id"),
        incarnation: Default::default(),
        subject: AlertSubject::Cpu,
        severity: Severity::Warning,
        current_value: 85.0,
        threshold: 80.0,
        message: Message::new("alert.rule_changed"),
        opened_at,
        updated_at: resolved_at.unwrap_or(opened_at),
        resolved_at,
    }
}

/// Its opening, or its end, that was never tried yet and is due at once.
pub(crate) fn delivery(receiver_id: &ReceiverId, alert: Alert) -> Delivery {
    let (notice, told_before) = match alert.resolved_at {
        Some(_) => (NoticeKind::Resolved, Some(alert.severity)),
        None => (NoticeKind::Opened, None),
    };
    Delivery {
        id: DeliveryId::generate(),
        receiver_id: receiver_id.clone(),
        notice,
        told_before,
        goes_on: alert.resolved_at.is_none(),
        created_at: alert.updated_at,
        state: DeliveryState::Pending,
        attempts: 0,
        last_attempt: None,
        due_at: Some(alert.updated_at),
        alert: Some(alert),
    }
}
