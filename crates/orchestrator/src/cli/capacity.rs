//! `ecp capacity`: how many more tenants of one demand fit.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::input::{DemandFlags, read_object, require_something};
use super::language::say_text;
use super::output::{pairs_of, text_of};
use super::tenants::named_lines;
use clap::Args;
use serde_json::Value;
use std::path::PathBuf;

/// A demand.
#[derive(Args)]
pub(super) struct Capacity {
    /// File with the demand as YAML or JSON, such as a tenant's; - reads standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// What one of them wants.
    #[command(flatten)]
    demand: DemandFlags,
}

impl Capacity {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut body = self.file.as_deref().map(read_object).transpose()?.unwrap_or_default();
        // A tenant's file may be asked about as it is.
        for name in ["tenant_id", "name", "description", "demo_fault"] {
            body.remove(name);
        }
        self.demand.write_to(&mut body)?;
        require_something(&body, say_text!("cli.a_demand"))?;
        let connection = client.options.connect()?;
        let call = Call::post("/api/v1/capacity", Value::Object(body)).repeatable(true);
        let answer = connection.json(&call).await?;
        client.output.value(&answer, |answer| table(answer, &connection.place()))
    }
}

fn table(answer: &Value, place: &str) -> String {
    let fits = |headroom: &Value| {
        let more = text_of(&headroom["more"]);
        let more = if headroom["at_least"] == true { say_text!("cli.at_least", count = more) } else { more };
        match headroom["runs_out"].as_str() {
            Some(resource) => say_text!("cli.fits_then", more = more, resource = resource),
            None => say_text!("cli.fits", more = more),
        }
    };
    let lost = &answer["without_largest_node"];
    let mut lines = vec![
        ("Plan", text_of(&answer["preset"])),
        ("Resources", pairs_of(&answer["resources"])),
        ("GPU type", text_of(&answer["gpu_type"])),
        ("Fits now", fits(&answer["now"])),
    ];
    if !lost.is_null() {
        lines.push((
            "Node lost",
            say_text!("cli.fits_without", fits = fits(lost), node = text_of(&lost["node"])),
        ));
    }
    lines.push(("Asked", place.to_owned()));
    named_lines(&lines)
}
