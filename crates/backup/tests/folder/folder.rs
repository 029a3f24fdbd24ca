//! A data folder with seven small stores, as a running system would have it. Knows what a backup asks of a store.
use amends_backup::{
    Backup, BackupError, DtmData, Occupied, RestoreError, Restored, Source, StoreName, Wanted,
};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A data folder, and room beside it.
pub struct Folder {
    room: tempfile::TempDir,
}

impl Folder {
    /// With all stores, key, ports and DTM's data.
    pub fn new() -> Folder {
        let folder = Folder { room: tempfile::tempdir().unwrap() };
        let data = folder.data();
        for path in [data.clone(), data.join("keys"), data.join("dtm")] {
            std::fs::create_dir(path).unwrap();
        }
        for store in StoreName::ALL {
            let schema = "PRAGMA journal_mode = WAL;
                CREATE TABLE seaql_migrations (version TEXT PRIMARY KEY);
                CREATE TABLE note (number INTEGER, what TEXT);";
            open(&data.join(store.file())).execute_batch(schema).unwrap();
        }
        let history = "CREATE TABLE global_transaction (gid TEXT, is_open BOOLEAN);
            INSERT INTO global_transaction VALUES ('a', 1), ('b', 0), ('c', 1);";
        folder.store(StoreName::Orchestrator).execute_batch(history).unwrap();
        std::fs::write(data.join("keys/plan-mac"), "key").unwrap();
        std::fs::write(data.join("ports.json"), "{}").unwrap();
        std::fs::write(data.join("dtm/dtm.bolt"), "bolt").unwrap();
        folder
    }

    /// A path beside the data folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.room.path().join(name)
    }

    /// The data folder.
    pub fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// What lies beside it.
    pub fn beside(&self) -> Vec<String> {
        names(self.room.path())
    }

    /// A connection to one store.
    pub fn store(&self, store: StoreName) -> Connection {
        open(&self.data().join(store.file()))
    }

    /// What is wanted when nothing special is.
    pub fn wanted(&self, to: &str) -> Wanted {
        let (data_dir, to) = (self.data(), self.path(to));
        Wanted { data_dir, to, without: Default::default(), amends_version: "0.0.0".into() }
    }

    pub fn back_up(&self, to: &str) -> Result<Backup, BackupError> {
        amends_backup::back_up(&self.wanted(to), |_| {})
    }

    /// Restores into a folder beside the data folder.
    pub fn restore(&self, from: &str, to: &str) -> Result<Restored, RestoreError> {
        self.restore_over(from, to, Occupied::Refuse, DtmData::Aside)
    }

    pub fn restore_over(
        &self,
        from: &str,
        to: &str,
        occupied: Occupied,
        dtm: DtmData,
    ) -> Result<Restored, RestoreError> {
        let source = Source { from: self.path(from), data_dir: self.path(to), occupied, dtm };
        amends_backup::restore(&source, |_| {})
    }
}

/// Opens a store as its process does.
pub fn open(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.execute_batch("PRAGMA synchronous = OFF").unwrap();
    connection.busy_timeout(Duration::from_secs(2)).unwrap();
    connection
}

/// Every file below a folder, with its bytes.
pub fn content(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for name in names(folder) {
        let path = folder.join(&name);
        if path.is_dir() {
            files.extend(content(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.insert(name, std::fs::read(path).unwrap());
        }
    }
    files
}

pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
