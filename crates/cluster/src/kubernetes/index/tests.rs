//! What the index holds while lists and applies cross.

use super::*;
use crate::kubernetes::client::MANAGER;
use crate::kubernetes::kinds::find;
use crate::kubernetes::ownership;
use ecp_core::catalog::Catalog;
use ecp_core::ledger::NotedObject;
use serde_json::json;

fn config_map(uid: &str, version: u64) -> DynamicObject {
    let object = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {
            "name": "service-config", "namespace": "ecp-ai-acme", "uid": uid,
            "resourceVersion": version.to_string(), "labels": {"ecp.ai/tenant": "acme"},
            "managedFields": [{"manager": MANAGER, "operation": "Apply"}],
        },
        "data": {"VERSION": version.to_string()},
    });
    serde_json::from_value(object).expect("an object")
}

fn acme() -> TenantId {
    TenantId::parse("acme").expect("a valid id")
}

fn kind() -> usize {
    find("ConfigMap").expect("a kind that is applied").0
}

fn index() -> Index {
    index_with(&[])
}

/// An index whose ledger knows the ConfigMap by these uids, the last one counts.
fn index_with(uids: &[Option<&str>]) -> Index {
    let note = |uid: &Option<&str>| {
        let (kind, name) = ("ConfigMap".to_owned(), "service-config".to_owned());
        (acme(), NotedObject { kind, name, uid: uid.map(str::to_owned) })
    };
    let notes = Notes { objects: uids.iter().map(note).collect(), unnoted: Vec::new() };
    Index::new(GpuResources::of(&Catalog::embedded()), InstallationId::from_text("ecp-a"), notes)
}

fn uid_of(index: &Index) -> Option<String> {
    index.with_entry(&acme(), kind(), "service-config", |entry| entry.uid.clone())
}

fn listed(uids: &[&str]) -> HashSet<String> {
    uids.iter().map(|uid| (*uid).to_owned()).collect()
}

#[test]
fn what_a_list_does_not_hold_any_more_is_gone() {
    let index = index();
    index.object_applied(kind(), config_map("a", 5));
    index.begin_list(kind());
    assert_eq!(index.retain_objects(kind(), &listed(&[])), []);
    assert_eq!(uid_of(&index), None);
}

#[test]
fn an_object_applied_while_a_list_is_under_way_does_not_look_missing() {
    let index = index_with(&[Some("a")]);
    index.begin_list(kind());
    index.object_applied(kind(), config_map("a", 5));
    let mut changes = index.changes();
    let doubts = index.retain_objects(kind(), &listed(&[]));
    assert_eq!(doubts.iter().map(|doubt| doubt.name.as_str()).collect::<Vec<_>>(), ["service-config"]);
    assert_eq!(uid_of(&index).as_deref(), Some("a"));
    assert_eq!(index.observe(&acme()).objects.len(), 1);
    assert!(changes.try_recv().is_err(), "nothing changed");
}

#[test]
fn the_doubt_about_what_nobody_noted_ends_with_its_list() {
    let index = index();
    index.begin_list(kind());
    index.object_applied(kind(), config_map("a", 5));
    assert_eq!(index.retain_objects(kind(), &listed(&[])).len(), 1);
    index.begin_list(kind());
    assert_eq!(index.retain_objects(kind(), &listed(&[])), []);
    assert_eq!(uid_of(&index), None);
}

#[test]
fn an_object_is_ours_by_its_noted_uid_and_not_by_what_it_carries() {
    for (noted, ours) in [
        (vec![Some("a")], 1),
        // Somebody made another of the name, with all that ours carried.
        (vec![Some("b")], 0),
        // Nothing was ever made under that name.
        (vec![], 0),
        // It was being made when the process ended; the marks of another installation are not ours.
        (vec![None], 0),
    ] {
        let index = index_with(&noted);
        index.object_applied(kind(), config_map("a", 5));
        assert_eq!(index.observe(&acme()).objects.len(), ours, "{noted:?}");
        assert_eq!(index.inventory(&acme()).len(), ours, "{noted:?}");
    }
    let index = index_with(&[None]);
    let mut signed = config_map("a", 5);
    signed.metadata.annotations = Some([(ownership::INSTALLATION.to_owned(), "ecp-a".to_owned())].into());
    index.object_applied(kind(), signed);
    assert_eq!(index.inventory(&acme()).len(), 1);
}

