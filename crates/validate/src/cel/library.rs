//! What Kubernetes adds to the functions of CEL, as far as it is run here.

use super::super::{amount, format};
use ::cel::extractors::This;
use ::cel::objects::Opaque;
use ::cel::{Context, Env, ExecutionError, Value, extensions};
use std::cmp::Ordering;
use std::sync::Arc;

/// An amount, in thousandths.
#[derive(Debug, PartialEq, Eq)]
struct Quantity(i128);

impl Opaque for Quantity {
    fn runtime_type_name(&self) -> &'static str {
        "kubernetes.Quantity"
    }
}

/// The standard functions, and those of texts and lists.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    // What is declared already keeps its meaning; without the others a rule that asks for them is not run.
    let _ = env.add_extension(extensions::strings);
    let _ = env.add_extension(extensions::lists);
    env
}

/// Adds the functions of Kubernetes that [`environment`] has not.
pub(super) fn add_to(context: &mut Context<'_, '_>) {
    for (name, holds) in [
        ("isQuantity", is_quantity as fn(&str) -> bool),
        ("isURL", is_url),
        ("isIP", |text| format::ip(text, true).is_some()),
        ("isCIDR", |text| format::cidr(text, true).is_some()),
    ] {
        let _ = context.add_function(name, move |text: Arc<String>| holds(&text));
    }
    let _ = context.add_function("quantity", |text: Arc<String>| match amount::parse(&text) {
        Some(amount) => Ok(Value::Opaque(Arc::new(Quantity(amount)))),
        None => Err(ExecutionError::function_error("quantity", format!("'{text}' is no quantity"))),
    });
    for (name, wanted) in [("isLessThan", Ordering::Less), ("isGreaterThan", Ordering::Greater)] {
        let _ = context.add_function(name, move |This(this): This<Value>, other: Value| {
            Ok::<_, ExecutionError>(amount_of(&this)?.cmp(&amount_of(&other)?) == wanted)
        });
    }
    let _ = context.add_function("compareTo", |This(this): This<Value>, other: Value| {
        Ok::<_, ExecutionError>(amount_of(&this)?.cmp(&amount_of(&other)?) as i64)
    });
    let _ = context.add_function("sum", |This(this): This<Value>| sum(&this));
    let _ = context.add_function("isSorted", |This(this): This<Value>| {
        Ok::<_, ExecutionError>(
            items(&this)?.is_sorted_by(|a, b| a.partial_cmp(b).is_some_and(Ordering::is_le)),
        )
    });
    for (name, wanted) in [("min", Ordering::Less), ("max", Ordering::Greater)] {
        let _ = context.add_function(name, move |This(this): This<Value>| {
            let extreme = items(&this)?
                .iter()
                .cloned()
                .reduce(|best, item| if item.partial_cmp(&best) == Some(wanted) { item } else { best });
            extreme.ok_or_else(|| ExecutionError::function_error(name, "of an empty list"))
        });
    }
}

/// True for functions whose failure is the value's fault.
pub(super) fn fails_for_the_value(function: &str) -> bool {
    matches!(function, "quantity" | "min" | "max")
}

fn items(value: &Value) -> Result<&[Value], ExecutionError> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(ExecutionError::unsupported_target_type(other.clone())),
    }
}

fn amount_of(value: &Value) -> Result<i128, ExecutionError> {
    match value {
        Value::Opaque(opaque) => opaque.downcast_ref::<Quantity>().map(|quantity| quantity.0),
        _ => None,
    }
    .ok_or_else(|| ExecutionError::unsupported_target_type(value.clone()))
}

fn sum(value: &Value) -> Result<Value, ExecutionError> {
    let items = items(value)?;
    let unfit = || ExecutionError::unsupported_target_type(value.clone());
    if items.iter().any(|item| matches!(item, Value::Float(_))) {
        let numbers: Option<Vec<f64>> = items
            .iter()
            .map(|item| if let Value::Float(number) = item { Some(*number) } else { None })
            .collect();
        return numbers.map(|numbers| Value::Float(numbers.iter().sum())).ok_or_else(unfit);
    }
    items
        .iter()
        .try_fold(
            0_i64,
            |sum, item| if let Value::Int(number) = item { sum.checked_add(*number) } else { None },
        )
        .map(Value::Int)
        .ok_or_else(unfit)
}

fn is_quantity(text: &str) -> bool {
    amount::parse(text).is_some()
}

/// An address that begins with a scheme or at a root.
pub(in super::super) fn is_url(text: &str) -> bool {
    let plain = !text.bytes().any(|byte| byte.is_ascii_control() || byte == b' ');
    let with_scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.bytes().next().is_some_and(|first| first.is_ascii_alphabetic())
            && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
    });
    plain && (with_scheme || text.starts_with('/'))
}
