//! What a run was and what came of it, as data. Judges nothing by itself.
use crate::fault::Kind;
use crate::load::{Ended, Progress};
use crate::plan::{Fault, Row};
use amends_proto::amends::v1::GlobalTransaction;
use prost_types::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

/// What a run was and what came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Whether nothing was found.
    pub ok: bool,
    /// Of everything that was drawn.
    pub seed: u64,
    /// Who drove the checkouts.
    pub coordinator: String,
    /// Asked for.
    pub checkouts: usize,
    /// Asked for.
    pub faults: usize,
    /// Starts that clients were told of.
    pub acknowledged: usize,
    /// Those whose first acknowledgement was lost and came when the request was repeated.
    pub repeated: usize,
    /// Counts by kind of fault, then by victim.
    pub struck: BTreeMap<&'static str, BTreeMap<String, usize>>,
    /// Each fault.
    pub strikes: Vec<Struck>,
    /// Counts by mode, then by status.
    pub ends: BTreeMap<String, BTreeMap<String, usize>>,
    /// The longest that a process took from its death until it served again; 0 = none died.
    pub back_ms: u64,
    /// From the moment when all faults were off until the last end; 0 = all had ended before.
    pub final_ms: u64,
    /// From the moment when all faults were off until nothing moved any more, at the coordinator either.
    pub quiet_ms: u64,
    /// Of everything.
    pub elapsed_ms: u64,
    /// What clients saw, in milliseconds.
    pub latency_ms: Latency,
    /// Not final because nobody knows whether money was kept.
    pub in_doubt: Vec<Doubt>,
    /// The verdict on each invariant; none if the system could not be read.
    pub checkers: Option<amends_checkers::Report>,
    /// What is not as it must be, besides broken invariants.
    pub failures: Vec<String>,
    /// Where everything is kept, if it is.
    pub data_dir: Option<PathBuf>,
    /// Every end, for charts.
    #[serde(skip)]
    pub timeline: Vec<Ended>,
}

/// A fault that struck.
#[derive(Debug, Clone, Serialize)]
pub struct Struck {
    /// As it was planned.
    #[serde(flatten)]
    pub row: Row,
    /// When, in milliseconds since the first order.
    pub at_ms: u64,
    /// Until processes were well again.
    pub took_ms: u64,
    /// From a death, the last one where there were two, until the process served again; 0 where nobody died.
    pub back_ms: u64,
    /// Global transactions that were open when it struck, by history.
    pub open: usize,
    /// Its kind.
    #[serde(skip)]
    pub kind: Kind,
    /// How long a link stays struck beside what follows; 0 for processes.
    pub weather_ms: u64,
    /// Just before, and when the blow had fallen.
    #[serde(skip)]
    pub between: (SystemTime, SystemTime),
}

impl Struck {
    /// How long something was not well.
    #[must_use]
    pub fn lasted_ms(&self) -> u64 {
        self.took_ms.max(self.weather_ms)
    }
}

/// A global transaction that is not final although all faults are over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// Which.
    pub gid: String,
    /// Cause of attention.
    pub cause: String,
    /// What it waits for, in words.
    pub text: String,
}

/// What clients saw from their first Start to the end, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Latency {
    /// Half of them were faster.
    pub p50: u64,
    /// 99 of 100 were faster.
    pub p99: u64,
    /// The slowest.
    pub max: u64,
}

impl Latency {
    /// Of these ends.
    #[must_use]
    pub fn of(ends: &[Ended]) -> Latency {
        let mut all: Vec<u64> = ends.iter().map(|end| millis(end.took)).collect();
        all.sort_unstable();
        let at =
            |percent: usize| all.get((all.len() * percent / 100).min(all.len().saturating_sub(1))).copied();
        Latency { p50: at(50).unwrap_or(0), p99: at(99).unwrap_or(0), max: all.last().copied().unwrap_or(0) }
    }
}

/// Whole milliseconds.
#[must_use]
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// How many ended how: by mode, then by status.
#[must_use]
pub fn ends(transactions: &[GlobalTransaction]) -> BTreeMap<String, BTreeMap<String, usize>> {
    let mut counts: BTreeMap<String, BTreeMap<String, usize>> = BTreeMap::new();
    for transaction in transactions {
        let mode = short("MODE_", transaction.mode().as_str_name());
        let status = short("STATUS_", transaction.status().as_str_name());
        *counts.entry(mode).or_default().entry(status).or_default() += 1;
    }
    counts
}

/// `STATUS_SUCCEEDED` → `succeeded`.
fn short(prefix: &str, name: &str) -> String {
    name.trim_start_matches(prefix).to_lowercase()
}

