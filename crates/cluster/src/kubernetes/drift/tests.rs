//! Defaults, canonical amounts and additions are no drift; what someone changed is.

mod properties;

use super::*;
use crate::kubernetes::ownership::{Step, Taken};
use serde_json::json;

fn first_of(wanted: &Value, live: &Value, autoscaled: bool) -> Option<String> {
    differences(wanted, live, autoscaled).into_iter().next()
}

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
    assert_eq!(first_of(&deployment(), &defaulted(), false), None);
}

#[test]
fn what_someone_changed_or_took_away_is_found_and_named() {
    let mut live = defaulted();
    live["spec"]["template"]["spec"]["containers"][1]["image"] = json!("b:2");
    let place = "/spec/template/spec/containers/0/image";
    assert_eq!(first_of(&deployment(), &live, false).as_deref(), Some(place));
    let mut live = defaulted();
    live["metadata"]["labels"] = json!({});
    let place = "/metadata/labels/ecp.ai~1tenant";
    assert_eq!(first_of(&deployment(), &live, false).as_deref(), Some(place));
    let mut live = defaulted();
    live["spec"]["template"]["spec"]["containers"][1]["env"] = json!([]);
    assert!(first_of(&deployment(), &live, false).is_some());
}

#[test]
fn replicas_of_an_autoscaler_are_its_own() {
    let mut live = defaulted();
    live["spec"]["replicas"] = json!(7);
    assert_eq!(first_of(&deployment(), &live, false).as_deref(), Some("/spec/replicas"));
    assert_eq!(first_of(&deployment(), &live, true), None);
}

#[test]
fn an_element_added_to_a_list_that_is_not_merged_is_a_difference() {
    let wanted = json!({"spec": {"ingress": [{"from": [{"podSelector": {}}]}]}});
    let live = json!({"spec": {"ingress": [{"from": [{"podSelector": {}}]}, {}]}});
    assert_eq!(first_of(&wanted, &live, false).as_deref(), Some("/spec/ingress"));
    assert_eq!(first_of(&wanted, &wanted, false), None);
}

#[test]
fn nothing_wanted_is_as_good_as_nothing_there() {
    let wanted = json!({"spec": {"podSelector": {}, "egress": [], "name": null}});
    assert_eq!(first_of(&wanted, &json!({"spec": {}}), false), None);
}

#[test]
fn the_pruned_object_has_no_status_and_no_bookkeeping() {
    let mut live = defaulted();
    live["status"] = json!({"replicas": 3});
    live["metadata"]["resourceVersion"] = json!("7");
    live["metadata"]["managedFields"] = json!([]);
    assert_eq!(pruned(live), defaulted());
}

fn owned_by(manager: &str, paths: &[&[&str]]) -> Vec<Taken> {
    let step = |text: &&str| match text.strip_prefix("k:") {
        Some(keys) => Step::Item(serde_json::from_str(keys).expect("keys")),
        None => Step::Field((*text).to_owned()),
    };
    let taken =
        |path: &&[&str]| Taken { path: path.iter().map(step).collect(), manager: Some(manager.to_owned()) };
    paths.iter().map(taken).collect()
}

/// Applies a merge patch as RFC 7386 says.
fn patched(target: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else { return patch.clone() };
    let mut fields = target.as_object().cloned().unwrap_or_default();
    for (key, change) in changes {
        if change.is_null() {
            fields.shift_remove(key);
        } else {
            let old = fields.get(key).cloned().unwrap_or(Value::Null);
            fields.insert(key.clone(), patched(old, change));
        }
    }
    Value::Object(fields)
}

/// Adds, finds and takes out.
fn places_and_corrected(wanted: &Value, live: &Value, taken: &[Taken]) -> (Vec<String>, Value) {
    let found = additions(wanted, live, taken, false);
    let patch = correction(wanted, live, &found, false).unwrap_or(json!({}));
    (found.into_iter().map(|addition| addition.place).collect(), patched(live.clone(), &patch))
}

#[test]
fn a_port_changed_by_hand_is_replaced_by_ours_at_once() {
    let service = |port: u16| {
        let port = json!([{"name": "http", "port": port, "targetPort": 8080, "protocol": "TCP"}]);
        json!({"kind": "Service", "metadata": {}, "spec": {"ports": port}})
    };
    let item = r#"k:{"port":8080,"protocol":"TCP"}"#;
    let taken = owned_by("kubectl-patch", &[&["spec", "ports", item]]);
    let (wanted, live) = (service(80), service(8080));
    let found = additions(&wanted, &live, &taken, false);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].place.as_str(), found[0].manager.as_deref()),
        ("/spec/ports/8080,TCP", Some("kubectl-patch"))
    );
    let (_, corrected) = places_and_corrected(&wanted, &live, &taken);
    assert_eq!(corrected["spec"], wanted["spec"]);
}

