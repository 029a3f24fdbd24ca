//! One file with its SHA-256: copied, written or read so that both are of the same bytes. Knows no format.
use crate::FileError;
use sha2::{Digest as _, Sha256};
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Bytes moved at one time.
const CHUNK: usize = 1 << 20;

/// Length and digest of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Seal {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Seal {
    pub(crate) fn of(bytes: &[u8]) -> Seal {
        Seal { bytes: bytes.len() as u64, sha256: hex::encode(Sha256::digest(bytes)) }
    }
}

/// A new, private, empty file.
pub(crate) fn create(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(0o600);
    options.open(path).map_err(FileError::new("create", path))
}

/// Writes a new private file, durably.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<Seal, FileError> {
    let mut file = create(path)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(FileError::new("write", path))?;
    Ok(Seal::of(bytes))
}

/// Makes a file durable that somebody else wrote, and seals it.
pub(crate) fn seal(path: &Path) -> Result<Seal, FileError> {
    let mut file = File::open(path).map_err(FileError::new("open", path))?;
    file.sync_all().map_err(FileError::new("make durable", path))?;
    read(&mut file, path, |_| Ok(()))
}

/// Copies a file to a new private one, durably; tells of each chunk. The seal is of what was copied.
pub(crate) fn copy(from: &Path, to: &Path, mut copied: impl FnMut(u64)) -> Result<Seal, FileError> {
    let mut source = File::open(from).map_err(FileError::new("open", from))?;
    let mut target = create(to)?;
    let seal = read(&mut source, from, |chunk| {
        copied(chunk.len() as u64);
        target.write_all(chunk).map_err(FileError::new("write", to))
    })?;
    target.sync_all().map_err(FileError::new("make durable", to))?;
    Ok(seal)
}

fn read(
    file: &mut File,
    path: &Path,
    mut each: impl FnMut(&[u8]) -> Result<(), FileError>,
) -> Result<Seal, FileError> {
    let (mut hasher, mut bytes, mut chunk) = (Sha256::new(), 0, vec![0; CHUNK]);
    loop {
        let count = file.read(&mut chunk).map_err(FileError::new("read", path))?;
        if count == 0 {
            return Ok(Seal { bytes, sha256: hex::encode(hasher.finalize()) });
        }
        hasher.update(&chunk[..count]);
        bytes += count as u64;
        each(&chunk[..count])?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn what_is_copied_is_what_is_sealed() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        let text = vec![7; CHUNK + 3];
        let written = write(&from, &text).unwrap();
        let mut told = 0;
        assert_eq!(copy(&from, &to, |bytes| told += bytes).unwrap(), written);
        assert_eq!((told, written.bytes), (text.len() as u64, text.len() as u64));
        assert_eq!((seal(&to).unwrap(), Seal::of(&text)), (written.clone(), written));
        assert_eq!(std::fs::metadata(&to).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn nothing_is_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        write(&path, b"first").unwrap();
        assert!(write(&path, b"second").is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"first");
    }
}
