//! Dynamic resource allocation: claims, classes, slices.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::Node;
use super::Rules;
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    match object.kind {
        "ResourceClaim" => check_claim(rules, spec),
        "ResourceClaimTemplate" => {
            if let Some(spec) = spec.get("spec") {
                check_claim(rules, spec);
            }
        }
        "DeviceClass" => {
            check_selectors(rules, spec);
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
        for part in exact.into_iter().chain(request.list_at("firstAvailable")) {
            check_request(rules, part);
            if let Some(name) = part.get("name") {
                all.insert(format!("{}/{}", request.str_at("name"), name.text()));
            }
        }
    }
    for constraint in devices.list_at("constraints") {
        let fields = ["matchAttribute", "distinctAttribute"];
        rules.one_of(constraint, &fields);
        for request in constraint.list_at("requests") {
            known_request(rules, request, &all);
        }
        for attribute in fields.iter().filter_map(|field| constraint.get(field)) {
            rules.holds(Some(attribute), |text| text.contains('/'), "validate.devices.attribute");
        }
    }
    for config in devices.list_at("config") {
        check_opaque(rules, config);
        for request in config.list_at("requests") {
            known_request(rules, request, &all);
        }
    }
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
    }
}

fn check_opaque(rules: &mut Rules<'_>, config: Node<'_>) {
    let Some(opaque) = config.get("opaque") else {
        return rules.required(config, "opaque");
    };
    rules.holds(
        opaque.get("driver"),
        |text| text.is_empty() || (text.len() <= 63 && format::is_dns_subdomain(text)),
        "validate.storage.driver",
    );
}

fn check_slice(rules: &mut Rules<'_>, spec: Node<'_>) {
    let holds_driver = |text: &str| text.is_empty() || (text.len() <= 63 && format::is_dns_subdomain(text));
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
    if let Some(pool) = spec.get("pool") {
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
        for attribute in device.get("attributes").into_iter().flat_map(Node::children) {
            rules.one_of(
                attribute,
                &["int", "bool", "string", "version", "ints", "bools", "strings", "versions"],
            );
        }
    }
}
