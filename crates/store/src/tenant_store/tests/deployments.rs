//! Progress, reading deployments back, watching them, and the end of deletions.

use super::super::deployments::{DELETION_KEPT, FINISHED_KEPT};
use super::*;
use ecp_core::deployment::{DeploymentStatus, Failure, Phase};
use ecp_core::ids::RequestId;
use ecp_core::origin::Origin;

async fn record(world: &World, deployment: &Deployment, status: TenantStatus) -> Result<(), StoreError> {
    let update = ProgressUpdate { deployment: deployment.clone(), tenant_status: status, audit: None };
    world.store.record_progress(update).await
}

fn status(world: &World, id: &str) -> TenantStatus {
    world.store.tenant(&tenant_id(id)).unwrap().status
}

#[tokio::test]
async fn progress_is_kept_with_the_tenants_status_and_its_audit_entry() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let mut deployment = (*world.store.deployment(&tenant.deployment_id).unwrap()).clone();
    deployment.complete(start());
    let update = ProgressUpdate {
        deployment: deployment.clone(),
        tenant_status: TenantStatus::Running,
        audit: Some(audit("acme", "tenant.deployed")),
    };
    world.store.record_progress(update).await.unwrap();
    let world = world.reopen();
    assert_eq!(status(&world, "acme"), TenantStatus::Running);
    assert_eq!(*world.store.deployment(&deployment.id).unwrap(), deployment);
    assert_eq!(world.count("audit"), 2);
    let after = world.store.tenant(&tenant_id("acme")).unwrap();
    assert_eq!((after.generation, after.updated_at), (1, tenant.updated_at));
}

#[tokio::test]
async fn an_end_that_is_told_again_is_in_the_audit_trail_once() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let mut deployment = (*world.store.deployment(&tenant.deployment_id).unwrap()).clone();
    let told = async |deployment: &Deployment, status| {
        let audit = Some(audit("acme", "tenant.deployed"));
        let update = ProgressUpdate { deployment: deployment.clone(), tenant_status: status, audit };
        world.store.record_progress(update).await.unwrap();
        world.count("audit")
    };
    let message = ecp_core::text::Message::new("deployment.verifying");
    deployment.fail(start(), Failure { code: "DEPLOYMENT_FAILED".to_owned(), message });
    assert_eq!(told(&deployment, TenantStatus::Failed).await, 2);
    assert_eq!(told(&deployment, TenantStatus::Failed).await, 2, "the answer to the first was lost");
    // It came up after all: another end.
    deployment.complete(start());
    assert_eq!(told(&deployment, TenantStatus::Running).await, 3);
    assert_eq!(told(&deployment, TenantStatus::Running).await, 3);
}

#[tokio::test]
async fn an_older_deployment_is_kept_and_leaves_the_tenant_alone() {
    let world = World::new();
    let tenant = world.create("acme").await;
    world.change("acme", DeploymentKind::Update).await.unwrap();
    let mut old = (*world.store.deployment(&tenant.deployment_id).unwrap()).clone();
    old.complete(start());
    record(&world, &old, TenantStatus::Running).await.unwrap();
    assert_eq!(status(&world, "acme"), TenantStatus::Pending);
    assert_eq!(*world.store.deployment(&old.id).unwrap(), old);
}

