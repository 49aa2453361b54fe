//! References from one object to another.
//!
//! An object that only this manifest can bring (what an autoscaler scales, what an Ingress leads
//! to) must be in it. One that may be in the namespace already (configuration, secrets, accounts,
//! claims) is a warning when it is not, unless the reference is optional.

use super::findings::Findings;
use super::format::shortened;
use super::objects::{Object, Objects};
use super::tree::Node;
use super::workloads::{Effort, Selector, Workload, Workloads};
use ecp_core::text::Message;
use std::collections::{HashMap, HashSet};

/// References whose absence was reported: each once.
pub(super) type Reported<'t> = HashSet<(&'static str, &'t str, &'t str)>;

/// Checks the references of workloads, autoscalers, budgets, policies and bindings.
pub(super) fn check<'t>(
    objects: &Objects<'t>,
    workloads: &Workloads<'t>,
    effort: &mut Effort,
    reported: &mut Reported<'t>,
    findings: &mut Findings,
) {
    let keys = ConfigKeys::of(objects);
    for workload in &workloads.all {
        check_pod(objects, workload, &keys, reported, findings);
    }
    for object in &objects.all {
        match object.info.map(|info| info.kind) {
            Some("HorizontalPodAutoscaler") => check_autoscaler(object, objects, effort, findings),
            Some("PodDisruptionBudget") => check_budget(object, workloads, effort, findings),
            Some("NetworkPolicy") => check_policy(object, workloads, effort, findings),
            Some("RoleBinding") => check_binding(object, objects, reported, findings),
            Some("StatefulSet") => {
                if let Some(service) = object.spec().and_then(|spec| spec.get("serviceName")) {
                    expect(objects, "Service", object.namespace, service, reported, findings);
                }
            }
            _ => {}
        }
    }
}

/// Warns, once, where an object that may exist outside the manifest is not in it.
pub(super) fn expect<'t>(
    objects: &Objects<'t>,
    kind: &'static str,
    namespace: &'t str,
    name: Node<'t>,
    reported: &mut Reported<'t>,
    findings: &mut Findings,
) {
    let text = name.text();
    if objects.find(kind, namespace, text).is_none() && reported.insert((kind, namespace, text)) {
        findings.policy(name, || {
            Message::new("validate.reference.outside").with("kind", kind).with("name", shortened(text))
        });
    }
}

/// Keys of the manifest's ConfigMaps and Secrets.
struct ConfigKeys<'t>(HashMap<(&'static str, &'t str, &'t str), HashSet<&'t str>>);

impl<'t> ConfigKeys<'t> {
    fn of(objects: &Objects<'t>) -> Self {
        let mut keys: HashMap<_, HashSet<&str>> = HashMap::new();
        for object in &objects.all {
            let Some(info) = object.info.filter(|info| matches!(info.kind, "ConfigMap" | "Secret")) else {
                continue;
            };
            let entry = keys.entry((info.kind, object.namespace, object.name)).or_default();
            for part in ["data", "binaryData", "stringData"] {
                entry.extend(object.root.get(part).into_iter().flat_map(Node::children).map(Node::key));
            }
        }
        Self(keys)
    }
}

/// A place in a pod that names a ConfigMap or Secret, with where the name and the keys are.
struct Source<'t> {
    kind: &'static str,
    holder: Node<'t>,
    name_field: &'static str,
}

fn check_pod<'t>(
    objects: &Objects<'t>,
    workload: &Workload<'t>,
    keys: &ConfigKeys<'t>,
    reported: &mut Reported<'t>,
    findings: &mut Findings,
) {
    let namespace = workload.namespace;
    let pod = workload.pod;
    for source in sources(workload) {
        let Some(name) = source.holder.get(source.name_field) else { continue };
        if source.holder.get("optional").is_some_and(Node::is_true) {
            continue;
        }
        let Some(known) = keys.0.get(&(source.kind, namespace, name.text())) else {
            expect(objects, source.kind, namespace, name, reported, findings);
            continue;
        };
        let items = source.holder.list_at("items").filter_map(|item| item.get("key"));
        for key in source.holder.get("key").into_iter().chain(items) {
            if !known.contains(key.text()) {
                findings.policy(key, || {
                    Message::new("validate.reference.key")
                        .with("kind", source.kind)
                        .with("name", shortened(name.text()))
                        .with("key", shortened(key.text()))
                });
            }
        }
    }
    if let Some(account) = pod.get("serviceAccountName")
        && account.text() != "default"
    {
        expect(objects, "ServiceAccount", namespace, account, reported, findings);
    }
    for secret in pod.list_at("imagePullSecrets").filter_map(|secret| secret.get("name")) {
        expect(objects, "Secret", namespace, secret, reported, findings);
    }
    for volume in pod.list_at("volumes") {
        if let Some(claim) = volume.at(&["persistentVolumeClaim", "claimName"]) {
            expect(objects, "PersistentVolumeClaim", namespace, claim, reported, findings);
        }
    }
}

