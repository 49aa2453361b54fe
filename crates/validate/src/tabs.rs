//! Tabs where YAML 1.2 takes them as space and `kubectl`, which reads YAML 1.1, takes none: before what
//! begins a line of a block, less deep than an unquoted text goes on, and less deep than a literal lies.

use granit_parser::{Event, ScalarStyle, Span};

/// Lines of a text, with what becomes known of them while it is read.
pub(super) struct Tabs<'a> {
    lines: Vec<&'a str>,
    /// Lines that begin within quotes, a literal or a flow collection.
    inner: Vec<bool>,
    /// Open collections: the line of one in flow style, the column of one in block style.
    open: Vec<Result<usize, usize>>,
    /// The first line of a scalar on which a tab stands where it can not.
    within: Option<usize>,
}

impl<'a> Tabs<'a> {
    /// Absent for a text without tabs.
    pub fn of(content: &'a str) -> Option<Self> {
        if !content.contains('\t') {
            return None;
        }
        let lines: Vec<&str> = content.split('\n').collect();
        let inner = vec![false; lines.len()];
        Some(Self { inner, lines, open: Vec::new(), within: None })
    }

    /// Takes note of what was read; lines of the span are from one.
    pub fn note(&mut self, event: &Event<'_>, span: &Span) {
        let (start, end) = (span.start.line(), span.end.line());
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let line = self.lines.get(start.wrapping_sub(1)).copied().unwrap_or_default();
                let is_flow = line.chars().nth(span.start.col()).is_some_and(|first| "[{".contains(first));
                self.open.push(if is_flow { Ok(start) } else { Err(span.start.col()) });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Ok(start)) = self.open.pop() {
                    self.cover(start, end);
                }
            }
            Event::Scalar(_, ScalarStyle::Plain, ..) => {
                let rest = self.lines.get(end.wrapping_sub(1)).copied().unwrap_or_default();
                // White space behind its last line is its own, up to what comes next.
                let goes_on = rest.chars().skip(span.end.col()).all(char::is_whitespace);
                let last = if goes_on { self.next_line(end) } else { end };
                let block = self.open.iter().rev().find_map(|open| open.err());
                self.cover(start, last);
                self.look(start, last, block.map_or(0, |column| column + 1));
            }
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
                let end = if span.end.col() == 0 { end.saturating_sub(1) } else { end };
                let blank = |number: &usize| {
                    self.lines.get(number.wrapping_sub(1)).is_some_and(|line| line.trim().is_empty())
                };
                let head = (1..start).rev().find(|number| !blank(number)).unwrap_or(0);
                let first = (head + 1..=end.max(start)).find(|number| !blank(number)).unwrap_or(end);
                let last = self.next_line(end);
                self.cover(head, last);
                if !self.says_depth(head) {
                    self.look(head, first, usize::MAX);
                }
                self.look(head, last, span.start.col());
            }
            Event::Scalar(..) => self.cover(start, end),
            _ => {}
        }
    }

    /// The first line behind one, from one, that has something on it.
    fn next_line(&self, line: usize) -> usize {
        let behind = self.lines.iter().skip(line);
        line + behind.take_while(|line| line.trim().is_empty()).count() + 1
    }

    /// The head of a literal says how deep it lies.
    fn says_depth(&self, head: usize) -> bool {
        let line = self.lines.get(head.wrapping_sub(1)).copied().unwrap_or_default();
        let mark = line.rfind(['|', '>']).map_or("", |at| &line[at + 1..]);
        mark.trim_start_matches(['+', '-']).starts_with(|next: char| next.is_ascii_digit())
    }

    /// Lines after the first may begin with tabs from a column on.
    fn look(&mut self, start: usize, last: usize, column: usize) {
        for number in start + 1..=last.min(self.lines.len()) {
            let line = self.lines[number - 1];
            let white = line.bytes().take_while(|byte| matches!(byte, b' ' | b'\t'));
            let tab = white.enumerate().find(|(_, byte)| *byte == b'\t');
            if tab.is_some_and(|(place, _)| place < column) {
                self.within = Some(self.within.map_or(number, |before| before.min(number)));
                return;
            }
        }
    }

    /// Lines after the first are within something.
    fn cover(&mut self, start: usize, end: usize) {
        for line in start..end {
            if let Some(line) = self.inner.get_mut(line) {
                *line = true;
            }
        }
    }

    /// The first line, from one, that begins with a tab where none can stand.
    pub fn stray(&self) -> Option<usize> {
        let begins = |line: &str| line.trim_start_matches(' ').starts_with('\t');
        let outside = self.lines.iter().zip(&self.inner).position(|(line, inner)| !inner && begins(line));
        [outside.map(|place| place + 1), self.within].into_iter().flatten().min()
    }
}

/// A text whose lines begin with spaces in place of tabs.
pub(super) fn expanded(content: &str) -> String {
    let line = |line: &str| {
        let rest = line.trim_start_matches([' ', '\t']);
        format!("{}{rest}", " ".repeat(line.len() - rest.len()))
    };
    content.split('\n').map(line).collect::<Vec<_>>().join("\n")
}
