//! What statements cost, counted for tests: not by time, which a busy machine changes.

use super::Sql;
use rusqlite::{Statement, StatementStatus};
use std::ops::AddAssign;

/// Work of statements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Statements that were run.
    pub(crate) statements: u64,
    /// Steps of SQLite's engine, which grow with the rows that are read and written; 0 on a server.
    pub(crate) steps: u64,
}

impl AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.statements += other.statements;
        self.steps += other.steps;
    }
}

impl Sql<'_> {
    /// Work so far.
    pub(crate) fn work(&self) -> Work {
        self.work.get()
    }

    /// Counts a statement that was just run.
    pub(super) fn note_work(&self, statement: Option<&Statement<'_>>) {
        let steps = statement.map_or(0, |statement| statement.reset_status(StatementStatus::VmStep));
        let mut work = self.work.get();
        work += Work { statements: 1, steps: u64::try_from(steps).unwrap_or_default() };
        self.work.set(work);
    }
}
