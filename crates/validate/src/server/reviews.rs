//! Questions about rights.

use super::super::objects::Object;
use super::super::tree::Node;
use super::Rules;
use ecp_core::text::Message;

/// Checks a question.
pub(super) fn check(rules: &mut Rules<'_>, object: &Object<'_>) {
    let Some(spec) = object.spec() else { return };
    if object.is("SelfSubjectRulesReview") {
        return rules.required(spec, "namespace");
    }
    rules.one_of(spec, &["resourceAttributes", "nonResourceAttributes"]);
    if !object.is("SelfSubjectAccessReview") && spec.str_at("user").is_empty() && !spec.filled("groups") {
        rules.findings.error(spec, || {
            Message::new("validate.rule.one_of").with("fields", "user, groups").with("count", 0)
        });
    }
    if object.is("LocalSubjectAccessReview") {
        rules.forbidden(spec, "nonResourceAttributes", "kind: LocalSubjectAccessReview");
    }
    let Some(attributes) = spec.get("resourceAttributes") else { return };
    if object.is("LocalSubjectAccessReview") {
        let here = object.namespace;
        match attributes.get("namespace") {
            Some(namespace) => rules.form(Some(namespace), |text| text == here, here),
            None => rules.required(attributes, "namespace"),
        }
    }
    for field in ["labelSelector", "fieldSelector"] {
        if let Some(selector) = attributes.get(field) {
            check_selector(rules, selector, field == "labelSelector");
        }
    }
}

fn check_selector(rules: &mut Rules<'_>, selector: Node<'_>, of_labels: bool) {
    if !selector.filled("requirements") && selector.str_at("rawSelector").is_empty() {
        return rules.required(selector, "requirements");
    }
    if selector.filled("requirements") && !selector.str_at("rawSelector").is_empty() {
        rules.not_both(selector, "requirements", "rawSelector");
    }
    for requirement in selector.list_at("requirements") {
        rules.required(requirement, "key");
        let values = requirement.filled("values");
        match requirement.str_at("operator") {
            "In" | "NotIn" if !values => rules.required_where(requirement, "values", "operator: In"),
            "Exists" | "DoesNotExist" if values => rules.forbidden(requirement, "values", "operator: Exists"),
            _ => {}
        }
        if of_labels {
            let key = requirement.get("key").filter(|key| !key.is_empty());
            rules.holds(key, super::super::format::is_qualified_name, "validate.schema.key");
            for value in requirement.list_at("values") {
                rules.holds(Some(value), super::super::format::is_label_value, "validate.schema.label_value");
            }
        }
    }
}
