//! One moment of all stores: read transactions on each, opened while whoever asks others cannot commit. Knows SQLite's
//! locks; copies nothing.
use crate::{BackupError, StoreName};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

/// While one lock is held another is waited for at most so long: writers in the system give up after 2 s.
const LOCK_PATIENCE: Duration = Duration::from_millis(500);
/// So often all locks are tried for.
const TRIES: u32 = 8;
/// In between the system goes on.
const PAUSE: Duration = Duration::from_millis(100);
/// SQLite's locks have no queue: a busy writer leaves gaps of some ten microseconds, and one of them has to be met.
const LOOK: Duration = Duration::from_micros(50);

/// A store and its file.
#[derive(Debug, Clone)]
pub(crate) struct StoreFile {
    pub(crate) name: StoreName,
    pub(crate) path: PathBuf,
}

/// A store as it was at the moment of the cut, as long as this lives.
pub(crate) struct Reader {
    pub(crate) store: StoreFile,
    pub(crate) connection: Connection,
}

/// All stores at one moment.
pub(crate) struct Cut {
    pub(crate) readers: Vec<Reader>,
    pub(crate) at: SystemTime,
    pub(crate) frozen: Duration,
}

/// Takes the cut. The readers come in the order of `stores`.
pub(crate) fn take(stores: &[StoreFile]) -> Result<Cut, BackupError> {
    let readers = stores.iter().map(Reader::open).collect::<Result<Vec<_>, _>>()?;
    // The history's lock last: it stops everybody, so it is held for the shortest time.
    let asking = stores.iter().rev().filter(|store| store.name.asks_others());
    let locks = asking.map(WriteLock::open).collect::<Result<Vec<_>, _>>()?;
    let began = Instant::now();
    let mut busy = StoreName::Orchestrator;
    for _ in 0..TRIES {
        match freeze(&locks)? {
            Frozen::Since(since) => {
                let at = SystemTime::now();
                for reader in &readers {
                    reader.begin()?;
                }
                drop(locks);
                return Ok(Cut { readers, at, frozen: since.elapsed() });
            }
            Frozen::Not(store) => busy = store,
        }
        std::thread::sleep(PAUSE);
    }
    Err(BackupError::Busy { store: busy, waited_s: began.elapsed().as_secs() })
}

/// What became of the attempt to hold all locks.
enum Frozen {
    /// All are held.
    Since(Instant),
    /// None is, because this one could not be had.
    Not(StoreName),
}

fn freeze(locks: &[WriteLock]) -> Result<Frozen, BackupError> {
    let began = Instant::now();
    for (held, lock) in locks.iter().enumerate() {
        while !lock.try_take()? {
            if began.elapsed() > LOCK_PATIENCE {
                locks[..held].iter().try_for_each(WriteLock::release)?;
                return Ok(Frozen::Not(lock.store));
            }
            std::thread::sleep(LOOK);
        }
    }
    Ok(Frozen::Since(began))
}

/// The one write lock of a store. However its holder ends, the lock ends with it.
struct WriteLock {
    store: StoreName,
    connection: Connection,
}

impl WriteLock {
    fn open(store: &StoreFile) -> Result<WriteLock, BackupError> {
        Ok(WriteLock { store: store.name, connection: open(store)? })
    }

    fn try_take(&self) -> Result<bool, BackupError> {
        match self.connection.execute_batch("BEGIN IMMEDIATE") {
            Ok(()) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy) => Ok(false),
            Err(error) => Err(BackupError::store(self.store, "lock it")(error)),
        }
    }

    fn release(&self) -> Result<(), BackupError> {
        self.connection.execute_batch("ROLLBACK").map_err(BackupError::store(self.store, "release it"))
    }
}

impl Reader {
    fn open(store: &StoreFile) -> Result<Reader, BackupError> {
        let connection = open(store)?;
        connection
            .execute_batch("PRAGMA query_only = ON")
            .and_then(|()| connection.busy_timeout(LOCK_PATIENCE))
            .map_err(BackupError::store(store.name, "open it"))?;
        Ok(Reader { store: store.clone(), connection })
    }

    /// From here on it sees nothing newer. The first read fixes what a transaction sees, not its `BEGIN`.
    fn begin(&self) -> Result<(), BackupError> {
        let look = "BEGIN; SELECT count(*) FROM sqlite_schema";
        self.connection.execute_batch(look).map_err(BackupError::store(self.store.name, "begin to read it"))
    }
}

/// Not read-only: such a connection could not clean up the write-ahead log of a store whose process is down.
fn open(store: &StoreFile) -> Result<Connection, BackupError> {
    existing(&store.path).map_err(BackupError::store(store.name, "open it"))
}

/// Opens a database that is there, without waiting for locks.
pub(crate) fn existing(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(Duration::ZERO)?;
    Ok(connection)
}
