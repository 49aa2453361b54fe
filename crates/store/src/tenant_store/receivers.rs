//! Who is told of alerts; whose turn it is to tell them.

use super::outbox::{self, Outbox};
use super::rows::{self, Filter, to_document};
use super::{Backend, Shared, SqlStore, alerts};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, values};
use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::alerts::Alert;
use ecp_core::alerts::notice::{Attempt, Delivery, DeliveryState};
use ecp_core::alerts::receiver::{MOST, Receiver, ReceiverKind, SigningSecret};
use ecp_core::alerts::silence::Silence;
use ecp_core::audit::AuditEntry;
use ecp_core::ids::{DeliveryId, ReceiverId};
use ecp_core::ports::{DeliveryQuery, NotificationStore, StoreError, Turn, Waiting};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Receivers in memory, oldest first.
pub(super) type Receivers = Arc<Vec<Arc<Receiver>>>;

/// Between two times that open alerts are sent again, in milliseconds.
const AGAIN_AFTER_MS: i64 = 60_000;
/// Alerts of which a receiver hears for the first time in one turn, so that no transaction is long.
const NEWCOMERS_IN_A_TURN: usize = 512;

#[async_trait]
impl NotificationStore for SqlStore {
    fn receivers(&self) -> Receivers {
        self.shared.index.read().receivers.clone()
    }

    async fn add_receiver(&self, receiver: Receiver, audit: AuditEntry) -> Result<(), StoreError> {
        let kept = Arc::new(receiver.clone());
        self.write(
            "keeping a receiver",
            move |sql, _| {
                rows::check_room(sql, "receivers", MOST)?;
                sql.execute(
                    "INSERT INTO receivers (id, secret, document) VALUES (?1, ?2, ?3)",
                    values![
                        receiver.id.as_str(),
                        receiver.secret.as_ref().map(SigningSecret::expose),
                        &to_document(&receiver)?
                    ],
                )?;
                rows::insert_audit_of(sql, &audit, Change::Receivers)
            },
            move |shared, ()| {
                Arc::make_mut(&mut shared.index.write().receivers).push(kept);
                shared.tell_outbox_changed();
            },
        )
        .await
    }

    async fn change_receiver(&self, receiver: Receiver, audit: AuditEntry) -> Result<bool, StoreError> {
        let kept = Arc::new(receiver.clone());
        self.write(
            "changing a receiver",
            move |sql, _| {
                let changed = sql.execute(
                    "UPDATE receivers SET secret = ?2, document = ?3 WHERE id = ?1",
                    values![
                        receiver.id.as_str(),
                        receiver.secret.as_ref().map(SigningSecret::expose),
                        &to_document(&receiver)?
                    ],
                )?;
                if changed > 0 {
                    rows::insert_audit_of(sql, &audit, Change::Receivers)?;
                }
                Ok(changed > 0)
            },
            move |shared, changed| {
                let mut index = shared.index.write();
                let receivers = Arc::make_mut(&mut index.receivers);
                let place = receivers.iter().position(|other| other.id == kept.id);
                if let Some(place) = place.filter(|_| *changed) {
                    receivers[place] = kept;
                }
                drop(index);
                shared.tell_outbox_changed();
            },
        )
        .await
    }

    async fn remove_receiver(&self, id: &ReceiverId, audit: AuditEntry) -> Result<bool, StoreError> {
        let (id, removed) = (id.clone(), id.clone());
        self.write(
            "removing a receiver",
            move |sql, _| {
                let found = sql.execute("DELETE FROM receivers WHERE id = ?1", values![id.as_str()])? > 0;
                if found {
                    rows::insert_audit_of(sql, &audit, Change::Receivers)?;
                }
                Ok(found)
            },
            move |shared, _found| {
                Arc::make_mut(&mut shared.index.write().receivers).retain(|other| other.id != removed);
                shared.tell_outbox_changed();
            },
        )
        .await
    }

    async fn deliveries(&self, query: DeliveryQuery) -> Result<(Vec<Delivery>, usize), StoreError> {
        let damage = self.shared.damage.clone();
        self.read("listing deliveries", move |sql| {
            let mut filter = Filter::default();
            filter.add("receiver_id = ?", Some(query.receiver_id.as_str()));
            filter.add("state = ?", query.state.map(DeliveryState::as_str));
            filter.page(sql, &damage, "deliveries", "number", query.skip, query.limit)
        })
        .await
    }

