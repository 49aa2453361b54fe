//! Takes turns at receivers, one task a receiver: whoever is slow or hostile delays itself alone.

use crate::client::{ReceiverClient, Refusal};
use crate::counts::{Counts, Outcome};
use crate::pace::{End, Pace};
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
/// Deliveries in a turn at a receiver that took nothing the last time: enough to see whether it is back.
const PROBE: usize = AT_ONCE;
/// Longest pause between two looks at the clock.
const TICK: Duration = Duration::from_secs(1);
/// How long what waits is believed to be as it was seen, unless something says that it changed.
const LOOK_EVERY: Duration = Duration::from_secs(15);
/// Between two looks at what waits, however much changes.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(100);
/// Between two times that deliveries are forgotten that are listed no longer.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);

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
        let mut paces: HashMap<ReceiverId, Pace> = HashMap::new();
        let mut waiting: Vec<Waiting> = Vec::new();
        let (mut looked, mut counted, mut forgot): (Option<Instant>, Option<Instant>, _) =
            (None, None, Instant::now());
        // Whether something may be different from what was seen.
        let mut is_stale = true;
        let mut silences_ended = Timestamp::MIN;
        loop {
            self.0.end_silences(&mut silences_ended).await;
            if is_over(looked, LOOK_EVERY) || (is_stale && is_over(looked, LOOK_AT_MOST_EVERY)) {
                match self.0.store.waiting().await {
                    Ok(found) => waiting = found,
                    Err(error) => log("what waits for receivers is not known", &error),
                }
                paces.retain(|id, pace| {
                    pace.is_busy || waiting.iter().any(|waiting| waiting.receiver_id == *id)
                });
                (looked, is_stale) = (Some(Instant::now()), false);
            }
            if is_over(counted, LOOK_EVERY) {
                // What another process left half told is looked for as well.
                self.0.tell_ended_silences().await;
                self.0.count(&waiting).await;
                counted = Some(Instant::now());
            }
            if forgot.elapsed() >= FORGET_EVERY {
                self.0.forget().await;
                forgot = Instant::now();
            }
            let now = self.0.clock.now();
            let is_due = |waiting: &&Waiting| waiting.next_due.is_some_and(|due| due <= now);
            for due in waiting.iter().filter(is_due) {
                let pace = paces.entry(due.receiver_id.clone()).or_default();
                if !pace.is_free() {
                    continue;
                }
                pace.is_busy = true;
                let (shared, id, stop) = (self.0.clone(), due.receiver_id.clone(), stop.clone());
                let most = if pace.failures > 0 { PROBE } else { in_a_turn(due.kind) };
                turns.spawn(async move { (shared.take_turns(&id, most, &stop).await, id) });
            }
            let is_free = |id: &ReceiverId| paces.get(id).is_none_or(Pace::is_free);
            let free = waiting.iter().filter(|waiting| is_free(&waiting.receiver_id));
            let next = free.filter_map(|waiting| waiting.next_due).min();
            let due_in = next.and_then(|next| Duration::try_from(next.duration_since(now)).ok());
            let stale_in = is_stale.then(|| remaining(looked, LOOK_AT_MOST_EVERY));
            let pause = due_in.into_iter().chain(stale_in).min().unwrap_or(TICK);
            tokio::select! {
                () = stop.cancelled() => break,
                alive = changed.changed() => match alive {
                    Ok(()) => is_stale = true,
                    Err(_) => break,
                },
                Some(ended) = turns.join_next() => {
                    is_stale = true;
                    match ended {
                        Ok((end, id)) => paces.entry(id).or_default().end(end),
                        Err(error) => {
                            // Which one it was is not known: those that are free by then go on.
                            tracing::error!(%error, "telling a receiver failed");
                            let later = Instant::now() + LEASE;
                            for pace in paces.values_mut().filter(|pace| pace.is_busy) {
                                *pace = Pace { is_busy: false, until: Some(later), ..*pace };
                            }
                        }
                    }
                }
                () = tokio::time::sleep(pause.clamp(Duration::from_millis(1), TICK)) => {}
            }
        }
        while turns.join_next().await.is_some() {}
    }
}

/// Deliveries in a turn at most.
fn in_a_turn(kind: ReceiverKind) -> usize {
    match kind {
        ReceiverKind::Webhook => AT_ONCE,
        ReceiverKind::Alertmanager => IN_A_MESSAGE,
    }
}

