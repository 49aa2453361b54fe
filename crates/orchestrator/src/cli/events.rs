//! `ecp events` and `ecp logs`: what the cluster tells of a tenant's objects, and what its containers write.

use super::Client;
use super::candidates;
use super::clock::parse_moment;
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::language::say_text;
use super::output::{View, entries, plain, text_of};
use super::page::Sorting;
use super::table::{Cell, Table};
use clap::Args;
use ecp_core::Timestamp;
use ecp_core::happenings::MOST_EVENTS;
use serde_json::{Value, json};
use std::io::IsTerminal;

/// Whose events.
#[derive(Args)]
pub(super) struct Events {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Events at most, 1-500 [default: 100].
    #[arg(long)]
    limit: Option<u32>,
    /// Only those of type Warning.
    #[arg(long)]
    warnings: bool,
    /// Not before this time: 12h (ago), 2026-11-26, 2026-11-26T18:00, or RFC 3339.
    #[arg(long, value_name = "TIME", value_parser = parse_moment)]
    since: Option<String>,
    /// In which order.
    #[command(flatten)]
    sorting: Sorting,
}

/// Whose lines.
#[derive(Args)]
pub(super) struct Logs {
    /// Whose.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Pods of this service alone, or of redis [default: all].
    #[arg(long, add = candidates::services())]
    service: Option<String>,
    /// This pod alone.
    #[arg(long)]
    pod: Option<String>,
    /// This container of each pod that has it [default: its first].
    #[arg(short, long)]
    container: Option<String>,
    /// Of the container before the last restart.
    #[arg(short, long, conflicts_with = "follow")]
    previous: bool,
    /// Newest lines of each pod, 0-10000 [default: 100].
    #[arg(long)]
    tail: Option<u32>,
    /// Goes on with what is written from now on, until it is stopped.
    #[arg(short, long)]
    follow: bool,
}

impl Events {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        // What is picked here is picked from all that the server lists.
        let limit = self.limit.or((self.warnings || self.since.is_some()).then_some(MOST_EVENTS as u32));
        let call = Call::get(tenant_path(&self.tenant_id, "/events")).query("limit", limit);
        let mut list = connection.json(&call).await?;
        let since = self.since.as_deref().and_then(|since| since.parse::<Timestamp>().ok());
        if let Some(events) = list["events"].as_array_mut() {
            events.retain(|event| {
                let at = text_of(&event["timestamp"]).parse::<Timestamp>().ok();
                (!self.warnings || event["type"] == "Warning")
                    && since.is_none_or(|since| at.is_none_or(|at| at >= since))
            });
        }
        self.sorting.sort(&mut list, "events")?;
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

fn table(list: &Value, place: &str) -> View {
    let mut table = Table::new(["LAST SEEN", "TYPE", "REASON", "OBJECT", "COUNT", "MESSAGE"]).ids_in(3);
    for event in entries(list, "events") {
        let text = |name: &str| Cell::from(text_of(&event[name]));
        let kind = text_of(&event["type"]);
        let object = format!(
            "{}/{}",
            text_of(&event["object"]["kind"]).to_lowercase(),
            text_of(&event["object"]["name"])
        );
        table.row([
            Cell::age(&text_of(&event["timestamp"])),
            Cell::styled(&kind, if kind == "Warning" { "warning" } else { "" }),
            text("reason"),
            Cell::from(object),
            text("count"),
            text("message"),
        ]);
    }
    let count = entries(list, "events").len();
    View::Rows(table, say_text!("cli.events_shown", count = count, place = place))
}

impl Logs {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let call = Call::get(tenant_path(&self.tenant_id, "/logs"))
            .query("service", self.service)
            .query("pod", self.pod)
            .query("container", self.container)
            .query("previous", self.previous.then_some(true))
            .query("tail", self.tail)
            .query("follow", self.follow.then_some(true));
        // No line of a container steers the terminal; in a pipe it is as it was written.
        let shown = if std::io::stdout().is_terminal() { text_of } else { plain };
        connection
            .lines(&call, |line| client.output.frame(&json!({ "line": line }), |frame| shown(&frame["line"])))
            .await
    }
}
