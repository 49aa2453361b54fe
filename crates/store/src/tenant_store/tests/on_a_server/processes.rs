//! Several processes on one schema: each sees what the others write.

use super::*;
use ecp_core::alerts::AlertChange;
use ecp_core::alerts::filter::AlertFilter;
use ecp_core::alerts::receiver::ReceiverKind;
use ecp_core::ports::NotificationStore;
use std::time::Duration;

/// Waits until a store has what another wrote.
pub(super) async fn caught_up(behind: &SqlStore, ahead: &SqlStore) {
    let mut revisions = behind.subscribe_revision();
    let wanted = ahead.revision();
    let reached = revisions.wait_for(|revision| *revision >= wanted);
    tokio::time::timeout(Duration::from_secs(20), reached).await.expect("in time").expect("it follows");
}

#[tokio::test]
async fn what_one_writes_the_other_has_and_what_watches_there_is_told() {
    let world = World::new();
    let other = SqlStore::open(world.place.open(), world.clock.clone()).unwrap();
    let mut tenants = other.subscribe_tenants();
    let tenant = world.create("acme").await;
    caught_up(&other, &world.store).await;
    assert_eq!(other.tenant(&tenant.id), Some(tenant.clone()));
    assert_eq!(
        other.edition_of(&tenant.id).unwrap().digest,
        world.store.edition_of(&tenant.id).unwrap().digest
    );
    assert!(tenants.has_changed().unwrap());
    tenants.borrow_and_update();

    // Its deployment goes on there, and is watched here.
    let mut watched = other.subscribe_deployment(&tenant.deployment_id).unwrap();
    let changed = world.change("acme", DeploymentKind::Update).await.unwrap();
    caught_up(&other, &world.store).await;
    assert_eq!(other.tenant(&tenant.id).unwrap().generation, 2);
    assert_eq!(*other.deployment(&changed.id).unwrap(), changed);
    watched.borrow_and_update();

    // Alerts are numbered on, wherever they are recorded.
    let id = tenant_id("acme");
    let opened = |alert: &str| vec![(AlertChange::Opened, super::alerts::alert("acme", alert))];
    world.store.record_alerts(opened("a1")).await.unwrap();
    other.record_alerts(opened("a2")).await.unwrap();
    caught_up(&world.store, &other).await;
    let open = world.store.open_alerts(&id);
    assert_eq!(open.iter().map(|alert| alert.id.as_str()).collect::<Vec<_>>(), ["a1", "a2"]);
    assert_eq!(other.open_alerts(&id), open);
    assert_eq!(*world.store.subscribe_alerts(&id).borrow(), 2);

    // A deletion ends where it is watched, and a successor is another tenant.
    let deletion = world.change("acme", DELETE).await.unwrap();
    caught_up(&other, &world.store).await;
    let mut ending = other.subscribe_deployment(&deletion.id).unwrap();
    world.store.remove_tenant(&id, audit("acme", "tenant.delete")).await.unwrap();
    caught_up(&other, &world.store).await;
    assert!(ending.borrow_and_update().status.is_final());
    assert_eq!(other.tenant(&id), None);
    assert!(other.open_alerts(&id).is_empty());
    let again = other.create_tenant(new_tenant("acme", start())).await.unwrap();
    let Created::New(again) = again else { panic!("nothing was replayed") };
    assert!(again.generation > 3, "its generations go on");
    caught_up(&world.store, &other).await;
    assert_eq!(world.store.tenant(&id), Some(again));
}

#[tokio::test]
async fn a_receiver_is_known_to_both_and_told_by_one_at_a_time() {
    let world = World::new();
    world.create("acme").await;
    let other = SqlStore::open(world.place.open(), world.clock.clone()).unwrap();
    let receiver = super::receivers::receiver(ReceiverKind::Webhook, AlertFilter::default());
    world.store.add_receiver(receiver.clone(), nobody_s("receiver.create")).await.unwrap();
    caught_up(&other, &world.store).await;
    assert_eq!(other.receivers(), world.store.receivers());
    let mut outbox = other.subscribe_outbox();
    outbox.borrow_and_update();
    let opened = vec![(AlertChange::Opened, super::alerts::alert("acme", "a1"))];
    world.store.record_alerts(opened).await.unwrap();
    caught_up(&other, &world.store).await;
    assert!(outbox.has_changed().unwrap(), "whoever sends there looks");
    assert_eq!(other.queue_lengths().await.unwrap().into_values().sum::<usize>(), 1);
    let lease = Duration::from_secs(60);
    let turns = futures_util::future::join(
        world.store.begin_turn(&receiver.id, "a", lease, 10),
        other.begin_turn(&receiver.id, "b", lease, 10),
    );
    let (here, there) = turns.await;
    let turns = [here.unwrap(), there.unwrap()];
    let told = turns.iter().flatten().map(|turn| turn.deliveries.len()).collect::<Vec<_>>();
    assert_eq!(told, [1], "one has the turn, and all that is due");
}

#[tokio::test]
async fn two_that_write_at_once_lose_nothing_and_agree_in_the_end() {
    let world = World::new();
    let other = SqlStore::open(world.place.open(), world.clock.clone()).unwrap();
    let mut writes = Vec::new();
    for n in 0..60 {
        let new = new_tenant(&format!("tenant-{n}"), start());
        let store = if n % 2 == 0 { &world.store } else { &other };
        writes.push(store.create_tenant(new));
    }
    for written in futures_util::future::join_all(writes).await {
        written.unwrap();
    }
    caught_up(&other, &world.store).await;
    caught_up(&world.store, &other).await;
    assert_eq!(world.store.tenants().len(), 60);
    assert_eq!(world.store.tenants(), other.tenants());
    assert_eq!(world.store.revision(), other.revision());
    let stale = change(&world.store.tenant(&tenant_id("tenant-0")).unwrap(), DeploymentKind::Update, start());
    world.change("tenant-0", DeploymentKind::Update).await.unwrap();
    let refused = other.change_tenant(stale).await.unwrap_err();
    assert!(matches!(refused, StoreError::GenerationMismatch { actual: 2, .. }), "{refused:?}");
}

#[tokio::test]
async fn a_process_that_fell_behind_what_the_feed_keeps_reads_everything_again() {
    let world = World::new();
    world.create("gone").await;
    let other = SqlStore::open(world.place.open(), world.clock.clone()).unwrap();
    // One commit that nobody can follow step by step: its own entries are taken away with it.
    world.create("kept").await;
    caught_up(&other, &world.store).await;
    let behind = |sql: &Sql<'_>| {
        sql.execute("DELETE FROM tenants WHERE id = 'gone'", &[])?;
        sql.execute("DELETE FROM feed", &[])?;
        sql.execute("INSERT INTO feed (revision, changes) VALUES (1000, '[]')", &[])
    };
    world.store.database.write_then("skipping", behind, |_| {}).await.unwrap();
    let mut revisions = other.subscribe_revision();
    let reached = revisions.wait_for(|revision| *revision >= 1000);
    tokio::time::timeout(Duration::from_secs(20), reached).await.unwrap().unwrap();
    assert_eq!(other.tenant(&tenant_id("gone")), None);
    assert!(other.tenant(&tenant_id("kept")).is_some());
}