#[test]
fn what_is_added_inside_what_is_ours_whole_is_found_and_taken_out() {
    let wanted = deployment();
    let right = {
        let mut live = defaulted();
        live["spec"]["template"]["spec"]["containers"].as_array_mut().expect("a list").remove(0);
        live
    };
    assert_eq!(additions(&wanted, &right, &[], false), []);
    let pod = "/spec/template/spec";
    let add = |pointer: &str, key: &str, value: Value| {
        let mut live = right.clone();
        live.pointer_mut(pointer).expect("a place")[key] = value;
        live
    };
    let container = format!("{pod}/containers/0");
    for (pointer, key, value) in [
        (pod, "initContainers", json!([{"name": "first", "image": "a"}])),
        (pod, "volumes", json!([{"name": "host", "hostPath": {"path": "/"}}])),
        (pod, "nodeSelector", json!({"pool": "mine"})),
        (container.as_str(), "env", json!([{"name": "A", "value": "1"}, {"name": "B", "value": "2"}])),
        (container.as_str(), "envFrom", json!([{"secretRef": {"name": "theirs"}}])),
        ("/spec/template", "metadata", json!({"annotations": {"kubectl.kubernetes.io/restartedAt": "now"}})),
        ("/metadata", "ownerReferences", json!([{"kind": "X", "name": "x", "uid": "u"}])),
        ("/metadata/labels", "ecp.ai/other", json!("x")),
    ] {
        let live = add(pointer, key, value);
        let (places, corrected) = places_and_corrected(&wanted, &live, &[]);
        assert_eq!(places.len(), 1, "{pointer} {key}: {places:?}");
        assert_eq!(additions(&wanted, &corrected, &[], false), [], "{pointer} {key}");
        assert_eq!(first_of(&wanted, &corrected, false), None, "{pointer} {key}");
    }
    // A field that may be a default is somebody's where a manager owns it.
    let live = add(pod, "hostNetwork", json!(true));
    assert_eq!(additions(&wanted, &live, &[], false), []);
    let taken = owned_by("kubectl-patch", &[&["spec", "template", "spec", "hostNetwork"]]);
    let (places, corrected) = places_and_corrected(&wanted, &live, &taken);
    assert_eq!(places, ["/spec/template/spec/hostNetwork"]);
    assert_eq!(corrected.pointer(pod).and_then(|pod| pod.get("hostNetwork")), None);
    assert_eq!(first_of(&wanted, &corrected, false), None);
}

#[test]
fn keys_of_quotas_and_settings_and_secrets_are_ours_alone() {
    let quota = |hard: Value| json!({"kind": "ResourceQuota", "metadata": {}, "spec": {"hard": hard}});
    let (wanted, live) = (quota(json!({"pods": "3"})), quota(json!({"pods": "3", "services": "9"})));
    let (places, corrected) = places_and_corrected(&wanted, &live, &[]);
    assert_eq!((places.as_slice(), corrected), (["/spec/hard/services".to_owned()].as_slice(), wanted));
    let wanted = json!({"kind": "Secret", "metadata": {}, "stringData": {"TOKEN": "a"}});
    let live = json!({"kind": "Secret", "metadata": {}, "data": {"TOKEN": "YQ==", "MORE": "Yg=="}, "type": "Opaque"});
    let (places, corrected) = places_and_corrected(&wanted, &live, &[]);
    assert_eq!(
        (places.as_slice(), &corrected["data"]),
        (["/data/MORE".to_owned()].as_slice(), &json!({"TOKEN": "YQ=="}))
    );
}

#[test]
fn a_list_that_is_one_value_and_was_changed_inside_is_taken_over() {
    let policy = |from: Value| json!({"kind": "NetworkPolicy", "metadata": {}, "spec": {"ingress": [{"from": [from]}]}});
    let wanted = policy(json!({"podSelector": {"matchLabels": {"app": "a"}}}));
    let live = policy(json!({"podSelector": {"matchLabels": {"app": "a"}}, "namespaceSelector": {}}));
    assert_eq!(first_of(&wanted, &live, false), None, "the difference alone would not tell");
    let taken = owned_by("kubectl-edit", &[&["spec", "ingress"]]);
    assert_eq!(
        taken_over(&wanted, &live, &taken),
        [("/spec/ingress".to_owned(), Some("kubectl-edit".to_owned()))]
    );
}

#[test]
fn what_the_cluster_and_its_controllers_fill_in_is_no_addition() {
    let wanted = json!({"kind": "Service", "metadata": {}, "spec": {"ports": [{"port": 80}]}});
    let mut live = wanted.clone();
    live["spec"]["clusterIP"] = json!("10.0.0.1");
    live["spec"]["ports"][0]["nodePort"] = json!(30000);
    live["status"] = json!({"loadBalancer": {}});
    assert_eq!(additions(&wanted, &live, &[], false), []);
    let account = json!({"kind": "ServiceAccount", "metadata": {}});
    let live = json!({"kind": "ServiceAccount", "metadata": {}, "secrets": [{"name": "a"}]});
    assert_eq!(additions(&account, &live, &owned_by("openshift", &[&["secrets"]]), false), []);
}
