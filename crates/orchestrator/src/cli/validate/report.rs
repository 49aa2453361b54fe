//! Verdicts for people: by file, each finding with its line.

use super::Verdict;
use crate::cli::failure::ManifestFault;
use crate::cli::output::{pairs_of, text_of};
use crate::cli::table::status_style;
use ecp_core::text::{Language, Message};
use serde_json::Value;
use std::fmt::Write as _;

/// Characters of a line that are shown.
const MAX_SHOWN: usize = 120;

/// The report: of one input with what it holds, of many those with findings and the totals.
pub(super) fn text(verdicts: &[Verdict], is_one: bool, strict: bool, language: Language) -> String {
    let mut text = String::new();
    for verdict in verdicts.iter().filter(|verdict| !verdict.findings().is_empty()) {
        let _ = writeln!(text, "{}", verdict.name);
        let lines: Vec<&str> = verdict.text.lines().collect();
        for finding in verdict.findings() {
            add_finding(&mut text, finding, &lines, language);
        }
        text.push('\n');
    }
    match verdicts {
        [one] if is_one => text.push_str(&conclusion(one, strict, language)),
        _ => text.push_str(&totals(verdicts, strict, language)),
    }
    text
}

fn add_finding(text: &mut String, finding: &Value, lines: &[&str], language: Language) {
    let severity = text_of(&finding["severity"]);
    let style = status_style(&severity);
    let label = Message::new(match severity.as_str() {
        "error" => "cli.validate_error",
        _ => "cli.validate_warning",
    });
    let number =
        |name: &str| finding[name].as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or(0);
    let (line, column) = (number("line"), number("column"));
    let place = match (line, column) {
        (0, _) => "-".to_owned(),
        (line, 0) => line.to_string(),
        (line, column) => format!("{line}:{column}"),
    };
    let path = text_of(&finding["path"]);
    let _ = writeln!(
        text,
        "  {place:<8} {style}{}{style:#} {}{}{path}",
        label.render(language),
        text_of(&finding["code"]),
        if path.is_empty() { "" } else { "  " },
    );
    let _ = writeln!(text, "           {}", text_of(&finding["message"]));
    if let Some(shown) = line.checked_sub(1).and_then(|index| lines.get(index)) {
        let shown: String =
            shown.chars().map(|sign| if sign.is_control() { ' ' } else { sign }).take(MAX_SHOWN).collect();
        let _ = writeln!(text, "         | {}", shown.trim_end());
    }
}

fn verdict_word(fault: Option<ManifestFault>) -> (&'static str, &'static str) {
    match fault {
        None => ("ok", "cli.validate_valid"),
        Some(ManifestFault::AgainstPolicy) => ("warning", "cli.validate_against_policy"),
        Some(ManifestFault::Invalid) => ("error", "cli.validate_invalid"),
        Some(ManifestFault::Unreadable) => ("error", "cli.validate_unreadable"),
    }
}

fn conclusion(verdict: &Verdict, strict: bool, language: Language) -> String {
    let (style, key) = verdict_word(verdict.fault(strict));
    let style = status_style(style);
    let counted =
        |severity: &str| verdict.findings().iter().filter(|finding| finding["severity"] == severity).count();
    let counts = Message::new("cli.validate_counts")
        .with("errors", counted("error"))
        .with("warnings", counted("warning"))
        .render(language);
    let mut text = format!("{style}{}{style:#}: {counts}", Message::new(key).render(language));
    if !verdict.is_unreadable {
        let about = Message::new("cli.validate_about")
            .with("cost", text_of(&verdict.answer["estimated_cost"]))
            .with("time", text_of(&verdict.answer["deployment_time"]))
            .render(language);
        let _ = write!(text, "\n{}\n{about}", pairs_of(&verdict.answer["resource_summary"]));
    }
    text
}

fn totals(verdicts: &[Verdict], strict: bool, language: Language) -> String {
    let count = |fault| verdicts.iter().filter(|verdict| verdict.fault(strict) == fault).count();
    let parts = [
        None,
        Some(ManifestFault::Invalid),
        Some(ManifestFault::AgainstPolicy),
        Some(ManifestFault::Unreadable),
    ];
    let parts = parts.into_iter().filter(|fault| count(*fault) > 0).map(|fault| {
        let (style, key) = verdict_word(fault);
        let style = status_style(style);
        format!("{} {style}{}{style:#}", count(fault), Message::new(key).render(language))
    });
    let parts: Vec<String> = parts.collect();
    let files = Message::new("cli.validate_files").with("count", verdicts.len()).render(language);
    format!("{files} ({})", parts.join(", "))
}
