//! `ecp alerts`: alerts of one tenant or of all, listed or followed.

use super::Client;
use super::candidates;
use super::clock::local;
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::language::say_text;
use super::output::{View, entries, text_of};
use super::page::{Page, Sorting};
use super::stream::Stream;
use super::table::{Cell, Table, status_style};
use clap::Args;
use serde_json::Value;
use std::ops::ControlFlow;

/// Which alerts.
#[derive(Args)]
pub(super) struct Alerts {
    /// Whose; left out, of all tenants.
    #[arg(add = candidates::tenants(), required_if_eq("follow", "true"))]
    tenant_id: Option<String>,
    /// open, resolved or all (default).
    #[arg(long, conflicts_with = "follow")]
    status: Option<String>,
    /// Without a tenant: warning or critical.
    #[arg(long, conflicts_with = "tenant_id")]
    severity: Option<String>,
    /// Without a tenant: resource_usage, performance or availability.
    #[arg(long = "type", conflicts_with = "tenant_id", value_name = "TYPE")]
    kind: Option<String>,
    /// Shows the open ones, then each change, until it is stopped.
    #[arg(long)]
    follow: bool,
    /// With --follow: goes on after the opening of this alert instead of starting with the open ones.
    #[arg(long, requires = "follow", value_name = "ALERT_ID")]
    since: Option<String>,
    /// Which part of the list.
    #[command(flatten)]
    page: Page,
    /// In which order.
    #[command(flatten)]
    sorting: Sorting,
}

impl Alerts {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        if let (true, Some(tenant_id)) = (self.follow, &self.tenant_id) {
            let stream = Stream::alerts(tenant_id, self.since);
            return client
                .follow(&connection, stream, |frame| {
                    client.output.frame(frame, line)?;
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
        let mut list = self.page.read(&connection, "alerts", call).await?;
        self.sorting.sort(&mut list, "alerts");
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

fn table(list: &Value, place: &str) -> View {
    let mut table =
        Table::new(["TENANT", "ALERT", "SEVERITY", "STATE", "METRIC", "VALUE", "LIMIT", "OPENED", "MESSAGE"]);
    for alert in entries(list, "alerts") {
        let text = |name: &str| Cell::from(text_of(&alert[name]));
        table.row([
            text("tenant_id"),
            text("alert_id"),
            Cell::status(&text_of(&alert["severity"])),
            text("state"),
            text("metric"),
            text("current_value"),
            text("threshold"),
            Cell::age(&text_of(&alert["opened_at"])),
            text("message"),
        ]);
    }
    let (shown, total) = (entries(list, "alerts").len(), list["total_count"].as_u64().unwrap_or(0));
    View::Rows(table, say_text!("cli.alerts_shown", shown = shown, total = total, place = place))
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
