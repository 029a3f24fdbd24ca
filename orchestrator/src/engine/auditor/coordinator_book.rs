//! What the coordinator must say of a global transaction, given its history. Pure: reads no clock, asks nobody.

use super::difference::{Difference, Remedy};
use crate::coordinator::CoordinatorStatus;
use crate::history::{End, State, Verdict};
use crate::plan::{Mode, Plan};

/// The coordinator's book beside history's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// It says what history says, or has not been told yet.
    Agrees,
    /// It no longer knows what has ended. Its books expire, and may be lost: history is the truth, and nothing hangs
    /// on what it forgot.
    Forgot,
    /// It says something else.
    Differs(Difference),
}

/// Where history stands, as far as the coordinator can know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Course {
    Succeeded,
    Undone,
    Forward,
    Back,
    /// A TCC whose tries are under way.
    Undecided,
}

/// Compares what the coordinator says (`None` = it does not know the gid) with a history.
#[must_use]
pub fn compare(plan: &Plan, state: &State, seen: Option<CoordinatorStatus>) -> Comparison {
    use CoordinatorStatus::{Aborting, Failed, Prepared, Submitted, Succeed};
    // By an operator's word it was told that all is confirmed: what it says means nothing any more.
    if state.after_commit && seen.is_some() {
        return Comparison::Agrees;
    }
    let course = course(plan, state);
    let Some(status) = seen else {
        return match course {
            Course::Succeeded | Course::Undone => Comparison::Forgot,
            Course::Forward | Course::Back | Course::Undecided if !state.registered => Comparison::Agrees,
            Course::Forward | Course::Back | Course::Undecided => {
                differs("does not know it", course, Remedy::Remind)
            }
        };
    };
    let remedy = match (course, status) {
        (Course::Succeeded, Succeed)
        | (Course::Undone, Failed)
        | (Course::Forward, Submitted)
        | (Course::Back, Aborting)
        | (Course::Undecided, Prepared) => return Comparison::Agrees,
        // It has ended, and nobody can make it say otherwise.
        (Course::Succeeded, Failed) | (Course::Undone, Succeed) => Remedy::Person,
        (Course::Succeeded | Course::Undone, Prepared | Submitted | Aborting)
        | (Course::Forward, Prepared | Aborting | Succeed | Failed)
        | (Course::Back, Prepared | Submitted | Succeed | Failed)
        | (Course::Undecided, Submitted | Aborting | Succeed | Failed) => Remedy::Remind,
    };
    differs(&format!("says {}", status.name()), course, remedy)
}

fn course(plan: &Plan, state: &State) -> Course {
    match (state.end, &state.verdict) {
        (Some(End::Succeeded), _) => Course::Succeeded,
        (Some(End::Failed | End::Cancelled), _) => Course::Undone,
        (None, Verdict::Undo(_)) => Course::Back,
        (None, Verdict::Submitting | Verdict::Committed) => Course::Forward,
        (None, Verdict::Open) => match plan.mode() {
            Mode::Tcc => Course::Undecided,
            Mode::Saga | Mode::Unspecified => Course::Forward,
        },
    }
}

fn differs(says: &str, course: Course, remedy: Remedy) -> Comparison {
    let history = match course {
        Course::Succeeded => "history succeeded",
        Course::Undone => "history undid it",
        Course::Forward => "history goes forward",
        Course::Back => "history takes it back",
        Course::Undecided => "history has not decided",
    };
    Comparison::Differs(Difference { at: None, text: format!("the coordinator {says}, {history}"), remedy })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Cause, Event, Fact};
    use crate::plan::samples;

    const ALL: [CoordinatorStatus; 5] = [
        CoordinatorStatus::Prepared,
        CoordinatorStatus::Submitted,
        CoordinatorStatus::Aborting,
        CoordinatorStatus::Succeed,
        CoordinatorStatus::Failed,
    ];

    fn state(plan: &Plan, facts: Vec<Fact>) -> State {
        let events: Vec<Event> =
            facts.into_iter().zip(1..).map(|(fact, seq)| Event { seq, time_us: seq, fact }).collect();
        State::fold(plan, &events)
    }

    /// What agrees with each course, and what nothing can be done about.
    #[test]
    fn one_status_agrees_with_each_course() {
        let undo = || Fact::AbortDecided(Cause::Crash(String::new()));
        let cases = [
            (Mode::Saga, vec![Fact::Registered(String::new())], "submitted", ""),
            (Mode::Saga, vec![undo()], "aborting", ""),
            (Mode::Saga, vec![Fact::Finished(End::Succeeded)], "succeed", "failed"),
            (Mode::Saga, vec![undo(), Fact::Finished(End::Cancelled)], "failed", "succeed"),
            (Mode::Tcc, vec![Fact::Registered(String::new())], "prepared", ""),
            (Mode::Tcc, vec![Fact::SubmitDecided], "submitted", ""),
            (Mode::Tcc, vec![Fact::Committed], "submitted", ""),
            (Mode::Tcc, vec![undo()], "aborting", ""),
            (Mode::Tcc, vec![Fact::Committed, Fact::Finished(End::Succeeded)], "succeed", "failed"),
        ];
        for (mode, facts, agrees, hopeless) in cases {
            let plan = samples::plan(mode, 2, None);
            let state = state(&plan, facts.clone());
            for status in ALL {
                let expected = match status.name() {
                    name if name == agrees => None,
                    name if name == hopeless => Some(Remedy::Person),
                    _ => Some(Remedy::Remind),
                };
                let remedy = match compare(&plan, &state, Some(status)) {
                    Comparison::Agrees => None,
                    Comparison::Differs(difference) => Some(difference.remedy),
                    Comparison::Forgot => panic!("it knows the gid"),
                };
                assert_eq!(remedy, expected, "{mode:?} {facts:?}: {status:?}");
            }
        }
    }

    #[test]
    fn what_ended_may_be_forgotten_and_what_is_open_may_not() {
        let plan = samples::plan(Mode::Saga, 2, None);
        let of = |facts| compare(&plan, &state(&plan, facts), None);
        assert_eq!(of(vec![Fact::Started]), Comparison::Agrees, "nobody told it yet");
        assert!(matches!(of(vec![Fact::Registered(String::new())]), Comparison::Differs(_)));
        assert_eq!(
            of(vec![Fact::Registered(String::new()), Fact::Finished(End::Failed)]),
            Comparison::Forgot
        );
    }
}
