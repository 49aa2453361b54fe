//! What Kubernetes adds to the functions of CEL, as far as it is run here.

use ::cel::extractors::This;
use ::cel::{Context, Env, ExecutionError, Value, extensions};
use std::cmp::Ordering;

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
    super::kubernetes::add_to(context);
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

fn items(value: &Value) -> Result<&[Value], ExecutionError> {
    match value {
        Value::List(items) => Ok(items),
        other => Err(ExecutionError::unsupported_target_type(other.clone())),
    }
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
    if items.iter().any(|item| !matches!(item, Value::Int(_))) {
        return Err(unfit());
    }
    items
        .iter()
        .try_fold(
            0_i64,
            |sum, item| if let Value::Int(number) = item { sum.checked_add(*number) } else { None },
        )
        .map(Value::Int)
        .ok_or_else(|| ExecutionError::function_error("sum", "integer overflow"))
}

/// An address that begins with a scheme or at a root.
pub(in super::super) fn is_url(text: &str) -> bool {
    super::values::Url::parse(text).is_some()
}
