//! `ecp edit`: a tenant in an editor, and what became of it there applied.

use super::Client;
use super::apply;
use super::candidates;
use super::changes;
use super::connection::{Call, tenant_path};
use super::documents::{self, described};
use super::failure::Failure;
use super::language::told;
use super::options::parse_seconds;
use super::output::{text_of, yaml};
use anyhow::{Context as _, anyhow};
use clap::Args;
use ecp_core::text::Message;
use std::io::IsTerminal;
use std::path::Path;
use std::time::Duration;

/// Which tenant.
#[derive(Args)]
pub(super) struct Edit {
    /// Its id.
    #[arg(add = candidates::tenants())]
    tenant_id: String,
    /// Only says what would change.
    #[arg(long)]
    dry_run: bool,
    /// Waits for the end of the roll-out.
    #[arg(long, conflicts_with = "dry_run")]
    wait: bool,
    /// Seconds to wait at most.
    #[arg(long, default_value = "1800", value_parser = parse_seconds, value_name = "SECONDS")]
    wait_timeout: Duration,
}

impl Edit {
    pub(super) async fn run(self, client: &Client) -> Result<(), Failure> {
        // Said before anything is typed.
        client.output.expect_no_rows()?;
        let editor = editor()?;
        let connection = client.options.connect()?;
        let tenant = connection.json(&Call::get(tenant_path(&self.tenant_id, ""))).await?;
        let help = told(&Message::new("cli.edit_help"));
        let before =
            help.lines().map(|line| format!("# {line}\n")).collect::<String>() + &yaml(&described(&tenant))?;
        let file = tempfile::Builder::new().prefix("ecp-edit-").suffix(".yaml").tempfile();
        let file = file.context("a file for the editor")?;
        std::fs::write(file.path(), &before).context("a file for the editor")?;
        open_editor(&editor, file.path())?;
        let after = std::fs::read_to_string(file.path()).context("what the editor left")?;
        if after == before {
            return client.say(&told(&Message::new("cli.edit_unchanged")));
        }
        let path = file.path().to_owned();
        let work = async {
            let documents = documents::read(std::slice::from_ref(&path))?;
            let [document] = documents.as_slice() else {
                return Err(Failure::Input(told(&Message::new("cli.edit_one"))));
            };
            if document.tenant_id != self.tenant_id {
                return Err(Failure::Input(told(&Message::new("cli.edit_id"))));
            }
            let preview = connection.json(&apply::call(document, Some(&tenant), true)).await?;
            if client.output.is_for_people() {
                client.output.line(&changes::text(&preview))?;
            }
            if self.dry_run {
                return Ok(preview);
            }
            Ok(connection.json(&apply::call(document, Some(&tenant), false)).await?)
        };
        let answer = match work.await {
            Ok(answer) => answer,
            Err(failure) => {
                // What was typed is not lost.
                let (_, kept) = file.keep().map_err(|error| anyhow!(error))?;
                let path = kept.display();
                client.output.warn(&told(&Message::new("cli.edit_kept").with("path", path)));
                return Err(failure);
            }
        };
        if self.dry_run {
            client.say(&told(&Message::new("cli.nothing_changed")))?;
        } else if self.wait {
            let (id, limit) = (text_of(&answer["deployment_id"]), self.wait_timeout);
            client.wait_for_rollout(&connection, &self.tenant_id, &id, limit).await?;
        }
        if client.output.is_for_people() {
            let done = Message::new("cli.updated").with("tenant_id", &self.tenant_id);
            return if self.dry_run { Ok(()) } else { client.output.line(&told(&done)) };
        }
        client.output.value(&answer, |_| String::new())
    }
}

/// The user's editor, as git has it: VISUAL, else EDITOR, else vi, which needs a terminal.
fn editor() -> Result<String, Failure> {
    let named =
        ["VISUAL", "EDITOR"].iter().find_map(|name| std::env::var(name).ok().filter(|text| !text.is_empty()));
    let is_seen = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    editor_of(named, is_seen).ok_or_else(|| Failure::Input(told(&Message::new("cli.edit_no_terminal"))))
}

fn editor_of(named: Option<String>, is_seen: bool) -> Option<String> {
    named.or_else(|| is_seen.then(|| "vi".to_owned()))
}

/// Opens an editor, with a shell, for its flags.
fn open_editor(editor: &str, path: &Path) -> Result<(), Failure> {
    let status = std::process::Command::new("sh")
        .args(["-c", &format!("{editor} \"$1\""), "sh"])
        .arg(path)
        .status()
        .with_context(|| format!("the editor {editor:?}"))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Input(told(&Message::new("cli.edit_failed").with("editor", editor))))
}

#[cfg(test)]
mod tests {
    use super::editor_of;

    #[test]
    fn the_editor_that_nobody_named_needs_a_terminal() {
        assert_eq!(editor_of(None, true).as_deref(), Some("vi"));
        assert_eq!(editor_of(None, false), None);
        assert_eq!(editor_of(Some("ed".to_owned()), false).as_deref(), Some("ed"));
    }
}
