//! Who is told of alerts; whose turn it is to tell them.

use super::outbox;
use super::rows::{self, Filter, to_document};
use super::{Backend, Shared, SqlStore};
use crate::database::DamageLog;
use crate::errors::WorkError;
use crate::sql::{Change, Sql, Value, values};
use async_trait::async_trait;
use ecp_core::Timestamp;
use ecp_core::alerts::notice::{Attempt, Delivery, DeliveryState};
use ecp_core::alerts::receiver::{MOST, Receiver, ReceiverKind, SigningSecret};
use ecp_core::alerts::silence::{Silence, SilencePhase};
use ecp_core::alerts::{Alert, Severity};
use ecp_core::audit::AuditEntry;
use ecp_core::ids::{AlertId, DeliveryId, ReceiverId, TenantId};
use ecp_core::ports::{DeliveryQuery, NotificationStore, StoreError, Turn, Waiting};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Receivers in memory, oldest first.
pub(super) type Receivers = Arc<Vec<Arc<Receiver>>>;

/// Between two times that open alerts are sent again, in milliseconds.
const AGAIN_AFTER_MS: i64 = 60_000;

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
                let mut index = shared.index.write();
                Arc::make_mut(&mut index.receivers).retain(|other| other.id != removed);
                shared.outbox_bounds.keep(&index.receivers);
                drop(index);
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
                    outbox::insert(sql, &[delivery])?;
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
        let next = self.read("looking for deliveries", |sql| {
            sql.rows(
                "SELECT id, again_ms, (
                     SELECT due_ms FROM deliveries
                     WHERE receiver_id = receivers.id AND state = 'pending' AND due_ms IS NOT NULL
                     ORDER BY due_ms LIMIT 1)
                 FROM receivers",
                &[],
                |row| {
                    let id = ReceiverId::from_text(row.get::<String>(0)?);
                    Ok((id, (row.get::<i64>(1)?, row.get::<Option<i64>>(2)?)))
                },
            )
        });
        let next: HashMap<ReceiverId, (i64, Option<i64>)> = next.await?.into_iter().collect();
        let now_ms = self.clock.now().as_millisecond();
        let waiting = receivers.iter().filter_map(|receiver| {
            let (again_ms, due_ms) = *next.get(&receiver.id)?;
            // Whether there are alerts to send again is looked at when it is time to.
            let is_sent_again = receiver.kind == ReceiverKind::Alertmanager
                && (again_ms > now_ms || self.any_open_alert_for(receiver));
            let next_ms = due_ms.into_iter().chain(is_sent_again.then_some(again_ms)).min();
            Some(Waiting {
                receiver_id: receiver.id.clone(),
                kind: receiver.kind,
                next_due: next_ms.map(time),
            })
        });
        Ok(waiting.collect())
    }

    async fn queue_lengths(&self) -> Result<HashMap<ReceiverId, usize>, StoreError> {
        self.read("counting deliveries", |sql| {
            let query =
                "SELECT receiver_id, count(*) FROM deliveries WHERE state = 'pending' GROUP BY receiver_id";
            let lengths = sql.rows(query, &[], |row| {
                let length = usize::try_from(row.get::<u64>(1)?).unwrap_or(usize::MAX);
                Ok((ReceiverId::from_text(row.get::<String>(0)?), length))
            })?;
            Ok(lengths.into_iter().collect())
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
                if taken == 0 {
                    return Ok(None);
                }
                let query = "SELECT id, document, secret FROM receivers WHERE id = ?1";
                let read = read(sql, &shared.damage, query, values![id.as_str()])?;
                let Some(receiver) = read.into_iter().next() else { return Ok(None) };
                let query = "SELECT document, id, tenant_id FROM deliveries
                             WHERE receiver_id = ?1 AND state = 'pending' AND due_ms <= ?2
                             ORDER BY due_ms, number LIMIT ?3";
                let now_ms = now.as_millisecond();
                let due = values![id.as_str(), now_ms, most];
                let deliveries = rows::readable(sql, &shared.damage, "deliveries", query, due)?;
                let sends_again = receiver.kind == ReceiverKind::Alertmanager
                    && sql.execute(
                        "UPDATE receivers SET again_ms = ?3 WHERE id = ?1 AND again_ms <= ?2",
                        values![id.as_str(), now_ms, now_ms + AGAIN_AFTER_MS],
                    )? > 0;
                Ok(Some(Turn { receiver, deliveries, sends_again }))
            },
            |_, _| {},
        )
        .await
    }

    fn open_alerts_for(&self, receiver: &Receiver) -> Vec<Arc<Alert>> {
        let mut open = Vec::new();
        self.find_open_alert_for(receiver, |alert| {
            open.push(alert.clone());
            false
        });
        open
    }

    async fn told_alerts(&self, id: &ReceiverId) -> Result<HashSet<AlertId>, StoreError> {
        let id = id.clone();
        self.read("listing what a receiver was told", move |sql| outbox::told_alerts(sql, &id)).await
    }

    async fn note_told(
        &self,
        id: &ReceiverId,
        alerts: Vec<AlertId>,
    ) -> Result<HashMap<AlertId, Severity>, StoreError> {
        let id = id.clone();
        let note = move |sql: &Sql<'_>, _: &Shared| outbox::note_told(sql, &id, &alerts);
        self.write("noting what a receiver is told", note, |_, _| {}).await
    }

    async fn record_attempts(
        &self,
        ids: Vec<DeliveryId>,
        attempt: Attempt,
    ) -> Result<Vec<DeliveryState>, StoreError> {
        let record = move |sql: &Sql<'_>, shared: &Shared| outbox::record(sql, shared, &ids, &attempt);
        self.write("recording deliveries", record, |_, _| {}).await
    }

    async fn end_turn(&self, id: &ReceiverId, holder: &str, is_cut: bool) -> Result<(), StoreError> {
        let (id, holder) = (id.clone(), holder.to_owned());
        self.write(
            "ending a receiver's turn",
            move |sql, _| {
                sql.execute(
                    "UPDATE receivers SET holder = NULL, lease_until_ms = 0,
                         again_ms = CASE WHEN CAST(?3 AS BIGINT) = 1 THEN 0 ELSE again_ms END
                     WHERE id = ?1 AND holder = ?2",
                    values![id.as_str(), &holder, is_cut],
                )?;
                Ok(())
            },
            |_, ()| {},
        )
        .await
    }

    async fn end_silences(&self) -> Result<(), StoreError> {
        self.tell_ended_silences().await
    }

    async fn forget_deliveries(&self) -> Result<(), StoreError> {
        for receiver in self.receivers().iter() {
            loop {
                let (id, now) = (receiver.id.clone(), self.clock.now());
                let forget = move |sql: &Sql<'_>, _: &Shared| outbox::forget_ended(sql, &id, now);
                if self.write("forgetting deliveries", forget, |_, _| {}).await? == 0 {
                    break;
                }
            }
        }
        Ok(())
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

    fn any_open_alert_for(&self, receiver: &Receiver) -> bool {
        self.find_open_alert_for(receiver, |_| true)
    }

    /// Goes through the open alerts of which a receiver hears now until `is_it` is true of one; whether it was.
    fn find_open_alert_for(&self, receiver: &Receiver, mut is_it: impl FnMut(&Arc<Alert>) -> bool) -> bool {
        let now = self.clock.now();
        let index = self.shared.index.read();
        let active: Vec<&Arc<Silence>> =
            index.silences.iter().filter(|silence| silence.phase(now) == SilencePhase::Active).collect();
        let mut is_found = |alert: &Arc<Alert>| {
            receiver.filter.matches(alert)
                && !active.iter().any(|silence| silence.filter.matches(alert))
                && is_it(alert)
        };
        let of_tenant = |id: &TenantId| index.entry(id).into_iter().flat_map(|entry| &entry.open_alerts);
        match &receiver.filter.tenant_id {
            Some(id) => of_tenant(id).any(is_found),
            None => index.ordered().iter().any(|tenant| of_tenant(&tenant.id).any(&mut is_found)),
        }
    }
}

