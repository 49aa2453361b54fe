//! Which part of a list is read, and in which order its rows are shown.

use super::connection::{Call, Connection, no_page};
use super::failure::{CallFailure, Failure};
use super::language::say_text;
use super::output::text_of;
use clap::Args;
use ecp_core::alerts::Severity;
use serde_json::Value;
use std::cmp::Ordering;
use std::collections::BTreeSet;

/// Which part of a list.
#[derive(Args)]
pub(super) struct Page {
    /// Entries to leave out.
    #[arg(long)]
    pub(super) skip: Option<u32>,
    /// Entries at most, 1-1000; with --all, of one page.
    #[arg(long)]
    pub(super) limit: Option<u32>,
    /// Reads every page.
    #[arg(long, conflicts_with = "skip")]
    pub(super) all: bool,
}

impl Page {
    /// Reads this part of a list, or all of it; `call` asks for what comes after so many entries.
    pub(super) async fn read(
        &self,
        connection: &Connection,
        entries: &str,
        call: impl Fn(Option<usize>) -> Call,
    ) -> Result<Value, CallFailure> {
        if self.all {
            return connection.all_pages(entries, self.limit.unwrap_or(1000), |skip| call(Some(skip))).await;
        }
        let skip = self.skip.map(|skip| skip as usize);
        let list = connection.json(&call(skip).query("limit", self.limit)).await?;
        if list[entries].is_array() { Ok(list) } else { Err(no_page(entries)) }
    }
}

/// Which part of a list that the server orders by time, and in which order it is shown.
#[derive(Args)]
pub(super) struct Listing {
    /// Which part of the list.
    #[command(flatten)]
    pub(super) page: Page,
    /// In which order.
    #[command(flatten)]
    sorting: Sorting,
}

impl Listing {
    /// As [`Page::read`], in the order that is asked for.
    pub(super) async fn read(
        &self,
        connection: &Connection,
        entries: &str,
        call: impl Fn(Option<usize>) -> Call,
    ) -> Result<Value, Failure> {
        let mut list = self.page.read(connection, entries, call).await?;
        self.sorting.sort(&mut list, entries)?;
        Ok(list)
    }
}

/// In which order the rows of a list are shown that the server orders by time.
#[derive(Args)]
pub(super) struct Sorting {
    /// Field of the API's answer to order what is shown by, such as severity or object.name; - before it for descending.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort_by: Option<String>,
}

impl Sorting {
    /// Orders the entries of a list; those without the field come last.
    ///
    /// # Errors
    /// No entry has such a field: the order would be another than was asked for.
    pub(super) fn sort(&self, list: &mut Value, entries: &str) -> Result<(), Failure> {
        let Some(key) = &self.sort_by else { return Ok(()) };
        let (key, descending) = key.strip_prefix('-').map_or((key.as_str(), false), |key| (key, true));
        // As kubectl takes it, too.
        let key = key.trim_start_matches('.');
        let Some(entries) = list[entries].as_array_mut() else { return Ok(()) };
        if !entries.is_empty() && entries.iter().all(|entry| field(entry, key).is_none()) {
            let known: BTreeSet<&str> = entries
                .iter()
                .flat_map(|entry| entry.as_object())
                .flatten()
                .map(|(name, _)| &**name)
                .collect();
            let known = known.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Failure::Input(say_text!("cli.unknown_sort_field", field = key, fields = known)));
        }
        entries.sort_by(|one, other| match (value(one, key), value(other, key)) {
            (None, None) => Ordering::Equal,
            (None, _) => Ordering::Greater,
            (_, None) => Ordering::Less,
            (Some(one), Some(other)) if descending => compare(other, one),
            (Some(one), Some(other)) => compare(one, other),
        });
        Ok(())
    }
}

/// A field of an entry; dots lead into objects.
fn field<'a>(entry: &'a Value, key: &str) -> Option<&'a Value> {
    key.split('.').try_fold(entry, |value, name| value.get(name))
}

/// What a field says, where it says something.
fn value<'a>(entry: &'a Value, key: &str) -> Option<&'a Value> {
    field(entry, key).filter(|value| !value.is_null())
}

fn compare(one: &Value, other: &Value) -> Ordering {
    // What is worse is more, not what comes later in the alphabet.
    let severity = |value: &Value| Severity::ALL.into_iter().find(|severity| *value == severity.as_str());
    match (one.as_f64(), other.as_f64(), severity(one), severity(other)) {
        (Some(one), Some(other), _, _) => one.total_cmp(&other),
        (_, _, Some(one), Some(other)) => one.cmp(&other),
        _ => text_of(one).cmp(&text_of(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rows_are_ordered_by_number_or_text_and_those_without_come_last() {
        let sorted = |key: &str| {
            let mut list = json!({"rows": [{"n": 10, "t": "b", "of": {"kind": "y"}}, {"t": "a"}, {"n": 9, "t": "c", "of": {"kind": "x"}}]});
            Sorting { sort_by: Some(key.to_owned()) }.sort(&mut list, "rows").expect("a field");
            list["rows"].as_array().into_iter().flatten().map(|row| text_of(&row["t"])).collect::<String>()
        };
        assert_eq!([sorted("n"), sorted("-n"), sorted("t")], ["cba", "bca", "abc"]);
        assert_eq!([sorted(".n"), sorted("of.kind")], ["cba", "cba"]);
    }

    #[test]
    fn the_worst_severity_is_the_most() {
        let mut list = json!({"rows": [{"severity": "warning"}, {"severity": "critical"}]});
        Sorting { sort_by: Some("-severity".to_owned()) }.sort(&mut list, "rows").expect("a field");
        assert_eq!(list["rows"][0]["severity"], "critical");
    }

    #[test]
    fn a_field_that_no_row_has_is_refused_with_those_that_there_are() {
        let mut list = json!({"rows": [{"n": 1, "t": null}, {"n": 2}], "none": []});
        let mut sort =
            |key: &str, rows: &str| Sorting { sort_by: Some(key.to_owned()) }.sort(&mut list, rows);
        let refused = sort("-severty", "rows").expect_err("no such field").to_string();
        assert!(refused.contains("'severty'") && refused.contains("n, t"), "{refused}");
        assert!(sort("t", "rows").is_ok() && sort("anything", "none").is_ok());
    }
}
