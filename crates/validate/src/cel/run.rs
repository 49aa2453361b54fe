//! Running expressions, within bounds.

use super::super::format;
use super::Expression;
use super::library;
use super::types::escaped;
use ::cel::common::ast::{Expr, IdedExpr, operators};
use ::cel::objects::{Key, Map, OptionalValue};
use ::cel::{Context, Env, ExecutionError, Value};
use serde_json::Value as Json;
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, LazyLock};

/// What an expression says.
#[derive(Debug, PartialEq)]
pub(in super::super) enum Answer {
    /// The rule holds.
    Yes,
    /// It does not, or it has no answer for this value, which the server counts as the same.
    No(Option<String>),
    /// It uses what is not known here, or would take too long.
    Unknown,
}

/// Most steps of one expression on one value, about.
const MAX_STEPS: usize = 300_000;
/// Characters of an answer's text that are kept.
const MAX_TEXT: usize = 300;

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| Arc::new(library::environment()));

/// Values by the names that expressions have for them.
pub(in super::super) struct Runner<'v> {
    context: Context<'v, 'v>,
    size: usize,
    /// Fields whose lists are sets or keyed, which compare and add otherwise than lists; an empty name is the
    /// value's own.
    unordered: HashSet<String>,
}

impl Runner<'_> {
    /// With a value under a name; `schema` tells times and numbers from other values.
    pub fn new(name: &str, value: &Json, schema: Option<&Json>) -> Self {
        let mut context = Context::with_env(Arc::clone(&ENVIRONMENT));
        context.add_variable_from_value(name, value_of(value, schema));
        library::add_to(&mut context);
        let mut unordered = HashSet::new();
        if let Some(schema) = schema {
            gather_unordered(schema, "", &mut unordered);
        }
        Self { context, size: size_of(value), unordered }
    }

    /// Adds what was there before: nothing, as an optional value.
    pub fn without_old(&mut self) {
        self.context.add_variable_from_value("oldSelf", Value::Opaque(Arc::new(OptionalValue::none())));
    }

    /// Steps that an expression may take on the value, about.
    pub fn cost(&self, expression: &Expression) -> usize {
        let (nodes, loops) = expression.size();
        nodes.saturating_mul(self.size.max(1).saturating_pow(loops))
    }

    /// Runs a rule.
    pub fn holds(&self, expression: &Expression) -> Answer {
        match self.run(expression) {
            Some(Ok(Value::Bool(true))) => Answer::Yes,
            Some(Ok(Value::Bool(false))) => Answer::No(None),
            Some(Err(error)) if is_of_value(&error) => Answer::No(Some(shortened(&error.to_string()))),
            _ => Answer::Unknown,
        }
    }

    /// Runs an expression that makes a text.
    pub fn text(&self, expression: &Expression) -> Option<String> {
        match self.run(expression)? {
            Ok(Value::String(text)) if !text.trim().is_empty() => Some(shortened(&text)),
            _ => None,
        }
    }

    /// It compares or adds a list whose order does not count.
    fn asks_of_unordered(&self, expression: &IdedExpr) -> bool {
        if self.unordered.is_empty() {
            return false;
        }
        let is_unordered = |of: &IdedExpr| match &of.expr {
            Expr::Select(select) => self.unordered.contains(&select.field),
            Expr::Ident(name) => name == "self" && self.unordered.contains(""),
            _ => false,
        };
        let mut found = false;
        super::visit(expression, &mut |part| {
            if let Expr::Call(call) = part
                && matches!(
                    call.func_name.as_str(),
                    operators::EQUALS | operators::NOT_EQUALS | operators::ADD | operators::IN
                )
            {
                let asked = if call.func_name == operators::IN { &call.args[..1] } else { &call.args };
                found |= asked.iter().any(is_unordered);
            }
        });
        found
    }

    fn run(&self, expression: &Expression) -> Option<Result<Value, ExecutionError>> {
        if self.cost(expression) > MAX_STEPS || self.asks_of_unordered(&expression.tree) {
            return None;
        }
        catch_unwind(AssertUnwindSafe(|| {
            self.context.resolve(&super::rewrite::for_running(&expression.tree))
        }))
        .ok()
    }
}

