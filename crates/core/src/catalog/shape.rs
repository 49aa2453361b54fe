//! Reading a catalog file with every fault of its shape, where deserializing stops at the first.
//!
//! The file is deserialized again and again: each fault is noted and mended from the embedded
//! catalog, until nothing is left to complain about. So the types stay the only description of the
//! file's shape.

use super::{Catalog, EMBEDDED, Fault};
use crate::tenant::Availability;
use crate::text::Message;
use serde::Deserialize;
use std::cell::LazyCell;
use std::ops::Range;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer, Error};

/// Faults of shape after which a file is no longer read on: it is some other file.
const MOST_FAULTS: usize = 100;
/// Between a text that is no availability and why it is none.
pub(super) const NO_AVAILABILITY: &str = " is no availability: ";
/// Place of a value that was put in for a faulty one.
const NOWHERE: Range<usize> = usize::MAX..usize::MAX;

/// A file as read: what it says, and where.
pub(super) struct Document<'t> {
    text: &'t str,
    root: Spanned<DeTable<'t>>,
}

impl<'t> Document<'t> {
    /// Reads the text as TOML, or says on which lines it is none.
    pub(super) fn parse(text: &'t str) -> Result<Self, Vec<Message>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            return Ok(Self { text, root });
        }
        let fault = |error: &Error| {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            at_line(line, Message::new("catalog.not_toml").with("said", error.message()))
        };
        Err(errors.iter().map(fault).collect())
    }

    /// The catalog, mended where the file is at fault, and the faults.
    pub(super) fn read(&self) -> (Option<Catalog>, Vec<Message>) {
        let mut faults = Vec::new();
        let mut root = self.root.clone();
        let embedded = LazyCell::new(|| DeTable::parse(EMBEDDED).expect("a test reads the embedded catalog"));
        while faults.len() < MOST_FAULTS {
            let error = match Catalog::deserialize(Deserializer::from(root.clone())) {
                Ok(catalog) => return (Some(catalog), faults),
                Err(error) => error,
            };
            let span = error.span().unwrap_or(root.span());
            let missing = quoted(error.message(), "missing field ").map(|(name, _)| name);
            let mut path = Vec::new();
            let found = find(root.get_ref(), &span, &mut path);
            let place: Vec<&str> = path.iter().map(String::as_str).collect();
            let printed = print_path(root.get_ref(), &path);
            let line = line_of(self.text, span.start);
            let fault = told(&error, lookup(root.get_ref(), &path).as_ref());
            let mended = match (found, missing) {
                (Some(Found::Key), _) => {
                    let fault = Message::new("catalog.wrong_key").with_part("fault", fault);
                    faults.push(at_key(line, &printed, fault));
                    change(root.get_mut(), &place, None)
                }
                (_, Some(name)) => {
                    let key = if printed.is_empty() { name.to_owned() } else { format!("{printed}.{name}") };
                    faults.push(at_key(line, &key, Message::new("catalog.missing")));
                    let place: Vec<&str> = place.into_iter().chain([name]).collect();
                    let value = lookup(embedded.get_ref(), &embedded_path(&embedded, root.get_ref(), &place));
                    change(root.get_mut(), &place, value)
                }
                (Some(Found::Value), None) => {
                    faults.push(at_key(line, &printed, fault));
                    let value = lookup(embedded.get_ref(), &embedded_path(&embedded, root.get_ref(), &place));
                    change(root.get_mut(), &place, value)
                }
                (None, None) => {
                    faults.push(at_line(line, fault));
                    false
                }
            };
            if !mended {
                break;
            }
        }
        (None, faults)
    }

    /// A fault of the rules with the line of its key, or of the nearest key above it.
    pub(super) fn locate(&self, fault: Fault) -> Message {
        let (first, mut rest) = fault.path.split_once('.').unwrap_or((&fault.path, ""));
        let mut found = self.root.get_ref().get(first);
        let mut span = None;
        while let Some(here) = found {
            span = Some(here.span());
            (found, rest) = step(here.get_ref(), rest);
        }
        let line = span.map_or(1, |span| line_of(self.text, span.start));
        at_key(line, &fault.path, fault.fix)
    }
}

