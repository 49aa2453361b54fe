//! What holds after every end of a roll-out on a real cluster, where a rollback goes to, and time that nobody watched.

use super::rollouts::assert_intruder_is_refused;
use super::{Real, names, until, until_answering, until_gone};
use ecp_testkit::{Client, ControlPlane, FaultProxy, Program, TestServer};
use serde_json::{Value, json};
use std::time::Duration;

/// Deadline of the roll-outs that nobody watches for a while.
const DEADLINE_SECONDS: u64 = 15;
/// Longer than that.
const UNWATCHED: Duration = Duration::from_secs(25);

async fn entries(client: &Client, id: &str, action: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit?tenant_id={id}&action={action}&limit=1000");
    let audit = client.get(&path).await.expect(200).json();
    audit["entries"].as_array().cloned().unwrap_or_default()
}

/// The quota binds, policies are there, what is taken away comes back and is told once, nothing else was healed,
/// and every call has its entry.
async fn assert_sound(cluster: &ControlPlane, real: &Real, id: &str) {
    let healed = entries(&real.client, id, "tenant.heal").await;
    assert!(healed.is_empty(), "nobody changed anything of {id}: {healed:#?}");
    assert_intruder_is_refused(cluster, id);
    let namespace = format!("ecp-ai-{id}");
    for (kind, name) in
        [("NetworkPolicy", "default-deny"), ("ResourceQuota", "tenant-quota"), ("Service", "chatbot-service")]
    {
        let there = || {
            let object = cluster.try_kubectl(&["-n", &namespace, "get", kind, name, "-o", "json"]).ok()?;
            let object: Value = serde_json::from_str(&object).ok()?;
            let mut spec = object["spec"].clone();
            // The cluster gives a Service an address of its own.
            for given in ["clusterIP", "clusterIPs"] {
                spec.as_object_mut()?.remove(given);
            }
            Some((object["metadata"]["uid"].clone(), spec))
        };
        let (uid, right) = there().unwrap_or_else(|| panic!("{id} has no {kind} {name}"));
        cluster.kubectl(&["-n", &namespace, "delete", kind, name]);
        until(&format!("{kind} {name} of {id} is back"), async || {
            let (now, spec) = there()?;
            (now != uid && spec == right).then_some(())
        })
        .await;
        let object = format!("{kind} {name}");
        let told = until(&format!("the trail tells of {object}"), async || {
            let healed = entries(&real.client, id, "tenant.heal").await;
            let told = healed.iter().filter(|entry| entry["before"].to_string().contains(&object)).count();
            let is_done = healed.iter().all(|entry| entry["outcome"] == "restored");
            (told > 0 && is_done).then_some(told)
        })
        .await;
        assert_eq!(told, 1, "{object} of {id} was put back once");
    }
    real.client.assert_audited().await;
}

/// Lets pods come up again, and has those made anew that were told to fail.
fn heal_pods(cluster: &ControlPlane, id: &str) {
    let namespace = format!("ecp-ai-{id}");
    cluster.set_fault(&namespace, None);
    cluster.kubectl(&["-n", &namespace, "delete", "pods", "-l", "ecp-test/fault", "--wait=false"]);
}

async fn put(real: &Real, id: &str, query: &str, services: Value) -> String {
    let path = format!("/api/v1/tenants/{id}{query}");
    let reply = real.client.put(&path, &json!({"service_requirements": services})).await.expect(200).json();
    reply["deployment_id"].as_str().expect("a deployment").to_owned()
}

