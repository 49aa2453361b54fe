//! The outbox: in the transaction of a change, what each receiver is told of it.

use super::rows::{self, to_document};
use super::{Shared, receivers};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Sql, Value, in_powers_of_two, places, values};
use ecp_core::Timestamp;
use ecp_core::alerts::notice::{
    Attempt, Delivery, DeliveryState, LISTED_SECONDS, MOST_LISTED, MOST_WAITING, Standing, decide,
};
use ecp_core::alerts::receiver::Receiver;
use ecp_core::alerts::silence::Silence;
use ecp_core::alerts::{Alert, Severity};
use ecp_core::ids::{AlertId, DeliveryId, ReceiverId};
use ecp_core::text::Message;
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// Deliveries of a receiver after which its bounds are looked at again, and that give way together.
const TOGETHER: usize = 256;
/// Deliveries that a transaction adds at most which may be one of several.
const DELIVERIES_IN_A_TRANSACTION: usize = 512;

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

    /// Alerts that one transaction tells at most, so that samples do not wait for it for long.
    pub(super) fn alerts_in_a_transaction(&self) -> usize {
        (DELIVERIES_IN_A_TRANSACTION / self.receivers.len().max(1)).max(1)
    }

    /// True of an alert of which nobody is told.
    pub(super) fn is_silenced(&self, alert: &Alert) -> bool {
        self.silences.iter().any(|silence| silence.silences(alert, self.now))
    }

    /// An alert is as this by now.
    pub(super) fn tell(&self, sql: &Sql<'_>, shared: &Shared, alert: &Alert) -> Result<(), WorkError> {
        self.tell_all(sql, shared, alert, false)
    }

    /// A silence ended over an open alert.
    pub(super) fn tell_unsilenced(
        &self,
        sql: &Sql<'_>,
        shared: &Shared,
        alert: &Alert,
    ) -> Result<(), WorkError> {
        self.tell_all(sql, shared, alert, true)
    }

    /// As many statements for a hundred receivers as for a few, and for those that have long queues.
    fn tell_all(
        &self,
        sql: &Sql<'_>,
        shared: &Shared,
        alert: &Alert,
        unsilenced: bool,
    ) -> Result<(), WorkError> {
        let silenced = self.is_silenced(alert);
        let histories = histories(sql, alert)?;
        let (mut deliveries, mut told_anew, mut untold) = (Vec::new(), Vec::new(), Vec::new());
        for receiver in &self.receivers {
            let History { told, has_earlier } =
                histories.get(receiver.id.as_str()).copied().unwrap_or_default();
            let wanted = receiver.filter.matches(alert);
            let decision = decide(alert, Standing { told, wanted, silenced, unsilenced });
            match decision.told {
                after if after == told => {}
                Some(severity) => told_anew.push((&receiver.id, severity)),
                None => untold.push(&receiver.id),
            }
            let Some(notice) = decision.notice else { continue };
            deliveries.push(Delivery {
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
                due_at: (!has_earlier).then_some(self.now),
            });
        }
        set_told(sql, alert, &told_anew)?;
        forget_told(sql, alert, &untold)?;
        insert(sql, &deliveries)?;
        // Last: what was just added counts.
        deliveries.iter().try_for_each(|added| self.keep_room(sql, shared, &added.receiver_id))
    }

    /// Keeps a queue to which a delivery was added within its bound.
    fn keep_room(&self, sql: &Sql<'_>, shared: &Shared, id: &ReceiverId) -> Result<(), WorkError> {
        if shared.outbox_bounds.has_room(id) {
            return Ok(());
        }
        let query = "SELECT count(*) FROM deliveries WHERE receiver_id = ?1 AND state = 'pending'";
        let mut waiting = sql.count(query, values![id.as_str()])?;
        if waiting > MOST_WAITING {
            let given_up = TOGETHER + waiting - MOST_WAITING;
            give_up_oldest(sql, shared, id, self.now, given_up)?;
            waiting -= given_up;
        }
        shared.outbox_bounds.set_room(id, MOST_WAITING - waiting);
        Ok(())
    }
}

/// What this process knows of the receivers' queues, so that they are not counted at each change.
#[derive(Default)]
pub(super) struct Bounds(Mutex<HashMap<ReceiverId, Bound>>);