#[test]
fn what_is_noted_and_leaves_its_watch_is_asked_for_and_kept_meanwhile() {
    let index = index_with(&[Some("a")]);
    index.object_applied(kind(), config_map("a", 5));
    let doubt = index.object_left(kind(), &config_map("a", 6)).expect("a doubt");
    assert_eq!(uid_of(&index).as_deref(), Some("a"));
    let mut stripped = config_map("a", 6);
    stripped.metadata.labels = None;
    index.object_applied(kind(), stripped);
    assert_eq!(index.observe(&acme()).objects.len(), 1);
    index.settle_gone(kind(), doubt);
    assert_eq!(uid_of(&index), None);
    // At the next start it is in no list, and asked for because it is noted.
    assert_eq!(index.retain_objects(kind(), &listed(&[])).len(), 1);
}

#[test]
fn an_object_that_is_in_the_list_is_in_no_doubt() {
    let index = index();
    index.begin_list(kind());
    index.object_applied(kind(), config_map("a", 5));
    assert_eq!(index.retain_objects(kind(), &listed(&["a"])), []);
    assert_eq!(uid_of(&index).as_deref(), Some("a"));
}

#[test]
fn an_object_that_turns_out_to_be_gone_is_forgotten_but_not_its_successor() {
    let index = index();
    let doubt = || {
        index.begin_list(kind());
        index.object_applied(kind(), config_map("a", 5));
        index.retain_objects(kind(), &listed(&[])).pop().expect("a doubt")
    };
    index.settle_gone(kind(), doubt());
    assert_eq!(uid_of(&index), None);
    let doubt = doubt();
    index.object_applied(kind(), config_map("b", 9));
    index.settle_gone(kind(), doubt);
    assert_eq!(uid_of(&index).as_deref(), Some("b"));
}

#[test]
fn older_news_of_an_object_does_not_undo_newer_news() {
    let index = index();
    index.object_applied(kind(), config_map("a", 9));
    index.object_applied(kind(), config_map("a", 5));
    let version =
        index.with_entry(&acme(), kind(), "service-config", |entry| entry.live()["data"]["VERSION"].clone());
    assert_eq!(version, Some(json!("9")));
}

#[test]
fn an_answer_to_an_apply_that_comes_after_the_deletion_brings_nothing_back() {
    let index = index();
    index.object_applied(kind(), config_map("a", 1));
    index.object_deleted(kind(), &config_map("a", 5));
    index.object_applied(kind(), config_map("a", 4));
    assert_eq!(uid_of(&index), None, "it went at 5");
    // A successor of that name, and one whose labels were taken off and put back, are there.
    index.object_applied(kind(), config_map("b", 4));
    assert_eq!(uid_of(&index).as_deref(), Some("b"));
    index.object_deleted(kind(), &config_map("b", 6));
    index.object_applied(kind(), config_map("b", 7));
    assert_eq!(uid_of(&index).as_deref(), Some("b"));
}

#[test]
fn a_copy_of_an_object_in_another_namespace_is_nobody_s() {
    let index = index();
    let mut copy = config_map("a", 5);
    copy.metadata.namespace = Some("default".to_owned());
    index.object_applied(kind(), copy);
    assert_eq!(index.observe(&acme()).objects.len(), 0);
}

#[test]
fn what_another_installation_made_is_not_taken_over() {
    let object = |name: &str| -> ecp_core::manifest::Object {
        let map = json!({"metadata": {"name": name}});
        ecp_core::manifest::Object::ConfigMap(serde_json::from_value(map).expect("a ConfigMap"))
    };
    for (made_by, taken) in [(None, 1), (Some("ecp-a"), 1), (Some("ecp-b"), 0)] {
        let index = index();
        let mut there = config_map("a", 5);
        there.metadata.managed_fields = None;
        let annotation = made_by.map(|id| ("ecp.ai/installation".to_owned(), id.to_owned()));
        there.metadata.annotations = Some(annotation.into_iter().collect());
        index.object_applied(kind(), there);
        let noted = index.to_take_over(&acme(), &[object("service-config"), object("not-there")]);
        assert_eq!(noted.len(), taken, "{made_by:?}");
        assert!(noted.iter().all(|object| object.uid.as_deref() == Some("a")));
    }
}

