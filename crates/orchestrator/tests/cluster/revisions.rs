//! What is in force stays in force: under a changed catalog, and after an update that was refused.

use super::{Real, names, until};
use ecp_core::catalog::EMBEDDED;
use ecp_testkit::{ControlPlane, TestServer};
use serde_json::{Value, json};
use std::time::Duration;

/// A server on the same cluster and data with another catalog.
async fn restarted(real: Real, cluster: &ControlPlane, edit: Option<(&str, &str)>) -> Real {
    let folder = real.server.stop().await;
    let path = folder.path().join("catalog.toml");
    let text = edit.map_or_else(|| EMBEDDED.to_owned(), |(from, to)| EMBEDDED.replacen(from, to, 1));
    assert!(edit.is_none() || text != EMBEDDED);
    std::fs::write(&path, text).unwrap();
    let (kubeconfig, catalog) =
        (cluster.kubeconfig().to_str().unwrap().to_owned(), path.to_str().unwrap().to_owned());
    let server = TestServer::builder()
        .configure(move |config| (config.kubeconfig, config.catalog) = (kubeconfig, catalog))
        .folder(folder);
    Real::started(server).await
}

fn chatbot(cluster: &ControlPlane, id: &str) -> (String, Value) {
    let deployment = cluster.get(&["-n", &format!("ecp-ai-{id}"), "deployment", "chatbot"]);
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    (image.as_str().unwrap().to_owned(), deployment["metadata"]["generation"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_catalog_is_rolled_out_when_it_is_asked_for_and_not_before() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("edition", json!({"chatbot": 5})).await.expect(201);
    real.until_status("edition", "running").await;
    let before = chatbot(cluster, "edition");
    assert_eq!(before.0, "ecp-ai/chatbot:latest");

    let real = restarted(real, cluster, Some(("tag = \"latest\"", "tag = \"2.0\""))).await;
    let diff = real.client.get("/api/v1/catalog/diff").await.expect(200).json();
    let ours = diff["tenants"].as_array().unwrap().iter().find(|one| one["tenant_id"] == "edition").unwrap();
    assert_eq!((&ours["in_place"], &ours["changed_keys"]), (&json!(true), &json!(["kubernetes.images.tag"])));
    // What is lost is healed to what ran: the watches and the healing are at work by then.
    cluster.kubectl(&["-n", "ecp-ai-edition", "delete", "service", "chatbot-service"]);
    until("the service is back", async || {
        names(cluster, "edition", "services").contains(&"chatbot-service".to_owned()).then_some(())
    })
    .await;
    assert_eq!(chatbot(cluster, "edition"), before, "nothing was rolled out");

    let body = json!({"tenants": ["edition"]});
    let started = real.client.post("/api/v1/catalog/rollout", &body).await.expect(200).json();
    assert_eq!(started["started"][0]["tenant_id"], "edition", "{started:#}");
    real.until_status("edition", "running").await;
    assert_eq!(chatbot(cluster, "edition").0, "ecp-ai/chatbot:2.0");
    let audit = real.client.get("/api/v1/audit?tenant_id=edition&limit=100").await.expect(200).json();
    let entries = audit["entries"].as_array().unwrap();
    for heal in entries.iter().filter(|entry| entry["action"] == "tenant.heal") {
        assert!(heal["before"].as_array().unwrap().iter().all(|one| one["missing"] == true), "{heal:#}");
    }

    // A volume's size is fixed: refused, and nothing is touched.
    let real = restarted(real, cluster, Some(("storage_gib = 1\n", "storage_gib = 9\n"))).await;
    let now = chatbot(cluster, "edition");
    let refused = real.client.put("/api/v1/tenants/edition", &json!({"name": "Other"})).await.expect(409);
    assert_eq!(refused.error_code(), "CONFLICT");
    assert_eq!(refused.json()["error"]["details"]["immutable"][0]["field"], "/spec/volumeClaimTemplates");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(chatbot(cluster, "edition"), now);
    real.until_status("edition", "running").await;
    real.delete_and_wait("edition").await;
}

/// Refuses Deployments named advisor in the namespace of the test.
const POLICY: &str = r#"
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicy
metadata: {name: no-advisor}
spec:
  failurePolicy: Fail
  matchConstraints:
    resourceRules:
    - {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments]}
    namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: ecp-ai-refused}}
  validations:
  - {expression: "object.metadata.name != 'advisor'", message: no advisor here}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingAdmissionPolicyBinding
metadata: {name: no-advisor}
spec: {policyName: no-advisor, validationActions: [Deny]}
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_healed_after_an_update_that_the_cluster_refused_also_after_a_restart() {
    let cluster = ControlPlane::shared();
    let real = Real::on(cluster.kubeconfig()).await;
    real.create("refused", json!({"chatbot": 5})).await.expect(201);
    real.until_status("refused", "running").await;
    cluster.apply(POLICY);
    until("the policy is in force", async || {
        let tried =
            ["-n", "ecp-ai-refused", "create", "deployment", "advisor", "--image=a", "--dry-run=server"];
        cluster.try_kubectl(&tried).err().filter(|said| said.contains("no advisor here")).map(|_| ())
    })
    .await;
    let change = json!({"service_requirements": {"advisor": 5}});
    real.client.put("/api/v1/tenants/refused", &change).await.expect(200);
    let failed = real.until_status("refused", "failed").await;
    assert!(failed["failure"]["message"].as_str().unwrap().contains("no advisor here"), "{failed:#}");

    let mut real = real;
    for restart in [false, true] {
        if restart {
            real = restarted(real, cluster, None).await;
        }
        let namespace = ["-n", "ecp-ai-refused", "delete"];
        cluster.kubectl(&[&namespace[..], &["deployment", "chatbot", "--wait=false"]].concat());
        cluster.kubectl(&[&namespace[..], &["networkpolicy", "default-deny"]].concat());
        until("what ran is back", async || {
            let there = names(cluster, "refused", "deployments").contains(&"chatbot".to_owned())
                && names(cluster, "refused", "networkpolicies").contains(&"default-deny".to_owned());
            there.then_some(())
        })
        .await;
        assert!(!names(cluster, "refused", "deployments").contains(&"advisor".to_owned()));
        assert_eq!(real.status("refused").await["status"], "failed");
    }
    // To go back is to make what ran the tenant's specification again.
    real.client.post("/api/v1/tenants/refused/rollback", &json!({})).await.expect(200);
    real.until_status("refused", "running").await;
    let delete = ["delete", "validatingadmissionpolicy,validatingadmissionpolicybinding", "no-advisor"];
    cluster.kubectl(&delete);
    real.delete_and_wait("refused").await;
}
