//! Whether an expression compiles: every name is known and every call has values that it takes.

use super::super::format;
use super::types::{
    BOOL, BYTES, Bound, DOUBLE, ESCAPE_KEY, INT, NULL, OVERLOADS, TEXT, Type, UINT, field, join, name, view,
};
use cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, IdedExpr, LiteralValue, operators};
use std::rc::Rc;

/// Names of types, as values.
const TYPE_NAMES: [&str; 11] =
    ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint", "optional_type"];

/// Names in reach, the inmost last.
pub(super) struct Checker<'s> {
    scope: Vec<(String, Type<'s>)>,
    /// `Object{…}` and `JSONPatch{…}` can be made.
    pub mutates: bool,
    steps: usize,
}

/// Most nodes that are looked at.
const MAX_STEPS: usize = 20_000;

impl<'s> Checker<'s> {
    /// With these names.
    pub fn new(names: &[(&str, Type<'s>)]) -> Self {
        let scope = names.iter().map(|(name, of)| ((*name).to_owned(), of.clone())).collect();
        Self { scope, mutates: false, steps: 0 }
    }

    /// The type of an expression.
    ///
    /// # Errors
    /// Why it does not compile.
    pub fn check(&mut self, expression: &IdedExpr) -> Result<Type<'s>, String> {
        self.steps += 1;
        if self.steps > MAX_STEPS {
            return Ok(Type::Dyn);
        }
        match &expression.expr {
            Expr::Unspecified => Ok(Type::Dyn),
            Expr::Ident(name) => self.named(name),
            Expr::Literal(literal) => Ok(match literal {
                LiteralValue::Boolean(_) => BOOL,
                LiteralValue::Bytes(_) => BYTES,
                LiteralValue::Double(_) => DOUBLE,
                LiteralValue::Int(_) => INT,
                LiteralValue::Null => NULL,
                LiteralValue::String(_) => TEXT,
                LiteralValue::UInt(_) => UINT,
            }),
            Expr::List(list) => {
                let mut items = Vec::new();
                for (place, item) in list.elements.iter().enumerate() {
                    let of = self.check(item)?;
                    let is_optional = list.optional_indices.contains(&place);
                    items.push(match of {
                        Type::Optional(inner) if is_optional => (*inner).clone(),
                        of => of,
                    });
                }
                Ok(Type::List(Rc::new(alike(items)?)))
            }
            Expr::Map(map) => {
                let (mut keys, mut values) = (Vec::new(), Vec::new());
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        keys.push(self.check(&entry.key)?);
                        values.push(match self.check(&entry.value)? {
                            Type::Optional(inner) if entry.optional => (*inner).clone(),
                            of => of,
                        });
                    }
                }
                Ok(Type::Map(Rc::new(alike(keys)?), Rc::new(alike(values)?)))
            }
            Expr::Struct(made) => {
                for entry in &made.entries {
                    if let EntryExpr::StructField(field) = &entry.expr {
                        let of = self.check(&field.value)?;
                        if made.type_name == "JSONPatch" && self.mutates {
                            patch_field(&field.field, &of)?;
                        }
                    }
                }
                match made.type_name.as_str() {
                    "JSONPatch" if self.mutates => Ok(Type::Plain('J')),
                    of if self.mutates && (of == "Object" || of.starts_with("Object.")) => {
                        Ok(Type::Plain('o'))
                    }
                    of => Err(format!("undeclared reference to '{of}'")),
                }
            }
            Expr::Select(select) => {
                if !select.test
                    && let Expr::Ident(root) = &select.operand.expr
                    && root == "authorizer"
                    && select.field == "requestResource"
                    && self.find(root).is_some()
                {
                    return Ok(Type::Plain('r'));
                }
                let operand = self.check(&select.operand)?;
                let found = field(&operand, &select.field)
                    .map_err(|()| format!("type '{}' does not support field selection", name(&operand)))?;
                let found = found.ok_or_else(|| format!("undefined field '{}'", select.field))?;
                Ok(if select.test { BOOL } else { found })
            }
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(comprehension) => self.comprehension(comprehension),
        }
    }

    fn find(&self, name: &str) -> Option<&Type<'s>> {
        self.scope.iter().rev().find(|(known, _)| known == name).map(|(_, of)| of)
    }

    fn named(&self, name: &str) -> Result<Type<'s>, String> {
        match self.find(name) {
            Some(of) => Ok(of.clone()),
            None if TYPE_NAMES.contains(&name) => Ok(Type::Plain('T')),
            None => Err(format!("undeclared reference to '{name}'")),
        }
    }

    /// What a range gives one after the other: its items, or its keys; two at once are place or key, and value.
    fn range(&mut self, range: &IdedExpr, two: bool) -> Result<(Type<'s>, Type<'s>), String> {
        let of = self.check(range)?;
        Ok(match view(&of) {
            Type::List(item) if two => (INT, (*item).clone()),
            Type::List(item) => ((*item).clone(), Type::Dyn),
            Type::Map(key, value) => ((*key).clone(), (*value).clone()),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            _ => {
                return Err(format!("expression of type '{}' cannot be range of a comprehension", name(&of)));
            }
        })
    }

    fn comprehension(&mut self, comprehension: &ComprehensionExpr) -> Result<Type<'s>, String> {
        let (first, second) = self.range(&comprehension.iter_range, comprehension.iter_var2.is_some())?;
        let start = self.check(&comprehension.accu_init)?;
        let depth = self.scope.len();
        self.scope.push((comprehension.accu_var.clone(), start.clone()));
        self.scope.push((comprehension.iter_var.clone(), first));
        if let Some(variable) = &comprehension.iter_var2 {
            self.scope.push((variable.clone(), second));
        }
        let step = self.check(&comprehension.loop_cond).and_then(|_| self.check(&comprehension.loop_step));
        self.scope.truncate(depth);
        let step = step?;
        // An empty list takes the type of what is put into it.
        let gathered = match (&start, &step) {
            (Type::List(item), Type::List(_)) if **item == Type::Dyn => step,
            _ => join(&start, &step)
                .ok_or_else(|| format!("expected type '{}' but found '{}'", name(&start), name(&step)))?,
        };
        self.scope.push((comprehension.accu_var.clone(), gathered));
        let result = self.check(&comprehension.result);
        self.scope.truncate(depth);
        result
    }

    /// The macros of two variables, and those that the parser leaves as calls.
    fn macro_call(&mut self, call: &CallExpr) -> Option<Result<Type<'s>, String>> {
        let target = call.target.as_deref()?;
        let variable = |place: usize| match call.args.get(place).map(|argument| &argument.expr) {
            Some(Expr::Ident(name)) => Some(name.clone()),
            _ => None,
        };
        let one = variable(0)?;
        let (names, bodies): (Vec<String>, &[IdedExpr]) = match (call.func_name.as_str(), call.args.len()) {
            ("all" | "exists" | "existsOne" | "exists_one" | "transformMapEntry", 3)
            | ("transformList" | "transformMap", 3 | 4) => (vec![one, variable(1)?], &call.args[2..]),
            ("transformMapEntry", 4) => (vec![one, variable(1)?], &call.args[2..]),
            ("sortBy", 2) => (vec![one], &call.args[1..]),
            ("optMap" | "optFlatMap", 2) => (vec![one], &call.args[1..]),
            _ => return None,
        };
        Some(self.expanded(call, target, names, bodies))
    }

    fn expanded(
        &mut self,
        call: &CallExpr,
        target: &IdedExpr,
        names: Vec<String>,
        bodies: &[IdedExpr],
    ) -> Result<Type<'s>, String> {
        let of = self.check(target)?;
        let variables = match &of {
            Type::Optional(inner) if call.func_name.starts_with("opt") => vec![(**inner).clone()],
            _ => {
                let (first, second) = self.range(target, names.len() == 2)?;
                vec![first, second]
            }
        };
        let depth = self.scope.len();
        self.scope.extend(names.into_iter().zip(variables));
        let bodies: Result<Vec<_>, String> = bodies.iter().map(|body| self.check(body)).collect();
        self.scope.truncate(depth);
        let bodies = bodies?;
        let last = bodies.last().cloned().unwrap_or(Type::Dyn);
        Ok(match call.func_name.as_str() {
            "all" | "exists" | "existsOne" | "exists_one" => join(&BOOL, &last)
                .ok_or_else(|| format!("expected type 'bool' but found '{}'", name(&last)))?,
            "transformList" => Type::List(Rc::new(last)),
            "transformMap" => Type::Map(Rc::new(Type::Dyn), Rc::new(last)),
            "sortBy" => of,
            "optMap" => Type::Optional(Rc::new(last)),
            _ => last,
        })
    }

    fn call(&mut self, call: &CallExpr) -> Result<Type<'s>, String> {
        if let Some(result) = self.macro_call(call) {
            return result;
        }
        if call.func_name == operators::OPT_SELECT {
            return self.optional_field(call);
        }
        // A function of a namespace is written as if it were called on a value.
        let namespaced = match call.target.as_deref().map(|target| &target.expr) {
            Some(Expr::Ident(space)) if self.find(space).is_none() => {
                Some(format!("{space}.{}", call.func_name))
            }
            _ => None,
        };
        if self.mutates && namespaced.as_deref() == Some(ESCAPE_KEY) {
            return Ok(TEXT);
        }
        let known = namespaced.as_deref().and_then(|name| OVERLOADS.get(name));
        let is_member = call.target.is_some() && known.is_none();
        let mut arguments = Vec::new();
        if let Some(target) = call.target.as_deref().filter(|_| is_member) {
            arguments.push(self.check(target)?);
        }
        for argument in &call.args {
            arguments.push(match &argument.expr {
                // What is put into a text may be of any types.
                Expr::List(list) if call.func_name == "format" && is_member => {
                    for item in &list.elements {
                        self.check(item)?;
                    }
                    Type::List(Rc::new(Type::Dyn))
                }
                _ => self.check(argument)?,
            });
        }
        let named = known.or_else(|| OVERLOADS.get(call.func_name.as_str()));
        let undeclared = || format!("undeclared reference to '{}'", call.func_name);
        let candidates = named.ok_or_else(undeclared)?;
        let mut of_kind = candidates.iter().filter(|overload| overload.is_member == is_member).peekable();
        if of_kind.peek().is_none() {
            return Err(undeclared());
        }
        constant(call)?;
        let mut results: Vec<Type<'s>> = Vec::new();
        for overload in of_kind.filter(|overload| overload.parameters.len() == arguments.len()) {
            let mut bound = Bound::default();
            let fits = overload
                .parameters
                .iter()
                .zip(&arguments)
                .all(|(form, argument)| bound.take(form, argument).is_some_and(str::is_empty));
            if fits {
                results.push(bound.result(overload.result).0);
            }
        }
        let mut results = results.into_iter();
        let Some(first) = results.next() else {
            let listed: Vec<String> = arguments.iter().map(name).collect();
            return Err(format!(
                "found no matching overload for '{}' applied to '({})'",
                call.func_name,
                listed.join(", ")
            ));
        };
        // Where the argument can be several things, so can the result.
        Ok(if results.all(|other| other == first) { first } else { Type::Dyn })
    }

    fn optional_field(&mut self, call: &CallExpr) -> Result<Type<'s>, String> {
        let [operand, selected] = call.args.as_slice() else { return Ok(Type::Dyn) };
        let of = self.check(operand)?;
        let Expr::Literal(LiteralValue::String(selected)) = &selected.expr else { return Ok(Type::Dyn) };
        let selected = selected.inner();
        let found = field(&of, selected)
            .map_err(|()| format!("type '{}' does not support field selection", name(&of)))?;
        match found.ok_or_else(|| format!("undefined field '{selected}'"))? {
            found @ Type::Optional(_) => Ok(found),
            found => Ok(Type::Optional(Rc::new(found))),
        }
    }
}

