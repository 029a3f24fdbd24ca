//! What the guard does with a branch call, decided from the rows it holds (payments-domain §2). Pure: knows no
//! database, no clock and no request.

use amends_dtm::Op;
use tonic::Code;

use crate::branch_ops::RowStatus;
use crate::reason::Reason;

/// The three kinds of branch methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Called with op `action` or `try`.
    Forward,
    /// Called with op `confirm`.
    Confirm,
    /// Called with op `cancel` or `compensate`.
    Undo,
}

impl Phase {
    /// The name in the guard's table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Forward => "forward",
            Phase::Confirm => "confirm",
            Phase::Undo => "undo",
        }
    }

    /// The kind of method that an op is called on.
    #[must_use]
    pub fn of(op: Op) -> Phase {
        match op {
            Op::Action | Op::Try => Phase::Forward,
            Op::Confirm => Phase::Confirm,
            Op::Cancel | Op::Compensate => Phase::Undo,
        }
    }

    /// The code that a reason has on this kind of call.
    #[must_use]
    pub fn code(self, reason: Reason) -> Code {
        match self {
            Phase::Forward => reason.on_forward(),
            Phase::Confirm | Phase::Undo => reason.on_second_phase(),
        }
    }
}

/// The op that excludes this one.
pub(crate) fn opposite_op(op: Op) -> Option<Op> {
    match op {
        Op::Confirm => Some(Op::Cancel),
        Op::Cancel => Some(Op::Confirm),
        Op::Action | Op::Try | Op::Compensate => None,
    }
}

/// Whether a row was made by the request at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Body {
    Same,
    Other,
}

/// What the guard looks at of a row.
pub(crate) type Seen = Option<(RowStatus, Body)>;

/// The rows that matter to one call; `own` of a forward call is also its `forward`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub own: Seen,
    pub forward: Seen,
    pub opposite: Seen,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Run the effect and remember its answer.
    Run,
    /// A forward call again while the first is still outside.
    OwnRunning,
    /// An undo while the forward call is still outside.
    ForwardRunning,
    /// Give the stored answer.
    Replay,
    /// Remember the undo, there is nothing to do.
    NothingToUndo,
    /// Remember the undo and close the branch to its forward call.
    Tombstone,
    /// Change nothing, answer this.
    Deny(Reason),
}

/// The table of payments-domain §2.
pub(crate) fn decide(phase: Phase, held: Held) -> Verdict {
    match phase {
        Phase::Forward => forward(held.own),
        Phase::Confirm => {
            again(held.own, Reason::InProgress).unwrap_or_else(|| confirm(held.forward, held.opposite))
        }
        Phase::Undo => {
            again(held.own, Reason::UndoInProgress).unwrap_or_else(|| undo(held.forward, held.opposite))
        }
    }
}

fn forward(own: Seen) -> Verdict {
    match own {
        None => Verdict::Run,
        Some((RowStatus::Tombstone, Body::Same | Body::Other)) => Verdict::Deny(Reason::BranchClosed),
        Some((RowStatus::Running | RowStatus::Done | RowStatus::Refused, Body::Other)) => {
            Verdict::Deny(Reason::IdempotencyMismatch)
        }
        Some((RowStatus::Running, Body::Same)) => Verdict::OwnRunning,
        Some((RowStatus::Done | RowStatus::Refused, Body::Same)) => Verdict::Replay,
    }
}

/// A second phase that is here already.
fn again(own: Seen, running: Reason) -> Option<Verdict> {
    Some(match own? {
        (RowStatus::Running | RowStatus::Done | RowStatus::Refused | RowStatus::Tombstone, Body::Other) => {
            Verdict::Deny(Reason::IdempotencyMismatch)
        }
        (RowStatus::Running, Body::Same) => Verdict::Deny(running),
        (RowStatus::Done | RowStatus::Refused | RowStatus::Tombstone, Body::Same) => Verdict::Replay,
    })
}

fn confirm(forward: Seen, cancel: Seen) -> Verdict {
    match (forward, cancel) {
        (None | Some((RowStatus::Refused | RowStatus::Tombstone, _)), _) => {
            Verdict::Deny(Reason::ConfirmWithoutTry)
        }
        (Some((RowStatus::Running | RowStatus::Done, _)), Some(_)) => Verdict::Deny(Reason::PhaseConflict),
        (Some((RowStatus::Running | RowStatus::Done, Body::Other)), None) => {
            Verdict::Deny(Reason::IdempotencyMismatch)
        }
        // Nobody may confirm before the try has answered; the next call finds out.
        (Some((RowStatus::Running, Body::Same)), None) => Verdict::Deny(Reason::InProgress),
        (Some((RowStatus::Done, Body::Same)), None) => Verdict::Run,
    }
}

fn undo(forward: Seen, confirm: Seen) -> Verdict {
    match (forward, confirm) {
        (_, Some(_)) => Verdict::Deny(Reason::PhaseConflict),
        (None, None) => Verdict::Tombstone,
        (Some((RowStatus::Running | RowStatus::Done | RowStatus::Refused, Body::Other)), None) => {
            Verdict::Deny(Reason::IdempotencyMismatch)
        }
        (Some((RowStatus::Running, Body::Same)), None) => Verdict::ForwardRunning,
        (Some((RowStatus::Done, Body::Same)), None) => Verdict::Run,
        (Some((RowStatus::Refused, Body::Same) | (RowStatus::Tombstone, _)), None) => Verdict::NothingToUndo,
    }
}

