//! Reads JSON without building what nobody asked for.
//!
//! A [`Shape`] says which members of a body are read. They become a [`Value`], everything else is passed
//! over while it streams by and is at most named, so that what a body costs is bounded by its shape and
//! its length, whatever is in it.

use crate::error::{ApiError, ErrorCode};
use crate::fields::{UnknownNames, pointer_to};
use ecp_core::text::Message;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use std::fmt;

/// How deep arrays and objects may lie in each other.
pub(crate) const MAX_DEPTH: usize = 32;
/// Most members that are kept of an object whose keys are data.
const MAX_ENTRIES: usize = 1_000;

/// The parser's reasons by how they begin, and the texts for people.
const REASONS: [(&str, &[&str]); 13] = [
    ("json.ends_early", &["EOF while parsing"]),
    ("json.wants_colon", &["expected `:`"]),
    ("json.wants_comma", &["expected `,` or"]),
    ("json.trailing_comma", &["trailing comma"]),
    ("json.trailing", &["trailing characters"]),
    ("json.wants_name", &["key must be a string", "expected `\"`"]),
    ("json.wants_value", &["expected value", "expected ident"]),
    ("json.number", &["invalid number"]),
    ("json.large_number", &["number out of range"]),
    (
        "json.escape",
        &[
            "invalid escape",
            "unexpected end of hex escape",
            "lone leading surrogate",
            "invalid unicode code point",
        ],
    ),
    ("json.control", &["control character"]),
    ("json.utf8", &["not UTF-8"]),
    ("json.deep", &["nested deeper", "recursion limit"]),
];

/// What is read of a value; of another type than expected no more is kept than which type it is.
#[derive(Debug)]
pub(crate) enum Shape {
    /// A text, a number, a flag.
    Scalar,
    /// These members of an object.
    Object(&'static [(&'static str, Shape)]),
    /// The members of an object whose keys are data; `null` is the same as absent.
    Map(&'static Shape),
    /// So many elements of an array at most; one more than may be is enough to refuse it.
    Array(&'static Shape, usize),
}

/// A body that was read.
#[derive(Debug)]
pub(crate) struct Read {
    /// What its shape asks for.
    pub value: Value,
    /// Members that its shape does not have.
    pub unknown: UnknownNames,
    /// Members that are there more than once; the last one counts.
    pub repeated: UnknownNames,
}

/// What is read, as its faults name it.
#[derive(Clone, Copy)]
enum Carrier {
    /// The body of a request.
    Body,
    /// A message of a WebSocket.
    Message,
}

impl Carrier {
    fn empty(self) -> &'static str {
        match self {
            Self::Body => "json.empty_body",
            Self::Message => "json.empty_message",
        }
    }

    fn invalid(self) -> &'static str {
        match self {
            Self::Body => "json.body",
            Self::Message => "json.message",
        }
    }
}

/// Reads a body; a fault is answered with its line and column.
pub(crate) fn read(bytes: &[u8], shape: &Shape) -> Result<Read, ApiError> {
    read_carried(bytes, shape, Carrier::Body)
}

/// Reads a message of a WebSocket as [`read`] does a body.
pub(crate) fn read_message(text: &str, shape: &Shape) -> Result<Read, ApiError> {
    read_carried(text.as_bytes(), shape, Carrier::Message)
}

fn read_carried(bytes: &[u8], shape: &Shape, carrier: Carrier) -> Result<Read, ApiError> {
    let unparsable = |line, column, reason| unparsable(carrier, line, column, reason);
    // What is passed over is text too.
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let (line, column) = place_of(bytes, error.valid_up_to());
        unparsable(line, column, "not UTF-8".to_owned())
    })?;
    if text.trim_ascii().is_empty() {
        return Err(ApiError::new(ErrorCode::InvalidRequest, Message::new(carrier.empty()))
            .detail("line", 1)
            .detail("column", 1)
            .detail("reason", "empty"));
    }
    check_depth(bytes, carrier)?;
    let (mut unknown, mut repeated) = (UnknownNames::default(), UnknownNames::default());
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Seed { shape, pointer: String::new(), unknown: &mut unknown, repeated: &mut repeated };
    let value = seed.deserialize(&mut deserializer).and_then(|value| deserializer.end().map(|()| value));
    match value {
        Ok(value) => Ok(Read { value, unknown, repeated }),
        Err(error) => Err(unparsable(error.line(), error.column(), reason_without_position(&error))),
    }
}

