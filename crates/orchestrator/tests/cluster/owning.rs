//! Whose an object is: what others keep in a tenant's namespace, what they do to ours, and a second
//! orchestrator on the same cluster.

use super::{Real, names, namespace_exists, until, until_gone};
use ecp_testkit::{ControlPlane, Fault, FaultProxy, Scope, TestServer};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Objects of every kind that the API server has in namespaces and that are not ours; the first carries everything
/// that ours carry.
const THEIRS: &str = include_str!("theirs.yaml");

const DEFINITION: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"#;

/// What [`THEIRS`] is of, as the status names it.
fn named() -> Vec<(String, String)> {
    let documents = THEIRS.split("---\n").map(|document| {
        let after = |key: &str| {
            let rest = document.split_once(key).expect(key).1;
            let end = rest.find([',', '}', '\n']).unwrap_or(rest.len());
            rest[..end].trim().to_owned()
        };
        (after("kind: "), after("name: "))
    });
    documents.collect()
}

/// Kinds that the API server lists in namespaces and that can be there, but for what is no object of anybody.
fn kinds(cluster: &ControlPlane) -> BTreeSet<String> {
    // What happened, what is used now, and copies of other objects.
    const NOBODYS: [&str; 4] = ["Event", "PodMetrics", "EndpointSlice", "Endpoints"];
    let verbs = "--verbs=list,create,delete";
    let listed = cluster.kubectl(&["api-resources", "--namespaced", verbs, "--no-headers"]);
    let kinds = listed.lines().filter_map(|line| line.split_whitespace().last()).map(str::to_owned);
    kinds.filter(|kind| !NOBODYS.contains(&kind.as_str())).collect()
}

/// Puts other people's objects into a tenant's namespace.
async fn furnish(cluster: &ControlPlane, id: &str) {
    cluster.apply(DEFINITION);
    until("the kind is served", async || cluster.try_kubectl(&["get", "widgets", "-A"]).ok()).await;
    let theirs = THEIRS.replace("TENANT", id);
    cluster.apply(&theirs.replace("metadata: {name:", &format!("metadata: {{namespace: ecp-ai-{id}, name:")));
}

fn is_named(status: &Value, kind: &str, name: &str) -> bool {
    let pending = status["pending_resources"].as_array();
    pending.is_some_and(|all| {
        all.iter().any(|one| one["type"] == kind && one["name"] == name && one["status"] == "Foreign")
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_objects_of_every_kind_keep_the_namespace_and_are_named() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("shared", json!({"chatbot": 5})).await.expect(201);
    real.until_status("shared", "running").await;
    furnish(cluster, "shared").await;
    let named = named();
    let (of, all) = (named.iter().map(|(kind, _)| kind.clone()).collect::<BTreeSet<_>>(), kinds(cluster));
    assert!(all.is_subset(&of), "nobody has any of {:?}", all.difference(&of).collect::<Vec<_>>());
    real.client.delete("/api/v1/tenants/shared").await.expect(200);
    until("all of them are named", async || {
        let status = real.status("shared").await;
        let missing = named.iter().find(|(kind, name)| !is_named(&status, kind, name));
        missing.is_none().then_some(())
    })
    .await;
    assert_eq!(names(cluster, "shared", "deployments"), ["theirs"]);
    assert_eq!(real.client.get("/api/v1/tenants/shared").await.expect(200).json()["status"], "deleting");
    for (kind, name) in &named {
        cluster.kubectl(&["-n", "ecp-ai-shared", "get", kind, name]);
    }
    for (kind, name) in &named {
        cluster.kubectl(&["-n", "ecp-ai-shared", "delete", kind, name, "--wait=false"]);
    }
    until_gone(&real.client, "shared").await;
    assert!(!namespace_exists(cluster, "shared"));
}

/// Workloads of others that are called as ours are, and of another kind, as ours were, or as the ReplicaSet of one of
/// ours might be.
const NAMESAKES: &str = r#"
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: chatbot, namespace: ecp-ai-namesake}
spec:
  serviceName: theirs
  selector: {matchLabels: {of: them}}
  template: {metadata: {labels: {of: them, app: theirs}}, spec: {nodeSelector: {none: such}, containers: [POD]}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ta, namespace: ecp-ai-namesake}
spec:
  selector: {matchLabels: {of: theirs}}
  template: {metadata: {labels: {of: theirs, app: theirs}}, spec: {nodeSelector: {none: such}, containers: [POD]}}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: chatbot-canary, namespace: ecp-ai-namesake}
