//! Creations, changes, removals, idempotency, secrets, the audit trail and settings.

use super::*;

fn key_of(actor: &str, key: &str, digest: u8) -> IdempotencyKey {
    let (actor, key) = (actor.to_owned(), key.to_owned());
    IdempotencyKey { actor, key, request_digest: [digest; 32], letters_digest: [u8::MAX; 32] }
}

fn with_key(id: &str, key: &str, digest: u8, now: Timestamp) -> NewTenant {
    let key = key_of("a", key, digest);
    NewTenant { idempotency: Some((key, serde_json::json!({ "tenant_id": id }))), ..new_tenant(id, now) }
}

#[tokio::test]
async fn a_created_tenant_is_found_with_all_that_belongs_to_it_also_after_a_restart() {
    let world = World::new();
    let new = new_tenant("acme", start());
    world.store.create_tenant(new.clone()).await.unwrap();
    let world = world.reopen();
    let id = tenant_id("acme");
    assert_eq!(*world.store.tenant(&id).unwrap(), new.tenant);
    assert_eq!(world.store.tenants().len(), 1);
    assert_eq!(*world.store.deployment(&new.deployment.id).unwrap(), new.deployment);
    assert_eq!(world.store.tenant_secrets(&id).await.unwrap(), new.secrets);
    assert_eq!(world.store.lease_work(start(), 9).await.unwrap().len(), 1);
    let (entries, total) = world.store.audit(AuditQuery { limit: 9, ..Default::default() }).await.unwrap();
    assert_eq!((entries, total), (vec![new.audit], 1));
}

