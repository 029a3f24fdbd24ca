//! What a case does about the limits of policies: as `op` does between attempts and after each, with the clock of the case.

use super::super::ways::Flight;
use super::{Run, pick};
use crate::engine::holds::stood_still_us;
use crate::engine::{Done, Judgement, Limit, Retry, undo_decided};
use crate::history::{Cause, Fact, State};
use crate::plan::OpRef;
use std::time::Duration;

/// The way that is to be proved: all of it is the fold's.
pub fn count(state: &State, at: OpRef, now_us: i64) -> Done {
    let op = state.op(at);
    let elapsed_us = match op.since_us {
        0 => 0,
        since_us => now_us - since_us - stood_still_us(state, &[], "", "", (since_us, now_us)),
    };
    let elapsed = Duration::from_micros(u64::try_from(elapsed_us).unwrap());
    Done { attempts: op.attempts_in_run(), failures: op.failures, elapsed }
}

impl Run<'_> {
    pub(super) fn look(&mut self, nth: usize) {
        let Some(at) = pick(&self.idle(), nth) else { return };
        if self.unwanted(at) {
            self.running.remove(&at);
        } else {
            self.keeps_limits(at);
        }
    }

    /// False = it was given up.
    pub(super) fn keeps_limits(&mut self, at: OpRef) -> bool {
        match self.judge(at) {
            Judgement::GoOn(limits) => {
                self.open_needs(at, &limits);
                true
            }
            Judgement::GiveUp(limit) => {
                self.oracle().may_be_given_up(at);
                let text = format!("step {}", at.step);
                let cause = match limit {
                    Limit::Deadline(_) => Cause::Deadline(text),
                    Limit::Attempts(_) | Limit::Total(_) => Cause::GivenUp(text),
                };
                self.record(vec![undo_decided(&self.plan, cause)]);
                self.running.remove(&at);
                self.seen.insert("given up");
                false
            }
        }
    }

    /// After an answer that was no outcome.
    pub(super) fn call_for_a_person(&mut self, at: OpRef) {
        if self.unwanted(at) {
            return;
        }
        if let Judgement::GoOn(limits) = self.judge(at) {
            self.open_needs(at, &limits);
        }
    }

    fn judge(&self, at: OpRef) -> Judgement {
        Retry::of(&self.plan, at).judge(&(self.ways.count)(&self.state, at, self.clock_us))
    }

    fn open_needs(&mut self, at: OpRef, limits: &[Limit]) {
        if self.state.attention.iter().any(|open| open.at == Some(at)) {
            return;
        }
        for limit in limits {
            let cause = match limit {
                Limit::Deadline(_) => "deadline_behind_pivot",
                Limit::Attempts(_) | Limit::Total(_) => "retries_exhausted",
            };
            if !self.state.attention.iter().any(|open| open.cause == cause) {
                self.oracle().may_call_a_person(at, cause);
                let text = "x".to_owned();
                self.record(vec![Fact::AttentionOpened { cause: cause.to_owned(), at: Some(at), text }]);
                self.seen.insert("called for a person");
            }
        }
    }

    /// An op that has its outcome needs nobody.
    pub(super) fn needs_nobody(&self, at: OpRef) -> Vec<Fact> {
        let open = self.state.attention.iter().filter(|open| open.at == Some(at));
        open.map(|open| Fact::AttentionClosed { cause: open.cause.clone() }).collect()
    }

    /// Whether an op waits for its next attempt.
    pub(super) fn waits(&self, at: OpRef) -> bool {
        matches!(self.running.get(&at), Some(Flight::Idle(1..)))
    }
}
