//! Figures of the process itself, by the names that all of Prometheus' client libraries give them. Reads `/proc`; where
//! there is none, they are left out. Writes its own text: CPU time is a counter of fractions, which a recorder has not.

use super::{Kind, Metric};
use std::fmt::Write as _;
use std::fs;
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};

/// The table of this file.
pub(super) const METRICS: &[Metric] = &[BUILD, STARTED, CPU, MEMORY, FILES];

const BUILD: Metric = Metric::new(
    "amends_build_info",
    Kind::Gauge,
    &["role", "version"],
    "Always 1; which role of which version this process is.",
);
const STARTED: Metric = Metric::new(
    "process_start_time_seconds",
    Kind::Gauge,
    &[],
    "Start of the process since the unix epoch in seconds.",
);
const CPU: Metric = Metric::new(
    "process_cpu_seconds_total",
    Kind::Counter,
    &[],
    "User and system CPU time of the process in seconds.",
);
const MEMORY: Metric = Metric::new(
    "process_resident_memory_bytes",
    Kind::Gauge,
    &[],
    "Resident memory of the process in bytes.",
);
const FILES: Metric =
    Metric::new("process_open_fds", Kind::Gauge, &[], "Open file descriptors of the process.");

/// Ticks of a second in `/proc/*/stat`: the same on every Linux.
const TICKS: f64 = 100.0;
/// Fields of that file, counted from the one behind the name in brackets: state is the first.
const UTIME: usize = 11;

static BEGUN: OnceLock<Begun> = OnceLock::new();

/// What never changes.
struct Begun {
    role: String,
    at_s: f64,
}

/// Notes what never changes.
pub(super) fn begin(role: &str) {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    BEGUN.get_or_init(|| Begun { role: role.to_owned(), at_s: since.as_secs_f64() });
}

/// All of it as it is now, in Prometheus' text format.
pub(super) fn text() -> String {
    let mut text = String::new();
    if let Some(Begun { role, at_s }) = BEGUN.get() {
        let labels = format!("{{role=\"{role}\",version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
        tell(&mut text, &BUILD, &labels, Some(1.0));
        tell(&mut text, &STARTED, "", Some(*at_s));
    }
    tell(&mut text, &CPU, "", cpu_seconds());
    tell(&mut text, &MEMORY, "", resident_bytes());
    tell(&mut text, &FILES, "", open_files());
    text
}

fn tell(text: &mut String, metric: &Metric, labels: &str, figure: Option<f64>) {
    let Some(figure) = figure else { return };
    let Metric { name, help, kind, .. } = metric;
    let kind = if *kind == Kind::Counter { "counter" } else { "gauge" };
    // Writing to a string cannot fail.
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name}{labels} {figure}\n");
}

fn cpu_seconds() -> Option<f64> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name may hold anything, brackets and blanks too.
    let (_, behind) = stat.rsplit_once(')')?;
    let ticks: Vec<f64> =
        behind.split_whitespace().skip(UTIME).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    (ticks.len() == 2).then(|| ticks.iter().sum::<f64>() / TICKS)
}

fn resident_bytes() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024.0)
}

fn open_files() -> Option<f64> {
    let count = fs::read_dir("/proc/self/fd").ok()?.count();
    u32::try_from(count).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_memory_and_open_files_and_uses_its_cpu() {
        let end = std::time::Instant::now() + std::time::Duration::from_secs(60);
        let mut work = 0_u64;
        while cpu_seconds().unwrap() == 0.0 {
            assert!(std::time::Instant::now() < end, "no tick of CPU time was counted");
            (0..1_000_000).for_each(|n| work = std::hint::black_box(work ^ n));
        }
        assert!(resident_bytes().unwrap() > 500_000.0);
        assert!(open_files().unwrap() >= 3.0);
        assert!(text().contains("# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total "));
    }
}
