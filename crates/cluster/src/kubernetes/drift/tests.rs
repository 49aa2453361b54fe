//! Defaults, canonical amounts and additions are no drift; what someone changed is.

mod properties;

use super::*;
use serde_json::json;

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "callbot", "labels": {"ecp.ai/tenant": "acme"}},
        "spec": {"replicas": 3, "template": {"spec": {"containers": [{
            "name": "callbot", "image": "a:1",
            "resources": {"limits": {"cpu": "1000m", "memory": "2Gi"}},
            "env": [{"name": "A", "value": "1"}],
            "ports": [{"containerPort": 8080}],
        }]}}},
    })
}

/// As an API server gives it back: with defaults, canonical amounts and other people's additions.
fn defaulted() -> Value {
    let mut live = deployment();
    live["metadata"]["annotations"] = json!({"deployment.kubernetes.io/revision": "1"});
    live["metadata"]["labels"]["team"] = json!("voice");
    live["spec"]["progressDeadlineSeconds"] = json!(600);
    let containers = live["spec"]["template"]["spec"]["containers"].as_array_mut().expect("a list");
    containers[0]["resources"]["limits"]["cpu"] = json!("1");
    containers[0]["ports"][0]["protocol"] = json!("TCP");
    containers[0]["imagePullPolicy"] = json!("IfNotPresent");
    containers.insert(0, json!({"name": "sidecar", "image": "proxy:1"}));
    live
}

#[test]
fn defaults_canonical_amounts_and_additions_are_no_difference() {
    assert_eq!(first_difference(&deployment(), &defaulted(), false), None);
}

#[test]
fn what_someone_changed_or_took_away_is_found_and_named() {
    let mut live = defaulted();
    live["spec"]["template"]["spec"]["containers"][1]["image"] = json!("b:2");
    let place = "/spec/template/spec/containers/0/image";
    assert_eq!(first_difference(&deployment(), &live, false).as_deref(), Some(place));
    let mut live = defaulted();
    live["metadata"]["labels"] = json!({});
    let place = "/metadata/labels/ecp.ai~1tenant";
    assert_eq!(first_difference(&deployment(), &live, false).as_deref(), Some(place));
    let mut live = defaulted();
    live["spec"]["template"]["spec"]["containers"][1]["env"] = json!([]);
    assert!(first_difference(&deployment(), &live, false).is_some());
}

#[test]
fn replicas_of_an_autoscaler_are_its_own() {
    let mut live = defaulted();
    live["spec"]["replicas"] = json!(7);
    assert_eq!(first_difference(&deployment(), &live, false).as_deref(), Some("/spec/replicas"));
    assert_eq!(first_difference(&deployment(), &live, true), None);
}

#[test]
fn an_element_added_to_a_list_that_is_not_merged_is_a_difference() {
    let wanted = json!({"spec": {"ingress": [{"from": [{"podSelector": {}}]}]}});
    let live = json!({"spec": {"ingress": [{"from": [{"podSelector": {}}]}, {}]}});
    assert_eq!(first_difference(&wanted, &live, false).as_deref(), Some("/spec/ingress"));
    assert_eq!(first_difference(&wanted, &wanted, false), None);
}

#[test]
fn nothing_wanted_is_as_good_as_nothing_there() {
    let wanted = json!({"spec": {"podSelector": {}, "egress": [], "name": null}});
    assert_eq!(first_difference(&wanted, &json!({"spec": {}}), false), None);
}

#[test]
fn the_pruned_object_has_no_status_and_no_bookkeeping() {
    let mut live = defaulted();
    live["status"] = json!({"replicas": 3});
    live["metadata"]["resourceVersion"] = json!("7");
    live["metadata"]["managedFields"] = json!([]);
    assert_eq!(pruned(live), defaulted());
}
