//! Writes results: tables for people, JSON and YAML for programs; notes and errors beside them.

use super::failure::Failure;
use super::jsonpath::Template;
use super::language::{say_text, told, word};
use super::table::Table;
use super::warnings::Warned;
use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use clap::ValueEnum;
use ecp_core::text::Message;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
    /// For people, with every column and nothing cut.
    Wide,
    /// Ids alone, a line each.
    Name,
    /// Rows of a list, for spreadsheets.
    Csv,
    /// Values that a template picks, as kubectl takes it.
    JsonPath,
    /// As the API answers; one line for each frame of a stream.
    Json,
    /// The same as YAML; one document for each frame of a stream.
    Yaml,
    /// SARIF 2.1.0, for code scanning; of `ecp validate`.
    Sarif,
    /// JUnit XML, for continuous integration; of `ecp validate`.
    Junit,
    /// Annotations of GitHub's workflows; of `ecp validate`.
    Github,
}

impl Format {
    /// Every format by its name, and what it is.
    pub(super) const NAMES: [(&str, Self, &str); 10] = [
        ("table", Self::Table, "for people"),
        ("wide", Self::Wide, "for people, with every column"),
        ("name", Self::Name, "ids alone"),
        ("csv", Self::Csv, "rows of a list, for spreadsheets"),
        ("jsonpath=", Self::JsonPath, "values that a template picks, such as jsonpath={.tenant_id}"),
        ("json", Self::Json, "as the API answers; one line for each frame of a stream"),
        ("yaml", Self::Yaml, "the same as YAML"),
        ("sarif", Self::Sarif, "SARIF 2.1.0, of ecp validate"),
        ("junit", Self::Junit, "JUnit XML, of ecp validate"),
        ("github", Self::Github, "annotations of GitHub's workflows, of ecp validate"),
    ];

    fn name(self) -> &'static str {
        let name = Self::NAMES.iter().find(|(_, format, _)| *format == self).map_or("", |(name, _, _)| name);
        name.trim_end_matches('=')
    }

    /// Says that a command has nothing to write in this format.
    pub(super) fn refuse(self) -> Failure {
        Failure::Input(self.refusal())
    }

    /// The same as a sentence.
    pub(super) fn refusal(self) -> String {
        told(&Message::new("cli.format_of_others").with("format", self.name()))
    }

    /// True for the formats of findings, which no other command than `ecp validate` has.
    pub(super) fn is_of_findings(self) -> bool {
        matches!(self, Self::Sarif | Self::Junit | Self::Github)
    }
}

/// A format and, with `jsonpath`, its template.
#[derive(Clone, Debug, Default)]
pub(super) struct FormatFlag(Format, Option<Template>);

/// Reads `-o`.
pub(super) fn parse_format(text: &str) -> Result<FormatFlag, String> {
    if let Some(template) = text.strip_prefix("jsonpath=") {
        return Ok(FormatFlag(Format::JsonPath, Some(Template::parse(template)?)));
    }
    let known = Format::NAMES.iter().find(|(name, _, _)| *name == text);
    known.map(|(_, format, _)| FormatFlag(*format, None)).ok_or_else(|| {
        let names: Vec<_> = Format::NAMES.iter().map(|(name, _, _)| *name).collect();
        let formats = names.join(", ").replace("jsonpath=", "jsonpath=TEMPLATE");
        say_text!("cli.want_format", formats = formats)
    })
}

/// When colours are used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Where results go.
#[derive(Clone, Debug, Default)]
pub(super) struct Output {
    /// How they are written.
    pub(super) format: Format,
    template: Option<Template>,
}

/// What people see of a result.
pub(super) enum View {
    /// Text.
    Text(String),
    /// Rows, and a line below them.
    Rows(Table, String),
}

impl From<String> for View {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Table> for View {
    fn from(table: Table) -> Self {
        Self::Rows(table, String::new())
    }
}

/// A result, for programs and for people.
pub(super) struct Shown {
    /// For programs.
    pub(super) value: Value,
    /// What people are told instead, where something was done.
    pub(super) said: Option<String>,
}

impl Output {
    /// Sets the colours of the process.
    pub(super) fn new(FormatFlag(format, template): FormatFlag, color: Color) -> Self {
        match color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        Self { format, template }
    }

    /// Writes a result.
    pub(super) fn value<V: Into<View>>(
        &self,
        value: &Value,
        view: impl FnOnce(&Value) -> V,
    ) -> Result<(), Failure> {
        match self.format {
            Format::Json => self.line(&format!("{value:#}")),
            Format::Yaml => self.text(&yaml(value)?),
            Format::JsonPath => self.picked(value),
            format if format.is_of_findings() => Err(format.refuse()),
            _ => self.view(value, view(value).into()),
        }
    }

    fn view(&self, value: &Value, view: View) -> Result<(), Failure> {
        match (self.format, view) {
            (Format::Csv, View::Rows(table, _)) => self.text(&table.to_csv()),
            (Format::Name, View::Rows(table, _)) => {
                let ids = table.ids().filter(|id| !id.is_empty());
                self.text(&ids.map(|id| format!("{id}\n")).collect::<String>())
            }
            (Format::Name, View::Text(_)) => self.line(id_of(value).ok_or_else(|| self.format.refuse())?),
            (Format::Csv, View::Text(_)) => Err(self.format.refuse()),
            (_, View::Text(text)) => self.line(&text),
            (_, View::Rows(table, footer)) => {
                let width = terminal_width().filter(|_| self.format == Format::Table);
                let table = if self.format == Format::Wide { table.with_times() } else { table };
                let table = match width {
                    Some(width) => table.fit(width),
                    None => table.to_string(),
                };
                self.line(&if footer.is_empty() { table } else { format!("{table}\n\n{footer}") })
            }
        }
    }

