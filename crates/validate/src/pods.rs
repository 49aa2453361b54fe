//! What a pod's containers are made of: images, ports, environment, volumes and probes.

use super::findings::{Findings, Place};
use super::format::{shortened, split_tag};
use super::objects::{Object, Objects};
use super::tree::{Kind, Node};
use super::workloads::{Selector, Workload, Workloads};
use ecp_core::text::Message;
use std::collections::HashSet;

/// Shortest recommended time between liveness probes, in seconds: Kubernetes' own default.
const LIVENESS_PERIOD_SECONDS: i64 = 10;
/// Shortest recommended time until a failing liveness probe restarts the container, in seconds:
/// Kubernetes' defaults, three failures ten seconds apart.
const LIVENESS_PATIENCE_SECONDS: i64 = 30;

/// Checks the pods of every workload.
pub(super) fn check(objects: &Objects<'_>, workloads: &Workloads<'_>, findings: &mut Findings) {
    for workload in &workloads.all {
        let object = &objects.all[workload.object];
        check_controller(object, workload, findings);
        let volumes = check_volumes(object, workload, findings);
        let mut names = HashSet::new();
        for container in workload.init_containers.iter().chain(&workload.containers) {
            unique(container.get("name"), &mut names, "validate.pod.duplicate_container", findings);
            check_image(*container, findings);
            check_env(*container, findings);
            check_mounts(*container, &volumes, findings);
            check_ports(*container, findings);
        }
        for container in &workload.containers {
            check_probes(*container, workload.long_running, findings);
        }
    }
}

/// What the controller demands of the pods that it makes.
fn check_controller(object: &Object<'_>, workload: &Workload<'_>, findings: &mut Findings) {
    let Some(spec) = object.spec() else { return };
    let is_selected = !["Job", "Pod", "PodTemplate"].iter().any(|kind| object.is(kind));
    if let Some(selector) = spec.get("selector").filter(|_| is_selected) {
        let parsed = if object.is("ReplicationController") {
            Selector::of_map(selector)
        } else {
            Selector::of(selector)
        };
        // A ReplicationController takes its template's labels where it names none.
        if parsed.is_empty() && !object.is("ReplicationController") {
            findings.error(selector, || Message::new("validate.selector.empty"));
        } else if !parsed.takes(&workload.labels) {
            findings.error(selector, || Message::new("validate.selector.template"));
        }
    }
    let allowed: &[&str] = match object.kind {
        "Job" | "CronJob" => &["OnFailure", "Never"],
        "Pod" | "PodTemplate" => return,
        _ => &["Always"],
    };
    let policy = workload.pod.get("restartPolicy");
    let stated = policy.map(Node::text).filter(|text| !text.is_empty()).unwrap_or("Always");
    if !allowed.contains(&stated) {
        let place = policy.map_or(Place::Missing(workload.pod, "restartPolicy"), Place::Value);
        findings.error(place, || {
            Message::new("validate.pod.restart_policy")
                .with("kind", object.kind)
                .with("allowed", allowed.join(", "))
        });
    }
    let strategy = spec.get("strategy");
    if let Some(rolling) = strategy.and_then(|strategy| strategy.get("rollingUpdate"))
        && strategy.and_then(|strategy| strategy.text_at("type")) == Some("Recreate")
    {
        findings.error(Place::Key(rolling), || Message::new("validate.pod.recreate"));
    }
}

/// Reports a text that its list has already.
fn unique<'t>(
    node: Option<Node<'t>>,
    seen: &mut HashSet<&'t str>,
    key: &'static str,
    findings: &mut Findings,
) {
    if let Some(node) = node
        && !seen.insert(node.text())
    {
        findings.error(node, || Message::new(key).with("value", shortened(node.text())));
    }
}

fn check_image(container: Node<'_>, findings: &mut Findings) {
    let Some(image) = container.get("image") else { return };
    let text = image.text();
    if text.contains('@') {
        return;
    }
    let (name, tag) = split_tag(text);
    match tag {
        None if !name.is_empty() => findings
            .policy(image, || Message::new("validate.image.floating.none").with("image", shortened(text))),
        Some("latest") => findings
            .policy(image, || Message::new("validate.image.floating.latest").with("image", shortened(text))),
        _ => {}
    }
}

fn check_env(container: Node<'_>, findings: &mut Findings) {
    let mut names = HashSet::new();
    for variable in container.list_at("env") {
        if let Some(name) = variable.get("name")
            && !names.insert(name.text())
        {
            findings.error(name, || {
                Message::new("validate.pod.duplicate_env").with("value", shortened(name.text()))
            });
        }
        let sources = variable
            .get("valueFrom")
            .map_or(0, |source| source.children().filter(|child| child.kind() != Kind::Null).count());
        if sources > 0 && variable.get("value").is_some_and(|value| !value.text().is_empty()) {
            findings.error(variable, || Message::new("validate.pod.env_two_values"));
        } else if variable.get("valueFrom").is_some() && sources != 1 {
            findings.error(variable, || Message::new("validate.pod.env_source").with("count", sources));
        }
    }
}

