//! `ecp contexts`: the servers that the command line knows, kept in a file of the user.

use super::Client;
use super::failure::Failure;
use super::language::{say_text, word};
use super::options::ClientOptions;
use super::output::{Output, Shown, View, entries, text_of};
use super::table::Table;
use super::tenants::named_lines;
use anyhow::{Context as _, anyhow};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Names another file than `ecp/contexts.toml` in the user's configuration folder.
const FILE_VARIABLE: &str = "ECP_CONTEXTS";

/// What to do with contexts.
#[derive(Subcommand)]
pub(super) enum Command {
    /// Lists the contexts; the current one is marked.
    List,
    /// Adds or replaces a context from --server, --token or --token-file, and --demo.
    Set {
        /// Its name.
        name: String,
        /// File that holds the token, read at each use instead of keeping the token here.
        #[arg(long, conflicts_with = "token")]
        token_file: Option<PathBuf>,
        /// Makes it the current one, too.
        #[arg(long = "use")]
        make_current: bool,
    },
    /// Makes a context the current one.
    Use {
        /// Its name.
        name: String,
    },
    /// Removes a context.
    Delete {
        /// Its name.
        name: String,
    },
}

/// Where commands work.
#[derive(Args)]
pub(super) struct Here;

impl Here {
    pub(super) fn run(self, client: &Client) -> Result<(), Failure> {
        let options = &client.options;
        let name = options.context_name()?;
        let context = options.effective_context()?;
        let mode = if context.demo { "demo" } else { "real" };
        let token = context.token_place();
        let value = json!({
            "context": name, "server": context.server, "mode": mode, "demo": context.demo, "token": token,
        });
        client.output.value(&value, |_| {
            named_lines(&[
                ("Context", name.unwrap_or_else(|| word("none").to_owned())),
                ("Server", context.server),
                ("Mode", mode.to_owned()),
                ("Token", token),
            ])
        })
    }
}

/// One server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Context {
    /// Its address.
    pub(super) server: String,
    /// Works on the simulated cluster.
    #[serde(default)]
    pub(super) demo: bool,
    /// Bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token: Option<String>,
    /// File that holds the bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) token_file: Option<PathBuf>,
}

impl Context {
    /// Where the token is, never what it is.
    fn token_place(&self) -> String {
        match (&self.token, &self.token_file) {
            (Some(_), _) => "given".to_owned(),
            (None, Some(path)) => path.display().to_string(),
            (None, None) => "none".to_owned(),
        }
    }

    /// The token, from wherever it is.
    pub(super) fn secret(&self) -> Result<Option<String>, Failure> {
        match (&self.token, &self.token_file) {
            (Some(token), _) => Ok(Some(token.clone())),
            (None, Some(path)) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    let path = path.display();
                    Failure::Input(say_text!("cli.token_file_unreadable", path = path, error = error))
                })?;
                Ok(Some(text.trim().to_owned()))
            }
            (None, None) => Ok(None),
        }
    }
}

/// The file.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Contexts {
    /// Name of the one that is used where none is named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    /// By name.
    #[serde(default)]
    contexts: BTreeMap<String, Context>,
}

fn unreadable(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Input(say_text!("cli.can_not_be_read", name = path.display(), error = error))
}

