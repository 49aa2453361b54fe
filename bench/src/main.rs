//! The benchmark that `make bench` runs: the server as its users meet it, over real sockets, with a
//! bare axum server of the same bytes beside it in the same run.
//!
//! Every figure is printed with its target; nothing here fails a build. The load generator is in
//! this process, the servers are processes of their own.

mod client;
mod cluster;
mod peers;
mod postgres;
mod receivers;
mod rendering;
mod report;
mod scenarios;
mod streams;

use crate::scenarios::Part;
use anyhow::Context;
use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};

/// Measures the orchestrator.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// The server to measure.
    #[arg(long, default_value = "target/release/ecp")]
    server: PathBuf,
    /// Seconds that each load lasts.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Measures these parts alone; several as a list.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Part>,
}

#[derive(Subcommand)]
enum Command {
    /// Serves a body from a bare axum handler: the baseline of reads and writes.
    Baseline {
        /// File whose bytes GET answers.
        body: PathBuf,
    },
    /// Measures ingestion while receivers of alerts are slow, hostile or dead.
    Receivers,
    /// Measures three replicas on a PostgreSQL server that it starts.
    Postgres,
    /// Measures real mode on control planes that it starts (deploy/control-plane).
    Cluster {
        /// Tenants of five services each.
        #[arg(long, default_value_t = 1000)]
        tenants: usize,
    },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        Some(Command::Baseline { body }) => peers::serve_baseline(&body),
        Some(Command::Cluster { tenants }) => {
            on_runtime(&arguments.server, cluster::run(&arguments.server, tenants))
        }
        Some(Command::Receivers) => {
            on_runtime(&arguments.server, receivers::run(&arguments.server, arguments.seconds))
        }
        Some(Command::Postgres) => {
            on_runtime(&arguments.server, postgres::run(&arguments.server, arguments.seconds))
        }
        None => on_runtime(
            &arguments.server,
            scenarios::run(&arguments.server, arguments.seconds, &arguments.only),
        ),
    }
}

fn on_runtime(server: &Path, scenario: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    anyhow::ensure!(server.exists(), "{} is missing: run `make bench`, which builds it", server.display());
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("no runtime for the load generator")?
        .block_on(scenario)
}