fn sources<'t>(workload: &Workload<'t>) -> Vec<Source<'t>> {
    let mut sources = Vec::new();
    let mut add = |kind, holder: Option<Node<'t>>, name_field| {
        sources.extend(holder.map(|holder| Source { kind, holder, name_field }));
    };
    for container in workload.init_containers.iter().chain(&workload.containers) {
        for from in container.list_at("env").filter_map(|variable| variable.get("valueFrom")) {
            add("ConfigMap", from.get("configMapKeyRef"), "name");
            add("Secret", from.get("secretKeyRef"), "name");
        }
        for from in container.list_at("envFrom") {
            add("ConfigMap", from.get("configMapRef"), "name");
            add("Secret", from.get("secretRef"), "name");
        }
    }
    for volume in workload.pod.list_at("volumes") {
        add("ConfigMap", volume.get("configMap"), "name");
        add("Secret", volume.get("secret"), "secretName");
        let projected = volume.get("projected").into_iter();
        for source in projected.flat_map(|projected| projected.list_at("sources")) {
            add("ConfigMap", source.get("configMap"), "name");
            add("Secret", source.get("secret"), "name");
        }
    }
    sources
}

fn check_autoscaler(
    object: &Object<'_>,
    objects: &Objects<'_>,
    effort: &mut Effort,
    findings: &mut Findings,
) {
    let Some(spec) = object.spec() else { return };
    let Some(target) = spec.get("scaleTargetRef") else { return };
    let (Some(kind), Some(name)) = (target.text_at("kind"), target.get("name")) else { return };
    if !["Deployment", "StatefulSet", "ReplicaSet"].contains(&kind) {
        return; // Custom resources may be scaled too.
    }
    let Some(scaled) = objects.find(kind, object.namespace, name.text()) else {
        findings.policy(name, || {
            Message::new("validate.reference.missing").with("kind", kind).with("name", shortened(name.text()))
        });
        return;
    };
    check_metrics(spec, scaled, effort, findings);
}

/// Utilization is a share of the request: without one there is nothing to share.
fn check_metrics(spec: Node<'_>, scaled: &Object<'_>, effort: &mut Effort, findings: &mut Findings) {
    let containers = || {
        let pod = scaled.root.at(&["spec", "template", "spec"]);
        pod.into_iter().flat_map(|pod| pod.list_at("containers"))
    };
    for metric in spec.list_at("metrics").filter_map(|metric| metric.get("resource")) {
        let Some(name) = metric.get("name") else { continue };
        if !effort.spend(containers().count() as u64) {
            return;
        }
        let by_share = metric.at(&["target", "type"]).is_some_and(|kind| kind.text() == "Utilization");
        let asked = |container: Node<'_>| {
            let resources = container.get("resources");
            ["requests", "limits"]
                .iter()
                .any(|part| resources.and_then(|r| r.at(&[part, name.text()])).is_some())
        };
        if by_share && !containers().all(asked) {
            findings.policy(name, || {
                Message::new("validate.autoscaler.no_request")
                    .with("object", scaled.title())
                    .with("resource", shortened(name.text()))
            });
        }
    }
}

fn check_budget(
    object: &Object<'_>,
    workloads: &Workloads<'_>,
    effort: &mut Effort,
    findings: &mut Findings,
) {
    let Some(spec) = object.spec() else { return };
    let Some(node) = spec.get("selector") else { return };
    let found = workloads.search(object.namespace, &Selector::of(node), effort, |_| true);
    if found.is_some_and(|found| !found.any) {
        findings.policy(node, || Message::new("validate.selector.nothing").with("object", object.title()));
    }
}

fn check_policy(
    object: &Object<'_>,
    workloads: &Workloads<'_>,
    effort: &mut Effort,
    findings: &mut Findings,
) {
    let Some(node) = object.spec().and_then(|spec| spec.get("podSelector")) else { return };
    let selector = Selector::of(node);
    if selector.is_empty() {
        return; // Every pod of the namespace.
    }
    let found = workloads.search(object.namespace, &selector, effort, |_| true);
    if found.is_some_and(|found| !found.any) {
        findings
            .policy(node, || Message::new("validate.selector.policy_nothing").with("object", object.title()));
    }
}

fn check_binding<'t>(
    object: &Object<'t>,
    objects: &Objects<'t>,
    reported: &mut Reported<'t>,
    findings: &mut Findings,
) {
    let role = object.root.get("roleRef").filter(|role| role.text_at("kind") == Some("Role"));
    if let Some(name) = role.and_then(|role| role.get("name")) {
        expect(objects, "Role", object.namespace, name, reported, findings);
    }
    for subject in object.root.list_at("subjects") {
        let here = subject.text_at("namespace").is_none_or(|namespace| namespace == object.namespace);
        if subject.text_at("kind") == Some("ServiceAccount")
            && here
            && let Some(name) = subject.get("name").filter(|name| name.text() != "default")
        {
            expect(objects, "ServiceAccount", object.namespace, name, reported, findings);
        }
    }
}
