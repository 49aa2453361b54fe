//! Rules of the policy on single objects: what gives away the cluster, blocks it or binds nothing.

use super::findings::{Findings, Place};
use super::format::{is_image, shortened};
use super::objects::{Object, Objects};
use super::tree::{Kind, Node};
use super::workloads::{Selector, Workloads};
use ecp_core::text::Message;

/// Sysctls that the kubelet lets every pod set.
const SAFE_SYSCTLS: [&str; 6] = [
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_syncookies",
];

/// Checks every object.
pub(super) fn check(objects: &Objects<'_>, workloads: &Workloads<'_>, findings: &mut Findings) {
    for object in &objects.all {
        match object.info.map(|info| info.kind) {
            Some("Role" | "ClusterRole") => check_role(object, findings),
            Some("RoleBinding" | "ClusterRoleBinding") => check_binding(object, findings),
            Some("ResourceQuota") => check_quota(object, findings),
            Some("Service") => {
                let spec = object.spec().filter(|spec| spec.filled("externalIPs"));
                if let Some(ips) = spec.and_then(|spec| spec.get("externalIPs")) {
                    findings.policy(Place::Key(ips), || Message::new("validate.service.external_ips"));
                }
            }
            _ => {}
        }
    }
    for workload in &workloads.all {
        for sysctl in
            workload.pod.get("securityContext").into_iter().flat_map(|context| context.list_at("sysctls"))
        {
            if let Some(name) = sysctl.get("name").filter(|name| !SAFE_SYSCTLS.contains(&name.text())) {
                findings.policy(name, || {
                    Message::new("validate.privilege.sysctl").with("name", shortened(name.text()))
                });
            }
        }
        for container in workload.init_containers.iter().chain(&workload.containers) {
            if let Some(image) = container.get("image")
                && image.kind() == Kind::Text
                && !image.text().is_empty()
                && !is_image(image.text())
            {
                findings.policy(image, || {
                    Message::new("validate.image.reference").with("value", shortened(image.text()))
                });
            }
        }
        let object = &objects.all[workload.object];
        let names_it = |label: &str| object.label(label).is_some_and(|label| !label.is_empty());
        if !names_it("app.kubernetes.io/name") && !names_it("app") {
            findings.policy(object.name_place(), || {
                Message::new("validate.labels.missing").with("object", object.title())
            });
        }
    }
}

fn check_role(object: &Object<'_>, findings: &mut Findings) {
    for rule in object.root.list_at("rules") {
        for field in ["verbs", "resources", "apiGroups", "nonResourceURLs"] {
            // Of a resource with a part below it either may be all there are.
            let is_all = |item: &Node<'_>| match field {
                "resources" => item.text().split('/').any(|part| part == "*"),
                _ => item.text() == "*",
            };
            if let Some(all) = rule.list_at(field).find(is_all) {
                findings.policy(all, || Message::new("validate.rbac.wildcard").with("field", field));
            }
        }
    }
}

fn check_binding(object: &Object<'_>, findings: &mut Findings) {
    // A role of the namespace may be called so too.
    let Some(role) = object.root.get("roleRef").filter(|role| role.str_at("kind") != "Role") else { return };
    if let Some(name) = role.get("name").filter(|name| name.text() == "cluster-admin") {
        findings.policy(name, || Message::new("validate.rbac.cluster_admin"));
    }
}

/// Checks budgets, with a policy and without: the server takes one that lets no pod go, and its nodes can
/// never be drained.
pub(super) fn check_budgets(objects: &Objects<'_>, workloads: &Workloads<'_>, findings: &mut Findings) {
    for object in objects.of_kind("PodDisruptionBudget") {
        check_budget(object, workloads, findings);
    }
}

fn check_budget(object: &Object<'_>, workloads: &Workloads<'_>, findings: &mut Findings) {
    let Some(spec) = object.spec() else { return };
    let place = match (spec.get("maxUnavailable"), spec.get("minAvailable")) {
        (Some(none), _) if matches!(none.text(), "0" | "0%") => none,
        (_, Some(all)) if all.text() == "100%" => all,
        (_, Some(least)) => {
            let Some(selector) = spec.get("selector").map(Selector::of) else { return };
            let of = workloads.all.iter().filter(|workload| {
                workload.namespace == object.namespace && selector.takes(&workload.labels)
            });
            let pods: u64 = of.map(|workload| workload.replicas).sum();
            // Of a share the pods are rounded up.
            let share = least.text().strip_suffix('%').and_then(|share| share.parse::<u64>().ok());
            let wanted = match share {
                Some(share) => Some(share.saturating_mul(pods).div_ceil(100)),
                None => least.as_integer().and_then(|count| u64::try_from(count).ok()),
            };
            if pods == 0 || wanted.is_none_or(|wanted| wanted < pods) {
                return;
            }
            least
        }
        _ => return,
    };
    let message = || Message::new("validate.budget.blocks_eviction").with("object", object.title());
    if findings.asks_policy() {
        findings.policy(place, message);
    } else {
        findings.warning(place, message);
    }
}

/// Devices are counted by requests alone: `limits.nvidia.com/gpu` or the bare name limits nothing.
fn check_quota(object: &Object<'_>, findings: &mut Findings) {
    for hard in object.spec().and_then(|spec| spec.get("hard")).into_iter().flat_map(Node::children) {
        let resource = hard.key().strip_prefix("limits.").unwrap_or(hard.key());
        // Objects are counted by other names, and what has a class by names below Kubernetes' own.
        let is_device = resource.split_once('/').is_some_and(|(domain, _)| {
            let is_own = |own: &str| domain == own || domain.ends_with(&format!(".{own}"));
            domain != "count"
                && !domain.starts_with("requests.")
                && !is_own("k8s.io")
                && !is_own("kubernetes.io")
        });
        if is_device {
            findings.policy(Place::Key(hard), || {
                Message::new("validate.quota.gpu_key")
                    .with("key", hard.key())
                    .with("right", format!("requests.{resource}"))
            });
        }
    }
}
