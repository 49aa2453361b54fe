#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
use super::*;
use serde_json::Value;
use std::collections::BTreeSet;

fn document() -> Value {
    serde_json::from_str(&openapi_json()).unwrap()
}

/// Each operation with its path and method.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let mut operations = Vec::new();
    for (path, item) in paths {
        for (method, operation) in item.as_object().unwrap() {
            operations.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    operations
}

#[test]
fn the_document_is_openapi_3_1_and_the_same_every_time() {
    assert_eq!(document()["openapi"], "3.1.0");
    assert_eq!(openapi_json(), openapi_json());
}

#[test]
fn operation_ids_are_the_handlers_names_and_unique() {
    let document = document();
    let operations = operations(&document);
    let ids: BTreeSet<&str> =
        operations.iter().map(|(_, _, operation)| operation["operationId"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), operations.len());
    assert!(ids.contains("create_tenant") && ids.contains("get_deployment_status"));
}

#[test]
fn every_api_operation_names_the_mode_header_and_its_errors() {
    for (path, method, operation) in operations(&document()) {
        if !path.starts_with("/api/") {
            continue;
        }
        let parameters = operation["parameters"].as_array().unwrap();
        let mode = parameters.iter().find(|parameter| parameter["name"] == "X-Demo-Mode");
        assert_eq!(mode.unwrap()["required"], true, "{method} {path}");
        for status in ["400", "401", "403", "429", "500", "503"] {
            let content = &operation["responses"][status]["content"]["application/json"];
            assert_eq!(
                content["schema"]["$ref"], "#/components/schemas/ErrorOut",
                "{method} {path} {status}"
            );
        }
    }
}

#[test]
fn no_tenant_can_be_named_like_a_word_of_the_paths() {
    for path in document()["paths"].as_object().unwrap().keys() {
        let Some(path) = path.strip_prefix("/api/v1/") else { continue };
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        // Below the tenants every word, else the resource.
        let taken = if words[0] == "tenants" { words.len() } else { 1 };
        for word in words[..taken].iter().filter(|word| !word.starts_with('{')) {
            let id = ecp_core::ids::TenantId::parse_new(word);
            assert!(id.is_err(), "{word:?} of {path} belongs into RESERVED_TENANT_IDS");
        }
    }
}

#[test]
fn every_reference_leads_somewhere() {
    fn collect<'a>(value: &'a Value, references: &mut BTreeSet<&'a str>) {
        match value {
            Value::Object(object) => {
                if let Some(Value::String(reference)) = object.get("$ref") {
                    references.insert(reference);
                }
                object.values().for_each(|value| collect(value, references));
            }
            Value::Array(array) => array.iter().for_each(|value| collect(value, references)),
            _ => {}
        }
    }
    let document = document();
    let mut references = BTreeSet::new();
    collect(&document, &mut references);
    assert!(references.len() > 10);
    for reference in references {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn closed_sets_name_every_value() {
    let document = document();
    let schemas = &document["components"]["schemas"];
    let presets = json!(["micro", "small", "medium", "large"]);
    assert_eq!(schemas["TenantOut"]["properties"]["preset"]["enum"], presets);
    let with_null = json!(["micro", "small", "medium", "large", null]);
    assert_eq!(schemas["CreateTenantIn"]["properties"]["preset"]["enum"], with_null);
    let services = &schemas["CreateTenantIn"]["properties"]["service_requirements"];
    assert_eq!(services["properties"].as_object().unwrap().len(), 7);
    assert_eq!(services["additionalProperties"], false);
    let parameters = &document["paths"]["/api/v1/tenants/{tenant_id}/monitoring"]["get"]["parameters"];
    let interval = parameters.as_array().unwrap().iter().find(|parameter| parameter["name"] == "interval");
    assert_eq!(interval.unwrap()["schema"], json!({"type": "string", "enum": ["1m", "5m", "1h"]}));
}
