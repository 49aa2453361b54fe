//! Tenants are leased to one process at a time, and who lost one writes nothing of it any more.

use super::processes::caught_up;
use super::*;
use crate::errors::WorkError;
use crate::sql::values;
use crate::tenant_store::leases::round;
use crate::tenant_store::{LeaseUnit, Samples};
use ecp_core::ports::Leases;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// A world whose store works on its tables beside others.
async fn joined(unit: LeaseUnit) -> World {
    let world = World::new();
    world.store.join(Samples::Shared, unit).await.unwrap();
    world
}

async fn another(world: &World, unit: LeaseUnit) -> SqlStore {
    let other = SqlStore::open(world.place.open(), world.clock.clone()).unwrap();
    other.join(Samples::Shared, unit).await.unwrap();
    other
}

/// What the database's clock would bring: a process was not heard of for too long.
async fn unheard(world: &World, replica: &SqlStore) {
    let id = replica.replica().unwrap();
    let run_out = move |sql: &Sql<'_>| {
        let past = "SET expires = clock_timestamp() - interval '1 second'";
        sql.execute(&format!("UPDATE leases {past} WHERE holder = ?1"), values![&id])?;
        sql.execute(&format!("UPDATE replicas {past} WHERE id = ?1"), values![&id])
    };
    world.store.database.write_then("running out", run_out, |_| {}).await.unwrap();
}

/// Rounds of both until neither has more than its share.
async fn settled(one: &SqlStore, other: &SqlStore) {
    for _ in 0..20 {
        one.renew().await.unwrap();
        other.renew().await.unwrap();
    }
}

fn progress_of(store: &SqlStore, tenant: &Tenant) -> ProgressUpdate {
    let mut deployment = Deployment::clone(&store.deployment(&tenant.deployment_id).unwrap());
    deployment.progress = deployment.progress.saturating_add(1);
    ProgressUpdate { deployment, tenant_status: tenant.status, audit: None }
}

#[tokio::test]
async fn who_accepts_a_tenant_works_on_it_and_two_come_to_share_them_evenly() {
    let world = joined(LeaseUnit::Tenant).await;
    for n in 0..10 {
        world.create(&format!("tenant-{n}")).await;
    }
    assert_eq!(world.store.held(), Some(10));
    assert_eq!(world.store.lease_work(world.clock.steady(), 100).await.unwrap().len(), 10);
    for n in 0..10 {
        let item = WorkItem { tenant_id: tenant_id(&format!("tenant-{n}")), attempts: 0, lease: n + 1 };
        world.store.finish_work(&item).await.unwrap();
    }
    let other = another(&world, LeaseUnit::Tenant).await;
    assert_eq!(other.held(), Some(0), "nothing is free");
    settled(&world.store, &other).await;
    assert_eq!((world.store.held(), other.held()), (Some(5), Some(5)));
    for tenant in world.store.tenants().iter() {
        let holders = [&world.store, &other].map(|store| store.tenure(&tenant.id));
        assert_eq!(holders.iter().flatten().count(), 1, "{}: {holders:?}", tenant.id);
        let lease = other.lease_of(&tenant.id).await.unwrap().unwrap();
        let holder = if holders[0].is_some() { &world.store } else { &other };
        assert_eq!(Some(lease.holder), holder.replica());
        assert_eq!(Some(lease.epoch), holder.tenure(&tenant.id));
        assert_eq!(lease.epoch, if holders[0].is_some() { 1 } else { 2 });
    }
    assert!(world.store.leads() && !other.leads(), "what is done once is done where it was begun");
}

#[tokio::test]
async fn what_is_being_given_comes_into_no_hand_and_is_due_again_where_it_was_not_given() {
    let world = joined(LeaseUnit::Tenant).await;
    for n in 0..8 {
        world.create(&format!("tenant-{n}")).await;
    }
    let other = another(&world, LeaseUnit::Tenant).await;
    let (shared, now) = (world.store.shared.clone(), world.clock.steady());
    let refused = world.store.write(
        "a round whose commit fails",
        move |sql, _| {
            let replica = shared.replica.get().expect("it joined").clone();
            let round = round(sql, &replica, &shared)?;
            // A worker asks for all that is due between the choice and the commit.
            let in_hand = shared.queue.lock().lease(now, 100);
            assert!(round.tenants.len() < 8, "some are given");
            assert_eq!(in_hand.len(), round.tenants.len());
            assert!(in_hand.iter().all(|item| round.tenants.contains_key(&item.tenant_id)));
            in_hand.iter().for_each(|item| shared.queue.lock().release(item));
            Err::<(), _>(WorkError::Damaged("the commit fails".to_owned()))
        },
        |_, ()| {},
    );
    refused.await.unwrap_err();
    // Nothing was given: what is accepted meanwhile is not passed over, and all of it is due.
    for tenant in world.store.tenants().iter() {
        let changed = change(tenant, DeploymentKind::Update, world.clock.now());
        world.store.change_tenant(changed).await.unwrap();
    }
    unheard(&world, &other).await;
    world.store.renew().await.unwrap();
    assert_eq!(world.store.lease_work(now, 100).await.unwrap().len(), 8);
}

