//! Where a tenant's pods can go, and how its services are reached, on a real cluster.

use super::{Real, names, until};
use ecp_core::catalog::EMBEDDED;
use ecp_testkit::{ControlPlane, Reply, TestServer};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn tainted_and_cordoned_nodes_have_no_room_and_what_runs_can_still_be_changed() {
    let cluster = ControlPlane::start("room");
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("first", json!({"chatbot": 5})).await.expect(201);
    real.until_status("first", "running").await;

    let nodes = cluster.get(&["nodes"])["items"].as_array().unwrap().len();
    cluster.kubectl(&["taint", "nodes", "--all", "maintenance=now:NoSchedule"]);
    let refused = until("the taints are known", async || {
        let reply = real.create("second", json!({"chatbot": 5})).await;
        let left_out = reply.json()["error"]["details"]["nodes_left_out"][0].clone();
        (left_out["count"] == nodes).then_some(reply)
    })
    .await;
    assert_eq!(refused.status, 409);
    assert_eq!(refused.error_code(), "INSUFFICIENT_RESOURCES");
    assert!(refused.text.contains("taint maintenance=now:NoSchedule"), "{}", refused.text);
    let short = &refused.json()["error"]["details"]["short"];
    assert_eq!((&short[0]["resource"], &short[0]["available"]), (&json!("cpu"), &json!("0m")));
    real.client.get("/api/v1/tenants/second").await.expect(404);

    // A change that needs no more is taken, one that needs more is not.
    let path = "/api/v1/tenants/first";
    real.client.put(path, &json!({"name": "renamed"})).await.expect(200);
    real.until_status("first", "running").await;
    let more = real.client.put(path, &json!({"service_requirements": {"callbot": 5}})).await.expect(409);
    assert_eq!(more.error_code(), "INSUFFICIENT_RESOURCES");

    cluster.kubectl(&["taint", "nodes", "--all", "maintenance-"]);
    let all: Vec<String> = (cluster.get(&["nodes"])["items"].as_array().unwrap().iter())
        .map(|node| node["metadata"]["name"].as_str().unwrap().to_owned())
        .collect();
    cluster.kubectl(&[&["cordon"], &*all.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    let refused = until("the cordons are known", async || {
        let reply = real.create("second", json!({"chatbot": 5})).await;
        let left_out = reply.json()["error"]["details"]["nodes_left_out"][0].clone();
        (left_out["reason"] == "cordoned" && left_out["count"] == nodes).then_some(reply)
    })
    .await;
    assert_eq!(refused.status, 409);
    cluster.kubectl(&[&["uncordon"], &*all.iter().map(String::as_str).collect::<Vec<_>>()].concat());
    until("there is room again", async || {
        (real.create("second", json!({"chatbot": 5})).await.status == 201).then_some(())
    })
    .await;
    real.until_status("second", "running").await;
}

/// Namespaces whose pods a policy lets in.
fn lets_in(cluster: &ControlPlane, id: &str, policy: &str) -> Vec<String> {
    let policy = cluster.get(&["-n", &format!("ecp-ai-{id}"), "networkpolicy", policy]);
    let from = policy["spec"]["ingress"].as_array().into_iter().flatten();
    let peers = from.flat_map(|rule| rule["from"].as_array().into_iter().flatten());
    let name = |peer: &Value| {
        let labels = peer.pointer("/namespaceSelector/matchLabels")?;
        labels["kubernetes.io/metadata.name"].as_str().map(str::to_owned)
    };
    peers.filter_map(name).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exposed_tenant_is_reached_and_healing_keeps_it_so() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    let create = json!({
        "tenant_id": "open", "name": "open", "preset": "small", "exposure": "ingress",
        "service_requirements": {"chatbot": 5},
    });
    real.client.post("/api/v1/tenants/", &create).await.expect(201);
    real.until_status("open", "running").await;
    assert_eq!(names(cluster, "open", "ingresses"), ["services"]);
    assert!(lets_in(cluster, "open", "chatbot").contains(&"ingress-nginx".to_owned()));

    // Both come back, whoever takes them away, and stay.
    cluster.kubectl(&["-n", "ecp-ai-open", "delete", "ingress", "services"]);
    let patch = json!([{"op": "replace", "path": "/spec/ingress", "value": []}]).to_string();
    cluster.kubectl(&["-n", "ecp-ai-open", "patch", "networkpolicy", "chatbot", "--type=json", "-p", &patch]);
    until("both are healed", async || {
        let policy = lets_in(cluster, "open", "chatbot").contains(&"ingress-nginx".to_owned());
        (policy && names(cluster, "open", "ingresses") == ["services"]).then_some(())
    })
    .await;

    // Routes are skipped where the cluster does not know them, and said to be.
    real.client.put("/api/v1/tenants/open", &json!({"exposure": "gateway"})).await.expect(200);
    let status = real.until_status("open", "running").await;
    assert_eq!(names(cluster, "open", "ingresses"), Vec::<String>::new());
    assert!(!lets_in(cluster, "open", "chatbot").contains(&"ingress-nginx".to_owned()));
    assert!(lets_in(cluster, "open", "chatbot").contains(&"gateway-system".to_owned()));
    let objects = status["created_resources"].as_array().unwrap();
    let route = objects.iter().find(|object| object["type"] == "HTTPRoute").expect("the route is listed");
    if route["status"] == "Skipped" {
        assert!(status.to_string().contains("Gateway API"), "{status}");
        cluster.apply(ROUTES);
        until("the route is there", async || {
            let route = cluster.try_kubectl(&["-n", "ecp-ai-open", "get", "httproute", "chatbot"]);
            route.is_ok().then_some(())
        })
        .await;
    }
    let route = cluster.get(&["-n", "ecp-ai-open", "httproute", "chatbot"]);
    assert_eq!(route["spec"]["hostnames"], json!(["chatbot.open.ecp-ai.internal"]));
    cluster.kubectl(&["-n", "ecp-ai-open", "delete", "httproute", "chatbot"]);
    until("the route is healed", async || {
        cluster.try_kubectl(&["-n", "ecp-ai-open", "get", "httproute", "chatbot"]).ok()
    })
    .await;
    real.delete_and_wait("open").await;
}

/// A server on the cluster with the embedded catalog, each of these texts in it replaced.
async fn with_catalog(cluster: &ControlPlane, edits: &[(&str, &str)]) -> Real {
    let catalog = edits.iter().fold(EMBEDDED.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    });
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("catalog.toml");
    std::fs::write(&path, catalog).unwrap();
    let (kubeconfig, catalog) =
        (cluster.kubeconfig().to_str().unwrap().to_owned(), path.to_str().unwrap().to_owned());
    let server = TestServer::builder()
        .configure(|config| (config.kubeconfig, config.catalog) = (kubeconfig, catalog))
        .folder(folder);
    Real::started(server).await
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_and_services_of_the_platform_are_let_through_told_to_pods_and_healed() {
    let cluster = ControlPlane::shared();
    let callers = "callers = [{ namespace = \"crm\", services = [\"chatbot\"] }]\n";
    let platform = "platform_services = [{ name = \"nlp\", address = \"nlp.platform.svc\", port = 80, \
                    pod_port = 8080 }]\n";
    let real =
        with_catalog(cluster, &[("callers = []\n", callers), ("platform_services = []\n", platform)]).await;
    real.create("reaching", json!({"chatbot": 5, "ta": 5})).await.expect(201);
    real.until_status("reaching", "running").await;
    let lets_crm = |policy: &str| lets_in(cluster, "reaching", policy).contains(&"crm".to_owned());
    assert!(lets_crm("chatbot") && !lets_crm("ta"));
    let lets_out = |policy: &str| {
        let policy = cluster.get(&["-n", "ecp-ai-reaching", "networkpolicy", policy]);
        let rules = policy["spec"]["egress"].as_array().cloned().unwrap_or_default();
        rules.iter().any(|rule| {
            rule["ports"][0]["port"] == 8080
                && rule["to"][0].to_string().contains("\"kubernetes.io/metadata.name\":\"platform\"")
        })
    };
    assert!(lets_out("chatbot") && lets_out("ta"));
    let settings = || cluster.get(&["-n", "ecp-ai-reaching", "configmap", "service-config"])["data"].clone();
    assert_eq!(settings()["NLP_URL"], "http://nlp.platform.svc:80");
    let deployment = cluster.get(&["-n", "ecp-ai-reaching", "deployment", "chatbot"]);
    let from = &deployment["spec"]["template"]["spec"]["containers"][0]["envFrom"];
    assert!(from.to_string().contains("service-config"), "{from}");

    for path in ["/spec/ingress", "/spec/egress"] {
        let patch = json!([{"op": "replace", "path": path, "value": []}]).to_string();
        let patch =
            ["-n", "ecp-ai-reaching", "patch", "networkpolicy", "chatbot", "--type=json", "-p", &patch];
        cluster.kubectl(&patch);
    }
    cluster.kubectl(&["-n", "ecp-ai-reaching", "delete", "configmap", "service-config"]);
    until("all of it is healed", async || {
        let settings = cluster.try_kubectl(&["-n", "ecp-ai-reaching", "get", "configmap", "service-config"]);
        (settings.is_ok() && lets_crm("chatbot") && lets_out("chatbot")).then_some(())
    })
    .await;
    assert_eq!(settings()["NLP_PORT"], "80");
    real.delete_and_wait("reaching").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn gpus_of_another_type_nodes_that_are_too_small_and_storage_that_is_given_away_are_no_room() {
    let nodes = tempfile::NamedTempFile::new().unwrap();
    let kinds = "cpu 2 32 64Gi 100 0 - 0\ngpu-t4 1 32 64Gi 100 1 Tesla-T4 15360\n\
                 gpu-v100 1 32 64Gi 100 8 Tesla-V100-SXM2-32GB 32768\n";
    std::fs::write(nodes.path(), kinds).unwrap();
    let cluster = ControlPlane::start_with("types", &["--nodes", nodes.path().to_str().unwrap()]);
    let selectors = "[kubernetes.nodes.gpu_selectors]\nt4 = { \"nvidia.com/gpu.product\" = \"Tesla-T4\" }\n\
                     v100 = { \"nvidia.com/gpu.product\" = \"Tesla-V100-SXM2-32GB\" }\n";
    let edits = [
        ("[kubernetes.nodes.gpu_selectors]\n", selectors),
        ("storage_capacity_gb = 0", "storage_capacity_gb = 600"),
    ];
    let real = with_catalog(&cluster, &edits).await;
    let short = |reply: &Reply| reply.json()["error"]["details"]["short"][0]["resource"].clone();
    let demand = |id: &str, preset: &str, services: Value| json!({"tenant_id": id, "name": id, "preset": preset, "service_requirements": services});
    // One T4 is there and eight GPUs of another type: two T4s are not.
    let two = demand("types", "small", json!({"callbot": 5}));
    let sized = real.client.post("/api/v1/tenants/calculate-resources", &two).await.expect(200).json();
    assert_eq!(sized["gpu_type"], "t4", "{sized}");
    let refused = real.client.post("/api/v1/tenants/", &two).await.expect(409);
    assert_eq!((refused.error_code(), short(&refused)), (json!("INSUFFICIENT_RESOURCES"), json!("gpu")));

    // Storage is promised once.
    let body = |id: &str| demand(id, "micro", json!({"ta": 5}));
    let mut taken = Vec::new();
    let refused = loop {
        let id = format!("stored-{}", taken.len());
        let reply = real.client.post("/api/v1/tenants/", &body(&id)).await;
        if reply.status != 201 {
            break reply.expect(409);
        }
        taken.push(id);
        assert!(taken.len() < 10, "600 GB are never given away");
    };
    assert!(!taken.is_empty());
    assert_eq!(short(&refused), "storage", "{}", refused.text);
}

/// HTTPRoute as far as the API server must know it.
const ROUTES: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: httproutes.gateway.networking.k8s.io
  annotations: {api-approved.kubernetes.io: "unapproved, for a test"}
spec:
  group: gateway.networking.k8s.io
  scope: Namespaced
  names: {kind: HTTPRoute, listKind: HTTPRouteList, plural: httproutes, singular: httproute}
  versions:
  - name: v1
    served: true
    storage: true
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
"#;
