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

/// Questions to the server, which keeps none of them.
const NAMELESS: [&str; 6] = [
    "SelfSubjectReview",
    "TokenReview",
    "SubjectAccessReview",
    "LocalSubjectAccessReview",
    "SelfSubjectAccessReview",
    "SelfSubjectRulesReview",
];

/// Kinds whose generation begins at one when they are created.
const COUNTED: [&str; 26] = [
    "CronJob",
    "CustomResourceDefinition",
    "DaemonSet",
    "Deployment",
    "DeviceClass",
    "EndpointSlice",
    "FlowSchema",
    "Ingress",
    "IngressClass",
    "Job",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
    "MutatingWebhookConfiguration",
    "NetworkPolicy",
    "Pod",
    "PodDisruptionBudget",
    "PodTemplate",
    "PriorityClass",
    "PriorityLevelConfiguration",
    "ReplicaSet",
    "ReplicationController",
    "ResourceSlice",
    "StatefulSet",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "ValidatingWebhookConfiguration",
];

/// Checks an object's own `metadata`.
pub(in super::super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let nameless = NAMELESS.iter().any(|kind| object.is(kind));
    let Some(metadata) = object.metadata() else {
        if nameless || object.is("LimitRange") {
            return;
        }
        return missing_field(rules.findings, object.root, "metadata");
    };
    if nameless {
        return check_question(rules, object, metadata);
    }
    if object.is("Binding") {
        // It is a question to a pod, by whose name it is asked.
        return match metadata.get("name").filter(|name| !name.is_empty()) {
            None => missing_field(rules.findings, metadata, "name"),
            name => rules.holds(name, format::is_path_segment, "validate.schema.path_segment"),
        };
    }
    check_name(rules, object, metadata);
    // Of what is the whole cluster's it is dropped, whatever it says.
    if object.info.is_none_or(|info| info.namespaced) {
        rules.holds(
            metadata.get("namespace"),
            |text| text.is_empty() || is_dns_1123_label(text),
            "validate.schema.label",
        );
    }
    check_labels(rules, metadata, object.is("Namespace"));
    // Of some the server counts changes, whatever is written.
    if !COUNTED.iter().any(|kind| object.is(kind)) {
        rules.range(metadata.get("generation"), 0, i64::MAX);
    }
    for finalizer in metadata.list_at("finalizers") {
        let standard = ["orphan", "foregroundDeletion", "kubernetes"].contains(&finalizer.text());
        let standard = standard || takes_any_finalizer(object);
        if matches!(finalizer.kind(), Kind::Text | Kind::Null)
            && !(finalizer.kind() == Kind::Text
                && format::is_qualified_name(finalizer.text())
                && (standard || finalizer.text().contains('/')))
        {
            rules.bad(finalizer, "validate.metadata.finalizer");
        }
    }
    let has = |name: &str| metadata.list_at("finalizers").find(|finalizer| finalizer.text() == name);
    if let (Some(orphan), Some(_)) = (has("orphan"), has("foregroundDeletion")) {
        rules.bad(orphan, "validate.metadata.two_deletions");
    }
    // What has a name yet to come is created, where these are written anew; an apply compares them.
    let is_named = !metadata.str_at("name").is_empty();
    if let Some(fields) = metadata.get("managedFields").filter(|_| is_named) {
        rules.findings.error(Place::Key(fields), || Message::new("validate.metadata.managed_fields"));
    }
    if let Some(value) = metadata.get("uid").filter(|value| is_named && !value.is_empty()) {
        rules.findings.error(value, || Message::new("validate.metadata.set_by_server").with("field", "uid"));
    }
    if let Some(value) = metadata.get("resourceVersion").filter(|value| !value.is_empty()) {
        // A number is taken where there is no such object yet; where there is one, it is compared.
        let message = || Message::new("validate.metadata.set_by_server").with("field", "resourceVersion");
        if is_named && value.text().parse::<u64>().is_err() {
            rules.findings.error(value, message);
        } else {
            rules.findings.warning(value, message);
        }
    }
    check_owners(rules, metadata);
}

/// A question is no object: some are asked with nothing of their own, and of others it is not looked at.
fn check_question(rules: &mut Rules<'_>, object: &Object<'_>, metadata: Node<'_>) {
    if !object.kind.ends_with("AccessReview") {
        return;
    }
    for field in metadata.children().filter(|field| !field.is_empty() && field.as_integer() != Some(0)) {
        let is_dropped = [
            "creationTimestamp",
            "deletionGracePeriodSeconds",
            "deletionTimestamp",
            "managedFields",
            "namespace",
            "selfLink",
            "uid",
        ]
        .contains(&field.key());
        if !is_dropped {
            rules.forbidden(metadata, field.key(), &format!("kind: {}", object.kind));
        }
    }
}

