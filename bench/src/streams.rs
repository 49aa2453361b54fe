//! Fan-out: what a frame costs that many listeners get, and what a listener weighs.

use crate::client::Connection;
use crate::peers::Peer;
use crate::report::{figure, remark};
use crate::scenarios::send;
use anyhow::{Context, ensure};
use futures_util::{SinkExt, StreamExt};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

const LISTENERS: usize = 1000;
const TENANT: &str = "listened-to";
/// Between two samples; each listener gets a frame of each.
const EVERY: Duration = Duration::from_millis(100);

/// Measures frames of one tenant's metrics to a thousand listeners.
pub async fn run(peer: &Peer, connection: &mut Connection, duration: Duration) -> anyhow::Result<()> {
    let create = format!(
        r#"{{"tenant_id":"{TENANT}","name":"streams","preset":"micro","service_requirements":{{"ta":5}}}}"#
    );
    send(connection, "POST", "/api/v1/tenants/", Some(&create), 201).await?;
    let before = peer.resident_mib()?;
    let mut listeners = Vec::with_capacity(LISTENERS);
    for _ in 0..LISTENERS {
        listeners.push(listen(peer).await?);
    }
    let received = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = listeners
        .into_iter()
        .map(|mut listener| {
            let received = received.clone();
            tokio::spawn(async move {
                while let Some(Ok(message)) = listener.next().await {
                    received.fetch_add(u64::from(message.is_text()), Ordering::Relaxed);
                }
            })
        })
        .collect();
    // What every connection needs once is in memory before it is weighed.
    tell(connection, duration.min(Duration::from_secs(2))).await?;
    let weight = (peer.resident_mib()? - before) * 1024.0 / LISTENERS as f64;
    let (frames, processor) = (received.load(Ordering::Relaxed), peer.processor_time()?);
    tell(connection, duration).await?;
    let frames = received.load(Ordering::Relaxed) - frames;
    let processor = (peer.processor_time()? - processor).as_secs_f64();
    readers.iter().for_each(tokio::task::JoinHandle::abort);
    ensure!(frames > 0 && processor > 0.0, "nobody got a frame");
    remark(&format!(
        "{LISTENERS} listeners of one tenant: {frames} frames, {processor:.2} s of processor time"
    ));
    let rate = frames as f64 / processor;
    figure("stream fan-out, frames per core-second", &format!("{rate:.0}"), ">= 400000", rate >= 400_000.0);
    figure("memory of a stream's connection", &format!("{weight:.1} KiB"), "<= 4 KiB", weight <= 4.0);
    Ok(())
}

/// A listener that is subscribed: its first frame is read.
async fn listen(peer: &Peer) -> anyhow::Result<WebSocketStream<TcpStream>> {
    let stream = TcpStream::connect(peer.address).await?;
    let address = format!("ws://localhost/ws/monitoring/{TENANT}?demo_mode=true");
    let (mut listener, _) = tokio_tungstenite::client_async(address.into_client_request()?, stream).await?;
    listener.send(Message::text(r#"{"action":"subscribe","metrics":["cpu"],"interval":100}"#)).await?;
    Ok(listener)
}

/// Sends a sample every so often for a while.
async fn tell(connection: &mut Connection, duration: Duration) -> anyhow::Result<()> {
    let path = format!("/api/v1/tenants/{TENANT}/monitoring");
    let mut ticks = tokio::time::interval(EVERY);
    let started = Instant::now();
    let mut number = 0;
    while started.elapsed() < duration {
        ticks.tick().await;
        number += 1;
        let body = format!(r#"{{"metrics":{{"cpu_usage":{}}}}}"#, 20 + number % 50);
        send(connection, "POST", &path, Some(&body), 201).await.context("a sample is refused")?;
    }
    Ok(())
}
