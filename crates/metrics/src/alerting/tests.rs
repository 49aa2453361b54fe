use super::*;
use crate::testing::World;
use ecp_core::alerts::Severity;
use ecp_core::metrics::Metric;
use ecp_core::ports::AlertQuery;
use ecp_core::tenant::TenantStatus::{Pending, Running};

/// Saturday, 20 January 2024, 12:34:56 UTC.
const NOW_MS: i64 = 1_705_754_096_000;
const SECOND_MS: i64 = 1000;
const MINUTE_MS: i64 = 60 * SECOND_MS;

fn engine(world: &World) -> AlertEngine {
    AlertEngine::new(world.store.clone(), world.store.clone(), world.clock.clone())
}

/// All alerts of a tenant.
fn all_of(tenant: &Tenant) -> AlertQuery {
    AlertQuery { tenant_id: Some(tenant.id.clone()), limit: 9, ..Default::default() }
}

fn sample(timestamp_ms: i64, metric: Metric, value: f64) -> Sample {
    let mut sample = Sample::empty(timestamp_ms);
    sample.values[metric.index()] = value;
    sample
}

fn cpu(timestamp_ms: i64, value: f64) -> Sample {
    sample(timestamp_ms, Metric::CpuUsage, value)
}

/// Records what waits and returns every recorded change: what it did, how serious, its value.
async fn recorded(engine: &AlertEngine, tenant: &Tenant) -> Vec<(AlertChange, Severity, f64)> {
    engine.record_waiting().await.expect("records");
    let events = engine.store.alert_events_after(&tenant.id, 0).await.expect("answers");
    events.iter().map(|event| (event.change, event.alert.severity, event.alert.current_value)).collect()
}

#[tokio::test]
async fn an_alert_opens_moves_and_resolves_as_samples_arrive() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    for (second, value) in [(0, 80.0), (5, 85.2), (10, 90.0), (15, 96.0), (20, 70.0), (25, 70.0)] {
        engine.samples_stored(
            &tenant.key(),
            SampleSource::Client,
            &[cpu(NOW_MS + second * SECOND_MS, value)],
        );
    }
    use AlertChange::{Opened, Raised, Resolved};
    use Severity::{Critical, Warning};
    assert_eq!(
        recorded(&engine, &tenant).await,
        [(Opened, Warning, 85.2), (Raised, Critical, 96.0), (Resolved, Critical, 70.0)]
    );
    assert!(world.store.open_alerts(&tenant.id).is_empty());
    let (alerts, _) = world.store.alerts(all_of(&tenant)).await.expect("answers");
    assert_eq!(to_millis(alerts[0].opened_at), NOW_MS + 5 * SECOND_MS, "an alert has its sample's time");
}

#[tokio::test]
async fn what_is_newest_is_judged_for_each_metric_by_itself() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 30.0)]);
    let memory = sample(NOW_MS - MINUTE_MS, Metric::MemoryUsage, 97.0);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[memory]);
    let opened = (AlertChange::Opened, Severity::Critical, 97.0);
    assert_eq!(recorded(&engine, &tenant).await, [opened], "older than the other metric's, and its newest");
}

#[tokio::test]
async fn a_sample_that_is_ahead_is_judged_in_its_time_and_puts_nothing_off() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = Arc::new(engine(&world));
    world.metrics.observe(engine.clone());
    let append = async |sample: Sample| {
        world.metrics.append(&tenant.key(), SampleSource::Client, &[sample]).await.expect("appends")
    };
    append(cpu(NOW_MS + 240 * SECOND_MS, 99.0)).await;
    append(cpu(NOW_MS, 30.0)).await;
    assert_eq!(recorded(&engine, &tenant).await, [], "its time has not come");
    append(cpu(NOW_MS, 85.2)).await;
    let opened = (AlertChange::Opened, Severity::Warning, 85.2);
    assert_eq!(recorded(&engine, &tenant).await, [opened]);
    world.clock.set(NOW_MS + 240 * SECOND_MS - 1);
    world.metrics.show_due();
    assert_eq!(recorded(&engine, &tenant).await.len(), 1);
    world.clock.set(NOW_MS + 240 * SECOND_MS);
    world.metrics.show_due();
    assert_eq!(recorded(&engine, &tenant).await[1..], [(AlertChange::Raised, Severity::Critical, 99.0)]);
}

