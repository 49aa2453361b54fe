//! What the store promises, one by one.

use super::*;
use crate::tier::Tier;
use ecp_core::ids::Incarnation;
use ecp_core::ports::StoreError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs SQL past the store.
async fn tamper(bench: &Bench, sql: &'static str) {
    let run = move |transaction: &rusqlite::Transaction<'_>| {
        transaction.execute_batch(sql).map_err(ecp_store::database_error("tampering"))
    };
    bench.metrics().inner.database.write("tampering", run).await.expect("tampers");
}

/// Writes the chunks of everything and stops before the log is shortened.
async fn flush_without_end(bench: &Bench) {
    let slots = bench.metrics().inner.unflushed.lock().clone();
    bench.metrics().inner.flush_group(slots).await.expect("writes chunks");
}

#[derive(Default)]
struct Recorder(Mutex<Vec<(String, Vec<i64>, bool)>>);

#[async_trait::async_trait]
impl SampleObserver for Recorder {
    fn samples_stored(&self, key: &TenantKey, source: SampleSource, samples: &[Sample]) {
        let synthetic = !source.is_measured();
        let times = samples.iter().map(|sample| sample.timestamp_ms).collect();
        self.0.lock().push((key.id.to_string(), times, synthetic));
    }
}

#[tokio::test]
async fn appends_that_wait_together_share_a_commit() {
    let bench = Bench::new();
    let before = bench.metrics().inner.database.commits();
    let appends: Vec<_> = (0..200)
        .map(|index| {
            let metrics = bench.metrics().clone();
            tokio::spawn(async move {
                metrics.append(&tenant("one"), SampleSource::Client, &[cpu(NOW_MS - index, 1.0)]).await
            })
        })
        .collect();
    for append in appends {
        append.await.expect("ends").expect("appends");
    }
    let commits = bench.metrics().inner.database.commits() - before;
    assert!(commits < 20, "{commits} commits for 200 appends");
    assert_eq!(bench.rows_of("sample_log"), commits as i64);
}

#[tokio::test]
async fn observers_see_what_is_accepted_in_its_order() {
    let bench = Bench::new();
    let recorder = Arc::new(Recorder::default());
    bench.metrics().observe(recorder.clone());
    let metrics = bench.metrics();
    metrics.append(&tenant("one"), SampleSource::Synthetic, &[cpu(1, 1.0)]).await.expect("appends");
    metrics.append(&tenant("one"), SampleSource::Client, &[cpu(3, 1.0), cpu(2, 1.0)]).await.expect("appends");
    metrics.append(&tenant("one"), SampleSource::Synthetic, &[cpu(4, 1.0)]).await.expect("is ignored");
    metrics.append(&tenant("one"), SampleSource::Client, &[]).await.expect("is nothing");
    let seen = recorder.0.lock().clone();
    assert_eq!(seen, [("one".to_owned(), vec![1], true), ("one".to_owned(), vec![3, 2], false)]);
}

#[tokio::test]
async fn a_write_that_fails_is_every_caller_s_error_and_leaves_nothing() {
    let mut bench = Bench::new();
    tamper(&bench, "ALTER TABLE sample_log RENAME TO away").await;
    let appends: Vec<_> = (0..5)
        .map(|index| {
            let metrics = bench.metrics().clone();
            tokio::spawn(async move {
                metrics.append(&tenant("one"), SampleSource::Client, &[cpu(NOW_MS - index, 1.0)]).await
            })
        })
        .collect();
    for append in appends {
        let error = append.await.expect("ends").expect_err("there is no log");
        assert!(matches!(error, MetricError::Storage(StoreError::Database { .. })), "{error:?}");
    }
    assert_eq!(bench.metrics().subscribe(&tenant("one")).borrow().map(|_| ()), None);
    assert_eq!(cpu_series(&bench, &tenant("one"), Interval::OneMinute, 1).await.points, []);
    tamper(&bench, "ALTER TABLE away RENAME TO sample_log").await;
    bench
        .metrics()
        .append(&tenant("one"), SampleSource::Client, &[cpu(NOW_MS, 7.0)])
        .await
        .expect("appends again");
    bench.reopen().await;
    assert_eq!(cpu_series(&bench, &tenant("one"), Interval::OneMinute, 1).await.maximum, Some(7.0));
}

