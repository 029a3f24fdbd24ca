//! What people do in a case: the act is `steer`'s, the truth of what they state is theirs. Who states an outcome has
//! made it so, or has proof that it is.

use super::super::participants::Memory;
use super::super::ways::Flight;
use super::Run;
use crate::engine::steer::{self, Approval, Denied, Statement};
use crate::history::{Act, Deadlines, Fact, Resolution, Verdict};
use crate::plan::OpRef;
use amends_dtm::Op;

impl Run<'_> {
    pub(super) fn pause(&mut self) {
        if let Ok(facts) = steer::pause(&self.state, Deadlines::Stop, &Act::of("ann", "p")) {
            self.record(facts);
            self.seen.insert("paused");
        }
    }

    pub(super) fn resume(&mut self) {
        let facts = steer::resume(&self.state, &Act::of("ann", "r"));
        self.record(facts);
    }

    pub(super) fn retry_now(&mut self, nth: usize) {
        let at = super::pick(&self.idle(), nth);
        if let Ok(facts) = steer::retry(&self.state, at, &|at| self.waits(at), &Act::of("ann", "n")) {
            self.record(facts);
        }
    }

    /// Another run begins, and can be begun again when something has failed in it.
    pub(super) fn redrive(&mut self) {
        let begun = |run: &Self| (run.ways.redrive)(&run.plan, &run.state, &Act::of("ann", "d"));
        let Ok(facts) = begun(self) else { return };
        self.record(facts);
        self.oracle().run_has_begun();
        let again = begun(self);
        let nothing = matches!(again, Err(Denied::NothingFailed | Denied::Settled(_)));
        assert!(nothing, "said again: {again:?}");
        self.seen.insert("redriven");
    }

    /// Two people state the outcome of an op; the first word alone changes nothing.
    pub(super) fn state_outcome(&mut self, step: usize, op: usize, outcome: Resolution) {
        let forward = self.plan.forward_op();
        let ops = [forward, forward, Op::Confirm, self.plan.undo_op()];
        let at = OpRef { step: step % self.shape.count(), op: ops[op % ops.len()] };
        if self.is_called_against(at, outcome) || self.proves_otherwise(at, outcome) {
            return;
        }
        let said = |who: &str| Statement { at, outcome, act: Act::of(who, "e"), approval: Approval::Two };
        for who in ["ann", "bob"] {
            let Ok(facts) = steer::resolve(&self.plan, &self.state, &said(who)) else { return };
            let counts = facts.iter().any(|fact| matches!(fact, Fact::OperatorResolved { .. }));
            assert!(!counts || who == "bob", "one word is not enough: {facts:?}");
            if counts {
                self.make_true(at, outcome);
                self.seen.insert("resolved");
            }
            let commits = counts && outcome == Resolution::Succeeded && self.is_last_try(at);
            let mut facts = facts;
            if commits {
                facts.push(Fact::SubmitDecided);
                facts.extend((!self.shape.on_dtm).then_some(Fact::Committed));
            }
            self.record(facts);
            let again = steer::resolve(&self.plan, &self.state, &said(who));
            assert_eq!(again, Ok(Vec::new()), "{at:?} {outcome:?} said again by {who}");
        }
        if self.state.after_commit {
            self.seen.insert("taken back after the commit");
        }
    }

    /// What is being called at this moment may still do the opposite.
    fn is_called_against(&self, at: OpRef, outcome: Resolution) -> bool {
        let called = |at: OpRef| matches!(self.running.get(&at), Some(Flight::Called { .. }));
        let forward = OpRef { step: at.step, op: self.plan.forward_op() };
        match outcome {
            Resolution::Compensated => called(forward) || self.ghosts.contains(&forward),
            Resolution::Refused => at.op == Op::Confirm && (called(at) || self.ghosts.contains(&at)),
            Resolution::Succeeded => false,
        }
    }

    /// Nobody has proof of what is not so.
    fn proves_otherwise(&self, at: OpRef, outcome: Resolution) -> bool {
        let memory = self.participants.memory[at.step];
        at.op == Op::Confirm && outcome == Resolution::Refused && memory != Memory::Done
    }

    /// Who states that something is done has done it.
    fn make_true(&mut self, at: OpRef, outcome: Resolution) {
        let before = self.participants.effects.len();
        match outcome {
            Resolution::Succeeded if self.is_forward(at) => self.participants.do_by_hand(at.step),
            Resolution::Succeeded | Resolution::Compensated => {
                let _ = self.participants.call(at.step, at.op);
            }
            Resolution::Refused => {}
        }
        if self.participants.effects.len() > before {
            self.oracle().after_effect();
        }
    }

    fn is_last_try(&self, at: OpRef) -> bool {
        let tried = |step: usize| step == at.step || self.forward_succeeded(step);
        at.op == Op::Try && self.state.verdict == Verdict::Open && (0..self.shape.count()).all(tried)
    }
}