#[tokio::test]
async fn what_a_change_ends_is_kept_with_it_or_not_at_all() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let mut old = (*world.store.deployment(&tenant.deployment_id).unwrap()).clone();
    let change = change(&tenant, DeploymentKind::Update, start());
    old.supersede(start(), &change.deployment.id);
    let ended = ProgressUpdate {
        deployment: old.clone(),
        tenant_status: TenantStatus::Failed,
        audit: Some(audit("acme", "tenant.update")),
    };
    let unknown = Deployment { id: DeploymentId::generate(), ..old.clone() };
    let unknown = TenantChange {
        ended: Some(ProgressUpdate { deployment: unknown, ..ended.clone() }),
        ..change.clone()
    };
    let refused = world.store.change_tenant(unknown).await;
    assert!(matches!(refused, Err(StoreError::DeploymentNotFound(_))), "{refused:?}");
    assert_eq!((world.store.tenant(&tenant.id).unwrap().generation, world.count("audit")), (1, 1));
    world.store.change_tenant(TenantChange { ended: Some(ended), ..change.clone() }).await.unwrap();
    let seen = |world: &World| {
        assert_eq!(*world.store.deployment(&old.id).unwrap(), old);
        assert_eq!(*world.store.deployment(&change.deployment.id).unwrap(), change.deployment);
        assert_eq!(status(world, "acme"), TenantStatus::Pending, "the newer one says it");
        assert_eq!(world.count("audit"), 3);
    };
    seen(&world);
    let world = world.reopen();
    seen(&world);
}

#[tokio::test]
async fn only_the_deletion_says_the_status_of_a_tenant_that_is_being_deleted() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let mut deletion = world.change("acme", DELETE).await.unwrap();
    let mut old = (*world.store.deployment(&tenant.deployment_id).unwrap()).clone();
    old.complete(start());
    record(&world, &old, TenantStatus::Running).await.unwrap();
    assert_eq!(status(&world, "acme"), TenantStatus::Deleting);
    deletion.advance(Phase::CreatingServices, 50);
    record(&world, &deletion, TenantStatus::Deleting).await.unwrap();
    assert_eq!(world.store.deployment(&deletion.id).unwrap().progress, 50);
}

#[tokio::test]
async fn a_deletion_that_was_hurried_stays_so_when_older_progress_is_recorded() {
    let world = World::new();
    world.create("acme").await;
    let mut older = world.change("acme", DELETE).await.unwrap();
    let force = DeploymentKind::Delete(Removal::FORCED);
    let before = older.clone();
    older.advance(Phase::ScalingServices, 50);
    record(&world, &older, TenantStatus::Deleting).await.unwrap();
    let tenant = world.store.tenant(&older.tenant_id).unwrap();
    let audit = audit("acme", "tenant.delete");
    let origin = Origin { request_id: RequestId::from_text("the-hurrying-one"), trace_parent: None };
    assert!(
        world
            .store
            .hurry_deletion(&tenant.id, Removal::FORCED, Some(origin.clone()), audit.clone())
            .await
            .unwrap()
    );
    assert_eq!(world.store.deployment(&older.id).unwrap().progress, 50, "it is left as it is");
    assert!(
        !world.store.hurry_deletion(&tenant.id, Removal::FORCED, None, audit).await.unwrap(),
        "it is forced already"
    );
    let query = ecp_core::ports::AuditQuery { limit: 100, ..Default::default() };
    let (entries, _) = world.store.audit(query).await.unwrap();
    let deletions = entries.iter().filter(|entry| entry.action == "tenant.delete").count();
    assert_eq!(deletions, 1, "one entry of the call that hurried it");
    record(&world, &before, TenantStatus::Deleting).await.unwrap();
    assert_eq!(world.store.deployment(&older.id).unwrap().kind, force);
    record(&world, &older, TenantStatus::Deleting).await.unwrap();
    let now = |world: &World| (*world.store.deployment(&older.id).unwrap()).clone();
    assert_eq!((now(&world).kind, now(&world).progress), (force, 50));
    let kept = now(&world.reopen());
    assert_eq!((kept.kind, kept.origin), (force, Some(origin)), "on disk too, with who asked last");
}

#[tokio::test]
async fn progress_of_a_deployment_that_is_not_there_is_refused() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let deployment = (*world.store.deployment(&tenant.deployment_id).unwrap()).clone();
    world.delete("acme").await;
    world.create("acme").await;
    let late = record(&world, &deployment, TenantStatus::Running).await;
    assert!(matches!(late, Err(StoreError::DeploymentNotFound(_))));
    assert_eq!(status(&world, "acme"), TenantStatus::Pending);
}

