//! What a rule of a definition may cost at most, by which the server refuses it.
//!
//! Source: the estimates of CEL's checker and of Kubernetes 1.36 (`k8s.io/apiserver/pkg/cel/library`). Calls that
//! are not known here make no estimate, and such rules are not judged.

use super::sizes::most;
use super::types::{OVERLOADS, escaped};
use ::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use serde_json::{Value as Json, json};
use std::sync::LazyLock;

/// Most that one rule may cost, over all places that it is asked at.
pub(in super::super) const RULE_LIMIT: u64 = 10_000_000;
/// Most that all rules of a definition may cost.
pub(in super::super) const DEFINITION_LIMIT: u64 = 100_000_000;
/// Most that a selector of devices may cost.
pub(in super::super) const SELECTOR_LIMIT: u64 = 1_000_000;
/// Most nodes of an expression times those of its schema.
const MAX_STEPS: usize = 2_000_000;
/// One pass over a character of a text, and of a pattern.
const PASS: f64 = 0.1;
const PATTERN: f64 = 0.25;
/// The longest pattern of a named format.
const FORMAT_PATTERN: f64 = 128.0;

static METADATA: LazyLock<Json> = LazyLock::new(
    || json!({"type": "object", "properties": {"name": {"type": "string"}, "generateName": {"type": "string"}}}),
);
static TEXT: LazyLock<Json> = LazyLock::new(|| json!({"type": "string"}));

/// What a value is like, as far as costs depend on it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Scalar,
    Text,
    List,
    Map,
    Object,
    Other,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug)]
enum Place<'s> {
    /// A value that a schema describes; the flag says that it is a whole object.
    Of(&'s Json, bool),
    /// A key of a map.
    Key,
    /// It is made by the expression.
    None,
}

/// An estimate: of the cost so far, and of the value.
#[derive(Clone, Copy, Debug)]
struct Estimate<'s> {
    cost: u64,
    size: Option<u64>,
    /// The size of its items or of its keys and values, where it is made by the expression.
    inner: Option<(u64, u64)>,
    kind: Kind,
    place: Place<'s>,
}

impl Estimate<'_> {
    fn size(&self) -> u64 {
        self.size.unwrap_or(u64::MAX)
    }
}

fn times(size: u64, factor: f64) -> u64 {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an estimate"
    )]
    if size == u64::MAX { u64::MAX } else { (size as f64 * factor).ceil() as u64 }
}

/// The most that an expression on a value of a schema costs; absent where that can not be told.
pub(in super::super) fn of(expression: &super::Expression, schema: &Json, is_object: bool) -> Option<u64> {
    // Sizes are asked for again at every name.
    if expression.size().0.saturating_mul(nodes(schema)) > MAX_STEPS {
        return None;
    }
    let root = Place::Of(schema, is_object);
    let mut estimator =
        Estimator { root, scope: vec![("self".to_owned(), named(root))], steps: 0, in_pairs: false };
    estimator.estimate(&expression.tree).map(|estimate| estimate.cost)
}

fn nodes(schema: &Json) -> usize {
    match schema {
        Json::Array(items) => 1 + items.iter().map(nodes).sum::<usize>(),
        Json::Object(members) => 1 + members.values().map(nodes).sum::<usize>(),
        _ => 1,
    }
}

