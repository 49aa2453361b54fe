//! What receivers of alerts cost ingestion that are slow, hostile or dead, with ten thousand open alerts: batches of
//! samples without receivers and with them in turn, on one server in one run, while alerts change all the while.
//! Beside the rate stands the server's processor time for a million samples, which others on the machine move less.

use crate::client::{self, Connection, request};
use crate::peers::Peer;
use crate::report::{figure, remark};
use crate::scenarios::{QUIET, send};
use anyhow::{Context, ensure};
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Open alerts that are there throughout.
const OPEN_ALERTS: usize = 10_000;
/// Series of one sample that are over their thresholds, each an alert.
const OVER: &str = r#"{"metrics":{"cpu":97,"memory":97,"gpu":97,"error_rate":0.5,"response_time":90000}}"#;
const ALERTS_OF_A_TENANT: usize = 5;
/// Receivers of each kind for each way to be of no use.
const EACH: usize = 2;
/// Between two changes of the alerts that are told all the while.
const CHANGE_EVERY: Duration = Duration::from_millis(100);
/// Samples of a batch.
const SAMPLES: i64 = 1000;
/// The tenant of the batches: one that has no newer samples, so that they come in order.
const INGESTING: &str = "ingesting";
/// How far back batches begin: further than all of them reach.
const SPAN_MS: i64 = 7 * 86_400_000;

/// Ways to be of no use.
#[derive(Clone, Copy, Debug)]
enum Manner {
    /// Takes the request and says nothing.
    Silent,
    /// Answers a byte a second.
    Dripping,
    /// Answers a body that does not end.
    Endless,
    /// Sends the caller to itself, again and again.
    Redirecting,
    /// Hangs up in the middle of the request.
    Resetting,
    /// Answers a TLS handshake with something else.
    GarbledTls,
    /// Does not listen.
    Dead,
}

const SLOW: &[Manner] = &[Manner::Silent, Manner::Dripping];
const HOSTILE: &[Manner] = &[Manner::Endless, Manner::Redirecting, Manner::Resetting, Manner::GarbledTls];
const DEAD: &[Manner] = &[Manner::Dead];

/// Runs it.
pub async fn run(server: &Path, seconds: u64) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let mut environment = QUIET.to_vec();
    environment.push(("ECP_NOTIFICATIONS__ALLOW_PRIVATE", "127.0.0.0/8"));
    let peer = Peer::server(server, folder.path(), &environment).await?;
    let mut connection = Connection::open(peer.address).await?;
    create(&mut connection, INGESTING).await?;
    let tenants = raise_alerts(&mut connection).await?;
    // Longer ones would reach the present, and nothing ahead of the clock is accepted.
    let part = Duration::from_secs(seconds.clamp(1, 20));
    let all = [DEAD, SLOW, HOSTILE].concat();
    let changing = Changing::start(peer.address, tenants.into_iter().next().context("no tenant")?);
    let mut place = jiff::Timestamp::now().as_millisecond() - SPAN_MS;
    // What is first of all on a new server is like nothing after it.
    ingest(&peer, &mut place, part).await?.say("at first");
    let mut before = ingest(&peer, &mut place, part).await?;
    before.say("without receivers");
    for (name, manners) in [("dead", DEAD), ("slow", SLOW), ("hostile", HOSTILE), ("all", &all)] {
        let receivers = register(&mut connection, manners).await?;
        let with = ingest(&peer, &mut place, part).await?;
        for id in &receivers {
            send(&mut connection, "DELETE", &format!("/api/v1/receivers/{id}"), None, 200).await?;
        }
        let after = ingest(&peer, &mut place, part).await?;
        with.say(&format!("{} {name} receivers", receivers.len()));
        after.say("without receivers");
        let share = with.load.rate() / f64::midpoint(before.load.rate(), after.load.rate());
        figure(
            &format!("batches of samples, {} {name} receivers, of without", receivers.len()),
            &format!("{:.0} %", share * 100.0),
            ">= 90 %",
            share >= 0.9,
        );
        before = after;
    }
    changing.stop();
    peer.kill().await
}