#[tokio::test]
async fn tenants_are_listed_by_creation_time_then_id_before_and_after_a_restart() {
    let world = World::new();
    for (id, second) in [("d", 5), ("b", 7), ("c", 5), ("a", 6)] {
        world.store.create_tenant(new_tenant(id, start() + SignedDuration::from_secs(second))).await.unwrap();
    }
    let names = |world: &World| {
        world.store.tenants().iter().map(|tenant| tenant.id.to_string()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(names(&world), "c d a b");
    world.change("a", DeploymentKind::Update).await.unwrap();
    world.delete("d").await;
    assert_eq!(names(&world), "c a b");
    assert_eq!(names(&world.reopen()), "c a b");
}

#[tokio::test]
async fn a_snapshot_of_the_tenants_does_not_change_under_its_reader() {
    let world = World::new();
    world.create("acme").await;
    let snapshot = world.store.tenants();
    world.create("beta").await;
    world.change("acme", DeploymentKind::Update).await.unwrap();
    assert_eq!((snapshot.len(), snapshot[0].generation), (1, 1));
}

#[tokio::test]
async fn each_change_of_the_tenants_is_told() {
    let world = World::new();
    let mut changes = world.store.subscribe_tenants();
    world.create("acme").await;
    assert!(changes.has_changed().unwrap());
    changes.mark_unchanged();
    let mut deployment = world.change("acme", DeploymentKind::Update).await.unwrap();
    changes.mark_unchanged();
    deployment.complete(start());
    let update = ProgressUpdate { deployment, tenant_status: TenantStatus::Running, audit: None };
    world.store.record_progress(update).await.unwrap();
    assert!(changes.has_changed().unwrap(), "the status changed");
    changes.mark_unchanged();
    world.delete("acme").await;
    assert!(changes.has_changed().unwrap());
}

#[tokio::test]
async fn an_id_that_is_taken_is_refused_with_the_status_of_its_tenant_and_nothing_is_kept() {
    let world = World::new();
    world.create("acme").await;
    world.change("acme", DELETE).await.unwrap();
    let refused = world.store.create_tenant(new_tenant("acme", start())).await;
    assert!(matches!(refused, Err(StoreError::TenantExists { existing_status: TenantStatus::Deleting, .. })));
    assert_eq!((world.count("deployments"), world.count("audit")), (2, 2));
}

#[tokio::test]
async fn one_of_many_creations_of_the_same_id_at_once_wins() {
    let world = World::new();
    let creations = (0..20).map(|_| world.store.create_tenant(new_tenant("acme", start())));
    let mut won = 0;
    for result in join_all(creations.collect()).await {
        match result {
            Ok(Created::New(_)) => won += 1,
            Err(StoreError::TenantExists { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!((won, world.count("tenants"), world.count("deployments")), (1, 1, 1));
}

/// Polls all futures until each is done.
async fn join_all<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut done: Vec<Option<F::Output>> = waiting.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in waiting.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            if let std::task::Poll::Ready(output) = future.as_mut().poll(context) {
                *done = Some(output);
            }
        }
        if done.iter().all(Option::is_some) { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
    done.into_iter().flatten().collect()
}

#[tokio::test]
async fn the_same_request_under_a_key_gets_the_first_answer_also_after_a_restart() {
    let world = World::new();
    world.store.create_tenant(with_key("acme", "k", 1, start())).await.unwrap();
    let world = world.reopen();
    let again = world.store.create_tenant(with_key("acme", "k", 1, start())).await.unwrap();
    assert!(matches!(again, Created::Replayed(body) if body["tenant_id"] == "acme"));
    let kept = world.store.idempotent_response(&key_of("a", "k", 1)).await.unwrap();
    assert_eq!(kept.unwrap()["tenant_id"], "acme");
    let other = key_of("a", "other", 1);
    assert!(world.store.idempotent_response(&other).await.unwrap().is_none());
    assert_eq!(world.count("audit"), 1);
}

#[tokio::test]
async fn a_key_that_was_kept_by_the_letter_answers_the_same_letters() {
    let world = World::new();
    world.store.create_tenant(with_key("acme", "k", 1, start())).await.unwrap();
    let same = IdempotencyKey { letters_digest: [1; 32], ..key_of("a", "k", 3) };
    assert!(world.store.idempotent_response(&same).await.unwrap().is_some());
    let other = IdempotencyKey { letters_digest: [2; 32], ..key_of("a", "k", 3) };
    let refused = world.store.idempotent_response(&other).await;
    assert!(matches!(refused, Err(StoreError::IdempotencyKeyReused { .. })));
}

#[tokio::test]
async fn the_same_letters_split_otherwise_between_caller_and_key_are_another_key() {
    let world = World::new();
    let key = |actor: &str, key: &str| key_of(actor, key, 1);
    let mut new = with_key("acme", "", 1, start());
    new.idempotency.as_mut().unwrap().0 = key("a", "b:x");
    world.store.create_tenant(new).await.unwrap();
    for (actor, name) in [("a:b", "x"), ("a:b:x", ""), ("", "a:b:x"), ("a", "b"), ("a:", "b:x")] {
        let kept = world.store.idempotent_response(&key(actor, name)).await.unwrap();
        assert!(kept.is_none(), "{actor:?} and {name:?}");
    }
    assert!(world.store.idempotent_response(&key("a", "b:x")).await.unwrap().is_some());
}

#[tokio::test]
async fn another_request_under_a_key_is_refused_and_creates_nothing() {
    let world = World::new();
    world.store.create_tenant(with_key("acme", "k", 1, start())).await.unwrap();
    let refused = world.store.create_tenant(with_key("beta", "k", 2, start())).await;
    assert!(matches!(refused, Err(StoreError::IdempotencyKeyReused { .. })));
    let key = key_of("a", "k", 2);
    assert!(matches!(
        world.store.idempotent_response(&key).await,
        Err(StoreError::IdempotencyKeyReused { .. })
    ));
    assert_eq!(world.count("tenants"), 1);
}

#[tokio::test]
async fn one_of_many_requests_at_once_under_a_key_creates_and_the_others_get_its_answer() {
    let world = World::new();
    let creations = (0..20).map(|_| world.store.create_tenant(with_key("acme", "k", 1, start())));
    let results = join_all(creations.collect()).await;
    let new = results.iter().filter(|result| matches!(result, Ok(Created::New(_)))).count();
    let replayed = results.iter().filter(|result| matches!(result, Ok(Created::Replayed(_)))).count();
    assert_eq!((new, replayed), (1, 19));
}

#[tokio::test]
async fn a_key_is_free_again_after_a_day() {
    let world = World::new();
    world.store.create_tenant(with_key("acme", "k", 1, start())).await.unwrap();
    let key = key_of("a", "k", 1);
    world.pass(SignedDuration::from_hours(24) - SignedDuration::from_secs(1));
    assert!(world.store.idempotent_response(&key).await.unwrap().is_some());
    world.pass(SignedDuration::from_secs(1));
    assert!(world.store.idempotent_response(&key).await.unwrap().is_none());
    let other = world.store.create_tenant(with_key("beta", "k", 2, world.clock.now())).await.unwrap();
    assert!(matches!(other, Created::New(_)));
    assert_eq!(world.count("idempotency_keys"), 1);
}

#[tokio::test]
async fn a_change_of_another_generation_is_refused_and_says_the_present_one() {
    let world = World::new();
    let first = world.create("acme").await;
    world.change("acme", DeploymentKind::Update).await.unwrap();
    let stale = change(&first, DeploymentKind::Update, start());
    assert!(matches!(
        world.store.change_tenant(stale).await,
        Err(StoreError::GenerationMismatch { actual: 2, .. })
    ));
    let tenant = world.store.tenant(&tenant_id("acme")).unwrap();
    assert_eq!((tenant.generation, tenant.spec.name.as_str()), (2, "generation 2"));
    assert_eq!(world.count("deployments"), 2);
}

#[tokio::test]
async fn one_of_many_changes_at_once_from_the_same_generation_wins() {
    let world = World::new();
    let tenant = world.create("acme").await;
    let changes =
        (0..20).map(|_| world.store.change_tenant(change(&tenant, DeploymentKind::Update, start())));
    let results = join_all(changes.collect()).await;
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!((world.count("deployments"), world.count("audit")), (2, 2));
}

#[tokio::test]
async fn a_tenant_that_is_being_deleted_takes_no_change_and_no_second_deletion() {
    let world = World::new();
    let before = world.create("acme").await;
    let deletion = world.change("acme", DELETE).await.unwrap();
    for kind in [DeploymentKind::Update, DELETE, DeploymentKind::Delete(Removal::FORCED)] {
        let refused = world.change("acme", kind).await;
        assert!(matches!(refused, Err(StoreError::TenantDeleting(_))), "{kind:?}");
    }
    // Also for a caller who read it before the deletion began.
    let raced = world.store.change_tenant(change(&before, DELETE, start())).await;
    assert!(matches!(raced, Err(StoreError::TenantDeleting(_))));
    assert_eq!(world.store.tenant(&tenant_id("acme")).unwrap().deployment_id, deletion.id);
}

#[tokio::test]
async fn a_tenant_that_is_not_there_can_be_neither_changed_nor_removed() {
    let world = World::new();
    let gone = new_tenant("acme", start()).tenant;
    let changed = world.store.change_tenant(change(&gone, DeploymentKind::Update, start())).await;
    assert!(matches!(changed, Err(StoreError::TenantNotFound(_))));
    let removed = world.store.remove_tenant(&tenant_id("acme"), audit("acme", "tenant.delete")).await;
    assert!(matches!(removed, Err(StoreError::TenantNotFound(_))));
    assert!(matches!(
        world.store.tenant_secrets(&tenant_id("acme")).await,
        Err(StoreError::TenantNotFound(_))
    ));
}

#[tokio::test]
async fn a_removed_tenant_leaves_nothing_but_its_audit_trail_and_its_id_is_free() {
    let world = World::new();
    world.create("acme").await;
    world.delete("acme").await;
    assert!(world.store.tenant(&tenant_id("acme")).is_none() && world.store.tenants().is_empty());
    for table in ["tenants", "deployments", "secrets", "work_queue", "alerts", "alert_events"] {
        assert_eq!(world.count(table), 0, "{table}");
    }
    let of_it = AuditQuery { tenant_id: Some(tenant_id("acme")), limit: 9, ..Default::default() };
    assert_eq!(world.store.audit(of_it).await.unwrap().1, 3);
    assert_eq!(world.create("acme").await.generation, 3);
}

#[tokio::test]
async fn a_tenant_that_is_not_being_deleted_is_not_removed() {
    let world = World::new();
    world.create("acme").await;
    world.delete("acme").await;
    world.create("acme").await;
    let late = world.store.remove_tenant(&tenant_id("acme"), audit("acme", "tenant.delete")).await;
    assert!(matches!(late, Err(StoreError::GenerationMismatch { actual: 3, .. })));
    assert!(world.store.tenant(&tenant_id("acme")).is_some());
}

#[tokio::test]
async fn the_audit_trail_is_paged_newest_first_and_can_be_of_one_tenant() {
    let world = World::new();
    for id in ["acme", "beta", "coda"] {
        world.create(id).await;
    }
    world.change("acme", DeploymentKind::Update).await.unwrap();
    let query = |tenant: Option<&str>, skip, limit| AuditQuery {
        tenant_id: tenant.map(tenant_id),
        skip,
        limit,
        ..Default::default()
    };
    let ids = |entries: Vec<AuditEntry>| {
        let whose = |entry: &AuditEntry| entry.tenant_id.as_ref().expect("a tenant's").to_string();
        entries.iter().map(whose).collect::<Vec<_>>().join(" ")
    };
    let (page, total) = world.store.audit(query(None, 1, 2)).await.unwrap();
    assert_eq!((ids(page), total), ("coda beta".to_owned(), 4));
    let (page, total) = world.store.audit(query(Some("acme"), 0, 1)).await.unwrap();
    assert_eq!((page[0].action.as_str(), total), ("tenant.update", 2));
    assert_eq!(world.store.audit(query(None, 9, 9)).await.unwrap(), (Vec::new(), 4));
}

#[tokio::test]
async fn settings_are_kept_and_replaced() {
    let world = World::new();
    assert_eq!(world.store.setting("seeded").await.unwrap(), None);
    world.store.set_setting("seeded", "1").await.unwrap();
    world.store.set_setting("seeded", "2").await.unwrap();
    assert_eq!(world.reopen().store.setting("seeded").await.unwrap().as_deref(), Some("2"));
}

/// Admits while fewer than so many tenants were accepted.
fn while_fewer_than(limit: usize) -> Admission {
    Admission::by(move |accepted| if accepted.len() < limit { Ok(()) } else { Err(Box::default()) })
}

#[tokio::test]
async fn admissions_that_share_a_commit_see_each_other() {
    let super::super::World { place: _place, store, .. } = World::new();
    let store = Arc::new(store);
    let mut creations = tokio::task::JoinSet::new();
    for number in 0..20 {
        let new = NewTenant { admission: while_fewer_than(3), ..new_tenant(&format!("t{number}"), start()) };
        let store = store.clone();
        creations.spawn(async move { store.create_tenant(new).await });
    }
    let answers = creations.join_all().await;
    let refused =
        answers.iter().filter(|answer| matches!(answer, Err(StoreError::InsufficientResources { .. })));
    assert_eq!((refused.count(), store.tenants().len()), (17, 3));
    // A refusal leaves nothing behind.
    assert_eq!(store.audit(AuditQuery { limit: 9, ..Default::default() }).await.unwrap().1, 3);
}

#[tokio::test]
async fn a_change_is_judged_as_a_creation_is_and_undone_where_it_is_refused() {
    let world = World::new();
    world.create("a").await;
    world.create("b").await;
    let tenant = world.store.tenant(&tenant_id("a")).unwrap();
    let changed = |limit| TenantChange {
        admission: while_fewer_than(limit),
        ..change(&tenant, DeploymentKind::Update, start())
    };
    let refused = world.store.change_tenant(changed(2)).await;
    assert!(matches!(refused, Err(StoreError::InsufficientResources { .. })), "{refused:?}");
    assert_eq!(world.store.tenant(&tenant.id).unwrap().generation, 1);
    world.store.change_tenant(changed(3)).await.unwrap();
}

#[tokio::test]
async fn a_tenant_that_comes_again_goes_on_counting_and_is_another() {
    let world = World::new();
    let first = world.create("acme").await;
    world.change("acme", DeploymentKind::Update).await.unwrap();
    world.delete("acme").await;
    let world = world.reopen();
    let second = world.create("acme").await;
    assert_eq!((first.generation, second.generation), (1, 4), "the deletion was the third");
    assert_eq!(second.incarnation.first_generation(), 4);
    assert!(world.store.exists(&second.key()) && !world.store.exists(&first.key()));
    let deployment = world.store.deployment(&second.deployment_id).unwrap();
    assert_eq!(deployment.generation, 4);
    assert_eq!(world.count("revisions WHERE number = 4"), 1);
    // A change that was planned for the first one does not meet the second.
    let late = change(&first, DeploymentKind::Update, world.clock.now());
    let refused = world.store.change_tenant(late).await.unwrap_err();
    assert!(matches!(refused, StoreError::GenerationMismatch { actual: 4, .. }), "{refused:?}");
    world.delete("acme").await;
    let world = world.reopen();
    assert_eq!(world.create("acme").await.generation, 6);
    assert_eq!(world.create("beta").await.generation, 1, "each id counts for itself");
    assert_eq!(world.store.tenant(&tenant_id("acme")).unwrap().incarnation.first_generation(), 6);
}
