//! Why an object is not ready, in the words that people who run Kubernetes know; the same texts for
//! the real cluster and the simulated one.

use ecp_core::ports::{ClusterError, Hindrance};
use ecp_core::text::Message;

/// No node fits.
const UNSCHEDULABLE: &str = "cluster.unschedulable";
/// No node fits, and what the pods lack is a GPU.
const UNSCHEDULABLE_GPU: &str = "cluster.unschedulable_gpu";

/// True for a reason that stands for a shortage of nodes, not for a fault of the tenant.
pub(crate) fn is_shortage(reason: &Message) -> bool {
    [UNSCHEDULABLE, UNSCHEDULABLE_GPU].contains(&reason.key.as_ref())
}

/// The image cannot be pulled.
pub(crate) fn image_not_found(image: &str) -> Message {
    Message::new("cluster.image_not_found").with("image", image)
}

/// The image cannot be pulled; `said` is what the registry answered.
pub(crate) fn image_pull_failed(image: &str, state: &str, said: &str) -> Message {
    Message::new("cluster.image_pull_failed").with("image", image).with("state", state).with("said", said)
}

/// The image reference is not one.
pub(crate) fn image_name_invalid(image: &str) -> Message {
    Message::new("cluster.image_name_invalid").with("image", image)
}

/// The container exits again and again.
pub(crate) fn crash_loop(container: &str, exit_code: i32, last_log: &str) -> Message {
    Message::new("cluster.crash_loop")
        .with("container", container)
        .with("exit_code", exit_code)
        .with("last_log", last_log)
}

/// The container took more memory than its limit and was killed.
pub(crate) fn out_of_memory(container: &str, limit: &str) -> Message {
    Message::new("cluster.out_of_memory").with("container", container).with("limit", limit)
}

/// The container's configuration names something that is not there.
pub(crate) fn config_missing(container: &str, said: &str) -> Message {
    Message::new("cluster.config_missing").with("container", container).with("said", said)
}

/// The container can not be made or started.
pub(crate) fn container_not_started(container: &str, state: &str, said: &str) -> Message {
    Message::new("cluster.container_not_started")
        .with("container", container)
        .with("state", state)
        .with("said", said)
}

/// The pod runs and a probe of it fails.
pub(crate) fn probe_failing(said: &str) -> Message {
    Message::new("cluster.probe_failing").with("said", said)
}

/// No node fits; `scheduler` is what the scheduler says about the nodes.
pub(crate) fn unschedulable(scheduler: &str) -> Message {
    Message::new(UNSCHEDULABLE).with("scheduler", scheduler)
}

/// Pods wait for GPUs: `gpus` of `resource` all together, on nodes with the labels `nodes`.
pub(crate) fn unschedulable_gpu(
    pods: usize,
    gpus: u128,
    resource: &str,
    nodes: &str,
    scheduler: &str,
) -> Message {
    Message::new(UNSCHEDULABLE_GPU)
        .with("pods", pods)
        .with("gpus", gpus)
        .with("resource", resource)
        .with("nodes", nodes)
        .with("scheduler", scheduler)
}

const WAITS_FOR: &str = "cluster.waits_for";

/// The volume of a claim is not there yet.
pub(crate) fn volume_pending(claim: &str, said: &str) -> Message {
    Message::new("cluster.volume_pending").with("claim", claim).with("said", said)
}

/// The volume of a claim is gone, with its data.
pub(crate) fn volume_lost(claim: &str) -> Message {
    Message::new("cluster.volume_lost").with("claim", claim)
}

/// The namespace's quota has no room for the pod.
pub(crate) fn quota_exceeded(quota: &str, requested: &str, used: &str, limited: &str) -> Message {
    Message::new("cluster.quota_exceeded")
        .with("quota", quota)
        .with("requested", requested)
        .with("used", used)
        .with("limited", limited)
}

/// The cluster's rules do not let the pod in.
pub(crate) fn admission_refused(said: &str) -> Message {
    Message::new("cluster.admission_refused").with("said", said)
}

/// Pods can not be created for another cause.
pub(crate) fn pod_creation_failed(said: &str) -> Message {
    Message::new("cluster.pod_creation_failed").with("said", said)
}

/// The node took the pod down or never let it in.
pub(crate) fn pod_failed(state: &str, said: &str) -> Message {
    Message::new("cluster.pod_failed").with("state", state).with("said", said)
}

/// The node of the pod does not answer.
pub(crate) fn node_lost(node: &str) -> Message {
    Message::new("cluster.node_lost").with("node", node)
}

/// What keeps one object from being written or deleted although the cluster answers, as `(kind, name, why)`; none of
/// an error that is about no object.
pub(crate) fn hindered(error: &ClusterError) -> Option<(&str, &str, Message)> {
    let (key, kind, name, reason) = match error {
        ClusterError::Hindered { kind, name, hindrance, reason } => {
            let key = match hindrance {
                Hindrance::Admission => "cluster.hindered_by_admission",
                Hindrance::Changed => "cluster.hindered_by_change",
                Hindrance::Namespace => "cluster.hindered_by_namespace",
            };
            (key, kind, name, reason)
        }
        ClusterError::Refused { kind, name, reason } => ("cluster.refused_for_now", kind, name, reason),
        _ => return None,
    };
    Some((kind, name, Message::new(key).with("object", format!("{kind} {name}")).with("reason", reason)))
}

/// The object can not go before its finalizers are taken off.
pub(crate) fn held_by_finalizers(finalizers: &str) -> Message {
    Message::new("cluster.held_by_finalizers").with("finalizers", finalizers)
}

/// The object goes when these are gone.
pub(crate) fn waits_for(objects: &str) -> Message {
    Message::new(WAITS_FOR).with("objects", objects)
}

/// True where a reason only says what else is to go first.
pub(crate) fn is_waiting(reason: &Message) -> bool {
    reason.key == WAITS_FOR
}

/// The namespace can not go; `said` is what the cluster says of what is left in it.
pub(crate) fn namespace_held(said: &str) -> Message {
    Message::new("cluster.namespace_held").with("said", said)
}
