//! The threads of one schema: the writer, the readers, and the one that follows the feed.

use super::connect::Connector;
use super::feed;
use super::{PostgresError, server_error};
use crate::database::Health;
use crate::errors::WorkError;
use crate::job::{TypedJob, caught};
use crate::sql::{PostgresSession, Sql};
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::Instant;
use tokio::sync::{Notify, oneshot};

/// Jobs in one commit at most, so that the first of them does not wait for ever.
const JOBS_IN_A_COMMIT: usize = 256;
/// Reads at a time.
const READERS: usize = 4;

/// Takes what others wrote since it last did.
pub(crate) type Follow = dyn Fn(&Sql<'_>) -> Result<(), WorkError> + Send + Sync;

/// A write: runs inside the group's transaction, then answers when the group's end is known.
pub(super) trait WriteJob: Send {
    fn run(&mut self, session: &mut PostgresSession) -> bool;
    fn fault(&self) -> Option<String>;
    fn finish(self: Box<Self>, committed: Result<(), &str>);
}

impl<T, W, P> WriteJob for TypedJob<T, W, P>
where
    T: Send,
    W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send,
    P: FnOnce(&T) + Send,
{
    fn run(&mut self, session: &mut PostgresSession) -> bool {
        self.run_by(|work| work(&Sql::postgres(session)))
    }

    fn fault(&self) -> Option<String> {
        self.fault()
    }

    fn finish(self: Box<Self>, committed: Result<(), &str>) {
        self.answer(committed);
    }
}

pub(super) fn write_job<T, W, P>(
    operation: &'static str,
    work: W,
    publish: P,
    answer: oneshot::Sender<Result<T, StoreError>>,
) -> Box<dyn WriteJob>
where
    T: Send + 'static,
    W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    P: FnOnce(&T) + Send + 'static,
{
    Box::new(TypedJob::new(operation, work, publish, answer))
}

/// A read: runs on one state of the database and answers.
pub(super) trait ReadJob: Send {
    fn operation(&self) -> &'static str;
    /// Runs it; what its failure says of the server.
    fn run(self: Box<Self>, session: Result<&mut PostgresSession, PostgresError>) -> Option<String>;
}

struct TypedRead<W, A> {
    operation: &'static str,
    work: W,
    answer: A,
}

impl<T, W, A> ReadJob for TypedRead<W, A>
where
    W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send,
    A: FnOnce(Result<T, StoreError>) + Send,
{
    fn operation(&self) -> &'static str {
        self.operation
    }

    fn run(self: Box<Self>, session: Result<&mut PostgresSession, PostgresError>) -> Option<String> {
        let Self { operation, work, answer } = *self;
        let result = match session {
            Ok(session) => caught(operation, || work(&Sql::postgres(session))),
            Err(error) => Err(server_error(operation, error)),
        };
        let fault = result.as_ref().err().and_then(crate::database::storage_fault);
        answer(result);
        fault
    }
}