fn time(milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(milliseconds).unwrap_or(Timestamp::MIN)
}

/// All receivers, oldest first, with their secrets; those that can not be read are set aside.
pub(super) fn read_all(sql: &Sql<'_>, damage: &DamageLog) -> Result<Vec<Arc<Receiver>>, WorkError> {
    let mut receivers = read(sql, damage, "SELECT id, document, secret FROM receivers", &[])?;
    receivers.sort_by(|a, b| (a.created_at, &a.id).cmp(&(b.created_at, &b.id)));
    Ok(receivers)
}

/// Receivers by a query of their ids, documents and secrets.
fn read(
    sql: &Sql<'_>,
    damage: &DamageLog,
    query: &str,
    values: &[Value<'_>],
) -> Result<Vec<Arc<Receiver>>, WorkError> {
    let read = sql.rows(query, values, |row| {
        let read = || -> Result<Receiver, WorkError> {
            let mut receiver: Receiver = serde_json::from_str(&row.get::<String>(1)?)?;
            let secret: Option<String> = row.get(2)?;
            let parsed = secret.map(|secret| SigningSecret::parse(&secret)).transpose();
            receiver.secret = parsed.map_err(|fault| WorkError::Damaged(fault.to_string()))?;
            Ok(receiver)
        };
        Ok(read().map_err(|error| damage.set_aside("receivers", row.told(0), None, &error)).ok())
    })?;
    Ok(read.into_iter().flatten().map(Arc::new).collect())
}
