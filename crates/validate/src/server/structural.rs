//! The schema of a definition: structural, its defaults valid, its rules compiled.

use super::super::format::{self, shortened};
use super::super::tree::{Kind, Node};
use super::within::Within;
use super::{Rules, custom};
use crate::cel::{self, BOOL, TEXT, Type, cost};
use crate::findings::Place;
use crate::values;
use ecp_core::text::Message;
use std::collections::HashSet;

const TYPES: [&str; 6] = ["object", "array", "string", "integer", "number", "boolean"];
/// What a schema can not have.
const UNSUPPORTED: [&str; 8] = [
    "$ref",
    "$schema",
    "additionalItems",
    "definitions",
    "dependencies",
    "id",
    "patternProperties",
    "uniqueItems",
];
/// What a part of `allOf`, `anyOf`, `oneOf` and `not` can not have.
const OUTSIDE: [&str; 13] = [
    "additionalProperties",
    "default",
    "description",
    "nullable",
    "title",
    "type",
    "x-kubernetes-embedded-resource",
    "x-kubernetes-int-or-string",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-list-type",
    "x-kubernetes-map-type",
    "x-kubernetes-preserve-unknown-fields",
    "x-kubernetes-validations",
];
const REASONS: [&str; 4] =
    ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];

/// Checks the schema of a version.
pub(super) fn check(rules: &mut Rules<'_>, schema: Node<'_>) {
    for field in ["additionalProperties", "default"] {
        rules.forbidden(schema, field, "openAPIV3Schema");
    }
    if schema.flag_at("nullable") {
        rules.forbidden(schema, "nullable", "openAPIV3Schema");
    }
    if let Some(metadata) = schema.at(&["properties", "metadata"]) {
        for field in metadata.get("properties").into_iter().flat_map(Node::children) {
            if !matches!(field.key(), "name" | "generateName") {
                rules.findings.error(Place::Key(field), || {
                    Message::new("validate.schema.not_allowed")
                        .with("value", shortened(field.key()))
                        .with("allowed", "name, generateName")
                });
            }
        }
    }
    let mut total = Some(0);
    value(rules, schema, Within::ROOT, &mut total);
    described(rules, schema, Some(schema));
    if let Some(total) = total.filter(|total| *total > cost::DEFINITION_LIMIT) {
        rules.too_dear(schema, total, cost::DEFINITION_LIMIT);
    }
}

/// What parts of the root ask of a field is asked of one that the schema itself describes.
fn described(rules: &mut Rules<'_>, part: Node<'_>, schema: Option<Node<'_>>) {
    let parts = ["allOf", "anyOf", "oneOf"].into_iter().flat_map(|field| part.list_at(field));
    for part in parts.chain(part.get("not")).filter(|part| part.kind() == Kind::Mapping) {
        asks(rules, part, schema);
    }
}

fn asks(rules: &mut Rules<'_>, part: Node<'_>, schema: Option<Node<'_>>) {
    if !rules.limits.spend(part.children().count() + 1) {
        return;
    }
    let of = |field: &str| schema.and_then(|schema| schema.get(field));
    let items = part.get("items").filter(|items| items.kind() == Kind::Mapping);
    let fields = part.get("properties").into_iter().flat_map(Node::children);
    let fields = fields.map(|field| (field, of("properties").and_then(|own| own.get(field.key()))));
    for (field, own) in fields.chain(items.map(|items| (items, of("items")))) {
        match own {
            Some(_) => asks(rules, field, own),
            None => rules.findings.error(Place::Key(field), || {
                Message::new("validate.rule.required")
                    .with("field", shortened(field.key()))
                    .with("when", "allOf, anyOf, oneOf, not")
            }),
        }
    }
    described(rules, part, schema);
}

