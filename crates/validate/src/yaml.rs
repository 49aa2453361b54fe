//! Reads a text into the tree: YAML, of which JSON is a part, document by document.
//!
//! Most documents are read by [`block`], several times faster than by the full parser, which reads
//! the others event by event.

use super::block;
use super::build::{Bound, Builder, MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES};
use super::json;
use super::scalar::{is_date, resolve_plain};
use super::source::{self, Source};
use super::tabs::{self, Tabs};
use super::tree::{Kind, TextFault, Tree};
use super::{MAX_MANIFEST_BYTES, Unreadable};
use ecp_core::text::Message;
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Tag};
use std::borrow::Cow;

/// Longest key on a line of its own in YAML, as `kubectl` takes it.
const KEY_MAX_LENGTH: usize = 1024;

/// Which readers are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Readers {
    /// The fast one, and the full parser for what that leaves.
    Both,
    /// The full parser for everything.
    #[cfg(test)]
    FullOnly,
}

/// Reads every document of a text, lists opened.
pub(super) fn read(content: &str, readers: Readers) -> Result<Tree<'_>, Unreadable> {
    if content.len() > MAX_MANIFEST_BYTES {
        let limit = MAX_MANIFEST_BYTES / (1024 * 1024);
        let message = Message::new("validate.unreadable.too_large").with("limit_mib", limit);
        return Err(Unreadable { line: None, column: None, message, has_verdict: false });
    }
    let content = content.strip_prefix('\u{feff}').unwrap_or(content);
    let mut builder = Builder::new(content);
    for chunk in chunks(content) {
        read_chunk(&mut builder, &chunk, readers)?;
    }
    let mut tree = builder.finish();
    if let Some(first) = tree.unreadable.first()
        && !first.has_verdict
        && tree.roots().all(|root| root.kind() == super::tree::Kind::Null)
    {
        return Err(tree.unreadable.swap_remove(0));
    }
    tree.open_lists().map_err(|bound| Unreadable {
        line: None,
        column: None,
        message: bound_message(bound),
        has_verdict: false,
    })?;
    Ok(tree)
}

/// A document's own text and the number of lines before it.
struct Chunk<'a> {
    text: &'a str,
    lines_before: usize,
    /// It follows a `---`, so it is a document even where it is empty.
    is_marked: bool,
    /// It was found to be JSON.
    is_json: bool,
    /// It is a line that `kubectl` refuses: why.
    refused: Option<&'static str>,
}

/// The documents of a text: values of JSON while it begins with them, then YAML by its `---` lines.
fn chunks(content: &str) -> Vec<Chunk<'_>> {
    let (documents, rest) = json::documents(content);
    let count = documents.len();
    let mut chunks = Vec::new();
    let mut lines_before = 0;
    for text in documents {
        chunks.push(Chunk { text, lines_before, is_marked: true, is_json: true, refused: None });
        lines_before += text.matches('\n').count();
    }
    let next = rest.trim_start_matches(json::SPACE);
    if next.is_empty() {
        return chunks;
    }
    if count == 0 {
        split(&mut chunks, content, 0);
        return chunks;
    }
    // Behind several values of JSON there is nothing else. Behind one there can be YAML.
    match json::rest_of_line(rest).filter(|_| count == 1) {
        Some(yaml) => {
            lines_before += rest[..rest.len() - yaml.len()].matches('\n').count();
            split(&mut chunks, yaml, lines_before);
        }
        None => {
            lines_before += rest[..rest.len() - next.len()].matches('\n').count();
            let refused = Some("validate.unreadable.after_json");
            chunks.push(Chunk { text: next, lines_before, is_marked: true, is_json: false, refused });
        }
    }
    chunks
}

