//! What a piece of database work fails at, and how that becomes the domain's [`StoreError`].

use crate::postgres::PostgresError;
use ecp_core::ports::StoreError;
use rusqlite::ErrorCode;
use std::path::PathBuf;

/// How a piece of work inside a transaction fails; `?` makes one from a domain refusal, a database
/// error or a document that can not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The work refused; the database is fine.
    #[error(transparent)]
    Refused(#[from] StoreError),
    /// The database failed.
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    /// The server failed.
    #[error(transparent)]
    Postgres(#[from] PostgresError),
    /// A stored document does not read, or a value does not write.
    #[error("a stored document can not be read or written")]
    Document(#[from] serde_json::Error),
    /// A stored value makes no sense; the text says which.
    #[error("{0}")]
    Damaged(String),
    /// The work panicked; the log has where.
    #[error("the work panicked: {0}")]
    Panicked(String),
}

impl From<tokio_postgres::Error> for WorkError {
    fn from(error: tokio_postgres::Error) -> Self {
        Self::Postgres(error.into())
    }
}

impl WorkError {
    /// The domain's error: a refusal as it is, anything else as a failure of `operation`.
    pub fn into_store_error(self, operation: &'static str) -> StoreError {
        match self {
            Self::Refused(refusal) => refusal,
            failure => StoreError::Database { operation, source: Box::new(failure) },
        }
    }
}

/// Why a database file could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenFault {
    /// Another process has it.
    #[error(
        "{} is in use by another process ({holder}): stop that one first, or choose another data folder",
        path.display()
    )]
    Locked {
        /// The database file.
        path: PathBuf,
        /// What the lock file says of the holder.
        holder: String,
    },
    /// It is not a database, or its pages are damaged.
    #[error(
        "{} is damaged or not a database of this program: restore it from a backup, or move it away to start empty",
        path.display()
    )]
    Damaged {
        /// The database file.
        path: PathBuf,
        /// What the database engine says.
        #[source]
        source: rusqlite::Error,
    },
    /// It held data and is not there any more.
    #[error(
        "{} is {state}, though {evidence}: put it back from a backup, or, to begin it anew without its data, make an empty file {} and start again",
        path.display(), anew.display()
    )]
    Gone {
        /// The database file.
        path: PathBuf,
        /// `missing` or `empty`.
        state: &'static str,
        /// What tells that it held data.
        evidence: String,
        /// The file that lets it be made anew.
        anew: PathBuf,
    },
    /// A folder or file could not be made, locked or read.
    #[error("{} can not be used", path.display())]
    File {
        /// The folder or file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A migration failed; the file is as it was before it.
    #[error("migration {version} ({name}) failed")]
    Migration {
        /// Its version.
        version: i64,
        /// Its name.
        name: &'static str,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
    /// Anything else that the database engine refuses.
    #[error("{} can not be opened", path.display())]
    Sqlite {
        /// The database file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite::Error,
    },
}

impl OpenFault {
    /// Tells a damaged file from other failures.
    pub(crate) fn from_sqlite(path: &std::path::Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged { path, source },
            _ => Self::Sqlite { path, source },
        }
    }

    /// Names the file that an input or output error is about.
    pub(crate) fn file(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::File { path, source }
    }
}

impl From<OpenFault> for StoreError {
    fn from(fault: OpenFault) -> Self {
        Self::Database { operation: "opening the database", source: Box::new(fault) }
    }
}

/// Names the operation that failed.
pub fn database_error<E>(operation: &'static str) -> impl FnOnce(E) -> StoreError
where
    E: std::error::Error + Send + Sync + 'static,
{
    move |source| StoreError::Database { operation, source: Box::new(source) }
}
