//! Wrong ways to decide, so that the model proves that it would find them.

use super::run::{Decide, Flights, right};
use crate::engine::decide::{Answer, Decision};
use crate::history::{Standing, State};
use crate::plan::{OpRef, Plan};
use amends_dtm::Op;

const LATER: Decision = Decision::Reply(Answer::InProgress);

/// Each fault by its name.
pub const FAULTS: [(&str, Decide); 8] = [
    ("a step does not wait for those before it", forward_too_early),
    ("a step begins after the undo decision", forward_after_undo),
    ("an undo does not wait for those behind it", undo_too_early),
    ("an undo begins beside its forward op", undo_beside_forward),
    ("what may have run is skipped", skips_too_much),
    ("a confirm does not wait for those behind it", confirm_too_early),
    ("an op runs twice at once", twice_at_once),
    ("what succeeded is refused after all", takes_back_its_word),
];

fn forward_too_early(plan: &Plan, state: &State, at: OpRef, flights: &Flights) -> Decision {
    let decided = right(plan, state, at, flights);
    if decided == LATER && at.op == plan.forward_op() && !flights.contains_key(&at) {
        Decision::Run(at)
    } else {
        decided
    }
}

fn forward_after_undo(plan: &Plan, state: &State, at: OpRef, flights: &Flights) -> Decision {
    let untouched = state.op(at).standing == Standing::Untouched && !flights.contains_key(&at);
    let decided = right(plan, state, at, flights);
    if decided == Decision::Reply(Answer::Aborted) && untouched { Decision::Run(at) } else { decided }
}

fn undo_too_early(plan: &Plan, state: &State, at: OpRef, flights: &Flights) -> Decision {
    let forward = OpRef { step: at.step, op: plan.forward_op() };
    let quiet = !flights.contains_key(&at) && !flights.contains_key(&forward);
    let decided = right(plan, state, at, flights);
    if decided == LATER && at.op == plan.undo_op() && quiet { Decision::Run(at) } else { decided }
}

fn undo_beside_forward(plan: &Plan, state: &State, at: OpRef, flights: &Flights) -> Decision {
    let forward = OpRef { step: at.step, op: plan.forward_op() };
    if at.op != plan.undo_op() {
        return right(plan, state, at, flights);
    }
    let others = flights.iter().filter(|(op, _)| **op != forward).map(|(op, flight)| (*op, *flight));
    right(plan, state, at, &others.collect())
}

fn skips_too_much(plan: &Plan, state: &State, at: OpRef, flights: &Flights) -> Decision {
    let unsure = state.steps[at.step].forward.standing == Standing::Waiting;
    let decided = right(plan, state, at, flights);
    if decided == Decision::Run(at) && at.op == plan.undo_op() && unsure {
        Decision::Skip(at)
    } else {
        decided
    }
}

fn confirm_too_early(plan: &Plan, state: &State, at: OpRef, flights: &Flights) -> Decision {
    let decided = right(plan, state, at, flights);
    if decided == LATER && at.op == Op::Confirm && !flights.contains_key(&at) {
        Decision::Run(at)
    } else {
        decided
    }
}

fn twice_at_once(plan: &Plan, state: &State, at: OpRef, _: &Flights) -> Decision {
    right(plan, state, at, &Flights::new())
}

fn takes_back_its_word(plan: &Plan, state: &State, at: OpRef, flights: &Flights) -> Decision {
    let decided = right(plan, state, at, flights);
    if decided == Decision::Reply(Answer::Ok) && at.op == plan.forward_op() && state.undoing() {
        Decision::Reply(Answer::Aborted)
    } else {
        decided
    }
}
