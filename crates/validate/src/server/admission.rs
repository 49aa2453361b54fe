//! Webhooks, admission policies, API services, signing requests, flow control.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::Rules;
use crate::findings::Place;
use ecp_core::text::Message;
use std::collections::HashSet;

/// Checks an object of these groups.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    let spec = object.spec();
    match object.kind {
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => check_webhooks(rules, root),
        "ValidatingAdmissionPolicy" => {
            if let Some(spec) = spec {
                check_policy(rules, spec, "validations");
                if !spec.filled("validations") && !spec.filled("auditAnnotations") {
                    rules.findings.error(spec, || {
                        Message::new("validate.rule.one_of")
                            .with("fields", "validations, auditAnnotations")
                            .with("count", 0)
                    });
                }
            }
        }
        "MutatingAdmissionPolicy" => {
            if let Some(spec) = spec {
                check_policy(rules, spec, "mutations");
                rules.required(spec, "mutations");
                let operations = spec
                    .get("matchConstraints")
                    .into_iter()
                    .flat_map(|constraints| constraints.list_at("resourceRules"))
                    .flat_map(|rule| rule.list_at("operations"));
                for operation in operations {
                    rules.words(Some(operation), &["*", "CONNECT", "CREATE", "UPDATE"]);
                }
                for mutation in spec.list_at("mutations") {
                    check_mutation(rules, mutation);
                }
            }
        }
        "ValidatingAdmissionPolicyBinding" | "MutatingAdmissionPolicyBinding" => {
            let Some(spec) = spec else { return };
            rules.required(spec, "policyName");
            if object.is("ValidatingAdmissionPolicyBinding") {
                rules.required(spec, "validationActions");
                let has =
                    |action: &str| spec.list_at("validationActions").find(|given| given.text() == action);
                if let (Some(_), Some(warn)) = (has("Deny"), has("Warn")) {
                    rules.bad(warn, "validate.admission.deny_and_warn");
                }
            }
            if let Some(reference) = spec.get("paramRef") {
                rules.one_of(reference, &["name", "selector"]);
                rules.required(reference, "parameterNotFoundAction");
                rules.words(reference.get("parameterNotFoundAction"), &["Allow", "Deny"]);
            }
            if let Some(resources) = spec.get("matchResources") {
                check_match(rules, resources);
            }
        }
        "APIService" => {
            let Some(spec) = spec else { return };
            let expected = format!("{}.{}", spec.str_at("version"), spec.str_at("group"));
            if object.name != expected && !object.name.is_empty() {
                let node = root.at(&["metadata", "name"]).unwrap_or(root);
                rules.findings.error(node, || {
                    Message::new("validate.admission.service_name").with("expected", expected)
                });
            }
            if spec.flag_at("insecureSkipTLSVerify") && !spec.str_at("caBundle").is_empty() {
                rules.forbidden(spec, "caBundle", "insecureSkipTLSVerify: true");
            }
            match spec.get("service") {
                Some(service) => {
                    rules.required(service, "name");
                    rules.required(service, "namespace");
                }
                None => {
                    for field in ["caBundle", "insecureSkipTLSVerify"] {
                        if spec.get(field).is_some_and(|value| value.is_true() || value.kind() == Kind::Text)
                        {
                            rules.forbidden(spec, field, "service: null");
                        }
                    }
                }
            }
        }
        "CertificateSigningRequest" => {
            let Some(spec) = spec else { return };
            rules.required(spec, "usages");
            let mut usages = HashSet::new();
            for usage in spec.list_at("usages") {
                rules.unique(Some(usage), &mut usages);
            }
            if let Some(request) = spec.get("request").filter(|request| request.kind() == Kind::Text) {
                let pem = super::config::decode(request.text()).unwrap_or_default();
                const HEAD: &[u8] = b"-----BEGIN CERTIFICATE REQUEST-----";
                if !pem.windows(HEAD.len()).any(|part| part == HEAD) {
                    rules.findings.error(request, || Message::new("validate.admission.request"));
                }
            }
            rules.holds(
                spec.get("signerName"),
                |text| text.is_empty() || format::is_domain_path(text),
                "validate.schema.controller",
            );
        }
        "FlowSchema" | "PriorityLevelConfiguration" => check_flow(rules, object),
        _ => {}
    }
}

