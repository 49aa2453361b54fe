//! What the outbox costs, counted in statements and in steps of the engine: neither many receivers, nor long
//! queues, nor many open alerts make a change of an alert dearer, which samples may wait for.

use super::receivers::receiver;
use super::*;
use crate::sql::{Work, values};
use ecp_core::alerts::Severity;
use ecp_core::alerts::filter::AlertFilter;
use ecp_core::alerts::notice::{Attempt, DeliveryState, MOST_LISTED, MOST_WAITING};
use ecp_core::alerts::receiver::ReceiverKind;
use ecp_core::alerts::silence::Silence;
use ecp_core::ids::{AlertId, ReceiverId, SilenceId};
use ecp_core::ports::{AlertingStore, DeliveryQuery, NotificationStore};
use ecp_core::text::Message;
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(60);

impl World {
    async fn receivers(&self, count: usize) -> Vec<ReceiverId> {
        let mut ids = Vec::new();
        for _ in 0..count {
            let receiver = receiver(ReceiverKind::Webhook, AlertFilter::default());
            ids.push(receiver.id.clone());
            self.store.add_receiver(receiver, nobody_s("receiver.create")).await.unwrap();
        }
        ids
    }

    /// An alert goes up and down so many times.
    async fn flap(&self, times: usize) {
        for time in 0..times {
            let (change, severity) = match time % 2 {
                0 => (AlertChange::Raised, Severity::Critical),
                _ => (AlertChange::Lowered, Severity::Warning),
            };
            let alert = Alert { severity, ..super::alerts::alert("acme", "a1") };
            self.store.record_alerts(vec![(change, alert)]).await.unwrap();
        }
    }

    async fn open(&self, count: usize) -> Vec<AlertId> {
        let alerts: Vec<Alert> =
            (0..count).map(|number| super::alerts::alert("acme", &format!("open-{number}"))).collect();
        let ids = alerts.iter().map(|alert| alert.id.clone()).collect();
        let changes = alerts.into_iter().map(|alert| (AlertChange::Opened, alert)).collect();
        self.store.record_alerts(changes).await.unwrap();
        ids
    }

    /// Adds so many copies of each receiver's newest delivery, in a state.
    async fn copy_deliveries(&self, count: usize, state: DeliveryState) {
        self.store
            .write(
                "copying deliveries",
                move |sql, _| {
                    sql.execute(
                        "INSERT INTO deliveries (id, receiver_id, alert_id, tenant_id, state, created_ms, document)
                         WITH RECURSIVE copies (number) AS (
                             SELECT CAST(1 AS BIGINT) UNION ALL SELECT number + 1 FROM copies WHERE number < ?1)
                         SELECT id || '-' || ?2 || copies.number, receiver_id, alert_id, tenant_id, ?2, created_ms,
                             replace(document, id, id || '-' || ?2 || copies.number)
                         FROM copies, deliveries
                         WHERE deliveries.number IN (SELECT max(number) FROM deliveries GROUP BY receiver_id)",
                        values![count, state.as_str()],
                    )?;
                    Ok(())
                },
                |_, ()| {},
            )
            .await
            .unwrap();
    }

    async fn listed(&self, id: &ReceiverId, state: DeliveryState) -> usize {
        let query = DeliveryQuery { receiver_id: id.clone(), state: Some(state), skip: 0, limit: 1 };
        self.store.deliveries(query).await.unwrap().1
    }

    async fn cost(&self, of: impl AsyncFnOnce()) -> Work {
        let before = *self.store.shared.work.lock();
        of().await;
        let after = *self.store.shared.work.lock();
        Work { statements: after.statements - before.statements, steps: after.steps - before.steps }
    }
}

fn failed(at: Timestamp) -> Attempt {
    Attempt { at, status_code: None, fault: Some(Message::new("notification.unreachable")) }
}

#[tokio::test]
async fn a_change_is_told_to_many_receivers_by_as_few_statements_as_to_one() {
    let world = World::new();
    world.create("acme").await;
    world.receivers(1).await;
    world.flap(2).await;
    let one = world.cost(async || world.flap(20).await).await;
    world.receivers(30).await;
    world.flap(2).await;
    let many = world.cost(async || world.flap(20).await).await;
    // 31 rows are written by five statements, and there are two tables of them.
    let more = 20 * 2 * 4;
    assert!(many.statements <= one.statements + more, "{many:?}, and {one:?} for one receiver");
}

