//! JSON as `kubectl` reads it: value after value while a text that begins with `{` is JSON, YAML from there on.

use std::fmt::Write as _;

/// White space between values.
pub(super) const SPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// The values that a text begins with, each with the white space before it, and what follows them. None where
/// the text is no JSON from its beginning.
pub(super) fn documents(content: &str) -> (Vec<&str>, &str) {
    let (mut found, mut rest) = (Vec::new(), content);
    if content.trim_start().starts_with('{') {
        while let Some(end) = end(rest) {
            let (document, after) = rest.split_at(end);
            found.push(document);
            rest = after;
        }
    }
    (found, rest)
}

/// Where the value ends that a text begins with.
fn end(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = space(bytes, 0);
    let mut open = Vec::new();
    loop {
        match *bytes.get(at)? {
            b'{' => {
                at = space(bytes, at + 1);
                if bytes.get(at) != Some(&b'}') {
                    open.push(b'}');
                    at = key(bytes, at)?;
                    continue;
                }
                at += 1;
            }
            b'[' => {
                at = space(bytes, at + 1);
                if bytes.get(at) != Some(&b']') {
                    open.push(b']');
                    continue;
                }
                at += 1;
            }
            b'"' => at = quoted(bytes, at)?,
            b'-' | b'0'..=b'9' => at = number(bytes, at)?,
            _ => {
                let words = ["true", "false", "null"];
                at += words.iter().find(|word| bytes[at..].starts_with(word.as_bytes()))?.len();
            }
        }
        loop {
            let Some(&close) = open.last() else { return Some(at) };
            at = space(bytes, at);
            match *bytes.get(at)? {
                b',' => {
                    at = space(bytes, at + 1);
                    if close == b'}' {
                        at = key(bytes, at)?;
                    }
                    break;
                }
                found if found == close => {
                    at += 1;
                    open.pop();
                }
                _ => return None,
            }
        }
    }
}

fn space(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count()
}

/// Past a key and its colon, at the value.
fn key(bytes: &[u8], at: usize) -> Option<usize> {
    let colon = space(bytes, quoted(bytes, at)?);
    (bytes.get(colon) == Some(&b':')).then(|| space(bytes, colon + 1))
}

/// Past a text in quotes.
fn quoted(bytes: &[u8], start: usize) -> Option<usize> {
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let mut at = start + 1;
    loop {
        match *bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => match *bytes.get(at + 1)? {
                b'u' => {
                    let digits = bytes.get(at + 2..at + 6)?;
                    if !digits.iter().all(u8::is_ascii_hexdigit) {
                        return None;
                    }
                    at += 6;
                }
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => at += 2,
                _ => return None,
            },
            0..0x20 => return None,
            _ => at += 1,
        }
    }
}

fn number(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = |from: usize| {
        let count = bytes.get(from..)?.iter().take_while(|byte| byte.is_ascii_digit()).count();
        (count > 0).then_some(from + count)
    };
    let whole = start + usize::from(bytes.get(start) == Some(&b'-'));
    let mut at = if bytes.get(whole) == Some(&b'0') { whole + 1 } else { digits(whole)? };
    if bytes.get(at) == Some(&b'.') {
        at = digits(at + 1)?;
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        at = digits(at + 1 + usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-'))))?;
    }
    Some(at)
}

/// The same value in characters and escapes that YAML has too; half a pair of surrogates becomes what stands
/// for a character that can not be read. Lines stay what they are.
pub(super) fn as_yaml(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text.chars();
    let mut is_inside = false;
    while let Some(character) = rest.next() {
        match character {
            '"' => {
                is_inside = !is_inside;
                made.push('"');
            }
            '\\' => match surrogate(rest.as_str()) {
                Some(high @ 0xd800..0xdc00) => {
                    let low = rest.as_str().get(5..).and_then(|after| after.strip_prefix('\\'));
                    let low = low.and_then(surrogate).filter(|code| (0xdc00..0xe000).contains(code));
                    rest.by_ref().take(5).for_each(drop);
                    if let Some(low) = low {
                        rest.by_ref().take(6).for_each(drop);
                        let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
                        made.extend(char::from_u32(code));
                    } else {
                        made.push(char::REPLACEMENT_CHARACTER);
                    }
                }
                Some(_) => {
                    rest.by_ref().take(5).for_each(drop);
                    made.push(char::REPLACEMENT_CHARACTER);
                }
                None => {
                    made.push('\\');
                    made.extend(rest.next());
                }
            },
            '\t' | '\r' if !is_inside => made.push(' '),
            '\u{7f}'..'\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                let _ = write!(made, "\\u{:04x}", u32::from(character));
            }
            other => made.push(other),
        }
    }
    made
}

/// The surrogate that an escape stands for whose backslash was read.
fn surrogate(text: &str) -> Option<u32> {
    let code = u32::from_str_radix(text.strip_prefix('u')?.get(..4)?, 16).ok()?;
    (0xd800..0xe000).contains(&code).then_some(code)
}

/// What is YAML behind a value of JSON: white space is passed over up to the end of its line. Nothing where the
/// text ends within so little that it is not looked at.
pub(super) fn rest_of_line(text: &str) -> Option<&str> {
    /// Bytes that are read at once.
    const READ: usize = 4;
    let mut rest = text;
    while rest.len() >= READ {
        let next = rest.chars().next()?;
        if !next.is_whitespace() {
            return Some(rest);
        }
        rest = &rest[next.len_utf8()..];
        if next == '\n' {
            return Some(rest);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_follow_each_other_until_one_is_no_json() {
        for (content, count, after) in [
            ("{}", 1, ""),
            (" {\"a\": [1, -2.5e3, true, null]}\n{}\n", 2, "\n"),
            ("{\"a\": 1} b: c", 1, " b: c"),
            ("{\"a\": 1}---\n{}", 1, "---\n{}"),
            ("{a: 1}", 0, "{a: 1}"),
            ("{\"a\": 1,}", 0, "{\"a\": 1,}"),
            ("{\"a\": \"\\x\"}", 0, "{\"a\": \"\\x\"}"),
            ("{\"a\": 01}", 0, "{\"a\": 01}"),
            ("[1]", 0, "[1]"),
            ("{\"a\": [", 0, "{\"a\": ["),
        ] {
            let (found, rest) = documents(content);
            assert_eq!((found.len(), rest), (count, after), "{content:?}");
        }
    }

    #[test]
    fn what_yaml_can_not_write_is_written_so_that_it_can() {
        assert_eq!(as_yaml("{\t\"a\": \"\\ud83d\\ude00\"}"), "{ \"a\": \"\u{1f600}\"}");
        assert_eq!(as_yaml("\"\\ud83dx\\udc00\\u0041\""), "\"\u{fffd}x\u{fffd}\\u0041\"");
        assert_eq!(as_yaml("\"\\\\ud83d \u{7f}\u{2028}\""), "\"\\\\ud83d \\u007f\\u2028\"");
    }

    #[test]
    fn what_follows_on_the_line_of_a_value_is_passed_over_while_it_is_blank() {
        for (text, rest) in [
            ("\n  a: b", Some("  a: b")),
            (" \u{a0}\n---", Some("---")),
            (" a: b\n", Some("a: b\n")),
            ("\u{2028}", None),
            ("\u{a0}\n", None),
        ] {
            assert_eq!(rest_of_line(text), rest, "{text:?}");
        }
    }
}
