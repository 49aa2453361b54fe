use super::*;
use crate::testing::World;
use ecp_core::metrics::{Interval, Metric, SeriesQuery};
use ecp_core::tenant::TenantStatus::{Pending, Running};

/// Saturday, 20 January 2024, 12:34:56 UTC.
const NOW_MS: i64 = 1_705_754_096_000;
const MINUTE_MS: i64 = 60_000;

fn load(world: &World) -> SyntheticLoad {
    let metrics = Arc::new(world.metrics.clone());
    SyntheticLoad::new(world.store.clone(), metrics, world.clock.clone(), HashSet::new())
}

async fn minutes(world: &World, tenant: &Tenant) -> Vec<(i64, f64)> {
    let end_ms = world.clock.now_ms();
    let query = SeriesQuery {
        metrics: vec![Metric::CpuUsage],
        start_ms: end_ms - 2 * HISTORY_MS,
        end_ms,
        interval: Interval::OneMinute,
    };
    world.metrics.query(&tenant.key(), &query).await.expect("answers").remove(0).points
}

#[test]
fn history_is_by_the_minute_and_only_as_long_as_the_gap() {
    let times = |newest_ms| due_times(newest_ms, NOW_MS).collect::<Vec<_>>();
    let live_ms = NOW_MS - NOW_MS % 5000;
    let new = times(None);
    assert_eq!(new.len(), 24 * 60 + 1);
    assert!(new[0] > NOW_MS - HISTORY_MS && new[0] <= NOW_MS - HISTORY_MS + MINUTE_MS);
    assert!(new[..1440].windows(2).all(|pair| pair[1] - pair[0] == MINUTE_MS));
    assert_eq!(new[1440], live_ms);
    assert_eq!(times(Some(NOW_MS - 30 * HISTORY_MS)), new);
    assert_eq!(times(Some(live_ms - 5000)), [live_ms]);
    assert!(times(Some(live_ms)).is_empty());
    assert!(times(Some(live_ms + MINUTE_MS)).is_empty());
    let gap = times(Some(NOW_MS - 10 * MINUTE_MS));
    assert_eq!(gap.len(), 11);
    assert!(gap[0] > NOW_MS - 10 * MINUTE_MS);
}

#[tokio::test]
async fn a_new_tenant_has_a_day_behind_it_at_once() {
    let world = World::new(NOW_MS);
    let (tenant, deleting) = (world.add_tenant("one", Pending).await, world.add_tenant("two", Running).await);
    world.start_deletion(&deleting).await;
    load(&world).feed(false).await;
    assert!(minutes(&world, &tenant).await.len() >= 24 * 60);
    assert_eq!(minutes(&world, &deleting).await, []);
    assert!(!world.metrics.has_own_samples(&tenant.key()).await.expect("answers"));

    world.clock.set(NOW_MS + 5000);
    load(&world).feed(true).await;
    let newest = || world.metrics.subscribe(&tenant.key()).borrow().and_then(|latest| latest.timestamp_ms());
    assert_eq!(newest(), Some(NOW_MS - NOW_MS % 5000), "it is not new any more");
    load(&world).feed(false).await;
    assert_eq!(newest(), Some(NOW_MS + 5000 - NOW_MS % 5000));
}

#[tokio::test]
async fn a_tenant_with_samples_of_its_own_gets_none() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let own = Sample { timestamp_ms: NOW_MS - 5 * MINUTE_MS, values: [12.0; 9] };
    world.metrics.append(&tenant.key(), SampleSource::Client, &[own]).await.expect("appends");
    load(&world).feed(false).await;
    let own_minute = own.timestamp_ms - own.timestamp_ms % MINUTE_MS;
    assert_eq!(minutes(&world, &tenant).await, [(own_minute, 12.0)]);
}

#[tokio::test]
async fn load_for_a_tenant_that_was_removed_meanwhile_does_not_stay() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    world.delete_tenant(&tenant).await;
    feed_tenant(&world.metrics, &tenant, false, world.clock.now()).await.expect("feeds");
    assert_eq!(minutes(&world, &tenant).await, []);
    assert!(world.metrics.subscribe(&tenant.key()).borrow().is_none());
}

#[tokio::test]
async fn a_tenant_that_appears_while_it_runs_is_fed_without_waiting() {
    let world = World::new(NOW_MS);
    let (load, cancel) = (load(&world), CancellationToken::new());
    let stop = cancel.clone();
    let running = tokio::spawn(async move { load.run(stop).await });
    let tenant = world.add_tenant("one", Pending).await;
    let mut newest = world.metrics.subscribe(&tenant.key());
    newest.wait_for(Option::is_some).await.expect("the store is open");
    cancel.cancel();
    running.await.expect("ends");
}
