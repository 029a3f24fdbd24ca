//! A folder with what was taken out of the history: a folder for each day of starts, in it files of some hundred global
//! transactions, named by the first of them and by an id of their own: no file is ever written over another, though the
//! same global transactions come again, as after a restore.

use super::file;
use super::record::Record;
use amends_dtm::Gid;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const WHOLE: &str = ".jsonl.gz";
pub(super) const PENDING: &str = ".jsonl.gz.pending";
const DRAFT: &str = ".draft";
/// A draft is forgotten after this time: nobody writes for so long, and another's may be under way.
const FORGOTTEN: Duration = Duration::from_secs(3_600);
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
    pub(super) path: PathBuf,
    pub(super) known: Vec<(String, i64)>,
}

impl Pending {
    pub(super) fn of(path: PathBuf, records: &[Record]) -> Self {
        let known = records.iter().map(|record| (record.gid.clone(), record.newest())).collect();
        Self { path, known }
    }

    /// Writes it, beside its place first. **Blocking.**
    pub(super) fn write(&self, records: &[Record]) -> std::io::Result<()> {
        let mut draft = self.path.clone().into_os_string();
        draft.push(DRAFT);
        file::write(Path::new(&draft), &self.path, records)
    }

    /// Of whom, and the newest event of each that the file has.
    #[must_use]
    pub fn known(&self) -> &[(String, i64)] {
        &self.known
    }

    /// They are out of the store: the file gets its name.
    pub(super) async fn settle(&self) -> Result<(), ArchiveError> {
        let from = self.path.clone();
        blocking(self.path.clone(), move || {
            let whole = whole_name(&from);
            match file::rename(&from, &whole) {
                // Another process, whose turn it was meanwhile, has done it.
                Err(error) if is_gone(&error) && whole.try_exists()? => Ok(()),
                renamed => renamed,
            }
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
        let first = records.first().map(|record| record.gid.as_str()).unwrap_or_default();
        let folder = self.folder.join(day(first));
        let path = folder.join(format!("{first}.{}{PENDING}", Gid::generate().as_str()));
        let (pending, records) = (Pending::of(path, records), records.to_vec());
        blocking(folder, move || pending.write(&records).map(|()| pending)).await
    }

    /// Removes what a crash left half written, a while ago: it is in the store still.
    pub(super) async fn tidy(&self) -> Result<(), ArchiveError> {
        let folder = self.folder.clone();
        blocking(folder.clone(), move || {
            let files = files(&folder)?;
            let mut drafts = files.iter().filter(|path| ends(path, DRAFT));
            drafts.try_for_each(|path| match is_forgotten(path).then(|| std::fs::remove_file(path)) {
                Some(Err(error)) if !is_gone(&error) => Err(error),
                Some(_) | None => Ok(()),
            })
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
                    let known = read(&path)?
                        .map(|record| record.map(|record| (record.gid.clone(), record.newest())))
                        .collect::<std::io::Result<_>>()?;
                    Ok(Pending { path, known })
                })
                .collect()
        })
        .await
    }

    /// One global transaction of the archive; of several records the one that knows most.
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
            let mut found: Option<Record> = None;
            for path in &may_have {
                for record in read(path)? {
                    let record = record?;
                    if record.gid == gid
                        && found.as_ref().is_none_or(|it| it.events.len() < record.events.len())
                    {
                        found = Some(record);
                    }
                }
            }
            Ok(found)
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
                for record in read(path)? {
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

/// A crash left it half written: what it has is in the store still.
fn is_forgotten(draft: &Path) -> bool {
    let written = std::fs::metadata(draft).and_then(|metadata| metadata.modified());
    written.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > FORGOTTEN))
}

/// The name of a file when nothing of it is in the store any more.
fn whole_name(pending: &Path) -> PathBuf {
    let name = pending.to_string_lossy();
    PathBuf::from(name.strip_suffix(".pending").unwrap_or(&name))
}

/// The records of a file that was just seen; it may have got its name since.
fn read(path: &Path) -> std::io::Result<impl Iterator<Item = std::io::Result<Record>> + use<>> {
    match file::read(path) {
        Err(error) if is_gone(&error) => file::read(&whole_name(path)),
        opened => opened,
    }
}

pub(super) fn is_gone(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::NotFound
}

pub(super) fn ends(path: &Path, with: &str) -> bool {
    path.to_string_lossy().ends_with(with)
}

/// The gid in a file's name.
pub(super) fn begins(path: &Path) -> &str {
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

pub(super) fn in_folder(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
        Err(error) if is_gone(&error) => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Disks may be slow: nobody else waits for them.
pub(super) async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, ArchiveError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| ArchiveError::Stopping)?;
    done.map_err(|source| ArchiveError::File { path, source })
}
