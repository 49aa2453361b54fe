//! The quota during a roll-out and at each of its ends: never absent, never wide for long.

use super::*;
use ecp_core::quantity::parse_quantity;
use ecp_core::tenant::DemoFault;
use std::sync::atomic::Ordering;

impl Bench {
    /// How much the quota in the cluster lets the tenant have, in thousandths.
    fn hard(&self, name: &str, resource: &str) -> Option<u128> {
        let live = self.line().live.lock();
        let key = (id(name), "ResourceQuota", "tenant-quota".to_owned());
        let Object::ResourceQuota(quota) = live.get(&key)? else { return None };
        parse_quantity(&quota.spec.as_ref()?.hard.as_ref()?.get(resource)?.0)
    }
}

/// A tenant that runs, and a change to fewer and larger pods under the same plan.
async fn running_and_change() -> (Bench, (Tenant, DeploymentKind)) {
    let mut bench = Bench::new().await;
    bench.create("acme", None).await;
    bench.run_to_rest().await;
    let (mut tenant, kind) = changed(bench.tenant("acme"), &[(Service::Callbot, 50), (Service::Chatbot, 90)]);
    // 5 pods where there were 3: the plan is full with them.
    tenant.sizing.services[1].replicas = 5;
    tenant.sizing.resources.cpu_millicores += 4000;
    (bench, (tenant, kind))
}

/// Steps until the deployment is final, with a look at the quota after each.
async fn watch_to_the_end(bench: &mut Bench, most: u128) -> u128 {
    let mut widest = 0;
    loop {
        let going_on = bench.step().await;
        let hard = bench.hard("acme", "limits.cpu").expect("the quota is there at any time");
        assert!(hard <= most, "{hard} is more than the roll-out needs");
        widest = widest.max(hard);
        if !going_on {
            return widest;
        }
    }
}

#[tokio::test]
async fn the_quota_is_there_throughout_an_update_and_as_rendered_after_it() {
    let (mut bench, change) = running_and_change().await;
    let before = bench.hard("acme", "limits.cpu").unwrap();
    let deployment_id = bench.change(change).await;
    // Old and new pods are as large: the larger plan is all that is needed.
    assert_eq!(watch_to_the_end(&mut bench, before + 4_000).await, before + 4_000);
    assert_eq!(bench.deployment(&deployment_id).status, DeploymentStatus::Running);
    bench.assert_sound("acme").await;
}

#[tokio::test]
async fn a_plan_that_shrinks_keeps_the_larger_quota_until_the_old_pods_are_gone() {
    let (mut bench, change) = running_and_change().await;
    bench.change(change).await;
    bench.run_to_rest().await;
    let large = bench.hard("acme", "limits.cpu").unwrap();
    let (mut tenant, kind) = changed(bench.tenant("acme"), &[(Service::Callbot, 50)]);
    tenant.sizing.resources.cpu_millicores = 8000;
    bench.change((tenant, kind)).await;
    assert!(bench.settle().await);
    assert_eq!(bench.hard("acme", "limits.cpu"), Some(large));
    bench.run_to_rest().await;
    assert!(bench.hard("acme", "limits.cpu").unwrap() < large);
    bench.assert_sound("acme").await;
}

#[tokio::test]
async fn an_update_that_fails_brings_the_quota_back() {
    let (mut bench, (mut tenant, kind)) = running_and_change().await;
    tenant.spec.demo_fault = Some(DemoFault::CrashLoop);
    let deployment_id = bench.change((tenant, kind)).await;
    watch_to_the_end(&mut bench, u128::MAX).await;
    assert_eq!(bench.deployment(&deployment_id).status, DeploymentStatus::Failed);
    bench.assert_sound("acme").await;
}

#[tokio::test]
async fn an_update_that_is_superseded_leaves_no_wide_quota() {
    let (mut bench, change) = running_and_change().await;
    let first = bench.change(change).await;
    assert!(bench.settle().await);
    assert!(bench.newest("acme").unsettled);
    bench.change(changed(bench.tenant("acme"), &[(Service::Callbot, 50)])).await;
    watch_to_the_end(&mut bench, u128::MAX).await;
    assert_eq!(bench.deployment(&first).status, DeploymentStatus::RolledBack);
    assert_eq!(bench.status("acme"), TenantStatus::Running);
    bench.assert_sound("acme").await;
}

#[tokio::test]
async fn a_crash_before_or_after_any_apply_of_an_update_leaves_no_wide_quota_and_heals_nothing() {
    for fault in [None, Some(DemoFault::CrashLoop)] {
        let mut points = 0;
        loop {
            let (mut bench, (mut tenant, kind)) = running_and_change().await;
            tenant.spec.demo_fault = fault;
            bench.change((tenant, kind)).await;
            bench.line().dies_after.store(points, Ordering::SeqCst);
            let mut survived = bench.settle().await;
            while survived && bench.next_event() {
                survived = bench.settle().await;
            }
            bench.crash_and_restart().await;
            bench.run_to_rest().await;
            let newest = bench.newest("acme");
            assert!(newest.status.is_final(), "died at point {points}");
            assert!(!newest.unsettled, "{fault:?}: died at point {points}: {:?}", newest.status);
            let trail = bench.trail("acme").await;
            assert!(trail.iter().all(|(action, _)| action != "tenant.heal"), "{points}: {trail:?}");
            bench.assert_sound("acme").await;
            if survived {
                break;
            }
            points += 1;
        }
        assert!(points >= 8, "three steps and the end are applied, each before and after: {points}");
    }
}
