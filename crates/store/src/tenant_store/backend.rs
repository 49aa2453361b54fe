//! What a tenant store is kept in.

use crate::database::{DamageLog, Database};
use crate::errors::WorkError;
use crate::postgres::PostgresDatabase;
use crate::sql::Sql;
use ecp_core::ports::StoreError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

/// Between two tries to write while writes fail.
pub(crate) const PROBE_EVERY: Duration = Duration::from_secs(1);

/// An embedded file, or a schema on a server. Cheap to clone.
#[derive(Clone)]
pub enum Backend {
    /// A file of this process alone.
    Sqlite(Database),
    /// A server that others may use as well.
    Postgres(PostgresDatabase),
    /// A server in memory.
    #[cfg(feature = "simulation")]
    Simulated(crate::simulated::SimulatedDatabase),
}

impl From<Database> for Backend {
    fn from(database: Database) -> Self {
        Self::Sqlite(database)
    }
}

impl From<PostgresDatabase> for Backend {
    fn from(database: PostgresDatabase) -> Self {
        Self::Postgres(database)
    }
}

#[cfg(feature = "simulation")]
impl From<crate::simulated::SimulatedDatabase> for Backend {
    fn from(database: crate::simulated::SimulatedDatabase) -> Self {
        Self::Simulated(database)
    }
}

impl Backend {
    /// Rows that can not be read.
    pub(super) fn damage(&self) -> &DamageLog {
        match self {
            Self::Sqlite(file) => file.damage(),
            Self::Postgres(server) => server.damage(),
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.damage(),
        }
    }

    /// Why writes fail, from the first that does until one succeeds again.
    pub(super) fn write_failure(&self) -> Option<String> {
        match self {
            Self::Sqlite(file) => file.write_failure(),
            Self::Postgres(server) => server.write_failure(),
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.write_failure(),
        }
    }

    /// The server to which a file's tenants were moved, where they were.
    pub(super) fn moved_to(&self) -> Result<Option<String>, StoreError> {
        const OPERATION: &str = "reading a setting";
        match self {
            Self::Sqlite(file) => file.read_blocking(OPERATION, |connection| {
                crate::postgres::moved_to(connection).map_err(|error| match error {
                    WorkError::Sqlite(source) => file.load_fault(source),
                    other => other.into_store_error(OPERATION),
                })
            }),
            Self::Postgres(_) => Ok(None),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => Ok(None),
        }
    }

    /// As [`Database::write_then`].
    pub(super) async fn write_then<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>) -> Result<T, WorkError> + Send + 'static,
        publish: impl FnOnce(&T) + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = move |sql: &Sql<'_>| work(sql).map_err(|error| error.into_store_error(operation));
        let span = tracing::info_span!(target: ecp_core::TRACE_TARGET, "store.transaction", operation);
        match self {
            Self::Sqlite(file) => {
                let work = move |transaction: &rusqlite::Transaction<'_>| work(&Sql::sqlite(transaction));
                file.write_then(operation, work, publish).instrument(span).await
            }
            Self::Postgres(server) => server.write_then(operation, work, publish).instrument(span).await,
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.write_then(operation, work, publish).instrument(span).await,
        }
    }

    /// Runs `work` on one state of the database, on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = move |sql: &Sql<'_>| work(sql).map_err(|error| error.into_store_error(operation));
        match self {
            Self::Sqlite(file) => {
                file.read(operation, move |connection| work(&Sql::sqlite(connection))).await
            }
            Self::Postgres(server) => server.read(operation, work).await,
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.read(operation, work).await,
        }
    }

    /// As [`Self::read`]; the caller's own thread waits. For start-up and single rows.
    pub(super) fn read_blocking<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let work = move |sql: &Sql<'_>| work(sql).map_err(|error| error.into_store_error(operation));
        beside_other_tasks(|| match self {
            Self::Sqlite(file) => {
                file.read_blocking(operation, move |connection| work(&Sql::sqlite(connection)))
            }
            Self::Postgres(server) => server.read_blocking(operation, work),
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.read_blocking(work),
        })
    }

    /// As [`Self::read_blocking`], at start: a damaged file is told from other failures.
    pub(super) fn load<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Sql<'_>) -> Result<T, WorkError> + Send + 'static,
    ) -> Result<T, StoreError> {
        match self {
            Self::Sqlite(file) => file.read_blocking(operation, |connection| {
                work(&Sql::sqlite(connection)).map_err(|error| match error {
                    WorkError::Sqlite(source) => file.load_fault(source),
                    other => other.into_store_error(operation),
                })
            }),
            Self::Postgres(_) => self.read_blocking(operation, work),
            #[cfg(feature = "simulation")]
            Self::Simulated(_) => self.read_blocking(operation, work),
        }
    }

    /// While writes fail, tries one again and again, until told to stop: what waits for the database
    /// to be well is not what finds out that it is.
    pub async fn keep_probing(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PROBE_EVERY) => {}
            }
            match self {
                Self::Sqlite(file) => file.probe_failing().await,
                Self::Postgres(server) => server.probe().await,
                #[cfg(feature = "simulation")]
                Self::Simulated(server) => server.probe().await,
            }
        }
    }

    /// Commits since the start; with [`Self::jobs`] it shows how many writers share one.
    pub fn commits(&self) -> u64 {
        match self {
            Self::Sqlite(file) => file.commits(),
            Self::Postgres(server) => server.commits(),
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.jobs(),
        }
    }

    /// Writes asked for since the start.
    pub fn jobs(&self) -> u64 {
        match self {
            Self::Sqlite(file) => file.jobs(),
            Self::Postgres(server) => server.jobs(),
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.jobs(),
        }
    }

    /// Finishes what is queued and closes. Blocks.
    pub(super) fn close(&self) {
        match self {
            Self::Sqlite(file) => file.close(),
            Self::Postgres(server) => server.close(),
            #[cfg(feature = "simulation")]
            Self::Simulated(server) => server.close(),
        }
    }
}

/// Waits for a disk or a server without keeping the tasks of this thread waiting: a server that hangs would else
/// stop as many of the process's threads as ask it.
fn beside_other_tasks<T>(work: impl FnOnce() -> T) -> T {
    let flavor = tokio::runtime::Handle::try_current().map(|runtime| runtime.runtime_flavor());
    match flavor {
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        _ => work(),
    }
}

#[cfg(test)]
mod tests {
    use super::beside_other_tasks;
    use std::sync::mpsc;
    use std::time::Duration;

    #[test]
    fn who_waits_for_a_server_keeps_no_other_task_waiting() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().expect("a runtime");
        let (answer, waited_for) = mpsc::channel();
        let waiting = runtime.spawn(async move {
            // The only one who answers is a task of the same worker.
            tokio::spawn(async move { answer.send(()) });
            beside_other_tasks(|| waited_for.recv_timeout(Duration::from_secs(60)))
        });
        assert_eq!(runtime.block_on(waiting).expect("ends"), Ok(()));
        assert_eq!(beside_other_tasks(|| 7), 7);
    }

    #[tokio::test]
    async fn where_there_is_one_thread_it_waits() {
        assert_eq!(beside_other_tasks(|| 7), 7);
    }
}
