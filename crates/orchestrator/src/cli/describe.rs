//! `ecp describe`: all of a tenant on one page.

use super::Client;
use super::candidates;
use super::clock::{age, local_and_age};
use super::connection::{Call, Connection, tenant_path};
use super::failure::Failure;
use super::language::told;
use super::output::{View, entries, text_of};
use super::table::{Cell, Table, status_style};
use super::tenants;
use clap::Args;
use ecp_core::text::Message;
use serde_json::{Value, json};

/// Which tenants.
#[derive(Args)]
pub(super) struct Describe {
    /// Their ids.
    #[arg(required = true, add = candidates::tenants())]
    tenant_ids: Vec<String>,
}

/// Roll-outs that are shown.
const DEPLOYMENTS: u32 = 5;

impl Describe {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        for (place, tenant_id) in self.tenant_ids.iter().enumerate() {
            let found = everything(&connection, tenant_id).await?;
            if place > 0 && client.output.is_for_people() {
                client.output.line("")?;
            }
            client.output.value(&found, |found| View::from(page(found)))?;
        }
        Ok(())
    }
}

/// What the API knows of a tenant, under the names of its calls.
async fn everything(connection: &Connection, tenant_id: &str) -> Result<Value, Failure> {
    let get = |below: &str| Call::get(tenant_path(tenant_id, below));
    let tenant = connection.json(&get("")).await?;
    let live = Call::get("/api/v1/tenants/")
        .query("q", Some(tenant_id))
        .query("expand", Some("metrics,alerts,cost,failure"))
        .query("limit", Some(1000));
    let list = connection.json(&live).await?;
    let row = entries(&list, "tenants").iter().find(|row| row["tenant_id"] == tenant_id);
    Ok(json!({
        "tenant_id": tenant_id,
        "tenant": tenant,
        "live": row,
        "status": connection.json(&get("/deployment-status")).await?,
        "alerts": connection.json(&get("/alerts").query("status", Some("open"))).await?["alerts"],
        "deployments": connection.json(&get("/deployments").query("limit", Some(DEPLOYMENTS))).await?["deployments"],
    }))
}

fn page(found: &Value) -> String {
    let (tenant, live) = (&found["tenant"], &found["live"]);
    let mut text = tenants::detail(tenant);
    let failure = &live["failure"];
    if !failure.is_null() {
        let style = status_style("failed");
        let failure = format!("{} ({})", text_of(&failure["message"]), text_of(&failure["code"]));
        text += &section("cli.section_failure", &format!("{style}{failure}{style:#}"));
    }
    text += &section("cli.section_measured", &measured(tenant, live));
    let mut resources = Table::new(["KIND", "NAME", "STATUS", "REPLICAS", "REASON"]);
    let status = &found["status"];
    let states = entries(status, "created_resources").iter().chain(entries(status, "pending_resources"));
    // What runs as it should is what the page says above.
    let mut waiting = states.filter(|state| !state["reason"].is_null()).peekable();
    if waiting.peek().is_some() {
        for state in waiting {
            resources.row([
                Cell::from(text_of(&state["type"])),
                Cell::from(text_of(&state["name"])),
                Cell::status(&text_of(&state["status"])),
                Cell::from(text_of(&state["replicas"])),
                Cell::from(text_of(&state["reason"])),
            ]);
        }
        text += &section("cli.section_waiting", &resources.to_string());
    }
    text += &section("cli.section_alerts", &alerts(found));
    text + &section("cli.section_deployments", &deployments(found))
}

fn section(key: &'static str, body: &str) -> String {
    let bold = anstyle::Style::new().bold();
    format!("\n\n{bold}{}{bold:#}\n{body}", told(&Message::new(key)))
}

/// What was promised against what is measured.
fn measured(tenant: &Value, live: &Value) -> String {
    let (metrics, sla) = (&live["metrics"], &tenant["sla_target"]);
    let Some(time) = metrics["timestamp"].as_str() else {
        return told(&Message::new("cli.nothing_measured"));
    };
    let mut table = Table::new(["METRIC", "NOW", "PROMISED"]);
    for (name, unit) in
        [("cpu", "%"), ("memory", "%"), ("gpu", "%"), ("response_time", "ms"), ("error_rate", "%")]
    {
        if let Some(value) = metrics[name].as_f64() {
            let promised =
                if name == "response_time" { text_of(&sla["response_time"]) } else { String::new() };
            let limit = promised.trim_end_matches("ms").parse::<f64>().ok();
            let style = if limit.is_some_and(|limit| value > limit) { "critical" } else { "" };
            table.row([
                Cell::from(name),
                Cell::styled(&format!("{value:.1}{unit}"), style),
                Cell::from(promised),
            ]);
        }
    }
    format!("{table}\n{}", local_and_age(time))
}

fn alerts(found: &Value) -> String {
    if entries(found, "alerts").is_empty() {
        return told(&Message::new("cli.none"));
    }
    let mut table = Table::new(["SEVERITY", "METRIC", "VALUE", "LIMIT", "AGE", "MESSAGE"]);
    for alert in entries(found, "alerts") {
        let text = |name: &str| Cell::from(text_of(&alert[name]));
        table.row([
            Cell::status(&text_of(&alert["severity"])),
            text("metric"),
            text("current_value"),
            text("threshold"),
            Cell::age(&text_of(&alert["opened_at"])),
            text("message"),
        ]);
    }
    table.to_string()
}

fn deployments(found: &Value) -> String {
    let mut table = Table::new(["DEPLOYMENT", "AGE", "WHO", "STATUS", "CHANGED"]);
    for entry in entries(found, "deployments") {
        let changed: Vec<String> = entries(entry, "changes")
            .iter()
            .map(|change| {
                let value = |name: &str| match text_of(&change[name]) {
                    text if text.is_empty() => "-".to_owned(),
                    text => text,
                };
                format!("{} {} -> {}", text_of(&change["field"]), value("before"), value("after"))
            })
            .collect();
        table.row([
            Cell::from(text_of(&entry["deployment_id"])),
            Cell::from(age(&text_of(&entry["created_at"]))),
            Cell::from(text_of(&entry["actor"])),
            Cell::status(&text_of(&entry["status"])),
            Cell::from(changed.join("; ")),
        ]);
    }
    table.to_string()
}
