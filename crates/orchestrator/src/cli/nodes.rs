//! `ecp nodes`: what each node has, what is taken of it, and why tenants' pods stay away.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::language::say_text;
use super::output::{View, entries, text_of};
use super::table::{Cell, Table};
use clap::Args;
use serde_json::Value;

/// No choice.
#[derive(Args)]
pub(super) struct Nodes;

impl Nodes {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let nodes = connection.json(&Call::get("/api/v1/nodes")).await?;
        client.output.value(&nodes, |nodes| table(nodes, &connection.place()))
    }
}

fn table(nodes: &Value, place: &str) -> View {
    let headers = ["NODE", "STATUS", "GPU TYPE", "GPU", "CPU", "MEMORY", "PODS", "TENANTS", "LEFT OUT"];
    let mut table = Table::with_headers(headers.map(str::to_owned).to_vec());
    let of = |node: &Value, name: &str| {
        format!("{}/{}", text_of(&node["requested"][name]), text_of(&node["allocatable"][name]))
    };
    let all = entries(nodes, "nodes");
    for node in all {
        let left_out = [&node["left_out"]["reason"], &node["left_out"]["detail"]].map(text_of);
        let pods = match text_of(&node["max_pods"]) {
            most if most.is_empty() => text_of(&node["pods"]),
            most => format!("{}/{most}", text_of(&node["pods"])),
        };
        let row = [
            text_of(&node["name"]),
            text_of(&node["status"]),
            text_of(&node["gpu_type"]),
            of(node, "gpu"),
            of(node, "cpu"),
            of(node, "memory"),
            pods,
            text_of(&node["tenants"]),
            left_out.join(" ").trim().to_owned(),
        ];
        table.row(row.map(Cell::from));
    }
    View::Rows(table, say_text!("cli.nodes", count = all.len(), place = place))
}
