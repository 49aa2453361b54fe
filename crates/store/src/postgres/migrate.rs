//! Moving an embedded installation to a server: all of it in one transaction, or nothing.

use super::connect::Connector;
use super::{PostgresDatabase, PostgresUrl, server_error};
use crate::database::Database;
use crate::errors::{WorkError, database_error};
use crate::migrations::{ACCESS_MIGRATIONS, MIGRATIONS, Migration};
use crate::sql::{PostgresSession, Value, values};
use ecp_core::ports::StoreError;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

const OPERATION: &str = "moving to the server";
/// Setting of a file whose tenants are on a server now.
const MOVED_TO: &str = "moved.to";

/// What an embedded file holds, and where it goes.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file; one that is not there has nothing to move.
    pub file: PathBuf,
    /// Schema on the server.
    pub schema: &'static str,
    /// Whether it is the tokens' file.
    pub is_access: bool,
}

/// Rows that were moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Schema on the server.
    pub schema: &'static str,
    /// Table.
    pub table: String,
    /// How many.
    pub rows: usize,
}

/// Copies the files of an installation that does not run into the schemas of a server, which must hold
/// nothing yet, and marks them as moved. Samples stay where they are. Blocks; not to be called from a task.
///
/// # Errors
/// A file is in use or can not be read, or the server refuses; then nothing was moved.
pub fn move_to(sources: &[Source], url: &PostgresUrl) -> Result<Vec<Moved>, StoreError> {
    let scratch = std::env::temp_dir().join(format!("ecp-migrate-{}", std::process::id()));
    std::fs::create_dir_all(&scratch).map_err(database_error(OPERATION))?;
    let moved = copy_all(sources, url, &scratch);
    // What it holds was copied from files that are still there.
    let _ = std::fs::remove_dir_all(&scratch);
    let moved = moved?;
    for source in sources.iter().filter(|source| !source.is_access && source.file.exists()) {
        mark(&source.file, &url.told())?;
    }
    Ok(moved)
}

/// Where the tenants of a file went, where they did.
pub(crate) fn moved_to(connection: &Connection) -> Result<Option<String>, WorkError> {
    use rusqlite::OptionalExtension;
    let mut found = connection.prepare("SELECT value FROM settings WHERE name = ?1")?;
    Ok(found.query_row(params![MOVED_TO], |row| row.get(0)).optional()?)
}

fn mark(file: &Path, server: &str) -> Result<(), StoreError> {
    let database = Database::open(file, MIGRATIONS)?;
    let marked = Connection::open(file).and_then(|connection| {
        connection.execute(
            "INSERT INTO settings (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            params![MOVED_TO, server],
        )
    });
    database.close();
    marked.map(|_| ()).map_err(database_error("marking the file as moved"))
}

fn copy_all(sources: &[Source], url: &PostgresUrl, scratch: &Path) -> Result<Vec<Moved>, StoreError> {
    let sql = |error| server_error(OPERATION, error);
    for source in sources {
        // Makes the tables.
        match source.is_access {
            true => PostgresDatabase::open_access(url)?.close(),
            false => PostgresDatabase::open(url, source.schema)?.close(),
        }
    }
    let mut session = Connector::new(url, "public").connect().map_err(sql)?;
    session.batch("BEGIN").map_err(sql)?;
    let mut moved = Vec::new();
    for source in sources.iter().filter(|source| source.file.exists()) {
        session.batch(&format!("SET LOCAL search_path = {}", source.schema)).map_err(sql)?;
        let migrations: &'static [Migration] = if source.is_access { ACCESS_MIGRATIONS } else { MIGRATIONS };
        let copy = scratch.join(source.schema);
        // Brought to the newest schema there: the original is left as it is.
        if source.is_access {
            copy_access(&source.file, &copy)?;
        } else {
            Database::copy_unused(&source.file, &copy)?;
        }
        Database::open(&copy, migrations)?.close();
        let file = Connection::open(&copy).map_err(database_error(OPERATION))?;
        if let Some(server) = moved_before(&file, source)? {
            let text = format!("{} was moved to {server} before", source.file.display());
            return Err(StoreError::Database { operation: OPERATION, source: text.into() });
        }
        for table in tables(&file)? {
            let rows = copy_table(&file, &mut session, source.schema, &table)?;
            moved.push(Moved { schema: source.schema, table, rows });
        }
    }
    session.batch("COMMIT").map_err(sql)?;
    Ok(moved)
}