/// What the root of a schema can not have where its status is written apart.
pub(super) fn check_beside_status(rules: &mut Rules<'_>, schema: Node<'_>) {
    for field in ["allOf", "anyOf", "enum", "maxProperties", "minProperties", "not", "oneOf"] {
        rules.forbidden(schema, field, "subresources.status");
    }
    for field in schema.children().filter(|field| field.key().starts_with("x-kubernetes-")) {
        let is_allowed =
            matches!(field.key(), "x-kubernetes-preserve-unknown-fields" | "x-kubernetes-validations");
        if !is_allowed && (field.is_true() || !matches!(field.kind(), Kind::Boolean | Kind::Null)) {
            rules.forbidden(schema, field.key(), "subresources.status");
        }
    }
}

/// The schema of a field by its path, such as `.spec.size`.
pub(super) fn leaf<'t>(schema: Node<'t>, path: &str) -> Option<Node<'t>> {
    let steps = path.strip_prefix('.')?.split('.');
    steps.into_iter().try_fold(schema, |schema, step| schema.get("properties")?.get(step))
}

/// `total` is what rules cost so far, absent where that can not be told.
fn value(rules: &mut Rules<'_>, schema: Node<'_>, within: Within, total: &mut Option<u64>) {
    if schema.kind() != Kind::Mapping || !rules.limits.spend(schema.children().count() + 1) {
        return;
    }
    let either = schema.flag_at("x-kubernetes-int-or-string");
    let keeps = schema.flag_at("x-kubernetes-preserve-unknown-fields");
    let kind = schema.str_at("type");
    if kind.is_empty() && !either && !keeps {
        rules.required(schema, "type");
    } else if !kind.is_empty() {
        rules.words(schema.get("type"), &TYPES);
    }
    check_keywords(rules, schema);
    let has_items =
        schema.get("items").is_some_and(|items| matches!(items.kind(), Kind::Mapping | Kind::Sequence));
    let is_scalar = |value: &Node<'_>| !matches!(value.kind(), Kind::Mapping | Kind::Sequence | Kind::Null);
    for field in ["items", "additionalProperties"] {
        let is_flag = |value: &Node<'_>| field != "items" && value.kind() == Kind::Boolean;
        if let Some(value) = schema.get(field).filter(is_scalar).filter(|value| !is_flag(value)) {
            rules.bad(value, "validate.schema.wrong_type.mapping");
        }
    }
    if kind == "array" && !has_items {
        rules.required_where(schema, "items", "type: array");
    }
    if schema.filled("properties") && schema.has("additionalProperties") {
        rules.not_both(schema, "properties", "additionalProperties");
    }
    check_extensions(rules, schema);
    check_object(rules, schema, within);
    for field in ["allOf", "anyOf", "oneOf"] {
        for part in schema.list_at(field) {
            let types = either && (field == "anyOf" || field == "allOf");
            logical(rules, part, types);
        }
    }
    if either {
        check_either(rules, schema);
    }
    if let Some(part) = schema.get("not") {
        logical(rules, part, false);
    }
    match within.no_default {
        Some(why) => rules.forbidden(schema, "default", why),
        None => check_default(rules, schema),
    }
    if schema.filled("x-kubernetes-validations") {
        check_rules(rules, schema, within, total);
    }
    let more = match kind {
        "array" => schema.get("maxItems").map(|most| most.as_integer()),
        "object" if schema.has("additionalProperties") => {
            schema.get("maxProperties").map(|most| most.as_integer())
        }
        _ => Some(Some(1)),
    };
    let more = more.flatten().and_then(|more| u64::try_from(more).ok());
    let often = within.often.zip(more).map(|(often, more)| often.saturating_mul(more));
    let within = Within { often, ..within };
    for child in schema.get("properties").into_iter().flat_map(Node::children) {
        if child.kind() == Kind::Null {
            rules.findings.error(Place::Key(child), || {
                Message::new("validate.schema.missing_field").with("field", "type")
            });
        }
        value(rules, child, within.property(schema, child.key()), total);
    }
    if let Some(items) = schema.get("items") {
        if items.kind() == Kind::Sequence {
            rules.bad(items, "validate.definition.items");
        }
        value(rules, items, within.items(schema), total);
    }
    if let Some(extra) = schema.get("additionalProperties") {
        value(rules, extra, within.additional(), total);
    }
}

