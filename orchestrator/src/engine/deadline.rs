//! The time of a global transaction as a whole: over before the pivot is passed, everything is undone; behind it a person
//! is called, and it goes forward. A caller's own deadline has no part in it.

use super::op::{BEHIND_DEADLINE, is_payment};
use super::{Engine, Live, undo_decided};
use crate::history::{Cause, Fact, Standing, State, Verdict};
use crate::plan::{OpRef, Plan};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// In a pause that puts the deadline off, the time that is left stays what it is, however little.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

impl Engine {
    /// Keeps the time of a global transaction that has one, in a task of its own.
    pub(super) fn keep_time(self: &Arc<Self>, live: &Arc<Live>) {
        if timeout_us(&live.plan) > 0 && live.state().end.is_none() {
            let (engine, live) = (Arc::clone(self), Arc::clone(live));
            tokio::spawn(async move { engine.until_time_is_over(&live).await });
        }
    }

    /// A pause that is over, and whatever else pokes, may have put it off.
    async fn until_time_is_over(self: &Arc<Self>, live: &Arc<Live>) {
        let mut pokes = live.pokes();
        loop {
            let left = self.time_left(live);
            if left.is_zero() {
                return self.time_is_over(live).await;
            }
            tokio::select! {
                () = tokio::time::sleep(left.max(SHORTEST_LOOK)) => {}
                _ = pokes.changed() => {}
                _ = live.until(|state| state.end.is_some()) => return,
            }
        }
    }

    fn time_left(&self, live: &Live) -> Duration {
        let created_us = live.plan.body().created_at_us;
        let spent_us = self.now_us().saturating_sub(created_us);
        let left_us = timeout_us(&live.plan).saturating_sub(spent_us);
        let stood_still = self.stood_still(live, None, created_us);
        let stood_still_us = i64::try_from(stood_still.as_micros()).unwrap_or(i64::MAX);
        Duration::from_micros(u64::try_from(left_us.saturating_add(stood_still_us)).unwrap_or(0))
    }

    async fn time_is_over(self: &Arc<Self>, live: &Arc<Live>) {
        let was_undoing = live.state().undoing();
        let Some(state) = self.record_patiently(live, |state| over(&live.plan, state)).await else { return };
        if state.undoing() && !was_undoing && live.coordinator().calls() {
            live.silence.due_now(Instant::now());
        }
    }
}

fn timeout_us(plan: &Plan) -> i64 {
    i64::from(plan.body().timeout_ms) * 1_000
}

/// What is recorded when the time is over. Undo is shielded from it.
fn over(plan: &Plan, state: &State) -> Vec<Fact> {
    let text = format!("the time of {} ms was over", plan.body().timeout_ms);
    let passed = plan.pivot().is_some_and(|pivot| state.steps[pivot].forward.standing == Standing::Succeeded);
    match &state.verdict {
        _ if state.end.is_some() => Vec::new(),
        Verdict::Undo(_) => Vec::new(),
        Verdict::Open if !passed => {
            let mut facts = vec![undo_decided(plan, Cause::Deadline(text.clone()))];
            facts.extend(in_doubt(plan, state, text));
            facts
        }
        Verdict::Open | Verdict::Submitting | Verdict::Committed => {
            let cause = BEHIND_DEADLINE.to_owned();
            let known = state.attention.iter().any(|open| open.cause == cause);
            let opened = (!known).then_some(Fact::AttentionOpened { cause, at: None, text });
            opened.into_iter().collect()
        }
    }
}

/// A payment that was begun and has no outcome is in doubt from here.
fn in_doubt(plan: &Plan, state: &State, text: String) -> Option<Fact> {
    let step = (0..plan.steps().len()).find(|step| is_payment(plan, *step))?;
    let begun = match state.steps[step].forward.standing {
        Standing::Attempted | Standing::Waiting => true,
        Standing::Untouched
        | Standing::Succeeded
        | Standing::SucceededLate
        | Standing::Refused
        | Standing::Skipped => false,
    };
    let at = Some(OpRef { step, op: plan.undo_op() });
    begun.then(|| Fact::AttentionOpened { cause: "payment_in_doubt".to_owned(), at, text })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::Event;
    use crate::plan::{Mode, samples};
    use amends_dtm::Op;

    /// What is recorded where these facts are history.
    fn recorded(mode: Mode, pivot: Option<usize>, facts: &[Fact]) -> Vec<Fact> {
        let mut body = samples::plan(mode, 3, pivot).body().clone();
        body.timeout_ms = 5;
        let plan = Plan::new(body).unwrap();
        let events = facts.iter().zip(1_i64..);
        let events: Vec<Event> =
            events.map(|(fact, seq)| Event { seq, time_us: seq, fact: fact.clone() }).collect();
        over(&plan, &State::fold(&plan, &events))
    }

    fn ok(step: usize, op: Op) -> Fact {
        Fact::AttemptSucceeded { at: OpRef { step, op }, attempt: 1 }
    }

    fn begun(step: usize, op: Op) -> Fact {
        Fact::AttemptStarted { at: OpRef { step, op }, attempt: 1 }
    }

    #[test]
    fn time_that_is_over_before_the_pivot_undoes() {
        let undo = || Fact::UndoDecided(Cause::Deadline("the time of 5 ms was over".into()));
        assert_eq!(recorded(Mode::Saga, Some(1), &[Fact::Started]), [undo()]);
        assert_eq!(recorded(Mode::Saga, None, &[ok(0, Op::Action), ok(1, Op::Action)]), [undo()]);
        let facts = recorded(Mode::Saga, Some(1), &[ok(0, Op::Action), begun(1, Op::Action)]);
        assert_eq!(facts[0], undo());
        assert!(matches!(&facts[1], Fact::AttentionOpened { cause, .. } if cause == "payment_in_doubt"));
        assert!(matches!(recorded(Mode::Tcc, None, &[ok(0, Op::Try)])[..], [Fact::AbortDecided(_)]));
    }

    #[test]
    fn time_that_is_over_behind_the_pivot_calls_a_person_once() {
        let passed = [ok(0, Op::Action), ok(1, Op::Action)];
        let facts = recorded(Mode::Saga, Some(1), &passed);
        assert!(matches!(&facts[..], [Fact::AttentionOpened { cause, .. }] if cause == BEHIND_DEADLINE));
        let again = [passed.as_slice(), &facts].concat();
        assert!(recorded(Mode::Saga, Some(1), &again).is_empty());
        let facts = recorded(Mode::Tcc, None, &[Fact::SubmitDecided]);
        assert!(matches!(&facts[..], [Fact::AttentionOpened { .. }]));
    }

    #[test]
    fn undo_is_shielded_from_it() {
        let undo = Fact::UndoDecided(Cause::Cancelled("c".into()));
        assert!(recorded(Mode::Saga, None, &[begun(0, Op::Action), undo]).is_empty());
    }
}