/// The names by which expressions call fields whose lists are sets or keyed.
fn gather_unordered(schema: &Json, called: &str, names: &mut HashSet<String>) {
    if matches!(schema["x-kubernetes-list-type"].as_str(), Some("set" | "map")) {
        names.insert(called.to_owned());
    }
    for (name, own) in schema["properties"].as_object().into_iter().flatten() {
        gather_unordered(own, &escaped(name), names);
    }
    for inner in [&schema["items"], &schema["additionalProperties"]] {
        if inner.is_object() {
            gather_unordered(inner, "?", names);
        }
    }
}

/// Errors that are the value's: the server counts them as a rule that does not hold.
fn is_of_value(error: &ExecutionError) -> bool {
    if let ExecutionError::FunctionError { function, .. } = error {
        return super::kubernetes::fails_for_the_value(function);
    }
    matches!(
        error,
        ExecutionError::NoSuchKey(_)
            | ExecutionError::IndexOutOfBounds(_)
            | ExecutionError::DivisionByZero(_)
            | ExecutionError::RemainderByZero(_)
            | ExecutionError::Overflow(..)
    )
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

fn size_of(value: &Json) -> usize {
    match value {
        Json::Array(items) => 1 + items.iter().map(size_of).sum::<usize>(),
        Json::Object(members) => 1 + members.values().map(size_of).sum::<usize>(),
        Json::String(text) => 1 + text.len() / 64,
        _ => 1,
    }
}

fn value_of(json: &Json, schema: Option<&Json>) -> Value {
    let schema = schema.unwrap_or(&Json::Null);
    match json {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64().filter(|_| schema["type"] != "number") {
            Some(whole) => Value::Int(whole),
            None => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => match schema["format"].as_str().unwrap_or_default() {
            "date-time" => match chrono::DateTime::parse_from_rfc3339(text) {
                // Its parts are told in UTC.
                Ok(time) => Value::Timestamp(time.to_utc().fixed_offset()),
                Err(_) => Value::String(Arc::new(text.clone())),
            },
            "date" => match text.parse::<chrono::NaiveDate>() {
                Ok(day) => Value::Timestamp(day.and_time(chrono::NaiveTime::MIN).and_utc().fixed_offset()),
                Err(_) => Value::String(Arc::new(text.clone())),
            },
            #[allow(clippy::cast_possible_truncation, reason = "no duration is longer than that")]
            "duration" => match format::go_duration(text) {
                Some(nanoseconds) => Value::Duration(chrono::Duration::nanoseconds(nanoseconds as i64)),
                None => Value::String(Arc::new(text.clone())),
            },
            "byte" => match crate::server::decode(text) {
                Some(bytes) => Value::Bytes(Arc::new(bytes)),
                None => Value::String(Arc::new(text.clone())),
            },
            _ => Value::String(Arc::new(text.clone())),
        },
        Json::Array(items) => {
            let inner = Some(&schema["items"]).filter(|schema| schema.is_object());
            Value::List(Arc::new(items.iter().map(|item| value_of(item, inner)).collect()))
        }
        Json::Object(members) => {
            let extra = Some(&schema["additionalProperties"]).filter(|schema| schema.is_object());
            let own = |name: &str| Some(&schema["properties"][name]).filter(|schema| schema.is_object());
            let entries = members.iter().filter(|(name, value)| {
                // Nothing is what is not there, unless it is allowed to be nothing.
                !value.is_null() || own(name).is_some_and(|schema| schema["nullable"] == true)
            });
            let is_map = extra.is_some() && schema["properties"].is_null();
            let mut map: HashMap<Key, Value> = HashMap::new();
            for (name, value) in entries {
                let value = value_of(value, own(name).or(extra));
                // A field that is called by a word of the language goes by both names.
                let called = escaped(name);
                if !is_map && called != *name {
                    map.insert(Key::String(Arc::new(called)), value.clone());
                }
                map.insert(Key::String(Arc::new(name.clone())), value);
            }
            Value::Map(Map { map: Arc::new(map) })
        }
    }
}