/// What describes a whole object knows what such objects begin with, and is not within that itself.
fn check_object(rules: &mut Rules<'_>, schema: Node<'_>, within: Within) {
    let is_embedded = schema.flag_at("x-kubernetes-embedded-resource");
    if is_embedded && within.is_meta {
        rules.forbidden(schema, "x-kubernetes-embedded-resource", "apiVersion, kind, metadata");
    }
    if is_embedded || within.is_root {
        for (name, kind) in [("apiVersion", "string"), ("kind", "string"), ("metadata", "object")] {
            rules.words(schema.at(&["properties", name, "type"]), &[kind]);
        }
    }
}

fn check_keywords(rules: &mut Rules<'_>, schema: Node<'_>) {
    if let Some(text) = schema.get("pattern")
        && !rules.limits.compiles(text.text())
        && !text.text().contains("\\p")
    {
        rules.bad(text, "validate.definition.pattern");
    }
    for field in UNSUPPORTED {
        let counts = |given: Node<'_>| match field {
            "uniqueItems" => given.is_true(),
            "definitions" | "patternProperties" | "$ref" | "$schema" | "id" => !given.is_empty(),
            _ => true,
        };
        if schema.get(field).is_some_and(counts) {
            rules.forbidden(schema, field, "apiextensions.k8s.io/v1");
        }
    }
}

/// A part that says what must hold besides, and no types.
fn logical(rules: &mut Rules<'_>, schema: Node<'_>, with_types: bool) {
    if schema.kind() != Kind::Mapping || !rules.limits.spend(schema.children().count() + 1) {
        return;
    }
    check_keywords(rules, schema);
    let keeps = schema.get("x-kubernetes-preserve-unknown-fields");
    rules.form(
        keeps.filter(|keeps| keeps.kind() == Kind::Boolean),
        |_| keeps.is_some_and(Node::is_true),
        "true",
    );
    for field in OUTSIDE {
        let says_something = |given: &Node<'_>| match field {
            "additionalProperties" | "default" => true,
            "x-kubernetes-list-type" | "x-kubernetes-map-type" => given.kind() != Kind::Null,
            _ => given.is_true() || !(given.is_empty() || given.kind() == Kind::Boolean),
        };
        let given = schema.get(field).filter(says_something);
        let allowed = with_types && field == "type";
        if given.is_some() && !allowed {
            rules.forbidden(schema, field, "allOf, anyOf, oneOf, not");
        }
    }
    for field in ["allOf", "anyOf", "oneOf"] {
        for part in schema.list_at(field) {
            logical(rules, part, with_types);
        }
    }
    if let Some(metadata) = schema.at(&["properties", "metadata"]) {
        rules.findings.error(Place::Key(metadata), || {
            Message::new("validate.rule.forbidden")
                .with("field", "metadata")
                .with("when", "allOf, anyOf, oneOf, not")
        });
    }
    for child in schema.get("properties").into_iter().flat_map(Node::children) {
        logical(rules, child, false);
    }
    for field in ["items", "not"] {
        if let Some(child) = schema.get(field) {
            logical(rules, child, false);
        }
    }
}

/// A number or a text: no type of its own, and the two in this order where they are listed.
fn check_either(rules: &mut Rules<'_>, schema: Node<'_>) {
    let typed = |list: &str| -> Vec<&str> {
        schema.list_at(list).map(|part| part.str_at("type")).filter(|kind| !kind.is_empty()).collect()
    };
    let listed = typed("anyOf");
    if !listed.is_empty() && listed != ["integer", "string"] {
        rules.form(schema.get("anyOf"), |_| false, "[{type: integer}, {type: string}]");
    }
}

