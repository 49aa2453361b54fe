//! Definitions of custom resources, and custom resources held against theirs.

use super::super::format::{self, shortened};
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::Rules;
use crate::findings::Place;
use crate::schemas::Definition;
use ecp_core::text::Message;
use serde_json::Value;
use std::collections::HashSet;

/// Words of a list that a message repeats.
const LISTED: usize = 40;
const TYPES: [&str; 6] = ["object", "array", "string", "integer", "number", "boolean"];

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
                if schema.str_at("type") != "object" {
                    let place = schema.get("type").map_or(Place::Missing(schema, "type"), Place::Value);
                    rules.findings.error(place, || Message::new("validate.definition.root"));
                } else {
                    check_schema(rules, schema);
                }
            }
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
        }
    }
}

/// A schema is structural: every value has a type.
fn check_schema(rules: &mut Rules<'_>, schema: Node<'_>) {
    if schema.kind() != Kind::Mapping {
        return;
    }
    let free = schema.flag_at("x-kubernetes-int-or-string")
        || schema.flag_at("x-kubernetes-preserve-unknown-fields");
    let kind = schema.str_at("type");
    if kind.is_empty() && !free {
        rules.required(schema, "type");
    } else if !kind.is_empty() {
        rules.words(schema.get("type"), &TYPES);
    }
    if let Some(text) = schema.get("pattern")
        && !rules.limits.compiles(text.text())
        && !text.text().contains("\\p")
    {
        rules.bad(text, "validate.definition.pattern");
    }
    if kind == "array" && !schema.has("items") && !free {
        rules.required_where(schema, "items", "type: array");
    }
    if schema.filled("properties") && schema.has("additionalProperties") {
        rules.not_both(schema, "properties", "additionalProperties");
    }
    if schema.flag_at("uniqueItems") {
        rules.forbidden(schema, "uniqueItems", "apiextensions.k8s.io/v1");
    }
    if let Some(reference) = schema.get("$ref") {
        rules.findings.error(Place::Key(reference), || {
            Message::new("validate.rule.forbidden").with("field", "$ref").with("when", "openAPIV3Schema")
        });
    }
    rules.words(schema.get("x-kubernetes-list-type"), &["atomic", "set", "map"]);
    if schema.str_at("x-kubernetes-list-type") == "map" {
        rules.required_where(schema, "x-kubernetes-list-map-keys", "x-kubernetes-list-type: map");
    }
    for child in schema.get("properties").into_iter().flat_map(Node::children) {
        check_schema(rules, child);
    }
    for field in ["items", "additionalProperties"] {
        if let Some(child) = schema.get(field) {
            if field == "items" && child.kind() == Kind::Sequence {
                rules.bad(child, "validate.definition.items");
            }
            check_schema(rules, child);
        }
    }
}

/// Holds a custom resource against its definition.
pub(in super::super) fn check_custom_object(
    rules: &mut Rules<'_>,
    object: &Object<'_>,
    definition: &Definition,
) {
    rules.begin();
    let root = object.root;
    let schema = &definition.schema;
    for child in root.children() {
        if matches!(child.key(), "apiVersion" | "kind" | "metadata")
            || (child.key() == "status" && definition.status)
        {
            continue;
        }
        field(rules, child, schema);
    }
    required(rules, root, schema, definition.status);
    rules.end(object);
}

fn field(rules: &mut Rules<'_>, child: Node<'_>, schema: &Value) {
    let known = schema["properties"].get(child.key());
    let extra = schema.get("additionalProperties").filter(|extra| !extra.is_boolean());
    match known.or(extra) {
        Some(inner) => value(rules, child, inner),
        None if schema["x-kubernetes-preserve-unknown-fields"] == true
            || schema["additionalProperties"] == true => {}
        None => {
            let properties = schema["properties"].as_object();
            let word = child.key().len().min(64);
            let comparison = word * word / 8 + 4;
            if !rules.limits.spend(properties.map_or(1, |all| all.len().saturating_mul(comparison))) {
                return;
            }
            let names: Vec<&str> = properties.into_iter().flatten().map(|(name, _)| name.as_str()).collect();
            let near = format::nearest(child.key(), names.iter().copied());
            rules.findings.error(Place::Key(child), || {
                let message = match near {
                    Some(near) => Message::new("validate.schema.unknown_field.near").with("nearest", near),
                    None => {
                        let mut allowed =
                            names.iter().take(LISTED).copied().map(shortened).collect::<Vec<_>>();
                        if names.len() > LISTED {
                            allowed.push("…".into());
                        }
                        Message::new("validate.schema.unknown_field").with("allowed", allowed.join(", "))
                    }
                };
                message.with("field", shortened(child.key())).with("object", child.parent().key())
            });
        }
    }
}

fn required(rules: &mut Rules<'_>, node: Node<'_>, schema: &Value, skip_status: bool) {
    let names = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
    if !rules.limits.spend(names.len().saturating_mul(node.children().count() + 1)) {
        return;
    }
    for name in names.iter().filter_map(Value::as_str) {
        let defaulted = schema["properties"][name].get("default").is_some();
        let nullable = schema["properties"][name]["nullable"] == true;
        let given =
            node.children().any(|child| child.key() == name && (nullable || child.kind() != Kind::Null));
        if !(given || defaulted || skip_status && name == "status") {
            rules
                .findings
                .error(node, || Message::new("validate.schema.missing_field").with("field", shortened(name)));
        }
    }
}

