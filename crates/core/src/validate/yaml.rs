//! Reads a text into the tree: YAML, of which JSON is a part, event by event.

use super::build::{Bound, Builder, MAX_DEPTH, MAX_DOCUMENTS, MAX_NODES};
use super::scalar::resolve_plain;
use super::tree::{Kind, TextFault, Tree};
use super::{MAX_MANIFEST_BYTES, Unreadable};
use crate::text::Message;
use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, Span, Tag};

/// Reads every document of a text, lists opened.
pub(super) fn read(content: &str) -> Result<Tree<'_>, Unreadable> {
    if content.len() > MAX_MANIFEST_BYTES {
        let limit = MAX_MANIFEST_BYTES / (1024 * 1024);
        let message = Message::new("validate.unreadable.too_large").with("limit_mib", limit);
        return Err(Unreadable { line: None, column: None, message });
    }
    let mut builder = Builder::default();
    let options = granit_parser::options! {
        emit_comments: false,
        // One more than the tree takes, so that the tree's own bound is the one that is met.
        flow_nesting_limit: MAX_DEPTH + 1,
        block_nesting_limit: MAX_DEPTH + 1,
    };
    for next in Parser::new_from_str_with_options(content, options) {
        let (event, span) = next.map_err(|fault| {
            let message = if *fault.kind() == ErrorKind::RecursionLimitExceeded {
                bound_message(Bound::Depth)
            } else {
                Message::new("validate.unreadable.syntax").with("reason", fault.info())
            };
            Unreadable {
                line: Some(fault.marker().line().max(1)),
                column: Some(fault.marker().col() + 1),
                message,
            }
        })?;
        take(&mut builder, event, &span).map_err(|bound| Unreadable {
            line: Some(span.start.line().max(1)),
            column: Some(span.start.col() + 1),
            message: bound_message(bound),
        })?;
    }
    let mut tree = builder.finish();
    tree.open_lists().map_err(|bound| Unreadable {
        line: None,
        column: None,
        message: bound_message(bound),
    })?;
    Ok(tree)
}

fn take<'a>(builder: &mut Builder<'a>, event: Event<'a>, span: &Span) -> Result<(), Bound> {
    let line = span.start.line();
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

pub(super) fn bound_message(bound: Bound) -> Message {
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
