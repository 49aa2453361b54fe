//! Where values of the configuration come from, and how the sources are laid on each other.

use crate::cli::language::say_text;
use std::path::Path;
use toml::{Table, Value};

/// A file's table, or what is wrong with it.
pub(super) fn read_file(path: &Path) -> Result<Table, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| say_text!("config.file_unreadable", path = path.display(), error = error))?;
    text.parse().map_err(|error| say_text!("config.file_invalid", path = path.display(), error = error))
}

/// Lays `over` on `base`; keys that the defaults do not have are faults, as are other types.
pub(super) fn merge(base: &mut Table, over: Table, source: &str, section: &str, faults: &mut Vec<String>) {
    for (key, value) in over {
        let path = format!("{section}{key}");
        match (base.get_mut(&key), value) {
            (None, _) => faults.push(unknown(&format!("{source}: {path}"))),
            (Some(Value::Table(base)), Value::Table(over)) => {
                merge(base, over, source, &format!("{path}."), faults);
            }
            (Some(Value::Float(base)), Value::Integer(value)) => *base = value as f64,
            (Some(base), value) if base.same_type(&value) => *base = value,
            (Some(base), value) => {
                let (key, wanted, given) = (format!("{source}: {path}"), base.type_str(), value.type_str());
                faults.push(say_text!("config.type_wrong", key = key, wanted = wanted, given = given));
            }
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
            faults.push(say_text!("config.groups_in_variable", key = variable));
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
            None => {
                let (wanted, given) = (value.type_str(), text.escape_debug());
                faults.push(say_text!("config.value_wrong", key = variable, wanted = wanted, value = given));
            }
        }
    }
}

/// Faults of variables that look like keys of a section and are none: `ECP_AUTH__TOKEN` sets nothing, and who
/// wrote it believes that it does.
pub(super) fn check_names(base: &Table, names: impl Iterator<Item = String>, faults: &mut Vec<String>) {
    let mut wrong: Vec<String> = names.filter(|name| is_no_key(base, name)).collect();
    wrong.sort_unstable();
    faults.extend(wrong.iter().map(|name| unknown(name)));
}

fn unknown(key: &str) -> String {
    say_text!("config.unknown_key", key = key)
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
