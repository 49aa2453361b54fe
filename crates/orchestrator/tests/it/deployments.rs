//! Deployment status and the audit trail.

use ecp_testkit::{TestServer, my_ai_service};
use serde_json::{Value, json};

const STATUS: &str = "/api/v1/tenants/my-ai-service/deployment-status";

#[tokio::test]
async fn a_finished_deployment_lists_what_runs() {
    let server = TestServer::start().await;
    let last = server.deploy(&my_ai_service()).await;
    let body = server.client().get(STATUS).await.expect(200).json();
    assert_eq!(body["deployment_id"], last["deployment_id"]);
    assert_eq!(
        (&body["status"], &body["progress"], &body["phase"]),
        (&json!("running"), &json!(100), &json!("completed"))
    );
    assert_eq!(body["pending_resources"], json!([]));
    let callbot = json!({"type": "Deployment", "name": "callbot", "status": "Available", "replicas": "3/3"});
    let created = body["created_resources"].as_array().expect("resources");
    assert!(created.contains(&callbot), "{created:#?}");
    assert!(body.get("failure").is_none());
    assert_eq!(body["failed_phase"], Value::Null);
    assert!(body["logs"].as_array().is_some_and(|logs| logs.len() > 2));
    assert_eq!(server.client().get("/api/v1/tenants/my-ai-service").await.json()["status"], "running");
    assert_eq!(server.client().get("/api/v1/tenants?status=running").await.json()["active_count"], 1);
}

#[tokio::test]
async fn a_failed_deployment_says_why_and_how_to_fix_it() {
    let server = TestServer::start().await;
    let mut tenant = my_ai_service();
    tenant["demo_fault"] = json!("image-not-found");
    server.deploy(&tenant).await;
    let body = server.client().get(STATUS).await.expect(200).json();
    assert_eq!(body["status"], "failed", "{body:#}");
    assert_eq!(body["failure"]["code"], "DEPLOYMENT_FAILED");
    assert_eq!((&body["phase"], &body["failed_phase"]), (&json!("failed"), &json!("scaling-services")));
    assert!(body["failure"]["message"].as_str().is_some_and(|text| text.contains("callbot")), "{body:#}");
    assert_eq!(server.client().get("/api/v1/tenants/my-ai-service").await.json()["status"], "failed");
    let unknown = server.client().get("/api/v1/tenants/none/deployment-status").await.expect(404);
    assert_eq!(unknown.error_code(), "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn the_audit_trail_says_who_did_what_and_outlives_the_tenant() {
    let server = TestServer::start().await;
    let client = server.client();
    let request =
        client.request(reqwest::Method::POST, "/api/v1/tenants/").header("x-request-id", "req-of-creation");
    client.send(request.json(&my_ai_service())).await.expect(201);
    client.put("/api/v1/tenants/my-ai-service", &json!({"name": "other"})).await.expect(200);
    client.delete("/api/v1/tenants/my-ai-service?force=true").await.expect(200);
    server.wait_for_status("/api/v1/tenants/my-ai-service", 404).await;

    let body = client.get("/api/v1/audit?tenant_id=my-ai-service").await.expect(200).json();
    let entries = body["entries"].as_array().expect("entries");
    let of = |action: &str| -> Vec<&Value> {
        entries.iter().filter(|entry| entry["action"] == action && entry["outcome"] == "accepted").collect()
    };
    assert_eq!((of("tenant.update").len(), of("tenant.delete").len()), (1, 1), "{body:#}");
    let creation = of("tenant.create")[0];
    assert_eq!(
        (&creation["actor"], &creation["request_id"]),
        (&json!("anonymous"), &json!("req-of-creation"))
    );
    assert_eq!(creation["before"], Value::Null);
    assert_eq!(creation["after"]["spec"]["name"], "내 AI 서비스");
    assert!(!body.to_string().contains("SERVICE_TOKEN"), "no secret is in the trail");

    assert_eq!(client.get("/api/v1/audit?tenant_id=none").await.expect(200).json()["total_count"], 0);
    let page = client.get("/api/v1/audit?limit=1").await.expect(200).json();
    assert_eq!(page["entries"].as_array().map(Vec::len), Some(1));
    assert_eq!(page["pagination"]["has_more"], true);
    client.get("/api/v1/audit?limit=0").await.expect(422);
}

#[tokio::test]
async fn the_audit_trail_is_filtered_by_everything_it_says() {
    let server = TestServer::start().await;
    let client = server.client();
    client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    let count = async |filter: &str| {
        let path = format!("/api/v1/audit?action=tenant.create&{filter}");
        client.get(&path).await.expect(200).json()["total_count"].as_u64().expect("a count")
    };
    assert_eq!(count("actor=anonymous&outcome=accepted").await, 1);
    for other in ["actor=somebody", "outcome=denied", "request_id=req-other", "until=2000-01-01T00:00:00Z"] {
        assert_eq!(count(other).await, 0, "{other}");
    }
    assert_eq!(count("since=2000-01-01T00:00:00Z").await, 1);
    let entry = client.get("/api/v1/audit?actor=anonymous").await.expect(200).json()["entries"][0].clone();
    assert_eq!(count(&format!("request_id={}", entry["request_id"].as_str().expect("an id"))).await, 1);
    let wrong = client.get("/api/v1/audit?since=yesterday&limit=0").await.expect(422).json();
    assert_eq!(wrong["error"]["details"]["fields"].as_array().map(Vec::len), Some(2), "{wrong}");
}
