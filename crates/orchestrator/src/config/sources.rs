//! Where values of the configuration come from, and how the sources are laid on each other.

use std::path::Path;
use toml::{Table, Value};

/// A file's table, or what is wrong with it.
pub(super) fn read_file(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        format!(
            "{}: can not be read ({error}); check the path given by --config or ECP_CONFIG",
            path.display()
        )
    })?;
    text.parse().map_err(|error| format!("{}: {error}", path.display()))
}

/// Lays `over` on `base`; keys that the defaults do not have are faults, as are other types.
pub(super) fn merge(base: &mut Table, over: Table, source: &str, section: &str, faults: &mut Vec<String>) {
    for (key, value) in over {
        let path = format!("{section}{key}");
        match (base.get_mut(&key), value) {
            (None, _) => faults.push(format!("{source}: {path}: there is no such key; see `ecp config`")),
            (Some(Value::Table(base)), Value::Table(over)) => {
                merge(base, over, source, &format!("{path}."), faults);
            }
            (Some(Value::Float(base)), Value::Integer(value)) => *base = value as f64,
            (Some(base), value) if base.same_type(&value) => *base = value,
            (Some(base), value) => faults.push(format!(
                "{source}: {path}: must be a {}, is a {}",
                base.type_str(),
                value.type_str()
            )),
        }
    }
}

/// Looks up `ECP_<KEY>` for every key that the defaults have.
pub(super) fn merge_environment(
    base: &mut Table,
    prefix: &str,
    environment: &impl Fn(&str) -> Option<String>,
    faults: &mut Vec<String>,
) {
    for (key, value) in base.iter_mut() {
        let name = format!("{prefix}{}", key.to_uppercase());
        if let Value::Table(section) = value {
            merge_environment(section, &format!("{name}__"), environment, faults);
            continue;
        }
        let variable = format!("ECP_{name}");
        let Some(text) = environment(&variable) else { continue };
        if value.as_array().is_some_and(|items| items.iter().any(Value::is_table)) {
            faults.push(format!(
                "{variable}: groups of keys can not be written in a variable; name a file by ECP_CONFIG"
            ));
            continue;
        }
        let parsed = match value {
            Value::Integer(_) => text.parse().ok().map(Value::Integer),
            Value::Float(_) => text.parse().ok().map(Value::Float),
            Value::Boolean(_) => text.parse().ok().map(Value::Boolean),
            Value::Array(_) => Some(list(&text)),
            _ => Some(Value::String(text.clone())),
        };
        match parsed {
            Some(parsed) => *value = parsed,
            None => faults.push(format!("{variable}: must be a {}, is {text:?}", value.type_str())),
        }
    }
}

/// Faults of variables that look like keys of a section and are none: `ECP_AUTH__TOKEN` sets nothing, and who
/// wrote it believes that it does.
pub(super) fn check_names(base: &Table, names: impl Iterator<Item = String>, faults: &mut Vec<String>) {
    let mut wrong: Vec<String> = names.filter(|name| is_no_key(base, name)).collect();
    wrong.sort_unstable();
    faults.extend(wrong.into_iter().map(|name| format!("{name}: there is no such key; see `ecp config`")));
}

fn is_no_key(base: &Table, name: &str) -> bool {
    let Some((first, rest)) = name.strip_prefix("ECP_").and_then(|name| name.split_once("__")) else {
        return false;
    };
    let keys = std::iter::once(first).chain(rest.split("__"));
    let mut at = Some(base);
    let mut last = None;
    for key in keys {
        let found = at.and_then(|table| table.iter().find(|(known, _)| known.to_uppercase() == key));
        last = found.map(|(_, value)| value);
        at = last.and_then(Value::as_table);
    }
    last.is_none_or(Value::is_table)
}

/// A list as an environment variable writes it: separated by commas.
fn list(text: &str) -> Value {
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Value::Array(items.map(|item| Value::String(item.to_owned())).collect())
}
