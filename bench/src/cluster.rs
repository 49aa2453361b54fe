//! Real mode on real control planes: how fast tenants are applied beside `kubectl apply
//! --server-side` of the same files, what the server weighs with them watched, and how long one hand
//! edit among them lasts.

use crate::client::{Connection, request};
use crate::peers::Peer;
use crate::report::{figure, remark};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const SCRIPT: &str = "deploy/control-plane/control-plane";
/// Room for a thousand tenants of five services.
const NODES: &str = "cpu 64 512 4Ti 1000 0 - 0\ngpu-t4 64 512 4Ti 1000 128 Tesla-T4 15360\n";
/// For anything that the cluster does.
const PATIENCE: Duration = Duration::from_secs(3600);

/// A control plane; it goes with this process.
struct ControlPlane {
    name: String,
    kubeconfig: PathBuf,
}

impl ControlPlane {
    fn start(name: &str, nodes: &Path) -> anyhow::Result<Self> {
        let process = std::process::id().to_string();
        let name = format!("bench-{name}-{process}");
        let output = Command::new(SCRIPT)
            .args(["up", &name, "--watch-pid", &process, "--nodes"])
            .arg(nodes)
            .output()
            .context("the control plane's script can not be run")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let kubeconfig = String::from_utf8(output.stdout)?;
        let kubeconfig = kubeconfig.lines().last().context("no kubeconfig")?.into();
        Ok(Self { name, kubeconfig })
    }

    fn kubectl(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = Command::new(SCRIPT).args(["kubectl", &self.name]).args(args).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        // The watch on our process takes it down should this fail.
        _ = Command::new(SCRIPT).args(["down", &self.name]).output();
    }
}

/// Runs the scenario with this many tenants.
pub async fn run(server: &Path, tenants: usize) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let nodes = folder.path().join("nodes.txt");
    std::fs::write(&nodes, NODES)?;
    let ours = ControlPlane::start("ours", &nodes)?;
    let kubeconfig = ours.kubeconfig.to_str().context("the path is no text")?.to_owned();
    let environment = [("ECP_KUBECONFIG", kubeconfig.as_str()), ("ECP_DEMO__SEED", "false")];
    let peer = Peer::server(server, &folder.path().join("data"), &environment).await?;
    let mut connection = Connection::open(peer.address).await?;
    wait(async || Ok(call(&mut connection, "GET", "/api/v1/monitoring/system", None).await?.0 == 200))
        .await?;

    let started = Instant::now();
    for number in 0..tenants {
        let body = json!({
            "tenant_id": format!("bench-{number}"), "name": "bench", "preset": "micro",
            "service_requirements": {"chatbot": 5, "ta": 5, "qa": 5, "tts": 2, "stt": 2},
        });
        let (status, answer) = call(&mut connection, "POST", "/api/v1/tenants/", Some(&body)).await?;
        ensure!(status == 201, "{status} {answer}");
    }
    let path = "/api/v1/tenants/?status=running&limit=1";
    wait(async || {
        let (_, page) = call(&mut connection, "GET", path, None).await?;
        Ok(page["total_count"].as_u64() == Some(tenants as u64))
    })
    .await?;
    let elapsed = started.elapsed();
    let (_, status) = call(&mut connection, "GET", "/api/v1/tenants/bench-0/deployment-status", None).await?;
    let created = status["created_resources"].as_array().context("no resources")?;
    let objects = created.iter().filter(|one| one["status"] != "Skipped").count();
    let rate = (objects * tenants) as f64 / elapsed.as_secs_f64();
    remark(&format!("{tenants} tenants of {objects} objects, until every pod is ready: {elapsed:.1?}"));

    let memory = peer.resident_mib()?;
    let edited = Instant::now();
    let namespace = ["-n", "ecp-ai-bench-0"];
    let image = ["get", "deployment", "chatbot", "-o", "jsonpath={..containers[0].image}"];
    let right = ours.kubectl(&[&namespace[..], &image[..]].concat())?;
    ours.kubectl(&["-n", "ecp-ai-bench-0", "set", "image", "deployment/chatbot", "*=example/other:1"])?;
    wait(async || Ok(ours.kubectl(&[&namespace[..], &image[..]].concat())? == right)).await?;
    let healed = edited.elapsed();

    // The same files by kubectl, on a control plane of its own, a tenth of them: it is slow.
    let sample = tenants.div_ceil(10);
    for number in 0..sample {
        let path = format!("/api/v1/tenants/bench-{number}/manifest?include_monitoring=false");
        let answer = connection.exchange(&real("GET", &path, None)).await?;
        std::fs::write(folder.path().join(format!("{number}.yaml")), &answer.body)?;
    }
    drop(connection);
    peer.kill().await?;
    drop(ours);
    let theirs = ControlPlane::start("kubectl", &nodes)?;
    let started = Instant::now();
    for number in 0..sample {
        let file = folder.path().join(format!("{number}.yaml"));
        theirs.kubectl(&["apply", "--server-side", "-f", file.to_str().context("the path is no text")?])?;
    }
    let kubectl_rate = (objects * sample) as f64 / started.elapsed().as_secs_f64();
    remark(&format!(
        "kubectl apply --server-side, {sample} files one after another: {kubectl_rate:.0} objects/s"
    ));
    figure(
        "apply to a real API server, pods ready included",
        &format!("{rate:.0} objects/s"),
        ">= kubectl (goal 5 x)",
        rate >= kubectl_rate,
    );
    figure("memory with all of them watched", &format!("{memory:.0} MiB"), "< 200 MiB", memory < 200.0);
    figure("one hand edit, until it is put back", &format!("{healed:.1?}"), "seconds", healed.as_secs() < 10);
    Ok(())
}

/// A request in real mode.
fn real(method: &str, path: &str, body: Option<&str>) -> Vec<u8> {
    let text = String::from_utf8_lossy(&request(method, path, body)).into_owned();
    text.replacen("x-demo-mode: true", "x-demo-mode: false", 1).into_bytes()
}

async fn call(
    connection: &mut Connection,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> anyhow::Result<(u16, Value)> {
    let body = body.map(Value::to_string);
    let answer = connection.exchange(&real(method, path, body.as_deref())).await?;
    Ok((answer.status, serde_json::from_slice(&answer.body)?))
}

async fn wait(mut done: impl AsyncFnMut() -> anyhow::Result<bool>) -> anyhow::Result<()> {
    let started = Instant::now();
    while !done().await? {
        ensure!(started.elapsed() < PATIENCE, "nothing happened for an hour");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}