/// The documents of a text in YAML by their `---` lines. What else such a line says is refused.
fn split<'a>(chunks: &mut Vec<Chunk<'a>>, content: &'a str, before: usize) {
    let (mut begin, mut lines_before, mut is_marked) = (0, before, false);
    let mut position = 0;
    let mut push = |text: &'a str, lines_before, is_marked, refused| {
        chunks.push(Chunk { text, lines_before, is_marked, is_json: false, refused });
    };
    for (number, line) in (before..).zip(content.split('\n')) {
        if let Some(rest) = line.strip_prefix("---") {
            let rest = rest.trim();
            let is_stray = !rest.is_empty() && !rest.starts_with('#');
            push(&content[begin..position], lines_before, is_marked, None);
            begin = (position + line.len() + 1).min(content.len());
            (lines_before, is_marked) = (number + 1, !is_stray);
            if is_stray {
                push(line, number, true, Some("validate.unreadable.after_separator"));
            }
        } else if line.starts_with('%') && content[begin..position].split('\n').all(is_blank) {
            // It cuts a document off from its directives before it reads either.
            push(line, number, true, Some("validate.unreadable.directive"));
            begin = (position + line.len() + 1).min(content.len());
            lines_before = number + 1;
        }
        position += line.len() + 1;
    }
    push(&content[begin..], lines_before, is_marked, None);
}

/// Nothing, or a comment.
fn is_blank(line: &str) -> bool {
    let line = line.trim_start_matches(' ');
    line.is_empty() || line.starts_with('#')
}

/// Blank, a comment, or the end of a document.
fn is_nothing(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#') || line == "..."
}

fn read_chunk<'a>(builder: &mut Builder<'a>, chunk: &Chunk<'a>, readers: Readers) -> Result<(), Unreadable> {
    let at_bound = |bound| Unreadable {
        line: Some(chunk.lines_before.max(1)),
        column: Some(1),
        message: bound_message(bound),
        has_verdict: false,
    };
    if let Some(reason) = chunk.refused {
        let message = Message::new(reason);
        let line = chunk.lines_before + 1;
        let unreadable = Unreadable { line: Some(line), column: Some(4), message, has_verdict: true };
        return builder.unreadable(unreadable, line).map_err(at_bound);
    }
    if chunk.text.split('\n').all(is_blank) {
        if chunk.is_marked {
            builder.begin_document().map_err(at_bound)?;
            let nothing = Cow::Borrowed(block::EMPTY);
            builder.scalar(Kind::Null, true, nothing, chunk.lines_before, 0).map_err(at_bound)?;
        }
        return Ok(());
    }
    let mark = builder.mark();
    if let Some(unreadable) = refused(chunk) {
        let line = unreadable.line.unwrap_or(1);
        return builder.unreadable(unreadable, line).map_err(at_bound);
    }
    if readers == Readers::Both {
        builder.begin_document().map_err(at_bound)?;
        if block::read(builder, chunk.text, chunk.lines_before + 1).is_ok() {
            return Ok(());
        }
        builder.go_back(&mark);
    }
    let source = if chunk.is_json { Source::json(chunk.text) } else { Source::yaml(chunk.text) };
    let mut tabs = Tabs::of(&source.text);
    let mut outcome = read_source(builder, &source, chunk, tabs.as_mut());
    let mut stray = tabs.and_then(|tabs| tabs.stray());
    if outcome.is_err()
        && let Some(source) = source.without_escaped_apostrophes()
    {
        builder.go_back(&mark);
        let again = read_owned(builder, &source, chunk.lines_before, None);
        outcome = if again.is_ok() { again } else { outcome };
    }
    // In flow collections `kubectl` takes tabs where the full parser takes none.
    if outcome.is_err()
        && let Some(mut tabs) = Tabs::of(&source.text)
    {
        builder.go_back(&mark);
        let expanded = source.with_text(tabs::expanded(&source.text));
        let again = read_owned(builder, &expanded, chunk.lines_before, Some(&mut tabs));
        if again.is_ok() && tabs.stray().is_none() {
            (outcome, stray) = (again, None);
        }
    }
    match outcome {
        Ok(_) if builder.has_strange_key(&mark) && template_line(chunk).is_some() => {
            builder.go_back(&mark);
            let line = template_line(chunk).unwrap_or(1);
            builder.unreadable(template(line), line).map_err(at_bound)
        }
        Ok(_) if stray.is_some() => {
            builder.go_back(&mark);
            let line = chunk.lines_before + source.line(stray.unwrap_or(1));
            let message = Message::new("validate.unreadable.tab");
            let unreadable = Unreadable { line: Some(line), column: None, message, has_verdict: true };
            builder.unreadable(unreadable, line).map_err(at_bound)
        }
        Ok(ignored) => {
            if let Some(line) = ignored {
                builder.ignored(&mark, line);
            }
            for (number, line) in chunk.text.split('\n').enumerate() {
                if line.trim_start_matches([' ', '-']).starts_with('\t') && line.contains("-\t") {
                    builder.tab_after_dash(&mark, chunk.lines_before + number + 1);
                }
            }
            Ok(())
        }
        // A bound is met by the whole text.
        Err(unreadable) if unreadable.message.key != "validate.unreadable.syntax" => Err(unreadable),
        Err(unreadable) => {
            builder.go_back(&mark);
            let line = unreadable.line.unwrap_or(chunk.lines_before + 1);
            let unreadable = match template_line(chunk) {
                Some(line) => Unreadable { has_verdict: true, ..template(line) },
                None => unreadable,
            };
            builder.unreadable(unreadable, line).map_err(at_bound)
        }
    }
}

