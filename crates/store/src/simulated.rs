//! A server's schema in memory, for the simulation of whole replicas: what several processes share, without a
//! machine's threads, sockets and clocks.
//!
//! The tables are those of a server, on a SQLite connection that all handles share. The statements are the
//! server's own; the few words that SQLite has other ones for are replaced ([`as_here`]), and one that is not
//! known here fails loudly. A handle is what a process has of it: writes are its tasks, one after another, with
//! the same steps as on a server – take what others committed, run, commit, publish, answer – and between the
//! steps its [`Wire`] says how long they take and what fails.

use crate::database::{DamageLog, Health};
use crate::errors::WorkError;
use crate::job::TypedJob;
use crate::migrations::MIGRATIONS;
use crate::postgres::Follow;
use crate::sql::Sql;
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::oneshot;

/// Tables of a server after the first steps of the embedded file, and how many those are.
const BASELINE: (&str, usize) = (include_str!("../migrations/postgres/baseline.sql"), 8);

/// What a server says and SQLite says otherwise.
const WORDS: [(&str, &str); 7] = [
    ("clock_timestamp() - interval '1 day'", "clock_ms() - 86400000"),
    ("* interval '1 second'", "* 1000"),
    ("CAST(extract(epoch FROM expires) * 1000 AS BIGINT)", "expires"),
    ("clock_timestamp()", "clock_ms()"),
    (
        "unnest(string_to_array(?1, ',')) AS name",
        "(SELECT value AS name FROM json_each(names(?1))) WHERE true",
    ),
    ("= ANY (string_to_array(?1, ','))", "IN (SELECT value FROM json_each(names(?1)))"),
    ("= ANY (string_to_array(?2, ','))", "IN (SELECT value FROM json_each(names(?2)))"),
];

/// A server's statement as it is written here.
pub(crate) fn as_here(sql: &str) -> Cow<'_, str> {
    if !(sql.contains("clock_timestamp") || sql.contains("string_to_array") || sql.contains("extract(")) {
        return Cow::Borrowed(sql);
    }
    Cow::Owned(WORDS.iter().fold(sql.to_owned(), |sql, (there, here)| sql.replace(there, here)))
}

/// What becomes of one call to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is answered.
    Answered,
    /// The way to the server is cut before it gets there.
    Lost,
    /// It is done, and the answer is lost.
    Unanswered,
    /// It is answered as done, and is not kept: no server does so, a check of what is promised must find it.
    Forgotten,
}

