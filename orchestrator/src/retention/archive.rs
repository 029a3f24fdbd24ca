//! A folder with what was taken out of the history: a folder for each day of starts, in it files of some hundred global
//! transactions, named by the first of them.

use super::file;
use super::record::Record;
use amends_dtm::Gid;
use std::path::{Path, PathBuf};

const WHOLE: &str = ".jsonl.gz";
const PENDING: &str = ".jsonl.gz.pending";
const DRAFT: &str = ".draft";
/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// Where ended global transactions go.
#[derive(Debug, Clone)]
pub struct Archive {
    folder: PathBuf,
}

/// Why the archive does not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// A file or folder.
    #[error("{path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The work was given up: the process goes down.
    #[error("the process is going down")]
    Stopping,
}

/// A file whose global transactions may still be in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    path: PathBuf,
    gids: Vec<String>,
}

impl Pending {
    /// Of whom.
    #[must_use]
    pub fn gids(&self) -> &[String] {
        &self.gids
    }

    /// They are out of the store: the file gets its name.
    pub(super) async fn settle(&self) -> Result<(), ArchiveError> {
        let from = self.path.clone();
        blocking(self.path.clone(), move || {
            let name = from.to_string_lossy();
            let whole = name.strip_suffix(".pending").unwrap_or(&name).to_owned();
            file::rename(&from, Path::new(&whole))
        })
        .await
    }
}

impl Archive {
    /// In this folder, which is made when it is needed.
    #[must_use]
    pub fn at(folder: PathBuf) -> Self {
        Self { folder }
    }

    /// Writes records of one day; they may be taken out of the store when this returns.
    pub(super) async fn write(&self, records: &[Record]) -> Result<Pending, ArchiveError> {
        let gids: Vec<String> = records.iter().map(|record| record.gid.clone()).collect();
        let first = gids.first().cloned().unwrap_or_default();
        let path = self.folder.join(day(&first)).join(format!("{first}{PENDING}"));
        let (records, to) = (records.to_vec(), path.clone());
        blocking(path.clone(), move || file::write(&to.with_extension("pending.draft"), &to, &records))
            .await?;
        Ok(Pending { path, gids })
    }

    /// Removes what a crash left half written: it is in the store still.
    pub(super) async fn tidy(&self) -> Result<(), ArchiveError> {
        let folder = self.folder.clone();
        blocking(folder.clone(), move || {
            files(&folder)?.iter().filter(|path| ends(path, DRAFT)).try_for_each(std::fs::remove_file)
        })
        .await
    }

    /// Files whose global transactions may still be in the store.
    pub(super) async fn pending(&self) -> Result<Vec<Pending>, ArchiveError> {
        let folder = self.folder.clone();
        blocking(folder.clone(), move || {
            let found = files(&folder)?.into_iter().filter(|path| ends(path, PENDING));
            found
                .map(|path| {
                    let gids =
                        file::read(&path)?.map(|record| Ok(record?.gid)).collect::<std::io::Result<_>>()?;
                    Ok(Pending { path, gids })
                })
                .collect()
        })
        .await
    }

    /// One global transaction of the archive.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub async fn find(&self, gid: &Gid) -> Result<Option<Record>, ArchiveError> {
        let (folder, gid) = (self.folder.join(day(gid.as_str())), gid.as_str().to_owned());
        blocking(folder.clone(), move || {
            // Files are of disjoint stretches of gids only as long as nobody ended late: all that may have it are read.
            let mut may_have = in_folder(&folder)?;
            may_have
                .retain(|path| (ends(path, WHOLE) || ends(path, PENDING)) && begins(path) <= gid.as_str());
            may_have.sort_unstable();
            for path in may_have.iter().rev() {
                for record in file::read(path)? {
                    let record = record?;
                    if record.gid == gid {
                        return Ok(Some(record));
                    }
                }
            }
            Ok(None)
        })
        .await
    }

    /// Every record, file by file: for whoever counts.
    ///
    /// # Errors
    /// Where a file cannot be read.
    pub async fn gids(&self) -> Result<Vec<String>, ArchiveError> {
        let folder = self.folder.clone();
        blocking(folder.clone(), move || {
            let mut gids = Vec::new();
            for path in files(&folder)?.iter().filter(|path| !ends(path, DRAFT)) {
                for record in file::read(path)? {
                    gids.push(record?.gid);
                }
            }
            Ok(gids)
        })
        .await
    }
}

/// Stretches of gids that began on one day.
pub(super) fn days(gids: &[String]) -> impl Iterator<Item = &[String]> {
    gids.chunk_by(|one, next| day(one) == day(next))
}

/// The day on which a gid was made, e.g. `2026-11-22`.
fn day(gid: &str) -> String {
    let digits: String = gid.chars().filter(|c| *c != '-').take(12).collect();
    let ms = i64::from_str_radix(&digits, 16).unwrap_or(0);
    let start = chrono::DateTime::from_timestamp_millis(ms - ms.rem_euclid(DAY_MS));
    start.map(|start| start.format("%Y-%m-%d").to_string()).unwrap_or_default()
}

fn ends(path: &Path, with: &str) -> bool {
    path.to_string_lossy().ends_with(with)
}

/// The gid in a file's name.
fn begins(path: &Path) -> &str {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.split('.').next().unwrap_or_default()
}

/// The files of all days; none where nothing was archived yet.
fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for path in in_folder(folder)? {
        if path.is_dir() {
            files.extend(in_folder(&path)?);
        }
    }
    files.sort_unstable();
    Ok(files)
}

fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Disks may be slow: nobody else waits for them.
async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ArchiveError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| ArchiveError::Stopping)?;
    done.map_err(|source| ArchiveError::File { path, source })
}
