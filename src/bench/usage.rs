//! What processes use, as the kernel counts it: CPU time and memory, of one alone or of one with all that it started.
//! Knows no side and what none of them is for.
use anyhow::Context as _;
use std::path::Path;

/// The kernel tells times in hundredths of a second, on every machine that Rust's Linux targets know.
const TICKS_PER_SECOND: u32 = 100;
const KIB_PER_MIB: f64 = 1_024.0;

/// Which processes are meant with one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// That process.
    Alone,
    /// And those that it started: a database works in children. What an ended one has used stays counted.
    Family,
}

/// What the kernel says of one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    pid: u32,
    parent: u32,
    /// Its own, and that of its ended and buried children.
    ticks: [u64; 2],
}

/// Memory of processes, in MiB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// In use now. Of a child only what is its own: the rest is its parent's too.
    pub resident_mib: f64,
    /// The most that the process itself, without children, has used since [`forget_peak`], or ever.
    pub peak_mib: f64,
}

/// CPU seconds that were used until now, in user and in kernel mode.
pub fn cpu_s(pid: u32, extent: Extent) -> anyhow::Result<f64> {
    let own = stat(pid)?;
    let ticks = match extent {
        Extent::Alone => own.ticks[0],
        Extent::Family => family(own, &processes()?).iter().flat_map(|stat| stat.ticks).sum(),
    };
    Ok(f64::from(u32::try_from(ticks).context("more CPU time than can be")?) / f64::from(TICKS_PER_SECOND))
}

/// Memory that is in use now.
pub fn memory(pid: u32, extent: Extent) -> anyhow::Result<Memory> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).context("read the memory in use")?;
    let own = |field| {
        let kib = kib(&text, field);
        kib.with_context(|| format!("this system does not tell how much memory process {pid} uses"))
    };
    let mut resident = own("VmRSS:")?;
    if extent == Extent::Family {
        let all = family(stat(pid)?, &processes()?);
        let children = all.iter().filter(|stat| stat.pid != pid);
        // One that has ended meanwhile uses nothing.
        let texts = children.flat_map(|child| std::fs::read_to_string(format!("/proc/{}/status", child.pid)));
        resident += texts.filter_map(|text| kib(&text, "RssAnon:")).sum::<f64>();
    }
    Ok(Memory { resident_mib: resident / KIB_PER_MIB, peak_mib: own("VmHWM:")? / KIB_PER_MIB })
}

/// Lets the peak begin anew. Where the kernel does not, the peak is that since the process started.
pub fn forget_peak(pid: u32) {
    std::fs::write(format!("/proc/{pid}/clear_refs"), "5").ok();
}

/// A field of /proc/PID/status.
fn kib(status: &str, field: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn stat(pid: u32) -> anyhow::Result<Stat> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat"));
    let text = text.with_context(|| format!("process {pid} has ended"))?;
    parse(&text).with_context(|| format!("this system does not tell what process {pid} uses"))
}

/// Every process of this machine that can be read.
fn processes() -> anyhow::Result<Vec<Stat>> {
    let folders = std::fs::read_dir(Path::new("/proc")).context("list the processes")?.flatten();
    let texts = folders
        .filter(|entry| entry.file_name().as_encoded_bytes().first().is_some_and(u8::is_ascii_digit))
        .flat_map(|entry| std::fs::read_to_string(entry.path().join("stat")));
    Ok(texts.filter_map(|text| parse(&text)).collect())
}

/// A line of /proc/PID/stat. The second field is the name, in brackets, and may hold anything, brackets and blanks too.
fn parse(line: &str) -> Option<Stat> {
    let pid = line.split(' ').next()?.parse().ok()?;
    let fields: Vec<&str> = line.rsplit_once(')')?.1.split_whitespace().collect();
    // The third field of the line is the first of these.
    let number = |field: usize| fields.get(field - 3)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        parent: u32::try_from(number(4)?).ok()?,
        ticks: [number(14)? + number(15)?, number(16)? + number(17)?],
    })
}

/// A process, its children, and theirs.
fn family(root: Stat, all: &[Stat]) -> Vec<Stat> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).map(|stat| stat.pid) {
        let children = all.iter().filter(|stat| stat.parent == parent);
        let new: Vec<Stat> =
            children.filter(|child| !found.iter().any(|it| it.pid == child.pid)).copied().collect();
        found.extend(new);
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whatever_the_name_holds() {
        let rest = "S 7 42 42 0 -1 4194560 100 0 0 0 12 34 5 6 20 0 1 0 99 1000 10";
        let wanted = Stat { pid: 42, parent: 7, ticks: [46, 11] };
        for name in ["dtm", "a b", "a) R 1 (b"] {
            assert_eq!(parse(&format!("42 ({name}) {rest}")), Some(wanted), "{name}");
        }
        assert_eq!(parse("42 (dtm) S 7 42"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_family_is_all_below_one() {
        let of = |pid, parent| Stat { pid, parent, ticks: [1, 0] };
        let all = [of(1, 0), of(2, 1), of(3, 2), of(4, 3), of(5, 1)];
        let pids: Vec<u32> = family(all[1], &all).iter().map(|stat| stat.pid).collect();
        assert_eq!(pids, [2, 3, 4]);
    }

    #[test]
    fn the_memory_of_a_process_is_read() {
        forget_peak(std::process::id());
        let own = memory(std::process::id(), Extent::Family).unwrap();
        assert!((1.0..100_000.0).contains(&own.resident_mib), "{own:?}");
        assert!((1.0..100_000.0).contains(&own.peak_mib), "{own:?}");
        assert!(memory(u32::MAX, Extent::Alone).is_err());
    }

    #[test]
    fn work_costs_cpu_time_and_that_of_an_ended_child_stays_its_parents() {
        let own = std::process::id();
        let before = cpu_s(own, Extent::Alone).unwrap();
        let mut sum = 0_u64;
        while cpu_s(own, Extent::Alone).unwrap() < before + 0.05 {
            sum = std::hint::black_box((0..100_000).fold(sum, u64::wrapping_add));
        }
        // Ends by itself, whatever becomes of this test.
        let mut shell = std::process::Command::new("sh")
            .args(["-c", "i=0; while [ $i -lt 3000000 ]; do i=$((i+1)); done"])
            .spawn()
            .unwrap();
        while cpu_s(shell.id(), Extent::Alone).unwrap() < 0.02 {
            std::thread::yield_now();
        }
        let alone = cpu_s(own, Extent::Alone).unwrap();
        // The child has two ticks or more; half a one is for sums of fractions.
        assert!(cpu_s(own, Extent::Family).unwrap() > alone + 0.015);
        shell.kill().unwrap();
        shell.wait().unwrap();
        let buried = stat(own).unwrap().ticks[1];
        assert!(buried >= 2, "{buried}");
        assert!(cpu_s(u32::MAX, Extent::Alone).is_err());
    }
}
