//! Shows roll-outs: their state, their frames, a bar that moves; waits for their end.

use super::Client;
use super::clock::local;
use super::connection::{Call, Connection, tenant_path};
use super::failure::{CallFailure, Failure, TIMEOUT};
use super::language::say_text;
use super::output::{entries, text_of};
use super::stream::Stream;
use super::table::{Cell, Table, status_style};
use super::wait::waits_for;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::time::Duration;

/// How often what is waited for is asked.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// A bar on a terminal; nothing elsewhere.
struct Bar(Option<ProgressBar>);

impl Bar {
    fn new(client: &Client, subject: &str) -> Self {
        if !client.output.is_lively() {
            return Self(None);
        }
        let bar = ProgressBar::new(100);
        let style = "{prefix} {bar:30.green/dim} {percent:>3}% {wide_msg}";
        // The template is a constant that parses.
        bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(subject.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(Some(bar))
    }

    fn show(&self, state: &Value) -> bool {
        let Some(bar) = &self.0 else { return false };
        bar.set_position(state["progress"].as_u64().unwrap_or(0));
        bar.set_message(format!("{} {}", text_of(&state["phase"]), text_of(&state["message"])));
        true
    }

    /// Names what a roll-out waits for, for as long as it goes on; without a bar there is nobody to tell.
    async fn keep_naming(
        &self,
        client: &Client,
        connection: &Connection,
        tenant_id: &str,
        id: &str,
    ) -> Infallible {
        let Some(bar) = &self.0 else { return std::future::pending().await };
        loop {
            tokio::time::sleep(BETWEEN_LOOKS).await;
            if let Ok(state) = client.deployment_status(connection, tenant_id, Some(id)).await
                && !entries(&state, "pending_resources").is_empty()
            {
                bar.set_message(waits_for(&state));
            }
        }
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// One state of a roll-out in one line.
fn line(frame: &Value) -> String {
    let status = text_of(&frame["status"]);
    let style = status_style(&status);
    let (time, phase, message) =
        (local(&text_of(&frame["timestamp"])), text_of(&frame["phase"]), text_of(&frame["message"]));
    let progress = frame["progress"].as_u64().unwrap_or(0);
    format!("{time}  {progress:>3}%  {style}{status:<9}{style:#}  {phase:<12}  {message}")
}

/// A whole state: summary, resources, log.
pub(super) fn table(state: &Value) -> String {
    let status = text_of(&state["status"]);
    let style = status_style(&status);
    let mut text = format!(
        "{}  {style}{status}{style:#}  {}%  {}",
        text_of(&state["deployment_id"]),
        text_of(&state["progress"]),
        text_of(&state["phase"])
    );
    if let Some(phase) = state["failed_phase"].as_str() {
        text += &format!("  {}", say_text!("cli.failed_in", phase = phase));
    }
    if let Some(estimate) = state["estimated_completion"].as_str() {
        text += &format!("  {}", say_text!("cli.until_about", time = local(estimate)));
    }
    let mut resources = Table::new(["KIND", "NAME", "STATUS", "REPLICAS", "REASON"]);
    for resource in entries(state, "created_resources").iter().chain(entries(state, "pending_resources")) {
        resources.row([
            Cell::from(text_of(&resource["type"])),
            Cell::from(text_of(&resource["name"])),
            Cell::status(&text_of(&resource["status"])),
            Cell::from(text_of(&resource["replicas"])),
            Cell::from(text_of(&resource["reason"])),
        ]);
    }
    text += &format!("\n\n{resources}");
    let log = entries(state, "logs");
    if !log.is_empty() {
        text += "\n";
    }
    for entry in log {
        let level = text_of(&entry["level"]);
        let style = status_style(&level);
        text += &format!(
            "\n{}  {style}{level:<7}{style:#}  {}",
            local(&text_of(&entry["timestamp"])),
            text_of(&entry["message"])
        );
    }
    text
}

/// The failure of a roll-out that did not succeed, by its last frame; one that was taken back says to what.
fn failure(subject: &str, last: &Value) -> Failure {
    let (failure, message) = (&last["failure"], text_of(&last["message"]));
    let rolled_back = last["status"] == "rolled_back" && !message.is_empty();
    let reason = match failure["message"].as_str() {
        Some(reason) if rolled_back => format!("{reason}; {message}"),
        Some(reason) => reason.to_owned(),
        None if !message.is_empty() => message,
        None => say_text!("cli.rollout_is", status = text_of(&last["status"])),
    };
    let code = failure["code"].as_str().unwrap_or("DEPLOYMENT_FAILED").to_owned();
    Failure::Deployment { code, subject: subject.to_owned(), reason }
}

impl Client {
    /// Where one of a tenant's roll-outs stands; the newest where none is named.
    pub(super) async fn deployment_status(
        &self,
        connection: &Connection,
        tenant_id: &str,
        deployment_id: Option<&str>,
    ) -> Result<Value, CallFailure> {
        let call = Call::get(tenant_path(tenant_id, "/deployment-status"));
        connection.json(&call.query("deployment_id", deployment_id)).await
    }

    /// Follows a roll-out or deletion to its end, frame by frame.
    pub(super) async fn watch_rollout(
        &self,
        connection: &Connection,
        tenant_id: Option<&str>,
        deployment_id: &str,
        limit: Duration,
    ) -> Result<(), Failure> {
        let last = self
            .until_ended(connection, tenant_id, deployment_id, limit, |frame| self.output.frame(frame, line))
            .await?;
        if self.output.is_lively() {
            self.output.line(&line(&last))?;
        }
        outcome(deployment_id, &last)
    }

    /// Waits for the end of one roll-out of a tenant, and answers with where it stands then. A
    /// roll-out that was taken back or that a newer one replaced has failed, whatever runs now.
    pub(super) async fn wait_for_rollout(
        &self,
        connection: &Connection,
        tenant_id: &str,
        deployment_id: &str,
        limit: Duration,
    ) -> Result<Value, Failure> {
        let last = self.until_ended(connection, Some(tenant_id), deployment_id, limit, |_| Ok(())).await?;
        outcome(tenant_id, &last)?;
        Ok(self.deployment_status(connection, tenant_id, Some(deployment_id)).await?)
    }

    /// Follows a roll-out to its end and answers with the last frame; a bar shows it where there is a
    /// terminal, `otherwise` elsewhere. A server that restarts is waited for; who stops waiting is told
    /// that the roll-out goes on.
    async fn until_ended(
        &self,
        connection: &Connection,
        tenant_id: Option<&str>,
        deployment_id: &str,
        limit: Duration,
        mut otherwise: impl FnMut(&Value) -> Result<(), Failure>,
    ) -> Result<Value, Failure> {
        let subject = tenant_id.unwrap_or(deployment_id);
        let bar = Bar::new(self, subject);
        let mut last = Value::Null;
        let follow = self.follow(connection, Stream::deployment(deployment_id), |frame| {
            if !bar.show(frame) {
                otherwise(frame)?;
            }
            last = frame.clone();
            Ok(ControlFlow::Continue(()))
        });
        let ended = tokio::select! {
            ended = tokio::time::timeout(limit, follow) => ended,
            never = bar.keep_naming(self, connection, subject, deployment_id) => match never {},
            Ok(()) = tokio::signal::ctrl_c() => {
                drop(bar);
                return Err(Failure::StoppedWaiting { deployment_id: Some(deployment_id.to_owned()) });
            }
        };
        drop(bar);
        ended.map_err(|_| too_late(subject, limit, &last))??;
        Ok(last)
    }
}

/// Whether a roll-out or deletion ended well, by its last frame.
fn outcome(subject: &str, last: &Value) -> Result<(), Failure> {
    match last["status"].as_str() {
        Some("running" | "deleted") => Ok(()),
        _ => Err(failure(subject, last)),
    }
}

fn too_late(subject: &str, limit: Duration, last: &Value) -> Failure {
    let seen = if last.is_null() {
        say_text!("cli.nothing_seen")
    } else {
        format!("{} {}%", text_of(&last["status"]), text_of(&last["progress"]))
    };
    let what = say_text!("cli.not_ended", subject = subject, seconds = limit.as_secs_f64(), seen = seen);
    CallFailure::own(TIMEOUT, 0, what).into()
}
