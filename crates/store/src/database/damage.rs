//! Rows of one file that can not be read: each is logged once and kept for whoever asks.

use ecp_core::damage::Damage;
use ecp_core::ids::TenantId;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

/// Rows that are remembered; of more, the log has each once in a while.
const ROWS_KEPT: usize = 10_000;

/// The damaged rows of one database. Cheap to clone.
#[derive(Clone, Debug)]
pub struct DamageLog {
    file: Arc<str>,
    rows: Arc<Mutex<BTreeMap<(&'static str, String), Damage>>>,
}

impl DamageLog {
    /// For a database file.
    pub(crate) fn of_file(path: &Path) -> Self {
        Self::new(&path.file_name().unwrap_or(path.as_os_str()).to_string_lossy())
    }

    /// For a database of this name.
    pub(crate) fn new(name: &str) -> Self {
        Self { file: name.into(), rows: Arc::default() }
    }

    /// Sets a row aside: says so in the log, unless that was said before.
    pub fn set_aside(
        &self,
        table: &'static str,
        row: impl Into<String>,
        tenant_id: Option<TenantId>,
        reason: &dyn Display,
    ) {
        let (row, reason) = (row.into(), reason.to_string());
        let damage = Damage { file: self.file.to_string(), table, row: row.clone(), tenant_id, reason };
        let mut rows = self.rows.lock();
        if rows.contains_key(&(table, row.clone())) {
            return;
        }
        tracing::error!(
            file = damage.file,
            table,
            row = damage.row,
            tenant.id = damage.tenant_id.as_ref().map(TenantId::as_str),
            reason = damage.reason,
            "a damaged row is set aside; everything else goes on"
        );
        if rows.len() < ROWS_KEPT {
            rows.insert((table, row), damage);
        }
    }

    /// Whether a row is set aside.
    pub fn has(&self, table: &'static str, row: &str) -> bool {
        let rows = self.rows.lock();
        !rows.is_empty() && rows.contains_key(&(table, row.to_owned()))
    }

    /// Every row that is set aside, by table.
    pub fn rows(&self) -> Vec<Damage> {
        self.rows.lock().values().cloned().collect()
    }
}