/// A value of a place, by its name.
fn named(place: Place<'_>) -> Estimate<'_> {
    let (size, kind) = match place {
        Place::Of(schema, is_object) => {
            let kind = match schema["type"].as_str().unwrap_or_default() {
                _ if schema["x-kubernetes-int-or-string"] == true => Kind::Other,
                "array" => Kind::List,
                "object" if !is_object && schema["additionalProperties"].is_object() => Kind::Map,
                "object" => Kind::Object,
                "string" => match schema["format"].as_str().unwrap_or_default() {
                    "duration" | "date" | "date-time" => Kind::Scalar,
                    _ => Kind::Text,
                },
                _ => Kind::Scalar,
            };
            (Some(most(schema, is_object)), kind)
        }
        Place::Key => (Some(0), Kind::Text),
        Place::None => (None, Kind::Other),
    };
    Estimate { cost: 1, size, inner: None, kind, place }
}

struct Estimator<'s> {
    root: Place<'s>,
    scope: Vec<(String, Estimate<'s>)>,
    steps: usize,
    /// It is within a macro of two variables.
    in_pairs: bool,
}

impl<'s> Estimator<'s> {
    fn made(cost: u64, size: Option<u64>, kind: Kind) -> Estimate<'s> {
        let size = size.or((kind == Kind::Scalar).then_some(1));
        Estimate { cost, size, inner: None, kind, place: Place::None }
    }

    fn find(&self, name: &str) -> Option<Estimate<'s>> {
        self.scope.iter().rev().find(|(known, _)| known == name).map(|(_, value)| *value)
    }

    fn estimate(&mut self, expression: &IdedExpr) -> Option<Estimate<'s>> {
        self.steps += 1;
        if self.steps > 5_000 {
            return None;
        }
        match &expression.expr {
            Expr::Literal(literal) => Some(match literal {
                LiteralValue::String(text) => {
                    Self::made(0, Some(text.inner().chars().count() as u64), Kind::Text)
                }
                LiteralValue::Bytes(bytes) => Self::made(0, Some(bytes.inner().len() as u64), Kind::Text),
                LiteralValue::Null => Self::made(0, Some(1), Kind::Other),
                _ => Self::made(0, Some(1), Kind::Scalar),
            }),
            Expr::Ident(name) => self.find(name).map(|value| Estimate { cost: 1, ..value }),
            Expr::Select(select) => {
                let operand = self.estimate(&select.operand)?;
                if select.test {
                    return Some(Self::made(operand.cost, None, Kind::Scalar));
                }
                let is_read = matches!(operand.kind, Kind::Map | Kind::Object);
                let cost = operand.cost.saturating_add(u64::from(is_read));
                Some(Estimate { cost, ..named(member(operand.place, &select.field)?) })
            }
            Expr::List(list) => {
                let (mut cost, mut largest) = (10, 0);
                for item in &list.elements {
                    let item = self.estimate(item)?;
                    (cost, largest) = (item.cost.saturating_add(cost), largest.max(item.size()));
                }
                let size = Some(list.elements.len() as u64);
                Some(Estimate { inner: Some((1, largest)), ..Self::made(cost, size, Kind::List) })
            }
            Expr::Map(map) => {
                let (mut cost, mut largest) = (30_u64, (0, 0));
                for entry in &map.entries {
                    let EntryExpr::MapEntry(entry) = &entry.expr else { return None };
                    let (key, value) = (self.estimate(&entry.key)?, self.estimate(&entry.value)?);
                    cost = cost.saturating_add(key.cost).saturating_add(value.cost);
                    largest = (largest.0.max(key.size()), largest.1.max(value.size()));
                }
                let size = Some(map.entries.len() as u64);
                Some(Estimate { inner: Some(largest), ..Self::made(cost, size, Kind::Map) })
            }
            Expr::Comprehension(all) => self.comprehension(all),
            Expr::Call(call) => self.call(call),
            Expr::Struct(_) | Expr::Unspecified => None,
        }
    }

    fn comprehension(&mut self, all: &ComprehensionExpr) -> Option<Estimate<'s>> {
        if self.in_pairs && !is_of_self(&all.iter_range) {
            return None;
        }
        let range = self.estimate(&all.iter_range)?;
        let start = self.estimate(&all.accu_init)?;
        let depth = self.scope.len();
        self.scope.push((all.accu_var.clone(), start));
        let item = match (range.place, range.kind) {
            (Place::Of(schema, _), Kind::List) => named(Place::Of(&schema["items"], false)),
            (Place::Of(..), _) => named(Place::Key),
            // What is made by the expression has the path of what is asked about.
            _ => named(self.root),
        };
        self.scope.push((all.iter_var.clone(), item));
        let condition = self.estimate(&all.loop_cond);
        let step = self.estimate(&all.loop_step);
        self.scope.truncate(depth + 1);
        let result = self.estimate(&all.result);
        self.scope.truncate(depth);
        let (condition, step, result) = (condition?, step?, result?);
        let loops = range.size().saturating_mul(condition.cost.saturating_add(step.cost));
        let cost = range.cost.saturating_add(start.cost).saturating_add(result.cost).saturating_add(loops);
        Some(match start.kind {
            Kind::List | Kind::Map => {
                Estimate { inner: step.inner, ..Self::made(cost, Some(range.size()), start.kind) }
            }
            _ => Self::made(cost, Some(1), Kind::Scalar),
        })
    }

    /// A macro of two variables: place or key, and value.
    fn pairwise(
        &mut self,
        name: &str,
        range: Estimate<'s>,
        variables: [&String; 2],
        body: &[IdedExpr],
    ) -> Option<Estimate<'s>> {
        let values = match (range.place, range.kind) {
            (Place::Of(schema, _), Kind::List) => {
                [Self::made(1, None, Kind::Scalar), named(Place::Of(&schema["items"], false))]
            }
            (Place::Of(schema, _), Kind::Map) => {
                [named(Place::Key), named(Place::Of(&schema["additionalProperties"], false))]
            }
            _ => return None,
        };
        let depth = self.scope.len();
        self.scope.extend(variables.into_iter().cloned().zip(values));
        let was_in_pairs = std::mem::replace(&mut self.in_pairs, true);
        let parts: Option<Vec<_>> = body.iter().map(|part| self.estimate(part)).collect();
        self.in_pairs = was_in_pairs;
        self.scope.truncate(depth);
        let parts = parts?;
        let (last, condition) = (parts.last()?, (parts.len() == 2).then(|| parts[0]));
        // What starts it, what is asked and done each time, and what is said in the end.
        let (start, each, end) = match name {
            "all" => (0, 3, 1),
            "exists" => (0, 4, 1),
            "existsOne" | "exists_one" => (0, 2, 2),
            "transformList" => (10, 12, 1),
            "transformMap" => (30, 3, 1),
            _ => (30, 2, 1),
        };
        let each =
            condition.map_or(0, |condition| condition.cost).saturating_add(last.cost).saturating_add(each);
        let loops = range.size().saturating_mul(each);
        let cost = range.cost.saturating_add(start + end).saturating_add(loops);
        Some(match name {
            "transformList" => {
                Estimate { inner: Some((1, last.size())), ..Self::made(cost, Some(range.size()), Kind::List) }
            }
            "transformMap" | "transformMapEntry" => Self::made(cost, Some(range.size()), Kind::Map),
            _ => Self::made(cost, None, Kind::Scalar),
        })
    }

    fn call(&mut self, call: &CallExpr) -> Option<Estimate<'s>> {
        let name = call.func_name.as_str();
        let space = match call.target.as_deref().map(|target| &target.expr) {
            Some(Expr::Ident(space)) if self.find(space).is_none() => Some(space.as_str()),
            _ => None,
        };
        let target = match call.target.as_deref().filter(|_| space.is_none()) {
            Some(target) => Some(self.estimate(target)?),
            None => None,
        };
        if let ([first, second, body @ ..], Some(range)) = (call.args.as_slice(), target)
            && let (Expr::Ident(first), Expr::Ident(second)) = (&first.expr, &second.expr)
            && matches!(body.len(), 1 | 2)
            && matches!(
                name,
                "all"
                    | "exists"
                    | "existsOne"
                    | "exists_one"
                    | "transformList"
                    | "transformMap"
                    | "transformMapEntry"
            )
        {
            // What is within an item of such a macro is counted by sizes that are not its own.
            let of = call.target.as_deref().filter(|of| is_of_self(of));
            return of.and_then(|_| self.pairwise(name, range, [first, second], body));
        }
        let mut arguments = Vec::with_capacity(call.args.len());
        for argument in &call.args {
            arguments.push(self.estimate(argument)?);
        }
        let before = target.map_or(0, |target| target.cost);
        let all = arguments.iter().fold(before, |sum, argument| sum.saturating_add(argument.cost));
        let sized = |place: usize| arguments.get(place).map(Estimate::size);
        let kind = |place: usize| arguments.get(place).map(|argument| argument.kind);
        let scalar = |cost: u64| Some(Self::made(all.saturating_add(cost), None, Kind::Scalar));
        let text =
            |cost: u64, size: Option<u64>| Some(Self::made(all.saturating_add(cost), size, Kind::Text));
        match (name, arguments.as_slice()) {
            (operators::LOGICAL_AND | operators::LOGICAL_OR, _) => return scalar(0),
            (operators::CONDITIONAL, [asked, yes, no]) => {
                let cost = asked.cost.saturating_add(yes.cost.max(no.cost));
                let inner = yes.inner.zip(no.inner).map(|(a, b)| (a.0.max(b.0), a.1.max(b.1)));
                let kind = if yes.kind == no.kind { yes.kind } else { Kind::Other };
                return Some(Estimate { inner, ..Self::made(cost, Some(yes.size().max(no.size())), kind) });
            }
            (operators::EQUALS | operators::NOT_EQUALS, [a, b]) => {
                // Values that are neither of a schema nor made of plain ones are compared at once.
                let is_opaque = |of: &Estimate<'_>| of.kind == Kind::Other && of.size.is_none();
                if is_opaque(a) || is_opaque(b) {
                    return None;
                }
                return scalar(times(a.size().min(b.size()), PASS));
            }
            ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => {
                return match (a.kind, b.kind) {
                    (Kind::Scalar, Kind::Scalar) => scalar(1),
                    (Kind::Text, Kind::Text) => scalar(times(a.size().min(b.size()), PASS)),
                    _ => None,
                };
            }
            (operators::ADD, [a, b]) => {
                let size = a.size().saturating_add(b.size());
                return match (a.kind, b.kind) {
                    (Kind::Text, Kind::Text) => text(times(size, PASS), Some(size)),
                    (Kind::List, Kind::List) => {
                        let inner = a.inner.zip(b.inner).map(|(a, b)| (a.0.max(b.0), a.1.max(b.1)));
                        Some(Estimate { inner, ..Self::made(all.saturating_add(1), Some(size), Kind::List) })
                    }
                    (Kind::Scalar, Kind::Scalar) => scalar(1),
                    _ => None,
                };
            }
            (operators::IN, [_, list]) => {
                return scalar(if list.kind == Kind::List { list.size() } else { 1 });
            }
            (operators::INDEX, [of, _]) => {
                let place = match (of.place, of.kind) {
                    (Place::Of(schema, _), Kind::List) => Place::Of(&schema["items"], false),
                    (Place::Of(schema, _), Kind::Map) => Place::Of(&schema["additionalProperties"], false),
                    _ => return None,
                };
                return Some(Estimate { cost: all.saturating_add(1), ..named(place) });
            }
            ("dyn", [of]) => return Some(Estimate { cost: of.cost.saturating_add(1), ..*of }),
            _ => {}
        }
        if name.starts_with("_?") || name.starts_with("_[?") {
            return None;
        }
        let own = target.map(|target| target.size());
        match (name, own) {
            ("startsWith" | "endsWith", _) => scalar(times(sized(0)?, PASS)),
            ("contains", Some(own)) => scalar(times(own, PASS).saturating_mul(times(sized(0)?, PASS))),
            ("matches", Some(own)) => {
                scalar(times(own.saturating_add(1), PASS).saturating_mul(times(sized(0)?, PATTERN)))
            }
            ("find", Some(own)) => {
                let cost = times(own.saturating_add(1), PASS).saturating_mul(times(sized(0)?, PATTERN));
                text(cost, Some(own))
            }
            ("isSorted" | "sum" | "indexOf" | "lastIndexOf", Some(own)) => {
                let target = target?;
                let item = match (target.place, target.kind) {
                    (_, Kind::Text) => return scalar(times(own, PASS)),
                    (Place::Of(schema, _), Kind::List) => named(Place::Of(&schema["items"], false)),
                    _ => return None,
                };
                let each = if item.kind == Kind::Text { 1 + times(item.size(), PASS) } else { 1 };
                scalar(own.saturating_mul(each))
            }
            ("url" | "quantity" | "semver" | "ip" | "cidr", None) => {
                let cost = all.saturating_add(times(sized(0)?, PASS));
                Some(Self::made(cost, (name == "url").then_some(sized(0)?), Kind::Other))
            }
            ("isURL", None) => scalar(1),
            ("isQuantity" | "isSemver" | "isIP" | "isCIDR", None) => scalar(times(sized(0)?, PASS)),
            ("lowerAscii" | "upperAscii" | "substring" | "trim", Some(own)) => {
                text(times(own, PASS), Some(own))
            }
            ("split", Some(own)) => {
                Some(Self::made(all.saturating_add(times(own, 2.0 * PASS)), Some(own), Kind::List))
            }
            ("validate", Some(_)) => scalar(times(times(sized(0)?, PASS), FORMAT_PATTERN * PATTERN)),
            // Of bytes the length is known to the server; of a text that is made a text again it is not.
            ("string", None) if kind(0) == Some(Kind::Text) && !is_said(&arguments[0]) => None,
            (
                "size"
                | "string"
                | "int"
                | "uint"
                | "double"
                | "bool"
                | "duration"
                | "timestamp"
                | "type"
                | "charAt"
                | "getFullYear"
                | "getMonth"
                | "getDate"
                | "getDayOfMonth"
                | "getDayOfWeek"
                | "getDayOfYear"
                | "getHours"
                | "getMinutes"
                | "getSeconds"
                | "getMilliseconds"
                | "getScheme"
                | "getHost"
                | "getHostname"
                | "getPort"
                | "getEscapedPath"
                | "isGreaterThan"
                | "isLessThan"
                | "compareTo"
                | "isInteger"
                | "asInteger"
                | "asApproximateFloat"
                | "major"
                | "minor"
                | "patch"
                | "family"
                | "prefixLength"
                | "isUnspecified"
                | "isLoopback"
                | "isGlobalUnicast"
                | "hasValue"
                | operators::LOGICAL_NOT
                | "-_"
                | operators::NOT_STRICTLY_FALSE
                | "_-_"
                | "_*_"
                | "_/_"
                | "_%_",
                _,
            ) => {
                let results = OVERLOADS.get(name).into_iter().flatten();
                let is_text = results
                    .filter(|overload| overload.is_member == target.is_some())
                    .any(|overload| overload.result == "s");
                Some(Self::made(all.saturating_add(1), None, if is_text { Kind::Text } else { Kind::Scalar }))
            }
            _ if space == Some("format") => Some(Self::made(all.saturating_add(1), None, Kind::Other)),
            _ => None,
        }
    }
}

