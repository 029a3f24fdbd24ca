//! The embedded database as a process opens it: private, durable, one writer, readers that cannot write.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use amends_serve::store::{Store, StoreError, is_locked};
use sea_orm::{ConnectionTrait, DbBackend, Statement};

async fn open(folder: &tempfile::TempDir) -> Store {
    Store::open(&format!("sqlite://{}/private/t.db", folder.path().display())).await.unwrap()
}

async fn number(db: &impl ConnectionTrait, sql: &str) -> i64 {
    let row =
        db.query_one_raw(Statement::from_string(db.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}

#[tokio::test]
async fn the_files_are_private_and_every_commit_is_synced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.writer().execute_unprepared("CREATE TABLE t (n INTEGER)").await.unwrap();
    let mode = |name: &str| {
        std::fs::metadata(folder.path().join("private").join(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode(""), mode("t.db"), mode("t.db-wal"), mode("t.db-shm")), (0o700, 0o600, 0o600, 0o600));
    const FULL: i64 = 2;
    assert_eq!(number(store.writer(), "PRAGMA synchronous").await, FULL);
    assert_eq!(number(store.writer(), "PRAGMA foreign_keys").await, 1);
    assert_eq!(number(store.writer(), "PRAGMA busy_timeout").await, 2000);
}

#[tokio::test]
async fn readers_see_commits_and_cannot_write() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.writer().execute_unprepared("CREATE TABLE t (n INTEGER)").await.unwrap();
    let tx = store.begin().await.unwrap();
    tx.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    assert_eq!(number(store.reader(), "SELECT COUNT(*) FROM t").await, 0);
    tx.commit().await.unwrap();
    assert_eq!(number(store.reader(), "SELECT COUNT(*) FROM t").await, 1);
    let refused = store.reader().execute_unprepared("INSERT INTO t VALUES (2)").await.unwrap_err();
    assert!(refused.to_string().contains("readonly"), "{refused}");
}

#[tokio::test]
async fn a_transaction_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.writer().execute_unprepared("CREATE TABLE t (n INTEGER)").await.unwrap();
    let tx = store.begin().await.unwrap();
    tx.execute_unprepared("INSERT INTO t VALUES (1)").await.unwrap();
    drop(tx);
    assert_eq!(number(store.writer(), "SELECT COUNT(*) FROM t").await, 0);
}

/// A disk without room for one more page, without a disk: SQLite says the same of a file that may not grow.
#[tokio::test]
async fn a_store_that_was_full_begins_and_ends_transactions_as_before() {
    const BIG: &str = "INSERT INTO t VALUES (randomblob(100000))";
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.writer().execute_unprepared("CREATE TABLE t (n BLOB)").await.unwrap();
    store.writer().execute_unprepared("PRAGMA max_page_count = 3").await.unwrap();
    let tx = store.begin().await.unwrap();
    let full = tx.execute_unprepared(BIG).await.unwrap_err();
    assert!(full.to_string().contains("full"), "{full}");
    drop(tx);
    store.writer().execute_unprepared("PRAGMA max_page_count = 1000").await.unwrap();
    let tx = store.begin().await.unwrap();
    tx.execute_unprepared(BIG).await.unwrap();
    drop(tx);
    // Nothing of it is left open, which would lock out everybody else.
    let tx = store.transaction().await.unwrap();
    tx.commit().await.unwrap();
    let tx = store.begin().await.unwrap();
    tx.execute_unprepared(BIG).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(number(store.reader(), "SELECT COUNT(*) FROM t").await, 1);
}

#[tokio::test]
async fn what_follows_a_full_disk_in_a_local_transaction_is_not_done_outside_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    store.writer().execute_unprepared("CREATE TABLE t (n BLOB)").await.unwrap();
    let raw = |sql: &str| Statement::from_string(DbBackend::Sqlite, sql);
    let (small, big) =
        (raw("INSERT INTO t VALUES (x'00')"), raw("INSERT INTO t VALUES (randomblob(100000))"));

    let tx = store.transaction().await.unwrap();
    // It answers with a row, which is taken for an error; it counts all the same.
    tx.statement(raw("PRAGMA max_page_count = 3")).await.unwrap_err();
    tx.statement(small.clone()).await.unwrap();
    let full = tx.statement(big.clone()).await.unwrap_err();
    assert!(full.to_string().contains("full"), "{full}");
    tx.statement(small.clone()).await.unwrap_err();
    tx.commit().await.unwrap_err();
    assert_eq!(number(store.reader(), "SELECT COUNT(*) FROM t").await, 0);

    let tx = store.transaction().await.unwrap();
    tx.statement(raw("PRAGMA max_page_count = 1000")).await.unwrap_err();
    tx.statement(big).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(number(store.reader(), "SELECT COUNT(*) FROM t").await, 1);
}

#[tokio::test]
async fn who_waits_for_the_writer_is_told_so_after_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let (store, other_process) = (open(&folder).await, open(&folder).await);
    let held = store.begin().await.unwrap();
    for waiting in [&store, &other_process] {
        let started = Instant::now();
        let error = waiting.begin().await.unwrap_err();
        assert!(is_locked(&error), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    }
    held.commit().await.unwrap();
    other_process.begin().await.unwrap().commit().await.unwrap();
}

#[tokio::test]
async fn a_url_that_names_no_database_is_an_error() {
    for url in ["", "mysql://h/d", "sqlite::memory:", "sqlite://a?mode=ro"] {
        assert!(matches!(Store::open(url).await, Err(StoreError::Url(_))), "{url}");
    }
}