pub(super) fn read_job<T, W, A>(operation: &'static str, work: W, answer: A) -> Box<dyn ReadJob>
where
    T: Send + 'static,
    W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    A: FnOnce(Result<T, StoreError>) + Send + 'static,
{
    Box::new(TypedRead { operation, work, answer })
}

/// What the threads share.
pub(super) struct Workers {
    pub(super) connector: Connector,
    pub(super) health: Arc<Health>,
    /// Held while what was committed, by others or by this process, is taken into memory: in the order of
    /// the revisions.
    pub(super) turn: Mutex<()>,
    follow: OnceLock<Arc<Follow>>,
    pub(super) stopped: AtomicBool,
    /// Commits since the start.
    pub(super) commits: AtomicU64,
    /// When what others committed was last taken into memory.
    pub(super) caught_up_at: Mutex<Instant>,
    /// Wakes who follows the feed.
    pub(super) heard: Arc<Notify>,
}

impl Workers {
    pub(super) fn new(connector: Connector, health: Arc<Health>) -> Self {
        Self {
            connector,
            health,
            turn: Mutex::new(()),
            follow: OnceLock::new(),
            stopped: AtomicBool::new(false),
            commits: AtomicU64::new(0),
            caught_up_at: Mutex::new(Instant::now()),
            heard: Arc::new(Notify::new()),
        }
    }

    /// Starts the writer and the readers.
    pub(super) fn start(
        self: &Arc<Self>,
        session: PostgresSession,
        writes: Receiver<Box<dyn WriteJob>>,
        reads: Receiver<Box<dyn ReadJob>>,
    ) -> Result<Vec<JoinHandle<()>>, StoreError> {
        let shared = self.clone();
        let mut threads = vec![spawn("store-writer", move || shared.write_until_closed(session, &writes))?];
        let reads = Arc::new(Mutex::new(reads));
        for _ in 0..READERS {
            let (shared, reads) = (self.clone(), reads.clone());
            threads.push(spawn("store-reader", move || shared.read_until_closed(&reads))?);
        }
        Ok(threads)
    }

    /// Starts following the feed.
    pub(super) fn follow(self: &Arc<Self>, follow: Arc<Follow>) -> Result<JoinHandle<()>, StoreError> {
        self.follow.get_or_init(|| follow);
        let shared = self.clone();
        spawn("store-feed", move || feed::follow_until_stopped(&shared))
    }

    /// Has the thread that follows the feed end; the others end with their queues.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        self.heard.notify_one();
    }

    fn write_until_closed(&self, session: PostgresSession, jobs: &Receiver<Box<dyn WriteJob>>) {
        let mut session = Some(session);
        let mut group: Vec<Box<dyn WriteJob>> = Vec::with_capacity(JOBS_IN_A_COMMIT);
        while let Ok(first) = jobs.recv() {
            group.push(first);
            group.extend(jobs.try_iter().take(JOBS_IN_A_COMMIT - 1));
            let mut turn = None;
            let outcome = self.commit(&mut session, &mut group, &mut turn).map_err(|error| {
                if error.is_outage() {
                    self.health.failed(&error.to_string());
                }
                // Whatever the server makes of it, this session is done: what did get through is read
                // from the feed by the next.
                session = None;
                error.to_string()
            });
            if let Some(fault) = group.iter().find_map(|job| job.fault()) {
                self.health.failed(&fault);
            }
            for job in group.drain(..) {
                job.finish(outcome.as_ref().copied().map_err(String::as_str));
            }
            drop(turn);
        }
    }

    /// Runs a group in one transaction; an error means that nothing of it is known to be kept.
    fn commit<'a>(
        &'a self,
        session: &mut Option<PostgresSession>,
        group: &mut [Box<dyn WriteJob>],
        turn: &mut Option<parking_lot::MutexGuard<'a, ()>>,
    ) -> Result<(), PostgresError> {
        let session = self.connected(session)?;
        session.batch("BEGIN")?;
        session.query("SELECT pg_advisory_xact_lock(hashtextextended(current_schema(), 0))", &[])?;
        *turn = Some(self.turn.lock());
        self.catch_up(session)?;
        for job in &mut *group {
            session.batch("SAVEPOINT job")?;
            let good = job.run(session);
            if session.is_closed() {
                return Err(PostgresError::Lost);
            }
            session.batch(if good { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" })?;
        }
        session.batch(&format!("NOTIFY {}", feed::channel(&self.connector)))?;
        session.batch("COMMIT")?;
        self.commits.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    /// Takes what others committed, in a transaction that is open.
    pub(super) fn catch_up(&self, session: &mut PostgresSession) -> Result<(), PostgresError> {
        let Some(follow) = self.follow.get() else { return Ok(()) };
        let asked = Instant::now();
        follow(&Sql::postgres(session)).map_err(|error| match error {
            WorkError::Postgres(error) => error,
            other => PostgresError::Feed(other.to_string()),
        })?;
        *self.caught_up_at.lock() = asked;
        Ok(())
    }

    fn connected<'s>(
        &self,
        session: &'s mut Option<PostgresSession>,
    ) -> Result<&'s mut PostgresSession, PostgresError> {
        if session.as_ref().is_none_or(PostgresSession::is_closed) {
            *session = Some(self.connector.connect()?);
        }
        session.as_mut().ok_or(PostgresError::Lost)
    }

    fn read_until_closed(&self, jobs: &Mutex<Receiver<Box<dyn ReadJob>>>) {
        let mut session = None;
        loop {
            // One waits for the next job, the others for their turn to.
            let next = jobs.lock().recv();
            let Ok(job) = next else { return };
            let operation = job.operation();
            let begun = self.begin_read(&mut session);
            if let Some(fault) = job.run(begun) {
                tracing::debug!(operation, fault, "a read failed");
                self.health.failed(&fault);
                session = None;
            }
            if session.as_mut().is_some_and(|session| session.batch("COMMIT").is_err()) {
                session = None;
            }
        }
    }

    /// A session in a transaction that sees one state throughout.
    fn begin_read<'s>(
        &self,
        session: &'s mut Option<PostgresSession>,
    ) -> Result<&'s mut PostgresSession, PostgresError> {
        const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
        // What stood idle may have been ended by the server since.
        if session.as_mut().is_some_and(|session| session.batch(BEGIN).is_err()) {
            *session = None;
        }
        if session.is_none() {
            self.connected(session)?.batch(BEGIN)?;
        }
        session.as_mut().ok_or(PostgresError::Lost)
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, StoreError> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(work)
        .map_err(|error| server_error("starting the database's threads", error.into()))
}
