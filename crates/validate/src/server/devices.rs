//! Dynamic resource allocation: claims, classes, slices.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::Node;
use super::Rules;
use crate::cel::{self, BOOL, Type};
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    match object.kind {
        "ResourceClaim" => check_claim(rules, spec),
        "ResourceClaimTemplate" => {
            if let Some(metadata) = spec.get("metadata") {
                for field in metadata.children().filter(|field| !field.is_empty()) {
                    if !matches!(field.key(), "labels" | "annotations") {
                        rules.forbidden(metadata, field.key(), "kind: ResourceClaimTemplate");
                    }
                }
                super::metadata::check_labels(rules, metadata);
            }
            if let Some(spec) = spec.get("spec") {
                check_claim(rules, spec);
            }
        }
        "DeviceClass" => {
            check_selectors(rules, spec);
            rules.form(
                spec.get("extendedResourceName"),
                |text| super::containers::is_extended(text) && format::is_qualified_name(text),
                "example.com/gpu",
            );
            rules.at_most(spec.get("config"), 32);
            for config in spec.list_at("config") {
                check_opaque(rules, config);
            }
        }
        _ => check_slice(rules, spec),
    }
}

fn check_claim(rules: &mut Rules<'_>, spec: Node<'_>) {
    let Some(devices) = spec.get("devices") else { return };
    for list in ["constraints", "config"] {
        for item in devices.list_at(list) {
            let mut seen = HashSet::new();
            for request in item.list_at("requests") {
                rules.unique(Some(request), &mut seen);
            }
        }
    }
    rules.at_most(devices.get("requests"), 32);
    rules.at_most(devices.get("constraints"), 32);
    rules.at_most(devices.get("config"), 32);
    let mut names = HashSet::new();
    let mut all = HashSet::new();
    for request in devices.list_at("requests") {
        if let Some(name) = request.get("name") {
            rules.holds(
                Some(name),
                |text| text.is_empty() || ecp_core::ids::is_dns_1123_label(text),
                "validate.schema.label",
            );
            rules.unique(Some(name), &mut names);
            all.insert(name.text().to_owned());
        }
        let exact = request.get("exactly");
        let several = request.filled("firstAvailable");
        if exact.is_some() == several {
            rules.findings.error(request, || {
                Message::new("validate.rule.one_of")
                    .with("fields", "exactly, firstAvailable")
                    .with("count", usize::from(several) * 2)
            });
        }
        rules.at_most(request.get("firstAvailable"), 8);
        let mut parts = HashSet::new();
        for part in request.list_at("firstAvailable") {
            rules.unique(part.get("name"), &mut parts);
        }
        for part in exact.into_iter().chain(request.list_at("firstAvailable")) {
            check_request(rules, part);
            if let Some(name) = part.get("name") {
                all.insert(format!("{}/{}", request.str_at("name"), name.text()));
            }
        }
    }
    for constraint in devices.list_at("constraints") {
        let fields = ["matchAttribute", "distinctAttribute"];
        // The second is dropped unless its feature is switched on.
        if !constraint.has("matchAttribute") {
            rules.one_of(constraint, &fields);
        }
        for request in constraint.list_at("requests") {
            known_request(rules, request, &all);
        }
        for attribute in fields.iter().filter_map(|field| constraint.get(field)) {
            rules.holds(
                Some(attribute),
                |text| text.contains('/') && is_attribute(text),
                "validate.devices.attribute",
            );
        }
    }
    for config in devices.list_at("config") {
        check_opaque(rules, config);
        for request in config.list_at("requests") {
            known_request(rules, request, &all);
        }
    }
}

/// The name of an attribute or a capacity: an identifier, with a domain before it or without.
fn is_attribute(text: &str) -> bool {
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    let begins = name.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
    begins
        && name.len() <= 32
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && domain
            .is_none_or(|domain| domain.len() <= 63 && format::is_dns_subdomain(&domain.to_ascii_lowercase()))
}

/// A version as semver.org writes it.
fn is_version(text: &str) -> bool {
    let (core, rest) = text.find(['-', '+']).map_or((text, ""), |at| text.split_at(at));
    let number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let label = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    let (before, build) = rest.split_once('+').map_or((rest, None), |(before, build)| (before, Some(build)));
    let release = before.strip_prefix('-');
    core.split('.').count() == 3
        && core.split('.').all(number)
        && (before.is_empty() || release.is_some_and(|text| text.split('.').all(label)))
        && build.is_none_or(|build| build.split('.').all(label))
}

fn known_request(rules: &mut Rules<'_>, node: Node<'_>, all: &HashSet<String>) {
    if !all.contains(node.text()) {
        rules.bad(node, "validate.devices.no_such_request");
    }
}

