//! The command line: `ecp serve` and the commands of a client.
//!
//! Each command is a file of its own; `connection` speaks HTTP, `stream` WebSockets, `output` writes
//! tables, JSON and YAML, `failure` gives the exit codes. Commands decide nothing about tenants.

mod alert_rules;
mod alerts;
mod apply;
mod audit;
mod calibrate;
mod candidates;
mod capacity;
mod catalog;
mod changes;
mod chart;
mod clock;
mod cluster;
mod completions;
mod connection;
mod contexts;
mod costs;
mod describe;
mod diff;
mod documents;
mod edit;
mod events;
mod export;
mod failure;
mod help;
mod history;
mod input;
mod inputs;
mod jsonpath;
pub(crate) mod language;
mod leading;
mod list;
mod login;
mod manifest;
#[cfg(test)]
mod mentioned;
mod metrics;
mod migrate;
mod near;
mod nodes;
mod options;
mod output;
mod overview;
mod page;
mod receivers;
mod recommend;
mod rollout;
mod serve;
mod server;
mod silence;
mod size;
mod status;
mod stream;
mod table;
mod tenants;
mod top;
mod usage;
mod validate;
mod version;
mod wait;
mod warnings;
mod watch;

pub(crate) use self::clock::{parse_duration, parse_moment};
use crate::config::DEFAULTS;
use crate::tokens;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use clap_complete::CompleteEnv;
use failure::Failure;
pub(crate) use failure::Refused;
use options::ClientOptions;
use output::Output;
use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

/// Runs AI services of contact centers for many tenants on shared Kubernetes clusters.
#[derive(Parser)]
#[command(name = "ecp", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 the server or this program failed (diff: something differs); 2 wrong usage; 3 the request or the manifest is
invalid; 4 no such tenant, deployment or token; 5 conflict; 6 not allowed; 7 the server or its cluster can not be
reached, is too slow or too busy; 8 a deployment failed or was taken back; 130 the waiting was stopped.";

#[derive(Subcommand)]
enum Command {
    /// Starts the server.
    Serve(serve::Serve),
    /// Lists, shows, creates, changes and deletes tenants.
    Tenants(Group<tenants::Command>),
    /// Makes tenants what files say: creates, changes, or leaves as they are.
    Apply(Single<apply::Apply>),
    /// Shows what applying files would change, with old and new values; ends with 1 where something would.
    Diff(Single<diff::Diff>),
    /// Opens a tenant in an editor and applies what becomes of it there.
    Edit(Single<edit::Edit>),
    /// Writes tenants as files that apply takes, for Git.
    Export(Single<export::Export>),
    /// Shows all of a tenant on one page: status, reason, fix, services, SLA against measured, alerts, roll-outs.
    Describe(Single<describe::Describe>),
    /// Lists tenants by what they use now: CPU, GPU, response time.
    Top(Single<top::Top>),
    /// Waits until tenants are running, deleted, without alerts.
    Wait(Single<wait::Wait>),
    /// Sizes a demand: plan, GPUs, cost. Needs no server.
    Size(Single<size::Size>),
    /// Prints a tenant's manifest; with -f, of a tenant that is described in a file, without a server.
    Manifest(Single<manifest::Manifest>),
    /// Validates a manifest. Needs no server.
    Validate(Single<validate::Validate>),
    /// Shows how a tenant's roll-out stands, or follows it.
    Status(Single<status::Status>),
    /// Reads, follows and sends metrics.
    Metrics(Group<metrics::Command>),
    /// Lists the alerts of a tenant or of all, or follows them.
    Alerts(Single<alerts::Alerts>),
    /// Shows and changes thresholds, times and switches of a tenant's alerts.
    AlertRules(Group<alert_rules::Command>),
    /// Has nobody told of alerts for a while.
    #[command(alias = "silences")]
    Silence(Group<silence::Command>),
    /// Shows what the cluster reports of a tenant's objects, the newest first.
    Events(Single<events::Events>),
    /// Shows what a tenant's containers write, or follows it.
    Logs(Single<events::Logs>),
    /// Says which size fits a tenant by what was measured of it, and changes it where asked to.
    Recommend(Single<recommend::Recommend>),
    /// Shows what tenants paid and cost in a month.
    Costs(Single<costs::Costs>),
    /// Manages who is told of alerts: webhooks and Alertmanagers.
    Receivers(Group<receivers::Command>),
    /// Lists who changed what.
    Audit(Single<audit::Audit>),
    /// Shows everything at a glance, and what somebody should look at now.
    Overview(Single<overview::Overview>),
    /// Says how many more tenants of a demand fit, and what runs out first.
    Capacity(Single<capacity::Capacity>),
    /// Lists the nodes: what each has, what is taken of it, and why tenants' pods stay away.
    Nodes(Single<nodes::Nodes>),
    /// Shows what the cluster has and what is used.
    Cluster(Single<cluster::Cluster>),
    /// Asks the server how it is.
    Server(Group<server::Command>),
    /// Manages the servers that this command line knows.
    Contexts(Group<contexts::Command>),
    /// Shows where commands work: server, mode, token, and what says so.
    Context(Single<contexts::Here>),
    /// Tries a token and keeps it for a server, where nobody else can read it.
    Login(Single<login::Login>),
    /// Forgets the token of a server.
    Logout(Single<login::Logout>),
    /// Says the version of this program and of the server.
    Version(Single<version::Version>),
    /// Manages bearer tokens; works on the server's files while it runs.
    #[command(subcommand)]
    Tokens(tokens::Command),
    /// Moves an embedded installation to a PostgreSQL server, and its samples with `--metrics-url`: all or nothing.
    Migrate(migrate::Migrate),
    /// Prints the commented defaults of the server's configuration file.
    Config,
    /// Prints the embedded catalog, to be changed and given back with `catalog = "FILE"`; says what a
    /// changed one would change, and rolls it out.
    Catalog(OptionalGroup<catalog::Command>),
    /// Makes a device's entry of the catalog from a load test: what it does at most, and how fast.
    Calibrate(calibrate::Calibrate),
    /// Prints the OpenAPI document of the API.
    Openapi,
    /// Prints the completions of a shell.
    Completions(completions::Completions),
    /// Prints the manual page, or writes one for every command.
    Man(completions::Man),
}

