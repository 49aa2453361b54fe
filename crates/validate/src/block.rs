//! The fast reader: the YAML that people and programs write for Kubernetes, and JSON.
//!
//! It knows block mappings and lists, plain and quoted scalars of one line, literal blocks and flow
//! collections, and gives up on everything else (anchors, tags, folded or continued scalars, tabs,
//! whatever is wrong); the full parser then reads the document. What it does read it reads as the
//! full parser does: a property test compares the trees.

use super::build::{Bound, Builder};
use super::flow::Flow;
use super::scalar::resolve_plain;
use super::tree::Kind;
use std::borrow::Cow;

/// Longest key that is read here; the full parser has the same bound for keys without `?`.
const MAX_KEY_BYTES: usize = 1000;

/// The text of a value that is not there, as the full parser gives it.
pub(super) const EMPTY: &str = "~";

/// The document is not for this reader.
#[derive(Debug)]
pub(super) struct NotPlain;

impl From<Bound> for NotPlain {
    /// The full parser meets the bound again, and knows the column.
    fn from(_: Bound) -> Self {
        Self
    }
}

/// Reads one document into the builder; `first_line` is the number of its first line.
pub(super) fn read<'a>(builder: &mut Builder<'a>, text: &'a str, first_line: usize) -> Result<(), NotPlain> {
    if !text.bytes().all(|byte| byte == b'\n' || (b' '..=b'~').contains(&byte) || byte >= 0x80)
        || (!text.is_ascii() && !text.chars().all(is_plain_character))
    {
        return Err(NotPlain);
    }
    let mut reader = Reader { builder, text, position: 0, number: first_line, line: None };
    reader.advance();
    let Some(line) = reader.line else { return Err(NotPlain) };
    if matches!(text.as_bytes()[line.start], b'{' | b'[') {
        let mut flow = Flow::new(text, line.start, text.len(), line.number);
        flow.value(reader.builder)?;
        return if flow.is_at_end() { Ok(()) } else { Err(NotPlain) };
    }
    reader.node()?;
    if reader.line.is_none() { Ok(()) } else { Err(NotPlain) }
}

/// Printable, and neither a line break nor a byte order mark to YAML.
fn is_plain_character(c: char) -> bool {
    c.is_ascii()
        || (matches!(c, '\u{a0}'..='\u{fffd}') && !matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}'))
        || c >= '\u{10000}'
}

/// A line with content, or what is left of one.
#[derive(Clone, Copy)]
struct Line {
    /// Column of the content.
    indent: usize,
    /// Where the content starts and the line ends.
    start: usize,
    end: usize,
    /// From 1.
    number: usize,
}

struct Reader<'a, 'b> {
    builder: &'b mut Builder<'a>,
    text: &'a str,
    /// Start of the line after the present one, and its number.
    position: usize,
    number: usize,
    line: Option<Line>,
}

