//! Columns of text, aligned by what a terminal shows: Korean letters are two columns wide.

use super::clock;
use super::language::{header, word};
use anstyle::{AnsiColor, Style};
use std::fmt;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// No column is made narrower to fit a terminal while others can be: the longest status stays whole.
const NARROWEST: usize = 9;
/// What a column keeps at least where the terminal is narrower still, but for statuses.
const NARROWEST_OF_ALL: usize = 5;
/// What a header keeps at least.
const NARROWEST_HEADER: usize = 3;

/// Text with a style.
#[derive(Clone, Debug)]
pub(super) struct Cell {
    text: String,
    style: Style,
    /// What programs read in its place: the time itself of an age, the English of a word.
    exact: Option<String>,
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        // A row is a line.
        let text = text.into().replace(['\n', '\t'], " ");
        Self { text, style: Style::new(), exact: None }
    }
}

impl Cell {
    /// Shortened to so many columns, with a sign that something is missing.
    fn cut(&mut self, width: usize) {
        if self.text.width() <= width {
            return;
        }
        let mut kept = String::new();
        for character in self.text.chars() {
            if kept.width() + character.width().unwrap_or(0) + 1 > width {
                break;
            }
            kept.push(character);
        }
        self.text = kept + "…";
    }

    /// Coloured by what it says of a tenant, an object or an alert.
    pub(super) fn status(text: &str) -> Self {
        Self { style: status_style(text), ..Self::from(text) }
    }

    /// Coloured as something of this status.
    pub(super) fn styled(text: &str, status: &str) -> Self {
        Self { style: status_style(status), ..Self::from(text) }
    }

    /// How long ago a time was; the local time where there is room, the time itself for programs.
    pub(super) fn age(time: &str) -> Self {
        Self { exact: Some(time.to_owned()), ..Self::from(clock::age(time)) }
    }

    /// A time in the zone of the machine; the time itself for programs.
    pub(super) fn time(time: &str) -> Self {
        Self { exact: Some(time.to_owned()), ..Self::from(clock::local(time)) }
    }

    /// A word in the language of the system; English for programs.
    pub(super) fn word(english: &'static str) -> Self {
        Self { exact: Some(english.to_owned()), ..Self::from(word(english)) }
    }

    /// The same, coloured as something of this status.
    pub(super) fn like(self, status: &str) -> Self {
        Self { style: status_style(status), ..self }
    }

    /// The same, which programs read as this.
    pub(super) fn read_as(self, exact: String) -> Self {
        Self { exact: Some(exact), ..self }
    }

    fn exact(&self) -> &str {
        self.exact.as_deref().unwrap_or(&self.text)
    }
}

/// The colour of a status or severity.
pub(super) fn status_style(text: &str) -> Style {
    let color = match text {
        "running" | "resolved" | "completed" | "healthy" | "Active" | "Ready" | "ok" | "ready" | "create"
        | "delivered" => AnsiColor::Green,
        "failed" | "tenant_failed" | "critical" | "critical_alert" | "error" | "Failed" | "unreachable"
        | "delete" | "given_up" => AnsiColor::Red,
        "pending" | "deploying" | "deleting" | "warning" | "sla_miss" | "degraded" | "Pending"
        | "Creating" | "update" => AnsiColor::Yellow,
        _ => return Style::new(),
    };
    Style::new().fg_color(Some(color.into()))
}

/// A table without lines, as terminals of this field show them.
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
    /// The column whose cells are the ids of what the rows are.
    id_column: usize,
}

impl Table {
    /// With these headers, which are words.
    pub(super) fn new<const N: usize>(headers: [&'static str; N]) -> Self {
        Self::under(headers.into_iter().map(Cell::word))
    }

    /// With headers that are not known beforehand.
    pub(super) fn with_headers(headers: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self::under(headers.into_iter().map(|english| {
            let english: String = english.into();
            Cell { exact: Some(english.clone()), ..Cell::from(header(&english)) }
        }))
    }

    fn under(headers: impl Iterator<Item = Cell>) -> Self {
        let style = Style::new().bold();
        Self { rows: vec![headers.map(|cell| Cell { style, ..cell }).collect()], id_column: 0 }
    }

    /// With the ids in another column than the first.
    pub(super) fn ids_in(mut self, column: usize) -> Self {
        self.id_column = column;
        self
    }

    /// Adds a row.
    pub(super) fn row<C: Into<Cell>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// The ids of what the rows are.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().skip(1).filter_map(|row| Some(row.get(self.id_column)?.text.as_str()))
    }

    /// With local times in place of ages.
    pub(super) fn with_times(mut self) -> Self {
        for cell in self.rows.iter_mut().flatten() {
            let is_time = |text: &&String| text.parse::<ecp_core::Timestamp>().is_ok();
            if let Some(time) = cell.exact.as_ref().filter(is_time) {
                cell.text = clock::local(time);
            }
        }
        self
    }