#[tokio::test]
async fn a_closed_database_is_an_error_and_not_a_wait() {
    let bench = Bench::new();
    bench.metrics().append(&tenant("one"), SampleSource::Client, &[cpu(NOW_MS, 1.0)]).await.expect("appends");
    bench.metrics().inner.database.close();
    let refused = bench.metrics().append(&tenant("one"), SampleSource::Client, &[cpu(NOW_MS, 1.0)]).await;
    assert!(matches!(refused, Err(MetricError::Storage(StoreError::Closed))), "{refused:?}");
    let refused = bench.metrics().remove_tenant(&tenant("one")).await;
    assert!(matches!(refused, Err(MetricError::Storage(StoreError::Closed))), "{refused:?}");
}

#[tokio::test]
async fn a_batch_larger_than_the_queue_goes_through() {
    let folder = TempDir::new().expect("a temporary folder");
    let database = Database::open(&folder.path().join("test.db"), MIGRATIONS).expect("opens");
    let options = MetricsOptions { queued_samples: 8, log_bytes_limit: 1000, ..MetricsOptions::default() };
    let metrics =
        EmbeddedMetrics::open(database, TestClock::at(NOW_MS), options, everybody()).expect("loads");
    let samples: Vec<Sample> = (0..100).map(|index| cpu(NOW_MS - index, 1.0)).collect();
    for _ in 0..3 {
        // The second and third find a log over its limit, and flush it themselves.
        metrics.append(&tenant("one"), SampleSource::Client, &samples).await.expect("appends");
    }
    let series = metrics.query(&tenant("one"), &everything(Interval::OneHour)).await.expect("answers");
    assert_eq!(series[0].points.len(), 1);
    assert_eq!(metrics.inner.places.available_permits(), 8);
}

#[tokio::test]
async fn own_samples_displace_synthetic_ones_wherever_they_are() {
    let mut bench = Bench::new();
    let id = tenant("one");
    bench
        .metrics()
        .append(&id, SampleSource::Synthetic, &[cpu(NOW_MS - 3 * HOUR_MS, 90.0)])
        .await
        .expect("appends");
    bench.metrics().flush().await.expect("flushes");
    bench
        .metrics()
        .append(&id, SampleSource::Synthetic, &[cpu(NOW_MS - HOUR_MS, 91.0)])
        .await
        .expect("appends");
    bench
        .metrics()
        .append(&id, SampleSource::Client, &[cpu(NOW_MS - 2 * HOUR_MS, 10.0)])
        .await
        .expect("appends");
    for _ in 0..2 {
        for interval in Interval::ALL {
            let series = cpu_series(&bench, &id, interval, 1).await;
            assert_eq!((series.points.len(), series.maximum), (1, Some(10.0)));
        }
        let newest = bench.metrics().subscribe(&id).borrow().and_then(|latest| latest.timestamp_ms());
        assert_eq!(newest, Some(NOW_MS - 2 * HOUR_MS), "an older own sample is newer than a synthetic one");
        assert!(bench.metrics().has_own_samples(&id).await.expect("answers"));
        bench.reopen().await;
    }
    bench.metrics().maintain_once().await.expect("clears");
    assert_eq!((bench.rows_of("sample_garbage"), bench.rows_of("sample_log")), (0, 0));
    assert_eq!(bench.rows_of("sample_chunks"), 3, "one row in each tier");
}

