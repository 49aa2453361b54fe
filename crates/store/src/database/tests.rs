#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test")]

use super::*;
use crate::tenant_store::{Backend, PROBE_EVERY};
use rusqlite::params;
use std::error::Error;
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::channel;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

const SCHEMA: &[Migration] = &[Migration {
    name: "creating the test tables",
    sql: "CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT;
          CREATE TABLE children (n INTEGER REFERENCES numbers (n) DEFERRABLE INITIALLY DEFERRED) STRICT;",
}];

fn open(folder: &TempDir) -> Database {
    Database::open(&folder.path().join("test.db"), SCHEMA).unwrap()
}

fn fails(folder: &TempDir, migrations: &'static [Migration]) -> StoreError {
    match Database::open(&folder.path().join("test.db"), migrations) {
        Ok(_) => panic!("the database opened"),
        Err(error) => error,
    }
}

/// The error and all its sources in one line.
fn whole(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

fn insert(transaction: &Transaction<'_>, n: i64) -> Result<i64, StoreError> {
    transaction
        .execute("INSERT INTO numbers (n) VALUES (?1)", params![n])
        .map_err(database_error("inserting"))?;
    Ok(n)
}

async fn numbers(database: &Database) -> Vec<i64> {
    let read = |connection: &Connection| {
        let mut rows = connection.prepare("SELECT n FROM numbers ORDER BY n")?;
        rows.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>()
    };
    database
        .read("listing", move |connection| read(connection).map_err(database_error("listing")))
        .await
        .unwrap()
}

/// Keeps the writer busy until the returned sender is used or dropped, so that what is queued
/// meanwhile becomes one group.
async fn hold(database: &Database) -> std::sync::mpsc::Sender<()> {
    let (release, held) = channel::<()>();
    let (begun, has_begun) = oneshot::channel();
    let database = database.clone();
    tokio::spawn(async move {
        database
            .write("holding", move |_| {
                let _ = begun.send(());
                let _ = held.recv();
                Ok(())
            })
            .await
    });
    has_begun.await.unwrap();
    release
}

type BoxedWork<T> = Box<dyn FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send>;

/// Queues jobs behind a held writer, in order, and returns their results.
async fn in_one_group<T: Send + 'static>(
    database: &Database,
    jobs: Vec<BoxedWork<T>>,
) -> Vec<Result<T, StoreError>> {
    let release = hold(database).await;
    let mut waiting = Vec::new();
    for job in jobs {
        let queued_before = database.jobs();
        let writer = database.clone();
        waiting.push(tokio::spawn(async move { writer.write("testing", job).await }));
        while database.jobs() == queued_before {
            tokio::task::yield_now().await;
        }
    }
    // On one thread each task has put its job into the queue when it yields.
    drop(release);
    let mut results = Vec::new();
    for task in waiting {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test]
async fn writes_that_wait_together_share_one_commit() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let jobs = (0..50).map(|n| Box::new(move |tx: &Transaction<'_>| insert(tx, n)) as _).collect();
    let results = in_one_group(&database, jobs).await;
    assert!(results.iter().all(Result::is_ok));
    assert_eq!(database.commits(), 2, "one of the held job, one of the fifty");
    assert_eq!(database.jobs(), 51);
    assert_eq!(numbers(&database).await, (0..50).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_failing_or_panicking_job_undoes_its_own_writes_alone() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let results = in_one_group(
        &database,
        vec![
            Box::new(|tx| insert(tx, 1)),
            Box::new(|tx| insert(tx, 2).and(Err(StoreError::IdempotencyKeyReused { tenant_id: None }))),
            Box::new(|tx| {
                insert(tx, 3)?;
                panic!("on purpose")
            }),
            Box::new(|tx| insert(tx, 4)),
        ],
    )
    .await;
    assert!(matches!(results[0], Ok(1)));
    assert!(matches!(results[1], Err(StoreError::IdempotencyKeyReused { tenant_id: None })));
    assert!(whole(results[2].as_ref().unwrap_err()).contains("on purpose"));
    assert!(matches!(results[3], Ok(4)));
    assert_eq!(numbers(&database).await, [1, 4]);
}

#[tokio::test]
async fn nothing_of_a_group_is_acknowledged_when_its_commit_fails() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let results = in_one_group(
        &database,
        vec![
            Box::new(|tx| insert(tx, 1)),
            // A refusal that rests on what the neighbour wrote is no truth once that is lost.
            Box::new(|_| Err(StoreError::IdempotencyKeyReused { tenant_id: None })),
            Box::new(|tx| {
                tx.execute("INSERT INTO children (n) VALUES (99)", [])
                    .map_err(database_error("inserting"))?;
                Ok(0)
            }),
        ],
    )
    .await;
    for result in &results {
        assert!(matches!(result, Err(StoreError::Database { .. })), "{result:?}");
    }
    assert_eq!(numbers(&database).await, [0; 0]);
    assert_eq!(database.write("again", |tx| insert(tx, 5)).await.unwrap(), 5);
}

#[tokio::test]
async fn a_full_disk_fails_the_group_and_the_writer_lives_on() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let limit = |pages: i64| {
        move |tx: &Transaction<'_>| {
            tx.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(()))
                .map_err(database_error("limiting"))
        }
    };
    database.write("limiting", limit(1)).await.unwrap();
    let full = database
        .write("filling", |tx| {
            tx.execute_batch("CREATE TABLE big (b BLOB); INSERT INTO big VALUES (zeroblob(1000000));")
                .map_err(database_error("filling"))
        })
        .await;
    assert!(whole(&full.unwrap_err()).contains("full"));
    database.write("unlimiting", limit(1_000_000)).await.unwrap();
    assert_eq!(database.write("again", |tx| insert(tx, 1)).await.unwrap(), 1);
}

