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
