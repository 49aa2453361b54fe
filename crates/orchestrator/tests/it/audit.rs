//! The audit trail is whole: each call that changed something has its one entry, and nothing else has any.

use ecp_testkit::{Client, TestServer, my_ai_service};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// A call, and how many entries it leaves.
struct Step {
    method: Method,
    /// As the OpenAPI document spells it.
    operation: &'static str,
    path: String,
    body: Value,
    status: u16,
    entries: u64,
}

fn step(method: Method, operation: &'static str, path: &str, body: Value, status: u16, entries: u64) -> Step {
    Step { method, operation, path: path.to_owned(), body, status, entries }
}

/// What the trail has of a request.
async fn trail(client: &Client, request_id: &str) -> Value {
    client.get(&format!("/api/v1/audit?request_id={request_id}")).await.expect(200).json()
}

#[tokio::test]
async fn each_call_that_changes_something_leaves_one_entry_and_no_other_leaves_any() {
    let server = TestServer::start().await;
    let client = server.client();
    let mut tenant = my_ai_service();
    tenant["tenant_id"] = json!("acme");
    let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
    let one = "/api/v1/tenants/{tenant_id}";
    let acme = "/api/v1/tenants/acme";
    let demand = json!({"service_requirements": {"chatbot": 5}});
    let hook = json!({"kind": "webhook", "url": "https://hooks.example.com/ecp"});
    let silences = "/api/v1/silences";
    let receivers = "/api/v1/receivers";
    let steps = [
        step(post.clone(), "/api/v1/tenants/", "/api/v1/tenants/?dry_run=true", tenant.clone(), 200, 0),
        step(post.clone(), "/api/v1/tenants/", "/api/v1/tenants/", tenant.clone(), 201, 1),
        step(post.clone(), "/api/v1/tenants/", "/api/v1/tenants/", tenant, 409, 0),
        step(put.clone(), one, acme, json!({"name": "Acme"}), 200, 1),
        step(put.clone(), one, acme, json!({"name": "Acme"}), 200, 0),
        step(put.clone(), one, acme, json!({"names": 1, "preset": "none"}), 422, 0),
        step(
            put.clone(),
            "/api/v1/tenants/{tenant_id}/alert-rules",
            &format!("{acme}/alert-rules"),
            json!({}),
            200,
            1,
        ),
        step(
            post.clone(),
            "/api/v1/tenants/{tenant_id}/monitoring",
            &format!("{acme}/monitoring"),
            json!({"metrics": {"cpu": 1.0}}),
            201,
            0,
        ),
        step(
            post.clone(),
            "/api/v1/tenants/calculate-resources",
            "/api/v1/tenants/calculate-resources",
            demand.clone(),
            200,
            0,
        ),
        step(post.clone(), "/api/v1/capacity", "/api/v1/capacity", demand, 200, 0),
        step(
            post.clone(),
            "/api/v1/tenants/validate-manifest",
            "/api/v1/tenants/validate-manifest",
            json!({"tenant_id": "acme", "manifest_content": "kind: Namespace"}),
            200,
            0,
        ),
        step(
            post.clone(),
            "/api/v1/catalog/diff",
            "/api/v1/catalog/diff",
            json!({"catalog": ecp_core::catalog::EMBEDDED}),
            200,
            0,
        ),
        step(
            post.clone(),
            "/api/v1/catalog/rollout",
            "/api/v1/catalog/rollout",
            json!({"tenants": ["acme"]}),
            200,
            0,
        ),
        // Of one tenant, and of all.
        step(post.clone(), silences, silences, json!({"tenant_id": "acme"}), 201, 1),
        step(post.clone(), silences, silences, json!({"severity": "warning"}), 201, 1),
        step(
            post.clone(),
            silences,
            &format!("{silences}?dry_run=true"),
            json!({"severity": "critical"}),
            200,
            0,
        ),
        step(delete.clone(), "/api/v1/silences/{silence_id}", "/api/v1/silences/LAST", Value::Null, 200, 1),
        step(delete.clone(), "/api/v1/silences/{silence_id}", "/api/v1/silences/LAST", Value::Null, 404, 0),
        step(post.clone(), receivers, receivers, hook.clone(), 201, 1),
        step(put.clone(), "/api/v1/receivers/{receiver_id}", "/api/v1/receivers/LAST", hook, 200, 1),
        // It tells, and changes nothing.
        step(
            post.clone(),
            "/api/v1/receivers/{receiver_id}/test",
            "/api/v1/receivers/LAST/test",
            json!({}),
            200,
            0,
        ),
        step(
            delete.clone(),
            "/api/v1/receivers/{receiver_id}",
            "/api/v1/receivers/LAST",
            Value::Null,
            200,
            1,
        ),
        step(
            post,
            "/api/v1/tenants/{tenant_id}/rollback",
            &format!("{acme}/rollback"),
            json!({"revision": 1}),
            200,
            1,
        ),
        step(delete.clone(), one, &format!("{acme}?dry_run=true"), Value::Null, 200, 0),
        step(delete.clone(), one, acme, Value::Null, 200, 1),
        step(delete, one, acme, Value::Null, 404, 0),
    ];

    let document = client.get("/openapi.json").await.expect(200).json();
    let changing = document["paths"].as_object().expect("paths").iter().flat_map(|(path, operations)| {
        let methods = operations.as_object().into_iter().flatten().map(|(method, _)| method.to_uppercase());
        methods.filter(|method| method != "GET").map(move |method| format!("{method} {path}"))
    });
    let changing: BTreeSet<String> = changing.collect();
    let tried: BTreeSet<String> =
        steps.iter().map(|step| format!("{} {}", step.method, step.operation)).collect();
    assert_eq!(tried, changing, "every operation that is no GET is tried");

    let mut last = String::new();
    for (number, step) in steps.into_iter().enumerate() {
        // What is changed has run, so that there is something to go back to.
        if step.path.ends_with("/rollback") || (step.path == acme && step.status == 200) {
            let detail = client.get(acme).await.expect(200).json();
            server.follow(detail["deployment_id"].as_str().expect("an id")).await;
        } else if step.path == acme && step.status == 404 {
            server.wait_for_status(acme, 404).await;
        }
        let (name, request_id) = (format!("{} {}", step.method, step.path), format!("req-{number}"));
        let mut request = client.request(step.method, &step.path.replace("LAST", &last));
        request = request.header("x-request-id", &request_id);
        if !step.body.is_null() {
            request = request.json(&step.body);
        }
        let reply = client.send(request).await;
        assert_eq!(reply.status, step.status, "{name}: {}", reply.text);
        let answer = reply.json();
        for id in ["silence_id", "receiver_id"] {
            if let (201, Some(id)) = (step.status, answer[id].as_str()) {
                id.clone_into(&mut last);
            }
        }
        let found = trail(client, &request_id).await;
        let of_it = found["entries"].as_array().expect("entries").iter();
        // What the controller does for a request later is its own.
        let of_it = of_it.filter(|entry| entry["actor"] != "controller").count() as u64;
        assert_eq!(of_it, step.entries, "{name}: {found:#}");
        assert!(!found.to_string().contains("whsec_"), "{found}");
    }
    let nobodys = client.get("/api/v1/audit?action=receiver.update").await.expect(200).json();
    assert_eq!(nobodys["entries"][0]["tenant_id"], Value::Null, "{nobodys}");
}
