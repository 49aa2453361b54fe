//! A cluster as the domain sees it, and as the controller changes it: who only reads is given a
//! [`ClusterView`], which can not write.

use crate::deployment::Removal;
use crate::happenings::{ClusterEvent, LogQuery, PodLogs, PodName};
use crate::ids::{InstallationId, TenantId};
use crate::manifest::Object;
use crate::placement::Places;
use crate::quantity::Resources;
use crate::text::Message;
use async_trait::async_trait;
use tokio::sync::broadcast;

/// What a cluster refuses or fails at.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// No cluster is configured for this mode.
    #[error("no cluster is configured")]
    NotConfigured,
    /// The cluster does not answer; worth another try.
    #[error("the cluster can not be reached: {0}")]
    Unreachable(String),
    /// The orchestrator has begun to read the cluster and does not know all of it yet; worth another try soon.
    #[error("the cluster is still being read: {0}")]
    BeingRead(String),
    /// The cluster answers, and some of it can not be watched: what was known of it may be so no more. Worth
    /// another try once that is mended.
    #[error("the cluster is not seen whole: {0}")]
    Unwatched(String),
    /// The cluster answered that it can not do it now; worth another try, which may need somebody to mend something.
    #[error("{kind} {name} can not be written now: {reason}")]
    Hindered {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// What stands in the way.
        hindrance: Hindrance,
        /// What the cluster said.
        reason: String,
    },
    /// The process stops and cut the call short: what was sent of it may still arrive.
    #[error("the cluster can not be reached: the orchestrator is stopping")]
    Stopping,
    /// The cluster refused an object; trying again changes nothing.
    #[error("{kind} {name} was refused: {reason}")]
    Refused {
        /// Kind of the object.
        kind: String,
        /// Its name.
        name: String,
        /// What the cluster said.
        reason: String,
    },
    /// An object of that kind and name is in the tenant's namespace already and is not ours.
    #[error("{kind} {name} is in namespace {namespace} already and was not made by this orchestrator")]
    ForeignObject {
        /// Where it is.
        namespace: String,
        /// Its kind.
        kind: String,
        /// Its name.
        name: String,
    },
    /// The tenant's namespace is there and is not ours.
    #[error("namespace {namespace} exists and was not made by the orchestrator")]
    ForeignNamespace {
        /// Its name.
        namespace: String,
    },
}

/// What keeps a cluster that answers from writing an object for now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hindrance {
    /// A webhook or another part of admission fails.
    Admission,
    /// Somebody else changed the object meanwhile.
    Changed,
    /// The namespace is missing or on its way out.
    Namespace,
}

/// An object that the cluster would not take, found by a dry run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Which of the objects asked about, from 0.
    pub index: usize,
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// What the cluster said.
    pub reason: String,
}

/// An object that is there and is not as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// Kind of the object.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The field that differs, as a JSON pointer; an item that was added to a list by its key.
    pub field: String,
    /// Who changed it, as the cluster knows them (a field manager), where it says so.
    pub manager: Option<String>,
}

/// Whether a cluster answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClusterHealth {
    /// The mode has none.
    NotConfigured,
    /// It answers and all that is watched is known.
    Ready,
    /// It does not answer, or what is watched is not known yet.
    Unreachable(String),
}

/// What a cluster has and what is taken, as its scheduler counts: by requests.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Capacity {
    /// `healthy`, `degraded` (a node is not ready).
    pub status: String,
    /// Allocatable on all nodes that tenants' pods could go to; no storage where it is not known.
    pub total: Resources,
    /// Requested by pods, whoever's they are.
    pub used: Resources,
    /// The part of `used` that our tenants' pods requested; the rest is not ours to plan with.
    pub used_by_tenants: Resources,
    /// The same, node by node.
    pub places: Places,
}

/// One object as the cluster has it.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectState {
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// As in [`crate::deployment::ResourceState::status`].
    pub status: String,
    /// True when nothing more is expected of it.
    pub ready: bool,
    /// Ready and wanted pods, for workloads.
    pub replicas: Option<(u32, u32)>,
    /// Why it is not ready, with the fix.
    pub reason: Option<Message>,
    /// True when waiting will not help (image not found, crash loop, unschedulable).
    pub stuck: bool,
}

/// Everything of one tenant in the cluster, from memory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observation {
    /// Its objects, in the order in which they were applied.
    pub objects: Vec<ObjectState>,
}

