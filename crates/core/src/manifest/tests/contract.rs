//! Against what the contract prints.

use super::*;
use crate::manifest::footprint::times;
use crate::manifest::requested_resources;
use crate::quantity::{Resources, parse_quantity};
use crate::sizing::ContainerResources;

/// The YAML of the contract's manifest call; GPU quantities are texts, as older servers want them.
const SAMPLE: &str = include_str!("contract.yaml");

/// Says where `part` is not contained in `whole`; lists are compared item by item from the front.
fn missing(part: &Value, whole: &Value, path: &str) -> Option<String> {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part.iter().find_map(|(key, value)| {
            let path = format!("{path}/{key}");
            match whole.get(key) {
                Some(other) => missing(value, other, &path),
                None => Some(format!("{path} is absent")),
            }
        }),
        (Value::Array(part), Value::Array(whole)) if part.len() <= whole.len() => {
            let mut pairs = part.iter().zip(whole).enumerate();
            pairs.find_map(|(index, (part, whole))| missing(part, whole, &format!("{path}/{index}")))
        }
        _ => (part != whole).then(|| format!("{path} is {whole}, not {part}")),
    }
}

#[test]
fn the_contracts_namespace_callbot_and_service_are_rendered_field_by_field() {
    let manifest = rendered(&my_ai_service(), &RenderOptions::default());
    let expected = documents(SAMPLE);
    assert_eq!(expected.len(), 3);
    for document in expected {
        let kind = document["kind"].as_str().unwrap();
        let name = document["metadata"]["name"].as_str().unwrap();
        let object = as_json(find(&manifest, kind, name));
        assert_eq!(missing(&document, &object, kind), None);
    }
}

#[test]
fn what_the_contract_lists_whole_has_nothing_beside_it() {
    let manifest = rendered(&my_ai_service(), &RenderOptions::default());
    let callbot = as_json(find(&manifest, "Deployment", "callbot"));
    let container = &callbot["spec"]["template"]["spec"]["containers"][0];
    let requests = json!({"cpu": "200m", "memory": "512Mi", "nvidia.com/gpu": "1"});
    let limits = json!({"cpu": "2000m", "memory": "4Gi", "nvidia.com/gpu": "1"});
    assert_eq!(container["resources"], json!({"requests": requests, "limits": limits}));
    assert_eq!(callbot["spec"]["selector"], json!({"matchLabels": {"app": "callbot"}}));
    assert_eq!(container["ports"], json!([{"containerPort": 8080}]));
    let variables: Vec<&str> = container["env"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|variable| variable["name"].as_str())
        .collect();
    assert_eq!(variables, ["TENANT_ID", "SERVICE_TYPE", "REDIS_URL"]);
    let probe = |path, initial, period| json!({"httpGet": {"path": path, "port": 8080}, "initialDelaySeconds": initial, "periodSeconds": period});
    assert_eq!(container["livenessProbe"], probe("/health", 30, 10));
    assert_eq!(container["readinessProbe"], probe("/ready", 5, 5));
    let service = as_json(find(&manifest, "Service", "callbot-service"));
    assert_eq!(service["spec"]["selector"], json!({"app": "callbot"}));
}

#[test]
fn the_contracts_documents_come_in_its_order() {
    let manifest = rendered(&my_ai_service(), &RenderOptions::default());
    let position = |kind: &str, name: &str| {
        manifest.objects.iter().position(|object| object.kind() == kind && object.name() == name).unwrap()
    };
    assert_eq!(position("Namespace", "ecp-ai-my-ai-service"), 0);
    assert_eq!(position("Deployment", "callbot") + 1, position("Service", "callbot-service"));
    for kind in ["ResourceQuota", "NetworkPolicy", "ConfigMap", "Secret", "StatefulSet"] {
        let last = manifest.objects.iter().rposition(|object| object.kind() == kind).unwrap();
        assert!(last < position("Deployment", "callbot"), "{kind}");
    }
}

#[test]
fn five_deployments_of_three_replicas_have_the_limits_of_the_plan() {
    let manifest = rendered(&my_ai_service(), &RenderOptions::default());
    let mut pods = 0;
    let mut sum = ContainerResources::default();
    for deployment in of_kind(&manifest, "Deployment") {
        let replicas = u64::from(deployment.workload().unwrap().replicas);
        let container = &as_json(deployment)["spec"]["template"]["spec"]["containers"][0];
        let amount = |resource: &str, unit: u128| {
            let text = container["resources"]["limits"][resource].as_str().unwrap_or("0");
            u64::try_from(parse_quantity(text).unwrap() / unit).unwrap()
        };
        pods += replicas;
        sum.cpu_millicores += replicas * amount("cpu", 1);
        sum.memory_mib += replicas * amount("memory", 1000 << 20);
        sum.gpu += replicas * amount("nvidia.com/gpu", 1000);
    }
    assert_eq!(of_kind(&manifest, "Deployment").count(), 5);
    assert_eq!((pods, sum.cpu_millicores, sum.gpu), (15, 24_000, 3));
    // Three replicas of whole MiB can not add up to 32768: the sum is 32Gi to the next 15 MiB.
    assert!((32_753..=32_768).contains(&sum.memory_mib), "{} MiB", sum.memory_mib);
}

#[test]
fn a_tenant_asks_the_scheduler_for_what_its_pods_request() {
    let tenant = my_ai_service();
    let catalog = Catalog::embedded();
    let manifest = rendered(&tenant, &RenderOptions::default());
    let workloads = manifest.objects.iter().filter_map(Object::workload);
    let pods = workloads
        .fold(Resources::default(), |sum, workload| sum.plus(&times(workload.requests, workload.replicas)));
    let requested = requested_resources(&catalog, &tenant.sizing);
    assert_eq!(requested, Resources { storage_gb: 1000, ..pods });
    assert_eq!(requested.gpu, 3);
    assert_eq!(requested.cpu_millicores, 15 * 200 + catalog.kubernetes.redis.cpu_request_millicores);
}
