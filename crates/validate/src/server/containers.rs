//! Containers: environment, mounts, ports, probes, hooks, resources, security.

use super::super::amount;
use super::super::format::{self, shortened};
use super::super::tree::{Kind, Node};
use super::super::workloads::Workload;
use super::{Rules, all_containers, amount_of};
use crate::findings::Place;
use crate::kinds::Release;
use ecp_core::text::Message;
use std::collections::{HashMap, HashSet};

const HANDLERS: [&str; 5] = ["exec", "httpGet", "tcpSocket", "grpc", "sleep"];

/// What a variable may take from the pod, besides one label or annotation.
const ENV_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];

/// What a file may hold of the pod, besides.
pub(super) const FILE_FIELDS: [&str; 5] =
    ["metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations"];

const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.ephemeral-storage",
];

/// Checks all containers; `volumes` are the pod's with what each can be, `claims` its resource claims.
pub(super) fn check(
    rules: &mut Rules<'_>,
    workload: &Workload<'_>,
    volumes: &HashMap<&str, bool>,
    claims: &HashSet<&str>,
) {
    let pod = workload.pod;
    let mut host_ports = HashSet::new();
    for container in all_containers(workload).chain(pod.list_at("ephemeralContainers")) {
        check_env(rules, container, volumes);
        check_mounts(rules, container, volumes);
        if let Some(resources) = container.get("resources") {
            check_resources(rules, resources, claims, false);
        }
        if let Some(context) = container.get("securityContext") {
            check_profiles(rules, context);
            check_escalation(rules, context, pod);
        }
        check_restarts(rules, container, pod);
    }
    for port in pod.list_at("containers").flat_map(|container| container.list_at("ports")) {
        let Some(host) = port.get("hostPort").filter(|host| host.as_integer() != Some(0)) else { continue };
        let protocol = Some(port.str_at("protocol")).filter(|text| !text.is_empty()).unwrap_or("TCP");
        if !host_ports.insert((protocol, port.str_at("hostIP"), host.text())) {
            rules.bad(host, "validate.rule.duplicate");
        }
    }
    for init in pod.list_at("initContainers") {
        if init.str_at("restartPolicy") == "Always" {
            check_running(rules, init, pod);
        } else {
            for field in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                rules.forbidden(init, field, "initContainers[].restartPolicy ≠ Always");
            }
        }
    }
    for container in pod.list_at("containers") {
        check_running(rules, container, pod);
    }
    for container in pod.list_at("ephemeralContainers") {
        for field in [
            "lifecycle",
            "livenessProbe",
            "readinessProbe",
            "restartPolicy",
            "startupProbe",
            "ports",
            "resources",
        ] {
            rules.forbidden(container, field, "ephemeralContainers");
        }
    }
}

fn check_restarts(rules: &mut Rules<'_>, container: Node<'_>, pod: Node<'_>) {
    rules.at_most(container.get("restartPolicyRules"), 20);
    for rule in container.list_at("restartPolicyRules") {
        rules.at_most(rule.at(&["exitCodes", "values"]), 255);
        rules.required(rule, "action");
        rules.required(rule, "exitCodes");
        if rules.release < Release::V1_36 {
            rules.words(rule.get("action").filter(|action| !action.is_empty()), &["Restart"]);
        }
    }
    let runs_beside =
        container.parent().key() == "initContainers" && container.str_at("restartPolicy") == "Always";
    if runs_beside && container.filled("restartPolicyRules") && rules.release < Release::V1_36 {
        rules.forbidden(container, "restartPolicyRules", "restartPolicy: Always");
    }
    if container.filled("restartPolicyRules") && !container.has("restartPolicy") {
        rules.required_where(container, "restartPolicy", "restartPolicyRules");
    }
    let mut resized = HashSet::new();
    for policy in container.list_at("resizePolicy") {
        rules.unique(policy.get("resourceName"), &mut resized);
        // What begins a pod and ends is not restarted to be resized.
        let begins = rules.release >= Release::V1_36
            && container.parent().key() == "initContainers"
            && container.str_at("restartPolicy") != "Always";
        if begins || pod.str_at("restartPolicy") == "Never" {
            rules.words(policy.get("restartPolicy").filter(|policy| !policy.is_empty()), &["NotRequired"]);
        }
    }
}

