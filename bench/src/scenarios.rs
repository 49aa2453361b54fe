//! What is measured, in order: reads, writes, ranges, streams, rendering, memory and start.

use crate::client::{self, Connection, Load, request};
use crate::peers::Peer;
use crate::report::{figure, remark};
use crate::{rendering, streams};
use anyhow::ensure;
use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

const TENANT: &str = r#"{"tenant_id":"my-ai-service","name":"내 AI 서비스","preset":"medium","service_requirements":{"callbot":50,"chatbot":100,"advisor":25,"stt":30,"tts":30},"sla_target":{"availability":"99.9%","response_time":"200ms","concurrent_users":200}}"#;
/// Nothing of its own goes on in demo mode, and the simulated cluster has room for all tenants.
pub const QUIET: [(&str, &str); 1] = [("ECP_CONFIG", "bench/server.toml")];
const TENANTS_ON_DISK: usize = 1000;
/// Five-second samples of a day.
const SAMPLES_OF_A_DAY: i64 = 17_280;

/// What can be measured by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// GET of a tenant beside a bare handler.
    Reads,
    /// Samples one by one.
    Writes,
    /// Samples a thousand at a time.
    Batches,
    /// A day at five minutes.
    Ranges,
    /// One tenant's values to a thousand listeners.
    Streams,
    /// Manifests as YAML.
    Rendering,
    /// Start and idle memory.
    Start,
}

/// Runs the parts that are named, or everything.
pub async fn run(server: &Path, seconds: u64, only: &[Part]) -> anyhow::Result<()> {
    let wanted = |part: Part| only.is_empty() || only.contains(&part);
    let duration = Duration::from_secs(seconds);
    let folder = tempfile::tempdir()?;
    let peer = Peer::server(server, &folder.path().join("load"), &QUIET).await?;
    let mut connection = Connection::open(peer.address).await?;
    send(&mut connection, "POST", "/api/v1/tenants/", Some(TENANT), 201).await?;
    if wanted(Part::Reads) {
        reads(&peer, &mut connection, folder.path(), duration).await?;
    }
    if wanted(Part::Writes) {
        writes(&peer, duration).await?;
    }
    if wanted(Part::Batches) {
        batches(&peer, &mut connection, duration).await?;
    }
    if wanted(Part::Ranges) {
        ranges(&peer, &mut connection, duration).await?;
    }
    drop(connection);
    peer.kill().await?;
    if wanted(Part::Streams) {
        let peer = Peer::server(server, &folder.path().join("streams"), &QUIET).await?;
        let mut connection = Connection::open(peer.address).await?;
        streams::run(&peer, &mut connection, duration).await?;
        drop(connection);
        peer.kill().await?;
    }
    if wanted(Part::Rendering) {
        rendering::run(duration)?;
    }
    if wanted(Part::Start) {
        start_and_memory(server, folder.path()).await?;
    }
    Ok(())
}

/// Sends one request and reads the body of the answer that is expected.
pub async fn send(
    connection: &mut Connection,
    method: &str,
    path: &str,
    body: Option<&str>,
    expected: u16,
) -> anyhow::Result<Vec<u8>> {
    let response = connection.exchange(&request(method, path, body)).await?;
    ensure!(
        response.status == expected,
        "{method} {path}: {} {}",
        response.status,
        String::from_utf8_lossy(&response.body)
    );
    Ok(response.body)
}

