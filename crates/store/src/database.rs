//! One SQLite file: its lock, its migrations, its one writer thread and its readers.
//!
//! Writers queue jobs; the thread drains the queue into one transaction, each job in a savepoint of
//! its own, commits with a synced log and only then answers. Readers have connections of their own
//! and never wait for it.

use crate::errors::database_error;
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};
use std::any::Any;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{mpsc, oneshot};

/// Jobs that may wait for the writer; a caller beyond them waits for a place.
const QUEUE_LENGTH: usize = 1024;
/// Jobs in one commit at most, so that the first of them does not wait for ever.
const JOBS_IN_A_COMMIT: usize = 256;
/// Read connections kept open between reads.
const IDLE_READERS: usize = 4;

/// One step of the schema; its version is its position in the list, from 1.
pub struct Migration {
    /// What it does, for errors.
    pub name: &'static str,
    /// SQL statements, run in one transaction with the version's change.
    pub sql: &'static str,
}

/// A job: runs inside the group's transaction, then answers when the group's end is known.
trait Job: Send {
    /// Runs in a savepoint; `false` rolls it back.
    fn run(&mut self, transaction: &Transaction<'_>) -> bool;
    /// The group was committed, or failed with this text.
    fn finish(self: Box<Self>, committed: Result<(), String>);
}

/// A job's result and its publication, typed.
struct TypedJob<T, W, P> {
    operation: &'static str,
    work: Option<W>,
    publish: P,
    result: Option<Result<T, StoreError>>,
    answer: oneshot::Sender<Result<T, StoreError>>,
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
        let result = outcome.unwrap_or_else(|panic| Err(panicked(self.operation, &*panic)));
        let good = result.is_ok();
        self.result = Some(result);
        good
    }

    fn finish(self: Box<Self>, committed: Result<(), String>) {
        let result = match (self.result, committed) {
            (Some(Ok(value)), Ok(())) => {
                (self.publish)(&value);
                Ok(value)
            }
            (Some(Ok(_)) | None, Err(reason)) => Err(failed(self.operation, reason)),
            (Some(Err(error)), _) => Err(error),
            (None, Ok(())) => Err(failed(self.operation, "the job was not run".to_owned())),
        };
        // The caller may have gone away; the write stands all the same.
        let _ = self.answer.send(result);
    }
}

fn failed(operation: &'static str, reason: String) -> StoreError {
    StoreError::Database { operation, source: reason.into() }
}

fn panicked(operation: &'static str, panic: &(dyn Any + Send)) -> StoreError {
    let text = panic
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown panic".to_owned());
    failed(operation, format!("panicked: {text}"))
}

/// A database file that this process alone writes. Cheap to clone; closed by [`Database::close`] or
/// when the last clone is dropped.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    readers: Mutex<Vec<Connection>>,
    commits: Arc<AtomicU64>,
    jobs: Arc<AtomicU64>,
    /// Holds the advisory lock as long as the database is open.
    _lock: File,
}

