//! `ecp status`: how a roll-out stands, what became of it, or each step of it.

use super::Client;
use super::candidates;
use super::connection::parse_seconds;
use super::failure::Failure;
use super::output::text_of;
use super::rollout;
use clap::Args;
use std::time::Duration;

/// Whose roll-out.
#[derive(Args)]
pub(super) struct Status {
    /// Tenant whose newest roll-out or deletion it is.
    #[arg(add = candidates::tenants(), required_unless_present = "deployment")]
    tenant_id: Option<String>,
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
            return client.watch_rollout(&connection, id, self.wait_timeout).await;
        }
        let Some(tenant_id) = self.tenant_id else {
            let what = "name the tenant, too, or follow the roll-out with --watch";
            return Err(Failure::Input(what.to_owned()));
        };
        let state = client.deployment_status(&connection, &tenant_id, self.deployment.as_deref()).await?;
        let id = text_of(&state["deployment_id"]);
        if self.watch {
            return client.watch_rollout(&connection, &id, self.wait_timeout).await;
        }
        let state = if self.wait {
            client.wait_for_rollout(&connection, &tenant_id, &id, self.wait_timeout).await?
        } else {
            state
        };
        client.output.value(&state, rollout::table)
    }
}
