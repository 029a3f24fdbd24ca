//! How an embedded database is opened: durable, private to its owner, one writer and a few readers.

use std::fs::{DirBuilder, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::ffi;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteJournalMode, SqliteSynchronous};
use sea_orm::sqlx::{Connection, Error, Executor as _};
use sea_orm::{ConnectOptions, Database, DatabaseConnection};

use super::{LOCK_WAIT, StoreError};

/// Readers beside the one writer. Reads of a page cost little; more would only compete for two cores.
const READERS: u32 = 4;
/// Longest wait for one of them: a burst of readers queues, it is not turned away like one who wants to write.
const READ_WAIT: Duration = Duration::from_secs(10);
/// Statements a connection keeps prepared: a service has some dozens.
pub(super) const PREPARED_STATEMENTS: usize = 256;
/// Page cache of one connection, in KiB.
pub(super) const CACHE_KIB: u32 = 8 * 1024;

/// The file that `url` names, or why it names none.
pub(super) fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let rest = url.strip_prefix("sqlite://").or_else(|| url.strip_prefix("sqlite:")).unwrap_or(url);
    if rest.is_empty() || rest.contains(['?', '#']) || rest == ":memory:" {
        return Err(StoreError::Url(
            "an SQLite database is a file: sqlite://<path>, without parameters".into(),
        ));
    }
    Ok(PathBuf::from(rest))
}

/// Opens writer and readers of the file, which is made with mode 0600 if it is not there (its folder: 0700).
pub(super) async fn open(path: &Path) -> Result<(DatabaseConnection, DatabaseConnection), StoreError> {
    make_private(path).map_err(|source| StoreError::File { path: path.to_owned(), source })?;
    let writer = connect(path, Access::Write).await?;
    let reader = connect(path, Access::Read).await?;
    Ok((writer, reader))
}

#[derive(Clone, Copy)]
enum Access {
    Write,
    Read,
}

async fn connect(path: &Path, access: Access) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new("sqlite://");
    let (connections, wait) = match access {
        Access::Write => (1, LOCK_WAIT),
        Access::Read => (READERS, READ_WAIT),
    };
    options
        .min_connections(1)
        .max_connections(connections)
        .acquire_timeout(wait)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .sqlx_logging(false);
    // On a full disk SQLite takes a transaction back by itself. The attempt to do so again fails, and the pool believes ever
    // after that one is open: the next would be a savepoint in it, whose rollback leaves the file locked.
    options.map_sqlx_sqlite_before_acquire(|connection, _| {
        let well = !Connection::is_in_transaction(connection);
        Box::pin(std::future::ready(Ok(well)))
    });
    match access {
        Access::Write => {
            options.map_sqlx_sqlite_pool_opts(|pool| pool.after_connect(|new, _| Box::pin(can_write(new))));
        }
        Access::Read => {}
    }
    let path = path.to_owned();
    options.map_sqlx_sqlite_opts(move |_| file_options(&path, access));
    Ok(Database::connect(options).await?)
}

/// A file that could not be opened for writing is opened for reading instead, and that is not said: such a connection looks
/// well, begins what it is told to, and refuses every write for as long as it lives. The pool drops it and opens another.
async fn can_write(connection: &mut SqliteConnection) -> Result<(), Error> {
    match connection.execute("BEGIN IMMEDIATE").await {
        Ok(_) => {}
        // Somebody else is writing, as this one could: whoever may only read is never in anybody's way.
        Err(Error::Database(refused)) if is_busy(&*refused) => return Ok(()),
        Err(error) => return Err(error),
    }
    let wrote = connection.execute("PRAGMA user_version = 1").await;
    let rolled_back = connection.execute("ROLLBACK").await;
    wrote.and(rolled_back).map(drop)
}

fn is_busy(refused: &dyn DatabaseError) -> bool {
    const PRIMARY_CODE: i32 = 0xff;
    let code = refused.code().and_then(|code| code.parse::<i32>().ok());
    code.is_some_and(|code| code & PRIMARY_CODE == ffi::SQLITE_BUSY)
}

fn file_options(path: &Path, access: Access) -> SqliteConnectOptions {
    use sea_orm::sqlx::ConnectOptions as _;
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(LOCK_WAIT)
        .statement_cache_capacity(PREPARED_STATEMENTS)
        .pragma("cache_size", format!("-{CACHE_KIB}"))
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging();
    match access {
        Access::Write => options,
        // Not SQLITE_OPEN_READONLY: such a connection cannot clean up the write-ahead log when it is the last.
        Access::Read => options.pragma("query_only", "ON").busy_timeout(Duration::from_secs(1)),
    }
}

fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.exists()) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    // SQLite gives the write-ahead log and its index the mode of the database file.
    let mut permissions = file.metadata()?.permissions();
    if permissions.mode() & 0o077 != 0 {
        permissions.set_mode(0o600);
        file.set_permissions(permissions)?;
    }
    Ok(())
}