#[tokio::test]
async fn a_tenant_that_comes_again_starts_with_nothing() {
    let mut bench = Bench::new();
    let id = tenant("one");
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS - HOUR_MS, 90.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    cpu_series(&bench, &id, Interval::FiveMinutes, 1).await;
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 90.0)]).await.expect("appends");
    let latest = bench.metrics().subscribe(&id);
    let version = latest.borrow().expect("there is one").version;
    bench.metrics().remove_tenant(&id).await.expect("removes");
    assert!(latest.borrow().is_none());
    assert_eq!(cpu_series(&bench, &id, Interval::FiveMinutes, 1).await.points, []);
    bench.reopen().await;
    assert!(!bench.metrics().has_own_samples(&id).await.expect("answers"));
    bench.metrics().append(&id, SampleSource::Synthetic, &[cpu(NOW_MS, 5.0)]).await.expect("appends");
    bench.metrics().maintain_once().await.expect("clears");
    for interval in Interval::ALL {
        assert_eq!(cpu_series(&bench, &id, interval, 1).await.maximum, Some(5.0));
    }
    assert_eq!(bench.rows_of("sample_chunks"), 3);
    assert_eq!(version, 2);
}

#[tokio::test]
async fn samples_of_tenants_that_are_gone_are_forgotten_at_the_start() {
    let bench = Bench::new();
    for name in ["one", "two"] {
        bench
            .metrics()
            .append(&tenant(name), SampleSource::Client, &[cpu(NOW_MS, 1.0)])
            .await
            .expect("appends");
    }
    bench.metrics().forget_all_but(|key| *key == tenant("two")).await.expect("forgets");
    assert!(!bench.metrics().has_own_samples(&tenant("one")).await.expect("answers"));
    assert!(bench.metrics().has_own_samples(&tenant("two")).await.expect("answers"));
    bench.metrics().maintain_once().await.expect("clears");
    assert!(bench.metrics().inner.registry.get(&tenant("one")).is_none(), "its slot is gone too");
}

#[tokio::test]
async fn live_views_see_the_newest_sample_alone_and_still_know_it_after_a_restart() {
    let mut bench = Bench::new();
    let id = tenant("one");
    let mut latest = bench.metrics().subscribe(&id);
    assert!(latest.borrow().is_none());
    bench
        .metrics()
        .append(&id, SampleSource::Client, &[cpu(NOW_MS, 1.0), cpu(NOW_MS - 1, 9.0)])
        .await
        .expect("appends");
    let seen = latest.borrow_and_update().expect("there is one");
    assert_eq!((seen.version, seen.timestamp_ms()), (1, Some(NOW_MS)));
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS - 5, 2.0)]).await.expect("appends");
    assert!(!latest.has_changed().expect("open"), "a late sample is not the newest");
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 3.0)]).await.expect("replaces");
    let seen = latest.borrow_and_update().expect("there is one");
    let cpu_value = |latest: &Latest| latest.get(Metric::CpuUsage).map(|reading| reading.value);
    assert_eq!((seen.version, cpu_value(&seen)), (2, Some(3.0)));
    drop(latest);
    bench.metrics().flush().await.expect("flushes");
    bench.reopen().await;
    let latest = bench.metrics().subscribe(&id).borrow().expect("it is on disk");
    assert_eq!(cpu_value(&latest), Some(3.0));
}

#[tokio::test]
async fn samples_after_the_end_of_a_range_are_in_no_average() {
    let bench = Bench::new();
    let id = tenant("one");
    let future = [cpu(NOW_MS - 1000, 10.0), cpu(NOW_MS, 20.0), cpu(NOW_MS + 1000, 99.0)];
    bench.metrics().append(&id, SampleSource::Client, &future).await.expect("appends");
    for _ in 0..2 {
        for interval in Interval::ALL {
            let series = cpu_series(&bench, &id, interval, 1).await;
            assert_eq!((series.average, series.maximum), (Some(15.0), Some(20.0)));
            assert_eq!(series.points, [(NOW_MS - NOW_MS % interval.millis(), 15.0)]);
        }
        bench.metrics().flush().await.expect("flushes");
    }
}

