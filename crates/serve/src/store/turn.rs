//! The connection that writes an SQLite file, and one turn at it: statements run where they are asked for; only
//! waiting for a lock or for the disk leaves the caller's thread. Knows no table.

use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Row, params_from_iter};
use sea_orm::{ConnAcquireErr, DbErr, Statement};
use tokio::sync::OwnedMutexGuard;

use super::LOCK_WAIT;
use super::refusal::{broken, refused};
use super::sqlite::{CACHE_KIB, PREPARED_STATEMENTS};
use super::values::Parameter;

const BEGIN: &str = "BEGIN IMMEDIATE";
const COMMIT: &str = "COMMIT";
const ROLLBACK: &str = "ROLLBACK";

/// The connection of a process that local transactions of its file run on, one at a time.
#[derive(Debug, Clone)]
pub(super) struct Turns(Arc<tokio::sync::Mutex<Connection>>);

impl Turns {
    /// Opens a file that is there already and has its mode.
    pub fn open(path: &Path) -> Result<Turns, DbErr> {
        let connection = open(path).map_err(refused)?;
        Ok(Turns(Arc::new(tokio::sync::Mutex::new(connection))))
    }

    /// Waits for its turn, at most [`LOCK_WAIT`] behind others of this process and as long behind other connections.
    pub async fn begin(&self) -> Result<Turn, DbErr> {
        let turn = tokio::time::timeout(LOCK_WAIT, Arc::clone(&self.0).lock_owned()).await;
        let connection = turn.map_err(|_| DbErr::ConnectionAcquire(ConnAcquireErr::Timeout))?;
        match run(&connection, BEGIN) {
            Ok(()) => Ok(Turn::at(connection)),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => {
                off_thread(move || {
                    connection.busy_timeout(LOCK_WAIT)?;
                    let begun = run(&connection, BEGIN);
                    connection.busy_timeout(Duration::ZERO)?;
                    begun.map(|()| Turn::at(connection))
                })
                .await
            }
            Err(error) => Err(refused(error)),
        }
    }

    /// Folds the write-ahead log into the file, after the last turn.
    pub async fn close(&self) -> Result<(), DbErr> {
        let connection = Arc::clone(&self.0).lock_owned().await;
        off_thread(move || connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))).await
    }
}

fn open(path: &Path) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
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
pub(super) struct Turn(Mutex<Option<OwnedMutexGuard<Connection>>>);

impl Turn {
    fn at(connection: OwnedMutexGuard<Connection>) -> Turn {
        Turn(Mutex::new(Some(connection)))
    }

    /// Makes it durable. Goes on where the caller gives up.
    pub async fn commit(self) -> Result<(), DbErr> {
        let Some(connection) = self.lock().take() else { return Err(over()) };
        off_thread(move || {
            let committed = run(&connection, COMMIT);
            if committed.is_err() {
                end(&connection);
            }
            committed
        })
        .await
    }

    /// Takes it back.
    pub fn rollback(self) -> Result<(), DbErr> {
        match self.lock().take() {
            Some(connection) => run(&connection, ROLLBACK).map_err(refused),
            None => Ok(()),
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
        self.lock().as_ref().map_or_else(|| Err(over()), |connection| deed(connection))
    }

    fn lock(&self) -> MutexGuard<'_, Option<OwnedMutexGuard<Connection>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(connection) = self.lock().take() {
            end(&connection);
        }
    }
}

fn over() -> DbErr {
    broken("the local transaction is over".to_owned())
}

fn parameters(statement: &Statement) -> impl Iterator<Item = Parameter<'_>> {
    statement.values.iter().flat_map(|values| values.0.iter().map(Parameter))
}

fn run(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([]).map(|_| ())
}

/// Ends a transaction that nobody will commit. SQLite may have ended it already.
fn end(connection: &Connection) {
    if !connection.is_autocommit()
        && let Err(error) = run(connection, ROLLBACK)
    {
        tracing::error!(%error, "a local transaction could not be rolled back");
    }
}

async fn off_thread<T: Send + 'static>(
    wait: impl FnOnce() -> rusqlite::Result<T> + Send + 'static,
) -> Result<T, DbErr> {
    match tokio::task::spawn_blocking(wait).await {
        Ok(outcome) => outcome.map_err(refused),
        Err(error) => Err(broken(error.to_string())),
    }
}
