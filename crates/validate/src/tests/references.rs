//! References between objects, names and namespaces.

use super::{GOOD, broken, check, finds, listed};

#[test]
fn a_selector_agrees_with_the_labels_of_its_own_template() {
    broken(
        "    matchLabels:\n      app: callbot\n  template",
        "    matchLabels:\n      app: other\n  template",
        &[("error selector.template", "spec.selector", "  selector:\n    matchLabels:\n      app: other")],
    );
    broken(
        "  selector:\n    matchLabels:\n      app: callbot\n  template",
        "  selector: {}\n  template",
        &[("error selector.empty", "spec.selector", "@")],
    );
}

#[test]
fn a_selector_that_takes_no_pod_is_an_error() {
    broken(
        "  selector:\n    app: callbot\n  ports",
        "  selector:\n    app: nobody\n  ports",
        &[("warning selector.nothing", "spec.selector", "@")],
    );
    broken(
        "  selector:\n    matchLabels:\n      tier: front",
        "  selector:\n    matchLabels:\n      tier: back",
        &[("warning selector.nothing", "spec.selector", "@")],
    );
    broken(
        "  podSelector:\n    matchExpressions:\n    - key: app\n      operator: In",
        "  podSelector:\n    matchExpressions:\n    - key: app\n      operator: NotIn",
        &[("warning selector.policy_nothing", "spec.podSelector", "@")],
    );
}

#[test]
fn a_service_leads_to_a_port_that_its_pods_expose() {
    let path = "spec.ports[0].targetPort";
    broken("targetPort: 8080", "targetPort: 9090", &[("warning service.target_port", path, "@")]);
    broken("targetPort: 8080", "targetPort: grpc", &[("warning service.target_port", path, "@")]);
    broken("targetPort: 8080", "targetPort: http", &[]);
}

#[test]
fn the_ports_of_a_service_are_told_apart() {
    broken(
        "    targetPort: 8080\n",
        "    targetPort: 8080\n  - port: 81\n    targetPort: 8080\n",
        &[("error service.unnamed_port", "spec.ports[1].name", "- port: 81")],
    );
    broken(
        "    targetPort: 8080\n",
        "    targetPort: 8080\n  - name: web\n    port: 80 # again\n    targetPort: 8080\n",
        &[
            ("error service.duplicate_port", "spec.ports[1].name", "  - name: web\n    port: 80 # again"),
            ("error service.duplicate_port", "spec.ports[1].port", "# again"),
        ],
    );
    broken(
        "spec:\n  selector:\n    app: callbot\n  ports:\n  - name: web\n    port: 80\n    targetPort: 8080\n",
        "spec:\n  selector:\n    app: callbot\n",
        &[
            ("error schema.missing_field", "spec.ports", "@"),
            (
                "error reference.service_port",
                "spec.rules[0].http.paths[0].backend.service.port.name",
                "              name: web",
            ),
            ("error reference.monitor_port", "spec.endpoints[0].port", "port: web"),
        ],
    );
}

#[test]
fn an_ingress_leads_to_a_service_and_port_of_the_manifest() {
    let backend = "spec.rules[0].http.paths[0].backend.service";
    broken(
        "            name: callbot-service",
        "            name: chatbot-service",
        &[("warning reference.missing", &format!("{backend}.name"), "@")],
    );
    broken(
        "              name: web",
        "              number: 81",
        &[("error reference.service_port", &format!("{backend}.port.number"), "@")],
    );
    broken("              name: web", "              number: 80", &[]);
    broken(
        "  rules:\n  - host",
        "  tls: [{secretName: cert}]\n  rules:\n  - host",
        &[("warning reference.outside", "spec.tls[0].secretName", "cert")],
    );
}

#[test]
fn an_autoscaler_scales_a_workload_of_the_manifest() {
    broken(
        "    kind: Deployment\n    name: callbot",
        "    kind: Deployment\n    name: chatbot",
        &[("warning reference.missing", "spec.scaleTargetRef.name", "name: chatbot")],
    );
    broken("minReplicas: 2", "minReplicas: 7", &[("error autoscaler.range", "spec.minReplicas", "@")]);
    broken(
        "      name: cpu",
        "      name: disk",
        &[("warning autoscaler.no_request", "spec.metrics[0].resource.name", "@")],
    );
}

