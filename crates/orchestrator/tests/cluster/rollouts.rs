//! Roll-outs that hang, and a process that ends in one.

use super::{Real, names, until};
use ecp_testkit::{ControlPlane, FaultProxy};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// A pod that takes more than any plan has left, and is let in by everything but a quota.
fn intruder() -> String {
    let amounts = |gpu: bool| {
        let mut amounts = json!({"cpu": "30", "memory": "64Gi"});
        if gpu {
            amounts["nvidia.com/gpu"] = "8".into();
        }
        amounts
    };
    let overrides = json!({"spec": {
        "securityContext": {"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}},
        "tolerations": [{"operator": "Exists"}],
        "containers": [{
            "name": "intruder", "image": "registry.example.com/x:1",
            "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            "resources": {"requests": amounts(false), "limits": amounts(true)},
        }],
    }});
    overrides.to_string()
}

#[track_caller]
pub(super) fn assert_intruder_is_refused(cluster: &ControlPlane, id: &str) {
    let overrides = format!("--overrides={}", intruder());
    let namespace = format!("ecp-ai-{id}");
    let run = ["-n", &namespace, "run", "intruder", "--image=registry.example.com/x:1", &overrides];
    let refusal = cluster.try_kubectl(&run).expect_err("it is not let in");
    assert!(refusal.contains("exceeded quota"), "{refusal}");
}

fn quota(cluster: &ControlPlane, id: &str) -> Value {
    let namespace = format!("ecp-ai-{id}");
    cluster.get(&["-n", &namespace, "resourcequota", "tenant-quota"])["spec"]["hard"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_binds_throughout_an_update_that_hangs_and_the_update_still_ends() {
    let cluster = ControlPlane::start("quota");
    let real = Real::on(cluster.kubeconfig()).await;
    let body = json!({
        "tenant_id": "bound", "name": "bound", "preset": "medium",
        "service_requirements": {"callbot": 10, "chatbot": 30},
        "sla_target": {"availability": "99.5%", "response_time": "500ms"},
    });
    real.client.post("/api/v1/tenants/", &body).await.expect(201);
    real.until_status("bound", "running").await;
    cluster.kubectl(&["taint", "node", "--all", "maintenance=true:NoSchedule"]);
    let change = json!({"service_requirements": {"callbot": 14, "chatbot": 60}});
    let status = real.client.put("/api/v1/tenants/bound", &change).await.status;
    // New pods can not be placed: the update hangs, if it is accepted at all while nothing has room.
    for _ in 0..30 {
        assert_eq!(names(&cluster, "bound", "resourcequotas"), ["tenant-quota"]);
        assert_intruder_is_refused(&cluster, "bound");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    cluster.kubectl(&["taint", "node", "--all", "maintenance-"]);
    if status == 409 {
        until("there is room again", async || {
            real.client.put("/api/v1/tenants/bound", &change).await.status.is_success().then_some(())
        })
        .await;
    }
    until("the update is done", async || {
        let detail = real.client.get("/api/v1/tenants/bound").await.json();
        let changed =
            detail["service_requirements"]["chatbot"] == 60 || detail.to_string().contains("\"chatbot\":60");
        (changed && real.status("bound").await["status"] == "running").then_some(())
    })
    .await;
    assert_intruder_is_refused(&cluster, "bound");
    let trail = real.client.get("/api/v1/audit?tenant_id=bound&limit=100").await.expect(200).text;
    assert!(!trail.contains("tenant.heal"), "nobody changed anything: {trail}");
    assert!(quota(&cluster, "bound")["limits.cpu"].is_string());
    real.delete_and_wait("bound").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_ends_in_time_while_its_cluster_hangs() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    real.create("hung", json!({"chatbot": 5})).await.expect(201);
    proxy.silence();
    // The controller is in the middle of asking; so is a request.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    let folder = real.server.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(10), "it took {:?}", begun.elapsed());
    proxy.clear();

    // What was accepted is rolled out by the next start.
    let path = proxy.kubeconfig().to_str().unwrap().to_owned();
    let server =
        ecp_testkit::TestServer::builder().configure(|config| config.kubeconfig = path).folder(folder);
    let server = server.start().await;
    let client = server.client().real();
    let again = Real { server, client };
    again.until_status("hung", "running").await;
    again.delete_and_wait("hung").await;
}
