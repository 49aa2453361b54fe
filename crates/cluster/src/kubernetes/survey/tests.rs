//! What keeps a namespace and what does not.

use super::*;
use serde_json::{Value, json};

fn kinds() -> Vec<ApiResource> {
    let kind = |group: &str, kind: &str, plural: &str| {
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, "v1", kind), plural)
    };
    vec![
        kind("", "ConfigMap", "configmaps"),
        kind("", "Pod", "pods"),
        kind("apps", "ReplicaSet", "replicasets"),
        kind("batch", "CronJob", "cronjobs"),
        kind("", "Endpoints", "endpoints"),
        kind("", "ServiceAccount", "serviceaccounts"),
        kind("example.com", "Widget", "widgets"),
    ]
}

fn listed(kind: &str, metadata: Value) -> Listed {
    let place = kinds().iter().position(|known| known.kind == kind).expect("a kind");
    Listed { kind: place, metadata: serde_json::from_value(metadata).expect("metadata") }
}

fn owned(kind: &str, name: &str, uid: &str, owner: &str) -> Listed {
    let owner = json!([{"apiVersion": "v1", "kind": "X", "name": "x", "uid": owner}]);
    listed(kind, json!({"name": name, "uid": uid, "ownerReferences": owner}))
}

fn plain(kind: &str, name: &str, uid: &str) -> Listed {
    listed(kind, json!({"name": name, "uid": uid}))
}

fn known() -> Known {
    Known {
        uids: ["deployment".to_owned(), "config".to_owned()].into(),
        names: [("Endpoints", "callbot-service".to_owned())].into(),
    }
}

fn names(survey: &Survey) -> Vec<String> {
    survey.foreign.iter().map(|one| format!("{} {}", one.kind, one.name)).collect()
}

#[test]
fn what_belongs_to_ours_by_uid_is_ours_and_nothing_else_is() {
    let copy = listed(
        "ConfigMap",
        json!({
            "name": "copy", "uid": "copy",
            "labels": {"ecp.ai/tenant": "acme", "ecp.ai/managed-by": "ecp-orchestrator"},
            "annotations": {"ecp.ai/installation": "ecp-a"},
        }),
    );
    let objects = vec![
        plain("ConfigMap", "service-config", "config"),
        owned("ReplicaSet", "callbot-1", "rs", "deployment"),
        owned("Pod", "callbot-1-a", "pod", "rs"),
        plain("Endpoints", "callbot-service", "endpoints"),
        plain("Endpoints", "theirs", "endpoints-2"),
        plain("ServiceAccount", "default", "default"),
        plain("ConfigMap", "kube-root-ca.crt", "root"),
        plain("CronJob", "backup", "cron"),
        plain("Widget", "callbot-service", "widget"),
        owned("ReplicaSet", "theirs-1", "rs-2", "gone"),
        owned("Pod", "theirs-1-a", "pod-2", "rs-2"),
        copy,
    ];
    let survey = sorted(&kinds(), objects, known());
    let foreign = [
        "ConfigMap copy",
        "CronJob backup",
        "Endpoints theirs",
        "ReplicaSet theirs-1",
        "Widget callbot-service",
    ];
    assert_eq!(names(&survey), foreign);
    let ours: Vec<_> = survey.ours.iter().map(|(_, name, _)| name.as_str()).collect();
    assert_eq!(ours, ["service-config", "callbot-service"]);
}

#[test]
fn what_goes_after_its_owner_keeps_no_namespace() {
    let pod = |name: &str, metadata: Value| {
        let mut pod = listed("Pod", metadata);
        pod.metadata.name = Some(name.to_owned());
        pod
    };
    let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "x", "uid": "gone"}]);
    let at = "2026-11-28T12:00:00Z";
    let objects = vec![
        pod("left", json!({"uid": "a", "ownerReferences": owner, "deletionTimestamp": at})),
        pod("alive", json!({"uid": "b", "ownerReferences": owner})),
        pod("alone", json!({"uid": "c", "deletionTimestamp": at})),
    ];
    assert_eq!(names(&sorted(&kinds(), objects, known())), ["Pod alive", "Pod alone"]);
}

#[test]
fn every_kind_that_can_be_listed_and_deleted_counts_once_and_views_do_not() {
    let resource = |plural: &str, kind: &str, scope: &str, verbs: &[&str]| {
        json!({
            "resource": plural, "scope": scope, "verbs": verbs,
            "responseKind": {"group": "", "version": "v1", "kind": kind},
        })
    };
    let groups: Vec<APIGroupDiscovery> = serde_json::from_value(json!([
        {"metadata": {}, "versions": [{"version": "v1", "resources": [
            resource("configmaps", "ConfigMap", "Namespaced", &["list", "delete"]),
            resource("nodes", "Node", "Cluster", &["list", "delete"]),
            resource("events", "Event", "Namespaced", &["list", "delete"]),
            resource("bindings", "Binding", "Namespaced", &["create"]),
        ]}]},
        {"metadata": {"name": "example.com"}, "versions": [
            {"version": "v2", "resources": [resource("widgets", "Widget", "Namespaced", &["list", "delete"])]},
            {"version": "v1", "resources": [resource("widgets", "Widget", "Namespaced", &["list", "delete"])]},
        ]},
        {"metadata": {"name": "metrics.k8s.io"}, "versions": [{"version": "v1beta1", "resources": [
            resource("pods", "PodMetrics", "Namespaced", &["get", "list"]),
        ]}]},
        {"metadata": {"name": "gone.example.com"}, "versions": [{"version": "v1", "freshness": "Stale"}]},
    ]))
    .expect("groups");
    let mut kinds = Kinds::default();
    let known = kinds.discover(groups.iter());
    let named: Vec<_> = kinds.0.values().map(|kind| (full_name(kind), kind.version.as_str())).collect();
    assert_eq!(named, [("configmaps".to_owned(), "v1"), ("widgets.example.com".to_owned(), "v2")]);
    assert!(known.contains("metrics.k8s.io/v1beta1") && !known.contains("gone.example.com/v1"), "{known:?}");
}
