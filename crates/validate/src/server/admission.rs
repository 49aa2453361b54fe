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
            let well = path.text().starts_with('/') && (path.text() == "/" || !path.text().contains("//"));
            if !well {
                rules.bad(path, "validate.schema.absolute_path");
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
    for version in rule.list_at("apiVersions").chain(rule.list_at("resources")).filter(|item| item.is_empty())
    {
        rules.bad(version, "validate.schema.empty_text");
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
        if item.has("message") && item.str_at("message").trim().is_empty() {
            rules.bad(item.get("message").unwrap_or(item), "validate.schema.empty_text");
        }
    }
    for variable in spec.list_at("variables") {
        let is_name = |text: &str| {
            let begins =
                text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
            begins && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
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
    }
}

/// What a flow can be told by.
const VERBS: [&str; 10] =
    ["*", "get", "list", "create", "update", "delete", "patch", "watch", "proxy", "deletecollection"];

fn check_flow(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    if object.is("FlowSchema") {
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
                let field = match subject.str_at("kind") {
                    "User" => "user",
                    "Group" => "group",
                    "ServiceAccount" => "serviceAccount",
                    _ => {
                        rules.words(subject.get("kind"), &["User", "Group", "ServiceAccount"]);
                        continue;
                    }
                };
                rules.required(subject, field);
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
            if let Some((hand, queues)) =
                queuing.and_then(|queuing| queuing.get("handSize").zip(queuing.get("queues")))
                && hand.as_integer() > queues.as_integer()
            {
                rules.not_above(hand, "queues", queues);
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