#[tokio::test]
async fn after_the_clock_was_set_back_the_present_is_judged_at_once() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 50.0)]);
    world.clock.set(NOW_MS - 60 * MINUTE_MS);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(world.clock.now_ms(), 97.0)]);
    assert_eq!(recorded(&engine, &tenant).await, [(AlertChange::Opened, Severity::Critical, 97.0)]);
}

#[tokio::test]
async fn an_alert_whose_metric_is_no_longer_sent_ends_after_five_minutes() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    let at = |second: i64| world.clock.set(NOW_MS + second * SECOND_MS);
    let now = || world.clock.now_ms();
    engine.check_silence(world.clock.now());
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(now(), 97.0)]);
    at(200);
    // Late, and of the last minutes: the metric is still sent.
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(now() - 210 * SECOND_MS, 97.0)]);
    at(400);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[sample(now(), Metric::GpuUsage, 10.0)]);
    at(500);
    engine.check_silence(world.clock.now());
    assert_eq!(recorded(&engine, &tenant).await.len(), 1);
    at(501);
    engine.check_silence(world.clock.now());
    engine.check_silence(world.clock.now());
    let changes = recorded(&engine, &tenant).await;
    assert_eq!(changes[1..], [(AlertChange::Resolved, Severity::Critical, 97.0)]);
    let events = world.store.alert_events_after(&tenant.id, 1).await.expect("answers");
    assert_eq!(events[0].alert.message.key, "alert.metric_unsent");
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(now(), 97.0)]);
    assert_eq!(recorded(&engine, &tenant).await.len(), 3, "it can open again");
}

#[tokio::test]
async fn where_nothing_comes_at_all_the_alert_about_that_says_so() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    engine.check_silence(world.clock.now());
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 97.0)]);
    world.clock.set(NOW_MS + 301 * SECOND_MS);
    engine.check_silence(world.clock.now());
    engine.record_waiting().await.expect("records");
    let open = world.store.open_alerts(&tenant.id);
    let open: Vec<_> = open.iter().map(|alert| (alert.subject.kind(), alert.subject.metric_name())).collect();
    assert_eq!(open, [(ecp_core::alerts::AlertKind::Availability, "samples")]);
}

#[tokio::test]
async fn samples_and_changes_of_a_tenant_that_is_gone_are_not_the_next_one_s() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    // Decided, and not recorded before the tenant goes and its id is taken again within the second.
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 97.0)]);
    world.delete_tenant(&tenant).await;
    let again = world.add_tenant("one", Running).await;
    assert_ne!(again.key(), tenant.key());
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 98.0)]);
    engine.record_waiting().await.expect("records");
    assert!(world.store.open_alerts(&tenant.id).is_empty());
    assert_eq!(recorded(&engine, &again).await, []);
    world.store.clear_alerts(&tenant.key()).await.expect("clears nothing");
    let late = world.metrics.append(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 97.0)]).await;
    assert!(matches!(late, Err(MetricError::TenantGone(_))), "{late:?}");
    assert!(world.metrics.subscribe(&again.key()).borrow().is_none());
}

#[tokio::test]
async fn each_subject_has_an_alert_of_its_own() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    let quota_bytes = tenant.sizing.resources.storage_gb as f64 * 1e9;
    let sample = Sample {
        timestamp_ms: NOW_MS,
        values: [81.0, 96.0, 81.0, 1e9, 1e9, quota_bytes * 0.86, 1e6, 201.0, 1.1],
    };
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[sample]);
    engine.record_waiting().await.expect("records");
    let mut open = world.store.open_alerts(&tenant.id);
    open.sort_by_key(|alert| alert.subject);
    let subjects: Vec<AlertSubject> = open.iter().map(|alert| alert.subject).collect();
    assert_eq!(subjects, AlertSubject::ALL[..6]);
    assert_eq!(open[3].current_value, 86.0);
    assert_eq!(open[4].threshold, 200.0);
}

