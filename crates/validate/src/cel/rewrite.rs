//! Expressions made ready to run: what the crate's evaluator has no form for is put in one that it has.

use ::cel::Env;
use ::cel::common::ast::{
    CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, ListExpr, LiteralValue, operators,
};
use std::sync::LazyLock;

/// The text of an address or a range of them.
pub(super) const TEXT_OF: &str = "@text";
/// The truth that a text says.
pub(super) const TRUTH_OF: &str = "@truth";
/// Where a value stands in a list.
pub(super) const INDEX_OF: &str = "@indexOf";
/// Where it stands last.
pub(super) const LAST_INDEX_OF: &str = "@lastIndexOf";
/// Places or keys, each with its value.
pub(super) const PAIRS: &str = "@pairs";
/// The map of such pairs.
pub(super) const MAP_OF: &str = "@mapOf";
/// One map of several.
pub(super) const MERGED: &str = "@merged";
/// A list in the order of another of as many items.
pub(super) const SORTED_BY: &str = "@sortedBy";
/// The variable of what goes over pairs.
const PAIR: &str = "@pair";
const RESULT: &str = "@result";

static ENVIRONMENT: LazyLock<Env> = LazyLock::new(Env::stdlib);

/// An expression as it is run.
pub(super) fn for_running(expression: &IdedExpr) -> IdedExpr {
    let mut copy = expression.clone();
    rewrite(&mut copy);
    copy
}

fn rewrite(expression: &mut IdedExpr) {
    match &mut expression.expr {
        Expr::Call(call) => {
            call.target.as_deref_mut().into_iter().chain(&mut call.args).for_each(rewrite);
            if let Some(made) = of_call(call) {
                expression.expr = made;
            }
        }
        Expr::Select(select) => {
            rewrite(&mut select.operand);
            // A field that is null is none.
            if select.test {
                let mut read = select.clone();
                read.test = false;
                let Some(null) = literal("null") else { return };
                let is_null = function(operators::NOT_EQUALS, vec![ided(Expr::Select(read)), null]);
                let test = ided(Expr::Select(select.clone()));
                expression.expr = function(operators::LOGICAL_AND, vec![test, ided(is_null)]);
            }
        }
        Expr::List(list) => list.elements.iter_mut().for_each(rewrite),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    rewrite(&mut entry.key);
                    rewrite(&mut entry.value);
                }
            }
        }
        Expr::Comprehension(all) => {
            for part in [
                &mut all.iter_range,
                &mut all.accu_init,
                &mut all.loop_cond,
                &mut all.loop_step,
                &mut all.result,
            ] {
                rewrite(part);
            }
        }
        Expr::Struct(_) | Expr::Ident(_) | Expr::Literal(_) | Expr::Unspecified => {}
    }
}

fn of_call(call: &CallExpr) -> Option<Expr> {
    let name = call.func_name.as_str();
    let Some(target) = call.target.as_deref() else {
        let [argument] = call.args.as_slice() else { return None };
        if name == "bool" {
            return Some(function(TRUTH_OF, vec![argument.clone()]));
        }
        let Expr::Call(inner) = &argument.expr else { return None };
        let is_address = matches!(inner.func_name.as_str(), "ip" | "cidr" | "masked");
        return (name == "string" && is_address).then(|| function(TEXT_OF, vec![argument.clone()]));
    };
    match (name, call.args.as_slice()) {
        // Texts have one of their own, which takes texts alone.
        ("indexOf" | "lastIndexOf", [wanted]) if !is_text(wanted) => {
            let name = if name == "indexOf" { INDEX_OF } else { LAST_INDEX_OF };
            Some(function(name, vec![target.clone(), wanted.clone()]))
        }
        ("sortBy", [item, key]) => {
            let Expr::Ident(item) = &item.expr else { return None };
            let keys = gathered(target.clone(), item, key.clone());
            Some(function(SORTED_BY, vec![target.clone(), keys]))
        }
        (
            "all" | "exists" | "existsOne" | "exists_one" | "transformList" | "transformMap"
            | "transformMapEntry",
            [first, second, body @ ..],
        ) if matches!(body.len(), 1 | 2) => {
            let (Expr::Ident(first), Expr::Ident(second)) = (&first.expr, &second.expr) else { return None };
            pairwise(name, target, [first, second], body)
        }
        _ => None,
    }
}

/// It is a text, or may be one.
fn is_text(expression: &IdedExpr) -> bool {
    !matches!(
        expression.expr,
        Expr::Literal(
            LiteralValue::Int(_) | LiteralValue::UInt(_) | LiteralValue::Double(_) | LiteralValue::Boolean(_)
        )
    )
}

