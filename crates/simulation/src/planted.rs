//! Faults of a program, planted to see that the simulation finds them: a check that never fails proves nothing.

/// What every process of a schedule does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Planted {
    /// Nothing.
    #[default]
    Nothing,
    /// It changes the cluster without asking whether it still holds the tenant.
    ActsWithoutLease,
    /// One write in fifty that it acknowledges is not kept.
    ForgetsWrites,
    /// It counts a lease's time by a clock that goes at half the speed.
    CountsSlowly,
}