fn at_line(line: usize, fault: Message) -> Message {
    Message::new("catalog.at_line").with("line", line).with_part("fault", fault)
}

fn at_key(line: usize, path: &str, fault: Message) -> Message {
    at_line(line, Message::new("catalog.of_key").with("path", path).with_part("fault", fault))
}

/// What deserializing said, as a text of ours where it is one of the usual ones.
fn told(error: &Error, value: Option<&DeValue<'_>>) -> Message {
    let said = error.message().trim_end().replace('\n', ", ");
    let said = said.as_str();
    let names = |rest: &str| rest.split('`').skip(1).step_by(2).collect::<Vec<_>>().join("`, `");
    for (start, key) in
        [("unknown field ", "catalog.unknown_field"), ("unknown variant ", "catalog.unknown_word")]
    {
        if let Some((name, rest)) = quoted(said, start)
            && rest.contains('`')
        {
            return Message::new(key).with("name", name).with("names", format!("`{}`", names(rest)));
        }
    }
    for (start, key) in [("invalid type: ", "catalog.wrong_type"), ("invalid value: ", "catalog.wrong_value")]
    {
        let parts = said.strip_prefix(start).and_then(|rest| rest.rsplit_once(", expected "));
        if let Some((given, wanted)) = parts {
            return Message::new(key).with("given", given).with("wanted", type_of_toml(wanted));
        }
    }
    let availability = value.and_then(DeValue::as_str).filter(|_| said.contains(NO_AVAILABILITY));
    if let Some((text, Err(fault))) = availability.map(|text| (text, Availability::parse(text))) {
        return Message::new("catalog.of_name")
            .with("name", format!("{text:?}"))
            .with_part("fault", fault.message());
    }
    Message::new("catalog.unreadable").with("said", said)
}

/// The name between backquotes that a text begins with after `start`, and the rest.
fn quoted<'s>(said: &'s str, start: &str) -> Option<(&'s str, &'s str)> {
    said.strip_prefix(start)?.strip_prefix('`')?.split_once('`')
}

/// A type by the name that it has in TOML.
fn type_of_toml(wanted: &str) -> &str {
    match wanted {
        "a string" | "string" | "str" => "string",
        "a boolean" | "bool" => "boolean",
        "f32" | "f64" => "float",
        "u8" | "u16" | "u32" | "u64" | "usize" | "i32" | "i64" => "integer",
        "a sequence" => "array",
        "a map" => "table",
        wanted if wanted.starts_with("struct ") => "table",
        wanted => wanted,
    }
}

/// The child that a path begins with, and the rest of the path. The names of list elements may have dots.
fn step<'v, 't, 'p>(value: &'v DeValue<'t>, path: &'p str) -> (Option<&'v Spanned<DeValue<'t>>>, &'p str) {
    let ends = path.match_indices('.').map(|(end, _)| end).chain([path.len()]);
    let first = |end: usize| Some((child(value, &path[..end])?, path.get(end + 1..).unwrap_or("")));
    match { ends }.find_map(first) {
        Some((found, rest)) => (Some(found), rest),
        None => (None, ""),
    }
}

/// What a fault's place is the place of.
enum Found {
    Key,
    Value,
}

/// The child of a table by key, or of a list by the element's `name` or its index.
fn child<'v, 't>(value: &'v DeValue<'t>, segment: &str) -> Option<&'v Spanned<DeValue<'t>>> {
    match value {
        DeValue::Table(table) => table.get(segment),
        DeValue::Array(items) => (items.iter())
            .find(|item| name_of(item.get_ref()) == Some(segment))
            .or_else(|| segment.parse().ok().and_then(|index: usize| items.get(index))),
        _ => None,
    }
}

fn name_of<'v>(value: &'v DeValue<'_>) -> Option<&'v str> {
    value.as_table()?.get("name")?.get_ref().as_str()
}

