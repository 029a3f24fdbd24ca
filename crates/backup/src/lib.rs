//! Backup and restore of a data folder: copies of all SQLite stores that belong to one moment, taken while the system
//! works, and put back as one. Knows files, SQLite and the names of the stores; knows no table's meaning and no process.
//!
//! The moment is chosen so that restoring is the same as a crash at that moment, which recovery and the branch guards
//! are made for; see [`back_up`] for why.
mod backup;
mod cut;
mod data_dir;
mod draft;
mod error;
mod manifest;
mod restore;
mod sealed_file;
mod snapshot;
mod store_name;

pub use backup::{Backup, Wanted, back_up};
pub use error::{BackupError, FileError, RestoreError};
pub use manifest::{Entry, Manifest, StoreFacts};
pub use restore::{DtmData, Occupied, OldData, Restored, Source, restore};
pub use store_name::StoreName;

/// How far the copying is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The file being copied, below the folder.
    pub file: String,
    /// Bytes copied so far, of all files together.
    pub done: u64,
    /// Bytes of all files together.
    pub total: u64,
}
