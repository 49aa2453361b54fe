//! Which part of a list is read, and in which order its rows are shown.

use super::connection::{Call, Connection};
use super::failure::CallFailure;
use super::output::text_of;
use clap::Args;
use serde_json::Value;
use std::cmp::Ordering;

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
        connection.json(&call(skip).query("limit", self.limit)).await
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
    ) -> Result<Value, CallFailure> {
        let mut list = self.page.read(connection, entries, call).await?;
        self.sorting.sort(&mut list, entries);
        Ok(list)
    }
}

/// In which order the rows of a list are shown that the server orders by time.
#[derive(Args)]
pub(super) struct Sorting {
    /// Field of the API's answer to order what is shown by, such as severity; - before it for descending.
    #[arg(long, value_name = "FIELD", allow_hyphen_values = true)]
    sort_by: Option<String>,
}

impl Sorting {
    /// Orders the entries of a list; those without the field come last.
    pub(super) fn sort(&self, list: &mut Value, entries: &str) {
        let Some(key) = &self.sort_by else { return };
        let (key, descending) = key.strip_prefix('-').map_or((key.as_str(), false), |key| (key, true));
        if let Some(entries) = list[entries].as_array_mut() {
            entries.sort_by(|one, other| match (&one[key], &other[key]) {
                (Value::Null, Value::Null) => Ordering::Equal,
                (Value::Null, _) => Ordering::Greater,
                (_, Value::Null) => Ordering::Less,
                (one, other) if descending => compare(other, one),
                (one, other) => compare(one, other),
            });
        }
    }
}

fn compare(one: &Value, other: &Value) -> Ordering {
    match (one.as_f64(), other.as_f64()) {
        (Some(one), Some(other)) => one.total_cmp(&other),
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
            let mut list = json!({"rows": [{"n": 10, "t": "b"}, {"t": "a"}, {"n": 9, "t": "c"}]});
            Sorting { sort_by: Some(key.to_owned()) }.sort(&mut list, "rows");
            list["rows"].as_array().into_iter().flatten().map(|row| text_of(&row["t"])).collect::<String>()
        };
        assert_eq!([sorted("n"), sorted("-n"), sorted("t")], ["cba", "bca", "abc"]);
    }
}
