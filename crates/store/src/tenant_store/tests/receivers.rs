//! Receivers and the outbox: what is told to whom, in which transaction, in which order, and whose turn it is.

use super::*;
use ecp_core::alerts::filter::AlertFilter;
use ecp_core::alerts::notice::{Attempt, Delivery, DeliveryState, MOST_ATTEMPTS, NoticeKind};
use ecp_core::alerts::receiver::{MOST, Receiver, ReceiverKind, SigningSecret};
use ecp_core::alerts::silence::Silence;
use ecp_core::alerts::{AlertSubject, Severity};
use ecp_core::ids::{AlertId, DeliveryId, ReceiverId, SilenceId};
use ecp_core::ports::{AlertingStore, DeliveryQuery, NotificationStore};
use ecp_core::text::Message;
use std::collections::HashMap;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(60);

pub(super) fn receiver(kind: ReceiverKind, filter: AlertFilter) -> Receiver {
    Receiver {
        id: ReceiverId::generate(),
        kind,
        url: "https://hooks.example.com/ecp".to_owned(),
        filter,
        comment: None,
        created_by: "tester".to_owned(),
        created_at: start(),
        updated_at: start(),
        secret: (kind == ReceiverKind::Webhook).then(SigningSecret::generate),
    }
}

fn alert(id: &str, severity: Severity) -> Alert {
    Alert { severity, ..super::alerts::alert("acme", id) }
}

impl World {
    async fn receiver(&self, kind: ReceiverKind, filter: AlertFilter) -> ReceiverId {
        let receiver = receiver(kind, filter);
        let id = receiver.id.clone();
        self.store.add_receiver(receiver, nobody_s("receiver.create")).await.unwrap();
        id
    }

    async fn record(&self, change: AlertChange, alert: Alert) {
        self.store.record_alerts(vec![(change, alert)]).await.unwrap();
    }

    /// Deliveries of a receiver, oldest first.
    async fn deliveries(&self, id: &ReceiverId) -> Vec<Delivery> {
        let query = DeliveryQuery { receiver_id: id.clone(), state: None, skip: 0, limit: 1_000 };
        let (mut page, total) = self.store.deliveries(query).await.unwrap();
        assert_eq!(page.len(), total.min(1_000));
        page.reverse();
        page
    }

    async fn notices(&self, id: &ReceiverId) -> Vec<NoticeKind> {
        self.deliveries(id).await.iter().map(|delivery| delivery.notice).collect()
    }

    /// A turn of one holder, ended at once: what was due.
    async fn due(&self, id: &ReceiverId) -> Vec<Delivery> {
        let turn = self.store.begin_turn(id, "a", LEASE, 100).await.unwrap().expect("free");
        self.store.end_turn(id, "a", false).await.unwrap();
        turn.deliveries
    }

    async fn answer(&self, id: &DeliveryId, status_code: u16) -> Option<DeliveryState> {
        let fault = (status_code != 200).then(|| Message::new("notification.unreachable"));
        let attempt = Attempt { at: self.clock.now(), status_code: Some(status_code), fault };
        self.store.record_attempts(vec![id.clone()], attempt).await.unwrap().pop()
    }

    async fn silence(&self, seconds: i64) -> SilenceId {
        let silence = Silence {
            id: SilenceId::generate(),
            filter: AlertFilter { subject: Some(AlertSubject::Cpu), ..Default::default() },
            starts_at: self.clock.now(),
            ends_at: self.clock.now() + SignedDuration::from_secs(seconds),
            comment: None,
            created_by: "tester".to_owned(),
            created_at: self.clock.now(),
        };
        let id = silence.id.clone();
        self.store.add_silence(silence, nobody_s("silence.create")).await.unwrap();
        id
    }
}

#[tokio::test]
async fn each_change_of_an_alert_is_told_to_who_hears_of_it() {
    use NoticeKind::{Lowered, Opened, Raised, Resolved};
    let world = World::new();
    world.create("acme").await;
    let all = world.receiver(ReceiverKind::Webhook, AlertFilter::default()).await;
    let critical = AlertFilter { severity: Some(Severity::Critical), ..Default::default() };
    let critical = world.receiver(ReceiverKind::Webhook, critical).await;
    let other = AlertFilter { tenant_id: Some(tenant_id("beta")), ..Default::default() };
    let other = world.receiver(ReceiverKind::Webhook, other).await;
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    world.record(AlertChange::Raised, alert("a1", Severity::Critical)).await;
    world.record(AlertChange::Lowered, alert("a1", Severity::Warning)).await;
    let over = Alert { resolved_at: Some(start()), ..alert("a1", Severity::Warning) };
    world.record(AlertChange::Resolved, over).await;
    assert_eq!(world.notices(&all).await, [Opened, Raised, Lowered, Resolved]);
    assert_eq!(world.notices(&critical).await, [Opened, Lowered]);
    assert_eq!(world.notices(&other).await, []);
    let lowered = &world.deliveries(&all).await[2];
    assert_eq!((lowered.told_before, lowered.goes_on), (Some(Severity::Critical), true));
    assert!(!world.deliveries(&critical).await[1].goes_on, "a warning is none of its business");
    assert_eq!(world.count("told_alerts"), 0, "nothing is kept of an alert that is over");
}