#[derive(Default)]
struct Bound {
    /// Deliveries that may be added before it is counted again how many wait.
    room: usize,
    /// Deliveries that came to their end since those that are listed no longer were forgotten.
    ended: usize,
}

impl Bounds {
    /// Takes a place for a delivery, where one is known to be free.
    fn has_room(&self, id: &ReceiverId) -> bool {
        let mut bounds = self.0.lock();
        let Some(bound) = bounds.get_mut(id).filter(|bound| bound.room > 0) else { return false };
        bound.room -= 1;
        true
    }

    /// So many places are free; others may take some of them meanwhile.
    fn set_room(&self, id: &ReceiverId, room: usize) {
        // Queues that were filled by the same alerts are not all full at the same one.
        let uneven = id.as_str().bytes().last().map_or(0, usize::from) % (TOGETHER / 2);
        self.0.lock().entry(id.clone()).or_default().room = room.min(TOGETHER - uneven);
    }

    /// Takes in that deliveries came to their end; true once so many did that some are listed no longer.
    fn has_ended(&self, id: &ReceiverId, deliveries: usize) -> bool {
        let mut bounds = self.0.lock();
        let bound = bounds.entry(id.clone()).or_default();
        bound.ended += deliveries;
        let are_many = bound.ended >= TOGETHER;
        if are_many {
            bound.ended = 0;
        }
        are_many
    }

    /// Forgets receivers that are gone.
    pub(super) fn keep(&self, receivers: &[Arc<Receiver>]) {
        self.0.lock().retain(|id, _| receivers.iter().any(|receiver| receiver.id == *id));
    }
}

/// How an alert stands towards a receiver.
#[derive(Clone, Copy, Default)]
struct History {
    /// The severity that it was last told.
    told: Option<Severity>,
    /// Whether an earlier change of the alert is still on its way to it, which is to come first.
    has_earlier: bool,
}

/// How an alert stands towards every receiver, by id.
fn histories(sql: &Sql<'_>, alert: &Alert) -> Result<HashMap<String, History>, WorkError> {
    let query = "SELECT receivers.id, told_alerts.severity, (
                     SELECT count(*) FROM (
                         SELECT 1 FROM deliveries WHERE deliveries.alert_id = ?1
                         AND deliveries.receiver_id = receivers.id AND deliveries.state = 'pending' LIMIT 1)
                     AS earlier)
                 FROM receivers LEFT JOIN told_alerts
                     ON told_alerts.receiver_id = receivers.id AND told_alerts.alert_id = ?1";
    let rows = sql.rows(query, values![alert.id.as_str()], |row| {
        let told = row.get::<Option<String>>(1)?.and_then(|word| severity(&word));
        Ok((row.get(0)?, History { told, has_earlier: row.get(2)? }))
    })?;
    Ok(rows.into_iter().collect())
}

fn severity(word: &str) -> Option<Severity> {
    Severity::ALL.into_iter().find(|severity| severity.as_str() == word)
}

fn set_told(sql: &Sql<'_>, alert: &Alert, told: &[(&ReceiverId, Severity)]) -> Result<(), WorkError> {
    let alert_id = alert.id.as_str();
    let rows = told.iter().map(|(id, severity)| [id.as_str(), alert_id, severity.as_str()].map(Value::from));
    sql.execute_rows(
        "INSERT INTO told_alerts (receiver_id, alert_id, severity) VALUES",
        "(?, ?, ?)",
        "ON CONFLICT (receiver_id, alert_id) DO UPDATE SET severity = excluded.severity",
        &rows.collect::<Vec<_>>(),
    )
}

fn forget_told(sql: &Sql<'_>, alert: &Alert, told: &[&ReceiverId]) -> Result<(), WorkError> {
    let rows = told.iter().map(|id| [id.as_str(), alert.id.as_str()].map(Value::from));
    sql.execute_rows(
        "DELETE FROM told_alerts WHERE (receiver_id, alert_id) IN (VALUES",
        "(?, ?)",
        ")",
        &rows.collect::<Vec<_>>(),
    )
}

/// Alerts of which a receiver was told.
pub(super) fn told_alerts(sql: &Sql<'_>, id: &ReceiverId) -> Result<HashSet<AlertId>, WorkError> {
    let query = "SELECT alert_id FROM told_alerts WHERE receiver_id = ?1";
    let told = sql.rows(query, values![id.as_str()], |row| Ok(AlertId::from_text(row.get::<String>(0)?)))?;
    Ok(told.into_iter().collect())
}

