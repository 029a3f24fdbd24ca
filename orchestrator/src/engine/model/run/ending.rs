//! The part of a case in which nothing goes wrong any more: it must come to its end, and stay there.
//! Knows what a run can do; decides nothing.

use super::{Fate, Run, next_ops};

/// Rounds that the longest plan may take to its end when nothing goes wrong any more.
const ROUNDS: usize = 200;

impl Run<'_> {
    /// Nothing goes wrong any more: it ends, and stays ended whatever still arrives.
    pub(super) fn finish(&mut self) {
        for _ in 0..ROUNDS {
            if self.state.end.is_some() && self.running.is_empty() {
                break;
            }
            self.resume();
            self.settle(true);
            for at in next_ops(&self.plan, &self.state) {
                self.claim(at);
            }
            for at in self.idle() {
                self.attempt(at);
            }
            for at in self.called() {
                self.deliver(at, Fate::Answered);
            }
            self.check();
        }
        if self.state.end.is_none() {
            assert!(self.oracle().may_be_stuck(), "it does not end: {:?}", self.state);
            return;
        }
        while !self.ghosts.is_empty() {
            self.ghost(0);
            self.check();
        }
        for step in 0..self.shape.count() {
            for op in 0..5 {
                self.ask(step, op);
            }
        }
        assert!(self.running.is_empty(), "it runs on: {:?}", self.running);
        self.seen.insert(self.state.status().name());
        self.seen.extend(self.shape.is_graph.then_some("graph"));
    }
}
