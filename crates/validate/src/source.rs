//! A document's text made ready for the full parser, which reads YAML 1.2 where `kubectl` reads YAML 1.1:
//! other line breaks, other escapes.

use super::json;
use granit_parser::{Event, ScalarStyle, StructureStyle};
use std::borrow::Cow;

/// What the parser reads, and which of its lines a document has.
pub(super) struct Source<'c> {
    /// The text.
    pub text: Cow<'c, str>,
    /// It is JSON, whose escapes are its own.
    pub is_json: bool,
    /// Lines of the text, from 1, that end where the document's line goes on.
    added: Vec<usize>,
}

impl<'c> Source<'c> {
    /// A document in YAML.
    pub fn yaml(content: &'c str) -> Self {
        let is_break = |character: char| matches!(character, '\u{85}' | '\u{2028}' | '\u{2029}');
        if content.is_ascii() || !content.contains(is_break) {
            return Self { text: Cow::Borrowed(content), is_json: false, added: Vec::new() };
        }
        let (mut text, mut added, mut line) = (String::with_capacity(content.len()), Vec::new(), 1);
        for character in content.chars() {
            let is_added = is_break(character);
            if is_added {
                added.push(line);
            }
            line += usize::from(is_added || character == '\n');
            text.push(if is_added { '\n' } else { character });
        }
        Self { text: Cow::Owned(text), is_json: false, added }
    }

    /// A document in JSON.
    pub fn json(content: &str) -> Self {
        Self { text: Cow::Owned(json::as_yaml(content)), is_json: true, added: Vec::new() }
    }

    /// With `'` where a backslash stands before it, which the parser does not know; absent where none does.
    pub fn without_escaped_apostrophes(&self) -> Option<Self> {
        if self.is_json || !self.text.contains("\\'") {
            return None;
        }
        let mut text = String::with_capacity(self.text.len());
        let mut rest = self.text.chars();
        while let Some(character) = rest.next() {
            let next = if character == '\\' { rest.next() } else { None };
            if next != Some('\'') {
                text.push(character);
            }
            text.extend(next);
        }
        Some(Self { text: Cow::Owned(text), is_json: false, added: self.added.clone() })
    }

    /// With another text of the same lines.
    pub fn with_text(&self, text: String) -> Source<'static> {
        Source { text: Cow::Owned(text), is_json: self.is_json, added: self.added.clone() }
    }

    /// The document's line for one of the text.
    pub fn line(&self, line: usize) -> usize {
        line - self.added.partition_point(|&added| added < line)
    }
}

/// True of a text in double quotes with an escape that YAML 1.2 has and YAML 1.1 has not, or of half a character.
pub(super) fn has_strange_escape(quoted: &str) -> bool {
    let mut rest = quoted;
    while let Some(at) = rest.find('\\') {
        let escape = &rest[at + 1..];
        let digits = match escape.as_bytes().first() {
            Some(b'/') => return true,
            Some(b'u') => escape.get(1..5),
            Some(b'U') => escape.get(1..9),
            _ => None,
        };
        let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if code.is_some_and(|code| char::from_u32(code).is_none()) {
            return true;
        }
        rest = escape.get(1..).unwrap_or_else(|| escape.trim_start_matches(|c: char| !c.is_ascii()));
    }
    false
}

/// What YAML 1.1 refuses of an event that YAML 1.2 has: names of other characters, and `?` within an unquoted
/// text of a flow collection. `before` stands between the event before and this one; `flow` says of each open
/// collection whether it is one.
pub(super) fn stricter(
    event: &Event<'_>,
    before: &str,
    text: &str,
    flow: &mut Vec<bool>,
) -> Option<&'static str> {
    const NAME: &str = "did not find expected alphabetic or numeric character in the name of an anchor";
    let anchor = match event {
        Event::Alias(_) => return (!is_name(text.strip_prefix('*')?)).then_some(NAME),
        Event::Scalar(_, style, anchor, _) => {
            let is_asked = *style == ScalarStyle::Plain && flow.last() == Some(&true);
            if is_asked && text.trim_start_matches('?').contains('?') {
                return Some("did not find expected ',' or the end of a flow collection before '?'");
            }
            *anchor
        }
        Event::SequenceStart(style, anchor, _) | Event::MappingStart(style, anchor, _) => {
            flow.push(*style == StructureStyle::Flow);
            *anchor
        }
        Event::SequenceEnd | Event::MappingEnd => {
            flow.pop();
            return None;
        }
        _ => return None,
    };
    (anchor != 0 && !named(before).is_none_or(is_name)).then_some(NAME)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// The last name of an anchor before a node, outside of comments.
fn named(before: &str) -> Option<&str> {
    let words = before.lines().flat_map(|line| {
        let plain = if line.starts_with('#') { "" } else { line.split(" #").next().unwrap_or_default() };
        plain.split_whitespace()
    });
    words.rev().find_map(|word| word.split_once('&').map(|(_, name)| name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_line_breaks_break_lines_and_lines_keep_their_numbers() {
        let source = Source::yaml("a: 1\u{2028}b: 2\nc: 3\u{85}\u{2029}d: 4\n");
        assert_eq!(source.text, "a: 1\nb: 2\nc: 3\n\nd: 4\n");
        assert_eq!([1, 2, 3, 4, 5].map(|line| source.line(line)), [1, 1, 2, 2, 2]);
    }

    #[test]
    fn names_of_anchors_are_found_before_their_nodes() {
        for (before, name) in [
            (": &a ", Some("a")),
            (":\n  &a.b !!str ", Some("a.b")),
            (": # &x\n  &y ", Some("y")),
            ("- !!map &z\n# &x\n", Some("z")),
            (": ", None),
        ] {
            assert_eq!(named(before), name, "{before:?}");
        }
        assert!(is_name("a-b_1") && !is_name("a.b") && !is_name("") && !is_name("é"));
    }

    #[test]
    fn escapes_are_those_of_yaml_1_1() {
        for (text, is_strange) in [
            (r#""a\/b""#, true),
            (r#""a\\/b""#, false),
            (r#""\\\/""#, true),
            (r#""\ud83d\ude00""#, true),
            (r#""\U0001f600 \u00e9 \x41 \N""#, false),
            (r#""\U00110000""#, true),
            ("\"\\\u{2028}\"", false),
        ] {
            assert_eq!(has_strange_escape(text), is_strange, "{text}");
        }
    }
}
