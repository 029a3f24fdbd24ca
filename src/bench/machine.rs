//! The machine that a run was on, as far as it says how its figures are to be taken. Knows no figure of a run.
use super::tally::median;
use anyhow::Context as _;
use serde::Serialize;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

/// So often a write is synced to learn how long that takes.
const SYNCS: usize = 200;
const PAGE: [u8; 4_096] = [0; 4_096];
/// Fields of a line of /proc/stat, from the first number: user, nice, system, idle, iowait, irq, softirq, steal. Those
/// behind are parts of the first.
const TIMES: usize = 8;
const STEAL: usize = 7;

/// What it is, and what it did to this run.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    processor: String,
    cpus: usize,
    memory_mib: u64,
    kernel: String,
    /// Median time in microseconds of appending 4 KiB to a file and syncing it, where the stores are.
    sync_us: f64,
    /// CPU time that this machine's host gave to others while it was wanted here, of all CPU time of the run.
    stolen_percent: f64,
}

/// CPU time of the whole machine up to a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Clock {
    all: u64,
    stolen: u64,
}

/// A look at the machine before a run.
#[derive(Debug)]
pub struct Before {
    clock: Clock,
    sync_us: f64,
}

impl Before {
    /// Looks; files are made in `folder`.
    pub fn look(folder: &Path) -> anyhow::Result<Before> {
        Ok(Before { sync_us: sync_us(folder)?, clock: clock()? })
    }

    /// What is known after the run.
    pub fn after(self) -> anyhow::Result<Machine> {
        let read = |path: &str| std::fs::read_to_string(path).with_context(|| format!("read {path}"));
        Ok(Machine {
            processor: field(&read("/proc/cpuinfo")?, "model name")
                .unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cpus: std::thread::available_parallelism().context("count the CPUs")?.get(),
            memory_mib: memory_mib(&read("/proc/meminfo")?)
                .context("this system does not tell its memory")?,
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            sync_us: self.sync_us.round(),
            stolen_percent: stolen_percent(self.clock, clock()?),
        })
    }
}

impl Machine {
    /// What it is, and what it did to the run, in words.
    pub fn lines(&self) -> [(&'static str, String); 5] {
        [
            ("processor", format!("{} × {}", self.cpus, self.processor)),
            ("memory", format!("{} MiB", self.memory_mib)),
            ("kernel", format!("Linux {}", self.kernel)),
            ("4 KiB appended and synced, median", format!("{:.0} µs", self.sync_us)),
            ("CPU time that the host gave to others during the run", format!("{:.1} %", self.stolen_percent)),
        ]
    }

    #[cfg(test)]
    pub fn sample() -> Machine {
        Machine {
            processor: "A <Processor>".to_owned(),
            cpus: 2,
            memory_mib: 4_096,
            kernel: "6.1.0".to_owned(),
            sync_us: 88.0,
            stolen_percent: 1.25,
        }
    }
}

/// A line `name : value`.
fn field(text: &str, name: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.trim_start_matches([':', ' ', '\t']).trim_end().to_owned())
}

fn memory_mib(meminfo: &str) -> Option<u64> {
    let total = field(meminfo, "MemTotal")?;
    Some(total.strip_suffix("kB")?.trim().parse::<u64>().ok()? >> 10)
}

fn clock() -> anyhow::Result<Clock> {
    let text = std::fs::read_to_string("/proc/stat").context("read /proc/stat")?;
    read_clock(&text).context("this system does not tell its CPU time")
}

fn read_clock(text: &str) -> Option<Clock> {
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let times: Vec<u64> = line.split_whitespace().take(TIMES).map_while(|time| time.parse().ok()).collect();
    Some(Clock { all: times.iter().sum(), stolen: *times.get(STEAL)? })
}

fn stolen_percent(before: Clock, after: Clock) -> f64 {
    let all = after.all.saturating_sub(before.all).max(1);
    let stolen = after.stolen.saturating_sub(before.stolen);
    (stolen as f64 / all as f64 * 1_000.0).round() / 10.0
}

fn sync_us(folder: &Path) -> anyhow::Result<f64> {
    let path = folder.join("sync");
    let mut file = File::create(&path).context("make a file")?;
    let mut times = Vec::new();
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&PAGE).and_then(|()| file.sync_data()).context("write a file")?;
        times.push(began.elapsed().as_secs_f64() * 1_000_000.0);
    }
    std::fs::remove_file(&path).context("remove a file")?;
    Ok(median(times))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stolen_time_is_a_share_of_all_time() {
        let at = |line: &str| read_clock(&format!("{line}\ncpu0 9 9 9 9 9 9 9 9 0 0\n")).unwrap();
        let before = at("cpu  100 0 50 800 20 0 10 20 77 0");
        assert_eq!(before, Clock { all: 1_000, stolen: 20 });
        let after = at("cpu  200 0 100 1600 40 0 10 50 99 0");
        assert!((stolen_percent(before, after) - 3.0).abs() < 1e-9);
        assert!(stolen_percent(before, before).abs() < 1e-9);
        assert_eq!(read_clock("cpu  1 2 3\n"), None);
    }

    #[test]
    fn a_machine_is_described() {
        assert_eq!(field("vendor_id\t: X\nmodel name\t: A: B\n", "model name").as_deref(), Some("A: B"));
        assert_eq!(memory_mib("MemTotal:        4194304 kB\nMemFree: 1 kB\n"), Some(4_096));
        let folder = tempfile::tempdir().unwrap();
        let machine = Before::look(folder.path()).unwrap().after().unwrap();
        assert!(machine.cpus > 0 && machine.sync_us > 0.0 && machine.memory_mib > 0, "{machine:?}");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left");
    }
}