fn check_extensions(rules: &mut Rules<'_>, schema: Node<'_>) {
    let kind = schema.str_at("type");
    let keeps = schema.get("x-kubernetes-preserve-unknown-fields");
    if let Some(keeps) = keeps.filter(|keeps| keeps.kind() == Kind::Boolean && !keeps.is_true()) {
        rules.form(Some(keeps), |_| false, "true");
    }
    if schema.flag_at("x-kubernetes-embedded-resource") {
        rules.words(schema.get("type"), &["object"]);
        if !schema.filled("properties") && keeps.is_none() {
            rules.required_where(schema, "properties", "x-kubernetes-embedded-resource");
        }
    }
    let list = schema.get("x-kubernetes-list-type");
    rules.words(list, &["atomic", "set", "map"]);
    if list.is_some() && kind != "array" && !kind.is_empty() {
        rules.words(schema.get("type"), &["array"]);
    }
    let map = schema.get("x-kubernetes-map-type");
    rules.words(map, &["atomic", "granular"]);
    if map.is_some() && kind != "object" && !kind.is_empty() {
        rules.words(schema.get("type"), &["object"]);
    }
    let items = schema.get("items").filter(|items| items.kind() == Kind::Mapping);
    let is_told_apart = matches!(list.map_or("", Node::text), "map" | "set");
    if let Some(items) = items.filter(|items| is_told_apart && items.flag_at("nullable")) {
        rules.forbidden(items, "nullable", "x-kubernetes-list-type: map, set");
    }
    match list.map_or("", Node::text) {
        "map" => {
            rules.required_where(schema, "x-kubernetes-list-map-keys", "x-kubernetes-list-type: map");
            if let Some(items) = items {
                check_keyed(rules, schema, items);
            }
        }
        "set" => {
            if schema.filled("x-kubernetes-list-map-keys") {
                rules.words(list, &["map"]);
            }
            let field = match items.map_or("", |items| items.str_at("type")) {
                "object" => "x-kubernetes-map-type",
                "array" => "x-kubernetes-list-type",
                _ => "",
            };
            if let Some(items) = items.filter(|items| !field.is_empty() && items.str_at(field) != "atomic") {
                let is_list = field == "x-kubernetes-list-type" && !items.has(field);
                if !is_list {
                    rules.required_where(items, field, "x-kubernetes-list-type: set");
                    rules.words(items.get(field), &["atomic"]);
                }
            }
        }
        _ => {
            if schema.filled("x-kubernetes-list-map-keys") {
                rules.required_where(schema, "x-kubernetes-list-type", "x-kubernetes-list-map-keys");
                rules.words(list, &["map"]);
            }
        }
    }
}

/// A list whose items are told apart by fields: each is there, or has a default, and is no list or mapping.
fn check_keyed(rules: &mut Rules<'_>, schema: Node<'_>, items: Node<'_>) {
    rules.words(items.get("type"), &["object"]);
    let mut seen = HashSet::new();
    for key in schema.list_at("x-kubernetes-list-map-keys") {
        rules.unique(Some(key), &mut seen);
        let Some(property) = items.get("properties").and_then(|properties| properties.get(key.text())) else {
            rules.form(Some(key), |_| false, "items.properties");
            continue;
        };
        rules.words(property.get("type"), &["string", "integer", "number", "boolean"]);
        if property.flag_at("nullable") {
            rules.forbidden(property, "nullable", "x-kubernetes-list-map-keys");
        }
        let needed = items.list_at("required").any(|name| name.text() == key.text());
        if !needed && !property.has("default") {
            rules.required_where(property, "default", "x-kubernetes-list-map-keys");
        }
    }
}

/// A default is valid itself, and whole: defaults below it are not filled in.
fn check_default(rules: &mut Rules<'_>, schema: Node<'_>) {
    let Some(default) = schema.get("default") else { return };
    if rules.limits.spend(default.children().count() + schema.children().count()) {
        let schema = values::value(schema);
        custom::check_default(rules, default, &schema);
    }
}

