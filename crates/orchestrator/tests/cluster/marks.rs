//! Our own metadata changed by hand, on everything that a tenant consists of: it comes back, and neither a change
//! nor a restart nor a deletion in between costs the tenant.

use super::edits::{Key, consists_of};
use super::{Real, names, namespace_exists, until};
use ecp_testkit::{ControlPlane, TestServer};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const ID: &str = "hostile";
const NAMESPACE: &str = "ecp-ai-hostile";

/// Merge patches of metadata. `OWNER` is a real object of the namespace, `NOBODY` is none: the
/// cluster collects what it owned.
const EDITS: [&str; 9] = [
    r#"{"labels": {"ecp.ai/tenant": null}}"#,
    r#"{"labels": {"ecp.ai/tenant": "somebody"}}"#,
    r#"{"labels": null}"#,
    r#"{"annotations": null}"#,
    r#"{"annotations": {"ecp.ai/installation": "somebody"}}"#,
    r#"{"annotations": {"ecp.ai/applied": "0"}}"#,
    r#"{"managedFields": [{}]}"#,
    r#"{"ownerReferences": [{"apiVersion": "v1", "kind": "ServiceAccount", "name": "default", "uid": "OWNER"}]}"#,
    r#"{"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "NOBODY"}]}"#,
];

/// What the namespace and everything in it carries of ours, and who owns it.
fn marks(cluster: &ControlPlane, keys: &[Key]) -> BTreeMap<Key, Value> {
    let read = |key: &Key| {
        let object = cluster.try_kubectl(&["-n", NAMESPACE, "get", &key.0, &key.1, "-o", "json"]).ok();
        let object: Value = object.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        let ours = |what: &str| -> Vec<(String, Value)> {
            let all = object["metadata"][what].as_object().into_iter().flatten();
            let all = all.filter(|(name, _)| name.starts_with("ecp.ai/") || *name == "app");
            all.map(|(name, value)| (name.clone(), value.clone())).collect()
        };
        let owners = &object["metadata"]["ownerReferences"];
        (key.clone(), json!([ours("labels"), ours("annotations"), owners]))
    };
    keys.iter().map(read).collect()
}

/// Makes an edit to each object, all of them in turn from the `first` on; takes the tenant's label off the pods, too.
fn vandalize(cluster: &ControlPlane, keys: &[Key], edits: &[&str], first: usize) {
    let owner = cluster.get(&["-n", NAMESPACE, "serviceaccount", "default"])["metadata"]["uid"].clone();
    let owner = owner.as_str().expect("a uid");
    for ((kind, name), metadata) in keys.iter().zip(edits.iter().cycle().skip(first)) {
        // Nothing in a namespace can own the namespace.
        if kind == "Namespace" && metadata.contains("ownerReferences") {
            continue;
        }
        let metadata = metadata.replace("OWNER", owner);
        let metadata = metadata.replace("NOBODY", "00000000-0000-4000-8000-000000000000");
        let patch = format!("{{\"metadata\": {metadata}}}");
        cluster.kubectl(&["-n", NAMESPACE, "patch", kind, name, "--type=merge", "-p", &patch]);
    }
    cluster.kubectl(&["-n", NAMESPACE, "label", "pods", "--all", "ecp.ai/tenant-"]);
}

async fn until_ours(cluster: &ControlPlane, what: &str, right: &BTreeMap<Key, Value>) {
    let keys: Vec<Key> = right.keys().cloned().collect();
    until(&format!("after {what}, all of it is ours"), async || {
        let now = marks(cluster, &keys);
        let pods = cluster.get(&["-n", NAMESPACE, "pods"]);
        let tenant = |pod: &Value| pod["metadata"]["labels"]["ecp.ai/tenant"] == ID;
        let pods = pods["items"].as_array()?.iter().all(tenant);
        (now == *right && pods).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_done_to_our_metadata_is_healed_and_outlived_by_changes_restarts_and_deletions() {
    let cluster = ControlPlane::shared();
    let mut real = Real::on(cluster.kubeconfig()).await;
    real.create(ID, json!({"chatbot": 5})).await.expect(201);
    real.until_status(ID, "running").await;
    let mut keys = consists_of(&real, ID).await;
    keys.retain(|(kind, _)| kind != "HTTPRoute");
    let right = marks(cluster, &keys);
    let kinds = |kind: &str| keys.iter().any(|(found, _)| found == kind);
    for kind in
        ["Namespace", "Deployment", "StatefulSet", "Secret", "NetworkPolicy", "ResourceQuota", "Service"]
    {
        assert!(kinds(kind), "{kind} is among {keys:?}");
    }

    let path = format!("/api/v1/tenants/{ID}");
    // Each edit meets some object; with `ECP_EDITS` set, each meets every object, which takes ten minutes, since what
    // is put back again and again rests.
    let turns = if std::env::var_os("ECP_EDITS").is_some() { EDITS.len() } else { 1 };
    for turn in 0..turns {
        let vandalize = || vandalize(cluster, &keys, &EDITS, turn);
        vandalize();
        until_ours(cluster, "edits", &right).await;
        real.until_status(ID, "running").await;

        // A change in the midst of it is a change like any other.
        for (service, deployments) in [(1, vec!["chatbot", "ta"]), (0, vec!["chatbot"])] {
            vandalize();
            let changed = real.client.put(&path, &json!({"service_requirements": {"ta": service}})).await;
            assert_eq!(changed.status, 200, "turn {turn}: {}", changed.text);
            real.until_status(ID, "running").await;
            assert_eq!(names(cluster, ID, "deployments"), deployments, "turn {turn}");
        }
        until_ours(cluster, "changes in the midst of edits", &right).await;

        // Nobody watches while it is done.
        let folder = real.server.stop().await;
        vandalize();
        let kubeconfig = cluster.kubeconfig().to_str().expect("a path").to_owned();
        let server = TestServer::builder().configure(|config| config.kubeconfig = kubeconfig).folder(folder);
        real = Real::started(server).await;
        until_ours(cluster, "edits and a restart", &right).await;
        real.until_status(ID, "running").await;
    }

    // Nothing of it is a reason for a deletion to hang, or to leave anything.
    let kept: Vec<&str> =
        EDITS.into_iter().filter(|metadata| !metadata.contains("ownerReferences")).collect();
    vandalize(cluster, &keys, &kept, turns);
    real.delete_and_wait(ID).await;
    assert!(!namespace_exists(cluster, ID));
}
