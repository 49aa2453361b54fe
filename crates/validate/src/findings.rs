//! Collects what the checks find, with positions, and keeps it bounded.

use super::own_rules::OwnRule;
use super::policy::{Policy, Severity, is_ignored};
use super::tree::Node;
use super::{Finding, Position};
use ecp_core::text::{Language, Message};
use std::borrow::Cow;

/// Most errors, and most warnings, that a report lists; one more says how many there are besides.
pub(super) const MAX_FINDINGS: usize = 500;

/// What every message of this module's keys begins with.
const KEY_PREFIX: &str = "validate.";

/// Where a finding is.
#[derive(Clone, Copy)]
pub(super) enum Place<'t> {
    /// The manifest as a whole.
    Whole,
    /// A value.
    Value(Node<'t>),
    /// A value's key.
    Key(Node<'t>),
    /// A field that the mapping lacks.
    Missing(Node<'t>, &'t str),
}

impl<'t> From<Node<'t>> for Place<'t> {
    fn from(node: Node<'t>) -> Self {
        Self::Value(node)
    }
}

impl<'t> Place<'t> {
    fn node(self) -> Option<Node<'t>> {
        match self {
            Self::Whole => None,
            Self::Value(node) | Self::Key(node) | Self::Missing(node, _) => Some(node),
        }
    }

    fn position(self) -> Position {
        match self {
            Self::Whole => Position { document: 0, path: String::new(), line: 0, column: 0 },
            Self::Value(node) => node.position(),
            Self::Key(node) => node.key_position(),
            Self::Missing(node, field) => {
                let mut position = node.position();
                // Where it is written, and says nothing, it is to be written there.
                if let Some(empty) = node.children().find(|child| child.key() == field) {
                    let written = empty.key_position();
                    (position.line, position.column) = (written.line, written.column);
                }
                if !position.path.is_empty() {
                    position.path.push('.');
                }
                position.path.push_str(field);
                position
            }
        }
    }
}

/// Errors and warnings found so far. Messages are built only while there is room for them.
#[derive(Default)]
pub(super) struct Findings {
    errors: Vec<Finding>,
    warnings: Vec<Finding>,
    more_errors: usize,
    more_warnings: usize,
    policy: Policy,
}

impl Findings {
    /// None yet, with the policy that is asked.
    pub fn new(policy: Policy) -> Self {
        Self { policy, ..Self::default() }
    }

    /// True where a policy is asked.
    pub fn asks_policy(&self) -> bool {
        self.policy.is_active()
    }

    /// Errors so far.
    pub fn count(&self) -> usize {
        self.errors.len() + self.more_errors
    }

    /// Adds what the policy says to a place, where it asks that.
    pub fn policy<'t>(&mut self, place: impl Into<Place<'t>>, message: impl FnOnce() -> Message) {
        if !self.policy.is_active() {
            return;
        }
        let place = place.into();
        let message = message();
        match self.policy.severity(code_of(&message), place.node()) {
            None => {}
            Some(Severity::Error) => add(&mut self.errors, &mut self.more_errors, place, true, || message),
            Some(Severity::Warning) => {
                add(&mut self.warnings, &mut self.more_warnings, place, true, || message);
            }
        }
    }

    /// Rules that the policy brings itself.
    pub fn own_rules(&self) -> &[OwnRule] {
        self.policy.own()
    }

    /// Adds what a rule of the policy's own says, unless it is switched off there.
    pub fn own<'t>(
        &mut self,
        name: &str,
        severity: Severity,
        place: impl Into<Place<'t>>,
        message: impl FnOnce() -> Message,
    ) {
        let place = place.into();
        if is_ignored(name, place.node()) {
            return;
        }
        match severity {
            Severity::Error => add(&mut self.errors, &mut self.more_errors, place, true, message),
            Severity::Warning => add(&mut self.warnings, &mut self.more_warnings, place, true, message),
        }
    }

    /// Adds an error.
    pub fn error<'t>(&mut self, place: impl Into<Place<'t>>, message: impl FnOnce() -> Message) {
        add(&mut self.errors, &mut self.more_errors, place.into(), false, message);
    }

    /// Adds a warning.
    pub fn warning<'t>(&mut self, place: impl Into<Place<'t>>, message: impl FnOnce() -> Message) {
        add(&mut self.warnings, &mut self.more_warnings, place.into(), false, message);
    }

    /// Counts errors that were found and not kept apart.
    pub fn more_errors(&mut self, count: usize) {
        self.more_errors += count;
    }

    /// Errors and warnings in the order of the text, each list closed by how many were left out.
    pub fn finish(mut self) -> (Vec<Finding>, Vec<Finding>) {
        let order = |a: &Finding, b: &Finding| {
            let key = |finding: &Finding| (finding.position.document, finding.position.line);
            key(a).cmp(&key(b))
        };
        self.errors.sort_by(order);
        self.warnings.sort_by(order);
        if self.more_errors > 0 {
            let message = Message::new("validate.manifest.more_errors").with("count", self.more_errors);
            self.errors.push(finding(Place::Whole, message));
        }
        if self.more_warnings > 0 {
            let message = Message::new("validate.manifest.more_warnings").with("count", self.more_warnings);
            self.warnings.push(finding(Place::Whole, message));
        }
        (self.errors, self.warnings)
    }
}

fn add(
    list: &mut Vec<Finding>,
    more: &mut usize,
    place: Place<'_>,
    is_policy: bool,
    message: impl FnOnce() -> Message,
) {
    // What is said of the manifest as a whole is little, and says what the rest is worth.
    if list.len() < MAX_FINDINGS || matches!(place, Place::Whole) {
        list.push(Finding { is_policy, ..finding(place, message()) });
    } else {
        *more += 1;
    }
}

fn finding(place: Place<'_>, message: Message) -> Finding {
    Finding { position: place.position(), code: code_of(&message), message, is_policy: false }
}

/// The code is the message's key without its prefix and without the variant of the text:
/// `validate.schema.unknown_field.near` has the code `schema.unknown_field`.
fn code_of(message: &Message) -> &'static str {
    let Cow::Borrowed(key) = message.key else { return "" };
    let code = key.strip_prefix(KEY_PREFIX).unwrap_or(key);
    match code.match_indices('.').nth(1) {
        Some((variant, _)) => &code[..variant],
        None => code,
    }
}

impl Finding {
    /// The text as the API prints it: what is wrong with the fix, then document, path and line.
    pub fn render(&self, language: Language) -> String {
        let text = self.message.render(language);
        let Position { document, path, line, .. } = &self.position;
        let placed = match (document, path.as_str()) {
            (0, _) => return text,
            (_, "") => Message::new("validate.placed.document"),
            (_, path) => Message::new("validate.placed.path").with("path", path),
        };
        placed.with("text", text).with("document", document).with("line", line).render(language)
    }
}