/// What a Kubernetes cluster, real or simulated, shows. Nothing here changes the cluster, and observing never
/// asks it but an index that its watches keep.
#[async_trait]
pub trait ClusterView: Send + Sync {
    /// Asks the cluster what it would say to these objects, and changes nothing.
    async fn dry_run(&self, objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError>;
    /// Asks before a roll-out what the cluster would say to its objects, and changes nothing: as
    /// [`Self::dry_run`], but an answer of the last seconds to an object that differs in its tenant alone will
    /// do, since what is applied is judged again.
    async fn try_out(&self, objects: &[serde_json::Value]) -> Result<Vec<Refusal>, ClusterError> {
        self.dry_run(objects).await
    }
    /// What others added to the tenant's objects and is left as it is: it is there again after it was
    /// taken out.
    fn left_as_is(&self, _tenant_id: &TenantId) -> Vec<Drift> {
        Vec::new()
    }
    /// Forgets a tenant that is gone, from the store too.
    fn forget(&self, _tenant_id: &TenantId) {}
    /// Which of these objects are there and not as they should be; those that are missing are seen
    /// by [`Self::observe`].
    fn drift(&self, tenant_id: &TenantId, wanted: &[Object]) -> Result<Vec<Drift>, ClusterError>;
    /// What is there of `wanted`, whoever made it, and where it is not as they say: of a tenant whose
    /// objects others apply. What they add is theirs to add, and what is in Secrets is not compared.
    fn observe_wanted(
        &self,
        tenant_id: &TenantId,
        wanted: &[Object],
    ) -> Result<(Observation, Vec<Drift>), ClusterError>;
    /// True where the tenant's objects changed since [`Self::drift`] last found them as they should
    /// be; asking costs nothing.
    fn may_have_drifted(&self, tenant_id: &TenantId) -> bool;
    /// Refuses a tenant whose namespace is there already and is not ours.
    fn check_namespace(&self, tenant_id: &TenantId) -> Result<(), ClusterError>;
    /// Whether the cluster answers.
    fn health(&self) -> ClusterHealth;
    /// Which installation objects are made as; none where nothing is marked.
    fn installation(&self) -> Option<InstallationId> {
        None
    }
    /// What is there now.
    fn observe(&self, tenant_id: &TenantId) -> Result<Observation, ClusterError>;
    /// What the cluster says happened to a tenant's objects, newest first, at most
    /// [`MOST_EVENTS`](crate::happenings::MOST_EVENTS).
    async fn events(&self, _tenant_id: &TenantId) -> Result<Vec<ClusterEvent>, ClusterError> {
        Err(ClusterError::NotConfigured)
    }
    /// A tenant's pods, by name, from memory.
    fn pods(&self, _tenant_id: &TenantId) -> Result<Vec<PodName>, ClusterError> {
        Err(ClusterError::NotConfigured)
    }
    /// What containers of these pods wrote, and go on to write where that is asked for.
    async fn logs(
        &self,
        _tenant_id: &TenantId,
        _pods: Vec<PodName>,
        _query: LogQuery,
    ) -> Result<PodLogs, ClusterError> {
        Err(ClusterError::NotConfigured)
    }
    /// Which tenants' objects changed. A lagged reader looks at every tenant.
    fn changes(&self) -> broadcast::Receiver<TenantId>;
    /// What the cluster has and what is taken.
    fn capacity(&self) -> Result<Capacity, ClusterError>;
}

/// A cluster that is changed, of tenants whose objects the orchestrator manages. All of it is idempotent.
#[async_trait]
pub trait Cluster: ClusterView {
    /// Makes these objects so, in the order of their kinds; returns when the cluster has accepted
    /// them, with what is worth the log of the deployment: kinds that the cluster does not know,
    /// fields that were taken back from another manager.
    async fn apply(&self, tenant_id: &TenantId, objects: &[Object]) -> Result<Vec<Message>, ClusterError>;
    /// Deletes those of the tenant's objects that are not among `keep`; an empty `keep` deletes
    /// nothing.
    async fn prune(&self, tenant_id: &TenantId, keep: &[Object]) -> Result<(), ClusterError>;
    /// Goes one step towards an end of a tenant; idempotent. It is gone when [`ClusterView::observe`]
    /// returns no objects. What others keep in its namespace is shown there meanwhile.
    async fn delete(&self, tenant_id: &TenantId, how: Removal) -> Result<(), ClusterError>;
    /// Makes those of `wanted` that are there ours, whoever made them: the tenant was managed by others and
    /// is managed by the orchestrator from here on. Changes nothing of them. True where something became ours
    /// by it; what another installation made never does.
    async fn take_over(&self, tenant_id: &TenantId, wanted: &[Object]) -> Result<bool, ClusterError>;
}
