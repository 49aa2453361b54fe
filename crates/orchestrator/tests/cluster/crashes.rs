//! A process that is killed at each of its steps towards the cluster, before the step and after it.

use super::{PATIENCE, names, namespace_exists, until_answering};
use ecp_testkit::{Client, ControlPlane, Fault, FaultProxy, Program, Scope};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// A process lives for less than so many writes in a usual test run; `ECP_CRASH_STRIDE=2` has one die at
/// every write.
const STRIDE: u64 = 13;
/// More than any change of a small tenant has steps.
const MOST_DEATHS: u64 = 120;

/// An installation of which no process lives longer than a few writes to the cluster.
struct Mortal {
    folder: TempDir,
    proxy: FaultProxy,
    deaths: u64,
}

impl Mortal {
    fn on(cluster: &ControlPlane) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { folder, proxy: FaultProxy::start(cluster.kubeconfig()), deaths: 0 }
    }

    async fn start(&self) -> Program {
        let kubeconfig = self.proxy.kubeconfig();
        let program = Program::builder(env!("CARGO_BIN_EXE_ecp"), self.folder.path())
            .args(&["--kubeconfig", kubeconfig.to_str().unwrap()])
            .start();
        until_answering(&program.client().real()).await;
        program
    }

    /// Makes a call, and lets one process after another die at a write of what follows, until one of
    /// them sees it done. The write at which it dies is done or not, in turn.
    async fn through(&mut self, call: impl AsyncFn(&Client), is_done: impl AsyncFn(&Client) -> bool) {
        let stride =
            std::env::var("ECP_CRASH_STRIDE").ok().and_then(|text| text.parse().ok()).unwrap_or(STRIDE);
        let mut called = false;
        let from = self.deaths;
        loop {
            assert!(self.deaths - from < MOST_DEATHS, "no end in sight: {:#?}", self.proxy.counts());
            let fault = if self.deaths.is_multiple_of(2) { Fault::Swallow } else { Fault::SwallowAnswer };
            let lived = self.deaths % stride;
            self.proxy.clear();
            self.proxy.reset_counts();
            self.proxy.inject_after(lived, Scope::writes(), fault);
            let program = self.start().await;
            let client = program.client().real();
            if !called {
                call(&client).await;
                called = true;
            }
            let started = Instant::now();
            loop {
                if self.proxy.count(&Scope::writes()) > lived {
                    break;
                }
                if is_done(&client).await {
                    self.proxy.clear();
                    return;
                }
                assert!(
                    started.elapsed() < PATIENCE,
                    "neither a write nor an end: {:#?}",
                    self.proxy.counts()
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            program.kill();
            self.deaths += 1;
        }
    }
}

async fn is_running(client: &Client, id: &str) -> bool {
    let status = client.get(&format!("/api/v1/tenants/{id}/deployment-status")).await.json();
    assert!(matches!(status["status"].as_str(), Some("pending" | "deploying" | "running")), "{status:#}");
    status["status"] == "running"
}

/// Kind and name of what a tenant should consist of.
async fn wanted(client: &Client, id: &str) -> BTreeSet<(String, String)> {
    let path = format!("/api/v1/tenants/{id}/manifest?format=json");
    let list = client.get(&path).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|object| object["kind"] != "Namespace")
        .map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_at_any_of_its_writes_loses_nothing_and_claims_nothing() {
    let cluster = ControlPlane::shared();
    let mut mortal = Mortal::on(cluster);
    let id = "mortal";
    mortal
        .through(
            async |client| {
                let body = json!({
                    "tenant_id": id, "name": id, "preset": "small", "service_requirements": {"chatbot": 5},
                });
                client.post("/api/v1/tenants/", &body).await.expect(201);
            },
            async |client| is_running(client, id).await,
        )
        .await;
    let created = mortal.deaths;
    assert!(created > 1, "{created} deaths: the creation was not under way");

    mortal
        .through(
            async |client| {
                let body = json!({"service_requirements": {"callbot": 2}});
                client.put(&format!("/api/v1/tenants/{id}"), &body).await.expect(200);
            },
            async |client| is_running(client, id).await,
        )
        .await;
    assert!(mortal.deaths > created, "the change was not under way");

    let program = mortal.start().await;
    let client = program.client().real();
    for (kind, name) in wanted(&client, id).await {
        if matches!(kind.as_str(), "ServiceMonitor" | "PrometheusRule") {
            continue;
        }
        assert!(names(cluster, id, &kind).contains(&name), "{kind} {name} is missing");
    }
    let history = client.get(&format!("/api/v1/tenants/{id}/deployments")).await.expect(200).json();
    let ends: Vec<&str> = history["deployments"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["status"].as_str().unwrap())
        .collect();
    assert_eq!(ends, ["running", "running"], "{history:#}");
    program.kill();

    let (deleted_from, path) = (mortal.deaths, format!("/api/v1/tenants/{id}"));
    mortal
        .through(
            async |client| {
                client.delete(&path).await.expect(200);
            },
            async |client| client.get(&path).await.status == 404,
        )
        .await;
    assert!(mortal.deaths > deleted_from, "the deletion was not under way");
    assert!(!namespace_exists(cluster, id));

    let program = mortal.start().await;
    let audit = program.client().real().get(&format!("/api/v1/audit?tenant_id={id}&limit=1000")).await;
    let audit = audit.expect(200).json();
    let mut told: Vec<String> = audit["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| ["actor", "action", "outcome"].map(|key| one[key].as_str().unwrap()).join(" "))
        .collect();
    told.reverse();
    let expected = ["create", "update", "delete"].map(|action| {
        [format!("anonymous tenant.{action} accepted"), format!("controller tenant.{action} completed")]
    });
    assert_eq!(told, expected.concat(), "nobody changed anything by hand: {audit:#}");
    program.kill();
}