#[test]
fn pods_of_a_tenant_that_others_manage_are_the_tenants_whether_or_not_anybody_looked_at_it() {
    let index = index();
    let node = json!({
        "metadata": {"name": "n1"},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "8", "memory": "16Gi"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    });
    index.node_applied(&serde_json::from_value(node).expect("a node"));
    let pod = json!({
        "metadata": {
            "name": "chatbot-1", "namespace": "ecp-ai-acme", "uid": "p1",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "chatbot", "uid": "s1", "controller": true},
            ],
        },
        "spec": {
            "nodeName": "n1",
            "initContainers": [{"name": "prepare"}],
            "containers": [{"name": "main", "resources": {"requests": {"cpu": "3"}}}, {"name": "proxy"}],
            "ephemeralContainers": [{"name": "debugger"}],
        },
        "status": {"phase": "Running"},
    });
    index.pod_applied(&serde_json::from_value(pod).expect("a pod"));
    let named = index.pod_names(&acme(), true);
    assert_eq!((named[0].name.as_str(), named[0].app.as_str()), ("chatbot-1", "chatbot"));
    assert_eq!(named[0].containers, ["main", "proxy", "prepare", "debugger"], "all that can be read");
    let settings = ecp_core::catalog::Catalog::embedded().kubernetes;
    for (is_external, ours) in [(true, 3000), (false, 0)] {
        let capacity = index.capacity(&settings, |_| is_external);
        assert_eq!(capacity.used.cpu_millicores, 3000);
        assert_eq!(capacity.used_by_tenants.cpu_millicores, ours, "external: {is_external}");
    }
}

/// A pod of `acme`, controlled by the object that is given as kind, name and uid.
fn pod_of(controller: Option<(&str, &str, &str)>) -> DynamicObject {
    let owner = |(kind, name, uid)| json!({"kind": kind, "name": name, "uid": uid, "controller": true, "apiVersion": "apps/v1"});
    let owners: Vec<_> = controller.into_iter().map(owner).collect();
    let labels = json!({"app": "chatbot"});
    let metadata = json!({
        "name": "chatbot-1-a", "namespace": "ecp-ai-acme", "uid": "p1", "labels": labels, "ownerReferences": owners,
    });
    serde_json::from_value(json!({"metadata": metadata, "spec": {}, "status": {}})).expect("a pod")
}

fn replica_set(uid: &str, deployment: Option<&str>) -> DynamicObject {
    let owner = |uid| json!({"kind": "Deployment", "name": "chatbot", "uid": uid, "controller": true, "apiVersion": "apps/v1"});
    let owners: Vec<_> = deployment.into_iter().map(owner).collect();
    let metadata =
        json!({"name": "chatbot-1", "namespace": "ecp-ai-acme", "uid": uid, "ownerReferences": owners});
    serde_json::from_value(json!({"metadata": metadata})).expect("a ReplicaSet")
}

/// An index whose ledger knows the Deployment `chatbot` and the StatefulSet `redis`, by these uids.
fn index_of_workloads() -> Index {
    let note = |(kind, name, uid): (&str, &str, &str)| {
        let (kind, name) = (kind.to_owned(), name.to_owned());
        (acme(), NotedObject { kind, name, uid: Some(uid.to_owned()) })
    };
    let objects = [("Deployment", "chatbot", "d1"), ("StatefulSet", "redis", "s1")].map(note);
    let notes = Notes { objects: objects.into(), unnoted: Vec::new() };
    Index::new(GpuResources::of(&Catalog::embedded()), InstallationId::from_text("ecp-a"), notes)
}

