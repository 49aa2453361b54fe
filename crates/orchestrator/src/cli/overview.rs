//! `ecp overview`: everything at a glance, and what somebody should look at now.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::language::say_text;
use super::output::{entries, text_of};
use super::table::{Cell, Table};
use clap::Args;
use serde_json::Value;

/// All tenants of the mode.
#[derive(Args)]
pub(super) struct Overview {}

impl Overview {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let answer = connection.json(&Call::get("/api/v1/overview")).await?;
        client.output.value(&answer, |answer| table(answer, &connection.place()))
    }
}

fn table(answer: &Value, place: &str) -> String {
    let total = |name: &str| text_of(&answer["totals"][name]);
    let mut text = say_text!(
        "cli.overview",
        tenants = total("tenants"),
        running = total("running"),
        pending = total("pending"),
        failed = total("failed"),
        deleting = total("deleting"),
        alerts = total("open_alerts"),
        critical = total("critical_alerts"),
        misses = total("sla_misses"),
        gpu = total("gpu"),
        price = total("list_price_usd"),
        cost = total("operator_cost_usd"),
    );
    if !entries(answer, "gpu").is_empty() {
        let mut gpu = Table::new(["GPU", "TOTAL", "PROMISED", "REQUESTED", "USED"]);
        for device in entries(answer, "gpu") {
            // What nobody measured is not zero.
            let used = if device["measured"] == 0 { "-".to_owned() } else { text_of(&device["used"]) };
            let amounts = ["gpu_type", "total", "promised", "requested"].map(|name| text_of(&device[name]));
            gpu.row(amounts.into_iter().chain([used]));
        }
        text += &format!("\n\n{gpu}");
    }
    let attention = entries(answer, "attention");
    if attention.is_empty() {
        return text + &format!("\n\n{}, {place}", say_text!("cli.nothing_needs_attention"));
    }
    let mut table = Table::new(["ATTENTION", "TENANT", "SINCE", "MESSAGE"]);
    for entry in attention {
        table.row([
            Cell::status(&text_of(&entry["kind"])),
            Cell::from(text_of(&entry["tenant_id"])),
            Cell::age(&text_of(&entry["since"])),
            Cell::from(text_of(&entry["message"])),
        ]);
    }
    text + &format!("\n\n{table}\n\n{}", say_text!("cli.entries", count = attention.len(), place = place))
}