#[tokio::test]
async fn each_resolution_is_kept_for_its_own_time() {
    let bench = Bench::new();
    let id = tenant("one");
    bench
        .metrics()
        .append(&id, SampleSource::Client, &[cpu(NOW_MS, 10.0), cpu(NOW_MS - MINUTE_MS, 20.0)])
        .await
        .expect("appends");
    bench.metrics().maintain_once().await.expect("flushes");
    for (days, kept) in
        [(0, [true; 3]), (9, [false, true, true]), (42, [false, false, true]), (431, [false; 3])]
    {
        bench.clock.set(NOW_MS + days * DAY_MS);
        for _ in 0..2 {
            for (interval, kept) in Interval::ALL.into_iter().zip(kept) {
                let series = cpu_series(&bench, &id, interval, days + 1).await;
                assert_eq!(series.maximum, kept.then_some(20.0), "{interval:?} after {days} days");
            }
            bench.metrics().maintain_once().await.expect("ages");
        }
        let rows = kept.into_iter().filter(|kept| *kept).count();
        assert_eq!(bench.rows_of("sample_chunks"), rows as i64, "after {days} days");
    }
}

#[tokio::test]
async fn a_sample_older_than_raw_samples_are_kept_goes_to_the_roll_ups_once() {
    let mut bench = Bench::new();
    let id = tenant("one");
    let old_ms = NOW_MS - 20 * DAY_MS;
    bench.metrics().append(&id, SampleSource::Client, &[cpu(old_ms, 10.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    bench
        .metrics()
        .append(&id, SampleSource::Client, &[cpu(old_ms + 1, 40.0), cpu(old_ms + 2, 40.0)])
        .await
        .expect("appends");
    for round in 0..3 {
        for interval in [Interval::FiveMinutes, Interval::OneHour] {
            let series = cpu_series(&bench, &id, interval, 30).await;
            assert_eq!((series.average, series.points.len()), (Some(30.0), 1), "round {round}");
        }
        assert_eq!(cpu_series(&bench, &id, Interval::OneMinute, 30).await.points, []);
        if round == 0 {
            flush_without_end(&bench).await;
            assert_eq!(bench.rows_of("sample_log"), 1);
        }
        bench.reopen().await;
        bench.metrics().flush().await.expect("flushes");
    }
}

#[tokio::test]
async fn late_samples_add_to_roll_ups_whose_raw_samples_are_gone() {
    let bench = Bench::new();
    let id = tenant("one");
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 10.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    bench.clock.set(NOW_MS + 9 * DAY_MS);
    bench.metrics().maintain_once().await.expect("ages");
    // The same would be true had the retention been longer in between.
    bench.clock.set(NOW_MS + DAY_MS);
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS + 1, 20.0)]).await.expect("appends");
    for _ in 0..2 {
        assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 2).await.average, Some(15.0));
        bench.metrics().flush().await.expect("flushes");
    }
}

#[tokio::test]
async fn a_year_of_hours_is_answered_from_its_roll_ups() {
    let bench = Bench::new();
    let id = tenant("one");
    let samples: Vec<Sample> =
        (0..8760).map(|hour| cpu(NOW_MS - hour * HOUR_MS, (hour % 100) as f64)).collect();
    bench.metrics().append(&id, SampleSource::Client, &samples).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    for _ in 0..2 {
        let series = cpu_series(&bench, &id, Interval::OneHour, 365).await;
        assert_eq!((series.points.len(), series.maximum), (8760, Some(99.0)));
    }
    let raw_rows = 8 * DAY_MS / Tier::Raw.row_ms() + 1;
    let rows = bench.rows_of("sample_chunks");
    assert!(rows < raw_rows + 41 + 15, "{rows} rows");
}

