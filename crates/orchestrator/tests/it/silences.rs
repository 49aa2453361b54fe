//! Silences: what they hit, how long they last, who may see them, and how alerts say it.

use ecp_core::Timestamp;
use ecp_core::ports::{Clock, SystemClock};
use ecp_testkit::{Client, ManualClock, TestServer, my_ai_service};
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::sync::Arc;

const SILENCES: &str = "/api/v1/silences";

async fn raise(client: &Client, tenant: &str, metrics: Value) {
    let path = format!("/api/v1/tenants/{tenant}/monitoring");
    client.post(&path, &json!({ "metrics": metrics })).await.expect(201);
}

async fn two() -> TestServer {
    let server = TestServer::start().await;
    for id in ["one", "two"] {
        let mut tenant = my_ai_service();
        tenant["tenant_id"] = json!(id);
        server.create(&tenant).await;
    }
    server
}

/// Tenant and metric of the open alerts that are silenced.
async fn silenced(client: &Client) -> Vec<(Value, Value)> {
    let list = client.get("/api/v1/alerts?status=open").await.expect(200).json();
    let alerts = list["alerts"].as_array().expect("alerts");
    let silenced = alerts.iter().filter(|alert| alert["silenced"] == true);
    silenced.map(|alert| (alert["tenant_id"].clone(), alert["metric"].clone())).collect()
}

#[tokio::test]
async fn a_silence_hits_what_it_names_and_alerts_say_so_in_lists_and_streams() {
    let server = two().await;
    let client = server.client();
    raise(client, "one", json!({"cpu": 85.0, "memory": 97.0})).await;
    raise(client, "two", json!({"cpu": 85.0})).await;
    let body = json!({"tenant_id": "one", "type": "resource_usage", "metric": "cpu", "comment": "test"});
    let trial = client.post(&format!("{SILENCES}?dry_run=true"), &body).await.expect(200).json();
    assert_eq!((&trial["total_count"], &trial["alerts"][0]["metric"]), (&json!(1), &json!("cpu")));
    assert_eq!(client.get(SILENCES).await.expect(200).json()["total_count"], 0, "nothing was silenced");
    let all = client.post(&format!("{SILENCES}?dry_run=true"), &json!({"severity": "warning"})).await;
    assert_eq!(all.expect(200).json()["total_count"], 2);

    let mut stream = server.socket("/ws/alerts/one").await;
    assert_eq!(stream.frame().await["silenced"], false);
    let silence = client.post(SILENCES, &body).await.expect(201).json();
    assert_eq!((&silence["status"], &silence["created_by"]), (&json!("active"), &json!("anonymous")));
    let time = |name: &str| silence[name].as_str().expect("a time").parse::<Timestamp>().expect("a time");
    assert_eq!(time("ends_at").duration_since(time("starts_at")), SignedDuration::from_hours(1));
    assert_eq!(silenced(client).await, [(json!("one"), json!("cpu"))]);
    raise(client, "one", json!({"cpu": 97.0})).await;
    let _memory = stream.frame().await;
    let raised = stream.frame().await;
    assert_eq!((&raised["state"], &raised["silenced"]), (&json!("raised"), &json!(true)));
    let overview = client.get("/api/v1/overview").await.expect(200).json();
    let attention = overview["attention"].as_array().expect("attention");
    assert_eq!(attention.iter().filter(|entry| entry["silenced"] == true).count(), 1, "{overview}");

    let id = silence["silence_id"].as_str().expect("an id");
    let server = TestServer::builder().folder(server.stop().await).start().await;
    let client = server.client();
    let path = format!("{SILENCES}/{id}");
    assert_eq!(client.get(&path).await.expect(200).json(), silence);
    assert_eq!(silenced(client).await.len(), 1, "also after a restart");
    client.delete(&path).await.expect(200);
    assert_eq!(silenced(client).await, []);
    client.delete(&path).await.expect(404);
    let trail = client.get("/api/v1/audit?tenant_id=one&action=silence.delete").await.expect(200).json();
    assert_eq!(trail["entries"][0]["actor"], "anonymous", "{trail}");
}

#[tokio::test]
async fn a_silence_begins_and_ends_by_the_clock() {
    let clock = Arc::new(ManualClock::at("2024-01-20T12:00:00Z"));
    let server = TestServer::builder().clock(clock.clone()).start().await;
    let client = server.client();
    server.create(&my_ai_service()).await;
    raise(client, "my-ai-service", json!({"cpu": 85.0})).await;
    let later =
        json!({"metric": "cpu", "starts_at": "2024-01-20T12:01:00Z", "ends_at": "2024-01-20T12:02:00Z"});
    client.post(SILENCES, &later).await.expect(201);
    let status = async |status: &str| {
        let list = client.get(&format!("{SILENCES}?status={status}")).await.expect(200).json();
        list["total_count"].as_u64().expect("a count")
    };
    assert_eq!((silenced(client).await.len(), status("pending").await), (0, 1));
    clock.advance(SignedDuration::from_secs(60));
    assert_eq!((silenced(client).await.len(), status("active").await), (1, 1));
    clock.advance(SignedDuration::from_secs(60));
    assert_eq!((silenced(client).await.len(), status("ended").await), (0, 1));
    clock.advance(SignedDuration::from_hours(24 * 8));
    client.post(SILENCES, &json!({"metric": "gpu"})).await.expect(201);
    assert_eq!(status("ended").await, 0, "what ended a week ago is gone");
}

