//! What running pods use, as the cluster's metrics API tells it.

use super::{Real, until};
use ecp_core::quantity::parse_quantity;
use ecp_testkit::ControlPlane;
use serde_json::{Value, json};

/// Sums an amount over the containers of all pods, in thousandths.
fn sum(pods: &Value, containers: &str, amount: &str) -> u128 {
    let pods = pods["items"].as_array().unwrap().iter();
    let all = pods.flat_map(|pod| pod.pointer(containers).and_then(Value::as_array).into_iter().flatten());
    all.filter_map(|one| parse_quantity(one.pointer(amount)?.as_str()?)).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_pods_use_is_collected_from_the_metrics_api() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("usage", json!({"chatbot": 5})).await.expect(201);
    real.until_status("usage", "running").await;
    let namespace = "ecp-ai-usage";
    let pods = cluster.get(&["-n", namespace, "pods"]);
    // The metrics server has to look at new pods twice.
    let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{namespace}/pods");
    let used = until("the metrics API knows every pod", async || {
        let told = cluster.try_kubectl(&["get", "--raw", &path]).ok()?;
        let told: Value = serde_json::from_str(&told).unwrap();
        let all = told["items"].as_array()?.len() == pods["items"].as_array()?.len();
        all.then_some(told)
    })
    .await;
    for (metric, amount) in [("cpu", "cpu"), ("memory", "memory")] {
        let used = sum(&used, "/containers", &format!("/usage/{amount}")) as f64;
        let limit = sum(&pods, "/spec/containers", &format!("/resources/limits/{amount}")) as f64;
        let expected = 100.0 * used / limit;
        let path = format!("/api/v1/tenants/usage/monitoring?metric_type={metric}&hours=1");
        // Use is measured again and again, first perhaps of those pods that are known by then, so the two need
        // not be of the same moment.
        until(&format!("{metric} is collected, near {expected}"), async || {
            let body = real.client.get(&path).await.expect(200).json();
            let collected = body["summary"][format!("max_{metric}")].as_f64()?;
            ((collected / expected - 1.0).abs() < 0.25).then_some(())
        })
        .await;
    }
    real.delete_and_wait("usage").await;
}