#[tokio::test]
async fn who_stops_with_a_tenant_in_hand_keeps_it_from_others_until_its_lease_runs_out() {
    let world = joined(LeaseUnit::Tenant).await;
    let (busy, idle) = (world.create("busy").await, world.create("idle").await);
    let items = world.store.lease_work(world.clock.steady(), 2).await.unwrap();
    let of_idle = items.iter().find(|item| item.tenant_id == idle.id).unwrap();
    world.store.finish_work(of_idle).await.unwrap();
    let other = another(&world, LeaseUnit::Tenant).await;
    world.store.leave().await;
    other.renew().await.unwrap();
    assert!(!world.store.may_act(&busy.id), "it does nothing more");
    assert_eq!((other.tenure(&busy.id), other.tenure(&idle.id)), (None, Some(2)));
    unheard(&world, &world.store).await;
    other.renew().await.unwrap();
    assert_eq!(other.tenure(&busy.id), Some(2));
}

#[tokio::test]
async fn a_process_that_is_not_heard_of_loses_its_tenants_and_writes_nothing_of_them() {
    let world = joined(LeaseUnit::Tenant).await;
    let tenant = world.create("acme").await;
    let item = world.store.lease_work(world.clock.steady(), 1).await.unwrap().remove(0);
    let other = another(&world, LeaseUnit::Tenant).await;
    assert_eq!((other.tenure(&tenant.id), other.held()), (None, Some(0)));
    assert!(!other.may_act(&tenant.id));

    unheard(&world, &world.store).await;
    other.renew().await.unwrap();
    assert_eq!(other.tenure(&tenant.id), Some(2));
    assert!(other.may_act(&tenant.id) && other.leads());
    let taken = other.lease_work(world.clock.steady(), 9).await.unwrap();
    assert_eq!(taken.len(), 1, "its work is due at once");

    // The first does not know yet; what it writes is refused all the same, whatever it is.
    assert_eq!(world.store.tenure(&tenant.id), Some(1));
    let before = world.store.revision();
    let lost = |written: Result<(), StoreError>| {
        assert!(matches!(written, Err(StoreError::LeaseLost(_))), "{written:?}")
    };
    lost(world.store.record_progress(progress_of(&world.store, &tenant)).await);
    lost(world.store.queue_work(&tenant.id).await);
    lost(world.store.remove_tenant(&tenant.id, audit("acme", "tenant.delete")).await);
    lost(world.store.intend(&tenant.id, audit("acme", "tenant.heal")).await.map(|_| ()));
    lost(world.store.finish_work(&item).await);
    let taken_back = TenantChange {
        ended: Some(progress_of(&world.store, &tenant)),
        ..change(&tenant, DeploymentKind::Update, world.clock.now())
    };
    lost(world.store.change_tenant(taken_back).await.map(|_| ()));
    lost(ecp_core::ledger::ObjectLedger::note(&world.store, &tenant.id, &[]).await);
    assert_eq!(other.revision(), before, "nothing came of it");
    other.record_progress(progress_of(&other, &tenant)).await.unwrap();

    // It finds out, and does not take up again what it still has in hand.
    let again = world.store.lease_work(world.clock.steady(), 1).await.unwrap();
    world.store.renew().await.unwrap();
    assert_eq!((world.store.tenure(&tenant.id), world.store.may_act(&tenant.id)), (None, false));
    assert!(world.store.lease_work(world.clock.steady(), 1).await.unwrap().is_empty());
    unheard(&world, &other).await;
    world.store.renew().await.unwrap();
    assert_eq!(world.store.tenure(&tenant.id), None, "it is in hand");
    world.store.let_go(&again[0]);
    world.store.renew().await.unwrap();
    assert_eq!(world.store.tenure(&tenant.id), Some(3));
    assert_eq!(world.store.lease_work(world.clock.steady(), 1).await.unwrap().len(), 1);
}

