//! `ecp login` and `ecp logout`: a token for a server, tried and then kept where nobody else reads it.

use super::Client;
use super::connection::Call;
use super::contexts::Contexts;
use super::failure::Failure;
use super::input::read_text;
use super::language::told;
use anyhow::Context as _;
use clap::Args;
use ecp_core::text::Message;
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;

/// For which server; the token is read from standard input.
#[derive(Args)]
pub(super) struct Login {
    /// Context to keep it in [default: --context, else the current one, else "default"].
    name: Option<String>,
}

/// Of which server.
#[derive(Args)]
pub(super) struct Logout {
    /// Context whose token is forgotten [default: --context, else the current one].
    name: Option<String>,
}

impl Login {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        client.output.expect_no_rows()?;
        let options = &client.options;
        let token = match options.given_token() {
            Some(token) => token,
            None => ask()?,
        };
        if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::Input(told(&Message::new("cli.login_no_token"))));
        }
        let named = self.name.or(options.context_name()?);
        let context = options.context_for_login(&token)?;
        // A token that the server refuses is not kept.
        let connection = options.connect_to(context.clone())?;
        connection.json(&Call::get("/api/v1/tenants/").query("limit", Some(1))).await?;
        let name = named.unwrap_or_else(|| "default".to_owned());
        let mut contexts = Contexts::load()?;
        let path = contexts.keep(&name, context)?;
        let said = Message::new("cli.logged_in")
            .with("context", &name)
            .with("place", connection.place())
            .with("path", path.display());
        client.output.value(&json!({"context": name}), |_| told(&said))
    }
}

impl Logout {
    pub(super) fn run(self, client: &Client) -> Result<(), Failure> {
        client.output.expect_no_rows()?;
        let named = self.name.or(client.options.context_name()?);
        let Some(name) = named else {
            return Err(Failure::Input(told(&Message::new("cli.logout_nowhere"))));
        };
        Contexts::load()?.forget_token(&name)?;
        let said = Message::new("cli.logged_out").with("context", &name);
        client.output.value(&json!({"context": name}), |_| told(&said))
    }
}

/// Reads the token: unseen from a terminal, else all of standard input.
fn ask() -> Result<String, Failure> {
    let input = std::io::stdin();
    if !input.is_terminal() {
        return Ok(read_text(Path::new("-"))?.trim().to_owned());
    }
    let mut terminal = std::io::stderr();
    write!(terminal, "{}: ", told(&Message::new("cli.login_ask"))).context("the terminal")?;
    terminal.flush().context("the terminal")?;
    let shown = tcgetattr(&input).context("the terminal")?;
    let mut hidden = shown.clone();
    hidden.local_modes.remove(LocalModes::ECHO);
    tcsetattr(&input, OptionalActions::Now, &hidden).context("the terminal")?;
    let mut token = String::new();
    let read = input.read_line(&mut token);
    tcsetattr(&input, OptionalActions::Now, &shown).context("the terminal")?;
    writeln!(terminal).context("the terminal")?;
    read.context("the terminal")?;
    Ok(token.trim().to_owned())
}
