//! `ecp version`: of this program, and of the server that it speaks to.

use super::Client;
use super::connection::Call;
use super::failure::Failure;
use super::tenants::named_lines;
use clap::Args;
use serde_json::json;

/// Whose version.
#[derive(Args)]
pub(super) struct Version {
    /// Only of this program.
    #[arg(long)]
    client: bool,
}

impl Version {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        let own = env!("CARGO_PKG_VERSION");
        if self.client {
            return client
                .output
                .value(&json!({ "client": own }), |_| named_lines(&[("Client", own.to_owned())]));
        }
        let connection = client.options.connect()?;
        let asked = connection.json(&Call::get("/openapi.json")).await;
        let said = asked.map(|document| document["info"]["version"].as_str().map(str::to_owned));
        let (server, trouble) = match said {
            Ok(server) => (server, None),
            Err(failure) => (None, Some(failure)),
        };
        let value = json!({"client": own, "server": server});
        client.output.value(&value, |_| {
            let server = server.unwrap_or_else(|| "-".to_owned());
            named_lines(&[("Client", own.to_owned()), ("Server", server), ("Asked", connection.place())])
        })?;
        trouble.map_or(Ok(()), |failure| Err(failure.into()))
    }
}