#[tokio::test]
async fn what_others_queue_is_due_where_the_tenant_is_worked_on() {
    let world = joined(LeaseUnit::Tenant).await;
    let tenant = world.create("acme").await;
    let item = world.store.lease_work(world.clock.steady(), 1).await.unwrap().remove(0);
    world.store.retry_work(&item, 1, world.clock.steady() + SignedDuration::from_secs(60)).await.unwrap();
    let other = another(&world, LeaseUnit::Tenant).await;
    let changed = change(&other.tenant(&tenant.id).unwrap(), DeploymentKind::Update, world.clock.now());
    other.change_tenant(changed).await.unwrap();
    assert!(other.lease_work(world.clock.steady(), 1).await.unwrap().is_empty());
    caught_up(&world.store, &other).await;
    let due = world.store.lease_work(world.clock.steady(), 1).await.unwrap();
    assert_eq!(due.len(), 1);
    assert!(
        due[0].lease > item.lease + 1,
        "numbered after what was put back: {} {}",
        due[0].lease,
        item.lease
    );
    assert!(
        other
            .hurry_deletion(&tenant.id, Removal::default(), None, audit("acme", "tenant.delete"))
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn who_stops_gives_everything_back_and_others_have_it_at_once() {
    let world = joined(LeaseUnit::Tenant).await;
    let tenant = world.create("acme").await;
    let other = another(&world, LeaseUnit::Tenant).await;
    let stopping = CancellationToken::new();
    world.store.leave().await;
    assert_eq!(world.store.held(), Some(0));
    assert!(matches!(
        world.store.record_progress(progress_of(&world.store, &tenant)).await,
        Err(StoreError::LeaseLost(_))
    ));
    let mut leases = other.subscribe_leases();
    let taken = async {
        while other.tenure(&tenant.id).is_none() {
            leases.changed().await.unwrap();
        }
        stopping.cancel();
    };
    tokio::join!(other.keep_leases(stopping.clone()), taken);
    assert_eq!(other.lease_of(&tenant.id).await.unwrap().unwrap().epoch, 2);
}

#[tokio::test]
async fn a_lease_goes_with_its_tenant_and_the_next_of_the_id_is_its_creator_s() {
    let world = joined(LeaseUnit::Tenant).await;
    let tenant = world.create("acme").await;
    let other = another(&world, LeaseUnit::Tenant).await;
    world.delete("acme").await;
    let given = other.lease_of(&tenant.id).await.unwrap().unwrap();
    assert_eq!((given.holder.as_str(), given.epoch), ("", 1));
    caught_up(&other, &world.store).await;
    other.create_tenant(new_tenant("acme", world.clock.now())).await.unwrap();
    assert!(other.may_act(&tenant.id));
    caught_up(&world.store, &other).await;
    assert!(!world.store.may_act(&tenant.id) && world.store.tenure(&tenant.id).is_none());
    let taken = other.lease_of(&tenant.id).await.unwrap().unwrap();
    assert_eq!((Some(taken.holder), taken.epoch), (other.replica(), 2));
}

#[tokio::test]
async fn a_mode_of_one_cluster_in_memory_is_one_process_s_whole() {
    let world = joined(LeaseUnit::Mode).await;
    let other = another(&world, LeaseUnit::Mode).await;
    // Accepted by the one that does not run it.
    let created = other.create_tenant(new_tenant("acme", start())).await.unwrap();
    let Created::New(tenant) = created else { panic!("nothing was replayed") };
    caught_up(&world.store, &other).await;
    assert_eq!((world.store.held(), other.held()), (Some(1), Some(0)));
    assert!(other.lease_work(world.clock.steady(), 1).await.unwrap().is_empty());
    assert_eq!(world.store.lease_work(world.clock.steady(), 1).await.unwrap().len(), 1);
    assert!(other.record_progress(progress_of(&other, &tenant)).await.is_err());

    unheard(&world, &world.store).await;
    other.renew().await.unwrap();
    assert!(other.leads());
    assert_eq!(other.lease_work(world.clock.steady(), 1).await.unwrap().len(), 1);
    world.store.renew().await.unwrap();
    assert!(!world.store.leads() && world.store.held() == Some(0));
    assert_eq!(world.store.lease_of(&tenant.id).await.unwrap().map(|lease| lease.holder), other.replica());
}

#[tokio::test]
async fn a_process_with_samples_of_its_own_has_no_other_beside_it() {
    let world = joined(LeaseUnit::Tenant).await;
    let folder = TempDir::new().unwrap();
    let samples = Database::open(&folder.path().join("real.db"), MIGRATIONS).unwrap();
    let alone = SqlStore::open(world.place.open(), world.clock.clone()).unwrap();
    let joining = alone.join(Samples::Own(&samples), LeaseUnit::Tenant);
    let refused = tokio::time::timeout(Duration::from_secs(2), joining).await;
    assert!(refused.is_err(), "it waits for the other to be gone");
    unheard(&world, &world.store).await;
    alone.renew().await.unwrap();
    let refused = world.store.renew().await;
    assert!(matches!(refused, Err(StoreError::AnotherProcess(_))), "{refused:?}");
}