fn unparsable(carrier: Carrier, line: usize, column: usize, reason: String) -> ApiError {
    let starts = |beginnings: &[&str]| beginnings.iter().any(|beginning| reason.starts_with(beginning));
    let key = REASONS.iter().find(|(_, beginnings)| starts(beginnings)).map_or("json.other", |(key, _)| key);
    let message = Message::new(carrier.invalid())
        .with("line", line)
        .with("column", column)
        .with_part("why", Message::new(key));
    ApiError::new(ErrorCode::InvalidRequest, message)
        .detail("line", line)
        .detail("column", column)
        .detail("reason", reason)
}

/// Line and column of a byte, from 1.
fn place_of(bytes: &[u8], place: usize) -> (usize, usize) {
    let before = &bytes[..place];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let line_start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    (line, place - line_start + 1)
}

/// serde_json appends ` at line 1 column 2`, which `details` has in fields of their own.
fn reason_without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.rfind(" at line ") {
        Some(cut) => text[..cut].to_owned(),
        None => text,
    }
}

/// Refuses nesting that no request needs. What is passed over is not otherwise bounded in depth.
fn check_depth(bytes: &[u8], carrier: Carrier) -> Result<(), ApiError> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (place, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'[' | b'{' if depth == MAX_DEPTH => {
                let (line, column) = place_of(bytes, place);
                let reason = format!("nested deeper than {MAX_DEPTH} arrays and objects");
                return Err(unparsable(carrier, line, column, reason).detail("max_depth", MAX_DEPTH));
            }
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    Ok(())
}

struct Seed<'a> {
    shape: &'a Shape,
    pointer: String,
    unknown: &'a mut UnknownNames,
    repeated: &'a mut UnknownNames,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Number::from_f64(value).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value, A::Error> {
        let mut kept = Vec::new();
        if let Shape::Array(shape, most) = self.shape {
            while kept.len() < *most {
                let pointer = format!("{}/{}", self.pointer, kept.len());
                let seed =
                    Seed { shape, pointer, unknown: &mut *self.unknown, repeated: &mut *self.repeated };
                match elements.next_element_seed(seed)? {
                    Some(element) => kept.push(element),
                    None => return Ok(Value::Array(kept)),
                }
            }
        }
        while elements.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Array(kept))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(name) = members.next_key_seed(Name)? {
            let shape = match self.shape {
                Shape::Object(known) => {
                    known.iter().find(|(known, _)| *known == name).map(|(_, shape)| shape)
                }
                Shape::Map(shape) if kept.len() < MAX_ENTRIES => Some(*shape),
                Shape::Map(_) | Shape::Scalar | Shape::Array(..) => None,
            };
            let pointer = || pointer_to(&self.pointer, &name);
            let Some(shape) = shape else {
                if matches!(self.shape, Shape::Object(_)) {
                    self.unknown.add(&pointer());
                }
                members.next_value::<IgnoredAny>()?;
                continue;
            };
            if kept.contains_key(&name) {
                self.repeated.add(&pointer());
            }
            let value = members.next_value_seed(Seed {
                shape,
                pointer: pointer(),
                unknown: &mut *self.unknown,
                repeated: &mut *self.repeated,
            })?;
            if value.is_null() && matches!(self.shape, Shape::Map(_)) {
                kept.remove(&name);
            } else {
                kept.insert(name, value);
            }
        }
        Ok(Value::Object(kept))
    }
}

/// A member's name, of which no more is kept than an error repeats.
struct Name;

impl<'de> DeserializeSeed<'de> for Name {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Name {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<String, E> {
        Ok(crate::fields::shortened(name))
    }
}

#[cfg(test)]
mod tests;
