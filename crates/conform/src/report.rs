//! What came of a run: each rule with its verdict, in stable words. Knows no participant.
use serde::Serialize;

use crate::rule::Rule;

/// What a rule came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The participant keeps it.
    Pass,
    /// The participant breaks it.
    Breach,
    /// It could not be judged.
    NotRun,
}

impl Verdict {
    /// The word in reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Breach => "breach",
            Verdict::NotRun => "not_run",
        }
    }
}

/// One rule, judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the rule.
    pub id: &'static str,
    /// What it came to.
    pub verdict: Verdict,
    /// What was seen, or why nothing was, for people.
    pub what: String,
    /// The calls that were made and what came back, in order.
    pub evidence: Vec<String>,
}

/// A run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// host:port.
    pub target: String,
    /// Full name of the service.
    pub service: String,
    /// The methods, forward first.
    pub methods: Vec<String>,
    /// All ids of the run are made of it.
    pub seed: u64,
    /// The rules that were asked for, in their order.
    pub rules: Vec<Finding>,
}

impl Report {
    /// How many rules came to this.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.rules.iter().filter(|finding| finding.verdict == verdict).count()
    }

    /// What a rule came to; none if it was not asked for.
    #[must_use]
    pub fn verdict(&self, rule: Rule) -> Option<Verdict> {
        self.rules.iter().find(|finding| finding.id == rule.id()).map(|finding| finding.verdict)
    }
}
