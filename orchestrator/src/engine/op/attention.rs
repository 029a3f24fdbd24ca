//! Which needs for a person an op opens and closes: by what its participant says, and by the limits of its policy.
//! Decides from answers and the fold; must not know how either came.

use super::super::Happened;
use super::super::auditor::DISAGREEMENT;
use super::super::lanes::Answered;
use super::policy::Limit;
use super::{Run, is_forward};
use crate::history::{Fact, State, bounded};
use crate::plan::OpRef;
use amends_dtm::{Op, Outcome};

/// The op's retries are exhausted, and none of them has a known outcome.
const EXHAUSTED: &str = "retries_exhausted";
/// The participant says that it is at it, for longer than it may take.
const TOO_LONG: &str = "in_progress_too_long";
/// A deadline has passed where there is only forward.
pub(in crate::engine) const BEHIND_DEADLINE: &str = "deadline_behind_pivot";

/// A need for a person about one op.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    cause: &'static str,
    text: String,
}

impl Run<'_> {
    /// The need that an answer opens by itself.
    pub(super) fn need_of(&self, answered: &Answered) -> Option<Need> {
        let said = answered.reason.split('|').next().unwrap_or_default();
        let forward = is_forward(self.at.op);
        let behind = forward && self.live.plan.behind_pivot(self.at.step);
        let cause = match (answered.outcome, self.at.op, said) {
            (Outcome::Succeeded, _, _) => None,
            (Outcome::Refused, Op::Action | Op::Try, _) => behind.then_some("refused_behind_pivot"),
            (Outcome::Refused, Op::Confirm, _) => Some("refused_after_commit"),
            (Outcome::Refused, Op::Compensate | Op::Cancel, _) => Some("undo_refused"),
            // What the participant itself says needs a person (payments-domain.md §3, refused after commit).
            (Outcome::InProgress | Outcome::Unknown, _, "UNDER_REVIEW") => Some("under_review"),
            (Outcome::InProgress | Outcome::Unknown, _, "PAYMENT_UNKNOWN") if !forward => {
                Some("payment_in_doubt")
            }
            (Outcome::InProgress | Outcome::Unknown, _, _) => None,
        };
        let text = bounded(&format!("{} {}", answered.code, answered.reason));
        cause.map(|cause| Need { cause, text })
    }
}

/// The need that a confirm opens which is done though everything was taken back meanwhile.
pub(super) fn contradiction(state: &State, at: OpRef, outcome: Outcome) -> Option<Need> {
    let contradicts = at.op == Op::Confirm && outcome == Outcome::Succeeded && state.undoing();
    let text = "a confirm is done that was under way when everything was taken back".to_owned();
    contradicts.then_some(Need { cause: DISAGREEMENT, text })
}

/// The need that a reached limit opens; what was answered last tells which.
pub(super) fn need_at(limit: &Limit, code: &str, reason: &str) -> Need {
    let cause = match limit {
        Limit::Deadline(_) => BEHIND_DEADLINE,
        Limit::Attempts(_) | Limit::Total(_) if code == "FAILED_PRECONDITION" => TOO_LONG,
        Limit::Attempts(_) | Limit::Total(_) => EXHAUSTED,
    };
    Need { cause, text: bounded(format!("{limit}: {code} {reason}").trim_end_matches([' ', ':'])) }
}

/// Opens a need, unless it is open: one cause is open once in a global transaction.
pub(super) fn open(state: &State, at: OpRef, need: &Need) -> Option<Happened> {
    let is_open = state.attention.iter().any(|open| open.cause == need.cause);
    let (cause, text) = (need.cause.to_owned(), need.text.clone());
    (!is_open).then(|| Fact::AttentionOpened { cause, at: Some(at), text }.into())
}

/// Whether a person is called for this op already, for whatever cause.
pub(super) fn is_called(state: &State, at: OpRef) -> bool {
    state.attention.iter().any(|open| open.at == Some(at))
}

/// An op that has its outcome needs nobody any more.
pub(super) fn over(state: &State, at: OpRef, outcome: Outcome) -> Vec<Happened> {
    let over = match outcome {
        Outcome::Succeeded => true,
        Outcome::Refused => is_forward(at.op),
        Outcome::InProgress | Outcome::Unknown => false,
    };
    if !over {
        return Vec::new();
    }
    let over = state.attention.iter().filter(|open| open.at == Some(at));
    over.map(|open| Fact::AttentionClosed { cause: open.cause.clone() }.into()).collect()
}
