//! `ecp alerts`: alerts of one tenant or of all, listed or followed.

use super::Client;
use super::candidates;
use super::clock::{local, parse_moment};
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::language::{say_text, word};
use super::output::{View, entries, text_of};
use super::page::Listing;
use super::stream::Stream;
use super::table::{Cell, Table, status_style};
use clap::Args;
use ecp_core::Timestamp;
use serde_json::Value;
use std::ops::ControlFlow;

/// Which alerts.
#[derive(Args)]
pub(super) struct Alerts {
    /// Whose; left out, of all tenants.
    #[arg(add = candidates::tenants())]
    tenant_id: Option<String>,
    /// open, resolved or all (default).
    #[arg(long, conflicts_with = "follow", add = candidates::words(&["open", "resolved", "all"]))]
    status: Option<String>,
    /// Only alerts of this severity: warning or critical.
    #[arg(long, add = candidates::severities())]
    severity: Option<String>,
    /// Only alerts of this type: resource_usage, performance, availability or deployment_failed.
    #[arg(long = "type", value_name = "TYPE", add = candidates::alert_types())]
    kind: Option<String>,
    /// Shows the open ones, then each change, until it is stopped.
    #[arg(short = 'w', long, visible_alias = "watch", conflicts_with_all = ["skip", "limit", "all", "sort_by"])]
    follow: bool,
    /// Opened not before this time: 12h (ago), 2026-11-26, 2026-11-26T18:00, or RFC 3339. With --follow: goes on after
    /// the opening of this alert instead of starting with the open ones.
    #[arg(long, value_name = "TIME|ALERT_ID", conflicts_with_all = ["skip", "limit"])]
    since: Option<String>,
    /// Which part of the list, and in which order.
    #[command(flatten)]
    listing: Listing,
}

impl Alerts {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        if self.follow {
            let is_wanted = |frame: &Value| {
                let is = |name: &str, wanted: &Option<String>| {
                    wanted.as_deref().is_none_or(|wanted| frame[name] == wanted)
                };
                is("severity", &self.severity) && is("type", &self.kind)
            };
            let line = if self.tenant_id.is_some() { line } else { line_with_tenant };
            let stream = Stream::alerts(self.tenant_id.as_deref(), self.since);
            return client
                .follow(&connection, stream, |frame| {
                    if is_wanted(frame) {
                        client.output.frame(frame, line)?;
                    }
                    Ok(ControlFlow::Continue(()))
                })
                .await;
        }
        let since = self.since.as_deref().map(parse_moment).transpose().map_err(Failure::Input)?;
        let since = since.and_then(|since| since.parse::<Timestamp>().ok());
        let mut listing = self.listing;
        listing.page.all |= since.is_some();
        // A tenant's own call has no such conditions.
        let of_all = self.tenant_id.is_none() || self.severity.is_some() || self.kind.is_some();
        let call = |skip: Option<usize>| {
            let own = self.tenant_id.as_ref().filter(|_| !of_all).map(|id| tenant_path(id, "/alerts"));
            Call::get(own.unwrap_or_else(|| "/api/v1/alerts".to_owned()))
                .query("tenant_id", self.tenant_id.as_ref().filter(|_| of_all))
                .query("severity", self.severity.as_ref())
                .query("type", self.kind.as_ref())
                .query("status", self.status.as_ref())
                .query("skip", skip)
        };
        let mut list = listing.read(&connection, "alerts", call).await?;
        if let (Some(since), Some(alerts)) = (since, list["alerts"].as_array_mut()) {
            let opened = |alert: &Value| text_of(&alert["opened_at"]).parse::<Timestamp>().ok();
            alerts.retain(|alert| opened(alert).is_none_or(|at| at >= since));
        }
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

fn table(list: &Value, place: &str) -> View {
    let (shown, total) = (entries(list, "alerts").len(), list["total_count"].as_u64().unwrap_or(0));
    View::Rows(rows(list), say_text!("cli.alerts_shown", shown = shown, total = total, place = place))
}

/// A row for each alert of a list.
pub(super) fn rows(list: &Value) -> Table {
    let mut table =
        Table::new(["TENANT", "ALERT", "SEVERITY", "STATE", "METRIC", "VALUE", "LIMIT", "OPENED", "MESSAGE"])
            .ids_in(1);
    for alert in entries(list, "alerts") {
        let text = |name: &str| Cell::from(text_of(&alert[name]));
        table.row([
            text("tenant_id"),
            text("alert_id"),
            Cell::status(&text_of(&alert["severity"])),
            state(alert),
            text("metric"),
            text("current_value"),
            text("threshold"),
            Cell::age(&text_of(&alert["opened_at"])),
            text("message"),
        ]);
    }
    table
}

/// Its state, and whether nobody is told of it.
fn state(alert: &Value) -> Cell {
    let state = text_of(&alert["state"]);
    if alert["silenced"] != true {
        return Cell::from(state);
    }
    Cell::from(format!("{state}, {}", word("silenced"))).read_as(format!("{state}, silenced"))
}

fn line_with_tenant(frame: &Value) -> String {
    format!("{:<24}  {}", text_of(&frame["tenant_id"]), line(frame))
}

fn line(frame: &Value) -> String {
    let (severity, state) = (text_of(&frame["severity"]), text_of(&frame["state"]));
    let style = status_style(if state == "resolved" { &state } else { &severity });
    format!(
        "{}  {style}{severity:<8}  {state:<8}{style:#}  {}  {}",
        local(&text_of(&frame["timestamp"])),
        text_of(&frame["message"]),
        say_text!(
            "cli.value_and_limit",
            value = text_of(&frame["current_value"]),
            limit = text_of(&frame["threshold"])
        )
    )
}
