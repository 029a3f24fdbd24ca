//! Why a backup or a restore was not made. Nothing is left behind then but what the text names.
use crate::StoreName;
use std::path::{Path, PathBuf};

/// A file or folder that could not be worked with.
#[derive(Debug, thiserror::Error)]
#[error("{doing} {}", path.display())]
pub struct FileError {
    /// What was being done, e.g. `create`.
    pub doing: &'static str,
    /// With which.
    pub path: PathBuf,
    /// Why it failed.
    #[source]
    pub source: std::io::Error,
}

impl FileError {
    pub(crate) fn new(doing: &'static str, path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.as_ref().to_owned();
        move |source| Self { doing, path, source }
    }
}

/// Why there is no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// Stores that should be in the data folder are not.
    #[error(
        "{} lacks the store of {}; name those kept elsewhere by --without (a PostgreSQL store is backed up by \
         pg_dump), or the right --data-dir",
        data_dir.display(),
        list(missing)
    )]
    Missing {
        /// The data folder.
        data_dir: PathBuf,
        /// Which.
        missing: Vec<StoreName>,
    },
    /// Without it nobody could say what the others' rows belong to.
    #[error("the orchestrator's history cannot be left out: the other stores follow from it")]
    WithoutHistory,
    /// A backup is never written over something.
    #[error("{} is there already; a backup is written to a new folder", .0.display())]
    Exists(PathBuf),
    /// Somebody wrote to a store all the time.
    #[error(
        "the store of {store} was being written to for {waited_s} s without a gap; is its process hanging?"
    )]
    Busy {
        /// Whose.
        store: StoreName,
        /// How long was waited.
        waited_s: u64,
    },
    /// A store did not answer as it should.
    #[error("the store of {store}: {doing}")]
    Store {
        /// Whose.
        store: StoreName,
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: rusqlite::Error,
    },
    /// The copy is not sound, so the store is not either.
    #[error("the store of {store} is damaged: {what}")]
    Damaged {
        /// Whose.
        store: StoreName,
        /// What the check says.
        what: String,
    },
}

impl BackupError {
    pub(crate) fn store(store: StoreName, doing: &'static str) -> impl FnOnce(rusqlite::Error) -> Self {
        move |source| Self::Store { store, doing, source }
    }
}

/// Why nothing was restored; the data folder is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// A file or folder.
    #[error(transparent)]
    File(#[from] FileError),
    /// There is no whole backup.
    #[error("{} is not a whole backup: {what}", folder.display())]
    NotWhole {
        /// The folder.
        folder: PathBuf,
        /// What is missing or wrong.
        what: String,
    },
    /// Made by a newer version.
    #[error("the backup was made by version {version}, which is newer than this one: {what}")]
    Newer {
        /// That version.
        version: String,
        /// What is not known here.
        what: String,
    },
    /// A system runs on the data folder.
    #[error("{} is in use ({what}): stop the system first", data_dir.display())]
    InUse {
        /// The data folder.
        data_dir: PathBuf,
        /// What shows it.
        what: String,
    },
    /// Something is there already.
    #[error("{} is not empty; with --force what is there is moved aside", .0.display())]
    Occupied(PathBuf),
    /// The data folder cannot be exchanged as a whole.
    #[error(
        "{} cannot be replaced as a whole; if it is a mount point, restore into a folder inside it",
        data_dir.display()
    )]
    Fixed {
        /// The data folder.
        data_dir: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

fn list(stores: &[StoreName]) -> String {
    stores.iter().map(|store| store.as_str()).collect::<Vec<_>>().join(", ")
}
