//! A PostgreSQL server as the store of a mode: one writer at a time in the whole installation, readers
//! beside it, and the feed that tells each process what the others wrote.
//!
//! Transactions that write take one lock of their schema first, so that their revisions have no gaps and
//! come in the order of their commits. The writer's thread reads what the others wrote before it begins
//! its own, so that what it decides by what is in memory is decided by all that was committed.

mod connect;
mod feed;
mod migrate;
mod schema;
mod workers;

pub use connect::PostgresUrl;
pub(crate) use migrate::moved_to;
pub use migrate::{Moved, Source, move_to};
pub(crate) use workers::Follow;

use crate::database::{DamageLog, Health};
use crate::errors::WorkError;
use crate::sql::Sql;
use connect::Connector;
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use rustls::CertificateError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;
use workers::{ReadJob, Workers, WriteJob};

/// What a server, or the way to it, fails at.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// It refused, or the connection ended.
    #[error("{}", told(.0))]
    Server(#[from] tokio_postgres::Error),
    /// It took a statement and said nothing.
    #[error("the server did not answer within {} s", .0.as_secs())]
    Silent(Duration),
    /// The connection ended in the middle of it.
    #[error("the connection to the server ended")]
    Lost,
    /// What others wrote can not be taken into memory.
    #[error("the feed of changes can not be followed: {0}")]
    Feed(String),
    /// A certificate or a name of the TLS connection is no good.
    #[error("{0}")]
    Tls(String),
    /// There is no thread or runtime to be had.
    #[error("the operating system gives no thread for a connection")]
    Runtime(#[from] std::io::Error),
    /// What was given is not the address of a PostgreSQL server.
    #[error("{0}")]
    Url(#[from] UrlFault),
    /// The server is too old.
    #[error("the server is PostgreSQL {0}; 14 or newer is needed")]
    TooOld(String),
}

/// Why a text is not the address of a PostgreSQL server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlFault {
    /// It is of another scheme, or of none.
    #[error(
        "the database's address must begin with postgres://, as in postgres://user:password@host:5432/database"
    )]
    Scheme,
    /// What is behind can not be read.
    #[error(
        "the database's address can not be read ({0}); it looks like postgres://user:password@host:5432/database?sslmode=require"
    )]
    Unreadable(String),
}

/// The server's own words, which the error's display leaves to its source.
fn told(error: &tokio_postgres::Error) -> String {
    const WANTS_TLS: &str = "; if it takes TLS alone, write sslmode=require into the address";
    const UNKNOWN_AUTHORITY: &str =
        "; name the certificate of its authority in the address with sslrootcert=FILE";
    match (error.as_db_error(), std::error::Error::source(error)) {
        (Some(refusal), _) => {
            let is_plain = *refusal.code() == SqlState::INVALID_AUTHORIZATION_SPECIFICATION
                && refusal.message().contains("no encryption");
            let hint = if is_plain { WANTS_TLS } else { "" };
            format!("{} ({}){hint}", refusal.message(), refusal.code().code())
        }
        (None, Some(source)) => {
            let hint = if is_of_unknown_authority(source) { UNKNOWN_AUTHORITY } else { "" };
            format!("{error}: {source}{hint}")
        }
        (None, None) => error.to_string(),
    }
}

