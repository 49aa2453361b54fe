//! Manifests: the rendered set and the validation of any.

use ecp_testkit::{TestServer, my_ai_service};
use serde_json::{Value, json};

const MANIFEST: &str = "/api/v1/tenants/my-ai-service/manifest";
const VALIDATE: &str = "/api/v1/tenants/validate-manifest";

fn kinds(list: &Value) -> Vec<String> {
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["kind"].as_str().expect("a kind").to_owned()).collect()
}

#[tokio::test]
async fn the_manifest_is_yaml_or_a_json_list_and_the_same_every_time() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let client = server.client();
    let yaml = client.get(MANIFEST).await.expect(200);
    assert_eq!(yaml.header("content-type"), "application/yaml");
    assert_eq!(yaml.header("content-disposition"), "inline; filename=\"my-ai-service.yaml\"");
    assert!(yaml.text.starts_with("apiVersion: v1\nkind: Namespace\n"), "{}", &yaml.text[..200]);
    assert_eq!(yaml.text, client.get(MANIFEST).await.text);
    let json = client.get(&format!("{MANIFEST}?format=json")).await.expect(200);
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(json.json()["kind"], "List");
    let deployments = kinds(&json.json()).iter().filter(|kind| *kind == "Deployment").count();
    assert_eq!(deployments, 5);
}

#[tokio::test]
async fn monitoring_ingress_and_namespace_are_the_callers_choice() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let list = async |query: &str| {
        server.client().get(&format!("{MANIFEST}?format=json{query}")).await.expect(200).json()
    };
    let default = kinds(&list("").await);
    assert!(default.contains(&"ServiceMonitor".to_owned()) && !default.contains(&"Ingress".to_owned()));
    let other = list("&include_monitoring=false&include_ingress=TRUE&namespace=elsewhere").await;
    let kinds = kinds(&other);
    assert!(!kinds.contains(&"ServiceMonitor".to_owned()) && kinds.contains(&"Ingress".to_owned()));
    let deployment =
        other["items"].as_array().and_then(|items| items.iter().find(|i| i["kind"] == "Deployment"));
    assert_eq!(deployment.expect("a Deployment")["metadata"]["namespace"], "elsewhere");
}

#[tokio::test]
async fn manifest_parameters_are_checked_all_at_once() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let wrong = "?format=xml&include_monitoring=1&include_ingress=on&namespace=Not_A_Label";
    let reply = server.client().get(&format!("{MANIFEST}{wrong}")).await.expect(422);
    let body = reply.json();
    let fields = body["error"]["details"]["fields"].as_array().expect("fields").iter();
    let names: Vec<&Value> = fields.map(|field| &field["pointer"]).collect();
    assert_eq!(names, ["format", "include_monitoring", "include_ingress", "namespace"]);
    assert_eq!(
        server.client().get("/api/v1/tenants/none/manifest").await.expect(404).error_code(),
        "TENANT_NOT_FOUND"
    );
}

#[tokio::test]
async fn what_the_manifest_call_renders_the_validation_finds_valid() {
    let server = TestServer::start().await;
    server.create(&my_ai_service()).await;
    let manifest = server.client().get(MANIFEST).await.text;
    let request = json!({"tenant_id": "my-ai-service", "manifest_content": manifest});
    let verdict = server.client().post(VALIDATE, &request).await.expect(200).json();
    assert_eq!(verdict["valid"], true, "{:#}", verdict["errors"]);
    let summary = &verdict["resource_summary"];
    assert_eq!((&summary["namespaces"], &summary["deployments"]), (&json!(1), &json!(5)), "{summary}");
}

#[tokio::test]
async fn a_finding_says_document_path_and_line_in_text_and_in_parts() {
    let server = TestServer::start().await;
    let content = "apiVersion: v1\nkind: Service\nmetadata:\n  name: web\nspec:\n  prots: []\n";
    let verdict =
        server.client().post(VALIDATE, &json!({"manifest_content": content})).await.expect(200).json();
    assert_eq!(verdict["valid"], false);
    let findings = verdict["findings"].as_array().expect("findings");
    let unknown = findings.iter().find(|finding| finding["line"] == 6).expect("a finding on line 6");
    assert_eq!((&unknown["severity"], &unknown["document"]), (&json!("error"), &json!(1)), "{unknown}");
    let errors = verdict["errors"].as_array().expect("errors");
    assert_eq!(errors.len(), findings.iter().filter(|finding| finding["severity"] == "error").count());
    let text =
        errors.iter().filter_map(Value::as_str).find(|text| text.contains("spec.prots")).expect("a text");
    assert!(text.contains('6'), "{text}");
}

#[tokio::test]
async fn what_can_not_be_read_is_manifest_invalid_with_its_place() {
    let server = TestServer::start().await;
    let broken = json!({"manifest_content": "apiVersion: v1\nkind: [unclosed\n"});
    let reply = server.client().post(VALIDATE, &broken).await.expect(422);
    assert_eq!(reply.error_code(), "MANIFEST_INVALID");
    assert!(reply.json()["error"]["details"]["line"].is_u64(), "{}", reply.text);
    let mut bomb = String::from("a0: &a0 [x]\n");
    for level in 1..30 {
        let below = format!("*a{}", level - 1);
        bomb.push_str(&format!("a{level}: &a{level} [{below},{below},{below},{below}]\n"));
    }
    let reply = server.client().post(VALIDATE, &json!({ "manifest_content": bomb })).await.expect(422);
    assert_eq!(reply.error_code(), "MANIFEST_INVALID");
}

#[tokio::test]
async fn a_manifest_has_four_mebibytes_and_its_body_needs_no_more_fields() {
    let server = TestServer::start().await;
    let client = server.client();
    let over = json!({"manifest_content": "#".repeat(4 * 1024 * 1024 + 1)});
    assert_eq!(client.post(VALIDATE, &over).await.expect(413).error_code(), "INVALID_REQUEST");
    let large = format!("apiVersion: v1\nkind: Namespace\nmetadata:\n  name: n\n#{}", "x".repeat(3 << 20));
    client.post(VALIDATE, &json!({ "manifest_content": large })).await.expect(200);
    assert_eq!(client.post(VALIDATE, &json!({})).await.expect(422).error_code(), "VALIDATION_FAILED");
    let wrong_id = json!({"tenant_id": "Not A Label", "manifest_content": "a: 1"});
    assert_eq!(client.post(VALIDATE, &wrong_id).await.expect(422).error_code(), "VALIDATION_FAILED");
}
