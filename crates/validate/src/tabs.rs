//! Tabs where YAML 1.2 takes them as space and `kubectl`, which reads YAML 1.1, takes none: before what
//! begins a line of a block, and before the first line of a literal.

use granit_parser::{Event, ScalarStyle, Span};

/// Lines of a text, with what becomes known of them while it is read.
pub(super) struct Tabs<'a> {
    lines: Vec<&'a str>,
    /// Lines that begin within quotes, a literal or a flow collection.
    inner: Vec<bool>,
    /// Lines that a plain scalar ends on, behind which deeper white space counts as its own.
    ends: Vec<bool>,
    /// Open collections: the line of one in flow style.
    open: Vec<Option<usize>>,
    /// A literal whose first line begins with a tab.
    literal: Option<usize>,
}

impl<'a> Tabs<'a> {
    /// Absent for a text without tabs.
    pub fn of(content: &'a str) -> Option<Self> {
        if !content.contains('\t') {
            return None;
        }
        let lines: Vec<&str> = content.split('\n').collect();
        let inner = vec![false; lines.len()];
        Some(Self { ends: inner.clone(), inner, lines, open: Vec::new(), literal: None })
    }

    /// Takes note of what was read; lines of the span are from one.
    pub fn note(&mut self, event: &Event<'_>, span: &Span) {
        let (start, end) = (span.start.line(), span.end.line());
        match event {
            Event::SequenceStart(..) | Event::MappingStart(..) => {
                let line = self.lines.get(start.wrapping_sub(1)).copied().unwrap_or_default();
                let is_flow = line.chars().nth(span.start.col()).is_some_and(|first| "[{".contains(first));
                self.open.push(is_flow.then_some(start));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Some(start)) = self.open.pop() {
                    self.cover(start, end);
                }
            }
            Event::Scalar(_, ScalarStyle::Plain, ..) => {
                self.cover(start, end);
                if let Some(line) = self.ends.get_mut(end.wrapping_sub(1)) {
                    *line = true;
                }
            }
            Event::Scalar(_, ScalarStyle::Literal | ScalarStyle::Folded, ..) => {
                let end = if span.end.col() == 0 { end.saturating_sub(1) } else { end };
                self.cover(start.saturating_sub(1), end);
                let first = (start..=end).find(|&number| {
                    self.lines.get(number.wrapping_sub(1)).is_some_and(|line| !line.trim().is_empty())
                });
                let begins = |number: &usize| {
                    let line = self.lines.get(number.wrapping_sub(1)).copied().unwrap_or_default();
                    line.trim_start_matches(' ').starts_with('\t')
                };
                self.literal = self.literal.or(first.filter(begins));
            }
            Event::Scalar(..) => self.cover(start, end),
            _ => {}
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
        let depth = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
        let mut before = (0, false);
        for (number, line) in self.lines.iter().enumerate() {
            let spaces = line.len() - line.trim_start_matches(' ').len();
            let is_stray = line[spaces..].starts_with('\t') && !self.inner[number];
            if is_stray && !(before.1 && spaces > before.0) {
                return Some(number + 1);
            }
            if !line.trim().is_empty() {
                before = (depth(line), self.ends[number]);
            }
        }
        self.literal
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