/// The way from one process to the server.
pub trait Wire: Send + Sync {
    /// How long the next step takes.
    fn delay(&self) -> Duration;
    /// Until the process hears what others wrote.
    fn hears_after(&self) -> Duration;
    /// What becomes of the next call.
    fn fate(&self, operation: &'static str) -> Fate;
}

/// The server: one schema's tables, and its clock.
#[derive(Clone)]
pub struct SimulatedServer {
    inner: Arc<Server>,
}

struct Server {
    connection: Mutex<Connection>,
    /// Milliseconds since 1970.
    clock: Arc<AtomicI64>,
    /// What failed that nobody caused: a fault of the program or of the simulation.
    broken: Mutex<Option<String>>,
}

impl SimulatedServer {
    /// Empty tables, at this time in milliseconds since 1970.
    pub fn new(now_ms: i64) -> Result<Self, StoreError> {
        let clock = Arc::new(AtomicI64::new(now_ms));
        let made = connection(clock.clone()).map_err(WorkError::from);
        let connection = made.map_err(|error| error.into_store_error("making a server in memory"))?;
        let inner = Server { connection: Mutex::new(connection), clock, broken: Mutex::default() };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sets its clock.
    pub fn set_clock(&self, now_ms: i64) {
        self.inner.clock.store(now_ms, Ordering::Relaxed);
    }

    /// What failed that nobody caused, once.
    pub fn take_broken(&self) -> Option<String> {
        self.inner.broken.lock().take()
    }

    /// Looks at the tables from outside: rows of text.
    pub fn rows(&self, sql: &str) -> Result<Vec<Vec<String>>, StoreError> {
        let connection = self.inner.connection.lock();
        let rows = || -> Result<Vec<Vec<String>>, WorkError> {
            let mut statement = connection.prepare_cached(sql)?;
            let columns = statement.column_count();
            let mut rows = statement.query([])?;
            let mut all = Vec::new();
            while let Some(row) = rows.next()? {
                let row = crate::sql::Row::Sqlite(row);
                all.push((0..columns).map(|column| row.told(column)).collect());
            }
            Ok(all)
        };
        rows().map_err(|error| error.into_store_error("looking at the tables"))
    }

    /// Empties every table, for another schedule.
    pub fn clear(&self) -> Result<(), StoreError> {
        let connection = self.inner.connection.lock();
        let clear = || -> Result<(), WorkError> {
            let mut statement = connection
                .prepare_cached("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?;
            let names: Vec<String> = statement.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
            // Rows that others refer to go with those that refer to them.
            connection.execute_batch("PRAGMA foreign_keys = OFF")?;
            for name in names {
                connection.prepare_cached(&format!("DELETE FROM {name}"))?.execute([])?;
            }
            connection.execute_batch("DELETE FROM sqlite_sequence; PRAGMA foreign_keys = ON")?;
            Ok(())
        };
        clear().map_err(|error| error.into_store_error("emptying the tables"))
    }

    fn note_broken(&self, error: &StoreError) {
        if let StoreError::Database { source, .. } = error {
            self.inner.broken.lock().get_or_insert_with(|| format!("{error}: {source}"));
        }
    }
}

fn connection(clock: Arc<AtomicI64>) -> rusqlite::Result<Connection> {
    let connection = Connection::open_in_memory()?;
    connection.set_prepared_statement_cache_capacity(256);
    let (baseline, steps) = BASELINE;
    let here = baseline
        .replace("BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT");
    connection.execute_batch(&here)?;
    for migration in &MIGRATIONS[steps..] {
        connection.execute_batch(migration.sql)?;
    }
    connection.execute_batch("PRAGMA foreign_keys = ON; PRAGMA synchronous = OFF")?;
    connection.create_scalar_function("clock_ms", 0, FunctionFlags::SQLITE_UTF8, move |_| {
        Ok(clock.load(Ordering::Relaxed))
    })?;
    let constant = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("names", 1, constant, |context| {
        let names: Option<String> = context.get(0)?;
        let names: Vec<&str> = names.as_deref().unwrap_or_default().split(',').collect();
        serde_json::to_string(&names).map_err(|error| rusqlite::Error::UserFunctionError(error.into()))
    })?;
    Ok(connection)
}

/// What one process has of the server. Cheap to clone.
#[derive(Clone)]
pub struct SimulatedDatabase {
    inner: Arc<Handle>,
}

struct Handle {
    server: SimulatedServer,
    wire: Arc<dyn Wire>,
    damage: DamageLog,
    health: Health,
    /// Held while what was committed, by others or by this process, is taken into memory.
    turn: tokio::sync::Mutex<()>,
    follow: Mutex<Option<Arc<Follow>>>,
    closed: AtomicBool,
    jobs: AtomicU64,
}

/// What a call fails at that is lost.
#[derive(Debug, thiserror::Error)]
#[error("the connection to the server ended")]
struct Cut;

impl SimulatedDatabase {
    /// A process's way to a server.
    pub fn connect(server: &SimulatedServer, wire: Arc<dyn Wire>) -> Self {
        const NAME: &str = "simulated";
        Self {
            inner: Arc::new(Handle {
                server: server.clone(),
                wire,
                damage: DamageLog::new(NAME),
                health: Health::new(NAME),
                turn: tokio::sync::Mutex::new(()),
                follow: Mutex::default(),
                closed: AtomicBool::new(false),
                jobs: AtomicU64::new(0),
            }),
        }
    }

    pub(crate) fn damage(&self) -> &DamageLog {
        &self.inner.damage
    }

    pub(crate) fn write_failure(&self) -> Option<String> {
        self.inner.health.failure()
    }

    /// Who is told what others wrote, and begins to be told: a task of the runtime that this is called on.
    pub(crate) fn follow(&self, follow: Arc<Follow>) {
        *self.inner.follow.lock() = Some(follow);
        let handle = self.inner.clone();
        tokio::spawn(async move {
            while !handle.closed.load(Ordering::Relaxed) {
                tokio::time::sleep(handle.wire.hears_after()).await;
                handle.hear().await;
            }
        });
    }

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
        self.refuse_while_away(operation)?;
        self.queue_write(operation, work, publish).await
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
        self.inner.jobs.fetch_add(1, Ordering::Relaxed);
        let (answer, result) = oneshot::channel();
        let job = TypedJob::new(operation, work, publish, answer);
        // A write goes on whether or not its caller waits for it.
        let handle = self.inner.clone();
        tokio::spawn(async move { handle.write(operation, job).await });
        result.await.map_err(|_| StoreError::Closed)?
    }

    pub(crate) async fn read<T, W>(&self, operation: &'static str, work: W) -> Result<T, StoreError>
    where
        T: Send + 'static,
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError> + Send + 'static,
    {
        self.refuse_while_away(operation)?;
        let handle = &self.inner;
        tokio::time::sleep(handle.wire.delay()).await;
        if matches!(handle.wire.fate(operation), Fate::Lost | Fate::Unanswered) {
            handle.health.failed(&Cut.to_string());
            return Err(StoreError::Database { operation, source: Box::new(Cut) });
        }
        self.read_blocking(work)
    }

    pub(crate) fn read_blocking<T>(
        &self,
        work: impl FnOnce(&Sql<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let server = &self.inner.server;
        let read = work(&server.inner.sql(&server.inner.connection.lock()));
        read.inspect_err(|error| server.note_broken(error))
    }

    fn refuse_while_away(&self, operation: &'static str) -> Result<(), StoreError> {
        if self.inner.closed.load(Ordering::Relaxed) {
            return Err(StoreError::Closed);
        }
        self.inner.health.refuse_while_away(operation)
    }

    /// Tries whether the server answers again, where it did not.
    pub(crate) async fn probe(&self) {
        if self.inner.health.failure().is_some()
            && self.queue_write("trying a write", |_| Ok(()), |()| {}).await.is_ok()
        {
            self.inner.health.succeeded();
        }
    }

    pub(crate) fn jobs(&self) -> u64 {
        self.inner.jobs.load(Ordering::Relaxed)
    }

    pub(crate) fn close(&self) {
        self.inner.closed.store(true, Ordering::Relaxed);
    }
}

impl Server {
    fn sql<'a>(&'a self, connection: &'a Connection) -> Sql<'a> {
        Sql::simulated(connection, self.clock.load(Ordering::Relaxed))
    }
}

impl Handle {
    async fn write<T, W, P>(&self, operation: &'static str, mut job: TypedJob<T, W, P>)
    where
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError>,
        P: FnOnce(&T),
    {
        tokio::time::sleep(self.wire.delay()).await;
        let _turn = self.turn.lock().await;
        let fate = self.wire.fate(operation);
        if fate == Fate::Lost {
            self.health.failed(&Cut.to_string());
            return job.answer(Err(&Cut.to_string()));
        }
        if let Err(error) = self.commit(&mut job, fate != Fate::Forgotten) {
            let error = error.into_store_error(operation);
            self.server.note_broken(&error);
            return job.answer(Err(&error.to_string()));
        }
        // It is committed, and this process does not know it yet.
        tokio::time::sleep(self.wire.delay()).await;
        match fate {
            Fate::Answered | Fate::Forgotten => job.answer(Ok(())),
            Fate::Lost | Fate::Unanswered => {
                self.health.failed(&Cut.to_string());
                job.answer(Err(&Cut.to_string()));
            }
        }
    }

    fn commit<T, W, P>(&self, job: &mut TypedJob<T, W, P>, kept: bool) -> Result<(), WorkError>
    where
        W: FnOnce(&Sql<'_>) -> Result<T, StoreError>,
        P: FnOnce(&T),
    {
        let connection = self.server.inner.connection.lock();
        connection.prepare_cached("BEGIN IMMEDIATE")?.execute([])?;
        let followed = self.catch_up(&self.server.inner.sql(&connection));
        let good = followed.is_ok()
            && job.run_by(|work| {
                work(&self.server.inner.sql(&connection)).inspect_err(|error| self.server.note_broken(error))
            });
        connection.prepare_cached(if good && kept { "COMMIT" } else { "ROLLBACK" })?.execute([])?;
        followed
    }

    /// Takes what others committed.
    fn catch_up(&self, sql: &Sql<'_>) -> Result<(), WorkError> {
        let follow = self.follow.lock().clone();
        follow.map_or(Ok(()), |follow| follow(sql))
    }

    async fn hear(&self) {
        let _turn = self.turn.lock().await;
        if matches!(self.wire.fate("following the feed"), Fate::Lost | Fate::Unanswered) {
            self.health.failed(&Cut.to_string());
            return;
        }
        let connection = self.server.inner.connection.lock();
        if let Err(error) = self.catch_up(&self.server.inner.sql(&connection)) {
            self.server.note_broken(&error.into_store_error("following the feed"));
        }
    }
}
