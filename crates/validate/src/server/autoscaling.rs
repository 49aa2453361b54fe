//! Autoscalers and disruption budgets.

use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::{Rules, amount_of};
use crate::findings::Place;
use ecp_core::text::Message;

/// Where each type of metric has its source.
const SOURCES: [(&str, &str); 5] = [
    ("Object", "object"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
    ("External", "external"),
];

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    if object.is("PodDisruptionBudget") {
        rules.count_or_percent(spec.get("minAvailable"), true);
        rules.count_or_percent(spec.get("maxUnavailable"), true);
        rules.not_both(spec, "minAvailable", "maxUnavailable");
        return;
    }
    if let (Some(least), Some(most)) = (spec.get("minReplicas"), spec.get("maxReplicas"))
        && let (Some(low), Some(high)) = (least.as_integer(), most.as_integer())
        && low > high
    {
        rules
            .findings
            .error(least, || Message::new("validate.autoscaler.range").with("min", low).with("max", high));
    }
    if let Some(target) = spec.get("scaleTargetRef").filter(|target| target.kind() == Kind::Mapping) {
        check_group(rules, target, true);
    }
    for metric in spec.list_at("metrics") {
        check_metric(rules, metric);
    }
    let Some(behavior) = spec.get("behavior") else { return };
    for direction in ["scaleUp", "scaleDown"] {
        let Some(scaling) = behavior.get(direction) else { continue };
        // What is not given is filled in; an empty list is not.
        if let Some(policies) = scaling.get("policies").filter(|policies| policies.is_empty()) {
            rules
                .findings
                .error(policies, || Message::new("validate.schema.empty_list").with("field", "policies"));
        }
        if amount_of(scaling.get("tolerance")).is_some_and(|tolerance| tolerance < 0) {
            rules.bad(scaling.get("tolerance").unwrap_or(scaling), "validate.rule.negative");
        }
    }
}

/// What is scaled is of a group; only what is measured can do without one.
fn check_group(rules: &mut Rules<'_>, reference: Node<'_>, needed: bool) {
    let version = reference.str_at("apiVersion");
    let group = version.split_once('/');
    let well = match group {
        Some((_, version)) if version.contains('/') => false,
        Some((group, _)) if !group.is_empty() => true,
        _ => !needed || reference.str_at("kind") == "ReplicationController",
    };
    if !well {
        match reference.get("apiVersion") {
            Some(node) => rules.form(Some(node), |_| false, "apps/v1"),
            None => rules.required(reference, "apiVersion"),
        }
    }
}

fn check_metric(rules: &mut Rules<'_>, metric: Node<'_>) {
    let kind = metric.str_at("type");
    if let Some(source) = metric.get("containerResource") {
        let filled = |field: &str| source.get(field).filter(|value| !value.is_empty());
        rules.holds(filled("container"), ecp_core::ids::is_dns_1123_label, "validate.schema.label");
        let is_resource = |name: &str| {
            ["cpu", "memory", "ephemeral-storage"].contains(&name)
                || name.starts_with("hugepages-")
                || (name.contains('/')
                    && !name.starts_with("requests.")
                    && super::super::format::is_qualified_name(name))
        };
        rules.form(filled("name"), is_resource, "cpu");
    }
    let Some(&(_, field)) = SOURCES.iter().find(|(name, _)| *name == kind) else { return };
    for (_, other) in SOURCES.iter().filter(|(_, other)| *other != field) {
        rules.forbidden(metric, other, &format!("type: {kind}"));
    }
    let Some(source) = metric.get(field) else {
        return rules.required_where(metric, field, &format!("type: {kind}"));
    };
    if let Some(described) = source.get("describedObject") {
        check_group(rules, described, false);
    }
    let Some(target) = source.get("target") else { return };
    for value in ["value", "averageValue"] {
        if let Some(node) = target.get(value)
            && amount_of(Some(node)).is_some_and(|amount| amount <= 0)
        {
            rules.bad(node, "validate.rule.positive");
        }
    }
    let missing = |rules: &mut Rules<'_>, field: &'static str| {
        rules.findings.error(Place::Missing(target, field), || {
            Message::new("validate.rule.required").with("field", field).with("when", format!("type: {kind}"))
        });
    };
    match kind {
        "Resource" | "ContainerResource" => {
            if target.has("averageUtilization") && target.has("averageValue") {
                rules.not_both(target, "averageUtilization", "averageValue");
            } else if !target.has("averageUtilization") && !target.has("averageValue") {
                missing(rules, "averageUtilization");
            }
        }
        "Pods" => {
            if !target.has("averageValue") {
                missing(rules, "averageValue");
            }
        }
        _ => {
            if !target.has("value") && !target.has("averageValue") {
                missing(rules, "value");
            } else if kind == "External" {
                rules.not_both(target, "value", "averageValue");
            }
        }
    }
}
