//! Options of the catalog for newer clusters, on a real one: devices that are claimed, models from images, users
//! that mean nothing outside their pods, parts of devices by a name of their own.

use super::{Real, names, namespace_exists, until};
use ecp_core::catalog::Catalog;
use ecp_testkit::{ControlPlane, Fault, FaultProxy, Scope, TestServer};
use serde_json::{Value, json};
use std::path::Path;

const DRIVER: &str = "gpu.example.com";
const QUOTA: &str = "gpu.example.com.deviceclass.resource.k8s.io/devices";

/// A server in real mode with a catalog of its own.
async fn on(kubeconfig: &Path, change: &str) -> Real {
    let path = kubeconfig.to_str().unwrap().to_owned();
    let embedded = toml::to_string(&Catalog::embedded()).expect("a file");
    let mut catalog: toml::Table = embedded.parse().expect("a table");
    let kubernetes = catalog["kubernetes"].as_table_mut().expect("a table");
    kubernetes.extend(change.parse::<toml::Table>().expect("a table"));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("catalog.toml");
    std::fs::write(&file, catalog.to_string()).expect("it is written");
    let file = file.to_str().unwrap().to_owned();
    let configured = |config: &mut ecp_orchestrator::config::Config| {
        config.kubeconfig = path;
        config.catalog = file;
    };
    Real::started(TestServer::builder().configure(configured)).await
}

const CLAIMS: &str = r#"
gpu_allocation = "claims"
[gpu_claims]
driver = "gpu.example.com"
device_class = "gpu.example.com"
[gpu_claims.devices.t4]
selector = "device.attributes['gpu.example.com'].productName == 'Tesla T4'"
"#;

/// A class, and a pool of devices on each of these nodes.
fn devices(nodes: &[(&str, &str, usize)]) -> String {
    let class = json!({
        "apiVersion": "resource.k8s.io/v1", "kind": "DeviceClass", "metadata": {"name": DRIVER},
        "spec": {"selectors": [{"cel": {"expression": format!("device.driver == '{DRIVER}'")}}]},
    });
    let slice = |&(node, product, count): &(&str, &str, usize)| {
        let device = |number| json!({"name": format!("gpu-{number}"), "attributes": {"productName": {"string": product}}});
        json!({
            "apiVersion": "resource.k8s.io/v1", "kind": "ResourceSlice", "metadata": {"name": node},
            "spec": {
                "driver": DRIVER, "nodeName": node,
                "pool": {"name": node, "generation": 1, "resourceSliceCount": 1},
                "devices": (0..count).map(device).collect::<Vec<_>>(),
            },
        })
    };
    let items: Vec<Value> = std::iter::once(class).chain(nodes.iter().map(slice)).collect();
    json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
}

