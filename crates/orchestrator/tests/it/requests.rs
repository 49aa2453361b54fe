//! What every request has in common: mode, ids, languages, limits, and answers where nothing is.

use ecp_testkit::{Client, Reply, TestServer, my_ai_service};
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Every route of the API with a method that it has.
const ROUTES: [(Method, &str); 14] = [
    (Method::GET, "/api/v1/tenants"),
    (Method::POST, "/api/v1/tenants"),
    (Method::POST, "/api/v1/tenants/calculate-resources"),
    (Method::POST, "/api/v1/tenants/validate-manifest"),
    (Method::GET, "/api/v1/tenants/my-ai-service"),
    (Method::PUT, "/api/v1/tenants/my-ai-service"),
    (Method::DELETE, "/api/v1/tenants/my-ai-service"),
    (Method::GET, "/api/v1/tenants/my-ai-service/manifest"),
    (Method::GET, "/api/v1/tenants/my-ai-service/deployment-status"),
    (Method::GET, "/api/v1/tenants/my-ai-service/monitoring"),
    (Method::POST, "/api/v1/tenants/my-ai-service/monitoring"),
    (Method::GET, "/api/v1/tenants/my-ai-service/alerts"),
    (Method::GET, "/api/v1/monitoring/system"),
    (Method::GET, "/api/v1/audit"),
];