#[tokio::test]
async fn a_watcher_sees_the_state_now_and_each_later_one() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let mut states = world.store.subscribe_deployment(&tenant.deployment_id).unwrap();
    let mut deployment = (**states.borrow_and_update()).clone();
    assert_eq!(deployment.status, DeploymentStatus::Pending);
    deployment.advance(Phase::ScalingServices, 40);
    record(&world, &deployment, TenantStatus::Pending).await.unwrap();
    states.changed().await.unwrap();
    assert_eq!(states.borrow_and_update().progress, 40);
    assert!(world.store.subscribe_deployment(&DeploymentId::from_text("dep-none")).is_none());
}

#[tokio::test]
async fn a_finished_deployment_read_back_from_disk_can_be_watched_and_changed() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let mut deployment = (*world.store.deployment(&tenant.deployment_id).unwrap()).clone();
    deployment.complete(start());
    record(&world, &deployment, TenantStatus::Running).await.unwrap();
    let world = world.reopen();
    assert_eq!(world.store.shared.index.read().deployments.len(), 0, "finished ones stay on disk");
    let mut states = world.store.subscribe_deployment(&deployment.id).unwrap();
    assert_eq!(**states.borrow_and_update(), deployment);
    deployment.note(
        start(),
        ecp_core::deployment::LogLevel::Info,
        ecp_core::text::Message::new("deployment.accepted"),
    );
    record(&world, &deployment, TenantStatus::Running).await.unwrap();
    states.changed().await.unwrap();
    assert_eq!(**states.borrow(), deployment);
}

#[tokio::test]
async fn memory_holds_few_finished_deployments_and_all_are_still_found() {
    let world = World::new();
    world.create("acme").await;
    let mut ids = Vec::new();
    for _ in 0..FINISHED_KEPT * 2 {
        let mut deployment = world.change("acme", DeploymentKind::Update).await.unwrap();
        deployment.complete(start());
        record(&world, &deployment, TenantStatus::Running).await.unwrap();
        ids.push(deployment.id);
    }
    // The first one is still under way.
    assert_eq!(world.store.shared.index.read().deployments.len(), FINISHED_KEPT + 1);
    for id in &ids {
        assert_eq!(world.store.deployment(id).unwrap().id, *id);
    }
    assert_eq!(world.store.shared.index.read().deployments.len(), FINISHED_KEPT + 1);
}

#[tokio::test]
async fn more_watched_finished_deployments_than_memory_keeps_hide_no_other() {
    let world = World::new();
    world.create("acme").await;
    let mut watched = Vec::new();
    for _ in 0..FINISHED_KEPT + 5 {
        let mut deployment = world.change("acme", DeploymentKind::Update).await.unwrap();
        watched.push(world.store.subscribe_deployment(&deployment.id).unwrap());
        deployment.complete(start());
        record(&world, &deployment, TenantStatus::Running).await.unwrap();
    }
    let world_ids: Vec<_> = watched.iter().map(|state| state.borrow().id.clone()).collect();
    let mut last = world.change("acme", DeploymentKind::Update).await.unwrap();
    last.complete(start());
    record(&world, &last, TenantStatus::Running).await.unwrap();
    assert!(world.store.deployment(&last.id).is_some());
    assert!(world_ids.iter().all(|id| world.store.deployment(id).is_some()));
}

