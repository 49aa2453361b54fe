//! What a policy says of single objects: what gives away the cluster, blocks it or binds nothing.

use super::super::policy::{Policy, PolicyFault, Profile};
use super::{Options, catalog, validate_manifest};

/// Whether a rule of the strictest profile is broken somewhere in a text.
fn breaks(text: &str, code: &str) -> bool {
    let options = Options { policy: Policy::of(Profile::Strict), ..Options::default() };
    let report = validate_manifest(catalog(), text, &options).unwrap();
    report.errors.iter().chain(&report.warnings).any(|finding| finding.code == code)
}

#[test]
fn all_there_are_of_something_is_a_wildcard_wherever_a_rule_says_it() {
    for (rule, is_broken) in [
        ("{apiGroups: ['*'], resources: [pods], verbs: [get]}", true),
        ("{apiGroups: [''], resources: ['pods/*'], verbs: [get]}", true),
        ("{apiGroups: [''], resources: ['*/scale'], verbs: [get]}", true),
        ("{apiGroups: [''], resources: [pods], verbs: ['*']}", true),
        ("{nonResourceURLs: ['*'], verbs: [get]}", true),
        ("{nonResourceURLs: ['/healthz/*'], verbs: [get]}", false),
        ("{apiGroups: [''], resources: [pods, pods/log], verbs: [get]}", false),
    ] {
        let text = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {{name: a}}\nrules: [{rule}]\n"
        );
        assert_eq!(breaks(&text, "rbac.wildcard"), is_broken, "{rule}");
    }
}

#[test]
fn a_role_of_a_namespace_may_be_called_like_the_cluster_s_administrator() {
    for (kind, is_broken) in [("ClusterRole", true), ("Role", false)] {
        let text = format!(
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: RoleBinding\nmetadata: {{name: a}}\nroleRef: {{apiGroup: rbac.authorization.k8s.io, kind: {kind}, name: cluster-admin}}\n"
        );
        assert_eq!(breaks(&text, "rbac.cluster_admin"), is_broken, "{kind}");
    }
}

#[test]
fn a_budget_of_a_share_counts_pods_that_are_rounded_up() {
    for (budget, pods, is_broken) in [
        ("minAvailable: 99%", 2, true),
        ("minAvailable: 99%", 200, false),
        ("minAvailable: 50%", 1, true),
        ("minAvailable: 50%", 2, false),
        ("minAvailable: 2", 2, true),
        ("maxUnavailable: 1%", 2, false),
        ("maxUnavailable: 0%", 2, true),
    ] {
        let text = format!(
            "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {{name: a}}\nspec: {{{budget}, selector: {{matchLabels: {{a: b}}}}}}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: d}}\nspec: {{replicas: {pods}, selector: {{matchLabels: {{a: b}}}}, template: {{metadata: {{labels: {{a: b}}}}, spec: {{containers: [{{name: c, image: 'i:1'}}]}}}}}}\n"
        );
        assert_eq!(breaks(&text, "budget.blocks_eviction"), is_broken, "{budget} of {pods}");
    }
}

#[test]
fn a_quota_binds_a_device_by_its_requests_alone() {
    for (key, is_broken) in [
        ("nvidia.com/gpu", true),
        ("limits.nvidia.com/gpu", true),
        ("amd.com/gpu", true),
        ("requests.amd.com/gpu", false),
        ("count/jobs.batch", false),
        ("gold.storageclass.storage.k8s.io/requests.storage", false),
        ("gpu.deviceclass.resource.k8s.io/devices", false),
        ("pods", false),
    ] {
        let text = format!(
            "apiVersion: v1\nkind: ResourceQuota\nmetadata: {{name: a}}\nspec: {{hard: {{{key}: 2}}}}\n"
        );
        assert_eq!(breaks(&text, "quota.gpu_key"), is_broken, "{key}");
    }
}

#[test]
fn nothing_listed_and_nothing_said_count_as_nothing() {
    let service = |ips: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: a}}\nspec: {{ports: [{{port: 80}}], externalIPs: {ips}}}\n"
        )
    };
    assert!(breaks(&service("[192.0.2.1]"), "service.external_ips"));
    assert!(!breaks(&service("[]"), "service.external_ips"));
    let pod = |label: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: a, labels: {{app: {label}}}}}\nspec: {{containers: [{{name: c, image: 'i:1'}}]}}\n"
        )
    };
    assert!(breaks(&pod("''"), "labels.missing") && !breaks(&pod("x"), "labels.missing"));
}
#[test]
fn a_policy_s_file_says_what_it_cannot_mean() {
    let read = |text: &str| Policy::read(text, None, Profile::Tenant);
    for (text, field) in [
        ("[]", "policy"),
        ("off: rbac.wildcard", "off"),
        ("off: {a: b}", "off"),
        ("severity: error", "severity"),
    ] {
        assert!(matches!(read(text), Err(PolicyFault::Shape(found)) if found == field), "{text}");
    }
    for text in ["", "# nothing\n", "off:\n", "off: [rbac.wildcard]\nseverity: {image.floating: error}\n"] {
        assert!(read(text).is_ok(), "{text}");
    }
}
