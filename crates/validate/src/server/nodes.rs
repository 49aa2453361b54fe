//! Nodes, runtime classes, events, bindings.

use super::super::objects::Object;
use super::super::tree::Node;
use super::{Rules, amount_of};
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks an object.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    match (object.kind, object.spec()) {
        ("Node", Some(spec)) => {
            let mut seen = HashSet::new();
            for taint in spec.list_at("taints") {
                rules.required(taint, "effect");
                if !seen.insert((taint.str_at("key"), taint.str_at("effect"))) {
                    rules.bad(taint.get("key").unwrap_or(taint), "validate.rule.duplicate");
                }
            }
            for range in spec.list_at("podCIDRs") {
                rules.cidr(range);
            }
        }
        ("RuntimeClass", _) => {
            for amount in root.at(&["overhead", "podFixed"]).into_iter().flat_map(Node::children) {
                if amount_of(Some(amount)).is_some_and(|amount| amount < 0) {
                    rules.bad(amount, "validate.rule.negative");
                }
            }
            let labels = root.at(&["scheduling", "nodeSelector"]);
            for label in labels.into_iter().flat_map(Node::children) {
                rules.holds(Some(label), super::super::format::is_label_value, "validate.schema.label_value");
            }
        }
        ("Event", _) => {
            // An event is where its object is.
            let subject = root.get("involvedObject").or(root.get("regarding"));
            let there = subject.map_or("", |subject| subject.str_at("namespace"));
            let here = object.namespace;
            if let Some(subject) = subject.filter(|_| !there.is_empty() && there != here) {
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
            rules.required(root, "data");
        }
        _ => {}
    }
}
