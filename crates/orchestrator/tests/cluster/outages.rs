//! An API server that goes away, is slow, says no for a while, or loses its watches.

use super::{Real, names, namespace_exists, until, until_gone};
use ecp_testkit::{Component, ControlPlane, Fault, FaultProxy, Scope, Signal};
use serde_json::json;
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn an_api_server_that_was_away_is_taken_up_again() {
    let cluster = ControlPlane::start("outage");
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("before", json!({"chatbot": 5})).await.expect(201);
    real.until_status("before", "running").await;

    cluster.stop_component(Component::ApiServer);
    until("the outage is seen", async || {
        let reply = real.client.get("/api/v1/monitoring/system").await;
        (reply.status == 503).then(|| assert_eq!(reply.error_code(), "KUBERNETES_ERROR"))
    })
    .await;
    // Reads and demo mode go on.
    real.client.get("/api/v1/tenants/before").await.expect(200);
    real.server.client().get("/api/v1/monitoring/system").await.expect(200);
    // A deletion is accepted, and done when the cluster is back.
    real.client.delete("/api/v1/tenants/before").await.expect(200);

    cluster.start_components();
    until_gone(&real.client, "before").await;
    real.create("after", json!({"chatbot": 5})).await.expect(201);
    real.until_status("after", "running").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_api_service_that_says_nothing_keeps_a_namespace_until_it_answers() {
    let cluster = ControlPlane::start("apiservice");
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("kept", json!({"chatbot": 5})).await.expect(201);
    real.until_status("kept", "running").await;
    // An API server that begins anew remembers nothing of what the service has.
    cluster.signal(Component::MetricsServer, Signal::Stop);
    cluster.stop_component(Component::ApiServer);
    cluster.start_components();
    until("the cluster answers again", async || {
        real.client.get("/api/v1/monitoring/system").await.status.is_success().then_some(())
    })
    .await;
    real.client.delete("/api/v1/tenants/kept").await.expect(200);
    until("the status names the API service", async || {
        let status = real.status("kept").await;
        let kept = status["pending_resources"].as_array().is_some_and(|pending| {
            pending.iter().any(|one| one["type"] == "*.metrics.k8s.io" && one["status"] == "Unreadable")
        });
        kept.then_some(())
    })
    .await;
    assert!(namespace_exists(&cluster, "kept"));
    cluster.signal(Component::MetricsServer, Signal::Continue);
    until_gone(&real.client, "kept").await;
    assert!(!namespace_exists(&cluster, "kept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_starts_before_its_cluster_finds_it() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    proxy.refuse();
    let real = Real::away(&proxy.kubeconfig()).await;
    let refused = real.create("early", json!({"chatbot": 5})).await.expect(503);
    assert_eq!(refused.error_code(), "KUBERNETES_ERROR");
    real.client.get("/api/v1/tenants/early").await.expect(404);
    proxy.clear();
    until("the cluster is found", async || {
        (real.create("early", json!({"chatbot": 5})).await.status == 201).then_some(())
    })
    .await;
    real.until_status("early", "running").await;
    real.delete_and_wait("early").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_that_pass_are_tried_again_and_nothing_is_applied_twice() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    proxy.inject_times(Scope::writes(), Fault::TooManyRequests { retry_after_seconds: 1 }, 5);
    proxy.inject_times(Scope::writes().path("/services"), Fault::Status(500), 3);
    proxy.inject_times(Scope::writes().path("/deployments"), Fault::Status(409), 2);
    real.create("patient", json!({"chatbot": 5})).await.expect(201);
    real.until_status("patient", "running").await;
    let deployment = cluster.get(&["-n", "ecp-ai-patient", "deployment", "chatbot"]);
    assert_eq!(deployment["metadata"]["generation"], 1, "{deployment}");
    real.delete_and_wait("patient").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watches_that_end_every_second_and_histories_that_expire_lose_nothing() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    proxy.inject(Scope::watches(), Fault::EndAfter(Duration::from_secs(1)));
    proxy.cut();
    real.create("flaky", json!({"chatbot": 5})).await.expect(201);
    real.until_status("flaky", "running").await;
    proxy.clear();
    proxy.inject_times(Scope::watches(), Fault::Gone, 40);
    proxy.cut();
    real.client
        .put("/api/v1/tenants/flaky", &json!({"service_requirements": {"callbot": 2}}))
        .await
        .expect(200);
    real.until_status("flaky", "running").await;
    assert!(names(cluster, "flaky", "deployments").contains(&"callbot".to_owned()));
    real.delete_and_wait("flaky").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pass_at_rest_writes_nothing() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    real.create("rest", json!({"chatbot": 5})).await.expect(201);
    real.until_status("rest", "running").await;
    proxy.reset_counts();
    // The same again rolls nothing out, and what is at rest is left alone meanwhile.
    real.client
        .put("/api/v1/tenants/rest", &json!({"service_requirements": {"chatbot": 5}}))
        .await
        .expect(200);
    real.until_status("rest", "running").await;
    assert_eq!(proxy.count(&Scope::writes()), 0, "{:?}", proxy.counts());
    real.delete_and_wait("rest").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_on_a_half_open_connection_is_begun_anew() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    real.create("halfopen", json!({"chatbot": 5})).await.expect(201);
    real.until_status("halfopen", "running").await;
    let uid = || {
        let found = cluster.get(&["-n", "ecp-ai-halfopen", "deployments"]);
        found["items"]
            .as_array()
            .unwrap()
            .iter()
            .find_map(|one| one["metadata"]["uid"].as_str().map(str::to_owned))
    };
    let before = uid().unwrap();

    // The next watch of Deployments is taken and never answered: what happens to them goes unseen.
    let watches = Scope::watches().path("/deployments");
    proxy.inject_times(watches.clone(), Fault::Swallow, 1);
    proxy.reset_counts();
    proxy.cut();
    until("the watch is swallowed", async || (proxy.count(&watches) > 0).then_some(())).await;
    cluster.kubectl(&["-n", "ecp-ai-halfopen", "delete", "deployment", "chatbot"]);
    until("what was deleted is put back", async || uid().filter(|uid| *uid != before)).await;
    assert!(proxy.count(&watches) > 1, "{:?}", proxy.counts());
    real.until_status("halfopen", "running").await;
    real.delete_and_wait("halfopen").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_a_silent_connection_swallows_are_made_again() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    real.create("silent", json!({"chatbot": 5})).await.expect(201);
    real.until_status("silent", "running").await;
    proxy.silence();
    real.client.put("/api/v1/tenants/silent", &json!({"service_requirements": {"ta": 5}})).await.expect(200);
    until("the silence is seen", async || {
        let reply = real.client.get("/api/v1/monitoring/system").await;
        (reply.status == 503).then(|| assert_eq!(reply.error_code(), "KUBERNETES_ERROR"))
    })
    .await;
    assert_eq!(names(cluster, "silent", "deployments"), ["chatbot"]);
    proxy.clear();
    real.until_status("silent", "running").await;
    assert_eq!(names(cluster, "silent", "deployments"), ["chatbot", "ta"]);
    real.delete_and_wait("silent").await;
}
