//! Verdicts for programs: SARIF 2.1.0, JUnit XML, and the annotations of GitHub's workflows.

use super::Verdict;
use crate::cli::output::text_of;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// One run of SARIF 2.1.0.
pub(super) fn sarif(verdicts: &[Verdict]) -> String {
    let findings = || {
        verdicts.iter().flat_map(|verdict| verdict.findings().iter().map(move |finding| (verdict, finding)))
    };
    let codes: BTreeSet<String> = findings().map(|(_, finding)| text_of(&finding["code"])).collect();
    let rules: Vec<Value> = codes.iter().map(|code| json!({"id": code})).collect();
    let results: Vec<Value> = findings()
        .map(|(verdict, finding)| {
            let mut place = json!({"artifactLocation": {"uri": verdict.name.replace('\\', "/")}});
            // SARIF counts from 1 and has no region for a file as a whole.
            for (from, to) in [("line", "startLine"), ("column", "startColumn")] {
                if finding[from].as_u64().is_some_and(|number| number > 0)
                    && (from == "line" || place["region"].is_object())
                {
                    place["region"][to] = finding[from].clone();
                }
            }
            let mut location = json!({"physicalLocation": place});
            if finding["path"] != "" {
                location["logicalLocations"] = json!([{"fullyQualifiedName": finding["path"]}]);
            }
            json!({
                "ruleId": finding["code"],
                "level": finding["severity"],
                "message": {"text": finding["message"]},
                "locations": [location],
                "properties": {"document": finding["document"], "policy": finding["policy"]},
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "ecp validate", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "results": results,
        }],
    });
    format!("{log:#}")
}

/// JUnit XML: a suite for all, a case for each file, a failure for each error; warnings are its output.
pub(super) fn junit(verdicts: &[Verdict], strict: bool) -> String {
    let failed = verdicts.iter().filter(|verdict| verdict.fault(strict).is_some()).count();
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites tests=\"{0}\" failures=\"{failed}\">\n  <testsuite name=\"ecp validate\" tests=\"{0}\" failures=\"{failed}\" errors=\"0\">\n",
        verdicts.len(),
    );
    for verdict in verdicts {
        let _ = writeln!(text, "    <testcase classname=\"ecp validate\" name=\"{}\">", xml(&verdict.name));
        let (wrong, told): (Vec<&Value>, Vec<&Value>) =
            verdict.findings().iter().partition(|finding| strict || finding["severity"] == "error");
        for finding in wrong {
            let _ = writeln!(
                text,
                "      <failure type=\"{}\" message=\"{}\">{}</failure>",
                xml(&text_of(&finding["code"])),
                xml(&text_of(&finding["message"])),
                xml(&placed(verdict, finding)),
            );
        }
        if !told.is_empty() {
            let lines: Vec<String> = told.into_iter().map(|finding| placed(verdict, finding)).collect();
            let _ = writeln!(text, "      <system-out>{}</system-out>", xml(&lines.join("\n")));
        }
        text.push_str("    </testcase>\n");
    }
    text.push_str("  </testsuite>\n</testsuites>\n");
    text
}

/// Workflow commands, which GitHub shows beside the lines of a change.
pub(super) fn github(verdicts: &[Verdict]) -> String {
    let mut text = String::new();
    for verdict in verdicts {
        for finding in verdict.findings() {
            let _ = write!(text, "::{} file={}", text_of(&finding["severity"]), property(&verdict.name));
            for (name, from) in [("line", "line"), ("col", "column")] {
                if finding[from].as_u64().is_some_and(|number| number > 0) {
                    let _ = write!(text, ",{name}={}", finding[from]);
                }
            }
            let code = property(&text_of(&finding["code"]));
            let message = escaped(&text_of(&finding["message"]));
            let _ = writeln!(text, ",title={code}::{message}");
        }
    }
    text
}

/// `file:line:column: message [code] path`.
fn placed(verdict: &Verdict, finding: &Value) -> String {
    format!(
        "{}:{}:{}: {} [{}] {}",
        verdict.name,
        finding["line"],
        finding["column"],
        text_of(&finding["message"]),
        text_of(&finding["code"]),
        text_of(&finding["path"]),
    )
}

fn escaped(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    escaped(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text for XML 1.0, which has no place for most control characters.
fn xml(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for sign in text.chars() {
        match sign {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            '\u{fffe}' | '\u{ffff}' => safe.push('\u{fffd}'),
            sign if sign.is_control() && sign != '\t' => safe.push('\u{fffd}'),
            sign => safe.push(sign),
        }
    }
    safe
}
