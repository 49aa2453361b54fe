//! One pod of the simulated cluster: its phases, and how long each takes in life time.

use super::kept;
use super::workload::{Template, hash};
use super::writing::{Writer, Writing};
use crate::reasons;
use ecp_core::ids::TenantId;
use ecp_core::tenant::DemoFault;
use ecp_core::text::Message;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;

/// Until the scheduler has looked at it.
const SCHEDULING: Range<u64> = SECOND..3 * SECOND;
/// Pulling an image of several GB that the node does not have.
const PULLING: Range<u64> = 40 * SECOND..80 * SECOND;
/// Asking the registry in vain.
const PULL_REFUSED: Range<u64> = 4 * SECOND..10 * SECOND;
/// Making the container.
const STARTING: Range<u64> = 2 * SECOND..5 * SECOND;
/// Until the readiness probe answers, without a model on a GPU.
const WARMING: Range<u64> = 20 * SECOND..60 * SECOND;
/// Loading models into GPU memory.
const LOADING_MODELS: Range<u64> = 4 * MINUTE..8 * MINUTE;
/// Until a container that is broken exits.
const CRASHING: Range<u64> = 3 * SECOND..8 * SECOND;
/// Between SIGTERM and the end; never longer than the grace period.
const STOPPING: Range<u64> = 3 * SECOND..GRACE;
/// Grace period of a pod that is asked to end.
const GRACE: u64 = 30 * SECOND;
/// Back-off of kubelets, doubled each time.
const BACK_OFF: u64 = 10 * SECOND;
/// Tries after which nobody expects another outcome, and the simulation stops trying.
const TRIES: u32 = 3;
/// How long a pod may wait for room before it counts as unschedulable for good.
pub(super) const PATIENCE: u64 = MINUTE;

/// Where a pod stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// The scheduler has not looked at it yet.
    Created,
    /// No node has room.
    Unschedulable {
        /// The scheduler's sentence.
        refusal: String,
        /// It has waited long enough.
        given_up: bool,
    },
    /// On a node, waiting for its image.
    Pulling,
    /// The image is not there, so many times.
    PullRefused(u32),
    /// The container is being made.
    Starting,
    /// The container runs and is not ready.
    Warming,
    /// It serves.
    Ready,
    /// The container exited, so many times.
    Crashed(u32),
    /// It was asked to end.
    Terminating,
}

/// One pod.
#[derive(Serialize, Deserialize)]
pub(super) struct Pod {
    pub(super) tenant: TenantId,
    /// Kind and name of what it belongs to.
    #[serde(deserialize_with = "kept::kind")]
    pub(super) kind: kept::KindName,
    pub(super) owner: Arc<str>,
    pub(super) template: Arc<Template>,
    pub(super) revision: u64,
    pub(super) fault: Option<DemoFault>,
    pub(super) phase: Phase,
    pub(super) node: Option<usize>,
    /// Counts its changes of course; a timer set before the last one is void.
    pub(super) turn: u32,
    seed: u64,
}

impl Pod {
    /// A pod that was just made; the same pod lives the same life in every run.
    pub(super) fn new(
        tenant: TenantId,
        (kind, owner): (&'static str, Arc<str>),
        (template, revision): (Arc<Template>, u64),
        fault: Option<DemoFault>,
        ordinal: u32,
    ) -> Self {
        let seed = hash([
            tenant.as_str().as_bytes(),
            kind.as_bytes(),
            owner.as_bytes(),
            &revision.to_le_bytes(),
            &ordinal.to_le_bytes(),
        ]);
        let (phase, node, turn) = (Phase::Created, None, 0);
        Self { tenant, kind, owner, template, revision, fault, phase, node, turn, seed }
    }

    /// Until the scheduler looks at it.
    pub(super) fn scheduling_ms(&self) -> u64 {
        self.within(SCHEDULING)
    }

    /// Pulling its image onto a node that does not have it.
    pub(super) fn pull_ms(&self) -> u64 {
        self.within(PULLING)
    }

    /// Asking in vain for an image that is not there.
    pub(super) fn refused_pull_ms(&self) -> u64 {
        self.within(PULL_REFUSED)
    }

    /// From being asked to end until it is gone.
    pub(super) fn stop_ms(&self, force: bool) -> u64 {
        if force || self.node.is_none() { 0 } else { self.within(STOPPING) }
    }

    /// Goes on from a phase that a timer ends, and says how long the next one lasts; none where no
    /// timer ends it. Scheduling and ending are the cluster's.
    pub(super) fn step(&mut self) -> Option<u64> {
        let (phase, next) = match self.phase {
            Phase::Pulling if self.fault == Some(DemoFault::ImageNotFound) => self.refused(1),
            Phase::PullRefused(tries) => self.refused(tries + 1),
            Phase::Pulling => (Phase::Starting, Some(self.within(STARTING))),
            Phase::Starting if self.fault == Some(DemoFault::CrashLoop) => {
                (Phase::Warming, Some(self.within(CRASHING)))
            }
            Phase::Starting => {
                let ready = if self.template.requests.gpu > 0 { LOADING_MODELS } else { WARMING };
                (Phase::Warming, Some(self.within(ready)))
            }
            Phase::Warming if self.fault == Some(DemoFault::CrashLoop) => self.crashed(1),
            Phase::Crashed(times) => self.crashed(times + 1),
            Phase::Warming => (Phase::Ready, None),
            _ => return None,
        };
        self.phase = phase;
        next
    }

    fn refused(&self, tries: u32) -> (Phase, Option<u64>) {
        (Phase::PullRefused(tries), (tries < TRIES).then(|| back_off(tries) + self.refused_pull_ms()))
    }

    fn crashed(&self, times: u32) -> (Phase, Option<u64>) {
        (Phase::Crashed(times), (times < TRIES).then(|| back_off(times) + self.within(CRASHING)))
    }

    /// True once a container of it has run.
    pub(super) fn has_started(&self) -> bool {
        matches!(self.phase, Phase::Warming | Phase::Ready | Phase::Crashed(_))
    }

    /// True when waiting will not help.
    pub(super) fn is_stuck(&self) -> bool {
        match self.phase {
            Phase::Unschedulable { given_up, .. } => given_up,
            Phase::PullRefused(tries) | Phase::Crashed(tries) => tries >= TRIES,
            _ => false,
        }
    }

    /// Its name, as the controller of its kind would make it.
    pub(super) fn name(&self, id: u64) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let spell = |mut number: u64, count: usize| -> String {
            let letters = (0..count).map(|_| {
                let letter = LETTERS[(number % LETTERS.len() as u64) as usize];
                number /= LETTERS.len() as u64;
                char::from(letter)
            });
            letters.collect()
        };
        match self.kind {
            "StatefulSet" => format!("{}-0", self.owner),
            _ => format!(
                "{}-{}-{}",
                self.owner,
                spell(self.revision, 9),
                spell(hash([&id.to_le_bytes()[..]]), 5)
            ),
        }
    }

