//! Where pods go: affinity, tolerations, spreading.

use super::super::format;
use super::super::tree::{Kind, Node};
use super::Rules;
use crate::findings::Place;
use crate::kinds::Release;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks a pod; `labels` are those that the server merges into selectors.
pub(super) fn check(rules: &mut Rules<'_>, pod: Node<'_>, labels: Option<Node<'_>>) {
    if let Some(affinity) = pod.get("affinity") {
        if let Some(nodes) = affinity.get("nodeAffinity") {
            if let Some(required) = nodes.get("requiredDuringSchedulingIgnoredDuringExecution") {
                check_node_selector(rules, required);
            }
            for preferred in nodes.list_at("preferredDuringSchedulingIgnoredDuringExecution") {
                if let Some(term) = preferred.get("preference") {
                    check_term(rules, term, false);
                }
            }
        }
        for kind in ["podAffinity", "podAntiAffinity"] {
            let Some(pods) = affinity.get(kind) else { continue };
            for term in pods.list_at("requiredDuringSchedulingIgnoredDuringExecution") {
                check_pod_term(rules, term, labels);
            }
            for weighted in pods.list_at("preferredDuringSchedulingIgnoredDuringExecution") {
                if let Some(term) = weighted.get("podAffinityTerm") {
                    check_pod_term(rules, term, labels);
                }
            }
        }
    }
    for toleration in pod.list_at("tolerations") {
        check_toleration(rules, toleration);
    }
    let mut spread = HashSet::new();
    for constraint in pod.list_at("topologySpreadConstraints") {
        check_spread(rules, constraint, labels);
        if !spread.insert((constraint.str_at("topologyKey"), constraint.str_at("whenUnsatisfiable"))) {
            let place = constraint.get("topologyKey").unwrap_or(constraint);
            rules.bad(place, "validate.rule.duplicate");
        }
    }
}

/// A `NodeSelector`: at least one term.
pub(super) fn check_node_selector(rules: &mut Rules<'_>, selector: Node<'_>) {
    if !selector.filled("nodeSelectorTerms") {
        rules.findings.error(Place::Missing(selector, "nodeSelectorTerms"), || {
            Message::new("validate.schema.missing_field").with("field", "nodeSelectorTerms")
        });
    }
    for term in selector.list_at("nodeSelectorTerms") {
        check_term(rules, term, true);
    }
}

fn check_term(rules: &mut Rules<'_>, term: Node<'_>, required: bool) {
    for requirement in term.list_at("matchExpressions") {
        check_requirement(rules, requirement, required);
    }
    for requirement in term.list_at("matchFields") {
        rules.words(requirement.get("key"), &["metadata.name"]);
        rules.words(requirement.get("operator"), &["In", "NotIn"]);
        for value in requirement.list_at("values") {
            rules.holds(Some(value), format::is_dns_subdomain, "validate.schema.subdomain");
        }
        if requirement.list_at("values").count() != 1 {
            rules.findings.error(requirement.get("values").unwrap_or(requirement), || {
                Message::new("validate.rule.one_value").with("operator", requirement.str_at("operator"))
            });
        }
    }
}

fn check_requirement(rules: &mut Rules<'_>, requirement: Node<'_>, required: bool) {
    let values = requirement.list_at("values").count();
    match requirement.str_at("operator") {
        "In" | "NotIn" if values == 0 => rules.required_where(requirement, "values", "operator: In"),
        "Exists" | "DoesNotExist" if values > 0 => rules.forbidden(requirement, "values", "operator: Exists"),
        operator @ ("Gt" | "Lt") if values != 1 => {
            rules.findings.error(requirement.get("values").unwrap_or(requirement), || {
                Message::new("validate.rule.one_value").with("operator", operator)
            });
        }
        _ => {}
    }
    // What is only preferred may name a value that no label can have.
    for value in requirement.list_at("values").filter(|_| required) {
        rules.holds(Some(value), format::is_label_value, "validate.schema.label_value");
    }
}

fn check_pod_term(rules: &mut Rules<'_>, term: Node<'_>, labels: Option<Node<'_>>) {
    for field in ["labelSelector", "namespaceSelector"] {
        if let Some(selector) = term.get(field) {
            rules.selector(selector);
        }
    }
    for namespace in term.list_at("namespaces") {
        if namespace.kind() == Kind::Null {
            rules.bad(namespace, "validate.schema.empty_text");
        }
        rules.holds(Some(namespace), ecp_core::ids::is_dns_1123_label, "validate.schema.label");
    }
    check_label_keys(rules, term, labels);
}

