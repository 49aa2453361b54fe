//! What a receiver that takes nothing is sent, and what of it is recorded: no more for a long queue than for a
//! short one.

#![allow(clippy::expect_used, reason = "a failed expectation fails the test")]

use super::*;
use crate::AllowedAddresses;
use crate::testing::{alert, delivery};
use ecp_core::alerts::filter::AlertFilter;
use ecp_core::alerts::settings::AlertRules;
use ecp_core::alerts::silence::Silence;
use ecp_core::alerts::{AlertEvent, Severity};
use ecp_core::audit::AuditEntry;
use ecp_core::ids::{AlertId, SilenceId, TenantKey};
use ecp_core::ports::DeliveryQuery;
use parking_lot::Mutex;
use std::collections::HashSet;
use tokio::sync::watch;

/// Open alerts, and as many deliveries that are due.
const MANY: usize = 1_000;

/// One receiver with a long queue, and what is asked for about it.
struct Outbox {
    receiver: Arc<Receiver>,
    alerts: Vec<Arc<Alert>>,
    changed: watch::Sender<u64>,
    asked: Mutex<Asked>,
    turns: watch::Sender<usize>,
}

#[derive(Clone, Debug, Default)]
struct Asked {
    /// How many deliveries each turn was to have at most.
    most: Vec<usize>,
    /// How many tries were recorded at a time.
    recorded: Vec<usize>,
    /// How many alerts were noted at a time.
    noted: Vec<usize>,
}

impl Outbox {
    fn new(kind: ReceiverKind, url: String) -> Arc<Self> {
        let now = Timestamp::now();
        let receiver = Receiver {
            id: ReceiverId::generate(),
            kind,
            url,
            filter: AlertFilter::default(),
            comment: None,
            created_by: "tester".to_owned(),
            created_at: now,
            updated_at: now,
            secret: None,
        };
        let alert = |number| Arc::new(alert(&format!("alert-{number}"), now, None));
        Arc::new(Self {
            receiver: Arc::new(receiver),
            alerts: (0..MANY).map(alert).collect(),
            changed: watch::Sender::new(0),
            asked: Mutex::default(),
            turns: watch::Sender::new(0),
        })
    }

    fn due(&self, most: usize) -> Vec<Delivery> {
        let delivery = |alert: &Arc<Alert>| delivery(&self.receiver.id, Alert::clone(alert));
        self.alerts.iter().take(most).map(delivery).collect()
    }

    /// What was asked for in so many turns.
    async fn after(self: Arc<Self>, turns: usize) -> Asked {
        // The process has a provider of cryptography, or one of another test set it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let allowed = AllowedAddresses::new(["127.0.0.0/8"]).expect("a range");
        let client = ReceiverClient::new(allowed).expect("a client");
        let sender =
            NotificationSender::new(Mode::Demo, self.clone(), self.clone(), client, Arc::new(SystemClock));
        let stop = CancellationToken::new();
        let mut ended = self.turns.subscribe();
        let until = async {
            ended.wait_for(|ended| *ended >= turns).await.expect("turns end");
            stop.cancel();
        };
        tokio::join!(sender.run(stop.clone()), until);
        self.asked.lock().clone()
    }
}

struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

#[async_trait]
impl NotificationStore for Outbox {
    fn receivers(&self) -> Arc<Vec<Arc<Receiver>>> {
        Arc::new(vec![self.receiver.clone()])
    }

    async fn add_receiver(&self, _: Receiver, _: AuditEntry) -> Result<(), StoreError> {
        unreachable!("a sender makes no receiver")
    }

    async fn change_receiver(&self, _: Receiver, _: AuditEntry) -> Result<bool, StoreError> {
        unreachable!("a sender changes no receiver")
    }

    async fn remove_receiver(&self, _: &ReceiverId, _: AuditEntry) -> Result<bool, StoreError> {
        unreachable!("a sender removes no receiver")
    }

    async fn deliveries(&self, _: DeliveryQuery) -> Result<(Vec<Delivery>, usize), StoreError> {
        unreachable!("a sender lists nothing")
    }

    async fn add_delivery(&self, _: Delivery) -> Result<(), StoreError> {
        unreachable!("a sender adds nothing")
    }