#[tokio::test]
async fn a_late_sample_neither_opens_nor_resolves() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 50.0)]);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS - 1, 99.0)]);
    assert_eq!(recorded(&engine, &tenant).await, []);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 99.0)]);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS - 1, 1.0), cpu(NOW_MS - 2, 1.0)]);
    assert_eq!(recorded(&engine, &tenant).await.len(), 1, "the newest sample was replaced, and that counts");
}

#[tokio::test]
async fn a_batch_is_judged_in_order_of_time_and_history_only_by_its_newest() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    let batch = [cpu(NOW_MS, 50.0), cpu(NOW_MS - 10 * MINUTE_MS, 96.0), cpu(NOW_MS - 20 * MINUTE_MS, 85.0)];
    engine.samples_stored(&tenant.key(), SampleSource::Client, &batch);
    let changes: Vec<AlertChange> =
        recorded(&engine, &tenant).await.into_iter().map(|(change, ..)| change).collect();
    assert_eq!(changes, [AlertChange::Opened, AlertChange::Raised, AlertChange::Resolved]);

    let other = world.add_tenant("two", Running).await;
    let history = [cpu(NOW_MS - 180 * MINUTE_MS, 99.0), cpu(NOW_MS - 120 * MINUTE_MS, 85.0)];
    engine.samples_stored(&other.key(), SampleSource::Client, &history);
    assert_eq!(recorded(&engine, &other).await, [(AlertChange::Opened, Severity::Warning, 85.0)]);

    let third = world.add_tenant("three", Running).await;
    engine.samples_stored(
        &third.key(),
        SampleSource::Synthetic,
        &[cpu(NOW_MS - MINUTE_MS, 99.0), cpu(NOW_MS, 50.0)],
    );
    assert_eq!(recorded(&engine, &third).await, [], "made-up history is no reason for an alert");
}

#[tokio::test]
async fn silence_of_a_running_tenant_is_alerted_once_and_ends_with_a_sample() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    let check = |second: i64| {
        world.clock.set(NOW_MS + second * SECOND_MS);
        engine.check_silence(world.clock.now());
    };
    check(0);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 50.0)]);
    check(300);
    assert_eq!(recorded(&engine, &tenant).await, []);
    check(301);
    check(400);
    assert_eq!(recorded(&engine, &tenant).await, [(AlertChange::Opened, Severity::Warning, 301.0)]);
    // History that is filled in does not say that the tenant is heard again.
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS - 60 * MINUTE_MS, 50.0)]);
    assert_eq!(recorded(&engine, &tenant).await.len(), 1);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(world.clock.now_ms(), 50.0)]);
    assert_eq!(recorded(&engine, &tenant).await[1].0, AlertChange::Resolved);
    check(700);
    assert_eq!(recorded(&engine, &tenant).await.len(), 2);
    check(701);
    assert_eq!(recorded(&engine, &tenant).await.len(), 3, "it can open again");
}

#[tokio::test]
async fn samples_are_expected_only_while_a_tenant_runs() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Pending).await;
    let engine = engine(&world);
    let check = |second: i64| {
        engine.check_silence(Timestamp::from_millisecond(NOW_MS + second * 1000).expect("in range"))
    };
    check(0);
    check(1000);
    world.set_status(&tenant, Running).await;
    check(1005);
    check(1305);
    assert_eq!(recorded(&engine, &tenant).await, [], "the five minutes begin when it runs");
    check(1306);
    assert_eq!(recorded(&engine, &tenant).await.len(), 1);
    world.set_status(&tenant, Pending).await;
    check(1310);
    let events = world.store.alert_events_after(&tenant.id, 1).await.expect("answers");
    assert!(events.is_empty());
    assert_eq!(recorded(&engine, &tenant).await[1].0, AlertChange::Resolved);
    let events = world.store.alert_events_after(&tenant.id, 1).await.expect("answers");
    assert_eq!(events[0].alert.message.key, "alert.no_samples_ended");
}