/// GET tenant detail against a bare handler of the same bytes; the two in turn, three times.
async fn reads(
    peer: &Peer,
    connection: &mut Connection,
    folder: &Path,
    duration: Duration,
) -> anyhow::Result<()> {
    const PATH: &str = "/api/v1/tenants/my-ai-service";
    let body = send(connection, "GET", PATH, None, 200).await?;
    let file = folder.join("detail.json");
    std::fs::write(&file, &body)?;
    let baseline = Peer::baseline(&file).await?;
    let part = duration / 3;
    let (mut ours, mut bare) = (0.0, 0.0);
    for _ in 0..3 {
        ours += client::load(peer.address, 64, part, 200, |_| request("GET", PATH, None)).await?.rate() / 3.0;
        bare +=
            client::load(baseline.address, 64, part, 200, |_| request("GET", "/", None)).await?.rate() / 3.0;
    }
    let share = ours / bare;
    remark(&format!("bare axum, same {} bytes: {bare:.0}/s; this server: {ours:.0}/s", body.len()));
    figure(
        "GET tenant detail, share of bare axum",
        &format!("{:.0} %", share * 100.0),
        ">= 50 % (goal 85 %)",
        share >= 0.5,
    );
    baseline.kill().await
}

/// Metrics POST, one sample each, over 64 connections, acknowledged on disk.
async fn writes(peer: &Peer, duration: Duration) -> anyhow::Result<()> {
    const PATH: &str = "/api/v1/tenants/my-ai-service/monitoring";
    let base = jiff::Timestamp::now().as_millisecond() - 3_600_000;
    let sample = move |number: u64| {
        let time = jiff::Timestamp::from_millisecond(base + number as i64).unwrap_or_default();
        format!(
            r#"{{"timestamp":"{time}","metrics":{{"cpu_usage":{},"memory_usage":78.2,"gpu_usage":70.0,"network_in":1250000,"network_out":850000,"storage_used":750000000000,"request_count":1250,"response_time":145.8,"error_rate":0.02}}}}"#,
            40 + number % 30
        )
    };
    let single: Load = client::load(peer.address, 64, duration, 201, move |number| {
        request("POST", PATH, Some(&sample(number)))
    })
    .await?;
    remark(&format!("metrics POST: p50 {:?}, p99 {:?}", single.quantile(0.5), single.quantile(0.99)));
    figure(
        "metrics POST, one sample, 64 connections, durable",
        &format!("{:.0}/s", single.rate()),
        ">= 10000/s (goal 57000)",
        single.rate() >= 10_000.0,
    );
    Ok(())
}