/// What is refused before a document is looked into: characters that no text has, and an end before anything.
fn refused(chunk: &Chunk<'_>) -> Option<Unreadable> {
    if chunk.is_json {
        return None;
    }
    let at = |line: usize, column: usize, reason: &str, has_verdict| Unreadable {
        line: Some(chunk.lines_before + line + 1),
        column: Some(column + 1),
        message: Message::new("validate.unreadable.syntax").with("reason", reason),
        has_verdict,
    };
    for (number, line) in chunk.text.split('\n').enumerate() {
        if let Some(column) = line.chars().position(|character| !is_readable(character)) {
            return Some(at(number, column, "control characters are not allowed", false));
        }
    }
    let (number, line) = chunk.text.split('\n').enumerate().find(|(_, line)| !is_blank(line))?;
    let rest = line.strip_prefix("...")?;
    let is_end = rest.is_empty() || rest.starts_with([' ', '\t', '\r']);
    is_end.then(|| at(number, 0, "did not find expected node content", true))
}

/// A character that YAML 1.1 has.
fn is_readable(character: char) -> bool {
    matches!(character, '\t' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

/// Reads a document's text with the full parser; what stands in the chunk itself is not copied.
fn read_source<'a>(
    builder: &mut Builder<'a>,
    source: &Source<'a>,
    chunk: &Chunk<'a>,
    tabs: Option<&mut Tabs<'_>>,
) -> Result<Option<usize>, Unreadable> {
    match source.text {
        Cow::Borrowed(_) => read_fully(builder, source, chunk.lines_before, tabs),
        Cow::Owned(_) => read_owned(builder, source, chunk.lines_before, tabs),
    }
}

/// The line of the first mark of a template that stands outside comments.
fn template_line(chunk: &Chunk<'_>) -> Option<usize> {
    let mut lines = chunk.text.split('\n');
    let place = lines.position(|line| line.contains("{{") && !line.trim_ascii_start().starts_with('#'))?;
    Some(chunk.lines_before + place + 1)
}

fn template(line: usize) -> Unreadable {
    let message = Message::new("validate.unreadable.template");
    Unreadable { line: Some(line), column: None, message, has_verdict: true }
}

/// Reads a text with the full parser.
fn read_fully<'a>(
    builder: &mut Builder<'a>,
    source: &Source<'a>,
    lines_before: usize,
    tabs: Option<&mut Tabs<'_>>,
) -> Result<Option<usize>, Unreadable> {
    match source.text {
        Cow::Borrowed(content) => {
            each_event(content, source, lines_before, tabs, |event, line| take(builder, event, line))
        }
        Cow::Owned(_) => read_owned(builder, source, lines_before, tabs),
    }
}

