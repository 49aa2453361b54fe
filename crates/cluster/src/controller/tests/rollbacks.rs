//! Updates that fail, and what ran before.

use super::bench::Refused;
use super::*;
use ecp_core::ids::DeploymentId;
use ecp_core::origin::Caller;
use ecp_core::revision::Cause;
use ecp_core::tenancy::{Tenancy, TenancyError, TenantPatch};
use ecp_core::tenant::DemoFault;
use std::collections::BTreeMap;

fn tenancy(bench: &Bench) -> Tenancy {
    let process = bench.process();
    let (store, line) = (process.store.clone(), process.line.clone());
    Tenancy::new(bench.catalog.clone(), store, line, bench.clock.clone(), 1.0)
}

/// Changes the tenant as a request does: a service more, and a fault that fails the roll-out.
async fn update_that_fails(bench: &Bench, rollback: Option<bool>) {
    let caller = bench.caller("acme", "tenant.update");
    let patch = TenantPatch {
        service_requirements: BTreeMap::from([(Service::Advisor, 5)]),
        demo_fault: Some(Some(DemoFault::CrashLoop)),
        ..TenantPatch::default()
    };
    tenancy(bench).update_tenant(&caller, &id("acme"), patch, None, rollback).await.unwrap();
}

async fn running() -> Bench {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    bench
}

#[tokio::test]
async fn an_update_that_fails_brings_back_what_ran_before_where_asked_to() {
    let mut bench = running().await;
    let before = bench.tenant("acme");
    update_that_fails(&bench, Some(true)).await;
    let update = bench.tenant("acme").deployment_id;
    bench.run_to_rest().await;

    let failed = bench.deployment(&update);
    assert_eq!((failed.status, failed.phase), (DeploymentStatus::RolledBack, Phase::RollingBack));
    assert_eq!(failed.failure.unwrap().code, "DEPLOYMENT_FAILED");
    let after = bench.tenant("acme");
    assert_eq!((after.status, after.generation), (TenantStatus::Running, before.generation + 2));
    assert_eq!(after.spec, before.spec);
    assert_eq!(bench.newest("acme").status, DeploymentStatus::Running);
    let objects = bench.line().simulated.observe(&id("acme")).unwrap().objects;
    assert!(!objects.iter().any(|object| object.name.starts_with("advisor")));
    let trail = bench.trail("acme").await;
    assert_eq!(trail.iter().filter(|(action, _)| action == "tenant.rollback").count(), 1, "{trail:?}");
}

#[tokio::test]
async fn an_update_that_fails_is_kept_where_nobody_asked_for_what_ran_before() {
    for rollback in [None, Some(false)] {
        let mut bench = running().await;
        update_that_fails(&bench, rollback).await;
        let update = bench.tenant("acme");
        bench.run_to_rest().await;
        let after = bench.tenant("acme");
        assert_eq!((&after.deployment_id, after.status), (&update.deployment_id, TenantStatus::Failed));
        assert!(after.spec.service_requirements.contains_key(&Service::Advisor));
    }
}

#[tokio::test]
async fn a_crash_after_any_event_of_a_rollback_converges_to_what_ran_before() {
    let mut events = 0;
    loop {
        let mut bench = running().await;
        let before = bench.tenant("acme");
        update_that_fails(&bench, Some(true)).await;
        let failed = bench.tenant("acme").deployment_id.clone();
        let mut at_rest = false;
        for _ in 0..events {
            at_rest = !bench.step().await;
        }
        bench.crash_and_restart().await;
        bench.run_to_rest().await;
        let after = bench.tenant("acme");
        let ended = bench.store().deployment(&failed).unwrap().status;
        assert_eq!(ended, DeploymentStatus::RolledBack, "crashed after {events} events");
        assert_eq!(after.spec, before.spec, "crashed after {events} events");
        assert_eq!(after.status, TenantStatus::Running, "crashed after {events} events");
        if at_rest {
            break;
        }
        events += 5;
    }
    assert!(events > 20, "the rollback has more than {events} events");
}