    async fn add_delivery(&self, delivery: Delivery) -> Result<(), StoreError> {
        self.write(
            "keeping a delivery",
            move |sql, _| {
                let there = "SELECT 1 FROM receivers WHERE id = ?1";
                if sql.exists(there, values![delivery.receiver_id.as_str()])? {
                    outbox::insert(sql, &delivery)?;
                }
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }

    fn subscribe_outbox(&self) -> watch::Receiver<u64> {
        self.shared.outbox_changed.subscribe()
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let receivers = self.receivers();
        if receivers.is_empty() {
            return Ok(Vec::new());
        }
        let kinds: HashMap<ReceiverId, ReceiverKind> =
            receivers.iter().map(|receiver| (receiver.id.clone(), receiver.kind)).collect();
        let again = self.with_open_alerts(&receivers);
        self.read("looking for deliveries", move |sql| {
            let counted = sql.rows(
                "SELECT receivers.id, receivers.again_ms, count(deliveries.number), min(deliveries.due_ms)
                 FROM receivers LEFT JOIN deliveries
                     ON deliveries.receiver_id = receivers.id AND deliveries.state = 'pending'
                 GROUP BY receivers.id, receivers.again_ms",
                &[],
                |row| {
                    let id = ReceiverId::from_text(row.get::<String>(0)?);
                    Ok((id, row.get::<i64>(1)?, row.get::<u64>(2)?, row.get::<Option<i64>>(3)?))
                },
            )?;
            let waiting = counted.into_iter().filter_map(|(receiver_id, again_ms, deliveries, due_ms)| {
                let kind = *kinds.get(&receiver_id)?;
                let again_ms = again.contains(&receiver_id).then_some(again_ms);
                let next_ms = again_ms.into_iter().chain(due_ms).min();
                let next_due = next_ms.map(time);
                let deliveries = usize::try_from(deliveries).unwrap_or(usize::MAX);
                Some(Waiting { receiver_id, kind, deliveries, next_due })
            });
            Ok(waiting.collect())
        })
        .await
    }

    async fn begin_turn(
        &self,
        id: &ReceiverId,
        holder: &str,
        lease: Duration,
        most: usize,
    ) -> Result<Option<Turn>, StoreError> {
        let (id, holder, now) = (id.clone(), holder.to_owned(), self.clock.now());
        let lease_ms = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
        self.write(
            "beginning a receiver's turn",
            move |sql, shared| {
                let here_ms = sql.now_ms(now)?;
                let taken = sql.execute(
                    "UPDATE receivers SET holder = ?2, lease_until_ms = ?4
                     WHERE id = ?1 AND (holder IS NULL OR holder = ?2 OR lease_until_ms <= ?3)",
                    values![id.as_str(), &holder, here_ms, here_ms.saturating_add(lease_ms)],
                )?;
                let receiver = match taken {
                    0 => None,
                    _ => read_all(sql, &shared.damage)?.into_iter().find(|receiver| receiver.id == id),
                };
                let Some(receiver) = receiver else { return Ok(None) };
                let query = "SELECT document, id, tenant_id FROM deliveries
                             WHERE receiver_id = ?1 AND state = 'pending' AND due_ms <= ?2
                             ORDER BY due_ms, number LIMIT ?3";
                let values = values![id.as_str(), now.as_millisecond(), most];
                let deliveries = rows::readable(sql, &shared.damage, "deliveries", query, values)?;
                let again = match receiver.kind {
                    ReceiverKind::Webhook => Vec::new(),
                    ReceiverKind::Alertmanager => sent_again(sql, shared, &receiver, now)?,
                };
                Ok(Some(Turn { receiver, deliveries, again }))
            },
            |_, _| {},
        )
        .await
    }

    async fn record_attempt(
        &self,
        id: &DeliveryId,
        attempt: Attempt,
    ) -> Result<Option<DeliveryState>, StoreError> {
        let id = id.clone();
        let record = move |sql: &Sql<'_>, shared: &Shared| outbox::record(sql, &shared.damage, &id, attempt);
        self.write("recording a delivery", record, |_, _| {}).await
    }

    async fn end_turn(&self, id: &ReceiverId, holder: &str) -> Result<(), StoreError> {
        let (id, holder) = (id.clone(), holder.to_owned());
        self.write(
            "ending a receiver's turn",
            move |sql, _| {
                sql.execute(
                    "UPDATE receivers SET holder = NULL, lease_until_ms = 0 WHERE id = ?1 AND holder = ?2",
                    values![id.as_str(), &holder],
                )?;
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }

    async fn end_silences(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.write(
            "ending silences",
            move |sql, shared| {
                let query = "SELECT document, id, tenant_id FROM silences WHERE ended = 0 AND ends_ms <= ?1";
                let values = values![now.as_millisecond()];
                let ended: Vec<Silence> = rows::readable(sql, &shared.damage, "silences", query, values)?;
                tell_unsilenced(sql, shared, &ended, now)?;
                sql.execute("UPDATE silences SET ended = 1 WHERE ended = 0 AND ends_ms <= ?1", values)?;
                Ok(())
            },
            |shared, ()| shared.tell_outbox_changed(),
        )
        .await
    }
}

impl SqlStore {
    /// Takes back the turns of a process that ended without a word, where this is the only one. On a server
    /// they end by themselves: another process may have them, and work.
    pub async fn free_receivers(&self) -> Result<(), StoreError> {
        if !matches!(self.database, Backend::Sqlite(_)) {
            return Ok(());
        }
        let free = |sql: &Sql<'_>, _: &Shared| {
            sql.execute("UPDATE receivers SET holder = NULL WHERE holder IS NOT NULL", &[])?;
            Ok(())
        };
        self.write("freeing receivers", free, |_, ()| {}).await
    }

    /// Receivers that are sent open alerts again, where there are some for them now.
    fn with_open_alerts(&self, receivers: &[Arc<Receiver>]) -> Vec<ReceiverId> {
        let now = self.clock.now();
        let index = self.shared.index.read();
        let tenants = index.ordered();
        let open = || {
            let entries = tenants.iter().filter_map(|tenant| index.entry(&tenant.id));
            entries.flat_map(|entry| &entry.open_alerts)
        };
        let is_silenced = |alert: &Alert| index.silences.iter().any(|silence| silence.silences(alert, now));
        let has_some = |receiver: &&Arc<Receiver>| {
            receiver.kind == ReceiverKind::Alertmanager
                && open().any(|alert| receiver.filter.matches(alert) && !is_silenced(alert))
        };
        receivers.iter().filter(has_some).map(|receiver| receiver.id.clone()).collect()
    }
}

/// Open alerts that a receiver is to be sent again now, and when next.
fn sent_again(
    sql: &Sql<'_>,
    shared: &Shared,
    receiver: &Receiver,
    now: Timestamp,
) -> Result<Vec<Alert>, WorkError> {
    let now_ms = now.as_millisecond();
    let due = sql.execute(
        "UPDATE receivers SET again_ms = ?3 WHERE id = ?1 AND again_ms <= ?2",
        values![receiver.id.as_str(), now_ms, now_ms + AGAIN_AFTER_MS],
    )?;
    let outbox = match due {
        0 => None,
        _ => Outbox::open(sql, &shared.damage, now)?,
    };
    let Some(outbox) = outbox else { return Ok(Vec::new()) };
    let told = outbox::told_alerts(sql, &receiver.id)?;
    let (known, mut newcomers): (Vec<Arc<Alert>>, Vec<Arc<Alert>>) = {
        // Memory has all that was committed before this transaction.
        let index = shared.index.read();
        let tenants = index.ordered();
        let entries = tenants.iter().filter_map(|tenant| index.entry(&tenant.id));
        let wanted = |alert: &&Arc<Alert>| receiver.filter.matches(alert) && !outbox.is_silenced(alert);
        let open = entries.flat_map(|entry| &entry.open_alerts).filter(wanted).cloned();
        open.partition(|alert| told.contains(alert.id.as_str()))
    };
    let is_cut = newcomers.len() > NEWCOMERS_IN_A_TURN;
    newcomers.truncate(NEWCOMERS_IN_A_TURN);
    for alert in &newcomers {
        outbox::note_told(sql, &receiver.id, alert)?;
    }
    if is_cut {
        // The others have their turn at once: samples that wait for this transaction go first.
        let again = "UPDATE receivers SET again_ms = ?2 WHERE id = ?1";
        sql.execute(again, values![receiver.id.as_str(), now_ms])?;
    }
    let known = if is_cut { Vec::new() } else { known };
    Ok(known.into_iter().chain(newcomers).map(|alert| (*alert).clone()).collect())
}

/// Has open alerts told that these silences, which are over, had nobody told of.
pub(super) fn tell_unsilenced(
    sql: &Sql<'_>,
    shared: &Shared,
    ended: &[Silence],
    now: Timestamp,
) -> Result<(), WorkError> {
    if ended.is_empty() {
        return Ok(());
    }
    let Some(outbox) = Outbox::open(sql, &shared.damage, now)? else { return Ok(()) };
    let mut open = alerts::open_of_all(sql, &shared.damage)?;
    open.retain(|alert| ended.iter().any(|silence| silence.filter.matches(alert)));
    for alert in &open {
        outbox.tell_unsilenced(sql, alert)?;
    }
    outbox.bound(sql, &shared.damage)
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MIN)
}

/// All receivers, oldest first, with their secrets; those that can not be read are set aside.
pub(super) fn read_all(sql: &Sql<'_>, damage: &DamageLog) -> Result<Vec<Arc<Receiver>>, WorkError> {
    let read = sql.rows("SELECT id, document, secret FROM receivers", &[], |row| {
        let read = || -> Result<Receiver, WorkError> {
            let mut receiver: Receiver = serde_json::from_str(&row.get::<String>(1)?)?;
            let secret: Option<String> = row.get(2)?;
            let parsed = secret.map(|secret| SigningSecret::parse(&secret)).transpose();
            receiver.secret = parsed.map_err(|fault| WorkError::Damaged(fault.to_string()))?;
            Ok(receiver)
        };
        Ok(read().map_err(|error| damage.set_aside("receivers", row.told(0), None, &error)).ok())
    })?;
    let mut receivers: Vec<Arc<Receiver>> = read.into_iter().flatten().map(Arc::new).collect();
    receivers.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(receivers)
}