/// True where a certificate was shown that nobody who is trusted made.
fn is_of_unknown_authority(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut at = Some(error);
    while let Some(error) = at {
        if let Some(error) = error.downcast_ref::<rustls::Error>() {
            return *error == rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        }
        // What an error of input and output holds is not its source.
        at = match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
}

impl PostgresError {
    /// True where the server, or the way to it, is at fault and not the statement.
    pub(crate) fn is_outage(&self) -> bool {
        match self {
            Self::Server(error) => match error.code() {
                // Connections, resources, and an administrator who ends them: classes 08, 53, 57, 58.
                Some(code) => {
                    ["08", "53", "57", "58"].iter().any(|class| code.code().starts_with(class))
                        || code.code() == "25006"
                }
                None => true,
            },
            Self::Silent(_) | Self::Lost | Self::Feed(_) | Self::Tls(_) | Self::Runtime(_) => true,
            Self::Url(_) | Self::TooOld(_) => false,
        }
    }
}

/// One mode's schema on a server. Cheap to clone; closed by [`PostgresDatabase::close`] or when the last
/// clone is dropped.
#[derive(Clone)]
pub struct PostgresDatabase {
    inner: Arc<Inner>,
}

struct Inner {
    damage: DamageLog,
    health: Arc<Health>,
    workers: Arc<Workers>,
    writes: Mutex<Option<mpsc::Sender<Box<dyn WriteJob>>>>,
    reads: Mutex<Option<mpsc::Sender<Box<dyn ReadJob>>>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    jobs: AtomicU64,
}

impl PostgresDatabase {
    /// Connects to a mode's schema, and brings it to what this program knows. Blocks; not to be called from
    /// a task.
    pub fn open(url: &PostgresUrl, schema: &'static str) -> Result<Self, StoreError> {
        Self::open_with(url, schema, &schema::MODE)
    }

    /// As [`Self::open`], with the tokens' tables.
    pub(crate) fn open_access(url: &PostgresUrl) -> Result<Self, StoreError> {
        Self::open_with(url, "ecp_access", &schema::ACCESS)
    }

    fn open_with(
        url: &PostgresUrl,
        schema: &'static str,
        history: &schema::History,
    ) -> Result<Self, StoreError> {
        let connector = Connector::new(url, schema);
        let name = connector.told();
        let mut session = connector.connect().map_err(|source| open_error(&name, source))?;
        schema::migrate(&mut session, schema, history)?;
        let health = Arc::new(Health::new(&name));
        let workers = Arc::new(Workers::new(connector, health.clone()));
        let (writes, write_jobs) = mpsc::channel();
        let (reads, read_jobs) = mpsc::channel();
        let threads = workers.start(session, write_jobs, read_jobs)?;
        Ok(Self {
            inner: Arc::new(Inner {
                damage: DamageLog::new(&name),
                health,
                workers,
                writes: Mutex::new(Some(writes)),
                reads: Mutex::new(Some(reads)),
                threads: Mutex::new(threads),
                jobs: AtomicU64::new(0),
            }),
        })
    }

    /// Rows that can not be read.
    pub(crate) fn damage(&self) -> &DamageLog {
        &self.inner.damage
    }

    /// Why the server takes no writes, from the first that fails until one succeeds again.
    pub(crate) fn write_failure(&self) -> Option<String> {
        self.inner.health.failure()
    }

    /// Who is told what others wrote, and begins to be told.
    pub(crate) fn follow(&self, follow: Arc<Follow>) -> Result<(), StoreError> {
        let thread = self.inner.workers.follow(follow)?;
        self.inner.threads.lock().push(thread);
        Ok(())
    }

    /// Runs `work` in the writer's next transaction and `publish` after its commit, both on its thread.
    /// While the server is away it fails at once.
    pub(crate) async fn write_then<T, W, P>(
        &self,
        operation: &'static str,
        work: W,
        publish: P,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
        P: FnOnce(&T) + Send + 'static,
    {
        self.inner.health.refuse_while_away(operation)?;
        self.queue_write(operation, work, publish).await
    }

    /// As [`Self::write_then`]; the caller's thread waits.
    pub(crate) fn write_blocking<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.inner.health.refuse_while_away(operation)?;
        let (answer, result) = oneshot::channel();
        self.send_write(workers::write_job(operation, work, |_| {}, answer))?;
        result.blocking_recv().map_err(|_| StoreError::Closed)?
    }

    fn send_write(&self, job: Box<dyn WriteJob>) -> Result<(), StoreError> {
        self.inner.jobs.fetch_add(1, Ordering::Relaxed);
        let queue = self.inner.writes.lock().clone().ok_or(StoreError::Closed)?;
        queue.send(job).map_err(|_| StoreError::Closed)
    }

    async fn queue_write<T, W, P>(
        &self,
        operation: &'static str,
        work: W,
        publish: P,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
        P: FnOnce(&T) + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        self.send_write(workers::write_job(operation, work, publish, answer))?;
        result.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs `work` on one state of the database, on a reader's thread.
    pub(crate) async fn read<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.queue_read(operation, work)?.await.map_err(|_| StoreError::Closed)?
    }

    /// As [`Self::read`]; the caller's thread waits.
    pub(crate) fn read_blocking<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, result) = mpsc::sync_channel(1);
        let job = workers::read_job(operation, work, move |value| drop(answer.send(value)));
        self.send_read(operation, job)?;
        result.recv().map_err(|_| StoreError::Closed)?
    }

    fn queue_read<T, W>(
        &self,
        operation: &'static str,
        work: W,
    ) -> Result<oneshot::Receiver<Result<T, StoreError>>, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        let (answer, result) = oneshot::channel();
        let job = workers::read_job(operation, work, move |value| drop(answer.send(value)));
        self.send_read(operation, job)?;
        Ok(result)
    }

    fn send_read(&self, operation: &'static str, job: Box<dyn ReadJob>) -> Result<(), StoreError> {
        self.inner.health.refuse_while_away(operation)?;
        let queue = self.inner.reads.lock().clone().ok_or(StoreError::Closed)?;
        queue.send(job).map_err(|_| StoreError::Closed)
    }

    /// Tries whether the server takes writes again, where it did not.
    pub(crate) async fn probe(&self) {
        if self.inner.health.failure().is_some()
            && self.queue_write("trying a write", |_| Ok(()), |()| {}).await.is_ok()
        {
            self.inner.health.succeeded();
        }
    }

    /// How long ago this process last took what others wrote.
    pub(crate) fn view_age(&self) -> Duration {
        self.inner.workers.caught_up_at.lock().elapsed()
    }

    /// Commits since the start.
    pub(crate) fn commits(&self) -> u64 {
        self.inner.workers.commits.load(Ordering::Relaxed)
    }

    /// Writes asked for since the start.
    pub(crate) fn jobs(&self) -> u64 {
        self.inner.jobs.load(Ordering::Relaxed)
    }

    /// Finishes what is queued and ends the connections. Blocks.
    pub fn close(&self) {
        self.inner.close();
    }
}

impl Inner {
    fn close(&self) {
        self.workers.stop();
        self.writes.lock().take();
        self.reads.lock().take();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // The last clone may go on one of these threads, with the job that held it.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.close();
    }
}

fn open_error(server: &str, source: PostgresError) -> StoreError {
    StoreError::Database {
        operation: "opening the database",
        source: format!("{server} can not be used: {source}").into(),
    }
}

fn server_error(operation: &'static str, error: PostgresError) -> StoreError {
    WorkError::Postgres(error).into_store_error(operation)
}
