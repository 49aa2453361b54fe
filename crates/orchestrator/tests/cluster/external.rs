//! A tenant whose objects others apply, on a real cluster: watched, judged, and never written to.

use super::{Real, namespace_exists, until};
use ecp_testkit::ControlPlane;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tempfile::NamedTempFile;

/// The orchestrator's field manager.
const OURS: &str = "ecp-orchestrator";

/// What kubectl applies as others would, out of Git and so without the values of Secrets: what this cluster
/// knows the kinds of.
async fn manifest(real: &Real, id: &str) -> NamedTempFile {
    let path = format!("/api/v1/tenants/{id}/manifest?format=json&redact=true");
    let mut list = real.client.get(&path).await.expect(200).json();
    let items = list["items"].as_array_mut().expect("items");
    items.retain(|item| item["apiVersion"] != "monitoring.coreos.com/v1");
    let file = NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), list.to_string()).expect("it is written");
    file
}

/// Applies as kubectl and Argo CD do by default, or on the server's side, whoever has the fields.
fn apply(cluster: &ControlPlane, manifest: &NamedTempFile, forced: bool) {
    let how: &[&str] = if forced { &["--server-side", "--force-conflicts"] } else { &[] };
    let path = manifest.path().to_str().expect("a path");
    cluster.kubectl(&[&["apply", "-f", path], how].concat());
}

/// Kinds that the tenant's manifest has.
const KINDS: &str = "deployments,statefulsets,services,configmaps,secrets,networkpolicies,resourcequotas,limitranges,\
     serviceaccounts,horizontalpodautoscalers,poddisruptionbudgets,persistentvolumeclaims";

/// Objects of the namespace, by uid.
fn uids(cluster: &ControlPlane, namespace: &str) -> BTreeSet<String> {
    let answer = cluster.get(&["-n", namespace, KINDS]);
    let items = answer["items"].as_array().cloned().unwrap_or_default();
    assert!(!items.is_empty());
    items.iter().map(|item| item["metadata"]["uid"].to_string()).collect()
}

