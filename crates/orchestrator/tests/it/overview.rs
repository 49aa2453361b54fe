//! What people look at in the morning: the overview, lists in order, what still fits.

use ecp_testkit::{Client, TestServer};
use serde_json::{Value, json};

async fn create(client: &Client, id: &str, name: &str, more: Value) {
    let mut body = json!({"tenant_id": id, "name": name, "service_requirements": {"chatbot": 5}});
    body.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
    client.post("/api/v1/tenants/", &body).await.expect(201);
}

fn ids(list: &Value) -> Vec<&str> {
    let tenants = list["tenants"].as_array().expect("tenants");
    tenants.iter().map(|tenant| tenant["tenant_id"].as_str().expect("an id")).collect()
}

async fn list(client: &Client, query: &str) -> Value {
    client.get(&format!("/api/v1/tenants/?{query}")).await.expect(200).json()
}

/// Three tenants: one that idles, one that is overloaded, one whose image is not there.
async fn three() -> TestServer {
    let server = TestServer::start().await;
    let tenant = |id: &str, name: &str, preset: &str| json!({"tenant_id": id, "name": name, "preset": preset, "service_requirements": {"chatbot": 5}});
    server.deploy(&tenant("zeta", "Alpha", "large")).await;
    server.deploy(&tenant("beta", "중간 Beta", "micro")).await;
    let mut broken = tenant("broken", "Gamma", "small");
    broken["demo_fault"] = json!("image-not-found");
    server.deploy(&broken).await;
    let measured = [("zeta", 10.0, 50.0), ("beta", 99.0, 400.0)];
    for (id, cpu, response_time) in measured {
        let sample = json!({"metrics": {"cpu": cpu, "response_time": response_time}});
        server.client().post(&format!("/api/v1/tenants/{id}/monitoring"), &sample).await.expect(201);
    }
    server
}

#[tokio::test]
async fn a_list_is_searched_sorted_and_expanded() {
    let server = three().await;
    let client = server.client();
    assert_eq!(ids(&list(client, "q=BETA").await), ["beta"]);
    assert_eq!(ids(&list(client, "q=gam").await), ["broken"], "the name counts, too");
    assert_eq!(ids(&list(client, "sort=name").await), ["zeta", "broken", "beta"]);
    assert_eq!(ids(&list(client, "sort=-name").await), ["beta", "broken", "zeta"]);
    assert_eq!(ids(&list(client, "sort=status").await)[0], "broken", "what failed comes first");
    assert_eq!(ids(&list(client, "sort=-gpu&limit=1").await), ["zeta"]);
    assert_eq!(ids(&list(client, "sort=cost").await), ["beta", "broken", "zeta"]);
    assert_eq!(ids(&list(client, "sort=cpu_usage&q=eta").await), ["zeta", "beta"]);
    assert_eq!(ids(&list(client, "sort=-response_time&q=eta").await), ["beta", "zeta"]);

    let plain = list(client, "").await;
    assert_eq!(plain["tenants"][0].get("metrics"), None);
    let all = list(client, "expand=metrics,alerts&expand=cost,failure&sort=name").await;
    let [zeta, broken, beta] = all["tenants"].as_array().expect("tenants").as_slice() else {
        panic!("{all}")
    };
    assert_eq!((&zeta["metrics"]["cpu"], &zeta["failure"]), (&json!(10.0), &Value::Null), "{zeta}");
    assert!(zeta["metrics"]["timestamp"].is_string() && zeta["cost"]["list_price_usd"] == 450, "{zeta}");
    assert_eq!(
        zeta["cost"]["margin_usd"],
        json!(450 - zeta["cost"]["operator_cost_usd"].as_i64().expect("a cost"))
    );
    assert!(
        broken["failure"]["message"].as_str().is_some_and(|text| text.contains("ImagePullBackOff")),
        "{broken}"
    );
    assert!(beta["alerts"]["critical"].as_u64().is_some_and(|count| count >= 1), "{beta}");

    for wrong in ["sort=prize", "expand=metrics,costs", "sort=--name"] {
        let reply = client.get(&format!("/api/v1/tenants/?{wrong}")).await.expect(422);
        assert!(reply.text.contains("sort") || reply.text.contains("expand"), "{}", reply.text);
    }
}

#[tokio::test]
async fn the_overview_says_what_to_look_at_worst_first() {
    let server = three().await;
    let client = server.client();
    let overview = client.get("/api/v1/overview").await.expect(200).json();
    assert_eq!((&overview["totals"]["tenants"], &overview["totals"]["running"]), (&json!(3), &json!(2)));
    assert_eq!(overview["totals"]["failed"], 1);
    let attention = overview["attention"].as_array().expect("entries");
    assert_eq!(
        (&attention[0]["kind"], &attention[0]["tenant_id"]),
        (&json!("tenant_failed"), &json!("broken"))
    );
    assert!(attention[0]["message"].as_str().is_some_and(|text| text.contains("ImagePullBackOff")));
    assert_eq!(
        (&attention[1]["kind"], &attention[1]["tenant_id"]),
        (&json!("critical_alert"), &json!("beta"))
    );
    let kinds: Vec<&str> = attention.iter().map(|entry| entry["kind"].as_str().expect("a kind")).collect();
    let order = ["tenant_failed", "critical_alert", "sla_miss", "warning"];
    let place = |kind: &&str| order.iter().position(|known| known == kind).expect("a known kind");
    assert!(kinds.is_sorted_by_key(place), "{kinds:?}");
    let gpu = overview["gpu"].as_array().expect("GPUs");
    let v100 = gpu.iter().find(|entry| entry["gpu_type"] == "v100").expect("V100s");
    assert_eq!((&v100["total"], &v100["promised"]), (&json!(128), &json!(6)), "{v100}");
    assert_eq!(client.real().get("/api/v1/overview").await.expect(200).json()["totals"]["tenants"], 0);
}