#[tokio::test]
async fn a_tenant_that_goes_and_load_that_gives_way_end_what_was_told() {
    let world = World::new();
    world.create("acme").await;
    let id = world.receiver(ReceiverKind::Webhook, AlertFilter::default()).await;
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    let key = world.store.tenant(&tenant_id("acme")).unwrap().key();
    world.store.clear_alerts(&key).await.unwrap();
    world.record(AlertChange::Opened, alert("a2", Severity::Warning)).await;
    world.delete("acme").await;
    use NoticeKind::{Opened, Resolved};
    assert_eq!(world.notices(&id).await, [Opened, Resolved, Opened, Resolved]);
    // The tenant is gone: nothing is told of what comes late.
    world.record(AlertChange::Opened, alert("a3", Severity::Warning)).await;
    assert_eq!(world.notices(&id).await.len(), 4);
}

#[tokio::test]
async fn changes_of_one_alert_go_out_in_order_and_others_do_not_wait_for_them() {
    let world = World::new();
    world.create("acme").await;
    let id = world.receiver(ReceiverKind::Webhook, AlertFilter::default()).await;
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    world.record(AlertChange::Raised, alert("a1", Severity::Critical)).await;
    world.record(AlertChange::Opened, alert("a2", Severity::Warning)).await;
    let due = world.due(&id).await;
    let named: Vec<_> = due.iter().map(|it| (it.alert.as_ref().unwrap().id.as_str(), it.notice)).collect();
    assert_eq!(named, [("a1", NoticeKind::Opened), ("a2", NoticeKind::Opened)]);
    // The first fails, and is due in five seconds; what comes after it waits.
    assert_eq!(world.answer(&due[0].id, 500).await, Some(DeliveryState::Pending));
    assert_eq!(world.answer(&due[1].id, 200).await, Some(DeliveryState::Delivered));
    assert_eq!(world.due(&id).await, []);
    let waiting = world.store.waiting().await.unwrap();
    assert_eq!(waiting[0].next_due, Some(start() + SignedDuration::from_secs(5)));
    assert_eq!(world.store.queue_lengths().await.unwrap(), HashMap::from([(id.clone(), 2)]));
    world.pass(SignedDuration::from_secs(5));
    let world = world.reopen();
    let due = world.due(&id).await;
    assert_eq!((due.len(), due[0].attempts, due[0].notice), (1, 1, NoticeKind::Opened));
    assert_eq!(world.answer(&due[0].id, 200).await, Some(DeliveryState::Delivered));
    assert_eq!(world.due(&id).await[0].notice, NoticeKind::Raised);
    assert_eq!(world.answer(&due[0].id, 500).await, None, "what came to its end stays there");
}

#[tokio::test]
async fn a_delivery_that_fails_for_a_day_is_given_up_and_listed_as_such() {
    let world = World::new();
    world.create("acme").await;
    let id = world.receiver(ReceiverKind::Webhook, AlertFilter::default()).await;
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    world.record(AlertChange::Raised, alert("a1", Severity::Critical)).await;
    let mut tries = 0;
    let first = world.deliveries(&id).await[0].id.clone();
    while let Some(due) = world.due(&id).await.into_iter().next().filter(|due| due.id == first) {
        tries += 1;
        world.answer(&due.id, 503).await;
        world.pass(SignedDuration::from_hours(1));
    }
    assert_eq!(tries, MOST_ATTEMPTS);
    let given_up = &world.deliveries(&id).await[0];
    assert_eq!((given_up.state, given_up.attempts), (DeliveryState::GivenUp, MOST_ATTEMPTS));
    let query =
        DeliveryQuery { receiver_id: id.clone(), state: Some(DeliveryState::GivenUp), skip: 0, limit: 9 };
    assert_eq!(world.store.deliveries(query).await.unwrap().1, 1);
    assert_eq!(world.due(&id).await[0].notice, NoticeKind::Raised, "the next one has its turn");
}