/// Notes that a receiver is told of those of some alerts that are open and of which it has not heard.
pub(super) fn note_told(
    sql: &Sql<'_>,
    id: &ReceiverId,
    alerts: &[AlertId],
) -> Result<HashMap<AlertId, Severity>, WorkError> {
    let mut noted = HashMap::with_capacity(alerts.len());
    for alerts in in_powers_of_two(alerts) {
        let query = format!(
            "INSERT INTO told_alerts (receiver_id, alert_id, severity)
             SELECT receivers.id, alerts.id, alerts.severity FROM receivers, alerts
             WHERE receivers.id = ?1 AND alerts.id IN ({}) AND alerts.resolved = 0
                 AND alerts.severity IS NOT NULL
             ON CONFLICT (receiver_id, alert_id) DO NOTHING RETURNING alert_id, severity",
            places("?", alerts.len(), 2)
        );
        let mut values = vec![Value::from(id.as_str())];
        values.extend(alerts.iter().map(|alert| Value::from(alert.as_str())));
        let rows = sql.rows(&query, &values, |row| {
            Ok((AlertId::from_text(row.get::<String>(0)?), severity(&row.get::<String>(1)?)))
        })?;
        noted.extend(rows.into_iter().filter_map(|(id, severity)| Some((id, severity?))));
    }
    Ok(noted)
}

/// Adds deliveries.
pub(super) fn insert(sql: &Sql<'_>, deliveries: &[Delivery]) -> Result<(), WorkError> {
    let documents = deliveries.iter().map(to_document).collect::<Result<Vec<_>, _>>()?;
    let rows = deliveries.iter().zip(&documents).map(|(delivery, document)| {
        let alert = delivery.alert.as_ref();
        [
            Value::from(delivery.id.as_str()),
            Value::from(delivery.receiver_id.as_str()),
            Value::from(alert.map(|alert| alert.id.as_str())),
            Value::from(alert.map(|alert| alert.tenant_id.as_str())),
            Value::from(delivery.state.as_str()),
            Value::from(delivery.created_at.as_millisecond()),
            Value::from(delivery.due_at.map(|due| due.as_millisecond())),
            Value::from(document),
        ]
    });
    sql.execute_rows(
        "INSERT INTO deliveries (id, receiver_id, alert_id, tenant_id, state, created_ms, due_ms, document) VALUES",
        "(?, ?, ?, ?, ?, ?, ?, ?)",
        "",
        &rows.collect::<Vec<_>>(),
    )
}

/// Takes one try of some deliveries in; those that are gone or came to their end before are left out.
pub(super) fn record(
    sql: &Sql<'_>,
    shared: &Shared,
    ids: &[DeliveryId],
    attempt: &Attempt,
) -> Result<Vec<DeliveryState>, WorkError> {
    let mut tried: Vec<Delivery> = Vec::with_capacity(ids.len());
    for ids in in_powers_of_two(ids) {
        let query = format!(
            "SELECT document, id, tenant_id FROM deliveries WHERE id IN ({}) AND state = 'pending'",
            places("?", ids.len(), 1)
        );
        let values: Vec<Value<'_>> = ids.iter().map(|id| Value::from(id.as_str())).collect();
        tried.extend(rows::readable::<Delivery>(sql, &shared.damage, "deliveries", &query, &values)?);
    }
    for delivery in &mut tried {
        delivery.tried(attempt.clone());
    }
    update(sql, &tried)?;
    end(sql, shared, &tried, attempt.at)?;
    Ok(tried.into_iter().map(|delivery| delivery.state).collect())
}