/// A text of the object, and no bytes.
fn is_said(text: &Estimate<'_>) -> bool {
    match text.place {
        Place::Of(schema, _) => schema["format"] != "byte",
        Place::Key => true,
        Place::None => false,
    }
}

/// A value itself or a field of it, by their names.
fn is_of_self(expression: &IdedExpr) -> bool {
    match &expression.expr {
        Expr::Ident(name) => name == "self",
        Expr::Select(select) => is_of_self(&select.operand),
        _ => false,
    }
}

/// A field of what a schema describes.
fn member<'s>(place: Place<'s>, field: &str) -> Option<Place<'s>> {
    let Place::Of(schema, is_object) = place else { return None };
    let is_object = is_object || schema["x-kubernetes-embedded-resource"] == true;
    match field {
        "metadata" if is_object => return Some(Place::Of(&METADATA, false)),
        "apiVersion" | "kind" if is_object => return Some(Place::Of(&TEXT, false)),
        _ => {}
    }
    if !is_object && schema["additionalProperties"].is_object() {
        // A field of a map has a path of which the schema knows nothing.
        return None;
    }
    let own = schema["properties"].as_object()?;
    own.iter()
        .find(|(name, _)| *name == field || escaped(name) == field)
        .map(|(_, own)| Place::Of(own, false))
}