#[tokio::test]
async fn nobody_is_told_while_a_silence_lasts_and_everybody_when_it_ends_over_an_open_alert() {
    use NoticeKind::{Opened, Repeated, Resolved};
    let world = World::new();
    world.create("acme").await;
    let id = world.receiver(ReceiverKind::Webhook, AlertFilter::default()).await;
    world.silence(60).await;
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    world.record(AlertChange::Opened, alert("a2", Severity::Warning)).await;
    let over = Alert { resolved_at: Some(start()), ..alert("a2", Severity::Warning) };
    world.record(AlertChange::Resolved, over).await;
    world.store.end_silences().await.unwrap();
    assert_eq!(world.notices(&id).await, []);
    world.pass(SignedDuration::from_secs(60));
    let world = world.reopen();
    world.store.end_silences().await.unwrap();
    world.store.end_silences().await.unwrap();
    assert_eq!(world.notices(&id).await, [Opened], "once, and of the open one alone");
    // One that is taken away ends as well, and one that another silence covers stays silent.
    let (longer, shorter) = (world.silence(600).await, world.silence(60).await);
    assert!(world.store.remove_silence(&shorter, nobody_s("silence.delete")).await.unwrap());
    assert_eq!(world.notices(&id).await, [Opened]);
    assert!(world.store.remove_silence(&longer, nobody_s("silence.delete")).await.unwrap());
    assert_eq!(world.notices(&id).await, [Opened, Repeated]);
    world.silence(600).await;
    let over = Alert { resolved_at: Some(start()), ..alert("a1", Severity::Warning) };
    world.record(AlertChange::Resolved, over).await;
    assert_eq!(world.notices(&id).await, [Opened, Repeated, Resolved], "who knew of it hears of its end");
}

#[tokio::test]
async fn an_alertmanager_is_sent_what_is_open_again_every_minute() {
    let world = World::new();
    world.create("acme").await;
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    let id = world.receiver(ReceiverKind::Alertmanager, AlertFilter::default()).await;
    let again = async |world: &World| {
        let turn = world.store.begin_turn(&id, "a", LEASE, 100).await.unwrap().expect("free");
        let open = turn.sends_again.then(|| world.store.open_alerts_for(&turn.receiver));
        open.map_or(0, |open| open.len())
    };
    assert_eq!(world.notices(&id).await, [], "it opened before");
    assert!(world.store.waiting().await.unwrap()[0].next_due.is_some());
    assert_eq!((again(&world).await, again(&world).await), (1, 0));
    world.store.note_told(&id, vec![AlertId::from_text("a1")]).await.unwrap();
    world.pass(SignedDuration::from_secs(60));
    assert_eq!(again(&world).await, 1);
    world.silence(3600).await;
    world.pass(SignedDuration::from_secs(60));
    assert_eq!(world.store.waiting().await.unwrap()[0].next_due, None);
    assert_eq!(again(&world).await, 0, "nobody is told of what is silenced");
    // One that was cut short goes on at once.
    world.store.end_turn(&id, "a", true).await.unwrap();
    let turn = world.store.begin_turn(&id, "a", LEASE, 100).await.unwrap().expect("free");
    assert!(turn.sends_again);
    // Of the end of what it was sent it hears.
    let over = Alert { resolved_at: Some(start()), ..alert("a1", Severity::Warning) };
    world.record(AlertChange::Resolved, over).await;
    assert_eq!(world.notices(&id).await, [NoticeKind::Resolved]);
}

#[tokio::test]
async fn a_receiver_is_told_by_one_holder_at_a_time() {
    let world = World::new();
    world.create("acme").await;
    let id = world.receiver(ReceiverKind::Webhook, AlertFilter::default()).await;
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    let turn = |holder: &'static str, lease| world.store.begin_turn(&id, holder, lease, 10);
    assert_eq!(turn("a", LEASE).await.unwrap().unwrap().deliveries.len(), 1);
    assert!(turn("b", LEASE).await.unwrap().is_none());
    assert!(turn("a", LEASE).await.unwrap().is_some(), "it is its own");
    world.store.end_turn(&id, "b", false).await.unwrap();
    assert!(turn("b", LEASE).await.unwrap().is_none(), "nobody ends another's turn");
    world.store.end_turn(&id, "a", false).await.unwrap();
    // One that is not ended is over by itself.
    assert!(turn("a", Duration::ZERO).await.unwrap().is_some());
    assert!(turn("b", LEASE).await.unwrap().is_some());
}

