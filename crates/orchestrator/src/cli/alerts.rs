//! `ecp alerts`: a tenant's alerts, listed or followed.

use super::Client;
use super::connection::{Call, tenant_path};
use super::failure::Failure;
use super::output::{entries, text_of};
use super::stream::Stream;
use super::table::{Cell, Table, status_style};
use super::tenants::Page;
use clap::Args;
use serde_json::Value;
use std::ops::ControlFlow;

/// Which alerts.
#[derive(Args)]
pub(super) struct Alerts {
    /// Whose.
    tenant_id: String,
    /// open, resolved or all (default).
    #[arg(long, conflicts_with = "follow")]
    status: Option<String>,
    /// Shows the open ones, then each change, until it is stopped.
    #[arg(long)]
    follow: bool,
    /// With --follow: goes on after the opening of this alert instead of starting with the open ones.
    #[arg(long, requires = "follow", value_name = "ALERT_ID")]
    since: Option<String>,
    /// Which part of the list.
    #[command(flatten)]
    page: Page,
}

impl Alerts {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        if self.follow {
            let stream = Stream::alerts(&self.tenant_id, self.since);
            return client
                .follow(&connection, stream, |frame| {
                    client.output.frame(frame, line)?;
                    Ok(ControlFlow::Continue(()))
                })
                .await;
        }
        let call = |skip: Option<usize>| {
            Call::get(tenant_path(&self.tenant_id, "/alerts"))
                .query("status", self.status.as_ref())
                .query("skip", skip)
        };
        let list = self.page.read(&connection, "alerts", call).await?;
        client.output.value(&list, |list| table(list, &connection.place()))
    }
}

fn table(list: &Value, place: &str) -> String {
    let mut table =
        Table::new(["ALERT", "SEVERITY", "STATE", "METRIC", "VALUE", "LIMIT", "OPENED", "MESSAGE"]);
    for alert in entries(list, "alerts") {
        let text = |name: &str| Cell::from(text_of(&alert[name]));
        table.row([
            text("alert_id"),
            Cell::status(&text_of(&alert["severity"])),
            text("state"),
            text("metric"),
            text("current_value"),
            text("threshold"),
            text("opened_at"),
            text("message"),
        ]);
    }
    let (shown, total) = (entries(list, "alerts").len(), list["total_count"].as_u64().unwrap_or(0));
    format!("{table}\n\n{shown} of {total} alerts, {place}")
}

fn line(frame: &Value) -> String {
    let (severity, state) = (text_of(&frame["severity"]), text_of(&frame["state"]));
    let style = status_style(if state == "resolved" { &state } else { &severity });
    format!(
        "{}  {style}{severity:<8}  {state:<8}{style:#}  {}  {} (limit {})",
        text_of(&frame["timestamp"]),
        text_of(&frame["message"]),
        text_of(&frame["current_value"]),
        text_of(&frame["threshold"])
    )
}