/// A container that serves: its probes and hooks.
fn check_running(rules: &mut Rules<'_>, container: Node<'_>, pod: Node<'_>) {
    for field in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe) = container.get(field).filter(|probe| probe.kind() == Kind::Mapping) else {
            continue;
        };
        check_handler(rules, probe, pod);
        if field == "readinessProbe" {
            rules.forbidden(probe, "terminationGracePeriodSeconds", "readinessProbe");
        }
    }
    let Some(lifecycle) = container.get("lifecycle") else { return };
    for hook in ["postStart", "preStop"] {
        let Some(hook) = lifecycle.get(hook).filter(|hook| hook.kind() == Kind::Mapping) else { continue };
        let given = HANDLERS.iter().filter(|handler| hook.has(handler)).count();
        if given != 1 {
            let second = hook.children().filter(|child| HANDLERS.contains(&child.key())).nth(1);
            rules.findings.error(second.unwrap_or(hook), || {
                Message::new("validate.rule.one_of")
                    .with("fields", "exec, httpGet, tcpSocket, sleep")
                    .with("count", given)
            });
        }
        check_handler(rules, hook, pod);
    }
}

fn check_handler(rules: &mut Rules<'_>, node: Node<'_>, pod: Node<'_>) {
    if let Some(exec) = node.get("exec")
        && !exec.filled("command")
        && exec.has("command")
    {
        rules.required(exec, "command");
    }
    if let Some(sleep) = node.get("sleep") {
        let grace = pod.int_at("terminationGracePeriodSeconds").unwrap_or(30).max(0);
        rules.range(sleep.get("seconds"), 0, grace);
    }
}

fn check_env(rules: &mut Rules<'_>, container: Node<'_>, volumes: &HashMap<&str, bool>) {
    for file in container.list_at("env").filter_map(|variable| variable.at(&["valueFrom", "fileKeyRef"])) {
        if let Some(name) = file.get("volumeName").filter(|name| !volumes.contains_key(name.text())) {
            rules.bad(name, "validate.pod.no_such_volume");
        }
        let pod = container.parent().parent();
        let volume = pod.list_at("volumes").find(|volume| volume.str_at("name") == file.str_at("volumeName"));
        let is_of_another = |volume: Node<'_>| {
            !volume.has("emptyDir") && volume.children().any(|child| child.key() != "name")
        };
        if let Some(name) = file.get("volumeName").filter(|_| volume.is_some_and(is_of_another)) {
            rules.findings.error(name, || {
                Message::new("validate.rule.required").with("field", "emptyDir").with("when", "fileKeyRef")
            });
        }
        rules.holds(file.get("path"), format::is_descending_path, "validate.schema.relative_path");
    }
    for from in container.list_at("envFrom") {
        rules.one_of(from, &["configMapRef", "secretRef"]);
        rules.holds(
            from.get("prefix"),
            |text| text.is_empty() || format::is_env_name(text),
            "validate.schema.env_name",
        );
    }
    for source in container.list_at("env").filter_map(|variable| variable.get("valueFrom")) {
        if let Some(path) = source.at(&["fieldRef", "fieldPath"]) {
            check_field(rules, path, &ENV_FIELDS);
        }
        if let Some(path) = source.get("fieldRef") {
            check_field_version(rules, path);
        }
        if let Some(resource) = source.get("resourceFieldRef") {
            check_resource_field(rules, resource);
        }
    }
}

pub(super) fn check_field_version(rules: &mut Rules<'_>, reference: Node<'_>) {
    rules.words(reference.get("apiVersion").filter(|version| !version.text().is_empty()), &["v1"]);
}

/// A path into the pod: one of the words, or a label or annotation by its key.
pub(super) fn check_field(rules: &mut Rules<'_>, path: Node<'_>, words: &[&str]) {
    let text = path.text();
    if path.kind() != Kind::Text || text.is_empty() {
        return;
    }
    if let Some((map, key)) = text.strip_suffix("']").and_then(|rest| rest.split_once("['")) {
        let known = match map {
            "metadata.labels" => format::is_qualified_name(key),
            "metadata.annotations" => format::is_qualified_name(&key.to_ascii_lowercase()),
            _ => false,
        };
        if !known {
            rules.bad(path, "validate.pod.field_path");
        }
        return;
    }
    rules.words(Some(path), words);
}

pub(super) fn check_resource_field(rules: &mut Rules<'_>, reference: Node<'_>) {
    let Some(resource) = reference.get("resource").filter(|resource| !resource.text().is_empty()) else {
        return;
    };
    let huge = ["limits.hugepages-", "requests.hugepages-"];
    if !huge.iter().any(|prefix| resource.text().starts_with(prefix)) {
        rules.words(Some(resource), &RESOURCES);
    }
    if let Some(divisor) = reference.get("divisor") {
        let allowed = if resource.text().ends_with("cpu") {
            ["0", "1m", "1"].as_slice()
        } else {
            &["0", "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"]
        };
        // Compared as they are written shortest, which keeps the family of the suffix.
        let family = |text: &str| {
            let binary = text.ends_with('i');
            let exponent = text.contains(['e', 'E']) && !text.ends_with('E');
            (binary, exponent)
        };
        let is_allowed = allowed.iter().any(|text| {
            amount::parse(text) == amount::parse(divisor.text()) && family(text) == family(divisor.text())
        });
        if !is_allowed {
            rules.words(Some(divisor), allowed);
        }
    }
}

