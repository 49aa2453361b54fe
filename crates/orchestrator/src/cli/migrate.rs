//! `ecp migrate`: moves an embedded installation to a PostgreSQL server, and its samples to a metric store.

use super::Refused;
use super::language::say_text;
use crate::config::{Config, Overrides, database_fault};
use crate::mode::{FILES, schema};
use anyhow::Context as _;
use clap::Args;
use ecp_core::Mode;
use ecp_core::ledger::ObjectLedger as _;
use ecp_core::metrics::{Retention, Sample};
use ecp_core::ports::{Clock, MetricStore as _, SystemClock};
use ecp_metrics::{EmbeddedMetrics, MetricsOptions, RemoteMetrics, RemoteSettings};
use ecp_store::{Database, MIGRATIONS, PostgresUrl, Source, SqlStore, move_to};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// From where, to where.
#[derive(Args)]
pub(super) struct Migrate {
    /// Data folder of a server that does not run.
    #[arg(long)]
    from: PathBuf,
    /// PostgreSQL server with an empty database, as postgres://user:password@host:5432/database
    /// [environment: ECP_DATABASE_URL].
    #[arg(long, env = "ECP_DATABASE_URL", hide_env_values = true)]
    to: String,
    /// Metric store that takes the samples, as http://host:8428 [default: they stay; environment:
    /// ECP_METRICS_URL].
    #[arg(long, env = "ECP_METRICS_URL")]
    metrics_url: Option<String>,
}

impl Migrate {
    /// Moves everything, samples where there is a store for them, and says what.
    pub(super) fn run(self) -> anyhow::Result<String> {
        let url: PostgresUrl = self.to.parse().map_err(|fault| {
            let fault = database_fault(&fault);
            Refused::Usage(say_text!("config.fault_of", key = "--to", fault = fault))
        })?;
        let modes = [Mode::Demo, Mode::Real].into_iter().zip(FILES);
        let mut sources: Vec<Source> = modes
            .map(|(mode, file)| Source { file: self.from.join(file), schema: schema(mode), is_access: false })
            .collect();
        sources.push(Source {
            file: self.from.join(crate::tokens::FILE),
            schema: "ecp_access",
            is_access: true,
        });
        if !sources.iter().any(|source| source.file.exists()) {
            let files = [FILES[0], FILES[1], crate::tokens::FILE].join(", ");
            let folder = self.from.display();
            anyhow::bail!(Refused::Usage(say_text!("cli.migrate_nothing", folder = folder, files = files)));
        }
        // Before the tenants: what fails here leaves the folder as it was, and may be done again.
        let samples = self.metric_store()?.map(|store| self.move_samples(&store)).transpose()?;
        let moved = move_to(&sources, &url)?;
        let mut text = say_text!("cli.migrated_to", place = url.told()) + "\n";
        for table in moved.iter().filter(|table| table.rows > 0) {
            let rows = say_text!("cli.migrate_rows", rows = format!("{:>8}", table.rows));
            writeln!(text, "  {:<11} {:<18} {rows}", table.schema, table.table)?;
        }
        if let Some(samples) = samples {
            let place = self.metrics_url.unwrap_or_default();
            writeln!(text, "{}", say_text!("cli.migrated_to", place = place))?;
            writeln!(text, "  {} {samples:>36}", say_text!("cli.samples"))?;
            let command = "ecp serve --database-url … --metrics-url …";
            writeln!(text, "{}", say_text!("cli.migrate_goes_on", command = command))?;
            return Ok(text);
        }
        let folder = self.from.display();
        let command = format!("ecp serve --data-dir {folder} --database-url …");
        writeln!(text, "{}", say_text!("cli.migrate_samples_stay", folder = folder, command = command))?;
        Ok(text)
    }

    /// The store that takes the samples, as the server would be told of it.
    fn metric_store(&self) -> anyhow::Result<Option<(RemoteSettings, Retention)>> {
        let Some(url) = self.metrics_url.clone() else { return Ok(None) };
        let flags = vec![("metrics_url", toml::Value::String(url))];
        let config = Config::load_here(&Overrides { file: None, flags })?;
        Ok(config.metric_store()?.map(|store| (store, config.retention)))
    }

    /// Writes the samples of both modes to the store; how many.
    fn move_samples(&self, (store, kept): &(RemoteSettings, Retention)) -> anyhow::Result<usize> {
        crate::tls::install_crypto_provider();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let mut moved = 0;
        for (mode, file) in [Mode::Demo, Mode::Real].into_iter().zip(FILES) {
            let file = self.from.join(file);
            if file.exists() {
                moved += runtime.block_on(move_samples(mode, &file, store, *kept))?;
            }
        }
        Ok(moved)
    }
}

async fn move_samples(
    mode: Mode,
    file: &Path,
    settings: &RemoteSettings,
    retention: Retention,
) -> anyhow::Result<usize> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let database = Database::open(file, MIGRATIONS).with_context(|| file.display().to_string())?;
    let installation = SqlStore::open(database.clone(), clock.clone())?.installation().await?;
    let options = MetricsOptions { retention, ..MetricsOptions::default() };
    let embedded = EmbeddedMetrics::open(database.clone(), clock.clone(), options, Arc::new(|_| true))?;
    let owner = (mode, &installation);
    let remote = RemoteMetrics::new(settings.clone(), owner, retention, clock, Arc::new(|_| true))?;
    let mut moved = 0;
    for (key, source) in embedded.tenants_with_samples() {
        let write = async |samples: Vec<Sample>| {
            moved += samples.len();
            remote.append(&key, source, &samples).await
        };
        embedded.export(&key, write).await.with_context(|| format!("samples of {key}"))?;
    }
    drop(embedded);
    database.close();
    Ok(moved)
}
