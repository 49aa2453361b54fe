//! A store that others fill: the same answers from expressions, and alerts by what is read.

use super::*;
use crate::remote::{Expressions, ScrapedMetrics};
use parking_lot::Mutex;

const MINUTE_MS: i64 = 60_000;

#[derive(Default)]
struct Seen(Mutex<Vec<(TenantKey, Option<f64>)>>);

impl SampleObserver for Seen {
    fn samples_stored(&self, key: &TenantKey, source: SampleSource, samples: &[Sample]) {
        assert_eq!(source, SampleSource::Collector);
        self.0.lock().extend(samples.iter().map(|sample| (key.clone(), sample.get(Metric::CpuUsage))));
    }
}

fn scraping(bench: &Bench, server: &MetricStoreServer, cpu: &str) -> ScrapedMetrics {
    let expressions = Expressions::new([
        (Metric::CpuUsage, cpu.to_owned()),
        (Metric::RequestCount, "sum(nobody_has_this{namespace=\"$namespace\"})".to_owned()),
    ]);
    let settings = settings(&server.url(), Duration::from_secs(20));
    let (kept, clock) = (Retention::default(), bench.world.clock.clone());
    ScrapedMetrics::new(settings, expressions, kept, clock, bench.world.store.clone())
        .expect("no credentials")
}

#[tokio::test]
async fn metrics_follow_from_expressions_and_the_newest_are_judged() {
    for kind in KINDS {
        let server = MetricStoreServer::start(kind).expect("a server");
        let bench = Bench::new(&server);
        let now_ms = bench.now_ms();
        bench.world.clock.set(now_ms - 3 * HOUR_MS);
        let key = bench.tenant("acme").await.key();
        bench.world.clock.set(now_ms);
        // Scraped every quarter of a minute; the value changes with the minute.
        let first = (now_ms - 2 * HOUR_MS).div_euclid(MINUTE_MS) * MINUTE_MS;
        let samples: Vec<Sample> = (first..now_ms)
            .step_by(15_000)
            .map(|time| cpu(time, (time / MINUTE_MS % 90) as f64 + 0.5))
            .collect();
        bench.both(&key, SampleSource::Client, &samples).await;
        server.show_all();
        let scraped = scraping(&bench, &server, "max(ecp_tenant_cpu_usage{tenant_id=\"$tenant_id\"})");
        for interval in [Interval::OneMinute, Interval::FiveMinutes] {
            let query = SeriesQuery {
                metrics: vec![Metric::CpuUsage, Metric::GpuUsage],
                start_ms: first,
                // Whole buckets: what a cut one has depends on when it is read.
                end_ms: now_ms.div_euclid(5 * MINUTE_MS) * 5 * MINUTE_MS - 1,
                interval,
            };
            let embedded = bench.world.metrics.query(&key, &query).await.expect("answers");
            let read = scraped.query(&key, &query).await.expect("answers");
            let points = |series: &[Series]| series[0].points.clone();
            assert_eq!(points(&read), points(&embedded), "{kind:?} {interval:?}");
            assert_eq!(read[1].points, [], "nobody measures it");
        }
        let seen = Arc::new(Seen::default());
        scraped.observe(seen.clone());
        scraped.look().await;
        let newest = samples.last().and_then(|sample| sample.get(Metric::CpuUsage));
        assert_eq!(*seen.0.lock(), [(key.clone(), newest)], "{kind:?}");
        let shown = scraped.subscribe(&key).borrow().and_then(|latest| latest.get(Metric::CpuUsage));
        assert_eq!(shown.map(|reading| reading.value), newest);
        let sent = scraped.append(&key, SampleSource::Client, &samples).await;
        assert!(matches!(sent, Err(MetricError::ReadOnly)), "{sent:?}");
    }
}

#[tokio::test]
async fn a_later_tenant_of_a_namespace_sees_nothing_of_the_earlier_one() {
    let server = MetricStoreServer::start(MetricStoreKind::VictoriaMetrics).expect("a server");
    let bench = Bench::new(&server);
    let key = bench.tenant("acme").await.key();
    bench.both(&key, SampleSource::Client, &[cpu(bench.now_ms() - HOUR_MS, 70.0)]).await;
    server.show_all();
    let scraped = scraping(&bench, &server, "max(ecp_tenant_cpu_usage{tenant_id=\"$tenant_id\"})");
    let read = scraped.query(&key, &bench.day(Interval::OneMinute)).await.expect("answers");
    assert_eq!(read[0].points, [], "it was before the tenant was created");
}

#[tokio::test]
async fn an_expression_of_several_series_is_refused_with_its_name() {
    let server = MetricStoreServer::start(MetricStoreKind::Prometheus).expect("a server");
    let bench = Bench::new(&server);
    let key = bench.tenant("acme").await.key();
    let now_ms = bench.now_ms();
    bench.remote.append(&key, SampleSource::Client, &[cpu(now_ms, 1.0)]).await.expect("stores");
    bench.remote.append(&key, SampleSource::Collector, &[cpu(now_ms, 2.0)]).await.expect("stores");
    server.show_all();
    bench.world.clock.set(now_ms + 2 * MINUTE_MS);
    let scraped = scraping(&bench, &server, "ecp_tenant_cpu_usage{tenant_id=\"$tenant_id\"}");
    let refused = scraped.query(&key, &bench.day(Interval::OneMinute)).await;
    let Err(MetricError::Unavailable(reason)) = refused else { panic!("{refused:?}") };
    assert!(reason.contains("metrics.expressions.cpu_usage yields 2 series"), "{reason}");
}
