//! Tenants whose objects others apply: watched and judged, and never written to.

use super::bench::MadeByOthers;
use super::*;
use ecp_core::tenant::{DemoFault, Management};

/// The manifest as it is now.
async fn manifest(bench: &Bench) -> Vec<Object> {
    let revisions = bench.store().revisions(&id("acme")).await.unwrap();
    let newest = revisions.newest().unwrap();
    bench.process().controller.shared.read_objects(&id("acme"), newest).await.unwrap()
}

/// Others apply what the manifest says, and the cluster tells.
async fn others_apply(bench: &mut Bench) {
    let objects = manifest(bench).await;
    bench.line().simulated.prune(&id("acme"), &objects).await.unwrap();
    bench.line().simulated.apply(&id("acme"), &objects).await.unwrap();
    bench.process().controller.cluster_changed([id("acme")]).await;
    bench.run_to_rest().await;
}

async fn look(bench: &mut Bench) {
    bench.process().controller.look_around().await;
    assert!(bench.settle().await);
}

fn is_untouched(bench: &Bench) -> bool {
    bench.line().applied.lock().is_empty() && bench.line().live.lock().is_empty()
}

fn keys(bench: &Bench) -> Vec<String> {
    bench.newest("acme").logs.iter().map(|line| line.message.key.to_string()).collect()
}

#[tokio::test]
async fn what_others_apply_is_awaited_however_long_and_runs_when_it_is_there() {
    let mut bench = Bench::new().await;
    let first = bench.create_external("acme", None).await;
    assert!(bench.settle().await);
    for _ in 0..5 {
        bench.watch_seconds(3600);
        look(&mut bench).await;
    }
    let waits = bench.newest("acme");
    assert_eq!((waits.status, bench.status("acme")), (DeploymentStatus::Deploying, TenantStatus::Pending));
    assert_eq!(waits.pending_resources.len(), manifest(&bench).await.len());
    let commits = bench.commits();
    look(&mut bench).await;
    assert_eq!(bench.commits(), commits, "waiting costs nothing");

    others_apply(&mut bench).await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    assert_progress_only_grows(&bench.deployment(&first));
    assert!(is_untouched(&bench));

    // A change is theirs to bring, too.
    let tenant = bench.tenant("acme");
    let second = bench.change(changed(tenant, &[(Service::Callbot, 50), (Service::Advisor, 5)])).await;
    assert!(bench.settle().await);
    bench.watch_seconds(3600);
    look(&mut bench).await;
    assert_eq!(bench.deployment(&second).status, DeploymentStatus::Deploying);
    others_apply(&mut bench).await;
    assert_eq!(bench.deployment(&second).status, DeploymentStatus::Running);
    assert!(is_untouched(&bench));
}

#[tokio::test]
async fn what_goes_is_named_and_not_put_back() {
    let mut bench = Bench::new().await;
    bench.create_external("acme", None).await;
    assert!(bench.settle().await);
    others_apply(&mut bench).await;
    bench.line().simulated.delete_object(&id("acme"), "Deployment", "chatbot");
    bench.process().controller.cluster_changed([id("acme")]).await;
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Pending);
    let pending = bench.newest("acme").pending_resources;
    assert!(pending.iter().any(|resource| resource.name == "chatbot"), "{pending:?}");
    assert_eq!(keys(&bench).iter().filter(|key| *key == "deployment.external_missing").count(), 1);
    let commits = bench.commits();
    look(&mut bench).await;
    assert_eq!(bench.commits(), commits, "it is told once");
    assert!(bench.trail("acme").await.iter().all(|(action, _)| action != "tenant.heal"));

    others_apply(&mut bench).await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    assert!(keys(&bench).contains(&"deployment.recovered".to_owned()));
    assert!(is_untouched(&bench));
}

#[tokio::test]
async fn what_is_there_and_does_not_come_up_fails_and_nothing_is_rolled_back() {
    let mut bench = Bench::new().await;
    bench.create_external("acme", None).await;
    assert!(bench.settle().await);
    others_apply(&mut bench).await;
    let mut tenant = bench.tenant("acme");
    tenant.spec.demo_fault = Some(DemoFault::ImageNotFound);
    let (mut tenant, kind) = changed(tenant, &[(Service::Callbot, 50), (Service::Advisor, 5)]);
    tenant.spec.name = "with a fault".to_owned();
    let second = bench.change((tenant, kind)).await;
    assert!(bench.settle().await);
    others_apply(&mut bench).await;
    let failed = bench.deployment(&second);
    assert_eq!((failed.status, bench.status("acme")), (DeploymentStatus::Failed, TenantStatus::Failed));
    assert_eq!(bench.newest("acme").id, second, "nothing newer was accepted");
    assert!(is_untouched(&bench));
}

