//! Creations under a key: whatever is sent again, and however often at once, it counts once.

use ecp_testkit::TestServer;
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};

fn small(id: &str) -> Value {
    json!({"tenant_id": id, "name": id, "preset": "micro", "service_requirements": {"chatbot": 5}})
}

#[tokio::test]
async fn the_same_request_under_one_key_gets_the_first_answer_and_another_request_409() {
    let server = TestServer::start().await;
    let client = server.client();
    let send = async |body: &Value, key: &str| {
        let request = client.request(Method::POST, "/api/v1/tenants/").header("idempotency-key", key);
        client.send(request.json(body)).await
    };
    let first = send(&small("acme"), "key-1").await.expect(201);
    assert_eq!(first.header("idempotent-replayed"), "");
    let again = send(&small("acme"), "key-1").await.expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(again.header("location"), "/api/v1/tenants/acme");
    assert_eq!(again.json(), first.json());
    let request = client.request(Method::POST, "/api/v1/tenants/").header("idempotency-key", "key-1");
    let otherwise = " {\"service_requirements\": {\"chatbot\": 5.0}, \"preset\": \"micro\",\n \"description\": null, \"name\": \"acme\", \"tenant_id\": \"acme\"}";
    let request = request.header("content-type", "application/json").body(otherwise);
    assert_eq!(
        client.send(request).await.expect(201).json(),
        first.json(),
        "written otherwise, and the same"
    );
    let used = send(&small("other"), "key-1").await.expect(409);
    assert_eq!(used.error_code(), "CONFLICT");
    let details = &used.json()["error"]["details"];
    assert_eq!(*details, json!({"header": "Idempotency-Key", "used_for_tenant_id": "acme"}));
    assert_eq!(send(&small("acme"), "key-2").await.expect(409).error_code(), "TENANT_ALREADY_EXISTS");
    assert_eq!(send(&small("other"), &"k".repeat(256)).await.expect(400).error_code(), "INVALID_REQUEST");
    assert_eq!(client.get("/api/v1/tenants").await.json()["total_count"], 1);
}

#[tokio::test]
async fn requests_that_meet_under_one_key_all_get_the_first_answer() {
    let server = TestServer::start().await;
    let client = server.client();
    let send = async |body: Value, key: String| {
        let request = client.request(Method::POST, "/api/v1/tenants/").header("idempotency-key", key);
        client.send(request.json(&body)).await
    };
    for round in 0..8 {
        let id = format!("acme-{round}");
        let same = join_all((0..16).map(|_| send(small(&id), format!("key-{round}")))).await;
        let mut first = 0;
        for reply in same {
            let reply = reply.expect(201);
            first += usize::from(reply.header("idempotent-replayed").is_empty());
        }
        assert_eq!(first, 1, "one of them created it");

        let id = format!("other-{round}");
        let two = |number: usize| {
            let mut body = small(&id);
            body["name"] = format!("{id} {}", number % 2).into();
            send(body, format!("two-{round}"))
        };
        for reply in join_all((0..16).map(two)).await {
            match reply.status.as_u16() {
                201 => {}
                _ => assert_eq!(reply.expect(409).error_code(), "CONFLICT", "the key tells, not the id"),
            }
        }
    }
}

#[tokio::test]
async fn two_keys_are_none() {
    let server = TestServer::start().await;
    let request = server.client().request(Method::POST, "/api/v1/tenants/");
    let request = request.header("idempotency-key", "a").header("idempotency-key", "b").json(&small("acme"));
    assert_eq!(server.client().send(request).await.expect(400).error_code(), "INVALID_REQUEST");
}
