//! Dynamic resource allocation: claims, classes, slices.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::{Rules, amount_of};
use crate::cel::{self, BOOL, Type};
use crate::findings::Place;
use crate::values;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    match object.kind {
        "ResourceClaim" => check_claim(rules, spec),
        "ResourceClaimTemplate" => {
            if let Some(metadata) = spec.get("metadata") {
                for field in metadata.children().filter(|field| {
                    let is_nothing = field.is_empty() || field.as_integer() == Some(0);
                    !is_nothing || matches!(field.kind(), Kind::Sequence | Kind::Mapping)
                }) {
                    if !matches!(field.key(), "labels" | "annotations") {
                        rules.forbidden(metadata, field.key(), "kind: ResourceClaimTemplate");
                    }
                }
                super::metadata::check_labels(rules, metadata, false);
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
        // The second counts where the first is not given.
        if let Some(attribute) = fields.iter().find_map(|field| constraint.get(field)) {
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
    // Of more parts than two the server looks at none.
    if text.matches('/').count() > 1 {
        return true;
    }
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
        let key = toleration.get("key").filter(|key| !key.is_empty());
        rules.holds(key, format::is_qualified_name, "validate.schema.key");
        if toleration.str_at("operator") != "Exists" {
            rules.holds(toleration.get("value"), format::is_label_value, "validate.schema.label_value");
        }
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
        // An empty one is missing; one of spaces alone is read, and is none.
        rules.length(text, MAX_TEXT);
        rules.form(
            text.filter(|text| !text.is_empty()),
            |text| !text.trim().is_empty(),
            "device.driver == 'a.b'",
        );
        rules.expression(text, &cel::device_names(rules.release), &[BOOL, Type::Dyn], false);
        // What devices say has no bound that is known here; such expressions are not judged by their cost.
        let read = text.and_then(|text| cel::parse(text.text()).ok().flatten());
        let cost =
            read.and_then(|selector| cel::cost::of(&selector, &serde_json::Value::Null, false)).unwrap_or(0);
        if let Some(text) = text.filter(|_| cost > cel::cost::SELECTOR_LIMIT) {
            rules.too_dear(text, cost, cel::cost::SELECTOR_LIMIT);
        }
    }
}

fn check_opaque(rules: &mut Rules<'_>, config: Node<'_>) {
    let Some(opaque) = config.get("opaque") else {
        return rules.required(config, "opaque");
    };
    rules.holds(opaque.get("driver"), holds_driver, "validate.storage.driver");
    if let Some(parameters) = opaque.get("parameters")
        && values::value(parameters).to_string().len() > MAX_TEXT
    {
        rules.findings.error(parameters, || {
            Message::new("validate.rule.too_long").with("value", parameters.key()).with("limit", MAX_TEXT)
        });
    }
}

fn holds_driver(text: &str) -> bool {
    text.is_empty() || (text.len() <= 63 && format::is_dns_subdomain(&text.to_ascii_lowercase()))
}

/// Bytes of an expression, and of parameters as they are sent.
const MAX_TEXT: usize = 10 << 10;
/// Devices of a slice, and of one that says more of some than their attributes.
const MAX_DEVICES: (usize, usize) = (128, 64);
/// Counters of a set, and those that a device uses of one.
const MAX_COUNTERS: usize = 32;
/// Attributes and capacities of a device.
const MAX_ATTRIBUTES: usize = 32;

fn check_slice(rules: &mut Rules<'_>, spec: Node<'_>) {
    rules.holds(spec.get("driver"), holds_driver, "validate.storage.driver");
    let fields = ["nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection"];
    let given = fields
        .iter()
        .filter_map(|field| spec.get(field))
        .filter(|value| {
            value.is_true()
                || value.key() == "nodeSelector"
                || (value.key() == "nodeName" && !value.is_empty())
        })
        .count();
    if given != 1 {
        rules.findings.error(Place::Value(spec), || {
            Message::new("validate.rule.one_of").with("fields", fields.join(", ")).with("count", given)
        });
    }
    if spec.get("nodeName").is_some_and(Node::is_empty) {
        rules.required(spec, "nodeName");
    }
    if spec.get("allNodes").is_some_and(|all| !all.is_true()) {
        rules.form(spec.get("allNodes"), |_| false, "true");
    }
    if let Some(each) = spec.get("perDeviceNodeSelection").filter(|each| each.kind() == Kind::Boolean) {
        rules.form(Some(each), |_| each.is_true(), "true");
    }
    if let Some(terms) = spec.get("nodeSelector") {
        super::scheduling::check_node_selector(rules, terms);
        if terms.list_at("nodeSelectorTerms").count() != 1 {
            rules.required(terms, "nodeSelectorTerms");
            rules.at_most(terms.get("nodeSelectorTerms"), 1);
        }
    }
    if spec.has("devices") && spec.has("sharedCounters") {
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
    let mut sets = HashSet::new();
    for set in spec.list_at("sharedCounters") {
        rules.unique(set.get("name"), &mut sets);
        rules.holds(
            set.get("name").filter(|name| !name.is_empty()),
            ecp_core::ids::is_dns_1123_label,
            "validate.schema.label",
        );
        check_counters(rules, set);
    }
    rules.at_most(spec.get("sharedCounters"), 8);
    let says_more =
        spec.list_at("devices").any(|device| device.filled("taints") || device.filled("consumesCounters"));
    rules.at_most(spec.get("devices"), if says_more { MAX_DEVICES.1 } else { MAX_DEVICES.0 });
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
    rules.at_most(device.get("taints"), 16);
    rules.at_most(device.get("consumesCounters"), 2);
    let described = ["attributes", "capacity"].map(|named| device.get(named));
    if described.into_iter().flatten().flat_map(Node::children).count() > MAX_ATTRIBUTES {
        rules.findings.error(device, || {
            Message::new("validate.rule.too_many")
                .with("field", "attributes, capacity")
                .with("limit", MAX_ATTRIBUTES)
        });
    }
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
    // Lists are dropped unless their feature is switched on.
    const KINDS: [&str; 4] = ["int", "bool", "string", "version"];
    for attribute in device.get("attributes").into_iter().flat_map(Node::children) {
        let given = KINDS.iter().filter(|kind| attribute.has(kind)).count();
        if given != 1 {
            rules.findings.error(Place::Value(attribute), || {
                Message::new("validate.rule.one_of").with("fields", KINDS.join(", ")).with("count", given)
            });
        }
        rules.length(attribute.get("string"), 64);
        rules.length(attribute.get("version"), 64);
        rules.form(attribute.get("version"), is_version, "1.2.3");
    }
    for capacity in device.get("capacity").into_iter().flat_map(Node::children) {
        check_policy(rules, device, capacity);
    }
    let mut sets = HashSet::new();
    for used in device.list_at("consumesCounters") {
        rules.unique(used.get("counterSet"), &mut sets);
        rules.holds(
            used.get("counterSet"),
            |text| text.is_empty() || ecp_core::ids::is_dns_1123_label(text),
            "validate.schema.label",
        );
        check_counters(rules, used);
    }
    check_conditions(rules, device);
    let places = ["nodeName", "nodeSelector", "allNodes"];
    if places_itself {
        rules.holds(device.get("nodeName"), format::is_dns_subdomain, "validate.schema.subdomain");
        if let Some(terms) = device.get("nodeSelector") {
            super::scheduling::check_node_selector(rules, terms);
        }
        if let Some(all) = device.get("allNodes").filter(|all| !all.is_true()) {
            rules.form(Some(all), |_| false, "true");
        }
        let given = places.iter().filter(|place| device.has(place)).count();
        if given != 1 {
            rules.findings.error(Place::Value(device), || {
                Message::new("validate.rule.one_of").with("fields", places.join(", ")).with("count", given)
            });
        }
    } else {
        for place in places {
            rules.forbidden(device, place, "perDeviceNodeSelection ≠ true");
        }
    }
}

/// Counters by their names.
fn check_counters(rules: &mut Rules<'_>, set: Node<'_>) {
    rules.required(set, "counters");
    rules.at_most(set.get("counters"), MAX_COUNTERS);
    for counter in set.get("counters").into_iter().flat_map(Node::children) {
        if !ecp_core::ids::is_dns_1123_label(counter.key()) {
            rules.findings.error(Place::Key(counter), || {
                Message::new("validate.schema.label").with("value", format::shortened(counter.key()))
            });
        }
    }
}

/// What may be asked of a capacity that several share: a default among the values, or in the range.
fn check_policy(rules: &mut Rules<'_>, device: Node<'_>, capacity: Node<'_>) {
    let Some(policy) = capacity.get("requestPolicy") else { return };
    if !device.flag_at("allowMultipleAllocations") {
        return rules.forbidden(capacity, "requestPolicy", "allowMultipleAllocations ≠ true");
    }
    let has_values = policy.filled("validValues");
    if has_values && policy.has("validRange") {
        return rules.not_both(policy, "validValues", "validRange");
    }
    if has_values || policy.has("validRange") {
        rules.required_where(policy, "default", "requestPolicy");
    }
    // Nothing is zero, and so is what is not said.
    let most = capacity.children().find(|child| child.key() == "value");
    let range = policy.get("validRange");
    let bounds = ["min", "max", "step"].into_iter().filter_map(|end| range?.get(end));
    if most.is_none()
        && policy
            .list_at("validValues")
            .chain(bounds)
            .any(|value| amount_of(Some(value)).is_some_and(|amount| amount > 0))
    {
        rules.required_where(capacity, "value", "requestPolicy");
    }
    let default = policy.get("default");
    let mut before: Option<Node<'_>> = None;
    let mut known = HashSet::new();
    rules.at_most(policy.get("validValues"), 10);
    for value in policy.list_at("validValues") {
        if !known.insert(amount_of(Some(value))) {
            rules.bad(value, "validate.rule.duplicate");
        }
        in_order(rules, value, most);
        if let Some(before) = before {
            in_order(rules, before, Some(value));
        }
        before = Some(value);
    }
    if let Some(default) = default.filter(|_| has_values)
        && !policy.list_at("validValues").any(|value| amount_of(Some(value)) == amount_of(Some(default)))
    {
        rules.form(Some(default), |_| false, "validValues[0]");
    }
    let Some(range) = policy.get("validRange") else { return };
    let Some(least) = range.get("min") else { return rules.required(range, "min") };
    in_order(rules, least, most);
    in_order(rules, least, default);
    if let Some(greatest) = range.get("max") {
        in_order(rules, least, Some(greatest));
        in_order(rules, greatest, most);
        if let Some(default) = default {
            in_order(rules, default, Some(greatest));
        }
    }
    if let Some(step) = range.get("step") {
        check_step(rules, step, least, [default, range.get("max")], most);
    }
}

/// What lies in a range is so many steps from its beginning, and one step is not beyond all there is.
fn check_step(
    rules: &mut Rules<'_>,
    step: Node<'_>,
    least: Node<'_>,
    ends: [Option<Node<'_>>; 2],
    most: Option<Node<'_>>,
) {
    let whole = |node: Node<'_>| amount_of(Some(node)).map(|amount| (amount + 999).div_euclid(1000));
    let (Some(width), Some(start)) = (whole(step), whole(least)) else { return };
    let is_well = |end: &Node<'_>| whole(*end).is_none_or(|end| width != 0 && (end - start) % width == 0);
    let beyond =
        most.and_then(|most| amount_of(Some(most)).zip(amount_of(Some(step)).zip(amount_of(Some(least)))));
    let is_beyond = beyond.is_some_and(|(most, (step, least))| least + step > most);
    if is_beyond || !ends.into_iter().flatten().all(|end| is_well(&end)) {
        rules.bad(step, "validate.devices.step");
    }
}

/// The first is not above the second.
fn in_order(rules: &mut Rules<'_>, first: Node<'_>, second: Option<Node<'_>>) {
    if let Some(second) = second
        && let Some(low) = amount_of(Some(first))
        && let Some(high) = amount_of(Some(second))
        && low > high
    {
        rules.not_above(first, second.key(), second);
    }
}

/// Conditions under which a device is bound, and those under which that failed: both, and none twice.
fn check_conditions(rules: &mut Rules<'_>, device: Node<'_>) {
    let lists = ["bindingConditions", "bindingFailureConditions"];
    let mut seen = HashSet::new();
    for (list, other) in [(lists[0], lists[1]), (lists[1], lists[0])] {
        rules.at_most(device.get(list), 4);
        if device.filled(list) {
            rules.required_where(device, other, list);
        }
        for condition in device.list_at(list) {
            rules.unique(Some(condition), &mut seen);
            rules.holds(Some(condition), format::is_qualified_name, "validate.schema.key");
        }
    }
}