#[test]
fn a_pod_is_ours_where_the_uids_of_its_controllers_lead_to_what_is_noted() {
    let set = ("ReplicaSet", "chatbot-1", "r1");
    for (controller, set_of, ours) in [
        (set, Some("d1"), 1),
        // Of somebody's Deployment, or of nobody's, whatever it is called.
        (set, Some("d2"), 0),
        (set, None, 0),
        (("StatefulSet", "redis", "s1"), None, 1),
        (("StatefulSet", "redis", "s2"), None, 0),
        (("StatefulSet", "chatbot", "d2"), None, 0),
    ] {
        // Which of the two watches shows first does not matter.
        for set_first in [true, false] {
            let index = index_of_workloads();
            let (pod, set) = (pod_of(Some(controller)), replica_set("r1", set_of));
            if set_first {
                index.replica_set_applied(&set);
                index.pod_applied(&pod);
            } else {
                index.pod_applied(&pod);
                index.replica_set_applied(&set);
            }
            assert_eq!(index.pods(&acme()).len(), ours, "{controller:?} {set_of:?} {set_first}");
            assert_eq!(index.pod_names(&acme(), false).len(), ours, "{controller:?} {set_of:?}");
        }
    }
    let index = index_of_workloads();
    index.pod_applied(&pod_of(Some(set)));
    assert_eq!(index.pods(&acme()), [], "of what made its ReplicaSet nothing is known");
}

#[test]
fn a_pod_that_was_seen_to_be_ours_stays_so_until_somebody_else_controls_it() {
    let set = Some(("ReplicaSet", "chatbot-1", "r1"));
    let index = index_of_workloads();
    index.replica_set_applied(&replica_set("r1", Some("d1")));
    index.pod_applied(&pod_of(set));
    // Cut off by its labels, or left over from a ReplicaSet that went first.
    index.pod_applied(&pod_of(None));
    assert_eq!(index.pods(&acme()).len(), 1);
    index.pod_applied(&pod_of(set));
    index.replica_set_deleted(&replica_set("r1", Some("d1")));
    index.pod_applied(&pod_of(set));
    assert_eq!(index.pods(&acme()).len(), 1);
    index.pod_applied(&pod_of(Some(("ReplicaSet", "theirs", "r2"))));
    assert_eq!(index.pods(&acme()), []);
    // One that is cut off and was never seen otherwise is nobody's.
    let index = index_of_workloads();
    index.pod_applied(&pod_of(None));
    assert_eq!(index.pods(&acme()), []);
    // Its ReplicaSet was left alone by what made it.
    let index = index_of_workloads();
    index.replica_set_applied(&replica_set("r1", Some("d1")));
    index.pod_applied(&pod_of(set));
    index.replica_set_applied(&replica_set("r1", None));
    assert_eq!(index.pods(&acme()), []);
}

#[test]
fn while_a_tenant_goes_its_pods_are_told_and_what_waits_for_them_says_so() {
    let notes =
        [("Deployment", "chatbot", "d1"), ("ConfigMap", "service-config", "a")].map(|(kind, name, uid)| {
            let (kind, name) = (kind.to_owned(), name.to_owned());
            (acme(), NotedObject { kind, name, uid: Some(uid.to_owned()) })
        });
    let notes = Notes { objects: notes.into(), unnoted: Vec::new() };
    let index = Index::new(GpuResources::of(&Catalog::embedded()), InstallationId::from_text("ecp-a"), notes);
    index.object_applied(kind(), config_map("a", 5));
    index.replica_set_applied(&replica_set("r1", Some("d1")));
    let mut pod = pod_of(Some(("ReplicaSet", "chatbot-1", "r1")));
    let held = json!({"deletionTimestamp": "2026-11-28T12:00:00Z", "finalizers": ["example.com/hold"]});
    let held: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta =
        serde_json::from_value(held).expect("metadata");
    (pod.metadata.deletion_timestamp, pod.metadata.finalizers) = (held.deletion_timestamp, held.finalizers);
    index.pod_applied(&pod);
    let told = || {
        let objects = index.observe(&acme()).objects.into_iter();
        let told = objects.map(|state| (state.kind, state.status, state.reason.map(|reason| reason.key)));
        told.collect::<Vec<_>>()
    };
    let line = |kind: &str, status: &str, reason: Option<&'static str>| {
        (kind.to_owned(), status.to_owned(), reason.map(std::borrow::Cow::Borrowed))
    };
    assert_eq!(told(), [line("ConfigMap", "Active", None)]);
    index.set_goes(&acme(), true);
    let waiting = line("ConfigMap", "Active", Some("cluster.waits_for"));
    assert_eq!(told(), [waiting, line("Pod", "Terminating", Some("cluster.held_by_finalizers"))]);
    index.pod_deleted(&pod);
    assert_eq!(told(), [line("ConfigMap", "Active", None)]);
}
