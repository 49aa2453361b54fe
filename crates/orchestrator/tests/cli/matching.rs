//! Compares values with what a conformance scenario expects of them.

use serde_json::Value;

/// Says where and why a value does not match; nothing where it does.
pub fn mismatch(expected: &Value, found: &Value, at: &str) -> Option<String> {
    let differs = || Some(format!("{at}: {found} is not {expected}"));
    match (expected, found) {
        (Value::Object(members), _) if members.keys().any(|name| name.starts_with('$')) => {
            let (name, argument) = members.iter().next().filter(|_| members.len() == 1)?;
            let matches = match (name.as_str(), found) {
                ("$type", _) => argument == type_of(found),
                ("$match", Value::String(text)) => {
                    regex_lite::Regex::new(argument.as_str()?).expect("a regular expression").is_match(text)
                }
                ("$min", Value::Number(number)) => number.as_f64() >= argument.as_f64(),
                ("$length", Value::Array(array)) => argument == array.len(),
                ("$contains", Value::String(text)) => text.contains(argument.as_str()?),
                ("$contains", Value::Array(array)) => {
                    array.iter().any(|element| mismatch(argument, element, at).is_none())
                }
                ("$all", _) => {
                    return argument.as_array()?.iter().find_map(|one| mismatch(one, found, at));
                }
                ("$absent", _) => found.is_null(),
                ("$match" | "$min" | "$length" | "$contains", _) => false,
                (unknown, _) => panic!("{at}: unknown matcher {unknown}"),
            };
            if matches { None } else { differs() }
        }
        (Value::Object(members), Value::Object(_)) => members
            .iter()
            .find_map(|(name, expected)| mismatch(expected, &found[name], &format!("{at}.{name}"))),
        (Value::Array(expected), Value::Array(found)) if expected.len() == found.len() => expected
            .iter()
            .zip(found)
            .enumerate()
            .find_map(|(index, (expected, found))| mismatch(expected, found, &format!("{at}.{index}"))),
        (Value::Number(expected), Value::Number(found)) if expected.as_f64() == found.as_f64() => None,
        (Value::Array(_), _) => differs(),
        _ if expected == found => None,
        _ => differs(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