impl<'a> Reader<'a, '_> {
    /// Goes to the next line that is neither blank nor a comment.
    fn advance(&mut self) {
        let bytes = self.text.as_bytes();
        while self.position < bytes.len() {
            let (begin, number) = (self.position, self.number);
            let end = find(bytes, begin, b'\n').unwrap_or(bytes.len());
            self.position = end + 1;
            self.number += 1;
            let indent = bytes[begin..end].iter().take_while(|&&byte| byte == b' ').count();
            let start = begin + indent;
            if start < end && bytes[start] != b'#' {
                self.line = Some(Line { indent, start, end, number });
                return;
            }
        }
        self.line = None;
    }

    fn byte(&self, at: usize) -> u8 {
        self.text.as_bytes()[at]
    }

    /// A `-` that begins an item.
    fn is_item(&self, line: Line) -> bool {
        self.byte(line.start) == b'-' && (line.start + 1 == line.end || self.byte(line.start + 1) == b' ')
    }

    /// The block that the present line begins.
    fn node(&mut self) -> Result<(), NotPlain> {
        let line = self.line.ok_or(NotPlain)?;
        if self.is_item(line) {
            self.sequence(line)
        } else if self.key(line).is_some() {
            self.mapping(line)
        } else {
            Err(NotPlain)
        }
    }

    fn sequence(&mut self, first: Line) -> Result<(), NotPlain> {
        let indent = first.indent;
        self.builder.open(Kind::Sequence, first.number, 0)?;
        while let Some(line) = self.line.filter(|line| line.indent == indent && self.is_item(*line)) {
            let spaces = self.spaces(line.start + 1, line.end);
            let start = line.start + 1 + spaces;
            if start == line.end || self.byte(start) == b'#' {
                self.advance();
                match self.line {
                    Some(next) if next.indent > indent => self.node()?,
                    _ => self.builder.scalar(Kind::Null, true, Cow::Borrowed(EMPTY), line.number, 0)?,
                }
                continue;
            }
            let rest = Line { indent: indent + 1 + spaces, start, ..line };
            self.line = Some(rest);
            if self.is_item(rest) || self.key(rest).is_some() {
                self.node()?;
            } else {
                self.inline(rest, indent)?;
            }
        }
        self.builder.close();
        if self.line.is_some_and(|line| line.indent > indent) { Err(NotPlain) } else { Ok(()) }
    }

    fn mapping(&mut self, first: Line) -> Result<(), NotPlain> {
        let indent = first.indent;
        self.builder.open(Kind::Mapping, first.number, 0)?;
        while let Some(line) = self.line.filter(|line| line.indent == indent) {
            let (key, after) = self.key(line).ok_or(NotPlain)?;
            let is_quoted = matches!(self.byte(line.start), b'"' | b'\'');
            let kind = if is_quoted { Kind::Text } else { resolve_plain(key) };
            self.builder.key(Cow::Borrowed(key), true, kind, line.number);
            let start = after + self.spaces(after, line.end);
            if start < line.end && self.byte(start) != b'#' {
                self.inline(Line { start, ..line }, indent)?;
                continue;
            }
            self.advance();
            match self.line {
                Some(next) if next.indent > indent => self.node()?,
                Some(next) if next.indent == indent && self.is_item(next) => self.sequence(next)?,
                _ => self.builder.scalar(Kind::Null, true, Cow::Borrowed(EMPTY), line.number, 0)?,
            }
        }
        self.builder.close();
        if self.line.is_some_and(|line| line.indent > indent) { Err(NotPlain) } else { Ok(()) }
    }

    /// The key at the start of a line, and where the text after its colon begins.
    fn key(&self, line: Line) -> Option<(&'a str, usize)> {
        let bytes = self.text.as_bytes();
        let (key, colon) = match bytes[line.start] {
            quote @ (b'"' | b'\'') => {
                let (inner, end) = self.quoted(line.start, line.end, quote)?;
                (inner, end)
            }
            _ => {
                let is_key = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-".contains(&byte);
                let length = bytes[line.start..line.end].iter().take_while(|&&byte| is_key(byte)).count();
                (&self.text[line.start..line.start + length], line.start + length)
            }
        };
        let ends_key =
            colon < line.end && bytes[colon] == b':' && (colon + 1 == line.end || bytes[colon + 1] == b' ');
        let begins_well = bytes[line.start] != b'-' && colon > line.start;
        (ends_key && begins_well && key.len() <= MAX_KEY_BYTES).then_some((key, colon + 1))
    }

    /// The inside of a quoted scalar without escapes, and where the text after it begins.
    fn quoted(&self, start: usize, end: usize, quote: u8) -> Option<(&'a str, usize)> {
        let bytes = self.text.as_bytes();
        let close = start + 1 + bytes[start + 1..end].iter().position(|&byte| byte == quote)?;
        let inner = &self.text[start + 1..close];
        let escaped = match quote {
            b'"' => inner.contains('\\'),
            _ => close + 1 < end && bytes[close + 1] == quote,
        };
        (!escaped).then_some((inner, close + 1))
    }

    fn spaces(&self, from: usize, to: usize) -> usize {
        self.text.as_bytes()[from..to].iter().take_while(|&&byte| byte == b' ').count()
    }

    /// A value on its line; `parent` is the column of the mapping or list that it belongs to.
    fn inline(&mut self, line: Line, parent: usize) -> Result<(), NotPlain> {
        match self.byte(line.start) {
            quote @ (b'"' | b'\'') => {
                let (inner, after) = self.quoted(line.start, line.end, quote).ok_or(NotPlain)?;
                self.nothing_follows(after, line.end)?;
                self.builder.scalar(Kind::Text, false, Cow::Borrowed(inner), line.number, 0)?;
                self.advance();
            }
            b'|' => self.literal(line, parent)?,
            b'[' | b'{' => {
                let mut flow = Flow::new(self.text, line.start, line.end, line.number);
                flow.value(self.builder)?;
                self.nothing_follows(flow.position(), line.end)?;
                self.advance();
            }
            _ => {
                let text = self.plain(line)?;
                self.builder.scalar(resolve_plain(text), true, Cow::Borrowed(text), line.number, 0)?;
                self.advance();
            }
        }
        // A deeper line would continue the scalar, or be wrong.
        if self.line.is_some_and(|next| next.indent > parent) { Err(NotPlain) } else { Ok(()) }
    }

    fn nothing_follows(&self, after: usize, end: usize) -> Result<(), NotPlain> {
        let start = after + self.spaces(after, end);
        let comment = start < end && start > after && self.byte(start) == b'#';
        if start == end || comment { Ok(()) } else { Err(NotPlain) }
    }

    /// A plain scalar, up to its comment.
    fn plain(&self, line: Line) -> Result<&'a str, NotPlain> {
        let bytes = &self.text.as_bytes()[line.start..line.end];
        let second = bytes.get(1).copied().unwrap_or(b' ');
        let begins_well = match bytes[0] {
            b'-' => second != b' ',
            b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>'
            | b'\'' | b'"' | b'%' | b'@' | b'`' => false,
            _ => true,
        };
        if !begins_well {
            return Err(NotPlain);
        }
        let mut end = bytes.len();
        for (at, &byte) in bytes.iter().enumerate() {
            match byte {
                b':' if bytes.get(at + 1).is_none_or(|&next| next == b' ') => return Err(NotPlain),
                b'#' if bytes[at - 1] == b' ' => {
                    end = at;
                    break;
                }
                _ => {}
            }
        }
        Ok(self.text[line.start..line.start + end].trim_end_matches(' '))
    }

    /// A literal block: `|`, `|-` or `|+`.
    fn literal(&mut self, line: Line, parent: usize) -> Result<(), NotPlain> {
        let chomping = match self.text[line.start..line.end].trim_end_matches(' ') {
            "|" => Chomping::Clip,
            "|-" => Chomping::Strip,
            "|+" => Chomping::Keep,
            _ => return Err(NotPlain),
        };
        let bytes = self.text.as_bytes();
        let indent = self.spaces(self.position.min(bytes.len()), bytes.len());
        let first = self.position + indent;
        if indent <= parent || first >= bytes.len() || bytes[first] == b'\n' {
            return Err(NotPlain);
        }
        let mut text = String::new();
        while self.position < bytes.len() {
            let begin = self.position;
            // Without a last line break the full parser decides what the text ends with.
            let end = find(bytes, begin, b'\n').ok_or(NotPlain)?;
            let spaces = self.spaces(begin, end);
            if begin + spaces < end && spaces < indent {
                break;
            }
            text.push_str(&self.text[(begin + indent).min(end)..end]);
            text.push('\n');
            self.position = end + 1;
            self.number += 1;
        }
        let content = text.trim_end_matches('\n').len();
        match chomping {
            Chomping::Strip => text.truncate(content),
            Chomping::Clip => text.truncate(content + 1),
            Chomping::Keep => {}
        }
        // Its text begins on the line after the mark.
        self.builder.scalar(Kind::Text, false, Cow::Owned(text), line.number + 1, 0)?;
        self.advance();
        Ok(())
    }
}

/// What becomes of the line breaks at the end of a literal block.
enum Chomping {
    Clip,
    Strip,
    Keep,
}

fn find(bytes: &[u8], from: usize, byte: u8) -> Option<usize> {
    bytes[from..].iter().position(|&candidate| candidate == byte).map(|place| from + place)
}