/// How much of a while is left since a moment; nothing where there was none.
fn remaining(since: Option<Instant>, whole: Duration) -> Duration {
    since.map_or(Duration::ZERO, |since| whole.saturating_sub(since.elapsed()))
}

fn is_over(since: Option<Instant>, whole: Duration) -> bool {
    remaining(since, whole).is_zero()
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
        if self.tell_ended_silences().await {
            *until = now;
        }
    }

    /// True once everything is told.
    async fn tell_ended_silences(&self) -> bool {
        let told = self.store.end_silences().await;
        if let Err(error) = &told {
            log("alerts whose silence ended are not told yet", error);
        }
        told.is_ok()
    }

    /// Counts what waits, for who watches the server.
    async fn count(&self, waiting: &[Waiting]) {
        if waiting.is_empty() {
            self.counts.set_waiting([]);
            return;
        }
        match self.store.queue_lengths().await {
            Ok(lengths) => {
                let length = |waiting: &Waiting| lengths.get(&waiting.receiver_id).copied().unwrap_or(0);
                self.counts.set_waiting(waiting.iter().map(|waiting| (waiting.kind, length(waiting))));
            }
            Err(error) => log("how much waits for receivers is not known", &error),
        }
    }

    async fn forget(&self) {
        if let Err(error) = self.store.forget_deliveries().await {
            log("deliveries that are listed no longer are forgotten later", &error);
        }
    }

    /// Turns at a receiver for as long as it takes everything and there is as much again.
    async fn take_turns(&self, id: &ReceiverId, most: usize, stop: &CancellationToken) -> End {
        let mut most = most;
        let mut before = End::Nothing;
        loop {
            let (end, kind, is_full) = match self.take_turn(id, most, stop).await {
                Some(turn) => turn,
                None => return before,
            };
            if !matches!(end, End::Taken) || !is_full || stop.is_cancelled() {
                return end;
            }
            before = end;
            most = in_a_turn(kind);
        }
    }

    /// One turn at a receiver, ended in order also where it is cut short: how, at which kind, and whether there
    /// is more to send at once. None where there was none.
    async fn take_turn(
        &self,
        id: &ReceiverId,
        most: usize,
        stop: &CancellationToken,
    ) -> Option<(End, ReceiverKind, bool)> {
        let turn = match self.store.begin_turn(id, &self.holder, LEASE, most).await {
            Ok(turn) => turn?,
            Err(error) => {
                log("a receiver's turn can not begin", &error);
                return None;
            }
        };
        let sent = stop.run_until_cancelled(self.send_all(&turn)).await;
        let (end, is_cut) = sent.unwrap_or((End::Nothing, false));
        if let Err(error) = self.store.end_turn(id, &self.holder, is_cut).await {
            log("a receiver's turn ends by itself", &error);
        }
        Some((end, turn.receiver.kind, is_cut || turn.deliveries.len() >= most))
    }

    /// How a turn ends, and whether open alerts are left of which the receiver has not heard.
    async fn send_all(&self, turn: &Turn) -> (End, bool) {
        let receiver = &*turn.receiver;
        match receiver.kind {
            ReceiverKind::Webhook => {
                let sends = turn.deliveries.iter().map(async |delivery| {
                    let body = webhook::body(self.mode, delivery);
                    let attempt = self.send_webhook(receiver, &delivery.id, &body).await;
                    let is_taken = attempt.fault.is_none();
                    self.record(receiver.kind, vec![delivery.id.clone()], attempt).await;
                    is_taken
                });
                let taken = join_all(sends).await;
                let end = match taken.iter().any(|is_taken| *is_taken) {
                    true => End::Taken,
                    false if taken.is_empty() => End::Nothing,
                    false => End::Failed,
                };
                (end, false)
            }
            ReceiverKind::Alertmanager => {
                let (again, is_cut) = match turn.sends_again {
                    true => self.send_again(receiver).await,
                    false => (End::Nothing, false),
                };
                if matches!(again, End::Failed) {
                    return (again, false);
                }
                match self.send_batch(receiver, &turn.deliveries).await {
                    End::Nothing => (again, is_cut),
                    end => (end, is_cut),
                }
            }
        }
    }

    /// Sends an Alertmanager what is open, for as long as it takes it: what it has heard of first, so that one
    /// that takes nothing is noted to have heard of nothing more. How that ended, and whether alerts are left of
    /// which it has not heard.
    async fn send_again(&self, receiver: &Receiver) -> (End, bool) {
        let told = match self.store.told_alerts(&receiver.id).await {
            Ok(told) => told,
            Err(error) => {
                log("what a receiver was told is not known", &error);
                return (End::Nothing, false);
            }
        };
        let (known, newcomers): (Vec<_>, Vec<_>) =
            self.store.open_alerts_for(receiver).into_iter().partition(|alert| told.contains(&alert.id));
        let (first, rest) = known.split_at(known.len().min(IN_A_MESSAGE));
        let mut messages = Vec::new();
        for (alerts, are_known) in [(first, true), (&newcomers, false), (rest, true)] {
            messages.extend(alerts.chunks(IN_A_MESSAGE).map(|message| (message, are_known)));
        }
        let deadline = Instant::now() + AGAIN_FOR;
        let mut end = End::Nothing;
        for (alerts, are_known) in messages {
            if Instant::now() >= deadline {
                return (end, !are_known);
            }
            let alerts = match are_known {
                true => alerts.to_vec(),
                false => match self.note_told(receiver, alerts).await {
                    Ok(noted) => noted,
                    Err(error) => {
                        log("what a receiver is about to be told is not noted", &error);
                        return (end, false);
                    }
                },
            };
            if alerts.is_empty() {
                continue;
            }
            let now = self.clock.now();
            let alerts = alerts.iter().map(|alert| alertmanager::open(self.mode, alert, now)).collect();
            let attempt = self.send_alerts(receiver, alerts).await;
            let Some(fault) = attempt.fault else {
                end = End::Taken;
                continue;
            };
            // Those that are still open are sent again in a minute.
            tracing::warn!(
                receiver.id = receiver.id.as_str(),
                reason = fault.key.as_ref(),
                "open alerts were not taken"
            );
            // It may have read that message and not like what is in it: of the others it is told all the same.
            if !attempt.status_code.is_some_and(|status| matches!(status, 400 | 413 | 422)) {
                return (End::Failed, false);
            }
        }
        (end, false)
    }

    /// Those of some open alerts that a receiver has not heard of, as it is to be told of them; noted as told.
    async fn note_told(
        &self,
        receiver: &Receiver,
        alerts: &[Arc<Alert>],
    ) -> Result<Vec<Arc<Alert>>, StoreError> {
        let ids = alerts.iter().map(|alert| alert.id.clone()).collect();
        let noted = self.store.note_told(&receiver.id, ids).await?;
        let noted = alerts.iter().filter_map(|alert| {
            let severity = *noted.get(&alert.id)?;
            Some(match severity == alert.severity {
                true => alert.clone(),
                false => Arc::new(Alert { severity, ..Alert::clone(alert) }),
            })
        });
        Ok(noted.collect())
    }

    /// Deliveries of different alerts in one message.
    async fn send_batch(&self, receiver: &Receiver, deliveries: &[Delivery]) -> End {
        if deliveries.is_empty() {
            return End::Nothing;
        }
        let now = self.clock.now();
        // Only an end can be told too late.
        let may_end = deliveries.iter().any(|delivery| delivery.told_before.is_some());
        let open = if may_end { self.store.open_alerts_for(receiver) } else { Vec::new() };
        let open_sets = open.iter().map(|alert| alertmanager::label_set(alert)).collect();
        let alerts = deliveries
            .iter()
            .flat_map(|delivery| alertmanager::of_delivery(self.mode, delivery, now, &open_sets))
            .collect();
        let attempt = self.send_alerts(receiver, alerts).await;
        let end = if attempt.fault.is_none() { End::Taken } else { End::Failed };
        let ids = deliveries.iter().map(|delivery| delivery.id.clone()).collect();
        self.record(receiver.kind, ids, attempt).await;
        end
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

    async fn record(&self, kind: ReceiverKind, ids: Vec<DeliveryId>, attempt: Attempt) {
        match self.store.record_attempts(ids, attempt).await {
            Ok(states) => {
                for state in states {
                    let outcome = match state {
                        DeliveryState::Delivered => Outcome::Delivered,
                        DeliveryState::Pending => Outcome::Failed,
                        DeliveryState::GivenUp => Outcome::GivenUp,
                    };
                    self.counts.tried(kind, outcome);
                }
            }
            // They are sent once more, under the same ids.
            Err(error) => log("what came of deliveries is not recorded", &error),
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

#[cfg(test)]
mod tests;
