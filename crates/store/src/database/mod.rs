//! One SQLite file: its lock, its migrations, its one writer thread and its readers.
//!
//! Writers queue jobs; the thread drains the queue into one transaction, each job in a savepoint of
//! its own, commits with a synced log and only then answers. Readers have connections of their own
//! and never wait for it.

mod damage;
pub(crate) mod files;
mod folder;
mod health;
mod writer;

pub use damage::DamageLog;
pub use folder::DataFolder;
pub(crate) use health::{Health, storage_fault};

use crate::errors::{OpenFault, WorkError, database_error};
use crate::job::TypedJob;
use crate::migrations::{Migration, migrate};
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use rusqlite::{Connection, Transaction};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use tokio::sync::{Semaphore, mpsc, oneshot};
use writer::{Job, write_until_closed};

/// Jobs that may wait for the writer; a caller beyond them waits for a place.
const QUEUE_LENGTH: usize = 1024;
/// Reads at a time, and connections kept open between them.
const READERS: usize = 4;

/// A database file that this process alone writes. Cheap to clone; closed by [`Database::close`] or
/// when the last clone is dropped.
#[derive(Clone)]
pub struct Database {
    inner: Arc<Inner>,
}

struct Inner {
    path: PathBuf,
    damage: DamageLog,
    health: Arc<Health>,
    queue: Mutex<Option<mpsc::Sender<Box<dyn Job>>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Idle read connections; `None` once closed.
    readers: Mutex<Option<Vec<Connection>>>,
    reading: Arc<Semaphore>,
    commits: Arc<AtomicU64>,
    jobs: AtomicU64,
}

impl Database {
    /// Copies the file as it stands, with what its log has, to a path that does not exist. Nothing of the
    /// original is changed; it is refused while a process has it.
    pub fn copy_unused(path: &Path, target: &Path) -> Result<(), StoreError> {
        let _unused = files::take_lock(path)?;
        let log = |path: &Path| {
            let mut name = path.as_os_str().to_owned();
            name.push("-wal");
            PathBuf::from(name)
        };
        for (from, to) in [(path.to_owned(), target.to_owned()), (log(path), log(target))] {
            if from.exists() {
                std::fs::copy(&from, &to).map_err(OpenFault::file(&from))?;
            }
        }
        Ok(())
    }

