//! `ecp tenants list`: tenants as rows, once or as they change.

use super::Client;
use super::candidates;
use super::connection::Call;
use super::failure::Failure;
use super::language::say_text;
use super::output::{Format, View, entries, text_of};
use super::page::Page;
use super::table::{Cell, Table};
use super::watch;
use clap::Args;
use serde_json::Value;

/// Which tenants to list.
#[derive(Args)]
pub(super) struct List {
    /// Only those of this plan.
    #[arg(long, add = candidates::presets())]
    preset: Option<String>,
    /// Only those with this status: pending, running, failed, deleting.
    #[arg(long, add = candidates::statuses())]
    status: Option<String>,
    /// Only those whose id or name contains this.
    #[arg(short = 'q', long, value_name = "TEXT")]
    search: Option<String>,
    /// name, status, created_at, gpu, cost, cpu_usage, gpu_usage or response_time; - before it for descending.
    #[arg(long, value_name = "KEY", allow_hyphen_values = true)]
    sort_by: Option<String>,
    /// With newest values, open alerts, cost and failure of each.
    #[arg(long)]
    wide: bool,
    /// Prints the list, then a row for each tenant that changes, until it is stopped.
    #[arg(short, long, conflicts_with_all = ["skip", "limit"])]
    watch: bool,
    /// Which part of the list.
    #[command(flatten)]
    page: Page,
}

impl List {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let wide = self.wide || client.output.format == Format::Wide;
        let call = |skip: Option<usize>| {
            Call::get("/api/v1/tenants/")
                .query("preset", self.preset.as_ref())
                .query("status", self.status.as_ref())
                .query("q", self.search.as_ref())
                .query("sort", self.sort_by.as_ref())
                .query("expand", wide.then_some("metrics,alerts,cost,failure"))
                .query("skip", skip)
        };
        if self.watch {
            return watch::tenants(client, &connection, || call(None), |_| true).await;
        }
        let list = self.page.read(&connection, "tenants", call).await?;
        let shown = if wide { wide_table } else { table };
        client.output.value(&list, |list| shown(list, &connection.place()))
    }
}

fn table(list: &Value, place: &str) -> View {
    let mut table =
        Table::new(["TENANT", "NAME", "PLAN", "STATUS", "SERVICES", "CPU", "MEMORY", "GPU", "SLA", "AGE"]);
    for tenant in entries(list, "tenants") {
        let text = |name: &str| Cell::from(text_of(&tenant[name]));
        let sla =
            format!("{} {}", text_of(&tenant["sla_availability"]), text_of(&tenant["sla_response_time"]));
        table.row([
            text("tenant_id"),
            text("name"),
            text("preset"),
            Cell::status(&text_of(&tenant["status"])),
            text("services_count"),
            text("cpu_limit"),
            text("memory_limit"),
            text("gpu_limit"),
            Cell::from(sla),
            Cell::age(&text_of(&tenant["created_at"])),
        ]);
    }
    View::Rows(table, footer(list, place))
}

/// How many of how many are shown, and where.
fn footer(list: &Value, place: &str) -> String {
    let shown = entries(list, "tenants").len();
    let total = list["total_count"].as_u64().unwrap_or(0);
    let more = if list["pagination"]["has_more"] == true {
        say_text!("cli.all_shows_the_rest")
    } else {
        String::new()
    };
    let counted = say_text!("cli.tenants_shown", shown = shown, total = total, place = place);
    format!("{counted}{more}")
}

/// How many are open, and how many of those are critical.
fn alerts(alerts: &Value) -> Cell {
    let (open, critical) = (text_of(&alerts["open"]), text_of(&alerts["critical"]));
    let shown = say_text!("cli.open_and_critical", open = &open, critical = &critical);
    Cell::from(shown).read_as(format!("{open} ({critical} critical)"))
}

/// With what is measured, paid and wrong now.
fn wide_table(list: &Value, place: &str) -> View {
    let mut table = Table::new([
        "TENANT", "STATUS", "PLAN", "GPU", "CPU%", "GPU%", "RESPONSE", "SLA", "ALERTS", "PRICE", "OPERATOR",
        "FAILURE",
    ]);
    for tenant in entries(list, "tenants") {
        let measured = |name: &str, unit: &str| {
            tenant["metrics"][name].as_f64().map_or("-".to_owned(), |value| format!("{value:.0}{unit}"))
        };
        let dollars = |name: &str| format!("${}", text_of(&tenant["cost"][name]));
        table.row([
            Cell::from(text_of(&tenant["tenant_id"])),
            Cell::status(&text_of(&tenant["status"])),
            Cell::from(text_of(&tenant["preset"])),
            Cell::from(text_of(&tenant["gpu_limit"])),
            Cell::from(measured("cpu", "")),
            Cell::from(measured("gpu", "")),
            Cell::from(measured("response_time", "ms")),
            Cell::from(text_of(&tenant["sla_response_time"])),
            alerts(&tenant["alerts"]),
            Cell::from(dollars("list_price_usd")),
            Cell::from(dollars("operator_cost_usd")),
            Cell::from(text_of(&tenant["failure"]["message"])),
        ]);
    }
    View::Rows(table, footer(list, place))
}
