//! Watches the processes under attack: alive, small, and without a panic in their logs. Knows `/proc`, no protocol.
use serde::Serialize;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::PathBuf;

/// What Rust writes to standard error when a thread panics.
const PANIC: &str = "panicked at";
/// Most bytes of a log that one look reads.
const LOOK_BYTES: u64 = 16 << 20;

/// A process under attack.
#[derive(Debug, Clone)]
pub struct Process {
    /// Its role.
    pub name: String,
    /// Its id now.
    pub pid: u32,
    /// Where it writes.
    pub log: PathBuf,
}

/// What was seen of one process.
#[derive(Debug, Clone, Serialize)]
pub struct Seen {
    /// Its role.
    pub name: String,
    /// Largest resident memory of all looks, in bytes.
    pub peak_rss_bytes: u64,
    /// Lines of the log that tell of a panic.
    pub panics: u64,
    /// It was there at the last look.
    pub alive: bool,
}

/// A process, and how far its log was read.
pub struct Watched {
    process: Process,
    read: u64,
    seen: Seen,
    limit: u64,
}

impl Watched {
    /// Watches from the present end of its log on. `limit` in bytes of resident memory.
    #[must_use]
    pub fn from_now(process: Process, limit: u64) -> Watched {
        let read = std::fs::metadata(&process.log).map_or(0, |log| log.len());
        let seen = Seen { name: process.name.clone(), peak_rss_bytes: 0, panics: 0, alive: true };
        Watched { process, read, seen, limit }
    }

    /// Looks once: what must not be and was not seen before.
    pub fn look(&mut self) -> Vec<String> {
        let mut breaches = self.panics();
        match rss_bytes(self.process.pid) {
            Some(bytes) => {
                if bytes > self.limit && self.seen.peak_rss_bytes <= self.limit {
                    breaches.push(format!("memory: {} MiB resident", bytes >> 20));
                }
                self.seen.peak_rss_bytes = self.seen.peak_rss_bytes.max(bytes);
            }
            None if self.seen.alive => {
                self.seen.alive = false;
                breaches.push("it has ended".to_owned());
            }
            None => {}
        }
        breaches
    }

    /// Its role.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.process.name
    }

    /// What was seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen.clone()
    }

    fn panics(&mut self) -> Vec<String> {
        let Ok(mut log) = std::fs::File::open(&self.process.log) else { return Vec::new() };
        let mut bytes = Vec::new();
        let from = log.seek(SeekFrom::Start(self.read));
        if from.is_err() || log.take(LOOK_BYTES).read_to_end(&mut bytes).is_err() {
            return Vec::new();
        }
        // The last line may still be growing: it is read again.
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |place| place + 1);
        self.read += u64::try_from(end).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..end]);
        let panics: Vec<String> =
            text.lines().filter(|line| line.contains(PANIC)).map(|line| format!("panic: {line}")).collect();
        self.seen.panics += u64::try_from(panics.len()).unwrap_or(0);
        panics
    }
}

/// Resident memory of a process that runs; none of one that has ended, or waits to be buried.
fn rss_bytes(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::{Process, Watched};
    use std::io::Write as _;

    #[test]
    fn panics_death_and_size_are_seen_once() {
        let mut log = tempfile::NamedTempFile::new().unwrap();
        writeln!(log, "thread 'x' panicked at the time before").unwrap();
        let mut child = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let process = Process { name: "x".into(), pid: child.id(), log: log.path().into() };
        let mut watched = Watched::from_now(process, 1);
        assert_eq!(watched.look().len(), 1, "one byte is its limit");
        assert_eq!(watched.look(), [""; 0]);
        write!(log, "all is well\nthread 'a' panicked at src/a.rs:1:1\nthread 'b' pan").unwrap();
        assert_eq!(watched.look(), ["panic: thread 'a' panicked at src/a.rs:1:1"]);
        writeln!(log, "icked at src/b.rs:1:1").unwrap();
        assert_eq!(watched.look(), ["panic: thread 'b' panicked at src/b.rs:1:1"]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!((watched.look(), watched.look()), (vec!["it has ended".to_owned()], vec![]));
        let seen = watched.seen();
        assert!(seen.peak_rss_bytes > 1 && seen.panics == 2 && !seen.alive, "{seen:?}");
    }
}