/// What a tenant went through before the update that is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    Ran,
    /// So many updates failed since it ran.
    Failed(u32),
    /// The cluster refused an update since it ran.
    Refused(Refused),
    /// It never ran: its creation failed.
    NeverRan,
    /// It never ran: the cluster refused its creation.
    NeverTaken,
}

impl Past {
    const ALL: [Self; 7] = [
        Self::Ran,
        Self::Failed(1),
        Self::Failed(2),
        Self::Refused(Refused::Beforehand),
        Self::Refused(Refused::Applying),
        Self::NeverRan,
        Self::NeverTaken,
    ];

    fn ran(self) -> bool {
        !matches!(self, Self::NeverRan | Self::NeverTaken)
    }
}

/// What becomes of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Runs,
    Crashes,
    Refused(Refused),
}

impl Outcome {
    const ALL: [Self; 4] =
        [Self::Runs, Self::Crashes, Self::Refused(Refused::Beforehand), Self::Refused(Refused::Applying)];
}

/// Changes the tenant as a request does, so that this comes of it.
async fn update(bench: &mut Bench, outcome: Outcome, number: u32, rollback: bool) -> DeploymentId {
    let process = bench.process();
    *process.line.refused_object.lock() = match outcome {
        Outcome::Refused(at) => Some((at, "Deployment", "advisor")),
        Outcome::Runs | Outcome::Crashes => None,
    };
    let (advisor, ta) = if outcome == Outcome::Runs { (0, number) } else { (number, 0) };
    let patch = TenantPatch {
        service_requirements: BTreeMap::from([(Service::Advisor, advisor), (Service::Ta, ta)]),
        demo_fault: Some((outcome == Outcome::Crashes).then_some(DemoFault::CrashLoop)),
        ..TenantPatch::default()
    };
    let caller = bench.caller("acme", "tenant.update");
    tenancy(bench).update_tenant(&caller, &id("acme"), patch, None, Some(rollback)).await.unwrap();
    let deployment_id = bench.tenant("acme").deployment_id;
    bench.run_to_rest().await;
    deployment_id
}

async fn lived_through(past: Past) -> Bench {
    let mut bench = Bench::new().await;
    if past == Past::NeverTaken {
        *bench.line().refused_beforehand.lock() = Some("Secret");
    }
    bench.create("acme", (past == Past::NeverRan).then_some(DemoFault::CrashLoop)).await;
    bench.run_to_rest().await;
    *bench.line().refused_beforehand.lock() = None;
    match past {
        Past::Failed(times) => {
            for number in 0..times {
                update(&mut bench, Outcome::Crashes, 5 + number, false).await;
            }
        }
        Past::Refused(at) => _ = update(&mut bench, Outcome::Refused(at), 5, false).await,
        Past::Ran | Past::NeverRan | Past::NeverTaken => {}
    }
    bench
}

/// Makes the record say that not all serves, as it does between a loss and its recovery.
async fn degrade(bench: &Bench) {
    let deployment = bench.newest("acme");
    let update = ProgressUpdate { deployment, tenant_status: TenantStatus::Pending, audit: None };
    bench.store().record_progress(update).await.unwrap();
}

