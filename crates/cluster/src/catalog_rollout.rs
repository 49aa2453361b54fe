//! Rolls a changed catalog out to the tenants that run with another one, a few at a time.
//!
//! It decides when each tenant's turn is; what a roll-out of one tenant is, is the domain's, and
//! carrying it out is the controller's. An order is kept in the store and everything else is read from
//! revisions and deployments, so that a restart goes on where it was.

use ecp_core::Mode;
use ecp_core::Timestamp;
use ecp_core::catalog_change::{
    Attempt, CatalogOrder, CatalogRolloutState, CatalogStatus, Standing, standing,
};
use ecp_core::ids::TenantId;
use ecp_core::origin::{Caller, ServerActor};
use ecp_core::ports::{StoreError, TenantStore};
use ecp_core::tenancy::{Tenancy, TenancyError};
use ecp_core::tenant::{Tenant, TenantStatus};
use parking_lot::Mutex;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often everything is looked at whether or not anything happened.
const RESYNC: Duration = Duration::from_secs(30);
/// Between two looks while much happens.
const PAUSE: Duration = Duration::from_millis(250);

/// How a changed catalog is rolled out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CatalogRolloutOptions {
    /// Without being asked for.
    pub automatic: bool,
    /// To how many tenants at once.
    pub at_once: usize,
    /// After how many that failed no further one is begun.
    pub stop_after: usize,
}

impl Default for CatalogRolloutOptions {
    fn default() -> Self {
        Self { automatic: false, at_once: 2, stop_after: 2 }
    }
}

/// The roll-out of one mode.
pub struct CatalogRollout {
    mode: Mode,
    tenancy: Arc<Tenancy>,
    store: Arc<dyn TenantStore>,
    options: CatalogRolloutOptions,
    /// Tenants of which it was said that what is kept of them can not be read.
    unreadable: Mutex<HashSet<TenantId>>,
}

/// What is known of a tenant from an earlier look; it holds as long as nothing rolls.
struct Known {
    generation: u64,
    /// Since when attempts were counted.
    since: Timestamp,
    standing: Standing,
}

/// What one look needs of those before it.
#[derive(Default)]
pub(crate) struct Memory {
    known: HashMap<TenantId, Known>,
    /// What was said in the log, so that it is said once.
    told: Option<CatalogStatus>,
    /// Tenants that could not be begun, and are not tried again before the next round.
    put_off: HashSet<TenantId>,
    /// Of which of them that was said, so that it is said once.
    put_off_told: HashSet<TenantId>,
}

impl CatalogRollout {
    /// Wires the roll-out of one mode.
    pub fn new(
        mode: Mode,
        tenancy: Arc<Tenancy>,
        store: Arc<dyn TenantStore>,
        options: CatalogRolloutOptions,
    ) -> Self {
        Self { mode, tenancy, store, options, unreadable: Mutex::default() }
    }