    /// Opens or makes the file, takes its lock and runs the migrations that it lacks. Fails with
    /// [`StoreError::SchemaTooNew`], or with an [`OpenFault`] as the source.
    pub fn open(path: &Path, migrations: &'static [Migration]) -> Result<Self, StoreError> {
        files::make_folder(path)?;
        let lock = files::take_lock(path)?;
        files::make_private(path)?;
        let mut connection =
            files::open_writer(path).map_err(|source| OpenFault::from_sqlite(path, source))?;
        migrate(&mut connection, path, migrations)?;
        let (queue, jobs_in) = mpsc::channel(QUEUE_LENGTH);
        let commits = Arc::new(AtomicU64::new(0));
        let counter = commits.clone();
        let health = Arc::new(Health::new(&path.display().to_string()));
        let told = health.clone();
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                // The lock goes last, after the connection is closed.
                let lock: files::FileLock = lock;
                write_until_closed(connection, jobs_in, &counter, &told);
                drop(lock);
            })
            .map_err(OpenFault::file(path))?;
        Ok(Self {
            inner: Arc::new(Inner {
                path: path.to_owned(),
                damage: DamageLog::of_file(path),
                health,
                queue: Mutex::new(Some(queue)),
                writer: Mutex::new(Some(writer)),
                readers: Mutex::new(Some(Vec::new())),
                reading: Arc::new(Semaphore::new(READERS)),
                commits,
                jobs: AtomicU64::new(0),
            }),
        })
    }

    /// Rows of the file that can not be read.
    pub fn damage(&self) -> &DamageLog {
        &self.inner.damage
    }

    /// A failure of the engine while the file is loaded at start: a damaged file is told from other
    /// failures.
    pub fn load_fault(&self, source: rusqlite::Error) -> StoreError {
        OpenFault::from_sqlite(&self.inner.path, source).into()
    }

    /// Runs `work` in the writer's next transaction and returns when it is on disk. An error or a
    /// panic of `work` undoes its own writes alone.
    pub async fn write<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.write_then(operation, work, |_| ()).await
    }

    /// As [`Self::write`]; `publish` runs on the writer's thread after the commit and before the
    /// caller is answered, in the order of the commits. Indexes in memory are updated there. Both
    /// run even where the caller has stopped waiting.
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
        let job = TypedJob::new(operation, work, publish, answer);
        let queue = self.inner.queue.lock().clone().ok_or(StoreError::Closed)?;
        self.inner.jobs.fetch_add(1, Ordering::Relaxed);
        queue.send(Box::new(job)).await.map_err(|_| StoreError::Closed)?;
        drop(queue);
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs `work` on a read connection, on a thread that may block; it sees one state of the
    /// database throughout.
    pub async fn read<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let inner = self.inner.clone();
        let place = inner.reading.clone().acquire_owned().await.map_err(|_| StoreError::Closed)?;
        let reading = tokio::task::spawn_blocking(move || {
            let result = inner.read(operation, work);
            drop(place);
            result
        });
        reading
            .await
            .unwrap_or_else(|error| Err(WorkError::Panicked(error.to_string()).into_store_error(operation)))
    }

    /// As [`Self::read`], on the caller's own thread; for start-up and single rows.
    pub fn read_blocking<T>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.inner.read(operation, work)
    }

    /// Writes a copy of the database as it is now to a new file, which must not exist; writers go
    /// on meanwhile. The copy is on disk when this returns.
    pub async fn backup_to(&self, target: &Path) -> Result<(), StoreError> {
        let (inner, target) = (self.inner.clone(), target.to_owned());
        let copying = tokio::task::spawn_blocking(move || inner.backup_to(&target));
        copying.await.unwrap_or_else(|error| {
            Err(WorkError::Panicked(error.to_string()).into_store_error("backing up"))
        })
    }

    /// Why writes fail, from the first that does until one succeeds again.
    pub fn write_failure(&self) -> Option<String> {
        self.inner.health.failure()
    }

    /// Tries whether the file takes writes again, where it did not.
    pub(crate) async fn probe_failing(&self) {
        if self.write_failure().is_some() && self.probe().await.is_ok() {
            self.inner.health.succeeded();
        }
    }

    /// Writes a page, and leaves everything as it is.
    async fn probe(&self) -> Result<(), StoreError> {
        const OPERATION: &str = "trying a write";
        self.write(OPERATION, |transaction| {
            let same = || -> rusqlite::Result<()> {
                let version: i64 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
                transaction.pragma_update(None, "user_version", version)?;
                // As much as a document or two: a disk with room for a page alone is still full.
                transaction.execute_batch(
                    "CREATE TABLE write_probe (data BLOB NOT NULL) STRICT;
                     INSERT INTO write_probe (data) VALUES (randomblob(65536));",
                )?;
                transaction.execute_batch("DROP TABLE write_probe;")
            };
            same().map_err(|error| WorkError::from(error).into_store_error(OPERATION))
        })
        .await
    }

    /// Commits since the start; with [`Self::jobs`] it shows how many writers share one.
    pub fn commits(&self) -> u64 {
        self.inner.commits.load(Ordering::Relaxed)
    }

    /// Writes asked for since the start.
    pub fn jobs(&self) -> u64 {
        self.inner.jobs.load(Ordering::Relaxed)
    }

    /// Finishes what is queued, moves the log into the file, closes it and frees its lock. Blocks
    /// for as long as that takes; later calls of the other methods fail with
    /// [`StoreError::Closed`].
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
        let idle = self.readers.lock().as_mut().ok_or(StoreError::Closed)?.pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => files::open_reader(&self.path).map_err(database_error(operation))?,
        };
        // Dropped unfinished, the transaction ends by a rollback; it wrote nothing.
        let snapshot = connection.transaction().map_err(database_error(operation))?;
        let result = work(&snapshot);
        drop(snapshot);
        if let Some(idle) = self.readers.lock().as_mut().filter(|idle| idle.len() < READERS) {
            idle.push(connection);
        }
        result
    }

    fn backup_to(&self, target: &Path) -> Result<(), StoreError> {
        if self.readers.lock().is_none() {
            return Err(StoreError::Closed);
        }
        files::make_folder(target)?;
        let source = files::open_reader(&self.path).map_err(database_error("backing up"))?;
        let text = target.to_str().ok_or_else(|| {
            WorkError::Damaged("the target's path is not UTF-8".to_owned()).into_store_error("backing up")
        })?;
        // SQLite fills a file only where it is empty, so one that exists is never overwritten.
        files::make_private(target)?;
        source.execute("VACUUM INTO ?1", [text]).map_err(database_error("backing up"))?;
        File::open(target).and_then(|copy| copy.sync_all()).map_err(OpenFault::file(target))?;
        Ok(())
    }

    fn close(&self) {
        self.queue.lock().take();
        self.readers.lock().take();
        let writer = self.writer.lock().take();
        // The last clone may go on the writer's own thread, with the job that held it.
        if let Some(writer) = writer.filter(|writer| writer.thread().id() != std::thread::current().id()) {
            // The thread ends by itself once the queue is closed and empty; panics are caught job by job.
            let _ = writer.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
