//! `ecp tokens`: bearer tokens, made, listed and revoked while the server runs or not.

use crate::cli::Refused;
use crate::cli::language::{say_text, told as said};
use crate::cli::{parse_duration, parse_moment};
use crate::config::{Config, Overrides};
use anyhow::{Context, bail};
use clap::Subcommand;
use ecp_core::Timestamp;
use ecp_core::access::Role;
use ecp_core::ids::TenantId;
use ecp_core::ports::{Clock, SystemClock};
use ecp_store::{AccessError, AccessStore, NewToken};
use jiff::SignedDuration;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

/// Name of the file in the data folder.
pub const FILE: &str = "access.db";

/// What to do with tokens.
#[derive(Subcommand)]
pub enum Command {
    /// Makes a token and prints it, this once.
    Create {
        /// A name to recognise it by, in the list and in the audit trail.
        #[arg(long)]
        name: String,
        /// viewer, operator or admin.
        #[arg(long, value_parser = parse_role)]
        role: Role,
        /// Tenants that it may see, separated by commas; all where absent.
        #[arg(long, value_delimiter = ',', value_parser = parse_tenant_id)]
        tenants: Option<Vec<TenantId>>,
        /// How long it is good, such as 12h, 30d or 52w [default: until it is revoked].
        #[arg(long = "for", value_name = "TIME", value_parser = parse_duration)]
        length: Option<SignedDuration>,
        /// Until when it is good, in place of --for: 2026-11-26, 2026-11-26T18:00 or RFC 3339.
        #[arg(long, value_name = "TIME", value_parser = parse_moment, conflicts_with = "length")]
        until: Option<String>,
        /// Where the tokens are.
        #[command(flatten)]
        place: Place,
    },
    /// Lists the tokens, never the secrets.
    List {
        /// Where the tokens are.
        #[command(flatten)]
        place: Place,
    },
    /// Revokes a token by its id.
    Revoke {
        /// Id, as the list prints it.
        id: String,
        /// Where the tokens are.
        #[command(flatten)]
        place: Place,
    },
}

/// Where the server keeps its files.
#[derive(clap::Args)]
pub struct Place {
    /// Folder of the databases [default: data; environment: ECP_DATA_DIR].
    #[arg(long)]
    data_dir: Option<String>,
    /// PostgreSQL server that keeps them [environment: ECP_DATABASE_URL].
    #[arg(long)]
    database_url: Option<String>,
    /// Configuration file [environment: ECP_CONFIG].
    #[arg(long)]
    config: Option<PathBuf>,
}

impl Place {
    fn open(self) -> anyhow::Result<AccessStore> {
        open(&self.config()?, Arc::new(SystemClock))
    }

    /// Where there are tokens already: a folder that is named wrongly is not made.
    fn open_existing(self) -> anyhow::Result<AccessStore> {
        let config = self.config()?;
        let path = config.data_dir.join(FILE);
        if config.postgres()?.is_none() && !path.exists() {
            bail!(Refused::Usage(say_text!("cli.tokens_nowhere", path = path.display())));
        }
        open(&config, Arc::new(SystemClock))
    }

    fn config(self) -> anyhow::Result<Config> {
        let text = |key, value: Option<String>| value.map(|value| (key, toml::Value::String(value)));
        let flags = [text("data_dir", self.data_dir), text("database_url", self.database_url)];
        let overrides = Overrides { file: self.config, flags: flags.into_iter().flatten().collect() };
        Ok(Config::load_here(&overrides)?)
    }
}

/// The tokens of an installation: on its server where it has one, else in its folder. Blocks.
///
/// # Errors
/// The file or the server can not be used.
pub(crate) fn open(config: &Config, clock: Arc<dyn Clock>) -> anyhow::Result<AccessStore> {
    if let Some(url) = config.postgres()? {
        return AccessStore::connect(&url, clock).with_context(|| url.told());
    }
    let path = config.data_dir.join(FILE);
    AccessStore::open(&path, clock).with_context(|| path.display().to_string())
}

