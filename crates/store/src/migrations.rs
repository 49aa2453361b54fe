//! The schema's history: each step runs once, in order, in a transaction of its own.

use crate::errors::OpenFault;
use ecp_core::ports::StoreError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// One step of a schema; its version is its position in the list, from 1, and is kept in the file's
/// `user_version`.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// What it does, for errors.
    pub name: &'static str,
    /// SQL statements, run in one transaction with the version's change.
    pub sql: &'static str,
}

/// The schema of a mode's database, oldest step first. From the ninth on, a step is written for both
/// databases: its types are `INTEGER`, `TEXT` and `BLOB`, its tables `STRICT`, its numbers `INTEGER PRIMARY KEY`.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "creating the tenant tables", sql: include_str!("../migrations/0001_tenants.sql") },
    Migration { name: "creating the sample tables", sql: include_str!("../migrations/0002_samples.sql") },
    Migration { name: "creating the revision tables", sql: include_str!("../migrations/0003_revisions.sql") },
    Migration {
        name: "telling apart the callers of idempotency keys",
        sql: include_str!("../migrations/0004_idempotency_actors.sql"),
    },
    Migration {
        name: "telling tenants of one id apart",
        sql: include_str!("../migrations/0005_incarnations.sql"),
    },
    Migration { name: "keeping what is set aside", sql: include_str!("../migrations/0006_set_aside.sql") },
    Migration { name: "creating the ledger's tables", sql: include_str!("../migrations/0007_ledger.sql") },
    Migration { name: "giving each commit a revision", sql: include_str!("../migrations/0008_feed.sql") },
    Migration {
        name: "creating the alert rules' table",
        sql: include_str!("../migrations/0009_alert_rules.sql"),
    },
    Migration { name: "creating the silences' table", sql: include_str!("../migrations/0010_silences.sql") },
    Migration {
        name: "numbering the changes of all alerts",
        sql: include_str!("../migrations/0011_alert_feed.sql"),
    },
    Migration {
        name: "keeping what tenants paid and cost",
        sql: include_str!("../migrations/0012_price_periods.sql"),
    },
    Migration {
        name: "creating the receivers' tables",
        sql: include_str!("../migrations/0013_receivers.sql"),
    },
    Migration {
        name: "finding an alert's deliveries",
        sql: include_str!("../migrations/0014_deliveries_of_alert.sql"),
    },
    Migration {
        name: "telling little by little what a silence's end tells",
        sql: include_str!("../migrations/0015_ended_silences.sql"),
    },
];

/// The schema of the token file.
pub(crate) const ACCESS_MIGRATIONS: &[Migration] = &[Migration {
    name: "creating the token table",
    sql: include_str!("../migrations/access/0001_tokens.sql"),
}];

/// Brings a file to the newest schema; refuses one that a newer program wrote.
pub(crate) fn migrate(
    connection: &mut Connection,
    path: &Path,
    migrations: &[Migration],
) -> Result<(), StoreError> {
    let known = migrations.len() as i64;
    let sqlite = |source| StoreError::from(OpenFault::from_sqlite(path, source));
    let found = version(connection).map_err(sqlite)?;
    if found > known {
        return Err(StoreError::SchemaTooNew { found, known });
    }
    for (step, migration) in (1..).zip(migrations).filter(|(step, _)| *step > found) {
        run_step(connection, step, migration).map_err(|source| OpenFault::Migration {
            version: step,
            name: migration.name,
            source,
        })?;
    }
    Ok(())
}

fn run_step(connection: &mut Connection, step: i64, migration: &Migration) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // The token file has no single owner: another process may have taken this step meanwhile.
    if version(&transaction)? >= step {
        return Ok(());
    }
    transaction.execute_batch(migration.sql)?;
    transaction.pragma_update(None, "user_version", step)?;
    transaction.commit()
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}