fn check_mounts(rules: &mut Rules<'_>, container: Node<'_>, volumes: &HashMap<&str, bool>) {
    let mounted: HashSet<&str> =
        container.list_at("volumeMounts").map(|mount| mount.str_at("name")).collect();
    let mut devices = HashSet::new();
    for device in container.list_at("volumeDevices") {
        let Some(name) = device.get("name") else { continue };
        rules.unique(Some(name), &mut devices);
        match volumes.get(name.text()) {
            None => rules.bad(name, "validate.pod.no_such_volume"),
            Some(false) => rules.bad(name, "validate.pod.not_a_block_volume"),
            Some(true) if mounted.contains(name.text()) => rules.bad(name, "validate.rule.duplicate"),
            Some(true) => {}
        }
        if let Some(path) = device.get("devicePath").filter(|path| {
            container.list_at("volumeMounts").any(|mount| mount.str_at("mountPath") == path.text())
        }) {
            rules.bad(path, "validate.rule.duplicate");
        }
    }
    for mount in container.list_at("volumeMounts") {
        if !mount.str_at("subPath").is_empty() && !mount.str_at("subPathExpr").is_empty() {
            rules.not_both(mount, "subPath", "subPathExpr");
        }
        let propagation = mount.str_at("mountPropagation");
        let privileged = container.at(&["securityContext", "privileged"]).is_some_and(Node::is_true);
        if propagation == "Bidirectional"
            && !privileged
            && let Some(place) = mount.get("mountPropagation")
        {
            rules.findings.error(place, || {
                Message::new("validate.rule.required")
                    .with("field", "securityContext.privileged: true")
                    .with("when", "mountPropagation: Bidirectional")
            });
        }
        if let Some(recursive) = mount.get("recursiveReadOnly").filter(|node| node.text() != "Disabled") {
            if !mount.flag_at("readOnly") {
                rules.required_where(mount, "readOnly", "recursiveReadOnly");
            } else if !matches!(propagation, "" | "None") {
                rules.bad(recursive, "validate.rule.duplicate");
            }
        }
    }
}

/// Requests and limits of a container, or of a pod as a whole.
pub(super) fn check_resources(
    rules: &mut Rules<'_>,
    resources: Node<'_>,
    claims: &HashSet<&str>,
    whole_pod: bool,
) {
    let limits: HashMap<&str, Node<'_>> = resources
        .get("limits")
        .into_iter()
        .flat_map(Node::children)
        .map(|limit| (limit.key(), limit))
        .collect();
    let mut huge = None;
    let mut plain = false;
    for part in ["limits", "requests"] {
        for amount in resources.get(part).into_iter().flat_map(Node::children) {
            check_name(rules, amount, whole_pod);
            check_amount(rules, amount);
            let name = amount.key();
            plain |= matches!(name, "cpu" | "memory");
            if check_pages(rules, amount) {
                huge = huge.or(Some(amount));
            }
            if part == "requests" {
                check_request(rules, amount, limits.get(name).copied());
            }
        }
    }
    if let Some(huge) = huge.filter(|_| !plain) {
        alone(rules, huge);
    }
    let mut seen = HashSet::new();
    for claim in resources.list_at("claims") {
        let Some(name) = claim.get("name") else { continue };
        if !claims.contains(name.text()) {
            rules.bad(name, "validate.pod.no_such_claim");
        }
        if !seen.insert((name.text(), claim.str_at("request"))) {
            rules.bad(name, "validate.rule.duplicate");
        }
    }
}

/// What a pod takes beside its containers: amounts as their limits are.
pub(super) fn check_overhead(rules: &mut Rules<'_>, overhead: Node<'_>) {
    let mut huge = None;
    for amount in overhead.children() {
        check_name(rules, amount, false);
        check_amount(rules, amount);
        if check_pages(rules, amount) {
            huge = huge.or(Some(amount));
        }
    }
    if let Some(huge) = huge.filter(|_| !overhead.has("cpu") && !overhead.has("memory")) {
        alone(rules, huge);
    }
}

/// Whether these are huge pages, which come in whole ones.
fn check_pages(rules: &mut Rules<'_>, amount: Node<'_>) -> bool {
    let name = amount.key();
    let Some(size) = name.strip_prefix("hugepages-") else { return false };
    let divides = amount::parse(size)
        .is_some_and(|size| size > 0 && amount_of(Some(amount)).is_none_or(|amount| amount % size == 0));
    if !divides {
        rules.findings.error(amount, || {
            Message::new("validate.resources.huge_page")
                .with("resource", shortened(name))
                .with("value", shortened(amount.text()))
        });
    }
    true
}

