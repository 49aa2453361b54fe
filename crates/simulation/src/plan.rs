//! What may go wrong in one schedule, and how often: drawn first, so that some schedules have a fault all the
//! time and others never.

use crate::chance::Chance;

/// The faults of one schedule; of a thousand calls or steps each.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Processes.
    pub replicas: usize,
    /// Tenants' ids.
    pub tenants: usize,
    /// Steps until faults stop.
    pub steps: u64,
    /// A step takes so many milliseconds at most.
    pub longest_step_ms: u64,
    /// A call to the server takes so many milliseconds at most.
    pub server_ms: u64,
    /// Calls to the server that do not get there.
    pub lost: u64,
    /// Calls to the server whose answer is lost.
    pub unanswered: u64,
    /// The feed is heard after so many milliseconds at most.
    pub hears_ms: u64,
    /// Calls to the cluster that fail.
    pub refused: u64,
    /// Calls to the cluster that are done and not answered.
    pub cut: u64,
    /// Calls to the cluster that hang.
    pub hang: u64,
    /// Calls to the cluster that take effect after their caller gave up.
    pub late: u64,
    /// A call to the cluster takes so many milliseconds at most.
    pub cluster_ms: u64,
    /// Steps in which a process stops for a while.
    pub pause: u64,
    /// Steps in which a process is killed.
    pub kill: u64,
    /// Steps in which a process is told to stop and leaves.
    pub leave: u64,
    /// Steps in which a clock is set.
    pub clock: u64,
    /// Steps in which somebody deletes an object of a tenant.
    pub vandal: u64,
    /// Steps in which somebody asks for something.
    pub ask: u64,
    /// Requests that go out again, elsewhere, when there was no answer.
    pub again: u64,
    /// Tenants that a process looks at side by side.
    pub at_once: usize,
}

impl Plan {
    /// Drawn from a schedule's chance.
    pub fn draw(chance: &Chance) -> Self {
        // Half of the faults are absent from a schedule.
        let rate = |most: u64| if chance.per_mille(500) { chance.between(1, most) } else { 0 };
        Self {
            replicas: chance.index(3) + 2,
            tenants: chance.index(4) + 1,
            steps: chance.between(100, 500),
            longest_step_ms: chance.between(5, 400),
            server_ms: [1, 5, 50, 400][chance.index(4)],
            lost: rate(150),
            unanswered: rate(150),
            hears_ms: chance.between(10, 500),
            refused: rate(200),
            cut: rate(200),
            hang: rate(50),
            late: rate(100),
            cluster_ms: [1, 10, 100, 1500][chance.index(4)],
            pause: rate(20),
            kill: rate(15),
            leave: rate(8),
            clock: rate(20),
            vandal: rate(20),
            ask: chance.between(5, 80),
            again: chance.between(0, 1000),
            at_once: chance.index(4) + 1,
        }
    }
}
