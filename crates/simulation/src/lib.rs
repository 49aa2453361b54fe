//! Whole replicas – view, queue, leases, controller and requests – over one database and one cluster, in one
//! thread: a seed is a schedule, and the same seed is the same schedule.
//!
//! Each process is a runtime of its own whose time stands still but for what the schedule lets pass. It is
//! stopped by not letting it go on, and killed by dropping it, in the middle of whatever it does. The database is
//! a server's schema in memory (`ecp_store::SimulatedServer`): the store's own statements and its own feed, with
//! a way to it that loses calls and answers, so that a schedule takes milliseconds. The cluster is the simulated
//! one, behind calls that fail, hang, are cut short and arrive late.
//!
//! What is promised is in [`promises`]; what is not simulated is in `docs/ARCHITECTURE.md`.

mod chance;
mod line;
mod plan;
mod planted;
mod promises;
mod record;
mod replica;
mod samples;
mod schedule;
mod time;
mod users;

pub use planted::Planted;
pub use schedule::{Outcome, Stage, watch_panics};
