//! Whatever somebody changes by hand in what is ours, as far as the API server takes it, is put back.

use super::{PATIENCE, Real, until};
use ecp_testkit::ControlPlane;
use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Fields changed in a usual test run; `ECP_EDITS` asks for more.
const EDITS: usize = 60;
/// What the API server and its controllers write.
const NOT_OURS: [&str; 8] = [
    "/status",
    "/metadata/managedFields",
    "/metadata/resourceVersion",
    "/metadata/generation",
    "/metadata/uid",
    "/metadata/creationTimestamp",
    // Of the deployment controller.
    "/metadata/annotations/deployment.kubernetes.io~1revision",
    "/spec/finalizers",
];

/// Kind and name.
pub(super) type Key = (String, String);

/// What a tenant consists of, but for kinds that the cluster need not know.
pub(super) async fn consists_of(real: &Real, id: &str) -> Vec<Key> {
    let list =
        real.client.get(&format!("/api/v1/tenants/{id}/manifest?format=json")).await.expect(200).json();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let objects = list["items"].as_array().unwrap().iter();
    objects
        .map(|object| (text(&object["kind"]), text(&object["metadata"]["name"])))
        .filter(|(kind, _)| !matches!(kind.as_str(), "ServiceMonitor" | "PrometheusRule"))
        .collect()
}

/// What the tenant consists of, as the API server has it.
fn snapshot(cluster: &ControlPlane, namespace: &str, keys: &[Key]) -> BTreeMap<Key, Value> {
    let read = |(kind, name): &Key| {
        let object = cluster.try_kubectl(&["-n", namespace, "get", kind, name, "-o", "json"]);
        let mut object: Value =
            object.ok().map(|text| serde_json::from_str(&text).unwrap()).unwrap_or_default();
        for field in NOT_OURS {
            let (parent, last) = field.rsplit_once('/').unwrap();
            if let Some(parent) = object.pointer_mut(parent).and_then(Value::as_object_mut) {
                parent.remove(&last.replace("~1", "/"));
            }
        }
        ((kind.clone(), name.clone()), object)
    };
    keys.iter().map(read).collect()
}

/// Pointers to everything in a value that is not a container of more.
fn leaves(value: &Value, path: &str, into: &mut Vec<String>) {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (name, value) in fields {
                leaves(value, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), into);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (index, value) in items.iter().enumerate() {
                leaves(value, &format!("{path}/{index}"), into);
            }
        }
        _ => into.push(path.to_owned()),
    }
}

/// Another value of the same type.
fn other(value: &Value) -> Value {
    match value {
        Value::Bool(value) => json!(!value),
        Value::Number(value) => json!(value.as_i64().unwrap_or_default() + 1),
        Value::String(value) => json!(format!("{value}1")),
        _ => Value::Null,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_anywhere_in_ours_is_put_back() {
    let edits = std::env::var("ECP_EDITS").ok().and_then(|text| text.parse().ok()).unwrap_or(EDITS);
    let seed = std::env::var("ECP_EDITS_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(7_u8);
    let mut random = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let id = format!("edited-{seed}");
    let namespace = format!("ecp-ai-{id}");
    real.create(&id, json!({"chatbot": 5, "stt": 4})).await.expect(201);
    real.until_status(&id, "running").await;
    let keys = consists_of(&real, &id).await;
    let right = snapshot(cluster, &namespace, &keys);
    let mut places = Vec::new();
    for (key, object) in &right {
        let mut found = Vec::new();
        leaves(object, "", &mut found);
        places.extend(found.into_iter().map(|path| (key, path)));
    }

    let mut taken = Vec::new();
    for _ in 0..edits {
        let ((kind, name), path) = &places[random.next_u64() as usize % places.len()];
        let value = right[&(kind.clone(), name.clone())].pointer(path).unwrap();
        let edit = match random.next_u64() % 3 {
            0 => json!({"op": "remove", "path": path}),
            _ => json!({"op": "replace", "path": path, "value": other(value)}),
        };
        let patch = json!([edit]).to_string();
        let args = ["-n", &namespace, "patch", kind, name, "--type=json", "-p", &patch];
        if cluster.try_kubectl(&args).is_ok() {
            taken.push(format!("{kind} {name} {edit}"));
        }
    }
    assert!(taken.len() * 4 > edits, "the API server refused nearly all: {taken:#?}");
    let started = std::time::Instant::now();
    loop {
        let now = snapshot(cluster, &namespace, &keys);
        if now == right {
            break;
        }
        let differing: Vec<_> = right
            .iter()
            .filter(|(key, object)| now[key] != **object)
            .map(|(key, object)| format!("{key:?}\nwas {object}\nis  {}", now[key]))
            .collect();
        assert!(started.elapsed() < PATIENCE, "not put back: {taken:#?}\n{}", differing.join("\n"));
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    real.until_status(&id, "running").await;
    until("the trail tells of healing", async || {
        let path = format!("/api/v1/audit?tenant_id={id}&action=tenant.heal");
        let audit = real.client.get(&path).await.expect(200).json();
        (audit["total_count"].as_u64() > Some(0)).then_some(())
    })
    .await;
    real.delete_and_wait(&id).await;
}