/// Tables with rows that are set aside.
fn damaged(bench: &Bench) -> Vec<&'static str> {
    bench.metrics().inner.database.damage().rows().iter().map(|damage| damage.table).collect()
}

#[tokio::test]
async fn a_damaged_chunk_is_left_out_told_and_kept_and_does_not_stop_the_rest() {
    let bench = Bench::new();
    let id = tenant("one");
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS - 1, 10.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    tamper(&bench, "UPDATE sample_chunks SET data = substr(data, 1, length(data) - 1) WHERE tier = 0").await;
    assert_eq!(cpu_series(&bench, &id, Interval::OneMinute, 1).await.points, [], "those are lost");
    let damage = bench.metrics().inner.database.damage().rows();
    assert_eq!(
        (damage.len(), damage[0].table, &damage[0].tenant_id),
        (1, "sample_chunks", &Some(id.id.clone()))
    );
    assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 1).await.average, Some(10.0));
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 20.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 1).await.average, Some(15.0));
    assert_eq!(cpu_series(&bench, &id, Interval::OneMinute, 1).await.points, []);
    assert_eq!(bench.rows_of("set_aside"), 1, "what was to be replaced is kept");
}

#[tokio::test]
async fn damaged_roll_ups_are_left_out_told_and_begun_anew() {
    let bench = Bench::new();
    let (id, other) = (tenant("one"), tenant("two"));
    for id in [&id, &other] {
        bench
            .metrics()
            .append(id, SampleSource::Client, &[cpu(NOW_MS - HOUR_MS, 10.0)])
            .await
            .expect("appends");
    }
    bench.metrics().flush().await.expect("flushes");
    tamper(&bench, "UPDATE sample_chunks SET data = x'00' WHERE tier > 0 AND tenant_key = 1").await;
    assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 1).await.points, []);
    assert_eq!(cpu_series(&bench, &other, Interval::OneHour, 1).await.average, Some(10.0));
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 20.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 1).await.maximum, Some(20.0));
    assert_eq!(bench.rows_of("set_aside"), 2);
    assert!(damaged(&bench).iter().all(|table| *table == "sample_chunks"));
}

#[tokio::test]
async fn damaged_rows_of_the_log_and_of_tenants_stop_no_start() {
    let mut bench = Bench::new();
    let (id, other) = (tenant("one"), tenant("two"));
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 10.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS - 1, 10.0)]).await.expect("appends");
    bench.metrics().append(&other, SampleSource::Client, &[cpu(NOW_MS, 20.0)]).await.expect("appends");
    tamper(
        &bench,
        "UPDATE sample_log SET data = x'0102' WHERE id = (SELECT min(id) FROM sample_log);
         UPDATE sample_tenants SET newest = x'ff' WHERE tenant_id = 'one';
         INSERT INTO sample_tenants (tenant_id, incarnation, own, flushed_log_id) VALUES ('No Tenant', 1, 1, 0);",
    )
    .await;
    bench.reopen().await;
    let tables = damaged(&bench);
    assert_eq!(tables, ["sample_log", "sample_tenants", "sample_tenants"]);
    assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 1).await.maximum, Some(10.0));
    assert_eq!(cpu_series(&bench, &other, Interval::OneHour, 1).await.maximum, Some(20.0));
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 30.0)]).await.expect("appends");
    bench.metrics().flush().await.expect("flushes");
    assert_eq!((bench.rows_of("sample_log"), bench.rows_of("set_aside")), (0, 1), "the damaged one is kept");
    bench.reopen().await;
    assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 1).await.maximum, Some(30.0));
}