/// A client's command with subcommands.
#[derive(Args)]
struct Group<C: Subcommand> {
    #[command(flatten)]
    options: ClientOptions,
    #[command(subcommand)]
    command: C,
}

/// A client's command that does something without any of its subcommands, too.
#[derive(Args)]
struct OptionalGroup<C: Subcommand> {
    #[command(flatten)]
    options: ClientOptions,
    #[command(subcommand)]
    command: Option<C>,
}

/// A client's command without.
#[derive(Args)]
struct Single<A: Args> {
    #[command(flatten)]
    options: ClientOptions,
    #[command(flatten)]
    command: A,
}

/// Parses the command line, does what it says, and answers with the exit code.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    CompleteEnv::with_factory(command).complete();
    if let Some(typed) = completions::of_kubectl(&arguments) {
        return completions::answer_kubectl(typed);
    }
    let arguments = help::as_flag(leading::behind_the_command(arguments));
    let language = help::language(&arguments);
    language::choose(language);
    let mut command = help::in_language(command(), language);
    if is_plugin(arguments.first()) {
        command = command.bin_name("kubectl ecp");
    }
    let parsed = command.try_get_matches_from_mut(arguments).and_then(|matches| {
        Arguments::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
    });
    match parsed {
        Ok(arguments) => dispatch(arguments.command),
        Err(error) => match usage::complaint(&error, language) {
            Some(complaint) => {
                let failure = Failure::Input(complaint);
                failure.report(&Output::default());
                ExitCode::from(failure.exit_code())
            }
            // Help, or the version.
            None => match error.print().and_then(|()| std::io::stdout().flush()) {
                Err(lost) if lost.kind() != std::io::ErrorKind::BrokenPipe => {
                    let failure =
                        Failure::Other(anyhow::Error::new(lost).context("can not write to standard output"));
                    failure.report(&Output::default());
                    ExitCode::from(failure.exit_code())
                }
                _ => ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1)),
            },
        },
    }
}

fn command() -> clap::Command {
    Arguments::command()
}

/// True where kubectl started the program: as `kubectl-ecp`.
fn is_plugin(program: Option<&OsString>) -> bool {
    program
        .and_then(|program| Path::new(program).file_name())
        .is_some_and(|name| name.to_string_lossy().starts_with("kubectl-"))
}