/// Each type of mutation with the expression that is its own.
fn check_mutation(rules: &mut Rules<'_>, mutation: Node<'_>) {
    let (own, other) = match mutation.str_at("patchType") {
        "JSONPatch" => ("jsonPatch", "applyConfiguration"),
        "ApplyConfiguration" => ("applyConfiguration", "jsonPatch"),
        "" => return rules.required(mutation, "patchType"),
        _ => return rules.words(mutation.get("patchType"), &["ApplyConfiguration", "JSONPatch"]),
    };
    let when = format!("patchType: {}", mutation.str_at("patchType"));
    rules.required_where(mutation, own, &when);
    rules.forbidden(mutation, other, &when);
    if let Some(patch) = mutation.get(own) {
        rules.required(patch, "expression");
    }
}

fn check_webhooks(rules: &mut Rules<'_>, root: Node<'_>) {
    let mut names = HashSet::new();
    for webhook in root.list_at("webhooks") {
        if let Some(name) = webhook.get("name") {
            rules.unique(Some(name), &mut names);
            // Three labels at least, so that it is somebody's.
            rules.holds(
                Some(name),
                |text| text.is_empty() || (format::is_dns_subdomain(text) && text.matches('.').count() >= 2),
                "validate.admission.webhook_name",
            );
        }
        if let Some(versions) = webhook.get("admissionReviewVersions") {
            let mut seen = HashSet::new();
            for version in webhook.list_at("admissionReviewVersions") {
                rules.unique(Some(version), &mut seen);
            }
            if versions.is_empty() {
                rules.required(webhook, "admissionReviewVersions");
            } else if !webhook
                .list_at("admissionReviewVersions")
                .any(|version| matches!(version.text(), "v1" | "v1beta1"))
            {
                rules.bad(versions, "validate.admission.review_versions");
            }
        }
        if let Some(client) = webhook.get("clientConfig") {
            check_client(rules, client);
        }
        for rule in webhook.list_at("rules") {
            check_operations(rules, rule);
        }
        for selector in ["namespaceSelector", "objectSelector"] {
            if let Some(selector) = webhook.get(selector) {
                rules.selector(selector);
            }
        }
        check_conditions(rules, webhook);
    }
}

pub(super) fn check_client(rules: &mut Rules<'_>, client: Node<'_>) {
    rules.one_of(client, &["service", "url"]);
    if let Some(url) = client.get("url") {
        let text = url.text();
        let host = text.strip_prefix("https://").map(|rest| rest.split('/').next().unwrap_or(""));
        let plain = !text.contains(['?', '#', '@']);
        if host.is_none_or(str::is_empty) || !plain {
            rules.bad(url, "validate.admission.url");
        }
    }
    if let Some(service) = client.get("service") {
        rules.required(service, "name");
        rules.required(service, "namespace");
        if let Some(path) = service.get("path") {
            let text = path.text();
            let inner = text.strip_prefix('/').map(|rest| rest.strip_suffix('/').unwrap_or(rest));
            let well = |inner: &str| inner.split('/').all(format::is_dns_subdomain);
            if !matches!(text, "" | "/") && !inner.is_some_and(well) {
                if text.starts_with('/') {
                    rules.form(Some(path), |_| false, "/validate");
                } else {
                    rules.bad(path, "validate.schema.absolute_path");
                }
            }
        }
    }
}

fn check_operations(rules: &mut Rules<'_>, rule: Node<'_>) {
    for field in ["operations", "apiGroups", "apiVersions", "resources"] {
        if rule.get(field).is_some_and(Node::is_empty) {
            rules.required(rule, field);
        }
    }
    for field in ["operations", "apiGroups", "apiVersions"] {
        let several = rule.list_at(field).nth(1).is_some();
        if let Some(all) = rule.list_at(field).find(|item| item.text() == "*").filter(|_| several) {
            rules.bad(all, "validate.admission.all_and_more");
        }
    }
    check_resources(rules, rule);
    let mut names = HashSet::new();
    for name in rule.list_at("resourceNames") {
        rules.unique(Some(name), &mut names);
    }
    for version in rule.list_at("apiVersions").chain(rule.list_at("resources")).filter(|item| item.is_empty())
    {
        rules.bad(version, "validate.schema.empty_text");
    }
}

