//! Crashes at any point: what is on disk is enough to go on.

use super::*;
use ecp_core::tenant::DemoFault;
use std::sync::atomic::Ordering;

#[tokio::test]
async fn a_crash_after_any_event_of_a_roll_out_converges() {
    let mut events = 0;
    loop {
        let mut bench = Bench::new().await;
        let deployment_id = bench.create("acme", None).await;
        let mut at_rest = false;
        for _ in 0..events {
            at_rest = !bench.step().await;
        }
        bench.crash_and_restart().await;
        bench.run_to_rest().await;
        let done = bench.deployment(&deployment_id);
        assert_eq!(done.status, DeploymentStatus::Running, "crashed after {events} events");
        assert_progress_only_grows(&done);
        assert_eq!(bench.status("acme"), TenantStatus::Running);
        if at_rest {
            break;
        }
        events += 5;
    }
    assert!(events > 20, "the roll-out has more than {events} events");
}

#[tokio::test]
async fn a_crash_before_or_after_any_apply_converges() {
    let mut points = 0;
    loop {
        let mut bench = Bench::new().await;
        let deployment_id = bench.create("acme", None).await;
        bench.line().dies_after.store(points, Ordering::SeqCst);
        let survived = bench.settle().await;
        bench.crash_and_restart().await;
        bench.run_to_rest().await;
        let done = bench.deployment(&deployment_id);
        assert_eq!(done.status, DeploymentStatus::Running, "died at point {points}");
        assert_progress_only_grows(&done);
        if survived {
            break;
        }
        points += 1;
    }
    assert_eq!(points, 6, "before and after each of three applies");
}

#[tokio::test]
async fn a_crash_during_a_deletion_converges() {
    for events in [0, 1, 2, 5, 20] {
        let mut bench = Bench::new().await;
        bench.create("acme", None).await;
        bench.run_to_rest().await;
        bench.change(removal(bench.tenant("acme"), false)).await;
        for _ in 0..events {
            bench.step().await;
        }
        bench.crash_and_restart().await;
        bench.run_to_rest().await;
        assert!(bench.store().tenant(&id("acme")).is_none(), "crashed after {events} events");
    }
}

#[tokio::test]
async fn after_a_restart_running_tenants_run_at_once_and_nothing_flaps() {
    let mut bench = Bench::new().await;
    for name in ["acme", "bravo"] {
        bench.create(name, None).await;
    }
    bench.run_to_rest().await;
    let before: Vec<Tenant> = ["acme", "bravo"].map(|name| bench.tenant(name)).to_vec();
    let used = bench.line().capacity().unwrap().used;
    bench.crash_and_restart().await;
    assert_eq!(bench.line().capacity().unwrap().used, used);
    let commits = bench.commits();
    bench.run_to_rest().await;
    assert_eq!(bench.commits(), commits, "nothing had to be written");
    assert_eq!(["acme", "bravo"].map(|name| bench.tenant(name)).to_vec(), before);
}

#[tokio::test]
async fn after_a_restart_a_failed_tenant_is_still_failed() {
    let mut bench = Bench::new().await;
    bench.create("acme", Some(DemoFault::CrashLoop)).await;
    bench.run_to_rest().await;
    bench.crash_and_restart().await;
    let mut seen = BTreeSet::new();
    loop {
        seen.insert(bench.status("acme").as_str());
        if !bench.step().await {
            break;
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["failed"]);
}

#[tokio::test]
async fn waiting_for_a_cluster_survives_a_restart() {
    let mut bench = Bench::new().await;
    bench.line().cut.store(true, Ordering::SeqCst);
    bench.create("acme", None).await;
    assert!(bench.settle().await);
    bench.crash_and_restart().await;
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
}

#[tokio::test]
async fn time_that_nobody_watched_does_not_count_against_the_deadline() {
    let mut bench = Bench::new().await;
    let deployment_id = bench.create("acme", None).await;
    assert!(bench.settle().await);
    bench.clock.pass_seconds(7 * 86_400);
    bench.crash_and_restart().await;
    assert!(bench.settle().await);
    assert_eq!(bench.deployment(&deployment_id).status, DeploymentStatus::Deploying);
    bench.run_to_rest().await;
    assert_eq!(bench.deployment(&deployment_id).status, DeploymentStatus::Running);
}
