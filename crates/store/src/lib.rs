//! The embedded store: SQLite behind the domain's ports.
//!
//! It keeps what it is given, refuses what breaks a promise of [`ecp_core::ports::TenantStore`] and
//! decides nothing else. Samples are the metrics crate's; it keeps them through [`Database`].

mod database;
mod errors;

pub use database::{Database, Migration};
pub use errors::database_error;

/// The schema of a mode's database, oldest step first.
pub const MIGRATIONS: &[Migration] = &[
    Migration { name: "creating the tenant tables", sql: include_str!("../migrations/0001_tenants.sql") },
    Migration { name: "creating the sample tables", sql: include_str!("../migrations/0002_samples.sql") },
];
