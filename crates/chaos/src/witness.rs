//! What a client was told: each acknowledged gid with its request, written down outside the system before the client
//! goes on. Knows nothing of what became of them.
use crate::error::ChaosError;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The log of acknowledgements, in memory and in a file.
pub struct Witness {
    path: PathBuf,
    kept: Mutex<Kept>,
}

struct Kept {
    file: File,
    seen: BTreeMap<u64, String>,
    others: BTreeSet<String>,
}

impl Witness {
    /// An empty log, kept in a new file.
    ///
    /// # Errors
    /// There is such a file, or it cannot be made.
    pub fn new(path: &Path) -> Result<Witness, ChaosError> {
        let file = File::create_new(path).map_err(ChaosError::file(path))?;
        Ok(Witness {
            path: path.to_owned(),
            kept: Mutex::new(Kept { file, seen: BTreeMap::new(), others: BTreeSet::new() }),
        })
    }

    /// The order of this number was acknowledged with this gid.
    ///
    /// # Errors
    /// It cannot be written down.
    pub fn saw(&self, number: u64, gid: &str) -> Result<(), ChaosError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(kept.file, "{number} {gid}").map_err(ChaosError::file(&self.path))?;
        kept.seen.insert(number, gid.to_owned());
        Ok(())
    }

    /// Somebody who is no client of the load was told of this gid: whoever judges the load asks no more of it.
    pub fn saw_other(&self, gid: &str) {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).others.insert(gid.to_owned());
    }

    /// Gids that others were told of.
    #[must_use]
    pub fn others(&self) -> BTreeSet<String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).others.clone()
    }

    /// Everything, by number of the order.
    #[must_use]
    pub fn all(&self) -> BTreeMap<u64, String> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).seen.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::Witness;

    #[test]
    fn what_was_seen_is_in_the_file_and_a_used_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("witness");
        let witness = Witness::new(&path).unwrap();
        witness.saw(7, "g").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "7 g\n");
        assert_eq!(witness.all().into_iter().collect::<Vec<_>>(), [(7, "g".to_owned())]);
        assert!(Witness::new(&path).is_err());
    }
}