impl Contexts {
    /// Reads the file; without one there are no contexts.
    pub(super) fn load() -> Result<Self, Failure> {
        let Some(path) = file() else { return Ok(Self::default()) };
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(unreadable(&path, &error)),
        };
        toml::from_str(&text).map_err(|error| unreadable(&path, &error))
    }

    /// The name of the context that is used: the given one, else the current one.
    pub(super) fn chosen_name(&self, name: Option<&str>) -> Option<String> {
        name.or(self.current.as_deref()).map(str::to_owned)
    }

    /// The named context, else the current one, if any.
    pub(super) fn choose(&self, name: Option<&str>) -> Result<Option<&Context>, Failure> {
        let Some(name) = name.or(self.current.as_deref()) else { return Ok(None) };
        self.contexts.get(name).map(Some).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Failure {
        let known = self.contexts.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        let known = if known.is_empty() { "none".to_owned() } else { known };
        Failure::Input(say_text!("cli.no_context", name = format!("{name:?}"), known = known))
    }

    /// Keeps a context, as the current one where there is none, and answers where.
    pub(super) fn keep(&mut self, name: &str, context: Context) -> Result<PathBuf, Failure> {
        self.contexts.insert(name.to_owned(), context);
        self.current.get_or_insert_with(|| name.to_owned());
        Ok(self.save()?)
    }

    /// Forgets the token of a context.
    pub(super) fn forget_token(&mut self, name: &str) -> Result<(), Failure> {
        let Some(context) = self.contexts.get_mut(name) else { return Err(self.unknown(name)) };
        context.token = None;
        context.token_file = None;
        self.save()?;
        Ok(())
    }

    fn save(&self) -> anyhow::Result<PathBuf> {
        let path = file().ok_or_else(|| anyhow!(say_text!("cli.no_home", variable = FILE_VARIABLE)))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        // Written beside and moved into place: another command reads the old file or the new one.
        let new = path.with_extension("toml.new");
        let write = || -> std::io::Result<()> {
            let mut options = std::fs::OpenOptions::new();
            // It may hold tokens: nobody else's to read.
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&new)?;
            // One that a crash left behind may be anybody's to read.
            file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
            file.write_all(toml::to_string(self).map_err(std::io::Error::other)?.as_bytes())?;
            file.sync_all()?;
            std::fs::rename(&new, &path)
        };
        write().with_context(|| path.display().to_string())?;
        Ok(path)
    }
}

fn file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(FILE_VARIABLE).filter(|path| !path.is_empty()) {
        return Some(path.into());
    }
    let folder = std::env::var_os("XDG_CONFIG_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".config")))?;
    Some(folder.join("ecp/contexts.toml"))
}

impl Command {
    /// Does it and answers with what is to be shown.
    pub(super) fn run(self, options: &ClientOptions) -> Result<Shown, Failure> {
        let mut contexts = Contexts::load()?;
        let said = match self {
            Self::List => return Ok(contexts.shown()),
            Self::Set { name, token_file, make_current } => {
                contexts.contexts.insert(name.clone(), Context { token_file, ..options.as_context() });
                if make_current || contexts.current.is_none() {
                    contexts.current = Some(name.clone());
                }
                say_text!("cli.context_set", name = name)
            }
            Self::Use { name } => {
                contexts.choose(Some(&name))?;
                contexts.current = Some(name.clone());
                say_text!("cli.context_current", name = name)
            }
            Self::Delete { name } => {
                contexts.contexts.remove(&name).ok_or_else(|| contexts.unknown(&name))?;
                contexts.current.take_if(|current| *current == name);
                say_text!("cli.context_deleted", name = name)
            }
        };
        contexts.save()?;
        Ok(Shown { said: Some(said), ..contexts.shown() })
    }
}

impl Contexts {
    fn shown(&self) -> Shown {
        let mut list = Vec::new();
        for (name, context) in &self.contexts {
            let current = self.current.as_ref() == Some(name);
            let token = context.token_place();
            list.push(json!({
                "name": name, "server": context.server, "demo": context.demo, "current": current, "token": token,
            }));
        }
        Shown { value: json!({"contexts": list}), said: None }
    }
}

impl Shown {
    /// Writes it.
    pub(super) fn print(self, output: &Output) -> Result<(), Failure> {
        output.value(&self.value, |value| match self.said {
            Some(said) if output.is_for_people() => View::from(said),
            _ => View::from(table(value)),
        })
    }
}

fn table(value: &Value) -> Table {
    let mut table = Table::new(["", "NAME", "SERVER", "MODE", "TOKEN"]).ids_in(1);
    for context in entries(value, "contexts") {
        let text = |name: &str| text_of(&context[name]);
        let current = if context["current"] == true { "*" } else { "" };
        let mode = if context["demo"] == true { "demo" } else { "real" };
        table.row([current.to_owned(), text("name"), text("server"), mode.to_owned(), text("token")]);
    }
    table
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]
    use super::*;

    #[test]
    fn a_context_that_is_not_there_is_named_with_those_that_are() {
        let contexts: Contexts =
            toml::from_str("current = 'lab'\n[contexts.lab]\nserver = 'http://lab'\ndemo = true\n").unwrap();
        assert!(contexts.choose(None).unwrap().unwrap().demo);
        let message = contexts.choose(Some("prod")).unwrap_err().to_string();
        assert!(message.contains("\"prod\"") && message.contains("lab"), "{message}");
        assert_eq!(Contexts::default().choose(None).unwrap(), None);
    }
}
