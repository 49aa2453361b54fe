//! The controller against the embedded store and the simulated cluster, on a clock that is set.

#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

mod bench;
mod catalogs;
mod deadlines;
mod external;
mod failures;
mod healing;
mod invariants;
mod lifecycle;
mod quotas;
mod restarts;
mod rollbacks;
mod storage;

use super::retries::backoff;
use super::*;
use bench::{Bench, changed, id, removal};
use ecp_core::audit::AuditEntry;
use ecp_core::deployment::Phase;
use ecp_core::ports::ProgressUpdate;
use ecp_core::tenant::{Service, TenantStatus};
use ecp_core::text::{Language, Message};

/// The log in a language, oldest first.
fn log(deployment: &Deployment, language: Language) -> Vec<String> {
    deployment.logs.iter().map(|line| line.message.render(language)).collect()
}

#[track_caller]
fn assert_progress_only_grows(deployment: &Deployment) {
    let progress: Vec<u8> = deployment.events.iter().map(|event| event.progress).collect();
    assert!(progress.is_sorted(), "{progress:?}");
}

#[test]
fn back_off_doubles_up_to_its_maximum_and_differs_by_tenant() {
    let options = ControllerOptions::default();
    let wait = |name: &str, attempts| backoff(&options, &id(name), attempts).as_secs_f64();
    for (attempts, full) in [(1, 1.0), (2, 2.0), (3, 4.0), (6, 32.0), (7, 60.0), (1000, 60.0)] {
        let wait = wait("acme", attempts);
        assert!(wait <= full && wait >= full * 0.8, "{attempts}: {wait}");
    }
    assert_ne!(wait("acme", 7), wait("bravo", 7));
}
