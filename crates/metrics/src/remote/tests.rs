//! On real servers: the same answers as the embedded store, and what happens without the store.

mod faults;
mod moving;
mod scraped;

use super::*;
use crate::testing::World;
use ecp_core::metrics::Interval;
use ecp_core::ports::{MetricHealth, TenantStore as _};
use ecp_core::tenant::{Tenant, TenantStatus};
use ecp_testservers::{MetricStoreKind, MetricStoreServer};
use std::time::Duration;

const KINDS: [MetricStoreKind; 2] = [MetricStoreKind::VictoriaMetrics, MetricStoreKind::Prometheus];
const HOUR_MS: i64 = 3_600_000;

/// An embedded store with its tenants, beside an adapter of a server.
struct Bench {
    world: World,
    remote: RemoteMetrics,
}

fn settings(url: &str, timeout: Duration) -> RemoteSettings {
    let read_url: MetricsUrl = url.parse().expect("an address");
    RemoteSettings {
        write_url: read_url.write_url(),
        read_url,
        credentials_file: None,
        scope_org_id: None,
        timeout,
    }
}

fn adapter(world: &World, url: &str) -> RemoteMetrics {
    // As HTTP clients of the program do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let store = world.store.clone();
    let installation = InstallationId::from_text("ecp-test");
    RemoteMetrics::new(
        settings(url, Duration::from_secs(20)),
        (Mode::Demo, &installation),
        Retention::default(),
        world.clock.clone(),
        Arc::new(move |key: &TenantKey| store.exists(key)),
    )
    .expect("there are no credentials")
}

impl Bench {
    fn new(server: &MetricStoreServer) -> Self {
        // Servers keep nothing that is far from their own time.
        let now_ms = to_millis(ecp_core::Timestamp::now());
        let world = World::new(now_ms);
        let remote = adapter(&world, &server.url());
        Self { world, remote }
    }

    async fn tenant(&self, name: &str) -> Tenant {
        self.world.add_tenant(name, TenantStatus::Running).await
    }

    fn now_ms(&self) -> i64 {
        self.world.clock.now_ms()
    }

    async fn both(&self, key: &TenantKey, source: SampleSource, samples: &[Sample]) {
        self.world.metrics.append(key, source, samples).await.expect("stores");
        self.remote.append(key, source, samples).await.expect("stores");
    }

    fn day(&self, interval: Interval) -> SeriesQuery {
        let end_ms = (self.now_ms() + 999).div_euclid(1000) * 1000;
        SeriesQuery { metrics: Metric::ALL.to_vec(), start_ms: end_ms - 24 * HOUR_MS, end_ms, interval }
    }
}

fn cpu(timestamp_ms: i64, value: f64) -> Sample {
    let mut sample = Sample::empty(timestamp_ms);
    sample.values[Metric::CpuUsage.index()] = value;
    sample
}

/// Equal but for the order in which numbers were summed.
fn assert_same(remote: &[Series], embedded: &[Series], told: &str) {
    let near = |left: f64, right: f64| (left - right).abs() <= 1e-9 * right.abs().max(1.0);
    let both = |left: Option<f64>, right: Option<f64>| match (left, right) {
        (Some(left), Some(right)) => near(left, right),
        (left, right) => left == right,
    };
    assert_eq!(remote.len(), embedded.len(), "{told}");
    for (remote, embedded) in remote.iter().zip(embedded) {
        let metric = embedded.metric;
        assert_eq!(remote.metric, metric, "{told}");
        let times = |series: &Series| series.points.iter().map(|(time, _)| *time).collect::<Vec<_>>();
        assert_eq!(times(remote), times(embedded), "{told} {metric}");
        for ((time, remote), (_, embedded)) in remote.points.iter().zip(&embedded.points) {
            assert!(near(*remote, *embedded), "{told} {metric} at {time}: {remote} for {embedded}");
        }
        assert!(both(remote.average, embedded.average), "{told} {metric}: {remote:?} for {embedded:?}");
        assert_eq!(remote.maximum, embedded.maximum, "{told} {metric}");
    }
}

/// A day of uneven samples, with some at both ends of buckets, gaps, and metrics that come and go.
fn uneven_day(now_ms: i64) -> Vec<Sample> {
    let start_ms = now_ms - 25 * HOUR_MS;
    let mut samples: Vec<Sample> = (0..2600_i64)
        .filter(|step| step % 400 < 330)
        .map(|step| {
            let mut sample = cpu(start_ms + step * 34_613, (step % 101) as f64 + 0.25);
            if step % 3 == 0 {
                sample.values[Metric::NetworkIn.index()] = step as f64 * 1e9;
            }
            if step > 2000 {
                sample.values[Metric::ErrorRate.index()] = (step % 7) as f64 / 10.0;
            }
            sample
        })
        .collect();
    let hour = now_ms.div_euclid(HOUR_MS) * HOUR_MS;
    for bucket in 1..9 {
        let boundary = hour - bucket * HOUR_MS;
        samples.extend([cpu(boundary - 1, 100.0), cpu(boundary, 0.0), cpu(boundary + 1, 50.0)]);
    }
    samples
}