#[tokio::test]
async fn a_deletion_leaves_what_others_applied() {
    let mut bench = Bench::new().await;
    bench.create_external("acme", None).await;
    assert!(bench.settle().await);
    others_apply(&mut bench).await;
    let there = bench.line().simulated.observe(&id("acme")).unwrap();
    let tenant = bench.tenant("acme");
    let deletion = bench.change(removal(tenant, true)).await;
    bench.run_to_rest().await;
    assert!(bench.store().tenant(&id("acme")).is_none());
    assert_eq!(bench.deployment(&deletion).status, DeploymentStatus::Deleted);
    assert_eq!(bench.line().simulated.observe(&id("acme")).unwrap(), there);
}

#[tokio::test]
async fn who_takes_a_tenant_over_takes_over_what_is_there_and_heals_it_from_then_on() {
    let mut bench = Bench::new().await;
    bench.create_external("acme", None).await;
    assert!(bench.settle().await);
    others_apply(&mut bench).await;
    let mut tenant = bench.tenant("acme");
    tenant.spec.management = Management::Internal;
    bench.change((tenant, DeploymentKind::Update)).await;
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    assert!(keys(&bench).contains(&"deployment.taken_over".to_owned()));
    assert!(!is_untouched(&bench));
    // And gives it away again: what runs is as the manifest says, so nothing has to happen.
    bench.line().applied.lock().clear();
    let mut tenant = bench.tenant("acme");
    tenant.spec.management = Management::External;
    bench.change((tenant, DeploymentKind::Update)).await;
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    assert!(bench.line().applied.lock().is_empty());
}

#[tokio::test]
async fn what_others_make_between_the_take_over_and_its_apply_is_taken_over_too() {
    // At each step of applying, and several at once.
    for after_applies in 0..4 {
        for is_of_another_installation in [false, true] {
            let mut bench = Bench::new().await;
            bench.create_external("acme", None).await;
            assert!(bench.settle().await);
            others_apply(&mut bench).await;
            let names =
                [("NetworkPolicy", "chatbot"), ("Service", "chatbot-service"), ("Deployment", "chatbot")];
            let made = names.map(|(kind, name)| MadeByOthers {
                kind,
                name,
                after_applies,
                is_of_another_installation,
            });
            bench.line().made_by_others.lock().extend(made);
            let mut tenant = bench.tenant("acme");
            tenant.spec.management = Management::Internal;
            let taking_over = bench.change((tenant, DeploymentKind::Update)).await;
            bench.run_to_rest().await;
            let ended = bench.deployment(&taking_over);
            // What came after its apply is nobody's business until it is healed.
            let is_met = after_applies <= 3;
            if is_of_another_installation && is_met {
                let failure = ended.failure.expect("it is refused");
                assert_eq!(failure.code, "CONFLICT", "{after_applies}");
                assert_eq!(&*failure.message.key, "deployment.foreign_object");
            } else {
                assert_eq!(ended.status, DeploymentStatus::Running, "{after_applies}: {:?}", ended.failure);
                assert_eq!(bench.status("acme"), TenantStatus::Running);
                let told = keys(&bench).iter().filter(|key| *key == "deployment.taken_over").count();
                assert_eq!(told, 1);
            }
        }
    }
}

#[tokio::test]
async fn what_others_make_under_a_name_of_a_tenant_of_ours_is_never_taken_over() {
    let mut bench = Bench::new().await;
    let (kind, name) = ("Service", "chatbot-service");
    let made = MadeByOthers { kind, name, after_applies: 0, is_of_another_installation: false };
    bench.line().made_by_others.lock().push(made);
    let deployment_id = bench.create("acme", None).await;
    bench.run_to_rest().await;
    let failure = bench.deployment(&deployment_id).failure.expect("it is refused");
    assert_eq!((failure.code.as_str(), &*failure.message.key), ("CONFLICT", "deployment.foreign_object"));
}
