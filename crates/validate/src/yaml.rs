//! Reads a text into the tree: YAML, of which JSON is a part, document by document.
//!
//! Most documents are read by [`block`], several times faster than by the full parser, which reads
//! the others event by event.

use super::block;
use super::build::{Bound, Builder, MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES};
use super::scalar::resolve_plain;
use super::tabs::{self, Tabs};
use super::tree::{Kind, TextFault, Tree};
use super::{MAX_MANIFEST_BYTES, Unreadable};
use ecp_core::text::Message;
use granit_parser::{ErrorKind, Event, Marker, Parser, ScalarStyle, Tag};
use std::borrow::Cow;

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
    match split(content).filter(|_| readers == Readers::Both) {
        Some(chunks) => {
            for chunk in chunks {
                read_chunk(&mut builder, &chunk)?;
            }
        }
        None => read_fully(&mut builder, content, 0, None)?,
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
    /// It is a line that `kubectl` refuses: why.
    refused: Option<&'static str>,
}

/// The documents of a text by their `---` lines, which can stand nowhere else in YAML. Absent where
/// the text uses more of YAML's syntax between documents than that.
fn split(content: &str) -> Option<Vec<Chunk<'_>>> {
    let mut chunks = Vec::new();
    let (mut begin, mut lines_before, mut is_marked) = (0, 0, false);
    let mut position = 0;
    for (number, line) in content.split('\n').enumerate() {
        match line.as_bytes() {
            [b'-', b'-', b'-', rest @ ..] if matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r')) => {
                let rest = rest.trim_ascii();
                let stray = !rest.is_empty() && rest[0] != b'#';
                push_chunk(&mut chunks, &content[begin..position], lines_before, is_marked);
                begin = (position + line.len() + 1).min(content.len());
                (lines_before, is_marked) = (number + 1, !stray);
                if stray {
                    let refused = Some("validate.unreadable.after_separator");
                    chunks.push(Chunk { text: line, lines_before: number, is_marked: true, refused });
                }
            }
            // It cuts a document off from its directives before it reads either.
            [b'%', ..] if content[begin..position].split('\n').all(is_blank) => {
                let refused = Some("validate.unreadable.directive");
                chunks.push(Chunk { text: line, lines_before: number, is_marked: true, refused });
                begin = (position + line.len() + 1).min(content.len());
                lines_before = number + 1;
            }
            [b'.', b'.', b'.', ..] => return None,
            _ => {}
        }
        position += line.len() + 1;
    }
    push_chunk(&mut chunks, &content[begin..], lines_before, is_marked);
    Some(chunks)
}

/// Adds a document, or the documents of a stream of JSON.
fn push_chunk<'a>(chunks: &mut Vec<Chunk<'a>>, text: &'a str, lines_before: usize, is_marked: bool) {
    let (mut rest, mut lines_before) = (text, lines_before);
    while let Some(end) = json_end(rest).filter(|&end| rest[end..].trim_ascii_start().starts_with('{')) {
        let (document, after) = rest.split_at(end);
        chunks.push(Chunk { text: document, lines_before, is_marked: true, refused: None });
        lines_before += document.matches('\n').count();
        rest = after;
    }
    chunks.push(Chunk { text: rest, lines_before, is_marked, refused: None });
}

