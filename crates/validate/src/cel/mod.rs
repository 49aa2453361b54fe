//! Expressions in CEL: whether they compile, and what they say of a value.
//!
//! Source: the CEL environment of Kubernetes 1.36 (`k8s.io/apiserver/pkg/cel`). Parsing and running are the
//! crate `cel`'s; it checks no types, which [`check`] does.

mod check;
pub(super) mod cost;
mod kubernetes;
mod library;
mod rewrite;
mod run;
pub(super) mod sizes;
mod types;
mod values;

pub(super) use library::is_url;
pub(super) use run::{Answer, Runner};
pub(super) use types::{BOOL, TEXT, Type};

use super::kinds::Release;
use ::cel::Env;
use ::cel::common::ast::{EntryExpr, Expr, IdedExpr};
use check::Checker;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::LazyLock;

/// Longest expression that is read, in bytes.
const MAX_LENGTH: usize = 16 * 1024;
/// Deepest expression that is read.
const MAX_DEPTH: u16 = 60;

/// Functions that expressions know from 1.35 on: a release compiles new ones for the one before it too.
const SINCE_1_35: [&str; 7] = ["distinct", "flatten", "range", "reverse", "slice", "sort", "sortBy"];

/// Words that are kept for other languages.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// True of a word that names nothing: one of the language, or one kept for others.
pub(crate) fn is_keyword(word: &str) -> bool {
    RESERVED.contains(&word) || matches!(word, "true" | "false" | "null" | "in")
}

static ENVIRONMENT: LazyLock<Env> = LazyLock::new(Env::stdlib);

/// An expression that can be read.
pub(super) struct Expression {
    tree: IdedExpr,
}

/// Reads an expression; nothing where it is longer than is looked at.
///
/// # Errors
/// Why it can not be read.
pub(super) fn parse(text: &str) -> Result<Option<Expression>, String> {
    if text.len() > MAX_LENGTH {
        return Ok(None);
    }
    let parsed =
        catch_unwind(AssertUnwindSafe(|| ENVIRONMENT.parser().max_recursion_depth(MAX_DEPTH).parse(text)));
    match parsed {
        Err(_) => Ok(None),
        Ok(Ok(tree)) => {
            let mut fault = None;
            visit(&tree, &mut |expression| {
                let word = match expression {
                    Expr::Ident(name) => Some(name),
                    Expr::Call(call) if call.target.is_none() => Some(&call.func_name),
                    _ => None,
                };
                if let Some(word) = word.filter(|word| RESERVED.contains(&word.as_str())) {
                    fault.get_or_insert_with(|| format!("reserved identifier: {word}"));
                }
            });
            fault.map_or(Ok(Some(Expression { tree })), Err)
        }
        Ok(Err(errors)) => {
            let first = errors.errors.first();
            // A nested one that is too deep for us may be well for others.
            if first.is_some_and(|error| error.msg.contains("recursion")) {
                return Ok(None);
            }
            Err(first.map_or_else(String::new, |error| {
                format!("{}:{} {}", error.pos.0, error.pos.1, error.msg.lines().next().unwrap_or_default())
            }))
        }
    }
}

impl Expression {
    /// The type of what it says, with these names in reach.
    ///
    /// # Errors
    /// Why it does not compile.
    pub fn type_of<'s>(&self, names: &[(&str, Type<'s>)], mutates: bool) -> Result<Type<'s>, String> {
        let mut checker = Checker::new(names);
        checker.mutates = mutates;
        checker.check(&self.tree)
    }

    /// It names this variable somewhere.
    pub fn mentions(&self, name: &str) -> bool {
        let mut found = false;
        visit(&self.tree, &mut |expression| {
            found |= matches!(expression, Expr::Ident(other) if other == name)
        });
        found
    }

    /// Which of these functions it calls, if any.
    fn calls_one_of(&self, functions: &[&'static str]) -> Option<&'static str> {
        let mut found = None;
        visit(&self.tree, &mut |expression| {
            if let Expr::Call(call) = expression {
                found = found.or_else(|| functions.iter().find(|name| **name == call.func_name).copied());
            }
        });
        found
    }

    /// Nodes, and how deep its loops lie in each other.
    fn size(&self) -> (usize, u32) {
        let mut nodes = 0;
        visit(&self.tree, &mut |_| nodes += 1);
        (nodes, loops(&self.tree))
    }
}

/// Checks a text; nothing where it compiles into one of the types, else why not. `None` among the types is
/// what can not be told before it runs.
pub(super) fn fault(
    text: &str,
    names: &[(&str, Type<'_>)],
    wanted: &[Type<'_>],
    mutates: bool,
    release: Release,
) -> Option<String> {
    let expression = match parse(text) {
        Ok(expression) => expression?,
        Err(fault) => return Some(fault),
    };
    if release < Release::V1_35
        && let Some(newer) = expression.calls_one_of(&SINCE_1_35)
    {
        return Some(format!("undeclared reference to '{newer}'"));
    }
    match expression.type_of(names, mutates) {
        Err(fault) => Some(fault),
        Ok(of) => {
            let of = types::view(&of);
            let fits = wanted.is_empty() || wanted.contains(&of);
            (!fits).then(|| {
                let wanted: Vec<String> = wanted.iter().map(types::name).collect();
                format!("must evaluate to {} but got {}", wanted.join(" or "), types::name(&of))
            })
        }
    }
}

/// Names in reach of an admission policy's expressions.
pub(super) fn admission_names(has_parameters: bool) -> Vec<(&'static str, Type<'static>)> {
    let mut names = vec![
        ("object", Type::Dyn),
        ("oldObject", Type::Dyn),
        ("request", request()),
        ("namespaceObject", namespace_object()),
        ("authorizer", Type::Plain('a')),
    ];
    if has_parameters {
        names.push(("params", Type::Dyn));
    }
    names
}

/// Names in reach of a selector of devices.
pub(super) fn device_names(release: Release) -> Vec<(&'static str, Type<'static>)> {
    let by_domain = |of| Type::Map(Rc::new(TEXT), Rc::new(Type::Map(Rc::new(TEXT), Rc::new(of))));
    let mut known = vec![
        ("driver", TEXT),
        ("attributes", by_domain(Type::Dyn)),
        ("capacity", by_domain(Type::Plain('Q'))),
    ];
    if release >= Release::V1_36 {
        known.push(("allowMultipleAllocations", BOOL));
    }
    vec![("device", fields(known))]
}

/// Known fields.
pub(super) fn fields<'s>(of: Vec<(&str, Type<'s>)>) -> Type<'s> {
    Type::Fields(Rc::new(of.into_iter().map(|(name, of)| (name.to_owned(), of)).collect()))
}

fn texts(names: &[&str]) -> Type<'static> {
    fields(names.iter().map(|name| (*name, TEXT)).collect())
}

