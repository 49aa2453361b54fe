//! Takes turns at receivers, one task a receiver: whoever is slow or hostile delays itself alone.

use crate::client::{ReceiverClient, Refusal};
use crate::counts::{Counts, Outcome};
use crate::{alertmanager, webhook};
use async_trait::async_trait;
use ecp_core::alerts::Alert;
use ecp_core::alerts::notice::{Attempt, Delivery, DeliveryState};
use ecp_core::alerts::receiver::{Receiver, ReceiverKind};
use ecp_core::ids::{DeliveryId, InstallationId, ReceiverId};
use ecp_core::ports::{AlertingStore, Clock, NotificationStore, Notifier, StoreError, Turn, Waiting};
use ecp_core::text::Message;
use ecp_core::{Mode, Timestamp};
use futures_util::future::join_all;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long a turn is ours, should we end without a word: longer than its sends may take.
const LEASE: Duration = Duration::from_secs(40);
/// How long of a turn open alerts may be sent again for, one message more at most.
const AGAIN_FOR: Duration = Duration::from_secs(10);
/// Deliveries of a webhook in a turn, which are sent at once.
const AT_ONCE: usize = 4;
/// Alerts in one message to an Alertmanager.
const IN_A_MESSAGE: usize = 256;
/// Longest pause between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);
/// How long what waits is believed to be as it was seen, unless something says that it changed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// How long a receiver is left alone whose turn another process has, or brought nothing.
const LEFT_ALONE: Duration = Duration::from_secs(2);

/// Sends what waits in one mode's outbox.
#[derive(Clone)]
pub struct NotificationSender(Arc<Shared>);

struct Shared {
    mode: Mode,
    store: Arc<dyn NotificationStore>,
    alerting: Arc<dyn AlertingStore>,
    client: ReceiverClient,
    clock: Arc<dyn Clock>,
    /// This process, as the others know it.
    holder: String,
    counts: Arc<Counts>,
}

/// How a turn ended.
enum End {
    /// Something was sent; there may be more.
    Sent,
    /// Another process has the receiver, or nothing was to be sent, or the store failed.
    Nothing,
}

impl NotificationSender {
    /// A sender that sends nothing yet.
    pub fn new(
        mode: Mode,
        store: Arc<dyn NotificationStore>,
        alerting: Arc<dyn AlertingStore>,
        client: ReceiverClient,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let holder = InstallationId::generate().to_string();
        let counts = Arc::default();
        Self(Arc::new(Shared { mode, store, alerting, client, clock, holder, counts }))
    }

    /// What was sent and what waits.
    pub fn counts(&self) -> Arc<Counts> {
        self.0.counts.clone()
    }

    /// Sends until told to stop. What is being sent then is sent again by the next start.
    pub async fn run(&self, stop: CancellationToken) {
        let mut changed = self.0.store.subscribe_outbox();
        let mut turns = JoinSet::new();
        let mut busy: HashMap<ReceiverId, Option<Instant>> = HashMap::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut looked: Option<Instant> = None;
        let mut silences_ended = Timestamp::MIN;
        loop {
            self.0.end_silences(&mut silences_ended).await;
            if looked.is_none_or(|looked| looked.elapsed() >= LOOK_EVERY) {
                match self.0.store.waiting().await {
                    Ok(found) => waiting = found,
                    Err(error) => log("what waits for receivers is not known", &error),
                }
                self.0.counts.set_waiting(&waiting);
                looked = Some(Instant::now());
            }
            busy.retain(|_, until| until.is_none_or(|until| until > Instant::now()));
            let now = self.0.clock.now();
            let is_due = |waiting: &&Waiting| waiting.next_due.is_some_and(|due| due <= now);
            for due in waiting.iter().filter(is_due) {
                if busy.contains_key(&due.receiver_id) {
                    continue;
                }
                busy.insert(due.receiver_id.clone(), None);
                let (shared, id, stop) = (self.0.clone(), due.receiver_id.clone(), stop.clone());
                let most = match due.kind {
                    ReceiverKind::Webhook => AT_ONCE,
                    ReceiverKind::Alertmanager => IN_A_MESSAGE,
                };
                turns.spawn(async move { (shared.take_turn(&id, most, &stop).await, id) });
            }
            let free = waiting.iter().filter(|waiting| !busy.contains_key(&waiting.receiver_id));
            let next = free.filter_map(|waiting| waiting.next_due).min();
            let pause = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
            tokio::select! {
                () = stop.cancelled() => break,
                alive = changed.changed() => match alive {
                    Ok(()) => looked = None,
                    Err(_) => break,
                },
                Some(ended) = turns.join_next() => {
                    looked = None;
                    match ended {
                        Ok((End::Sent, id)) => drop(busy.remove(&id)),
                        Ok((End::Nothing, id)) => drop(busy.insert(id, Some(Instant::now() + LEFT_ALONE))),
                        Err(error) => {
                            // Which one it was is not known: those that are free by then go on.
                            tracing::error!(%error, "telling a receiver failed");
                            let later = Instant::now() + LEASE;
                            busy.values_mut().for_each(|until| *until = until.or(Some(later)));
                        }
                    }
                }
                () = tokio::time::sleep(pause.unwrap_or(TICK).clamp(Duration::from_millis(1), TICK)) => {}
            }
        }
        while turns.join_next().await.is_some() {}
    }
}

impl Shared {
    /// Has alerts told over which silences ended since the last time.
    async fn end_silences(&self, until: &mut Timestamp) {
        let now = self.clock.now();
        if now < *until {
            // The clock was set back: each silence is told once all the same.
            *until = Timestamp::MIN;
        }
        let silences = self.alerting.silences();
        if !silences.iter().any(|silence| silence.ends_at > *until && silence.ends_at <= now) {
            return;
        }
        match self.store.end_silences().await {
            Ok(()) => *until = now,
            Err(error) => log("alerts whose silence ended are not told yet", &error),
        }
    }