#[tokio::test]
async fn receivers_and_their_secrets_outlive_a_restart_and_take_what_waits_with_them() {
    let world = World::new();
    world.create("acme").await;
    let mut kept = receiver(ReceiverKind::Webhook, AlertFilter::default());
    world.store.add_receiver(kept.clone(), nobody_s("receiver.create")).await.unwrap();
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    let world = world.reopen();
    assert_eq!(**world.store.receivers(), [Arc::new(kept.clone())]);
    (kept.secret, kept.comment) = (Some(SigningSecret::generate()), Some("다른 곳".to_owned()));
    assert!(world.store.change_receiver(kept.clone(), audit("acme", "receiver.update")).await.unwrap());
    let document: Option<String> = world
        .store
        .database
        .read_blocking("reading", |sql| sql.value("SELECT document FROM receivers", &[]))
        .unwrap();
    assert!(!document.unwrap().contains("whsec_"));
    let world = world.reopen();
    assert_eq!(**world.store.receivers(), [Arc::new(kept.clone())]);
    assert!(world.store.remove_receiver(&kept.id, nobody_s("receiver.delete")).await.unwrap());
    assert!(!world.store.remove_receiver(&kept.id, nobody_s("receiver.delete")).await.unwrap());
    assert!(!world.store.change_receiver(kept, nobody_s("receiver.update")).await.unwrap());
    // What is about all tenants is in the trail of none, and in the whole.
    let query = |tenant_id| AuditQuery { tenant_id, limit: 100, ..Default::default() };
    let (all, _) = world.store.audit(query(None)).await.unwrap();
    let nobodys: Vec<&str> =
        all.iter().filter(|entry| entry.tenant_id.is_none()).map(|entry| entry.action.as_str()).collect();
    assert_eq!(nobodys, ["receiver.delete", "receiver.create"]);
    let (of_one, _) = world.store.audit(query(Some(tenant_id("acme")))).await.unwrap();
    assert!(of_one.iter().all(|entry| entry.tenant_id == Some(tenant_id("acme"))));
    assert_eq!((world.count("receivers"), world.count("deliveries"), world.count("told_alerts")), (0, 0, 0));
}

#[tokio::test]
async fn there_can_be_so_many_receivers_and_so_many_deliveries_that_ended() {
    let world = World::new();
    world.create("acme").await;
    let id = world.receiver(ReceiverKind::Webhook, AlertFilter::default()).await;
    for _ in 1..MOST {
        let none = AlertFilter { tenant_id: Some(tenant_id("none")), ..Default::default() };
        world.receiver(ReceiverKind::Webhook, none).await;
    }
    let more = world
        .store
        .add_receiver(receiver(ReceiverKind::Webhook, AlertFilter::default()), nobody_s("receiver.create"))
        .await;
    assert!(matches!(more, Err(StoreError::TooMany { what: "receivers", .. })));
    world.record(AlertChange::Opened, alert("a1", Severity::Warning)).await;
    let due = world.due(&id).await;
    world.answer(&due[0].id, 200).await;
    world.pass(SignedDuration::from_hours(24 * 31));
    world.record(AlertChange::Raised, alert("a1", Severity::Critical)).await;
    world.store.forget_deliveries().await.unwrap();
    assert_eq!(world.notices(&id).await, [NoticeKind::Raised], "what ended a month ago is gone");
}

#[tokio::test]
async fn only_of_open_alerts_that_are_news_is_an_alertmanager_noted_to_be_told() {
    let world = World::new();
    world.create("acme").await;
    for (id, severity) in [("a1", Severity::Warning), ("a2", Severity::Critical), ("a3", Severity::Warning)] {
        world.record(AlertChange::Opened, alert(id, severity)).await;
    }
    let id = world.receiver(ReceiverKind::Alertmanager, AlertFilter::default()).await;
    // It hears of this one by a delivery, and of that one's end there is nothing to hear.
    world.record(AlertChange::Raised, alert("a1", Severity::Critical)).await;
    let over = |id| Alert { resolved_at: Some(start()), ..alert(id, Severity::Warning) };
    world.record(AlertChange::Resolved, over("a3")).await;
    let ids = || ["a1", "a2", "a3", "none"].map(AlertId::from_text).to_vec();
    let noted = world.store.note_told(&id, ids()).await.unwrap();
    assert_eq!(noted, HashMap::from([(AlertId::from_text("a2"), Severity::Critical)]));
    assert_eq!(world.store.note_told(&id, ids()).await.unwrap(), HashMap::new());
    assert_eq!(world.store.note_told(&ReceiverId::generate(), ids()).await.unwrap(), HashMap::new());
    let told = world.store.told_alerts(&id).await.unwrap();
    assert_eq!(told, ["a1", "a2"].map(AlertId::from_text).into_iter().collect());
    world.record(AlertChange::Resolved, over("a2")).await;
    assert_eq!(world.notices(&id).await, [NoticeKind::Opened, NoticeKind::Resolved]);
}
