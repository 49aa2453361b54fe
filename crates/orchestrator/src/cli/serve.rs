//! `ecp serve`: starts the server and runs it until it is asked to stop.

use crate::App;
use crate::config::{Config, LogFormat, Overrides};
use crate::traces::Traces;
use anyhow::Context as _;
use clap::Args;
use ecp_core::ports::SystemClock;
use opentelemetry_sdk::trace::Tracer;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;

/// How the server is set up.
#[derive(Args)]
pub(super) struct Serve {
    /// Address and port to listen on [default: 127.0.0.1:8001; environment: ECP_LISTEN].
    #[arg(long)]
    listen: Option<String>,
    /// Folder of the databases [default: data; environment: ECP_DATA_DIR].
    #[arg(long)]
    data_dir: Option<String>,
    /// PostgreSQL server that keeps everything but samples [environment: ECP_DATABASE_URL, which other
    /// users of this machine do not see].
    #[arg(long)]
    database_url: Option<String>,
    /// Metric store that keeps samples, as http://host:8428: remote write and PromQL [environment:
    /// ECP_METRICS_URL].
    #[arg(long)]
    metrics_url: Option<String>,
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
            text("database_url", self.database_url),
            text("metrics_url", self.metrics_url),
            self.demo_speed.map(|speed| ("demo_speed", toml::Value::Float(speed))),
            text("kubeconfig", self.kubeconfig),
            text("context", self.context),
        ];
        Overrides { file: self.config, flags: flags.into_iter().flatten().collect() }
    }

    /// Serves until SIGTERM or Ctrl-C.
    pub(super) fn run(self) -> anyhow::Result<()> {
        let config = Config::load_here(&self.overrides())?;
        let filter = EnvFilter::try_new(&config.log.level)
            .with_context(|| format!("log.level: {:?} is not a filter; try \"info\"", config.log.level))?;
        let traces = Traces::start(&config)?;
        subscriber(filter, config.log.format, traces.as_ref().map(Traces::tracer)).init();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let served = runtime.block_on(async {
            let app = App::start(config, Arc::new(SystemClock)).await?;
            tracing::info!(listen = %app.address(), "ready: http://{}/docs", app.address());
            until_asked_to_stop().await?;
            tracing::info!("stopping");
            app.stop().await
        });
        if let Some(traces) = traces {
            traces.shut_down();
        }
        served
    }
}

/// Log lines on standard error, and spans for the collector where there is one.
///
/// Each filter says which levels it never lets through: without, every event of every library, trace ones
/// among them, would be looked at one by one.
fn subscriber(
    filter: EnvFilter,
    format: LogFormat,
    tracer: Option<Tracer>,
) -> impl Subscriber + Send + Sync + 'static {
    let is_traced = |metadata: &Metadata<'_>| metadata.target() == ecp_core::TRACE_TARGET;
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    };
    // The other filter's level holds.
    let others = filter_fn(move |metadata| !is_traced(metadata)).with_max_level_hint(LevelFilter::TRACE);
    let spans = tracer.map(|tracer| {
        let layer = tracing_opentelemetry::layer().with_tracer(tracer);
        let spans = filter_fn(move |metadata| metadata.is_span() && is_traced(metadata));
        layer.with_filter(spans.with_max_level_hint(LevelFilter::INFO))
    });
    tracing_subscriber::registry().with(lines.with_filter(filter.and(others))).with(spans)
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

#[cfg(test)]
mod tests {
    use super::*;
    use opentelemetry::trace::TracerProvider as _;
    use opentelemetry_sdk::trace::SdkTracerProvider;

    #[test]
    fn events_below_the_level_of_the_log_are_not_looked_at_one_by_one() {
        let tracer = || SdkTracerProvider::builder().build().tracer("test");
        for (level, tracer, looked_at) in [
            ("info", None, LevelFilter::INFO),
            ("info", Some(tracer()), LevelFilter::INFO),
            ("error", None, LevelFilter::ERROR),
            // Spans for the collector, whatever the log is to say.
            ("error", Some(tracer()), LevelFilter::INFO),
            ("warn,ecp_api=debug", None, LevelFilter::DEBUG),
        ] {
            for format in [LogFormat::Text, LogFormat::Json] {
                let subscriber = subscriber(EnvFilter::new(level), format, tracer.clone());
                assert_eq!(subscriber.max_level_hint(), Some(looked_at), "log.level {level:?}");
            }
        }
    }
}
