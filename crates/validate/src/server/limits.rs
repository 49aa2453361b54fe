//! What holding objects against definitions may cost: both come from outside, and their sizes multiply.

use regex_lite::{Regex, RegexBuilder};
use std::collections::HashMap;

/// Steps for one object; a step is some ten nanoseconds.
const OBJECT: u64 = 2_000_000;
/// Steps for all objects of a text.
const TEXT: u64 = 100_000_000;
/// The smallest and the largest program that a pattern may become, in bytes.
const PROGRAMS: (usize, usize) = (1 << 10, 1 << 20);
/// Bytes of a program for one of its states.
const STATE: usize = 32;

/// A pattern that can be asked.
struct Pattern {
    regex: Regex,
    /// Steps for one character of the text.
    cost: u64,
}

/// What is left of both.
pub(super) struct Limits {
    text: u64,
    object: u64,
    patterns: HashMap<String, Option<Pattern>>,
}

impl Default for Limits {
    fn default() -> Self {
        Self { text: TEXT, object: OBJECT, patterns: HashMap::new() }
    }
}

impl Limits {
    /// Another object begins.
    pub fn begin(&mut self) {
        self.object = OBJECT;
    }

    /// Takes some steps; false where they are used up, and then stays so.
    pub fn spend(&mut self, steps: usize) -> bool {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.text = self.text.saturating_sub(steps);
        self.object = self.object.saturating_sub(steps);
        !self.are_used_up()
    }

    /// True where not all was looked at.
    pub fn are_used_up(&self) -> bool {
        self.text == 0 || self.object == 0
    }

    /// Whether a text fits a pattern; yes where that can not be told.
    pub fn fits(&mut self, pattern: &str, text: &str) -> bool {
        if !self.compiles(pattern) {
            return true;
        }
        let Some(Some(known)) = self.patterns.get(pattern) else { return true };
        let steps = known.cost.saturating_mul(text.len() as u64 + 1);
        if !self.spend(usize::try_from(steps).unwrap_or(usize::MAX)) {
            return true;
        }
        self.patterns.get(pattern).and_then(Option::as_ref).is_none_or(|known| known.regex.is_match(text))
    }

    /// Whether a pattern is one. Those that become large, and those that nobody could pay for, are taken for
    /// one.
    pub fn compiles(&mut self, pattern: &str) -> bool {
        if !self.patterns.contains_key(pattern) {
            let Some(known) = self.compile(pattern) else { return true };
            self.patterns.insert(pattern.to_owned(), known);
        }
        self.patterns.get(pattern).is_none_or(Option::is_some)
    }

    /// The pattern in the smallest program that holds it: its size is what each character costs. None where
    /// there is none to be had within the bounds; `Some(None)` where it is no pattern.
    #[allow(clippy::option_option, reason = "the two absences differ")]
    fn compile(&mut self, pattern: &str) -> Option<Option<Pattern>> {
        if !self.spend(pattern.len()) {
            return None;
        }
        let mut size = PROGRAMS.0;
        while size <= PROGRAMS.1 {
            if !self.spend(size / STATE) {
                return None;
            }
            match RegexBuilder::new(pattern).size_limit(size).build() {
                Ok(regex) => return Some(Some(Pattern { regex, cost: (size / STATE) as u64 })),
                Err(error) if is_of_size(&error) => size *= 2,
                Err(_) => return Some(None),
            }
        }
        None
    }
}

/// The library tells its reasons apart by their texts alone; a test holds this one.
fn is_of_size(error: &regex_lite::Error) -> bool {
    error.to_string().contains("size limit")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_told_from_none_and_from_a_large_one() {
        let mut limits = Limits::default();
        assert!(limits.compiles("^[a-z]{1,63}$"));
        assert!(!limits.compiles("(a"));
        assert!(limits.compiles("((a{1,100}){1,100}){1,100}"), "large is not wrong");
        assert!(limits.fits("^a+$", "aaa"));
        assert!(!limits.fits("^a+$", "aab"));
        let error = RegexBuilder::new("a{1,999}").size_limit(100).build().err();
        assert!(error.is_some_and(|error| is_of_size(&error)));
    }

    #[test]
    fn what_is_used_up_stays_so_until_the_next_object() {
        let mut limits = Limits::default();
        assert!(limits.spend(1));
        assert!(!limits.spend(usize::try_from(OBJECT).unwrap_or(usize::MAX)));
        assert!(limits.fits("^a$", "b"), "not told");
        limits.begin();
        assert!(!limits.fits("^a$", "b"));
        for _ in 0..=TEXT / (OBJECT - 1) {
            limits.begin();
            limits.spend(usize::try_from(OBJECT - 1).unwrap_or(usize::MAX));
        }
        limits.begin();
        assert!(limits.are_used_up());
    }
}
