//! Real mode on real control planes: how fast tenants are applied beside one `kubectl apply --server-side` of the same
//! files, both with the cluster's controllers paused; what the server weighs with them watched; and how long one hand
//! edit lasts among few and among all.

use crate::client::{Connection, request};
use crate::peers::Peer;
use crate::report::{figure, remark};
use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const SCRIPT: &str = "deploy/control-plane/control-plane";
/// Room for a thousand tenants of five services.
const NODES: &str = "cpu 64 512 4Ti 1000 0 - 0\ngpu-t4 64 512 4Ti 1000 128 Tesla-T4 15360\n";
/// What works in a cluster beside its API server; paused, what is measured has that to itself.
const CONTROLLERS: &[&str] = &["kube-controller-manager", "kube-scheduler", "kwok-controller"];
/// Tenants among which one is healed, to be held against all.
const FEW: usize = 20;
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

    /// Sends a signal to programs of it.
    fn signal(&self, components: &[&str], signal: &str) -> anyhow::Result<()> {
        for component in components {
            let output = Command::new(SCRIPT).args(["signal", &self.name, component, signal]).output()?;
            ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(())
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

    // A few, to be healed among; then the rest, applied while nothing else of the cluster works.
    let few = tenants.min(FEW);
    create(&mut connection, 0..few).await?;
    until_running(&mut connection, few).await?;
    let among_few = heal(&ours).await?;
    let objects = objects_of(&mut connection, 0).await?;
    let idle = peer.resident_mib()?;
    ours.signal(CONTROLLERS, "STOP")?;
    let started = Instant::now();
    create(&mut connection, few..tenants).await?;
    for number in few..tenants {
        wait(async || is_applied(&mut connection, number).await).await?;
    }
    let rate = (objects * (tenants - few)) as f64 / started.elapsed().as_secs_f64();
    remark(&format!(
        "{} tenants of {objects} objects applied, controllers paused: {rate:.0} objects/s",
        tenants - few
    ));
    ours.signal(CONTROLLERS, "CONT")?;
    until_running(&mut connection, tenants).await?;
    remark(&format!("until every pod of {tenants} tenants was ready: {:.1?}", started.elapsed()));
    let memory = peer.resident_mib()?;
    let among_all = heal(&ours).await?;

    // The same files by kubectl, on a control plane of its own, a tenth of them: it is slow.
    let sample = tenants.div_ceil(10);
    let files = folder.path().join("manifests");
    std::fs::create_dir(&files)?;
    for number in 0..sample {
        let path = format!("/api/v1/tenants/bench-{number}/manifest?include_monitoring=false");
        let answer = connection.exchange(&real("GET", &path, None)).await?;
        std::fs::write(files.join(format!("{number}.yaml")), &answer.body)?;
    }
    drop(connection);
    peer.kill().await?;
    drop(ours);
    let theirs = ControlPlane::start("kubectl", &nodes)?;
    theirs.signal(CONTROLLERS, "STOP")?;
    let started = Instant::now();
    theirs.kubectl(&["apply", "--server-side", "-f", files.to_str().context("the path is no text")?])?;
    let kubectl_rate = (objects * sample) as f64 / started.elapsed().as_secs_f64();
    remark(&format!(
        "kubectl apply --server-side -f FOLDER, {sample} files in one call: {kubectl_rate:.0} objects/s"
    ));
    let times = rate / kubectl_rate;
    figure("apply to a real API server, times kubectl", &format!("{times:.1}"), ">= 3", times >= 3.0);
    figure(
        &format!("memory with {tenants} tenants watched"),
        &format!("{memory:.0} MiB ({idle:.0} with {few})"),
        "< 200 MiB",
        memory < 200.0,
    );
    figure(
        &format!("one hand edit undone among {tenants}, and among {few}"),
        &format!("{:.0} ms, {:.0} ms", millis(among_all), millis(among_few)),
        "the same",
        among_all < among_few * 2,
    );
    Ok(())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Asks for tenants of five services.
async fn create(connection: &mut Connection, numbers: Range<usize>) -> anyhow::Result<()> {
    for number in numbers {
        let body = json!({
            "tenant_id": format!("bench-{number}"), "name": "bench", "preset": "micro",
            "service_requirements": {"chatbot": 5, "ta": 5, "qa": 5, "tts": 2, "stt": 2},
        });
        let (status, answer) = call(connection, "POST", "/api/v1/tenants/", Some(&body)).await?;
        ensure!(status == 201, "{status} {answer}");
    }
    Ok(())
}

async fn until_running(connection: &mut Connection, tenants: usize) -> anyhow::Result<()> {
    let path = "/api/v1/tenants/?status=running&limit=1";
    wait(async || {
        let (_, page) = call(connection, "GET", path, None).await?;
        Ok(page["total_count"].as_u64() == Some(tenants as u64))
    })
    .await
}

/// Objects of a tenant that the cluster has.
async fn objects_of(connection: &mut Connection, number: usize) -> anyhow::Result<usize> {
    let status = status_of(connection, number).await?;
    let created = status["created_resources"].as_array().context("no resources")?;
    Ok(created.iter().filter(|one| one["status"] != "Skipped").count())
}

/// True once everything of a tenant is applied and its pods are waited for.
async fn is_applied(connection: &mut Connection, number: usize) -> anyhow::Result<bool> {
    let status = status_of(connection, number).await?;
    Ok(matches!(status["phase"].as_str(), Some("scaling-services" | "verifying" | "completed")))
}

async fn status_of(connection: &mut Connection, number: usize) -> anyhow::Result<Value> {
    let path = format!("/api/v1/tenants/bench-{number}/deployment-status");
    Ok(call(connection, "GET", &path, None).await?.1)
}

/// How long an image that was changed by hand lasts.
async fn heal(cluster: &ControlPlane) -> anyhow::Result<Duration> {
    let namespace = ["-n", "ecp-ai-bench-0"];
    let image = ["get", "deployment", "chatbot", "-o", "jsonpath={..containers[0].image}"];
    let right = cluster.kubectl(&[&namespace[..], &image[..]].concat())?;
    cluster.kubectl(&["-n", "ecp-ai-bench-0", "set", "image", "deployment/chatbot", "*=example/other:1"])?;
    let edited = Instant::now();
    wait(async || Ok(cluster.kubectl(&[&namespace[..], &image[..]].concat())? == right)).await?;
    Ok(edited.elapsed())
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
