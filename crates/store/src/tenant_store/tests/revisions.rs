//! Revisions: kept with what they were made of, told by progress, pruned, gone with the tenant.

use super::*;
use ecp_core::deployment::Phase;
use ecp_core::revision::{REVISIONS_KEPT, Reach, Revision};

async fn revisions(world: &World, id: &str) -> Revisions {
    world.store.revisions(&tenant_id(id)).await.unwrap()
}

async fn record(world: &World, deployment: Deployment) {
    let update = ProgressUpdate { deployment, tenant_status: TenantStatus::Pending, audit: None };
    world.store.record_progress(update).await.unwrap();
}

#[tokio::test]
async fn a_revision_is_kept_with_its_catalog_and_its_objects_through_a_restart() {
    let world = World::new();
    let new = new_tenant("acme", world.clock.now());
    let kept = new.revision.clone();
    world.store.create_tenant(new).await.unwrap();
    let world = world.reopen();
    let found = revisions(&world, "acme").await;
    assert_eq!(found.newest(), Some(&kept.revision));
    let digest = &kept.revision.manifest;
    let pinned = world.store.pinned_manifest(&tenant_id("acme"), digest).await.unwrap();
    assert_eq!(pinned, kept.manifest);
    assert_eq!(world.store.edition_of(&tenant_id("acme")), kept.edition);
}

#[tokio::test]
async fn what_progress_shows_is_kept_of_its_own_revision_alone() {
    let world = World::new();
    world.store.create_tenant(new_tenant("acme", world.clock.now())).await.unwrap();
    let first = world.store.tenant(&tenant_id("acme")).unwrap();
    let mut deployment = Deployment::clone(&world.store.deployment(&first.deployment_id).unwrap());
    deployment.advance(Phase::CreatingConfig, 10);
    record(&world, deployment.clone()).await;
    assert_eq!(revisions(&world, "acme").await.newest().unwrap().reach, Reach::Applying);
    deployment.complete(world.clock.now());
    record(&world, deployment).await;
    let change = change(&first, DeploymentKind::Update, world.clock.now());
    let mut second = change.deployment.clone();
    world.store.change_tenant(change).await.unwrap();
    second.advance(Phase::ScalingServices, 40);
    record(&world, second).await;
    let world = world.reopen();
    let found = revisions(&world, "acme").await;
    let told: Vec<_> = found
        .iter()
        .map(|revision| (revision.number, revision.reach, revision.seen_running_whole_at.is_some()))
        .collect();
    assert_eq!(told, [(1, Reach::Applied, true), (2, Reach::Applied, false)]);
}

#[tokio::test]
async fn old_revisions_go_but_for_what_is_in_force_and_what_ran() {
    let world = World::new();
    world.store.create_tenant(new_tenant("acme", world.clock.now())).await.unwrap();
    let mut tenant = Tenant::clone(&world.store.tenant(&tenant_id("acme")).unwrap());
    let mut first = Deployment::clone(&world.store.deployment(&tenant.deployment_id).unwrap());
    first.complete(world.clock.now());
    record(&world, first).await;
    for _ in 0..REVISIONS_KEPT + 5 {
        let change = change(&tenant, DeploymentKind::Update, world.clock.now());
        tenant = change.tenant.clone();
        world.store.change_tenant(change).await.unwrap();
    }
    let numbers: Vec<u64> = revisions(&world, "acme").await.iter().map(|revision| revision.number).collect();
    let newest = REVISIONS_KEPT + 6;
    let expected: Vec<u64> = std::iter::once(1).chain(newest - REVISIONS_KEPT + 1..=newest).collect();
    assert_eq!(numbers, expected);
}

#[tokio::test]
async fn revisions_go_with_their_tenant() {
    let world = World::new();
    world.store.create_tenant(new_tenant("acme", world.clock.now())).await.unwrap();
    let tenant = world.store.tenant(&tenant_id("acme")).unwrap();
    let deletion = change(&tenant, DeploymentKind::Delete(Removal::ORDERLY), world.clock.now());
    world.store.change_tenant(deletion).await.unwrap();
    world.store.remove_tenant(&tenant.id, audit("acme", "tenant.delete")).await.unwrap();
    assert_eq!(revisions(&world, "acme").await, Revisions::default());
    world.store.create_tenant(new_tenant("acme", world.clock.now())).await.unwrap();
    assert_eq!(revisions(&world, "acme").await.iter().count(), 1);
}

#[tokio::test]
async fn what_is_adopted_displaces_nothing() {
    let world = World::new();
    let new = new_tenant("acme", world.clock.now());
    let again = new.revision.clone();
    world.store.create_tenant(new).await.unwrap();
    let adopted = NewRevision { revision: Revision { number: 7, ..again.revision }, ..again };
    world.store.adopt_revisions(&tenant_id("acme"), vec![adopted]).await.unwrap();
    assert_eq!(revisions(&world, "acme").await.newest().unwrap().number, 1);
}
