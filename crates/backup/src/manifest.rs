//! What a backup says of itself: which files, their digests, the moment, the versions. Written last and sealed, so a
//! folder without a sound manifest is no backup.
use crate::sealed_file::{self, Seal};
use crate::{FileError, RestoreError, StoreName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// The form of the manifest; a newer one is refused.
pub(crate) const FORMAT: u32 = 1;
const MANIFEST: &str = "manifest.json";
/// The manifest's own digest, in the form of `sha256sum`.
const SEAL: &str = "manifest.json.sha256";
/// Longest manifest that is read: a whole one has some KiB.
const MAX_BYTES: u64 = 1 << 20;

/// The key of the plan MAC, below the folder.
pub(crate) const KEY: &str = "keys/plan-mac";
/// DTM's store, which is never copied.
pub(crate) const DTM_STORE: &str = "dtm/dtm.bolt";
/// The ports of the data folder: DTM keeps the relay's address with each global transaction.
pub(crate) const PORTS: &str = "ports.json";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Form of this text.
    pub format: u32,
    /// Version that made it.
    pub amends_version: String,
    /// The moment that all stores are from, RFC 3339.
    pub taken_at: String,
    /// How long new work had to wait for that.
    pub frozen_us: u64,
    /// Global transactions in the history.
    pub global_transactions: u64,
    /// Those of them that are not final.
    pub open: u64,
    /// Stores that are kept elsewhere.
    pub without: Vec<StoreName>,
    /// DTM worked here. Its data is left out, so it will begin empty.
    pub dtm: bool,
    /// The files.
    pub files: Vec<Entry>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where, below the folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest, in hex.
    pub sha256: String,
    /// What it holds, if it is a store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store: Option<StoreFacts>,
}

/// What a store holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreFacts {
    /// Whose it is.
    pub name: StoreName,
    /// Migrations that were applied to it.
    pub migrations: Vec<String>,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
}

impl Entry {
    pub(crate) fn new(path: impl Into<String>, seal: Seal, store: Option<StoreFacts>) -> Entry {
        Entry { path: path.into(), bytes: seal.bytes, sha256: seal.sha256, store }
    }

    pub(crate) fn is(&self, seal: &Seal) -> bool {
        self.bytes == seal.bytes && self.sha256 == seal.sha256
    }
}

impl Manifest {
    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.files.iter().map(|file| file.bytes).sum()
    }

    /// Writes it, and then its seal.
    pub(crate) fn write(&self, folder: &Path) -> Result<(), FileError> {
        let path = folder.join(MANIFEST);
        let failed = |error: serde_json::Error| FileError::new("write", &path)(error.into());
        let text = serde_json::to_vec_pretty(self).map_err(failed)?;
        let seal = sealed_file::write(&path, &text)?;
        let line = format!("{}  {MANIFEST}\n", seal.sha256);
        sealed_file::write(&folder.join(SEAL), line.as_bytes()).map(|_| ())
    }

    /// Reads it and judges whether this version can work with it. The files are not looked at.
    pub(crate) fn read(folder: &Path) -> Result<Manifest, RestoreError> {
        let unsound = |what: String| RestoreError::NotWhole { folder: folder.to_owned(), what };
        let text = file(folder, MANIFEST)?;
        let seal = file(folder, SEAL)?;
        if seal != format!("{}  {MANIFEST}\n", Seal::of(&text).sha256).as_bytes() {
            return Err(unsound(format!("{MANIFEST} is not what {SEAL} says")));
        }
        let format: Form = serde_json::from_slice(&text).map_err(|error| unsound(error.to_string()))?;
        if format.format > FORMAT {
            let (version, what) = (format.amends_version, format!("format {}", format.format));
            return Err(RestoreError::Newer { version, what });
        }
        let manifest: Manifest =
            serde_json::from_slice(&text).map_err(|error| unsound(format!("{MANIFEST}: {error}")))?;
        manifest.names_known_files().map_err(unsound)?;
        manifest.knows_migrations()?;
        Ok(manifest)
    }

    /// A path is where a file will be written: only the names that a backup has.
    fn names_known_files(&self) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        for entry in &self.files {
            let known = match &entry.store {
                Some(store) => entry.path == store.name.file(),
                None => [KEY, PORTS].contains(&entry.path.as_str()),
            };
            if !known || !seen.insert(&entry.path) {
                return Err(format!("{MANIFEST} names the file {:?}", entry.path));
            }
        }
        let has = |store: &StoreName| seen.contains(&store.file());
        match StoreName::ALL.iter().find(|store| !has(store) && !self.without.contains(store)) {
            Some(lost) => Err(format!("{MANIFEST} does not name the store of {lost}")),
            None => Ok(()),
        }
    }

    fn knows_migrations(&self) -> Result<(), RestoreError> {
        for store in self.files.iter().filter_map(|file| file.store.as_ref()) {
            let known = store.name.known_migrations();
            if let Some(unknown) = store.migrations.iter().find(|migration| !known.contains(migration)) {
                let what = format!("migration {unknown} of {}", store.name);
                return Err(RestoreError::Newer { version: self.amends_version.clone(), what });
            }
        }
        Ok(())
    }
}

