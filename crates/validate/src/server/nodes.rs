//! Nodes, runtime classes, events, bindings.

use super::super::objects::Object;
use super::super::tree::Node;
use super::{Rules, amount_of};
use ecp_core::text::Message;
use std::collections::HashSet;

/// What a node says it has; without a word on what is free, all of it is.
fn check_amounts(rules: &mut Rules<'_>, root: Node<'_>) {
    for part in ["capacity", "allocatable"] {
        for amount in root.at(&["status", part]).into_iter().flat_map(Node::children) {
            let name = amount.key();
            let Some(value) = amount_of(Some(amount)) else { continue };
            let whole = name == "pods" || super::containers::is_extended(name);
            if value < 0 {
                rules.bad(amount, "validate.rule.negative");
            } else if whole && value % 1000 != 0 {
                rules.bad(amount, "validate.config.whole");
            }
        }
    }
}

/// Features that a node says it has: each once, in the order of their names.
fn check_features(rules: &mut Rules<'_>, root: Node<'_>) {
    let is_name = |text: &str| {
        let is_part = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphabetic())
                && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        };
        text.len() <= 253
            && text.starts_with(|c: char| c.is_ascii_uppercase())
            && text.split('/').all(is_part)
    };
    let mut last = None;
    for feature in root.get("status").into_iter().flat_map(|status| status.list_at("declaredFeatures")) {
        rules.form(Some(feature), is_name, "GuaranteedQoSPodCPUResize");
        if last.is_some_and(|last| last >= feature.text()) {
            rules.bad(feature, "validate.config.order");
        }
        last = Some(feature.text());
    }
}

/// Checks an object.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    if object.is("Node") {
        check_amounts(rules, root);
        check_features(rules, root);
        rules.range(root.at(&["status", "nodeInfo", "swap", "capacity"]), 1, i64::MAX);
    }
    match (object.kind, object.spec()) {
        ("Node", Some(spec)) => {
            let mut seen = HashSet::new();
            for taint in spec.list_at("taints") {
                rules.required(taint, "effect");
                if !seen.insert((taint.str_at("key"), taint.str_at("effect"))) {
                    rules.bad(taint.get("key").unwrap_or(taint), "validate.rule.duplicate");
                }
            }
            let mut families = HashSet::new();
            // Where they do not begin with the one field, that counts alone.
            let one = spec.str_at("podCIDR");
            let differ = spec.list_at("podCIDRs").next().is_some_and(|first| first.text() != one);
            let given = spec.list_at("podCIDRs").filter(|_| one.is_empty() || !differ);
            for range in given {
                if let Some((address, _)) = rules.cidr(range)
                    && !families.insert(address.is_ipv4())
                {
                    rules.bad(range, "validate.rule.ip.one_family");
                }
            }
            if let Some(range) = spec.get("podCIDR").filter(|range| !range.is_empty()) {
                rules.cidr(range);
            }
        }
        ("RuntimeClass", _) => {
            if let Some(overhead) = root.at(&["overhead", "podFixed"]) {
                super::containers::check_overhead(rules, overhead);
            }
            if let Some(scheduling) = root.get("scheduling") {
                super::scheduling::check_tolerations(rules, scheduling);
            }
            let labels = root.at(&["scheduling", "nodeSelector"]);
            for label in labels.into_iter().flat_map(Node::children) {
                if !super::super::format::is_qualified_name(label.key()) {
                    rules.findings.error(crate::findings::Place::Key(label), || {
                        Message::new("validate.schema.key")
                            .with("value", super::super::format::shortened(label.key()))
                    });
                }
                rules.holds(Some(label), super::super::format::is_label_value, "validate.schema.label_value");
            }
        }
        ("Event", _) => check_event(rules, object),
        ("Binding", _) => {
            if let Some(target) = root.get("target") {
                rules.words(target.get("kind").filter(|kind| !kind.is_empty()), &["Node"]);
                rules.required(target, "name");
            }
        }
        ("ControllerRevision", _) => {
            rules.range(root.get("revision"), 0, i64::MAX);
            if !root.has("data") {
                rules.required(root, "data");
            }
        }
        _ => {}
    }
}

/// An event: one with a time of its own is whole, and one of the newer group is nothing that old ones were.
fn check_event(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    let is_new = root.str_at("apiVersion") == "events.k8s.io/v1";
    let subject = root.get(if is_new { "regarding" } else { "involvedObject" });
    let (there, here) = (subject.map_or("", |subject| subject.str_at("namespace")), object.namespace);
    let is_timed = root.has("eventTime");
    if is_timed {
        let controller = if is_new { "reportingController" } else { "reportingComponent" };
        for field in ["reason", "action", controller, "reportingInstance"] {
            rules.required(root, field);
        }
        rules.holds(
            root.get(controller).filter(|name| !name.is_empty()),
            super::super::format::is_qualified_name,
            "validate.schema.key",
        );
        for field in ["reason", "action", "reportingInstance"] {
            rules.length(root.get(field), 128);
        }
        rules.length(root.get(if is_new { "note" } else { "message" }), 1024);
    }
    let is_there = match (there, is_timed) {
        ("", true) => matches!(here, "default" | "kube-system"),
        ("", false) => here == "default",
        (_, true) => true,
        (_, false) => there == here,
    };
    if !is_there {
        let place = subject.map(|subject| subject.get("namespace").unwrap_or(subject)).unwrap_or(root);
        rules.findings.error(place, || Message::new("validate.metadata.event_namespace"));
    }
    if !is_new {
        return;
    }
    rules.required(root, "type");
    rules.words(root.get("type").filter(|kind| !kind.is_empty()), &["Normal", "Warning"]);
    if let Some(series) = root.get("series") {
        rules.range(series.get("count"), 2, i64::MAX);
    }
    for field in ["deprecatedFirstTimestamp", "deprecatedLastTimestamp", "deprecatedCount"] {
        if root.get(field).is_some_and(|value| value.as_integer() != Some(0)) {
            rules.forbidden(root, field, "apiVersion: events.k8s.io/v1");
        }
    }
    if let Some(source) = root.get("deprecatedSource").filter(|source| !source.children().all(Node::is_empty))
    {
        rules.forbidden(root, source.key(), "apiVersion: events.k8s.io/v1");
    }
}
