//! A private folder that is being filled: it gets its name only when it is whole, and is gone if it never was.
use crate::FileError;
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A folder that is being filled. Dropped before it is published, it is removed.
#[derive(Debug)]
pub(crate) struct Draft {
    path: PathBuf,
    published: bool,
}

impl Draft {
    /// Makes an empty one beside `target`, so that publishing is a mere renaming.
    pub(crate) fn beside(target: &Path) -> Result<Draft, FileError> {
        let id = uuid::Uuid::now_v7().simple().to_string();
        let path = beside(target, &format!("partial-{}", &id[24..]));
        private_folder(&path)?;
        Ok(Draft { path, published: false })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Makes all of it durable under its own name, then gives it `name`, where nothing or an empty folder may be.
    pub(crate) fn publish(mut self, name: &Path) -> Result<(), FileError> {
        self.sync()?;
        std::fs::rename(&self.path, name).map_err(FileError::new("rename to", name))?;
        self.published = true;
        sync_folder(&parent(name))
    }

    /// Makes the folders durable; their files are.
    pub(crate) fn sync(&self) -> Result<(), FileError> {
        for entry in std::fs::read_dir(&self.path).map_err(FileError::new("list", &self.path))? {
            let path = entry.map_err(FileError::new("list", &self.path))?.path();
            if path.is_dir() {
                sync_folder(&path)?;
            }
        }
        sync_folder(&self.path)
    }

    /// The folder is somebody else's now.
    pub(crate) fn give_up(mut self) -> PathBuf {
        self.published = true;
        std::mem::take(&mut self.path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.published {
            // Its name says what it is, should this fail.
            let _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// `name.suffix` in the same folder.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{suffix}"));
    path.with_file_name(name)
}

/// The folder that holds `path`.
pub(crate) fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => PathBuf::from("."),
    }
}

/// Makes a folder that only its owner can enter; the folders above it must be there.
pub(crate) fn private_folder(path: &Path) -> Result<(), FileError> {
    DirBuilder::new().mode(0o700).create(path).map_err(FileError::new("create", path))
}

pub(crate) fn sync_folder(path: &Path) -> Result<(), FileError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(FileError::new("make durable", path))
}
