//! Containers, probes and privilege.

use super::broken;

const POD: &str = "spec.template.spec";

fn container(field: &str) -> String {
    format!("{POD}.containers[0].{field}")
}

#[test]
fn floating_tags_are_a_warning_and_a_digest_is_not() {
    let image = container("image");
    let digest = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    broken("callbot:1.51.0", "callbot:latest", &[("warning image.floating", &image, "@")]);
    broken("callbot:1.51.0", "callbot", &[("warning image.floating", &image, "@")]);
    broken("callbot:1.51.0", &format!("callbot:latest@sha256:{digest}"), &[]);
}

#[test]
fn a_liveness_probe_shorter_than_recommended_is_a_warning() {
    let period = container("livenessProbe.periodSeconds");
    broken("periodSeconds: 10", "periodSeconds: 3", &[("warning probe.liveness_short", &period, "@")]);
    broken(
        "periodSeconds: 10",
        "failureThreshold: 1",
        &[("warning probe.liveness_short", &container("livenessProbe.failureThreshold"), "@")],
    );
    let text = super::GOOD.replace("periodSeconds: 10", "periodSeconds: 3");
    let printed = super::check(&text).warnings[0].render(ecp_core::text::Language::Ko);
    assert!(printed.starts_with("Liveness probe 설정이 권장값보다 짧습니다"), "{printed}");
}

#[test]
fn missing_probes_are_warnings() {
    broken(
        "        readinessProbe:\n          httpGet:\n            path: /ready\n            port: http\n          periodSeconds: 5\n",
        "",
        &[(
            "warning probe.no_readiness",
            &container("readinessProbe"),
            "      - name: callbot\n        image",
        )],
    );
}

#[test]
fn a_probe_asks_a_port_that_the_container_exposes() {
    broken(
        "port: http\n",
        "port: web\n",
        &[("warning probe.port", &container("readinessProbe.httpGet.port"), "@")],
    );
    broken(
        "path: /health\n            port: 8080",
        "path: /health\n            port: 9090",
        &[("warning probe.port", &container("livenessProbe.httpGet.port"), "port: 9090")],
    );
}

#[test]
fn a_probe_has_one_handler() {
    broken(
        "          periodSeconds: 10",
        "          exec: {command: [\"true\"]}\n          periodSeconds: 10",
        &[("error probe.handler", &container("livenessProbe.exec"), "          exec:")],
    );
    broken(
        "          initialDelaySeconds: 30",
        "          successThreshold: 2",
        &[("error probe.success_threshold", &container("livenessProbe.successThreshold"), "@")],
    );
}

#[test]
fn limits_that_are_missing_are_a_warning() {
    broken(
        "            cpu: 2000m\n            memory: 4Gi\n            nvidia",
        "            nvidia",
        &[("warning resources.no_limits", &container("resources.limits"), "          limits:\n")],
    );
}

#[test]
fn a_limit_range_stands_in_for_limits() {
    let range = "apiVersion: v1\nkind: LimitRange\nmetadata:\n  name: d\n  namespace: ecp-ai-acme\nspec:\n  limits:\n  - type: Container\n    default: {cpu: 500m, memory: 1Gi}\n---\n";
    let text = format!("{range}{}", super::GOOD.replace("            cpu: 2000m\n", ""));
    let outcome = super::check(&text);
    assert_eq!(super::listed(&outcome), []);
    assert_eq!(outcome.summary.total.cpu_millicores, 1500);
}

#[test]
fn requests_stay_within_limits() {
    let requests = |name: &str| container(&format!("resources.requests{name}"));
    broken("cpu: 200m", "cpu: 2500m", &[("error resources.request_over_limit", &requests(".cpu"), "@")]);
    broken(
        "memory: 512Mi\n            nvidia.com/gpu: \"1\"",
        "memory: 512Mi\n            nvidia.com/gpu: \"2\"",
        &[("error resources.gpu_mismatch", &requests("[\"nvidia.com/gpu\"]"), "nvidia.com/gpu: \"2\"")],
    );
    broken(
        "memory: 4Gi\n            nvidia.com/gpu: \"1\"",
        "memory: 4Gi",
        &[("error resources.extended_limit", &requests("[\"nvidia.com/gpu\"]"), "nvidia.com/gpu")],
    );
    broken("cpu: 200m", "cpu: -200m", &[("error resources.negative", &requests(".cpu"), "@")]);
    broken("cpu: 200m", "cpus: 200m", &[("error resources.unknown", &requests(".cpus"), "@")]);
    broken(
        "cpu: 200m\n            memory: 512Mi\n            nvidia.com/gpu: \"1\"\n          limits:\n            cpu: 2000m\n            memory: 4Gi\n            nvidia.com/gpu: \"1\"",
        "cpu: 200m\n          limits:\n            cpu: 2000m\n            memory: 4Gi\n            nvidia.com/gpu: 500m",
        &[("error resources.fraction", &container("resources.limits[\"nvidia.com/gpu\"]"), "500m")],
    );
}

