//! `ecp size`: what a demand needs, computed here.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::input::{DemandFlags, read_object, require_something};
use super::language::{all_told, say_text, word};
use super::output::{entries, pairs_of, text_of};
use super::table::Table;
use super::tenants::{named_lines, warnings};
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
    /// Simulates the tenant as it would be rendered, and holds every promise against what happens.
    #[arg(long)]
    verify: bool,
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
        self.demand.write_to(&mut body)?;
        if self.verify {
            body.insert("verify".to_owned(), Value::Bool(true));
        }
        require_something(&body, say_text!("cli.a_demand"))?;
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
    let text = std::fs::read_to_string(path).map_err(|error| {
        Failure::Input(say_text!("cli.can_not_be_read", name = path.display(), error = error))
    })?;
    parse_catalog(path, &text)
}

/// The catalog of a file that was read.
pub(super) fn parse_catalog(path: &Path, text: &str) -> Result<Catalog, Failure> {
    Catalog::parse(text)
        .map_err(|faults| Failure::Input(format!("{}: {}", path.display(), all_told(&faults))))
}

fn table(answer: &Value) -> String {
    let text = named_lines(&[
        ("Plan", text_of(&answer["recommended_preset"])),
        ("Resources", pairs_of(&answer["resources"])),
        ("GPU type", text_of(&answer["gpu_type"])),
        ("Cost", text_of(&answer["estimated_cost"])),
        ("Operator", text_of(&answer["operator_cost"])),
        ("Margin", margin(answer)),
    ]);
    let mut alternatives = Table::new(["ALTERNATIVE", "RESOURCES", "COST", "BUT"]);
    for plan in entries(answer, "alternatives") {
        alternatives.row([
            text_of(&plan["preset"]),
            pairs_of(&plan["resources"]),
            text_of(&plan["cost"]),
            text_of(&plan["performance_impact"]) + &misses(answer, plan),
        ]);
    }
    let alternatives = match entries(answer, "alternatives") {
        [] => String::new(),
        _ => format!("\n\n{alternatives}"),
    };
    text + &alternatives + &services(answer) + &warnings(answer) + &verification(answer)
}

/// What is left of the price when the operator's cost is paid.
fn margin(answer: &Value) -> String {
    answer["margin_usd"].as_i64().map_or_else(String::new, |margin| {
        let sign = if margin < 0 { "-" } else { "" };
        format!("{sign}${}/month", margin.unsigned_abs())
    })
}

/// By how much an alternative misses the SLA.
fn misses(answer: &Value, plan: &Value) -> String {
    let miss = |miss: &Value| {
        format!("; {} +{} ({})", text_of(&miss["figure"]), shown(miss, "over"), shown(miss, "target"))
    };
    entries(answer, "misses").iter().filter(|miss| miss["preset"] == plan["preset"]).map(miss).collect()
}

/// Where each service's stages run and what they can expect, and what the order itself implies.
fn services(answer: &Value) -> String {
    let mut stages =
        Table::new(["SERVICE", "STAGE", "RUNS IN", "USED", "RESPONSE", "P95", "BLOCKING", "BUSY HOUR"]);
    let mut notes = String::new();
    for service in entries(answer, "services") {
        for stage in entries(service, "stages") {
            let (mean, busy) = (&stage["mean_hour"], &stage["busy_hour"]);
            stages.row([
                text_of(&service["service_name"]),
                text_of(&stage["stage"]),
                format!("{} x{}", text_of(&stage["runs_in"]), text_of(&stage["pods"])),
                percent(&mean["utilization"]),
                millis(&mean["response_time_ms"]["mean"]),
                millis(&mean["response_time_ms"]["p95"]),
                percent(&mean["blocking"]),
                percent(&busy["utilization"]),
            ]);
        }
        for note in entries(service, "notes") {
            notes += &format!("\n  {}", text_of(note));
        }
    }
    let notes = if notes.is_empty() { notes } else { format!("\n\n{}:{notes}", word("Notes")) };
    format!("\n\n{stages}{notes}")
}

/// The promises against a simulation, where one was asked for.
fn verification(answer: &Value) -> String {
    let mut text = String::new();
    for hour in entries(answer, "verification") {
        let mut promises =
            Table::new(["SERVICE", "STAGE", "FIGURE", "PROMISED", "SIMULATED", "SAMPLES", "KEPT"]);
        for promise in entries(hour, "promises") {
            promises.row([
                text_of(&promise["service"]),
                text_of(&promise["stage"]),
                text_of(&promise["figure"]),
                shown(promise, "promised"),
                shown(promise, "simulated"),
                text_of(&promise["samples"]),
                text_of(&promise["kept"]),
            ]);
        }
        text += &format!("\n\n{} {}:\n{promises}", word("Simulated"), text_of(&hour["hour"]));
    }
    text
}

/// A response time in milliseconds, or a share.
fn shown(promise: &Value, name: &str) -> String {
    let is_time = text_of(&promise["figure"]).starts_with("response_time");
    let value = promise[name].as_f64();
    value.map_or_else(
        || "-".to_owned(),
        |value| {
            if is_time { format!("{value:.0}ms") } else { format!("{:.3}%", value * 100.0) }
        },
    )
}

fn percent(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |share| format!("{:.1}%", share * 100.0))
}

fn millis(value: &Value) -> String {
    value.as_f64().map_or_else(|| "-".to_owned(), |ms| format!("{ms:.0}ms"))
}
