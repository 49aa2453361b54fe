//! Tenants: create, list, detail, change, delete.

use ecp_testkit::{ManualClock, Reply, TestServer, my_ai_service};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::sync::Arc;

/// The pointers of `details.fields`, in order.
fn pointers(reply: &Reply) -> Vec<String> {
    let body = reply.json();
    let fields = body["error"]["details"]["fields"].as_array().unwrap_or_else(|| panic!("no fields: {body}"));
    fields.iter().map(|field| field["pointer"].as_str().expect("a pointer").to_owned()).collect()
}

/// A tenant that fits beside many others.
fn small(id: &str) -> Value {
    json!({"tenant_id": id, "name": id, "preset": "micro", "service_requirements": {"chatbot": 10}})
}

#[tokio::test]
async fn a_created_tenant_has_a_detail_with_everything_that_was_asked_for() {
    let clock = Arc::new(ManualClock::at("2024-01-20T14:30:00.5Z"));
    let server = TestServer::builder().clock(clock).start().await;
    let created = server.client().post("/api/v1/tenants/", &my_ai_service()).await.expect(201);
    assert_eq!(created.header("location"), "/api/v1/tenants/my-ai-service");
    assert_eq!(created.json()["created_at"], "2024-01-20T14:30:00Z");

    let detail = server.client().get(created.header("location")).await.expect(200);
    assert_eq!(detail.header("etag"), "\"1\"");
    let mut body = detail.json();
    assert_eq!(body["deployment_id"], created.json()["deployment_id"]);
    assert_eq!(body["services"].as_array().map(Vec::len), Some(5));
    let mut callbot = body["services"][0].clone();
    // What it can expect of its pods is the sizing's to test; that it is said is this one's.
    for said in ["sized_for", "stages", "lines", "notes"] {
        callbot.as_object_mut().expect("an object").remove(said).expect(said);
    }
    assert_eq!(
        callbot,
        json!({
            "service_name": "callbot",
            "service_type": "ai_service",
            "enabled": true,
            "count": 50,
            "replicas": 3,
            "image": "ecp-ai/callbot:latest",
            "resources": {
                "cpu_request": "200m",
                "memory_request": "512Mi",
                "gpu_request": 1,
                "cpu_limit": "2000m",
                "memory_limit": "4Gi"
            }
        })
    );
    for moving in ["deployment_id", "services", "status", "operator_cost"] {
        body.as_object_mut().expect("an object").remove(moving).expect(moving);
    }
    assert_eq!(
        body,
        json!({
            "tenant_id": "my-ai-service",
            "name": "내 AI 서비스",
            "preset": "medium",
            "preset_chosen_by": "request",
            "is_demo": true,
            "service_requirements": {"callbot": 50, "chatbot": 100, "advisor": 25, "stt": 30, "tts": 30},
            "resources": {"cpu": "24000m", "memory": "32Gi", "gpu": 3, "storage": "1.0TB"},
            "sla_target": {"availability": "99.9%", "response_time": "200ms", "concurrent_users": 200},
            "created_at": "2024-01-20T14:30:00Z",
            "updated_at": "2024-01-20T14:30:00Z",
            "description": "내 AI 서비스 설명",
            "exposure": "none",
            "exposure_chosen_by": "catalog",
            "management": "internal",
            "gpu_type": "v100",
            "estimated_cost": "$350/month",
            "generation": 1
        })
    );
}

#[tokio::test]
async fn a_creation_answers_every_fault_at_once_and_stores_nothing() {
    let server = TestServer::start().await;
    let body = json!({
        "tenant_id": "Not A Label",
        "preset": "meduim",
        "service_requirements": {"callbto": 5, "chatbot": -1},
        "sla_target": {"availability": "101%", "response_time": "0ms"}
    });
    let reply = server.client().post("/api/v1/tenants/", &body).await.expect(422);
    assert_eq!(reply.error_code(), "VALIDATION_FAILED");
    assert_eq!(
        pointers(&reply),
        [
            "/name",
            "/tenant_id",
            "/preset",
            "/service_requirements/callbto",
            "/service_requirements/chatbot",
            "/sla_target/availability",
            "/sla_target/response_time"
        ]
    );
    assert!(reply.text.contains("'callbot'") && reply.text.contains("'medium'"), "{}", reply.text);
    assert_eq!(server.client().get("/api/v1/tenants").await.json()["total_count"], 0);
}