#[tokio::test]
async fn a_flush_that_fails_loses_nothing_and_is_done_later() {
    let mut bench = Bench::new();
    let id = tenant("one");
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS - 1, 10.0)]).await.expect("appends");
    tamper(&bench, "ALTER TABLE sample_chunks RENAME TO away").await;
    bench.metrics().flush().await.expect_err("there is no table");
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 20.0)]).await.expect("appends");
    tamper(&bench, "ALTER TABLE away RENAME TO sample_chunks").await;
    for _ in 0..2 {
        assert_eq!(cpu_series(&bench, &id, Interval::OneHour, 1).await.average, Some(15.0));
        bench.metrics().flush().await.expect("flushes");
        assert_eq!(bench.rows_of("sample_log"), 0);
        bench.reopen().await;
    }
}

#[tokio::test]
async fn log_rows_are_never_numbered_twice() {
    let mut bench = Bench::new();
    let id = tenant("one");
    for second in 0..3 {
        bench
            .metrics()
            .append(&id, SampleSource::Client, &[cpu(NOW_MS - second * 1000, 10.0)])
            .await
            .expect("appends");
        bench.metrics().flush().await.expect("flushes");
        bench.reopen().await;
        // Were its number that of a row flushed before, a restart would leave this one out.
        bench
            .metrics()
            .append(&id, SampleSource::Client, &[cpu(NOW_MS - HOUR_MS - second, 20.0)])
            .await
            .expect("appends");
        bench.reopen().await;
        let series = cpu_series(&bench, &id, Interval::OneHour, 1).await;
        assert_eq!(series.points.len(), 2);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_during_flushes_counts_every_sample_once() {
    let bench = Bench::new();
    let id = tenant("one");
    let (sent, stored) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let done = Arc::new(AtomicBool::new(false));
    let append = {
        let (metrics, id, sent, stored) = (bench.metrics().clone(), id.clone(), sent.clone(), stored.clone());
        async move {
            for index in 0..300 {
                sent.store(index + 1, Ordering::SeqCst);
                // Raw samples of that age are not kept, so that counting twice could not be hidden.
                let time_ms = NOW_MS - 20 * DAY_MS + index as i64;
                metrics
                    .append(&id, SampleSource::Client, &[cpu(time_ms, index as f64)])
                    .await
                    .expect("appends");
                stored.store(index + 1, Ordering::SeqCst);
            }
        }
    };
    let flush = {
        let (metrics, done) = (bench.metrics().clone(), done.clone());
        async move {
            while !done.load(Ordering::SeqCst) {
                metrics.flush().await.expect("flushes");
            }
        }
    };
    let (append, flush) = (tokio::spawn(append), tokio::spawn(flush));
    while !append.is_finished() {
        let least = stored.load(Ordering::SeqCst);
        let average = cpu_series(&bench, &id, Interval::FiveMinutes, 30).await.average;
        let most = sent.load(Ordering::SeqCst);
        // The average of 0, 1 … n−1 is (n−1)/2.
        let counted = average.map_or(0.0, |average| 2.0 * average + 1.0);
        assert!((least as f64..=most as f64).contains(&counted), "{least} <= {counted} <= {most}");
    }
    append.await.expect("ends");
    done.store(true, Ordering::SeqCst);
    flush.await.expect("ends");
}

#[tokio::test]
async fn collectors_of_one_moment_complete_each_other_and_a_correction_counts_once() {
    let mut bench = Bench::new();
    let id = tenant("one");
    let at = NOW_MS - 90 * MINUTE_MS;
    let sample = |metric: Metric, value: f64| {
        let mut sample = Sample::empty(at);
        sample.values[metric.index()] = value;
        sample
    };
    let parts = [
        (Metric::CpuUsage, 41.0),
        (Metric::MemoryUsage, 52.0),
        (Metric::GpuUsage, 77.0),
        (Metric::GpuUsage, 70.0),
    ];
    // Before and after each part everything may be in chunks, and the process another.
    for way in 0..4_u8 {
        bench.metrics().remove_tenant(&id).await.expect("removes");
        for (metric, value) in parts {
            bench
                .metrics()
                .append(&id, SampleSource::Client, &[sample(metric, value)])
                .await
                .expect("appends");
            if way & 1 == 1 {
                bench.metrics().flush().await.expect("flushes");
            }
            if way & 2 == 2 {
                bench.reopen().await;
            }
        }
        for interval in Interval::ALL {
            let metrics = vec![Metric::CpuUsage, Metric::MemoryUsage, Metric::GpuUsage];
            let query = SeriesQuery { metrics, start_ms: NOW_MS - DAY_MS, end_ms: NOW_MS, interval };
            let series = bench.metrics().query(&id, &query).await.expect("answers");
            let told: Vec<_> =
                series.iter().map(|one| (one.average, one.maximum, one.points.len())).collect();
            let once = |value| (Some(value), Some(value), 1);
            assert_eq!(told, [once(41.0), once(52.0), once(70.0)], "{interval:?}, way {way}");
        }
        let newest = bench.metrics().subscribe(&id).borrow().expect("there is one").samples();
        assert_eq!((newest.len(), newest[0].get(Metric::MemoryUsage)), (1, Some(52.0)), "way {way}");
    }
}

#[tokio::test]
async fn what_is_ahead_is_stored_at_once_and_shown_in_its_time_also_after_a_restart() {
    let mut bench = Bench::new();
    let id = tenant("one");
    let shown = |bench: &Bench| {
        let latest = *bench.metrics().subscribe(&id).borrow();
        latest.and_then(|latest| latest.get(Metric::CpuUsage)).map(|reading| reading.value)
    };
    let ahead_ms = NOW_MS + 4 * MINUTE_MS;
    bench.metrics().append(&id, SampleSource::Client, &[cpu(ahead_ms, 50.0)]).await.expect("appends");
    assert_eq!(shown(&bench), None);
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS, 99.0)]).await.expect("appends");
    for round in 0..3 {
        assert_eq!(shown(&bench), Some(99.0), "round {round}");
        if round == 1 {
            bench.metrics().flush().await.expect("flushes");
        }
        bench.reopen().await;
    }
    bench.clock.set(ahead_ms);
    bench.metrics().show_due();
    assert_eq!(shown(&bench), Some(50.0));
    assert!(bench.metrics().inner.ahead.lock().is_empty());
    let series = cpu_series(&bench, &id, Interval::OneMinute, 1).await;
    assert_eq!(series.points.len(), 2);
}

