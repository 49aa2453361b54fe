//! The rules of a definition, held against values.

use super::super::format::shortened;
use super::super::tree::Node;
use super::Rules;
use crate::cel::{self, Answer, Runner};
use ecp_core::text::Message;
use serde_json::Value;

/// Runs the rules of a schema on a value, and on what is below it. `node` is the nearest that was written.
pub(super) fn hold_rules(rules: &mut Rules<'_>, node: Node<'_>, json: &Value, schema: &Value) {
    if !rules.limits.spend(schema.as_object().map_or(1, |members| members.len() + 1)) {
        return;
    }
    if let Some(own) = schema["x-kubernetes-validations"].as_array()
        && !(json.is_null() && schema["nullable"] == true)
    {
        let mut runner = Runner::new("self", json, Some(schema));
        runner.without_old();
        for rule in own {
            hold_rule(rules, node, &runner, rule);
        }
    }
    match json {
        Value::Object(members) => {
            for (name, member) in members {
                let inner = schema["properties"].get(name).unwrap_or(&schema["additionalProperties"]);
                if inner.is_object() {
                    hold_rules(rules, node.get(name).unwrap_or(node), member, inner);
                }
            }
        }
        Value::Array(items) if schema["items"].is_object() => {
            let mut nodes = node.children();
            for item in items {
                hold_rules(rules, nodes.next().unwrap_or(node), item, &schema["items"]);
            }
        }
        _ => {}
    }
}

fn hold_rule(rules: &mut Rules<'_>, node: Node<'_>, runner: &Runner<'_>, rule: &Value) {
    let Some(text) = rule["rule"].as_str() else { return };
    let Ok(Some(expression)) = cel::parse(text) else { return };
    // What compares with a value before holds while there is none.
    if expression.mentions("oldSelf") && rule["optionalOldSelf"] != true {
        return;
    }
    if !rules.limits.spend(runner.cost(&expression).saturating_mul(20).saturating_add(text.len() * 50)) {
        return;
    }
    match runner.holds(&expression) {
        Answer::Yes => {}
        Answer::Unknown => {
            rules.findings.warning(node, || {
                Message::new("validate.definition.rule_not_run").with("rule", shortened(text))
            });
        }
        Answer::No(fault) => {
            let written = rule["messageExpression"].as_str().and_then(|text| cel::parse(text).ok().flatten());
            let said = written.and_then(|expression| runner.text(&expression));
            let said = said.or_else(|| rule["message"].as_str().map(str::to_owned)).or(fault);
            let said = said.unwrap_or_else(|| shortened(text).into_owned());
            rules.findings.error(node, || {
                Message::new("validate.definition.rule")
                    .with("rule", shortened(text))
                    .with("message", shortened(&said))
            });
        }
    }
}
