//! `ecp tenants history` and `ecp tenants rollback`: what was done to a tenant, and going back.

use super::Client;
use super::candidates;
use super::clock::parse_moment;
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::language::say_text;
use super::options::parse_seconds;
use super::output::{View, entries, text_of};
use super::page::Listing;
use super::rollout;
use super::table::{Cell, Table};
use super::tenants::detail;
use clap::Args;
use ecp_core::Timestamp;
use serde_json::{Value, json};
use std::time::Duration;

/// Whose deployments.
#[derive(Args)]
pub(super) struct History {
    /// The tenant's id.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Not before this time: 12h (ago), 2026-11-26, 2026-11-26T18:00, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_moment, conflicts_with_all = ["skip", "limit"])]
    since: Option<String>,
    /// Which part of the list, and in which order.
    #[command(flatten)]
    listing: Listing,
}

/// Where to go back to.
#[derive(Args)]
pub(super) struct Rollback {
    /// The tenant's id.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Deployment that ran, as `history` lists it [default: the last that ran and is not what runs now].
    #[arg(long, value_name = "ID")]
    to: Option<String>,
    /// Only if the tenant is still at this generation.
    #[arg(long, value_name = "N")]
    if_generation: Option<u64>,
    /// Waits for the end of the roll-out.
    #[arg(long)]
    wait: bool,
    /// Seconds to wait at most.
    #[arg(long, default_value = "1800", value_parser = parse_seconds, value_name = "SECONDS")]
    wait_timeout: Duration,
}

impl History {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let path = tenant_path(&self.tenant_id, "/deployments");
        let call = |skip: Option<usize>| Call::get(path.clone()).query("skip", skip);
        let since = self.since.as_deref().and_then(|since| since.parse::<Timestamp>().ok());
        let mut listing = self.listing;
        listing.page.all |= since.is_some();
        let mut list = listing.read(&connection, "deployments", call).await?;
        if let (Some(since), Some(deployments)) = (since, list["deployments"].as_array_mut()) {
            let created = |entry: &Value| text_of(&entry["created_at"]).parse::<Timestamp>().ok();
            deployments.retain(|entry| created(entry).is_none_or(|at| at >= since));
        }
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

impl Rollback {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let body = self.to.map_or_else(|| json!({}), |id| json!({ "deployment_id": id }));
        let call = Call::post(tenant_path(&self.tenant_id, "/rollback"), body)
            .header("if-match", self.if_generation.map(|generation| format!("\"{generation}\"")));
        let answer = connection.json(&call).await?;
        if self.wait {
            let (deployment_id, limit) = (text_of(&answer["deployment_id"]), self.wait_timeout);
            let state = client.wait_for_rollout(&connection, &self.tenant_id, &deployment_id, limit).await?;
            return client.output.value(&state, rollout::table);
        }
        client.output.value(&answer, detail)
    }
}

fn table(list: &Value, place: &str) -> View {
    let mut table = Table::new(["DEPLOYMENT", "WHEN", "WHO", "WHY", "STATUS", "RAN", "CHANGED"]);
    for entry in entries(list, "deployments") {
        let text = |name: &str| Cell::from(text_of(&entry[name]));
        let why = match (text_of(&entry["kind"]), text_of(&entry["cause"])) {
            (kind, cause) if cause == "request" => kind,
            (_, cause) => cause,
        };
        let changed: Vec<String> =
            entries(entry, "changes").iter().map(|change| text_of(&change["field"])).collect();
        table.row([
            text("deployment_id"),
            Cell::age(&text_of(&entry["created_at"])),
            text("actor"),
            Cell::from(why),
            Cell::status(&text_of(&entry["status"])),
            Cell::word(if entry["ran_whole_at"].is_string() { "yes" } else { "no" }),
            Cell::from(changed.join(", ")),
        ]);
    }
    let shown = entries(list, "deployments").len();
    let total = list["total_count"].as_u64().unwrap_or(0);
    let footer = say_text!("cli.deployments_shown", shown = shown, total = total, place = place);
    View::Rows(table, footer)
}
