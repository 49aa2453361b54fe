//! Each object against its schema.

use super::{GOOD, broken, catalog, check, finds, listed};
use crate::{Options, Release, validate_manifest};
use ecp_core::text::Language;

const CONTAINER: &str = "spec.template.spec.containers[0]";

#[test]
fn a_manifest_in_order_has_no_findings() {
    assert_eq!(listed(&check(GOOD)), []);
}

#[test]
fn an_unknown_field_names_the_nearest_one() {
    broken(
        "revisionHistoryLimit: 2",
        "revisionHistoryLimits: 2",
        &[("error schema.unknown_field", "spec.revisionHistoryLimits", "@")],
    );
    let outcome = check(&GOOD.replace("imagePullPolicy", "imagepullpolicy"));
    let text = outcome.errors[0].render(Language::Ko);
    assert!(text.contains("'imagePullPolicy'") && text.contains("Container"), "{text}");
}

#[test]
fn an_unknown_field_like_no_other_lists_the_fields_there_are() {
    let outcome = check(&GOOD.replace("  type: ClusterIP", "  qqqqqqqqq: ClusterIP"));
    let text = outcome.errors[0].render(Language::En);
    assert!(text.contains("clusterIP") && text.contains('…'), "{text}");
}

#[test]
fn values_of_the_wrong_type_are_found_at_their_line() {
    for (old, new, path) in [
        ("replicas: 3", "replicas: three", "spec.replicas"),
        ("replicas: 3", "replicas: \"3\"", "spec.replicas"),
        ("replicas: 3", "replicas: [3]", "spec.replicas"),
        ("maxUnavailable: 1", "maxUnavailable: 1.5", "spec.maxUnavailable"),
        ("Token: false", "Token: 0", "automountServiceAccountToken"),
        ("value: \"acme\"", "value: 8080", "spec.template.spec.containers[0].env[0].value"),
        ("value: \"acme\"", "value: yes", "spec.template.spec.containers[0].env[0].value"),
        ("LOG_LEVEL: \"info\"", "LOG_LEVEL: 0755", "data.LOG_LEVEL"),
        ("matchLabels:\n      tier: front", "matchLabels: front", "spec.selector.matchLabels"),
    ] {
        broken(old, new, &[("error schema.wrong_type", path, "@")]);
    }
}

#[test]
fn a_text_without_quotes_is_told_to_be_quoted() {
    let outcome = check(&GOOD.replace("value: \"acme\"", "value: on"));
    let text = outcome.errors[0].render(Language::Ko);
    assert!(text.contains("따옴표로 감싸십시오") && text.contains("'on'"), "{text}");
}

#[test]
fn an_old_boolean_where_one_is_expected_is_a_warning() {
    broken(
        "Token: false",
        "Token: off",
        &[("warning yaml.ambiguous_boolean", "automountServiceAccountToken", "@")],
    );
}

#[test]
fn a_missing_field_is_reported_with_its_path_at_its_parent() {
    broken(
        "spec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: callbot\n  minReplicas: 2\n  maxReplicas: 6\n",
        "spec:\n  scaleTargetRef:\n    apiVersion: apps/v1\n    kind: Deployment\n    name: callbot\n  minReplicas: 2\n",
        &[("error schema.missing_field", "spec.maxReplicas", "@")],
    );
    // Demanded by the API server though the published schema calls it optional.
    broken(
        "name: callbot\n        image: registry.example.com:5000/ecp-ai/callbot:1.51.0",
        "name: callbot",
        &[("error schema.missing_field", "spec.template.spec.containers[0].image", "@")],
    );
    // `null` counts as absent, and is to be written where it stands.
    broken(
        "  maxReplicas: 6\n",
        "  maxReplicas:\n",
        &[("error schema.missing_field", "spec.maxReplicas", "@")],
    );
}