    /// What the cluster's components say of where it came to: reason, sentence, whether it is a warning.
    pub(super) fn told(&self, node: Option<&str>) -> Vec<(&'static str, String, bool)> {
        let (image, container) = (&self.template.image, &self.template.container);
        let node = node.unwrap_or("a node");
        match &self.phase {
            Phase::Created | Phase::Warming => Vec::new(),
            Phase::Unschedulable { refusal, .. } => vec![("FailedScheduling", refusal.clone(), true)],
            Phase::Pulling => vec![
                ("Scheduled", format!("Successfully assigned the pod to {node}"), false),
                ("Pulling", format!("Pulling image \"{image}\""), false),
            ],
            Phase::PullRefused(_) => vec![
                ("Failed", format!("Failed to pull image \"{image}\": not found"), true),
                ("BackOff", format!("Back-off pulling image \"{image}\""), true),
            ],
            Phase::Starting => vec![
                ("Pulled", format!("Successfully pulled image \"{image}\""), false),
                ("Created", format!("Created container: {container}"), false),
            ],
            Phase::Ready => vec![("Started", format!("Started container {container}"), false)],
            Phase::Crashed(_) => {
                vec![("BackOff", format!("Back-off restarting failed container {container}"), true)]
            }
            Phase::Terminating => vec![("Killing", format!("Stopping container {container}"), false)],
        }
    }

    /// What its container writes.
    pub(super) fn writer(&self) -> Writer {
        let crash = self.crash();
        let (state, restarts) = match self.phase {
            Phase::Warming => (Writing::Loading, 0),
            Phase::Ready => (Writing::Serving, 0),
            Phase::Crashed(times) => (Writing::Crashed(crash), times),
            Phase::Terminating => (Writing::Ending, 0),
            _ => (Writing::Nothing, 0),
        };
        Writer { container: self.template.container.clone(), seed: self.seed, state, restarts }
    }

    /// Exit code and last line of a container that ends.
    fn crash(&self) -> (i32, String) {
        let container = &self.template.container;
        // The same for all pods of a workload: they lack the same thing.
        if hash([self.tenant.as_str().as_bytes(), self.owner.as_bytes()]).is_multiple_of(2) {
            (1, format!("Error: model file /models/{container}.bin not found"))
        } else {
            (137, "Killed: out of memory while loading the model (OOMKilled)".to_owned())
        }
    }

    /// Why it is not ready, where there is more to say than that it takes time.
    pub(super) fn reason(&self) -> Option<Message> {
        match &self.phase {
            Phase::Unschedulable { refusal, .. } => Some(reasons::unschedulable(refusal)),
            Phase::PullRefused(_) => Some(reasons::image_not_found(&self.template.image)),
            Phase::Crashed(_) => {
                let (exit_code, last_log) = self.crash();
                Some(reasons::crash_loop(&self.template.container, exit_code, &last_log))
            }
            _ => None,
        }
    }

    fn within(&self, span: Range<u64>) -> u64 {
        let draw = hash([&self.seed.to_le_bytes()[..], &span.start.to_le_bytes(), &span.end.to_le_bytes()]);
        span.start + draw % (span.end - span.start)
    }
}

fn back_off(tries: u32) -> u64 {
    BACK_OFF << (tries - 1)
}
