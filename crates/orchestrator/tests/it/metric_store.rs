//! Samples in a store elsewhere: the same answers, and what is said while it is away.

use ecp_testkit::{TestServer, my_ai_service};
use ecp_testservers::{MetricStoreKind, MetricStoreServer, Postgres};
use reqwest::Method;
use serde_json::json;

const MONITORING: &str = "/api/v1/tenants/my-ai-service/monitoring";

fn store() -> MetricStoreServer {
    MetricStoreServer::start(MetricStoreKind::VictoriaMetrics).expect("a server")
}

async fn server_on(store: &MetricStoreServer) -> TestServer {
    let url = store.url();
    let configured = TestServer::builder().configure(|config| {
        config.metrics_url = url;
        config.metrics.timeout_seconds = 3;
    });
    configured.start().await
}

#[tokio::test(flavor = "multi_thread")]
async fn samples_are_acknowledged_shown_and_judged_and_another_server_has_them() {
    let store = store();
    let server = server_on(&store).await;
    server.deploy(&my_ai_service()).await;
    let client = server.client();
    let told = client.post(MONITORING, &json!({"metrics": {"cpu_usage": 97.5, "network_in": 1000}})).await;
    assert_eq!(told.expect(201).json()["accepted"], 1);
    store.show_all();
    let asked = format!("{MONITORING}?metric_type=cpu&hours=1&interval=1m");
    let shown = client.get(&asked).await.expect(200).json();
    assert_eq!(shown["summary"], json!({"avg_cpu": 97.5, "max_cpu": 97.5}));
    let alerts = client.get("/api/v1/tenants/my-ai-service/alerts").await.expect(200).json();
    assert_eq!(alerts["alerts"][0]["metric"], "cpu", "{alerts}");
    assert_eq!(client.get("/readyz").await.expect(200).json()["metrics"], "ok");
    // Nothing of it is in the data folder.
    let folder = server.stop().await;
    let url = store.url();
    let again =
        TestServer::builder().folder(folder).configure(|config| config.metrics_url = url).start().await;
    assert_eq!(again.client().get(&asked).await.expect(200).json()["summary"], shown["summary"]);
    let folder = again.stop().await;
    let embedded = TestServer::builder().folder(folder).start().await;
    assert_eq!(embedded.client().get(&asked).await.expect(200).json()["summary"], json!({}));
    assert_eq!(embedded.client().get("/readyz").await.expect(200).json().get("metrics"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_store_monitoring_is_503_and_everything_else_goes_on() {
    let mut store = store();
    let server = server_on(&store).await;
    server.deploy(&my_ai_service()).await;
    let client = server.client();
    let sample = json!({"metrics": {"cpu_usage": 20}});
    client.post(MONITORING, &sample).await.expect(201);
    store.stop();
    let refused = client.post(MONITORING, &sample).await.expect(503);
    assert_eq!(refused.error_code(), "MONITORING_UNAVAILABLE");
    let message = refused.json()["error"]["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("metrics_url의 메트릭 저장소가 응답하지 않아"), "{message}");
    let asked = client.send(client.request(Method::GET, MONITORING).header("Accept-Language", "en")).await;
    let message = asked.expect(503).json()["error"]["message"].as_str().expect("a text").to_owned();
    assert!(message.contains("/readyz") && !message.contains("127.0.0.1"), "{message}");
    let ready = client.get("/readyz").await.expect(200).json();
    assert_eq!(ready["status"], "degraded");
    assert!(ready["metrics"].as_str().is_some_and(|text| text.starts_with("unreachable: ")), "{ready}");
    client.get("/api/v1/tenants/my-ai-service").await.expect(200);
    client.get("/api/v1/overview").await.expect(200);
    client.delete("/api/v1/tenants/my-ai-service").await.expect(200);
    server.wait_for_status("/api/v1/tenants/my-ai-service", 404).await;
    store.restart();
    server.deploy(&my_ai_service()).await;
    client.post(MONITORING, &sample).await.expect(201);
    store.show_all();
    let shown = client.get(&format!("{MONITORING}?metric_type=cpu")).await.expect(200).json();
    assert_eq!(shown["summary"], json!({"avg_cpu": 20.0, "max_cpu": 20.0}), "nothing of the earlier tenant");
    assert_eq!(client.get("/readyz").await.expect(200).json()["metrics"], "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installation_moves_with_its_samples() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    server.client().post(MONITORING, &json!({"metrics": {"cpu_usage": 42.5}})).await.expect(201);
    let place = server.stop().await;
    let (store, url) = (store(), Postgres::shared().database("it_moved_samples"));
    let moved = std::process::Command::new(env!("CARGO_BIN_EXE_ecp"))
        .args(["migrate", "--from"])
        .arg(place.path())
        .args(["--to", &url, "--metrics-url", &store.url()])
        .output()
        .expect("it runs");
    let said = String::from_utf8_lossy(&moved.stdout);
    assert!(moved.status.success(), "{said}{}", String::from_utf8_lossy(&moved.stderr));
    assert!(said.contains("samples") && !said.contains("samples stay"), "{said}");
    store.show_all();
    let metrics_url = store.url();
    let configured = TestServer::builder().configure(|config| {
        config.database_url = url;
        config.metrics_url = metrics_url;
    });
    // Another folder: nothing was left in the first.
    let server = configured.start().await;
    let asked = format!("{MONITORING}?metric_type=cpu&hours=1");
    let shown = server.client().get(&asked).await.expect(200).json();
    assert_eq!(shown["summary"], json!({"avg_cpu": 42.5, "max_cpu": 42.5}));
}