#[tokio::test]
async fn a_wrong_preset_alone_has_the_contracts_code() {
    let server = TestServer::start().await;
    let mut tenant = my_ai_service();
    tenant["preset"] = json!("huge");
    let reply = server.client().post("/api/v1/tenants/", &tenant).await.expect(422);
    assert_eq!(reply.error_code(), "INVALID_PRESET");
    assert_eq!(pointers(&reply), ["/preset"]);
}

#[tokio::test]
async fn a_tenant_id_is_taken_once() {
    let server = TestServer::start().await;
    server.create(&small("acme")).await;
    let reply = server.client().post("/api/v1/tenants/", &small("acme")).await.expect(409);
    let error = &reply.json()["error"];
    assert_eq!(error["code"], "TENANT_ALREADY_EXISTS");
    assert_eq!(error["message"], "동일한 ID의 테넌트가 이미 존재합니다");
    assert_eq!(error["details"]["tenant_id"], "acme");
    assert!(
        ["pending", "running"].contains(&error["details"]["existing_status"].as_str().expect("a status"))
    );
}

#[tokio::test]
async fn a_tenant_that_the_cluster_can_not_hold_is_refused_with_what_is_short() {
    let server = TestServer::start().await;
    let tenant = json!({"tenant_id": "vast", "name": "vast", "service_requirements": {"callbot": 500_000}});
    let refused = server.client().post("/api/v1/tenants/", &tenant).await.expect(409);
    assert_eq!(refused.error_code(), "INSUFFICIENT_RESOURCES");
    let short = &refused.json()["error"]["details"]["short"][0];
    for field in ["resource", "requested", "available", "missing"] {
        assert!(short[field].is_string(), "{short}");
    }
    let left_out = &refused.json()["error"]["details"]["nodes_left_out"][0];
    assert_eq!(
        (&left_out["reason"], left_out["nodes"].as_array().map(Vec::len)),
        (&json!("insufficient"), Some(10))
    );
    assert_eq!(server.client().get("/api/v1/tenants").await.json()["total_count"], 0);
}

#[tokio::test]
async fn requests_at_once_never_count_on_the_same_gpu_and_what_is_admitted_runs() {
    let server = TestServer::start().await;
    let client = server.client();
    let overview = client.get("/api/v1/overview").await.expect(200).json();
    let of_type = |entry: &&Value| entry["gpu_type"] == "v100";
    let v100 = overview["gpu"].as_array().and_then(|gpus| gpus.iter().find(of_type)).expect("V100s");
    // Three callbots and three tts with a GPU each.
    let fit = v100["total"].as_u64().expect("GPUs") as usize / 6;
    let voice = |number: usize| {
        let id = format!("voice-{number}");
        json!({"tenant_id": id, "name": id, "preset": "large", "service_requirements": {"callbot": 10}})
    };
    let bodies: Vec<Value> = (0..fit + 9).map(voice).collect();
    let answers =
        futures_util::future::join_all(bodies.iter().map(|body| client.post("/api/v1/tenants/", body))).await;
    let (accepted, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 201);
    assert_eq!((accepted.len(), refused.len()), (fit, 9));
    for answer in &refused {
        assert_eq!(answer.json()["error"]["details"]["short"][0]["resource"], "gpu");
    }
    for answer in &accepted {
        let deployment_id = answer.json()["deployment_id"].as_str().expect("an id").to_owned();
        assert_eq!(server.follow(&deployment_id).await["status"], "running");
    }

    // The cluster is full: what needs no more is taken all the same, what needs more is not.
    let path = format!("/api/v1/tenants/{}", accepted[0].json()["tenant_id"].as_str().expect("an id"));
    client.put(&path, &json!({"name": "renamed"})).await.expect(200);
    client.put(&path, &json!({"preset": "medium"})).await.expect(200);
}

