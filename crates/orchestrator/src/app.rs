//! The running server: both modes, the listener, and an orderly end.

use crate::cli::language::{all_told, say_text};
use crate::config::Config;
use crate::mode::ModeRuntime;
use anyhow::{Context, anyhow};
use ecp_api::auth::Authentication;
use ecp_api::dashboard::under_base_path;
use ecp_api::rate_limit::RateLimit;
use ecp_api::serve::{ServeOptions, allowed_connections, bind, serve, unreadable_responses};
use ecp_api::streams::StreamOptions;
use ecp_api::{ApiState, Limits, router};
use ecp_core::Mode;
use ecp_core::alerts::receiver::ReceiverKind;
use ecp_core::catalog::Catalog;
use ecp_core::ports::Clock;
use ecp_notifications::Outcome;
use ecp_store::DataFolder;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// For what is being asked of a cluster after SIGTERM; the rest of the ten seconds is for ending what
/// waited for it.
const CALLS_GRACE: Duration = Duration::from_secs(3);

/// A started server. [`App::stop`] ends it; dropped without, its tasks go on.
pub struct App {
    address: SocketAddr,
    state: Arc<ApiState>,
    modes: [ModeRuntime; 2],
    server: JoinHandle<usize>,
    tasks: TaskTracker,
    background: CancellationToken,
    /// The controllers.
    workers: TaskTracker,
    working: CancellationToken,
}

