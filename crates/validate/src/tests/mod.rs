#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod bounds;
mod fuzz;
mod house;
mod pods;
mod readers;
mod references;
mod rendered;
mod schema;
mod text;
mod totals;

use super::{Finding, Options, Report, Unreadable, validate_manifest};
use ecp_core::catalog::Catalog;
use ecp_core::ids::TenantId;
use ecp_core::ports::Capacity;
use std::sync::OnceLock;

/// A tenant's manifest that is in order: no error, no warning.
pub(super) const GOOD: &str = include_str!("good.yaml");

/// How a finding is written in the tables: severity and code, path, a piece of text in its line.
pub(super) type Expected<'e> = (&'e str, &'e str, &'e str);

pub(super) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

pub(super) fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(Catalog::embedded)
}

pub(super) fn check(text: &str) -> Report {
    check_with(text, None).unwrap()
}

pub(super) fn check_with(text: &str, capacity: Option<&Capacity>) -> Result<Report, Unreadable> {
    let tenant = tenant();
    validate_manifest(catalog(), text, &Options { capacity, ..Options::for_tenant(Some(&tenant)) })
}

/// Findings as `error schema.unknown_field`, path, line.
pub(super) fn listed(outcome: &Report) -> Vec<(String, String, usize)> {
    let list = |severity: &str, findings: &[Finding]| {
        let row = |finding: &Finding| {
            let position = finding.position.clone();
            (format!("{severity} {}", finding.code), position.path, position.line)
        };
        findings.iter().map(row).collect::<Vec<_>>()
    };
    let mut all = list("error", &outcome.errors);
    all.extend(list("warning", &outcome.warnings));
    all
}

/// Replaces a piece of the good manifest and compares all findings with what is expected. A line
/// written `@` is the one where the replacement begins.
pub(super) fn broken(old: &str, new: &str, expected: &[Expected<'_>]) {
    assert_eq!(GOOD.matches(old).count(), 1, "{old:?} must stand once in the good manifest");
    let text = GOOD.replacen(old, new, 1);
    let line = GOOD[..GOOD.find(old).unwrap()].matches('\n').count() + 1;
    compare(&text, expected, line);
}

/// Compares all findings of a text with what is expected; the line `@` is the first.
pub(super) fn finds(text: &str, expected: &[Expected<'_>]) {
    compare(text, expected, 1);
}

fn compare(text: &str, expected: &[Expected<'_>], changed_line: usize) {
    let mut found = listed(&check(text));
    let mut wanted: Vec<_> = expected
        .iter()
        .map(|(what, path, piece)| {
            ((*what).to_owned(), (*path).to_owned(), line_of(text, piece, changed_line))
        })
        .collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "at line {changed_line}");
}

/// The line that a piece of text stands in; none where the finding is about the whole manifest.
fn line_of(text: &str, piece: &str, changed_line: usize) -> usize {
    match piece {
        "" => 0,
        "@" => changed_line,
        _ => {
            assert_eq!(text.matches(piece).count(), 1, "{piece:?} must stand once in the text");
            text[..text.find(piece).unwrap()].matches('\n').count() + 1
        }
    }
}
