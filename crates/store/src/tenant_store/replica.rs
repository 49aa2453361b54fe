//! Which processes work on a schema of a server. One that keeps samples in a file of its own must be the
//! only one: another would answer with other samples.

use super::leases::{Held, LEASED_FOR_S, LeaseUnit};
use super::work_queue::WorkQueue;
use super::{Backend, SqlStore};
use crate::errors::WorkError;
use crate::sql::{Sql, values};
use ecp_core::ids::InstallationId;
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long a start waits for a process that may have ended without a word.
const WAITS_FOR: Duration = Duration::from_secs(15);
/// Setting of the samples' file that tells it from every other.
const PLACE: &str = "place.id";

/// Where a process keeps samples.
#[derive(Clone, Copy)]
pub enum Samples<'a> {
    /// In a file of its own: it must be the only process on its server's tables.
    Own(&'a crate::Database),
    /// In a store that all processes share.
    Shared,
}

/// This process, as the others know it.
pub(super) struct Replica {
    /// With samples of its own the same after a restart over them, whose file one process alone can have;
    /// else new with each start.
    pub(super) id: String,
    /// There must be no other.
    alone: bool,
    pub(super) unit: LeaseUnit,
    pub(super) held: Mutex<Held>,
}

impl Replica {
    /// True where there must be no other.
    pub(super) fn is_alone(&self) -> bool {
        self.alone
    }

    /// Refuses a write where another process works on these tables by now and one of both must be alone.
    pub(super) fn check(&self, sql: &Sql<'_>) -> Result<(), WorkError> {
        // Others with shared samples were refused when this one was there first, and end it where they were.
        if !self.alone {
            return Ok(());
        }
        self.refuse_others(sql)
    }

    fn refuse_others(&self, sql: &Sql<'_>) -> Result<(), WorkError> {
        let others = "SELECT id FROM replicas
                      WHERE id <> ?1 AND expires > clock_timestamp() AND (embedded = 1 OR CAST(?2 AS BIGINT) = 1) LIMIT 1";
        match sql.value(others, values![&self.id, i64::from(self.alone)])? {
            Some(other) => Err(StoreError::AnotherProcess(other).into()),
            None => Ok(()),
        }
    }

    /// Gives a sign of life.
    pub(super) fn sign(&self, sql: &Sql<'_>) -> Result<(), WorkError> {
        self.refuse_others(sql)?;
        sql.execute(
            "INSERT INTO replicas (id, embedded, expires)
             VALUES (?1, ?2, clock_timestamp() + CAST(?3 AS BIGINT) * interval '1 second')
             ON CONFLICT (id) DO UPDATE SET expires = excluded.expires",
            values![&self.id, self.alone, LEASED_FOR_S],
        )?;
        // Whoever they were, they will not come back under these names.
        for table in ["replicas", "leases"] {
            let gone = format!("DELETE FROM {table} WHERE expires < clock_timestamp() - interval '1 day'");
            sql.execute(&gone, &[])?;
        }
        Ok(())
    }
}

impl SqlStore {
    /// Makes this process one of those that work on the server's tables; on a file it is the only one
    /// already. What it works on it knows from here on; [`Self::keep_leases`] keeps it. Where it, or another,
    /// must be alone, waits for a process that ended without a word to be forgotten.
    pub async fn join(&self, samples: Samples<'_>, unit: LeaseUnit) -> Result<(), StoreError> {
        if matches!(self.database, Backend::Sqlite(_)) {
            return Ok(());
        }
        let (id, alone) = match samples {
            Samples::Own(file) => (place(file).await?, true),
            Samples::Shared => (InstallationId::generate().to_string(), false),
        };
        // What is held comes with its work.
        *self.shared.queue.lock() = WorkQueue::default();
        let replica = Replica { id, alone, unit, held: Mutex::default() };
        if self.shared.replica.set(Arc::new(replica)).is_err() {
            return Ok(());
        }
        let begun = Instant::now();
        loop {
            match self.renew().await {
                Err(StoreError::AnotherProcess(other)) if begun.elapsed() < WAITS_FOR => {
                    tracing::warn!(
                        other,
                        "another process works on this database, or did until lately: waiting"
                    );
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                joined => return joined,
            }
        }
    }
}

/// What tells the samples' file from every other.
async fn place(samples: &crate::Database) -> Result<String, StoreError> {
    const OPERATION: &str = "naming the samples' file";
    samples
        .write(OPERATION, |transaction| {
            let sql = Sql::sqlite(transaction);
            let place = || -> Result<String, WorkError> {
                if let Some(kept) = super::rows::setting(&sql, PLACE)? {
                    return Ok(kept);
                }
                let made = InstallationId::generate().to_string();
                sql.execute("INSERT INTO settings (name, value) VALUES (?1, ?2)", values![PLACE, &made])?;
                Ok(made)
            };
            place().map_err(|error| error.into_store_error(OPERATION))
        })
        .await
}
