//! SQL as both databases take it: a statement with `?1`, `?2` … in it, values of four types, and rows.
//!
//! What is written here is neither SQLite's nor PostgreSQL's own: numbers and truth values are integers,
//! documents are text, and what is searched stands in a column of its own.

mod change;
mod many;
mod session;
mod value;
#[cfg(test)]
mod work;

pub(crate) use change::Change;
pub(crate) use many::{in_powers_of_two, places};
pub(crate) use session::PostgresSession;
pub(crate) use value::{Row, Value};
#[cfg(test)]
pub(crate) use work::Work;

use crate::errors::WorkError;
use ecp_core::Timestamp;
use std::cell::RefCell;
use value::Decode;

/// The values of a statement, in the order of their numbers.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::sql::Value::from($value)),*] };
}
pub(crate) use values;

/// One state of a database to read, or a transaction to write in.
pub(crate) struct Sql<'a> {
    engine: Engine<'a>,
    changes: RefCell<Vec<Change>>,
    #[cfg(test)]
    work: std::cell::Cell<Work>,
}

enum Engine<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(RefCell<&'a mut PostgresSession>),
    /// A server in memory, and its clock in milliseconds since 1970.
    #[cfg(feature = "simulation")]
    Simulated(&'a rusqlite::Connection, i64),
}

impl<'a> Sql<'a> {
    /// On an embedded file.
    pub(crate) fn sqlite(connection: &'a rusqlite::Connection) -> Self {
        Self::on(Engine::Sqlite(connection))
    }

    /// On a server.
    pub(crate) fn postgres(session: &'a mut PostgresSession) -> Self {
        Self::on(Engine::Postgres(RefCell::new(session)))
    }

    /// On a server in memory, at this time in milliseconds since 1970.
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(connection: &'a rusqlite::Connection, now_ms: i64) -> Self {
        Self::on(Engine::Simulated(connection, now_ms))
    }

    fn on(engine: Engine<'a>) -> Self {
        Self {
            engine,
            changes: RefCell::default(),
            #[cfg(test)]
            work: std::cell::Cell::default(),
        }
    }

    /// Runs a statement; how many rows it wrote.
    pub(crate) fn execute(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, WorkError> {
        match &self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let written = statement.execute(rusqlite::params_from_iter(values))?;
                #[cfg(test)]
                self.note_work(Some(&statement));
                Ok(written)
            }
            Engine::Postgres(session) => {
                #[cfg(test)]
                self.note_work(None);
                Ok(session.borrow_mut().execute(sql, values)?)
            }
            #[cfg(feature = "simulation")]
            Engine::Simulated(connection, _) => {
                let sql = crate::simulated::as_here(sql);
                Ok(connection.prepare_cached(&sql)?.execute(rusqlite::params_from_iter(values))?)
            }
        }
    }

    /// Every row that a statement gives, as `read` makes of it.
    pub(crate) fn rows<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        mut read: impl FnMut(&Row<'_>) -> Result<T, WorkError>,
    ) -> Result<Vec<T>, WorkError> {
        let mut all = Vec::new();
        match &self.engine {
            Engine::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    all.push(read(&Row::Sqlite(row))?);
                }
                drop(rows);
                #[cfg(test)]
                self.note_work(Some(&statement));
            }
            #[cfg(feature = "simulation")]
            Engine::Simulated(connection, _) => {
                let mut statement = connection.prepare_cached(&crate::simulated::as_here(sql))?;
                let mut rows = statement.query(rusqlite::params_from_iter(values))?;
                while let Some(row) = rows.next()? {
                    all.push(read(&Row::Sqlite(row))?);
                }
            }
            Engine::Postgres(session) => {
                #[cfg(test)]
                self.note_work(None);
                // Read whole before any of it is looked at: `read` may ask for more.
                let rows = session.borrow_mut().query(sql, values)?;
                for row in &rows {
                    all.push(read(&Row::Postgres(row))?);
                }
            }
        }
        Ok(all)
    }

    /// The first row, where there is one.
    pub(crate) fn row<T>(
        &self,
        sql: &str,
        values: &[Value<'_>],
        read: impl FnMut(&Row<'_>) -> Result<T, WorkError>,
    ) -> Result<Option<T>, WorkError> {
        Ok(self.rows(sql, values, read)?.into_iter().next())
    }

    /// The first column of the first row, where there is one.
    pub(crate) fn value<T: Decode>(&self, sql: &str, values: &[Value<'_>]) -> Result<Option<T>, WorkError> {
        self.row(sql, values, |row| row.get(0))
    }

    /// A count; 0 where there is no row.
    pub(crate) fn count(&self, sql: &str, values: &[Value<'_>]) -> Result<usize, WorkError> {
        let count: u64 = self.value(sql, values)?.unwrap_or(0);
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// True where there is a row.
    pub(crate) fn exists(&self, sql: &str, values: &[Value<'_>]) -> Result<bool, WorkError> {
        Ok(self.row(sql, values, |_| Ok(()))?.is_some())
    }

    /// The time of the database that all who use it share, in milliseconds since 1970: a server's own, or
    /// this process's where it is a file's only one.
    pub(crate) fn now_ms(&self, here: Timestamp) -> Result<i64, WorkError> {
        match &self.engine {
            Engine::Sqlite(_) => Ok(here.as_millisecond()),
            #[cfg(feature = "simulation")]
            Engine::Simulated(_, now_ms) => Ok(*now_ms),
            Engine::Postgres(_) => {
                let now = "SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT)";
                Ok(self.value(now, &[])?.unwrap_or_else(|| here.as_millisecond()))
            }
        }
    }

    /// Says what this transaction changes, for whoever keeps it in memory.
    pub(crate) fn touch(&self, change: Change) {
        self.changes.borrow_mut().push(change);
    }

    /// What was touched so far, which is forgotten here.
    pub(crate) fn take_changes(&self) -> Vec<Change> {
        self.changes.take()
    }
}
