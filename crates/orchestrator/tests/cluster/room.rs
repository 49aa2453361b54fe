//! Where a tenant's pods can go, and how its services are reached, on a real cluster.

use super::{Real, names, until};
use ecp_testkit::ControlPlane;
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
