//! How large the values of a schema can be in one request, by which the server estimates what rules on them cost.

use serde_json::Value as Json;

/// Bytes of the largest request.
const REQUEST: u64 = 3 * 1024 * 1024;

/// The most items, characters or entries of a value.
pub(super) fn most(schema: &Json, is_object: bool) -> u64 {
    let bound = |name: &str| schema[name].as_u64();
    if schema["x-kubernetes-int-or-string"] == true {
        return bound("maxLength").map_or(REQUEST - 2, |length| length * 4);
    }
    match schema["type"].as_str().unwrap_or_default() {
        "array" => bound("maxItems").unwrap_or_else(|| (REQUEST - 2) / (least(&schema["items"]) + 1)),
        "object" if !is_object && schema["additionalProperties"].is_object() => bound("maxProperties")
            .unwrap_or_else(|| (REQUEST - 2) / (least(&schema["additionalProperties"]) + 6)),
        "string" => match (schema["format"].as_str().unwrap_or_default(), bound("maxLength")) {
            ("byte", Some(length)) => length,
            ("duration" | "date-time", _) => 32,
            ("date", _) => 12,
            (_, Some(length)) => length.saturating_mul(4),
            _ => match schema["enum"].as_array().filter(|words| !words.is_empty()) {
                Some(words) => {
                    let lengths = words.iter().filter_map(Json::as_str).map(|word| word.len() as u64);
                    lengths.max().unwrap_or(0)
                }
                None => REQUEST - 2,
            },
        },
        _ => 0,
    }
}

/// The fewest bytes of a value.
fn least(schema: &Json) -> u64 {
    if schema["x-kubernetes-int-or-string"] == true {
        return 1;
    }
    match (schema["type"].as_str().unwrap_or_default(), schema["format"].as_str().unwrap_or_default()) {
        ("boolean", _) => 4,
        ("integer" | "number", _) => 1,
        ("string", "duration") => 3,
        ("string", "date") => 12,
        ("string", "date-time") => 21,
        ("object", _) if schema["additionalProperties"].is_null() => {
            let needed = schema["required"].as_array().into_iter().flatten().filter_map(Json::as_str);
            let sizes = needed.filter_map(|name| {
                let own = schema["properties"].get(name).filter(|own| own["default"].is_null())?;
                Some(name.len() as u64 + least(own) + 4)
            });
            2 + sizes.sum::<u64>()
        }
        _ => 2,
    }
}

/// How often a value of a schema can be in one object, where nothing above it says so.
pub(in super::super) fn most_often(schema: &Json) -> u64 {
    REQUEST / (least(schema) + 1)
}
