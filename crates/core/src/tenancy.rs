//! What a request does to a tenant: create, change, delete, through the ports.

use crate::catalog::Catalog;
use crate::ids::{DeploymentId, TenantId};
use crate::ports::{Clock, Cluster, ClusterError, IdempotencyKey, StoreError, TenantStore};
use crate::sizing::DeploymentTime;
use crate::tenant::{Availability, DemoFault, Preset, Service, Tenant, TenantSpec};
use crate::{Mode, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Who asks, for the audit trail.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Token name, or `anonymous`.
    pub actor: String,
    /// Request id.
    pub request_id: String,
}

/// A change of a tenant: what is named is changed, the rest is left.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantPatch {
    /// New name.
    pub name: Option<String>,
    /// New plan.
    pub preset: Option<Preset>,
    /// Units by service; 0 removes the service.
    pub service_requirements: BTreeMap<Service, u32>,
    /// New availability target.
    pub availability: Option<Availability>,
    /// New response time target in milliseconds.
    pub response_time_ms: Option<u32>,
    /// New number of concurrent users.
    pub concurrent_users: Option<u32>,
    /// New description.
    pub description: Option<String>,
    /// In demo mode, the failure that the deployment is to show; `Some(None)` takes it away (the
    /// request says `"none"`).
    pub demo_fault: Option<Option<DemoFault>>,
}

/// How an accepted creation is answered.
#[derive(Clone, Debug)]
pub enum Accepted {
    /// It is on disk.
    New(Arc<Tenant>),
    /// The same request under the same key was accepted before; this was its response body.
    Replayed(serde_json::Value),
}

/// A deletion that is under way.
#[derive(Clone, Debug, PartialEq)]
pub struct Deletion {
    /// `del-…`; the same one however often it is asked.
    pub deletion_id: DeploymentId,
    /// Estimated time until everything is gone.
    pub estimated_time: DeploymentTime,
}

/// One resource of which the cluster has too little.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortfall {
    /// `cpu`, `memory`, `gpu`.
    pub resource: &'static str,
    /// What the tenant's pods ask for, with unit.
    pub requested: String,
    /// What is free, with unit.
    pub available: String,
}

/// Why a request about a tenant is refused or fails.
#[derive(Debug, thiserror::Error)]
pub enum TenancyError {
    /// The store refused or failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The cluster can not be asked.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The cluster has too little left.
    #[error("the cluster has too little left for tenant {tenant_id}")]
    InsufficientResources {
        /// The tenant.
        tenant_id: TenantId,
        /// What is short.
        short: Vec<Shortfall>,
    },
    /// The `If-Match` generation is not the tenant's.
    #[error("tenant {tenant_id} is at generation {actual}, not {expected}")]
    Stale {
        /// The tenant.
        tenant_id: TenantId,
        /// What the caller has.
        expected: u64,
        /// What it is.
        actual: u64,
    },
    /// The change would leave the tenant without any service.
    #[error("tenant {0} would be left without a service")]
    NoServices(TenantId),
}

/// The tenants of one mode.
pub struct Tenancy {
    mode: Mode,
    catalog: Arc<Catalog>,
    store: Arc<dyn TenantStore>,
    cluster: Arc<dyn Cluster>,
    clock: Arc<dyn Clock>,
}

impl Tenancy {
    /// Wires one mode.
    pub fn new(
        mode: Mode,
        catalog: Arc<Catalog>,
        store: Arc<dyn TenantStore>,
        cluster: Arc<dyn Cluster>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { mode, catalog, store, cluster, clock }
    }

    /// Accepts a tenant; when this returns, it is on disk. `respond` makes the response body that
    /// is kept under the idempotency key.
    pub async fn create_tenant(
        &self,
        caller: &Caller,
        id: TenantId,
        spec: TenantSpec,
        idempotency: Option<IdempotencyKey>,
        respond: impl Fn(&Tenant) -> serde_json::Value + Send,
    ) -> Result<Accepted, TenancyError> {
        drop(respond);
        let _ = (caller, id, spec, idempotency, self.mode, &self.catalog);
        let _: (Timestamp, &dyn TenantStore, &dyn Cluster) = (self.clock.now(), &*self.store, &*self.cluster);
        unimplemented!()
    }

    /// Accepts a change. `if_match` is the generation that the caller read.
    pub async fn update_tenant(
        &self,
        caller: &Caller,
        id: &TenantId,
        patch: TenantPatch,
        if_match: Option<u64>,
    ) -> Result<Arc<Tenant>, TenancyError> {
        let _ = (caller, id, patch, if_match);
        unimplemented!()
    }

    /// Starts a deletion, or finds the one under way.
    pub async fn delete_tenant(
        &self,
        caller: &Caller,
        id: &TenantId,
        force: bool,
        if_match: Option<u64>,
    ) -> Result<Deletion, TenancyError> {
        let _ = (caller, id, force, if_match);
        unimplemented!()
    }
}