/// Reads a text that is not kept with the full parser.
fn read_owned(
    builder: &mut Builder<'_>,
    source: &Source<'_>,
    lines_before: usize,
    tabs: Option<&mut Tabs<'_>>,
) -> Result<Option<usize>, Unreadable> {
    each_event(&source.text, source, lines_before, tabs, |event, line| {
        let owned = match event {
            Event::Scalar(text, style, anchor, tag) => {
                let tag = tag.map(|tag| Cow::Owned(tag.into_owned()));
                Event::Scalar(Cow::Owned(text.into_owned()), style, anchor, tag)
            }
            Event::SequenceStart(style, anchor, _) => Event::SequenceStart(style, anchor, None),
            Event::MappingStart(style, anchor, _) => Event::MappingStart(style, anchor, None),
            Event::DocumentStart(explicit, version) => Event::DocumentStart(explicit, version),
            Event::SequenceEnd => Event::SequenceEnd,
            Event::MappingEnd => Event::MappingEnd,
            Event::Alias(anchor) => Event::Alias(anchor),
            _ => return Ok(()),
        };
        take(builder, owned, line)
    })
}

/// Calls with every event of the first document of a text and its line; the line of what follows it, if anything does.
fn each_event<'c>(
    content: &'c str,
    source: &Source<'_>,
    lines_before: usize,
    mut tabs: Option<&mut Tabs<'_>>,
    mut take: impl FnMut(Event<'c>, usize) -> Result<(), Bound>,
) -> Result<Option<usize>, Unreadable> {
    let options = granit_parser::options! {
        emit_comments: false,
        // One more than the tree takes, so that the tree's own bound is the one that is met.
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
        // YAML bounds a key that nothing marks as one; JSON does not.
        simple_key_max_lookahead: if source.is_json { MAX_MANIFEST_BYTES } else { KEY_MAX_LENGTH },
    };
    let at = |marker: &Marker, message| Unreadable {
        line: Some(source.line(marker.line().max(1)) + lines_before),
        column: Some(marker.col() + 1),
        message,
        has_verdict: false,
    };
    let (mut end, mut flow) = (0, Vec::new());
    for next in Parser::new_from_str_with_options(content, options) {
        let (event, span) = next.map_err(|fault| {
            let message = if *fault.kind() == ErrorKind::RecursionLimitExceeded {
                bound_message(Bound::Depth)
            } else {
                Message::new("validate.unreadable.syntax").with("reason", fault.info())
            };
            at(fault.marker(), message)
        })?;
        // What follows the first document is not looked at.
        if matches!(event, Event::DocumentEnd) {
            let rest = span.byte_range().and_then(|range| content.get(range.end..)).unwrap_or_default();
            let skipped = rest.split('\n').take_while(|line| is_nothing(line)).count();
            let is_all = rest.split('\n').count() == skipped;
            return Ok((!is_all).then(|| source.line(span.end.line() + skipped) + lines_before));
        }
        if let Some(tabs) = tabs.as_deref_mut() {
            tabs.note(&event, &span);
        }
        let range = span.byte_range().unwrap_or(end..end);
        if !source.is_json {
            let before = content.get(end..range.start).unwrap_or_default();
            if let Some(reason) = source::stricter(&event, before, &content[range.clone()], &mut flow) {
                let message = Message::new("validate.unreadable.syntax").with("reason", reason);
                return Err(at(&span.start, message));
            }
        }
        end = range.end.max(end);
        if !source.is_json
            && matches!(event, Event::Scalar(_, ScalarStyle::DoubleQuoted, ..))
            && span.slice(content).is_some_and(source::has_strange_escape)
        {
            let message = Message::new("validate.unreadable.syntax");
            return Err(at(&span.start, message.with("reason", "found unknown escape character")));
        }
        take(event, source.line(span.start.line()) + lines_before)
            .map_err(|bound| at(&span.start, bound_message(bound)))?;
    }
    Ok(None)
}

