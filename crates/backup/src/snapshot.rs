//! Writes one store of a cut to a file, and looks whether the copy is sound. Knows SQLite; of tables only their names,
//! and of the history which row says that a global transaction is open.
use crate::cut::Reader;
use crate::manifest::StoreFacts;
use crate::{BackupError, StoreName, sealed_file};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Pages copied between two reports.
const PAGES: i32 = 1_024;
/// Somebody closes or recovers the write-ahead log just now.
const BUSY_PAUSE: Duration = Duration::from_millis(5);

/// Bytes of the store as the cut sees it.
pub(crate) fn size(reader: &Reader) -> Result<u64, BackupError> {
    let size = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size";
    number(&reader.connection, size).map_err(BackupError::store(reader.store.name, "read its size"))
}

/// Copies the store into a new private file; tells of each piece.
pub(crate) fn copy(reader: &Reader, to: &Path, copied: impl FnMut(u64)) -> Result<(), BackupError> {
    drop(sealed_file::create(to)?);
    run(reader, to, copied).map_err(BackupError::store(reader.store.name, "copy it"))
}

fn run(reader: &Reader, to: &Path, mut copied: impl FnMut(u64)) -> Result<(), rusqlite::Error> {
    let mut target = Connection::open_with_flags(to, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    // A copy that is not finished is thrown away, and a finished one is made durable as a file.
    target.execute_batch("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF")?;
    let page_size = number(&reader.connection, "PRAGMA page_size")?;
    let backup = Backup::new(&reader.connection, &mut target)?;
    let mut pages_before = 0;
    loop {
        let stepped = backup.step(PAGES)?;
        let progress = backup.progress();
        let pages = u64::try_from(progress.pagecount - progress.remaining).unwrap_or(0);
        copied(pages.saturating_sub(pages_before) * page_size);
        pages_before = pages;
        match stepped {
            StepResult::Done => break,
            StepResult::Busy | StepResult::Locked => std::thread::sleep(BUSY_PAUSE),
            // `More`, and whatever a later version calls progress.
            StepResult::More | _ => {}
        }
    }
    drop(backup);
    target.close().map_err(|(_, error)| error)
}

/// Checks a copy from its first to its last page, and tells what it holds.
pub(crate) fn inspect(store: StoreName, path: &Path) -> Result<StoreFacts, BackupError> {
    let failed = || BackupError::store(store, "check the copy");
    let copy = immutable(path).map_err(failed())?;
    match complaint(&copy).map_err(failed())? {
        Some(what) => Err(BackupError::Damaged { store, what }),
        None => facts(store, &copy).map_err(failed()),
    }
}

/// What is wrong with a database.
fn complaint(copy: &Connection) -> Result<Option<String>, rusqlite::Error> {
    for check in ["PRAGMA integrity_check(5)", "PRAGMA foreign_key_check"] {
        match texts(copy, check) {
            Ok(found) if found.is_empty() || found == ["ok"] => {}
            Ok(found) => return Ok(Some(found.join("; "))),
            // So damaged that it cannot even be checked.
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    return Ok(Some(error.to_string()));
                }
                Some(_) | None => return Err(error),
            },
        }
    }
    Ok(None)
}

fn facts(store: StoreName, copy: &Connection) -> Result<StoreFacts, rusqlite::Error> {
    let migrations = texts(copy, "SELECT version FROM seaql_migrations ORDER BY version")?;
    Ok(StoreFacts { name: store, migrations, rows: rows(copy)? })
}

/// How many global transactions of a history are open.
pub(crate) fn open_transactions(path: &Path) -> Result<u64, BackupError> {
    let count = "SELECT count(*) FROM global_transaction WHERE is_open";
    let open = immutable(path).and_then(|copy| number(&copy, count));
    open.map_err(BackupError::store(StoreName::Orchestrator, "count what is open"))
}

fn rows(copy: &Connection) -> Result<BTreeMap<String, u64>, rusqlite::Error> {
    let tables =
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name";
    let count = |table: String| {
        let count = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
        Ok((table, number(copy, &count)?))
    };
    texts(copy, tables)?.into_iter().map(count).collect()
}

/// A count.
fn number(connection: &Connection, sql: &str) -> Result<u64, rusqlite::Error> {
    let number: i64 = connection.query_one(sql, [], |row| row.get(0))?;
    Ok(u64::try_from(number).unwrap_or(0))
}

/// The first column of each row.
fn texts(copy: &Connection, sql: &str) -> Result<Vec<String>, rusqlite::Error> {
    let mut statement = copy.prepare(sql)?;
    let texts = statement.query_map([], |row| row.get::<_, String>(0))?;
    texts.collect()
}

/// Nobody writes to a copy: no log and no index of it are made beside it.
fn immutable(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    Connection::open_with_flags(uri + "?immutable=1", flags)
}