#[tokio::test]
async fn the_exposure_is_the_tenants_or_the_catalogs_and_the_manifest_follows_it() {
    let server = TestServer::start().await;
    let client = server.client();
    let kinds = async || {
        let list = client.get("/api/v1/tenants/shop/manifest?format=json").await.expect(200).json();
        let items = list["items"].as_array().expect("items").clone();
        let count = |kind: &str| items.iter().filter(|item| item["kind"] == kind).count();
        [count("Ingress"), count("HTTPRoute")]
    };
    let mut body = small("shop");
    body["exposure"] = json!("gatway");
    let refused = client.post("/api/v1/tenants/", &body).await.expect(422);
    assert_eq!(pointers(&refused), ["/exposure"]);
    assert!(refused.text.contains("gateway"), "{}", refused.text);
    body["exposure"] = json!("gateway");
    client.post("/api/v1/tenants/", &body).await.expect(201);
    let path = "/api/v1/tenants/shop";
    let exposure = async || {
        let detail = client.get(path).await.json();
        (detail["exposure"].clone(), detail["exposure_chosen_by"].clone())
    };
    assert_eq!((exposure().await, kinds().await), ((json!("gateway"), json!("request")), [0, 1]));
    let put = async |change: Value| client.put(path, &change).await.expect(200).json();
    let before = put(json!({"exposure": "ingress"})).await;
    assert_eq!((exposure().await, kinds().await), ((json!("ingress"), json!("request")), [1, 0]));
    // What was read, sent back, changes nothing; what is left out stays.
    assert_eq!(put(before.clone()).await["deployment_id"], before["deployment_id"]);
    put(json!({"name": "Shop"})).await;
    assert_eq!(kinds().await, [1, 0]);
    put(json!({"exposure_chosen_by": "catalog"})).await;
    assert_eq!((exposure().await, kinds().await), ((json!("none"), json!("catalog")), [0, 0]));
    // It is what the controller applies, too.
    let change = put(json!({"exposure": "ingress"})).await;
    let last = server.follow(change["deployment_id"].as_str().expect("an id")).await;
    assert_eq!(last["status"], "running", "{last}");
    let applied = client.get(&format!("{path}/deployment-status")).await.json();
    assert!(applied["created_resources"].to_string().contains("Ingress"), "{applied}");
}

#[tokio::test]
async fn who_manages_a_tenant_is_asked_for_kept_and_changed() {
    let server = TestServer::start().await;
    let client = server.client();
    let mut body = small("shop");
    body["management"] = json!("extern");
    let refused = client.post("/api/v1/tenants/", &body).await.expect(422);
    assert_eq!(pointers(&refused), ["/management"]);
    assert!(refused.text.contains("external"), "{}", refused.text);
    body["management"] = json!("external");
    let created = client.post("/api/v1/tenants/", &body).await.expect(201).json();
    let path = "/api/v1/tenants/shop";
    assert_eq!(client.get(path).await.json()["management"], "external");
    // Demo mode's stand-in applies it.
    let last = server.follow(created["deployment_id"].as_str().expect("an id")).await;
    assert_eq!(last["status"], "running", "{last}");
    let logs = client.get(&format!("{path}/deployment-status")).await.json()["logs"].to_string();
    assert!(logs.contains("다른 도구가 관리하는"), "{logs}");
    // What is left out stays.
    let renamed = client.put(path, &json!({"name": "Shop"})).await.expect(200).json();
    assert_eq!(renamed["management"], "external");
    assert_eq!(server.follow(renamed["deployment_id"].as_str().expect("an id")).await["status"], "running");
    let ours = client.put(path, &json!({"management": "internal"})).await.expect(200).json();
    assert_eq!((&ours["management"], &ours["generation"]), (&json!("internal"), &json!(3)));
    assert_eq!(server.follow(ours["deployment_id"].as_str().expect("an id")).await["status"], "running");
    let logs = client.get(&format!("{path}/deployment-status")).await.json()["logs"].to_string();
    assert!(logs.contains("이제부터 오케스트레이터가"), "{logs}");
    let theirs = client.put(path, &json!({"management": "external"})).await.expect(200).json();
    assert_eq!(server.follow(theirs["deployment_id"].as_str().expect("an id")).await["status"], "running");
    // Going back to what ran is no change of who manages it.
    let back =
        client.post(&format!("{path}/rollback"), &json!({"deployment_id": ours["deployment_id"]})).await;
    assert_eq!(back.expect(200).json()["management"], "external");
    // Nothing of it would go, nothing does, and the answer says so.
    let preview = client.delete(&format!("{path}?dry_run=true")).await.expect(200).json();
    assert_eq!(preview["objects"], json!([]), "{preview}");
    let deleted = client.delete(path).await.expect(200).json();
    assert!(deleted["message"].as_str().is_some_and(|text| text.contains("ecp-ai-shop")), "{deleted}");
    server.wait_for_status(path, 404).await;
}

