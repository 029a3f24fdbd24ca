//! What a client was told: each acknowledged gid with its request, written down outside the system before the client
//! goes on. Knows nothing of what became of them.
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;

/// The log of acknowledgements, in memory and in a file.
pub struct Witness {
    file: Mutex<File>,
    seen: Mutex<BTreeMap<u64, String>>,
}

impl Witness {
    /// An empty log, kept in a new file.
    pub fn new(path: &Path) -> Witness {
        Witness { file: Mutex::new(File::create_new(path).unwrap()), seen: Mutex::default() }
    }

    /// The order of this number was acknowledged with this gid.
    pub fn saw(&self, number: u64, gid: &str) {
        writeln!(self.file.lock().unwrap(), "{number} {gid}").unwrap();
        self.seen.lock().unwrap().insert(number, gid.to_owned());
    }

    /// Everything, by number of the order.
    pub fn all(&self) -> BTreeMap<u64, String> {
        self.seen.lock().unwrap().clone()
    }
}
