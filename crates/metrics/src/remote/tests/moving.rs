//! A move from the embedded store: what was there is answered as before.

use super::*;

const DAY_MS: i64 = 24 * HOUR_MS;

async fn move_all(bench: &Bench) -> usize {
    let mut moved = 0;
    for (key, source) in bench.world.metrics.tenants_with_samples() {
        let write = async |samples: Vec<Sample>| {
            moved += samples.len();
            bench.remote.append(&key, source, &samples).await
        };
        bench.world.metrics.export(&key, write).await.expect("moves");
    }
    moved
}

#[tokio::test]
async fn samples_that_were_moved_give_the_answers_that_they_gave() {
    let server = MetricStoreServer::start(MetricStoreKind::VictoriaMetrics).expect("a server");
    let bench = Bench::new(&server);
    let (measured, made_up) = (bench.tenant("acme").await.key(), bench.tenant("bank").await.key());
    let samples = uneven_day(bench.now_ms());
    bench.world.metrics.append(&measured, SampleSource::Collector, &samples).await.expect("stores");
    bench.world.metrics.append(&made_up, SampleSource::Synthetic, &samples[..100]).await.expect("stores");
    assert_eq!(bench.world.metrics.tenants_with_samples().len(), 2);
    // Twice, as after a move that failed midway.
    assert_eq!(move_all(&bench).await, move_all(&bench).await);
    server.show_all();
    for interval in Interval::ALL {
        for key in [&measured, &made_up] {
            let query = bench.day(interval);
            let embedded = bench.world.metrics.query(key, &query).await.expect("answers");
            let remote = bench.remote.query(key, &query).await.expect("answers");
            assert_same(&remote, &embedded, &format!("{key} {interval:?}"));
        }
    }
    assert!(!adapter(&bench.world, &server.url()).has_own_samples(&made_up).await.expect("answers"));
}

#[tokio::test]
async fn of_the_time_before_raw_samples_the_averages_of_buckets_are_moved() {
    let server = MetricStoreServer::start(MetricStoreKind::VictoriaMetrics).expect("a server");
    let bench = Bench::new(&server);
    let key = bench.tenant("acme").await.key();
    let now_ms = bench.now_ms();
    let hour = (now_ms - 100 * DAY_MS).div_euclid(HOUR_MS) * HOUR_MS;
    let minutes = (now_ms - 20 * DAY_MS).div_euclid(300_000) * 300_000;
    for (start_ms, base) in [(hour, 10.0), (minutes, 50.0)] {
        let samples = [cpu(start_ms + 1000, base), cpu(start_ms + 2000, base + 4.0)];
        bench.world.metrics.append(&key, SampleSource::Client, &samples).await.expect("stores");
    }
    bench.world.metrics.maintain_once().await.expect("thins out");
    assert_eq!(move_all(&bench).await, 2);
    server.show_all();
    for (start_ms, interval, average) in
        [(hour, Interval::OneHour, 12.0), (minutes, Interval::FiveMinutes, 52.0)]
    {
        let query = SeriesQuery {
            metrics: vec![Metric::CpuUsage],
            start_ms,
            end_ms: start_ms + interval.millis() - 1,
            interval,
        };
        let remote = bench.remote.query(&key, &query).await.expect("answers");
        assert_eq!(remote[0].points, [(start_ms, average)], "{interval:?}");
    }
}