/// Metrics POST, a thousand samples each, over 8 connections, acknowledged on disk.
async fn batches(peer: &Peer, connection: &mut Connection, duration: Duration) -> anyhow::Result<()> {
    /// Batches are of a tenant of their own, in order: what is older than what is there costs several times as much.
    /// They begin a week back, where raw samples are still kept, and start over before they reach the present, however
    /// fast the machine is: nothing ahead of the clock is accepted.
    const BATCHES: &str = "/api/v1/tenants/in-order/monitoring";
    const BATCHES_SPAN_MS: i64 = 7 * 86_400_000;
    const BATCHES_STEP_MS: i64 = 10;
    let create = TENANT.replace("my-ai-service", "in-order");
    send(connection, "POST", "/api/v1/tenants/", Some(&create), 201).await?;
    let batches_base = jiff::Timestamp::now().as_millisecond() - BATCHES_SPAN_MS;
    let batch = move |number: u64| {
        let mut body = String::from(r#"{"samples":["#);
        for offset in 0..1000 {
            let at = (number as i64 * 1000 + offset) * BATCHES_STEP_MS;
            let at = batches_base + at.rem_euclid(BATCHES_SPAN_MS);
            let time = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
            let comma = if offset == 0 { "" } else { "," };
            let _ =
                write!(body, r#"{comma}{{"timestamp":"{time}","metrics":{{"cpu_usage":{}}}}}"#, offset % 80);
        }
        body + "]}"
    };
    let before = peer.processor_time()?;
    let batched = client::load(peer.address, 8, duration, 201, move |number| {
        request("POST", BATCHES, Some(&batch(number)))
    })
    .await?;
    let processor = (peer.processor_time()? - before).as_secs_f64();
    remark(&format!(
        "metrics POST, 1000 samples a request, 8 connections: {:.0} samples/s beside what makes them",
        batched.rate() * 1000.0
    ));
    let share = batched.requests as f64 * 1000.0 / processor.max(0.01);
    figure(
        "metrics POST, batches, samples per core-second, durable",
        &format!("{:.2} M", share / 1e6),
        ">= 2.4 M",
        share >= 2.4e6,
    );
    Ok(())
}

/// Monitoring GET of a day at five minutes over 17,280 raw samples of three series.
async fn ranges(peer: &Peer, connection: &mut Connection, duration: Duration) -> anyhow::Result<()> {
    let create = TENANT.replace("my-ai-service", "a-day-of-samples");
    send(connection, "POST", "/api/v1/tenants/", Some(&create), 201).await?;
    let now = jiff::Timestamp::now().as_millisecond();
    for first in (0..SAMPLES_OF_A_DAY).step_by(2880) {
        let samples: Vec<_> = (first..first + 2880)
            .map(|number| {
                let time = jiff::Timestamp::from_millisecond(now - number * 5000).unwrap_or_default();
                let value = 50.0 + (number % 300) as f64 / 10.0;
                serde_json::json!({"timestamp": time, "metrics": {"cpu": value, "memory": value, "gpu": value}})
            })
            .collect();
        let body = serde_json::json!({ "samples": samples }).to_string();
        send(connection, "POST", "/api/v1/tenants/a-day-of-samples/monitoring", Some(&body), 201).await?;
    }
    const PATH: &str =
        "/api/v1/tenants/a-day-of-samples/monitoring?hours=24&interval=5m&metric_type=cpu,memory,gpu";
    let load = client::load(peer.address, 4, duration, 200, |_| request("GET", PATH, None)).await?;
    remark(&format!("24 h at 5m, three series: {:.0}/s, p50 {:?}", load.rate(), load.quantile(0.5)));
    figure(
        "24 h at 5m, three series, p50 at 4 connections",
        &format!("{:?}", load.quantile(0.5)),
        "<= 100 µs",
        load.quantile(0.5) <= Duration::from_micros(100),
    );
    let p99 = load.quantile(0.99);
    figure(
        "monitoring GET, 24 h at 5m over 17,280 samples, p99",
        &format!("{p99:?}"),
        "< 5 ms",
        p99 < Duration::from_millis(5),
    );
    Ok(())
}

/// Start to ready and idle memory with 1,000 tenants on disk, with nothing switched off.
async fn start_and_memory(server: &Path, folder: &Path) -> anyhow::Result<()> {
    let data = folder.join("thousand");
    let filling = Peer::server(server, &data, &QUIET).await?;
    let mut connection = Connection::open(filling.address).await?;
    for number in 0..TENANTS_ON_DISK {
        let body = format!(
            r#"{{"tenant_id":"tenant-{number}","name":"테넌트 {number}","preset":"micro","service_requirements":{{"ta":5}}}}"#
        );
        send(&mut connection, "POST", "/api/v1/tenants/", Some(&body), 201).await?;
    }
    wait_until_running(&mut connection, TENANTS_ON_DISK).await?;
    filling.kill().await?;
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let peer = Peer::server(server, &data, &QUIET).await?;
        best = best.min(peer.ready_after);
        peer.kill().await?;
    }
    figure(
        "start to ready, 1,000 tenants on disk",
        &format!("{best:?}"),
        "< 200 ms",
        best < Duration::from_millis(200),
    );
    let peer = Peer::server(server, &data, &QUIET).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let idle = peer.resident_mib()?;
    figure("idle memory, 1,000 tenants on disk", &format!("{idle:.1} MiB"), "< 40 MB", idle < 38.1);
    peer.kill().await
}

/// Waits until this many tenants, all that there are, run.
pub async fn wait_until_running(connection: &mut Connection, tenants: usize) -> anyhow::Result<()> {
    for _ in 0..600 {
        let body = send(connection, "GET", "/api/v1/tenants/?limit=1", None, 200).await?;
        let list: serde_json::Value = serde_json::from_slice(&body)?;
        if list["active_count"].as_u64() == Some(tenants as u64) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    anyhow::bail!("the tenants did not come up within 5 minutes")
}