/// A field of a patch: a value of any type, and texts.
fn patch_field(field: &str, of: &Type<'_>) -> Result<(), String> {
    match field {
        "value" => Ok(()),
        "op" | "path" | "from" if join(&TEXT, of).is_some() => Ok(()),
        "op" | "path" | "from" => {
            Err(format!("expected type of field '{field}' is 'string' but provided type is '{}'", name(of)))
        }
        _ => Err(format!("undefined field '{field}'")),
    }
}

/// The one type of all items of a literal.
fn alike<'s>(items: Vec<Type<'s>>) -> Result<Type<'s>, String> {
    let mut items = items.into_iter();
    let Some(mut of) = items.next() else { return Ok(Type::Dyn) };
    for item in items {
        of = join(&of, &item)
            .ok_or_else(|| format!("expected type '{}' but found '{}'", name(&of), name(&item)))?;
    }
    Ok(of)
}

/// Texts that are read when the expression is compiled.
fn constant(call: &CallExpr) -> Result<(), String> {
    // How many are to be found may follow the pattern.
    let argument = match call.func_name.as_str() {
        "find" | "findAll" => call.args.first(),
        _ => call.args.last(),
    };
    let Some(Expr::Literal(LiteralValue::String(text))) = argument.map(|argument| &argument.expr) else {
        return Ok(());
    };
    let text = text.inner();
    let well = match call.func_name.as_str() {
        "find" | "findAll" | "matches" => {
            regex_lite::RegexBuilder::new(text).size_limit(1 << 20).build().is_ok() || text.contains("\\p")
        }
        "timestamp" => format::is_time(text, false),
        "duration" => format::go_duration(text).is_some(),
        "int" => text.parse::<i64>().is_ok(),
        "uint" => text.parse::<u64>().is_ok(),
        "double" => text.parse::<f64>().is_ok(),
        _ => true,
    };
    if well { Ok(()) } else { Err(format!("invalid {} argument", call.func_name)) }
}