fn check_request(rules: &mut Rules<'_>, request: Node<'_>) {
    rules.holds(
        request.get("deviceClassName"),
        |text| text.is_empty() || format::is_dns_subdomain(text),
        "validate.schema.subdomain",
    );
    check_selectors(rules, request);
    match request.str_at("allocationMode") {
        "All" if request.int_at("count").is_some_and(|count| count != 0) => {
            rules.forbidden(request, "count", "allocationMode: All");
        }
        "All" => {}
        _ => {
            let count = request.get("count").filter(|count| count.as_integer() != Some(0));
            rules.range(count, 1, i64::MAX);
        }
    }
    for toleration in request.list_at("tolerations") {
        rules.words(toleration.get("operator").filter(|text| !text.is_empty()), &["Exists", "Equal"]);
        if toleration.str_at("operator") == "Exists" && !toleration.str_at("value").is_empty() {
            rules.forbidden(toleration, "value", "operator: Exists");
        }
    }
}

fn check_selectors(rules: &mut Rules<'_>, node: Node<'_>) {
    rules.at_most(node.get("selectors"), 32);
    for selector in node.list_at("selectors") {
        rules.required(selector, "cel");
        let text = selector.at(&["cel", "expression"]);
        rules.expression(text, &cel::device_names(), &[BOOL, Type::Dyn], false);
    }
}

fn check_opaque(rules: &mut Rules<'_>, config: Node<'_>) {
    let Some(opaque) = config.get("opaque") else {
        return rules.required(config, "opaque");
    };
    rules.holds(opaque.get("driver"), holds_driver, "validate.storage.driver");
}

fn holds_driver(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && format::is_dns_subdomain(&text.to_ascii_lowercase()))
}

fn check_slice(rules: &mut Rules<'_>, spec: Node<'_>) {
    rules.holds(spec.get("driver"), holds_driver, "validate.storage.driver");
    let fields = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];
    let given = fields
        .iter()
        .filter_map(|field| spec.get(field))
        .filter(|value| value.is_true() || (value.key().starts_with("node") && !value.is_empty()))
        .count();
    if given != 1 && !(given == 0 && spec.filled("sharedCounters")) {
        rules.findings.error(Place::Value(spec), || {
            Message::new("validate.rule.one_of").with("fields", fields.join(", ")).with("count", given)
        });
    }
    if spec.get("allNodes").is_some_and(|all| !all.is_true()) {
        rules.form(spec.get("allNodes"), |_| false, "true");
    }
    if spec.filled("devices") && spec.filled("sharedCounters") {
        rules.not_both(spec, "devices", "sharedCounters");
    }
    if let Some(pool) = spec.get("pool") {
        rules.holds(
            pool.get("name"),
            |text| text.is_empty() || text.split('/').all(format::is_dns_subdomain),
            "validate.schema.subdomain",
        );
        rules.range(pool.get("resourceSliceCount"), 1, i64::MAX);
        rules.range(pool.get("generation"), 0, i64::MAX);
    }
    rules.at_most(spec.get("devices"), 128);
    let mut names = HashSet::new();
    for device in spec.list_at("devices") {
        rules.unique(device.get("name"), &mut names);
        rules.holds(
            device.get("name"),
            |text| text.is_empty() || ecp_core::ids::is_dns_1123_label(text),
            "validate.schema.label",
        );
        check_device(rules, device, spec.flag_at("perDeviceNodeSelection"));
    }
}

fn check_device(rules: &mut Rules<'_>, device: Node<'_>, places_itself: bool) {
    for named in ["attributes", "capacity"] {
        for value in device.get(named).into_iter().flat_map(Node::children) {
            if !is_attribute(value.key()) {
                rules.findings.error(Place::Key(value), || {
                    Message::new("validate.rule.form")
                        .with("value", format::shortened(value.key()))
                        .with("example", "example.com/model")
                });
            }
        }
    }
    const KINDS: [&str; 8] = ["int", "bool", "string", "version", "ints", "bools", "strings", "versions"];
    for attribute in device.get("attributes").into_iter().flat_map(Node::children) {
        let given = KINDS.iter().filter(|kind| attribute.has(kind)).count();
        if given != 1 {
            rules.one_of(attribute, &KINDS);
        }
        rules.length(attribute.get("string"), 64);
        rules.length(attribute.get("version"), 64);
        rules.form(attribute.get("version"), is_version, "1.2.3");
    }
    let places = ["nodeName", "nodeSelector", "allNodes"];
    if places_itself {
        if !places.iter().any(|place| device.has(place)) {
            rules.one_of(device, &places);
        }
    } else {
        for place in places {
            rules.forbidden(device, place, "perDeviceNodeSelection ≠ true");
        }
    }
}
