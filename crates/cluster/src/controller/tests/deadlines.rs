//! What counts against the deadline of a roll-out, and what does not.

use super::*;
use std::sync::atomic::Ordering;

/// A creation that waits for its pods, none of which moves while the clock of the cluster stands.
async fn waiting() -> (Bench, ecp_core::ids::DeploymentId) {
    let mut bench = Bench::new().await;
    let deployment_id = bench.create("acme", None).await;
    assert!(bench.settle().await);
    (bench, deployment_id)
}

async fn look(bench: &mut Bench) -> DeploymentStatus {
    bench.process().controller.look_around().await;
    assert!(bench.settle().await);
    bench.newest("acme").status
}

#[tokio::test]
async fn an_outage_longer_than_the_deadline_fails_no_roll_out() {
    let (mut bench, _) = waiting().await;
    bench.watch_seconds(300);
    bench.line().cut.store(true, Ordering::SeqCst);
    for _ in 0..20 {
        bench.watch_seconds(600);
        assert_eq!(look(&mut bench).await, DeploymentStatus::Deploying);
    }
    bench.line().cut.store(false, Ordering::SeqCst);
    // The longest wait between two tries.
    bench.watch_seconds(60);
    assert_eq!(look(&mut bench).await, DeploymentStatus::Deploying);
    bench.run_to_rest().await;
    assert_eq!(bench.status("acme"), TenantStatus::Running);
}

#[tokio::test]
async fn a_machine_that_slept_and_a_clock_that_was_set_fail_no_roll_out() {
    let (mut bench, _) = waiting().await;
    bench.watch_seconds(300);
    // Nobody watched for a week.
    bench.clock.pass_seconds(7 * 86_400);
    assert_eq!(look(&mut bench).await, DeploymentStatus::Deploying);
    for days in [30, -60] {
        let now = bench.clock.now();
        bench.clock.step_to(now + jiff::SignedDuration::from_hours(24 * days));
        bench.watch_seconds(10);
        assert_eq!(look(&mut bench).await, DeploymentStatus::Deploying);
    }
    // What was watched counts all the same.
    bench.watch_seconds(290);
    assert_eq!(look(&mut bench).await, DeploymentStatus::Failed);
}

#[tokio::test]
async fn work_that_was_put_off_is_due_in_time_however_the_clock_is_set() {
    let mut bench = Bench::new().await;
    bench.line().cut.store(true, Ordering::SeqCst);
    bench.create("acme", None).await;
    assert!(bench.settle().await);
    let now = bench.clock.now();
    bench.clock.step_to(now - jiff::SignedDuration::from_hours(24));
    bench.line().cut.store(false, Ordering::SeqCst);
    bench.clock.pass_seconds(60);
    assert!(bench.settle().await);
    assert_eq!(bench.newest("acme").status, DeploymentStatus::Deploying);
}

#[tokio::test]
async fn restarts_do_not_begin_the_deadline_over_and_over() {
    let (mut bench, _) = waiting().await;
    let mut restarts = 0;
    while look(&mut bench).await == DeploymentStatus::Deploying {
        bench.watch_seconds(150);
        look(&mut bench).await;
        bench.crash_and_restart().await;
        restarts += 1;
        assert!(restarts < 20, "the deadline is never reached");
    }
    // The deadline is 600 s; a restart loses at most a tenth of it.
    assert!((4..=8).contains(&restarts), "{restarts}");
}

#[tokio::test]
async fn a_roll_out_that_a_webhook_keeps_from_going_on_says_so_once_and_fails_after_the_deadline() {
    let mut bench = Bench::new().await;
    *bench.line().hindered_object.lock() = Some(("Service", "callbot-service"));
    let deployment_id = bench.create("acme", None).await;
    assert!(bench.settle().await);
    let waits = |bench: &Bench| {
        let logs = bench.newest("acme").logs;
        logs.iter().filter(|line| line.message.key == "cluster.hindered_by_admission").count()
    };
    assert_eq!(waits(&bench), 1);
    for seconds in [5, 300] {
        bench.watch_seconds(seconds);
        assert_eq!(look(&mut bench).await, DeploymentStatus::Deploying);
    }
    assert_eq!(waits(&bench), 1, "each reason once");
    bench.watch_seconds(400);
    look(&mut bench).await;
    let failed = bench.deployment(&deployment_id);
    assert_eq!(failed.status, DeploymentStatus::Failed);
    let failure = failed.failure.expect("it says why");
    assert!(failure.message.render(Language::En).contains("failed calling webhook"));
}