/// Does it and returns what is to be printed.
///
/// # Errors
/// The role or a tenant id is none, the id is not known, or the file can not be used.
pub fn run(command: Command) -> anyhow::Result<String> {
    match command {
        Command::Create { name, role, tenants, length, until, place } => {
            let expires_at = end(SystemClock.now(), length, until)?;
            let tenants = tenants.map(|ids| ids.into_iter().collect());
            let new = NewToken { name, role, tenants, expires_at };
            let (info, secret) = place.open()?.create_token(new).map_err(told)?;
            Ok(format!("{}\n{}\n", info.id, secret.expose()))
        }
        Command::List { place } => {
            let mut text = String::new();
            let now = SystemClock.now();
            for token in place.open_existing()?.list_tokens()? {
                let tenants = token.tenants.map_or_else(
                    || say_text!("cli.token_all_tenants"),
                    |ids| ids.iter().map(TenantId::as_str).collect::<Vec<_>>().join(","),
                );
                let end = match token.expires_at {
                    Some(end) if end <= now => say_text!("cli.token_ended", end = end),
                    Some(end) => say_text!("cli.token_until", end = end),
                    None => say_text!("cli.token_lasts"),
                };
                writeln!(
                    text,
                    "{}  {:<20} {:<9} {tenants}  …{}  {}  {end}",
                    token.id,
                    token.name,
                    token.role.as_str(),
                    token.last_four,
                    token.created_at
                )?;
            }
            Ok(text)
        }
        Command::Revoke { id, place } => {
            let token = place.open_existing()?.revoke_token(&id).map_err(told)?;
            Ok(say_text!("cli.token_revoked", id = token.id, name = token.name) + "\n")
        }
    }
}

fn parse_role(text: &str) -> Result<Role, String> {
    text.parse().map_err(|_| say_text!("cli.token_role"))
}

/// When a token ends; one that has ended when it begins is a mistake.
fn end(
    now: Timestamp,
    length: Option<SignedDuration>,
    until: Option<String>,
) -> anyhow::Result<Option<Timestamp>> {
    let end = match (length, until) {
        (Some(length), _) => {
            Some(now.checked_add(length).map_err(|_| Refused::Usage(say_text!("cli.token_too_long")))?)
        }
        (None, Some(until)) => Some(until.parse::<Timestamp>().context("--until")?),
        (None, None) => None,
    };
    if let Some(end) = end.filter(|end| *end <= now) {
        bail!(Refused::Usage(say_text!("cli.token_ends_before", end = end)));
    }
    Ok(end)
}

fn parse_tenant_id(text: &str) -> Result<TenantId, String> {
    TenantId::parse(text).map_err(|fault| said(&fault.message()))
}

/// What is refused, in the words of the user.
fn told(error: AccessError) -> anyhow::Error {
    match error {
        AccessError::NameInvalid(name) => {
            Refused::Usage(say_text!("cli.token_name_invalid", name = format!("{name:?}"))).into()
        }
        AccessError::NameTaken(name) => {
            Refused::Taken(say_text!("cli.token_name_taken", name = format!("{name:?}"))).into()
        }
        AccessError::TokenNotFound(id) => {
            Refused::Missing(say_text!("cli.token_not_found", id = format!("{id:?}"))).into()
        }
        error => error.into(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    fn place(folder: &std::path::Path) -> Place {
        Place { data_dir: Some(folder.display().to_string()), database_url: None, config: None }
    }

    fn list(folder: &std::path::Path) -> String {
        run(Command::List { place: place(folder) }).unwrap()
    }

    #[test]
    fn a_token_ends_when_it_was_said_and_the_list_tells() {
        let folder = tempfile::tempdir().unwrap();
        let create = |name: &str, length, until: Option<&str>| {
            run(Command::Create {
                name: name.to_owned(),
                role: Role::Viewer,
                tenants: None,
                length,
                until: until.map(str::to_owned),
                place: place(folder.path()),
            })
        };
        create("ever", None, None).unwrap();
        assert!(list(folder.path()).contains("until revoked"));
        create("month", Some(SignedDuration::from_hours(720)), None).unwrap();
        create("day", None, Some("9999-01-01T00:00:00Z")).unwrap();
        assert!(list(folder.path()).contains("until 9999-01-01T00:00:00Z"), "{}", list(folder.path()));
        for past in ["2020-01-01T00:00:00Z", "yesterday"] {
            assert!(create("past", None, Some(past)).is_err(), "{past}");
        }
        assert!(create("long", Some(SignedDuration::MAX), None).is_err());
        assert_eq!(list(folder.path()).lines().count(), 3);
    }

    #[test]
    fn a_folder_that_is_not_there_is_not_made_by_looking() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = folder.path().join("wrong");
        assert!(run(Command::List { place: place(&wrong) }).is_err());
        assert!(run(Command::Revoke { id: "tok-1".to_owned(), place: place(&wrong) }).is_err());
        assert!(!wrong.exists());
    }
}
