//! A deployment: one roll-out of a tenant, or its deletion, as people watch it.

use crate::Timestamp;
use crate::ids::{DeploymentId, TenantId};
use crate::origin::{Caller, Origin};
use crate::revision::Cause;
use crate::tenant::TenantSpec;
use crate::text::Message;
use crate::watched::Watched;
use serde::{Deserialize, Serialize};

/// Log lines kept for each deployment; older ones give way.
pub const LOG_LINES_KEPT: usize = 200;

/// Events kept for each deployment; older ones give way.
pub const EVENTS_KEPT: usize = 400;

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
    /// Ended before it was complete: a newer change took its place, or it failed and the last good
    /// revision is back.
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
    /// Giving way to another revision: the last good one, or a newer change.
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
    /// The tenant goes away.
    Delete(Removal),
}

/// How a tenant is taken out of the cluster. Asked again, what was asked for before still holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removal {
    /// Grace periods and our own finalizers are skipped.
    pub force: bool,
    /// A namespace in which others keep something is given up to them instead of waited for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub release: bool,
}

impl Removal {
    /// Without any haste.
    pub const ORDERLY: Self = Self { force: false, release: false };
    /// Without grace periods.
    pub const FORCED: Self = Self { force: true, release: false };

    /// What both ask for.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { force: self.force || other.force, release: self.release || other.release }
    }
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
    /// The tenant's newest deployment when this one was accepted; where it is not done yet, this
    /// one takes its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<DeploymentId>,
    /// Whether a failure of it is rolled back; where nothing is said, the configuration decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<bool>,
    /// Why there is one.
    #[serde(default)]
    pub cause: Cause,
    /// Who asked for it: a token's name, `anonymous`, `controller`, `catalog`; unknown of those that
    /// an earlier release accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<String>,
    /// The request that asked for it, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The cluster may have what a roll-out applied and what is not in force: a wider quota, objects
    /// that it began. Written before any of it is applied and taken back when none of it is left, so
    /// that no crash leaves it there.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unsettled: bool,
    /// How long nothing visible had happened when this was recorded, in time during which the cluster
    /// was seen.
    #[serde(default, skip_serializing_if = "Watched::is_zero")]
    pub quiet: Watched,
    /// What ran before it, as a release wrote it that kept no revisions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_good: Option<TenantSpec>,
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
            DeploymentKind::Delete(_) => DeploymentStatus::Deleting,
            DeploymentKind::Create | DeploymentKind::Update => DeploymentStatus::Pending,
        };
        let mut deployment = Self {
            id,
            tenant_id,
            generation,
            kind,
            replaces: None,
            rollback: None,
            cause: Cause::Request,
            actor: None,
            origin: None,
            unsettled: false,
            quiet: Watched::default(),
            last_good: None,
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
        let accepted = match kind {
            DeploymentKind::Delete(_) => "deployment.deletion_accepted",
            DeploymentKind::Create | DeploymentKind::Update => "deployment.accepted",
        };
        deployment.note(now, LogLevel::Info, Message::new(accepted));
        deployment
    }

    /// Names the deployment that was the tenant's newest until now.
    #[must_use]
    pub fn replacing(mut self, previous: DeploymentId) -> Self {
        self.replaces = Some(previous);
        self
    }

    /// Says why there is one, and who asked for it.
    #[must_use]
    pub fn asked_for(mut self, cause: Cause, caller: &Caller) -> Self {
        self.cause = cause;
        self.actor = Some(caller.actor.clone());
        self.origin.clone_from(&caller.origin);
        self
    }

    /// Goes on to a phase; percent done never goes back.
    pub fn advance(&mut self, phase: Phase, progress: u8) {
        self.phase = phase;
        self.progress = self.progress.max(progress.min(100));
    }

    /// Ends it well.
    pub fn complete(&mut self, now: Timestamp) {
        let (status, message) = match self.kind {
            DeploymentKind::Delete(_) => (DeploymentStatus::Deleted, "deployment.deleted"),
            DeploymentKind::Create | DeploymentKind::Update => {
                (DeploymentStatus::Running, "deployment.completed")
            }
        };
        self.status = status;
        self.advance(Phase::Completed, 100);
        self.failure = None;
        self.end(now);
        self.note(now, LogLevel::Info, Message::new(message));
    }

    /// Ends it badly; percent done stays where it was.
    pub fn fail(&mut self, now: Timestamp, failure: Failure) {
        self.status = DeploymentStatus::Failed;
        self.phase = Phase::Failed;
        self.end(now);
        self.note(now, LogLevel::Error, failure.message.clone());
        self.failure = Some(failure);
    }

    /// Ends it because a newer change took its place.
    pub fn supersede(&mut self, now: Timestamp, newer: &DeploymentId) {
        self.status = DeploymentStatus::RolledBack;
        self.phase = Phase::RollingBack;
        self.end(now);
        let message = Message::new("deployment.superseded").with("deployment_id", newer);
        self.note(now, LogLevel::Warning, message);
    }

    /// Ends it badly, and says that what ran before takes its place again.
    pub fn roll_back(&mut self, now: Timestamp, failure: Failure, newer: &DeploymentId) {
        self.status = DeploymentStatus::RolledBack;
        self.phase = Phase::RollingBack;
        self.end(now);
        self.note(now, LogLevel::Error, failure.message.clone());
        self.failure = Some(failure);
        let message = Message::new("deployment.rolled_back").with("deployment_id", newer);
        self.note(now, LogLevel::Warning, message);
    }

    /// The phase in which it failed or gave way, of one that did; none where it is still under way or done, and
    /// where what happened then is no longer kept.
    pub fn failed_phase(&self) -> Option<Phase> {
        let is_end = |phase: Phase| matches!(phase, Phase::Failed | Phase::RollingBack);
        let mut phases = self.events.iter().rev().map(|event| event.phase);
        is_end(self.phase).then(|| phases.find(|phase| !is_end(*phase))).flatten()
    }

    fn end(&mut self, now: Timestamp) {
        self.finished_at = Some(now);
        self.estimated_completion = None;
    }

    /// Appends a log line and, since every line is a visible change, an event with today's state.
    pub fn note(&mut self, now: Timestamp, level: LogLevel, message: Message) {
        self.announce(now, message.clone());
        self.logs.push(LogLine { timestamp: now, level, message });
        let surplus = self.logs.len().saturating_sub(LOG_LINES_KEPT);
        self.logs.drain(..surplus);
    }

    /// Appends an event with today's state, for a change that is not worth a log line.
    pub fn announce(&mut self, now: Timestamp, message: Message) {
        self.quiet = Watched::default();
        self.events.push(DeploymentEvent {
            seq: self.events.last().map_or(1, |event| event.seq + 1),
            timestamp: now,
            status: self.status,
            progress: self.progress,
            phase: self.phase,
            message,
        });
        let surplus = self.events.len().saturating_sub(EVENTS_KEPT);
        self.events.drain(..surplus);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::Language;

    fn accepted(kind: DeploymentKind) -> Deployment {
        let tenant_id = TenantId::parse("acme").expect("a valid id");
        Deployment::accepted(DeploymentId::generate(), tenant_id, 1, kind, Timestamp::UNIX_EPOCH, None)
    }

    #[test]
    fn what_failed_or_gave_way_says_in_which_phase() {
        let now = Timestamp::UNIX_EPOCH;
        let under_way = || {
            let mut deployment = accepted(DeploymentKind::Update);
            deployment.advance(Phase::CreatingConfig, 20);
            deployment.note(now, LogLevel::Info, Message::new("deployment.accepted"));
            deployment
        };
        let why =
            || Failure { code: "DEPLOYMENT_FAILED".to_owned(), message: Message::new("deployment.accepted") };
        let newer = DeploymentId::generate();

        let mut failed = under_way();
        assert_eq!(failed.failed_phase(), None);
        failed.fail(now, why());
        assert_eq!(failed.failed_phase(), Some(Phase::CreatingConfig));

        let mut returned = under_way();
        returned.roll_back(now, why(), &newer);
        assert_eq!(returned.failed_phase(), Some(Phase::CreatingConfig));

        let mut superseded = accepted(DeploymentKind::Update);
        superseded.supersede(now, &newer);
        assert_eq!(superseded.failed_phase(), Some(Phase::Queued));

        let mut done = under_way();
        done.complete(now);
        assert_eq!(done.failed_phase(), None);
    }

    #[test]
    fn percent_done_never_goes_back() {
        let mut deployment = accepted(DeploymentKind::Create);
        deployment.advance(Phase::ScalingServices, 60);
        deployment.advance(Phase::ScalingServices, 40);
        assert_eq!(deployment.progress, 60);
        deployment.fail(
            Timestamp::UNIX_EPOCH,
            Failure { code: "DEPLOYMENT_FAILED".into(), message: Message::new("deployment.superseded") },
        );
        assert_eq!((deployment.progress, deployment.phase), (60, Phase::Failed));
    }

    #[test]
    fn logs_and_events_are_bounded_and_numbers_go_on() {
        let mut deployment = accepted(DeploymentKind::Create);
        for _ in 0..EVENTS_KEPT {
            deployment.note(Timestamp::UNIX_EPOCH, LogLevel::Info, Message::new("deployment.accepted"));
        }
        assert_eq!((deployment.logs.len(), deployment.events.len()), (LOG_LINES_KEPT, EVENTS_KEPT));
        let numbers: Vec<u64> = deployment.events.iter().map(|event| event.seq).collect();
        let expected: Vec<u64> = (2..=EVENTS_KEPT as u64 + 1).collect();
        assert_eq!(numbers, expected);
    }

    #[test]
    fn a_superseded_deployment_is_final_and_names_its_successor() {
        let mut old = accepted(DeploymentKind::Create);
        let newer = DeploymentId::from_text("dep-newer");
        old.supersede(Timestamp::UNIX_EPOCH, &newer);
        assert!(old.status.is_final() && old.finished_at.is_some());
        let last = old.logs.last().expect("a line");
        assert!(last.message.render(Language::Ko).contains("dep-newer"));
    }

    #[test]
    fn a_deletion_that_is_complete_is_deleted_and_a_roll_out_is_running() {
        let mut deletion = accepted(DeploymentKind::Delete(Removal::ORDERLY));
        deletion.complete(Timestamp::UNIX_EPOCH);
        assert_eq!((deletion.status, deletion.progress), (DeploymentStatus::Deleted, 100));
        let mut creation = accepted(DeploymentKind::Create);
        creation.complete(Timestamp::UNIX_EPOCH);
        assert_eq!((creation.status, creation.phase), (DeploymentStatus::Running, Phase::Completed));
    }
}
