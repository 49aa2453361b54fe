//! Definitions of custom resources.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::{Rules, structural};
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Fields of a version by which its objects can be selected.
const MAX_SELECTABLE: usize = 8;

/// Checks a CustomResourceDefinition.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    rules.begin();
    let names = spec.get("names");
    let plural = names.map_or("", |names| names.str_at("plural"));
    let group = spec.str_at("group");
    let expected = format!("{plural}.{group}");
    if !plural.is_empty() && !group.is_empty() && object.name != expected {
        rules.findings.error(object.name_place(), || {
            Message::new("validate.definition.name").with("expected", &expected)
        });
    }
    rules.holds(
        spec.get("group"),
        |text| text.is_empty() || (format::is_dns_subdomain(text) && text.contains('.')),
        "validate.definition.group",
    );
    if let Some(names) = names {
        for field in ["plural", "singular"] {
            rules.holds(
                names.get(field),
                |text| text.is_empty() || format::is_dns_1035_label(text),
                "validate.schema.label",
            );
        }
        for field in ["kind", "listKind"] {
            rules.holds(
                names.get(field),
                |text| text.is_empty() || format::is_dns_1035_label(&text.to_ascii_lowercase()),
                "validate.schema.label",
            );
        }
        for name in names.list_at("shortNames").chain(names.list_at("categories")) {
            if name.kind() == Kind::Null {
                rules.bad(name, "validate.schema.empty_text");
            }
            rules.holds(Some(name), format::is_dns_1035_label, "validate.schema.label");
        }
        if let (Some(kind), Some(list)) = (names.get("kind"), names.get("listKind"))
            && kind.text() == list.text()
        {
            rules.bad(list, "validate.rule.duplicate");
        }
    }
    let protected = [".k8s.io", ".kubernetes.io"].iter().any(|suffix| group.ends_with(suffix))
        || ["k8s.io", "kubernetes.io"].contains(&group);
    let approved = object
        .metadata()
        .and_then(|metadata| metadata.at(&["annotations", "api-approved.kubernetes.io"]))
        .map_or("", Node::text);
    if protected && !(approved.starts_with("http") || approved.starts_with("unapproved")) {
        rules
            .findings
            .error(spec.get("group").unwrap_or(spec), || Message::new("validate.definition.protected"));
    }
    if spec.flag_at("preserveUnknownFields") {
        rules.forbidden(spec, "preserveUnknownFields", "apiVersion: apiextensions.k8s.io/v1");
    }
    check_versions(rules, spec);
    if let Some(conversion) = spec.get("conversion") {
        if conversion.str_at("strategy") == "Webhook" {
            rules.required_where(conversion, "webhook", "strategy: Webhook");
            if let Some(webhook) = conversion.get("webhook") {
                rules.required(webhook, "conversionReviewVersions");
                if let Some(versions) =
                    webhook.get("conversionReviewVersions").filter(|list| !list.is_empty())
                    && !versions.children().any(|version| matches!(version.text(), "v1" | "v1beta1"))
                {
                    rules.bad(versions, "validate.admission.review_versions");
                }
                let mut seen = HashSet::new();
                for version in webhook.list_at("conversionReviewVersions") {
                    rules.unique(Some(version), &mut seen);
                    rules.holds(Some(version), format::is_dns_1035_label, "validate.definition.version");
                }
                match webhook.get("clientConfig") {
                    Some(client) => super::admission::check_client(rules, client),
                    None => rules.required(webhook, "clientConfig"),
                }
            }
        } else {
            rules.forbidden(conversion, "webhook", "strategy: None");
        }
    }
    rules.end(object);
}

fn check_versions(rules: &mut Rules<'_>, spec: Node<'_>) {
    let versions = spec.get("versions").filter(|versions| versions.kind() == Kind::Sequence);
    let Some(list) = versions else { return };
    if list.is_empty() {
        return rules.required(spec, "versions");
    }
    let mut names = HashSet::new();
    let stored = spec.list_at("versions").filter(|version| version.flag_at("storage")).count();
    if stored != 1 {
        rules.findings.error(list, || Message::new("validate.definition.storage").with("count", stored));
    }
    for version in spec.list_at("versions") {
        rules.unique(version.get("name"), &mut names);
        rules.holds(
            version.get("name"),
            |text| text.is_empty() || format::is_dns_1035_label(text),
            "validate.definition.version",
        );
        match version.at(&["schema", "openAPIV3Schema"]) {
            None => rules.findings.error(Place::Missing(version, "schema.openAPIV3Schema"), || {
                Message::new("validate.schema.missing_field").with("field", "schema.openAPIV3Schema")
            }),
            Some(schema) => {
                // What can be anything, or a number or a text, needs no type.
                let has_none = schema.str_at("type").is_empty()
                    && ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-int-or-string"]
                        .iter()
                        .any(|field| schema.flag_at(field));
                if schema.str_at("type") != "object" && !has_none {
                    let place = schema.get("type").map_or(Place::Missing(schema, "type"), Place::Value);
                    rules.findings.error(place, || Message::new("validate.definition.root"));
                } else {
                    structural::check(rules, schema);
                }
            }
        }
        if version.get("deprecationWarning").is_some_and(Node::is_empty) {
            rules.required(version, "deprecationWarning");
        }
        if version.has("deprecationWarning") && !version.flag_at("deprecated") {
            rules.forbidden(version, "deprecationWarning", "deprecated ≠ true");
        }
        if let Some(status) = version.at(&["subresources", "status"]) {
            for field in status.children() {
                rules.forbidden(status, field.key(), "subresources.status");
            }
            if let Some(schema) = version.at(&["schema", "openAPIV3Schema"]) {
                structural::check_beside_status(rules, schema);
            }
        }
        let mut selectable = HashSet::new();
        for field in version.list_at("selectableFields") {
            let Some(path) = field.get("jsonPath").filter(|path| !path.is_empty()) else { continue };
            rules.unique(Some(path), &mut selectable);
            let schema = version.at(&["schema", "openAPIV3Schema"]);
            let leaf = schema.and_then(|schema| structural::leaf(schema, path.text()));
            let kind = leaf.map_or("", |leaf| leaf.str_at("type"));
            let own = path.text().starts_with(".metadata.");
            rules.form(
                Some(path),
                |_| !own && matches!(kind, "string" | "boolean" | "integer"),
                ".spec.size",
            );
        }
        if selectable.len() > MAX_SELECTABLE {
            rules.at_most(version.get("selectableFields"), MAX_SELECTABLE);
        }
        for column in version.list_at("additionalPrinterColumns") {
            rules.holds(
                column.get("jsonPath"),
                |text| text.is_empty() || text.starts_with('.'),
                "validate.definition.path",
            );
        }
        if let Some(scale) = version.at(&["subresources", "scale"]) {
            for (field, prefix) in [("specReplicasPath", ".spec."), ("statusReplicasPath", ".status.")] {
                rules.holds(
                    scale.get(field),
                    |text| text.is_empty() || text.starts_with(prefix),
                    "validate.definition.path",
                );
            }
            rules.holds(
                scale.get("labelSelectorPath"),
                |text| text.is_empty() || text.starts_with(".spec.") || text.starts_with(".status."),
                "validate.definition.path",
            );
        }
    }
}
