//! The connection that writes an SQLite file, and one turn at it: statements run where they are asked for; only
//! waiting for a lock or for the disk leaves the caller's thread. A connection whose reads or writes failed is not used
//! again. Knows no table.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags, Row, ffi, params_from_iter};
use sea_orm::{ConnAcquireErr, DbErr, Statement};
use tokio::sync::OwnedMutexGuard;

use super::refusal::{broken, is_disk, refused};
use super::sqlite::{CACHE_KIB, PREPARED_STATEMENTS};
use super::values::Parameter;
use super::{LOCK_WAIT, is_locked};

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// The connection of a process that local transactions of its file run on, one at a time.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<tokio::sync::Mutex<Place>>);

/// Where the one connection is, if it is open: it is closed when the disk failed it, and opened again when next needed.
#[derive(Debug)]
struct Place {
    path: PathBuf,
    connection: Option<Connection>,
}

impl Place {
    /// Does something on the connection. What of a file is on the disk after a read, write or sync failed, nobody
    /// knows but who opens it anew.
    fn with<T>(&mut self, deed: impl FnOnce(&Connection) -> Result<T, DbErr>) -> Result<T, DbErr> {
        let connection = match &mut self.connection {
            Some(connection) => connection,
            closed @ None => closed.insert(open(&self.path).map_err(refused)?),
        };
        let done = deed(connection);
        if done.as_ref().is_err_and(is_disk) {
            self.connection = None;
        }
        done
    }
}

impl Turns {
    /// Opens a file that is there already and has its mode.
    pub fn open(path: &Path) -> Result<Turns, DbErr> {
        let connection = open(path).map_err(refused)?;
        let place = Place { path: path.to_owned(), connection: Some(connection) };
        Ok(Turns(Arc::new(tokio::sync::Mutex::new(place))))
    }

    /// Waits for its turn, at most [`LOCK_WAIT`] behind others of this process and as long behind other connections.
    pub async fn begin(&self) -> Result<Turn, DbErr> {
        let turn = tokio::time::timeout(LOCK_WAIT, Arc::clone(&self.0).lock_owned()).await;
        let mut place = turn.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        match place.with(|connection| run(connection, BEGIN)) {
            Ok(()) => Ok(Turn::at(place)),
            Err(error) if is_locked(&error) => {
                off_thread(move || {
                    place.with(|connection| {
                        connection.busy_timeout(LOCK_WAIT).map_err(refused)?;
                        let begun = run(connection, BEGIN);
                        connection.busy_timeout(Duration::ZERO).map_err(refused)?;
                        begun
                    })?;
                    Ok(Turn::at(place))
                })
                .await
            }
            Err(error) => Err(error),
        }
    }

    /// Folds the write-ahead log into the file, after the last turn.
    pub async fn close(&self) -> Result<(), DbErr> {
        let mut place = Arc::clone(&self.0).lock_owned().await;
        let fold = |connection: &Connection| {
            connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).map_err(refused)
        };
        off_thread(move || place.with(fold)).await
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    // Where the file is gone none is made: it would be another one, without tables and for everybody to read.
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    // A file that cannot be opened for writing is opened for reading instead, and that is not said.
    if connection.is_readonly(MAIN_DB)? {
        return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), None));
    }
    // Whoever finds the file locked waits elsewhere: see `begin`.
    connection.busy_timeout(Duration::ZERO)?;
    connection.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    connection.pragma_update(None, "cache_size", -i64::from(CACHE_KIB))?;
    Ok(connection)
}

/// A transaction on that connection. Dropping it rolls back.
#[derive(Debug)]
pub(super) struct Turn(Mutex<Option<OwnedMutexGuard<Place>>>);

impl Turn {
    fn at(place: OwnedMutexGuard<Place>) -> Turn {
        Turn(Mutex::new(Some(place)))
    }

    /// Makes it durable. Goes on where the caller gives up.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Some(mut place) = self.lock().take() else { return Err(over()) };
        off_thread(move || {
            let committed = within(&mut place, |connection| run(connection, COMMIT));
            if committed.is_err() {
                end(&mut place);
            }
            committed
        })
        .await
    }

    /// Takes it back.
    pub fn rollback(self) -> Result<(), DbErr> {
        match self.lock().take() {
            Some(mut place) if is_open(&place) => place.with(|connection| run(connection, ROLLBACK)),
            // The database has taken it back already, when one of its statements failed.
            Some(_) | None => Ok(()),
        }
    }

    /// One statement without rows; gives how many it changed.
    pub fn execute(&self, statement: &Statement) -> Result<u64, DbErr> {
        self.with(|connection| {
            let mut prepared = connection.prepare_cached(&statement.sql).map_err(refused)?;
            let changed = prepared.execute(params_from_iter(parameters(statement))).map_err(refused)?;
            Ok(changed as u64)
        })
    }

    /// The first rows of one statement, at most `most`, as `read` makes them.
    pub fn query<T>(
        &self,
        statement: &Statement,
        most: usize,
        read: impl Fn(&Row<'_>) -> Result<T, DbErr>,
    ) -> Result<Vec<T>, DbErr> {
        self.with(|connection| {
            let mut prepared = connection.prepare_cached(&statement.sql).map_err(refused)?;
            let mut rows = prepared.query(params_from_iter(parameters(statement))).map_err(refused)?;
            let mut found = Vec::new();
            while found.len() < most
                && let Some(row) = rows.next().map_err(refused)?
            {
                found.push(read(row)?);
            }
            Ok(found)
        })
    }

    fn with<T>(&self, deed: impl FnOnce(&Connection) -> Result<T, DbErr>) -> Result<T, DbErr> {
        self.lock().as_mut().map_or_else(|| Err(over()), |place| within(place, deed))
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedMutexGuard<Place>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(mut place) = self.lock().take() {
            end(&mut place);
        }
    }
}

/// SQLite takes a transaction back by itself when the disk fails one of its statements. What comes after that must not
/// be done outside any.
fn within<T>(place: &mut Place, deed: impl FnOnce(&Connection) -> Result<T, DbErr>) -> Result<T, DbErr> {
    if is_open(place) { place.with(deed) } else { Err(over()) }
}

fn is_open(place: &Place) -> bool {
    place.connection.as_ref().is_some_and(|connection| !connection.is_autocommit())
}

fn over() -> DbErr {
    broken("the local transaction is over".to_owned())
}

fn parameters(statement: &Statement) -> impl Iterator<Item = Parameter<'_>> {
    statement.values.iter().flat_map(|values| values.0.iter().map(Parameter))
}

fn run(connection: &Connection, sql: &str) -> Result<(), DbErr> {
    let done = connection.prepare_cached(sql).and_then(|mut prepared| prepared.execute([]));
    done.map(drop).map_err(refused)
}

/// Ends a transaction that nobody will commit. SQLite may have ended it already.
fn end(place: &mut Place) {
    if is_open(place)
        && let Err(error) = place.with(|connection| run(connection, ROLLBACK))
    {
        tracing::error!(%error, "a local transaction could not be rolled back");
    }
}

async fn off_thread<T: Send + 'static>(
    wait: impl FnOnce() -> Result<T, DbErr> + Send + 'static,
) -> Result<T, DbErr> {
    match tokio::task::spawn_blocking(wait).await {
        Ok(outcome) => outcome,
        Err(error) => Err(broken(error.to_string())),
    }
}