impl App {
    /// Opens the databases, builds both modes, listens and starts.
    ///
    /// # Errors
    /// A database, the catalog or the address can not be used; the text says which and why.
    pub async fn start(config: Config, clock: Arc<dyn Clock>) -> anyhow::Result<Self> {
        let catalog = Arc::new(catalog(&config)?);
        let tokens: &[&str] = if config.tokens_required() { &[crate::tokens::FILE] } else { &[] };
        let folder = DataFolder::check(&config.data_dir, &crate::mode::FILES, tokens)?;
        let demo = ModeRuntime::open(Mode::Demo, &config, &catalog, &clock).await?;
        let real = ModeRuntime::open(Mode::Real, &config, &catalog, &clock).await?;
        let limits = Limits {
            body_timeout: Duration::from_secs(config.limits.body_timeout_seconds),
            request_timeout: Duration::from_secs(config.limits.request_timeout_seconds),
            ..Limits::default()
        };
        let rate_limit =
            config.requests_per_second().map(|limit| RateLimit::new(limit, config.rate_limit.burst));
        let state = ApiState::new(demo.services(), real.services(), catalog, clock.clone(), limits)
            .with_authentication(authentication(&config, &clock).await?)
            .with_sites(config.sites())
            .with_rate_limit(rate_limit)
            .with_per_tenant_metrics(config.per_tenant_metrics()?)
            .with_stream_options(StreamOptions {
                max_sockets: config.limits.max_websockets,
                ..StreamOptions::default()
            });
        folder.complete()?;
        let state = Arc::new(state);
        let modes = [demo, real];
        register_store_counters(&state, &modes);
        register_notifications(&state, &modes);
        register_replica(&state, &modes);
        let listener = bind(config.listen).map_err(|error| {
            anyhow!(say_text!("cli.can_not_listen", address = config.listen, error = error))
        })?;
        let address = listener.local_addr()?;
        let options = ServeOptions {
            max_connections: allowed_connections(config.limits.max_connections),
            header_timeout: Duration::from_secs(config.limits.header_timeout_seconds),
            idle_timeout: Duration::from_secs(config.limits.idle_timeout_seconds),
            shutdown_grace: Duration::from_secs(config.limits.shutdown_grace_seconds),
            ..ServeOptions::new(unreadable_responses(clock), state.telemetry.clone())
        };
        let (tasks, background) = (TaskTracker::new(), CancellationToken::new());
        let (workers, working) = (TaskTracker::new(), CancellationToken::new());
        for runtime in &modes {
            runtime.run(&tasks, &background);
            runtime.run_controller(&workers, &working);
        }
        let stopping = state.stopping.clone();
        let server = {
            let router = under_base_path(router(state.clone()), &config.server.base_path);
            tokio::spawn(serve(listener, router, options, stopping))
        };
        state.readiness.set_ready();
        Ok(Self { address, state, modes, server, tasks, background, workers, working })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, finishes what is in flight, closes WebSockets with 1001, ends the background
    /// work, and closes the databases.
    ///
    /// # Errors
    /// A task of the server panicked.
    pub async fn stop(self) -> anyhow::Result<()> {
        self.state.readiness.set_stopping();
        self.state.stopping.cancel();
        // What is accepted from here on is on disk, and for the next start to roll out.
        self.working.cancel();
        self.workers.close();
        let settled = async {
            let cut = self.server.await.context("the listener's task failed");
            self.workers.wait().await;
            cut
        };
        tokio::pin!(settled);
        let cut = tokio::select! {
            cut = &mut settled => cut?,
            // A cluster that hangs is not waited for, by requests neither.
            () = tokio::time::sleep(CALLS_GRACE) => {
                self.modes.iter().for_each(ModeRuntime::stop_calls);
                settled.await?
            }
        };
        self.modes.iter().for_each(ModeRuntime::stop_calls);
        if cut > 0 {
            tracing::warn!(connections = cut, "connections were cut");
        }
        self.background.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        drop(self.state);
        for runtime in self.modes {
            runtime.close().await?;
        }
        Ok(())
    }
}

fn catalog(config: &Config) -> anyhow::Result<Catalog> {
    if config.catalog.is_empty() {
        return Ok(Catalog::embedded());
    }
    let path = &config.catalog;
    let text = std::fs::read_to_string(path)
        .map_err(|error| anyhow!(say_text!("catalog.file_unreadable", path = path, error = error)))?;
    Catalog::parse(&text).map_err(|faults| anyhow!("{path}: {}", all_told(&faults)))
}

async fn authentication(config: &Config, clock: &Arc<dyn Clock>) -> anyhow::Result<Authentication> {
    if !config.tokens_required() {
        if crate::mode::kubernetes_source(config).is_some() {
            tracing::warn!(
                "a real cluster is configured and no token is required: whoever reaches {} drives it, every \
                 user of this machine at least; set auth.tokens = \"on\" and make tokens with `ecp tokens create`",
                config.listen
            );
        }
        return Ok(Authentication::off());
    }
    let (settings, clock) = (config.clone(), clock.clone());
    let open = move || -> anyhow::Result<_> {
        let tokens = crate::tokens::open(&settings, clock)?;
        let none = tokens.list_tokens()?.is_empty();
        Ok((tokens, none))
    };
    let (tokens, none) = tokio::task::spawn_blocking(open).await??;
    if none {
        tracing::warn!("tokens are required and there is none yet: make one with `ecp tokens create`");
    }
    Ok(Authentication::on(Arc::new(tokens)).with_open_metrics(config.listen.ip().is_loopback()))
}

/// Of a process among others, by mode: its id, what it works on, and how old its memory may be.
fn register_replica(state: &ApiState, modes: &[ModeRuntime]) {
    let stores: Vec<_> = modes
        .iter()
        .map(|runtime| (runtime.mode().as_str(), runtime.store().clone()))
        .filter(|(_, store)| store.replica().is_some())
        .collect();
    if stores.is_empty() {
        return;
    }
    let (ids, held, leading, ages) = (stores.clone(), stores.clone(), stores.clone(), stores);
    let telemetry = &state.telemetry;
    telemetry.register_gauge("replica_info", "This replica's id, by mode", move |observations| {
        for (mode, store) in &ids {
            if let Some(id) = store.replica() {
                observations.add(&[("mode", mode), ("replica", &id)], 1.0);
            }
        }
    });
    telemetry.register_gauge(
        "leases_held",
        "Tenants that this replica works on, by mode",
        move |observations| {
            for (mode, store) in &held {
                observations.add(&[("mode", mode)], store.held().unwrap_or_default() as f64);
            }
        },
    );
    telemetry.register_gauge(
        "replica_leads",
        "1 where this replica does what is done once in a mode",
        move |observations| {
            for (mode, store) in &leading {
                observations.add(&[("mode", mode)], f64::from(u8::from(store.leads())));
            }
        },
    );
    telemetry.register_gauge(
        "view_lag_seconds",
        "Seconds since what is in memory was last held against the database, by mode",
        move |observations| {
            for (mode, store) in &ages {
                observations.add(&[("mode", mode)], store.view_age().as_secs_f64());
            }
        },
    );
}

/// Commits and writes of each mode's database; their ratio is how many writers share a commit.
fn register_store_counters(state: &ApiState, modes: &[ModeRuntime]) {
    let databases: Vec<_> = modes.iter().map(|runtime| (runtime.mode(), runtime.backend().clone())).collect();
    let jobs = databases.clone();
    state.telemetry.register_counter("store_commits", "Commits by mode", move |observations| {
        for (mode, database) in &databases {
            observations.add(&[("mode", mode.as_str())], database.commits() as f64);
        }
    });
    state.telemetry.register_counter("store_writes", "Writes asked for, by mode", move |observations| {
        for (mode, database) in &jobs {
            observations.add(&[("mode", mode.as_str())], database.jobs() as f64);
        }
    });
}

/// Deliveries to receivers of alerts, by mode and kind of receiver.
fn register_notifications(state: &ApiState, modes: &[ModeRuntime]) {
    let counts: Vec<_> = modes.iter().map(|runtime| (runtime.mode(), runtime.notifications())).collect();
    let tried = counts.clone();
    let help = "Tries to tell receivers of alerts, by mode, kind of receiver and outcome";
    state.telemetry.register_counter("notification_attempts", help, move |observations| {
        for ((mode, counts), kind) in
            tried.iter().flat_map(|of_mode| ReceiverKind::ALL.map(|kind| (of_mode, kind)))
        {
            for outcome in Outcome::ALL {
                let labels =
                    [("mode", mode.as_str()), ("kind", kind.as_str()), ("outcome", outcome.as_str())];
                observations.add(&labels, counts.outcomes(kind, outcome) as f64);
            }
        }
    });
    let help = "Deliveries to receivers of alerts that wait, by mode and kind of receiver";
    state.telemetry.register_gauge("notification_queue_length", help, move |observations| {
        for (mode, counts) in &counts {
            for kind in ReceiverKind::ALL {
                let labels = [("mode", mode.as_str()), ("kind", kind.as_str())];
                observations.add(&labels, counts.waiting(kind) as f64);
            }
        }
    });
}
