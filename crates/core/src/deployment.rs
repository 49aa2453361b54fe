//! A deployment: one roll-out of a tenant, or its deletion, as people watch it.

use crate::Timestamp;
use crate::ids::{DeploymentId, TenantId};
use crate::text::Message;
use serde::{Deserialize, Serialize};

/// Log lines kept for each deployment; older ones give way.
pub const LOG_LINES_KEPT: usize = 200;

/// Where a deployment stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentStatus {
    /// Accepted, not begun.
    Pending,
    /// Under way.
    Deploying,
    /// Everything is ready.
    Running,
    /// Given up; the log and the error say why.
    Failed,
    /// Failed, and the last good revision is back.
    RolledBack,
    /// A deletion under way.
    Deleting,
    /// A deletion that is done.
    Deleted,
}

impl DeploymentStatus {
    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Deploying => "deploying",
            Self::Running => "running",
            Self::Failed => "failed",
            Self::RolledBack => "rolled_back",
            Self::Deleting => "deleting",
            Self::Deleted => "deleted",
        }
    }

    /// True when nothing more will happen to this deployment.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Running | Self::Failed | Self::RolledBack | Self::Deleted)
    }
}

/// The steps of a deployment, in order; the last two are where it goes when it fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// Waiting for the controller.
    Queued,
    /// Namespace, quota and policy.
    CreatingNamespace,
    /// Configuration, secrets and storage.
    CreatingConfig,
    /// Services and workloads.
    CreatingServices,
    /// Pods are coming up.
    ScalingServices,
    /// Everything is there; a last look.
    Verifying,
    /// Done.
    Completed,
    /// Given up.
    Failed,
    /// Going back to the last good revision.
    RollingBack,
}

impl Phase {
    /// The spelling of the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::CreatingNamespace => "creating-namespace",
            Self::CreatingConfig => "creating-config",
            Self::CreatingServices => "creating-services",
            Self::ScalingServices => "scaling-services",
            Self::Verifying => "verifying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::RollingBack => "rolling-back",
        }
    }
}

/// What the roll-out is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeploymentKind {
    /// The tenant is new.
    Create,
    /// The tenant was changed.
    Update,
    /// The tenant goes away; `force` skips grace periods and our own finalizers.
    Delete {
        /// True when the caller asked for force.
        force: bool,
    },
}

/// One object of the cluster, as the status call prints it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceState {
    /// Kind, such as `Deployment`.
    pub kind: String,
    /// Object name.
    pub name: String,
    /// `Active`, `Available`, `Progressing`, `Pending`, `Failed`, `Terminating`.
    pub status: String,
    /// `3/3` for workloads: ready of wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<String>,
    /// Why it is not ready, with the fix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Message>,
}

/// How serious a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Progress.
    Info,
    /// Worth a look.
    Warning,
    /// What made it fail.
    Error,
}

/// One line of a deployment's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// When.
    pub timestamp: Timestamp,
    /// How serious.
    pub level: LogLevel,
    /// What happened.
    pub message: Message,
}

/// One visible change of a deployment; the stream sends each once, in order of `seq`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeploymentEvent {
    /// Counts from 1 within the deployment.
    pub seq: u64,
    /// When.
    pub timestamp: Timestamp,
    /// Status from then on.
    pub status: DeploymentStatus,
    /// Percent done, 0–100; never goes back within a roll-out.
    pub progress: u8,
    /// Phase from then on.
    pub phase: Phase,
    /// What happened.
    pub message: Message,
}

/// A deployment as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// `dep-…`, or `del-…` for a deletion.
    pub id: DeploymentId,
    /// Whose.
    pub tenant_id: TenantId,
    /// Tenant generation that it rolls out.
    pub generation: u64,
    /// What for.
    pub kind: DeploymentKind,
    /// Where it stands.
    pub status: DeploymentStatus,
    /// Which step.
    pub phase: Phase,
    /// Percent done, 0–100.
    pub progress: u8,
    /// What is there and ready.
    pub created_resources: Vec<ResourceState>,
    /// What is not.
    pub pending_resources: Vec<ResourceState>,
    /// When it should be done, while it is under way.
    pub estimated_completion: Option<Timestamp>,
    /// Newest last, at most [`LOG_LINES_KEPT`].
    pub logs: Vec<LogLine>,
    /// Every visible change, oldest first.
    pub events: Vec<DeploymentEvent>,
    /// Why it failed.
    pub failure: Option<Failure>,
    /// When it was accepted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// Why a deployment failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// An error code of the API, such as `DEPLOYMENT_FAILED` or `INSUFFICIENT_RESOURCES`.
    pub code: String,
    /// What went wrong and how to fix it.
    pub message: Message,
}

impl Deployment {
    /// A deployment that was just accepted: pending, queued, nothing done.
    pub fn accepted(
        id: DeploymentId,
        tenant_id: TenantId,
        generation: u64,
        kind: DeploymentKind,
        now: Timestamp,
        estimated_completion: Option<Timestamp>,
    ) -> Self {
        let status = match kind {
            DeploymentKind::Delete { .. } => DeploymentStatus::Deleting,
            DeploymentKind::Create | DeploymentKind::Update => DeploymentStatus::Pending,
        };
        let mut deployment = Self {
            id,
            tenant_id,
            generation,
            kind,
            status,
            phase: Phase::Queued,
            progress: 0,
            created_resources: Vec::new(),
            pending_resources: Vec::new(),
            estimated_completion,
            logs: Vec::new(),
            events: Vec::new(),
            failure: None,
            created_at: now,
            finished_at: None,
        };
        deployment.note(now, LogLevel::Info, Message::new("deployment.accepted"));
        deployment
    }

    /// Appends a log line and, since every line is a visible change, an event with today's state.
    pub fn note(&mut self, now: Timestamp, level: LogLevel, message: Message) {
        self.events.push(DeploymentEvent {
            seq: self.events.last().map_or(1, |event| event.seq + 1),
            timestamp: now,
            status: self.status,
            progress: self.progress,
            phase: self.phase,
            message: message.clone(),
        });
        self.logs.push(LogLine { timestamp: now, level, message });
        if self.logs.len() > LOG_LINES_KEPT {
            self.logs.drain(..self.logs.len() - LOG_LINES_KEPT);
            let first_kept = self.events.len().saturating_sub(LOG_LINES_KEPT);
            self.events.drain(..first_kept);
        }
    }
}