fn value(rules: &mut Rules<'_>, node: Node<'_>, schema: &Value) {
    if !rules.limits.spend(schema.as_object().map_or(1, |members| 4 * members.len() + 1)) {
        return;
    }
    if node.kind() == Kind::Null {
        if schema["nullable"] != true && schema.get("default").is_none() && schema.get("type").is_some() {
            rules.findings.error(Place::Key(node), || Message::new("validate.schema.null"));
        }
        return;
    }
    let either = schema["x-kubernetes-int-or-string"] == true;
    let kind = schema["type"].as_str().unwrap_or("");
    let (fits, wrong) = match kind {
        _ if either => (
            matches!(node.kind(), Kind::Text) || node.as_integer().is_some(),
            "validate.schema.wrong_type.integer_or_text",
        ),
        "object" => (node.kind() == Kind::Mapping, "validate.schema.wrong_type.mapping"),
        "array" => (node.kind() == Kind::Sequence, "validate.schema.wrong_type.list"),
        "string" => (node.kind() == Kind::Text, "validate.schema.wrong_type.text"),
        "integer" => (node.as_integer().is_some(), "validate.schema.wrong_type.integer"),
        "number" => (matches!(node.kind(), Kind::Integer | Kind::Float), "validate.schema.wrong_type.number"),
        "boolean" => (node.kind() == Kind::Boolean, "validate.schema.wrong_type.boolean"),
        _ => (true, ""),
    };
    if !fits {
        let shown = match node.kind() {
            Kind::Sequence => "[…]".into(),
            Kind::Mapping => "{…}".into(),
            _ => shortened(node.text()),
        };
        rules.findings.error(node, || Message::new(wrong).with("value", shown));
        return;
    }
    if let Some(words) = schema["enum"].as_array()
        && rules.limits.spend(words.len().saturating_mul(8))
        && !words.contains(&crate::values::value(node))
    {
        let words: Vec<String> = words
            .iter()
            .take(LISTED)
            .map(|word| word.as_str().map_or_else(|| word.to_string(), |word| shortened(word).into_owned()))
            .collect();
        rules.words(Some(node), &words.iter().map(String::as_str).collect::<Vec<_>>());
        if words.iter().any(|word| word == node.text()) {
            rules.bad(node, "validate.schema.not_in_list");
        }
    }
    bounds(rules, node, schema);
    match node.kind() {
        Kind::Mapping => {
            let embedded = schema["x-kubernetes-embedded-resource"] == true;
            for child in node.children() {
                if !(embedded && matches!(child.key(), "apiVersion" | "kind" | "metadata"))
                    && (schema.get("properties").is_some()
                        || schema.get("additionalProperties").is_some()
                        || kind == "object")
                {
                    field(rules, child, schema);
                }
            }
            required(rules, node, schema, false);
        }
        Kind::Sequence => items(rules, node, schema),
        _ => {}
    }
}

fn items(rules: &mut Rules<'_>, node: Node<'_>, schema: &Value) {
    if let Some(inner) = schema.get("items") {
        for item in node.children() {
            value(rules, item, inner);
        }
    }
    let keys: Vec<&str> = schema["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let kind = schema["x-kubernetes-list-type"].as_str().unwrap_or("");
    let mut seen = HashSet::new();
    for item in node.children().filter(|_| matches!(kind, "map" | "set")) {
        if !rules.limits.spend(keys.len().saturating_mul(item.children().count() + 1)) {
            return;
        }
        let identity =
            if kind == "set" { vec![item.text()] } else { keys.iter().map(|key| item.str_at(key)).collect() };
        if !seen.insert(identity) {
            rules.bad(item, "validate.rule.duplicate");
        }
    }
}

fn bounds(rules: &mut Rules<'_>, node: Node<'_>, schema: &Value) {
    let Some(members) = schema.as_object() else { return };
    let number = node
        .text()
        .replace('_', "")
        .parse::<f64>()
        .ok()
        .filter(|_| matches!(node.kind(), Kind::Integer | Kind::Float));
    let characters = (node.kind() == Kind::Text).then(|| node.text().chars().count() as f64);
    let children = node.children().count() as f64;
    let list = (node.kind() == Kind::Sequence).then_some(children);
    let map = (node.kind() == Kind::Mapping).then_some(children);
    for (name, limit) in members {
        let exclusive = |name: &str| schema[name] == true;
        let breaks = match (name.as_str(), limit.as_f64()) {
            ("minimum", Some(limit)) => {
                number.is_some_and(|n| n < limit || (n == limit && exclusive("exclusiveMinimum")))
            }
            ("maximum", Some(limit)) => {
                number.is_some_and(|n| n > limit || (n == limit && exclusive("exclusiveMaximum")))
            }
            ("multipleOf", Some(limit)) => number.is_some_and(|n| limit != 0.0 && (n / limit).fract() != 0.0),
            ("minLength", Some(limit)) => characters.is_some_and(|n| n < limit),
            ("maxLength", Some(limit)) => characters.is_some_and(|n| n > limit),
            ("minItems", Some(limit)) => list.is_some_and(|n| n < limit),
            ("maxItems", Some(limit)) => list.is_some_and(|n| n > limit),
            ("minProperties", Some(limit)) => map.is_some_and(|n| n < limit),
            ("maxProperties", Some(limit)) => map.is_some_and(|n| n > limit),
            ("pattern", None) if characters.is_some() => {
                limit.as_str().is_some_and(|pattern| !rules.limits.fits(pattern, node.text()))
            }
            _ => false,
        };
        if breaks {
            rules.findings.error(node, || {
                Message::new("validate.schema.bound")
                    .with("value", shortened(node.text()))
                    .with("bound", format!("{name}: {}", shortened(&limit.to_string())))
            });
        }
    }
}
