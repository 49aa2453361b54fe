//! `ecp tokens`: bearer tokens, made, listed and revoked while the server runs or not.

use crate::config::{Config, Overrides};
use anyhow::{Context, bail};
use clap::Subcommand;
use ecp_core::access::Role;
use ecp_core::ids::TenantId;
use ecp_core::ports::{Clock, SystemClock};
use ecp_store::{AccessStore, NewToken};
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
        #[arg(long)]
        role: String,
        /// Tenants that it may see, separated by commas; all where absent.
        #[arg(long, value_delimiter = ',')]
        tenants: Option<Vec<String>>,
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
        let text = |key, value: Option<String>| value.map(|value| (key, toml::Value::String(value)));
        let flags = [text("data_dir", self.data_dir), text("database_url", self.database_url)];
        let overrides = Overrides { file: self.config, flags: flags.into_iter().flatten().collect() };
        let config = Config::load(&overrides, |name| std::env::var(name).ok())?;
        open(&config, Arc::new(SystemClock))
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
        Command::Create { name, role, tenants, place } => {
            let Ok(role) = role.parse::<Role>() else {
                bail!("--role {role:?}: choose viewer, operator or admin");
            };
            let tenants = tenants.map(|ids| ids.iter().map(|id| tenant_id(id)).collect()).transpose()?;
            let new = NewToken { name, role, tenants, expires_at: None };
            let (info, secret) = place.open()?.create_token(new)?;
            Ok(format!("{}\n{}\n", info.id, secret.expose()))
        }
        Command::List { place } => {
            let mut text = String::new();
            for token in place.open()?.list_tokens()? {
                let tenants = token.tenants.map_or_else(
                    || "all tenants".to_owned(),
                    |ids| ids.iter().map(TenantId::as_str).collect::<Vec<_>>().join(","),
                );
                writeln!(
                    text,
                    "{}  {:<20} {:<9} {tenants}  …{}  {}",
                    token.id, token.name, token.role, token.last_four, token.created_at
                )?;
            }
            Ok(text)
        }
        Command::Revoke { id, place } => {
            let token = place.open()?.revoke_token(&id)?;
            Ok(format!("{} ({}) is revoked\n", token.id, token.name))
        }
    }
}

fn tenant_id(text: &str) -> anyhow::Result<TenantId> {
    TenantId::parse(text).with_context(|| format!("--tenants: {text:?}"))
}