spec:
  selector: {matchLabels: {of: canary}}
  template: {metadata: {labels: {of: canary, app: theirs}}, spec: {nodeSelector: {none: such}, containers: [POD]}}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn pods_of_a_workload_that_is_only_called_like_ours_are_neither_changed_nor_ended() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let path = "/api/v1/tenants/namesake";
    real.create("namesake", json!({"chatbot": 5, "ta": 5})).await.expect(201);
    real.until_status("namesake", "running").await;
    real.client.put(path, &json!({"service_requirements": {"ta": 0}})).await.expect(200);
    real.until_status("namesake", "running").await;
    // As restricted, and as small, as the namespace wants it.
    let pod = r#"{
        name: a, image: "a:1", resources: {requests: {cpu: "0", memory: "0"}, limits: {cpu: "0", memory: "0"}},
        securityContext: {
          allowPrivilegeEscalation: false, runAsNonRoot: true, capabilities: {drop: [ALL]},
          seccompProfile: {type: RuntimeDefault}}}"#;
    cluster.apply(&NAMESAKES.replace("POD", pod));
    let theirs = || {
        let pods = cluster.get(&["-n", "ecp-ai-namesake", "pods", "-l", "app=theirs"]);
        let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap().to_owned();
        pods["items"].as_array().unwrap().iter().map(uid).collect::<BTreeSet<_>>()
    };
    let before = until("their pods are there", async || Some(theirs()).filter(|pods| pods.len() >= 3)).await;
    // Whatever is put right of ours leaves theirs alone.
    cluster.kubectl(&["-n", "ecp-ai-namesake", "delete", "deployment", "chatbot", "--wait=false"]);
    until("ours is back", async || {
        names(cluster, "namesake", "deployments").contains(&"chatbot".to_owned()).then_some(())
    })
    .await;
    real.until_status("namesake", "running").await;
    assert_eq!(theirs(), before);
    for pod in
        cluster.get(&["-n", "ecp-ai-namesake", "pods", "-l", "app=theirs"])["items"].as_array().unwrap()
    {
        let labels = pod["metadata"]["labels"].to_string();
        assert!(!labels.contains("ecp.ai/"), "{labels}");
    }

    real.client.delete(&format!("{path}?force=true")).await.expect(200);
    until("what is theirs is named", async || {
        let status = real.status("namesake").await;
        let named = [("StatefulSet", "chatbot"), ("Deployment", "ta"), ("ReplicaSet", "chatbot-canary")];
        named.iter().all(|(kind, name)| is_named(&status, kind, name)).then_some(())
    })
    .await;
    assert_eq!(theirs(), before);
    cluster.kubectl(&[
        "-n",
        "ecp-ai-namesake",
        "delete",
        "statefulset/chatbot",
        "deployment/ta",
        "replicaset/chatbot-canary",
    ]);
    until_gone(&real.client, "namesake").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_made_in_the_place_of_ours_is_named_and_left_as_it_is() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("usurped", json!({"chatbot": 5})).await.expect(201);
    real.until_status("usurped", "running").await;
    let (namespace, name) = ("ecp-ai-usurped", "redis-service");
    // Nobody watches while it is done.
    let folder = real.server.stop().await;
    cluster.kubectl(&["-n", namespace, "delete", "service", name]);
    cluster.kubectl(&["-n", namespace, "create", "service", "clusterip", name, "--tcp=1234:1234"]);
    let theirs = cluster.get(&["-n", namespace, "service", name]);
    let kubeconfig = cluster.kubeconfig().to_str().expect("a path").to_owned();
    let server = TestServer::builder().configure(|config| config.kubeconfig = kubeconfig).folder(folder);
    let real = Real::started(server).await;
    let status = real.until_status("usurped", "failed").await.to_string();
    assert!(status.contains("CONFLICT") && status.contains("Service redis-service"), "{status}");
    assert_eq!(cluster.get(&["-n", namespace, "service", name]), theirs);
    cluster.kubectl(&["-n", namespace, "delete", "service", name]);
    real.until_status("usurped", "running").await;
    real.delete_and_wait("usurped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_made_anew_is_ours_although_its_maker_was_not_answered() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    real.create("anew", json!({"chatbot": 5})).await.expect(201);
    real.until_status("anew", "running").await;
    let uid = || cluster.get(&["namespace", "ecp-ai-anew"])["metadata"]["uid"].clone();
    let before = uid();
    // It is made, and nobody hears of it.
    proxy.inject_times(Scope::writes().whole_path("/api/v1/namespaces/ecp-ai-anew"), Fault::SwallowAnswer, 1);
    cluster.kubectl(&["delete", "namespace", "ecp-ai-anew"]);
    until("it is there again", async || (namespace_exists(cluster, "anew") && uid() != before).then_some(()))
        .await;
    proxy.cut();
    until("all of it is there again", async || {
        names(cluster, "anew", "deployments").contains(&"chatbot".to_owned()).then_some(())
    })
    .await;
    real.until_status("anew", "running").await;
    real.delete_and_wait("anew").await;
    assert!(!namespace_exists(cluster, "anew"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_is_released_keeps_what_is_theirs_and_nothing_of_ours() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("given", json!({"chatbot": 5})).await.expect(201);
    real.until_status("given", "running").await;
    furnish(cluster, "given").await;
    real.client.delete("/api/v1/tenants/given").await.expect(200);
    until("they keep it", async || is_named(&real.status("given").await, "CronJob", "backup").then_some(()))
        .await;
    real.client.delete("/api/v1/tenants/given?release=true").await.expect(200);
    until_gone(&real.client, "given").await;
    for (kind, name) in named() {
        cluster.kubectl(&["-n", "ecp-ai-given", "get", &kind, &name]);
    }
    let namespace = cluster.get(&["namespace", "ecp-ai-given"])["metadata"].clone();
    assert!(!namespace["labels"].to_string().contains("ecp.ai/"), "{namespace}");
    assert!(!namespace["annotations"].to_string().contains("ecp.ai/"), "{namespace}");
    assert_eq!(names(cluster, "given", "networkpolicies"), ["theirs"]);
    assert_eq!(real.create("given", json!({"chatbot": 5})).await.expect(409).error_code(), "CONFLICT");
    cluster.kubectl(&["delete", "namespace", "ecp-ai-given", "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_others_in_default_are_no_reason_to_refuse_a_tenant() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let workload = |kind: &str, name: &str| {
        let service = if kind == "StatefulSet" { "serviceName: theirs, " } else { "" };
        format!(
            "apiVersion: apps/v1\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\n\
             spec: {{{service}replicas: 0, selector: {{matchLabels: {{theirs: x}}}}, template: {{metadata: \
             {{labels: {{theirs: x}}}}, spec: {{containers: [{{name: a, image: 'a:1'}}]}}}}}}\n"
        )
    };
    cluster.apply(&format!("{}---\n{}", workload("StatefulSet", "redis"), workload("Deployment", "chatbot")));
    real.create("beside", json!({"chatbot": 5})).await.expect(201);
    real.until_status("beside", "running").await;
    real.delete_and_wait("beside").await;
    cluster.kubectl(&["-n", "default", "delete", "deployment/chatbot", "statefulset/redis"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_changed_by_hand_is_put_back_and_the_trail_says_who_changed_it() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("ports", json!({"callbot": 5})).await.expect(201);
    real.until_status("ports", "running").await;
    let ports =
        || cluster.get(&["-n", "ecp-ai-ports", "service", "callbot-service"])["spec"]["ports"].clone();
    let right = ports();
    let patch = r#"[{"op":"replace","path":"/spec/ports/0/port","value":8080}]"#;
    let args = ["-n", "ecp-ai-ports", "patch", "service", "callbot-service", "--type=json", "-p", patch];
    cluster.kubectl(&args);
    until("the port is back", async || (ports() == right).then_some(())).await;
    until("the trail says who", async || {
        let audit =
            real.client.get("/api/v1/audit?tenant_id=ports&action=tenant.heal").await.expect(200).json();
        let text = audit.to_string();
        (text.contains("/spec/ports") && text.contains("kubectl-patch")).then_some(())
    })
    .await;
    real.until_status("ports", "running").await;
    real.delete_and_wait("ports").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_to_ours_by_hand_is_taken_out() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("added", json!({"chatbot": 5})).await.expect(201);
    real.until_status("added", "running").await;
    let at = |kind: &str, name: &str| {
        let object = cluster.get(&["-n", "ecp-ai-added", kind, name]);
        (object["spec"].clone(), object["data"].clone())
    };
    for (kind, name, patch) in [
        (
            "deployment",
            "chatbot",
            json!({"spec": {"template": {"spec": {"containers": [{"name": "evil", "image": "a:1"}]}}}}),
        ),
        ("deployment", "chatbot", json!({"spec": {"template": {"spec": {"hostNetwork": true}}}})),
        ("resourcequota", "tenant-quota", json!({"spec": {"hard": {"count/secrets": "3"}}})),
        ("configmap", "service-config", json!({"data": {"THEIRS": "x"}})),
        ("service", "chatbot-service", json!({"spec": {"externalIPs": ["192.0.2.1"]}})),
        ("service", "chatbot-service", json!({"spec": {"ports": [{"name": "theirs", "port": 81}]}})),
        ("service", "chatbot-service", json!({"spec": {"selector": {"theirs": "x"}}})),
    ] {
        let right = at(kind, name);
        let patch = patch.to_string();
        cluster.kubectl(&["-n", "ecp-ai-added", "patch", kind, name, "-p", &patch]);
        until(&format!("{patch} is undone"), async || (at(kind, name) == right).then_some(())).await;
    }
    real.delete_and_wait("added").await;
}

/// The same of each structure that is ours whole, on a tenant of its own, since what is fought over rests.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_added_inside_pods_policies_secrets_and_bounds_is_taken_out() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("inside", json!({"chatbot": 5})).await.expect(201);
    real.until_status("inside", "running").await;
    let in_pod = |spec: Value| json!({"spec": {"template": {"spec": spec}}});
    let secrets = names(cluster, "inside", "secrets");
    let at = |kind: &str, name: &str| {
        let object = cluster.get(&["-n", "ecp-ai-inside", kind, name]);
        (object["spec"].clone(), object["data"].clone(), object["automountServiceAccountToken"].clone())
    };
    let deployment = ("deployment", "chatbot");
    let changes = [
        (
            deployment,
            in_pod(json!({"containers": [{"name": "chatbot", "env": [{"name": "THEIRS", "value": "x"}]}]})),
        ),
        (deployment, in_pod(json!({"volumes": [{"name": "theirs", "emptyDir": {}}]}))),
        (deployment, in_pod(json!({"initContainers": [{"name": "theirs", "image": "a:1"}]}))),
        (("statefulset", "redis"), in_pod(json!({"nodeSelector": {"theirs": "x"}}))),
        (("statefulset", "redis"), json!({"spec": {"template": {"metadata": {"labels": {"theirs": "x"}}}}})),
        (("networkpolicy", "default-deny"), json!({"spec": {"ingress": [{}]}})),
        (("networkpolicy", "chatbot"), json!({"spec": {"egress": [{}]}})),
        (("secret", secrets[0].as_str()), json!({"stringData": {"THEIRS": "x"}})),
        (("serviceaccount", "chatbot"), json!({"automountServiceAccountToken": true})),
    ];
    for ((kind, name), patch) in changes {
        if cluster.try_kubectl(&["-n", "ecp-ai-inside", "get", kind, name]).is_err() {
            continue;
        }
        let right = at(kind, name);
        let text = patch.to_string();
        let patch = ["-n", "ecp-ai-inside", "patch", kind, name, "--type=strategic", "-p", &text];
        cluster.kubectl(&patch);
        until(&format!("{kind} {name}: {text} is undone"), async || (at(kind, name) == right).then_some(()))
            .await;
    }
    real.until_status("inside", "running").await;
    real.delete_and_wait("inside").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn our_own_marks_taken_off_by_hand_come_back_and_never_cost_the_tenant() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("marks", json!({"chatbot": 5})).await.expect(201);
    real.until_status("marks", "running").await;
    let namespace = "ecp-ai-marks";
    let labels = |args: &[&str]| cluster.get(args)["metadata"]["labels"].clone();
    for (what, label) in [
        (vec!["-n", namespace, "deployment", "chatbot"], "ecp.ai/tenant"),
        (vec!["-n", namespace, "deployment", "chatbot"], "ecp.ai/managed-by"),
        (vec!["namespace", namespace], "ecp.ai/tenant"),
        (vec!["namespace", namespace], "ecp.ai/managed-by"),
    ] {
        let before = labels(&what);
        cluster.kubectl(&[&["label"], what.as_slice(), &[&format!("{label}-")]].concat());
        until(&format!("{label} of {what:?} is back"), async || (labels(&what) == before).then_some(()))
            .await;
    }
    let reset = r#"[{"op":"replace","path":"/metadata/managedFields","value":[{}]}]"#;
    cluster.kubectl(&["-n", namespace, "patch", "service", "chatbot-service", "--type=json", "-p", reset]);
    until("our manager owns it again", async || {
        let args = ["-n", namespace, "service", "chatbot-service", "--show-managed-fields"];
        cluster.get(&args)["metadata"]["managedFields"].to_string().contains("\"Apply\"").then_some(())
    })
    .await;
    let pod = names(cluster, "marks", "pods").into_iter().find(|name| name.starts_with("chatbot")).unwrap();
    cluster.kubectl(&["-n", namespace, "label", "pod", &pod, "ecp.ai/tenant-"]);
    until("the pod's label is back", async || {
        (labels(&["-n", namespace, "pod", &pod])["ecp.ai/tenant"] == "marks").then_some(())
    })
    .await;
    let change = json!({"service_requirements": {"callbot": 2}});
    real.client.put("/api/v1/tenants/marks", &change).await.expect(200);
    real.until_status("marks", "running").await;
    cluster.kubectl(&["label", "namespace", namespace, "ecp.ai/tenant-"]);
    real.delete_and_wait("marks").await;
    assert!(!namespace_exists(cluster, "marks"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_orchestrators_on_one_cluster_keep_apart() {
    let cluster = ControlPlane::shared();
    let first = Real::on(cluster.kubeconfig()).await;
    let second = Real::on(cluster.kubeconfig()).await;
    let installation = async |real: &Real| real.client.get("/readyz").await.json()["installation"].clone();
    let (one, two) = (installation(&first).await, installation(&second).await);
    assert!(one.is_string() && two.is_string() && one != two, "{one} {two}");
    first.create("apart", json!({"chatbot": 5})).await.expect(201);
    first.until_status("apart", "running").await;
    let refused = until("the second knows the namespace", async || {
        let reply = second.create("apart", json!({"chatbot": 5})).await;
        (reply.status == 409).then_some(reply)
    })
    .await;
    assert_eq!(refused.error_code(), "CONFLICT");
    second.client.get("/api/v1/tenants/apart").await.expect(404);
    assert_eq!(names(cluster, "apart", "deployments"), ["chatbot"]);
    first.delete_and_wait("apart").await;
}
