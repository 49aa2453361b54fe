//! Under the role that the orchestrator is installed with, and no other.

use super::{Real, namespace_exists, until, until_answering, until_gone};
use ecp_core::access::Role;
use ecp_core::ids::TenantId;
use ecp_core::ports::SystemClock;
use ecp_store::{AccessStore, NewToken};
use ecp_testkit::{Client, ControlPlane, Reply, TestServer};
use serde_json::{Value, json};
use std::sync::Arc;

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
    until_gone(&real.client, "role").await;
    assert!(!namespace_exists(&cluster, "role"));

    // What the role would allow anywhere, the policy allows in tenants' namespaces alone.
    let as_us = |args: &[&str]| {
        let path = kubeconfig.path().to_str().unwrap();
        cluster.try_kubectl(&[&["--kubeconfig", path], args].concat())
    };
    cluster.kubectl(&["create", "namespace", "ecp-ai-own"]);
    cluster.kubectl(&["create", "namespace", "others"]);
    cluster.kubectl(&["-n", "others", "create", "configmap", "theirs"]);
    let token = |namespace: &str| {
        let file = tempfile::NamedTempFile::new().unwrap();
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/service-account-token",
            "metadata": {
                "name": "minted", "namespace": namespace,
                "annotations": {"kubernetes.io/service-account.name": "default"},
            },
        });
        std::fs::write(file.path(), secret.to_string()).unwrap();
        as_us(&["create", "-f", file.path().to_str().unwrap()])
    };
    let refused = |what: &str, answer: Result<String, String>, why: &str| {
        let error = answer.expect_err(what);
        assert!(error.contains("ValidatingAdmissionPolicy") && error.contains(why), "{what}: {error}");
    };
    refused("a token in kube-system", token("kube-system"), "ecp-ai-");
    refused("a token of a tenant", token("ecp-ai-own"), "tokens of service accounts");
    for (what, args) in [
        ("a namespace", &["create", "namespace", "mine"] as &[_]),
        ("another's namespace", &["delete", "namespace", "others"]),
        ("a part of the cluster", &["label", "namespace", "kube-public", "mine=yes"]),
        ("a configuration", &["-n", "kube-system", "create", "configmap", "x"]),
        ("another's configuration", &["-n", "others", "delete", "configmap", "theirs"]),
        ("a deployment", &["-n", "default", "create", "deployment", "x", "--image=x"]),
        ("its own namespace", &["-n", "ecp-system", "create", "secret", "generic", "x"]),
    ] {
        refused(what, as_us(args), "ecp-ai-");
    }
    let label = "pod-security.kubernetes.io/enforce=privileged";
    refused("a lax namespace", as_us(&["label", "namespace", "ecp-ai-own", label]), "restricted");
    refused(
        "a pod without bounds",
        as_us(&["-n", "ecp-ai-own", "create", "deployment", "x", "--image=x"]),
        "no privileges",
    );
    as_us(&["-n", "ecp-ai-own", "create", "configmap", "ours"]).unwrap();
    as_us(&["delete", "namespace", "ecp-ai-own", "--wait=false"]).unwrap();
    // Others are not confined by it.
    cluster.kubectl(&["-n", "kube-system", "create", "configmap", "admins"]);

    for (verb, what) in [
        ("create", "pods --subresource=exec"),
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

/// A Deployment of a tenant's namespace as it can not be: what is there has another selector, which is fixed.
fn conflicting(namespace: &str) -> Value {
    let manifest = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chatbot", "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": {"app": "other"}},
            "template": {
                "metadata": {"labels": {"app": "other"}},
                "spec": {"containers": [{"name": "a", "image": "a:1"}]},
            },
        },
    });
    json!({"manifest_content": manifest.to_string()})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_some_tenants_learns_nothing_of_others_from_the_cluster() {
    let cluster = ControlPlane::shared();
    let kubeconfig = cluster.kubeconfig().to_str().unwrap().to_owned();
    let server =
        TestServer::builder().tokens().configure(|config| config.kubeconfig = kubeconfig).start().await;
    let tokens = AccessStore::open(&server.file("access.db"), Arc::new(SystemClock)).unwrap();
    let client = |name: &str, role, tenants: Option<&[&str]>| {
        let tenants = tenants.map(|ids| ids.iter().map(|id| TenantId::parse(id).unwrap()).collect());
        let new = NewToken { name: name.to_owned(), role, tenants, expires_at: None };
        let (_, secret) = tokens.create_token(new).unwrap();
        server.client().real().with_token(secret.expose())
    };
    let admin = client("admin", Role::Admin, None);
    until_answering(&admin).await;
    for id in ["sideways-own", "sideways-other"] {
        let body = json!({
            "tenant_id": id, "name": id, "preset": "small", "service_requirements": {"chatbot": 5},
        });
        admin.post("/api/v1/tenants/", &body).await.expect(201);
        until(&format!("{id} runs"), async || {
            let detail = admin.get(&format!("/api/v1/tenants/{id}")).await.expect(200).json();
            (detail["status"] == "running").then_some(())
        })
        .await;
    }
    let scoped = client("scoped", Role::Operator, Some(&["sideways-own"]));

    // The cluster is asked of what the token covers, and of nothing else, there or not.
    let verdict = async |client: &Client, namespace: &str| {
        let path = "/api/v1/tenants/validate-manifest";
        client.post(path, &conflicting(namespace)).await.expect(200)
    };
    assert!(verdict(&scoped, "ecp-ai-sideways-own").await.text.contains("immutable"));
    assert!(verdict(&admin, "ecp-ai-sideways-other").await.text.contains("immutable"));
    let without_time = |reply: Reply, namespace: &str| {
        let mut verdict = reply.json();
        verdict.as_object_mut().unwrap().remove("timestamp");
        verdict.to_string().replace(namespace, "NAMESPACE")
    };
    let there = without_time(verdict(&scoped, "ecp-ai-sideways-other").await, "ecp-ai-sideways-other");
    let nowhere = without_time(verdict(&scoped, "ecp-ai-sideways-brother").await, "ecp-ai-sideways-brother");
    assert_eq!(there, nowhere);
    assert!(there.contains("cluster.not_asked"), "{there}");
    for namespace in ["default", "kube-system", "ecp-system"] {
        let said = verdict(&scoped, namespace).await.text;
        assert!(said.contains("cluster.not_asked") && !said.contains("immutable"), "{said}");
    }

    // Every other call that asks the cluster of a tenant answers as if there were none.
    for path in ["", "/events", "/logs?service=chatbot", "/deployment-status", "/manifest", "/recommendation"]
    {
        let of = async |id: &str| {
            let reply = scoped.get(&format!("/api/v1/tenants/{id}{path}")).await.expect(404);
            reply.json()["error"]["message"].to_string().replace(id, "ID")
        };
        assert_eq!(of("sideways-other").await, of("sideways-brother").await, "{path}");
    }
    for path in ["/api/v1/nodes", "/api/v1/catalog/diff", "/api/v1/overview", "/api/v1/monitoring/system"] {
        let reply = scoped.get(path).await;
        assert!(!reply.text.contains("sideways-other"), "{path}: {}", reply.text);
        assert!(reply.status == 200 || reply.status == 403, "{path}: {}", reply.text);
    }
    // Nor does it learn by a creation that somebody has the namespace.
    let body = json!({
        "tenant_id": "sideways-other", "name": "x", "preset": "small", "service_requirements": {"chatbot": 5},
    });
    scoped.post("/api/v1/tenants/", &body).await.expect(403);
    for id in ["sideways-own", "sideways-other"] {
        admin.delete(&format!("/api/v1/tenants/{id}")).await.expect(200);
        until_gone(&admin, id).await;
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