/// A macro of two variables, as one over pairs.
fn pairwise(name: &str, target: &IdedExpr, variables: [&String; 2], body: &[IdedExpr]) -> Option<Expr> {
    let mut body = body.to_vec();
    for part in &mut body {
        for (place, variable) in variables.iter().enumerate() {
            let pair = vec![ident(PAIR), literal(if place == 0 { "0" } else { "1" })?];
            substitute(part, variable, &function(operators::INDEX, pair));
        }
    }
    let result = || ident(RESULT);
    let call = |name: &str, args: Vec<IdedExpr>| ided(function(name, args));
    let list =
        |items: Vec<IdedExpr>| ided(Expr::List(ListExpr { elements: items, optional_indices: Vec::new() }));
    let last = body.pop()?;
    let condition = body.pop();
    let (init, step, end) = match (name, condition.is_some()) {
        ("all", false) => (literal("true")?, call(operators::LOGICAL_AND, vec![result(), last]), result()),
        ("exists", false) => (literal("false")?, call(operators::LOGICAL_OR, vec![result(), last]), result()),
        ("existsOne" | "exists_one", false) => {
            let more = call(operators::ADD, vec![result(), literal("1")?]);
            let step = call(operators::CONDITIONAL, vec![last, more, result()]);
            (literal("0")?, step, call(operators::EQUALS, vec![result(), literal("1")?]))
        }
        ("transformList" | "transformMap" | "transformMapEntry", _) => {
            let is_map = name == "transformMap";
            let made_of = match name {
                "transformMap" => Some(MAP_OF),
                "transformMapEntry" => Some(MERGED),
                _ => None,
            };
            let key = call(operators::INDEX, vec![ident(PAIR), literal("0")?]);
            let item = if is_map { list(vec![key, last]) } else { last };
            let more = call(operators::ADD, vec![result(), list(vec![item])]);
            let step = match condition {
                Some(condition) => call(operators::CONDITIONAL, vec![condition, more, result()]),
                None => more,
            };
            let made = made_of.map_or_else(result, |made| call(made, vec![result()]));
            (list(Vec::new()), step, made)
        }
        _ => return None,
    };
    Some(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: ided(function(PAIRS, vec![target.clone()])),
        iter_var: PAIR.to_owned(),
        iter_var2: None,
        accu_var: RESULT.to_owned(),
        accu_init: init,
        loop_cond: literal("true")?,
        loop_step: step,
        result: end,
    })))
}

/// What an expression says of each item, as a list.
fn gathered(target: IdedExpr, item: &str, body: IdedExpr) -> IdedExpr {
    let list = |elements| ided(Expr::List(ListExpr { elements, optional_indices: Vec::new() }));
    let step = function(operators::ADD, vec![ident(RESULT), list(vec![body])]);
    ided(Expr::Comprehension(Box::new(ComprehensionExpr {
        iter_range: target,
        iter_var: item.to_owned(),
        iter_var2: None,
        accu_var: RESULT.to_owned(),
        accu_init: list(Vec::new()),
        loop_cond: ided(Expr::Literal(LiteralValue::Boolean(true.into()))),
        loop_step: ided(step),
        result: ident(RESULT),
    })))
}

/// Puts an expression in place of a variable.
fn substitute(expression: &mut IdedExpr, variable: &str, by: &Expr) {
    match &mut expression.expr {
        Expr::Ident(name) if name == variable => expression.expr = by.clone(),
        Expr::Call(call) => {
            for part in call.target.as_deref_mut().into_iter().chain(&mut call.args) {
                substitute(part, variable, by);
            }
        }
        Expr::Select(select) => substitute(&mut select.operand, variable, by),
        Expr::List(list) => list.elements.iter_mut().for_each(|item| substitute(item, variable, by)),
        Expr::Map(map) => {
            for entry in &mut map.entries {
                if let EntryExpr::MapEntry(entry) = &mut entry.expr {
                    substitute(&mut entry.key, variable, by);
                    substitute(&mut entry.value, variable, by);
                }
            }
        }
        Expr::Comprehension(all) => {
            substitute(&mut all.iter_range, variable, by);
            if all.iter_var != variable {
                substitute(&mut all.loop_cond, variable, by);
                substitute(&mut all.loop_step, variable, by);
            }
        }
        _ => {}
    }
}

fn ided(expr: Expr) -> IdedExpr {
    IdedExpr { id: 0, expr }
}

fn ident(name: &str) -> IdedExpr {
    ided(Expr::Ident(name.to_owned()))
}

fn function(name: &str, args: Vec<IdedExpr>) -> Expr {
    Expr::Call(CallExpr { func_name: name.to_owned(), target: None, args })
}

fn literal(text: &str) -> Option<IdedExpr> {
    ENVIRONMENT.parser().parse(text).ok()
}
