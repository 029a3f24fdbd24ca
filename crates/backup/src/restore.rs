//! Puts a backup back: every file is copied and proved beside the data folder, then takes its place in one step. Knows
//! no SQLite and no lock.
use crate::data_dir::Unused;
use crate::draft::{self, Draft};
use crate::manifest::{DTM_STORE, Manifest};
use crate::{FileError, Progress, RestoreError, sealed_file};
use std::path::{Path, PathBuf};

/// Where a backup is, and where it goes.
#[derive(Debug, Clone)]
pub struct Source {
    /// The folder of the backup.
    pub from: PathBuf,
    /// The data folder.
    pub data_dir: PathBuf,
    /// Whether something may be there already.
    pub occupied: Occupied,
    /// What becomes of DTM's data in it.
    pub dtm: DtmData,
}

/// What DTM's data becomes that the data folder has. A backup has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DtmData {
    /// Moved aside with the rest: DTM begins empty, and is told of all that is open.
    Aside,
    /// Kept: it knows more than the restored history, which never follows it.
    Keep,
}

/// What happens to a data folder that is not empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occupied {
    /// Nothing is restored.
    Refuse,
    /// What is there is moved aside.
    MoveAside,
}

/// Where the data is that was in the data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OldData {
    /// There was none.
    None,
    /// There.
    At(PathBuf),
}

/// What was restored.
#[derive(Debug, Clone)]
pub struct Restored {
    /// What the backup holds.
    pub manifest: Manifest,
    /// The data folder.
    pub data_dir: PathBuf,
    /// What was in it.
    pub old: OldData,
}

/// Makes a data folder what a backup says it was.
///
/// # Errors
/// The data folder is untouched then.
pub fn restore(source: &Source, mut told: impl FnMut(Progress)) -> Result<Restored, RestoreError> {
    let manifest = Manifest::read(&source.from)?;
    let old = Unused::claim(&source.data_dir)?;
    if !old.is_empty() && source.occupied == Occupied::Refuse {
        return Err(RestoreError::Occupied(source.data_dir.clone()));
    }
    let draft = Draft::beside(old.path())?;
    let (mut done, total) = (0, manifest.bytes());
    for entry in &manifest.files {
        let (from, to) = (source.from.join(&entry.path), draft.path().join(&entry.path));
        let not_whole = |what: String| RestoreError::NotWhole { folder: source.from.clone(), what };
        if !from.is_file() {
            return Err(not_whole(format!("{} is missing", entry.path)));
        }
        if draft::parent(&to) != draft.path() {
            draft::private_folder(&draft::parent(&to))?;
        }
        let seal = sealed_file::copy(&from, &to, |bytes| {
            done += bytes;
            told(Progress { file: entry.path.clone(), done, total });
        })?;
        if !entry.is(&seal) {
            return Err(not_whole(format!("{} is not what the manifest says", entry.path)));
        }
    }
    match source.dtm {
        DtmData::Keep => old.copy_dtm(draft.path())?,
        DtmData::Aside if manifest.dtm => begin_dtm(draft.path())?,
        DtmData::Aside => {}
    }
    let data_dir = old.path().to_owned();
    let old = old.replace_by(draft)?;
    Ok(Restored { manifest, data_dir, old })
}

/// An empty store, with which DTM begins anew. That it is there says that DTM is needed here, whatever drives what is
/// started from now on.
fn begin_dtm(folder: &Path) -> Result<(), FileError> {
    let store = folder.join(DTM_STORE);
    draft::private_folder(&draft::parent(&store))?;
    sealed_file::write(&store, b"").map(|_| ())
}