    fn picked(&self, value: &Value) -> Result<(), Failure> {
        let text = self.template.as_ref().map(|template| template.fill(value)).unwrap_or_default();
        self.line(text.strip_suffix('\n').unwrap_or(&text))
    }

    /// Writes one of many results that come one after another.
    pub(super) fn frame(&self, value: &Value, table: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table | Format::Wide => self.line(&table(value)),
            Format::Json => self.line(&value.to_string()),
            Format::Yaml => self.text(&format!("---\n{}", yaml(value)?)),
            Format::JsonPath => self.picked(value),
            Format::Name => self.line(id_of(value).ok_or_else(|| self.format.refuse())?),
            other => Err(other.refuse()),
        }
    }

    /// Refuses the format of rows where there will be none, before anything is done.
    pub(super) fn expect_no_rows(&self) -> Result<(), Failure> {
        if self.format == Format::Csv { Err(self.format.refuse()) } else { Ok(()) }
    }

    /// Refuses the formats of findings.
    pub(super) fn expect_no_findings(&self) -> Result<(), Failure> {
        if self.format.is_of_findings() { Err(self.format.refuse()) } else { Ok(()) }
    }

    /// True where a person reads, and not a program.
    pub(super) fn is_for_people(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide)
    }

    /// True where errors are sentences, and no JSON.
    pub(super) fn speaks_plainly(&self) -> bool {
        matches!(self.format, Format::Table | Format::Wide | Format::Name | Format::Csv)
    }

    /// Writes a line.
    pub(super) fn line(&self, text: &str) -> Result<(), Failure> {
        self.text(&format!("{text}\n"))
    }

    /// Writes text as it is.
    pub(super) fn text(&self, text: &str) -> Result<(), Failure> {
        let mut out = anstream::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Err(Failure::OutputClosed),
            other => Ok(other.context("can not write to standard output")?),
        }
    }

    /// Says something beside the result, for programs.
    pub(super) fn note(&self, value: &Value) {
        let text = match self.format {
            Format::Yaml => yaml(value).unwrap_or_else(|_| value.to_string()),
            _ => value.to_string(),
        };
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(anstream::stderr(), "{}", text.trim_end());
    }

    /// Says something beside the result, for people.
    pub(super) fn complain(&self, level: &'static str, text: &str) {
        let color = if level == "error" { AnsiColor::Red } else { AnsiColor::Yellow };
        let level = word(level);
        let style = Style::new().bold().fg_color(Some(color.into()));
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(anstream::stderr(), "{style}{level}{style:#}: {text}");
    }

    /// Warns of something that was done all the same.
    pub(super) fn warn(&self, text: &str) {
        self.pass_on(&Warned { code: None, text: text.to_owned() });
    }

    /// Says what the server warned of.
    pub(super) fn pass_on(&self, warned: &Warned) {
        if self.speaks_plainly() {
            self.complain("warning", &warned.text);
        } else {
            self.note(&serde_json::json!({"warning": {"code": warned.code, "message": warned.text}}));
        }
    }

    /// True where a bar that moves can be shown.
    pub(super) fn is_lively(&self) -> bool {
        self.is_for_people() && std::io::stderr().is_terminal()
    }
}

/// The id of what a result is: its own, before those of what it belongs to.
fn id_of(value: &Value) -> Option<&str> {
    let names = [
        "delivery_id",
        "receiver_id",
        "silence_id",
        "alert_id",
        "tenant_id",
        "deployment_id",
        "context",
        "id",
    ];
    names.iter().find_map(|name| value[name].as_str())
}

/// A value as YAML.
pub(super) fn yaml(value: &Value) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(value).context("can not write as YAML")?;
    Ok(if text.ends_with('\n') { text } else { format!("{text}\n") })
}

/// Columns of the terminal that standard output is; none where it is no terminal.
pub(super) fn terminal_width() -> Option<usize> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    let said = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let seen = || rustix::termios::tcgetwinsize(&out).ok().map(|size| usize::from(size.ws_col));
    said.or_else(seen).filter(|width| *width > 0)
}

/// Writes plain text; a reader that has gone away is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("can not write to standard output"),
    }
}

/// A member as text for people, without the quotes of JSON; empty where it is missing. What a name or a log
/// line has of control characters never reaches the terminal.
pub(super) fn text_of(value: &Value) -> String {
    let harmless = |character: char| match character {
        '\n' | '\t' => character,
        other if other.is_control() => char::REPLACEMENT_CHARACTER,
        other => other,
    };
    match value {
        Value::String(text) if text.contains(char::is_control) => text.chars().map(harmless).collect(),
        other => plain(other),
    }
}

/// The same for programs, to the letter.
pub(super) fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Members of an object as `name=value`, separated by commas.
pub(super) fn pairs_of(value: &Value) -> String {
    let pairs = value.as_object().into_iter().flatten();
    pairs.map(|(name, value)| format!("{name}={}", text_of(value))).collect::<Vec<_>>().join(",")
}

/// The entries of a list.
pub(super) fn entries<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn no_value_of_a_server_steers_the_terminal() {
        assert_eq!(text_of(&json!("a\u{1b}[2Jb\u{9b}c\n\td\u{7}")), "a\u{fffd}[2Jb\u{fffd}c\n\td\u{fffd}");
        assert_eq!(text_of(&json!("콜봇")), "콜봇");
        assert_eq!(plain(&json!("a\u{1b}")), "a\u{1b}");
    }
}