#[tokio::test]
async fn the_same_samples_give_the_same_answers_as_in_the_embedded_store() {
    for kind in KINDS {
        let server = MetricStoreServer::start(kind).expect("a server");
        let bench = Bench::new(&server);
        let key = bench.tenant("acme").await.key();
        let samples = uneven_day(bench.now_ms());
        for batch in samples.chunks(900) {
            bench.both(&key, SampleSource::Client, batch).await;
        }
        // Two collectors of one moment complete each other.
        let moment = bench.now_ms() - 1234;
        let mut gpu = Sample::empty(moment);
        gpu.values[Metric::GpuUsage.index()] = 7.0;
        bench.both(&key, SampleSource::Client, &[cpu(moment, 3.0)]).await;
        bench.both(&key, SampleSource::Client, &[gpu]).await;
        server.show_all();
        for interval in Interval::ALL {
            for (hours, ends_ago_ms) in [(24, 0), (1, 0), (24, 61_007), (7, HOUR_MS)] {
                let mut query = bench.day(interval);
                query.end_ms -= ends_ago_ms;
                query.start_ms = query.end_ms - hours * HOUR_MS;
                let embedded = bench.world.metrics.query(&key, &query).await.expect("answers");
                let remote = bench.remote.query(&key, &query).await.expect("answers");
                assert!(embedded.iter().any(|series| !series.points.is_empty()));
                assert_same(
                    &remote,
                    &embedded,
                    &format!("{kind:?} {interval:?} {hours} h to -{ends_ago_ms}"),
                );
            }
        }
        // Of many buckets, more than one question is asked.
        let mut query = bench.day(Interval::OneMinute);
        query.start_ms = query.end_ms - 100 * HOUR_MS;
        query.metrics = vec![Metric::CpuUsage];
        let embedded = bench.world.metrics.query(&key, &query).await.expect("answers");
        assert_same(&bench.remote.query(&key, &query).await.expect("answers"), &embedded, "long");
    }
}

#[tokio::test]
async fn a_sample_that_is_sent_twice_counts_once() {
    for kind in KINDS {
        let server = MetricStoreServer::start(kind).expect("a server");
        let bench = Bench::new(&server);
        let key = bench.tenant("acme").await.key();
        let (first, second) = (cpu(bench.now_ms() - 5000, 10.0), cpu(bench.now_ms() - 4000, 40.0));
        for sample in [first, second, first] {
            bench.remote.append(&key, SampleSource::Client, &[sample]).await.expect("stores");
        }
        server.show_all();
        let series = bench.remote.query(&key, &bench.day(Interval::OneHour)).await.expect("answers");
        assert_eq!(series[0].average, Some(25.0), "{kind:?}");
    }
}

#[tokio::test]
async fn what_is_measured_displaces_what_was_made_up_for_every_process() {
    for kind in KINDS {
        let server = MetricStoreServer::start(kind).expect("a server");
        let bench = Bench::new(&server);
        let other = adapter(&bench.world, &server.url());
        let key = bench.tenant("acme").await.key();
        let now_ms = bench.now_ms();
        bench
            .both(&key, SampleSource::Synthetic, &[cpu(now_ms - 7_200_000, 90.0), cpu(now_ms - 9000, 91.0)])
            .await;
        server.show_all();
        assert!(!other.has_own_samples(&key).await.expect("answers"), "{kind:?}");
        let shown = other.query(&key, &bench.day(Interval::OneMinute)).await.expect("answers");
        assert_eq!(shown[0].points.len(), 2, "{kind:?}: made-up load is shown");
        bench.both(&key, SampleSource::Client, &[cpu(now_ms - 5_000, 5.0)]).await;
        bench.both(&key, SampleSource::Synthetic, &[cpu(now_ms - 1000, 92.0)]).await;
        server.show_all();
        for (process, told) in [(&bench.remote, "this"), (&other, "the other")] {
            let shown = process.query(&key, &bench.day(Interval::OneMinute)).await.expect("answers");
            assert_eq!(shown[0].average, Some(5.0), "{kind:?}: {told} process");
        }
        let fresh = adapter(&bench.world, &server.url());
        assert!(fresh.has_own_samples(&key).await.expect("answers"), "{kind:?}");
        // A range before all that was measured shows nothing, to a process that just began too.
        let mut before = bench.day(Interval::OneMinute);
        before.end_ms = now_ms - HOUR_MS;
        let shown = adapter(&bench.world, &server.url()).query(&key, &before).await.expect("answers");
        assert_eq!(shown[0].points, [], "{kind:?}");
    }
}