#[tokio::test]
async fn an_ended_deletion_can_be_read_for_some_minutes_and_its_watchers_see_the_end() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let deletion = world.change("acme", DELETE).await.unwrap();
    let mut states = world.store.subscribe_deployment(&deletion.id).unwrap();
    let mut of_creation = world.store.subscribe_deployment(&tenant.deployment_id).unwrap();
    world.store.remove_tenant(&tenant_id("acme"), audit("acme", "tenant.delete")).await.unwrap();
    states.changed().await.unwrap();
    let end = states.borrow_and_update().clone();
    assert_eq!((end.status, end.progress, end.phase), (DeploymentStatus::Deleted, 100, Phase::Completed));
    assert_eq!(end.events.len(), deletion.events.len() + 1);
    assert!(of_creation.changed().await.is_err(), "the creation went with the tenant");
    assert!(world.store.deployment(&tenant.deployment_id).is_none());
    world.pass(DELETION_KEPT - SignedDuration::from_secs(1));
    assert_eq!(*world.store.deployment(&deletion.id).unwrap(), *end);
    world.pass(SignedDuration::from_secs(1));
    assert!(world.store.deployment(&deletion.id).is_none());
    world.create("beta").await;
    world.delete("beta").await;
    assert_eq!(world.store.shared.index.read().deployments.len(), 1, "the first deletion is forgotten");
}

#[tokio::test]
async fn an_end_that_was_recorded_before_the_removal_is_not_noted_twice() {
    let world = World::new();
    world.create("acme").await;
    let mut deletion = world.change("acme", DELETE).await.unwrap();
    deletion.complete(start());
    record(&world, &deletion, TenantStatus::Deleting).await.unwrap();
    world.store.remove_tenant(&tenant_id("acme"), audit("acme", "tenant.delete")).await.unwrap();
    assert_eq!(*world.store.deployment(&deletion.id).unwrap(), deletion);
}

#[tokio::test]
async fn an_ended_deletion_outlives_many_finished_deployments_and_a_new_tenant_of_its_id() {
    let world = World::new();
    world.create("acme").await;
    let deletion = world.delete("acme").await;
    world.create("acme").await;
    for _ in 0..FINISHED_KEPT * 2 {
        let mut deployment = world.change("acme", DeploymentKind::Update).await.unwrap();
        deployment.complete(start());
        record(&world, &deployment, TenantStatus::Running).await.unwrap();
    }
    let second = world.delete("acme").await;
    assert!(world.store.deployment(&deletion).is_some());
    assert!(world.store.deployment(&second).is_some());
}

#[tokio::test]
async fn history_is_forgotten_by_age_but_for_what_is_newest_or_not_settled() {
    let world = World::new();
    let first = world.create("acme").await.deployment_id.clone();
    let mut ended = (*world.store.deployment(&first).unwrap()).clone();
    ended.complete(world.clock.now());
    record(&world, &ended, TenantStatus::Running).await.unwrap();
    let second = world.change("acme", DeploymentKind::Update).await.unwrap();
    let intent = AuditEntry { outcome: ecp_core::audit::BEGUN.to_owned(), ..audit("acme", "tenant.heal") };
    let intent = world.store.intend(&tenant_id("acme"), intent).await.unwrap();
    let later = world.clock.now() + SignedDuration::from_hours(24);
    assert_eq!(world.store.prune_history(None, None).await.unwrap(), (0, 0), "for ever");
    let (entries, deployments) = world.store.prune_history(Some(later), Some(later)).await.unwrap();
    assert!(entries >= 2, "{entries}");
    assert_eq!(deployments, 1);
    let reopened = world.reopen();
    assert!(reopened.store.deployment(&first).is_none());
    assert!(reopened.store.deployment(&second.id).is_some());
    let tenant = TenantId::parse("acme").unwrap();
    assert_eq!(reopened.store.intents(&tenant).await.unwrap(), std::slice::from_ref(&intent));
    let restored = AuditEntry { outcome: "restored".to_owned(), ..intent.entry.clone() };
    reopened.store.settle(&intent, Some(restored.clone())).await.unwrap();
    assert_eq!(reopened.store.intents(&tenant).await.unwrap(), []);
    let query = ecp_core::ports::AuditQuery { limit: 100, ..Default::default() };
    assert_eq!(reopened.store.audit(query).await.unwrap(), (vec![restored], 1));
}
