//! Writes results: tables for people, JSON and YAML for programs; notes and errors beside them.

use super::failure::Failure;
use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use clap::ValueEnum;
use serde_json::Value;
use std::io::{ErrorKind, IsTerminal, Write};

/// How results are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    #[default]
    Table,
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
    /// Says that a command has no findings to write in this format.
    fn refuse(self) -> Failure {
        let name = self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default();
        Failure::Input(format!("-o {name} is for ecp validate; here it is table, json or yaml"))
    }
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
}

/// A result, and how a table shows it.
pub(super) struct Shown {
    /// For programs.
    pub(super) value: Value,
    /// For people.
    pub(super) table: String,
}

impl Output {
    /// Sets the colours of the process.
    pub(super) fn new(format: Format, color: Color) -> Self {
        match color {
            Color::Auto => {}
            Color::Always => anstream::ColorChoice::Always.write_global(),
            Color::Never => anstream::ColorChoice::Never.write_global(),
        }
        Self { format }
    }

    /// Writes a result.
    pub(super) fn value(&self, value: &Value, table: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.line(&table(value)),
            Format::Json => self.line(&format!("{value:#}")),
            Format::Yaml => self.text(&yaml(value)?),
            other => Err(other.refuse()),
        }
    }

    /// Writes one of many results that come one after another.
    pub(super) fn frame(&self, value: &Value, table: impl FnOnce(&Value) -> String) -> Result<(), Failure> {
        match self.format {
            Format::Table => self.line(&table(value)),
            Format::Json => self.line(&value.to_string()),
            Format::Yaml => self.text(&format!("---\n{}", yaml(value)?)),
            other => Err(other.refuse()),
        }
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
    pub(super) fn complain(&self, level: &str, text: &str) {
        let color = if level == "error" { AnsiColor::Red } else { AnsiColor::Yellow };
        let style = Style::new().bold().fg_color(Some(color.into()));
        // Where standard error is closed there is nobody to tell.
        let _ = writeln!(anstream::stderr(), "{style}{level}{style:#}: {text}");
    }

    /// Warns of something that was done all the same.
    pub(super) fn warn(&self, text: &str) {
        if self.format == Format::Table {
            self.complain("warning", text);
        } else {
            self.note(&serde_json::json!({"warning": {"message": text}}));
        }
    }

    /// True where a bar that moves can be shown.
    pub(super) fn is_lively(&self) -> bool {
        self.format == Format::Table && std::io::stderr().is_terminal()
    }
}

fn yaml(value: &Value) -> Result<String, Failure> {
    let text = serde_saphyr::to_string(value).context("can not write as YAML")?;
    Ok(if text.ends_with('\n') { text } else { format!("{text}\n") })
}

/// Writes plain text; a reader that has gone away is no error.
pub(super) fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => other.context("can not write to standard output"),
    }
}

/// A member as text, without the quotes of JSON; empty where it is missing.
pub(super) fn text_of(value: &Value) -> String {
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