#[test]
fn privilege_over_the_node_is_an_error() {
    let place = "      serviceAccountName: runner";
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        broken(
            place,
            &format!("      {field}: true\n{place}"),
            &[("error privilege.host", &format!("{POD}.{field}"), "@")],
        );
    }
    broken(
        "      - name: settings\n        configMap:\n          name: settings",
        "      - name: settings\n        hostPath:\n          path: /etc",
        &[("error privilege.host_path", &format!("{POD}.volumes[0].hostPath"), "hostPath")],
    );
    broken(
        "          containerPort: 8080",
        "          hostPort: 8080\n          containerPort: 8080",
        &[("error privilege.host_port", &container("ports[0].hostPort"), "@")],
    );
    broken(
        "          allowPrivilegeEscalation: false",
        "          privileged: true\n          allowPrivilegeEscalation: false",
        &[
            ("error privilege.privileged", &container("securityContext.privileged"), "@"),
            ("error rule.forbidden", &container("securityContext.privileged"), "@"),
        ],
    );
}

#[test]
fn lesser_privilege_is_a_warning() {
    let spec = "    spec:\n      serviceAccountName";
    broken(
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: true",
        &[("warning privilege.not_restricted", POD, spec)],
    );
    broken("runAsNonRoot: true", "runAsUser: 0", &[("warning privilege.not_restricted", POD, spec)]);
    broken(
        "            drop: [ALL]",
        "            drop: [ALL]\n            add: [SYS_ADMIN]",
        &[("warning privilege.capability", &container("securityContext.capabilities.add[0]"), "SYS_ADMIN")],
    );
}

#[test]
fn a_pod_that_its_own_namespace_refuses_is_an_error() {
    let enforced = super::GOOD
        .replace("    ecp.ai/tenant: \"acme\"\n", "    pod-security.kubernetes.io/enforce: restricted\n")
        .replace("runAsNonRoot: true", "runAsNonRoot: false");
    let outcome = super::check(&enforced);
    assert_eq!(outcome.errors.len(), 1);
    assert_eq!(outcome.errors[0].code, "privilege.refused");
    assert!(outcome.errors[0].render(ecp_core::text::Language::En).contains("runAsNonRoot: true"));
}

#[test]
fn names_within_a_pod_are_its_own() {
    broken(
        "        - name: TOKEN\n          valueFrom",
        "        - name: TENANT_ID\n          valueFrom",
        &[("error pod.duplicate_env", &container("env[1].name"), "@")],
    );
    broken(
        "        - name: settings\n          mountPath: /etc/callbot",
        "        - name: setting\n          mountPath: /etc/callbot",
        &[("error pod.no_such_volume", &container("volumeMounts[0].name"), "@")],
    );
    broken(
        "        - name: settings\n          mountPath: /etc/callbot",
        "        - name: settings\n          mountPath: /a\n        - name: settings\n          mountPath: /a # twice",
        &[("error pod.duplicate_mount", &container("volumeMounts[1].mountPath"), "# twice")],
    );
    broken(
        "      volumes:\n",
        "      volumes:\n      - name: settings\n        emptyDir: {}\n",
        &[(
            "error pod.duplicate_volume",
            &format!("{POD}.volumes[1].name"),
            "      - name: settings\n        configMap",
        )],
    );
    broken(
        "        configMap:\n          name: settings",
        "        emptyDir: {}\n        configMap:\n          name: settings",
        &[(
            "error pod.volume_source",
            &format!("{POD}.volumes[0]"),
            "      - name: settings\n        emptyDir",
        )],
    );
    broken(
        "        - name: http\n",
        "        - containerPort: 8080\n        - name: http\n",
        &[(
            "error pod.duplicate_port",
            &container("ports[1].containerPort"),
            "          containerPort: 8080",
        )],
    );
    broken(
        "      containers:\n",
        "      initContainers:\n      - {name: callbot, image: \"a:1\", resources: {limits: {cpu: 1, memory: 1Gi}}, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}\n      containers:\n",
        &[("error pod.duplicate_container", &container("name"), "      - name: callbot\n        image")],
    );
}

#[test]
fn an_environment_variable_has_one_value() {
    broken(
        "          valueFrom:\n",
        "          value: \"x\"\n          valueFrom:\n",
        &[("error pod.env_two_values", &container("env[1]"), "- name: TOKEN")],
    );
    broken(
        "            secretKeyRef:\n",
        "            fieldRef: {fieldPath: metadata.name}\n            secretKeyRef:\n",
        &[("error pod.env_source", &container("env[1]"), "- name: TOKEN")],
    );
}

#[test]
fn a_controller_restarts_its_pods_as_its_kind_demands() {
    broken(
        "      serviceAccountName: runner",
        "      restartPolicy: Never",
        &[("error pod.restart_policy", &format!("{POD}.restartPolicy"), "@")],
    );
    broken(
        "  revisionHistoryLimit: 2",
        "  strategy:\n    type: Recreate\n    rollingUpdate: {maxSurge: 1}",
        &[("error pod.recreate", "spec.strategy.rollingUpdate", "rollingUpdate")],
    );
}