fn check_rules(rules: &mut Rules<'_>, schema: Node<'_>, within: Within, total: &mut Option<u64>) {
    let is_root = within.is_root;
    if !rules.limits.spend(2000) {
        return;
    }
    let whole = values::value(schema);
    let of = Type::Schema(&whole, is_root);
    for rule in schema.list_at("x-kubernetes-validations") {
        rules.form(rule.get("rule"), |text| !text.trim().is_empty(), "self.size <= 5");
        let Some(text) = rule.get("rule") else {
            rules.required(rule, "rule");
            continue;
        };
        if text.text().trim().is_empty() || !rules.limits.spend(text.text().len().saturating_mul(200)) {
            continue;
        }
        let old = if rule.flag_at("optionalOldSelf") {
            Type::Optional(std::rc::Rc::new(of.clone()))
        } else {
            of.clone()
        };
        let names = [("self", of.clone()), ("oldSelf", old)];
        rules.expression(Some(text), &names, &[BOOL], false);
        let read = cel::parse(text.text()).ok().flatten();
        let cost = read.and_then(|rule| cost::of(&rule, &whole, is_root));
        let cost = cost
            .map(|cost| cost.saturating_mul(within.often.unwrap_or_else(|| cel::sizes::most_often(&whole))));
        if let Some(cost) = cost.filter(|cost| *cost > cost::RULE_LIMIT) {
            rules.too_dear(text, cost, cost::RULE_LIMIT);
        }
        *total = total.map(|total| total.saturating_add(cost.unwrap_or(0)));
        let asks_old = cel::parse(text.text()).ok().flatten().map(|rule| rule.mentions("oldSelf"));
        if let Some(why) = within.not_followed.filter(|_| asks_old == Some(true)) {
            rules.findings.error(text, || {
                Message::new("validate.rule.forbidden").with("field", "oldSelf").with("when", why)
            });
        }
        if asks_old == Some(false) && rule.has("optionalOldSelf") {
            rules.forbidden(rule, "optionalOldSelf", "rule without oldSelf");
        }
        let message = rule.get("messageExpression").filter(|text| !text.is_empty());
        rules.form(message, |text| !text.trim().is_empty(), "'size is ' + string(self.size)");
        rules.expression(message, &names, &[TEXT], false);
        // A message is asked for once, wherever its rule is.
        let read = message.and_then(|message| cel::parse(message.text()).ok().flatten());
        let cost = read.and_then(|message| cost::of(&message, &whole, is_root)).unwrap_or(0);
        if let Some(message) = message.filter(|_| cost > cost::RULE_LIMIT) {
            rules.too_dear(message, cost, cost::RULE_LIMIT);
        }
        *total = total.map(|total| total.saturating_add(cost));
        rules.form(
            rule.get("message").filter(|message| !message.is_empty()),
            |text| !text.trim().is_empty() && !text.trim().contains(['\n', '\r']),
            "size must be at least 1",
        );
        rules.words(rule.get("reason").filter(|reason| !reason.is_empty()), &REASONS);
        let path = rule.get("fieldPath").filter(|path| !path.is_empty());
        rules.form(path, |path| path.starts_with('[') || reaches(schema, path), ".spec.size");
    }
}

/// A path that leads to something of the schema.
fn reaches(schema: Node<'_>, path: &str) -> bool {
    let Some(path) = path.strip_prefix('.') else { return false };
    let plain = path.split(['.', '[']).next().unwrap_or_default();
    let next = schema.get("properties").and_then(|properties| properties.get(plain));
    match next {
        None => schema.get("additionalProperties").is_some_and(|extra| extra.kind() == Kind::Mapping),
        Some(next) if path.len() > plain.len() && path[plain.len()..].starts_with('.') => {
            reaches(next, &path[plain.len()..])
        }
        Some(_) => format::is_qualified_name(plain) || !plain.is_empty(),
    }
}