fn dispatch(command: Command) -> ExitCode {
    let result = match command {
        Command::Serve(serve) => plain(serve.run()),
        Command::Openapi => plain(output::print(&ecp_api::openapi_json())),
        Command::Config => plain(output::print(DEFAULTS)),
        Command::Catalog(OptionalGroup { command: None, .. }) => {
            plain(output::print(ecp_core::catalog::EMBEDDED))
        }
        Command::Catalog(OptionalGroup { options, command: Some(command) }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Tokens(command) => plain(tokens::run(command).and_then(|text| output::print(&text))),
        Command::Calibrate(calibrate) => calibrate
            .run()
            .and_then(|text| Ok(output::print(&text)?))
            .map_err(|failure| (failure, Output::default())),
        Command::Migrate(migrate) => plain(migrate.run().and_then(|text| output::print(&text))),
        Command::Completions(completions) => plain(completions.run()),
        Command::Man(man) => plain(man.run()),
        Command::Tenants(Group { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Apply(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Diff(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Edit(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Export(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Describe(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Top(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Wait(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Login(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Version(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Size(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Manifest(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Validate(Single { options, command }) => {
            client_of_findings(options, async |client| command.run(client).await)
        }
        Command::Status(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Metrics(Group { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Alerts(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::AlertRules(Group { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Silence(Group { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Events(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Logs(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Recommend(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Costs(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Receivers(Group { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Audit(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Overview(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Nodes(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Capacity(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Cluster(Single { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Server(Group { options, command }) => {
            client(options, async |client| command.run(client).await)
        }
        Command::Logout(Single { options, command }) => client(options, async |client| command.run(client)),
        Command::Context(Single { options, command }) => client(options, async |client| command.run(client)),
        Command::Contexts(Group { options, command }) => {
            let output = options.output();
            let written = output.expect_no_findings();
            written
                .and_then(|()| command.run(&options))
                .and_then(|shown| shown.print(&output))
                .map_err(|failure| (failure, output))
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((failure, output)) => {
            failure.report(&output);
            ExitCode::from(failure.exit_code())
        }
    }
}

/// The result of a command that writes plain text whatever happens.
fn plain(result: anyhow::Result<()>) -> Result<(), (Failure, Output)> {
    result.map_err(|error| (Failure::from(error), Output::default()))
}

/// What every command of a client works with.
struct Client {
    options: ClientOptions,
    output: Output,
}

/// Runs a command; one that could not write what comes of it is not begun.
fn client(
    options: ClientOptions,
    work: impl AsyncFnOnce(&Client) -> Result<(), Failure>,
) -> Result<(), (Failure, Output)> {
    let output = options.output();
    match output.expect_no_findings() {
        Ok(()) => client_of_findings(options, work),
        Err(failure) => Err((failure, output)),
    }
}

fn client_of_findings(
    options: ClientOptions,
    work: impl AsyncFnOnce(&Client) -> Result<(), Failure>,
) -> Result<(), (Failure, Output)> {
    let output = options.output();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let client = Client { options, output: output.clone() };
    let result = match runtime {
        Ok(runtime) => runtime.block_on(async {
            match work(&client).await {
                Err(failure @ Failure::Call(_)) => Err(near::suggest(&client, failure).await),
                other => other,
            }
        }),
        Err(error) => Err(anyhow::Error::from(error).into()),
    };
    result.map_err(|failure| (failure, output))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_flag_is_described_and_none_contradicts_another() {
        command().debug_assert();
        fn visit(command: &clap::Command) {
            for argument in command.get_arguments() {
                let named = argument.get_help().is_some() || argument.is_hide_set();
                assert!(named, "{} {}: no description", command.get_name(), argument.get_id());
            }
            for inner in command.get_subcommands() {
                assert!(inner.get_about().is_some(), "{}: no description", inner.get_name());
                visit(inner);
            }
        }
        visit(&command());
    }

    #[test]
    fn a_program_linked_as_a_plugin_is_called_as_one() {
        assert!(is_plugin(Some(&OsString::from("/usr/local/bin/kubectl-ecp"))));
        assert!(!is_plugin(Some(&OsString::from("/usr/local/bin/ecp"))));
    }
}
