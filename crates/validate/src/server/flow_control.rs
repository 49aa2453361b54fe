//! Flow control: whose requests wait for whom.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::Node;
use super::Rules;
use crate::findings::Place;
use crate::values;
use ecp_core::text::Message;
use serde_json::{Value, json};

/// What a flow can be told by.
const VERBS: [&str; 10] =
    ["*", "get", "list", "create", "update", "delete", "patch", "watch", "proxy", "deletecollection"];

/// `*` stands alone in its list.
fn all_alone(rules: &mut Rules<'_>, node: Node<'_>, field: &str) {
    let several = node.list_at(field).nth(1).is_some();
    if let Some(all) = node.list_at(field).find(|item| item.text() == "*").filter(|_| several) {
        rules.bad(all, "validate.admission.all_and_more");
    }
}

/// Who a flow is of: one field, that of its kind.
fn check_subject(rules: &mut Rules<'_>, subject: Node<'_>) {
    const FIELDS: [(&str, &str); 3] =
        [("User", "user"), ("Group", "group"), ("ServiceAccount", "serviceAccount")];
    let kind = subject.str_at("kind");
    if !FIELDS.iter().any(|(known, _)| *known == kind) {
        return rules.words(subject.get("kind"), &["User", "Group", "ServiceAccount"]);
    }
    for (known, field) in FIELDS {
        if known == kind {
            rules.required(subject, field);
        } else {
            rules.forbidden(subject, field, &format!("kind: {kind}"));
        }
    }
    if let Some(account) = subject.get("serviceAccount") {
        rules.holds(
            account.get("name").filter(|name| !name.is_empty()),
            |text| text == "*" || format::is_dns_subdomain(text),
            "validate.schema.subdomain",
        );
        rules.holds(
            account.get("namespace").filter(|name| !name.is_empty()),
            ecp_core::ids::is_dns_1123_label,
            "validate.schema.label",
        );
    }
}

/// Bits of randomness that a hand of queues takes; the server has sixty.
fn hand_bits(queues: i64, hand: i64) -> f64 {
    (0..hand.clamp(0, 64)).map(|drawn| ((queues - drawn).max(1) as f64).log2()).sum()
}

