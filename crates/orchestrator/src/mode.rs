//! One mode of the server: its database, its samples, its cluster, its controller and their tasks.

use crate::config::{Config, History};
use crate::mode_metrics::ModeMetrics;
use anyhow::Context;
use ecp_api::ModeServices;
use ecp_cluster::{
    CatalogRollout, CatalogRolloutOptions, Controller, ControllerOptions, DemoRunner, DemoSpeed,
    KubernetesCluster, KubernetesSource, NotConfigured, SimulatedNodes, Stoppable, demo_cluster, guard,
};
use ecp_core::Mode;
use ecp_core::catalog::Catalog;
use ecp_core::ports::{AlertingStore, Clock, Cluster, NotificationStore, TenantStore};
use ecp_core::revision::adopt_tenants;
use ecp_core::tenancy::Tenancy;
use ecp_metrics::{AlertEngine, SyntheticLoad};
use ecp_notifications::{NotificationSender, ReceiverClient};
use ecp_store::{Backend, Database, LeaseUnit, MIGRATIONS, PostgresDatabase, Samples, SqlStore};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The database of each mode, in the data folder.
pub(crate) const FILES: [&str; 2] = [file(Mode::Demo), file(Mode::Real)];

const fn file(mode: Mode) -> &'static str {
    match mode {
        Mode::Demo => "demo.db",
        Mode::Real => "real.db",
    }
}

/// Between two looks at what is too old.
const PRUNE_EVERY: Duration = Duration::from_secs(60 * 60);

/// Forgets history after the times that the operator set.
#[derive(Clone)]
struct HistoryKeeper {
    audit: History,
    deployments: History,
    clock: Arc<dyn Clock>,
}

impl HistoryKeeper {
    async fn keep_short(&self, store: &dyn TenantStore, stop: CancellationToken) {
        loop {
            let now = self.clock.now();
            let (entries, deployments) = (self.audit.kept_since(now), self.deployments.kept_since(now));
            let pruned = match store.leads() {
                true => store.prune_history(entries, deployments).await,
                false => Ok((0, 0)),
            };
            match pruned {
                Ok((0, 0)) => {}
                Ok((entries, deployments)) => tracing::info!(entries, deployments, "old history is gone"),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "old history stays for now");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PRUNE_EVERY) => {}
            }
        }
    }
}

/// Everything that one mode runs on.
pub(crate) struct ModeRuntime {
    mode: Mode,
    catalog: Arc<Catalog>,
    database: Database,
    tenants: Arc<SqlStore>,
    store: Arc<dyn TenantStore>,
    alerting: Arc<dyn AlertingStore>,
    metrics: ModeMetrics,
    cluster: Arc<dyn Cluster>,
    /// Cuts calls to the cluster short.
    calls: CancellationToken,
    alerts: Arc<AlertEngine>,
    notifications: NotificationSender,
    controller: Controller,
    history: HistoryKeeper,
    tenancy: Arc<Tenancy>,
    catalog_rollout: Arc<CatalogRollout>,
    simulated: Option<Arc<ecp_cluster::SimulatedCluster>>,
    kubernetes: Option<Arc<KubernetesCluster>>,
    load: Option<Arc<SyntheticLoad>>,
}

