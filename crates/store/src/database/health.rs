//! Whether a database takes writes: told once when it stops and once when it does again.

use crate::postgres::PostgresError;
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use rusqlite::ErrorCode;

/// The state of one database's writes.
#[derive(Debug)]
pub(crate) struct Health {
    name: String,
    failure: Mutex<Option<String>>,
}

impl Health {
    /// Of a database file, or a server, by its name.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), failure: Mutex::new(None) }
    }

    /// A write failed for want of storage; the first of an outage is logged.
    pub(crate) fn failed(&self, reason: &str) {
        let first = self.failure.lock().replace(reason.to_owned()).is_none();
        if first {
            tracing::error!(
                database = self.name,
                reason,
                "the database can not be written; nothing that was accepted is lost, and it is tried again"
            );
        }
    }

    /// Storage was written.
    pub(crate) fn succeeded(&self) {
        if self.failure.lock().take().is_some() {
            tracing::info!(database = self.name, "the database takes writes again");
        }
    }

    /// Why writes fail.
    pub(crate) fn failure(&self) -> Option<String> {
        self.failure.lock().clone()
    }

    /// Refuses an operation at once while a server is away.
    pub(crate) fn refuse_while_away(&self, operation: &'static str) -> Result<(), StoreError> {
        match self.failure() {
            Some(reason) => Err(StoreError::Database { operation, source: reason.into() }),
            None => Ok(()),
        }
    }
}

/// What a failed write says of the storage; none where it was refused, or is its own fault.
pub(crate) fn storage_fault(error: &StoreError) -> Option<String> {
    let StoreError::Database { source, .. } = error else { return None };
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&**source);
    while let Some(error) = cause {
        if let Some(server) = error.downcast_ref::<PostgresError>() {
            return server.is_outage().then(|| server.to_string());
        }
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
