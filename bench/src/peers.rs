//! The processes that are measured: the server itself, and a bare axum server as the baseline.

use anyhow::{Context, bail};
use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::routing::get;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};

/// A server in a process of its own; killed when dropped.
pub struct Peer {
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to its first answer.
    pub ready_after: Duration,
    child: Child,
}

impl Peer {
    /// Starts the orchestrator on a data folder.
    pub async fn server(
        binary: &Path,
        data_dir: &Path,
        environment: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(binary);
        command.args(["serve", "--listen", &address.to_string(), "--data-dir"]).arg(data_dir);
        command.stderr(Stdio::null()).envs(environment.iter().copied());
        Self::start(command, address).await
    }

    /// Starts the bare axum server that answers `body`.
    pub async fn baseline(body: &Path) -> anyhow::Result<Self> {
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("baseline").arg(body).env("BASELINE_ADDRESS", address.to_string());
        Self::start(command, address).await
    }

    async fn start(mut command: Command, address: SocketAddr) -> anyhow::Result<Self> {
        let started = Instant::now();
        let mut child = command.stdin(Stdio::null()).kill_on_drop(true).spawn().context("can not start")?;
        loop {
            if TcpStream::connect(address).await.is_ok() {
                break;
            }
            if let Some(status) = child.try_wait()? {
                bail!("the process ended with {status}");
            }
            if started.elapsed() > Duration::from_secs(30) {
                bail!("the process did not listen on {address} within 30 s");
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Ok(Self { address, ready_after: started.elapsed(), child })
    }

    /// Resident memory in MiB.
    pub fn resident_mib(&self) -> anyhow::Result<f64> {
        let id = self.child.id().context("the process has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let kilobytes: f64 = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok())
            .context("no VmRSS in /proc")?;
        Ok(kilobytes / 1024.0)
    }

    /// Processor time that it took so far.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        /// What Linux counts in, whatever the kernel's own timer does.
        const TICKS_A_SECOND: f64 = 100.0;
        let id = self.child.id().context("the process has ended")?;
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat"))?;
        // The name before it may hold anything.
        let fields = stat.rsplit_once(')').map(|(_, rest)| rest.split_whitespace()).context("no fields")?;
        let ticks: f64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum();
        Ok(Duration::from_secs_f64(ticks / TICKS_A_SECOND))
    }

    /// Ends it as `kill -9` does.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill().await.context("can not kill")
    }
}

fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// The baseline: GET answers the bytes of a file, POST parses JSON and answers 201.
pub fn serve_baseline(body: &Path) -> anyhow::Result<()> {
    let bytes = Bytes::from(std::fs::read(body)?);
    let address: SocketAddr = std::env::var("BASELINE_ADDRESS")?.parse()?;
    let json = [(header::CONTENT_TYPE, "application/json")];
    let read = move || async move { (json, bytes) };
    let write = async |axum::Json(_): axum::Json<serde_json::Value>| {
        (StatusCode::CREATED, [(header::CONTENT_TYPE, "application/json")], "{\"accepted\":1}")
    };
    let router = axum::Router::new().route("/", get(read).post(write));
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        axum::serve(listener, router).await.context("the baseline stopped")
    })
}