#[tokio::test]
async fn a_rollback_goes_to_what_last_ran_whole_whatever_happened_in_between() {
    let mut restart = false;
    for past in Past::ALL {
        for degraded in [false, true] {
            for outcome in Outcome::ALL {
                let story = format!("{past:?}, degraded: {degraded}, then {outcome:?}, restart: {restart}");
                let mut bench = lived_through(past).await;
                let first =
                    bench.store().revisions(&id("acme")).await.unwrap().iter().next().unwrap().clone();
                if degraded {
                    degrade(&bench).await;
                }
                if restart {
                    bench.crash_and_restart().await;
                    bench.run_to_rest().await;
                }
                restart = !restart;
                let deployment_id = update(&mut bench, outcome, 20, true).await;
                let (ended, tenant) = (bench.deployment(&deployment_id), bench.tenant("acme"));
                let said_so =
                    ended.logs.iter().any(|line| line.message.key == "deployment.nothing_to_return_to");
                // Whatever became of it, what is in force is whole, bound and healed, and the trail says what happened.
                if bench.store().revisions(&id("acme")).await.unwrap().in_force().is_some() {
                    bench.assert_sound("acme").await;
                }
                if outcome == Outcome::Runs {
                    assert_eq!(
                        (ended.status, tenant.status),
                        (DeploymentStatus::Running, TenantStatus::Running),
                        "{story}"
                    );
                    assert!(!said_so, "{story}");
                    continue;
                }
                if !past.ran() {
                    assert_eq!(
                        (ended.status, tenant.status),
                        (DeploymentStatus::Failed, TenantStatus::Failed),
                        "{story}"
                    );
                    assert!(said_so, "{story}");
                    continue;
                }
                assert_eq!(
                    (ended.status, tenant.status),
                    (DeploymentStatus::RolledBack, TenantStatus::Running),
                    "{story}"
                );
                assert_eq!((&tenant.spec, &tenant.sizing), (&first.spec, &first.sizing), "{story}");
                let newest = bench.store().revisions(&id("acme")).await.unwrap().newest().unwrap().clone();
                assert_eq!((newest.manifest, newest.cause), (first.manifest, Cause::Rollback), "{story}");
                let objects = bench.line().simulated.observe(&id("acme")).unwrap().objects;
                assert!(objects.iter().all(|object| object.ready), "{story}");
                assert!(!objects.iter().any(|object| object.name.starts_with("advisor")), "{story}");
            }
        }
    }
}

#[tokio::test]
async fn a_failed_creation_says_that_there_is_nothing_to_go_back_to_where_a_rollback_is_wanted() {
    let mut bench = Bench::new().await;
    bench.options.rollback_on_failure = true;
    bench.crash_and_restart().await;
    let deployment_id = bench.create("acme", Some(DemoFault::CrashLoop)).await;
    bench.run_to_rest().await;
    let failed = bench.deployment(&deployment_id);
    assert_eq!(failed.status, DeploymentStatus::Failed);
    assert!(failed.logs.iter().any(|line| line.message.key == "deployment.nothing_to_return_to"));
}

#[tokio::test]
async fn by_hand_a_rollback_goes_to_the_last_that_ran_and_is_not_what_runs_now() {
    let mut bench = running().await;
    let caller = Caller { actor: "operator".to_owned(), origin: None };
    let back = async |bench: &mut Bench, to: Option<&DeploymentId>| {
        let rolled = tenancy(bench).roll_back_tenant(&caller, &id("acme"), to, None).await;
        bench.run_to_rest().await;
        rolled.map(|tenant| tenant.spec.clone())
    };
    let first = bench.tenant("acme");
    let refused = back(&mut bench, None).await;
    assert!(matches!(refused, Err(TenancyError::NothingToReturnTo { .. })), "{refused:?}");
    let second = update(&mut bench, Outcome::Runs, 5, false).await;
    let second_spec = bench.tenant("acme").spec;
    let failed = update(&mut bench, Outcome::Crashes, 5, false).await;
    assert_eq!(bench.status("acme"), TenantStatus::Failed);

    assert_eq!(back(&mut bench, None).await.unwrap(), second_spec, "what failed gives way to what ran");
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    let newest = bench.newest("acme");
    assert_eq!((newest.cause, newest.actor.as_deref()), (Cause::Rollback, Some("operator")));
    assert_eq!(back(&mut bench, None).await.unwrap(), first.spec, "and that to what ran before it");
    assert_eq!(back(&mut bench, Some(&second)).await.unwrap(), second_spec);
    let refused = back(&mut bench, Some(&failed)).await;
    assert!(matches!(refused, Err(TenancyError::NeverRan { .. })), "{refused:?}");
    let unknown = DeploymentId::from_text("dep-unknown");
    assert!(back(&mut bench, Some(&unknown)).await.is_err());
    // What runs already is not rolled out again.
    let commits = bench.commits();
    let present = bench.tenant("acme").deployment_id;
    assert_eq!(back(&mut bench, Some(&present)).await.unwrap(), second_spec);
    assert_eq!(bench.commits(), commits);
}
