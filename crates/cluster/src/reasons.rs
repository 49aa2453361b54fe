//! Why an object is not ready, in the words that people who run Kubernetes know; the same texts for
//! the real cluster and the simulated one.

use ecp_core::text::Message;

/// Key of the reason that stands for a shortage of nodes, not for a fault of the tenant.
pub(crate) const UNSCHEDULABLE: &str = "cluster.unschedulable";

/// The image cannot be pulled.
pub(crate) fn image_not_found(image: &str) -> Message {
    Message::new("cluster.image_not_found").with("image", image)
}

/// The container exits again and again.
pub(crate) fn crash_loop(container: &str, exit_code: i32, last_log: &str) -> Message {
    Message::new("cluster.crash_loop")
        .with("container", container)
        .with("exit_code", exit_code)
        .with("last_log", last_log)
}

/// No node fits; `scheduler` is what the scheduler says about the nodes.
pub(crate) fn unschedulable(scheduler: &str) -> Message {
    Message::new(UNSCHEDULABLE).with("scheduler", scheduler)
}