#[tokio::test]
async fn what_can_not_be_a_silence_is_refused_with_every_fault() {
    let server = two().await;
    let client = server.client();
    let fields = async |body: Value| {
        let refused = client.post(SILENCES, &body).await.expect(422).json();
        let fields = refused["error"]["details"]["fields"].as_array().expect("fields").clone();
        fields
            .iter()
            .map(|field| field["pointer"].as_str().expect("a pointer").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(fields(json!({"comment": "all of it"})).await, ["/tenant_id"]);
    let wrong = json!({"type": "resources", "metric": "cpuu", "severity": "fatal", "starts_at": "now",
        "ends_at": "2001-01-01T00:00:00Z", "comment": 5});
    assert_eq!(fields(wrong).await, ["/type", "/metric", "/severity", "/starts_at", "/ends_at", "/comment"]);
    assert_eq!(fields(json!({"type": "performance", "metric": "cpu"})).await, ["/type"]);
    assert_eq!(fields(json!({"metric": "cpu", "ends_at": "2999-01-01T00:00:00Z"})).await, ["/ends_at"]);
    let unknown = client.post(SILENCES, &json!({"tenant_id": "none"})).await.expect(404);
    assert_eq!(unknown.error_code(), "TENANT_NOT_FOUND");
    let warned = client.post(SILENCES, &json!({"metric": "cpu", "tennant_id": "one"})).await.expect(201);
    assert!(warned.header("warning").contains("tennant_id"));
}

#[tokio::test]
async fn a_silence_goes_with_its_tenant_and_a_later_one_of_the_id_is_not_silenced() {
    let server = TestServer::start().await;
    let client = server.client();
    server.deploy(&my_ai_service()).await;
    client.post(SILENCES, &json!({"tenant_id": "my-ai-service"})).await.expect(201);
    client.delete("/api/v1/tenants/my-ai-service").await.expect(200);
    server.wait_for_status("/api/v1/tenants/my-ai-service", 404).await;
    assert_eq!(client.get(SILENCES).await.expect(200).json()["total_count"], 0);
    server.create(&my_ai_service()).await;
    raise(client, "my-ai-service", json!({"cpu": 85.0})).await;
    assert_eq!(silenced(client).await, []);
    let server = TestServer::builder().folder(server.stop().await).start().await;
    assert_eq!(server.client().get(SILENCES).await.expect(200).json()["total_count"], 0);
}

#[tokio::test]
async fn a_token_with_a_list_silences_its_own_tenants_alone() {
    use ecp_core::access::Role;
    use ecp_core::ids::TenantId;
    let server = TestServer::builder().tokens().start().await;
    let tokens =
        ecp_store::AccessStore::open(&server.file("access.db"), Arc::new(SystemClock) as Arc<dyn Clock>)
            .expect("tokens");
    let client = |name: &str, tenants: Option<&[&str]>| {
        let ids = |ids: &[&str]| ids.iter().map(|id| TenantId::parse(id).expect("an id")).collect();
        let new = ecp_store::NewToken {
            name: name.to_owned(),
            role: Role::Operator,
            tenants: tenants.map(ids),
            expires_at: None,
        };
        let (_, secret) = tokens.create_token(new).expect("a token");
        server.client().with_token(secret.expose())
    };
    let (all, one) = (client("all", None), client("one", Some(&["one"])));
    for id in ["one", "two"] {
        let mut tenant = my_ai_service();
        tenant["tenant_id"] = json!(id);
        all.post("/api/v1/tenants/", &tenant).await.expect(201);
    }
    one.post(SILENCES, &json!({"metric": "cpu"})).await.expect(403);
    one.post(SILENCES, &json!({"tenant_id": "two"})).await.expect(404);
    one.post(SILENCES, &json!({"tenant_id": "one"})).await.expect(201);
    for body in [json!({"tenant_id": "two"}), json!({"metric": "cpu"})] {
        let silence = all.post(SILENCES, &body).await.expect(201).json();
        let path = format!("{SILENCES}/{}", silence["silence_id"].as_str().expect("an id"));
        one.get(&path).await.expect(404);
        one.delete(&path).await.expect(404);
    }
    assert_eq!(one.get(SILENCES).await.expect(200).json()["total_count"], 1);
    assert_eq!(all.get(SILENCES).await.expect(200).json()["total_count"], 3);
}