#[test]
fn words_ranges_and_syntax_are_checked_where_kubernetes_demands_them() {
    let rows = [
        (
            "imagePullPolicy: IfNotPresent",
            "imagePullPolicy: ifNotPresent",
            "not_allowed",
            "{c}.imagePullPolicy",
        ),
        ("type: ClusterIP", "type: Cluster", "not_allowed", "spec.type"),
        ("protocol: TCP", "protocol: tcp", "not_allowed", "{c}.ports[0].protocol"),
        ("policyTypes: [Ingress]", "policyTypes: [Ingres]", "not_allowed", "spec.policyTypes[0]"),
        ("pathType: Prefix", "pathType: prefix", "not_allowed", "spec.rules[0].http.paths[0].pathType"),
        ("operator: In", "operator: Is", "not_allowed", "spec.podSelector.matchExpressions[0].operator"),
        ("port: 80\n", "port: 80000\n", "out_of_range", "spec.ports[0].port"),
        ("periodSeconds: 5\n", "periodSeconds: -1\n", "out_of_range", "{c}.readinessProbe.periodSeconds"),
        (
            "initialDelaySeconds: 30",
            "initialDelaySeconds: 99999999999",
            "out_of_range",
            "{c}.livenessProbe.initialDelaySeconds",
        ),
        ("memory: 512Mi", "memory: 512MB", "quantity", "{c}.resources.requests.memory"),
        ("limits.cpu: \"8\"", "limits.cpu: eight", "quantity", "spec.hard[\"limits.cpu\"]"),
        ("TOKEN: aGVsbG8=", "TOKEN: hello", "base64", "data.TOKEN"),
        ("LOG_LEVEL: \"info\"", "LOG/LEVEL: \"info\"", "config_key", "data[\"LOG/LEVEL\"]"),
        (
            "ecp.ai/service: \"callbot\"",
            "ecp.ai/service: \"call bot\"",
            "label_value",
            "metadata.labels[\"ecp.ai/service\"]",
        ),
        ("ecp.ai/service: \"callbot\"", "ecp.ai/a/b: \"callbot\"", "key", "metadata.labels[\"ecp.ai/a/b\"]"),
        ("path: /callbot", "path: callbot", "absolute_path", "spec.rules[0].http.paths[0].path"),
        ("interval: 30s", "interval: \"30\"", "duration", "spec.endpoints[0].interval"),
        ("for: 5m", "for: five minutes", "duration", "spec.groups[0].rules[0].for"),
        ("name: rules\n", "name: Rules_1\n", "subdomain", "metadata.name"),
        ("name: TENANT_ID", "name: TENANT=ID", "env_name", "{c}.env[0].name"),
        (
            "paths:\n      - path: /callbot\n        pathType: Prefix\n        backend:\n          service:\n            name: callbot-service\n            port:\n              name: web",
            "paths: []",
            "empty_list",
            "spec.rules[0].http.paths",
        ),
    ];
    for (old, new, code, path) in rows {
        broken(old, new, &[(&format!("error schema.{code}"), &path.replace("{c}", CONTAINER), "@")]);
    }
}

#[test]
fn a_word_that_is_not_allowed_names_the_nearest_one_and_all() {
    let outcome = check(&GOOD.replace("pathType: Prefix", "pathType: prefixx"));
    let text = outcome.errors[0].render(Language::En);
    assert!(
        text.contains("perhaps 'Prefix' is meant (allowed: Exact, Prefix, ImplementationSpecific)"),
        "{text}"
    );
}

#[test]
fn all_faults_are_reported_not_the_first_alone() {
    let text = GOOD
        .replace("replicas: 3", "replicas: three")
        .replace("port: 80\n", "port: 0\n")
        .replace("kind: PodDisruptionBudget", "kind: PodDisruptionBudgets");
    let codes: Vec<String> = listed(&check(&text)).into_iter().map(|(code, ..)| code).collect();
    assert_eq!(codes, ["error schema.wrong_type", "error schema.out_of_range", "error object.no_such_kind"]);
}