#[tokio::test]
async fn a_later_tenant_of_an_id_sees_nothing_and_the_series_are_deleted() {
    for kind in KINDS {
        let server = MetricStoreServer::start(kind).expect("a server");
        let bench = Bench::new(&server);
        let first = bench.tenant("acme").await;
        bench
            .remote
            .append(&first.key(), SampleSource::Client, &[cpu(bench.now_ms() - 1000, 9.0)])
            .await
            .expect("stores");
        server.show_all();
        bench.world.delete_tenant(&first).await;
        bench.remote.remove_tenant(&first.key()).await.expect("forgets");
        let late = bench.remote.append(&first.key(), SampleSource::Client, &[cpu(bench.now_ms(), 9.0)]).await;
        assert!(matches!(late, Err(MetricError::TenantGone(_))), "{late:?}");
        let second = bench.tenant("acme").await;
        assert_ne!(first.key(), second.key());
        let shown = bench.remote.query(&second.key(), &bench.day(Interval::OneHour)).await.expect("answers");
        assert_eq!(shown[0].points, [], "{kind:?}");
        assert!(bench.remote.subscribe(&second.key()).borrow().is_none());
        let inner = bench.remote.inner.clone();
        let deleting = async {
            tokio::select! {
                () = inner.delete_what_is_doomed() => {}
                () = async { while !inner.doomed.lock().is_empty() { tokio::task::yield_now().await } } => {}
            }
        };
        deleting.await;
        assert!(bench.remote.capabilities().deletes, "{kind:?}");
        let gone = bench.remote.query(&first.key(), &bench.day(Interval::OneHour)).await.expect("answers");
        assert_eq!(gone[0].points, [], "{kind:?}: deleted");
    }
}

#[tokio::test]
async fn without_the_store_samples_are_refused_and_the_newest_values_go_on() {
    let mut server = MetricStoreServer::start(MetricStoreKind::VictoriaMetrics).expect("a server");
    let bench = Bench::new(&server);
    let key = bench.tenant("acme").await.key();
    let store = settings(&server.url(), Duration::from_secs(1));
    let exists: Tenants = Arc::new(|_| true);
    let installation = InstallationId::from_text("ecp-test");
    let owner = (Mode::Demo, &installation);
    let remote = RemoteMetrics::new(store, owner, Retention::default(), bench.world.clock.clone(), exists)
        .expect("there are no credentials");
    let sample = cpu(bench.now_ms() - 1000, 9.0);
    remote.append(&key, SampleSource::Client, &[sample]).await.expect("stores");
    assert_eq!(remote.health(), MetricHealth::Ready);
    server.stop();
    let later = cpu(bench.now_ms() - 500, 11.0);
    let refused = remote.append(&key, SampleSource::Client, &[later]).await;
    assert!(matches!(refused, Err(MetricError::Unavailable(_))), "{refused:?}");
    assert!(matches!(remote.health(), MetricHealth::Unreachable(_)));
    let asked = remote.query(&key, &bench.day(Interval::OneHour)).await;
    assert!(matches!(asked, Err(MetricError::Unavailable(_))), "{asked:?}");
    let newest = remote.subscribe(&key).borrow().and_then(|latest| latest.get(Metric::CpuUsage));
    assert_eq!(newest.map(|reading| reading.value), Some(11.0), "it does not wait for the store");
    server.restart();
    remote.append(&key, SampleSource::Client, &[later]).await.expect("it is taken when the store is back");
    assert_eq!(remote.health(), MetricHealth::Ready);
}

#[tokio::test]
async fn what_another_process_wrote_is_among_the_newest_values() {
    let server = MetricStoreServer::start(MetricStoreKind::VictoriaMetrics).expect("a server");
    let bench = Bench::new(&server);
    let other = adapter(&bench.world, &server.url());
    let key = bench.tenant("acme").await.key();
    let mut newest = other.subscribe(&key);
    let sample = cpu(bench.now_ms() - 1000, 9.0);
    bench.remote.append(&key, SampleSource::Client, &[sample]).await.expect("stores");
    server.show_all();
    other.inner.look(30_000).await.expect("answers");
    assert!(newest.has_changed().expect("it is there"));
    let reading = newest.borrow_and_update().and_then(|latest| latest.get(Metric::CpuUsage)).expect("one");
    assert_eq!((reading.timestamp_ms, reading.value), (sample.timestamp_ms, 9.0));
    assert_eq!(other.told_by_clients(&key, Metric::CpuUsage), Some(sample.timestamp_ms));
    other.inner.look(30_000).await.expect("answers");
    assert!(!newest.has_changed().expect("it is there"), "nothing is new");
}