    fn subscribe_outbox(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        let (receiver_id, kind) = (self.receiver.id.clone(), self.receiver.kind);
        Ok(vec![Waiting { receiver_id, kind, next_due: Some(self.receiver.created_at) }])
    }

    async fn queue_lengths(&self) -> Result<HashMap<ReceiverId, usize>, StoreError> {
        Ok(HashMap::from([(self.receiver.id.clone(), MANY)]))
    }

    async fn begin_turn(
        &self,
        _: &ReceiverId,
        _: &str,
        _: Duration,
        most: usize,
    ) -> Result<Option<Turn>, StoreError> {
        let mut asked = self.asked.lock();
        let sends_again = self.receiver.kind == ReceiverKind::Alertmanager && asked.most.is_empty();
        asked.most.push(most);
        drop(asked);
        Ok(Some(Turn { receiver: self.receiver.clone(), deliveries: self.due(most), sends_again }))
    }

    fn open_alerts_for(&self, _: &Receiver) -> Vec<Arc<Alert>> {
        self.alerts.clone()
    }

    async fn told_alerts(&self, _: &ReceiverId) -> Result<HashSet<AlertId>, StoreError> {
        Ok(HashSet::new())
    }

    async fn note_told(
        &self,
        _: &ReceiverId,
        alerts: Vec<AlertId>,
    ) -> Result<HashMap<AlertId, Severity>, StoreError> {
        self.asked.lock().noted.push(alerts.len());
        Ok(alerts.into_iter().map(|id| (id, Severity::Warning)).collect())
    }

    async fn record_attempts(
        &self,
        ids: Vec<DeliveryId>,
        attempt: Attempt,
    ) -> Result<Vec<DeliveryState>, StoreError> {
        assert!(attempt.fault.is_some(), "nobody listens there");
        self.asked.lock().recorded.push(ids.len());
        Ok(vec![DeliveryState::Pending; ids.len()])
    }

    async fn end_turn(&self, _: &ReceiverId, _: &str, _: bool) -> Result<(), StoreError> {
        self.turns.send_modify(|turns| *turns += 1);
        Ok(())
    }

    async fn end_silences(&self) -> Result<(), StoreError> {
        Ok(())
    }

    async fn forget_deliveries(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

#[async_trait]
impl AlertingStore for Outbox {
    fn alert_rules(&self, _: &TenantKey) -> Arc<AlertRules> {
        Arc::default()
    }

    async fn set_alert_rules(&self, _: &TenantKey, _: AlertRules, _: AuditEntry) -> Result<(), StoreError> {
        unreachable!("a sender sets no rules")
    }

    fn subscribe_alert_feed(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    async fn alert_feed_after(&self, _: u64, _: usize) -> Result<Vec<Arc<AlertEvent>>, StoreError> {
        unreachable!("a sender reads no feed")
    }

    async fn alert_opening(&self, _: &AlertId) -> Result<Option<u64>, StoreError> {
        unreachable!("a sender asks for no opening")
    }

    fn silences(&self) -> Arc<Vec<Arc<Silence>>> {
        Arc::default()
    }

    async fn add_silence(&self, _: Silence, _: AuditEntry) -> Result<(), StoreError> {
        unreachable!("a sender silences nothing")
    }

    async fn remove_silence(&self, _: &SilenceId, _: AuditEntry) -> Result<bool, StoreError> {
        unreachable!("a sender ends no silence")
    }
}

/// An address at which nobody listens.
fn dead() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    format!("http://{}/", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn an_alertmanager_that_takes_nothing_is_sent_one_message_and_then_tried_with_a_few_deliveries() {
    let asked = Outbox::new(ReceiverKind::Alertmanager, dead()).after(3).await;
    // Of a thousand open alerts it was to hear of one message, and no delivery was tried after that had failed.
    assert_eq!(asked.noted, [IN_A_MESSAGE], "{asked:?}");
    assert_eq!(asked.most[..3], [IN_A_MESSAGE, PROBE, PROBE], "{asked:?}");
    assert_eq!(asked.recorded, [PROBE, PROBE], "{asked:?}");
}

#[tokio::test]
async fn a_webhook_that_takes_nothing_is_tried_with_a_few_deliveries() {
    let asked = Outbox::new(ReceiverKind::Webhook, dead()).after(2).await;
    assert_eq!(asked.recorded, [1; 2 * AT_ONCE], "{asked:?}");
}