/// Kinds of which the server asks that a finalizer is a name, and no domain before it.
fn takes_any_finalizer(object: &Object<'_>) -> bool {
    let version = object.root.str_at("apiVersion");
    object.info.is_none()
        || version.starts_with("admissionregistration.k8s.io/")
        || (version == "v1" && object.is("Event"))
        || ["APIService", "CustomResourceDefinition", "Lease", "PodDisruptionBudget", "RuntimeClass"]
            .iter()
            .any(|kind| object.is(kind))
}

/// Labels and annotations of an object or of a pod template. The server writes one of a namespace's itself.
pub(super) fn check_labels(rules: &mut Rules<'_>, metadata: Node<'_>, of_namespace: bool) {
    let is_written = |label: &Node<'_>| of_namespace && label.key() == "kubernetes.io/metadata.name";
    let labels = metadata.get("labels").into_iter().flat_map(Node::children);
    for label in labels.filter(|label| !is_written(label)) {
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
            // It has no check of its name.
            None if object.is("LimitRange") => {}
            None => missing_field(rules.findings, metadata, "name"),
            Some(prefix) => check_generated(rules, object, prefix),
        }
        return;
    };
    // These look at the whole name alone.
    let looks_at_all = ["DeviceClass", "ReplicationController"].iter().any(|kind| object.is(kind));
    if let Some(prefix) = generated.filter(|_| !looks_at_all) {
        check_generated(rules, object, prefix);
    }
    if let Some(text) = name.as_text() {
        check_syntax(rules, object, name, text);
    }
}

/// What a generated name begins with: five characters come behind it, and it is cut where they find no room.
fn check_generated(rules: &mut Rules<'_>, object: &Object<'_>, prefix: Node<'_>) {
    let text = prefix.text();
    // Their names are made from other fields, and so is what one begins with.
    if (object.is("APIService") || object.is("CustomResourceDefinition")) && text != object.name {
        rules.findings.error(Place::Key(prefix), || {
            Message::new("validate.rule.forbidden")
                .with("field", "generateName")
                .with("when", format!("kind: {}", object.kind))
        });
    }
    // A hyphen at the end is well, for the check counts it as a letter.
    let checked = match format::prefix(text) {
        std::borrow::Cow::Owned(checked) => checked,
        // These look at the whole name alone.
        _ if text.ends_with('.') && (object.is("ReplicationController") || object.is("DeviceClass")) => {
            format!("{text}a")
        }
        _ => text.to_owned(),
    };
    let before = rules.findings.count();
    check_syntax(rules, object, prefix, &checked);
    // The name that comes of it is whole. One that is too long is cut.
    if object.name.is_empty() && rules.findings.count() == before && text.len() < 50 {
        check_syntax(rules, object, prefix, &format!("{text}aaaaa"));
    }
}

fn check_syntax(rules: &mut Rules<'_>, object: &Object<'_>, node: Node<'_>, text: &str) {
    let kind = object.info.map_or("", |info| info.kind);
    let fault = match kind {
        "Namespace" | "StatefulSet" => (!is_dns_1123_label(text)).then_some("validate.schema.label"),
        "Service" => {
            let holds =
                if rules.release >= Release::V1_36 { is_dns_1123_label } else { format::is_dns_1035_label };
            (!holds(text)).then_some("validate.schema.service_name")
        }
        // Names with colons are usual there.
        "Role" | "RoleBinding" | "ClusterRole" | "ClusterRoleBinding" | "PodDisruptionBudget" => {
            (!format::is_path_segment(text)).then_some("validate.schema.path_segment")
        }
        // Their names are built from other fields.
        "APIService" | "CustomResourceDefinition" => None,
        "CertificateSigningRequest" | "Event" if object.root.str_at("apiVersion") != "events.k8s.io/v1" => {
            (!format::is_path_segment(text)).then_some("validate.schema.path_segment")
        }
        "IPAddress" => {
            let canonical = format::ip(text, true).is_some_and(|address| address.to_string() == text);
            (!canonical).then_some("validate.rule.ip")
        }
        _ => (!format::is_dns_subdomain(text)).then_some("validate.schema.subdomain"),
    };
    if let Some(key) = fault {
        rules.findings.error(node, || Message::new(key).with("value", shortened(text)));
        return;
    }
    let prefixes = node.key() == "generateName" && !object.name.is_empty();
    let limit = match kind {
        _ if prefixes => return,
        // The controller puts a time behind it, and a Job's name is a label.
        "CronJob" => 52,
        "Job" | "StatefulSet" => 63,
        _ => return,
    };
    // A generated name is cut to 63.
    let length = if node.key() == "generateName" { text.len().min(58) + 5 } else { text.len() };
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
        rules.form(
            owner.get("apiVersion").filter(|version| !version.is_empty()),
            |text| {
                text.split_once('/')
                    .map_or(!text.is_empty(), |(_, version)| !version.is_empty() && !version.contains('/'))
            },
            "apps/v1",
        );
        controllers += usize::from(owner.flag_at("controller"));
        if controllers > 1 && owner.flag_at("controller") {
            rules.findings.error(owner, || Message::new("validate.metadata.two_controllers"));
        }
    }
}
