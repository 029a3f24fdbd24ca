//! Files of the archive: gzipped lines of JSON, written whole or not at all.

use super::record::Record;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufRead as _, BufReader, Result, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// Writes the records beside `path` and gives the file its name when it is durable: plans and reasons are nobody
/// else's business.
pub(super) fn write(draft: &Path, path: &Path, records: &[Record]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let new: Vec<&Path> = folder.ancestors().take_while(|path| !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    // A folder that is new is an entry of the one above.
    for above in new.into_iter().filter_map(Path::parent).filter(|path| !path.as_os_str().is_empty()) {
        File::open(above)?.sync_all()?;
    }
    let file = OpenOptions::new().create(true).write(true).truncate(true).mode(0o600).open(draft)?;
    let mut zipped = GzEncoder::new(file, Compression::default());
    for record in records {
        serde_json::to_writer(&mut zipped, record)?;
        zipped.write_all(b"\n")?;
    }
    zipped.finish()?.sync_all()?;
    rename(draft, path)
}

/// Renames, and is durable when it returns.
pub(super) fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to)?;
    for folder in [from.parent(), to.parent()].into_iter().flatten() {
        File::open(folder)?.sync_all()?;
    }
    // A folder that is new is an entry of the one above.
    match to.parent().and_then(Path::parent) {
        Some(above) => File::open(above)?.sync_all(),
        None => Ok(()),
    }
}

/// Removes a file, and is durable when it returns.
pub(super) fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// The records of a file, one after another.
pub(super) fn read(path: &Path) -> Result<impl Iterator<Item = Result<Record>> + use<>> {
    let lines = BufReader::new(GzDecoder::new(File::open(path)?)).lines();
    Ok(lines.map(|line| Ok(serde_json::from_str(&line?)?)))
}
