//! Secrets, ConfigMaps, quotas, limit ranges, namespaces, priorities, leases.

use super::super::format::{self, shortened};
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::{Rules, amount_of};
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Bytes that the values of a Secret or ConfigMap may take together.
const MAX_DATA_BYTES: usize = 1024 * 1024;

const QUOTA_RESOURCES: [&str; 19] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
];

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// Checks an object.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    match object.kind {
        "Secret" => check_secret(rules, root),
        "ConfigMap" => {
            check_size(rules, root, &["data", "binaryData"]);
            let data = root.get("data");
            for value in root.get("binaryData").into_iter().flat_map(Node::children) {
                // A key whose value is nothing is there all the same.
                if data.is_some_and(|data| data.children().any(|other| other.key() == value.key())) {
                    rules.findings.error(Place::Key(value), || {
                        Message::new("validate.config.both").with("key", shortened(value.key()))
                    });
                }
            }
        }
        "ResourceQuota" => check_quota(rules, object.spec()),
        "LimitRange" => check_limits(rules, object.spec()),
        "Namespace" => check_namespace(rules, object),
        "PriorityClass" => check_priority(rules, root, object.name),
        "Lease" => {
            if let Some(spec) = object.spec() {
                rules.range(spec.get("leaseDurationSeconds"), 1, i64::from(i32::MAX));
                rules.range(spec.get("leaseTransitions"), 0, i64::from(i32::MAX));
            }
        }
        _ => {}
    }
}

fn check_size(rules: &mut Rules<'_>, root: Node<'_>, parts: &[&str]) {
    let mut bytes = 0;
    for part in parts {
        for value in root.get(part).into_iter().flat_map(Node::children) {
            let length = value.text().len();
            // Base64 writes three bytes in four letters.
            let encoded = *part == "binaryData" || (*part == "data" && parts.contains(&"stringData"));
            let padding = value.text().bytes().rev().take_while(|byte| *byte == b'=').count();
            bytes += if encoded { (length / 4 * 3).saturating_sub(padding) } else { length };
        }
    }
    if bytes > MAX_DATA_BYTES {
        let place = parts.iter().find_map(|part| root.get(part)).map_or(Place::Value(root), Place::Key);
        rules.findings.error(place, || Message::new("validate.config.size").with("limit", MAX_DATA_BYTES));
    }
}

fn check_secret(rules: &mut Rules<'_>, root: Node<'_>) {
    check_size(rules, root, &["data", "stringData"]);
    // A key whose value is nothing is there all the same.
    let given = |key: &str| {
        let among = |part: &str| root.get(part)?.children().find(|child| child.key() == key);
        among("stringData").or_else(|| among("data"))
    };
    let kind = root.str_at("type");
    let keys: &[&str] = match kind {
        "kubernetes.io/tls" => &["tls.crt", "tls.key"],
        "kubernetes.io/dockercfg" => &[".dockercfg"],
        "kubernetes.io/dockerconfigjson" => &[".dockerconfigjson"],
        "kubernetes.io/ssh-auth" => &["ssh-privatekey"],
        "kubernetes.io/basic-auth" => {
            if given("username").is_none() && given("password").is_none() {
                missing(rules, root, "username", kind);
            }
            return;
        }
        "kubernetes.io/service-account-token" => {
            if root
                .at(&["metadata", "annotations", "kubernetes.io/service-account.name"])
                .is_none_or(Node::is_empty)
            {
                missing(rules, root, "metadata.annotations[kubernetes.io/service-account.name]", kind);
            }
            return;
        }
        _ => return,
    };
    for key in keys {
        let Some(value) = given(key) else {
            missing(rules, root, key, kind);
            continue;
        };
        if kind == "kubernetes.io/ssh-auth" && value.is_empty() {
            missing(rules, root, key, kind);
        }
        if kind.contains("docker") {
            let text = if value.parent().key() == "stringData" {
                Some(value.text().as_bytes().to_vec())
            } else {
                decode(value.text())
            };
            let is_json = value.kind() != Kind::Null
                && text.is_some_and(|text| {
                    serde_json::from_slice::<serde_json::Value>(&text)
                        .is_ok_and(|json| json.is_object() || json.is_null())
                });
            if !is_json {
                rules.findings.error(value, || Message::new("validate.config.not_json").with("key", key));
            }
        }
    }
}

fn missing(rules: &mut Rules<'_>, root: Node<'_>, key: &str, kind: &str) {
    let place = root.get("data").or(root.get("stringData")).or(root.get("type")).unwrap_or(root);
    rules.findings.error(Place::Key(place), || {
        Message::new("validate.rule.required").with("field", key).with("when", format!("type: {kind}"))
    });
}

/// The bytes of base64, absent where it is none.
pub(in super::super) fn decode(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r' | b'=')) {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    Some(bytes)
}