    /// Works until told to stop.
    pub async fn run(&self, stop: CancellationToken) {
        let mut tenants = self.store.subscribe_tenants();
        let mut orders = self.tenancy.subscribe_catalog_orders();
        let mut ordered_elsewhere = self.store.subscribe_settings();
        let mut resync = tokio::time::interval(RESYNC);
        let mut memory = Memory::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = resync.tick() => memory.put_off.clear(),
                changed = orders.changed() => if changed.is_err() { return },
                changed = tenants.changed() => if changed.is_err() { return },
                changed = ordered_elsewhere.changed() => if changed.is_err() { return },
            }
            let look = async {
                match self.look(&mut memory).await {
                    Ok(()) | Err(TenancyError::Store(StoreError::Closed)) => {}
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(
                            error,
                            mode = self.mode.as_str(),
                            "the catalog's roll-out can not go on now"
                        );
                    }
                }
                // Many changes at once are one reason to look.
                tokio::time::sleep(PAUSE).await;
            };
            tokio::select! {
                () = stop.cancelled() => return,
                () = look => {}
            }
        }
    }

    /// Looks at every tenant, begins what is due, and says how it stands.
    pub(crate) async fn look(&self, memory: &mut Memory) -> Result<(), TenancyError> {
        let edition = self.tenancy.edition().clone();
        let mut order = self.tenancy.catalog_order().await?;
        if let Some(old) = order.take_if(|order| order.catalog != edition.digest) {
            tracing::info!(
                mode = self.mode.as_str(), catalog = %old.catalog, present = %edition.digest,
                "the catalog changed again: the roll-out of the one before is given up"
            );
            if self.store.leads() {
                self.tenancy.end_catalog_order().await?;
            }
        }
        let since = order.as_ref().map_or(Timestamp::MAX, |order| order.asked_at);
        let mut status = self.standings(memory, since).await?;
        if order.is_none() && self.options.automatic && self.store.leads() && self.may_begin(&status) {
            order = Some(self.tenancy.order_catalog_rollout(&self.caller(None)).await?);
        }
        if let Some(order) = &order {
            self.advance(memory, order, &mut status).await?;
        }
        self.tell(memory, &status);
        self.tenancy.publish_catalog_status(status);
        Ok(())
    }

    /// How every tenant stands; tenants at which nothing changed are not rendered again.
    async fn standings(&self, memory: &mut Memory, since: Timestamp) -> Result<CatalogStatus, TenancyError> {
        let mut status = CatalogStatus { automatic: self.options.automatic, ..CatalogStatus::default() };
        let tenants = self.store.tenants();
        let there: HashSet<&TenantId> = tenants.iter().map(|tenant| &tenant.id).collect();
        memory.known.retain(|id, _| there.contains(id));
        for tenant in tenants.iter().filter(|tenant| tenant.status != TenantStatus::Deleting) {
            let standing = match self.standing_of(memory, tenant, since).await {
                Ok(standing) => standing,
                Err(error @ TenancyError::Store(StoreError::Closed)) => return Err(error),
                Err(error) => {
                    if self.unreadable.lock().insert(tenant.id.clone()) {
                        let error = &error as &dyn std::error::Error;
                        tracing::error!(error, tenant.id = %tenant.id, "it can not be told what the catalog changes of a tenant");
                    }
                    continue;
                }
            };
            if let Some(difference) = &standing.difference {
                status.behind.push(tenant.id.clone());
                if !difference.is_in_place() {
                    status.not_in_place.push(tenant.id.clone());
                }
            }
            match standing.attempt {
                Some(Attempt::UnderWay) => status.under_way.push(tenant.id.clone()),
                Some(Attempt::Failed) => status.failed.push(tenant.id.clone()),
                Some(Attempt::Ran) | None => {}
            }
        }
        Ok(status)
    }

    async fn standing_of<'m>(
        &self,
        memory: &'m mut Memory,
        tenant: &Tenant,
        since: Timestamp,
    ) -> Result<&'m Standing, TenancyError> {
        let holds = memory.known.get(&tenant.id).is_some_and(|known| {
            known.generation == tenant.generation
                && known.since == since
                && match known.standing.attempt {
                    Some(Attempt::UnderWay) => false,
                    // What failed may have come to run by itself.
                    Some(Attempt::Failed) => tenant.status != TenantStatus::Running,
                    Some(Attempt::Ran) | None => true,
                }
        });
        if !holds {
            let standing = standing(&*self.store, self.tenancy.edition(), tenant, since).await?;
            let known = Known { generation: tenant.generation, since, standing };
            memory.known.insert(tenant.id.clone(), known);
        }
        Ok(&memory.known[&tenant.id].standing)
    }

    /// True where an order would have something to begin.
    fn may_begin(&self, status: &CatalogStatus) -> bool {
        status.behind.iter().any(|id| !status.not_in_place.contains(id))
    }

    /// Begins the next tenants of an order, or ends it.
    async fn advance(
        &self,
        memory: &mut Memory,
        order: &CatalogOrder,
        status: &mut CatalogStatus,
    ) -> Result<(), TenancyError> {
        let mut waiting = false;
        // Another process begins them: what it began is seen, what waits for it is told.
        let leads = self.store.leads();
        for id in self.in_turn(status) {
            if status.failed.len() >= self.options.stop_after.max(1) {
                status.state = CatalogRolloutState::Stopped;
                return Ok(());
            }
            if !leads || self.awaited(status).count() >= self.options.at_once.max(1) {
                waiting = true;
                break;
            }
            waiting |= !self.begin(memory, order, &id, status).await?;
        }
        if waiting || self.awaited(status).next().is_some() {
            status.state = CatalogRolloutState::UnderWay;
        } else if !status.failed.is_empty() {
            // The order stays, and with it the memory of what failed: none of them is tried again until
            // somebody asks anew, or the catalog changes.
            status.state = CatalogRolloutState::Stopped;
        } else if leads {
            self.tenancy.end_catalog_order().await?;
        }
        Ok(())
    }

    /// Tenants whose roll-outs are waited for. What others apply may take days: it holds nobody up.
    fn awaited<'s>(&'s self, status: &'s CatalogStatus) -> impl Iterator<Item = &'s TenantId> {
        status.under_way.iter().filter(|id| !self.is_external(id))
    }

    fn is_external(&self, id: &TenantId) -> bool {
        self.store.tenant(id).is_some_and(|tenant| tenant.spec.is_external())
    }

    /// Tenants that are to be begun, those that run first.
    fn in_turn(&self, status: &CatalogStatus) -> Vec<TenantId> {
        let left = |id: &&TenantId| {
            !status.not_in_place.contains(id) && !status.failed.contains(id) && !status.under_way.contains(id)
        };
        let mut ids: Vec<TenantId> = status.behind.iter().filter(left).cloned().collect();
        let runs =
            |id: &TenantId| self.store.tenant(id).map(|tenant| tenant.status) == Some(TenantStatus::Running);
        // Stable: among each other they keep the order in which they are listed.
        ids.sort_by_key(|id| !runs(id));
        ids
    }

    /// Begins one tenant; false where its turn has to come later.
    async fn begin(
        &self,
        memory: &mut Memory,
        order: &CatalogOrder,
        id: &TenantId,
        status: &mut CatalogStatus,
    ) -> Result<bool, TenancyError> {
        let deployment =
            self.store.tenant(id).and_then(|tenant| self.store.deployment(&tenant.deployment_id));
        // Others have yet to apply what waits: they may as well apply what is newer.
        let at_rest =
            deployment.is_some_and(|deployment| deployment.status.is_final()) || self.is_external(id);
        if !at_rest || memory.put_off.contains(id) {
            return Ok(false);
        }
        match self.tenancy.roll_out_catalog(&self.caller(Some(order)), id).await {
            Ok(Some(_)) => {
                memory.put_off_told.remove(id);
                status.under_way.push(id.clone());
            }
            Ok(None) => {}
            Err(TenancyError::Store(
                StoreError::TenantNotFound(_)
                | StoreError::TenantDeleting(_)
                | StoreError::GenerationMismatch { .. },
            )) => return Ok(false),
            Err(error @ TenancyError::Store(StoreError::Database { .. } | StoreError::Closed)) => {
                return Err(error);
            }
            Err(error) => {
                if memory.put_off_told.insert(id.clone()) {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, tenant.id = %id, "the catalog can not be rolled out to a tenant now; it is tried again");
                }
                memory.put_off.insert(id.clone());
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn caller(&self, order: Option<&CatalogOrder>) -> Caller {
        let actor = order.map_or(ServerActor::Catalog.as_str(), |order| order.actor.as_str()).to_owned();
        Caller { actor, origin: order.and_then(CatalogOrder::origin) }
    }

    /// Says in the log what changed since it was last said.
    fn tell(&self, memory: &mut Memory, status: &CatalogStatus) {
        let before = memory.told.replace(status.clone());
        let mode = self.mode.as_str();
        let first = before.is_none();
        let before = before.unwrap_or_default();
        if first && !status.behind.is_empty() {
            tracing::warn!(
                mode,
                tenants = status.behind.len(),
                not_in_place = status.not_in_place.len(),
                automatic = status.automatic,
                "tenants run with another catalog than the present one, or with what another release rendered; \
                 `ecp catalog diff` says what would change, a change of a tenant or `ecp catalog rollout` takes it"
            );
        }
        for id in status.not_in_place.iter().filter(|id| !before.not_in_place.contains(id)) {
            tracing::warn!(mode, tenant.id = %id, "the catalog asks for what can not be changed in place; `ecp catalog diff` says what");
        }
        for id in status.failed.iter().filter(|id| !before.failed.contains(id)) {
            tracing::warn!(mode, tenant.id = %id, "the catalog was rolled out to a tenant in vain");
        }
        if status.state == before.state {
            return;
        }
        match status.state {
            CatalogRolloutState::UnderWay => {
                tracing::info!(
                    mode,
                    left = status.behind.len(),
                    at_once = self.options.at_once,
                    "the catalog is being rolled out"
                );
            }
            CatalogRolloutState::Stopped => tracing::error!(
                mode,
                failed = status.failed.len(),
                left = status.behind.len(),
                "the roll-out of the catalog is stopped: tenants failed; mend the catalog, or ask for it again"
            ),
            CatalogRolloutState::Idle => {
                tracing::info!(
                    mode,
                    left = status.behind.len(),
                    failed = status.failed.len(),
                    "the roll-out of the catalog is over"
                );
            }
        }
    }
}