    /// As comma-separated values with a header (RFC 4180).
    pub(super) fn to_csv(&self) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let cells: Vec<_> = row.iter().map(|cell| csv_cell(cell.exact())).collect();
            text += &cells.join(",");
            text += "\r\n";
        }
        text
    }

    /// The table in so many columns: the widest ones are cut, then headers over short values, then what is left
    /// but statuses; ids never.
    pub(super) fn fit(mut self, width: usize) -> String {
        let mut allowed = self.widths(0);
        let wide = vec![NARROWEST; allowed.len()];
        let values: Vec<usize> = self.widths(1).iter().map(|width| (*width).max(NARROWEST_HEADER)).collect();
        let rest: Vec<usize> = (0..allowed.len())
            .map(|column| if self.is_status(column) { NARROWEST } else { NARROWEST_OF_ALL })
            .collect();
        let total = |allowed: &[usize]| allowed.iter().sum::<usize>() + 2 * allowed.len().saturating_sub(1);
        for floors in [wide, values, rest] {
            while total(&allowed) > width {
                let cuttable = (1..allowed.len()).filter(|column| allowed[*column] > floors[*column]);
                match cuttable.max_by_key(|column| allowed[*column]) {
                    Some(column) => allowed[column] -= 1,
                    None => break,
                }
            }
        }
        for row in &mut self.rows {
            for (cell, allowed) in row.iter_mut().zip(&allowed) {
                cell.cut(*allowed);
            }
        }
        self.to_string()
    }

    /// True where the column's cells are coloured by what they say.
    fn is_status(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().skip(1).filter_map(|row| row.get(column));
        cells.any(|cell| cell.style != Style::new())
    }

    /// The widest cell of each column, from a row on.
    fn widths(&self, first: usize) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let cells = |column: usize| self.rows.iter().skip(first).filter_map(move |row| row.get(column));
        (0..columns).map(|column| cells(column).map(|cell| cell.text.width()).max().unwrap_or(0)).collect()
    }
}

/// A cell as RFC 4180 writes it; what a spreadsheet would take for a formula is made text.
fn csv_cell(text: &str) -> String {
    let is_number = text.parse::<f64>().is_ok();
    let formula = !is_number && text.starts_with(['=', '+', '-', '@', '\t', '\r']) && text != "-";
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths = self.widths(0);
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
        let mut table = Table::with_headers(["NAME", "STATUS"]);
        table.row(["콜센터", "a"]);
        table.row([Cell::from("x"), Cell::status("running")]);
        let plain = anstream::adapter::strip_str(&table.to_string()).to_string();
        assert_eq!(plain, "NAME    STATUS\n콜센터  a\nx       running");
        assert!(table.to_string().contains("\u{1b}[32mrunning"));
        let mut table = Table::with_headers(["A", "B"]);
        table.row(["two\nlines", "b"]);
        assert_eq!(table.to_string().lines().count(), 2);
    }

    #[test]
    fn a_table_fits_the_terminal_by_its_widest_columns() {
        let mut table = Table::with_headers(["ID", "MESSAGE", "N"]);
        table.row(["a-long-tenant-id", "이미지를 내려받을 수 없습니다", "1"]);
        let text = anstream::adapter::strip_str(&table.fit(36)).to_string();
        assert_eq!(text.lines().last(), Some("a-long-tenant-id  이미지를 내려…  1"));
        assert!(text.lines().all(|line| line.width() <= 36), "{text}");
    }

    #[test]
    fn a_terminal_of_80_columns_is_enough_for_a_list_of_ten() {
        let mut table = Table::with_headers([
            "TENANT", "NAME", "PLAN", "STATUS", "SERVICES", "CPU", "MEMORY", "GPU", "SLA", "AGE",
        ]);
        let status = Cell::status("deleting");
        let cells = ["global-call-center", "글로벌 콜센터", "medium"].map(Cell::from);
        let rest = ["5", "45000m", "64Gi", "6", "99.86% 265ms", "2y"].map(Cell::from);
        table.row(cells.into_iter().chain([status]).chain(rest));
        let text = anstream::adapter::strip_str(&table.fit(80)).to_string();
        assert!(text.lines().all(|line| line.width() <= 80), "{text}");
        for whole in ["global-call-center", "deleting", "45000m", "64Gi"] {
            assert!(text.contains(whole), "{whole} in {text}");
        }
    }

    #[test]
    fn values_with_commas_and_quotes_stay_one_cell_and_no_cell_is_a_formula() {
        let mut table = Table::with_headers(["ID", "TEXT"]);
        table.row(["a", "x, \"y\""]);
        table.row(["b", "=1+1"]);
        table.row(["c", "-5.5"]);
        assert_eq!(table.to_csv(), "ID,TEXT\r\na,\"x, \"\"y\"\"\"\r\nb,'=1+1\r\nc,-5.5\r\n");
        assert_eq!(table.ids().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(table.ids_in(1).ids().collect::<Vec<_>>(), ["x, \"y\"", "=1+1", "-5.5"]);
    }

    #[test]
    fn an_age_is_the_time_itself_for_programs() {
        let mut table = Table::with_headers(["ID", "AGE"]);
        table.row([Cell::from("a"), Cell::age("2024-01-15T10:30:00Z")]);
        assert!(table.to_string().ends_with('y'), "{table}");
        assert_eq!(table.to_csv(), "ID,AGE\r\na,2024-01-15T10:30:00Z\r\n");
        assert!(table.with_times().to_string().contains("2024-01-1"));
    }
}
