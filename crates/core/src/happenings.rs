//! What a cluster tells of a tenant's pods beside their state: its events, and what containers write.

use crate::Timestamp;
use tokio::sync::mpsc;

/// Events that are told at most, and asked of a cluster.
pub const MOST_EVENTS: usize = 500;
/// Lines of a container that are told at most, before those that are followed.
pub const MOST_LINES: usize = 10_000;

/// Something that happened to an object, as the cluster's own components report it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterEvent {
    /// When it last happened.
    pub at: Timestamp,
    /// How often, within the cluster's own reckoning.
    pub count: u64,
    /// True of a `Warning`, false of a `Normal`.
    pub is_warning: bool,
    /// In one word, such as `FailedScheduling`.
    pub reason: String,
    /// In a sentence.
    pub message: String,
    /// Kind of what it is about.
    pub kind: String,
    /// Name of what it is about.
    pub name: String,
}

/// A pod whose containers can be read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PodName {
    /// Its name.
    pub name: String,
    /// The service, or `redis`, that it is of.
    pub app: String,
    /// Names of its containers, the first of its own first, those that only prepare it last.
    pub containers: Vec<String>,
}

/// What to read of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Which container; the pod's first where there is none named.
    pub container: Option<String>,
    /// Of the container before the last restart.
    pub previous: bool,
    /// Newest lines of each pod.
    pub tail: usize,
    /// Goes on with what is written from now on.
    pub follow: bool,
}

/// Lines as they come; dropped, nothing more is read.
#[derive(Debug)]
pub struct PodLogs {
    /// Each with its pod's name before it where there are several; without an end of line.
    pub lines: mpsc::Receiver<String>,
    /// Pods that have no container before the last restart, where that was asked for.
    pub without_previous: Vec<String>,
}
