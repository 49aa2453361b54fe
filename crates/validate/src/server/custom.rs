//! Custom resources held against their definitions.

use super::super::format::{self, shortened};
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::Rules;
use super::held::hold_rules;
use crate::cel;
use crate::findings::{Findings, Place};
use crate::kinds::{Release, registry};
use crate::schemas::Definition;
use crate::walk;
use ecp_core::text::Message;
use serde_json::Value;
use std::collections::HashSet;

/// Words of a list that a message repeats.
const LISTED: usize = 40;

/// Holds a custom resource against its definition.
pub(in super::super) fn check(rules: &mut Rules<'_>, object: &Object<'_>, definition: &Definition) {
    rules.begin();
    let before = rules.findings.count();
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
    logical(rules, root, schema);
    if rules.findings.count() == before {
        let mut whole = crate::values::value(root);
        fill(&mut whole, schema);
        hold_rules(rules, root, &whole, schema);
    }
    rules.end(object);
}

/// Holds a default against its schema; what is filled in elsewhere is not filled in there.
pub(super) fn check_default(rules: &mut Rules<'_>, default: Node<'_>, schema: &Value) {
    let (schema, before) = (without_defaults(schema), rules.findings.count());
    value(rules, default, &schema);
    if rules.findings.count() == before {
        hold_rules(rules, default, &crate::values::value(default), &schema);
    }
}

fn without_defaults(schema: &Value) -> Value {
    match schema {
        Value::Object(members) => members
            .iter()
            .filter(|(name, inner)| *name != "default" || inner.get("type").is_some())
            .map(|(name, inner)| (name.clone(), without_defaults(inner)))
            .collect(),
        Value::Array(items) => items.iter().map(without_defaults).collect(),
        other => other.clone(),
    }
}

fn field(rules: &mut Rules<'_>, child: Node<'_>, schema: &Value) {
    let known = schema["properties"].get(child.key());
    let extra = schema.get("additionalProperties").filter(|extra| !extra.is_boolean());
    match known.or(extra) {
        Some(inner) => value(rules, child, inner),
        None if rules.in_part
            || schema["x-kubernetes-preserve-unknown-fields"] == true
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
        if schema["nullable"] != true
            && schema.get("default").is_none()
            && (schema.get("type").is_some() || schema["x-kubernetes-int-or-string"] == true)
        {
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
    check_format(rules, node, schema);
    logical(rules, node, schema);
    match node.kind() {
        Kind::Mapping => {
            let embedded = schema["x-kubernetes-embedded-resource"] == true;
            if embedded {
                check_embedded(rules, node);
            }
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
        let identity = if kind == "set" {
            vec![item.text()]
        } else {
            keys.iter().map(|key| keyed(item, schema, key)).collect()
        };
        if !seen.insert(identity) {
            rules.bad(item, "validate.rule.duplicate");
        }
    }
}

/// A key of an item, or what is filled in for it.
fn keyed<'v>(item: Node<'v>, schema: &'v Value, key: &str) -> &'v str {
    let default = || schema["items"]["properties"][key]["default"].as_str().unwrap_or_default();
    item.get(key).map_or_else(default, Node::text)
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
            ("multipleOf", Some(limit)) => number.is_some_and(|n| {
                // Whole numbers are held against the whole part of the factor, which must not be nothing.
                let whole = node.kind() == Kind::Integer;
                (whole && limit.trunc() == 0.0) || (limit != 0.0 && (n / limit).fract() != 0.0)
            }),
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
                if limit.as_str() == Some(crate::monitoring::DURATION) {
                    return Message::new("validate.schema.duration").with("value", shortened(node.text()));
                }
                Message::new("validate.schema.bound")
                    .with("value", shortened(node.text()))
                    .with("bound", format!("{name}: {}", shortened(&limit.to_string())))
            });
        }
    }
}

