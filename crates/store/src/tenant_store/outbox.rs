//! The outbox: in the transaction of a change, what each receiver is told of it.

use super::receivers;
use super::rows::{self, to_document};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Sql, values};
use ecp_core::Timestamp;
use ecp_core::alerts::notice::{
    Attempt, Delivery, DeliveryState, LISTED_SECONDS, MOST_LISTED, MOST_WAITING, Standing, decide,
};
use ecp_core::alerts::receiver::Receiver;
use ecp_core::alerts::silence::Silence;
use ecp_core::alerts::{Alert, Severity};
use ecp_core::ids::{DeliveryId, ReceiverId};
use ecp_core::text::Message;
use std::collections::HashSet;
use std::sync::Arc;

/// Deliveries that one transaction gives up at most.
const GIVEN_UP_TOGETHER: usize = 256;

/// Receivers and silences as this transaction sees them.
pub(super) struct Outbox {
    receivers: Vec<Arc<Receiver>>,
    silences: Vec<Silence>,
    now: Timestamp,
}

impl Outbox {
    /// None where there is nobody to tell.
    pub(super) fn open(sql: &Sql<'_>, damage: &DamageLog, now: Timestamp) -> Result<Option<Self>, WorkError> {
        let receivers = receivers::read_all(sql, damage)?;
        if receivers.is_empty() {
            return Ok(None);
        }
        let query = "SELECT document, id, tenant_id FROM silences WHERE ends_ms > ?1";
        let silences = rows::readable(sql, damage, "silences", query, values![now.as_millisecond()])?;
        Ok(Some(Self { receivers, silences, now }))
    }

    /// True of an alert of which nobody is told.
    pub(super) fn is_silenced(&self, alert: &Alert) -> bool {
        self.silences.iter().any(|silence| silence.silences(alert, self.now))
    }

    /// An alert is as this by now.
    pub(super) fn tell(&self, sql: &Sql<'_>, alert: &Alert) -> Result<(), WorkError> {
        self.tell_all(sql, alert, false)
    }

    /// A silence ended over an open alert.
    pub(super) fn tell_unsilenced(&self, sql: &Sql<'_>, alert: &Alert) -> Result<(), WorkError> {
        self.tell_all(sql, alert, true)
    }

    fn tell_all(&self, sql: &Sql<'_>, alert: &Alert, unsilenced: bool) -> Result<(), WorkError> {
        let silenced = self.is_silenced(alert);
        for receiver in &self.receivers {
            let told = told(sql, &receiver.id, alert)?;
            let wanted = receiver.filter.matches(alert);
            let decision = decide(alert, Standing { told, wanted, silenced, unsilenced });
            if decision.told != told {
                set_told(sql, &receiver.id, alert, decision.told)?;
            }
            let Some(notice) = decision.notice else { continue };
            let delivery = Delivery {
                id: DeliveryId::generate(),
                receiver_id: receiver.id.clone(),
                notice,
                alert: Some(alert.clone()),
                told_before: told,
                goes_on: decision.told.is_some(),
                created_at: self.now,
                state: DeliveryState::Pending,
                attempts: 0,
                last_attempt: None,
                due_at: (!has_earlier(sql, &receiver.id, alert)?).then_some(self.now),
            };
            insert(sql, &delivery)?;
        }
        Ok(())
    }

    /// Keeps the outbox within its bounds; to be called at the end of a transaction that told something.
    pub(super) fn bound(&self, sql: &Sql<'_>, damage: &DamageLog) -> Result<(), WorkError> {
        for receiver in &self.receivers {
            give_up_oldest(sql, damage, &receiver.id, self.now)?;
            forget_finished(sql, &receiver.id, self.now)?;
        }
        Ok(())
    }
}

/// The severity that a receiver was last told of an alert.
fn told(sql: &Sql<'_>, id: &ReceiverId, alert: &Alert) -> Result<Option<Severity>, WorkError> {
    let query = "SELECT severity FROM told_alerts WHERE receiver_id = ?1 AND alert_id = ?2";
    let word: Option<String> = sql.value(query, values![id.as_str(), alert.id.as_str()])?;
    Ok(word.and_then(|word| Severity::ALL.into_iter().find(|severity| severity.as_str() == word)))
}

fn set_told(
    sql: &Sql<'_>,
    id: &ReceiverId,
    alert: &Alert,
    severity: Option<Severity>,
) -> Result<(), WorkError> {
    let (id, alert_id) = (id.as_str(), alert.id.as_str());
    match severity {
        Some(severity) => sql.execute(
            "INSERT INTO told_alerts (receiver_id, alert_id, severity) VALUES (?1, ?2, ?3)
             ON CONFLICT (receiver_id, alert_id) DO UPDATE SET severity = excluded.severity",
            values![id, alert_id, severity.as_str()],
        )?,
        None => sql.execute(
            "DELETE FROM told_alerts WHERE receiver_id = ?1 AND alert_id = ?2",
            values![id, alert_id],
        )?,
    };
    Ok(())
}

/// Alerts of which a receiver was told, by id.
pub(super) fn told_alerts(sql: &Sql<'_>, id: &ReceiverId) -> Result<HashSet<String>, WorkError> {
    let query = "SELECT alert_id FROM told_alerts WHERE receiver_id = ?1";
    Ok(sql.rows(query, values![id.as_str()], |row| row.get::<String>(0))?.into_iter().collect())
}