impl Database {
    /// Opens or makes the file, takes its lock and runs the migrations that it lacks.
    pub fn open(path: &Path, migrations: &'static [Migration]) -> Result<Self, StoreError> {
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if let Some(folder) = folder {
            std::fs::create_dir_all(folder)
                .map_err(|error| io_error("making the data folder", folder, error))?;
        }
        let lock = take_lock(path)?;
        make_private(path)?;
        let mut connection = Connection::open(path).map_err(database_error("opening the file"))?;
        configure(&connection).map_err(database_error("reading the file"))?;
        migrate(&mut connection, migrations)?;
        let (queue, jobs_in) = mpsc::channel(QUEUE_LENGTH);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || write_until_closed(connection, jobs_in, &counter))
            .map_err(|error| io_error("starting the writer", path, error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                queue: Mutex::new(Some(queue)),
                writer: Mutex::new(Some(writer)),
                readers: Mutex::new(Vec::new()),
                commits,
                jobs: Arc::new(AtomicU64::new(0)),
                _lock: lock,
            }),
        })
    }

    /// Runs `work` in the writer's next transaction and returns when it is on disk. An error of
    /// `work` undoes its own writes alone.
    pub async fn write<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_then(operation, work, |_| ()).await
    }

    /// As [`Self::write`]; `publish` runs on the writer's thread after the commit and before the
    /// caller is answered, in the order of the commits. Indexes in memory are updated there.
    pub async fn write_then<T, W, P>(
        &self,
        operation: &'static str,
        work: W,
        publish: P,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
        P: FnOnce(&T) + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = TypedJob { operation, work: Some(work), publish, result: None, answer };
        let queue = self.inner.queue.lock().clone().ok_or(StoreError::Closed)?;
        self.inner.jobs.fetch_add(1, Ordering::Relaxed);
        queue.send(Box::new(job)).await.map_err(|_| StoreError::Closed)?;
        drop(queue);
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs `work` on a read connection, on a thread that may block.
    pub async fn read<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let inner = self.inner.clone();
        let reading = tokio::task::spawn_blocking(move || inner.read(operation, work));
        reading.await.map_err(|error| failed(operation, error.to_string()))?
    }

    /// As [`Self::read`], on the caller's own thread; for start-up.
    pub fn read_blocking<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.read(operation, work)
    }

    /// Commits since the start; with [`Self::jobs`] it shows how many writers share one.
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(Ordering::Relaxed)
    }

    /// Writes asked for since the start.
    pub fn jobs(&self) -> u64 {
        self.inner.jobs.load(Ordering::Relaxed)
    }

    /// Finishes what is queued, moves the log into the file and closes it. Blocks for as long as
    /// that takes; later calls of the other methods fail with [`StoreError::Closed`].
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn read<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.readers.lock().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => open_reader(&self.path).map_err(database_error(operation))?,
        };
        let result = work(&connection);
        let mut readers = self.readers.lock();
        if readers.len() < IDLE_READERS {
            readers.push(connection);
        }
        result
    }

    fn close(&self) {
        self.queue.lock().take();
        if let Some(writer) = self.writer.lock().take() {
            // The thread ends by itself once the queue is closed and empty; its own panics are
            // caught job by job.
            let _ = writer.join();
        }
        self.readers.lock().clear();
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

/// The writer's thread: one transaction for all jobs that wait.
fn write_until_closed(
    mut connection: Connection,
    mut queue: mpsc::Receiver<Box<dyn Job>>,
    commits: &AtomicU64,
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
        let outcome = commit_group(&mut connection, &mut group).map_err(|error| error.to_string());
        if outcome.is_ok() {
            commits.fetch_add(1, Ordering::Relaxed);
        }
        for job in group.drain(..) {
            job.finish(outcome.clone());
        }
    }
    if let Err(error) = connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
        tracing::warn!(%error, "the log could not be moved into the database file; the next start does it");
    }
}

fn commit_group(connection: &mut Connection, group: &mut [Box<dyn Job>]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for job in group {
        transaction.prepare_cached("SAVEPOINT job")?.execute([])?;
        if !job.run(&transaction) {
            transaction.prepare_cached("ROLLBACK TO job")?.execute([])?;
        }
        transaction.prepare_cached("RELEASE job")?.execute([])?;
    }
    transaction.commit()
}

fn configure(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(128);
    // FULL: the log is synced at every commit, so that an acknowledged write survives a power cut.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000;
         PRAGMA cache_size = -2048;
         PRAGMA wal_autocheckpoint = 2000;
         PRAGMA journal_size_limit = 16777216;",
    )
}

fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.execute_batch("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -1024;")?;
    Ok(connection)
}

fn migrate(connection: &mut Connection, migrations: &[Migration]) -> Result<(), StoreError> {
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(database_error("reading the schema version"))?;
    let known = migrations.len() as i64;
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for (index, migration) in migrations.iter().enumerate().skip(found.max(0) as usize) {
        let mut step = || -> rusqlite::Result<()> {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            transaction.execute_batch(migration.sql)?;
            transaction.pragma_update(None, "user_version", index as i64 + 1)?;
            transaction.commit()
        };
        step().map_err(database_error(migration.name))?;
    }
    Ok(())
}

/// Takes the advisory lock of the file beside the database; the system frees it with the process.
fn take_lock(path: &Path) -> Result<File, StoreError> {
    let lock_path = path.with_extension("lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&lock_path)
        .map_err(|error| io_error("opening the lock file", &lock_path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(failed(
            "locking the database",
            format!(
                "another process has {} open: stop it, or give this one another data folder",
                path.display()
            ),
        )),
        Err(std::fs::TryLockError::Error(error)) => Err(io_error("locking the database", &lock_path, error)),
    }
}

/// Makes the file readable by its owner alone before anything is written to it.
fn make_private(path: &Path) -> Result<(), StoreError> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = File::options();
    options.create(true).truncate(false).write(true).mode(0o600);
    options.open(path).map(drop).map_err(|error| io_error("making the database file", path, error))
}

fn io_error(operation: &'static str, path: &Path, error: std::io::Error) -> StoreError {
    failed(operation, format!("{}: {error}", path.display()))
}