#[tokio::test]
async fn long_queues_make_nothing_dearer_and_are_bounded() {
    let world = World::new();
    world.create("acme").await;
    let ids = world.receivers(4).await;
    world.flap(2).await;
    let looking = async || drop(world.store.waiting().await.unwrap());
    let turning = async || {
        world.store.begin_turn(&ids[0], "a", LEASE, 4).await.unwrap().expect("free");
        world.store.end_turn(&ids[0], "a", false).await.unwrap();
    };
    let short = world.cost(async || world.flap(600).await).await;
    let (short_look, short_turn) = (world.cost(looking).await, world.cost(turning).await);
    world.copy_deliveries(MOST_WAITING, DeliveryState::Pending).await;
    world.copy_deliveries(MOST_LISTED, DeliveryState::Delivered).await;
    let long = world.cost(async || world.flap(600).await).await;
    let (long_look, long_turn) = (world.cost(looking).await, world.cost(turning).await);
    // Each change now has one given up for each receiver, which is as much work again, and now and then it is
    // counted how many wait.
    assert!(long.statements <= 2 * short.statements, "{long:?} and {short:?}");
    assert!(long.steps <= 4 * short.steps, "{long:?} and {short:?}");
    assert!(long_look.steps <= 2 * short_look.steps, "{long_look:?} and {short_look:?}");
    assert!(long_turn.steps <= 2 * short_turn.steps, "{long_turn:?} and {short_turn:?}");
    for id in &ids {
        let waiting = world.listed(id, DeliveryState::Pending).await;
        assert!((MOST_WAITING - 512..=MOST_WAITING).contains(&waiting), "{waiting}");
        let given_up = world.listed(id, DeliveryState::GivenUp).await;
        assert!((MOST_LISTED - 512..=MOST_LISTED + 512).contains(&given_up), "{given_up}");
    }
}

#[tokio::test]
async fn one_try_of_many_deliveries_is_recorded_by_a_few_statements() {
    let world = World::new();
    world.create("acme").await;
    let ids = world.receivers(1).await;
    world.open(256).await;
    let due = world.store.begin_turn(&ids[0], "a", LEASE, 256).await.unwrap().expect("free").deliveries;
    let due: Vec<_> = due.into_iter().map(|delivery| delivery.id).collect();
    let now = world.clock.now();
    let failing = world
        .cost(async || {
            let states = world.store.record_attempts(due.clone(), failed(now)).await.unwrap();
            assert_eq!(states, [DeliveryState::Pending; 256]);
        })
        .await;
    // 64 at a time, read and written.
    assert!(failing.statements <= 10, "{failing:?}");
    let taken = Attempt { at: now, status_code: Some(200), fault: None };
    let succeeding = world
        .cost(async || {
            let states = world.store.record_attempts(due.clone(), taken).await.unwrap();
            assert_eq!(states, [DeliveryState::Delivered; 256]);
        })
        .await;
    assert!(succeeding.statements <= 20, "{succeeding:?}");
}

#[tokio::test]
async fn many_open_alerts_cost_an_alertmanagers_turn_nothing_and_are_noted_together() {
    let world = World::new();
    world.create("acme").await;
    let alerts = world.open(2_000).await;
    let receiver = receiver(ReceiverKind::Alertmanager, AlertFilter::default());
    world.store.add_receiver(receiver.clone(), nobody_s("receiver.create")).await.unwrap();
    let beginning = world
        .cost(async || {
            let turn = world.store.begin_turn(&receiver.id, "a", LEASE, 256).await.unwrap().expect("free");
            assert!(turn.sends_again);
        })
        .await;
    assert!(beginning.statements <= 6 && beginning.steps < 1_000, "{beginning:?}");
    assert_eq!(world.store.open_alerts_for(&receiver).len(), 2_000);
    let some = alerts[..256].to_vec();
    let noting = world
        .cost(async || {
            assert_eq!(world.store.note_told(&receiver.id, some).await.unwrap().len(), 256);
        })
        .await;
    assert!(noting.statements <= 6, "{noting:?}");
}

#[tokio::test]
async fn a_silence_that_ends_over_many_alerts_has_them_told_once_and_little_by_little() {
    let world = World::new();
    world.create("acme").await;
    let ids = world.receivers(8).await;
    let silence = |seconds| Silence {
        id: SilenceId::generate(),
        filter: AlertFilter { tenant_id: Some(tenant_id("acme")), ..Default::default() },
        starts_at: start(),
        ends_at: start() + SignedDuration::from_secs(seconds),
        comment: None,
        created_by: "tester".to_owned(),
        created_at: start(),
    };
    // Two end at once, and one that is taken away is as one that ends.
    for silence in [silence(60), silence(60)] {
        world.store.add_silence(silence, nobody_s("silence.create")).await.unwrap();
    }
    world.open(600).await;
    let most = || world.store.shared.most_statements.swap(0, Ordering::Relaxed);
    world.pass(SignedDuration::from_secs(60));
    most();
    world.store.end_silences().await.unwrap();
    let (listed, opening) = (world.listed(&ids[7], DeliveryState::Pending).await, most());
    assert_eq!(listed, 600);
    // 64 alerts for eight receivers, a few statements each.
    assert!(opening <= 64 * 8, "{opening}");
    let again = Silence { starts_at: world.clock.now(), ..silence(600) };
    let id = again.id.clone();
    world.store.add_silence(again, nobody_s("silence.create")).await.unwrap();
    most();
    assert!(world.store.remove_silence(&id, nobody_s("silence.delete")).await.unwrap());
    assert!(!world.store.remove_silence(&id, nobody_s("silence.delete")).await.unwrap());
    let (listed, repeating) = (world.listed(&ids[0], DeliveryState::Pending).await, most());
    assert_eq!(listed, 1_200);
    assert!(repeating <= 64 * 8, "{repeating}");
    assert_eq!((world.count("silences"), world.store.silences().len()), (2, 2));
}