fn check_quota(rules: &mut Rules<'_>, spec: Option<Node<'_>>) {
    let Some(spec) = spec else { return };
    for hard in spec.get("hard").into_iter().flat_map(Node::children) {
        let name = hard.key();
        let huge = name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-");
        let known = if name.contains('/') {
            format::is_qualified_name(name)
        } else {
            huge || QUOTA_RESOURCES.contains(&name)
        };
        if !known {
            rules.findings.error(Place::Key(hard), || {
                Message::new("validate.config.quota_resource").with("resource", shortened(name))
            });
        }
        let counted = matches!(
            name,
            "pods"
                | "resourcequotas"
                | "services"
                | "replicationcontrollers"
                | "secrets"
                | "persistentvolumeclaims"
                | "configmaps"
                | "services.nodeports"
                | "services.loadbalancers"
        ) || name.contains('/') && !name.starts_with("requests.") && !is_kubernetes(name);
        match amount_of(Some(hard)) {
            Some(amount) if amount < 0 => rules.bad(hard, "validate.rule.negative"),
            Some(amount) if counted && amount % 1000 != 0 => {
                rules.bad(hard, "validate.config.whole");
            }
            _ => {}
        }
    }
    let mut scopes = HashSet::new();
    for scope in spec.list_at("scopes") {
        rules.words(Some(scope), &SCOPES);
        check_scope(rules, spec, scope, scope.text(), &mut scopes);
    }
    let mut scopes = HashSet::new();
    for requirement in
        spec.get("scopeSelector").into_iter().flat_map(|selector| selector.list_at("matchExpressions"))
    {
        let Some(name) = requirement.get("scopeName") else { continue };
        rules.words(Some(name), &SCOPES);
        check_scope(rules, spec, name, name.text(), &mut scopes);
        rules.words(requirement.get("operator"), &["In", "NotIn", "Exists", "DoesNotExist"]);
        let exists = requirement.str_at("operator") == "Exists";
        if !matches!(name.text(), "PriorityClass" | "VolumeAttributesClass")
            && SCOPES.contains(&name.text())
            && !exists
        {
            rules.words(requirement.get("operator"), &["Exists"]);
        }
        match requirement.str_at("operator") {
            "In" | "NotIn" => rules.required_where(requirement, "values", "operator: In"),
            "Exists" | "DoesNotExist" if requirement.filled("values") => {
                rules.forbidden(requirement, "values", "operator: Exists");
            }
            _ => {}
        }
    }
}

/// Resources of Kubernetes' own domain are no devices; they may be fractions.
fn is_kubernetes(name: &str) -> bool {
    name.split_once('/')
        .is_some_and(|(domain, _)| domain == "kubernetes.io" || domain.ends_with(".kubernetes.io"))
}

