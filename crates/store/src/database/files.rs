//! The files of a database: folder, lock, rights, and how connections to it are set up.

use crate::errors::OpenFault;
use rusqlite::{Connection, OpenFlags};
use std::fs::{DirBuilder, File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

/// Makes the folder of a file where it is missing, open to its owner alone.
pub(crate) fn make_folder(path: &Path) -> Result<(), OpenFault> {
    let Some(folder) = folder_of(path) else { return Ok(()) };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(OpenFault::file(folder))
}

/// Makes a file that its owner alone reads where it is missing; its name is on disk afterwards. The
/// log beside the database gets the same rights from SQLite.
pub(crate) fn make_private(path: &Path) -> Result<(), OpenFault> {
    private_file().open(path).map_err(OpenFault::file(path))?;
    sync_folder(path)
}

/// Puts the names in a file's folder on disk.
pub(crate) fn sync_folder(path: &Path) -> Result<(), OpenFault> {
    let folder = folder_of(path).unwrap_or_else(|| Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(OpenFault::file(folder))
}

fn folder_of(path: &Path) -> Option<&Path> {
    path.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// How a file that its owner alone reads is opened or made.
pub(super) fn private_file() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.create(true).truncate(false).read(true).write(true).mode(0o600);
    options
}

/// The advisory lock of a database. It is given back by word: a child that is being started has the open file
/// too until it runs its own program, and would hold the lock for as long.
pub(super) struct FileLock(File);

impl Drop for FileLock {
    fn drop(&mut self) {
        // Where this fails the system frees it, with the last of those who have it.
        let _ = self.0.unlock();
    }
}

/// Takes the advisory lock of the file beside the database; the system frees it with the process.
pub(super) fn take_lock(path: &Path) -> Result<FileLock, OpenFault> {
    let lock_path = path.with_extension("lock");
    let mut file = private_file().open(&lock_path).map_err(OpenFault::file(&lock_path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder's name only helps to find it; the refusal stands without it.
            let _ = file.read_to_string(&mut holder);
            return Err(OpenFault::Locked { path: path.to_owned(), holder: holder.trim().to_owned() });
        }
        Err(TryLockError::Error(error)) => return Err(OpenFault::file(&lock_path)(error)),
    }
    let name = |file: &mut &File| -> std::io::Result<()> {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "process {}", std::process::id())
    };
    let lock = FileLock(file);
    name(&mut &lock.0).map_err(OpenFault::file(&lock_path))?;
    Ok(lock)
}

/// Opens the connection that writes.
pub(crate) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.set_prepared_statement_cache_capacity(128);
    // FULL: the log is synced at every commit, so that an acknowledged write survives a power cut.
    connection.execute_batch(
        "PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA foreign_keys = ON;
         PRAGMA busy_timeout = 5000;
         PRAGMA cache_size = -2048;
         PRAGMA mmap_size = 0;
         PRAGMA wal_autocheckpoint = 2000;
         PRAGMA journal_size_limit = 16777216;",
    )?;
    Ok(connection)
}

/// Opens a connection that only reads.
pub(crate) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.set_prepared_statement_cache_capacity(32);
    connection
        .execute_batch("PRAGMA busy_timeout = 5000; PRAGMA cache_size = -1024; PRAGMA mmap_size = 0;")?;
    Ok(connection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_was_given_back_is_free_though_a_child_has_the_open_file_still() {
        let folder = tempfile::TempDir::new().expect("a folder");
        let path = folder.path().join("test.db");
        let lock = take_lock(&path).expect("it is free");
        // What a fork leaves in the child.
        let of_a_child = lock.0.try_clone().expect("it is copied");
        assert!(take_lock(&path).is_err());
        drop(lock);
        let again = take_lock(&path).expect("it is free again");
        drop(of_a_child);
        assert!(take_lock(&path).is_err(), "it is the other's");
        drop(again);
    }
}