#[test]
fn a_budget_has_one_bound() {
    broken(
        "  maxUnavailable: 1",
        "  minAvailable: 1\n  maxUnavailable: 1",
        &[("error rule.not_both", "spec.maxUnavailable", "maxUnavailable")],
    );
}

#[test]
fn a_monitor_finds_services_and_their_ports() {
    broken(
        "    matchLabels:\n      app: callbot\n  endpoints",
        "    matchLabels:\n      app: nobody\n  endpoints",
        &[(
            "warning selector.no_service",
            "spec.selector",
            "  selector:\n    matchLabels:\n      app: nobody",
        )],
    );
    broken("port: web", "port: metrics", &[("error reference.monitor_port", "spec.endpoints[0].port", "@")]);
}

#[test]
fn what_may_exist_outside_is_a_warning_once_and_nothing_where_optional() {
    let container = "spec.template.spec.containers[0]";
    broken(
        "              name: keys",
        "              name: other-keys",
        &[("warning reference.outside", &format!("{container}.env[1].valueFrom.secretKeyRef.name"), "@")],
    );
    broken("              name: keys", "              name: other-keys\n              optional: true", &[]);
    broken(
        "          name: settings\n---",
        "          name: other-settings\n---",
        &[("warning reference.outside", "spec.template.spec.volumes[0].configMap.name", "@")],
    );
    broken(
        "serviceAccountName: runner",
        "serviceAccountName: walker",
        &[("warning reference.outside", "spec.template.spec.serviceAccountName", "@")],
    );
    let twice = GOOD.replace(
        "        - name: TENANT_ID\n          value: \"acme\"\n",
        "        - name: A\n          valueFrom: {configMapKeyRef: {name: none, key: a}}\n        - name: B\n          valueFrom: {configMapKeyRef: {name: none, key: b}}\n",
    );
    assert_eq!(listed(&check(&twice)).len(), 1);
}

#[test]
fn a_key_that_its_own_secret_lacks_is_an_error() {
    broken(
        "              key: TOKEN",
        "              key: TOKENS",
        &[("error reference.key", "spec.template.spec.containers[0].env[1].valueFrom.secretKeyRef.key", "@")],
    );
}

#[test]
fn an_object_stands_once() {
    let text = format!(
        "{GOOD}---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  namespace: ecp-ai-acme\n  name: settings # again\n"
    );
    finds(&text, &[("warning object.duplicate", "metadata.name", "# again")]);
}

#[test]
fn an_object_has_a_name() {
    broken(
        "metadata:\n  name: rules\n",
        "metadata:\n",
        &[("error schema.missing_field", "metadata.name", "@")],
    );
}

#[test]
fn an_object_lives_in_its_tenants_namespace() {
    broken(
        "  name: rules\n  namespace: ecp-ai-acme",
        "  name: rules\n  namespace: ecp-ai-other",
        &[("error namespace.other", "metadata.namespace", "ecp-ai-other")],
    );
    broken(
        "metadata:\n  name: rules\n  namespace: ecp-ai-acme\n",
        "metadata:\n  name: rules\n",
        &[("warning namespace.missing", "metadata.namespace", "@")],
    );
    broken(
        "  name: ecp-ai-acme\n  labels:\n    ecp.ai/tenant: \"acme\"",
        "  name: ecp-ai-other\n  labels:\n    ecp.ai/tenant: \"acme\"",
        &[("error namespace.other", "metadata.name", "@")],
    );
}

#[test]
fn a_namespace_of_its_own_that_the_manifest_declares_is_a_warning() {
    let text = GOOD.replace("ecp-ai-acme", "acme-production");
    finds(
        &text,
        &[("warning namespace.custom", "metadata.name", "name: acme-production\n  labels:\n    ecp")],
    );
    let reserved = GOOD.replace("ecp-ai-acme", "kube-system");
    let errors = check(&reserved).errors;
    assert!(errors.len() > 10 && errors.iter().all(|finding| finding.code == "namespace.other"));
}

#[test]
fn what_belongs_to_the_whole_cluster_is_refused() {
    for (version, kind) in [
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        ("v1", "Node"),
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
    ] {
        let text = format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: a\n");
        let found = listed(&check(&text));
        assert!(
            found.contains(&("error namespace.cluster_scoped".to_owned(), "kind".to_owned(), 2)),
            "{found:?}"
        );
    }
}
