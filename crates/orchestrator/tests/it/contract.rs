//! The API reference's own examples, sent as printed and compared with what it prints.

use ecp_testkit::{ManualClock, TestServer, my_ai_service};
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// Asserts that `actual` has every field that `example` has, of the same JSON type; what the
/// example leaves out may be there too. Of arrays, each element is held against the first.
fn assert_shape(example: &Value, actual: &Value, path: &str) {
    match (example, actual) {
        (Value::Object(fields), Value::Object(found)) => {
            for (key, example) in fields {
                let actual = found.get(key).unwrap_or_else(|| panic!("{path}/{key} is missing in {actual}"));
                assert_shape(example, actual, &format!("{path}/{key}"));
            }
        }
        (Value::Array(examples), Value::Array(found)) => {
            if let Some(example) = examples.first() {
                for (index, actual) in found.iter().enumerate() {
                    assert_shape(example, actual, &format!("{path}/{index}"));
                }
            }
        }
        _ => assert_eq!(
            std::mem::discriminant(example),
            std::mem::discriminant(actual),
            "{path}: {actual} has another type than {example}"
        ),
    }
}

/// Asserts that `actual` has every field of `expected` with the same value.
fn assert_contains(expected: &Value, actual: &Value, path: &str) {
    match (expected, actual) {
        (Value::Object(fields), Value::Object(found)) => {
            for (key, expected) in fields {
                let actual = found.get(key).unwrap_or_else(|| panic!("{path}/{key} is missing in {actual}"));
                assert_contains(expected, actual, &format!("{path}/{key}"));
            }
        }
        _ => assert_eq!(expected, actual, "{path}"),
    }
}

fn global_call_center() -> Value {
    json!({
        "tenant_id": "global-call-center", "name": "글로벌 콜센터", "preset": "large",
        "service_requirements": { "callbot": 25, "chatbot": 85, "advisor": 32 },
        "sla_target": { "availability": "99.86%", "response_time": "265ms" },
        "description": "글로벌 콜센터 AI 서비스"
    })
}

#[tokio::test]
async fn creating_my_ai_service_answers_what_the_contract_prints() {
    let server = TestServer::start().await;
    let reply = server.client().post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    let body = reply.json();
    assert_contains(
        &json!({
            "tenant_id": "my-ai-service",
            "status": "pending",
            "estimated_resources": { "cpu": "24000m", "memory": "32Gi", "gpu": 3, "storage": "1.0TB" },
            "estimated_cost": "$350/month",
            "deployment_time": "15-20 minutes"
        }),
        &body,
        "",
    );
    assert!(body["deployment_id"].as_str().is_some_and(|id| id.starts_with("dep-")));
    assert_eq!(body.get("warnings").and_then(Value::as_array).map_or(0, Vec::len), 0, "{body}");
}

#[tokio::test]
async fn the_calculator_answers_what_the_contract_prints() {
    let server = TestServer::start().await;
    let request = json!({
        "service_requirements": { "callbot": 100, "chatbot": 200, "advisor": 50 },
        "sla_target": { "availability": "99.9%", "response_time": "150ms" }
    });
    let body = server.client().post("/api/v1/tenants/calculate-resources", &request).await.expect(200).json();
    let printed = json!({
        "recommended_preset": "large",
        "resources": { "cpu": "45000m", "memory": "64Gi", "gpu": 6, "storage": "2.0TB" },
        "gpu_type": "v100",
        "estimated_cost": "$450/month",
        "alternatives": [{
            "preset": "medium",
            "resources": { "cpu": "24000m", "memory": "32Gi", "gpu": 3 },
            "cost": "$250/month",
            "performance_impact": "응답시간 20% 증가 예상"
        }]
    });
    assert_contains(&printed, &body, "");
}

