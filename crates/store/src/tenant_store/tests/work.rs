//! Leases, back-off and queueing; the queue's invariants have a model test of their own.

use super::*;

async fn lease(world: &World) -> Vec<WorkItem> {
    world.store.lease_work(world.clock.now(), 100).await.unwrap()
}

#[tokio::test]
async fn a_tenant_is_leased_once_and_is_done_when_finished() {
    let world = World::new();
    world.create("acme").await;
    let leased = lease(&world).await;
    assert_eq!((leased.len(), leased[0].attempts), (1, 0));
    assert!(lease(&world).await.is_empty());
    world.store.finish_work(&leased[0]).await.unwrap();
    assert!(lease(&world).await.is_empty());
    assert_eq!(world.store.next_work_due().await.unwrap(), None);
    assert!(lease(&world.reopen()).await.is_empty());
}

#[tokio::test]
async fn no_more_than_the_limit_is_leased_and_the_longest_waiting_go_first() {
    let world = World::new();
    for id in ["c", "a", "b"] {
        world.create(id).await;
    }
    let first = world.store.lease_work(start(), 2).await.unwrap();
    let ids: Vec<_> = first.iter().map(|item| item.tenant_id.as_str()).collect();
    assert_eq!(ids, ["c", "a"]);
    assert_eq!(lease(&world).await.len(), 1);
}

#[tokio::test]
async fn finishing_an_old_lease_leaves_newer_work_queued() {
    let world = World::new();
    world.create("acme").await;
    let old = lease(&world).await.remove(0);
    world.change("acme", DeploymentKind::Update).await.unwrap();
    assert!(lease(&world).await.is_empty(), "never leased twice at once");
    world.store.finish_work(&old).await.unwrap();
    let newer = lease(&world).await.remove(0);
    assert_ne!(newer.lease, old.lease);
    world.store.finish_work(&old).await.unwrap();
    assert!(lease(&world).await.is_empty(), "the old lease does not end the newer one");
    assert_eq!(lease(&world.reopen()).await.len(), 1);
}

#[tokio::test]
async fn work_put_back_is_due_at_its_time_with_its_tries() {
    let world = World::new();
    world.create("acme").await;
    let item = lease(&world).await.remove(0);
    let due = start() + SignedDuration::from_secs(30);
    world.store.retry_work(&item, 1, due).await.unwrap();
    assert!(lease(&world).await.is_empty());
    assert_eq!(world.store.next_work_due().await.unwrap(), Some(due));
    world.pass(SignedDuration::from_secs(30));
    let again = lease(&world).await.remove(0);
    assert_eq!(again.attempts, 1);
    assert_ne!(again.lease, item.lease);
}

#[tokio::test]
async fn putting_an_old_lease_back_leaves_newer_work_due_now() {
    let world = World::new();
    world.create("acme").await;
    let item = lease(&world).await.remove(0);
    world.change("acme", DeploymentKind::Update).await.unwrap();
    world.store.retry_work(&item, 7, start() + SignedDuration::from_hours(1)).await.unwrap();
    assert_eq!(lease(&world).await.remove(0).attempts, 0);
}

#[tokio::test]
async fn everything_is_due_again_after_a_restart_with_its_tries() {
    let world = World::new();
    world.create("acme").await;
    world.create("beta").await;
    for item in lease(&world).await.iter().filter(|item| item.tenant_id == tenant_id("acme")) {
        world.store.retry_work(item, 4, start() + SignedDuration::from_hours(1)).await.unwrap();
    }
    let world = world.reopen();
    let attempts: BTreeMap<_, _> =
        lease(&world).await.into_iter().map(|item| (item.tenant_id.to_string(), item.attempts)).collect();
    assert_eq!(attempts, BTreeMap::from([("acme".to_owned(), 4), ("beta".to_owned(), 0)]));
}

#[tokio::test]
async fn queueing_makes_a_tenant_due_now_and_a_second_time_writes_nothing() {
    let world = World::new();
    world.create("acme").await;
    let item = lease(&world).await.remove(0);
    world.store.retry_work(&item, 3, start() + SignedDuration::from_hours(1)).await.unwrap();
    let id = tenant_id("acme");
    world.store.queue_work(&id).await.unwrap();
    let writes = world.store.database.jobs();
    world.store.queue_work(&id).await.unwrap();
    assert_eq!(world.store.database.jobs(), writes);
    assert_eq!(lease(&world).await.remove(0).attempts, 3, "failed tries in a row go on counting");
}

#[tokio::test]
async fn queueing_while_a_worker_has_the_tenant_brings_it_back_afterwards() {
    let world = World::new();
    world.create("acme").await;
    let item = lease(&world).await.remove(0);
    world.store.queue_work(&tenant_id("acme")).await.unwrap();
    assert!(lease(&world).await.is_empty());
    world.store.finish_work(&item).await.unwrap();
    assert_eq!(lease(&world).await.len(), 1);
}

#[tokio::test]
async fn a_tenant_that_is_not_there_is_not_queued() {
    let world = World::new();
    let refused = world.store.queue_work(&tenant_id("acme")).await;
    assert!(matches!(refused, Err(StoreError::TenantNotFound(_))));
}

#[tokio::test]
async fn whatever_makes_work_leasable_is_told() {
    let world = World::new();
    let mut told = world.store.subscribe_work();
    let mut was_told = || {
        let changed = told.has_changed().unwrap();
        told.mark_unchanged();
        changed
    };
    world.create("acme").await;
    assert!(was_told(), "created");
    let item = lease(&world).await.remove(0);
    world.change("acme", DeploymentKind::Update).await.unwrap();
    assert!(was_told(), "changed");
    world.store.finish_work(&item).await.unwrap();
    assert!(was_told(), "the newer item is free");
    let item = lease(&world).await.remove(0);
    world.store.retry_work(&item, 1, start() + SignedDuration::from_secs(9)).await.unwrap();
    assert!(was_told(), "another time to wake at");
    world.store.queue_work(&tenant_id("acme")).await.unwrap();
    assert!(was_told(), "queued");
}

#[tokio::test]
async fn a_lease_whose_end_can_not_be_written_is_due_again() {
    let world = World::new();
    world.create("acme").await;
    let item = lease(&world).await.remove(0);
    world.store.database.close();
    assert!(matches!(world.store.finish_work(&item).await, Err(StoreError::Closed)));
    assert_eq!(lease(&world).await.len(), 1);
}

#[tokio::test]
async fn removing_a_tenant_ends_its_lease_so_that_its_id_starts_afresh() {
    let world = World::new();
    world.create("acme").await;
    let old = lease(&world).await.remove(0);
    world.delete("acme").await;
    assert_eq!(world.store.next_work_due().await.unwrap(), None);
    world.create("acme").await;
    world.store.finish_work(&old).await.unwrap();
    assert_eq!(lease(&world).await.len(), 1);
}
