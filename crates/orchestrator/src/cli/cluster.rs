//! `ecp cluster`: what the cluster has, and how much of it is used.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::language::say_text;
use super::output::{View, text_of};
use super::table::{Table, status_style};
use clap::Args;
use serde_json::Value;

/// The cluster of the mode.
#[derive(Args)]
pub(super) struct Cluster {}

impl Cluster {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let answer = connection.json(&Call::get("/api/v1/monitoring/system")).await?;
        client.output.value(&answer, |answer| {
            let (holds, table) = (holds(answer, &connection.place()), table(answer));
            // People read first how it is.
            match client.output.is_for_people() {
                true => View::from(format!("{holds}\n\n{table}")),
                false => View::from(table),
            }
        })
    }
}

/// How it is, and how many tenants it holds.
fn holds(answer: &Value, place: &str) -> String {
    let status = text_of(&answer["cluster_status"]);
    let style = status_style(&status);
    say_text!(
        "cli.cluster_holds",
        status = format!("{style}{status}{style:#}"),
        tenants = text_of(&answer["total_tenants"]),
        active = text_of(&answer["active_tenants"]),
        place = place,
    )
}

fn table(answer: &Value) -> Table {
    let mut table = Table::new(["RESOURCE", "TOTAL", "USED", "%"]);
    for name in ["cpu", "memory", "gpu", "storage"] {
        table.row([
            name.to_owned(),
            text_of(&answer["total_resources"][name]),
            text_of(&answer["used_resources"][name]),
            text_of(&answer["utilization"][name]),
        ]);
    }
    table
}