/// Leaves in `path` the keys and indices that lead to a span.
fn find(table: &DeTable<'_>, span: &Range<usize>, path: &mut Vec<String>) -> Option<Found> {
    for (key, value) in table {
        path.push(key.get_ref().to_string());
        if key.span() == *span {
            return Some(Found::Key);
        }
        if let Some(found) = find_in(value, span, path) {
            return Some(found);
        }
        path.pop();
    }
    None
}

fn find_in(value: &Spanned<DeValue<'_>>, span: &Range<usize>, path: &mut Vec<String>) -> Option<Found> {
    if value.span() == *span {
        return Some(Found::Value);
    }
    match value.get_ref() {
        DeValue::Table(table) => find(table, span, path),
        DeValue::Array(items) => (items.iter().enumerate()).find_map(|(index, item)| {
            path.push(index.to_string());
            let found = find_in(item, span, path);
            if found.is_none() {
                path.pop();
            }
            found
        }),
        _ => None,
    }
}

/// `presets.0.gpu` as `presets.micro.gpu`.
fn print_path(root: &DeTable<'_>, path: &[String]) -> String {
    let mut printed: Vec<&str> = Vec::new();
    let mut here = None;
    for segment in path {
        here = match here {
            None => root.get(segment.as_str()),
            Some(value) => child(Spanned::get_ref(value), segment),
        };
        printed.push(here.and_then(|value| name_of(value.get_ref())).unwrap_or(segment));
    }
    printed.join(".")
}

/// The same place in the embedded catalog: an element of a list by the name that it has here.
fn embedded_path(embedded: &Spanned<DeTable<'_>>, root: &DeTable<'_>, path: &[&str]) -> Vec<String> {
    let owned: Vec<String> = path.iter().map(|segment| (*segment).to_owned()).collect();
    let named: Vec<String> = print_path(root, &owned).split('.').map(str::to_owned).collect();
    if lookup(embedded.get_ref(), &named).is_some() { named } else { owned }
}

fn lookup<'t>(table: &DeTable<'t>, path: &[String]) -> Option<DeValue<'t>> {
    let mut segments = path.iter();
    let mut value = table.get(segments.next()?.as_str())?;
    for segment in segments {
        value = child(value.get_ref(), segment)?;
    }
    Some(value.get_ref().clone())
}

/// Puts a value in, or takes what is there away; false where there is no such place.
fn change<'t>(table: &mut DeTable<'t>, path: &[&str], value: Option<DeValue<'t>>) -> bool {
    let [key, rest @ ..] = path else { return false };
    if !rest.is_empty() {
        return table.get_mut(*key).is_some_and(|inner| change_in(inner.get_mut(), rest, value));
    }
    match value {
        Some(value) => {
            table.remove(*key);
            table.insert(Spanned::new(NOWHERE, (*key).to_owned().into()), nowhere(value));
            true
        }
        None => table.remove(*key).is_some(),
    }
}

fn change_in<'t>(here: &mut DeValue<'t>, path: &[&str], value: Option<DeValue<'t>>) -> bool {
    match here {
        DeValue::Table(table) => change(table, path, value),
        DeValue::Array(items) => {
            let index = path[0].parse().unwrap_or(usize::MAX);
            let Some(item) = items.get_mut(index) else { return false };
            match value {
                value if path.len() > 1 => return change_in(item.get_mut(), &path[1..], value),
                Some(value) => *item = nowhere(value),
                None => {
                    let others = items.iter().enumerate().filter(|(other, _)| *other != index);
                    *items = others.map(|(_, item)| item.clone()).collect();
                }
            }
            true
        }
        _ => false,
    }
}

/// A value whose places are no places of the file.
fn nowhere(value: DeValue<'_>) -> Spanned<DeValue<'_>> {
    let value = match value {
        DeValue::Table(table) => DeValue::Table(
            (table.into_iter())
                .map(|(key, value)| (Spanned::new(NOWHERE, key.into_inner()), nowhere(value.into_inner())))
                .collect(),
        ),
        DeValue::Array(items) => {
            DeValue::Array(items.into_iter().map(|item| nowhere(item.into_inner())).collect())
        }
        other => other,
    };
    Spanned::new(NOWHERE, value)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.bytes().take(offset).filter(|byte| *byte == b'\n').count() + 1
}
