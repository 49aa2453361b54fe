//! A write that waits for its transaction, and how it is answered.

use crate::database::storage_fault;
use crate::errors::WorkError;
use ecp_core::ports::StoreError;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tokio::sync::oneshot;

/// A job's result and its publication, typed. `W` is what it does in a transaction of its database.
pub(crate) struct TypedJob<T, W, P> {
    operation: &'static str,
    work: Option<W>,
    publish: P,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
}

impl<T, W, P: FnOnce(&T)> TypedJob<T, W, P> {
    /// A job that has not run.
    pub(crate) fn new(
        operation: &'static str,
        work: W,
        publish: P,
        answer: oneshot::Sender<Result<T, StoreError>>,
    ) -> Self {
        Self { operation, work: Some(work), publish, result: None, answer }
    }

    /// Runs it once; false where it failed and its writes must be undone.
    pub(crate) fn run_by(&mut self, call: impl FnOnce(W) -> Result<T, StoreError>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let result = caught(self.operation, || call(work));
        let good = result.is_ok();
        self.result = Some(result);
        good
    }

    /// What its own failure says of the storage.
    pub(crate) fn fault(&self) -> Option<String> {
        self.result.as_ref().and_then(|result| result.as_ref().err()).and_then(storage_fault)
    }

    /// Answers the caller, when the end of its transaction is known.
    pub(crate) fn answer(self, committed: Result<(), &str>) {
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

/// Work whose panic is an error of its own.
pub(crate) fn caught<T>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|panic| Err(WorkError::Panicked(panic_text(&*panic)).into_store_error(operation)))
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned())
}
