//! `ecp size`: what a demand needs, computed here.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::input::{DemandFlags, read_object, require_something};
use super::output::{entries, pairs_of, text_of};
use super::table::Table;
use super::tenants::{named_lines, warnings};
use anyhow::Context as _;
use clap::Args;
use ecp_api::offline;
use ecp_core::catalog::Catalog;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// A demand.
#[derive(Args)]
pub(super) struct Size {
    /// File with the demand as YAML or JSON, such as a tenant's; - reads standard input.
    #[arg(short, long)]
    file: Option<PathBuf>,
    /// What is wanted.
    #[command(flatten)]
    demand: DemandFlags,
    /// Explains every number: formula, inputs, source.
    #[arg(long, conflicts_with = "remote")]
    explain: bool,
    /// Catalog to size by [default: the embedded one].
    #[arg(long, conflicts_with = "remote", value_name = "FILE")]
    catalog: Option<PathBuf>,
    /// Asks the server, which sizes by its own catalog.
    #[arg(long)]
    remote: bool,
}

impl Size {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let mut body = self.file.as_deref().map(read_object).transpose()?.unwrap_or_default();
        // A tenant's file may be sized as it is.
        for name in ["tenant_id", "name", "description", "demo_fault"] {
            body.remove(name);
        }
        self.demand.write_to(&mut body);
        require_something(&body, "what is wanted, such as -s callbot=50")?;
        let body = Value::Object(body);
        if self.remote {
            let call = Call::post("/api/v1/tenants/calculate-resources", body).repeatable(true);
            let answer = client.options.connect()?.json(&call).await?;
            return client.output.value(&answer, table);
        }
        let (catalog, language) = (catalog(self.catalog.as_deref())?, client.options.language());
        let answer =
            offline::size(&catalog, &body, language).map_err(|error| Failure::offline(&error, language))?;
        self.demand.unread.check(&client.output, &answer.unknown)?;
        let (value, explanation) = answer.value;
        if self.explain {
            return client.output.value(&explanation, |explanation| format!("{explanation:#}"));
        }
        client.output.value(&value, table)
    }
}

/// The catalog of a file, or the embedded one.
pub(super) fn catalog(path: Option<&Path>) -> Result<Catalog, Failure> {
    let Some(path) = path else { return Ok(Catalog::embedded()) };
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    Ok(Catalog::parse(&text).with_context(|| path.display().to_string())?)
}

fn table(answer: &Value) -> String {
    let text = named_lines(&[
        ("Plan", text_of(&answer["recommended_preset"])),
        ("Resources", pairs_of(&answer["resources"])),
        ("GPU type", text_of(&answer["gpu_type"])),
        ("Cost", text_of(&answer["estimated_cost"])),
        ("Operator", text_of(&answer["operator_cost"])),
    ]);
    let mut alternatives = Table::new(["ALTERNATIVE", "RESOURCES", "COST", "BUT"]);
    for plan in entries(answer, "alternatives") {
        alternatives.row([
            text_of(&plan["preset"]),
            pairs_of(&plan["resources"]),
            text_of(&plan["cost"]),
            text_of(&plan["performance_impact"]),
        ]);
    }
    let alternatives = match entries(answer, "alternatives") {
        [] => String::new(),
        _ => format!("\n\n{alternatives}"),
    };
    text + &alternatives + &warnings(answer)
}
