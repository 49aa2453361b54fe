//! `ecp audit`: who changed what, when, and what came of it.

use super::Client;
use super::clock::parse_moment;
use super::connection::Call;
use super::failure::Failure;
use super::language::say_text;
use super::output::{View, entries, text_of};
use super::page::Listing;
use super::table::{Cell, Table};
use clap::Args;
use serde_json::Value;

/// Which entries.
#[derive(Args)]
pub(super) struct Audit {
    /// Only of this tenant.
    #[arg(long, add = super::candidates::tenants())]
    tenant: Option<String>,
    /// Only by this token or part of the server.
    #[arg(long)]
    actor: Option<String>,
    /// Only this action, such as tenant.update.
    #[arg(long)]
    action: Option<String>,
    /// Only with this outcome, such as accepted.
    #[arg(long)]
    outcome: Option<String>,
    /// Only of this request.
    #[arg(long)]
    request_id: Option<String>,
    /// Not before this time: 12h (ago), 2026-11-26, 2026-11-26T18:00, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<String>,
    /// Before this time, given as with --since.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    until: Option<String>,
    /// Which part of the list, and in which order.
    #[command(flatten)]
    listing: Listing,
}

impl Audit {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let call = |skip: Option<usize>| {
            Call::get("/api/v1/audit")
                .query("tenant_id", self.tenant.as_ref())
                .query("actor", self.actor.as_ref())
                .query("action", self.action.as_ref())
                .query("outcome", self.outcome.as_ref())
                .query("request_id", self.request_id.as_ref())
                .query("since", self.since.as_ref())
                .query("until", self.until.as_ref())
                .query("skip", skip)
        };
        let list = self.listing.read(&connection, "entries", call).await?;
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

fn table(list: &Value, place: &str) -> View {
    let mut table = Table::new(["TIME", "ACTOR", "ACTION", "TENANT", "OUTCOME", "REQUEST"]).ids_in(5);
    for entry in entries(list, "entries") {
        let text = |name: &str| Cell::from(text_of(&entry[name]));
        let outcome = Cell::status(&text_of(&entry["outcome"]));
        table.row([
            Cell::time(&text_of(&entry["timestamp"])),
            text("actor"),
            text("action"),
            text("tenant_id"),
            outcome,
            text("request_id"),
        ]);
    }
    let (shown, total) = (entries(list, "entries").len(), list["total_count"].as_u64().unwrap_or(0));
    let footer = say_text!("cli.audit_shown", shown = shown, total = total, place = place);
    View::Rows(table, footer)
}
