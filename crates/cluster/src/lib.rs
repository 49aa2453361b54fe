//! Clusters behind the `Cluster` port, and the controller that brings tenants to them.
//!
//! The simulated cluster serves demo mode; [`NotConfigured`] stands where real mode has none. What
//! tenants should look like is the domain's to say; what is on disk is the store's.

mod catalog_rollout;
mod controller;
mod demo;
mod demo_gitops;
mod demo_runner;
mod kubernetes;
mod not_configured;
mod reasons;
mod simulated;
mod stoppable;
#[cfg(test)]
mod testing;

pub use catalog_rollout::{CatalogRollout, CatalogRolloutOptions};
pub use controller::{Controller, ControllerOptions};
pub use demo::{demo_cluster, restore_demo_cluster};
pub use demo_runner::DemoRunner;
pub use kubernetes::{ConnectError, KubernetesCluster, KubernetesSource};
pub use not_configured::NotConfigured;
pub use simulated::{
    DemoSpeed, DemoSpeedFault, FaultOf, KeptFault, NodePool, SimulatedCluster, SimulatedNodes,
};
pub use stoppable::{Stoppable, guard};
