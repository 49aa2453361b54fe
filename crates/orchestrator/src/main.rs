//! The `ecp` program: the command line over the library beside it.

use anyhow::Context;
use clap::{Parser, Subcommand};
use ecp_core::ports::SystemClock;
use ecp_orchestrator::config::{Config, DEFAULTS, LogFormat, Overrides};
use ecp_orchestrator::{App, tokens};
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tracing_subscriber::EnvFilter;

/// Runs AI services of contact centers for many tenants on shared Kubernetes clusters.
#[derive(Parser)]
#[command(name = "ecp", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Starts the server.
    Serve(Serve),
    /// Prints the OpenAPI document of the API.
    Openapi,
    /// Prints the commented defaults of the configuration file.
    Config,
    /// Prints the embedded catalog, to be changed and given back with `catalog = "FILE"`.
    Catalog,
    /// Manages bearer tokens; works while the server runs.
    #[command(subcommand)]
    Tokens(tokens::Command),
}

#[derive(clap::Args)]
struct Serve {
    /// Address and port to listen on [default: 127.0.0.1:8001; environment: ECP_LISTEN].
    #[arg(long)]
    listen: Option<String>,
    /// Folder of the databases [default: data; environment: ECP_DATA_DIR].
    #[arg(long)]
    data_dir: Option<String>,
    /// Configuration file [environment: ECP_CONFIG].
    #[arg(long)]
    config: Option<PathBuf>,
    /// How many times faster than life the simulated cluster runs [default: 120; environment:
    /// ECP_DEMO_SPEED].
    #[arg(long)]
    demo_speed: Option<f64>,
    /// Kubeconfig of the cluster that real mode drives [environment: ECP_KUBECONFIG].
    #[arg(long)]
    kubeconfig: Option<String>,
    /// Context of the kubeconfig [environment: ECP_CONTEXT].
    #[arg(long)]
    context: Option<String>,
}

impl Serve {
    fn overrides(self) -> Overrides {
        let text = |key, value: Option<String>| value.map(|value| (key, toml::Value::String(value)));
        let flags = [
            text("listen", self.listen),
            text("data_dir", self.data_dir),
            self.demo_speed.map(|speed| ("demo_speed", toml::Value::Float(speed))),
            text("kubeconfig", self.kubeconfig),
            text("context", self.context),
        ];
        Overrides { file: self.config, flags: flags.into_iter().flatten().collect() }
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "ecp: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Serve(flags) => serve(&flags.overrides()),
        Command::Openapi => print(&ecp_api::openapi_json()),
        Command::Config => print(DEFAULTS),
        Command::Catalog => print(ecp_core::catalog::EMBEDDED),
        Command::Tokens(command) => print(&tokens::run(command)?),
    }
}

/// Writes to standard output; a reader that has gone away is no error.
fn print(text: &str) -> anyhow::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other.context("can not write to standard output"),
    }
}

fn serve(overrides: &Overrides) -> anyhow::Result<()> {
    let config = Config::load(overrides, |name| std::env::var(name).ok())?;
    let filter = EnvFilter::try_new(&config.log.level)
        .with_context(|| format!("log.level: {:?} is not a filter; try \"info\"", config.log.level))?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match config.log.format {
        LogFormat::Text => subscriber.init(),
        LogFormat::Json => subscriber.json().flatten_event(true).init(),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let app = App::start(config, Arc::new(SystemClock)).await?;
        tracing::info!(listen = %app.address(), "ready: http://{}/docs", app.address());
        until_asked_to_stop().await?;
        tracing::info!("stopping");
        app.stop().await
    })
}

/// Waits for SIGTERM or Ctrl-C.
async fn until_asked_to_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
