//! Which process works on a schema of a server. One that keeps samples in a file of its own must be the
//! only one: another would answer with other samples.

use super::{Backend, SqlStore};
use crate::errors::WorkError;
use crate::sql::{Sql, values};
use ecp_core::ids::InstallationId;
use ecp_core::ports::StoreError;
use parking_lot::Mutex;
use std::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;

/// How long a process counts as there without a sign of life, by the server's clock.
const THERE_FOR_S: i64 = 12;
/// Between two signs of life.
const SIGN_EVERY: Duration = Duration::from_secs(3);
/// How long after a sign this process may act on what it holds: shorter, so that it has stopped before
/// another may begin.
const ACTS_FOR: Duration = Duration::from_secs(8);
/// How long a start waits for a process that may have ended without a word.
const WAITS_FOR: Duration = Duration::from_secs(15);
/// Setting of the samples' file that tells it from every other.
const PLACE: &str = "place.id";

/// This process, as the others know it.
pub(super) struct Replica {
    /// The same after a restart over the same samples, whose file one process alone can have.
    place: String,
    /// When the last sign of life began to be written.
    signed: Mutex<Instant>,
}

impl Replica {
    /// True while no other process can have begun to work.
    pub(super) fn acts(&self) -> bool {
        self.signed.lock().elapsed() < ACTS_FOR
    }

    /// Refuses a write where another process works on these tables by now.
    pub(super) fn check(&self, sql: &Sql<'_>) -> Result<(), WorkError> {
        let others = "SELECT id FROM replicas WHERE id <> ?1 AND expires > clock_timestamp() LIMIT 1";
        match sql.value(others, values![&self.place])? {
            Some(other) => Err(StoreError::AnotherProcess(other).into()),
            None => Ok(()),
        }
    }

    fn sign(&self, sql: &Sql<'_>) -> Result<(), WorkError> {
        self.check(sql)?;
        sql.execute(
            "INSERT INTO replicas (id, embedded, expires) VALUES (?1, 1, clock_timestamp() + CAST(?2 AS BIGINT) * interval '1 second')
             ON CONFLICT (id) DO UPDATE SET expires = excluded.expires",
            values![&self.place, THERE_FOR_S],
        )?;
        Ok(())
    }
}

impl SqlStore {
    /// Makes this process the one that works on the server's tables; on a file it is that already. `samples`
    /// is where its samples are. Waits for a process that ended without a word to be forgotten.
    pub async fn take_over(&mut self, samples: &crate::Database) -> Result<(), StoreError> {
        if matches!(self.database, Backend::Sqlite(_)) {
            return Ok(());
        }
        let place = place(samples).await?;
        self.replica = Some(Replica { place, signed: Mutex::new(Instant::now()) }.into());
        let begun = Instant::now();
        loop {
            match self.sign().await {
                Err(StoreError::AnotherProcess(other)) if begun.elapsed() < WAITS_FOR => {
                    tracing::warn!(
                        other,
                        "another process works on this database, or did until lately: waiting"
                    );
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                signed => return signed,
            }
        }
    }

    /// Gives signs of life until told to stop, and then says goodbye.
    pub async fn keep_signing(&self, stop: CancellationToken) {
        let Some(replica) = self.replica.clone() else { return };
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(SIGN_EVERY) => {}
            }
            if let Err(error @ StoreError::AnotherProcess(_)) = self.sign().await {
                let error = &error as &dyn std::error::Error;
                tracing::error!(error, "this process was away and another took its place: stop one of them");
            }
        }
        let leave = move |sql: &Sql<'_>| {
            sql.execute("DELETE FROM replicas WHERE id = ?1", values![&replica.place])?;
            Ok(())
        };
        // Where it can not be said, it is forgotten by itself.
        let _ = self.database.write_then("leaving the database", leave, |()| {}).await;
    }

    async fn sign(&self) -> Result<(), StoreError> {
        let Some(replica) = self.replica.clone() else { return Ok(()) };
        let (signing, begun) = (replica.clone(), Instant::now());
        let sign = move |sql: &Sql<'_>| signing.sign(sql);
        self.database.write_then("giving a sign of life", sign, |()| {}).await?;
        *replica.signed.lock() = begun;
        Ok(())
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
