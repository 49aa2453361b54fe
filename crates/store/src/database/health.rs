//! Whether a database takes writes: told once when it stops and once when it does again.

use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use rusqlite::ErrorCode;
use std::path::{Path, PathBuf};

/// The state of one database file's writes.
#[derive(Debug)]
pub(super) struct Health {
    path: PathBuf,
    failure: Mutex<Option<String>>,
}

impl Health {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), failure: Mutex::new(None) }
    }

    /// A write failed for want of storage; the first of an outage is logged.
    pub(super) fn failed(&self, reason: &str) {
        let first = self.failure.lock().replace(reason.to_owned()).is_none();
        if first {
            tracing::error!(
                file = %self.path.display(),
                reason,
                "the database can not be written; nothing that was accepted is lost, and it is tried again"
            );
        }
    }

    /// Storage was written.
    pub(super) fn succeeded(&self) {
        if self.failure.lock().take().is_some() {
            tracing::info!(file = %self.path.display(), "the database takes writes again");
        }
    }

    /// Why writes fail.
    pub(super) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }
}

/// What a failed write says of the storage; none where it was refused, or is its own fault.
pub(super) fn storage_fault(error: &StoreError) -> Option<String> {
    let StoreError::Database { source, .. } = error else { return None };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**source);
    while let Some(error) = cause {
        if let Some(sqlite) = error.downcast_ref::<rusqlite::Error>() {
            let of_storage = matches!(
                sqlite.sqlite_error_code(),
                Some(
                    ErrorCode::DiskFull
                        | ErrorCode::SystemIoFailure
                        | ErrorCode::ReadOnly
                        | ErrorCode::CannotOpen
                        | ErrorCode::OutOfMemory
                )
            );
            return of_storage.then(|| sqlite.to_string());
        }
        cause = error.source();
    }
    None
}