/// Replaces deliveries.
fn update(sql: &Sql<'_>, deliveries: &[Delivery]) -> Result<(), WorkError> {
    let documents = deliveries.iter().map(to_document).collect::<Result<Vec<_>, _>>()?;
    let rows = deliveries.iter().zip(&documents).map(|(delivery, document)| {
        [
            Value::from(delivery.id.as_str()),
            Value::from(delivery.state.as_str()),
            Value::from(delivery.due_at.map(|due| due.as_millisecond())),
            Value::from(document),
        ]
    });
    sql.execute_rows(
        "UPDATE deliveries SET state = given.column2, due_ms = given.column3, document = given.column4
         FROM (VALUES",
        "(?, ?, CAST(? AS BIGINT), ?)",
        ") AS given WHERE deliveries.id = given.column1",
        &rows.collect::<Vec<_>>(),
    )
}

/// Those of some deliveries that came to their end make the next ones of their alerts due, and older ones give
/// way to them.
fn end(sql: &Sql<'_>, shared: &Shared, deliveries: &[Delivery], now: Timestamp) -> Result<(), WorkError> {
    let ended = deliveries.iter().filter(|delivery| delivery.state != DeliveryState::Pending);
    let mut of_receivers: BTreeMap<&ReceiverId, usize> = BTreeMap::new();
    let mut of_alerts: BTreeSet<(&str, &str)> = BTreeSet::new();
    for delivery in ended {
        *of_receivers.entry(&delivery.receiver_id).or_default() += 1;
        let alert = delivery.alert.as_ref();
        of_alerts.extend(alert.map(|alert| (delivery.receiver_id.as_str(), alert.id.as_str())));
    }
    let of_alerts: Vec<(&str, &str)> = of_alerts.into_iter().collect();
    let mut due = Vec::new();
    for of_alerts in in_powers_of_two(&of_alerts) {
        let query = format!(
            "SELECT document, id, tenant_id FROM deliveries WHERE number IN (
                 SELECT (SELECT number FROM deliveries WHERE receiver_id = ended.column1
                     AND alert_id = ended.column2 AND state = 'pending' ORDER BY number LIMIT 1)
                 FROM (VALUES {}) AS ended)",
            places("(?, ?)", of_alerts.len(), 1)
        );
        let values: Vec<Value<'_>> = of_alerts
            .iter()
            .flat_map(|(receiver, alert)| [Value::from(*receiver), Value::from(*alert)])
            .collect();
        due.extend(rows::readable::<Delivery>(sql, &shared.damage, "deliveries", &query, &values)?);
    }
    due.retain(|next| next.due_at.is_none());
    due.iter_mut().for_each(|next| next.due_at = Some(now));
    update(sql, &due)?;
    for (id, ended) in of_receivers {
        if shared.outbox_bounds.has_ended(id, ended) {
            forget_ended(sql, id, now)?;
        }
    }
    Ok(())
}

fn give_up_oldest(
    sql: &Sql<'_>,
    shared: &Shared,
    id: &ReceiverId,
    now: Timestamp,
    count: usize,
) -> Result<(), WorkError> {
    let query = "SELECT document, id, tenant_id FROM deliveries WHERE receiver_id = ?1 AND state = 'pending'
                 ORDER BY number LIMIT ?2";
    let mut oldest: Vec<Delivery> =
        rows::readable(sql, &shared.damage, "deliveries", query, values![id.as_str(), count])?;
    let given_up = oldest.len();
    tracing::warn!(receiver.id = id.as_str(), given_up, "too many deliveries wait for a receiver");
    for delivery in &mut oldest {
        delivery.give_up(now, Message::new("notification.queue_full").with("most", MOST_WAITING));
    }
    update(sql, &oldest)?;
    end(sql, shared, &oldest, now)
}

/// Forgets some deliveries of a receiver that came to their end and are listed no longer; how many.
pub(super) fn forget_ended(sql: &Sql<'_>, id: &ReceiverId, now: Timestamp) -> Result<usize, WorkError> {
    let forgotten_ms = now.as_millisecond() - LISTED_SECONDS * 1000;
    let mut forgotten = 0;
    for state in [DeliveryState::Delivered, DeliveryState::GivenUp] {
        // The oldest have the lowest numbers.
        forgotten += sql.execute(
            "DELETE FROM deliveries WHERE number IN (
                 SELECT number FROM (
                     SELECT number, created_ms FROM deliveries WHERE receiver_id = ?1 AND state = ?2
                     ORDER BY number LIMIT ?5) AS oldest
                 WHERE created_ms < ?3 OR number <= (
                     SELECT number FROM deliveries WHERE receiver_id = ?1 AND state = ?2
                     ORDER BY number DESC LIMIT 1 OFFSET ?4))",
            values![id.as_str(), state.as_str(), forgotten_ms, MOST_LISTED, TOGETHER],
        )?;
    }
    Ok(forgotten)
}
