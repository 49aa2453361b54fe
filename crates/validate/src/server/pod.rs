//! A pod's own fields.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::super::workloads::Workload;
use super::{Rules, annotations, containers, metadata, scheduling, volumes};
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Characters of all search domains with a space between them.
const MAX_SEARCHES: usize = 2048;

/// Checks the pod of a workload.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>, workload: &Workload<'_>) {
    let pod = workload.pod;
    let is_pod = object.is("Pod");
    if !is_pod {
        if let Some(metadata) = workload.template.get("metadata") {
            metadata::check_labels(rules, metadata, false);
        }
        if pod.filled("ephemeralContainers") {
            rules.forbidden(pod, "ephemeralContainers", "kind: PodTemplate");
        }
    } else {
        check_lone(rules, pod);
    }
    annotations::check_pod(rules, workload, is_pod);
    // A StatefulSet gives its pods names of their own.
    if !object.is("StatefulSet") {
        for field in ["hostname", "subdomain"] {
            rules.holds(
                pod.get(field),
                |text| text.is_empty() || ecp_core::ids::is_dns_1123_label(text),
                "validate.schema.label",
            );
        }
    }
    rules.holds(
        pod.get("serviceAccount").filter(|_| !pod.has("serviceAccountName")),
        |text| text.is_empty() || format::is_dns_subdomain(text),
        "validate.schema.subdomain",
    );
    let claims: HashSet<&str> = pod.list_at("resourceClaims").map(|claim| claim.str_at("name")).collect();
    for claim in pod.list_at("resourceClaims") {
        rules.one_of(claim, &["resourceClaimName", "resourceClaimTemplateName"]);
        for field in ["resourceClaimName", "resourceClaimTemplateName"] {
            rules.holds(claim.get(field), format::is_dns_subdomain, "validate.schema.subdomain");
        }
    }
    let volumes = volumes::check(rules, object, workload);
    containers::check(rules, workload, &volumes, &claims);
    check_budget(rules, pod);
    if let Some(overhead) = pod.get("overhead") {
        containers::check_overhead(rules, overhead);
    }
    // The server writes labels of a pod into its selectors; what makes pods says them alone.
    let labels = workload.template.at(&["metadata", "labels"]).filter(|_| is_pod);
    scheduling::check(rules, pod, labels);
    check_dns(rules, pod);
    check_security(rules, pod);
    check_names(rules, pod);
    check_host(rules, pod);
    check_system(rules, pod);
}

/// What is refused in a pod that nothing makes.
fn check_lone(rules: &mut Rules<'_>, pod: Node<'_>) {
    if pod.filled("ephemeralContainers") {
        rules.forbidden(pod, "ephemeralContainers", "kind: Pod");
    }
    if pod.filled("schedulingGates") && !pod.str_at("nodeName").is_empty() {
        rules.forbidden(pod, "nodeName", "schedulingGates");
    }
    // A class would say what its pods take besides.
    if pod.filled("overhead") && pod.str_at("runtimeClassName").is_empty() {
        rules.required_where(pod, "runtimeClassName", "overhead");
    }
    for container in pod.list_at("initContainers").chain(pod.list_at("containers")) {
        rules.holds(container.get("image"), |text| text.trim() == text, "validate.schema.spaces");
    }
}

/// Resources of the pod as a whole.
fn check_budget(rules: &mut Rules<'_>, pod: Node<'_>) {
    let Some(resources) = pod.get("resources") else { return };
    rules.forbidden(resources, "claims", "spec.resources");
    containers::check_resources(rules, resources, &HashSet::new(), true);
    for (part, over) in [("requests", false), ("limits", true)] {
        for total in resources.get(part).into_iter().flat_map(Node::children) {
            let Some(most) = super::amount_of(Some(total)) else { continue };
            let of = |container: Node<'_>| {
                super::amount_of(container.get("resources").and_then(|own| own.at(&[part, total.key()])))
                    .unwrap_or(0)
            };
            // Requests are added, sidecars too; of limits each must keep to the pod's.
            let sum: i128 = if over {
                pod.list_at("containers").map(of).max().unwrap_or(0)
            } else {
                let sidecars =
                    pod.list_at("initContainers").filter(|init| init.str_at("restartPolicy") == "Always");
                let beside: i128 = pod.list_at("containers").chain(sidecars).map(of).sum();
                pod.list_at("initContainers").map(of).max().unwrap_or(0).max(beside)
            };
            if sum > most {
                rules.bad(total, "validate.pod.below_containers");
            }
            // Requests that are not given are the containers' together.
            let requested: i128 = pod
                .list_at("containers")
                .map(|container| {
                    let own = |part: &str| {
                        super::amount_of(
                            container.get("resources").and_then(|own| own.at(&[part, total.key()])),
                        )
                    };
                    own("requests").or(own("limits")).unwrap_or(0)
                })
                .sum();
            let given = resources.at(&["requests", total.key()]).is_some();
            if over && sum <= most && !given && requested > most {
                rules.bad(total, "validate.pod.below_containers");
            }
        }
    }
}

