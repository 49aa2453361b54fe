//! `ecp alerts`: alerts of one tenant or of all, listed or followed.

use super::Client;
use super::candidates;
use super::clock::local;
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::language::say_text;
use super::output::{View, entries, text_of};
use super::page::Listing;
use super::stream::Stream;
use super::table::{Cell, Table, status_style};
use clap::Args;
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
    /// Without a tenant: warning or critical.
    #[arg(long, conflicts_with = "tenant_id", add = candidates::severities())]
    severity: Option<String>,
    /// Without a tenant: resource_usage, performance, availability or deployment_failed.
    #[arg(long = "type", conflicts_with = "tenant_id", value_name = "TYPE", add = candidates::alert_types())]
    kind: Option<String>,
    /// Shows the open ones, then each change, until it is stopped.
    #[arg(short = 'w', long, visible_alias = "watch", conflicts_with_all = ["skip", "limit", "all", "sort_by"])]
    follow: bool,
    /// With --follow: goes on after the opening of this alert instead of starting with the open ones.
    #[arg(long, requires = "follow", value_name = "ALERT_ID")]
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
        let call = |skip: Option<usize>| {
            let path = self.tenant_id.as_ref().map(|id| tenant_path(id, "/alerts"));
            Call::get(path.unwrap_or_else(|| "/api/v1/alerts".to_owned()))
                .query("severity", self.severity.as_ref())
                .query("type", self.kind.as_ref())
                .query("status", self.status.as_ref())
                .query("skip", skip)
        };
        let list = self.listing.read(&connection, "alerts", call).await?;
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
            Cell::from(if alert["silenced"] == true {
                format!("{}, silenced", text_of(&alert["state"]))
            } else {
                text_of(&alert["state"])
            }),
            text("metric"),
            text("current_value"),
            text("threshold"),
            Cell::age(&text_of(&alert["opened_at"])),
            text("message"),
        ]);
    }
    table
}

fn line_with_tenant(frame: &Value) -> String {
    format!("{:<24}  {}", text_of(&frame["tenant_id"]), line(frame))
}

fn line(frame: &Value) -> String {
    let (severity, state) = (text_of(&frame["severity"]), text_of(&frame["state"]));
    let style = status_style(if state == "resolved" { &state } else { &severity });
    format!(
        "{}  {style}{severity:<8}  {state:<8}{style:#}  {}  {} (limit {})",
        local(&text_of(&frame["timestamp"])),
        text_of(&frame["message"]),
        text_of(&frame["current_value"]),
        text_of(&frame["threshold"])
    )
}
