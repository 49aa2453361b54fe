//! Under the role that the orchestrator is installed with, and no other.

use super::{Real, namespace_exists, until};
use ecp_testkit::ControlPlane;
use serde_json::json;

const MANIFEST: &str = include_str!("../../../../deploy/manifests/ecp-orchestrator.yaml");
const ACCOUNT: &str = "system:serviceaccount:ecp-system:ecp-orchestrator";

/// A kubeconfig for the orchestrator's service account.
fn kubeconfig(cluster: &ControlPlane) -> tempfile::NamedTempFile {
    let admin = cluster.kubeconfig().to_str().unwrap().to_owned();
    let server =
        cluster.kubectl(&["config", "view", "--raw", "-o", "jsonpath={.clusters[0].cluster.server}"]);
    let token = cluster.kubectl(&["-n", "ecp-system", "create", "token", "ecp-orchestrator"]);
    let config = std::fs::read_to_string(&admin).unwrap();
    let authority = config
        .lines()
        .find(|line| line.contains("certificate-authority") || line.contains("insecure-skip-tls-verify"))
        .unwrap_or_else(|| panic!("no way to trust the server in {admin}"));
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: role\nclusters:\n- name: here\n  cluster:\n    \
         {}\n    server: {}\ncontexts:\n- name: role\n  context: {{cluster: here, user: role}}\nusers:\n\
         - name: role\n  user:\n    token: {}\n",
        authority.trim().trim_start_matches("- "),
        server.trim(),
        token.trim()
    );
    std::fs::write(file.path(), text).unwrap();
    file
}

#[tokio::test(flavor = "multi_thread")]
async fn the_role_that_is_installed_is_enough_and_no_more() {
    let cluster = ControlPlane::start("role");
    cluster.apply(MANIFEST);
    let kubeconfig = kubeconfig(&cluster);
    let real = Real::on(kubeconfig.path()).await;
    real.create("role", json!({"chatbot": 5})).await.expect(201);
    real.until_status("role", "running").await;
    real.client
        .put("/api/v1/tenants/role", &json!({"service_requirements": {"callbot": 2}}))
        .await
        .expect(200);
    real.until_status("role", "running").await;
    real.client.delete("/api/v1/tenants/role?force=true").await.expect(200);
    until("the tenant is gone", async || {
        (real.client.get("/api/v1/tenants/role").await.status == 404).then_some(())
    })
    .await;
    assert!(!namespace_exists(&cluster, "role"));

    for (verb, what) in [
        ("create", "pods --subresource=exec"),
        ("get", "pods --subresource=log"),
        ("create", "clusterroles"),
        ("create", "clusterrolebindings"),
        ("create", "pods"),
        ("delete", "nodes"),
        ("patch", "nodes"),
        ("impersonate", "users"),
        ("create", "serviceaccounts --subresource=token"),
        ("update", "deployments"),
    ] {
        let mut args = vec!["auth", "can-i", verb];
        args.extend(what.split(' '));
        args.extend(["--as", ACCOUNT, "-A"]);
        let may = cluster.try_kubectl(&args);
        assert!(may.is_err(), "{verb} {what}: {may:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_orchestrator_s_own_pod_passes_the_restricted_standard() {
    let cluster = ControlPlane::shared();
    // The namespace of the manifest enforces the standard; a Deployment's own pods are only warned of.
    cluster.apply(MANIFEST);
    until("its pod is let in", async || {
        let pods = cluster.get(&["-n", "ecp-system", "pods"]);
        (!pods["items"].as_array().unwrap().is_empty()).then_some(())
    })
    .await;
}