#[tokio::test]
async fn list_and_detail_of_global_call_center_have_the_contract_s_fields_and_figures() {
    let server = TestServer::start().await;
    server.deploy(&global_call_center()).await;
    let list = server.client().get("/api/v1/tenants/").await.expect(200).json();
    let entry = json!({
        "tenant_id": "global-call-center", "name": "글로벌 콜센터", "preset": "large", "is_demo": true,
        "status": "running", "services_count": 5, "cpu_limit": "45000m", "memory_limit": "64Gi",
        "gpu_limit": 6, "storage_limit": "2.0TB", "gpu_type": "v100", "sla_availability": "99.86%",
        "sla_response_time": "265ms", "description": "글로벌 콜센터 AI 서비스"
    });
    assert_contains(&entry, &list["tenants"][0], "/tenants/0");
    assert_contains(
        &json!({ "total_count": 1, "demo_count": 1, "active_count": 1,
                 "pagination": { "skip": 0, "limit": 100, "has_more": false } }),
        &list,
        "",
    );
    let detail = server.client().get("/api/v1/tenants/global-call-center").await.expect(200).json();
    assert_contains(
        &json!({
            "tenant_id": "global-call-center", "name": "글로벌 콜센터", "preset": "large", "is_demo": true,
            "status": "running",
            "service_requirements": { "callbot": 25, "chatbot": 85, "advisor": 32 },
            "resources": { "cpu": "45000m", "memory": "64Gi", "gpu": 6, "storage": "2.0TB" },
            "sla_target": { "availability": "99.86%", "response_time": "265ms" }
        }),
        &detail,
        "",
    );
    let service = json!({
        "service_name": "callbot", "service_type": "ai_service", "enabled": true, "count": 25,
        "image": "ecp-ai/callbot:latest",
        "resources": { "cpu_request": "200m", "memory_request": "512Mi" }
    });
    assert_contains(&service, &detail["services"][0], "/services/0");
    assert_eq!(detail["services"].as_array().map(Vec::len), Some(5));
    for key in ["created_at", "updated_at"] {
        assert!(detail[key].as_str().is_some_and(|date| date.ends_with('Z') && date.len() == 20), "{detail}");
    }
}

#[tokio::test]
async fn the_contract_s_put_changes_what_it_names_and_leaves_the_rest() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let change = json!({
        "name": "수정된 서비스 이름",
        "service_requirements": { "callbot": 75, "chatbot": 150 },
        "sla_target": { "availability": "99.95%", "response_time": "150ms" }
    });
    let body = server.client().put("/api/v1/tenants/my-ai-service", &change).await.expect(200).json();
    assert_contains(
        &json!({
            "name": "수정된 서비스 이름",
            "preset": "medium",
            "service_requirements": { "callbot": 75, "chatbot": 150, "advisor": 25, "stt": 30, "tts": 30 },
            "sla_target": { "availability": "99.95%", "response_time": "150ms", "concurrent_users": 200 }
        }),
        &body,
        "",
    );
    assert!(body["deployment_id"].as_str().is_some_and(|id| id.starts_with("dep-")));
}

#[tokio::test]
async fn deleting_answers_the_same_deletion_until_the_tenant_is_gone_and_its_id_free() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let path = "/api/v1/tenants/my-ai-service";
    let first = server.client().delete(path).await.expect(200).json();
    assert_eq!(first["message"], "테넌트 삭제가 시작되었습니다");
    assert_eq!(first["estimated_time"], "5-10 minutes");
    let deletion = first["deletion_id"].as_str().expect("a deletion id").to_owned();
    assert!(deletion.starts_with("del-"));
    let again = server.client().delete(path).await;
    if again.status == 200 {
        assert_eq!(again.json()["deletion_id"], first["deletion_id"]);
    } else {
        again.expect(404);
    }
    server.wait_for_status(path, 404).await;
    server.create(&my_ai_service()).await;
}