/// Resources that others of the list take in already.
fn check_resources(rules: &mut Rules<'_>, rule: Node<'_>) {
    let (mut whole, mut everywhere) = (HashSet::new(), HashSet::new());
    let several = rule.list_at("resources").nth(1).is_some();
    // The server looks at the last that has no subresource.
    let last = rule.list_at("resources").filter(|resource| !resource.text().contains('/')).last();
    for resource in rule.list_at("resources") {
        let text = resource.text();
        let taken = match text.split_once('/') {
            Some((of, part)) => {
                let taken = whole.contains(of) || everywhere.contains(part);
                if part == "*" {
                    whole.insert(of);
                }
                if of == "*" {
                    everywhere.insert(part);
                }
                taken || (text == "*/*" && several)
            }
            None => text == "*" && last.is_some_and(|last| last.text() != "*"),
        };
        if taken {
            rules.bad(resource, "validate.admission.all_and_more");
        }
    }
}

fn check_match(rules: &mut Rules<'_>, resources: Node<'_>) {
    for selector in ["namespaceSelector", "objectSelector"] {
        if let Some(selector) = resources.get(selector) {
            rules.selector(selector);
        }
    }
    rules.words(resources.get("matchPolicy"), &["Exact", "Equivalent"]);
    for rule in resources.list_at("resourceRules").chain(resources.list_at("excludeResourceRules")) {
        check_operations(rules, rule);
    }
}

fn check_conditions(rules: &mut Rules<'_>, node: Node<'_>) {
    rules.at_most(node.get("matchConditions"), 64);
    for condition in node.list_at("matchConditions") {
        rules.required(condition, "name");
        rules.required(condition, "expression");
        rules.holds(
            condition.get("name"),
            |text| text.is_empty() || format::is_qualified_name(text),
            "validate.schema.key",
        );
    }
}

fn check_policy(rules: &mut Rules<'_>, spec: Node<'_>, list: &str) {
    match spec.get("matchConstraints") {
        None => rules.required(spec, "matchConstraints"),
        Some(constraints) => {
            if !constraints.filled("resourceRules") {
                rules.required(constraints, "resourceRules");
            }
            check_match(rules, constraints);
        }
    }
    check_conditions(rules, spec);
    for item in spec.list_at(list) {
        rules.words(item.get("reason"), &["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"]);
        let message = item.get("message").filter(|message| !message.is_empty());
        if let Some(message) = message {
            if message.text().trim().is_empty() {
                rules.bad(message, "validate.schema.empty_text");
            }
            rules.form(Some(message), |text| !text.trim().contains(['\n', '\r']), "replicas must be below 5");
        }
        if item.get("expression").is_some_and(|expression| expression.text().trim().is_empty()) {
            rules.required(item, "expression");
        }
    }
    let mut keys = HashSet::new();
    for annotation in spec.list_at("auditAnnotations") {
        rules.unique(annotation.get("key"), &mut keys);
        rules.form(
            annotation.get("key").filter(|key| !key.is_empty()),
            |text| !text.contains('/') && format::is_qualified_name(text),
            "high-replica-count",
        );
    }
    for variable in spec.list_at("variables") {
        let is_name = |text: &str| {
            let begins =
                text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
            begins
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !RESERVED.contains(&text)
        };
        rules.holds(
            variable.get("name"),
            |text| text.is_empty() || is_name(text),
            "validate.admission.variable",
        );
    }
    if let Some(kind) = spec.get("paramKind") {
        rules.required(kind, "apiVersion");
        rules.required(kind, "kind");
        rules.form(
            kind.get("apiVersion").filter(|version| !version.is_empty()),
            |text| {
                let (group, version) =
                    text.split_once('/').map_or((None, text), |(group, version)| (Some(group), version));
                format::is_dns_1035_label(version) && group.is_none_or(format::is_dns_subdomain)
            },
            "example.com/v1",
        );
        rules.form(
            kind.get("kind").filter(|kind| !kind.is_empty()),
            |text| format::is_dns_1035_label(&text.to_ascii_lowercase()),
            "ReplicaLimit",
        );
    }
}

/// Words that CEL keeps for itself.
const RESERVED: [&str; 21] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "false",
    "for",
    "function",
    "if",
    "import",
    "in",
    "let",
    "loop",
    "namespace",
    "null",
    "package",
    "return",
    "true",
    "var",
    "void",
    "while",
];

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

fn check_flow(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
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