/// Parts of a schema of which all, one at least, exactly one, or none holds.
fn logical(rules: &mut Rules<'_>, node: Node<'_>, schema: &Value) {
    for part in schema["allOf"].as_array().into_iter().flatten() {
        let outer = std::mem::replace(&mut rules.in_part, true);
        value(rules, node, part);
        rules.in_part = outer;
    }
    let parts = |field: &str| schema[field].as_array().map(Vec::as_slice).unwrap_or_default();
    let any = parts("anyOf");
    if !any.is_empty() && !any.iter().any(|part| fits(rules, node, part)) {
        fails(rules, node, "anyOf", 0);
    }
    let one = parts("oneOf");
    if !one.is_empty() {
        let count = one.iter().filter(|part| fits(rules, node, part)).count();
        if count != 1 {
            fails(rules, node, "oneOf", count);
        }
    }
    if schema["not"].is_object() && fits(rules, node, &schema["not"]) {
        fails(rules, node, "not", 1);
    }
}

fn fails(rules: &mut Rules<'_>, node: Node<'_>, part: &'static str, count: usize) {
    if !rules.limits.are_used_up() {
        rules
            .findings
            .error(node, || Message::new("validate.schema.parts").with("part", part).with("count", count));
    }
}

/// Whether a part of a schema holds; its faults are not told.
fn fits(rules: &mut Rules<'_>, node: Node<'_>, schema: &Value) -> bool {
    let mut unseen = Findings::default();
    let limits = std::mem::take(&mut rules.limits);
    let mut inner = Rules { findings: &mut unseen, release: rules.release, limits, in_part: true };
    value(&mut inner, node, schema);
    rules.limits = std::mem::take(&mut inner.limits);
    unseen.count() == 0
}

/// A whole object inside of another.
fn check_embedded(rules: &mut Rules<'_>, node: Node<'_>) {
    for field in ["apiVersion", "kind"] {
        rules.required(node, field);
    }
    if let Some(metadata) = node.get("metadata") {
        walk::check(rules.findings, rules.release, metadata, registry(rules.release).metadata);
        super::metadata::check_labels(rules, metadata, false);
    }
    rules.form(
        node.get("apiVersion").filter(|version| !version.is_empty()),
        |text| text.matches('/').count() <= 1,
        "apps/v1",
    );
}

/// Texts and numbers of a known format.
fn check_format(rules: &mut Rules<'_>, node: Node<'_>, schema: &Value) {
    let Some(name) = schema["format"].as_str() else { return };
    let text = node.text();
    let hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let well = match (name, node.kind()) {
        ("date-time", Kind::Text) => is_date_time(text),
        ("date", Kind::Text) => format::is_time(&format!("{text}T00:00:00Z"), false),
        ("duration", Kind::Text) => format::go_duration(text).is_some() || is_spelled_duration(text),
        ("byte", Kind::Text) => !text.is_empty() && format::is_base64(text),
        ("uri", Kind::Text) => cel::is_url(text),
        ("ipv4", Kind::Text) => format::ip(text, false).is_some_and(|address| address.is_ipv4()),
        ("ipv6", Kind::Text) => text.parse::<std::net::Ipv6Addr>().is_ok(),
        ("cidr", Kind::Text) => format::cidr(text, true).is_some(),
        ("uuid", Kind::Text) => {
            let parts: Vec<&str> = text.split('-').collect();
            let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            (lengths == [8, 4, 4, 4, 12] || lengths == [32]) && parts.into_iter().all(hexadecimal)
        }
        ("mac", Kind::Text) => is_hardware_address(text),
        ("email", Kind::Text) => {
            // A name before it is well, with the address in brackets.
            let address = text
                .strip_suffix('>')
                .and_then(|text| text.rsplit_once('<'))
                .map_or(text, |(_, address)| address);
            address.split_once('@').is_some_and(|(name, domain)| {
                !name.is_empty()
                    && !domain.is_empty()
                    && !address.contains(char::is_whitespace)
                    && !domain.contains('@')
            })
        }
        ("hostname", Kind::Text) => is_host(text),
        // Before 1.36 formats of numbers are not looked at.
        ("int32", Kind::Integer | Kind::Float) if rules.release >= Release::V1_36 => {
            node.as_integer().is_none_or(|number| i32::try_from(number).is_ok())
        }
        ("float", Kind::Integer | Kind::Float) if rules.release >= Release::V1_36 => {
            text.parse::<f64>().is_ok_and(|number| number.abs() <= f64::from(f32::MAX))
        }
        _ => true,
    };
    if !well {
        rules.findings.error(node, || {
            Message::new("validate.schema.bound")
                .with("value", shortened(text))
                .with("bound", format!("format: {}", shortened(name)))
        });
    }
}