#[tokio::test]
async fn the_contract_s_sample_is_accepted_and_read_back() {
    let clock = Arc::new(ManualClock::at("2024-01-20T14:31:00Z"));
    let server = TestServer::builder().clock(clock).start().await;
    server.create(&my_ai_service()).await;
    let sample = json!({
        "timestamp": "2024-01-20T14:30:00Z",
        "metrics": {
            "cpu_usage": 65.5, "memory_usage": 78.2, "gpu_usage": 85.0, "network_in": 1250000,
            "network_out": 850000, "storage_used": 750000000000u64, "request_count": 1250,
            "response_time": 145.8, "error_rate": 0.02
        }
    });
    let path = "/api/v1/tenants/my-ai-service/monitoring";
    let accepted = server.client().post(path, &sample).await.expect(201).json();
    assert_eq!(accepted, json!({ "tenant_id": "my-ai-service", "accepted": 1 }));
    let body = server.client().get(path).await.expect(200).json();
    let printed = json!({
        "tenant_id": "my-ai-service",
        "time_range": { "start": "2024-01-20T00:00:00Z", "end": "2024-01-21T00:00:00Z" },
        "metrics": {
            "cpu": [{ "timestamp": "2024-01-20T14:00:00Z", "value": 65.5 }],
            "memory": [{ "timestamp": "2024-01-20T14:00:00Z", "value": 78.1 }],
            "gpu": [{ "timestamp": "2024-01-20T14:00:00Z", "value": 85.1 }]
        },
        "summary": { "avg_cpu": 66.8, "max_cpu": 89.2, "avg_memory": 78.8, "max_memory": 92.1, "avg_gpu": 86.1, "max_gpu": 98.5 }
    });
    assert_shape(&printed, &body, "");
    assert_eq!(body["metrics"]["cpu"], json!([{ "timestamp": "2024-01-20T14:30:00Z", "value": 65.5 }]));
    assert_eq!(body["summary"]["avg_memory"], json!(78.2));
}

#[tokio::test]
async fn system_metrics_have_the_contract_s_fields() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let body = server.client().get("/api/v1/monitoring/system").await.expect(200).json();
    let printed = json!({
        "cluster_status": "healthy", "total_tenants": 15, "active_tenants": 12,
        "total_resources": { "cpu": "500000m", "memory": "1000Gi", "gpu": 50, "storage": "50TB" },
        "used_resources": { "cpu": "285000m", "memory": "650Gi", "gpu": 28, "storage": "25TB" },
        "utilization": { "cpu": 57.0, "memory": 65.0, "gpu": 56.0, "storage": 50.0 }
    });
    assert_shape(&printed, &body, "");
    assert_eq!(body["active_tenants"], 1);
    assert_eq!(body["used_resources"]["gpu"], 3);
}

#[tokio::test]
async fn the_manifest_is_yaml_as_printed_and_comes_back_valid() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let reply = server.client().get("/api/v1/tenants/my-ai-service/manifest").await.expect(200);
    assert!(reply.header("content-type").starts_with("application/yaml"), "{}", reply.header("content-type"));
    for line in
        ["kind: Namespace", "name: ecp-ai-my-ai-service", "image: ecp-ai/callbot:latest", "path: /health"]
    {
        assert!(reply.text.contains(line), "{line}");
    }
    let request = json!({ "tenant_id": "my-ai-service", "manifest_content": reply.text });
    let verdict =
        server.client().post("/api/v1/tenants/validate-manifest", &request).await.expect(200).json();
    let printed = json!({
        "valid": true, "warnings": ["…"], "errors": [],
        "resource_summary": {
            "namespaces": 1, "deployments": 5, "services": 5, "configmaps": 2, "secrets": 1,
            "total_cpu": "24000m", "total_memory": "32Gi", "total_gpu": 3, "estimated_pods": 15
        },
        "estimated_cost": "$350/month", "deployment_time": "15-20 minutes"
    });
    assert_shape(&printed, &verdict, "");
    assert_eq!(verdict["valid"], true, "{verdict:#}");
    for figure in ["total_cpu", "total_memory", "total_gpu", "estimated_pods"] {
        assert_eq!(verdict["resource_summary"][figure], printed["resource_summary"][figure], "{figure}");
    }
    for figure in ["estimated_cost", "deployment_time"] {
        assert_eq!(verdict[figure], printed[figure], "{figure}");
    }
}

#[tokio::test]
async fn the_deployment_is_watched_over_rest_and_websocket_to_its_end() {
    let server = TestServer::start().await;
    let last = server.deploy(&my_ai_service()).await;
    let frame = json!({
        "deployment_id": "dep-abc123", "status": "deploying", "progress": 75, "phase": "scaling-services",
        "message": "Chatbot deployment 완료, Advisor deployment 시작"
    });
    assert_shape(&frame, &last, "");
    assert_contains(&json!({ "status": "running", "progress": 100, "phase": "completed" }), &last, "");
    let status =
        server.client().get("/api/v1/tenants/my-ai-service/deployment-status").await.expect(200).json();
    let printed = json!({
        "tenant_id": "my-ai-service", "deployment_id": "dep-abc123", "status": "running", "progress": 100,
        "phase": "completed",
        "created_resources": [{ "type": "Namespace", "name": "ecp-ai-my-ai-service", "status": "Active" }],
        "pending_resources": [],
        "logs": [{ "timestamp": "2024-01-20T14:35:00Z", "level": "info", "message": "Namespace 생성 완료" }]
    });
    assert_shape(&printed, &status, "");
    let callbot =
        json!({ "type": "Deployment", "name": "callbot", "status": "Available", "replicas": "3/3" });
    assert!(
        status["created_resources"].as_array().is_some_and(|all| all.contains(&callbot)),
        "{:#}",
        status["created_resources"]
    );
    let messages: Vec<_> =
        status["logs"].as_array().into_iter().flatten().map(|line| &line["message"]).collect();
    assert!(messages.contains(&&json!("Namespace 생성 완료")), "{messages:?}");
}