#[tokio::test]
async fn open_alerts_are_taken_up_after_a_restart_and_not_repeated() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let other = world.add_tenant("two", Running).await;
    let before = engine(&world);
    world.metrics.append(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 85.0)]).await.expect("appends");
    before.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 85.0)]);
    let opened = recorded(&before, &tenant).await;
    // This one was stored, and then the process ended.
    world.metrics.append(&other.key(), SampleSource::Client, &[cpu(NOW_MS, 97.0)]).await.expect("appends");
    drop(before);

    let world = world.reopen();
    let engine = engine(&world);
    engine.restore(&world.metrics).await.expect("restores");
    assert_eq!(recorded(&engine, &tenant).await, opened);
    assert_eq!(recorded(&engine, &other).await, [(AlertChange::Opened, Severity::Critical, 97.0)]);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS - 1, 10.0)]);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS + 1, 90.0)]);
    assert_eq!(recorded(&engine, &tenant).await, opened);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS + 2, 10.0)]);
    let events = world.store.alert_events_after(&tenant.id, 0).await.expect("answers");
    assert_eq!(events.len(), 1);
    engine.record_waiting().await.expect("records");
    let events = world.store.alert_events_after(&tenant.id, 0).await.expect("answers");
    assert_eq!((events.len(), &events[1].alert.id), (2, &events[0].alert.id));
}

#[tokio::test]
async fn a_restart_opens_nothing_that_had_ended_and_ends_what_is_no_longer_sent() {
    let world = World::new(NOW_MS);
    let (ended, open) = (world.add_tenant("one", Running).await, world.add_tenant("two", Running).await);
    let before = engine(&world);
    for tenant in [&ended, &open] {
        let high = [cpu(NOW_MS, 97.0)];
        world.metrics.append(&tenant.key(), SampleSource::Client, &high).await.expect("appends");
        before.samples_stored(&tenant.key(), SampleSource::Client, &high);
    }
    before.samples_stored(&ended.key(), SampleSource::Client, &[cpu(NOW_MS + 1, 10.0)]);
    assert_eq!(recorded(&before, &ended).await.len(), 2);
    assert_eq!(recorded(&before, &open).await.len(), 1);
    drop(before);

    let world = world.reopen();
    world.clock.set(NOW_MS + 10 * MINUTE_MS);
    let engine = engine(&world);
    engine.restore(&world.metrics).await.expect("restores");
    assert_eq!(recorded(&engine, &ended).await.len(), 2, "its value says nothing of now");
    assert_eq!(recorded(&engine, &open).await.len(), 1, "what is open stays so until it is looked at");
    engine.check_silence(world.clock.now());
    assert_eq!(recorded(&engine, &ended).await.len(), 2);
    assert_eq!(recorded(&engine, &open).await[1].0, AlertChange::Resolved);
    let events = world.store.alert_events_after(&open.id, 0).await.expect("answers");
    assert_eq!(events[1].alert.message.key, "alert.metric_unsent");
    engine.samples_stored(&open.key(), SampleSource::Client, &[cpu(NOW_MS + 10 * MINUTE_MS, 97.0)]);
    assert_eq!(recorded(&engine, &open).await.len(), 3, "what is sent again is judged again");
}

#[tokio::test]
async fn the_five_minutes_of_a_metric_go_on_over_a_restart() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let high = [cpu(NOW_MS, 97.0)];
    world.metrics.append(&tenant.key(), SampleSource::Client, &high).await.expect("appends");
    let world = world.reopen();
    world.clock.set(NOW_MS + 4 * MINUTE_MS);
    let engine = engine(&world);
    engine.restore(&world.metrics).await.expect("restores");
    assert_eq!(recorded(&engine, &tenant).await, [(AlertChange::Opened, Severity::Critical, 97.0)]);
    let at = |millis: i64| Timestamp::from_millisecond(NOW_MS + millis).expect("in range");
    engine.check_silence(at(5 * MINUTE_MS));
    assert_eq!(recorded(&engine, &tenant).await.len(), 1);
    engine.check_silence(at(5 * MINUTE_MS + 1));
    assert_eq!(recorded(&engine, &tenant).await[1].0, AlertChange::Resolved);
}

