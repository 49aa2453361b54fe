//! The calculator.

use ecp_testkit::TestServer;
use reqwest::Method;
use serde_json::json;

const PATH: &str = "/api/v1/tenants/calculate-resources";

#[tokio::test]
async fn with_debug_every_number_is_explained_and_the_answer_is_the_same() {
    let server = TestServer::start().await;
    let client = server.client();
    let demand = json!({"service_requirements": {"callbot": 100, "chatbot": 200, "advisor": 50}});
    let plain = client.post(PATH, &demand).await.expect(200).json();
    let request = client.request(Method::POST, PATH).header("x-debug", "true").json(&demand);
    let mut debugged = client.send(request).await.expect(200).json();
    let debug = debugged.as_object_mut().expect("an object").remove("debug").expect("a debug object");
    assert!(debug["explanation"].is_object(), "{debug}");
    assert_eq!(plain, debugged);
}

#[tokio::test]
async fn a_demand_beyond_the_largest_plan_is_a_valid_question() {
    let server = TestServer::start().await;
    let demand = json!({"service_requirements": {"callbot": 20_000}});
    let body = server.client().post(PATH, &demand).await.expect(200).json();
    assert_eq!(body["recommended_preset"], "large");
    assert!(body["resources"]["gpu"].as_u64().is_some_and(|count| count > 6), "{body}");
}

#[tokio::test]
async fn texts_follow_the_language() {
    let server = TestServer::start().await;
    let client = server.client();
    let demand = json!({
        "service_requirements": {"callbot": 100, "chatbot": 200, "advisor": 50},
        "sla_target": {"availability": "99.9%", "response_time": "150ms"}
    });
    let impact = async |language: &str| {
        let request = client.request(Method::POST, PATH).header("accept-language", language).json(&demand);
        client.send(request).await.expect(200).json()["alternatives"][0]["performance_impact"].clone()
    };
    assert_eq!(impact("ko").await, "응답시간 20% 증가 예상");
    assert!(impact("en").await.as_str().is_some_and(|text| text.is_ascii() && text.contains("20")));
}

#[tokio::test]
async fn a_demand_without_services_is_refused() {
    let server = TestServer::start().await;
    for wrong in [json!({}), json!({"service_requirements": {}}), json!({"service_requirements": {"ta": 0}})]
    {
        let reply = server.client().post(PATH, &wrong).await.expect(422);
        let fields = &reply.json()["error"]["details"]["fields"];
        assert_eq!(fields[0]["pointer"], "/service_requirements", "{fields}");
    }
}
