//! Takes a backup: the cut, the copies, the manifest, and only then the name. Knows neither locks nor SQLite.
use crate::cut::{self, Cut, StoreFile};
use crate::draft::{self, Draft};
use crate::manifest::{DTM_STORE, Entry, FORMAT, KEY, Manifest, PORTS};
use crate::sealed_file;
use crate::{BackupError, FileError, Progress, StoreName, snapshot};
use chrono::{DateTime, SecondsFormat, Utc};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// What is to be backed up, and where to.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The data folder of the system, which may be running.
    pub data_dir: PathBuf,
    /// The folder of the backup, which must not be there.
    pub to: PathBuf,
    /// Stores that are kept elsewhere, e.g. on PostgreSQL.
    pub without: BTreeSet<StoreName>,
    /// Version of the caller, for the manifest.
    pub amends_version: String,
}

/// A finished backup.
#[derive(Debug, Clone)]
pub struct Backup {
    /// Where it is.
    pub folder: PathBuf,
    /// What it holds.
    pub manifest: Manifest,
}

/// Copies all stores of a data folder, as they are at one moment, while the system works.
///
/// The moment: the write locks of the gateway's store and of the history are taken, read transactions are opened on
/// history, participants and provider, in this order, and the locks are released; some milliseconds. What the durable
/// history does not permit is not begun: so while it stands still, nobody can get further than one op beyond it, which
/// is what a crash leaves behind, and repeating that op is harmless. The history is read first, so no participant lacks
/// what it says they did. Likewise the gateway sends nothing that it has not written down, so the provider knows of no
/// request that the gateway does not. The backup that dies lets go of its locks by dying.
///
/// # Errors
/// There is no backup then, and nothing under its name.
pub fn back_up(wanted: &Wanted, mut told: impl FnMut(Progress)) -> Result<Backup, BackupError> {
    if std::fs::symlink_metadata(&wanted.to).is_ok() {
        return Err(BackupError::Exists(wanted.to.clone()));
    }
    let stores = wanted.stores()?;
    let draft = Draft::beside(&wanted.to)?;
    let Cut { readers, at, frozen } = cut::take(&stores)?;
    let sizes = readers.iter().map(snapshot::size).collect::<Result<Vec<_>, _>>()?;
    let (mut done, total) = (0, sizes.iter().sum());
    let mut files = Vec::new();
    for reader in readers {
        let file = reader.store.name.file();
        let path = draft.path().join(&file);
        snapshot::copy(&reader, &path, |bytes| {
            done += bytes;
            told(Progress { file: file.clone(), done, total });
        })?;
        let name = reader.store.name;
        // Its snapshot kept the write-ahead log from being reused; now that is over.
        drop(reader);
        let facts = snapshot::inspect(name, &path)?;
        files.push(Entry::new(file, sealed_file::seal(&path)?, Some(facts)));
    }
    files.extend(copy_extras(&wanted.data_dir, draft.path())?);
    let history = files.iter().filter_map(|file| file.store.as_ref());
    let history = history.filter(|store| store.name == StoreName::Orchestrator);
    let manifest = Manifest {
        format: FORMAT,
        amends_version: wanted.amends_version.clone(),
        taken_at: DateTime::<Utc>::from(at).to_rfc3339_opts(SecondsFormat::Millis, true),
        frozen_us: u64::try_from(frozen.as_micros()).unwrap_or(u64::MAX),
        global_transactions: history.filter_map(|store| store.rows.get("global_transaction")).sum(),
        open: snapshot::open_transactions(&draft.path().join(StoreName::Orchestrator.file()))?,
        without: wanted.without.iter().copied().collect(),
        dtm: wanted.data_dir.join(DTM_STORE).is_file(),
        files,
    };
    manifest.write(draft.path())?;
    draft.publish(&wanted.to)?;
    Ok(Backup { folder: wanted.to.clone(), manifest })
}

impl Wanted {
    /// The stores, in the order of the cut. One that is neither there nor named as being elsewhere is an error: a
    /// backup that lacks something must not look like one that does not.
    fn stores(&self) -> Result<Vec<StoreFile>, BackupError> {
        if self.without.contains(&StoreName::Orchestrator) {
            return Err(BackupError::WithoutHistory);
        }
        let names = StoreName::ALL.into_iter().filter(|name| !self.without.contains(name));
        let stores = names.map(|name| StoreFile { name, path: self.data_dir.join(name.file()) });
        let (there, missing): (Vec<_>, Vec<_>) = stores.partition(|store| store.path.is_file());
        if missing.is_empty() {
            return Ok(there);
        }
        let missing = missing.into_iter().map(|store| store.name).collect();
        Err(BackupError::Missing { data_dir: self.data_dir.clone(), missing })
    }
}

/// The key and the ports, where the data folder has them: neither ever changes.
fn copy_extras(data_dir: &Path, folder: &Path) -> Result<Vec<Entry>, FileError> {
    let mut files = Vec::new();
    for name in [KEY, PORTS] {
        let (from, to) = (data_dir.join(name), folder.join(name));
        if !from.is_file() {
            continue;
        }
        if draft::parent(&to) != folder {
            draft::private_folder(&draft::parent(&to))?;
        }
        files.push(Entry::new(name, sealed_file::copy(&from, &to, |_| {})?, None));
    }
    Ok(files)
}
