//! Deployments that fail, clusters that do not answer, and how either ends.

use super::*;
use ecp_core::tenant::DemoFault;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn each_fault_that_can_be_asked_for_fails_the_deployment_with_its_reason() {
    for (fault, code, words) in [
        (DemoFault::ImageNotFound, "DEPLOYMENT_FAILED", "ImagePullBackOff"),
        (DemoFault::CrashLoop, "DEPLOYMENT_FAILED", "CrashLoopBackOff"),
        (DemoFault::Unschedulable, "INSUFFICIENT_RESOURCES", "32 Insufficient nvidia.com/gpu"),
    ] {
        let mut bench = Bench::new().await;
        let deployment_id = bench.create("acme", Some(fault)).await;
        bench.run_to_rest().await;
        let failed = bench.deployment(&deployment_id);
        assert_eq!((failed.status, failed.phase), (DeploymentStatus::Failed, Phase::Failed), "{fault}");
        assert!(failed.progress < 100 && failed.finished_at.is_some());
        assert_progress_only_grows(&failed);
        let failure = failed.failure.clone().unwrap();
        assert_eq!(failure.code, code);
        for language in [Language::Ko, Language::En] {
            let text = failure.message.render(language);
            assert!(text.contains(words), "{text}");
            assert!(log(&failed, language).contains(&text));
        }
        let callbot = failed.pending_resources.iter().find(|resource| resource.name == "callbot").unwrap();
        assert_eq!((callbot.status.as_str(), &callbot.reason), ("Failed", &Some(failure.message)));
        assert_eq!(bench.status("acme"), TenantStatus::Failed);
        assert_eq!(bench.trail("acme").await, [("tenant.create".to_owned(), "failed".to_owned())]);
    }
}

#[tokio::test]
async fn a_change_that_takes_the_fault_away_makes_a_failed_tenant_run() {
    let mut bench = Bench::new().await;
    bench.create("acme", Some(DemoFault::CrashLoop)).await;
    bench.run_to_rest().await;
    let mut tenant = bench.tenant("acme");
    tenant.spec.demo_fault = None;
    bench.change((tenant, DeploymentKind::Update)).await;
    bench.run_to_rest().await;
    assert_eq!(bench.newest("acme").status, DeploymentStatus::Running);
    assert_eq!(bench.status("acme"), TenantStatus::Running);
}

#[tokio::test]
async fn a_tenant_without_room_fails_and_runs_by_itself_once_another_makes_room() {
    let mut nodes = crate::SimulatedNodes::default();
    nodes.pools.truncate(1);
    nodes.pools[0].nodes = 1;
    nodes.pools[0].gpu = 4;
    let mut bench = Bench::with(nodes, 8).await;
    bench.create("first", None).await;
    bench.run_to_rest().await;
    bench.create("second", None).await;
    bench.run_to_rest().await;
    let failed = bench.newest("second");
    assert_eq!(failed.failure.unwrap().code, "INSUFFICIENT_RESOURCES");
    assert_eq!(bench.status("second"), TenantStatus::Failed);

    bench.change(removal(bench.tenant("first"), false)).await;
    bench.run_to_rest().await;
    assert_eq!(bench.status("second"), TenantStatus::Running);
    let recovered = bench.newest("second");
    assert_eq!((recovered.status, recovered.failure), (DeploymentStatus::Running, None));
}

#[tokio::test]
async fn a_cluster_that_does_not_answer_is_tried_again_and_again_and_nothing_is_lost() {
    let mut bench = Bench::new().await;
    bench.line().cut.store(true, Ordering::SeqCst);
    let deployment_id = bench.create("acme", None).await;
    let mut told = None;
    for _attempt in 1..=4 {
        assert!(bench.settle().await);
        let waiting = bench.deployment(&deployment_id);
        assert!(!waiting.status.is_final());
        let last = log(&waiting, Language::Ko).pop().unwrap();
        assert!(last.contains("connection refused"), "{last}");
        // Once an outage, however often it is tried.
        assert_eq!(*told.get_or_insert_with(|| waiting.logs.clone()), waiting.logs);
        let due = bench.store().next_work_due().await.unwrap().unwrap();
        assert!(due > bench.clock.now(), "it waits before the next try");
        assert!(bench.settle().await);
        assert_eq!(log(&bench.deployment(&deployment_id), Language::Ko).pop(), Some(last), "not before");
        bench.clock.set(due);
    }
    bench.line().cut.store(false, Ordering::SeqCst);
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
}

