//! `ecp server`: is it there, can it work, what does it measure of itself.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::output::pairs_of;
use clap::Subcommand;

/// What to ask.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Is it there?
    Health,
    /// Can it work? Says how its cluster is, too.
    Ready,
    /// Its own metrics, in the Prometheus text format.
    Metrics,
}

impl Command {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let connection = client.options.connect()?;
        let path = match self {
            Self::Health => "/healthz",
            Self::Ready => "/readyz",
            Self::Metrics => {
                let text = connection.text(&Call::get("/metrics"), "application/openmetrics-text").await?;
                return client.output.text(&text);
            }
        };
        client.output.value(&connection.json(&Call::get(path)).await?, pairs_of)
    }
}
