//! Names, labels, annotations, owners and what only a server may set.

use super::super::format::{self, shortened};
use super::super::kinds::Release;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::Rules;
use crate::findings::Place;
use crate::walk::missing_field;
use ecp_core::ids::is_dns_1123_label;
use ecp_core::text::Message;

/// Bytes that the keys and values of annotations may take together.
const MAX_ANNOTATIONS_BYTES: usize = 256 * 1024;

/// Checks an object's own `metadata`.
pub(in super::super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(metadata) = object.metadata() else {
        return missing_field(rules.findings, object.root, "metadata");
    };
    check_name(rules, object, metadata);
    rules.holds(
        metadata.get("namespace"),
        |text| text.is_empty() || is_dns_1123_label(text),
        "validate.schema.label",
    );
    check_labels(rules, metadata);
    for finalizer in metadata.list_at("finalizers") {
        let standard = ["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer.text());
        if finalizer.kind() == Kind::Text
            && !(format::is_qualified_name(finalizer.text()) && (standard || finalizer.text().contains('/')))
        {
            rules.bad(finalizer, "validate.metadata.finalizer");
        }
    }
    if let Some(fields) = metadata.get("managedFields").filter(|_| metadata.filled("managedFields")) {
        rules.findings.error(Place::Key(fields), || Message::new("validate.metadata.managed_fields"));
    }
    for field in ["uid", "resourceVersion"] {
        if let Some(value) = metadata.get(field).filter(|value| !value.is_empty()) {
            rules
                .findings
                .error(value, || Message::new("validate.metadata.set_by_server").with("field", field));
        }
    }
    check_owners(rules, metadata);
}

/// Labels and annotations of an object or of a pod template.
pub(super) fn check_labels(rules: &mut Rules<'_>, metadata: Node<'_>) {
    for label in metadata.get("labels").into_iter().flat_map(Node::children) {
        if !format::is_qualified_name(label.key()) {
            bad_key(rules, label);
        }
        rules.holds(Some(label), format::is_label_value, "validate.schema.label_value");
    }
    let mut bytes = 0;
    for annotation in metadata.get("annotations").into_iter().flat_map(Node::children) {
        if !format::is_qualified_name(&annotation.key().to_ascii_lowercase()) {
            bad_key(rules, annotation);
        }
        bytes += annotation.key().len() + annotation.text().len();
    }
    if let Some(annotations) = metadata.get("annotations").filter(|_| bytes > MAX_ANNOTATIONS_BYTES) {
        rules.findings.error(Place::Key(annotations), || {
            Message::new("validate.metadata.annotations_size").with("limit", MAX_ANNOTATIONS_BYTES)
        });
    }
}

fn bad_key(rules: &mut Rules<'_>, node: Node<'_>) {
    rules
        .findings
        .error(Place::Key(node), || Message::new("validate.schema.key").with("value", shortened(node.key())));
}

fn check_name<'t>(rules: &mut Rules<'_>, object: &Object<'t>, metadata: Node<'t>) {
    let generated = metadata.get("generateName").filter(|name| !name.is_empty());
    let Some(name) = metadata.get("name").filter(|name| !name.is_empty()) else {
        match generated {
            None if metadata.get("name").is_some_and(|name| name.kind() != Kind::Text) => {}
            None if [
                "SelfSubjectReview",
                "TokenReview",
                "SubjectAccessReview",
                "LocalSubjectAccessReview",
                "SelfSubjectAccessReview",
                "SelfSubjectRulesReview",
            ]
            .iter()
            .any(|kind| object.is(kind)) => {}
            None => missing_field(rules.findings, metadata, "name"),
            // Something is put behind it, so a hyphen at its end is well.
            Some(prefix) => check_syntax(rules, object, prefix, &format!("{}x", prefix.text())),
        }
        return;
    };
    if let Some(text) = name.as_text() {
        check_syntax(rules, object, name, text);
    }
}

fn check_syntax(rules: &mut Rules<'_>, object: &Object<'_>, node: Node<'_>, text: &str) {
    let kind = object.info.map_or("", |info| info.kind);
    let fault = match kind {
        "Namespace" => (!is_dns_1123_label(text)).then_some("validate.schema.label"),
        "Service" => {
            let holds =
                if rules.release >= Release::V1_36 { is_dns_1123_label } else { format::is_dns_1035_label };
            (!holds(text)).then_some("validate.schema.service_name")
        }
        // Names with colons are usual there.
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" | "PodDisruptionBudget" => {
            (!format::is_path_segment(text)).then_some("validate.schema.path_segment")
        }
        "CertificateSigningRequest" | "APIService" | "CustomResourceDefinition" | "Event" | "IPAddress"
            if object.info.is_some() =>
        {
            None
        }
        _ => (!format::is_dns_subdomain(text)).then_some("validate.schema.subdomain"),
    };
    if let Some(key) = fault {
        rules.findings.error(node, || Message::new(key).with("value", shortened(text)));
        return;
    }
    let limit = match kind {
        // The controller puts a time behind it, and a Job's name is a label.
        "CronJob" => 52,
        "Job" | "StatefulSet" | "ReplicationController" => {
            if kind == "ReplicationController" {
                253
            } else {
                63
            }
        }
        _ => return,
    };
    // A generated name has five characters more.
    let length = text.len() + if node.key() == "generateName" { 4 } else { 0 };
    if length > limit {
        rules.length_message(node, limit);
    }
    if kind == "StatefulSet" && !is_dns_1123_label(text) && !text.contains('.') {
        rules.bad(node, "validate.schema.label");
    }
}

impl Rules<'_> {
    fn length_message(&mut self, node: Node<'_>, limit: usize) {
        self.findings.error(node, || {
            Message::new("validate.rule.too_long").with("value", shortened(node.text())).with("limit", limit)
        });
    }
}

fn check_owners(rules: &mut Rules<'_>, metadata: Node<'_>) {
    let mut controllers = 0;
    for owner in metadata.list_at("ownerReferences") {
        if owner.str_at("apiVersion") == "v1" && owner.str_at("kind") == "Event" {
            rules.bad(owner, "validate.metadata.owner_event");
        }
        controllers += usize::from(owner.flag_at("controller"));
        if controllers > 1 && owner.flag_at("controller") {
            rules.findings.error(owner, || Message::new("validate.metadata.two_controllers"));
        }
    }
}