#[tokio::test]
async fn a_cluster_that_goes_away_leaves_running_tenants_as_they_are() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    bench.line().cut.store(true, Ordering::SeqCst);
    let commits = bench.commits();
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    assert_eq!(bench.commits(), commits);
}

#[tokio::test]
async fn a_refused_object_fails_the_deployment_with_what_the_cluster_said() {
    let mut bench = Bench::new().await;
    *bench.line().refused_kind.lock() = Some("Secret");
    let deployment_id = bench.create("acme", None).await;
    bench.run_to_rest().await;
    let failed = bench.deployment(&deployment_id);
    assert_eq!(failed.status, DeploymentStatus::Failed);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, "DEPLOYMENT_FAILED");
    assert!(failure.message.render(Language::En).contains("denied by policy"));
    let commits = bench.commits();
    bench.process().controller.look_around().await;
    bench.run_to_rest().await;
    assert_eq!(bench.commits(), commits, "a refusal is not repeated");
}

#[tokio::test]
async fn a_deployment_that_stands_still_fails_at_its_deadline_and_recovers_when_it_moves_on() {
    let mut bench = Bench::new().await;
    let deployment_id = bench.create("acme", None).await;
    assert!(bench.settle().await);
    for (seconds, expected) in [(599, DeploymentStatus::Deploying), (2, DeploymentStatus::Failed)] {
        bench.watch_seconds(seconds);
        bench.process().controller.look_around().await;
        assert!(bench.settle().await);
        assert_eq!(bench.deployment(&deployment_id).status, expected);
    }
    let failed = bench.deployment(&deployment_id);
    let failure = failed.failure.unwrap();
    assert_eq!(failure.code, "DEPLOYMENT_FAILED");
    assert!(failure.message.render(Language::Ko).contains("callbot, chatbot"), "{failure:?}");
    assert_eq!(bench.status("acme"), TenantStatus::Failed);
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
}

#[tokio::test]
async fn a_deletion_waits_for_a_cluster_that_does_not_answer() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    bench.line().cut.store(true, Ordering::SeqCst);
    bench.change(removal(bench.tenant("acme"), false)).await;
    assert!(bench.settle().await);
    assert_eq!(bench.status("acme"), TenantStatus::Deleting);
    bench.line().cut.store(false, Ordering::SeqCst);
    bench.clock.pass_seconds(60);
    bench.run_to_rest().await;
    assert!(bench.store().tenant(&id("acme")).is_none());
}

#[tokio::test]
async fn what_waits_for_a_cluster_goes_on_as_soon_as_it_answers_and_counts_its_failures_on() {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    bench.line().cut.store(true, Ordering::SeqCst);
    bench.change(removal(bench.tenant("acme"), false)).await;
    // Put off for longer and longer.
    for _attempt in 1..=9 {
        bench.process().controller.shared.end_outage();
        assert!(bench.settle().await);
        let due = bench.store().next_work_due().await.unwrap().unwrap();
        bench.clock.set(due);
    }
    assert!(bench.settle().await);
    let put_off = bench.store().next_work_due().await.unwrap().unwrap();
    assert!(put_off.duration_since(bench.clock.now()).as_secs() >= 40);
    // Away as before, it is asked no sooner.
    bench.process().controller.shared.end_outage();
    assert_eq!(bench.store().next_work_due().await.unwrap(), Some(put_off));

    bench.line().cut.store(false, Ordering::SeqCst);
    bench.process().controller.shared.end_outage();
    assert_eq!(bench.store().next_work_due().await.unwrap(), Some(bench.clock.now()));
    assert!(bench.settle().await);
    assert!(
        bench.newest("acme").phase != Phase::Failed && bench.line().simulated.observe(&id("acme")).is_ok()
    );
    bench.run_to_rest().await;
    assert!(bench.store().tenant(&id("acme")).is_none());
    assert!(bench.clock.now() < put_off, "long before it would have been tried");
}
