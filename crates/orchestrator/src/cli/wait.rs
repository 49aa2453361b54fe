//! `ecp wait`: waits until tenants are as they are to be.

use super::Client;
use super::apply::present;
use super::candidates;
use super::connection::{Call, Connection};
use super::failure::{CallFailure, Failure, TIMEOUT};
use super::language::told;
use super::options::parse_seconds;
use super::output::{entries, text_of};
use super::table::Table;
use clap::{Args, ValueEnum};
use ecp_core::text::Message;
use indicatif::ProgressBar;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::time::Instant;

/// For what, and how long.
#[derive(Args)]
pub(super) struct Wait {
    /// Tenants to wait for, one after another.
    #[arg(required = true, add = candidates::tenants())]
    tenant_ids: Vec<String>,
    /// running, failed, deleted, or no-alerts (none is open).
    #[arg(long = "for", value_enum, value_name = "CONDITION")]
    condition: Condition,
    /// Seconds to wait for all of them at most.
    #[arg(long, default_value = "1800", value_parser = parse_seconds, value_name = "SECONDS")]
    wait_timeout: Duration,
}

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Condition {
    /// Its status is running; one that fails ends the waiting.
    Running,
    /// Its status is failed.
    Failed,
    /// There is no such tenant, any more.
    Deleted,
    /// None of its alerts is open.
    NoAlerts,
}

impl Condition {
    fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Failed => "failed",
            Self::Deleted => "deleted",
            Self::NoAlerts => "no-alerts",
        }
    }
}

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);

impl Wait {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let bar = client.output.is_lively().then(ProgressBar::new_spinner);
        let waited = tokio::select! {
            waited = self.until_there(client, bar.as_ref()) => waited,
            Ok(()) = tokio::signal::ctrl_c() => Err(Failure::StoppedWaiting { deployment_id: None }),
        };
        if let Some(bar) = bar {
            bar.finish_and_clear();
        }
        waited
    }

    async fn until_there(&self, client: &Client, bar: Option<&ProgressBar>) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let until = Instant::now() + self.wait_timeout;
        let mut done = Vec::new();
        for tenant_id in &self.tenant_ids {
            loop {
                let seen = match self.look(&connection, tenant_id).await? {
                    Look::There => break,
                    Look::NotYet(seen) => seen,
                };
                if let Some(bar) = bar {
                    bar.set_message(format!("{tenant_id}: {seen}"));
                    bar.tick();
                }
                if Instant::now() >= until {
                    let what = Message::new("cli.wait_too_long")
                        .with("tenant_id", tenant_id)
                        .with("condition", self.condition.as_str())
                        .with("seconds", self.wait_timeout.as_secs_f64())
                        .with("seen", seen);
                    return Err(CallFailure::own(TIMEOUT, 0, told(&what)).into());
                }
                tokio::time::sleep(PAUSE).await;
            }
            if let Some(bar) = bar {
                bar.set_message("");
            }
            client.say(&format!("{tenant_id}: {}", self.condition.as_str()))?;
            done.push(json!({"tenant_id": tenant_id, "condition": self.condition.as_str()}));
        }
        if client.output.is_for_people() {
            return Ok(());
        }
        client.output.value(&json!({ "tenants": done }), |value| {
            let mut table = Table::new(["TENANT", "STATE"]);
            for entry in entries(value, "tenants") {
                table.row([text_of(&entry["tenant_id"]), text_of(&entry["condition"])]);
            }
            table
        })
    }

    async fn look(&self, connection: &Connection, tenant_id: &str) -> Result<Look, Failure> {
        let Some(tenant) = present(connection, tenant_id).await? else {
            if self.condition == Condition::Deleted {
                return Ok(Look::There);
            }
            // Nobody waits for what is not there: it is said at once, with where that was.
            connection.json(&Call::get(super::connection::tenant_path(tenant_id, ""))).await?;
            return Ok(Look::NotYet(String::new()));
        };
        let status = text_of(&tenant["status"]);
        match self.condition {
            Condition::Running if status == "failed" => Err(why(connection, tenant_id).await?),
            Condition::NoAlerts => {
                let call = Call::get(super::connection::tenant_path(tenant_id, "/alerts"));
                let alerts =
                    connection.json(&call.query("status", Some("open")).answers(&["alerts"])).await?;
                let open = entries(&alerts, "alerts");
                Ok(match open.first() {
                    None => Look::There,
                    Some(alert) => Look::NotYet(text_of(&alert["message"])),
                })
            }
            Condition::Running | Condition::Failed if status == self.condition.as_str() => Ok(Look::There),
            _ => Ok(Look::NotYet(self.progress(connection, tenant_id, &status).await)),
        }
    }

    /// What it waits for, as far as the server tells.
    async fn progress(&self, connection: &Connection, tenant_id: &str, status: &str) -> String {
        let call = Call::get(super::connection::tenant_path(tenant_id, "/deployment-status"));
        let Ok(state) = connection.json(&call).await else { return status.to_owned() };
        format!("{status} {}% {}", text_of(&state["progress"]), waits_for(&state))
    }
}

/// The phase of a roll-out, and the objects that it waits for.
pub(super) fn waits_for(state: &Value) -> String {
    let waiting: Vec<String> = entries(state, "pending_resources")
        .iter()
        .map(|state| {
            let (name, reason) = (text_of(&state["name"]), text_of(&state["reason"]));
            if reason.is_empty() { name } else { format!("{name} ({reason})") }
        })
        .collect();
    let phase = text_of(&state["phase"]);
    if waiting.is_empty() { phase } else { format!("{phase}: {}", waiting.join(", ")) }
}

enum Look {
    There,
    NotYet(String),
}

/// Why a tenant failed.
async fn why(connection: &Connection, tenant_id: &str) -> Result<Failure, Failure> {
    let call = Call::get(super::connection::tenant_path(tenant_id, "/deployment-status"));
    let state = connection.json(&call).await?;
    let failure = &state["failure"];
    let code = failure["code"].as_str().unwrap_or("DEPLOYMENT_FAILED").to_owned();
    let reason = failure["message"].as_str().map_or_else(|| text_of(&state["status"]), str::to_owned);
    Ok(Failure::Deployment { code, subject: tenant_id.to_owned(), reason })
}