/// One plain label, or labels with a domain of letters at the end.
fn is_host(text: &str) -> bool {
    let plain = |text: &str| text.chars().all(char::is_alphanumeric);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    match text.rsplit_once('.') {
        None => {
            let mut letters = text.chars();
            let first = letters.next().is_some_and(char::is_alphanumeric);
            let rest = letters.as_str();
            first && text.len() <= 64 && plain(rest.strip_prefix('-').unwrap_or(rest)) && !text.ends_with('-')
        }
        Some((labels, domain)) => {
            text.len() <= 255
                && labels.split('.').all(label)
                && (2..=63).contains(&domain.len())
                && domain.bytes().all(|byte| byte.is_ascii_alphabetic())
        }
    }
}

/// Numbers with units in words, whatever stands between them: `1 day`, `3weeks`, `P1D`.
fn is_spelled_duration(text: &str) -> bool {
    const WORDS: [&str; 8] = ["ns", "us", "ms", "s", "m", "h", "d", "w"];
    const BEGINNINGS: [&str; 9] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week", "wk"];
    let (mut rest, mut known) = (text, false);
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let behind = rest[at..].trim_start_matches(|c: char| c.is_ascii_digit());
        let word = behind.trim_start();
        let length = word.find(|c: char| !c.is_ascii_alphabetic() && c != 'µ').unwrap_or(word.len());
        let unit = word[..length].to_lowercase();
        known |= WORDS.contains(&unit.as_str())
            || matches!(unit.as_str(), "µs" | "hr")
            || BEGINNINGS.iter().any(|beginning| unit.starts_with(beginning));
        rest = behind;
    }
    known
}

/// A day and a time with its zone, `T` and `Z` in either case.
fn is_date_time(text: &str) -> bool {
    let text = text.to_lowercase();
    let mut parts = text.split('t');
    let (Some(day), Some(time)) = (parts.next(), parts.next()) else { return false };
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    let clock = |text: &str, most: &[&str]| {
        let parts: Vec<&str> = text.split(':').collect();
        parts.len() == most.len() && parts.iter().zip(most).all(|(part, most)| digits(part) && part <= most)
    };
    let (Some(begin), Some(rest)) = (time.get(..8), time.get(8..)) else { return false };
    let zone = rest.find(['z', '+', '-']).map_or("", |at| &rest[at..]);
    let fraction = &rest[..rest.len() - zone.len()];
    let has_fraction = fraction.chars().count() > 1 && fraction.chars().skip(1).all(|c| c.is_ascii_digit());
    let has_zone = zone == "z" || zone.get(1..).is_some_and(|zone| clock(zone, &["99", "99"]));
    format::is_time(&format!("{day}T00:00:00Z"), false)
        && clock(begin, &["23", "59", "59"])
        && (fraction.is_empty() || has_fraction)
        && has_zone
}

/// An address of 6, 8 or 20 bytes: pairs of digits with colons or hyphens, or fours with points.
fn is_hardware_address(text: &str) -> bool {
    let hexadecimal = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let of = |separator: char, digits: usize, counts: [usize; 3]| {
        let parts: Vec<&str> = text.split(separator).collect();
        counts.contains(&parts.len()) && parts.iter().all(|part| part.len() == digits && hexadecimal(part))
    };
    of(':', 2, [6, 8, 20]) || of('-', 2, [6, 8, 20]) || of('.', 4, [3, 4, 10])
}

/// Fills in defaults, as the server does before it runs rules.
fn fill(json: &mut Value, schema: &Value) {
    match json {
        Value::Object(members) => {
            for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
                let absent =
                    members.get(name).is_none_or(|given| given.is_null() && inner["nullable"] != true);
                if absent && let Some(default) = inner.get("default") {
                    members.insert(name.clone(), default.clone());
                }
            }
            for (name, member) in members.iter_mut() {
                let inner = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                if inner.is_object() {
                    fill(member, inner);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| fill(item, &schema["items"])),
        _ => {}
    }
}
