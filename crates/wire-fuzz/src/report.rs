//! What an attack comes to: counts, findings, and the files in which findings are kept so that they can be sent again.
//! Knows no network.
use crate::shot::{Outcome, Shot};
use crate::traffic::Served;
use crate::watch::Seen;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Findings that are kept one by one; more of them are counted.
const KEPT: usize = 100;
/// Letters of a reason that make two findings the same.
const SAME: usize = 60;

/// Something that must not be.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Finding {
    /// Which process or port.
    pub target: String,
    /// What is wrong.
    pub why: String,
    /// The seed of the run.
    pub seed: u64,
    /// Method or attack; empty where it was noticed later.
    pub what: String,
    /// What came back, if it is about one shot.
    pub outcome: Option<Outcome>,
    /// What was sent: one shot, or the last ones before it was noticed.
    pub shots: Vec<Aimed>,
}

/// A shot and its target.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Aimed {
    /// Name of the target, e.g. `orchestrator`.
    pub target: String,
    /// What is sent.
    pub shot: Shot,
}

/// Counts and findings while the attack goes on.
#[derive(Debug, Default)]
pub struct Tally {
    counts: BTreeMap<String, BTreeMap<String, u64>>,
    findings: Vec<Finding>,
    seen: BTreeSet<(String, String, String)>,
    more: u64,
}

impl Tally {
    /// Counts one outcome of a method or attack.
    pub fn count(&mut self, what: &str, label: String) {
        *self.counts.entry(what.to_owned()).or_default().entry(label).or_default() += 1;
    }

    /// Keeps a finding; one like an earlier one is only counted.
    pub fn find(&mut self, finding: Finding) {
        let why: String = finding.why.chars().take(SAME).collect();
        let fresh = self.seen.insert((finding.target.clone(), finding.what.clone(), why));
        if fresh && self.findings.len() < KEPT {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    /// How many findings, also those that are like others.
    #[must_use]
    pub fn found(&self) -> u64 {
        u64::try_from(self.findings.len()).unwrap_or(u64::MAX) + self.more
    }

    /// The report of it.
    #[must_use]
    pub fn report(self, seed: u64, elapsed_s: f64) -> Report {
        let sent = self.counts.values().flat_map(BTreeMap::values).sum();
        Report {
            seed,
            sent,
            elapsed_s,
            counts: self.counts,
            findings: self.findings,
            more: self.more,
            processes: Vec::new(),
            good_traffic: None,
        }
    }
}

/// What an attack came to.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Repeats the attack.
    pub seed: u64,
    /// Calls and raw attacks.
    pub sent: u64,
    /// How long it took.
    pub elapsed_s: f64,
    /// Method or attack → what came back → how often.
    pub counts: BTreeMap<String, BTreeMap<String, u64>>,
    /// What must not be; the first of those that are alike.
    pub findings: Vec<Finding>,
    /// Findings like those above.
    pub more: u64,
    /// The processes that were watched.
    pub processes: Vec<Seen>,
    /// What became of the good traffic, if there was some.
    pub good_traffic: Option<Served>,
}

impl Report {
    /// How often each answer came, over all methods and attacks.
    #[must_use]
    pub fn totals(&self) -> BTreeMap<String, u64> {
        let mut totals = BTreeMap::new();
        for (label, count) in self.counts.values().flatten() {
            *totals.entry(label.clone()).or_default() += count;
        }
        totals
    }

    /// Writes each finding into a file of its own and names the files.
    ///
    /// # Errors
    /// The folder cannot be made or written to.
    pub fn save(&self, folder: &Path) -> std::io::Result<Vec<PathBuf>> {
        if self.findings.is_empty() {
            return Ok(Vec::new());
        }
        std::fs::create_dir_all(folder)?;
        let write = |(at, finding): (usize, &Finding)| {
            let path = folder.join(format!("finding-{}-{at}.json", self.seed));
            std::fs::write(&path, serde_json::to_vec_pretty(finding)?)?;
            Ok(path)
        };
        self.findings.iter().enumerate().map(write).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{Finding, Tally};

    fn finding(what: &str, why: &str) -> Finding {
        let (target, what, why) = ("order".to_owned(), what.to_owned(), why.to_owned());
        Finding { target, why, seed: 1, what, outcome: None, shots: Vec::new() }
    }

    #[test]
    fn findings_that_are_alike_are_kept_once_and_can_be_read_again() {
        let mut tally = Tally::default();
        tally.count("a/b", "OK".to_owned());
        tally.count("a/b", "OK".to_owned());
        tally.find(finding("a/b", "INTERNAL: x"));
        tally.find(finding("a/b", "INTERNAL: x"));
        tally.find(finding("a/c", "INTERNAL: x"));
        assert_eq!(tally.found(), 3);
        let report = tally.report(1, 2.0);
        assert_eq!((report.sent, report.findings.len(), report.more), (2, 2, 1));
        assert_eq!(report.totals()["OK"], 2);
        let folder = tempfile::tempdir().unwrap();
        let files = report.save(&folder.path().join("out")).unwrap();
        assert_eq!(files.len(), 2);
        let read: Finding = serde_json::from_slice(&std::fs::read(&files[1]).unwrap()).unwrap();
        assert_eq!(read.what, "a/c");
    }
}
