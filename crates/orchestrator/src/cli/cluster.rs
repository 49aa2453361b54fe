//! `ecp cluster`: what the cluster has, and how much of it is used.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::output::text_of;
use super::table::{Table, status_style};
use clap::Args;
use serde_json::Value;

/// The cluster of the mode.
#[derive(Args)]
pub(super) struct Cluster {}

impl Cluster {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let answer = client.options.connect()?.json(&Call::get("/api/v1/monitoring/system")).await?;
        client.output.value(&answer, table)
    }
}

fn table(answer: &Value) -> String {
    let status = text_of(&answer["cluster_status"]);
    let style = status_style(&status);
    let mut table = Table::new(["RESOURCE", "TOTAL", "USED", "%"]);
    for name in ["cpu", "memory", "gpu", "storage"] {
        table.row([
            name.to_owned(),
            text_of(&answer["total_resources"][name]),
            text_of(&answer["used_resources"][name]),
            text_of(&answer["utilization"][name]),
        ]);
    }
    format!(
        "{style}{status}{style:#}, {} tenants, {} active\n\n{table}",
        text_of(&answer["total_tenants"]),
        text_of(&answer["active_tenants"])
    )
}
