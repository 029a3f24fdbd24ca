//! The database of a process, SQLite or PostgreSQL behind the same few calls. Knows no table.

mod refusal;
mod sqlite;
mod trace;
mod transaction;
mod turn;
mod values;

pub use transaction::{LocalTransaction, Reads, Row};

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use amends_crash_points::{Place, around};
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::{
    ConnAcquireErr, ConnectOptions, ConnectionTrait as _, Database, DatabaseConnection, DatabaseTransaction,
    DbBackend, DbErr, RuntimeErr, SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;

use trace::Trace;
use turn::Turns;

/// Longest wait for the writer, for a lock of the database, for a connection: then the call says it is locked.
pub const LOCK_WAIT: Duration = Duration::from_secs(2);
/// Connections of one process to PostgreSQL for writing, and as many again for reading.
const POSTGRES_CONNECTIONS: u32 = 8;
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// A connection that nobody used for so long may have been cut meanwhile: it is asked before it is used.
const DOUBTFUL_AFTER: Duration = Duration::from_millis(500);
/// Key of the advisory lock that makes processes of one database migrate one after another (`amends` in ASCII, and a 0).
const MIGRATION_LOCK: i64 = 0x61_6d_65_6e_64_73_00;
/// How long the others may take for it.
const MIGRATION_WAIT: &str = "SET LOCAL lock_timeout = '60s'";

/// The database could not be opened or brought to its schema.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL names no database we can open.
    #[error("database URL: {0}")]
    Url(String),
    /// The file of an SQLite database cannot be made or made private.
    #[error("database file {path}")]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The schema is behind and migrating was forbidden.
    #[error("the database lacks {0} migration(s) and --no-migrate forbids them")]
    Behind(usize),
    /// The database answered with an error.
    #[error("database")]
    Database(#[from] DbErr),
}

/// The database of a process. A clone is the same database.
#[derive(Debug, Clone)]
pub struct Store(Arc<Connections>);

#[derive(Debug)]
struct Connections {
    file: Option<File>,
    writer: DatabaseConnection,
    reader: DatabaseConnection,
    begin: TransactionOptions,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    turns: Turns,
}

impl Store {
    /// Opens `sqlite://<path>` (made if it is not there) or `postgres://…`.
    pub async fn open(url: &str) -> Result<Store, StoreError> {
        Store::open_as(url, None).await
    }

    /// The same; on PostgreSQL the sessions bear this name (`application_name`, at most 63 bytes).
    pub async fn open_as(url: &str, session: Option<&str>) -> Result<Store, StoreError> {
        let connections = if url.starts_with("sqlite:") {
            let path = sqlite::path_of(url)?;
            let (writer, reader) = sqlite::open(&path).await?;
            let turns = Turns::open(&path)?;
            let mode = Some(SqliteTransactionMode::Immediate);
            Connections {
                file: Some(File { path, turns }),
                writer,
                reader,
                begin: TransactionOptions { sqlite_transaction_mode: mode, ..Default::default() },
            }
        } else if url.starts_with("postgres:") || url.starts_with("postgresql:") {
            Connections {
                file: None,
                // Readers, however many and slow, must not keep the writer waiting for a connection.
                writer: open_postgres(url, session).await?,
                reader: open_postgres(url, session).await?,
                begin: TransactionOptions::default(),
            }
        } else {
            return Err(StoreError::Url("expected sqlite://<path> or postgres://<host>/<database>".into()));
        };
        Ok(Store(Arc::new(connections)))
    }

    /// The file of an embedded database; `None` = it is a server's.
    pub fn file(&self) -> Option<&Path> {
        self.0.file.as_ref().map(|file| file.path.as_path())
    }

    /// The connection that may write. On SQLite there is exactly one: whoever holds it in a transaction holds up
    /// all other writers, so never await anything but the database meanwhile.
    pub fn writer(&self) -> &DatabaseConnection {
        &self.0.writer
    }

    /// Connections for reads outside a local transaction; on SQLite they cannot write.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.0.reader
    }

    /// Begins a local transaction that may write; waits at most [`LOCK_WAIT`] for its turn, see [`is_locked`].
    /// Dropping it rolls back.
    pub async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        self.0.writer.begin_with_options(self.0.begin).await
    }

    /// Begins a local transaction that may write, in the words of [`LocalTransaction`]; waits at most [`LOCK_WAIT`]
    /// for its turn, see [`is_locked`]. On SQLite there is one at a time: whoever has it holds up all others, so never
    /// await anything but the database meanwhile.
    pub async fn transaction(&self) -> Result<LocalTransaction, DbErr> {
        let trace = Trace::begin(self.0.writer.get_database_backend());
        Ok(match &self.0.file {
            Some(file) => LocalTransaction::embedded(file.turns.begin().await?, trace),
            None => LocalTransaction::on_server(self.begin().await?, trace),
        })
    }

    /// Whether other processes may write to it, too: on PostgreSQL, not on SQLite.
    pub fn is_shared(&self) -> bool {
        self.0.writer.get_database_backend() == DbBackend::Postgres
    }

    /// Applies the migrations that are missing, all of them or none. Processes that start together do it one after another.
    pub async fn migrate<M: MigratorTrait>(&self) -> Result<(), StoreError> {
        let turn = self.begin().await?;
        if self.is_shared() {
            turn.execute_unprepared(MIGRATION_WAIT).await?;
            let lock = "SELECT pg_advisory_xact_lock($1)";
            let lock = Statement::from_sql_and_values(DbBackend::Postgres, lock, [MIGRATION_LOCK.into()]);
            turn.execute_raw(lock).await?;
        }
        M::up(&turn, None).await?;
        Ok(around!(Place::Migration, turn.commit().await)?)
    }

    /// Changes nothing; an error if migrations are missing.
    pub async fn require_migrated<M: MigratorTrait>(&self) -> Result<(), StoreError> {
        match M::get_pending_migrations_read_only(self.reader()).await?.len() {
            0 => Ok(()),
            pending => Err(StoreError::Behind(pending)),
        }
    }

    /// Closes all connections, after the write-ahead log was folded into the file.
    pub async fn close(&self) -> Result<(), DbErr> {
        self.0.reader.close_by_ref().await?;
        if let Some(file) = &self.0.file {
            file.turns.close().await?;
        }
        self.0.writer.close_by_ref().await
    }
}

