//! What every command of a client accepts, and the server that follows from it.

use super::connection::{Connection, DEFAULT_SERVER, Limits};
use super::contexts::{Context, Contexts};
use super::failure::Failure;
use super::language::say_text;
use super::output::{Color, FormatFlag, Output, parse_format};
use clap::Args;
use ecp_core::text::Language;
use std::time::Duration;

/// What every command of a client accepts.
#[derive(Args, Clone, Debug)]
pub(super) struct ClientOptions {
    /// Server to speak to [default: the context's, else http://localhost:8001].
    #[arg(long, global = true, env = "ECP_SERVER", value_name = "URL", help_heading = "Client")]
    server: Option<String>,
    /// Bearer token, where the server requires one.
    #[arg(long, global = true, env = "ECP_TOKEN", hide_env_values = true, help_heading = "Client")]
    token: Option<String>,
    /// Works on the simulated cluster instead of the real one.
    #[arg(long, global = true, env = "ECP_DEMO", num_args = 0..=1, require_equals = true,
          default_missing_value = "true", value_name = "BOOL", help_heading = "Client")]
    demo: Option<bool>,
    /// Context to take server, token and mode from [default: the current one].
    #[arg(long, global = true, env = "ECP_CLIENT_CONTEXT", value_name = "NAME", help_heading = "Client")]
    context: Option<String>,
    /// Language of messages: en or ko [default: as LANG says].
    #[arg(long, global = true, env = "ECP_LANG", value_parser = parse_language, help_heading = "Client")]
    lang: Option<Language>,
    /// Seconds that one attempt may take.
    #[arg(long, global = true, default_value = "30", value_parser = parse_seconds, value_name = "SECONDS",
          help_heading = "Client")]
    timeout: Duration,
    /// Repetitions of what can be repeated without harm: reads, and creations with an idempotency key.
    #[arg(long, global = true, default_value_t = 3, value_name = "N", help_heading = "Client")]
    retries: u32,
    /// How to write: table, wide, name, csv, json, yaml or jsonpath=TEMPLATE; findings of ecp validate as
    /// sarif, junit or github, too.
    #[arg(short, long, global = true, default_value = "table", value_parser = parse_format, value_name = "FORMAT",
          add = super::candidates::formats(), help_heading = "Client")]
    output: FormatFlag,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, help_heading = "Client")]
    color: Color,
}

fn parse_language(text: &str) -> Result<Language, String> {
    match text {
        "en" => Ok(Language::En),
        "ko" => Ok(Language::Ko),
        _ => Err(say_text!("cli.want_language")),
    }
}

/// Seconds, with decimals.
pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| say_text!("cli.want_seconds"))?;
    Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero())
        .ok_or_else(|| say_text!("cli.want_more_seconds"))
}

impl ClientOptions {
    /// How results are written.
    pub(super) fn output(&self) -> Output {
        Output::new(self.output.clone(), self.color)
    }

    /// The language of texts that are made here.
    pub(super) fn language(&self) -> Language {
        self.lang.unwrap_or_else(super::language::of_the_system)
    }

    /// True for demo mode: as the flag says, else the context.
    pub(super) fn is_demo(&self) -> Result<bool, Failure> {
        Ok(self.effective_context()?.demo)
    }

    /// What was named on the command line, as a context.
    pub(super) fn as_context(&self) -> Context {
        Context {
            server: self.server.clone().unwrap_or_else(|| DEFAULT_SERVER.to_owned()),
            demo: self.demo.unwrap_or(false),
            token: self.token.clone(),
            token_file: None,
        }
    }

    /// The token of the command line or the environment.
    pub(super) fn given_token(&self) -> Option<String> {
        self.token.clone()
    }

    /// The context in use, with this token and no other.
    pub(super) fn context_for_login(&self, token: &str) -> Result<Context, Failure> {
        let context = self.effective_context()?;
        Ok(Context { token: Some(token.to_owned()), token_file: None, ..context })
    }

    fn context(&self) -> Result<Context, Failure> {
        let contexts = Contexts::load()?;
        Ok(contexts.choose(self.context.as_deref())?.cloned().unwrap_or_else(|| Context {
            server: DEFAULT_SERVER.to_owned(),
            demo: false,
            token: None,
            token_file: None,
        }))
    }

    /// Name of the context in use, where there is one.
    pub(super) fn context_name(&self) -> Result<Option<String>, Failure> {
        Ok(Contexts::load()?.chosen_name(self.context.as_deref()))
    }

    /// The context in use, with what flags and variables say instead.
    pub(super) fn effective_context(&self) -> Result<Context, Failure> {
        let context = self.context()?;
        let token_file = context.token_file.filter(|_| self.token.is_none());
        Ok(Context {
            server: self.server.clone().unwrap_or(context.server),
            demo: self.demo.unwrap_or(context.demo),
            token: self.token.clone().or(context.token),
            token_file,
        })
    }

    /// Makes ready to speak to the server; nothing is sent yet.
    pub(super) fn connect(&self) -> Result<Connection, Failure> {
        self.connect_to(self.effective_context()?)
    }

    /// The same, to what a context says.
    pub(super) fn connect_to(&self, context: Context) -> Result<Connection, Failure> {
        let limits = Limits { timeout: self.timeout, retries: self.retries };
        Connection::to(context, self.output(), self.language(), limits)
    }
}