#[tokio::test]
async fn live_metrics_and_alerts_come_in_the_contract_s_frames() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let mut alerts = server.socket("/ws/alerts/my-ai-service").await;
    let mut live = server.socket("/ws/monitoring/my-ai-service").await;
    live.send(&json!({ "action": "subscribe", "metrics": ["cpu", "memory", "gpu"], "interval": 100 })).await;
    let path = "/api/v1/tenants/my-ai-service/monitoring";
    let high = json!({ "metrics": { "cpu": 85.2, "memory": 40.0, "gpu": 50.0 } });
    server.client().post(path, &high).await.expect(201);
    let frame = live.frame().await;
    assert_contains(
        &json!({ "tenant_id": "my-ai-service", "metrics": { "cpu": 85.2, "memory": 40.0, "gpu": 50.0 } }),
        &frame,
        "",
    );
    assert!(frame["timestamp"].is_string() && frame["seq"].is_u64(), "{frame}");
    let opened = alerts.frame().await;
    assert_contains(
        &json!({
            "tenant_id": "my-ai-service", "severity": "warning", "type": "resource_usage",
            "message": "CPU 사용률이 80%를 초과했습니다", "metric": "cpu", "current_value": 85.2, "threshold": 80.0
        }),
        &opened,
        "",
    );
    assert!(opened["alert_id"].as_str().is_some_and(|id| id.starts_with("alert-")), "{opened}");
    server.client().post(path, &json!({ "metrics": { "cpu": 30.0 } })).await.expect(201);
    let resolved = alerts.frame().await;
    assert_eq!(resolved["alert_id"], opened["alert_id"], "{resolved}");
    assert_eq!(resolved["state"], "resolved", "{resolved}");
}

#[tokio::test]
async fn a_taken_id_is_answered_with_the_contract_s_error() {
    let server = TestServer::start().await;
    server.deploy(&my_ai_service()).await;
    let request = server.client().request(Method::POST, "/api/v1/tenants/").json(&my_ai_service());
    let reply = server.client().send(request.header("x-request-id", "req-xyz789")).await.expect(409);
    let mut body = reply.json();
    assert!(body["error"]["timestamp"].take().as_str().is_some_and(|date| date.ends_with('Z')));
    assert_eq!(
        body,
        json!({ "error": {
            "code": "TENANT_ALREADY_EXISTS",
            "message": "동일한 ID의 테넌트가 이미 존재합니다",
            "details": { "tenant_id": "my-ai-service", "existing_status": "running" },
            "timestamp": null,
            "request_id": "req-xyz789"
        } })
    );
    assert_eq!(reply.header("x-request-id"), "req-xyz789");
}

#[tokio::test]
async fn every_value_that_the_document_lists_for_a_query_is_taken() {
    let server = TestServer::start().await;
    let client = server.client();
    client.post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    let document = client.get("/openapi.json").await.expect(200).json();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        let path = path.replace("{tenant_id}", "my-ai-service");
        for parameter in operations["get"]["parameters"].as_array().into_iter().flatten() {
            let name = parameter["name"].as_str().unwrap_or_default();
            if parameter["in"] != "query" {
                continue;
            }
            for value in parameter["schema"]["enum"].as_array().into_iter().flatten() {
                let value = value.as_str().expect("a word");
                let reply = client.get(&format!("{path}?{name}={value}")).await;
                assert!(reply.status != 422, "{path}?{name}={value}: {}", reply.text);
                asked += 1;
            }
        }
    }
    assert!(asked > 10, "{asked}");
}