#[tokio::test]
async fn a_flood_from_a_clock_that_is_ahead_is_kept_by_the_second() {
    let bench = Bench::new();
    let id = tenant("one");
    let samples: Vec<Sample> = (1..=10_000).map(|index| cpu(NOW_MS + index * 30, 1.0)).collect();
    bench.metrics().append(&id, SampleSource::Client, &samples).await.expect("appends");
    let slot = bench.metrics().inner.registry.get(&id).expect("it is there");
    assert!(slot.newest_samples().len() <= 301, "{}", slot.newest_samples().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_ahead_is_shown_by_itself_when_its_time_comes() {
    let bench = Bench::new();
    let id = tenant("one");
    let (metrics, cancel) = (bench.metrics().clone(), CancellationToken::new());
    let stop = cancel.clone();
    let running = tokio::spawn(async move { metrics.maintain(stop).await });
    let mut latest = bench.metrics().subscribe(&id);
    bench.metrics().append(&id, SampleSource::Client, &[cpu(NOW_MS + 1000, 50.0)]).await.expect("appends");
    bench.clock.set(NOW_MS + 1000);
    latest.wait_for(Option::is_some).await.expect("the store is open");
    cancel.cancel();
    running.await.expect("ends");
}

#[tokio::test]
async fn samples_of_one_incarnation_are_never_seen_under_another() {
    let mut bench = Bench::new();
    let first = tenant("one");
    let second = TenantKey { incarnation: Incarnation::begun_at(4), ..first.clone() };
    bench.metrics().append(&first, SampleSource::Client, &[cpu(NOW_MS, 10.0)]).await.expect("appends");
    bench.metrics().append(&second, SampleSource::Client, &[cpu(NOW_MS, 20.0)]).await.expect("appends");
    bench
        .metrics()
        .append(&first, SampleSource::Client, &[cpu(NOW_MS - 1, 10.0)])
        .await
        .expect("late ones of the first");
    for round in 0..3 {
        for (tenant, value) in [(&first, 10.0), (&second, 20.0)] {
            let series = cpu_series(&bench, tenant, Interval::OneHour, 1).await;
            assert_eq!((series.average, series.maximum), (Some(value), Some(value)), "round {round}");
        }
        bench.metrics().flush().await.expect("flushes");
        bench.reopen().await;
    }
    bench.metrics().forget_all_but(|key| *key == second).await.expect("forgets");
    assert_eq!(cpu_series(&bench, &first, Interval::OneHour, 1).await.average, None);
    assert_eq!(cpu_series(&bench, &second, Interval::OneHour, 1).await.average, Some(20.0));
}

#[tokio::test]
async fn samples_of_a_tenant_that_is_gone_are_refused_and_leave_nothing() {
    let folder = TempDir::new().expect("a temporary folder");
    let database = Database::open(&folder.path().join("test.db"), MIGRATIONS).expect("opens");
    let alive = Arc::new(AtomicBool::new(true));
    let asked = alive.clone();
    let tenants: Tenants = Arc::new(move |_| asked.load(Ordering::SeqCst));
    let options = MetricsOptions::default();
    let metrics = EmbeddedMetrics::open(database, TestClock::at(NOW_MS), options, tenants).expect("loads");
    let id = tenant("one");
    metrics.append(&id, SampleSource::Client, &[cpu(NOW_MS, 1.0)]).await.expect("appends");
    alive.store(false, Ordering::SeqCst);
    metrics
        .append(&id, SampleSource::Client, &[cpu(NOW_MS, 2.0)])
        .await
        .expect("its removal comes later and takes them along");
    metrics.remove_tenant(&id).await.expect("removes");
    for _ in 0..2 {
        let late = metrics.append(&id, SampleSource::Client, &[cpu(NOW_MS, 3.0)]).await;
        assert!(matches!(late, Err(MetricError::TenantGone(_))), "{late:?}");
        let late = metrics.append(&id, SampleSource::Synthetic, &[cpu(NOW_MS, 3.0)]).await;
        assert!(matches!(late, Err(MetricError::TenantGone(_))), "{late:?}");
        metrics.maintain_once().await.expect("clears");
    }
    assert!(!metrics.has_own_samples(&id).await.expect("answers"));
    assert!(metrics.inner.registry.get(&id).is_none(), "nothing of it is kept");
}

#[tokio::test]
async fn what_clients_told_is_known_by_its_source_and_not_by_its_values() {
    let mut bench = Bench::new();
    let id = tenant("one");
    let append = async |bench: &Bench, source, at, value| {
        bench.metrics().append(&id, source, &[cpu(at, value)]).await.expect("appends");
    };
    append(&bench, SampleSource::Synthetic, NOW_MS - 3, 40.0).await;
    append(&bench, SampleSource::Collector, NOW_MS - 2, 40.0).await;
    let told = |bench: &Bench, metric| bench.metrics().told_by_clients(&id, metric);
    assert_eq!(told(&bench, Metric::CpuUsage), None);
    let own = bench.metrics().has_own_samples(&id).await.expect("answers");
    assert!(own, "what the collector measured displaces what was made up");
    append(&bench, SampleSource::Client, NOW_MS - 1, 40.0).await;
    append(&bench, SampleSource::Collector, NOW_MS, 40.0).await;
    for _ in 0..2 {
        assert_eq!(told(&bench, Metric::CpuUsage), Some(NOW_MS - 1));
        assert_eq!(told(&bench, Metric::GpuUsage), None);
        bench.reopen().await;
    }
}
