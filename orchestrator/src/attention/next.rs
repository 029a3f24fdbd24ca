//! What happens by itself while a person is needed: from the plan, the fold, and what the op waits for right now. Pure.

use crate::engine::{Rule, Wait, Why};
use crate::history::{Attention, State};
use crate::plan::{OpRef, Plan};
use amends_dtm::Op;

/// The next thing that happens without anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextAction {
    /// For people.
    pub text: String,
    /// When, unix microseconds; `None` = nobody knows, or nothing does.
    pub at_us: Option<i64>,
}

impl NextAction {
    fn some_time(text: impl Into<String>) -> Self {
        Self { text: text.into(), at_us: None }
    }
}

/// What is known without the plan: whoever lists needs of all replicas has no more.
#[must_use]
pub fn next_of_cause(cause: &str) -> NextAction {
    NextAction::some_time(match cause {
        "disagreement" => {
            "the auditor compares the books again at each pass, and closes this when they agree"
        }
        "refused_behind_pivot" => "nothing: an operator resolves it",
        _ => "it is tried again by the step's policy; the first outcome that is certain closes this",
    })
}

/// What happens next about one need of a global transaction that is in this process.
#[must_use]
pub fn next(need: &Attention, plan: &Plan, state: &State, waits: &[(OpRef, Wait)]) -> NextAction {
    let Some(at) = need.at.filter(|_| is_tried_again(need)) else { return next_of_cause(&need.cause) };
    let step = &plan.steps()[at.step];
    let what = format!("{} of step {} ({})", at.op.as_str(), step.branch_id, step.participant);
    let attempt = state.op(at).attempts.saturating_add(1);
    let wait = waits.iter().find(|(of, _)| *of == at).map(|(_, wait)| wait);
    match wait {
        Some(Wait { why, until_us, .. }) => {
            let text = format!("{what}: {}", awaited(why));
            NextAction { text: text.replace("{n}", &attempt.to_string()), at_us: *until_us }
        }
        None if state.undoing() && matches!(at.op, Op::Action | Op::Try | Op::Confirm) => {
            NextAction::some_time(format!("{what}: nothing, it is being undone"))
        }
        None if state.paused.is_some() => {
            NextAction::some_time(format!("{what}: nothing while it is paused"))
        }
        None => NextAction::some_time(format!("{what} is called, or comes when it is its turn")),
    }
}

/// The cause alone tells who acts next: its participant is not called again.
fn is_tried_again(need: &Attention) -> bool {
    !matches!(need.cause.as_str(), "disagreement" | "refused_behind_pivot")
}

fn awaited(why: &Why) -> &'static str {
    match why {
        Why::Backoff { rule: Rule::Interval } => "attempt {n} when the retry policy's interval is over",
        Why::Backoff { rule: Rule::InProgress } => "the participant is asked again, as attempt {n}",
        Why::Backoff { rule: Rule::Store } => "attempt {n} when the history's store is back",
        Why::Room => "attempt {n} when the participant's lane has room",
        Why::BreakerOpen => "attempt {n} when the participant's breaker closes",
        Why::Rate => "attempt {n} when the participant's rate allows it",
        Why::RetryBudget => "attempt {n} when the participant's retry budget allows it",
        Why::Paused(_) => "nothing: it is paused",
        Why::Others => "attempt {n} when calls of the former replica have ended for certain",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::{Mode, samples};

    fn need(cause: &str, at: Option<OpRef>) -> Attention {
        let (text, acknowledged) = (String::new(), None);
        Attention { cause: cause.into(), since_us: 1, opened_seq: 1, at, text, acknowledged }
    }

    #[test]
    fn the_time_is_that_of_the_ops_own_wait() {
        let plan = samples::plan(Mode::Saga, 2, None);
        let (state, at) = (State::empty(&plan), OpRef { step: 1, op: Op::Compensate });
        let wait = Wait { why: Why::Backoff { rule: Rule::Interval }, since_us: 5, until_us: Some(9) };
        let told = next(&need("retries_exhausted", Some(at)), &plan, &state, &[(at, wait.clone())]);
        let text = "compensate of step 02 (p1): attempt 1 when the retry policy's interval is over";
        assert_eq!((told.text.as_str(), told.at_us), (text, Some(9)));
        let other = OpRef { step: 0, ..at };
        let told = next(&need("retries_exhausted", Some(other)), &plan, &state, &[(at, wait)]);
        assert_eq!(told.at_us, None, "another op's wait is not its own");
    }

    #[test]
    fn what_only_a_person_can_end_says_so() {
        let plan = samples::plan(Mode::Saga, 2, None);
        let (state, at) = (State::empty(&plan), OpRef { step: 1, op: Op::Action });
        let told = next(&need("refused_behind_pivot", Some(at)), &plan, &state, &[]);
        assert_eq!(told, next_of_cause("refused_behind_pivot"));
        assert!(told.text.starts_with("nothing: an operator"), "{told:?}");
        let told = next(&need("disagreement", Some(at)), &plan, &state, &[]);
        assert!(told.text.contains("auditor"), "{told:?}");
    }
}
