//! Webhooks, admission policies, API services, signing requests.

use super::super::format;
use super::super::objects::Object;
use super::super::tree::{Kind, Node};
use super::Rules;
use crate::cel::{self, BOOL, TEXT, Type};
use ecp_core::text::Message;
use std::collections::HashSet;
use std::rc::Rc;

/// Names that an expression sees, with their types.
type Names = Vec<(&'static str, Type<'static>)>;

/// Bytes of an expression whose value is noted in the audit log.
const MAX_AUDIT_EXPRESSION: usize = 5 * 1024;

/// Checks an object of these groups.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let root = object.root;
    let spec = object.spec();
    match object.kind {
        "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration" => check_webhooks(rules, root),
        "ValidatingAdmissionPolicy" => {
            if let Some(spec) = spec {
                let names = check_policy(rules, spec, "validations");
                check_validations(rules, spec, &names);
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
                let names = check_policy(rules, spec, "mutations");
                rules.required(spec, "mutations");
                if let Some(constraints) = spec.get("matchConstraints") {
                    check_mutated(rules, constraints);
                }
                for mutation in spec.list_at("mutations") {
                    check_mutation(rules, mutation, &names);
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
                if let Some(selector) = reference.get("selector") {
                    rules.selector(selector);
                }
            }
            if let Some(resources) = spec.get("matchResources") {
                check_match(rules, resources);
                if object.is("MutatingAdmissionPolicyBinding") {
                    check_mutated(rules, resources);
                }
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
            let filled = |field: &str| spec.get(field).filter(|value| !value.is_empty());
            rules.holds(filled("version"), format::is_dns_1035_label, "validate.definition.version");
            rules.holds(filled("group"), format::is_dns_subdomain, "validate.schema.subdomain");
            if spec.flag_at("insecureSkipTLSVerify") && !spec.str_at("caBundle").is_empty() {
                rules.forbidden(spec, "caBundle", "insecureSkipTLSVerify: true");
            }
            match spec.get("service") {
                Some(service) => {
                    rules.required(service, "name");
                    rules.required(service, "namespace");
                }
                None => {
                    let says = |value: Node<'_>| match value.kind() {
                        Kind::Text => !value.is_empty(),
                        _ => value.is_true(),
                    };
                    for field in ["caBundle", "insecureSkipTLSVerify"] {
                        if spec.get(field).is_some_and(says) {
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
                |text| {
                    let (domain, _) = text.split_once('/').unwrap_or((text, ""));
                    text.is_empty() || (domain.contains('.') && format::is_domain_path(text))
                },
                "validate.schema.controller",
            );
        }

        _ => {}
    }
}

/// What is deleted is not changed before.
fn check_mutated(rules: &mut Rules<'_>, resources: Node<'_>) {
    for operation in resources.list_at("resourceRules").flat_map(|rule| rule.list_at("operations")) {
        rules.words(Some(operation), &["*", "CONNECT", "CREATE", "UPDATE"]);
    }
}

/// Each type of mutation with the expression that is its own.
fn check_mutation(rules: &mut Rules<'_>, mutation: Node<'_>, names: &Names) {
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
        let wanted =
            if own == "jsonPatch" { Type::List(Rc::new(Type::Plain('J'))) } else { Type::Plain('o') };
        rules.expression(patch.get("expression"), names, &[wanted], true);
    }
}

/// Validations, their texts, and what they note in the audit trail.
fn check_validations(rules: &mut Rules<'_>, spec: Node<'_>, names: &Names) {
    for validation in spec.list_at("validations") {
        rules.expression(validation.get("expression"), names, &[BOOL], false);
        let message = validation.get("messageExpression").filter(|message| !message.is_empty());
        rules.form(message, |text| !text.trim().is_empty(), "'replicas: ' + string(object.spec.replicas)");
        rules.expression(message, names, &[TEXT], false);
    }
    rules.at_most(spec.get("auditAnnotations"), 20);
    for annotation in spec.list_at("auditAnnotations") {
        let is_long = |text: &Node<'_>| text.text().trim().len() > MAX_AUDIT_EXPRESSION;
        rules.length(annotation.get("valueExpression").filter(is_long), MAX_AUDIT_EXPRESSION);
        rules.expression(annotation.get("valueExpression"), names, &[TEXT, Type::Plain('n')], false);
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
                rules.holds(Some(version), format::is_dns_1035_label, "validate.definition.version");
                if version.kind() == Kind::Null {
                    rules.bad(version, "validate.schema.empty_text");
                }
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
        check_conditions(rules, webhook, &cel::admission_names(false));
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
        if !names.insert(name.text()) {
            rules.bad(name, "validate.rule.duplicate");
        }
        rules.holds(Some(name), format::is_path_segment, "validate.schema.path_segment");
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

fn check_conditions(rules: &mut Rules<'_>, node: Node<'_>, names: &Names) {
    rules.at_most(node.get("matchConditions"), 64);
    for condition in node.list_at("matchConditions") {
        rules.required(condition, "name");
        rules.required(condition, "expression");
        let expression = condition.get("expression");
        if expression.is_some_and(|text| !text.text().is_empty() && text.text().trim().is_empty()) {
            rules.required_where(condition, "expression", "matchConditions");
        }
        rules.expression(expression, names, &[BOOL], false);
        rules.holds(
            condition.get("name"),
            |text| text.is_empty() || format::is_qualified_name(text),
            "validate.schema.key",
        );
    }
}

/// Checks what both kinds of policies have, and gives the names that their expressions see.
fn check_policy(rules: &mut Rules<'_>, spec: Node<'_>, list: &str) -> Names {
    match spec.get("matchConstraints") {
        None => rules.required(spec, "matchConstraints"),
        Some(constraints) => {
            if !constraints.filled("resourceRules") {
                rules.required(constraints, "resourceRules");
            }
            check_match(rules, constraints);
        }
    }
    let mut names = cel::admission_names(spec.has("paramKind"));
    check_conditions(rules, spec, &names);
    for item in spec.list_at(list) {
        rules.words(item.get("reason"), &["Unauthorized", "Forbidden", "Invalid", "RequestEntityTooLarge"]);
        let message = item.get("message").filter(|message| !message.is_empty());
        if let Some(message) = message {
            if message.text().trim().is_empty() {
                rules.bad(message, "validate.schema.empty_text");
            }
            rules.form(Some(message), |text| !text.trim().contains(['\n', '\r']), "replicas must be below 5");
        }
        rules.form(item.get("expression"), |text| !text.trim().is_empty(), "object.spec.replicas <= 5");
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
    let mut variables: Vec<(String, Type<'static>)> = Vec::new();
    for variable in spec.list_at("variables") {
        let before = cel::fields(variables.iter().map(|(name, of)| (name.as_str(), of.clone())).collect());
        names.retain(|(name, _)| *name != "variables");
        names.push(("variables", before));
        let text = variable.get("expression");
        rules.expression(text, &names, &[], list == "mutations");
        let expression = text.and_then(|text| cel::parse(text.text()).ok().flatten());
        let of = expression.and_then(|expression| expression.type_of(&names, list == "mutations").ok());
        variables.push((variable.str_at("name").to_owned(), of.unwrap_or(Type::Dyn)));
        let is_name = |text: &str| {
            let begins =
                text.bytes().next().is_some_and(|first| first.is_ascii_alphabetic() || first == b'_');
            begins
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
                && !cel::is_keyword(text)
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
    names.retain(|(name, _)| *name != "variables");
    if !variables.is_empty() {
        let all = variables.iter().map(|(name, of)| (name.as_str(), of.clone())).collect();
        names.push(("variables", cel::fields(all)));
    }
    names
}