/// An alert is sent again to a receiver that has not heard of it: of its end it will.
pub(super) fn note_told(sql: &Sql<'_>, id: &ReceiverId, alert: &Alert) -> Result<(), WorkError> {
    set_told(sql, id, alert, Some(alert.severity))
}

/// True where an earlier change of an alert is still on its way, which is to come first.
fn has_earlier(sql: &Sql<'_>, id: &ReceiverId, alert: &Alert) -> Result<bool, WorkError> {
    sql.exists(
        "SELECT 1 FROM deliveries WHERE receiver_id = ?1 AND alert_id = ?2 AND state = 'pending' LIMIT 1",
        values![id.as_str(), alert.id.as_str()],
    )
}

/// Adds a delivery.
pub(super) fn insert(sql: &Sql<'_>, delivery: &Delivery) -> Result<(), WorkError> {
    let alert = delivery.alert.as_ref();
    sql.execute(
        "INSERT INTO deliveries (id, receiver_id, alert_id, tenant_id, state, created_ms, due_ms, document)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        values![
            delivery.id.as_str(),
            delivery.receiver_id.as_str(),
            alert.map(|alert| alert.id.as_str()),
            alert.map(|alert| alert.tenant_id.as_str()),
            delivery.state.as_str(),
            delivery.created_at.as_millisecond(),
            delivery.due_at.map(|due| due.as_millisecond()),
            &to_document(delivery)?
        ],
    )?;
    Ok(())
}

/// Takes a try of a delivery in; none where it is gone or came to its end before.
pub(super) fn record(
    sql: &Sql<'_>,
    damage: &DamageLog,
    id: &DeliveryId,
    attempt: Attempt,
) -> Result<Option<DeliveryState>, WorkError> {
    let query = "SELECT document FROM deliveries WHERE id = ?1 AND state = 'pending'";
    let Some(mut delivery) = rows::document::<Delivery>(sql, query, values![id.as_str()])? else {
        return Ok(None);
    };
    let now = attempt.at;
    delivery.tried(attempt);
    update(sql, damage, &delivery, now)?;
    Ok(Some(delivery.state))
}

/// Replaces a delivery; the next one of its alert is due once it came to its end.
fn update(sql: &Sql<'_>, damage: &DamageLog, delivery: &Delivery, now: Timestamp) -> Result<(), WorkError> {
    sql.execute(
        "UPDATE deliveries SET state = ?2, due_ms = ?3, document = ?4 WHERE id = ?1",
        values![
            delivery.id.as_str(),
            delivery.state.as_str(),
            delivery.due_at.map(|due| due.as_millisecond()),
            &to_document(delivery)?
        ],
    )?;
    let Some(alert) = delivery.alert.as_ref().filter(|_| delivery.state != DeliveryState::Pending) else {
        return Ok(());
    };
    let query = "SELECT document, id, tenant_id FROM deliveries
                 WHERE receiver_id = ?1 AND alert_id = ?2 AND state = 'pending' ORDER BY number LIMIT 1";
    let values = values![delivery.receiver_id.as_str(), alert.id.as_str()];
    let next: Vec<Delivery> = rows::readable(sql, damage, "deliveries", query, values)?;
    match next.into_iter().next().filter(|next| next.due_at.is_none()) {
        Some(next) => update(sql, damage, &Delivery { due_at: Some(now), ..next }, now),
        None => Ok(()),
    }
}

fn give_up_oldest(
    sql: &Sql<'_>,
    damage: &DamageLog,
    id: &ReceiverId,
    now: Timestamp,
) -> Result<(), WorkError> {
    let query = "SELECT document, id, tenant_id FROM deliveries WHERE receiver_id = ?1 AND state = 'pending' AND number <= (
                     SELECT number FROM deliveries WHERE receiver_id = ?1 AND state = 'pending'
                     ORDER BY number DESC LIMIT 1 OFFSET ?2) ORDER BY number LIMIT ?3";
    let values = values![id.as_str(), MOST_WAITING, GIVEN_UP_TOGETHER];
    let oldest: Vec<Delivery> = rows::readable(sql, damage, "deliveries", query, values)?;
    if !oldest.is_empty() {
        let given_up = oldest.len();
        tracing::warn!(receiver.id = id.as_str(), given_up, "too many deliveries wait for a receiver");
    }
    for mut delivery in oldest {
        delivery.give_up(now, Message::new("notification.queue_full").with("most", MOST_WAITING));
        update(sql, damage, &delivery, now)?;
    }
    Ok(())
}

fn forget_finished(sql: &Sql<'_>, id: &ReceiverId, now: Timestamp) -> Result<(), WorkError> {
    let forgotten_ms = now.as_millisecond() - LISTED_SECONDS * 1000;
    for state in [DeliveryState::Delivered, DeliveryState::GivenUp] {
        sql.execute(
            "DELETE FROM deliveries WHERE receiver_id = ?1 AND state = ?2 AND (created_ms < ?3 OR number <= (
                 SELECT number FROM deliveries WHERE receiver_id = ?1 AND state = ?2
                 ORDER BY number DESC LIMIT 1 OFFSET ?4))",
            values![id.as_str(), state.as_str(), forgotten_ms, MOST_LISTED],
        )?;
    }
    Ok(())
}