/// Checks volumes and gives their names.
fn check_volumes<'t>(
    object: &Object<'t>,
    workload: &Workload<'t>,
    findings: &mut Findings,
) -> HashSet<&'t str> {
    let mut names = HashSet::new();
    for volume in workload.pod.list_at("volumes") {
        unique(volume.get("name"), &mut names, "validate.pod.duplicate_volume", findings);
        let sources =
            volume.children().filter(|child| child.key() != "name" && child.kind() != Kind::Null).count();
        // Without a source it is an empty directory.
        if sources > 1 {
            findings.error(volume, || Message::new("validate.pod.volume_source").with("count", sources));
        }
    }
    if object.is("StatefulSet")
        && let Some(spec) = object.spec()
    {
        let claims = spec.list_at("volumeClaimTemplates");
        names.extend(claims.filter_map(|claim| claim.at(&["metadata", "name"])).map(Node::text));
    }
    names
}

fn check_mounts(container: Node<'_>, volumes: &HashSet<&str>, findings: &mut Findings) {
    let mut paths = HashSet::new();
    for mount in container.list_at("volumeMounts") {
        unique(mount.get("mountPath"), &mut paths, "validate.pod.duplicate_mount", findings);
        if let Some(name) = mount.get("name")
            && !volumes.contains(name.text())
        {
            findings.error(name, || {
                Message::new("validate.pod.no_such_volume").with("value", shortened(name.text()))
            });
        }
    }
}

fn check_ports(container: Node<'_>, findings: &mut Findings) {
    let mut names = HashSet::new();
    let mut ports = HashSet::new();
    for port in container.list_at("ports") {
        unique(port.get("name"), &mut names, "validate.pod.duplicate_port", findings);
        if let Some(number) = port.get("containerPort")
            && !ports.insert((number.text(), port.text_at("protocol").unwrap_or("TCP")))
        {
            findings.error(number, || {
                Message::new("validate.pod.duplicate_port").with("value", shortened(number.text()))
            });
        }
    }
}

fn check_probes(container: Node<'_>, long_running: bool, findings: &mut Findings) {
    for (field, missing) in
        [("livenessProbe", "validate.probe.no_liveness"), ("readinessProbe", "validate.probe.no_readiness")]
    {
        if long_running && container.kind() == Kind::Mapping && container.get(field).is_none() {
            let name = container.text_at("name").unwrap_or("");
            findings.policy(Place::Missing(container, field), || {
                Message::new(missing).with("container", shortened(name))
            });
        }
    }
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get(field).filter(|probe| probe.kind() == Kind::Mapping) else {
            continue;
        };
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"];
        let given = handlers.iter().filter(|handler| probe.get(handler).is_some()).count();
        if given != 1 {
            let second = probe.children().filter(|child| handlers.contains(&child.key())).nth(1);
            findings.error(second.map_or(Place::Value(probe), Place::Key), || {
                Message::new("validate.probe.handler").with("count", given)
            });
        }
        for handler in ["httpGet", "tcpSocket", "grpc"] {
            if let Some(port) = probe.get(handler).and_then(|handler| handler.get("port")) {
                check_probe_port(container, port, findings);
            }
        }
        if field != "readinessProbe"
            && let Some(threshold) = probe.get("successThreshold")
            && threshold.as_integer().is_some_and(|value| !matches!(value, 0 | 1))
        {
            findings.error(threshold, || Message::new("validate.probe.success_threshold"));
        }
    }
    if let Some(probe) = container.get("livenessProbe") {
        check_liveness(probe, findings);
    }
}

fn check_liveness(probe: Node<'_>, findings: &mut Findings) {
    let number = |field, default| probe.get(field).and_then(Node::as_integer).unwrap_or(default);
    let (period, failures) = (number("periodSeconds", 10), number("failureThreshold", 3));
    let patience = period.saturating_mul(failures);
    if period < LIVENESS_PERIOD_SECONDS {
        let place = probe.get("periodSeconds").unwrap_or(probe);
        findings.policy(place, || {
            Message::new("validate.probe.liveness_short.period")
                .with("actual", period)
                .with("recommended", LIVENESS_PERIOD_SECONDS)
        });
    } else if patience < LIVENESS_PATIENCE_SECONDS {
        let place = probe.get("failureThreshold").unwrap_or(probe);
        findings.policy(place, || {
            Message::new("validate.probe.liveness_short.patience")
                .with("actual", patience)
                .with("recommended", LIVENESS_PATIENCE_SECONDS)
        });
    }
}

/// The port that is probed should be one that the container declares.
fn check_probe_port(container: Node<'_>, port: Node<'_>, findings: &mut Findings) {
    let number = port.as_integer();
    let declared = |declared: Node<'_>| match number {
        Some(number) => declared.get("containerPort").and_then(Node::as_integer) == Some(number),
        None => declared.text_at("name") == Some(port.text()),
    };
    if container.list_at("ports").any(declared) {
        return;
    }
    let message = || Message::new("validate.probe.port").with("port", shortened(port.text()));
    findings.policy(port, message);
}