async fn with_headers(client: &Client, path: &str, headers: &[(&str, &str)]) -> Reply {
    let mut request = client.request(Method::GET, path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    client.send(request).await
}

#[tokio::test]
async fn every_api_route_asks_for_the_mode_first() {
    let server = TestServer::start().await;
    let client = server.client();
    for (method, path) in ROUTES {
        let missing = client.send(client.bare(method.clone(), path)).await.expect(400).json();
        assert_eq!(missing["error"]["code"], "INVALID_REQUEST", "{method} {path}");
        assert_eq!(missing["error"]["details"]["header"], "X-Demo-Mode", "{method} {path}");
        let wrong = client.bare(method.clone(), path).header("x-demo-mode", "maybe");
        assert_eq!(client.send(wrong).await.expect(400).error_code(), "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn a_trailing_slash_makes_no_difference_and_no_redirect() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let client = server.client();
    for (method, path) in ROUTES {
        if method != Method::GET {
            continue;
        }
        let plain = client.get(path).await;
        let slashed = client.get(&format!("{path}/")).await;
        assert_eq!(plain.status, 200, "{path}: {}", plain.text);
        assert_eq!(slashed.status, 200, "{path}/: {}", slashed.text);
    }
    let calculated = |path| async move {
        client.post(path, &json!({"service_requirements": {"chatbot": 10}})).await.expect(200).text
    };
    let plain = calculated("/api/v1/tenants/calculate-resources").await;
    assert_eq!(plain, calculated("/api/v1/tenants/calculate-resources/").await);
}

#[tokio::test]
async fn the_modes_know_nothing_of_each_other() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let (demo, real) = (server.client(), server.client().real());
    assert_eq!(demo.get("/api/v1/tenants").await.json()["total_count"], 1);
    assert_eq!(real.get("/api/v1/tenants").await.json()["total_count"], 0);
    assert_eq!(real.get("/api/v1/tenants/my-ai-service").await.expect(404).error_code(), "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn real_mode_without_a_cluster_says_how_to_configure_one_and_stores_nothing() {
    let server = TestServer::start().await;
    let real = server.client().real();
    let refused = real.post("/api/v1/tenants/", &my_ai_service()).await.expect(503);
    assert_eq!(refused.error_code(), "KUBERNETES_ERROR");
    assert!(refused.text.contains("--kubeconfig") && refused.text.contains("ECP_KUBECONFIG"));
    assert_eq!(real.get("/api/v1/tenants").await.json()["total_count"], 0);
    assert_eq!(real.get("/api/v1/audit").await.json()["total_count"], 0);
    assert_eq!(real.get("/api/v1/monitoring/system").await.expect(503).error_code(), "KUBERNETES_ERROR");
    let calculation = json!({"service_requirements": {"chatbot": 10}});
    real.post("/api/v1/tenants/calculate-resources", &calculation).await.expect(200);
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made_in_headers_and_errors() {
    let server = TestServer::start().await;
    let client = server.client();
    let echoed = with_headers(client, "/api/v1/tenants/none", &[("x-request-id", "unique-request-id")])
        .await
        .expect(404);
    assert_eq!(echoed.header("x-request-id"), "unique-request-id");
    assert_eq!(echoed.json()["error"]["request_id"], "unique-request-id");
    let long = "x".repeat(129);
    for headers in [vec![], vec![("x-request-id", "two words")], vec![("x-request-id", long.as_str())]] {
        let made = with_headers(client, "/api/v1/tenants/none", &headers).await;
        assert!(made.header("x-request-id").starts_with("req-"), "{headers:?}");
        assert_eq!(made.json()["error"]["request_id"], made.header("x-request-id"));
    }
    assert!(client.get("/healthz").await.header("x-request-id").starts_with("req-"));
}

#[tokio::test]
async fn debug_adds_an_object_and_changes_nothing_else() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let client = server.client();
    for path in ["/api/v1/tenants/my-ai-service", "/api/v1/tenants", "/api/v1/tenants/none"] {
        let plain = client.get(path).await;
        let debugged = with_headers(client, path, &[("x-debug", "true")]).await;
        assert_eq!(plain.status, debugged.status);
        let (mut plain, mut debugged) = (plain.json(), debugged.json());
        assert!(plain.get("debug").is_none());
        let debug = debugged.as_object_mut().expect("an object").remove("debug").expect("a debug object");
        assert!(debug["timings"]["total_us"].is_u64(), "{debug}");
        assert_eq!(debug["mode"], "demo");
        for body in [&mut plain, &mut debugged] {
            if let Some(error) = body.get_mut("error") {
                error["request_id"] = Value::Null;
                error["timestamp"] = Value::Null;
            }
        }
        assert_eq!(plain, debugged, "{path}");
    }
}

#[tokio::test]
async fn errors_are_korean_unless_english_is_preferred() {
    let server = TestServer::start().await;
    let client = server.client();
    let message = async |language: &str| {
        let reply = with_headers(client, "/api/v1/tenants/none", &[("accept-language", language)]).await;
        reply.json()["error"]["message"].as_str().expect("a message").to_owned()
    };
    assert_eq!(message("en-US,en;q=0.9").await, "Tenant 'none' was not found");
    assert_eq!(message("ko,en;q=0.9").await, "테넌트 'none'을 찾을 수 없습니다");
    assert_eq!(message("fr").await, "테넌트 'none'을 찾을 수 없습니다");
}

#[tokio::test]
async fn unknown_paths_and_methods_get_the_envelope() {
    let server = TestServer::start().await;
    let client = server.client();
    for path in ["/nothing", "/api/v1", "/api/v2/tenants", "/api/v1/tenants/a/b/c", "/docs/nothing.js"] {
        let reply = client.get(path).await.expect(404);
        assert_eq!(reply.error_code(), "INVALID_REQUEST", "{path}");
    }
    assert_eq!(client.get("/api/v1/tenants/%FF").await.expect(404).error_code(), "INVALID_REQUEST");
    let reply = client.send(client.request(Method::PATCH, "/api/v1/tenants/my-ai-service")).await.expect(405);
    assert_eq!(reply.error_code(), "INVALID_REQUEST");
    let mut allowed: Vec<&str> = reply.header("allow").split(',').map(str::trim).collect();
    allowed.sort_unstable();
    assert_eq!(allowed, ["DELETE", "GET", "HEAD", "PUT"]);
    assert_eq!(reply.json()["error"]["details"]["allowed"], json!(["GET", "HEAD", "PUT", "DELETE"]));
    for path in ["/api/v1/tenants", "/api/v1/tenants/", "/ws/alerts", "/readyz", "/docs"] {
        let reply = client.send(client.request(Method::PATCH, path)).await.expect(405);
        let header =
            reply.header("allow").split(',').map(|name| name.trim().to_owned()).collect::<BTreeSet<_>>();
        let said = reply.json()["error"]["details"]["allowed"].clone();
        let said: BTreeSet<String> = serde_json::from_value(said).expect("names of methods");
        // What the document does not describe is a page for people.
        assert!(said == header || (path == "/docs" && said.is_empty()), "{path}: {said:?}, {header:?}");
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let client = server.client();
    let get = client.get("/api/v1/tenants/my-ai-service").await.expect(200);
    let head = client.send(client.request(Method::HEAD, "/api/v1/tenants/my-ai-service")).await.expect(200);
    assert_eq!(head.text, "");
    assert_eq!(head.header("content-length"), get.text.len().to_string());
    assert_eq!(head.header("etag"), get.header("etag"));
}

#[tokio::test]
async fn json_that_can_not_be_parsed_is_answered_with_its_place() {
    let server = TestServer::start().await;
    let reply = server.client().post_text("/api/v1/tenants", "{\n  \"tenant_id\": oops\n}").await.expect(400);
    let error = &reply.json()["error"];
    assert_eq!(error["code"], "INVALID_REQUEST");
    assert_eq!((&error["details"]["line"], &error["details"]["column"]), (&json!(2), &json!(16)));
    for body in ["", "{", "[1,]", &"[".repeat(200_000)] {
        let reply = server.client().post_text("/api/v1/tenants", body).await.expect(400);
        assert_eq!(reply.error_code(), "INVALID_REQUEST");
    }
}

#[tokio::test]
async fn a_body_over_one_mebibyte_is_413_with_the_envelope() {
    let server = TestServer::start().await;
    let body = format!("{{\"name\": \"{}\"}}", "x".repeat(1024 * 1024));
    let reply = server.client().post_text("/api/v1/tenants", &body).await.expect(413);
    assert_eq!(reply.error_code(), "INVALID_REQUEST");
    assert_eq!(reply.json()["error"]["details"]["limit_bytes"], 1024 * 1024);
}

#[tokio::test]
async fn a_body_of_another_type_than_json_is_refused() {
    let server = TestServer::start().await;
    let client = server.client();
    let body = my_ai_service().to_string();
    let form = client
        .request(Method::POST, "/api/v1/tenants")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.clone());
    assert_eq!(client.send(form).await.expect(400).json()["error"]["details"]["header"], "Content-Type");
    client.send(client.request(Method::POST, "/api/v1/tenants").body(body)).await.expect(201);
}

#[tokio::test]
async fn unknown_fields_and_parameters_are_accepted_and_named_in_a_warning() {
    let server = TestServer::start().await;
    let mut tenant = my_ai_service();
    tenant["colour"] = json!("blue");
    let reply = server.client().post("/api/v1/tenants", &tenant).await.expect(201);
    assert_eq!(reply.header("warning"), "299 - \"unknown field: colour\"");
    assert_eq!(reply.header("x-warning-code"), "UNKNOWN_NAME");
    let reply = server.client().get("/api/v1/tenants?page=2").await.expect(200);
    assert_eq!(reply.header("warning"), "299 - \"unknown parameter: page\"");
}

#[tokio::test]
async fn the_documentation_is_served_without_the_internet() {
    let server = TestServer::start().await;
    let client = server.client();
    let document = client.send(client.bare(Method::GET, "/openapi.json")).await.expect(200).json();
    assert_eq!(document["openapi"], "3.1.0");
    for (path, base) in [("/docs", "docs/"), ("/docs/", "./")] {
        let page = client.send(client.bare(Method::GET, path)).await.expect(200);
        assert!(page.header("content-type").starts_with("text/html"));
        assert!(page.text.contains(&format!("<base href=\"{base}\">")), "{}", page.text);
    }
    for (file, content_type) in [
        ("swagger-ui-bundle.js", "text/javascript"),
        ("swagger-ui.css", "text/css"),
        ("swagger-initializer.js", "text/javascript"),
    ] {
        let reply = client.send(client.bare(Method::GET, &format!("/docs/{file}"))).await.expect(200);
        assert_eq!(reply.header("content-type"), content_type, "{file}");
    }
    let page = client.send(client.bare(Method::GET, "/")).await.expect(200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert!(page.header("content-security-policy").contains("frame-ancestors 'none'"));
    let index = client.send(client.bare(Method::GET, "/").header("accept", "application/json")).await;
    assert_eq!(index.expect(200).json()["documentation"], "/docs");
}

#[tokio::test]
async fn the_process_tells_its_health_without_a_mode() {
    let server = TestServer::start().await;
    let client = server.client();
    for (path, status) in [("/healthz", "ok"), ("/readyz", "ready"), ("/readyz/", "ready")] {
        let reply = client.send(client.bare(Method::GET, path)).await.expect(200);
        assert_eq!(reply.json()["status"], status, "{path}");
        let cluster = path.starts_with("/readyz").then_some("not_configured");
        assert_eq!(reply.json()["kubernetes"].as_str(), cluster, "{path}");
    }
}

#[tokio::test]
async fn what_is_said_twice_is_named_and_the_last_counts() {
    let server = TestServer::start().await;
    let client = server.client();
    let listed = client.get("/api/v1/tenants/?limit=5&limit=6&skip=0").await.expect(200);
    assert_eq!(listed.json()["pagination"]["limit"], 6);
    assert!(listed.header("warning").contains("repeated parameter: limit"), "{}", listed.header("warning"));
    let metrics = client.get("/api/v1/tenants/?expand=cost&expand=alerts").await.expect(200);
    assert_eq!(metrics.header("warning"), "", "what may repeat is no mistake");
    let body = r#"{"service_requirements": {"chatbot": 1, "chatbot": 400000}}"#;
    let sized = client.post_text("/api/v1/tenants/calculate-resources", body).await.expect(200);
    assert!(sized.header("warning").contains("repeated field: service_requirements/chatbot"));
    assert_eq!(sized.json()["services"][0]["count"], 400_000);
}

#[tokio::test]
async fn a_body_that_is_compressed_is_named_as_such() {
    let server = TestServer::start().await;
    for (coding, status) in [("gzip", 400), ("br", 400), ("identity, deflate", 400), ("identity", 200)] {
        let request = server.client().request(Method::POST, "/api/v1/tenants/calculate-resources");
        let body = json!({"service_requirements": {"chatbot": 1}}).to_string();
        let request = request.header("content-encoding", coding).body(body);
        let reply = server.client().send(request).await.expect(status);
        if status == 400 {
            assert_eq!(reply.json()["error"]["details"]["header"], "Content-Encoding", "{coding}");
        }
    }
}
