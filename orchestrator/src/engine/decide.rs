//! What a call of the coordinator may do, as a pure function of history: the relay's table of design.md §2.
//! Reads no clock, no store and calls nobody; the only volatile input is which ops have an attempt in flight.

use crate::history::{Standing, State, Verdict};
use crate::plan::{Mode, OpRef, Plan, StepIndex};
use amends_dtm::Op;

/// What the coordinator hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Done: go on.
    Ok,
    /// Refused: roll back.
    Aborted,
    /// Not yet: ask again.
    InProgress,
}

/// What is to be done about one op.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing; this is the answer.
    Reply(Answer),
    /// Attempt the op until it has an outcome, then decide again.
    Run(OpRef),
    /// Record that there is nothing to undo, then answer OK.
    Skip(OpRef),
    /// The coordinator undoes what history has not decided to undo: ask for its status first.
    Consult,
    /// History says otherwise: a person is needed; the answer is "not yet".
    Disagree(&'static str),
}

/// Which ops have an attempt in flight, or a retry of their own pending, in this process.
pub trait InFlight {
    /// Whether this op has.
    fn running(&self, at: OpRef) -> bool;
}

impl<F: Fn(OpRef) -> bool> InFlight for F {
    fn running(&self, at: OpRef) -> bool {
        self(at)
    }
}

/// Decides about one asked op.
#[must_use]
pub fn decide(plan: &Plan, state: &State, asked: OpRef, in_flight: &impl InFlight) -> Decision {
    let fits = match plan.mode() {
        Mode::Saga | Mode::Unspecified => matches!(asked.op, Op::Action | Op::Compensate),
        Mode::Tcc => matches!(asked.op, Op::Try | Op::Confirm | Op::Cancel),
    };
    if !fits {
        return Decision::Disagree("the op does not belong to this mode");
    }
    match asked.op {
        Op::Action | Op::Try => forward(plan, state, asked, in_flight),
        Op::Confirm => confirm(plan, state, asked, in_flight),
        Op::Compensate | Op::Cancel => undo(plan, state, asked, in_flight),
    }
}

fn forward(plan: &Plan, state: &State, asked: OpRef, in_flight: &impl InFlight) -> Decision {
    let standing = state.op(asked).standing;
    match (&state.verdict, standing) {
        (_, Standing::Succeeded) => Decision::Reply(Answer::Ok),
        (Verdict::Undo(_), _) => Decision::Reply(Answer::Aborted),
        (_, Standing::Refused) if plan.behind_pivot(asked.step) => Decision::Reply(Answer::InProgress),
        (_, Standing::Refused | Standing::Skipped | Standing::SucceededLate) => {
            Decision::Reply(Answer::Aborted)
        }
        (Verdict::Submitting | Verdict::Committed, _) => {
            Decision::Disagree("a try after the commit decision")
        }
        (Verdict::Open, Standing::Untouched | Standing::Attempted | Standing::Waiting) => {
            if in_flight.running(asked) || !all_before_succeeded(plan, state, asked.step) {
                Decision::Reply(Answer::InProgress)
            } else {
                Decision::Run(asked)
            }
        }
    }
}

fn all_before_succeeded(plan: &Plan, state: &State, step: StepIndex) -> bool {
    plan.before(step).iter().all(|earlier| state.steps[earlier].forward.standing == Standing::Succeeded)
}

fn confirm(plan: &Plan, state: &State, asked: OpRef, in_flight: &impl InFlight) -> Decision {
    match &state.verdict {
        Verdict::Open => Decision::Disagree("a confirm without a commit decision"),
        // History decided the opposite: it is carried out, and DTM may end.
        Verdict::Undo(_) if state.end.is_some() || state.after_commit => Decision::Reply(Answer::Ok),
        Verdict::Undo(_) => Decision::Disagree("a confirm after the abort decision"),
        Verdict::Submitting | Verdict::Committed => {
            if confirmed(state, asked.step) {
                Decision::Reply(Answer::Ok)
            } else if in_flight.running(asked) || !all_behind_confirmed(plan, state, asked.step) {
                Decision::Reply(Answer::InProgress)
            } else {
                Decision::Run(asked)
            }
        }
    }
}