fn check_dns(rules: &mut Rules<'_>, pod: Node<'_>) {
    let config = pod.get("dnsConfig");
    if pod.str_at("dnsPolicy") == "None" && !config.is_some_and(|config| config.filled("nameservers")) {
        let place = pod.get("dnsPolicy").unwrap_or(pod);
        rules.findings.error(place, || {
            Message::new("validate.rule.required")
                .with("field", "dnsConfig.nameservers")
                .with("when", "dnsPolicy: None")
        });
    }
    let Some(config) = config else { return };
    rules.at_most(config.get("nameservers"), 3);
    rules.at_most(config.get("searches"), 32);
    for server in config.list_at("nameservers") {
        rules.ip(server);
    }
    // They are written into one line of the resolver's file.
    let line: usize = config.list_at("searches").map(|search| search.text().len() + 1).sum();
    if line > MAX_SEARCHES + 1
        && let Some(searches) = config.get("searches")
    {
        rules.findings.error(searches, || {
            Message::new("validate.rule.too_long").with("value", "searches").with("limit", MAX_SEARCHES)
        });
    }
    for search in config.list_at("searches") {
        let name = search.text().strip_suffix('.').unwrap_or(search.text());
        if search.kind() == Kind::Null || (search.text() != "." && !format::is_search_domain(name)) {
            rules.bad(search, "validate.schema.subdomain");
        }
    }
    for option in config.list_at("options") {
        rules.required(option, "name");
    }
}

