//! The writer's thread: one transaction for all jobs that wait, each in a savepoint of its own.

use super::health::Health;
use crate::job::TypedJob;
use ecp_core::ports::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;

/// Jobs in one commit at most, so that the first of them does not wait for ever.
const JOBS_IN_A_COMMIT: usize = 256;

/// A job: runs inside the group's transaction, then answers when the group's end is known.
pub(super) trait Job: Send {
    /// Runs in a savepoint; `false` rolls it back.
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;
    /// What its own failure says of the storage.
    fn storage_fault(&self) -> Option<String>;
    /// The group was committed, or failed with this text.
    fn finish(self: Box<Self>, committed: Result<(), &str>);
}

impl<T, W, P> Job for TypedJob<T, W, P>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
    P: FnOnce(&T) + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        self.run_by(|work| work(transaction))
    }

    fn storage_fault(&self) -> Option<String> {
        self.fault()
    }

    fn finish(self: Box<Self>, committed: Result<(), &str>) {
        self.answer(committed);
    }
}

/// Commits group after group until every sender is gone and the queue is empty.
pub(super) fn write_until_closed(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    commits: &AtomicU64,
    health: &Health,
) {
    let mut group: Vec<Box<dyn Job>> = Vec::with_capacity(JOBS_IN_A_COMMIT);
    while let Some(first) = queue.blocking_recv() {
        group.push(first);
        while group.len() < JOBS_IN_A_COMMIT {
            match queue.try_recv() {
                Ok(job) => group.push(job),
                Err(_) => break,
            }
        }
        let outcome = commit_group(&mut connection, &mut group);
        match &outcome {
            Ok(()) => {
                commits.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                tracing::debug!(error, jobs = group.len(), "a group of writes failed");
                health.failed(error);
            }
        }
        if let Some(fault) = group.iter().find_map(|job| job.storage_fault()) {
            health.failed(&fault);
        }
        for job in group.drain(..) {
            job.finish(outcome.as_ref().copied().map_err(String::as_str));
        }
    }
    if let Err(error) = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())) {
        tracing::warn!(%error, "the log could not be moved into the database file; the next start does it");
    }
}

/// Runs a group in one transaction; an error means that nothing of it is kept.
fn commit_group(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> Result<(), String> {
    let text = |error: rusqlite::Error| error.to_string();
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(text)?;
    for job in group {
        transaction.prepare_cached("SAVEPOINT job").and_then(|mut begin| begin.execute([])).map_err(text)?;
        let good = job.run(&transaction);
        if transaction.is_autocommit() {
            // A full disk or a failed write makes SQLite give up the whole transaction.
            return Err("the database gave up the transaction that this write shared".to_owned());
        }
        if !good {
            let undo = transaction.prepare_cached("ROLLBACK TO job");
            undo.and_then(|mut undo| undo.execute([])).map_err(text)?;
        }
        transaction.prepare_cached("RELEASE job").and_then(|mut end| end.execute([])).map_err(text)?;
    }
    transaction.commit().map_err(text)
}