#[tokio::test]
async fn no_more_storage_is_promised_than_there_is() {
    // CPU and memory are promised ten times, so that storage is what runs out.
    let folder = tempfile::tempdir().expect("a temporary folder");
    let catalog = folder.path().join("catalog.toml");
    let once = "[overcommit]\ncpu = 1.0\nmemory = 1.0\n";
    assert!(ecp_core::catalog::EMBEDDED.contains(once));
    let text = ecp_core::catalog::EMBEDDED.replace(once, "[overcommit]\ncpu = 10.0\nmemory = 10.0\n");
    std::fs::write(&catalog, text).expect("writes");
    let path = catalog.display().to_string();
    let server = TestServer::builder().configure(|config| config.catalog = path).start().await;
    let client = server.client();
    let large = |number: usize| {
        let id = format!("analysis-{number}");
        // No service that would run out of GPUs first.
        json!({"tenant_id": id, "name": id, "preset": "large", "service_requirements": {"ta": 10}})
    };
    let mut number = 0;
    let refused = loop {
        let answer = client.post("/api/v1/tenants/", &large(number)).await;
        if answer.status != 201 {
            break answer;
        }
        number += 1;
        assert!(number < 1000, "nothing is ever refused");
    };
    assert_eq!(refused.expect(409).json()["error"]["details"]["short"][0]["resource"], "storage");
}

#[tokio::test]
async fn the_list_is_ordered_filtered_and_paged() {
    let clock = Arc::new(ManualClock::at("2024-01-20T14:30:00Z"));
    let server = TestServer::builder().clock(clock.clone()).start().await;
    let client = server.client();
    for id in ["first", "b-second", "a-second"] {
        if id == "b-second" {
            clock.advance(SignedDuration::from_secs(60));
        }
        server.create(&small(id)).await;
    }
    let list = async |query: &str| client.get(&format!("/api/v1/tenants/{query}")).await.expect(200).json();
    let ids = |body: &Value| -> Vec<String> {
        let tenants = body["tenants"].as_array().expect("tenants");
        tenants.iter().map(|tenant| tenant["tenant_id"].as_str().expect("an id").to_owned()).collect()
    };
    let all = list("").await;
    assert_eq!(ids(&all), ["first", "a-second", "b-second"]);
    assert_eq!((&all["total_count"], &all["demo_count"]), (&json!(3), &json!(3)));
    assert_eq!(all["pagination"], json!({"skip": 0, "limit": 100, "has_more": false}));

    let page = list("?skip=1&limit=1").await;
    assert_eq!(ids(&page), ["a-second"]);
    assert_eq!(page["total_count"], 3);
    assert_eq!(page["pagination"], json!({"skip": 1, "limit": 1, "has_more": true}));
    assert_eq!(ids(&list("?skip=9").await), Vec::<String>::new());
    assert_eq!(list("?preset=large").await["total_count"], 0);
    assert_eq!(list("?preset=micro&status=failed").await["total_count"], 0);
}

