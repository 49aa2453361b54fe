//! Flow collections for the fast reader: `[a, b]`, `{a: b}` and JSON.

use super::block::NotPlain;
use super::build::Builder;
use super::scalar::resolve_plain;
use super::tree::Kind;
use std::borrow::Cow;

/// Reads one flow collection.
pub(super) struct Flow<'a> {
    text: &'a str,
    position: usize,
    end: usize,
    line: usize,
}

impl<'a> Flow<'a> {
    /// A reader of the text from `position` to `end`.
    pub fn new(text: &'a str, position: usize, end: usize, line: usize) -> Self {
        Self { text, position, end, line }
    }

    /// Where the text after the collection begins.
    pub fn position(&self) -> usize {
        self.position
    }

    /// True where nothing but space follows.
    pub fn is_at_end(&mut self) -> bool {
        self.skip_space();
        self.position == self.end
    }

    fn peek(&self) -> Option<u8> {
        (self.position < self.end).then(|| self.text.as_bytes()[self.position])
    }

    fn skip_space(&mut self) {
        while let Some(byte @ (b' ' | b'\n')) = self.peek() {
            self.line += usize::from(byte == b'\n');
            self.position += 1;
        }
    }

    /// Reads a value. The depth is bounded by the builder.
    pub fn value(&mut self, builder: &mut Builder<'a>) -> Result<(), NotPlain> {
        match self.peek().ok_or(NotPlain)? {
            b'[' => {
                builder.open(Kind::Sequence, self.line, 0)?;
                self.entries(b']', builder, Self::value)?;
                builder.close();
                Ok(())
            }
            b'{' => {
                builder.open(Kind::Mapping, self.line, 0)?;
                self.entries(b'}', builder, Self::pair)?;
                builder.close();
                Ok(())
            }
            b'"' => {
                let line = self.line;
                let text = self.quoted()?;
                Ok(builder.scalar(Kind::Text, false, text, line, 0)?)
            }
            _ => {
                let text = self.plain()?;
                Ok(builder.scalar(resolve_plain(text), true, Cow::Borrowed(text), self.line, 0)?)
            }
        }
    }

    /// Entries with commas between them, and the closing mark.
    fn entries(
        &mut self,
        close: u8,
        builder: &mut Builder<'a>,
        entry: fn(&mut Self, &mut Builder<'a>) -> Result<(), NotPlain>,
    ) -> Result<(), NotPlain> {
        self.position += 1;
        self.skip_space();
        if self.peek() == Some(close) {
            self.position += 1;
            return Ok(());
        }
        loop {
            self.skip_space();
            entry(self, builder)?;
            self.skip_space();
            let next = self.peek().ok_or(NotPlain)?;
            self.position += 1;
            match next {
                b',' => {}
                _ if next == close => return Ok(()),
                _ => return Err(NotPlain),
            }
        }
    }

    fn pair(&mut self, builder: &mut Builder<'a>) -> Result<(), NotPlain> {
        let line = self.line;
        let begin = self.position;
        let quoted = self.peek() == Some(b'"');
        let key = if quoted { self.quoted()? } else { Cow::Borrowed(self.plain()?) };
        // Longer keys need a `?` in YAML.
        if self.peek() != Some(b':') || self.position - begin > 1000 {
            return Err(NotPlain);
        }
        self.position += 1;
        if !quoted && !matches!(self.peek(), Some(b' ' | b'\n')) {
            return Err(NotPlain);
        }
        let kind = if quoted { Kind::Text } else { resolve_plain(&key) };
        builder.key(key, !quoted, kind, line);
        self.skip_space();
        self.value(builder)
    }

    fn plain(&mut self) -> Result<&'a str, NotPlain> {
        let bytes = self.text.as_bytes();
        let is_inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_./-+".contains(&byte);
        let length = bytes[self.position..self.end].iter().take_while(|&&byte| is_inner(byte)).count();
        let text = &self.text[self.position..self.position + length];
        let begins_well = match text.as_bytes() {
            [b'-', second, ..] => second.is_ascii_alphanumeric() || *second == b'.',
            [first, ..] => *first != b'-',
            [] => false,
        };
        self.position += length;
        let ends_well = matches!(self.peek(), None | Some(b' ' | b'\n' | b',' | b']' | b'}' | b':'));
        if begins_well && ends_well { Ok(text) } else { Err(NotPlain) }
    }

    /// A text in double quotes on one line, with the escapes that JSON and YAML share.
    fn quoted(&mut self) -> Result<Cow<'a, str>, NotPlain> {
        let bytes = self.text.as_bytes();
        let start = self.position + 1;
        let mut owned: Option<String> = None;
        let mut at = start;
        let mut copied = start;
        loop {
            match bytes[..self.end].get(at).ok_or(NotPlain)? {
                b'"' => break,
                b'\n' => return Err(NotPlain),
                b'\\' => {
                    let text = owned.get_or_insert_default();
                    text.push_str(&self.text[copied..at]);
                    let (character, length) = escape(&self.text[at + 1..self.end])?;
                    text.push(character);
                    at += 1 + length;
                    copied = at;
                }
                _ => at += 1,
            }
        }
        self.position = at + 1;
        Ok(match owned {
            Some(mut text) => {
                text.push_str(&self.text[copied..at]);
                Cow::Owned(text)
            }
            None => Cow::Borrowed(&self.text[start..at]),
        })
    }
}

/// What follows a backslash: the character and how long the escape is.
fn escape(text: &str) -> Result<(char, usize), NotPlain> {
    let character = match text.as_bytes().first().ok_or(NotPlain)? {
        b'"' => '"',
        b'\\' => '\\',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => {
            let digits = text.get(1..5).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
            let code = u32::from_str_radix(digits.ok_or(NotPlain)?, 16).map_err(|_| NotPlain)?;
            // Halves of a pair are left to the full parser.
            return char::from_u32(code).map(|character| (character, 5)).ok_or(NotPlain);
        }
        _ => return Err(NotPlain),
    };
    Ok((character, 1))
}