impl ModeRuntime {
    /// Opens the mode's database and builds everything on it; nothing runs yet.
    pub async fn open(
        mode: Mode,
        config: &Config,
        catalog: &Arc<Catalog>,
        clock: &Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        let path = config.data_dir.join(file(mode));
        let database = Database::open(&path, MIGRATIONS).with_context(|| path.display().to_string())?;
        let backend = backend(mode, config, &database).await?;
        let tenants = SqlStore::open(backend, clock.clone())?;
        let samples = match config.samples_are_shared() {
            true => Samples::Shared,
            false => Samples::Own(&database),
        };
        // The simulated cluster is in the memory of whoever runs it.
        let unit = if mode.is_demo() { LeaseUnit::Mode } else { LeaseUnit::Tenant };
        tenants.join(samples, unit).await?;
        tenants.adopt_prices().await?;
        let tenants = Arc::new(tenants);
        let store: Arc<dyn TenantStore> = tenants.clone();
        if !store.is_shared() {
            // Nobody else can have a turn; one of several lets it run out.
            tenants.free_receivers().await?;
        }
        let metrics = ModeMetrics::open(mode, config, &database, &tenants, clock).await?;
        if mode.is_demo() && config.demo.seed {
            crate::seeds::plant(&*store, catalog, &**clock).await?;
        }
        let adopted = adopt_tenants(&*store, catalog).await?;
        if adopted > 0 {
            tracing::info!(
                mode = mode.as_str(),
                tenants = adopted,
                "tenants of an earlier release are taken to run with the present catalog; nothing is rolled out"
            );
        }
        // A tenant that can not be read is there all the same.
        metrics.forget_all_but(|key| store.exists(key) || store.is_damaged(&key.id)).await?;
        let alerting: Arc<dyn AlertingStore> = tenants.clone();
        let alerts = Arc::new(AlertEngine::new(store.clone(), alerting.clone(), clock.clone()));
        let shared_metrics = metrics.store();
        alerts.restore(&*shared_metrics).await?;
        metrics.observe(alerts.clone());
        let notifications = NotificationSender::new(
            mode,
            tenants.clone(),
            alerting.clone(),
            receiver_client(config)?,
            clock.clone(),
        );
        let (simulated, time_scale) = if mode.is_demo() {
            let speed = DemoSpeed::new(config.demo_speed)?;
            let nodes = &config.demo.nodes;
            warn_of_unknown_gpus(nodes, catalog);
            (Some(demo_cluster(store.clone(), clock.clone(), nodes, speed)), config.demo_speed)
        } else {
            (None, 1.0)
        };
        let kubernetes = match kubernetes_source(config).filter(|_| !mode.is_demo()) {
            Some(source) => {
                Some(KubernetesCluster::connect(&source, catalog.clone(), tenants.clone()).await?)
            }
            None => None,
        };
        let cluster: Arc<dyn Cluster> = match &simulated {
            Some(cluster) => cluster.clone(),
            None => match &kubernetes {
                Some(cluster) => cluster.clone(),
                None => Arc::new(NotConfigured::default()),
            },
        };
        let calls = CancellationToken::new();
        let cluster: Arc<dyn Cluster> =
            { Arc::new(Stoppable::new(cluster, calls.clone(), guard(store.clone()))) };
        let controller = Controller::new(
            mode,
            store.clone(),
            shared_metrics.clone(),
            cluster.clone(),
            clock.clone(),
            ControllerOptions {
                max_concurrent: config.controller.max_concurrent,
                time_scale,
                rollback_on_failure: config.controller.rollback_on_failure,
                progress_deadline: Duration::from_secs(config.controller.progress_deadline_seconds),
                ..ControllerOptions::default()
            },
        );
        let tenancy = Arc::new(Tenancy::new(
            catalog.clone(),
            store.clone(),
            cluster.clone(),
            clock.clone(),
            time_scale,
        ));
        let catalog_rollout = Arc::new(CatalogRollout::new(
            mode,
            tenancy.clone(),
            store.clone(),
            CatalogRolloutOptions {
                automatic: config.controller.catalog_rollout == crate::config::CatalogRollout::Automatic,
                at_once: config.controller.catalog_rollout_at_once,
                stop_after: config.controller.catalog_rollout_stop_after,
            },
        ));
        let load = (mode.is_demo() && config.demo.load)
            .then(|| {
                SyntheticLoad::new(store.clone(), shared_metrics, clock.clone(), crate::seeds::busiest())
            })
            .map(Arc::new);
        Ok(Self {
            mode,
            catalog: catalog.clone(),
            database,
            tenants,
            store,
            alerting,
            metrics,
            cluster,
            calls,
            alerts,
            notifications,
            controller,
            history: HistoryKeeper {
                audit: config.audit,
                deployments: config.deployments,
                clock: clock.clone(),
            },
            tenancy,
            catalog_rollout,
            simulated,
            kubernetes,
            load,
        })
    }

    /// What requests of this mode need.
    pub fn services(&self) -> ModeServices {
        ModeServices::new(
            self.mode,
            self.tenancy.clone(),
            self.store.clone(),
            (self.alerting.clone(), self.alerts.clone()),
            (self.tenants.clone() as Arc<dyn NotificationStore>, Arc::new(self.notifications.clone())),
            self.metrics.store(),
            self.cluster.clone(),
        )
    }

    /// Cuts short whatever is being asked of the cluster, now and from now on.
    pub fn stop_calls(&self) {
        self.calls.cancel();
    }

    /// Starts the mode's controller, which ends when `stop` is cancelled and what it has in hand is done.
    pub fn run_controller(&self, workers: &TaskTracker, stop: &CancellationToken) {
        let (controller, cancel) = (self.controller.clone(), stop.clone());
        match self.simulated.clone() {
            Some(cluster) => {
                let runner = DemoRunner::new(cluster, controller, self.store.clone());
                workers.spawn(async move { runner.run(cancel).await });
            }
            None => {
                workers.spawn(async move { controller.run(cancel).await });
            }
        }
    }