#[test]
fn removed_versions_name_their_replacement() {
    for (version, kind, replacement) in [
        ("extensions/v1beta1", "Deployment", "apps/v1"),
        ("apps/v1beta1", "StatefulSet", "apps/v1"),
        ("apps/v1beta2", "DaemonSet", "apps/v1"),
        ("extensions/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("extensions/v1beta1", "NetworkPolicy", "networking.k8s.io/v1"),
        ("networking.k8s.io/v1beta1", "Ingress", "networking.k8s.io/v1"),
        ("policy/v1beta1", "PodDisruptionBudget", "policy/v1"),
        ("autoscaling/v2beta2", "HorizontalPodAutoscaler", "autoscaling/v2"),
        ("batch/v1beta1", "CronJob", "batch/v1"),
    ] {
        let text =
            format!("apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: a\n  namespace: ecp-ai-acme\n");
        finds(&text, &[("error object.removed_version", "apiVersion", "@")]);
        let message = check(&text).errors[0].render(Language::En);
        assert!(message.contains(&format!("change apiVersion to {replacement}")), "{message}");
    }
}

#[test]
fn a_known_kind_under_the_wrong_version_is_an_error() {
    let text = "apiVersion: v1\nkind: Deployment\nmetadata:\n  name: a\n  namespace: ecp-ai-acme\n";
    finds(text, &[("error object.wrong_version", "apiVersion", "@")]);
}

#[test]
fn a_kind_that_its_group_lacks_is_an_error_and_a_custom_one_is_taken() {
    let custom =
        "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata:\n  name: a\n  namespace: ecp-ai-acme\n";
    finds(custom, &[]);
    let misspelt = "apiVersion: apps/v1\nkind: Deploymnet\nmetadata:\n  name: a\n  namespace: ecp-ai-acme\n";
    finds(misspelt, &[("error object.no_such_kind", "kind", "kind: ")]);
    let text = check(misspelt).errors[0].render(Language::Ko);
    assert!(text.contains("'Deployment'"), "{text}");
}

#[test]
fn a_document_that_is_no_object_is_an_error() {
    finds("- a\n- b\n", &[("error object.not_a_mapping", "", "@")]);
    finds(
        "name: a\n",
        &[("error schema.missing_field", "apiVersion", "@"), ("error schema.missing_field", "kind", "@")],
    );
}

#[test]
fn a_manifest_without_objects_is_readable_and_invalid() {
    for text in ["", "   \n", "---\n---\n", "# a comment\n", "null\n", "kind: List\nitems: []\n"] {
        finds(text, &[("error manifest.empty", "", "")]);
    }
}

#[test]
fn the_other_workloads_are_checked_too() {
    let job = "apiVersion: batch/v1
kind: CronJob
metadata:
  name: nightly
  namespace: ecp-ai-acme
spec:
  schedule: every night
  concurrencyPolicy: Forbids
  jobTemplate:
    spec:
      backoffLimit: -1
      template:
        spec:
          restartPolicy: OnFailure
          securityContext:
            runAsNonRoot: true
            seccompProfile: {type: RuntimeDefault}
          containers:
          - name: Nightly
            image: tools/nightly:1.0
            resources:
              limits: {cpu: 1, memory: 1Gi}
            securityContext:
              allowPrivilegeEscalation: false
              capabilities: {drop: [ALL]}
";
    finds(
        job,
        &[
            ("error schema.schedule", "spec.schedule", "schedule: every"),
            ("error schema.not_allowed", "spec.concurrencyPolicy", "Forbids"),
            ("error schema.out_of_range", "spec.jobTemplate.spec.backoffLimit", "-1"),
            ("error schema.label", "spec.jobTemplate.spec.template.spec.containers[0].name", "Nightly"),
        ],
    );
}

#[test]
fn what_a_release_drops_unseen_is_a_warning_there_and_looked_at_in_others() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  hostnameOverride: A\n  volumes:\n  - name: v\n    image: {reference: r}\n  containers:\n  - name: c\n    image: i\n    volumeMounts:\n    - {name: v, mountPath: \"x:y\"}\n";
    let found = |release| {
        let options = Options { release, ..Options::default() };
        let mut all = listed(&validate_manifest(catalog(), text, &options).unwrap());
        all.sort();
        all.into_iter().map(|(what, path, _)| (what, path)).collect::<Vec<_>>()
    };
    let row = |what: &str, path: &str| (what.to_owned(), path.to_owned());
    assert_eq!(
        found(Release::V1_34),
        [
            row("warning schema.dropped", "spec.containers[0].volumeMounts[0]"),
            row("warning schema.dropped", "spec.hostnameOverride"),
            row("warning schema.dropped", "spec.volumes[0]"),
        ]
    );
    let later = found(Release::V1_35);
    assert!(later.iter().all(|(what, _)| what.starts_with("error")), "{later:?}");
    assert!(later.iter().any(|(_, path)| path == "spec.hostnameOverride"), "{later:?}");
    let text = text.replace("reference: r", "reference: 1");
    let options = Options { release: Release::V1_34, ..Options::default() };
    let report = validate_manifest(catalog(), &text, &options).unwrap();
    assert_eq!(report.errors.len(), 1, "its types count: {:?}", report.errors);
}
