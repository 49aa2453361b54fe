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

/// Checks an object.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    if object.is("Node") {
        check_amounts(rules, root);
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
            // The first of them gives way to the one field.
            let skipped = usize::from(!spec.str_at("podCIDR").is_empty());
            for range in spec.list_at("podCIDRs").skip(skipped) {
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
            for amount in root.at(&["overhead", "podFixed"]).into_iter().flat_map(Node::children) {
                if amount_of(Some(amount)).is_some_and(|amount| amount < 0) {
                    rules.bad(amount, "validate.rule.negative");
                }
            }
            for amount in root.at(&["overhead", "podFixed"]).into_iter().flat_map(Node::children) {
                super::containers::check_name(rules, amount, false);
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
        ("Event", _) => {
            // Events of the newer group are whole; copies of old ones are told by their first field.
            if root.str_at("apiVersion") == "events.k8s.io/v1" && root.has("eventTime") {
                rules.required(root, "reason");
                rules.required(root, "action");
                rules.words(root.get("type").filter(|kind| !kind.is_empty()), &["Normal", "Warning"]);
                rules.required(root, "type");
                rules.required(root, "reportingController");
                rules.required(root, "reportingInstance");
                rules.holds(
                    root.get("reportingController").filter(|name| !name.is_empty()),
                    super::super::format::is_qualified_name,
                    "validate.schema.key",
                );
            }
            // An event is where its object is.
            let subject = root.get("involvedObject").or(root.get("regarding"));
            let there = subject.map_or("", |subject| subject.str_at("namespace"));
            let here = object.namespace;
            if let Some(subject) =
                subject.filter(|_| !there.is_empty() && there != here && root.has("involvedObject"))
            {
                let place = subject.get("namespace").unwrap_or(subject);
                rules.findings.error(place, || Message::new("validate.metadata.event_namespace"));
            }
        }
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
