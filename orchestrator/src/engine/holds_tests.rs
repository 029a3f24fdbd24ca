//! Who is held back by what, and how long deadlines stood still.

use super::*;
use crate::history::{Cause, Event, Fact};
use crate::plan::{Mode, samples};

fn hold(on: Held, since_us: i64, ended_us: Option<i64>) -> Hold {
    let act = Act::of("ann", "maintenance");
    Hold { on, since_us, deadlines: Deadlines::Stop, ended: ended_us.map(|at| (at, act.clone())), act }
}

fn state(facts: Vec<(i64, Fact)>) -> State {
    let plan = samples::plan(Mode::Saga, 2, None);
    let events = facts.into_iter().zip(1..).map(|((time_us, fact), seq)| Event { seq, time_us, fact });
    State::fold(&plan, &events.collect::<Vec<_>>())
}

fn paused(deadlines: Deadlines) -> Fact {
    Fact::Paused { deadlines, act: Act::of("bob", "x") }
}

fn cancelled() -> Fact {
    Fact::UndoDecided(Cause::Cancelled("c".into()))
}

#[test]
fn a_hold_concerns_its_definition_or_its_participant_as_long_as_it_lasts() {
    let holds =
        [hold(Held::Participant("p".into()), 5, None), hold(Held::Definition("d".into()), 3, Some(4))];
    let scope = |definition: &str, participant: &str| {
        held_back(&state(vec![]), &holds, definition, participant).map(|held| held.scope)
    };
    assert_eq!(scope("d", "p"), Some(Scope::Participant("p".into())));
    assert_eq!(scope("d", "q"), None, "that one is over");
    assert_eq!(scope("p", "d"), None);
}

#[test]
fn its_own_pause_is_told_first() {
    let holds = [hold(Held::Definition("d".into()), 3, None)];
    let held = held_back(&state(vec![(9, paused(Deadlines::Run))]), &holds, "d", "p").unwrap();
    assert_eq!((held.scope, held.since_us, held.deadlines), (Scope::Transaction, 9, Deadlines::Run));
    assert_eq!(held.act.subject, "bob");
}

#[test]
fn a_cancel_wakes_from_what_held_it_before_and_not_from_what_comes_after() {
    let holds = [hold(Held::Participant("p".into()), 5, None)];
    let woken = state(vec![(4, paused(Deadlines::Stop)), (7, cancelled())]);
    assert_eq!(held_back(&woken, &holds, "d", "p"), None);
    let later = [hold(Held::Participant("p".into()), 8, None)];
    assert!(held_back(&woken, &later, "d", "p").is_some());
    let again = state(vec![(4, cancelled()), (7, paused(Deadlines::Stop))]);
    assert!(held_back(&again, &[], "d", "p").is_some());
    let refused = state(vec![(4, Fact::UndoDecided(Cause::Refused("r".into())))]);
    assert!(held_back(&refused, &holds, "d", "p").is_some(), "only a cancel wakes");
}

#[test]
fn what_overlaps_counts_once_and_what_runs_on_not_at_all() {
    let stop = || paused(Deadlines::Stop);
    let facts = vec![(10, stop()), (20, Fact::Resumed(Act::default())), (40, stop())];
    let holds = [
        hold(Held::Participant("p".into()), 45, None),
        hold(Held::Participant("p".into()), 15, Some(30)),
        hold(Held::Participant("q".into()), 0, Some(100)),
    ];
    let stood =
        |facts: Vec<(i64, Fact)>, holds: &[Hold], span| stood_still_us(&state(facts), holds, "d", "p", span);
    assert_eq!(stood(facts.clone(), &holds, (0, 50)), 10 + 10 + 10);
    assert_eq!(stood(facts.clone(), &holds, (18, 42)), 2 + 10 + 2);
    assert_eq!(stood(facts, &[], (0, 5)), 0);
    assert_eq!(stood(vec![(10, paused(Deadlines::Run))], &[], (0, 50)), 0);
}