/// What an object says whose name Kubernetes gives: all requests of a group and what they wait for.
fn fixed(kind: &str, name: &str) -> Option<Value> {
    let flow = |level: &str, precedence: i64, distinguisher: Value, groups: &[&str]| {
        let subject = |group: &&str| json!({"kind": "Group", "group": {"name": group}});
        json!({
            "priorityLevelConfiguration": {"name": level},
            "matchingPrecedence": precedence,
            "distinguisherMethod": distinguisher,
            "rules": [{
                "subjects": groups.iter().map(subject).collect::<Vec<_>>(),
                "resourceRules": [{
                    "verbs": ["*"],
                    "apiGroups": ["*"],
                    "resources": ["*"],
                    "clusterScope": true,
                    "namespaces": ["*"],
                }],
                "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            }],
        })
    };
    Some(match (kind, name) {
        ("FlowSchema", "exempt") => flow("exempt", 1, Value::Null, &["system:masters"]),
        ("FlowSchema", "catch-all") => {
            let groups = ["system:unauthenticated", "system:authenticated"];
            flow("catch-all", 10_000, json!({"type": "ByUser"}), &groups)
        }
        ("PriorityLevelConfiguration", "exempt") => json!({"type": "Exempt"}),
        ("PriorityLevelConfiguration", "catch-all") => json!({
            "type": "Limited",
            "limited": {
                "nominalConcurrencyShares": 5,
                "limitResponse": {"type": "Reject"},
            },
        }),
        _ => return None,
    })
}

/// Without what says nothing, so that two can be compared.
fn plain(value: Value) -> Value {
    let says = |value: &Value| match value {
        Value::Null => false,
        Value::Array(items) => !items.is_empty(),
        _ => true,
    };
    match value {
        Value::Array(items) => items.into_iter().map(plain).collect(),
        Value::Object(members) => members
            .into_iter()
            .map(|(key, value)| (key, plain(value)))
            .filter(|(key, value)| says(value) && !(key == "lendablePercent" && *value == json!(0)))
            .collect(),
        other => other,
    }
}

/// The objects that every cluster has say what Kubernetes gives them, but for the shares of what waits for nobody.
fn check_fixed(rules: &mut Rules<'_>, object: &Object<'_>, spec: Node<'_>) {
    let Some(fixed) = fixed(object.kind, object.name) else { return };
    let mut said = values::value(spec);
    if let Some(said) =
        said.as_object_mut().filter(|_| object.is("PriorityLevelConfiguration") && object.name == "exempt")
    {
        said.remove("exempt");
    }
    if plain(said) != plain(fixed) {
        rules.findings.error(spec, || Message::new("validate.flow.fixed").with("name", object.name));
    }
}

/// Checks an object of the group.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    check_fixed(rules, object, spec);
    if object.is("FlowSchema") {
        if spec.int_at("matchingPrecedence") == Some(1) && object.name != "exempt" {
            rules.form(spec.get("matchingPrecedence"), |_| false, "1000");
        }
        for rule in spec.list_at("rules") {
            if !rule.filled("subjects") {
                rules.required(rule, "subjects");
            }
            if !rule.filled("resourceRules") && !rule.filled("nonResourceRules") {
                rules.findings.error(rule, || {
                    Message::new("validate.rule.one_of")
                        .with("fields", "resourceRules, nonResourceRules")
                        .with("count", 0)
                });
            }
            for subject in rule.list_at("subjects") {
                check_subject(rules, subject);
            }
            for resource in rule.list_at("nonResourceRules") {
                for field in ["verbs", "nonResourceURLs"] {
                    if !resource.filled(field) {
                        rules.required(resource, field);
                    }
                    all_alone(rules, resource, field);
                }
                for verb in resource.list_at("verbs") {
                    rules.words(Some(verb), &VERBS);
                }
                for url in resource.list_at("nonResourceURLs").filter(|url| url.text() != "*") {
                    let star = url.text().find('*');
                    let is_path = |text: &str| {
                        text.starts_with('/')
                            && !text.contains("//")
                            && !text.contains(' ')
                            && star.is_none_or(|at| at + 1 == text.len() && text.ends_with("/*"))
                    };
                    rules.form(Some(url), is_path, "/healthz/*");
                }
            }
            for resource in rule.list_at("resourceRules") {
                for field in ["verbs", "apiGroups", "resources"] {
                    if resource.get(field).is_some_and(Node::is_empty) {
                        rules.required(resource, field);
                    }
                }
                for verb in resource.list_at("verbs") {
                    rules.words(Some(verb), &VERBS);
                }
                for field in ["verbs", "apiGroups", "resources", "namespaces"] {
                    all_alone(rules, resource, field);
                }
                for namespace in resource.list_at("namespaces") {
                    let well = |text: &str| text == "*" || ecp_core::ids::is_dns_1123_label(text);
                    rules.holds(Some(namespace), well, "validate.schema.label");
                }
                if !resource.flag_at("clusterScope") && !resource.filled("namespaces") {
                    rules.findings.error(Place::Missing(resource, "namespaces"), || {
                        Message::new("validate.rule.required")
                            .with("field", "namespaces")
                            .with("when", "clusterScope ≠ true")
                    });
                }
            }
        }
        return;
    }
    if spec.str_at("type") == "Exempt" && object.name != "exempt" {
        rules.words(spec.get("type"), &["Limited"]);
    }
    match spec.str_at("type") {
        "Exempt" if spec.has("limited") => rules.forbidden(spec, "limited", "type: Exempt"),
        "Limited" => {
            if spec.has("exempt") {
                rules.forbidden(spec, "exempt", "type: Limited");
            }
            rules.required_where(spec, "limited", "type: Limited");
            if let Some(limited) = spec.get("limited") {
                rules.required(limited, "limitResponse");
            }
            let queuing = spec.at(&["limited", "limitResponse", "queuing"]);
            if let Some(queuing) = queuing {
                check_queues(rules, queuing);
            }
            if let Some(response) = spec.at(&["limited", "limitResponse"]) {
                match response.str_at("type") {
                    "Reject" => rules.forbidden(response, "queuing", "type: Reject"),
                    "Queue" if !response.has("queuing") => {
                        rules.required_where(response, "queuing", "type: Queue");
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

/// Queues and the hand that a flow draws of them; 64 and 8 are filled in.
fn check_queues(rules: &mut Rules<'_>, queuing: Node<'_>) {
    let number = |field: &str, default: i64| queuing.int_at(field).filter(|n| *n != 0).unwrap_or(default);
    let (queues, hand) = (number("queues", 64), number("handSize", 8));
    for field in ["queues", "handSize"] {
        rules.range(queuing.get(field), 0, i64::from(i32::MAX));
    }
    let place = queuing.get("handSize").or(queuing.get("queues")).unwrap_or(queuing);
    if hand > queues || hand_bits(queues, hand).ceil() > 60.0 {
        rules.findings.error(place, || {
            Message::new("validate.rule.above")
                .with("field", "handSize")
                .with("value", hand)
                .with("other", "queues")
                .with("limit", queues)
        });
    }
}