/// Scopes that contradict each other, or that do not count what is limited.
fn check_scope<'t>(
    rules: &mut Rules<'_>,
    spec: Node<'t>,
    place: Node<'t>,
    scope: &'t str,
    seen: &mut HashSet<&'t str>,
) {
    let opposite = match scope {
        "Terminating" => "NotTerminating",
        "NotTerminating" => "Terminating",
        "BestEffort" => "NotBestEffort",
        "NotBestEffort" => "BestEffort",
        _ => "",
    };
    if seen.contains(opposite) {
        rules.bad(place, "validate.config.scopes");
    }
    seen.insert(scope);
    let compute = ["pods", "cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
    let allowed: &[&str] = match scope {
        "BestEffort" => &["pods"],
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => &compute,
        "VolumeAttributesClass" => &["persistentvolumeclaims", "requests.storage"],
        _ => return,
    };
    let standard = |name: &str| {
        QUOTA_RESOURCES.contains(&name)
            || name.strip_prefix("requests.").unwrap_or(name).starts_with("hugepages-")
    };
    for hard in spec.get("hard").into_iter().flat_map(Node::children) {
        if standard(hard.key()) && !allowed.contains(&hard.key()) {
            rules.bad(place, "validate.config.scope_resource");
            return;
        }
    }
}

fn check_limits(rules: &mut Rules<'_>, spec: Option<Node<'_>>) {
    let mut types = HashSet::new();
    for limit in spec.into_iter().flat_map(|spec| spec.list_at("limits")) {
        rules.unique(limit.get("type"), &mut types);
        let kind = limit.str_at("type");
        if kind == "Pod" {
            for field in ["default", "defaultRequest"] {
                if limit.filled(field) {
                    rules.forbidden(limit, field, "type: Pod");
                }
            }
        }
        if kind == "PersistentVolumeClaim"
            && !["min", "max"].iter().any(|part| entry(limit, part, "storage").is_some())
        {
            rules.findings.error(limit, || {
                Message::new("validate.rule.one_of")
                    .with("fields", "min.storage, max.storage")
                    .with("count", 0)
            });
        }
        let own = kind.is_empty() || kind.contains('/') && format::is_qualified_name(kind);
        if !own {
            rules.words(limit.get("type"), &["Container", "Pod", "PersistentVolumeClaim"]);
        }
        for part in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            for amount in limit.get(part).into_iter().flat_map(Node::children) {
                let name = amount.key();
                let known = name == "storage"
                    || name.starts_with("hugepages-")
                    || QUOTA_RESOURCES.contains(&name)
                    || name.contains('/');
                if matches!(kind, "Container" | "Pod") {
                    super::containers::check_name(rules, amount, false);
                } else if !(known && format::is_qualified_name(name)) {
                    rules.findings.error(Place::Key(amount), || {
                        Message::new("validate.resources.unknown").with("resource", shortened(name))
                    });
                }
                let ratio = amount_of(Some(amount));
                if part == "maxLimitRequestRatio" && ratio.is_some_and(|ratio| ratio < 1000) {
                    rules.bad(amount, "validate.config.ratio");
                }
            }
        }
        for ratio in limit.get("maxLimitRequestRatio").into_iter().flat_map(Node::children) {
            let bound = |part: &str| amount_of(entry(limit, part, ratio.key())).filter(|amount| *amount != 0);
            if let (Some(most), Some(least), Some(asked)) =
                (bound("max"), bound("min"), amount_of(Some(ratio)))
                && {
                    // Below zero the lesser is the greater.
                    let (asked, most) = (asked.saturating_mul(least), most.saturating_mul(1000));
                    if least > 0 { asked > most } else { asked < most }
                }
            {
                rules.bad(ratio, "validate.config.ratio.range");
            }
        }
        for default in limit.get("default").into_iter().flat_map(Node::children) {
            let request = entry(limit, "defaultRequest", default.key());
            if super::containers::is_extended(default.key())
                && request.is_some_and(|request| amount_of(Some(request)) != amount_of(Some(default)))
            {
                rules.bad(request.unwrap_or(default), "validate.config.equal");
            }
        }
        for (low, high) in [
            ("min", "max"),
            ("min", "defaultRequest"),
            ("defaultRequest", "max"),
            ("defaultRequest", "default"),
            ("min", "default"),
            ("default", "max"),
        ] {
            for lower in limit.get(low).into_iter().flat_map(Node::children) {
                let Some(upper) = entry(limit, high, lower.key()) else { continue };
                if amount_of(Some(lower)) > amount_of(Some(upper)) && amount_of(Some(upper)).is_some() {
                    rules.not_above(lower, high, upper);
                }
            }
        }
    }
}

/// An amount by its name, be it nothing.
fn entry<'t>(limit: Node<'t>, part: &str, name: &str) -> Option<Node<'t>> {
    limit.get(part)?.children().find(|amount| amount.key() == name)
}

fn check_namespace(rules: &mut Rules<'_>, object: &Object<'_>) {
    let finalizers = object.spec().into_iter().flat_map(|spec| spec.list_at("finalizers"));
    for finalizer in finalizers.filter(|finalizer| finalizer.kind() == Kind::Null) {
        rules.bad(finalizer, "validate.metadata.finalizer");
    }
    let Some(metadata) = object.metadata() else { return };
    for label in metadata.get("labels").into_iter().flat_map(Node::children) {
        let Some(mode) = label.key().strip_prefix("pod-security.kubernetes.io/") else { continue };
        match mode {
            "enforce" | "audit" | "warn" => {
                rules.words(Some(label), &["privileged", "baseline", "restricted"])
            }
            "enforce-version" | "audit-version" | "warn-version" => {
                let minor = label.text().strip_prefix("v1.");
                let well = label.text() == "latest"
                    || minor.is_some_and(|minor| {
                        !minor.is_empty()
                            && minor.bytes().all(|byte| byte.is_ascii_digit())
                            && (minor == "0" || !minor.starts_with('0'))
                    });
                if !well && matches!(label.kind(), Kind::Text | Kind::Null) {
                    rules.bad(label, "validate.config.pod_security_version");
                }
            }
            _ => {}
        }
    }
    for finalizer in object.spec().into_iter().flat_map(|spec| spec.list_at("finalizers")) {
        rules.holds(
            Some(finalizer),
            |text| {
                matches!(text, "kubernetes" | "orphan" | "foregroundDeletion")
                    || (text.contains('/') && format::is_qualified_name(text))
            },
            "validate.metadata.finalizer",
        );
    }
}

fn check_priority(rules: &mut Rules<'_>, root: Node<'_>, name: &str) {
    if name.starts_with("system-") {
        let node = root.at(&["metadata", "name"]).unwrap_or(root);
        rules.bad(node, "validate.config.system_priority");
        return;
    }
    rules.range(root.get("value"), i64::from(i32::MIN), 1_000_000_000);
}
