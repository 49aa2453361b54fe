//! Damage on disk: a row stops nobody else and is told; a file that is gone or broken is refused with
//! what to do.

use ecp_core::ports::SystemClock;
use ecp_orchestrator::App;
use ecp_orchestrator::config::{Config, Overrides};
use ecp_testkit::{TestServer, my_ai_service};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

const SAMPLES: &str = "/api/v1/tenants/my-ai-service/monitoring";

/// A folder with two tenants, one of them with an open alert.
async fn folder() -> TempDir {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let other =
        json!({"tenant_id": "other", "name": "o", "preset": "micro", "service_requirements": {"chatbot": 5}});
    server.deploy(&other).await;
    server.client().post(SAMPLES, &json!({"metrics": {"cpu": 99}})).await.expect(201);
    server.stop().await
}

fn spoil(folder: &TempDir, sql: &str) {
    let database = Connection::open(folder.path().join("demo.db")).expect("opens");
    assert!(database.execute(sql, []).expect("spoils") > 0, "{sql}");
}

/// Why a server does not start on a folder.
async fn refusal(folder: &Path) -> String {
    let mut config =
        Config::load(&Overrides::default(), |_| None).expect("the default configuration is valid");
    config.listen.set_port(0);
    config.data_dir = folder.to_owned();
    match App::start(config, Arc::new(SystemClock)).await {
        Ok(_) => panic!("it starts"),
        Err(error) => format!("{error:#}"),
    }
}

#[tokio::test]
async fn a_damaged_row_is_told_by_readyz_and_stops_nobody_else() {
    let spoilt = [
        ("tenants", "UPDATE tenants SET document = '{' WHERE id = 'my-ai-service'"),
        (
            "alerts",
            "UPDATE alerts SET document = '{\"current_value\": null}' WHERE tenant_id = 'my-ai-service'",
        ),
        ("sample_log", "UPDATE sample_log SET data = x'00'"),
        (
            "deployments",
            "UPDATE deployments SET document = 'x', finished = 0 WHERE tenant_id = 'my-ai-service'",
        ),
    ];
    for (table, sql) in spoilt {
        let folder = folder().await;
        spoil(&folder, sql);
        let server = TestServer::builder().folder(folder).start().await;
        let client = server.client();
        let ready = client.get("/readyz").await.expect(200).json();
        assert_eq!(ready["status"], "degraded", "{table}: {ready}");
        assert_eq!(ready["damaged"], json!([{"file": "demo.db", "table": table, "rows": 1}]));
        client.get("/api/v1/tenants/other").await.expect(200);
        client.put("/api/v1/tenants/other", &json!({"name": "still changes"})).await.expect(200);
        client.post("/api/v1/tenants/other/monitoring", &json!({"metrics": {"cpu": 1}})).await.expect(201);
        client.get("/api/v1/tenants").await.expect(200);
        client.get("/api/v1/audit").await.expect(200);
        let real = client.real().get("/api/v1/tenants").await.expect(200).json();
        assert_eq!(real["total_count"], 0);
        let path = "/api/v1/tenants/my-ai-service";
        if table == "tenants" {
            let refused = client.get(path).await.expect(503);
            assert_eq!(refused.error_code(), "DATABASE_ERROR");
            assert!(refused.text.contains("my-ai-service"), "{}", refused.text);
            client.post("/api/v1/tenants/", &my_ai_service()).await.expect(503);
            client.get("/api/v1/tenants/never-there").await.expect(404);
        } else {
            client.get(path).await.expect(200);
            client.get(&format!("{path}/alerts")).await.expect(200);
            client.get(SAMPLES).await.expect(200);
        }
    }
    let server = TestServer::start().await;
    let ready: Value = server.client().get("/readyz").await.expect(200).json();
    assert_eq!((&ready["status"], ready.get("damaged")), (&json!("ready"), None));
}

#[tokio::test]
async fn a_sample_at_the_edge_never_stops_the_next_start() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let client = server.client().clone();
    let largest = 9_007_199_254_740_992_u64;
    let metrics = json!({
        "cpu": 100, "memory": 100, "gpu": 100, "error_rate": 100, "network_in": largest, "network_out": largest,
        "storage_used": largest, "request_count": largest, "response_time": largest
    });
    client.post(SAMPLES, &json!({"metrics": metrics})).await.expect(201);
    client.post_text(SAMPLES, r#"{"metrics": {"storage_used": 1.7e308}}"#).await.expect(422);
    let alerts = "/api/v1/tenants/my-ai-service/alerts";
    let before = client.get(alerts).await.expect(200).json();
    assert_eq!(before["total_count"], 6, "{before}");
    let server = TestServer::builder().folder(server.stop().await).start().await;
    assert_eq!(server.client().get(alerts).await.expect(200).json(), before);
    let series = server.client().get(SAMPLES).await.expect(200).json();
    assert_eq!(series["summary"]["max_storage"], json!(largest as f64));
    assert_eq!(server.client().get("/readyz").await.expect(200).json()["status"], "ready");
}

#[tokio::test]
async fn a_database_that_is_gone_empty_or_broken_is_refused_with_what_to_do() {
    for name in ["demo.db", "real.db"] {
        let folder = folder().await;
        let file = folder.path().join(name);
        let whole = fs::read(&file).expect("it is there");
        for (content, told) in [
            (None, "missing"),
            (Some(&whole[..0]), "empty"),
            (Some(&whole[..whole.len() / 2]), "damaged"),
            (Some(&b"not a database, but long enough to hold a header of one hundred bytes, as SQLite looks for, or so".repeat(50)[..]), "damaged"),
        ] {
            match content {
                None => fs::remove_file(&file).expect("goes"),
                Some(content) => fs::write(&file, content).expect("is written"),
            }
            let refused = refusal(folder.path()).await;
            assert!(refused.contains(name) && refused.contains(told), "{told}: {refused}");
            assert!(refused.contains("backup"), "{refused}");
        }
        fs::write(&file, &whole).expect("is put back");
        let server = TestServer::builder().folder(folder).start().await;
        server.client().get("/api/v1/tenants/other").await.expect(200);
        let folder = server.stop().await;
        // Begun anew only where the operator says so, and only once.
        fs::remove_file(&file).expect("goes");
        fs::write(folder.path().join(format!("{name}.anew")), "").expect("is written");
        let folder = TestServer::builder().folder(folder).start().await.stop().await;
        fs::remove_file(folder.path().join(name)).expect("goes");
        assert!(refusal(folder.path()).await.contains("missing"));
    }
}