fn confirmed(state: &State, step: StepIndex) -> bool {
    state.steps[step].confirm.standing == Standing::Succeeded
}

fn all_behind_confirmed(plan: &Plan, state: &State, step: StepIndex) -> bool {
    plan.behind(step).iter().all(|later| confirmed(state, later))
}

fn undo(plan: &Plan, state: &State, asked: OpRef, in_flight: &impl InFlight) -> Decision {
    match &state.verdict {
        // History is the truth and has ended: nothing is undone, and the coordinator may end as it will.
        Verdict::Open | Verdict::Submitting | Verdict::Committed if state.end.is_some() => {
            return Decision::Reply(Answer::Ok);
        }
        Verdict::Open | Verdict::Submitting => return Decision::Consult,
        Verdict::Committed => return Decision::Disagree("an undo of what is committed"),
        Verdict::Undo(_) => {}
    }
    if answered(plan, state, asked.step) {
        return Decision::Reply(Answer::Ok);
    }
    let forward = OpRef { step: asked.step, op: plan.forward_op() };
    // An operator's word may have turned it back while a confirm was asked for.
    let confirm = OpRef { step: asked.step, op: Op::Confirm };
    if [forward, confirm, asked].into_iter().any(|at| in_flight.running(at)) {
        return Decision::Reply(Answer::InProgress);
    }
    if state.cannot_have_run(plan, asked.step) {
        return if state.end.is_some() { Decision::Reply(Answer::Ok) } else { Decision::Skip(asked) };
    }
    if plan.behind(asked.step).iter().any(|step| !undone_and_quiet(plan, state, step, in_flight)) {
        return Decision::Reply(Answer::InProgress);
    }
    Decision::Run(asked)
}

fn undone_and_quiet(plan: &Plan, state: &State, step: StepIndex, in_flight: &impl InFlight) -> bool {
    state.undone(plan, step) && !in_flight.running(OpRef { step, op: plan.forward_op() })
}

/// Every op that may begin now, whoever asks for it: forward in the order of the plan, undo and confirm against it.
/// Names undos too that [`decide`] will skip; empty where nothing can begin. What runs already is among them: `decide`
/// tells.
#[must_use]
pub fn next_ops(plan: &Plan, state: &State) -> Vec<OpRef> {
    if state.end.is_some() {
        return Vec::new();
    }
    let steps = 0..plan.steps().len();
    match &state.verdict {
        Verdict::Open => {
            let standing = |step: StepIndex| state.steps[step].forward.standing;
            let refused = |step: StepIndex| standing(step) == Standing::Refused && !plan.behind_pivot(step);
            if steps.clone().any(refused) {
                return Vec::new();
            }
            let wanted = |step: &StepIndex| match standing(*step) {
                Standing::Untouched | Standing::Attempted | Standing::Waiting => {
                    all_before_succeeded(plan, state, *step)
                }
                Standing::Succeeded | Standing::SucceededLate | Standing::Refused | Standing::Skipped => {
                    false
                }
            };
            steps.filter(wanted).map(|step| OpRef { step, op: plan.forward_op() }).collect()
        }
        Verdict::Submitting => Vec::new(),
        Verdict::Committed => {
            let wanted =
                |step: &StepIndex| !confirmed(state, *step) && all_behind_confirmed(plan, state, *step);
            steps.rev().filter(wanted).map(|step| OpRef { step, op: Op::Confirm }).collect()
        }
        Verdict::Undo(_) => {
            let wanted = |step: &StepIndex| {
                !answered(plan, state, *step)
                    && plan.behind(*step).iter().all(|later| state.undone(plan, later))
            };
            steps.rev().filter(wanted).map(|step| OpRef { step, op: plan.undo_op() }).collect()
        }
    }
}

/// Whether an undo has its answer: it is recorded, or there is nothing to call.
fn answered(plan: &Plan, state: &State, step: StepIndex) -> bool {
    let at = OpRef { step, op: plan.undo_op() };
    matches!(state.op(at).standing, Standing::Succeeded | Standing::Skipped) || plan.method(at).is_empty()
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "decide_graph_tests.rs"]
mod graph_tests;
