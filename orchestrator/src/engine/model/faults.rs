//! Wrong ways to decide, so that the model proves that it would find them.

use super::ways::{Flights, RIGHT, Ways, right};
use crate::engine::Done;
use crate::engine::decide::{Answer, Decision};
use crate::engine::steer::{self, Denied};
use crate::history::{Act, Fact, Standing, State};
use crate::plan::{OpRef, Plan};
use amends_dtm::Op;

const LATER: Decision = Decision::Reply(Answer::InProgress);

/// Each fault by its name.
pub const FAULTS: [(&str, Ways); 12] = [
    ("a step does not wait for those before it", Ways { decide: forward_too_early, ..RIGHT }),
    ("a step begins after the undo decision", Ways { decide: forward_after_undo, ..RIGHT }),
    ("an undo does not wait for those behind it", Ways { decide: undo_too_early, ..RIGHT }),
    ("an undo begins beside its forward op", Ways { decide: undo_beside_forward, ..RIGHT }),
    ("what may have run is skipped", Ways { decide: skips_too_much, ..RIGHT }),
    ("a confirm does not wait for those behind it", Ways { decide: confirm_too_early, ..RIGHT }),
    ("an op runs twice at once", Ways { decide: twice_at_once, ..RIGHT }),
    ("what succeeded is refused after all", Ways { decide: takes_back_its_word, ..RIGHT }),
    ("a run begins though all is taken back", Ways { redrive: redrives_an_undo, ..RIGHT }),
    ("a run goes on from what is done", Ways { redrive: redrives_too_much, ..RIGHT }),
    ("limits count what earlier runs did", Ways { count: counts_on, ..RIGHT }),
    ("limits forget what this run did", Ways { count: forgets, ..RIGHT }),
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

fn redrives_an_undo(plan: &Plan, state: &State, act: &Act) -> Result<Vec<Fact>, Denied> {
    match steer::redrive(plan, state, act) {
        Err(Denied::TakenBack) => {
            let from = vec![OpRef { step: 0, op: plan.forward_op() }];
            Ok(vec![Fact::OperatorRedriven { run: state.run() + 1, from, act: act.clone() }])
        }
        right => right,
    }
}

fn redrives_too_much(plan: &Plan, state: &State, act: &Act) -> Result<Vec<Fact>, Denied> {
    let mut facts = steer::redrive(plan, state, act)?;
    if let Some(Fact::OperatorRedriven { from, .. }) = facts.first_mut() {
        from.insert(0, OpRef { step: 0, op: plan.forward_op() });
        from.dedup();
    }
    Ok(facts)
}

fn counts_on(state: &State, at: OpRef, now_us: i64) -> Done {
    let done = (RIGHT.count)(state, at, now_us);
    let earlier = state.op(at).renewed.map_or(0, |renewed| renewed.attempts);
    Done { failures: done.failures + earlier, ..done }
}

fn forgets(state: &State, at: OpRef, now_us: i64) -> Done {
    Done { failures: 0, ..(RIGHT.count)(state, at, now_us) }
}