fn list(of: Type<'static>) -> Type<'static> {
    Type::List(Rc::new(of))
}

fn map(of: Type<'static>) -> Type<'static> {
    Type::Map(Rc::new(TEXT), Rc::new(of))
}

fn request() -> Type<'static> {
    let kind = || texts(&["group", "version", "kind"]);
    let resource = || texts(&["group", "version", "resource"]);
    let user =
        fields(vec![("username", TEXT), ("uid", TEXT), ("groups", list(TEXT)), ("extra", map(list(TEXT)))]);
    fields(vec![
        ("kind", kind()),
        ("resource", resource()),
        ("subResource", TEXT),
        ("requestKind", kind()),
        ("requestResource", resource()),
        ("requestSubResource", TEXT),
        ("name", TEXT),
        ("namespace", TEXT),
        ("operation", TEXT),
        ("userInfo", user),
        ("dryRun", BOOL),
        ("options", Type::Dyn),
    ])
}

fn namespace_object() -> Type<'static> {
    let metadata = fields(vec![
        ("name", TEXT),
        ("generateName", TEXT),
        ("namespace", TEXT),
        ("labels", map(TEXT)),
        ("annotations", map(TEXT)),
        ("UID", TEXT),
        ("creationTimestamp", Type::Plain('t')),
        ("deletionTimestamp", Type::Plain('t')),
        ("deletionGracePeriodSeconds", Type::Plain('i')),
        ("generation", Type::Plain('i')),
        ("resourceVersion", TEXT),
        ("finalizers", list(TEXT)),
    ]);
    fields(vec![
        ("metadata", metadata),
        ("spec", fields(vec![("finalizers", list(TEXT))])),
        ("status", fields(vec![("phase", TEXT)])),
    ])
}

/// The parts of an expression.
fn parts(expression: &IdedExpr) -> Vec<&IdedExpr> {
    match &expression.expr {
        Expr::Call(call) => call.target.as_deref().into_iter().chain(&call.args).collect(),
        Expr::Select(select) => vec![&select.operand],
        Expr::List(list) => list.elements.iter().collect(),
        Expr::Map(map) => entries(&map.entries),
        Expr::Struct(made) => entries(&made.entries),
        Expr::Comprehension(all) => {
            vec![&all.iter_range, &all.accu_init, &all.loop_cond, &all.loop_step, &all.result]
        }
        Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => Vec::new(),
    }
}

fn entries(of: &[::cel::common::ast::IdedEntryExpr]) -> Vec<&IdedExpr> {
    of.iter()
        .flat_map(|entry| match &entry.expr {
            EntryExpr::StructField(field) => vec![&field.value],
            EntryExpr::MapEntry(entry) => vec![&entry.key, &entry.value],
        })
        .collect()
}

fn visit(expression: &IdedExpr, look: &mut dyn FnMut(&Expr)) {
    look(&expression.expr);
    for part in parts(expression) {
        visit(part, look);
    }
}

fn loops(expression: &IdedExpr) -> u32 {
    let inner = parts(expression).into_iter().map(loops).max().unwrap_or(0);
    inner + u32::from(matches!(expression.expr, Expr::Comprehension(_)))
}

#[cfg(test)]
mod tests;
