//! Three replicas on one PostgreSQL server: durable creations, reads, and what a replica pays to follow the feed of
//! changes that another one writes. Samples are in VictoriaMetrics, as replicas need it; none are sent.

use crate::client::{self, Connection, request};
use crate::peers::Peer;
use crate::report::{figure, remark};
use crate::scenarios::{QUIET, send, wait_until_running};
use anyhow::{Context, ensure};
use ecp_testservers::{MetricStoreKind, MetricStoreServer, Postgres};
use std::path::Path;
use std::time::{Duration, Instant};

const REPLICAS: usize = 3;
/// Tenants that are created: the simulated cluster has room for them.
const TENANTS: usize = 900;
/// Connections to each replica.
const CONNECTIONS: usize = 16;

/// Runs it.
pub async fn run(server: &Path, seconds: u64) -> anyhow::Result<()> {
    let duration = Duration::from_secs(seconds);
    let database = Postgres::start()?;
    let samples = MetricStoreServer::start(MetricStoreKind::VictoriaMetrics)?;
    let (database_url, metrics_url) = (database.url(), samples.url());
    let environment =
        [&QUIET[..], &[("ECP_DATABASE_URL", &*database_url), ("ECP_METRICS_URL", &*metrics_url)]].concat();
    let folder = tempfile::tempdir()?;
    let mut replicas = Vec::with_capacity(REPLICAS);
    for number in 0..REPLICAS {
        replicas.push(Peer::server(server, &folder.path().join(number.to_string()), &environment).await?);
    }
    creations(&replicas).await?;
    let mut connection = Connection::open(replicas.first().context("no replica")?.address).await?;
    wait_until_running(&mut connection, TENANTS).await?;
    reads(&replicas, duration).await?;
    feed(&replicas, duration).await?;
    for replica in replicas {
        replica.kill().await?;
    }
    Ok(())
}

/// Creates tenants on all replicas at once.
async fn creations(replicas: &[Peer]) -> anyhow::Result<()> {
    let started = Instant::now();
    let connections = REPLICAS * CONNECTIONS;
    let local = tokio::task::LocalSet::new();
    let workers: Vec<_> = (0..connections)
        .map(|worker| {
            let address = replicas[worker % REPLICAS].address;
            local.spawn_local(async move {
                let mut connection = Connection::open(address).await?;
                for number in (worker..TENANTS).step_by(connections) {
                    let body = format!(
                        r#"{{"tenant_id":"tenant-{number}","name":"t","preset":"micro","service_requirements":{{"ta":5}}}}"#
                    );
                    send(&mut connection, "POST", "/api/v1/tenants/", Some(&body), 201).await?;
                }
                anyhow::Ok(())
            })
        })
        .collect();
    local
        .run_until(async {
            for worker in workers {
                worker.await??;
            }
            anyhow::Ok(())
        })
        .await?;
    let rate = TENANTS as f64 / started.elapsed().as_secs_f64();
    remark(&format!(
        "PostgreSQL, {REPLICAS} replicas, {connections} connections: {rate:.0} durable creations/s, deployed meanwhile"
    ));
    Ok(())
}

/// Reads details from all replicas at once.
async fn reads(replicas: &[Peer], duration: Duration) -> anyhow::Result<()> {
    let path = |number: u64| format!("/api/v1/tenants/tenant-{}", number % TENANTS as u64);
    let load = |peer: &Peer| {
        client::load(peer.address, CONNECTIONS, duration, 200, move |number| {
            request("GET", &path(number), None)
        })
    };
    let [first, second, third] = replicas else { anyhow::bail!("three replicas are measured") };
    let (first, second, third) = tokio::try_join!(load(first), load(second), load(third))?;
    let rate = first.rate() + second.rate() + third.rate();
    remark(&format!("PostgreSQL, {REPLICAS} replicas: {rate:.0} tenant details/s in all"));
    Ok(())
}

/// Changes thresholds through one replica, and weighs what that costs another one that is asked nothing.
async fn feed(replicas: &[Peer], duration: Duration) -> anyhow::Result<()> {
    let [writer, .., follower] = replicas else { anyhow::bail!("there is one replica alone") };
    let idle = follower.processor_time()?;
    tokio::time::sleep(duration).await;
    let idle = (follower.processor_time()? - idle).as_secs_f64();
    let before = follower.processor_time()?;
    let rules = |number: u64| {
        let path = format!("/api/v1/tenants/tenant-{}/alert-rules", number % TENANTS as u64);
        // Another threshold than the one before it, so that each is a change.
        let body = format!(r#"{{"rules":{{"cpu":{{"warning":{}}}}}}}"#, 50 + number / TENANTS as u64 % 40);
        request("PUT", &path, Some(&body))
    };
    let changes = client::load(writer.address, CONNECTIONS, duration, 200, rules).await?;
    let spent = (follower.processor_time()? - before).as_secs_f64() - idle;
    ensure!(changes.requests > 0, "nothing was changed");
    let share = spent.max(0.0) / changes.requests as f64 * 1000.0;
    remark(&format!("PostgreSQL: {:.0} changes/s through one replica, each durable", changes.rate()));
    figure(
        "following 1,000 changes a second, of one core",
        &format!("{:.1} %", share * 100.0),
        "< 25 %",
        share < 0.25,
    );
    Ok(())
}
