//! Rules that a policy's file brings itself, as expressions over an object.
//!
//! ```yaml
//! rules:
//! - name: team-label
//!   kinds: [Deployment, StatefulSet]
//!   expression: has(object.metadata.labels) && 'team' in object.metadata.labels
//!   message: say whose it is by the label team
//!   severity: error
//! ```

use super::cel::{self, Answer, BOOL, Runner, Type};
use super::findings::Findings;
use super::format::{is_qualified_name, shortened};
use super::kinds::Release;
use super::objects::Objects;
use super::policy::{PolicyFault, Severity};
use super::tree::{Kind, Node};
use super::values;
use ecp_core::text::Message;

/// Most rules of a file.
const MAX_RULES: usize = 100;
/// What a rule can say.
const FIELDS: [&str; 5] = ["name", "kinds", "expression", "message", "severity"];
/// Steps of all rules over all objects, about.
const MAX_STEPS: usize = 20_000_000;

/// One rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct OwnRule {
    /// By what it is switched off at an object.
    pub name: String,
    kinds: Vec<String>,
    expression: String,
    message: String,
    severity: Severity,
}

/// Reads the rules of a file.
///
/// # Errors
/// A rule lacks what it needs, or its expression does not compile into true or false.
pub(super) fn read(root: Node<'_>) -> Result<Vec<OwnRule>, PolicyFault> {
    let mut all = Vec::new();
    let Some(list) = root.get("rules") else { return Ok(all) };
    if list.kind() != Kind::Sequence || list.children().count() > MAX_RULES {
        return Err(PolicyFault::Shape("rules"));
    }
    for rule in list.children() {
        let named = rule.text_at("name").filter(|name| is_qualified_name(name));
        let (Some(name), Some(expression), Some(message)) =
            (named, rule.text_at("expression"), rule.text_at("message"))
        else {
            return Err(PolicyFault::Shape("rules"));
        };
        if let Some(unknown) = rule.children().find(|field| !FIELDS.contains(&field.key())) {
            let nearest = super::format::nearest(unknown.key(), FIELDS);
            return Err(PolicyFault::unknown(unknown.key(), nearest));
        }
        let fault = |fault: String| PolicyFault::Expression { name: name.to_owned(), fault };
        if let Some(why) =
            cel::fault(expression, &[("object", Type::Dyn)], &[BOOL], false, Release::default())
        {
            return Err(fault(why));
        }
        let severity = match rule.str_at("severity") {
            "" | "error" => Severity::Error,
            "warning" => Severity::Warning,
            _ => return Err(PolicyFault::Shape("severity")),
        };
        all.push(OwnRule {
            name: name.to_owned(),
            kinds: rule.list_at("kinds").map(|kind| kind.text().to_owned()).collect(),
            expression: expression.to_owned(),
            message: message.to_owned(),
            severity,
        });
    }
    Ok(all)
}

/// Asks every rule about every object of its kinds. Without a rule nothing is built.
pub(super) fn check(objects: &Objects<'_>, findings: &mut Findings) {
    let rules: Vec<OwnRule> = findings.own_rules().to_vec();
    let compiled: Vec<_> =
        rules.iter().filter_map(|rule| Some((rule, cel::parse(&rule.expression).ok().flatten()?))).collect();
    let mut left = MAX_STEPS;
    for object in objects.all.iter().filter(|_| !compiled.is_empty()) {
        let of_kind =
            |rule: &OwnRule| rule.kinds.is_empty() || rule.kinds.iter().any(|kind| kind == object.kind);
        if !compiled.iter().any(|(rule, _)| of_kind(rule)) {
            continue;
        }
        let value = values::value(object.root);
        let runner = Runner::new("object", &value, None);
        for (rule, expression) in compiled.iter().filter(|(rule, _)| of_kind(rule)) {
            left = left.saturating_sub(runner.cost(expression));
            let answer = if left == 0 { Answer::Unknown } else { runner.holds(expression) };
            let place = object.root.get("kind").unwrap_or(object.root);
            match answer {
                Answer::Yes => {}
                Answer::No(fault) => findings.own(&rule.name, rule.severity, place, || {
                    let said = match &fault {
                        Some(fault) => format!("{} ({fault})", rule.message),
                        None => rule.message.clone(),
                    };
                    Message::new("validate.own.rule")
                        .with("name", &rule.name)
                        .with("object", object.title())
                        .with("message", shortened(&said))
                }),
                Answer::Unknown => findings.own(&rule.name, Severity::Warning, place, || {
                    Message::new("validate.own.not_run")
                        .with("name", &rule.name)
                        .with("object", object.title())
                }),
            }
        }
    }
}