fn check_security(rules: &mut Rules<'_>, pod: Node<'_>) {
    let Some(context) = pod.get("securityContext") else { return };
    for group in context.list_at("supplementalGroups") {
        rules.range(Some(group), 0, i64::from(i32::MAX));
    }
    let mut names = HashSet::new();
    for sysctl in context.list_at("sysctls") {
        let Some(name) = sysctl.get("name") else { continue };
        let part = |part: &str| {
            let inner =
                |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
            let edge = |byte: Option<&u8>| {
                byte.is_some_and(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
            };
            edge(part.as_bytes().first()) && edge(part.as_bytes().last()) && part.bytes().all(inner)
        };
        rules.holds(
            Some(name),
            |text| !text.is_empty() && text.len() <= 253 && text.split(['.', '/']).all(part),
            "validate.pod.sysctl",
        );
        rules.unique(Some(name), &mut names);
        let plain = name.text().replace('/', ".");
        let of = |prefixes: &[&str]| prefixes.iter().any(|prefix| plain.starts_with(prefix));
        let ipc = plain == "kernel.sem" || of(&["kernel.shm", "kernel.msg", "fs.mqueue."]);
        for (field, applies) in [("hostNetwork", plain.starts_with("net.")), ("hostIPC", ipc)] {
            if applies && pod.flag_at(field) {
                rules.findings.error(name, || {
                    Message::new("validate.rule.forbidden")
                        .with("field", format::shortened(name.text()))
                        .with("when", format!("{field}: true"))
                });
            }
        }
    }
    containers::check_profiles(rules, context);
}

fn check_names(rules: &mut Rules<'_>, pod: Node<'_>) {
    for alias in pod.list_at("hostAliases") {
        if let Some(address) = alias.get("ip") {
            rules.ip(address);
        }
        for name in alias.list_at("hostnames") {
            rules.holds(Some(name), format::is_dns_subdomain, "validate.schema.subdomain");
        }
    }
    if let Some(name) = pod.get("hostnameOverride") {
        rules.holds(
            Some(name),
            |text| text.len() <= 64 && format::is_dns_subdomain(text),
            "validate.schema.subdomain",
        );
        if pod.flag_at("hostNetwork") {
            rules.forbidden(pod, "hostnameOverride", "hostNetwork: true");
        }
        if pod.flag_at("setHostnameAsFQDN") {
            rules.forbidden(pod, "hostnameOverride", "setHostnameAsFQDN: true");
        }
    }
    if pod.flag_at("shareProcessNamespace") && pod.flag_at("hostPID") {
        rules.not_both(pod, "hostPID", "shareProcessNamespace");
    }
    let mut gates = HashSet::new();
    for gate in pod.list_at("schedulingGates") {
        rules.unique(gate.get("name"), &mut gates);
    }
}

/// Pods on the node's network listen where they say.
fn check_host(rules: &mut Rules<'_>, pod: Node<'_>) {
    if pod.get("hostUsers").is_some_and(|users| users.kind() == Kind::Boolean && !users.is_true()) {
        for field in ["hostPID", "hostIPC", "hostNetwork"] {
            if pod.flag_at(field) {
                rules.forbidden(pod, field, "hostUsers: false");
            }
        }
        for container in pod.list_at("containers") {
            rules.forbidden(container, "volumeDevices", "hostUsers: false");
        }
    }
    if !pod.flag_at("hostNetwork") {
        return;
    }
    for port in pod.list_at("containers").flat_map(|container| container.list_at("ports")) {
        let (host, own) = (port.int_at("hostPort").unwrap_or(0), port.int_at("containerPort").unwrap_or(0));
        if host != 0
            && host != own
            && let Some(place) = port.get("hostPort")
        {
            rules.findings.error(place, || Message::new("validate.pod.host_network_port"));
        }
    }
}

/// Fields of the other operating system.
fn check_system(rules: &mut Rules<'_>, pod: Node<'_>) {
    let system = pod.at(&["os", "name"]).map_or("", Node::text);
    let contexts = |name: &str| {
        let own = pod.list_at("initContainers").chain(pod.list_at("containers"));
        let name = name.to_owned();
        pod.get("securityContext")
            .into_iter()
            .chain(own.filter_map(|container| container.get("securityContext")))
            .filter(move |context| context.has(&name))
            .collect::<Vec<_>>()
    };
    match system {
        "linux" => {
            for context in contexts("windowsOptions") {
                rules.forbidden(context, "windowsOptions", "os.name: linux");
            }
        }
        "windows" => {
            for field in ["hostPID", "hostIPC", "shareProcessNamespace", "hostUsers", "resources"] {
                if pod.flag_at(field) || (matches!(field, "hostUsers" | "resources") && pod.has(field)) {
                    rules.forbidden(pod, field, "os.name: windows");
                }
            }
            for field in [
                "appArmorProfile",
                "seLinuxOptions",
                "seccompProfile",
                "fsGroup",
                "fsGroupChangePolicy",
                "sysctls",
                "runAsUser",
                "runAsGroup",
                "supplementalGroups",
                "supplementalGroupsPolicy",
                "capabilities",
                "readOnlyRootFilesystem",
                "privileged",
                "allowPrivilegeEscalation",
                "procMount",
            ] {
                for context in contexts(field) {
                    rules.forbidden(context, field, "os.name: windows");
                }
            }
        }
        _ => {}
    }
    for context in contexts("windowsOptions") {
        rules.form(context.at(&["windowsOptions", "runAsUserName"]), is_windows_user, "ContainerUser");
    }
    check_host_process(rules, pod);
}

/// Processes of a Windows node: all containers run as such or none, as the pod says where it says anything,
/// and on the node's network.
fn check_host_process(rules: &mut Rules<'_>, pod: Node<'_>) {
    const PATH: [&str; 3] = ["securityContext", "windowsOptions", "hostProcess"];
    let whole = pod.at(&PATH);
    let containers: Vec<Node<'_>> = ["initContainers", "containers", "ephemeralContainers"]
        .into_iter()
        .flat_map(|list| pod.list_at(list))
        .collect();
    let runs = |container: &&Node<'_>| container.at(&PATH).or(whole).is_some_and(Node::is_true);
    let some_run = containers.iter().any(|container| runs(&container));
    if (some_run || whole.is_some_and(Node::is_true)) && !pod.flag_at("hostNetwork") {
        rules.findings.error(Place::Missing(pod, "hostNetwork"), || {
            Message::new("validate.rule.required")
                .with("field", "hostNetwork")
                .with("when", "hostProcess: true")
        });
    }
    for container in &containers {
        match (container.at(&PATH), whole) {
            (Some(own), Some(whole)) if own.is_true() != whole.is_true() => {
                rules.words(Some(own), &[if whole.is_true() { "true" } else { "false" }]);
            }
            (Some(own), None) if some_run && !own.is_true() => rules.words(Some(own), &["true"]),
            (None, None) if some_run => rules.findings.error(*container, || {
                Message::new("validate.rule.required")
                    .with("field", "securityContext.windowsOptions.hostProcess")
                    .with("when", "hostProcess: true")
            }),
            _ => {}
        }
    }
}

/// A user of Windows, with a domain before a backslash or without.
fn is_windows_user(text: &str) -> bool {
    let (domain, user) = match text.split_once('\\') {
        Some((domain, user)) => (Some(domain), user),
        None => (None, text),
    };
    let is_netbios = |domain: &str| {
        (1..=15).contains(&domain.len())
            && !domain.starts_with('.')
            && !domain.contains(['/', ':', '*', '?', '"', '<', '>', '|'])
    };
    !text.chars().any(char::is_control)
        && domain
            .is_none_or(|domain| is_netbios(domain) || format::is_dns_subdomain(&domain.to_ascii_lowercase()))
        && (1..=104).contains(&user.len())
        && !user.trim_matches(['.', ' ']).is_empty()
        && !user.contains(['"', '/', '\\', ':', ';', '|', '=', ',', '+', '*', '?', '<', '>', '@', '[', ']'])
}
