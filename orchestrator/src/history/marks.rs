//! What lists are filtered by beside the status: marks of trouble, kept in the row. While all goes well none of them
//! changes but together with the status, so they cost no write of their own. Pure: reads a plan and its state.

use super::entity::global_transaction;
use super::fold::State;
use super::op_state::{OpState, StepState};
use crate::plan::Plan;
use std::collections::BTreeSet;

/// Stands around each name of a list in one text: no name has a control character.
pub const BETWEEN: char = '\n';

/// Marks of one global transaction.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Marks {
    /// Of the op with the most attempts.
    pub attempts: i32,
    /// It is paused by itself, not with a definition or a participant.
    pub paused: bool,
    /// Last codes of ops, other than OK.
    pub codes: String,
    /// Participants whose last answer to an op that has not ended was not OK.
    pub waiting_for: String,
}

impl Marks {
    /// As a state has them.
    #[must_use]
    pub fn of(plan: &Plan, state: &State) -> Self {
        let steps = || state.steps.iter().zip(plan.steps());
        let attempts = steps().flat_map(|(step, _)| ops(step)).map(|op| op.attempts).max();
        let codes = steps().flat_map(|(step, _)| ops(step)).filter(|op| troubled(op));
        let waiting = steps().filter(|(step, _)| ops(step).any(|op| troubled(op) && op.ended_us == 0));
        Self {
            attempts: i32::try_from(attempts.unwrap_or(0)).unwrap_or(i32::MAX),
            paused: state.paused.is_some(),
            codes: names(codes.map(|op| op.last_code.as_str())),
            waiting_for: names(waiting.map(|(_, planned)| planned.participant.as_str())),
        }
    }

    /// The row with these marks.
    #[must_use]
    pub fn onto(self, row: global_transaction::Model) -> global_transaction::Model {
        let Self { attempts, paused, codes, waiting_for } = self;
        global_transaction::Model { attempts, paused, codes, waiting_for, ..row }
    }
}

fn ops(step: &StepState) -> impl Iterator<Item = &OpState> {
    [&step.forward, &step.confirm, &step.undo].into_iter()
}

fn troubled(op: &OpState) -> bool {
    !op.last_code.is_empty() && op.last_code != "OK"
}

/// Several names in one text, each once, each between two separators; nothing for none.
#[must_use]
pub fn names<'a>(each: impl Iterator<Item = &'a str>) -> String {
    let each: BTreeSet<&str> = each.filter(|name| !name.is_empty()).collect();
    let mut text = String::new();
    for name in each {
        if text.is_empty() {
            text.push(BETWEEN);
        }
        text.push_str(name);
        text.push(BETWEEN);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Event, Fact};
    use crate::plan::{Mode, OpRef, samples};
    use amends_dtm::Op;

    fn after(facts: &[Fact]) -> Marks {
        let plan = samples::plan(Mode::Saga, 3, None);
        let events: Vec<Event> =
            (1..).zip(facts).map(|(seq, fact)| Event { seq, time_us: seq, fact: fact.clone() }).collect();
        Marks::of(&plan, &State::fold(&plan, &events))
    }

    #[test]
    fn what_goes_well_leaves_no_marks_but_its_first_attempt() {
        let at = |step| OpRef { step, op: Op::Action };
        let begun = [Fact::Started, Fact::AttemptStarted { at: at(0), attempt: 1 }];
        let marks = after(&begun);
        assert_eq!(marks, Marks { attempts: 1, ..Marks::default() });
        let on = [
            Fact::AttemptSucceeded { at: at(0), attempt: 1 },
            Fact::AttemptStarted { at: at(1), attempt: 1 },
            Fact::AttemptSucceeded { at: at(1), attempt: 1 },
        ];
        assert_eq!(after(&[&begun[..], &on].concat()), marks, "no write of its own");
    }

    #[test]
    fn trouble_shows_until_it_is_over() {
        let at = OpRef { step: 1, op: Op::Action };
        let unknown =
            Fact::AttemptUnknown { at, attempt: 2, code: "UNAVAILABLE".into(), reason: "gone".into() };
        let facts = [Fact::Started, Fact::AttemptStarted { at, attempt: 2 }, unknown];
        let marks = after(&facts);
        assert_eq!((marks.attempts, marks.codes.as_str()), (2, "\nUNAVAILABLE\n"));
        assert_eq!(marks.waiting_for, "\np1\n");
        let marks = after(&[&facts[..], &[Fact::AttemptSucceeded { at, attempt: 2 }]].concat());
        assert_eq!(marks, Marks { attempts: 2, ..Marks::default() });
    }
}