#[tokio::test]
async fn alerts_about_made_up_load_go_with_it() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let synthetic = engine(&world);
    world
        .metrics
        .append(&tenant.key(), SampleSource::Synthetic, &[cpu(NOW_MS, 85.0)])
        .await
        .expect("appends");
    synthetic.samples_stored(&tenant.key(), SampleSource::Synthetic, &[cpu(NOW_MS, 85.0)]);
    assert_eq!(recorded(&synthetic, &tenant).await.len(), 1);
    drop(synthetic);

    let world = world.reopen();
    let engine = engine(&world);
    engine.restore(&world.metrics).await.expect("restores");
    // Older than the made-up sample, and yet the newest one now.
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS - 1, 97.0)]);
    engine.record_waiting().await.expect("records");
    let open = world.store.open_alerts(&tenant.id);
    assert_eq!((open.len(), open[0].severity), (1, Severity::Critical));
    let (_, total) = world.store.alerts(all_of(&tenant)).await.expect("answers");
    assert_eq!(total, 1, "the alert about made-up load is gone");
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 98.0)]);
    assert_eq!(engine.waiting.lock().len(), 0);
}

#[tokio::test]
async fn a_tenant_that_comes_again_has_no_alerts_of_the_one_before() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS + MINUTE_MS, 97.0)]);
    engine.record_waiting().await.expect("records");
    world.delete_tenant(&tenant).await;
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS + MINUTE_MS, 10.0)]);
    assert_eq!(engine.waiting.lock().len(), 0, "there is nobody to alert");
    world.clock.set(NOW_MS + 1);
    let again = world.add_tenant("one", Running).await;
    engine.samples_stored(&again.key(), SampleSource::Client, &[cpu(NOW_MS, 97.0)]);
    assert_eq!(recorded(&engine, &again).await, [(AlertChange::Opened, Severity::Critical, 97.0)]);
    world.delete_tenant(&again).await;
    engine.check_silence(world.clock.now());
    assert!(engine.tenants.lock().is_empty());
}

#[tokio::test]
async fn a_change_that_can_not_be_recorded_is_recorded_later_in_its_order() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    world.tamper("ALTER TABLE alerts RENAME TO away").await;
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 85.0)]);
    engine.record_waiting().await.expect_err("there is no table");
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS + 1, 10.0)]);
    engine.record_waiting().await.expect_err("there still is none");
    world.tamper("ALTER TABLE away RENAME TO alerts").await;
    let changes: Vec<AlertChange> =
        recorded(&engine, &tenant).await.into_iter().map(|(change, ..)| change).collect();
    assert_eq!(changes, [AlertChange::Opened, AlertChange::Resolved]);
    assert_eq!(engine.waiting.lock().len(), 0);
}

#[tokio::test]
async fn where_too_many_changes_wait_the_state_stays_and_the_next_sample_decides() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = engine(&world);
    for index in 0..WAITING_LIMIT as i64 + 100 {
        let value = if index % 2 == 0 { 85.0 } else { 10.0 };
        engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS + index, value)]);
    }
    assert_eq!(engine.waiting.lock().len(), WAITING_LIMIT);
    engine.waiting.lock().clear();
    engine.samples_stored(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS + 20_000, 97.0)]);
    let opened = engine.waiting.lock().pop_front();
    assert!(matches!(opened, Some(Item::Change(AlertChange::Opened, _))), "the last one kept had resolved");
}

#[tokio::test]
async fn a_running_engine_records_what_the_metric_store_accepts() {
    let world = World::new(NOW_MS);
    let tenant = world.add_tenant("one", Running).await;
    let engine = Arc::new(engine(&world));
    world.metrics.observe(engine.clone());
    let cancel = CancellationToken::new();
    let (runner, stop) = (engine.clone(), cancel.clone());
    let running = tokio::spawn(async move { runner.run(stop).await });
    let mut newest = world.store.subscribe_alerts(&tenant.id);
    world.metrics.append(&tenant.key(), SampleSource::Client, &[cpu(NOW_MS, 85.0)]).await.expect("appends");
    newest.wait_for(|seq| *seq == 1).await.expect("the store is open");
    assert_eq!(world.store.open_alerts(&tenant.id).len(), 1);
    cancel.cancel();
    running.await.expect("ends");
}
