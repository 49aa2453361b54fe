//! Real mode against a real control plane: deploy, explain, change, delete, and outages.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod access;
mod admission;
mod claims;
mod crashes;
mod deploying;
mod edits;
mod external;
mod marks;
mod outages;
mod owning;
mod revisions;
mod rollouts;
mod room;
mod sound;
mod usage;

use ecp_testkit::{Client, ControlPlane, Reply, TestServer, TestServerBuilder};
use serde_json::{Value, json};
use std::path::Path;
use std::time::{Duration, Instant};

/// For anything that the cluster does by itself; a busy machine needs most of it.
const PATIENCE: Duration = Duration::from_secs(180);

/// A server in real mode on a cluster.
struct Real {
    server: TestServer,
    client: Client,
}

/// Waits until the cluster of a server in real mode answers.
async fn until_answering(client: &Client) {
    until("the cluster answers", async || {
        client.get("/api/v1/monitoring/system").await.status.is_success().then_some(())
    })
    .await;
}

impl Real {
    /// On the cluster of a kubeconfig, once it answers.
    async fn on(kubeconfig: &Path) -> Self {
        Self::away(kubeconfig).await.answering().await
    }

    /// A server with settings of its own, once its cluster answers.
    async fn started(server: TestServerBuilder) -> Self {
        let server = server.start().await;
        let client = server.client().real();
        Self { server, client }.answering().await
    }

    async fn answering(self) -> Self {
        until_answering(&self.client).await;
        self
    }

    /// On a cluster that need not answer.
    async fn away(kubeconfig: &Path) -> Self {
        let path = kubeconfig.to_str().unwrap().to_owned();
        let server = TestServer::builder().configure(|config| config.kubeconfig = path).start().await;
        let client = server.client().real();
        Self { server, client }
    }

    async fn create(&self, id: &str, services: Value) -> Reply {
        let body = json!({
            "tenant_id": id, "name": id, "preset": "small", "service_requirements": services,
        });
        self.client.post("/api/v1/tenants/", &body).await
    }

    async fn status(&self, id: &str) -> Value {
        self.client.get(&format!("/api/v1/tenants/{id}/deployment-status")).await.json()
    }

    /// Waits for a status of the newest deployment.
    async fn until_status(&self, id: &str, wanted: &str) -> Value {
        let started = Instant::now();
        loop {
            let status = self.status(id).await;
            if status["status"] == wanted {
                // Whatever the scenario is, every call of it has its entry.
                self.client.assert_audited().await;
                return status;
            }
            assert!(started.elapsed() < PATIENCE, "{id} is not {wanted}: {status}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    async fn delete_and_wait(&self, id: &str) {
        self.client.delete(&format!("/api/v1/tenants/{id}")).await.expect(200);
        until_gone(&self.client, id).await;
        self.client.assert_audited().await;
    }
}

/// Waits for the end of a deletion.
async fn until_gone(client: &Client, id: &str) {
    let (path, started) = (format!("/api/v1/tenants/{id}"), Instant::now());
    while client.get(&path).await.status != 404 {
        if started.elapsed() > PATIENCE {
            let status = client.get(&format!("{path}/deployment-status")).await;
            panic!("{id} is not gone: {}", status.text);
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Asks again until there is an answer.
async fn until<T>(what: &str, ask: impl AsyncFn() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(started.elapsed() < PATIENCE, "in vain: {what}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Names of a namespace's objects of a kind.
fn names(cluster: &ControlPlane, id: &str, kind: &str) -> Vec<String> {
    let list = cluster.get(&["-n", &format!("ecp-ai-{id}"), kind]);
    let items = list["items"].as_array().unwrap();
    items.iter().map(|item| item["metadata"]["name"].as_str().unwrap().to_owned()).collect()
}

fn namespace_exists(cluster: &ControlPlane, id: &str) -> bool {
    cluster.try_kubectl(&["get", "namespace", &format!("ecp-ai-{id}")]).is_ok()
}