#[tokio::test]
async fn a_list_query_answers_every_fault_at_once() {
    let server = TestServer::start().await;
    let path = "/api/v1/tenants/?limit=1001&skip=-1&status=runing&preset=midium";
    let reply = server.client().get(path).await.expect(422);
    assert_eq!(reply.error_code(), "VALIDATION_FAILED");
    assert_eq!(pointers(&reply), ["skip", "limit", "preset", "status"]);
    assert!(reply.text.contains("'running'") && reply.text.contains("'medium'"), "{}", reply.text);
    for wrong in ["limit=0", "limit=x", "skip=1.5"] {
        server.client().get(&format!("/api/v1/tenants?{wrong}")).await.expect(422);
    }
    let preset = server.client().get("/api/v1/tenants?preset=huge").await.expect(422);
    assert_eq!(preset.error_code(), "INVALID_PRESET");
}

#[tokio::test]
async fn a_change_keeps_what_it_does_not_name_and_removes_services_set_to_zero() {
    let server = TestServer::start().await;
    let client = server.client();
    let created = server.create(&my_ai_service()).await;
    let change = json!({
        "name": "수정된 서비스 이름",
        "service_requirements": {"callbot": 40, "stt": 0},
        "sla_target": {"response_time": "250ms"}
    });
    let reply = client.put("/api/v1/tenants/my-ai-service", &change).await.expect(200);
    assert_eq!(reply.header("etag"), "\"2\"");
    let body = reply.json();
    assert_eq!(body["name"], "수정된 서비스 이름");
    assert_eq!(
        body["service_requirements"],
        json!({"callbot": 40, "chatbot": 100, "advisor": 25, "tts": 30})
    );
    assert_eq!(
        body["sla_target"],
        json!({"availability": "99.9%", "response_time": "250ms", "concurrent_users": 200})
    );
    assert_eq!(body["preset"], "medium");
    assert_eq!(body["description"], "내 AI 서비스 설명");
    assert_ne!(body["deployment_id"], created["deployment_id"]);
    assert_eq!(client.get("/api/v1/tenants/my-ai-service").await.json()["name"], "수정된 서비스 이름");
}

#[tokio::test]
async fn a_change_must_leave_a_service_and_the_id() {
    let server = TestServer::start().await;
    server.create(&small("acme")).await;
    let client = server.client();
    let nothing = json!({"service_requirements": {"chatbot": 0}});
    let reply = client.put("/api/v1/tenants/acme", &nothing).await.expect(422);
    assert_eq!(pointers(&reply), ["/service_requirements"]);
    let renamed = client.put("/api/v1/tenants/acme", &json!({"tenant_id": "other"})).await.expect(422);
    assert_eq!(pointers(&renamed), ["/tenant_id"]);
    let unknown = client.put("/api/v1/tenants/none", &json!({"name": "x"})).await.expect(404);
    assert_eq!(unknown.error_code(), "TENANT_NOT_FOUND");
}

#[tokio::test]
async fn a_stale_if_match_is_412_on_change_and_deletion() {
    let server = TestServer::start().await;
    server.create(&small("acme")).await;
    let client = server.client();
    let put = async |tag: &str, name: &str| {
        let request = client.request(Method::PUT, "/api/v1/tenants/acme").header("if-match", tag);
        client.send(request.json(&json!({ "name": name }))).await
    };
    assert_eq!(put("\"1\"", "one").await.expect(200).header("etag"), "\"2\"");
    let stale = put("\"1\"", "two").await.expect(412);
    assert_eq!(stale.error_code(), "CONFLICT");
    assert_eq!(stale.json()["error"]["details"]["generation"], 2);
    put("*", "three").await.expect(200);
    let delete = async |tag: &str| {
        let request = client.request(Method::DELETE, "/api/v1/tenants/acme").header("if-match", tag);
        client.send(request).await
    };
    delete("\"2\"").await.expect(412);
    delete("\"1\", \"3\"").await.expect(200);
}

