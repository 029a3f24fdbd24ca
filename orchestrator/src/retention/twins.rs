//! What two files of the archive have: a process that was suspended over a file gives it its name although another one has
//! archived the same meanwhile. Only a file that is pending gives lines up, and only to one that is there already.

use super::archive::{ArchiveError, PENDING, Pending, WHOLE, begins, blocking, ends, in_folder, is_gone};
use super::file;
use super::record::Record;
use amends_dtm::Gid;
use std::collections::{HashMap, HashSet};
use std::io::Result;
use std::path::{Path, PathBuf};

/// What is left of a file when others keep what they have of those that were not taken out through it; `None` = nothing, or
/// another process has dealt with it.
pub(super) async fn leave_out(
    pending: Pending,
    out: HashSet<String>,
) -> std::result::Result<Option<Pending>, ArchiveError> {
    blocking(pending.path.clone(), move || {
        let doubtful = pending.known.iter().filter(|(gid, _)| !out.contains(gid));
        let doubtful = doubtful.map(|(gid, newest)| (gid.as_str(), *newest)).collect();
        let twins = elsewhere(&pending.path, &doubtful)?;
        if twins.is_empty() { Ok(Some(pending)) } else { without(&pending.path, &twins) }
    })
    .await
}

/// Which of them other files of the same day have, with all of their events. A file that cannot be read has none: a line
/// too many is no harm, one too few is.
fn elsewhere(path: &Path, doubtful: &HashMap<&str, i64>) -> Result<HashSet<String>> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let last = doubtful.keys().max().copied().unwrap_or_default();
    let may_have = |other: &PathBuf| {
        other != path && (ends(other, WHOLE) || ends(other, PENDING)) && begins(other) <= last
    };
    let mut found = HashSet::new();
    for other in in_folder(folder)?.into_iter().filter(may_have) {
        let Ok(records) = file::read(&other) else { continue };
        let has_all = |record: &Record| {
            doubtful.get(record.gid.as_str()).is_some_and(|newest| record.newest() >= *newest)
        };
        found.extend(records.map_while(Result::ok).filter(has_all).map(|record| record.gid));
    }
    Ok(found)
}

/// Puts a file without these in the place of one: under a name of its own, because the other one may be getting its name
/// at this moment.
fn without(path: &Path, twins: &HashSet<String>) -> Result<Option<Pending>> {
    let records: Vec<Record> = match file::read(path) {
        Ok(records) => records.collect::<Result<_>>()?,
        Err(error) if is_gone(&error) => return Ok(None),
        Err(error) => return Err(error),
    };
    let left: Vec<Record> = records.into_iter().filter(|record| !twins.contains(&record.gid)).collect();
    tracing::info!(path = %path.display(), lines = twins.len(), "another file has them, too");
    let Some(first) = left.first() else {
        return file::remove(path)
            .or_else(|error| if is_gone(&error) { Ok(()) } else { Err(error) })
            .map(|()| None);
    };
    let pending = Pending::of(
        path.with_file_name(format!("{}.{}{PENDING}", first.gid, Gid::generate().as_str())),
        &left,
    );
    pending.write(&left)?;
    match file::remove(path) {
        Ok(()) => Ok(Some(pending)),
        // It has its name now, and so all that it had.
        Err(error) if is_gone(&error) => file::remove(&pending.path).map(|()| None),
        Err(error) => Err(error),
    }
}