fn take<'a>(builder: &mut Builder<'a>, event: Event<'a>, line: usize) -> Result<(), Bound> {
    match event {
        Event::DocumentStart(..) => builder.begin_document(),
        Event::Scalar(text, style, anchor, tag) => {
            let plain = style == ScalarStyle::Plain;
            let (kind, text) = match tag.as_deref() {
                None if plain => (resolve_plain(&text), text),
                None => (Kind::Text, text),
                Some(tag) => tagged(builder, tag, text),
            };
            builder.scalar(kind, plain, text, line, anchor)
        }
        Event::SequenceStart(_, anchor, tag) => {
            check_tag(builder, tag.as_deref(), "seq");
            builder.open(Kind::Sequence, line, anchor)
        }
        Event::MappingStart(_, anchor, tag) => {
            check_tag(builder, tag.as_deref(), "map");
            builder.open(Kind::Mapping, line, anchor)
        }
        Event::SequenceEnd | Event::MappingEnd => {
            builder.close();
            Ok(())
        }
        Event::Alias(anchor) => builder.alias(anchor, line),
        _ => Ok(()),
    }
}

/// `!!str 8080` is a text and `!!int "8080"` a number; a tag of nobody's is reported, and leaves a text.
fn tagged<'a>(builder: &mut Builder<'a>, tag: &Tag, text: Cow<'a, str>) -> (Kind, Cow<'a, str>) {
    let own = match tag.suffix() {
        own @ ("binary" | "timestamp") => Some(own),
        _ => tag.core_suffix(),
    };
    let found = resolve_plain(&text);
    let is_well = match own {
        Some("null") => found == Kind::Null,
        Some("bool") => found == Kind::Boolean,
        Some("int") => found == Kind::Integer,
        Some("float") => matches!(found, Kind::Integer | Kind::Float),
        Some("timestamp") => is_date(&text),
        Some("binary") => {
            let padded = text.bytes().filter(|byte| !matches!(byte, b'\n' | b'\r')).count() % 4 == 0;
            if let Some(bytes) = crate::server::decode(&text).filter(|_| padded) {
                return (Kind::Text, Cow::Owned(String::from_utf8_lossy(&bytes).into_owned()));
            }
            false
        }
        Some(_) => true,
        None => {
            builder.fault(TextFault::UnknownTag);
            true
        }
    };
    if !is_well {
        builder.fault(TextFault::TagOfAnother);
    }
    let is_read = matches!(own, Some("null" | "bool" | "int" | "float"));
    (if is_read { found } else { Kind::Text }, text)
}

fn check_tag(builder: &mut Builder<'_>, tag: Option<&Tag>, expected: &str) {
    if tag.is_some_and(|tag| tag.core_suffix() != Some(expected)) {
        builder.fault(TextFault::UnknownTag);
    }
}

fn bound_message(bound: Bound) -> Message {
    match bound {
        Bound::Nodes => Message::new("validate.unreadable.too_many_values").with("limit", MAX_NODES),
        Bound::Depth => Message::new("validate.unreadable.too_deep").with("limit", MAX_DEPTH),
        Bound::Documents => {
            Message::new("validate.unreadable.too_many_documents").with("limit", MAX_DOCUMENTS)
        }
        Bound::Aliases => Message::new("validate.unreadable.aliases"),
        Bound::AliasOfItself => Message::new("validate.unreadable.alias_of_itself"),
    }
}