async fn open_postgres(url: &str, session: Option<&str>) -> Result<DatabaseConnection, StoreError> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(POSTGRES_CONNECTIONS)
        .connect_timeout(CONNECT_WAIT)
        .acquire_timeout(LOCK_WAIT)
        .test_before_acquire_if_idle_for(DOUBTFUL_AFTER)
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|options| {
            // Whoever is suspended in the middle of a local transaction must not hold up the others for ever.
            let wait = format!("{}ms", LOCK_WAIT.as_millis());
            options.options([("lock_timeout", &wait), ("idle_in_transaction_session_timeout", &wait)])
        });
    if let Some(session) = session {
        options.set_application_name(session);
    }
    Ok(Database::connect(options).await?)
}

/// No connection could be had, or it broke: nobody knows whether the store did what it was told.
pub fn is_away(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error;
    /// Connection failures (class 08), a server that starts or ends (57P), and our session ended by its timeout.
    const POSTGRES_AWAY: [&str; 3] = ["08", "57P", "25P03"];
    let (DbErr::Exec(RuntimeErr::SqlxError(error))
    | DbErr::Query(RuntimeErr::SqlxError(error))
    | DbErr::Conn(RuntimeErr::SqlxError(error))) = error
    else {
        return matches!(error, DbErr::ConnectionAcquire(_) | DbErr::Conn(_));
    };
    #[allow(clippy::wildcard_enum_match_arm, reason = "sqlx may add kinds; only these tell of the way")]
    match &**error {
        Error::Database(refused) => {
            refused.code().is_some_and(|code| POSTGRES_AWAY.iter().any(|away| code.starts_with(away)))
        }
        Error::Io(_)
        | Error::Protocol(_)
        | Error::PoolTimedOut
        | Error::PoolClosed
        | Error::WorkerCrashed => true,
        // What was asked is at fault, not the way to the store.
        _ => false,
    }
}

/// A row of that key is there already.
pub fn is_taken(error: &DbErr) -> bool {
    use sea_orm::sqlx::Error;
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    matches!(&**error, Error::Database(refused) if refused.is_unique_violation())
}

/// The call waited [`LOCK_WAIT`] for the writer or for a lock and did not get it; nothing was changed.
pub fn is_locked(error: &DbErr) -> bool {
    const SQLITE_BUSY: i32 = 5;
    const PRIMARY_CODE: i32 = 0xff;
    const POSTGRES_LOCKED: [&str; 3] = ["55P03", "40001", "40P01"];
    if let DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) = error {
        return true;
    }
    let (DbErr::Exec(RuntimeErr::SqlxError(error)) | DbErr::Query(RuntimeErr::SqlxError(error))) = error
    else {
        return false;
    };
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| {
        POSTGRES_LOCKED.contains(&&*code)
            || code.parse::<i32>().is_ok_and(|code| code & PRIMARY_CODE == SQLITE_BUSY)
    })
}
