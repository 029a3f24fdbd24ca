//! Another run from where it failed, with earlier results kept: which ops it goes on from, or why there is none.
//! Pure, as its parent.

use super::super::next_ops;
use super::Denied;
use crate::history::{Act, Fact, Standing, State};
use crate::plan::{OpRef, Plan, StepIndex};

/// Needs that a limit opened which begins anew: what the participant itself said stands.
const OF_LIMITS: [&str; 3] = ["retries_exhausted", "in_progress_too_long", "deadline_behind_pivot"];

/// A run begins that goes on from every op which was attempted in vain in the one before. Said again, before anything
/// failed in the new run: refused, for there is nothing to go on from.
pub fn redrive(plan: &Plan, state: &State, act: &Act) -> Result<Vec<Fact>, Denied> {
    if state.end.is_some() {
        return Err(Denied::Ended);
    }
    if state.undoing() {
        return Err(Denied::TakenBack);
    }
    if state.paused.is_some() {
        return Err(Denied::Paused);
    }
    let from = failed(plan, state);
    if from.is_empty() {
        let stuck = (0..plan.steps().len()).any(|step| is_refused_for_good(plan, state, step));
        return Err(if stuck { Denied::Settled(REFUSED) } else { Denied::NothingFailed });
    }
    let over = state.attention.iter().filter(|open| is_over(open.at, &open.cause, &from));
    let closed: Vec<Fact> = over.map(|open| Fact::AttentionClosed { cause: open.cause.clone() }).collect();
    let begun = Fact::OperatorRedriven { run: state.run() + 1, from, act: act.clone() };
    Ok([vec![begun], closed].concat())
}

/// Why a refusal behind the pivot is nothing to go on from: a participant keeps its word.
const REFUSED: &str = "it was refused behind the pivot, state what became of it";

/// The ops whose turn it is and which an attempt of this run has left without an outcome, in the order of the plan.
pub fn failed(plan: &Plan, state: &State) -> Vec<OpRef> {
    let is_called = |at: OpRef| state.attention.iter().any(|open| is_over(open.at, &open.cause, &[at]));
    let in_vain = |at: &OpRef| state.op(*at).in_vain || is_called(*at);
    let forward = |at: &OpRef| at.op != plan.undo_op();
    let mut failed: Vec<OpRef> = next_ops(plan, state).into_iter().filter(forward).filter(in_vain).collect();
    failed.sort_unstable();
    failed
}

fn is_over(at: Option<OpRef>, cause: &str, from: &[OpRef]) -> bool {
    OF_LIMITS.contains(&cause) && at.is_some_and(|at| from.contains(&at))
}

fn is_refused_for_good(plan: &Plan, state: &State, step: StepIndex) -> bool {
    plan.behind_pivot(step) && state.steps[step].forward.standing == Standing::Refused
}

#[cfg(test)]
#[path = "redrive_tests.rs"]
mod tests;