#[tokio::test]
async fn a_deletion_is_found_again_refuses_changes_and_frees_the_id() {
    // A slow cluster, so that the deletion is still under way when it is asked for again.
    let server = TestServer::builder().configure(|config| config.demo_speed = 20.0).start().await;
    server.create(&small("acme")).await;
    let client = server.client();
    let first = client.delete("/api/v1/tenants/acme").await.expect(200).json();
    assert_eq!(first["message"], "테넌트 삭제가 시작되었습니다");
    assert!(first["deletion_id"].as_str().is_some_and(|id| id.starts_with("del-")), "{first}");
    assert!(first["estimated_time"].as_str().is_some_and(|time| time.ends_with(" minutes")), "{first}");
    let again = client.delete("/api/v1/tenants/acme?force=true").await;
    if again.status == 200 {
        assert_eq!(again.json()["deletion_id"], first["deletion_id"]);
    }
    server.wait_for_status("/api/v1/tenants/acme", 404).await;
    server.create(&small("acme")).await;
    assert_eq!(client.delete("/api/v1/tenants/none").await.expect(404).error_code(), "TENANT_NOT_FOUND");
    client.delete("/api/v1/tenants/acme?force=maybe").await.expect(422);
}

#[tokio::test]
async fn a_dry_run_says_what_would_be_done_and_does_nothing() {
    let server = TestServer::start().await;
    let client = server.client();
    let create = client.post("/api/v1/tenants/?dry_run=true", &small("acme")).await.expect(200).json();
    assert_eq!((&create["dry_run"], &create["tenant_id"]), (&json!(true), &json!("acme")));
    let objects = create["objects"].as_array().expect("as documented");
    assert!(objects.len() > 10 && objects.iter().all(|object| object["action"] == "create"), "{create}");
    assert_eq!((&create["quota"]["before"], &create["cost"]["before"]), (&Value::Null, &json!("$0/month")));
    client.get("/api/v1/tenants/acme").await.expect(404);
    assert_eq!(client.get("/api/v1/audit").await.expect(200).json()["total_count"], 0);

    client.post("/api/v1/tenants/", &small("acme")).await.expect(201);
    let taken = client.post("/api/v1/tenants/?dry_run=true", &small("acme")).await.expect(409);
    assert_eq!(taken.error_code(), "TENANT_ALREADY_EXISTS");
    let change = json!({"preset": "small", "service_requirements": {"chatbot": 0, "callbot": 5}});
    let update = client.put("/api/v1/tenants/acme?dry_run=true", &change).await.expect(200).json();
    let action = |kind: &str, name: &str| {
        let objects = update["objects"].as_array().expect("as documented").iter();
        let found = objects.filter(|object| object["kind"] == kind && object["name"] == name);
        found.map(|object| object["action"].clone()).next()
    };
    assert_eq!(action("Deployment", "callbot"), Some(json!("create")));
    assert_eq!(action("Deployment", "chatbot"), Some(json!("delete")));
    assert_eq!(action("Service", "redis-service"), Some(json!("unchanged")));
    assert_eq!(action("ResourceQuota", "tenant-quota"), Some(json!("update")));
    assert!(update["cost"]["difference_usd"].as_i64().expect("as documented") > 0, "{update}");
    assert!(!update.to_string().contains("SERVICE_TOKEN\":\""), "no secret is shown");
    let detail = client.get("/api/v1/tenants/acme").await.expect(200);
    assert_eq!((&detail.json()["preset"], detail.header("etag")), (&json!("micro"), "\"1\""));

    let deletion = client.delete("/api/v1/tenants/acme?dry_run=true").await.expect(200).json();
    assert!(
        deletion["objects"]
            .as_array()
            .expect("as documented")
            .iter()
            .all(|object| object["action"] == "delete")
    );
    client.get("/api/v1/tenants/acme").await.expect(200);
    let wrong = client.delete("/api/v1/tenants/acme?dry_run=perhaps").await.expect(422);
    assert_eq!(wrong.error_code(), "VALIDATION_FAILED");
}
