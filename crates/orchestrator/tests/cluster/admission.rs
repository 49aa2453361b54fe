//! What admission adds to ours, and what an older release of ours left: named, taken up, and never restarted.

use super::{Real, namespace_exists, until};
use ecp_testkit::{ControlPlane, TestServer};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Puts a container beside ours into each Deployment of the test's namespace, as meshes and agents do. It asks for
/// nothing: a tenant's quota is what its own pods need.
const INJECTOR: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicy
metadata: {name: sidecars}
spec:
  failurePolicy: Fail
  reinvocationPolicy: Never
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ecp-ai-meshed}}
  matchConditions:
  - {name: once, expression: "!object.spec.template.spec.containers.exists(c, c.name == 'mesh-proxy')"}
  mutations:
  - patchType: JSONPatch
    jsonPatch:
      expression: >
        [JSONPatch{op: "add", path: "/spec/template/spec/containers/-",
        value: Object.spec.template.spec.containers{name: "mesh-proxy", image: "registry.example/mesh:1",
        securityContext: Object.spec.template.spec.containers.securityContext{allowPrivilegeEscalation: false,
        capabilities: Object.spec.template.spec.containers.securityContext.capabilities{drop: ["ALL"]}},
        resources: Object.spec.template.spec.containers.resources{requests: {"cpu": "0", "memory": "0"},
        limits: {"cpu": "0", "memory": "0"}}}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: MutatingAdmissionPolicyBinding
metadata: {name: sidecars}
spec: {policyName: sidecars}
"#;

fn containers(deployment: &Value) -> Vec<&str> {
    let all = deployment["spec"]["template"]["spec"]["containers"].as_array();
    all.into_iter().flatten().filter_map(|one| one["name"].as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_admission_injects_is_named_and_left() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    cluster.apply(INJECTOR);
    // A policy is in force some moments after it is there.
    let probe = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: probe, namespace: ecp-ai-meshed}\n\
         spec: {replicas: 0, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, \
         spec: {containers: [{name: a, image: 'a:1'}]}}}\n";
    let namespace =
        "apiVersion: v1\nkind: Namespace\nmetadata: {name: ecp-ai-meshed}\n---\n".to_owned() + probe;
    cluster.apply(&namespace);
    let probed = || cluster.get(&["-n", "ecp-ai-meshed", "deployment", "probe"]);
    until("the policy is in force", async || {
        cluster.kubectl(&["-n", "ecp-ai-meshed", "delete", "deployment", "probe"]);
        cluster.apply(probe);
        containers(&probed()).contains(&"mesh-proxy").then_some(())
    })
    .await;
    cluster.kubectl(&["delete", "namespace", "ecp-ai-meshed"]);

    let create = async || real.create("meshed", json!({"chatbot": 5})).await;
    until("the namespace is free", async || (create().await.status == 201).then_some(())).await;
    real.until_status("meshed", "running").await;
    let deployment = || cluster.get(&["-n", "ecp-ai-meshed", "deployment", "chatbot"]);
    assert!(containers(&deployment()).contains(&"mesh-proxy"), "{:#}", deployment());
    let named = |status: &Value| {
        let all = status["created_resources"].as_array().into_iter().flatten();
        let one = all.clone().find(|one| one["type"] == "Deployment" && one["name"] == "chatbot").cloned();
        one.filter(|one| one["reason"].to_string().contains("containers"))
    };
    let status = until("it is named", async || {
        let status = real.status("meshed").await;
        named(&status).map(|_| status)
    })
    .await;
    assert!(named(&status).expect("it is named")["reason"].to_string().contains("mesh-proxy"), "{status}");

    // Looked at again, changed by hand and put back: nobody fights over it, and no pod is replaced for it.
    let pods = |all: &Value| -> BTreeSet<String> {
        let items = all["items"].as_array().into_iter().flatten();
        items.map(|pod| pod["metadata"]["uid"].to_string()).collect()
    };
    let list = || pods(&cluster.get(&["-n", "ecp-ai-meshed", "pods", "-l", "app=chatbot"]));
    let (generation, before) = (deployment()["metadata"]["generation"].clone(), list());
    cluster.kubectl(&["-n", "ecp-ai-meshed", "label", "deployment", "chatbot", "ecp.ai/tenant-"]);
    until("our label is back", async || {
        (deployment()["metadata"]["labels"]["ecp.ai/tenant"] == "meshed").then_some(())
    })
    .await;
    assert_eq!((deployment()["metadata"]["generation"].clone(), list()), (generation, before));
    let trail = real.client.get("/api/v1/audit?tenant_id=meshed&action=tenant.heal").await.expect(200).json();
    assert!(!trail.to_string().contains("mesh-proxy"), "{trail}");
    assert!(named(&real.status("meshed").await).is_some(), "and it is still named");
    real.delete_and_wait("meshed").await;
    cluster.kubectl(&["delete", "mutatingadmissionpolicy,mutatingadmissionpolicybinding", "sidecars"]);
}

const KINDS: &str = "deployments,statefulsets,services,configmaps,secrets,networkpolicies,resourcequotas,limitranges,\
     serviceaccounts,horizontalpodautoscalers,poddisruptionbudgets";

/// Uids and templates of all that is there, pods too.
fn there(cluster: &ControlPlane, namespace: &str) -> BTreeSet<String> {
    let all = cluster.get(&["-n", namespace, &format!("{KINDS},pods")]);
    let items = all["items"].as_array().cloned().unwrap_or_default();
    let one = |item: &Value| {
        let about = &item["metadata"];
        // A generation counts annotations of Deployments, too; a template is what pods are made from.
        let template = if item["kind"] == "Pod" { &Value::Null } else { &item["spec"]["template"] };
        format!("{} {} {} {template}", item["kind"], about["name"], about["uid"])
    };
    items.iter().map(one).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_older_release_made_is_taken_up_without_a_restart_of_pods() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("older", json!({"chatbot": 5})).await.expect(201);
    real.until_status("older", "running").await;
    let namespace = "ecp-ai-older";
    let before = there(cluster, namespace);
    // As it was before objects were noted and carried the installation: our manager, the tenant's label.
    let folder = real.server.stop().await;
    let database = Connection::open(folder.path().join("real.db")).expect("the database");
    let forget = "DELETE FROM noted_objects; INSERT INTO unnoted_tenants (tenant_id) SELECT id FROM tenants;";
    database.execute_batch(forget).expect("it is older");
    drop(database);
    for marks in ["ecp.ai/installation-", "ecp.ai/applied-"] {
        cluster.kubectl(&["annotate", "namespace", namespace, marks]);
        cluster.kubectl(&["-n", namespace, "annotate", "-l", "ecp.ai/tenant=older", KINDS, marks]);
    }
    // And one of its objects was applied by another version of the API.
    let scaler = cluster.get(&["-n", namespace, "horizontalpodautoscalers"])["items"][0].clone();
    if let Some(name) = scaler["metadata"]["name"].as_str() {
        let resource = "horizontalpodautoscalers.v1.autoscaling";
        let mut old = cluster.get(&["-n", namespace, resource, name]);
        for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields", "generation"] {
            old["metadata"].as_object_mut().expect("metadata").remove(field);
        }
        old.as_object_mut().expect("an object").remove("status");
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), old.to_string()).expect("it is written");
        let path = file.path().to_str().expect("a path");
        let by_us = ["apply", "--server-side", "--force-conflicts", "--field-manager=ecp-orchestrator", "-f"];
        cluster.kubectl(&[&by_us[..], &[path]].concat());
    }

    let kubeconfig = cluster.kubeconfig().to_str().expect("a path").to_owned();
    let builder = TestServer::builder().configure(|config| config.kubeconfig = kubeconfig);
    let server = builder.folder(folder).start().await;
    let client = server.client().real();
    let real = Real { server, client };
    let installation = until("all of it is signed", async || {
        let installation = real.client.get("/readyz").await.json()["installation"].clone();
        let all = cluster.get(&["-n", namespace, KINDS, "-l", "ecp.ai/tenant=older"]);
        let items = all["items"].as_array().cloned().unwrap_or_default();
        let signed = |item: &Value| item["metadata"]["annotations"]["ecp.ai/installation"] == installation;
        (installation.is_string() && !items.is_empty() && items.iter().all(signed)).then_some(installation)
    })
    .await;
    assert_eq!(there(cluster, namespace), before, "{installation}");
    real.until_status("older", "running").await;

    // It is ours as before: healed, changed, deleted.
    cluster.kubectl(&["-n", namespace, "delete", "service", "chatbot-service"]);
    until("it is healed", async || {
        cluster.try_kubectl(&["-n", namespace, "get", "service", "chatbot-service"]).ok()
    })
    .await;
    real.client.put("/api/v1/tenants/older", &json!({"service_requirements": {"ta": 1}})).await.expect(200);
    real.until_status("older", "running").await;
    real.delete_and_wait("older").await;
    assert!(!namespace_exists(cluster, "older"));
}
