//! Updates that fail, and what ran before.

use super::*;
use ecp_core::tenancy::{Caller, Tenancy, TenantPatch};
use ecp_core::tenant::DemoFault;
use std::collections::BTreeMap;

/// Changes the tenant as a request does: a service more, and a fault that fails the roll-out.
async fn update_that_fails(bench: &Bench, rollback: Option<bool>) {
    let process = bench.process();
    let tenancy = Tenancy::new(
        Arc::new(Catalog::embedded()),
        process.store.clone(),
        process.line.clone(),
        bench.clock.clone(),
        1.0,
    );
    let caller = Caller { actor: "anonymous".to_owned(), request_id: "req-1".to_owned() };
    let patch = TenantPatch {
        service_requirements: BTreeMap::from([(Service::Advisor, 5)]),
        demo_fault: Some(Some(DemoFault::CrashLoop)),
        ..TenantPatch::default()
    };
    tenancy.update_tenant(&caller, &id("acme"), patch, None, rollback).await.unwrap();
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
        let mut at_rest = false;
        for _ in 0..events {
            at_rest = !bench.step().await;
        }
        bench.crash_and_restart().await;
        bench.run_to_rest().await;
        let after = bench.tenant("acme");
        assert_eq!(after.spec, before.spec, "crashed after {events} events");
        assert_eq!(after.status, TenantStatus::Running, "crashed after {events} events");
        if at_rest {
            break;
        }
        events += 5;
    }
    assert!(events > 20, "the rollback has more than {events} events");
}
