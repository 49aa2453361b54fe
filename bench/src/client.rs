//! A small HTTP/1.1 load generator: keep-alive connections that each repeat one request.
//!
//! It reads no more of a response than status, length and body, so that two cores are left to the
//! server as far as possible.

use anyhow::{Context, bail};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One keep-alive connection.
pub struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

/// What came back.
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// Body bytes.
    pub body: Vec<u8>,
}

impl Connection {
    /// Opens one.
    pub async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await.context("the server does not accept")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(64 * 1024) })
    }

    /// Sends the bytes of a request and reads its response.
    pub async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Response> {
        self.stream.write_all(request).await?;
        self.buffer.clear();
        let head_end = loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection");
            }
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
        };
        let head = std::str::from_utf8(&self.buffer[..head_end])?;
        let status = head.get(9..12).and_then(|code| code.parse().ok()).context("no status line")?;
        let length: usize = head
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .context("no content-length")?;
        while self.buffer.len() < head_end + length {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the server closed the connection in a body");
            }
        }
        Ok(Response { status, body: self.buffer[head_end..head_end + length].to_vec() })
    }
}

/// Bytes of a request in demo mode.
pub fn request(method: &str, path: &str, body: Option<&str>) -> Vec<u8> {
    let body = body.unwrap_or_default();
    format!(
        "{method} {path} HTTP/1.1\r\nhost: localhost\r\nx-demo-mode: true\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// What a load measured.
pub struct Load {
    /// Requests answered as expected.
    pub requests: u64,
    /// How long it ran.
    pub elapsed: Duration,
    /// Every latency, sorted.
    latencies: Vec<Duration>,
}

impl Load {
    /// Requests a second.
    pub fn rate(&self) -> f64 {
        self.requests as f64 / self.elapsed.as_secs_f64()
    }

    /// A quantile of the latencies, 0–1.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let last = self.latencies.len().saturating_sub(1);
        self.latencies.get((last as f64 * quantile).round() as usize).copied().unwrap_or_default()
    }
}

/// Repeats requests over `connections` sockets for a while; `make` gets a running number.
pub async fn load(
    address: SocketAddr,
    connections: usize,
    duration: Duration,
    expected: u16,
    make: impl Fn(u64) -> Vec<u8> + Clone + 'static,
) -> anyhow::Result<Load> {
    let started = Instant::now();
    let local = tokio::task::LocalSet::new();
    let workers: Vec<_> = (0..connections as u64)
        .map(|worker| {
            let make = make.clone();
            local.spawn_local(async move {
                let mut connection = Connection::open(address).await?;
                let mut latencies = Vec::new();
                let mut number = worker;
                while started.elapsed() < duration {
                    let request = make(number);
                    number += connections as u64;
                    let sent = Instant::now();
                    let response = connection.exchange(&request).await?;
                    latencies.push(sent.elapsed());
                    if response.status != expected {
                        bail!("{} {}", response.status, String::from_utf8_lossy(&response.body));
                    }
                }
                Ok(latencies)
            })
        })
        .collect();
    let mut latencies = Vec::new();
    local
        .run_until(async {
            for worker in workers {
                latencies.extend(worker.await??);
            }
            anyhow::Ok(())
        })
        .await?;
    let elapsed = started.elapsed();
    latencies.sort_unstable();
    Ok(Load { requests: latencies.len() as u64, elapsed, latencies })
}
