//! The writer's thread: one transaction for all jobs that wait, each in a savepoint of its own.

use super::health::{Health, storage_fault};
use crate::errors::WorkError;
use ecp_core::ports::StoreError;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::{mpsc, oneshot};

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

/// A job's result and its publication, typed.
pub(super) struct TypedJob<T, W, P> {
    operation: &'static str,
    work: Option<W>,
    publish: P,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W, P> TypedJob<T, W, P> {
    /// A job that has not run.
    pub(super) fn new(
        operation: &'static str,
        work: W,
        publish: P,
        answer: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        Self { operation, work: Some(work), publish, result: None, answer }
    }
}

impl<T, W, P> Job for TypedJob<T, W, P>
where
    T: Send,
    W: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send,
    P: FnOnce(&T) + Send,
{
    fn run(&mut self, transaction: &Transaction<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let outcome = catch_unwind(AssertUnwindSafe(|| work(transaction)));
        let result = outcome.unwrap_or_else(|panic| {
            Err(WorkError::Panicked(panic_text(&*panic)).into_store_error(self.operation))
        });
        let good = result.is_ok();
        self.result = Some(result);
        good
    }

    fn storage_fault(&self) -> Option<String> {
        self.result.as_ref().and_then(|result| result.as_ref().err()).and_then(storage_fault)
    }

    fn finish(self: Box<Self>, committed: Result<(), &str>) {
        let failed = |reason: &str| StoreError::Database {
            operation: self.operation,
            source: reason.to_owned().into(),
        };
        let result = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => {
                let publish = self.publish;
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| publish(&value))) {
                    // The write stands; a wrong index in memory is mended by a restart.
                    tracing::error!(
                        operation = self.operation,
                        panic = panic_text(&*panic),
                        "publishing a committed write panicked"
                    );
                }
                Ok(value)
            }
            // A failure of the job itself says more than that of its group.
            (Some(Err(error @ StoreError::Database { .. })), _) | (Some(Err(error)), Ok(())) => Err(error),
            // So does a refusal, but it may rest on what a neighbour wrote and the group lost.
            (Some(_) | None, Err(reason)) => Err(failed(reason)),
            (None, Ok(())) => Err(failed("the job was not run")),
        };
        // The caller may have gone away; the write stands all the same.
        let _ = self.answer.send(result);
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned())
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
