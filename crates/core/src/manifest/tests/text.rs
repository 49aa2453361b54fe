//! The printed manifest: bytes, quoting, YAML against JSON.

use super::*;

#[test]
fn the_same_tenant_gives_the_same_bytes() {
    let tenant = my_ai_service();
    let (first, second) = (rendered(&tenant, &everything()), rendered(&tenant.clone(), &everything()));
    assert_eq!(first.to_yaml(), second.to_yaml());
    assert_eq!(first.to_json(), second.to_json());
}

#[test]
fn yaml_and_json_describe_the_same_objects() {
    for tenant in [my_ai_service(), chatbot_only()] {
        let manifest = rendered(&tenant, &everything());
        let list: Value = serde_json::from_str(&manifest.to_json()).unwrap();
        assert_eq!((&list["apiVersion"], &list["kind"]), (&json!("v1"), &json!("List")));
        let items = list["items"].as_array().unwrap();
        assert_eq!(&documents(&manifest.to_yaml()), items);
        assert_eq!(items, &manifest.objects.iter().map(as_json).collect::<Vec<_>>());
    }
}

#[test]
fn documents_are_block_style_and_set_apart() {
    let yaml = rendered(&my_ai_service(), &everything()).to_yaml();
    assert!(yaml.starts_with("apiVersion: v1\nkind: Namespace\n"));
    assert!(yaml.ends_with('\n') && !yaml.ends_with("---\n"));
    let manifest = rendered(&my_ai_service(), &everything());
    assert_eq!(yaml.matches("\n---\napiVersion: ").count() + 1, manifest.objects.len());
    let flow = |line: &&str| line.contains(": {") && !line.contains(": {}") && !line.contains("expr:");
    assert_eq!(yaml.lines().find(flow), None);
    assert_eq!(yaml.lines().find(|line| line.ends_with(": >-") || line.ends_with(": >")), None);
    assert!(yaml.contains("redis.conf: |\n"));
    assert_eq!(yaml.lines().find(|line| line.ends_with(' ')), None);
}

/// kubectl reads YAML 1.1, where these are no texts unless quoted.
#[test]
fn a_tenant_id_that_yaml_takes_for_something_else_is_quoted() {
    for id in [
        "on",
        "off",
        "yes",
        "no",
        "y",
        "n",
        "true",
        "null",
        "123",
        "0x1f",
        "1e3",
        "0b1",
        "007",
        "0o7",
        "2024-01-20",
    ] {
        let tenant = tenant(id, Some(Preset::Micro), &[(Service::Chatbot, 20)]);
        let yaml = rendered(&tenant, &RenderOptions::default()).to_yaml();
        let quoted =
            |line: &str| line.ends_with(&format!(": \"{id}\"")) || line.ends_with(&format!(": '{id}'"));
        let label = yaml.lines().find(|line| line.contains("ecp.ai/tenant:")).unwrap();
        assert!(quoted(label), "{label}");
        assert!(yaml.lines().filter(|line| line.contains("value: ")).any(quoted), "{id}");
        assert_eq!(documents(&yaml)[0]["metadata"]["labels"]["ecp.ai/tenant"], json!(id));
    }
}

#[test]
fn texts_that_look_like_numbers_stay_texts() {
    let yaml = rendered(&my_ai_service(), &RenderOptions::default()).to_yaml();
    for line in ["nvidia.com/gpu: \"1\"", "SLA_RESPONSE_TIME_MS: \"200\"", "CALLBOT_UNITS: \"50\""] {
        assert!(yaml.contains(line) || yaml.contains(&line.replace('"', "'")), "{line}");
    }
}
