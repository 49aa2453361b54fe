//! Who runs demo mode's cluster: a process alone always, of several one at a time, under the lease of the
//! mode.
//!
//! The one that runs it keeps the cluster's state in the store whenever it changed; the others show what was
//! kept last, so that all of them answer the same, and go on from it when the lease comes to them. What the
//! state lacks of what the store has, the controller brings there, as after a crash.

use crate::{Controller, SimulatedCluster, demo_gitops, restore_demo_cluster};
use ecp_core::ports::{ClusterView, StoreError, TenantStore};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

/// Changes within this time are kept together.
const KEPT_TOGETHER: Duration = Duration::from_millis(200);
/// Keeping a state takes at most this part of the time.
const SHARE_OF_KEEPING: u32 = 20;
/// Until the store is asked again where it did not answer.
const PAUSE: Duration = Duration::from_secs(1);

/// The simulated cluster and the controller of one process.
pub struct DemoRunner {
    cluster: Arc<SimulatedCluster>,
    controller: Controller,
    store: Arc<dyn TenantStore>,
}

impl DemoRunner {
    /// Over an empty cluster.
    pub fn new(cluster: Arc<SimulatedCluster>, controller: Controller, store: Arc<dyn TenantStore>) -> Self {
        Self { cluster, controller, store }
    }

    /// Runs both until told to stop, whenever this process is the one to.
    pub async fn run(&self, stop: CancellationToken) {
        if !self.store.is_shared() {
            // In the background: with thousands of tenants it takes longer than a start may.
            if stop.run_until_cancelled(self.restore()).await.is_some() {
                tokio::join!(
                    self.cluster.run(stop.clone()),
                    demo_gitops::run(&self.cluster, &*self.store, stop.clone()),
                    self.controller.run(stop),
                );
            }
            return;
        }
        let mut leases = self.store.subscribe_leases();
        // Under which lease the state in memory is this process's own.
        let mut owned = None;
        while !stop.is_cancelled() {
            match self.store.led_under() {
                Some(epoch) => {
                    if owned != Some(epoch) {
                        if stop.run_until_cancelled(self.take_over()).await.is_none() {
                            return;
                        }
                        owned = Some(epoch);
                    }
                    self.lead(epoch, &stop).await;
                }
                None => {
                    owned = None;
                    let lead =
                        async { while self.store.led_under().is_none() && leases.changed().await.is_ok() {} };
                    tokio::select! {
                        () = stop.cancelled() => return,
                        () = lead => {}
                        () = self.follow() => {}
                    }
                }
            }
        }
    }

    /// Runs cluster and controller while the mode is led under this epoch.
    async fn lead(&self, epoch: u64, stop: &CancellationToken) {
        tracing::info!(epoch, "this process runs demo mode's cluster");
        let leading = stop.child_token();
        let mut leases = self.store.subscribe_leases();
        let watching = async {
            while self.store.led_under() == Some(epoch) && leases.changed().await.is_ok() {}
            leading.cancel();
        };
        tokio::join!(
            self.cluster.run(leading.clone()),
            demo_gitops::run(&self.cluster, &*self.store, leading.clone()),
            self.controller.run(leading.clone()),
            self.keep(leading.clone()),
            async { _ = leading.run_until_cancelled(watching).await },
        );
    }

    /// Keeps the state whenever it changed.
    async fn keep(&self, stop: CancellationToken) {
        let mut changes = self.cluster.changes();
        loop {
            let begun = Instant::now();
            let kept = async {
                match self.cluster.to_kept() {
                    Ok(state) => self.store.keep_cluster(state).await,
                    Err(error) => {
                        tracing::error!(%error, "the simulated cluster's state can not be kept");
                        Ok(())
                    }
                }
            };
            let pause = match kept.await {
                Ok(()) => KEPT_TOGETHER.max(begun.elapsed() * SHARE_OF_KEEPING),
                Err(StoreError::LeadLost | StoreError::Closed) => return,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "the simulated cluster's state is kept later");
                    PAUSE
                }
            };
            let changed = async {
                tokio::time::sleep(pause).await;
                let changed = changes.recv().await;
                while changes.try_recv().is_ok() {}
                !matches!(changed, Err(RecvError::Closed))
            };
            match stop.run_until_cancelled(changed).await {
                Some(true) => {}
                Some(false) | None => return,
            }
        }
    }

    /// Shows what another process keeps.
    async fn follow(&self) {
        let mut kept = self.store.subscribe_kept_cluster();
        loop {
            let pause = match self.show_kept().await {
                Ok(()) => None,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::debug!(error, "the simulated cluster's state is read later");
                    Some(PAUSE)
                }
            };
            match pause {
                Some(pause) => tokio::time::sleep(pause).await,
                None => {
                    if kept.changed().await.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    /// Goes on from where another process left it, or begins as after a start.
    async fn take_over(&self) {
        if let Err(error) = self.show_kept().await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the simulated cluster goes on as it was last seen here");
        }
        // What was begun after the state was kept.
        self.restore().await;
    }

    /// Takes up what was kept last, where there is something.
    async fn show_kept(&self) -> Result<(), StoreError> {
        let Some(state) = self.store.kept_cluster().await? else { return Ok(()) };
        if let Err(error) = self.cluster.take_kept(&state) {
            tracing::warn!(%error, "the simulated cluster's state that was kept is not used");
        }
        Ok(())
    }

    async fn restore(&self) {
        if let Err(error) = restore_demo_cluster(&self.cluster, &*self.store).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, "the simulated cluster is not as it was; it is deployed anew");
        }
    }
}