fn check_label_keys(rules: &mut Rules<'_>, term: Node<'_>, labels: Option<Node<'_>>) {
    let mut keys = HashSet::new();
    for key in term.list_at("matchLabelKeys").chain(term.list_at("mismatchLabelKeys")) {
        rules.holds(Some(key), format::is_qualified_name, "validate.schema.key");
        // A key in both lists is refused; one that stands twice in its list is not.
        if key.parent().key() == "mismatchLabelKeys" && keys.contains(key.text()) {
            rules.bad(key, "validate.rule.duplicate");
        }
        if key.parent().key() == "matchLabelKeys" {
            keys.insert(key.text());
        }
        if !term.has("labelSelector") {
            rules.required_where(term, "labelSelector", key.parent().key());
        }
    }
    check_merged(rules, term, labels);
}

/// A key of `matchLabelKeys` stands once in the selector, where the pod's own label of it is written too.
fn check_merged(rules: &mut Rules<'_>, term: Node<'_>, labels: Option<Node<'_>>) {
    let Some(selector) = term.get("labelSelector") else { return };
    let keys: HashSet<&str> = term.list_at("matchLabelKeys").map(Node::text).collect();
    let mut seen: HashSet<&str> =
        selector.get("matchLabels").into_iter().flat_map(Node::children).map(Node::key).collect();
    let own = selector.list_at("matchExpressions").filter_map(|expression| expression.get("key"));
    let is_label = |key: &Node<'_>| labels.is_some_and(|labels| labels.get(key.text()).is_some());
    let merged = term.list_at("matchLabelKeys").filter(is_label);
    for key in own.chain(merged) {
        if !seen.insert(key.text()) && keys.contains(key.text()) {
            rules.bad(key, "validate.rule.duplicate");
        }
    }
}

/// Tolerations of a runtime class: each stands once.
pub(super) fn check_tolerations(rules: &mut Rules<'_>, owner: Node<'_>) {
    let mut seen = HashSet::new();
    for toleration in owner.list_at("tolerations") {
        check_toleration(rules, toleration);
        let fields = ["key", "operator", "value", "effect"];
        if !seen.insert(fields.map(|field| toleration.str_at(field))) {
            rules.bad(toleration.get("key").unwrap_or(toleration), "validate.rule.duplicate");
        }
    }
}

fn check_toleration(rules: &mut Rules<'_>, toleration: Node<'_>) {
    let operator = toleration.str_at("operator");
    if toleration.str_at("key").is_empty() && operator != "Exists" {
        let place = toleration.get("operator").map_or(Place::Value(toleration), Place::Value);
        rules.findings.error(place, || {
            Message::new("validate.rule.required").with("field", "key").with("when", "operator ≠ Exists")
        });
    }
    if toleration.has("tolerationSeconds") && toleration.str_at("effect") != "NoExecute" {
        rules.forbidden(toleration, "tolerationSeconds", "effect ≠ NoExecute");
    }
    let value = toleration.get("value").filter(|value| !value.text().is_empty());
    match operator {
        "Exists" if value.is_some() => rules.forbidden(toleration, "value", "operator: Exists"),
        "" | "Equal" => rules.holds(value, format::is_label_value, "validate.schema.label_value"),
        "Lt" | "Gt" => rules.words(toleration.get("operator"), &["Exists", "Equal"]),
        _ => {}
    }
}

fn check_spread(rules: &mut Rules<'_>, constraint: Node<'_>, labels: Option<Node<'_>>) {
    if let Some(selector) = constraint.get("labelSelector") {
        rules.selector(selector);
    }
    if constraint.has("minDomains") && constraint.str_at("whenUnsatisfiable") != "DoNotSchedule" {
        rules.forbidden(constraint, "minDomains", "whenUnsatisfiable: ScheduleAnyway");
    }
    if constraint.get("matchLabelKeys").is_some_and(|keys| keys.kind() == Kind::Sequence)
        && rules.release >= Release::V1_34
    {
        check_label_keys(rules, constraint, labels);
    }
}
