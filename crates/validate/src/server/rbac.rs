//! Roles and bindings.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::Node;
use super::Rules;

const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    let namespaced = !object.kind.starts_with("Cluster");
    if object.kind.ends_with("Role") {
        for rule in root.list_at("rules") {
            check_rule(rules, rule, namespaced);
        }
        if let Some(aggregation) = root.get("aggregationRule") {
            if !aggregation.filled("clusterRoleSelectors") {
                rules.required(aggregation, "clusterRoleSelectors");
            }
            for selector in aggregation.list_at("clusterRoleSelectors") {
                rules.selector(selector);
            }
        }
        return;
    }
    if let Some(reference) = root.get("roleRef") {
        rules.words(reference.get("apiGroup").filter(|group| !group.text().is_empty()), &[GROUP]);
        let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
        rules.words(reference.get("kind").filter(|kind| !kind.text().is_empty()), kinds);
    }
    for subject in root.list_at("subjects") {
        check_subject(rules, subject, namespaced);
    }
}

fn check_rule(rules: &mut Rules<'_>, rule: Node<'_>, namespaced: bool) {
    if rule.get("verbs").is_some_and(Node::is_empty) {
        rules.required(rule, "verbs");
    }
    if rule.filled("nonResourceURLs") {
        if namespaced {
            rules.forbidden(rule, "nonResourceURLs", "kind: Role");
        }
        for field in ["apiGroups", "resources", "resourceNames"] {
            if rule.filled(field) {
                rules.not_both(rule, field, "nonResourceURLs");
            }
        }
        return;
    }
    for field in ["apiGroups", "resources"] {
        if !rule.filled(field) {
            rules.required(rule, field);
        }
    }
}

fn check_subject(rules: &mut Rules<'_>, subject: Node<'_>, namespaced: bool) {
    let group = subject.get("apiGroup").filter(|group| !group.text().is_empty());
    match subject.str_at("kind") {
        "ServiceAccount" => {
            if group.is_some() {
                rules.forbidden(subject, "apiGroup", "kind: ServiceAccount");
            }
            rules.holds(
                subject.get("name"),
                |text| text.is_empty() || format::is_dns_subdomain(text),
                "validate.schema.subdomain",
            );
            if !namespaced {
                rules.required_where(subject, "namespace", "kind: ServiceAccount");
            }
        }
        // What is not given is the right group.
        "User" | "Group" => rules.words(group, &[GROUP]),
        "" => {}
        _ => rules.words(subject.get("kind"), &["User", "Group", "ServiceAccount"]),
    }
}
