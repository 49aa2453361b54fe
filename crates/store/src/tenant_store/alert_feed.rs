//! Changes of all tenants' alerts in one order; the newest of them in memory.

use super::alerts::open_of;
use super::outbox::Outbox;
use super::rows;
use super::{Shared, SqlStore};
use crate::errors::WorkError;
use crate::sql::{Sql, values};
use ecp_core::Timestamp;
use ecp_core::alerts::{AlertChange, AlertEvent};
use ecp_core::ids::{AlertId, TenantId};
use ecp_core::ports::StoreError;
use ecp_core::text::Message;
use std::collections::VecDeque;
use std::sync::Arc;
use tokio::sync::watch;

/// Changes kept in memory; who is further behind reads the database.
const IN_MEMORY: usize = 1024;

/// The newest changes.
#[derive(Default)]
pub(super) struct AlertFeed {
    /// Everything after this number, up to the newest, is in `events`.
    start: u64,
    events: VecDeque<Arc<AlertEvent>>,
    newest: watch::Sender<u64>,
}

impl AlertFeed {
    /// Nothing in memory yet, after the change of this number.
    pub(super) fn starting_at(number: u64) -> Self {
        Self { start: number, events: VecDeque::new(), newest: watch::Sender::new(number) }
    }

    /// Takes a change in. Where others before it are missing, another process recorded them: who has not
    /// seen them finds them in the database.
    pub(super) fn push(&mut self, event: Arc<AlertEvent>) {
        let (number, newest) = (event.number, *self.newest.borrow());
        if number <= newest {
            return;
        }
        if number > newest + 1 {
            self.events.clear();
            self.start = number - 1;
        }
        if self.events.len() == IN_MEMORY
            && let Some(oldest) = self.events.pop_front()
        {
            self.start = oldest.number;
        }
        self.events.push_back(event);
        self.newest.send_replace(number);
    }

    /// Says that another process recorded changes up to this number.
    pub(super) fn reach(&mut self, number: u64) {
        if number > *self.newest.borrow() {
            self.events.clear();
            self.start = number;
            self.newest.send_replace(number);
        }
    }

    /// Changes after a number; none where they are not all in memory.
    fn after(&self, number: u64, limit: usize) -> Option<Vec<Arc<AlertEvent>>> {
        if number < self.start {
            return None;
        }
        let place = self.events.partition_point(|event| event.number <= number);
        Some(self.events.iter().skip(place).take(limit).cloned().collect())
    }
}

impl SqlStore {
    pub(super) fn watch_alert_feed(&self) -> watch::Receiver<u64> {
        self.shared.index.read().alert_feed.newest.subscribe()
    }

    pub(super) async fn read_alert_feed(
        &self,
        number: u64,
        limit: usize,
    ) -> Result<Vec<Arc<AlertEvent>>, StoreError> {
        let in_memory = self.shared.index.read().alert_feed.after(number, limit);
        if let Some(events) = in_memory {
            return Ok(events);
        }
        let damage = self.shared.damage.clone();
        self.read("listing alert changes", move |sql| {
            let query = "SELECT document, tenant_id || '/' || seq, tenant_id FROM alert_events
                         WHERE number > ?1 ORDER BY number LIMIT ?2";
            let events: Vec<AlertEvent> =
                rows::readable(sql, &damage, "alert_events", query, values![number, limit])?;
            Ok(events.into_iter().map(Arc::new).collect())
        })
        .await
    }

    pub(super) async fn find_opening(&self, id: &AlertId) -> Result<Option<u64>, StoreError> {
        let id = id.clone();
        self.read("finding an alert's opening", move |sql| {
            let query = "SELECT number FROM alert_events WHERE alert_id = ?1 AND opening = 1";
            sql.value(query, values![id.as_str()])
        })
        .await
    }
}

/// The number of the next change.
pub(super) fn next_number(sql: &Sql<'_>) -> Result<u64, WorkError> {
    let number = sql.value(
        "INSERT INTO alert_feed (id, number) VALUES (1, 1)
         ON CONFLICT (id) DO UPDATE SET number = alert_feed.number + 1 RETURNING number",
        &[],
    )?;
    number.ok_or_else(|| WorkError::Damaged("a change of an alert got no number".to_owned()))
}

/// The number of the newest change; 0 before the first.
pub(super) fn newest_number(sql: &Sql<'_>) -> Result<u64, WorkError> {
    Ok(sql.value("SELECT number FROM alert_feed WHERE id = 1", &[])?.unwrap_or(0))
}

/// The ends of a tenant's open alerts, which are about to go from the database; `message` says why. They
/// are told, to receivers too, and not kept.
pub(super) fn last_changes(
    sql: &Sql<'_>,
    shared: &Shared,
    id: &TenantId,
    now: Timestamp,
    message: &Message,
) -> Result<Vec<Arc<AlertEvent>>, WorkError> {
    let open = open_of(sql, &shared.damage, id)?;
    if open.is_empty() {
        return Ok(Vec::new());
    }
    let outbox = Outbox::open(sql, &shared.damage, now)?;
    let ended = open.into_iter().map(|mut alert| {
        alert.message = message.clone();
        (alert.updated_at, alert.resolved_at) = (now, Some(now));
        if let Some(outbox) = &outbox {
            outbox.tell(sql, shared, &alert)?;
        }
        let number = next_number(sql)?;
        Ok(Arc::new(AlertEvent { seq: number, number, change: AlertChange::Resolved, alert }))
    });
    ended.collect()
}
