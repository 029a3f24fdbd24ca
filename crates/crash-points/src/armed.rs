//! What a place does in a test build: looks whether a file of its name asks for its death. Knows nobody who asks.
use crate::Place;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// Names the folder in which a process looks for what it is to die at. Without it nothing happens.
pub const FOLDER: &str = "AMENDS_CRASH_POINTS";
/// Ends the name of a file whose point was hit.
const HIT: &str = "hit";

/// On which side of its work a process dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Nothing of it has happened.
    Before,
    /// It is over, and nobody has heard of it.
    After,
}

/// One point: a place and a side of it. Its text is its name, which never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Where.
    pub place: Place,
    /// On which side.
    pub side: Side,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let side = match self.side {
            Side::Before => "before",
            Side::After => "after",
        };
        f.pad(&format!("{side}.{}", self.place.name()))
    }
}

impl Point {
    /// Every point there is.
    pub fn all() -> impl Iterator<Item = Point> {
        let of = |place: &Place| [Side::Before, Side::After].map(|side| Point { place: *place, side });
        Place::ALL.iter().flat_map(of)
    }

    /// Asks whoever looks into `folder` to die when it is here for the `nth` time. A process counts all points together, so
    /// that only its first request may be for another time than the first.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn arm(self, folder: &Path, nth: u32) -> std::io::Result<()> {
        let draft = folder.join("draft");
        std::fs::write(&draft, nth.to_string())?;
        std::fs::rename(draft, self.file(folder))
    }

    /// Takes the request back; false = it was heard.
    #[must_use]
    pub fn disarm(self, folder: &Path) -> bool {
        std::fs::remove_file(self.file(folder)).is_ok()
    }

    /// Whether a process has died here.
    #[must_use]
    pub fn was_hit(self, folder: &Path) -> bool {
        self.file(folder).with_added_extension(HIT).exists()
    }

    fn file(self, folder: &Path) -> PathBuf {
        folder.join(self.to_string())
    }
}

/// Kills the process if that is what was asked for.
pub fn reached(place: Place, side: Side) {
    static ASKED: OnceLock<Option<PathBuf>> = OnceLock::new();
    static TIMES: AtomicU32 = AtomicU32::new(0);
    let folder = ASKED.get_or_init(|| std::env::var_os(FOLDER).map(PathBuf::from));
    let Some(folder) = folder else { return };
    let file = Point { place, side }.file(folder);
    let Ok(nth) = std::fs::read_to_string(&file) else { return };
    // One point is asked for at a time.
    if TIMES.fetch_add(1, Ordering::SeqCst) + 1 < nth.trim().parse().unwrap_or(1) {
        return;
    }
    // Of several threads one is the first; a process that is started again is not asked once more.
    if std::fs::rename(&file, file.with_added_extension(HIT)).is_ok() {
        die();
    }
}

/// As the kernel would do it: no destructor, no flush, no answer.
fn die() -> ! {
    // It can only fail for a process that is not there.
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
    std::process::abort()
}
