//! `ecp status`: how a roll-out stands, what became of it, or each step of it.

use super::Client;
use super::candidates;
use super::failure::Failure;
use super::language::told;
use super::options::parse_seconds;
use super::output::text_of;
use super::{rollout, tenants};
use clap::Args;
use ecp_core::text::Message;
use std::time::Duration;

/// Whose roll-outs.
#[derive(Args)]
pub(super) struct Status {
    /// Tenants whose newest roll-out or deletion it is.
    #[arg(add = candidates::tenants(), required_unless_present = "deployment")]
    tenant_ids: Vec<String>,
    /// Another of its roll-outs, by id (dep-…); with --watch, any roll-out or deletion (del-…).
    #[arg(long, value_name = "ID")]
    deployment: Option<String>,
    /// Follows it to its end: a bar on a terminal, a line for each step elsewhere.
    #[arg(short, long)]
    watch: bool,
    /// Waits for its end, then prints where it stands.
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
    /// Seconds to watch or wait at most.
    #[arg(long, default_value = "1800", value_parser = parse_seconds, value_name = "SECONDS")]
    wait_timeout: Duration,
}

impl Status {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        if self.watch
            && let Some(id) = &self.deployment
        {
            let tenant_id = self.tenant_ids.first().map(String::as_str);
            return client.watch_rollout(&connection, tenant_id, id, self.wait_timeout).await;
        }
        if self.tenant_ids.is_empty() || (self.deployment.is_some() && self.tenant_ids.len() > 1) {
            return Err(Failure::Input(told(&Message::new("cli.status_one"))));
        }
        let mut states = Vec::new();
        for tenant_id in &self.tenant_ids {
            let state = client.deployment_status(&connection, tenant_id, self.deployment.as_deref()).await?;
            let id = text_of(&state["deployment_id"]);
            if self.watch {
                client.watch_rollout(&connection, Some(tenant_id), &id, self.wait_timeout).await?;
            } else if self.wait {
                states.push(client.wait_for_rollout(&connection, tenant_id, &id, self.wait_timeout).await?);
            } else {
                states.push(state);
            }
        }
        match states.as_slice() {
            [] => Ok(()),
            [state] => client.output.value(state, rollout::table),
            _ => tenants::each(client, &states, rollout::table),
        }
    }
}
