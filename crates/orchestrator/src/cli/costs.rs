//! `ecp costs`: what tenants paid and cost in a month.

use super::Client;
use super::connection::{Call, Connection};
use super::failure::Failure;
use super::language::say_text;
use super::output::{Format, View, entries, text_of};
use super::table::{Cell, Table};
use clap::Args;
use serde_json::Value;

const PATH: &str = "/api/v1/costs";

/// Of which month.
#[derive(Args)]
pub(super) struct Costs {
    /// Month in the catalog's time zone, such as 2026-10; last is the one before the present one [default: the present one, so far].
    #[arg(long, value_name = "MONTH", add = super::candidates::words(&["last"]))]
    month: Option<String>,
}

impl Costs {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let month = match self.month {
            Some(month) if month == "last" => Some(last_month(&connection).await?),
            month => month,
        };
        let call = Call::get(PATH).query("month", month);
        if client.output.format == Format::Csv {
            // The API's own file, to the byte: exact amounts, and the total as the last row.
            let text = connection.text(&call.query("format", Some("csv")), "text/csv").await?;
            return client.output.text(&text);
        }
        let costs = connection.json(&call).await?;
        let is_wide = client.output.format == Format::Wide;
        client.output.value(&costs, |costs| table(costs, &connection.place(), is_wide))
    }
}

/// The month before the present one, as the server's clock and the catalog's time zone have it.
async fn last_month(connection: &Connection) -> Result<String, Failure> {
    let now = connection.json(&Call::get(PATH)).await?;
    let present = text_of(&now["month"]);
    month_before(&present).ok_or_else(|| Failure::Input(say_text!("cli.no_month_before", month = present)))
}

fn month_before(month: &str) -> Option<String> {
    let (year, month) = month.split_once('-')?;
    let (year, month): (i16, i8) = (year.parse().ok()?, month.parse().ok()?);
    let first = jiff::civil::Date::new(year, month, 1).ok()?;
    Some(first.yesterday().ok()?.strftime("%Y-%m").to_string())
}

fn table(costs: &Value, place: &str, is_wide: bool) -> View {
    let local = text_of(&costs["currency"]["code"]);
    let mut headers = vec!["TENANT".to_owned(), "NAME".to_owned(), "PLAN".to_owned(), "DAYS".to_owned()];
    headers.extend(["PRICE", "OPERATOR", "MARGIN"].map(str::to_owned));
    if is_wide {
        headers.extend(["PRICE", "OPERATOR", "MARGIN"].map(|name| format!("{name} {local}")));
    }
    headers.push("STATE".to_owned());
    let mut table = Table::with_headers(headers);
    let money = |row: &Value| {
        let mut cells: Vec<Cell> = ["list_price_usd", "operator_cost_usd", "margin_usd"]
            .into_iter()
            .map(|name| Cell::from(dollars(&row[name])))
            .collect();
        if is_wide {
            let names = ["list_price_local", "operator_cost_local", "margin_local"];
            cells.extend(names.into_iter().map(|name| Cell::from(text_of(&row[name]))));
        }
        cells
    };
    for tenant in entries(costs, "tenants") {
        let first = ["tenant_id", "name", "preset"].map(|name| Cell::from(text_of(&tenant[name])));
        let days = tenant["days"].as_f64().map_or_else(String::new, |days| format!("{days:.2}"));
        let state = Cell::word(if tenant["is_deleted"] == true { "deleted" } else { "" });
        let mut row: Vec<Cell> = first.into_iter().chain([Cell::from(days)]).collect();
        row.extend(money(tenant));
        row.push(state);
        table.row(row);
    }
    View::Rows(table, footer(costs, &local, place))
}

/// The sums, of which time they are, and by which rate.
fn footer(costs: &Value, local: &str, place: &str) -> String {
    let (total, currency) = (&costs["total"], &costs["currency"]);
    let (month, zone) = (text_of(&costs["month"]), text_of(&costs["time_zone"]));
    let month = match costs["is_complete"] == true {
        true => month,
        false => say_text!("cli.month_so_far", month = month),
    };
    say_text!(
        "cli.costs_total",
        month = month,
        zone = zone,
        price = dollars(&total["list_price_usd"]),
        cost = dollars(&total["operator_cost_usd"]),
        margin = dollars(&total["margin_usd"]),
        code = local,
        price_local = text_of(&total["list_price_local"]),
        cost_local = text_of(&total["operator_cost_local"]),
        margin_local = text_of(&total["margin_local"]),
        rate = text_of(&currency["per_usd"]),
        day = text_of(&currency["as_of"]),
        place = place,
    )
}

/// To the cent, the sign before the currency's.
fn dollars(amount: &Value) -> String {
    amount.as_f64().map_or_else(String::new, |amount| {
        let sign = if amount < 0.0 { "-" } else { "" };
        format!("{sign}${:.2}", amount.abs())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn amounts_have_their_cents_and_months_follow_the_calendar() {
        assert_eq!(dollars(&json!(-16665.3)), "-$16665.30");
        assert_eq!(dollars(&json!(53)), "$53.00");
        assert_eq!(month_before("2026-01").as_deref(), Some("2025-12"));
        assert_eq!(month_before("2026-13"), None);
    }
}