#[tokio::test]
async fn a_write_is_published_after_its_commit_and_in_the_order_of_the_commits() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for n in 0..20 {
        let (database, seen, reader) = (database.clone(), seen.clone(), database.clone());
        tasks.push(tokio::spawn(async move {
            let publish = move |n: &i64| {
                let on_disk = reader.read_blocking("counting", |connection| {
                    connection
                        .query_row("SELECT count(*) FROM numbers WHERE n = ?1", [*n], |row| row.get(0))
                        .map_err(database_error("counting"))
                });
                seen.lock().push((*n, on_disk.unwrap_or(0)));
            };
            database.write_then("inserting", move |tx| insert(tx, n), publish).await.unwrap();
            // Answered after it was published.
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    let seen = seen.lock().clone();
    assert_eq!(seen, (0..20).map(|n| (n, 1)).collect::<Vec<(i64, i64)>>());
}

#[tokio::test]
async fn a_panic_while_publishing_neither_loses_the_write_nor_ends_the_writer() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let published = database.write_then("inserting", |tx| insert(tx, 1), |_| panic!("on purpose")).await;
    assert_eq!(published.unwrap(), 1);
    database.write("inserting", |tx| insert(tx, 2)).await.unwrap();
    assert_eq!(numbers(&database).await, [1, 2]);
}

#[tokio::test]
async fn readers_do_not_wait_for_a_writer() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    database.write("inserting", |tx| insert(tx, 1)).await.unwrap();
    let release = hold(&database).await;
    assert_eq!(numbers(&database).await, [1]);
    drop(release);
}

#[tokio::test]
async fn a_read_can_not_write() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    let refused = database
        .read("writing", |connection| {
            connection.execute("INSERT INTO numbers VALUES (1)", []).map_err(database_error("writing"))
        })
        .await;
    assert!(whole(&refused.unwrap_err()).contains("readonly"));
}

#[tokio::test]
async fn closing_finishes_what_is_queued_and_frees_the_lock() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    database.write("inserting", |tx| insert(tx, 1)).await.unwrap();
    database.close();
    assert!(matches!(database.write("late", |tx| insert(tx, 2)).await, Err(StoreError::Closed)));
    assert!(matches!(database.read("late", |_| Ok(())).await, Err(StoreError::Closed)));
    let log = folder.path().join("test.db-wal");
    assert!(!log.exists() || log.metadata().unwrap().len() == 0, "the log was moved into the file");
    assert_eq!(numbers(&open(&folder)).await, [1]);
}

#[tokio::test]
async fn a_second_owner_is_refused_and_told_why() {
    let folder = TempDir::new().unwrap();
    let _first = open(&folder);
    let text = whole(&fails(&folder, SCHEMA));
    let holder = format!("process {}", std::process::id());
    assert!(text.contains("in use by another process") && text.contains(&holder), "{text}");
}

#[tokio::test]
async fn a_newer_schema_is_refused_and_left_alone() {
    const NEWER: &[Migration] =
        &[SCHEMA[0], Migration { name: "newer", sql: "CREATE TABLE newer (n INTEGER) STRICT" }];
    let folder = TempDir::new().unwrap();
    drop(Database::open(&folder.path().join("test.db"), NEWER).unwrap());
    let refused = fails(&folder, SCHEMA);
    assert!(matches!(refused, StoreError::SchemaTooNew { found: 2, known: 1 }));
    assert!(refused.to_string().contains("start the newer program"));
    Database::open(&folder.path().join("test.db"), NEWER).unwrap();
}

