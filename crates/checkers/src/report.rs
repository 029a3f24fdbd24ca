//! What the checkers say: one line per invariant with its violations, and notes. Knows no invariant's content.
use serde::Serialize;

/// The invariants of payments-domain §5 that are checked, and the auditor's finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub enum Invariant {
    /// Money is only moved.
    I1,
    /// Stock is neither oversold nor lost.
    I3,
    /// At most one live charge per payment and order, at the PSP.
    I4,
    /// Captured ≤ authorised, refunded ≤ captured.
    I5,
    /// Nothing stays held.
    I6,
    /// All branches of a global transaction agree.
    I7,
    /// An order is paid if and only if money is kept.
    I8,
    /// Each effect happened once, and is still there.
    I9,
    /// None of payments-domain §5: what the orchestrator's auditor found, and has not seen healed.
    A1,
}

impl Invariant {
    /// All of them, in the order in which they are told.
    pub const ALL: [Invariant; 9] = [
        Invariant::I1,
        Invariant::I3,
        Invariant::I4,
        Invariant::I5,
        Invariant::I6,
        Invariant::I7,
        Invariant::I8,
        Invariant::I9,
        Invariant::A1,
    ];

    /// `I1` …
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Invariant::I1 => "I1",
            Invariant::I3 => "I3",
            Invariant::I4 => "I4",
            Invariant::I5 => "I5",
            Invariant::I6 => "I6",
            Invariant::I7 => "I7",
            Invariant::I8 => "I8",
            Invariant::I9 => "I9",
            Invariant::A1 => "A1",
        }
    }

    /// What it promises, for people.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Invariant::I1 => "money is only moved",
            Invariant::I3 => "stock is neither oversold nor lost",
            Invariant::I4 => "one live charge per payment and order at the PSP",
            Invariant::I5 => "captured within authorised, refunded within captured",
            Invariant::I6 => "nothing stays held after the end",
            Invariant::I7 => "all branches of a global transaction agree",
            Invariant::I8 => "an order is paid if and only if money is kept",
            Invariant::I9 => "each effect happened once and is still there",
            Invariant::A1 => "the auditor has no disagreement open",
        }
    }
}

/// One breach of one invariant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Violation {
    /// The invariant that does not hold.
    pub checker: Invariant,
    /// The gid, order, account, sku, … concerned.
    pub subject: String,
    /// What is wrong with it.
    pub text: String,
}

impl Violation {
    /// A breach of `checker` by `subject`.
    pub fn new(checker: Invariant, subject: &str, text: impl Into<String>) -> Violation {
        Violation { checker, subject: subject.to_owned(), text: text.into() }
    }
}

/// The verdict on one invariant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// The invariant.
    pub checker: Invariant,
    /// What it promises.
    pub title: &'static str,
    /// How many rows were looked at.
    pub checked: usize,
    /// Empty = it holds.
    pub violations: Vec<Violation>,
}

/// The verdict on all.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// One per invariant.
    pub lines: Vec<Line>,
    /// What is worth knowing but breaks nothing, e.g. payments still in doubt.
    pub notes: Vec<String>,
}

impl Report {
    /// True if nothing is violated.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.lines.iter().all(|line| line.violations.is_empty())
    }

    /// All violations, in the order of the lines.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.lines.iter().flat_map(|line| line.violations.iter().cloned()).collect()
    }

    /// This report without the violations that an earlier reading did not show: a breach that lasts is in both.
    #[must_use]
    pub fn lasting(mut self, earlier: &Report) -> Report {
        let before = earlier.violations();
        for line in &mut self.lines {
            line.violations.retain(|violation| before.contains(violation));
        }
        self
    }
}