/// Objects of the namespace, and the namespace, that our manager ever wrote to.
fn written_by_us(cluster: &ControlPlane, namespace: &str) -> Vec<String> {
    let mut found = Vec::new();
    for args in [vec!["-n", namespace, KINDS], vec!["-n", namespace, "pods"], vec!["namespace", namespace]] {
        let mut args = args;
        args.push("--show-managed-fields");
        let answer = cluster.get(&args);
        let items = answer["items"].as_array().cloned().unwrap_or_else(|| vec![answer.clone()]);
        let ours = |item: &&Value| {
            let fields = item["metadata"]["managedFields"].as_array();
            fields.into_iter().flatten().any(|entry| entry["manager"] == OURS)
        };
        found.extend(items.iter().filter(ours).map(|item| item["metadata"]["name"].to_string()));
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_create_while_a_tenant_is_taken_over_is_taken_over_too() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let namespace = "ecp-ai-racing";
    let body = json!({
        "tenant_id": "racing", "name": "racing", "preset": "small", "management": "external",
        "service_requirements": {"chatbot": 5, "ta": 1},
    });
    real.client.post("/api/v1/tenants/", &body).await.expect(201);
    let file = manifest(&real, "racing").await;
    let list: Value =
        serde_json::from_str(&std::fs::read_to_string(file.path()).expect("it is there")).expect("JSON");
    let (first, rest): (Vec<Value>, Vec<Value>) =
        list["items"].as_array().expect("items").iter().cloned().partition(|item| {
            ["Namespace", "ServiceAccount"].contains(&item["kind"].as_str().unwrap_or_default())
        });
    let written = |items: Vec<Value>| {
        let file = NamedTempFile::new().expect("a file");
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items});
        std::fs::write(file.path(), list.to_string()).expect("it is written");
        file
    };
    apply(cluster, &written(first), false);
    let rest = written(rest);
    real.client.put("/api/v1/tenants/racing", &json!({"management": "internal"})).await.expect(200);
    // Whoever is first at each of them: what we made is refused here, what they made is ours afterwards.
    let path = rest.path().to_str().expect("a path");
    let _ = cluster.try_kubectl(&["create", "--validate=false", "-f", path]);
    let status = real.until_status("racing", "running").await;
    let ours = written_by_us(cluster, namespace);
    for name in ["chatbot", "chatbot-service", "ta"] {
        assert!(ours.iter().any(|one| one.contains(name)), "{name}: {ours:?} {status}");
    }
    real.delete_and_wait("racing").await;
    assert!(!namespace_exists(cluster, "racing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_of_others_is_watched_and_judged_and_never_written_to() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let namespace = "ecp-ai-theirs";
    let body = json!({
        "tenant_id": "theirs", "name": "theirs", "preset": "small", "management": "external",
        "service_requirements": {"chatbot": 5, "ta": 1},
    });
    real.client.post("/api/v1/tenants/", &body).await.expect(201);
    let waits = until("it says what it waits for", async || {
        let status = real.status("theirs").await;
        status["logs"].to_string().contains("다른 도구가 관리하는").then_some(status)
    })
    .await;
    assert_eq!(waits["status"], "deploying", "{waits}");
    assert!(!namespace_exists(cluster, "theirs"));

    apply(cluster, &manifest(&real, "theirs").await, false);
    real.until_status("theirs", "running").await;
    assert_eq!(written_by_us(cluster, namespace), Vec::<String>::new());

    // What is changed or goes is named with who did it, and left.
    let patch = json!([{"op": "replace", "path": "/spec/policyTypes", "value": ["Ingress"]}]).to_string();
    cluster.kubectl(&["-n", namespace, "patch", "networkpolicy", "chatbot", "--type=json", "-p", &patch]);
    cluster.kubectl(&["-n", namespace, "delete", "service", "chatbot-service"]);
    let told = until("both are named", async || {
        let status = real.status("theirs").await;
        let text = status["logs"].to_string();
        (text.contains("매니페스트와 다릅니다") && text.contains("Service chatbot-service")).then_some(status)
    })
    .await;
    assert!(told["logs"].to_string().contains("kubectl"), "{told}");
    let detail = real.client.get("/api/v1/tenants/theirs").await.json();
    assert_eq!(detail["status"], "pending", "{detail}");
    assert!(cluster.try_kubectl(&["-n", namespace, "get", "service", "chatbot-service"]).is_err());
    assert_eq!(written_by_us(cluster, namespace), Vec::<String>::new());
    let trail = real.client.get("/api/v1/audit?tenant_id=theirs&action=tenant.heal").await.json();
    assert_eq!(trail["entries"], json!([]), "{trail}");

    // Who takes it over owns what is there, and keeps it.
    let uid = cluster.get(&["-n", namespace, "deployment", "chatbot"])["metadata"]["uid"].clone();
    let ours = json!({"management": "internal", "service_requirements": {"ta": 0}});
    real.client.put("/api/v1/tenants/theirs", &ours).await.expect(200);
    real.until_status("theirs", "running").await;
    assert!(cluster.try_kubectl(&["-n", namespace, "get", "deployment", "ta"]).is_err(), "nobody wants it");
    assert_eq!(cluster.get(&["-n", namespace, "deployment", "chatbot"])["metadata"]["uid"], uid);
    cluster.kubectl(&["-n", namespace, "get", "service", "chatbot-service"]);
    cluster.kubectl(&["-n", namespace, "delete", "service", "chatbot-service"]);
    until("it is healed", async || {
        cluster.try_kubectl(&["-n", namespace, "get", "service", "chatbot-service"]).ok()
    })
    .await;

    // Given away again, it outlives the tenant.
    real.client.put("/api/v1/tenants/theirs", &json!({"management": "external"})).await.expect(200);
    real.until_status("theirs", "running").await;
    let before = uids(cluster, namespace);
    real.delete_and_wait("theirs").await;
    assert_eq!(uids(cluster, namespace), before);
    // A namespace that is there already is theirs: it is no reason to refuse a tenant whose objects they apply.
    real.client.post("/api/v1/tenants/", &body).await.expect(201);
    // What was ours has our manager still.
    apply(cluster, &manifest(&real, "theirs").await, true);
    real.until_status("theirs", "running").await;
    let there = uids(cluster, namespace);
    real.delete_and_wait("theirs").await;
    assert_eq!(uids(cluster, namespace), there);
    cluster.kubectl(&["delete", "namespace", namespace, "--wait=false"]);
}
