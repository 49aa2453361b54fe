//! `-w` of lists: the rows as they are, then each that changes.

use super::Client;
use super::connection::{Call, Connection};
use super::failure::Failure;
use super::output::{entries, text_of};
use super::table::status_style;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;

/// Pause between two looks at the list.
const PAUSE: Duration = Duration::from_secs(2);

/// Prints a frame for each tenant of a list that is wanted, and one whenever it changes or goes. A server
/// that is away for a while is waited for; the first look has to succeed.
pub(super) async fn tenants(
    client: &Client,
    connection: &Connection,
    call: impl Fn() -> Call,
    is_wanted: impl Fn(&str) -> bool,
) -> Result<(), Failure> {
    let mut known: HashMap<String, Value> = HashMap::new();
    let mut first = true;
    loop {
        let pages = |skip: usize| call().query("skip", (skip > 0).then_some(skip));
        let list = match connection.all_pages("tenants", 1000, pages).await {
            Ok(list) => list,
            Err(failure) if first || !failure.is_transient() => return Err(failure.into()),
            Err(failure) => {
                client.output.warn(&failure.message);
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        first = false;
        let rows = entries(&list, "tenants").iter().filter(|row| is_wanted(&text_of(&row["tenant_id"])));
        let now: HashMap<String, Value> =
            rows.clone().map(|row| (text_of(&row["tenant_id"]), row.clone())).collect();
        for row in rows.filter(|row| known.get(&text_of(&row["tenant_id"])) != Some(row)) {
            client.output.frame(row, line)?;
        }
        let mut gone: Vec<_> = known.keys().filter(|id| !now.contains_key(*id)).collect();
        gone.sort();
        for tenant_id in gone {
            client.output.frame(&json!({"tenant_id": tenant_id, "status": "deleted"}), line)?;
        }
        known = now;
        tokio::time::sleep(PAUSE).await;
    }
}

fn line(row: &Value) -> String {
    let status = text_of(&row["status"]);
    let style = status_style(&status);
    let text = |name: &str| text_of(&row[name]);
    format!("{:<24}  {style}{status:<9}{style:#}  {:<7}  {}", text("tenant_id"), text("preset"), text("name"))
}
