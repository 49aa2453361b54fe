//! What a pod may do to its node: the Pod Security Standards, `baseline` as errors and what is
//! left of `restricted` as one warning a pod.

use super::findings::Findings;
use super::format::shortened;
use super::objects::Objects;
use super::tree::Node;
use super::workloads::{Workload, Workloads};
use ecp_core::text::Message;
use std::collections::HashSet;

/// Label by which a namespace refuses pods under a standard.
const ENFORCE_LABEL: &str = "pod-security.kubernetes.io/enforce";

/// Checks the pods of every workload.
pub(super) fn check(objects: &Objects<'_>, workloads: &Workloads<'_>, findings: &mut Findings) {
    let restricted: HashSet<&str> = objects
        .of_kind("Namespace")
        .filter(|namespace| namespace.label(ENFORCE_LABEL) == Some("restricted"))
        .map(|namespace| namespace.name)
        .collect();
    for workload in &workloads.all {
        check_host(workload, findings);
        for container in workload.init_containers.iter().chain(&workload.containers) {
            check_container(*container, findings);
        }
        check_restricted(workload, restricted.contains(workload.namespace), findings);
    }
}

fn check_host(workload: &Workload<'_>, findings: &mut Findings) {
    for field in ["hostNetwork", "hostPID", "hostIPC"] {
        if let Some(node) = workload.pod.get(field).filter(|node| node.is_true()) {
            findings.policy(node, || Message::new("validate.privilege.host").with("field", field));
        }
    }
    for volume in workload.pod.list_at("volumes") {
        if let Some(host_path) = volume.get("hostPath") {
            findings.policy(host_path, || Message::new("validate.privilege.host_path"));
        }
    }
}

fn check_container(container: Node<'_>, findings: &mut Findings) {
    for port in container.list_at("ports") {
        if let Some(host) = port.get("hostPort").filter(|host| host.as_integer() != Some(0)) {
            findings.policy(host, || Message::new("validate.privilege.host_port"));
        }
    }
    let Some(context) = container.get("securityContext") else { return };
    if let Some(node) = context.get("privileged").filter(|node| node.is_true()) {
        findings.policy(node, || Message::new("validate.privilege.privileged"));
    }
    let Some(capabilities) = context.get("capabilities") else { return };
    for added in capabilities.list_at("add") {
        if added.text() != "NET_BIND_SERVICE" {
            findings.policy(added, || {
                Message::new("validate.privilege.capability").with("capability", shortened(added.text()))
            });
        }
    }
}

/// What the `restricted` standard asks for and the pod does not have, in one finding: an error
/// where the manifest's own namespace enforces it, since its pods would be refused.
fn check_restricted(workload: &Workload<'_>, enforced: bool, findings: &mut Findings) {
    let pod = workload.pod.get("securityContext");
    let mut lacking = Vec::new();
    let mut lacks = |what: &'static str, is_lacking: bool| {
        if is_lacking && !lacking.contains(&what) {
            lacking.push(what);
        }
    };
    for container in workload.init_containers.iter().chain(&workload.containers) {
        let own = container.get("securityContext");
        let field = |name: &str| own.and_then(|own| own.get(name));
        let inherited = |name: &str| field(name).or_else(|| pod.and_then(|pod| pod.get(name)));
        let as_root = inherited("runAsUser").and_then(Node::as_integer) == Some(0);
        lacks("runAsNonRoot: true", as_root || !inherited("runAsNonRoot").is_some_and(Node::is_true));
        lacks("allowPrivilegeEscalation: false", field("allowPrivilegeEscalation").is_none_or(Node::is_true));
        let drops_all = field("capabilities")
            .is_some_and(|capabilities| capabilities.list_at("drop").any(|drop| drop.text() == "ALL"));
        lacks("capabilities.drop: [ALL]", !drops_all);
        let profile = inherited("seccompProfile").and_then(|profile| profile.text_at("type"));
        lacks(
            "seccompProfile.type: RuntimeDefault",
            !matches!(profile, Some("RuntimeDefault" | "Localhost")),
        );
    }
    if lacking.is_empty() {
        return;
    }
    let lacking = lacking.join(", ");
    if enforced {
        findings.policy(workload.pod, || Message::new("validate.privilege.refused").with("lacking", lacking));
    } else {
        findings.policy(workload.pod, || {
            Message::new("validate.privilege.not_restricted").with("lacking", lacking)
        });
    }
}