    /// One turn at a receiver, ended in order also where it is cut short.
    async fn take_turn(&self, id: &ReceiverId, most: usize, stop: &CancellationToken) -> End {
        let turn = match self.store.begin_turn(id, &self.holder, LEASE, most).await {
            Ok(Some(turn)) => turn,
            Ok(None) => return End::Nothing,
            Err(error) => {
                log("a receiver's turn can not begin", &error);
                return End::Nothing;
            }
        };
        let is_empty = turn.deliveries.is_empty() && turn.again.is_empty();
        let _ = stop.run_until_cancelled(self.send_all(&turn)).await;
        if let Err(error) = self.store.end_turn(id, &self.holder).await {
            log("a receiver's turn ends by itself", &error);
        }
        if is_empty { End::Nothing } else { End::Sent }
    }

    async fn send_all(&self, turn: &Turn) {
        let receiver = &*turn.receiver;
        match receiver.kind {
            ReceiverKind::Webhook => {
                let sends = turn.deliveries.iter().map(async |delivery| {
                    let body = webhook::body(self.mode, delivery);
                    let attempt = self.send_webhook(receiver, &delivery.id, &body).await;
                    self.record(receiver.kind, &delivery.id, attempt).await;
                });
                join_all(sends).await;
            }
            ReceiverKind::Alertmanager => {
                let deadline = Instant::now() + AGAIN_FOR;
                let again: Vec<&Alert> = turn.again.iter().collect();
                for alerts in again.chunks(IN_A_MESSAGE).take_while(|_| Instant::now() < deadline) {
                    let now = self.clock.now();
                    let alerts =
                        alerts.iter().map(|alert| alertmanager::open(self.mode, alert, now)).collect();
                    let attempt = self.send_alerts(receiver, alerts).await;
                    if let Some(fault) = attempt.fault {
                        // Those that are still open are sent again in a minute.
                        tracing::warn!(
                            receiver.id = receiver.id.as_str(),
                            reason = fault.key.as_ref(),
                            "open alerts were not taken"
                        );
                    }
                }
                self.send_batch(receiver, &turn.deliveries).await;
            }
        }
    }

    /// Deliveries of different alerts in one message.
    async fn send_batch(&self, receiver: &Receiver, deliveries: &[Delivery]) {
        if deliveries.is_empty() {
            return;
        }
        let now = self.clock.now();
        let alerts = deliveries
            .iter()
            .flat_map(|delivery| alertmanager::of_delivery(self.mode, delivery, now))
            .collect();
        let attempt = self.send_alerts(receiver, alerts).await;
        let records =
            deliveries.iter().map(|delivery| self.record(receiver.kind, &delivery.id, attempt.clone()));
        join_all(records).await;
    }

    async fn send_webhook(&self, receiver: &Receiver, id: &DeliveryId, body: &Value) -> Attempt {
        let body = body.to_string().into_bytes();
        let seconds = self.clock.now().as_second();
        let mut headers = HeaderMap::new();
        let signature =
            receiver.secret.as_ref().map(|secret| webhook::signature(secret, id.as_str(), seconds, &body));
        for (name, value) in [
            ("webhook-id", Some(id.to_string())),
            ("webhook-timestamp", Some(seconds.to_string())),
            ("webhook-signature", signature),
        ] {
            if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        self.attempt(self.client.post(receiver.kind, &receiver.url, "", headers, body).await)
    }

    async fn send_alerts(&self, receiver: &Receiver, alerts: Vec<Value>) -> Attempt {
        let body = Value::Array(alerts).to_string().into_bytes();
        let (kind, path) = (receiver.kind, alertmanager::PATH);
        self.attempt(self.client.post(kind, &receiver.url, path, HeaderMap::new(), body).await)
    }

    fn attempt(&self, answer: Result<u16, Refusal>) -> Attempt {
        let at = self.clock.now();
        match answer {
            Ok(status_code) => Attempt { at, status_code: Some(status_code), fault: None },
            Err(Refusal { status_code, fault }) => Attempt { at, status_code, fault: Some(fault) },
        }
    }

    async fn record(&self, kind: ReceiverKind, id: &DeliveryId, attempt: Attempt) {
        match self.store.record_attempt(id, attempt).await {
            Ok(Some(DeliveryState::Delivered)) => self.counts.tried(kind, Outcome::Delivered),
            Ok(Some(DeliveryState::Pending)) => self.counts.tried(kind, Outcome::Failed),
            Ok(Some(DeliveryState::GivenUp)) => self.counts.tried(kind, Outcome::GivenUp),
            Ok(None) => {}
            // It is sent once more, under the same id.
            Err(error) => log("what came of a delivery is not recorded", &error),
        }
    }
}

#[async_trait]
impl Notifier for NotificationSender {
    async fn check_url(&self, kind: ReceiverKind, url: &str) -> Result<(), Message> {
        self.0.client.check(kind, url).await
    }

    async fn send_test(&self, receiver: &Receiver, id: &DeliveryId) -> Attempt {
        let now = self.0.clock.now();
        match receiver.kind {
            ReceiverKind::Webhook => {
                let body = webhook::test_body(self.0.mode, now);
                self.0.send_webhook(receiver, id, &body).await
            }
            ReceiverKind::Alertmanager => {
                self.0.send_alerts(receiver, vec![alertmanager::test(self.0.mode, now)]).await
            }
        }
    }
}

fn log(what: &'static str, error: &StoreError) {
    let error = error as &dyn std::error::Error;
    tracing::warn!(error, "{what}");
}