/// What every form of the manifest has.
#[derive(Deserialize)]
struct Form {
    format: u32,
    amends_version: String,
}

fn file(folder: &Path, name: &str) -> Result<Vec<u8>, RestoreError> {
    let path = folder.join(name);
    let not_whole = |what: String| RestoreError::NotWhole { folder: folder.to_owned(), what };
    let length = std::fs::metadata(&path).map_err(|error| not_whole(format!("{name}: {error}")))?.len();
    if length > MAX_BYTES {
        return Err(not_whole(format!("{name} has {length} bytes")));
    }
    std::fs::read(&path).map_err(|error| not_whole(format!("{name}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let entry = |name: StoreName| {
            let facts = StoreFacts { name, migrations: name.known_migrations(), rows: BTreeMap::new() };
            Entry::new(name.file(), Seal::of(b""), Some(facts))
        };
        Manifest {
            format: FORMAT,
            amends_version: "9.9.9".into(),
            taken_at: "2026-01-01T00:00:00Z".into(),
            frozen_us: 1,
            global_transactions: 2,
            open: 1,
            without: vec![],
            dtm: false,
            files: StoreName::ALL.into_iter().map(entry).collect(),
        }
    }

    fn read(manifest: &Manifest) -> Result<Manifest, String> {
        let folder = tempfile::tempdir().unwrap();
        manifest.write(folder.path()).unwrap();
        Manifest::read(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(read(&manifest()), Ok(manifest()));
    }

    #[test]
    fn what_this_version_does_not_know_is_refused() {
        let mut newer = manifest();
        newer.format += 1;
        assert!(read(&newer).unwrap_err().contains("format 2"));
        let mut newer = manifest();
        newer.files[1].store.as_mut().unwrap().migrations.push("m9999_later".into());
        assert!(read(&newer).unwrap_err().contains("m9999_later of order"));
    }

    #[test]
    fn only_the_files_of_a_backup_may_be_named() {
        let mut lost = manifest();
        lost.files.remove(3);
        assert!(read(&lost).unwrap_err().contains("does not name the store of inventory"));
        lost.without.push(StoreName::Inventory);
        assert!(read(&lost).is_ok());
        for path in ["../order.db", "/order.db", "account.db", "logs/order.log"] {
            let mut astray = manifest();
            astray.files[1].path = path.into();
            assert!(read(&astray).is_err(), "{path}");
        }
        let mut twice = manifest();
        twice.files.push(twice.files[0].clone());
        assert!(read(&twice).is_err());
    }

    #[test]
    fn every_flipped_byte_of_it_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        manifest().write(folder.path()).unwrap();
        for name in [MANIFEST, SEAL] {
            let path = folder.path().join(name);
            let whole = std::fs::read(&path).unwrap();
            for at in (0..whole.len()).step_by(7) {
                let mut flipped = whole.clone();
                flipped[at] ^= 1;
                std::fs::write(&path, &flipped).unwrap();
                assert!(Manifest::read(folder.path()).is_err(), "{name} byte {at}");
            }
            std::fs::write(&path, &whole).unwrap();
        }
        assert!(Manifest::read(folder.path()).is_ok());
    }
}
