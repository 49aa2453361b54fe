//! `ecp status`: how a roll-out stands, what became of it, or each step of it.

use super::Client;
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
    #[arg(required_unless_present = "deployment", conflicts_with = "deployment")]
    tenant_id: Option<String>,
    /// A roll-out or deletion by its own id (dep-… or del-…); needs --watch.
    #[arg(long, requires = "watch", value_name = "ID")]
    deployment: Option<String>,
    /// Follows it to its end: a bar on a terminal, a line for each step elsewhere.
    #[arg(short, long)]
    watch: bool,
    /// Waits for the end of the tenant's newest roll-out, then prints where it stands.
    #[arg(long, conflicts_with = "watch")]
    wait: bool,
    /// Seconds to watch or wait at most.
    #[arg(long, default_value = "1800", value_parser = parse_seconds, value_name = "SECONDS")]
    wait_timeout: Duration,
}

impl Status {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let Some(tenant_id) = self.tenant_id else {
            let id = self.deployment.unwrap_or_default();
            return client.watch_rollout(&connection, &id, self.wait_timeout).await;
        };
        if self.wait {
            let newest = client.deployment_status(&connection, &tenant_id).await?;
            let id = text_of(&newest["deployment_id"]);
            let state = client.wait_for_rollout(&connection, &tenant_id, &id, self.wait_timeout).await?;
            return client.output.value(&state, rollout::table);
        }
        let state = client.deployment_status(&connection, &tenant_id).await?;
        if self.watch {
            let id = text_of(&state["deployment_id"]);
            return client.watch_rollout(&connection, &id, self.wait_timeout).await;
        }
        client.output.value(&state, rollout::table)
    }
}