/// Tenants with open alerts, as many as it takes.
async fn raise_alerts(connection: &mut Connection) -> anyhow::Result<Vec<String>> {
    let mut tenants = Vec::new();
    while tenants.len() * ALERTS_OF_A_TENANT < OPEN_ALERTS {
        let id = format!("tenant-{}", tenants.len());
        if !create(connection, &id).await? {
            break;
        }
        tenants.push(id);
    }
    for id in &tenants {
        send(connection, "POST", &format!("/api/v1/tenants/{id}/monitoring"), Some(OVER), 201).await?;
    }
    // What deploys meanwhile is no matter of receivers.
    for _ in 0..1200 {
        let body = send(connection, "GET", "/api/v1/tenants/?limit=1", None, 200).await?;
        let list: serde_json::Value = serde_json::from_slice(&body)?;
        if list["active_count"].as_u64() == Some(tenants.len() as u64 + 1) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let body = send(connection, "GET", "/api/v1/alerts?status=open&limit=1", None, 200).await?;
    let list: serde_json::Value = serde_json::from_slice(&body)?;
    remark(&format!("{} tenants, {} open alerts", tenants.len(), list["total_count"]));
    Ok(tenants)
}

/// A small tenant; false where the cluster is full.
async fn create(connection: &mut Connection, id: &str) -> anyhow::Result<bool> {
    let body = format!(
        r#"{{"tenant_id":"{id}","name":"{id}","preset":"micro","service_requirements":{{"ta":5}},"sla_target":{{"availability":"99.0%","response_time":"500ms"}}}}"#
    );
    let created = connection.exchange(&request("POST", "/api/v1/tenants/", Some(&body))).await?;
    ensure!(matches!(created.status, 201 | 409), "{}", String::from_utf8_lossy(&created.body));
    Ok(created.status == 201)
}

/// One of each manner and kind, some times over.
async fn register(connection: &mut Connection, manners: &[Manner]) -> anyhow::Result<Vec<String>> {
    let mut ids = Vec::new();
    for _ in 0..EACH {
        for &manner in manners {
            let url = listen(manner)?;
            for kind in ["webhook", "alertmanager"] {
                let body = serde_json::json!({"kind": kind, "url": url}).to_string();
                let answer = send(connection, "POST", "/api/v1/receivers", Some(&body), 201).await?;
                let receiver: serde_json::Value = serde_json::from_slice(&answer)?;
                ids.push(receiver["receiver_id"].as_str().context("an id")?.to_owned());
            }
        }
    }
    Ok(ids)
}

/// A while of batches.
struct Ingested {
    load: client::Load,
    /// Processor time that the server took.
    processor: Duration,
}

impl Ingested {
    fn say(&self, name: &str) {
        let load = &self.load;
        let million = load.requests as f64 * SAMPLES as f64 / 1e6;
        remark(&format!(
            "{name}: {:.0} samples/s, {:.2} processor seconds a million, p50 {:?}, p99 {:?}, longest {:?}",
            load.rate() * SAMPLES as f64,
            self.processor.as_secs_f64() / million,
            load.quantile(0.5),
            load.quantile(0.99),
            load.quantile(1.0)
        ));
    }
}

/// Batches over 8 connections, after those that came before: none replaces samples that are there.
async fn ingest(peer: &Peer, place: &mut i64, duration: Duration) -> anyhow::Result<Ingested> {
    let path = format!("/api/v1/tenants/{INGESTING}/monitoring");
    let base = *place;
    let batch = move |number: u64| {
        let mut body = String::from(r#"{"samples":["#);
        for offset in 0..SAMPLES {
            let at = base + number as i64 * SAMPLES + offset;
            let time = jiff::Timestamp::from_millisecond(at).unwrap_or_default();
            let comma = if offset == 0 { "" } else { "," };
            let _ = write!(body, r#"{comma}{{"timestamp":"{time}","metrics":{{"network_in":{offset}}}}}"#);
        }
        body + "]}"
    };
    let before = peer.processor_time()?;
    let make = move |number| request("POST", &path, Some(&batch(number)));
    let load = client::load(peer.address, 8, duration, 201, make).await?;
    // Batches are numbered by connection, so that the last ones lie a little further.
    *place += (load.requests as i64 + 1000) * SAMPLES;
    Ok(Ingested { load, processor: peer.processor_time()?.saturating_sub(before) })
}

/// An alert of one tenant that goes up and down, on a thread of its own.
struct Changing(std::sync::Arc<std::sync::atomic::AtomicBool>);

impl Changing {
    fn start(address: SocketAddr, tenant: String) -> Self {
        let stopped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let seen = stopped.clone();
        std::thread::spawn(move || {
            let path = format!("/api/v1/tenants/{tenant}/monitoring");
            let mut high = false;
            while !seen.load(std::sync::atomic::Ordering::Relaxed) {
                let value = if high { 97 } else { 85 };
                let body = format!(r#"{{"metrics":{{"cpu":{value}}}}}"#);
                // Another connection each time: what becomes of it is no matter.
                if let Ok(mut stream) = TcpStream::connect(address) {
                    let _ = stream.write_all(&request("POST", &path, Some(&body)));
                    let _ = stream.read(&mut [0; 512]);
                }
                high = !high;
                std::thread::sleep(CHANGE_EVERY);
            }
        });
        Self(stopped)
    }

    fn stop(self) {
        self.0.store(true, std::sync::atomic::Ordering::Relaxed);
    }
}

/// Listens in a manner until the benchmark ends; the address to register.
fn listen(manner: Manner) -> anyhow::Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let scheme = if matches!(manner, Manner::GarbledTls) { "https" } else { "http" };
    let url = format!("{scheme}://{address}/");
    if matches!(manner, Manner::Dead) {
        return Ok(url);
    }
    let own = url.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let own = own.clone();
            // Whoever goes away ends its own connection alone.
            std::thread::spawn(move || drop(answer(manner, stream, &own)));
        }
    });
    Ok(url)
}

fn answer(manner: Manner, mut stream: TcpStream, own: &str) -> std::io::Result<()> {
    let mut buffer = [0; 4096];
    match manner {
        Manner::Dead => {}
        Manner::Silent => while stream.read(&mut buffer)? > 0 {},
        Manner::Dripping => {
            for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n".iter().cycle() {
                stream.write_all(&[*byte])?;
                std::thread::sleep(Duration::from_secs(1));
            }
        }
        Manner::Endless => {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n")?;
            while stream.write_all(&buffer).is_ok() {}
        }
        Manner::Redirecting => {
            let _some = stream.read(&mut buffer)?;
            let answer = format!("HTTP/1.1 302 Found\r\nlocation: {own}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes())?;
        }
        Manner::Resetting => {
            // What is unread when a socket is closed has the peer told by a reset.
            stream.read_exact(&mut buffer[..1])?;
        }
        Manner::GarbledTls => {
            let _some = stream.read(&mut buffer)?;
            stream.write_all(&[0x16; 4096])?;
        }
    }
    Ok(())
}
