//! Columns of text, aligned by what a terminal shows: Korean letters are two columns wide.

use anstyle::{AnsiColor, Style};
use std::fmt;
use unicode_width::UnicodeWidthStr;

/// Text with a style.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), style: Style::new() }
    }
}

impl Cell {
    /// Coloured by what it says of a tenant, an object or an alert.
    pub(super) fn status(text: &str) -> Self {
        Self { text: text.to_owned(), style: status_style(text) }
    }
}

/// The colour of a status or severity.
pub(super) fn status_style(text: &str) -> Style {
    let color = match text {
        "running" | "resolved" | "completed" | "healthy" | "Active" | "Ready" | "ok" | "ready" | "create" => {
            AnsiColor::Green
        }
        "failed" | "tenant_failed" | "critical" | "critical_alert" | "error" | "Failed" | "unreachable"
        | "delete" => AnsiColor::Red,
        "pending" | "deploying" | "deleting" | "warning" | "sla_miss" | "degraded" | "Pending"
        | "Creating" | "update" => AnsiColor::Yellow,
        _ => return Style::new(),
    };
    Style::new().fg_color(Some(color.into()))
}

/// A table without lines, as terminals of this field show them.
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
}

impl Table {
    /// With these headers.
    pub(super) fn new<const N: usize>(headers: [&str; N]) -> Self {
        let style = Style::new().bold();
        Self { rows: vec![headers.into_iter().map(|text| Cell { text: text.to_owned(), style }).collect()] }
    }

    /// Adds a row.
    pub(super) fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            self.rows
                .iter()
                .filter_map(|row| row.get(column))
                .map(|cell| cell.text.width())
                .max()
                .unwrap_or(0)
        };
        let widths: Vec<usize> = (0..columns).map(width).collect();
        for (number, row) in self.rows.iter().enumerate() {
            if number > 0 {
                writeln!(f)?;
            }
            for (column, cell) in row.iter().enumerate() {
                let last = column + 1 == row.len();
                let space = if last { 0 } else { widths[column] - cell.text.width() + 2 };
                write!(f, "{}{}{:#}{:space$}", cell.style, cell.text, cell.style, "")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_aligned_by_what_is_seen() {
        let mut table = Table::new(["NAME", "STATUS"]);
        table.row(["콜센터", "a"]);
        table.row([Cell::from("x"), Cell::status("running")]);
        let plain = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(plain, "NAME    STATUS\n콜센터  a\nx       running");
        assert!(table.to_string().contains("\u{1b}[32mrunning"));
    }
}
