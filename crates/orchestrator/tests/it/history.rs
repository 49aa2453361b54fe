//! What was done to a tenant, going back, and what a catalog would change.

use ecp_core::catalog::EMBEDDED;
use ecp_testkit::{Client, Reply, TestServer, my_ai_service};
use serde_json::{Value, json};

const TENANT: &str = "/api/v1/tenants/my-ai-service";

/// The answer to a change, once what it asked for runs.
async fn run(server: &TestServer, reply: Reply) -> Value {
    let tenant = reply.json();
    let deployment_id = tenant["deployment_id"].as_str().expect("an id");
    assert_eq!(server.follow(deployment_id).await["status"], "running");
    tenant
}

async fn history(client: &Client) -> Vec<Value> {
    let list = client.get(&format!("{TENANT}/deployments")).await.expect(200).json();
    let entries = list["deployments"].as_array().expect("a list").clone();
    assert_eq!(list["total_count"], entries.len());
    entries
}

#[tokio::test]
async fn the_history_says_who_changed_what_and_a_rollback_goes_to_what_ran() {
    let server = TestServer::start().await;
    let client = server.client();
    let created = run(&server, client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201)).await;
    let nothing = client.post(&format!("{TENANT}/rollback"), &json!({})).await.expect(409);
    assert_eq!(nothing.error_code(), "CONFLICT");
    let change = json!({"name": "Renamed", "service_requirements": {"callbot": 60}});
    let changed = run(&server, client.put(TENANT, &change).await.expect(200)).await;

    let entries = history(client).await;
    assert_eq!(entries.len(), 2);
    let newest = &entries[0];
    assert_eq!(newest["deployment_id"], changed["deployment_id"]);
    assert_eq!(
        (&newest["kind"], &newest["cause"], &newest["actor"], &newest["status"]),
        (&json!("update"), &json!("request"), &json!("anonymous"), &json!("running"))
    );
    let fields: Vec<&str> = newest["changes"]
        .as_array()
        .expect("changes")
        .iter()
        .map(|change| change["field"].as_str().expect("a field"))
        .collect();
    assert_eq!(fields, ["/name", "/service_requirements/callbot"]);
    assert_eq!(newest["changes"][0]["after"], "Renamed");
    assert_eq!(entries[1]["kind"], "create");
    assert!(entries[1]["changes"].is_null() && entries[1]["ran_whole_at"].is_string());

    let rolled_back =
        run(&server, client.post(&format!("{TENANT}/rollback"), &json!({})).await.expect(200)).await;
    assert_eq!(rolled_back["name"], my_ai_service()["name"]);
    let entries = history(client).await;
    assert_eq!((&entries[0]["cause"], &entries[0]["status"]), (&json!("rollback"), &json!("running")));
    // And forward again, by name.
    let named = json!({"deployment_id": changed["deployment_id"]});
    let forward = run(&server, client.post(&format!("{TENANT}/rollback"), &named).await.expect(200)).await;
    assert_eq!(forward["name"], "Renamed");
    for (body, status, code) in [
        (json!({"deployment_id": "dep-unknown"}), 404, "DEPLOYMENT_NOT_FOUND"),
        (json!({"deployment_id": 7}), 422, "VALIDATION_FAILED"),
        (json!({"deployment_id": created["deployment_id"]}), 200, ""),
    ] {
        let reply = client.post(&format!("{TENANT}/rollback"), &body).await.expect(status);
        if status != 200 {
            assert_eq!(reply.error_code(), code);
        }
    }
}

#[tokio::test]
async fn a_catalog_is_asked_about_and_rolled_out_over_the_api() {
    let server = TestServer::start().await;
    let client = server.client();
    run(&server, client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201)).await;
    let present = client.get("/api/v1/catalog/diff").await.expect(200).json();
    assert_eq!((&present["present"], &present["tenants"]), (&json!(true), &json!([])), "{present:#}");
    assert_eq!(
        (&present["rollout"]["mode"], &present["rollout"]["state"]),
        (&json!("manual"), &json!("idle"))
    );

    let asked = |from: &str, to: &str| json!({"catalog": EMBEDDED.replacen(from, to, 1)});
    let image = asked("tag = \"latest\"", "tag = \"2.0\"");
    let other = client.post("/api/v1/catalog/diff", &image).await.expect(200).json();
    let ours = other["tenants"].as_array().expect("tenants");
    let ours = ours.iter().find(|tenant| tenant["tenant_id"] == "my-ai-service").expect("it would change");
    assert_eq!((&ours["in_place"], &ours["changed_keys"]), (&json!(true), &json!(["kubernetes.images.tag"])));
    assert!(other["present"] == false && other.get("rollout").is_none());
    let volume = asked("storage_gib = 1\n", "storage_gib = 9\n");
    let fixed = client.post("/api/v1/catalog/diff", &volume).await.expect(200).json();
    let fixed = &fixed["tenants"][0];
    assert_eq!(fixed["immutable"][0]["field"], "/spec/volumeClaimTemplates", "{fixed:#}");
    assert!(fixed["in_place"] == false && fixed["reason"].is_string());
    let broken = client.post("/api/v1/catalog/diff", &json!({"catalog": "[gpu"})).await.expect(422);
    assert_eq!(broken.error_code(), "VALIDATION_FAILED");
    client.post("/api/v1/catalog/diff", &json!({})).await.expect(422);

    let named = json!({"tenants": ["my-ai-service"]});
    let started = client.post("/api/v1/catalog/rollout", &named).await.expect(200).json();
    assert_eq!(started["unchanged"], json!(["my-ai-service"]), "{started:#}");
    let all = client.post("/api/v1/catalog/rollout", &json!({})).await.expect(200).json();
    assert_eq!(all["all"], true);
    for (body, status) in
        [(json!({"tenants": ["nobody"]}), 404), (json!({"tenants": []}), 422), (json!({"tenants": [7]}), 422)]
    {
        client.post("/api/v1/catalog/rollout", &body).await.expect(status);
    }
    let ready = client.get("/readyz").await.expect(200).json();
    assert_eq!(ready["catalog"], "ok");
}
