//! Against the schemas that Kubernetes and the Prometheus Operator publish, made strict: a field
//! that they do not know is an error.

use super::*;
use crate::catalog::{DeviceClaim, GpuAllocation, ModelImage};
use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    ConfigMap, LimitRange, Namespace, ResourceQuota, Secret, Service as KubernetesService, ServiceAccount,
};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::resource::v1::ResourceClaimTemplate;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use schemars::{JsonSchema, generate::SchemaSettings};
use std::collections::BTreeMap;

fn published<T: JsonSchema>() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    strict(generator.into_root_schema_for::<T>().to_value())
}

/// Forbids fields that are not listed, and anything but text and whole numbers for quantities and
/// ports, of which the published schema says only that they are one of the two.
fn strict(schema: Value) -> Value {
    match schema {
        Value::Object(mut schema) => {
            if schema.contains_key("properties") && !schema.contains_key("additionalProperties") {
                schema.insert("additionalProperties".into(), json!(false));
            }
            if schema.contains_key("x-kubernetes-int-or-string") {
                schema.insert("type".into(), json!(["string", "integer"]));
            }
            Value::Object(schema.into_iter().map(|(key, value)| (key, strict(value))).collect())
        }
        Value::Array(items) => items.into_iter().map(strict).collect(),
        other => other,
    }
}

/// The fields of the Prometheus Operator's definitions (v1) that are used. `#/$defs/metadata` and
/// `#/$defs/selector` are Kubernetes' own.
fn prometheus_operator(spec: Value) -> Value {
    let mut generator = SchemaSettings::draft2020_12().into_generator();
    let metadata = generator.subschema_for::<ObjectMeta>();
    let selector = generator.subschema_for::<LabelSelector>();
    let mut definitions = generator.take_definitions(true);
    definitions.insert("metadata".into(), metadata.to_value());
    definitions.insert("selector".into(), selector.to_value());
    strict(json!({
        "$defs": definitions,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": {"const": "monitoring.coreos.com/v1"},
            "kind": {"enum": ["ServiceMonitor", "PrometheusRule"]},
            "metadata": {"$ref": "#/$defs/metadata"},
            "spec": spec,
        },
    }))
}

fn service_monitor() -> Value {
    let duration =
        r"^(0|(([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?)$";
    let endpoint = json!({
        "interval": {"type": "string", "pattern": duration},
        "path": {"type": "string"},
        "port": {"type": "string"},
    });
    prometheus_operator(json!({
        "type": "object",
        "required": ["endpoints", "selector"],
        "properties": {
            "endpoints": {
                "type": "array",
                "items": {"type": "object", "properties": endpoint},
            },
            "jobLabel": {"type": "string"},
            "targetLabels": {"type": "array", "items": {"type": "string"}},
            "selector": {"$ref": "#/$defs/selector"},
        },
    }))
}

fn prometheus_rule() -> Value {
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}});
    let rule = json!({
        "type": "object",
        "required": ["expr"],
        "properties": {
            "alert": {"type": "string"},
            "annotations": texts,
            "expr": {"type": "string"},
            "for": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h|d))+$"},
            "labels": texts,
        },
    });
    let group = json!({
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string", "minLength": 1}, "rules": {"type": "array", "items": rule}},
    });
    prometheus_operator(json!({
        "type": "object",
        "properties": {"groups": {"type": "array", "items": group}},
    }))
}

fn schemas() -> BTreeMap<&'static str, Value> {
    BTreeMap::from([
        ("Namespace", published::<Namespace>()),
        ("ResourceQuota", published::<ResourceQuota>()),
        ("LimitRange", published::<LimitRange>()),
        ("NetworkPolicy", published::<NetworkPolicy>()),
        ("ServiceAccount", published::<ServiceAccount>()),
        ("ConfigMap", published::<ConfigMap>()),
        ("Secret", published::<Secret>()),
        ("StatefulSet", published::<StatefulSet>()),
        ("Deployment", published::<Deployment>()),
        ("Service", published::<KubernetesService>()),
        ("HorizontalPodAutoscaler", published::<HorizontalPodAutoscaler>()),
        ("PodDisruptionBudget", published::<PodDisruptionBudget>()),
        ("Ingress", published::<Ingress>()),
        ("ResourceClaimTemplate", published::<ResourceClaimTemplate>()),
        ("ServiceMonitor", service_monitor()),
        ("PrometheusRule", prometheus_rule()),
    ])
}

fn faults(schema: &Value, object: &Value) -> Vec<String> {
    let validator = jsonschema::validator_for(schema).unwrap();
    validator.iter_errors(object).map(|fault| format!("{}: {fault}", fault.instance_path())).collect()
}

#[test]
fn every_object_keeps_to_the_published_schema() {
    let schemas = schemas();
    let mut settings = Catalog::embedded();
    let kubernetes = &mut settings.kubernetes;
    kubernetes.storage_class = "fast".into();
    kubernetes.images.pull_secrets = vec!["registry".into()];
    kubernetes.ingress.tls_secret = "tls".into();
    kubernetes.nodes.selector.insert("pool".into(), "tenants".into());
    kubernetes.gpu_allocation = GpuAllocation::Claims;
    let claim = DeviceClaim { device_class: None, selector: Some("device.driver == 'a'".into()) };
    kubernetes.gpu_claims.devices.insert("v100".into(), claim);
    kubernetes.host_users = false;
    let models = ModelImage { image: "registry.example.com/models/voice:3".into(), path: "/models".into() };
    kubernetes.model_images.insert(Service::Callbot, models);
    let redacted = RenderOptions { redact_secrets: true, ..everything() };
    // With somewhere to grow, so that there are autoscalers.
    let mut roomy = my_ai_service();
    roomy.sizing.resources.cpu_millicores *= 2;
    roomy.sizing.resources.memory_mib *= 2;
    let mut kinds = std::collections::BTreeSet::new();
    for (catalog, tenant, options) in [
        (Catalog::embedded(), my_ai_service(), everything()),
        (Catalog::embedded(), chatbot_only(), redacted),
        (settings, roomy, everything()),
    ] {
        for object in render(&catalog, &tenant, &secrets(), &options).objects {
            let faults = faults(&schemas[object.kind()], &as_json(&object));
            assert!(faults.is_empty(), "{} {}: {faults:#?}", object.kind(), object.name());
            kinds.insert(object.kind());
        }
    }
    assert_eq!(kinds, schemas.keys().copied().collect());
}

#[test]
fn the_schemas_refuse_unknown_fields_at_every_depth_and_wrong_types() {
    let schema = published::<Deployment>();
    let manifest = rendered(&my_ai_service(), &RenderOptions::default());
    let right = as_json(find(&manifest, "Deployment", "callbot"));
    let container = "/spec/template/spec/containers/0";
    for (pointer, key, value) in [
        ("", "specs", json!({})),
        ("/spec", "replica", json!(3)),
        (container, "image_pull_policy", json!("Always")),
        ("/spec", "replicas", json!("3")),
        (container, "resources", json!({"limits": {"cpu": 1.5}})),
    ] {
        let mut wrong = right.clone();
        wrong.pointer_mut(pointer).unwrap()[key] = value;
        assert_eq!(faults(&schema, &wrong).len(), 1, "{pointer}/{key}");
    }
}
