//! Rows of a database that can not be read: what is known of each.
//!
//! Such a row is set aside: it is left as it is for whoever mends it, shown to nobody, and stops
//! nothing else.

use crate::ids::TenantId;
use std::fmt;

/// One row that can not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Name of the database file, such as `real.db`.
    pub file: String,
    /// The table.
    pub table: &'static str,
    /// What tells the row from the others of its table.
    pub row: String,
    /// Whose it is, where that is known.
    pub tenant_id: Option<TenantId>,
    /// What is wrong with it.
    pub reason: String,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "row {} of table {} in {}: {}", self.row, self.table, self.file, self.reason)
    }
}
