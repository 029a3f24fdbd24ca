//! What a folded history amounts to: what cannot have run, what is undone, the end, the status that is shown.
//! Pure, as the fold is.

use super::event::{Cause, End};
use super::fold::{State, Verdict};
use super::op_state::{Standing, StepState};
use crate::plan::{Mode, OpRef, Plan, StepIndex};
use amends_dtm::Op;

/// Status of a global transaction (design.md §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Durable, not running yet.
    Accepted,
    /// Forward work, or confirms.
    Running,
    /// Undo is under way.
    Compensating,
    /// Every step applied.
    Succeeded,
    /// All undone.
    Failed,
    /// All undone, on request.
    Cancelled,
}

impl State {
    /// A step that cannot have run: it refused, or one that it waits for is not recorded as succeeded. A missing
    /// attempt record alone proves nothing (design.md §2, the relay's table). Behind a late success nothing can have
    /// run either: the coordinator was told that it was refused.
    #[must_use]
    pub fn cannot_have_run(&self, plan: &Plan, step: StepIndex) -> bool {
        let succeeded = |step: StepIndex| self.steps[step].forward.standing == Standing::Succeeded;
        self.steps[step].forward.standing == Standing::Refused || !plan.before(step).iter().all(succeeded)
    }

    /// Whether nothing of a step is left to take back.
    #[must_use]
    pub fn undone(&self, plan: &Plan, step: StepIndex) -> bool {
        plan.method(OpRef { step, op: plan.undo_op() }).is_empty()
            || self.cannot_have_run(plan, step)
            || matches!(self.steps[step].undo.standing, Standing::Succeeded | Standing::Skipped)
    }

    /// The end that the recorded ops amount to, if the last one is recorded.
    #[must_use]
    pub fn reached_end(&self, plan: &Plan) -> Option<End> {
        let all = |op| self.steps.iter().all(|step| step.op(op).standing == Standing::Succeeded);
        match (&self.verdict, plan.mode()) {
            (Verdict::Undo(cause), _) => {
                let undone = (0..self.steps.len()).all(|step| self.undone(plan, step));
                undone.then_some(match cause {
                    Cause::Cancelled(_) => End::Cancelled,
                    Cause::Refused(_)
                    | Cause::Deadline(_)
                    | Cause::Timeout(_)
                    | Cause::Crash(_)
                    | Cause::GivenUp(_) => End::Failed,
                })
            }
            (Verdict::Open, Mode::Saga) => all(Op::Action).then_some(End::Succeeded),
            (Verdict::Submitting | Verdict::Committed, _) => all(Op::Confirm).then_some(End::Succeeded),
            (Verdict::Open, Mode::Tcc | Mode::Unspecified) => None,
        }
    }

    /// Status as clients see it (orchestration.md item 2).
    #[must_use]
    pub fn status(&self) -> Status {
        match (self.end, &self.verdict) {
            (Some(End::Succeeded), _) => Status::Succeeded,
            (Some(End::Failed), _) => Status::Failed,
            (Some(End::Cancelled), _) => Status::Cancelled,
            (None, Verdict::Undo(_)) => Status::Compensating,
            (None, Verdict::Submitting | Verdict::Committed) => Status::Running,
            (None, Verdict::Open) => {
                let touched = |step: &StepState| step.forward.standing != Standing::Untouched;
                if self.steps.iter().any(touched) { Status::Running } else { Status::Accepted }
            }
        }
    }

    /// Why it did not, or will not, succeed; empty if nothing speaks against it.
    #[must_use]
    pub fn cause(&self) -> Option<&Cause> {
        match &self.verdict {
            Verdict::Undo(cause) => Some(cause),
            Verdict::Open | Verdict::Submitting | Verdict::Committed => None,
        }
    }
}

impl Status {
    /// Short lower-case name, as stored and shown.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Running => "running",
            Self::Compensating => "compensating",
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether it will change no more.
    #[must_use]
    pub fn is_final(self) -> bool {
        match self {
            Self::Succeeded | Self::Failed | Self::Cancelled => true,
            Self::Accepted | Self::Running | Self::Compensating => false,
        }
    }
}