/// How the roll-outs of a tenant ended, the newest first.
async fn ends(real: &Real, id: &str) -> Vec<(String, String)> {
    let history = real.client.get(&format!("/api/v1/tenants/{id}/deployments")).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let all = history["deployments"].as_array().cloned().unwrap_or_default();
    all.iter().map(|one| (text(&one["deployment_id"]), text(&one["status"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn quota_policies_healing_and_trail_are_sound_after_every_end_of_a_roll_out() {
    let cluster = ControlPlane::shared_with_faults();
    let real = Real::on(cluster.kubeconfig()).await;
    let running = async |id: &str| {
        real.create(id, json!({"chatbot": 5})).await.expect(201);
        real.until_status(id, "running").await;
    };

    running("end-completed").await;
    put(&real, "end-completed", "", json!({"ta": 5})).await;
    real.until_status("end-completed", "running").await;
    assert_sound(cluster, &real, "end-completed").await;

    running("end-failed").await;
    cluster.set_fault("ecp-ai-end-failed", Some("crash"));
    put(&real, "end-failed", "?rollback=false", json!({"ta": 5})).await;
    real.until_status("end-failed", "failed").await;
    assert_sound(cluster, &real, "end-failed").await;

    running("end-superseded").await;
    cluster.set_fault("ecp-ai-end-superseded", Some("slow"));
    let first = put(&real, "end-superseded", "", json!({"ta": 5})).await;
    cluster.set_fault("ecp-ai-end-superseded", None);
    put(&real, "end-superseded", "", json!({"ta": 0, "qa": 5})).await;
    real.until_status("end-superseded", "running").await;
    let superseded = ends(&real, "end-superseded").await;
    assert!(superseded.contains(&(first, "rolled_back".to_owned())), "{superseded:?}");
    assert_eq!(names(cluster, "end-superseded", "deployments"), ["chatbot", "qa"]);
    assert_sound(cluster, &real, "end-superseded").await;

    running("end-rolled-back").await;
    cluster.set_fault("ecp-ai-end-rolled-back", Some("crash"));
    let failed = put(&real, "end-rolled-back", "?rollback=true", json!({"ta": 5})).await;
    until("what ran before is on its way", async || {
        let detail = real.client.get("/api/v1/tenants/end-rolled-back").await.json();
        (detail["deployment_id"] != failed.as_str()).then_some(())
    })
    .await;
    until("what ran before runs", async || {
        heal_pods(cluster, "end-rolled-back");
        (real.status("end-rolled-back").await["status"] == "running").then_some(())
    })
    .await;
    let rolled_back = ends(&real, "end-rolled-back").await;
    assert!(rolled_back.contains(&(failed, "rolled_back".to_owned())), "{rolled_back:?}");
    assert_eq!(names(cluster, "end-rolled-back", "deployments"), ["chatbot"]);
    assert_sound(cluster, &real, "end-rolled-back").await;

    for id in ["end-completed", "end-failed", "end-superseded", "end-rolled-back"] {
        real.delete_and_wait(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_goes_to_what_last_ran_although_it_was_degraded_and_says_where_there_is_nothing() {
    let cluster = ControlPlane::shared_with_faults();
    let real = Real::on(cluster.kubeconfig()).await;
    let id = "degraded";
    real.create(id, json!({"chatbot": 5})).await.expect(201);
    real.until_status(id, "running").await;
    // It only came to be: there is nothing before it.
    let refused = real.client.post(&format!("/api/v1/tenants/{id}/rollback"), &json!({})).await.expect(409);
    assert_eq!(refused.error_code(), "CONFLICT");
    put(&real, id, "", json!({"ta": 5})).await;
    real.until_status(id, "running").await;

    // What ran whole no longer serves when the update comes, which fails, too.
    cluster.set_fault("ecp-ai-degraded", Some("crash"));
    cluster.kubectl(&["-n", "ecp-ai-degraded", "delete", "pods", "-l", "app=chatbot", "--wait=false"]);
    until("it is degraded", async || {
        let detail = real.client.get(&format!("/api/v1/tenants/{id}")).await.expect(200).json();
        (detail["status"] != "running").then_some(())
    })
    .await;
    let failed = put(&real, id, "?rollback=true", json!({"qa": 5})).await;
    let back = until("what last ran is on its way", async || {
        let detail = real.client.get(&format!("/api/v1/tenants/{id}")).await.json();
        (detail["deployment_id"] != failed.as_str()).then_some(detail)
    })
    .await;
    assert_eq!(back["service_requirements"], json!({"chatbot": 5, "ta": 5}));
    until("it runs", async || {
        heal_pods(cluster, id);
        (real.status(id).await["status"] == "running").then_some(())
    })
    .await;
    assert_eq!(names(cluster, id, "deployments"), ["chatbot", "ta"]);
    real.delete_and_wait(id).await;

    // A creation that failed has nothing to go back to, and says so.
    let id = "fault-crash-rollback";
    real.create(id, json!({"chatbot": 5})).await.expect(201);
    real.until_status(id, "failed").await;
    let refused = real.client.post(&format!("/api/v1/tenants/{id}/rollback"), &json!({})).await.expect(409);
    assert_eq!(refused.error_code(), "CONFLICT");
    real.delete_and_wait(id).await;
}

/// Waits until it runs, and holds that it never failed.
async fn until_running_without_a_failure(client: &Client, id: &str) {
    until(&format!("{id} runs"), async || {
        let path = format!("/api/v1/tenants/{id}/deployment-status");
        let status = client.get(&path).await.expect(200).json();
        assert_ne!(status["status"], "failed", "{status:#}");
        (status["status"] == "running").then_some(())
    })
    .await;
    let trail = entries(client, id, "tenant.create").await;
    let outcomes: Vec<&str> = trail.iter().filter_map(|entry| entry["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["completed", "accepted"], "{trail:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_is_silent_for_longer_than_the_deadline_fails_no_roll_out() {
    let cluster = ControlPlane::shared_with_faults();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let kubeconfig = proxy.kubeconfig().to_str().expect("a path").to_owned();
    let server = TestServer::builder().configure(|config| {
        config.kubeconfig = kubeconfig;
        config.controller.progress_deadline_seconds = DEADLINE_SECONDS;
    });
    let real = Real::started(server).await;
    real.create("fault-slow-outage", json!({"chatbot": 5})).await.expect(201);
    proxy.silence();
    tokio::time::sleep(UNWATCHED).await;
    proxy.clear();
    until_running_without_a_failure(&real.client, "fault-slow-outage").await;
    real.delete_and_wait("fault-slow-outage").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_is_suspended_for_longer_than_the_deadline_fails_no_roll_out() {
    let cluster = ControlPlane::shared_with_faults();
    let folder = tempfile::tempdir().expect("a folder");
    let deadline = DEADLINE_SECONDS.to_string();
    let program = Program::builder(env!("CARGO_BIN_EXE_ecp"), folder.path())
        .args(&["--kubeconfig", cluster.kubeconfig().to_str().expect("a path")])
        .envs(&[("ECP_CONTROLLER__PROGRESS_DEADLINE_SECONDS", &deadline)])
        .start();
    let client = program.client().real();
    until_answering(&client).await;
    let id = "fault-slow-asleep";
    let body =
        json!({"tenant_id": id, "name": id, "preset": "small", "service_requirements": {"chatbot": 5}});
    client.post("/api/v1/tenants/", &body).await.expect(201);
    let signal = |name: &str| {
        let kill = std::process::Command::new("kill").args([name, &program.pid().to_string()]).status();
        assert!(kill.expect("kill runs").success());
    };
    signal("-STOP");
    tokio::time::sleep(UNWATCHED).await;
    signal("-CONT");
    until_running_without_a_failure(&client, id).await;
    client.delete(&format!("/api/v1/tenants/{id}")).await.expect(200);
    until_gone(&client, id).await;
    program.kill();
}