/// Huge pages without anything else.
fn alone(rules: &mut Rules<'_>, huge: Node<'_>) {
    rules.findings.error(huge, || {
        Message::new("validate.rule.required").with("field", "cpu").with("when", shortened(huge.key()))
    });
}

/// The name of what containers ask for.
pub(super) fn check_name(rules: &mut Rules<'_>, amount: Node<'_>, whole_pod: bool) {
    let name = amount.key();
    let standard = ["cpu", "memory", "ephemeral-storage"].contains(&name) || name.starts_with("hugepages-");
    let fault = match name.split_once('/') {
        None if whole_pod && !(standard && name != "ephemeral-storage") => "validate.resources.unknown",
        None if !standard => "validate.resources.unknown",
        _ if !format::is_qualified_name(name) => "validate.resources.unknown",
        Some(_) if whole_pod => "validate.resources.unknown",
        Some((domain, _)) if domain.starts_with("requests.") => "validate.resources.unknown",
        _ => return,
    };
    rules.findings.error(Place::Key(amount), || Message::new(fault).with("resource", shortened(name)));
}

fn check_amount(rules: &mut Rules<'_>, node: Node<'_>) {
    let Some(value) = amount::parse(node.text()) else { return };
    let message =
        |key| Message::new(key).with("resource", shortened(node.key())).with("value", shortened(node.text()));
    if value < 0 {
        rules.findings.error(node, || message("validate.resources.negative"));
    } else if is_extended(node.key()) && value % 1000 != 0 {
        rules.findings.error(node, || message("validate.resources.fraction"));
    }
}

fn check_request(rules: &mut Rules<'_>, request: Node<'_>, limit: Option<Node<'_>>) {
    let name = request.key();
    let whole = is_extended(name) || name.starts_with("hugepages-");
    let message = |key| {
        Message::new(key)
            .with("resource", shortened(name))
            .with("request", shortened(request.text()))
            .with("limit", limit.map_or("", Node::text))
    };
    match (amount_of(Some(request)), limit.map(|limit| amount_of(Some(limit)))) {
        (Some(_), None) if whole => {
            rules.findings.error(request, || message("validate.resources.extended_limit"));
        }
        (Some(asked), Some(Some(limit))) if whole && asked != limit => {
            rules.findings.error(request, || message("validate.resources.gpu_mismatch"));
        }
        (Some(asked), Some(Some(limit))) if asked > limit => {
            rules.findings.error(request, || message("validate.resources.request_over_limit"));
        }
        _ => {}
    }
}

/// Devices and the like: names with a domain that is not Kubernetes' own.
pub(super) fn is_extended(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(domain, _)| domain != "kubernetes.io" && !domain.ends_with(".kubernetes.io"))
}

/// Profiles of seccomp and AppArmor: a file is named where the type says so, and only there.
pub(super) fn check_profiles(rules: &mut Rules<'_>, context: Node<'_>) {
    for field in ["seccompProfile", "appArmorProfile"] {
        let Some(profile) = context.get(field) else { continue };
        match profile.str_at("type") {
            "Localhost" => {
                // An empty text counts as given for seccomp.
                if field == "appArmorProfile" || !profile.has("localhostProfile") {
                    rules.required_where(profile, "localhostProfile", "type: Localhost");
                }
                if field == "seccompProfile" {
                    rules.holds(
                        profile.get("localhostProfile"),
                        format::is_descending_path,
                        "validate.schema.relative_path",
                    );
                } else {
                    rules.length(profile.get("localhostProfile"), 4095);
                    rules.holds(
                        profile.get("localhostProfile"),
                        |text| text.trim() == text,
                        "validate.schema.spaces",
                    );
                }
            }
            _ => rules.forbidden(profile, "localhostProfile", "type ≠ Localhost"),
        }
    }
}

fn check_escalation(rules: &mut Rules<'_>, context: Node<'_>, pod: Node<'_>) {
    let denied = context
        .get("allowPrivilegeEscalation")
        .is_some_and(|allow| allow.kind() == Kind::Boolean && !allow.is_true());
    if denied {
        if context.flag_at("privileged") {
            rules.forbidden(context, "privileged", "allowPrivilegeEscalation: false");
        }
        let added =
            context.get("capabilities").into_iter().flat_map(|capabilities| capabilities.list_at("add"));
        for capability in added.filter(|added| added.text() == "CAP_SYS_ADMIN") {
            rules.bad(capability, "validate.pod.escalation");
        }
    }
    let host_users = pod.get("hostUsers").is_none_or(Node::is_true);
    if context.str_at("procMount") == "Unmasked" && host_users {
        rules.forbidden(context, "procMount", "hostUsers: true");
    }
}
