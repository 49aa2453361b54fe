//! What works with no server: sizing, rendering, validating.

use crate::harness::{finish, program};
use serde_json::{Value, json};

const TENANT: &str =
    "tenant_id: my-service\nname: 내 서비스\npreset: medium\nservice_requirements:\n  chatbot: 100\n";

/// A command that could reach no server if it tried.
fn offline(arguments: &[&str]) -> std::process::Command {
    let mut command = program();
    command.args(arguments).env("ECP_SERVER", "http://127.0.0.1:1");
    command
}

#[test]
fn a_tenant_s_file_is_sized_with_flags_over_it() {
    let ran = finish(&mut offline(&["size", "-f", "-", "-o", "json"]), TENANT).done();
    let answer: Value = serde_json::from_str(&ran).expect("JSON");
    assert_eq!(answer["recommended_preset"], "medium");
    let flags =
        ["size", "-s", "callbot=100", "-s", "chatbot=200", "-s", "advisor=50", "--response-time", "150ms"];
    let text = finish(&mut offline(&flags), "").done();
    assert!(text.contains("large") && text.contains("$450/month"), "{text}");
    let over = finish(&mut offline(&["size", "-f", "-", "--preset", "large", "-o", "json"]), TENANT).done();
    assert_eq!(serde_json::from_str::<Value>(&over).expect("JSON")["recommended_preset"], "large");
    let explained = finish(&mut offline(&["size", "-f", "-", "--explain", "-o", "json"]), TENANT).done();
    assert!(serde_json::from_str::<Value>(&explained).expect("JSON").is_object());
}

#[test]
fn a_manifest_is_rendered_from_a_file_the_same_each_time_and_validates() {
    let render = || finish(&mut offline(&["manifest", "-f", "-"]), TENANT).done();
    let manifest = render();
    assert_eq!(manifest, render());
    assert!(manifest.contains("name: ecp-ai-my-service") && manifest.contains("kind: ServiceMonitor"));
    let verdict =
        finish(&mut offline(&["validate", "-f", "-", "--tenant", "my-service", "-o", "json"]), &manifest);
    let verdict: Value = serde_json::from_str(&verdict.done()).expect("JSON");
    assert_eq!(verdict["valid"], true);

    let flags =
        ["manifest", "-f", "-", "--format", "json", "--no-monitoring", "--ingress", "-n", "elsewhere"];
    let list: Value = serde_json::from_str(&finish(&mut offline(&flags), TENANT).done()).expect("JSON");
    let kinds: Vec<_> = list["items"].as_array().expect("items").iter().map(|item| &item["kind"]).collect();
    assert!(kinds.contains(&&json!("Ingress")) && !kinds.contains(&&json!("ServiceMonitor")), "{kinds:?}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_with_its_place_and_exit_code() {
    let broken = finish(&mut offline(&["manifest", "-f", "-"]), "name: [");
    assert_eq!(broken.code, 2);
    assert!(broken.err.contains("standard input") && broken.err.contains("line 1"), "{}", broken.err);
    let wrong =
        finish(&mut offline(&["manifest", "-f", "-"]), "tenant_id: A B\nname: x\nservice_requirements: {}\n");
    assert_eq!(wrong.code, 3);
    assert!(
        wrong.err.contains("/tenant_id:") && wrong.err.contains("/service_requirements:"),
        "{}",
        wrong.err
    );
    let missing = finish(&mut offline(&["validate", "-f", "/nonexistent.yaml"]), "");
    assert_eq!(missing.code, 2);
    assert!(missing.err.contains("/nonexistent.yaml"), "{}", missing.err);
    let unknown = finish(&mut offline(&["manifest", "-f", "-"]), &format!("{TENANT}colour: blue\n"));
    assert!(unknown.err.contains("colour"), "{}", unknown.err);
    assert_eq!(unknown.code, 0);
}

#[test]
fn an_invalid_manifest_is_shown_with_line_and_path_and_exit_code_3() {
    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: a\nspec:\n  replica: 2\n";
    let ran = finish(&mut offline(&["validate", "-f", "-"]), manifest);
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("invalid") && ran.out.contains("spec.replica"), "{}", ran.out);
    let latest = finish(&mut offline(&["manifest", "-f", "-"]), TENANT).done();
    let strict = finish(&mut offline(&["validate", "-f", "-", "--strict", "--tenant", "acme"]), &latest);
    assert_eq!(strict.code, 3, "images tagged latest are warned of: {}", strict.out);
}
