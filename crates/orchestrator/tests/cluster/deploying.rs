//! A tenant's life on a real cluster.

use super::{Real, names, namespace_exists, until, until_gone};
use ecp_testkit::{ControlPlane, Fault, FaultProxy, Scope, TestServer};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_comes_up_is_changed_and_leaves_nothing_behind() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let accepted = real.create("life", json!({"chatbot": 20, "callbot": 5})).await.expect(201).json();
    assert_eq!(accepted["status"], "pending");

    let status = real.until_status("life", "running").await;
    assert_eq!((&status["progress"], &status["pending_resources"]), (&json!(100), &json!([])));
    let created = status["created_resources"].as_array().unwrap();
    let chatbot = created.iter().find(|one| one["type"] == "Deployment" && one["name"] == "chatbot").unwrap();
    assert_eq!(chatbot["status"], "Available");
    // What the status says is what the cluster has.
    for one in created.iter().filter(|one| one["status"] != "Skipped" && one["type"] != "Namespace") {
        let kind = one["type"].as_str().unwrap().to_lowercase();
        let all = names(cluster, "life", &kind);
        assert!(all.iter().any(|name| one["name"] == name.as_str()), "{one} is not among {all:?}");
    }
    let detail = real.client.get("/api/v1/tenants/life").await.expect(200).json();
    assert_eq!((&detail["status"], &detail["is_demo"]), (&json!("running"), &json!(false)));

    real.client
        .put("/api/v1/tenants/life", &json!({"service_requirements": {"callbot": 0}}))
        .await
        .expect(200);
    real.until_status("life", "running").await;
    assert_eq!(names(cluster, "life", "deployments"), ["chatbot"]);
    assert!(!names(cluster, "life", "services").contains(&"callbot-service".to_owned()));

    real.delete_and_wait("life").await;
    assert!(!namespace_exists(cluster, "life"));
    let again = real.create("life", json!({"chatbot": 5})).await.expect(201).json();
    assert_eq!(again["tenant_id"], "life");
    real.delete_and_wait("life").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_come_up_says_why_and_how_to_mend_it() {
    let cluster = ControlPlane::shared_with_faults();
    let real = Real::on(cluster.kubeconfig()).await;
    for (id, words) in [
        ("fault-image-1", ["ImagePullBackOff", "chatbot"]),
        ("fault-crash-1", ["CrashLoopBackOff", "exit code"]),
        ("fault-oom-1", ["OOMKilled", "memory"]),
    ] {
        real.create(id, json!({"chatbot": 5})).await.expect(201);
        let text = until(&format!("{id} says why"), async || {
            let request =
                real.client.request(reqwest::Method::GET, &format!("/api/v1/tenants/{id}/deployment-status"));
            let status = real.client.send(request.header("accept-language", "en")).await.json();
            let reason =
                status["pending_resources"].as_array()?.iter().find_map(|one| one["reason"].as_str())?;
            words.iter().all(|word| reason.contains(word)).then(|| reason.to_owned())
        })
        .await;
        assert!(text.len() > 40, "no fix in: {text}");
        real.until_status(id, "failed").await;
    }
    // The pods come up after all: so does the tenant.
    cluster.set_fault("ecp-ai-fault-image-1", Some("none"));
    for id in ["fault-image-1", "fault-crash-1", "fault-oom-1"] {
        real.delete_and_wait(id).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_was_there_before_us_is_refused() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    cluster.kubectl(&["create", "namespace", "ecp-ai-foreign"]);
    let refused = until("the namespace is known", async || {
        let reply = real.create("foreign", json!({"chatbot": 5})).await;
        (reply.status == 409).then_some(reply)
    })
    .await;
    assert_eq!(refused.error_code(), "CONFLICT");
    real.client.get("/api/v1/tenants/foreign").await.expect(404);
    assert!(namespace_exists(cluster, "foreign"));
    cluster.kubectl(&["delete", "namespace", "ecp-ai-foreign", "--wait=false"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_namespace_that_hangs_says_which_finalizer_holds_it() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("held", json!({"chatbot": 5})).await.expect(201);
    real.until_status("held", "running").await;
    let hold = |finalizers: Value| {
        let patch = json!({"metadata": {"finalizers": finalizers}}).to_string();
        let args =
            ["-n", "ecp-ai-held", "patch", "resourcequota", "tenant-quota", "--type=merge", "-p", &patch];
        cluster.kubectl(&args);
    };
    hold(json!(["example.com/hold"]));
    real.client.delete("/api/v1/tenants/held").await.expect(200);
    until("the finalizer is named", async || {
        let status = real.status("held").await;
        status["pending_resources"].to_string().contains("example.com/hold").then_some(())
    })
    .await;
    hold(json!(null));
    until_gone(&real.client, "held").await;
    assert!(!namespace_exists(cluster, "held"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_go_is_named_by_an_update_and_by_a_deletion_until_it_goes() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let (path, namespace) = ("/api/v1/tenants/stays", "ecp-ai-stays");
    real.create("stays", json!({"chatbot": 5, "ta": 5})).await.expect(201);
    real.until_status("stays", "running").await;
    let hold = |object: &str, finalizers: Value| {
        let patch = json!({"metadata": {"finalizers": finalizers}}).to_string();
        cluster.kubectl(&["-n", namespace, "patch", object, "--type=merge", "-p", &patch]);
    };
    let until_named = async |kind: &str| {
        until(&format!("the {kind} is named"), async || {
            let status = real.status("stays").await;
            let is_it = |one: &&Value| one["type"] == kind && one["status"] == "Terminating";
            let one = status["pending_resources"].as_array()?.iter().find(is_it)?;
            one["reason"].to_string().contains("example.com/hold").then_some(status.clone())
        })
        .await
    };
    hold("deployment/ta", json!(["example.com/hold"]));
    real.client.put(path, &json!({"service_requirements": {"ta": 0}})).await.expect(200);
    until_named("Deployment").await;
    hold("deployment/ta", json!(null));
    real.until_status("stays", "running").await;

    let pod = names(cluster, "stays", "pods").into_iter().find(|name| name.starts_with("chatbot")).unwrap();
    let pod = format!("pod/{pod}");
    hold(&pod, json!(["example.com/hold"]));
    real.client.delete(path).await.expect(200);
    let status = until_named("Pod").await;
    let waiting =
        status["pending_resources"].as_array().unwrap().iter().find(|one| one["type"] == "Namespace");
    assert!(waiting.unwrap()["reason"].is_string(), "{status}");
    hold(&pod, json!(null));
    until_gone(&real.client, "stays").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_the_cluster_has_is_refused_with_what_is_short() {
    let cluster = ControlPlane::shared_with_faults();
    let real = Real::on(cluster.kubeconfig()).await;
    let system = real.client.get("/api/v1/monitoring/system").await.expect(200).json();
    assert_eq!(system["cluster_status"], "healthy");
    assert!(system["total_resources"]["gpu"].as_u64().unwrap() > 0, "{system}");
    let body = json!({
        "tenant_id": "giant", "name": "giant", "service_requirements": {"callbot": 90000, "stt": 90000},
    });
    let refused = real.client.post("/api/v1/tenants/", &body).await.expect(409);
    assert_eq!(refused.error_code(), "INSUFFICIENT_RESOURCES");
    assert!(refused.text.contains("gpu"), "{}", refused.text);
    real.client.get("/api/v1/tenants/giant").await.expect(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_are_skipped_until_the_cluster_knows_them() {
    let cluster = ControlPlane::start("monitors");
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let mut real = Real::on(&proxy.kubeconfig()).await;
    real.create("watched", json!({"chatbot": 5})).await.expect(201);
    let status = real.until_status("watched", "running").await;
    let skipped = |status: &Value| status["created_resources"].to_string().contains("\"Skipped\"");
    assert!(skipped(&status), "{status}");

    // After a restart it is not known any more that they were skipped; nobody is served the less for it.
    let folder = real.server.stop().await;
    let kubeconfig = proxy.kubeconfig().to_str().expect("a path").to_owned();
    let server = TestServer::builder().configure(|config| config.kubeconfig = kubeconfig).folder(folder);
    real = Real::started(server).await;
    cluster.kubectl(&["-n", "ecp-ai-watched", "delete", "configmap", "redis-config"]);
    until("the ConfigMap is back", async || {
        names(&cluster, "watched", "configmaps").contains(&"redis-config".to_owned()).then_some(())
    })
    .await;
    let status = real.until_status("watched", "running").await;
    assert!(skipped(&status), "{status}");
    let logs = status["logs"].to_string();
    assert!(!logs.contains("serves nobody") && !logs.contains("서비스 중인 pod가 없는"), "{logs}");
    cluster.apply_monitoring_crds();
    until("the monitors are there", async || {
        (names(&cluster, "watched", "servicemonitors").len() == 1).then_some(())
    })
    .await;
    until("the status shows them", async || (!skipped(&real.status("watched").await)).then_some(())).await;

    // A role that is missing for a moment, or an API server that lags behind, makes no kind unknown for good.
    let monitors = || Scope::watches().path("/servicemonitors");
    proxy.inject_times(monitors(), Fault::Status(403), 1);
    let before = proxy.count(&monitors());
    proxy.cut();
    until("the watch was refused", async || (proxy.count(&monitors()) > before).then_some(())).await;
    real.create("after", json!({"chatbot": 5})).await.expect(201);
    real.until_status("after", "running").await;
    until("the monitors of the next tenant are there", async || {
        let status = real.status("after").await;
        (!skipped(&status) && names(&cluster, "after", "servicemonitors").len() == 1).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_or_deleted_by_hand_is_put_back_and_written_down() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("heal", json!({"chatbot": 5})).await.expect(201);
    real.until_status("heal", "running").await;
    // What was just made is as it was made: nothing of it is healed, let alone again and again.
    let audit = real.client.get("/api/v1/audit?tenant_id=heal&action=tenant.heal").await.expect(200).json();
    assert_eq!(audit["total_count"], 0, "{audit:#}");
    let status = real.client.get("/api/v1/tenants/heal/deployment-status").await.expect(200);
    assert!(!status.text.contains("put back") && !status.text.contains("되돌"), "{}", status.text);
    let namespace = ["-n", "ecp-ai-heal"];
    let kubectl = |args: &[&str]| cluster.kubectl(&[&namespace, args].concat());

    let image = || kubectl(&["get", "deployment", "chatbot", "-o", "jsonpath={..containers[0].image}"]);
    let right = image();
    kubectl(&["set", "image", "deployment/chatbot", "*=registry.example.com/evil:1"]);
    until("the image is back", async || (image() == right).then_some(())).await;
    kubectl(&["delete", "service", "chatbot-service"]);
    until("the Service is back", async || {
        names(cluster, "heal", "services").contains(&"chatbot-service".to_owned()).then_some(())
    })
    .await;
    let entries = until("both are in the audit trail", async || {
        let audit = real.client.get("/api/v1/audit?tenant_id=heal").await.expect(200).json();
        let entries: Vec<Value> = audit["entries"]
            .as_array()?
            .iter()
            .filter(|entry| entry["action"] == "tenant.heal")
            .cloned()
            .collect();
        (entries.len() >= 2).then_some(entries)
    })
    .await;
    let text = json!(entries).to_string();
    assert!(
        text.contains("/image") && text.contains("kubectl-set") && text.contains("chatbot-service"),
        "{text}"
    );
    assert!(entries.iter().all(|entry| entry["actor"] == "controller" && entry["outcome"] == "restored"));

    // What others add is theirs; replicas that no autoscaler counts are ours.
    let replicas = || kubectl(&["get", "deployment", "chatbot", "-o", "jsonpath={.spec.replicas}"]);
    let planned = replicas();
    kubectl(&["label", "deployment", "chatbot", "team=voice"]);
    kubectl(&["scale", "deployment", "chatbot", "--replicas=7"]);
    kubectl(&["delete", "configmap", "redis-config"]);
    until("the ConfigMap is back", async || {
        names(cluster, "heal", "configmaps").contains(&"redis-config".to_owned()).then_some(())
    })
    .await;
    until("the replicas are as planned", async || (replicas() == planned).then_some(())).await;
    assert_eq!(kubectl(&["get", "deployment", "chatbot", "-o", "jsonpath={.metadata.labels.team}"]), "voice");
    real.delete_and_wait("heal").await;

    // Replicas are an autoscaler's down to its minimum; from 0 it would never bring them back.
    let body = json!({
        "tenant_id": "heal-scaled", "name": "scaled", "preset": "medium",
        "service_requirements": {"chatbot": 50, "qa": 5},
    });
    real.client.post("/api/v1/tenants/", &body).await.expect(201);
    real.until_status("heal-scaled", "running").await;
    let kubectl = |args: &[&str]| cluster.kubectl(&[&["-n", "ecp-ai-heal-scaled"], args].concat());
    let field = |kind, path: &str| kubectl(&["get", kind, "qa", "-o", &format!("jsonpath={{{path}}}")]);
    let fewest = field("hpa", ".spec.minReplicas");
    kubectl(&["scale", "deployment", "qa", "--replicas=0"]);
    until("the replicas are the autoscaler's fewest", async || {
        (field("deployment", ".spec.replicas") == fewest).then_some(())
    })
    .await;
    real.until_status("heal-scaled", "running").await;
    real.delete_and_wait("heal-scaled").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_update_only_leaves_out_is_taken_out_of_what_stays() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let settings = || cluster.get(&["-n", "ecp-ai-less", "configmap", "service-config"])["data"].clone();
    real.create("less", json!({"chatbot": 5, "callbot": 2})).await.expect(201);
    real.until_status("less", "running").await;
    assert_eq!(settings()["CALLBOT_UNITS"], "2");
    real.client
        .put("/api/v1/tenants/less", &json!({"service_requirements": {"callbot": 0}}))
        .await
        .expect(200);
    real.until_status("less", "running").await;
    let left = settings();
    assert!(left.get("CALLBOT_UNITS").is_none(), "{left}");
    assert_eq!(left["CHATBOT_UNITS"], "5");
    real.delete_and_wait("less").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_the_cluster_refuses_changes_nothing() {
    let cluster = ControlPlane::start("refusing");
    cluster.apply(POLICY);
    let real = Real::on(cluster.kubeconfig()).await;
    let body =
        json!({"tenant_id": "dry", "name": "dry", "preset": "small", "service_requirements": {"chatbot": 5}});
    // A policy is enforced a moment after it was stored.
    let preview = until("the policy is in force", async || {
        let preview = real.client.post("/api/v1/tenants/?dry_run=true", &body).await.expect(200).json();
        (!preview["refusals"].as_array()?.is_empty()).then_some(preview)
    })
    .await;
    assert!(preview["refusals"].to_string().contains("no chatbots here"), "{preview}");
    assert!(!namespace_exists(&cluster, "dry"));

    real.create("refused", json!({"chatbot": 5})).await.expect(201);
    let status = real.until_status("refused", "failed").await;
    assert!(status.to_string().contains("no chatbots here"), "{status}");
    assert!(!namespace_exists(&cluster, "refused"));

    let manifest = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: chatbot, namespace: default}\n\
                    spec:\n  selector: {matchLabels: {app: a}}\n  template:\n    metadata: {labels: {app: a}}\n    \
                    spec: {containers: [{name: a, image: 'a:1'}]}\n";
    let body = json!({"manifest_content": manifest});
    let verdict = real.client.post("/api/v1/tenants/validate-manifest", &body).await.expect(200).json();
    assert_eq!(verdict["valid"], false);
    assert!(verdict["errors"].to_string().contains("no chatbots here"), "{verdict}");
}

/// Admission that refuses one Deployment.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-chatbots}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
      - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
  validations:
    - {expression: "object.metadata.name != 'chatbot'", message: "no chatbots here"}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-chatbots}
spec: {policyName: no-chatbots, validationActions: [Deny]}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_that_shrinks_rolls_out_although_the_old_pods_exceed_the_new_quota() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let services = json!({"chatbot": 100, "callbot": 20});
    let body =
        json!({"tenant_id": "shrink", "name": "a", "preset": "large", "service_requirements": services});
    real.client.post("/api/v1/tenants/", &body).await.expect(201);
    real.until_status("shrink", "running").await;
    let change = json!({"preset": "micro", "service_requirements": {"chatbot": 5, "callbot": 0, "ta": 5}});
    real.client.put("/api/v1/tenants/shrink", &change).await.expect(200);
    real.until_status("shrink", "running").await;
    let quota = names(cluster, "shrink", "resourcequotas");
    assert_eq!(quota, ["tenant-quota"], "the quota is back");
    real.delete_and_wait("shrink").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_fails_brings_back_what_ran_before_where_asked_to() {
    let cluster = ControlPlane::shared_with_faults();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("return", json!({"chatbot": 5})).await.expect(201);
    real.until_status("return", "running").await;
    cluster.set_fault("ecp-ai-return", Some("crash"));
    let change = json!({"service_requirements": {"ta": 5}});
    let reply = real.client.put("/api/v1/tenants/return?rollback=true", &change).await.expect(200).json();
    let failed = reply["deployment_id"].as_str().unwrap().to_owned();
    let back = until("the old revision is on its way", async || {
        let detail = real.client.get("/api/v1/tenants/return").await.json();
        (detail["deployment_id"] != failed.as_str()).then_some(detail)
    })
    .await;
    assert_eq!(back["service_requirements"], json!({"chatbot": 5}));
    cluster.set_fault("ecp-ai-return", None);
    until("what ran before runs again", async || {
        // Pods that were made before the fault was taken away keep it; new ones come in their place.
        let faulty = ["-l", "ecp-test/fault=crash", "--wait=false"];
        cluster.kubectl(&[&["-n", "ecp-ai-return", "delete", "pods"], &faulty[..]].concat());
        (real.status("return").await["status"] == "running").then_some(())
    })
    .await;
    assert!(!names(cluster, "return", "deployments").contains(&"ta".to_owned()));
    let audit =
        real.client.get("/api/v1/audit?tenant_id=return&action=tenant.rollback").await.expect(200).json();
    assert_eq!(audit["total_count"], 1, "{audit}");
    real.delete_and_wait("return").await;
}

/// Creates tenants that are alike right after each other, until the trial of one asked for so little.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_cluster_just_took_of_one_tenant_is_not_tried_again_for_the_next() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    let real = Real::on(&proxy.kubeconfig()).await;
    let trials = || proxy.count(&Scope::all().verb("PATCH").dry_run(true).path("/namespaces/ecp-ai--trial-"));
    let writes = |id: &str| proxy.count(&Scope::writes().path(format!("/namespaces/ecp-ai-{id}/")));
    let create = async |id: &str| {
        let before = trials();
        real.create(id, json!({"ta": 5})).await.expect(201);
        until(&format!("{id} is tried and applied"), async || (writes(id) > 0).then_some(())).await;
        trials() - before
    };
    let whole = create("alike-0").await;
    assert!(whole > 5, "{whole} objects were tried");
    let mut number = 1;
    // An answer holds for seconds; a machine that is slower than that tries again.
    while create(&format!("alike-{number}")).await > 0 {
        number += 1;
        assert!(number < 20, "each of {number} tenants that are alike is tried: {:#?}", proxy.counts());
    }
    // Whoever asks is told what the cluster says now.
    let before = trials();
    let asked =
        json!({"tenant_id": "alike-x", "name": "x", "preset": "small", "service_requirements": {"ta": 5}});
    real.client.post("/api/v1/tenants/?dry_run=true", &asked).await.expect(200);
    assert_eq!(trials() - before, whole);
    for number in 0..=number {
        real.delete_and_wait(&format!("alike-{number}")).await;
    }
}