#[tokio::test]
async fn of_devices_it_is_said_how_many_are_measured_at_all() {
    let server = three().await;
    let client = server.client();
    let sample = json!({"metrics": {"gpu_usage": 50.0}});
    client.post("/api/v1/tenants/beta/monitoring", &sample).await.expect(201);
    let list = client.get("/api/v1/tenants/?expand=metrics").await.expect(200).json();
    let tenants = list["tenants"].as_array().expect("tenants");
    let overview = client.get("/api/v1/overview").await.expect(200).json();
    let mut sums = (0, 0);
    for device in overview["gpu"].as_array().expect("devices") {
        let its = tenants.iter().filter(|tenant| tenant["gpu_type"] == device["gpu_type"]);
        let known = its.filter(|tenant| !tenant["metrics"]["gpu"].is_null());
        let gpus: u64 = known.map(|tenant| tenant["gpu_limit"].as_u64().expect("a number")).sum();
        assert_eq!(device["measured"], gpus, "{device}");
        let promised = device["promised"].as_u64().expect("a number");
        sums = (sums.0 + gpus, sums.1 + promised);
        assert!(gpus > 0 || device["used"] == 0.0, "{device}");
    }
    assert!(sums.0 > 0 && sums.0 < sums.1, "some of them are measured, and some are not: {sums:?}");
}

#[tokio::test]
async fn as_many_fit_as_the_capacity_call_says() {
    let server = TestServer::start().await;
    let client = server.client();
    let demand = json!({"preset": "large", "service_requirements": {"callbot": 10}});
    let answer = client.post("/api/v1/capacity", &demand).await.expect(200).json();
    let more = answer["now"]["more"].as_u64().expect("a number");
    assert!(more > 0, "{answer}");
    assert_eq!((&answer["now"]["runs_out"], &answer["now"]["at_least"]), (&json!("gpu"), &json!(false)));
    let lost = &answer["without_largest_node"];
    assert!(lost["more"].as_u64().is_some_and(|fewer| fewer < more), "{answer}");
    for number in 0..more {
        create(client, &format!("fits-{number}"), "a", demand.clone()).await;
    }
    let body = json!({"tenant_id": "one-more", "name": "a", "preset": "large", "service_requirements": {"callbot": 10}});
    let refused = client.post("/api/v1/tenants/", &body).await.expect(409);
    assert_eq!(refused.error_code(), "INSUFFICIENT_RESOURCES");
    let full = client.post("/api/v1/capacity", &demand).await.expect(200).json();
    assert_eq!(full["now"]["more"], 0, "{full}");
    assert_eq!(full["now"]["shortage"]["short"], refused.json()["error"]["details"]["short"]);
    client.post("/api/v1/capacity", &json!({"service_requirements": {"callbto": 1}})).await.expect(422);
}

#[tokio::test]
async fn each_node_says_what_it_has_and_what_is_taken_of_it() {
    let server = three().await;
    let client = server.client();
    let answer = client.get("/api/v1/nodes").await.expect(200).json();
    assert_eq!(answer["is_demo"], true);
    let nodes = answer["nodes"].as_array().expect("nodes");
    let names: Vec<&str> = nodes.iter().map(|node| node["name"].as_str().expect("a name")).collect();
    assert!(names.is_sorted() && !names.is_empty(), "{names:?}");
    assert!(nodes.iter().all(|node| node["status"] == "ready" && node["left_out"].is_null()));
    // The same GPUs as in the overview, which knows no nodes.
    let sum = |of: &str, device: &str| -> u64 {
        let its = nodes.iter().filter(|node| node["gpu_type"] == device);
        its.map(|node| node[of]["gpu"].as_u64().expect("a number")).sum()
    };
    let overview = client.get("/api/v1/overview").await.expect(200).json();
    for device in overview["gpu"].as_array().expect("devices") {
        let name = device["gpu_type"].as_str().expect("a type");
        assert_eq!(device["total"], sum("allocatable", name));
        assert_eq!(device["requested"], sum("requested", name));
    }
    assert!(nodes.iter().any(|node| node["tenants"] != 0 && node["pods"] != 0));
}

#[tokio::test]
async fn a_cluster_is_promised_once_however_little_pods_ask_for() {
    let server = TestServer::start().await;
    let client = server.client();
    let cores =
        client.get("/api/v1/monitoring/system").await.expect(200).json()["total_resources"]["cpu"].clone();
    assert_eq!(cores, "4000000m");
    let demand = json!({"service_requirements": {"stt": 3000}});
    let answer = client.post("/api/v1/capacity", &demand).await.expect(200).json();
    let more = answer["now"]["more"].as_u64().expect("a number");
    // Each needs more than 200 cores, and asks the scheduler for a few.
    assert!((1..20).contains(&more), "{answer}");
    let short = &answer["now"]["shortage"]["short"][0];
    assert_eq!((&short["resource"], &short["counted"]), (&json!("cpu"), &json!("limits")));
    for number in 0..more {
        create(client, &format!("listens-{number}"), "a", demand.clone()).await;
    }
    let one_more = json!({"tenant_id": "one-more", "name": "a", "service_requirements": {"stt": 3000}});
    assert_eq!(
        client.post("/api/v1/tenants/", &one_more).await.expect(409).error_code(),
        "INSUFFICIENT_RESOURCES"
    );
    // What needs no more is never refused, what needs less neither.
    for change in [json!({"name": "renamed"}), json!({"service_requirements": {"stt": 2000}})] {
        client.put("/api/v1/tenants/listens-0", &change).await.expect(200);
    }
}
