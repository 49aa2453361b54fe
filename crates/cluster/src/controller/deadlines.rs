//! How long nothing moved in a roll-out, counted in time during which the cluster was seen.

use super::{SHORTEST_DEADLINE, Shared};
use ecp_core::deployment::Deployment;
use ecp_core::ids::{DeploymentId, TenantId};
use ecp_core::ports::ClusterHealth;
use ecp_core::watched::{Vigil, Watched};
use std::collections::HashMap;
use std::time::Duration;

/// A record says anew how long it was quiet after this part of the deadline, so that restarts do not
/// begin it over and over.
const KEPT_EVERY: u32 = 10;

/// What was watched, and since when nothing happened.
#[derive(Default)]
pub(super) struct Deadlines {
    vigil: Vigil,
    quiet: HashMap<TenantId, Quiet>,
}

/// A deployment since its last visible change.
struct Quiet {
    deployment_id: DeploymentId,
    /// Number of that change.
    change: u64,
    /// How long it was quiet already when this process first saw it so, by its record.
    before: Watched,
    /// What had been watched until then.
    since: Watched,
}

impl Deadlines {
    /// How long nothing visible happened.
    fn quiet(&mut self, deployment: &Deployment, watched: Watched) -> Watched {
        let change = deployment.events.last().map_or(0, |event| event.seq);
        let now = || Quiet {
            deployment_id: deployment.id.clone(),
            change,
            before: deployment.quiet,
            since: watched,
        };
        let quiet = self.quiet.entry(deployment.tenant_id.clone()).or_insert_with(now);
        if quiet.deployment_id != deployment.id || quiet.change != change {
            *quiet = now();
        }
        quiet.before.plus(watched.since(quiet.since))
    }

    /// Forgets a tenant at rest.
    pub(super) fn forget(&mut self, id: &TenantId) {
        self.quiet.remove(id);
    }
}

impl Shared {
    /// Looks whether the cluster is seen; all that was watched so far. Time that passes without such
    /// looks counts for nothing.
    pub(super) fn watch(&self) -> Watched {
        let sees = self.cluster.health() == ClusterHealth::Ready;
        self.deadlines.lock().vigil.look(self.clock.steady(), sees)
    }

    fn quiet(&self, deployment: &Deployment) -> Duration {
        let watched = self.watch();
        self.deadlines.lock().quiet(deployment, watched).into()
    }

    fn deadline(&self) -> Duration {
        self.scaled(self.options.progress_deadline).max(SHORTEST_DEADLINE)
    }

    /// True when nothing visible happened for too long.
    pub(super) fn is_overdue(&self, deployment: &Deployment) -> bool {
        self.quiet(deployment) > self.deadline()
    }

    /// How long it is quiet, where the record is far behind.
    pub(super) fn quiet_to_record(&self, deployment: &Deployment) -> Option<Watched> {
        let quiet = self.quiet(deployment);
        let recorded: Duration = deployment.quiet.into();
        (quiet > recorded + self.deadline() / KEPT_EVERY).then(|| quiet.into())
    }
}