#[cfg(test)]
mod tests {
    use super::{Body, Held, Phase, Reason, RowStatus, Seen, Verdict, decide};

    fn rows() -> Vec<Seen> {
        let statuses = [RowStatus::Running, RowStatus::Done, RowStatus::Refused, RowStatus::Tombstone];
        let seen = statuses
            .into_iter()
            .flat_map(|status| [Body::Same, Body::Other].map(|body| Some((status, body))));
        std::iter::once(None).chain(seen).collect()
    }

    /// Every triple of rows; of a forward call, own and forward are one row.
    fn all() -> Vec<(Phase, Held)> {
        let mut all: Vec<(Phase, Held)> = rows()
            .into_iter()
            .map(|own| (Phase::Forward, Held { own, forward: own, opposite: None }))
            .collect();
        for phase in [Phase::Confirm, Phase::Undo] {
            for own in rows() {
                for forward in rows() {
                    all.extend(rows().into_iter().map(|opposite| (phase, Held { own, forward, opposite })));
                }
            }
        }
        all
    }

    fn of(phase: Phase, verdict: Verdict) -> Vec<Held> {
        let held = all().into_iter().filter(|(of, held)| *of == phase && decide(phase, *held) == verdict);
        held.map(|(_, held)| held).collect()
    }

    const DONE: Seen = Some((RowStatus::Done, Body::Same));

    #[test]
    fn an_effect_runs_only_in_these_three_situations() {
        assert_eq!(of(Phase::Forward, Verdict::Run), [Held { own: None, forward: None, opposite: None }]);
        for phase in [Phase::Confirm, Phase::Undo] {
            assert_eq!(of(phase, Verdict::Run), [Held { own: None, forward: DONE, opposite: None }]);
        }
    }

    #[test]
    fn a_branch_is_closed_only_where_no_row_is_at_all() {
        assert_eq!(of(Phase::Undo, Verdict::Tombstone), [Held { own: None, forward: None, opposite: None }]);
        assert_eq!(of(Phase::Forward, Verdict::Tombstone), []);
        assert_eq!(of(Phase::Confirm, Verdict::Tombstone), []);
    }

    #[test]
    fn only_an_own_final_row_of_the_same_body_is_replayed() {
        for (phase, held) in all() {
            let replayed = decide(phase, held) == Verdict::Replay;
            let own_final = match held.own {
                Some((RowStatus::Done | RowStatus::Refused, Body::Same)) => true,
                Some((RowStatus::Tombstone, Body::Same)) => phase != Phase::Forward,
                Some(_) | None => false,
            };
            assert_eq!(replayed, own_final, "{phase:?} {held:?}");
        }
    }

    #[test]
    fn another_body_never_runs_anything() {
        for (phase, held) in all() {
            let other = [held.own, held.forward].into_iter().flatten().any(|(_, body)| body == Body::Other);
            let verdict = decide(phase, held);
            let runs = matches!(verdict, Verdict::Run | Verdict::ForwardRunning | Verdict::OwnRunning);
            assert!(!(other && runs), "{phase:?} {held:?}");
        }
    }

    #[test]
    fn a_phase_conflict_needs_the_row_of_the_opposite() {
        for (phase, held) in all() {
            if decide(phase, held) == Verdict::Deny(Reason::PhaseConflict) {
                assert!(held.own.is_none() && held.opposite.is_some(), "{phase:?} {held:?}");
            }
        }
    }

    #[test]
    fn a_second_phase_waits_for_a_forward_call_that_is_outside() {
        let running = Held { own: None, forward: Some((RowStatus::Running, Body::Same)), opposite: None };
        assert_eq!(decide(Phase::Undo, running), Verdict::ForwardRunning);
        assert_eq!(decide(Phase::Confirm, running), Verdict::Deny(Reason::InProgress));
        let own = Held { own: running.forward, ..running };
        assert_eq!(decide(Phase::Forward, own), Verdict::OwnRunning);
        assert_eq!(decide(Phase::Undo, own), Verdict::Deny(Reason::UndoInProgress));
    }

    #[test]
    fn a_try_without_success_cannot_be_confirmed_even_after_its_cancel() {
        for forward in
            [None, Some((RowStatus::Refused, Body::Same)), Some((RowStatus::Tombstone, Body::Same))]
        {
            for opposite in [None, DONE] {
                let held = Held { own: None, forward, opposite };
                assert_eq!(decide(Phase::Confirm, held), Verdict::Deny(Reason::ConfirmWithoutTry));
            }
        }
    }

    #[test]
    fn the_undo_of_a_refusal_is_remembered_without_an_effect() {
        let held = Held { own: None, forward: Some((RowStatus::Refused, Body::Same)), opposite: None };
        assert_eq!(decide(Phase::Undo, held), Verdict::NothingToUndo);
    }
}