    /// Starts the mode's other tasks; they end when `stop` is cancelled.
    pub fn run(&self, tasks: &TaskTracker, stop: &CancellationToken) {
        let (tenants, cancel) = (self.tenants.clone(), stop.clone());
        tasks.spawn(async move { tenants.backend().keep_probing(cancel).await });
        let (tenants, cancel) = (self.tenants.clone(), stop.clone());
        tasks.spawn(async move { tenants.keep_leases(cancel).await });
        if matches!(self.tenants.backend(), Backend::Postgres(_)) {
            // The samples' file is another database then.
            let (samples, cancel) = (Backend::from(self.database.clone()), stop.clone());
            tasks.spawn(async move { samples.keep_probing(cancel).await });
        }
        let (store, history, cancel) = (self.store.clone(), self.history.clone(), stop.clone());
        tasks.spawn(async move { history.keep_short(&*store, cancel).await });
        let (metrics, cancel) = (self.metrics.clone(), stop.clone());
        tasks.spawn(async move { metrics.maintain(cancel).await });
        let (alerts, cancel) = (self.alerts.clone(), stop.clone());
        tasks.spawn(async move { alerts.run(cancel).await });
        let (notifications, cancel) = (self.notifications.clone(), stop.clone());
        tasks.spawn(async move { notifications.run(cancel).await });
        let (rollout, cancel) = (self.catalog_rollout.clone(), stop.clone());
        tasks.spawn(async move { rollout.run(cancel).await });
        if let Some(cluster) = self.kubernetes.clone() {
            let (watching, leases, cancel) = (cluster.clone(), self.store.clone(), stop.clone());
            tasks.spawn(async move { watching.run(leases, cancel).await });
            let (catalog, store) = (self.catalog.clone(), self.store.clone());
            let (metrics, cancel) = (self.metrics.store(), stop.clone());
            // Who scrapes the tenants has what would be collected.
            if metrics.capabilities().writable {
                tasks.spawn(async move { cluster.collect_usage(catalog, store, metrics, cancel).await });
            }
        }
        if let Some(load) = self.load.clone() {
            let cancel = stop.clone();
            tasks.spawn(async move { load.run(cancel).await });
        }
    }

    /// Which mode.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What was told to receivers and what waits, for its counters.
    pub fn notifications(&self) -> Arc<ecp_notifications::Counts> {
        self.notifications.counts()
    }

    /// Its tenants.
    pub fn store(&self) -> &Arc<dyn TenantStore> {
        &self.store
    }

    /// What tenants are kept in, for its counters.
    pub fn backend(&self) -> &Backend {
        self.tenants.backend()
    }

    /// Finishes what is queued and closes the file.
    pub async fn close(self) -> anyhow::Result<()> {
        let (database, tenants) = (self.database.clone(), self.tenants.clone());
        drop(self);
        tenants.leave().await;
        let close = move || {
            tenants.close();
            database.close();
        };
        Ok(tokio::task::spawn_blocking(close).await?)
    }
}

/// Who dials receivers, and only addresses that the operator allows.
fn receiver_client(config: &Config) -> anyhow::Result<ReceiverClient> {
    crate::tls::install_crypto_provider();
    let allowed = config.notifications.allowed().map_err(|mut faults| {
        faults.pop().map_or_else(|| anyhow::anyhow!("no ranges"), anyhow::Error::from)
    })?;
    ReceiverClient::new(allowed).context("receivers of alerts can not be told")
}

/// What the mode's tenants are kept in: a schema on a server where one is named, else the file.
async fn backend(mode: Mode, config: &Config, file: &Database) -> anyhow::Result<Backend> {
    let Some(url) = config.postgres()? else { return Ok(file.clone().into()) };
    let open = move || PostgresDatabase::open(&url, schema(mode));
    Ok(tokio::task::spawn_blocking(open).await??.into())
}

/// Says which GPUs of the simulated cluster no tenant will get.
fn warn_of_unknown_gpus(nodes: &SimulatedNodes, catalog: &Catalog) {
    let is_known = |name: &String| catalog.devices.iter().any(|device| device.name == *name);
    for pool in &nodes.pools {
        if let Some(gpu_type) = pool.gpu_type.as_ref().filter(|name| pool.gpu > 0 && !is_known(name)) {
            tracing::warn!(pool = %pool.name, %gpu_type, "the catalog has no such device: no tenant gets these GPUs");
        }
    }
}

/// The schema of each mode on a server.
pub(crate) const fn schema(mode: Mode) -> &'static str {
    match mode {
        Mode::Demo => "ecp_demo",
        Mode::Real => "ecp_real",
    }
}

/// The cluster that real mode was told of, or runs in; a kubeconfig that merely lies in the home
/// folder is never touched.
pub(crate) fn kubernetes_source(config: &Config) -> Option<KubernetesSource> {
    if !config.kubeconfig.is_empty() {
        let context = (!config.context.is_empty()).then(|| config.context.clone());
        return Some(KubernetesSource::Kubeconfig { path: config.kubeconfig.clone().into(), context });
    }
    let token = std::path::Path::new("/var/run/secrets/kubernetes.io/serviceaccount/token");
    let inside = std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() && token.exists();
    inside.then_some(KubernetesSource::InCluster)
}