fn moved_before(file: &Connection, source: &Source) -> Result<Option<String>, StoreError> {
    if source.is_access {
        return Ok(None);
    }
    moved_to(file).map_err(|error| error.into_store_error(OPERATION))
}

/// The tokens' file has no owner: it is copied by the engine.
fn copy_access(from: &Path, to: &Path) -> Result<(), StoreError> {
    let copy = || -> rusqlite::Result<()> {
        let file = Connection::open(from)?;
        file.execute("VACUUM INTO ?1", params![to.to_string_lossy()])?;
        Ok(())
    };
    copy().map_err(database_error(OPERATION))
}

/// Tables in the order in which they were made, so that what refers to another comes after it. Samples are
/// another store's.
fn tables(file: &Connection) -> Result<Vec<String>, StoreError> {
    let list = || -> rusqlite::Result<Vec<String>> {
        let mut found = file.prepare(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'
             AND name NOT LIKE 'sample%' ORDER BY rowid",
        )?;
        found.query_map([], |row| row.get(0))?.collect()
    };
    list().map_err(database_error(OPERATION))
}

fn copy_table(
    file: &Connection,
    session: &mut PostgresSession,
    schema: &'static str,
    table: &str,
) -> Result<usize, StoreError> {
    let sql = |error| server_error(OPERATION, error);
    let there = session.query(&format!("SELECT 1 FROM {table} LIMIT 1"), &[]).map_err(sql)?;
    if !there.is_empty() {
        let text = format!(
            "table {schema}.{table} of the server is not empty: choose an empty database, or drop the schema {schema}"
        );
        return Err(StoreError::Database { operation: OPERATION, source: text.into() });
    }
    let mut copied = || -> Result<usize, WorkError> {
        let mut select = file.prepare(&format!("SELECT * FROM {table}"))?;
        let columns: Vec<String> = select.column_names().map(str::to_owned).collect();
        let places: Vec<String> = (1..=columns.len()).map(|place| format!("?{place}")).collect();
        let insert = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
        let mut rows = select.query([])?;
        let mut count = 0;
        while let Some(row) = rows.next()? {
            let mut given = Vec::with_capacity(columns.len());
            for (column, name) in columns.iter().enumerate() {
                given.push(match row.get_ref(column)? {
                    ValueRef::Null => Value::Null,
                    ValueRef::Integer(number) => Value::Integer(number),
                    ValueRef::Text(text) => Value::Text(std::str::from_utf8(text).map_err(|_| {
                        WorkError::Damaged(format!("{table}.{name} holds text that is none"))
                    })?),
                    ValueRef::Blob(bytes) => Value::Bytes(bytes),
                    ValueRef::Real(_) => {
                        let what = format!("{table}.{name} holds a fraction");
                        return Err(WorkError::Damaged(what));
                    }
                });
            }
            session.execute(&insert, &given)?;
            count += 1;
        }
        // Numbers that the server gives go on after those that came.
        for column in columns {
            let numbered = "SELECT pg_get_serial_sequence(?1, ?2)";
            let named = format!("{schema}.{table}");
            let sequence = session.query(numbered, values![&named, &column])?;
            if let Some(sequence) = sequence.first().and_then(|row| row.get::<_, Option<String>>(0)) {
                session.batch(&format!(
                    "SELECT setval('{sequence}', (SELECT coalesce(max({column}), 0) + 1 FROM {table}), false)"
                ))?;
            }
        }
        Ok(count)
    };
    copied().map_err(|error| error.into_store_error(OPERATION))
}