/// Where the JSON object that a text begins with ends.
fn json_end(text: &str) -> Option<usize> {
    if !text.trim_ascii_start().starts_with('{') {
        return None;
    }
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Nothing, or a comment.
fn is_blank(line: &str) -> bool {
    let line = line.trim_start_matches(' ');
    line.is_empty() || line.starts_with('#')
}

fn read_chunk<'a>(builder: &mut Builder<'a>, chunk: &Chunk<'a>) -> Result<(), Unreadable> {
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
    builder.begin_document().map_err(at_bound)?;
    if block::read(builder, chunk.text, chunk.lines_before + 1).is_ok() {
        return Ok(());
    }
    builder.go_back(&mark);
    let mut tabs = Tabs::of(chunk.text);
    let mut outcome = read_fully(builder, chunk.text, chunk.lines_before, tabs.as_mut());
    let mut stray = tabs.and_then(|tabs| tabs.stray());
    // In flow collections `kubectl` takes tabs where the full parser takes none.
    if outcome.is_err()
        && let Some(mut tabs) = Tabs::of(chunk.text)
    {
        builder.go_back(&mark);
        let text = tabs::expanded(chunk.text);
        let again = read_owned(builder, &text, chunk.lines_before, Some(&mut tabs));
        if again.is_ok() && tabs.stray().is_none() {
            (outcome, stray) = (again, None);
        }
    }
    match outcome {
        Ok(()) if builder.has_strange_key(&mark) && template_line(chunk).is_some() => {
            builder.go_back(&mark);
            let line = template_line(chunk).unwrap_or(1);
            builder.unreadable(template(line), line).map_err(at_bound)
        }
        Ok(()) if stray.is_some() => {
            builder.go_back(&mark);
            let line = chunk.lines_before + stray.unwrap_or(1);
            let message = Message::new("validate.unreadable.tab");
            let unreadable = Unreadable { line: Some(line), column: None, message, has_verdict: true };
            builder.unreadable(unreadable, line).map_err(at_bound)
        }
        Ok(()) => {
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
    content: &'a str,
    lines_before: usize,
    tabs: Option<&mut Tabs<'_>>,
) -> Result<(), Unreadable> {
    each_event(content, lines_before, tabs, |event, line| take(builder, event, line))
}

/// Reads a text that is not kept with the full parser.
fn read_owned(
    builder: &mut Builder<'_>,
    content: &str,
    lines_before: usize,
    tabs: Option<&mut Tabs<'_>>,
) -> Result<(), Unreadable> {
    each_event(content, lines_before, tabs, |event, line| {
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

/// Calls with every event of a text and its line.
fn each_event<'c>(
    content: &'c str,
    lines_before: usize,
    mut tabs: Option<&mut Tabs<'_>>,
    mut take: impl FnMut(Event<'c>, usize) -> Result<(), Bound>,
) -> Result<(), Unreadable> {
    let options = granit_parser::options! {
        emit_comments: false,
        // One more than the tree takes, so that the tree's own bound is the one that is met.
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    let at = |marker: &Marker, message| Unreadable {
        line: Some(marker.line().max(1) + lines_before),
        column: Some(marker.col() + 1),
        message,
        has_verdict: false,
    };
    for next in Parser::new_from_str_with_options(content, options) {
        let (event, span) = next.map_err(|fault| {
            let message = if *fault.kind() == ErrorKind::RecursionLimitExceeded {
                bound_message(Bound::Depth)
            } else {
                Message::new("validate.unreadable.syntax").with("reason", fault.info())
            };
            at(fault.marker(), message)
        })?;
        if let Some(tabs) = tabs.as_deref_mut() {
            tabs.note(&event, &span);
        }
        take(event, span.start.line() + lines_before)
            .map_err(|bound| at(&span.start, bound_message(bound)))?;
    }
    Ok(())
}

fn take<'a>(builder: &mut Builder<'a>, event: Event<'a>, line: usize) -> Result<(), Bound> {
    match event {
        Event::DocumentStart(..) => builder.begin_document(),
        Event::Scalar(text, style, anchor, tag) => {
            let plain = style == ScalarStyle::Plain;
            let kind = match tag.as_deref() {
                None if plain => resolve_plain(&text),
                None => Kind::Text,
                Some(tag) => tagged_kind(builder, tag, &text, plain),
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

/// `!!str 8080` is a text and `!!int "8080"` a number; a tag of nobody's is reported.
fn tagged_kind(builder: &mut Builder<'_>, tag: &Tag, text: &str, plain: bool) -> Kind {
    match tag.core_suffix() {
        Some("str") => Kind::Text,
        Some(_) => resolve_plain(text),
        None if tag.suffix() == "binary" => Kind::Text,
        None => {
            builder.fault(TextFault::UnknownTag);
            if plain { resolve_plain(text) } else { Kind::Text }
        }
    }
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