/// How often each kind struck whom.
#[must_use]
pub fn by_victim(strikes: &[Struck]) -> BTreeMap<&'static str, BTreeMap<String, usize>> {
    let mut counts: BTreeMap<&'static str, BTreeMap<String, usize>> = BTreeMap::new();
    for struck in strikes {
        for victim in &struck.row.victims {
            *counts.entry(struck.kind.as_str()).or_default().entry(victim.clone()).or_default() += 1;
        }
    }
    counts
}

/// A fault that has just struck; how many were open is known at the end.
#[must_use]
pub fn struck(
    number: usize,
    at_end: u64,
    fault: Fault,
    at: Duration,
    between: (SystemTime, SystemTime),
) -> Struck {
    let row = Row {
        number,
        at_end,
        kind: fault.kind().as_str(),
        victims: fault.victims(),
        fault: fault.to_string(),
    };
    let took_ms = millis(between.0.elapsed().unwrap_or_default());
    let weather_ms = match fault {
        Fault::Network(.., ms) => ms,
        Fault::Kill(_) | Fault::Stop(..) | Fault::Pair(..) | Fault::Recovery(..) => 0,
    };
    let back_ms = back_ms(fault, took_ms);
    Struck { row, at_ms: millis(at), took_ms, back_ms, open: 0, kind: fault.kind(), weather_ms, between }
}

fn back_ms(fault: Fault, took_ms: u64) -> u64 {
    match fault {
        Fault::Kill(_) | Fault::Pair(..) => took_ms,
        // So much later it died again.
        Fault::Recovery(_, again_ms) => took_ms.saturating_sub(again_ms),
        Fault::Stop(..) | Fault::Network(..) => 0,
    }
}

/// How many were open while the blow fell, by history.
#[must_use]
pub fn open_at(transactions: &[GlobalTransaction], (before, fallen): (SystemTime, SystemTime)) -> usize {
    let was_open = |transaction: &&GlobalTransaction| {
        let begun = time(transaction.created_at.as_ref()).is_some_and(|created| created < before);
        let ended = time(transaction.finished_at.as_ref()).is_some_and(|finished| finished <= fallen);
        begun && !ended
    };
    transactions.iter().filter(was_open).count()
}

/// From `since` until the last end.
#[must_use]
pub fn last_end(transactions: &[GlobalTransaction], since: SystemTime) -> Duration {
    let ends = transactions.iter().filter_map(|transaction| time(transaction.finished_at.as_ref()));
    ends.max().and_then(|last| last.duration_since(since).ok()).unwrap_or_default()
}

fn time(time: Option<&Timestamp>) -> Option<SystemTime> {
    time.and_then(|time| SystemTime::try_from(*time).ok())
}

/// What was asked for and how far the clients came.
impl Report {
    /// A report of nothing yet.
    #[must_use]
    pub fn new(settings: &crate::Settings, coordinator: &str, progress: Progress) -> Report {
        Report {
            ok: false,
            seed: settings.seed,
            coordinator: coordinator.to_owned(),
            checkouts: settings.checkouts,
            faults: settings.faults,
            acknowledged: progress.acknowledged,
            repeated: progress.repeated,
            struck: BTreeMap::new(),
            strikes: Vec::new(),
            ends: BTreeMap::new(),
            back_ms: 0,
            final_ms: 0,
            quiet_ms: 0,
            elapsed_ms: 0,
            latency_ms: Latency::default(),
            in_doubt: Vec::new(),
            checkers: None,
            failures: Vec::new(),
            data_dir: None,
            timeline: Vec::new(),
        }
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.checkers.as_ref().is_some_and(amends_checkers::Report::is_clean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_read_off_in_order() {
        let end = |ms| Ended { at: Duration::ZERO, took: Duration::from_millis(ms) };
        let ends: Vec<Ended> = (1..=200).rev().map(end).collect();
        assert_eq!(Latency::of(&ends), Latency { p50: 101, p99: 199, max: 200 });
        assert_eq!(Latency::of(&[]), Latency::default());
    }

    #[test]
    fn who_died_twice_is_back_from_its_second_death() {
        let (role, other) = (amends_stack::Role::Order, amends_stack::Role::Psp);
        let faults =
            [Fault::Kill(role), Fault::Pair(role, other), Fault::Recovery(role, 300), Fault::Stop(role, 900)];
        assert_eq!(faults.map(|fault| back_ms(fault, 1_000)), [1_000, 1_000, 700, 0]);
    }

    #[test]
    fn what_began_before_and_ended_after_the_blow_was_open() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let lived = |from: u64, to: Option<u64>| GlobalTransaction {
            created_at: Some(at(from).into()),
            finished_at: to.map(|to| at(to).into()),
            ..GlobalTransaction::default()
        };
        let all = [lived(1, Some(9)), lived(1, Some(4)), lived(6, Some(9)), lived(2, None)];
        assert_eq!(open_at(&all, (at(5), at(5))), 2);
        assert_eq!(last_end(&all, at(7)), Duration::from_secs(2));
        assert_eq!(last_end(&all, at(10)), Duration::ZERO);
    }
}