#[tokio::test]
async fn a_failed_migration_leaves_the_file_as_it_was() {
    const BROKEN: &[Migration] =
        &[SCHEMA[0], Migration { name: "breaking", sql: "CREATE TABLE half (n INTEGER); NONSENSE;" }];
    let folder = TempDir::new().unwrap();
    let text = whole(&fails(&folder, BROKEN));
    assert!(text.contains("migration 2 (breaking) failed"), "{text}");
    let database = open(&folder);
    let tables: Result<i64, StoreError> = database.read_blocking("counting", |connection| {
        connection
            .query_row("SELECT count(*) FROM sqlite_schema WHERE name = 'half'", [], |row| row.get(0))
            .map_err(database_error("counting"))
    });
    assert_eq!(tables.unwrap(), 0);
}

#[tokio::test]
async fn a_damaged_file_is_named_with_the_way_out() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("test.db"), "this is no database at all. ".repeat(1000)).unwrap();
    let text = whole(&fails(&folder, SCHEMA));
    assert!(text.contains("test.db is damaged") && text.contains("restore it from a backup"), "{text}");
}

#[tokio::test]
async fn files_are_for_their_owner_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("data").join("test.db");
    let database = Database::open(&path, SCHEMA).unwrap();
    database.write("inserting", |tx| insert(tx, 1)).await.unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(path.parent().unwrap()), 0o700);
    for name in ["test.db", "test.db-wal", "test.lock"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
}

#[tokio::test]
async fn a_backup_is_a_database_of_its_own_and_overwrites_nothing() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    database.write("inserting", |tx| insert(tx, 1)).await.unwrap();
    let target = folder.path().join("copies").join("copy.db");
    database.backup_to(&target).await.unwrap();
    database.write("inserting", |tx| insert(tx, 2)).await.unwrap();
    assert!(database.backup_to(&target).await.is_err());
    let copy = Database::open(&target, SCHEMA).unwrap();
    assert_eq!(numbers(&copy).await, [1]);
}

#[tokio::test]
async fn a_log_that_was_torn_anywhere_opens_with_the_commits_before_the_tear() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    for n in 0..12 {
        database.write("inserting", move |tx| insert(tx, n)).await.unwrap();
    }
    let log = std::fs::read(folder.path().join("test.db-wal")).unwrap();
    let file = std::fs::read(folder.path().join("test.db")).unwrap();
    let mut found = Vec::new();
    for length in (0..=log.len()).step_by(1_777).chain([log.len()]) {
        let torn = TempDir::new().unwrap();
        std::fs::write(torn.path().join("test.db"), &file).unwrap();
        std::fs::write(torn.path().join("test.db-wal"), &log[..length]).unwrap();
        let numbers = numbers(&open(&torn)).await;
        assert_eq!(numbers, (0..numbers.len() as i64).collect::<Vec<_>>(), "cut at {length}");
        found.push(numbers.len());
    }
    assert!(found.is_sorted() && found.first() == Some(&0) && found.last() == Some(&12), "{found:?}");
}

/// Lets the file have at most so many pages; none for those that it has.
async fn limit(database: &Database, pages: Option<i64>) {
    let limit = move |transaction: &Transaction<'_>| {
        let now: i64 = transaction.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let limit = pages.unwrap_or(now);
        transaction.pragma_update_and_check(None, "max_page_count", limit, |_| Ok(())).unwrap();
        Ok(())
    };
    database.write("limiting", limit).await.unwrap();
}

#[tokio::test]
async fn a_full_disk_is_told_until_there_is_room_and_a_refusal_is_not() {
    let folder = TempDir::new().unwrap();
    let database = open(&folder);
    database.write("inserting", |transaction| insert(transaction, 1)).await.unwrap();
    database.write("inserting", |transaction| insert(transaction, 1)).await.unwrap_err();
    assert_eq!(database.write_failure(), None, "a number that is there already is no fault of the disk");

    let stop = CancellationToken::new();
    let probing = tokio::spawn({
        let (database, stop) = (database.clone(), stop.clone());
        async move { Backend::from(database).keep_probing(stop).await }
    });
    limit(&database, None).await;
    let mut n = 2;
    while database.write("inserting", move |transaction| insert(transaction, n)).await.is_ok() {
        n += 1;
        assert!(n < 100_000, "the file has a limit");
    }
    assert!(database.write_failure().unwrap().contains("full"), "{:?}", database.write_failure());
    tokio::time::sleep(PROBE_EVERY * 2).await;
    assert!(database.write_failure().is_some(), "still full, and tried");
    assert_eq!(numbers(&database).await.len() as i64, n - 1, "all that was answered is there");

    limit(&database, Some(1_000_000)).await;
    let deadline = std::time::Instant::now() + PROBE_EVERY * 20;
    while database.write_failure().is_some() {
        assert!(std::time::Instant::now() < deadline, "it never recovers");
        tokio::time::sleep(PROBE_EVERY / 10).await;
    }
    database.write("inserting", move |transaction| insert(transaction, n)).await.unwrap();
    stop.cancel();
    probing.await.unwrap();
}
