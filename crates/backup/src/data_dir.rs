//! A data folder that is to be replaced: whether a system runs on it, and how another folder takes its place. Knows
//! the locks of a stack, of SQLite and of DTM's store; knows no backup.
use crate::draft::{self, Draft};
use crate::manifest::DTM_STORE;
use crate::{FileError, OldData, RestoreError, StoreName, cut, sealed_file};
use chrono::Utc;
use rusqlite::{Connection, ErrorCode};
use rustix::fs::{CWD, RenameFlags};
use rustix::io::Errno;
use std::fs::File;
use std::path::{Path, PathBuf};

/// DTM's working folder below a data folder.
const DTM: &str = "dtm";
/// Held by a running stack.
const LOCK: &str = "lock";

/// A data folder on which nothing runs, as long as this lives.
pub(crate) struct Unused {
    path: PathBuf,
    is_empty: bool,
    stores: Vec<Connection>,
    _locks: Vec<File>,
}

impl Unused {
    /// Makes sure that nothing runs on it.
    pub(crate) fn claim(path: &Path) -> Result<Unused, RestoreError> {
        let path = absolute(path)?;
        if !path.exists() {
            return Ok(Unused { path, is_empty: true, stores: Vec::new(), _locks: Vec::new() });
        }
        let in_use = |what: &str| RestoreError::InUse { data_dir: path.clone(), what: what.to_owned() };
        let mut locks = Vec::new();
        let lock = path.join(LOCK);
        for file in [lock, path.join(DTM_STORE)].iter().filter(|file| file.is_file()) {
            let open = File::open(file).map_err(FileError::new("open", file))?;
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            open.try_lock().map_err(|_| in_use(&format!("{name} is locked")))?;
            locks.push(open);
        }
        let mut stores = Vec::new();
        for store in StoreName::ALL {
            if let Some(connection) = alone(&path.join(store.file())) {
                stores.push(connection.map_err(|()| in_use(&format!("the store of {store} is open")))?);
            }
        }
        let entry = std::fs::read_dir(&path).map_err(FileError::new("list", &path))?.next();
        Ok(Unused { path, is_empty: entry.is_none(), stores, _locks: locks })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.is_empty
    }

    /// Copies DTM's data into the folder that will take this one's place.
    pub(crate) fn copy_dtm(&self, into: &Path) -> Result<(), FileError> {
        let (from, to) = (self.path.join(DTM), into.join(DTM));
        if !from.is_dir() {
            return Ok(());
        }
        draft::private_folder(&to)?;
        for entry in std::fs::read_dir(&from).map_err(FileError::new("list", &from))? {
            let path = entry.map_err(FileError::new("list", &from))?.path();
            if path.is_file() {
                sealed_file::copy(&path, &to.join(path.file_name().unwrap_or_default()), |_| {})?;
            }
        }
        Ok(())
    }

    /// Puts the draft in this folder's place, in one step; says where the old one is.
    pub(crate) fn replace_by(self, draft: Draft) -> Result<OldData, RestoreError> {
        if self.is_empty {
            draft.publish(&self.path)?;
            return Ok(OldData::None);
        }
        draft.sync()?;
        // A connection that closes removes its write-ahead log by name, and the names are about to change owners.
        drop(self.stores);
        let aside = aside(&self.path);
        // Under this name at all times is either what nobody has used yet, or the old data: never an unnamed third.
        std::fs::rename(draft.path(), &aside).map_err(FileError::new("rename to", &aside))?;
        draft.give_up();
        if let Err(error) = exchange(&aside, &self.path) {
            // It is a copy of the backup, so nothing is lost with it.
            let _ = std::fs::remove_dir_all(&aside);
            return Err(RestoreError::Fixed { data_dir: self.path, source: error.into() });
        }
        draft::sync_folder(&draft::parent(&self.path))?;
        Ok(OldData::At(aside))
    }
}

/// Both names change owners at once. Where the file system cannot do that, one after the other.
fn exchange(new: &Path, old: &Path) -> Result<(), Errno> {
    match rustix::fs::renameat_with(CWD, new, CWD, old, RenameFlags::EXCHANGE) {
        Err(Errno::INVAL | Errno::NOSYS | Errno::NOTSUP) => {}
        done => return done,
    }
    let between = draft::beside(new, "new");
    rustix::fs::rename(new, &between)?;
    rustix::fs::rename(old, new)?;
    rustix::fs::rename(&between, old)
}

/// The only connection to a database. `None` = there is no database, or nothing that SQLite can open: then nobody works
/// with it.
fn alone(path: &Path) -> Option<Result<Connection, ()>> {
    if !path.is_file() {
        return None;
    }
    let connection = cut::existing(path).ok()?;
    // Set before the first access, exclusive mode takes the lock that every other connection shares.
    let claimed = connection.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; ROLLBACK");
    match claimed.map_err(|error| error.sqlite_error_code()) {
        Ok(()) => Some(Ok(connection)),
        Err(Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)) => Some(Err(())),
        Err(_) => None,
    }
}

/// Absolute, with all links followed: what is exchanged must be the folder and not a link to it.
fn absolute(path: &Path) -> Result<PathBuf, FileError> {
    if path.exists() {
        return path.canonicalize().map_err(FileError::new("open", path));
    }
    let parent = draft::parent(path);
    let name = path.file_name().unwrap_or_default();
    Ok(parent.canonicalize().map_err(FileError::new("open", &parent))?.join(name))
}

fn aside(path: &Path) -> PathBuf {
    draft::beside(path, &format!("replaced-{}", Utc::now().format("%Y%m%dT%H%M%S%3fZ")))
}
