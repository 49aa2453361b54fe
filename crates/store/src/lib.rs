//! The tenant store: SQLite or PostgreSQL behind the domain's ports.
//!
//! [`Database`] is one file with one writer thread that many callers share; the metrics crate keeps
//! its tables in the same file through it. [`PostgresDatabase`] is one schema on a server, which many
//! processes share. [`SqlStore`] is written once for both, in the SQL that both know. The crate keeps what it is given, refuses what breaks a
//! promise of [`ecp_core::ports::TenantStore`] and decides nothing else.

#![cfg_attr(test, allow(clippy::duplicate_mod, reason = "one suite is kept on two databases"))]

mod access;
mod database;
mod errors;
mod job;
mod migrations;
mod postgres;
#[cfg(feature = "simulation")]
mod simulated;
mod sql;
mod tenant_store;

pub use access::{AccessError, AccessStore, NewToken, TokenInfo, TokenSecret};
pub use database::{DamageLog, DataFolder, Database};
pub use errors::{OpenFault, WorkError, database_error};
pub use migrations::{MIGRATIONS, Migration};
pub use postgres::{Moved, PostgresDatabase, PostgresError, PostgresUrl, Source, UrlFault, move_to};
#[cfg(feature = "simulation")]
pub use simulated::{Fate, SimulatedDatabase, SimulatedServer, Wire};
pub use tenant_store::{ALERT_CHANGES_KEPT, Backend, LeaseUnit, Samples, SqlStore};
