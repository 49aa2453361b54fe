//! `ecp top`: tenants by what they use now.

use super::Client;
use super::candidates;
use super::connection::Call;
use super::failure::Failure;
use super::language::say_text;
use super::output::{Format, View, entries, text_of};
use super::table::{Cell, Table};
use clap::{Args, ValueEnum};
use serde_json::Value;

/// By what, and how many.
#[derive(Args)]
pub(super) struct Top {
    /// What the first has most of: cpu, gpu or response-time in use; gpus or cost as ordered.
    #[arg(long, value_enum, default_value_t = By::Cpu)]
    by: By,
    /// Tenants at most, 1-1000.
    #[arg(long, default_value_t = 20)]
    limit: u32,
    /// Only those with this status: pending, running, failed, deleting.
    #[arg(long, add = candidates::statuses())]
    status: Option<String>,
}

/// What tenants are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// CPU in use, in percent.
    Cpu,
    /// GPU in use, in percent.
    Gpu,
    /// Response time.
    ResponseTime,
    /// GPUs ordered.
    Gpus,
    /// List price.
    Cost,
}

impl By {
    /// The key of the list call, descending.
    fn sort(self) -> &'static str {
        match self {
            Self::Cpu => "-cpu_usage",
            Self::Gpu => "-gpu_usage",
            Self::ResponseTime => "-response_time",
            Self::Gpus => "-gpu",
            Self::Cost => "-cost",
        }
    }
}

impl Top {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let call = Call::get("/api/v1/tenants/")
            .query("sort", Some(self.by.sort()))
            .query("limit", Some(self.limit))
            .query("status", self.status)
            .query("expand", Some("metrics,alerts,cost"));
        let list = connection.json(&call).await?;
        // Without the price the table fits a terminal of 80 columns.
        let with_price = self.by == By::Cost || client.output.format != Format::Table;
        client.output.value(&list, |list| table(list, &connection.place(), with_price))
    }
}

fn table(list: &Value, place: &str, with_price: bool) -> View {
    let mut headers =
        vec!["TENANT", "STATUS", "CPU%", "MEM%", "GPU%", "GPUS", "RESP", "SLA", "ERR%", "ALERTS"];
    headers.extend(with_price.then_some("PRICE"));
    let mut table = Table::with_headers(headers);
    for tenant in entries(list, "tenants") {
        let number = |name: &str| tenant["metrics"][name].as_f64();
        let measured = |name: &str, unit: &str| match number(name) {
            Some(value) => format!("{value:.0}{unit}"),
            None => "-".to_owned(),
        };
        let sla = text_of(&tenant["sla_response_time"]);
        let limit = sla.trim_end_matches("ms").parse::<f64>().ok();
        let slow = number("response_time").zip(limit).is_some_and(|(value, limit)| value > limit);
        let hot = |name: &str| match number(name) {
            Some(95.0..) => "critical",
            Some(80.0..) => "warning",
            _ => "",
        };
        let usage = |name: &str| Cell::styled(&measured(name, ""), hot(name));
        let mut row = vec![
            Cell::from(text_of(&tenant["tenant_id"])),
            Cell::status(&text_of(&tenant["status"])),
            usage("cpu"),
            usage("memory"),
            usage("gpu"),
            Cell::from(text_of(&tenant["gpu_limit"])),
            Cell::styled(&measured("response_time", "ms"), if slow { "critical" } else { "" }),
            Cell::from(sla),
            Cell::from(number("error_rate").map_or("-".to_owned(), |value| format!("{value:.1}"))),
            Cell::from(text_of(&tenant["alerts"]["open"])),
        ];
        row.extend(
            with_price.then(|| Cell::from(format!("${}", text_of(&tenant["cost"]["list_price_usd"])))),
        );
        table.row(row);
    }
    View::Rows(table, tenants_shown(list, place))
}

/// How many of how many, and where.
fn tenants_shown(list: &Value, place: &str) -> String {
    let (shown, total) = (entries(list, "tenants").len(), list["total_count"].as_u64().unwrap_or(0));
    say_text!("cli.tenants_shown", shown = shown, total = total, place = place)
}