fn claims(cluster: &ControlPlane, id: &str) -> Vec<Value> {
    let list = cluster.get(&["-n", &format!("ecp-ai-{id}"), "resourceclaims"]);
    list["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn claimed_devices_are_given_counted_healed_changed_and_given_back() {
    let cluster = ControlPlane::start("claims");
    cluster.apply(&devices(&[
        ("gpu-t4-1", "Tesla T4", 2),
        ("gpu-t4-2", "Tesla T4", 1),
        ("gpu-v100-1", "Tesla V100", 4),
    ]));
    let real = on(cluster.kubeconfig(), CLAIMS).await;
    let gpus = async || {
        let overview = real.client.get("/api/v1/overview").await.expect(200).json();
        let all = overview["gpu"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|one| one["gpu_type"] == "t4").unwrap_or_default()
    };
    until("the devices are counted", async || (gpus().await["total"] == 3).then_some(())).await;

    real.create("claiming", json!({"callbot": 20})).await.expect(201);
    real.until_status("claiming", "running").await;
    let namespace = "ecp-ai-claiming";
    // Each of the two pods has a device, of the type that the selector says.
    let given = claims(&cluster, "claiming");
    assert_eq!(given.len(), 2, "{given:#?}");
    for claim in &given {
        let result = &claim["status"]["allocation"]["devices"]["results"][0];
        assert!(result["pool"].as_str().is_some_and(|pool| pool.starts_with("gpu-t4")), "{claim}");
    }
    until("the quota counts them", async || {
        let quota = cluster.get(&["-n", namespace, "resourcequota", "tenant-quota"]);
        let of_quota = [&quota["spec"]["hard"][QUOTA], &quota["status"]["used"][QUOTA]];
        (of_quota == [&json!("2"), &json!("2")]).then_some(())
    })
    .await;
    until("what is claimed is counted", async || (gpus().await["requested"] == 2).then_some(())).await;

    // One is left: another tenant with two has no room, and what is short is said.
    let refused = real.create("second", json!({"callbot": 20})).await.expect(409);
    assert_eq!(refused.error_code(), "INSUFFICIENT_RESOURCES");
    let short = refused.json()["error"]["details"]["short"].clone();
    assert_eq!((&short[0]["resource"], &short[0]["missing"]), (&json!("gpu"), &json!("1")), "{short}");

    // What is deleted or changed by hand is put back; the template keeps its name and its pods.
    let template = names(&cluster, "claiming", "resourceclaimtemplates");
    assert_eq!(template.len(), 1);
    cluster.kubectl(&["-n", namespace, "delete", "resourceclaimtemplate", &template[0]]);
    until("the template is back", async || {
        (names(&cluster, "claiming", "resourceclaimtemplates") == template).then_some(())
    })
    .await;
    cluster.kubectl(&["-n", namespace, "label", "resourceclaimtemplate", &template[0], "ecp.ai/tenant-"]);
    until("its label is back", async || {
        let one = cluster.get(&["-n", namespace, "resourceclaimtemplate", &template[0]]);
        (one["metadata"]["labels"]["ecp.ai/tenant"] == "claiming").then_some(())
    })
    .await;
    real.until_status("claiming", "running").await;
    let kept = claims(&cluster, "claiming");
    let uids =
        |claims: &[Value]| claims.iter().map(|claim| claim["metadata"]["uid"].clone()).collect::<Vec<_>>();
    assert_eq!(uids(&kept), uids(&given));

    // Without GPUs the template goes, and the devices are free again.
    let chat = json!({"service_requirements": {"callbot": 0, "stt": 2}});
    real.client.put("/api/v1/tenants/claiming", &chat).await.expect(200);
    real.until_status("claiming", "running").await;
    until("nothing is claimed", async || {
        let templates = names(&cluster, "claiming", "resourceclaimtemplates");
        (templates.is_empty() && claims(&cluster, "claiming").is_empty()).then_some(())
    })
    .await;
    until("the devices are free", async || (gpus().await["requested"] == 0).then_some(())).await;
    real.create("second", json!({"callbot": 20})).await.expect(201);
    real.until_status("second", "running").await;
    for id in ["claiming", "second"] {
        real.delete_and_wait(id).await;
        assert!(!namespace_exists(&cluster, id));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_that_does_not_serve_claims_is_said_to_be_one() {
    let cluster = ControlPlane::shared();
    let proxy = FaultProxy::start(cluster.kubeconfig());
    proxy.inject(Scope::all().path("/apis/resource.k8s.io/v1"), Fault::Status(404));
    let real = on(&proxy.kubeconfig(), CLAIMS).await;
    let refused = real.create("unserved", json!({"callbot": 5})).await.expect(409);
    assert_eq!(refused.error_code(), "INSUFFICIENT_RESOURCES");
    let left_out = refused.json()["error"]["details"]["nodes_left_out"].clone();
    assert_eq!(left_out[0]["reason"], "devices_unknown", "{left_out}");
    assert!(left_out.to_string().contains("Kubernetes 1.34"), "{left_out}");
    // Who needs none is served as ever.
    real.create("unserved", json!({"stt": 5})).await.expect(201);
    real.until_status("unserved", "running").await;
    real.delete_and_wait("unserved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn models_from_images_users_of_their_own_and_parts_of_devices_are_taken_by_the_cluster() {
    const SLICE: &str = "nvidia.com/mig-1g.10gb";
    let cluster = ControlPlane::start("newer");
    let patch = json!({"status": {
        "capacity": {SLICE: "7", "nvidia.com/gpu": "0"}, "allocatable": {SLICE: "7", "nvidia.com/gpu": "0"},
    }});
    cluster.kubectl(&[
        "patch",
        "node",
        "gpu-t4-1",
        "--subresource=status",
        "--type=merge",
        "-p",
        &patch.to_string(),
    ]);
    let change = r#"
host_users = false
[gpu_resources]
t4 = "nvidia.com/mig-1g.10gb"
[model_images.callbot]
image = "registry.example.com/models/voice:3"
path = "/models"
"#;
    let real = on(cluster.kubeconfig(), change).await;
    real.create("newer", json!({"callbot": 20})).await.expect(201);
    real.until_status("newer", "running").await;
    let pods = cluster.get(&["-n", "ecp-ai-newer", "pods"]);
    let mut slices = 0;
    for pod in pods["items"].as_array().unwrap() {
        assert_eq!(pod["spec"]["hostUsers"], false, "{pod}");
        if pod["metadata"]["labels"]["app"] == "callbot" {
            assert_eq!(pod["spec"]["nodeName"], "gpu-t4-1");
            assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"][SLICE], "1");
            let volumes = pod["spec"]["volumes"].to_string();
            assert!(volumes.contains("registry.example.com/models/voice:3"), "{volumes}");
            slices += 1;
        }
    }
    assert_eq!(slices, 2);
    // It is as it was applied: nothing of it is healed again and again.
    let trail = real.client.get("/api/v1/audit?tenant_id=newer&action=tenant.heal").await.expect(200).json();
    assert_eq!(trail["total_count"], 0, "{trail:#}");
    real.delete_and_wait("newer").await;
}
