//! What begins anew in an op that waits here, when another run goes on from it: its counts and its time are those of the
//! fold from then on. Must not know who may ask for a run.

use super::Run;
use crate::history::{OpState, State};
use std::time::Duration;
use tokio::time::Instant;

impl Run<'_> {
    /// Attempts since its limits began to count.
    pub(super) fn in_run(&self) -> u32 {
        self.attempt.saturating_sub(self.before)
    }

    /// Whether its limits began anew, and it has not seen that yet.
    pub(super) fn is_renewed(&self, state: &State) -> bool {
        state.op(self.at).renewed != self.renewed
    }

    /// Takes over limits that began anew; true = they did.
    pub(super) fn renew(&mut self) -> bool {
        let state = self.live.state();
        if !self.is_renewed(&state) {
            return false;
        }
        let op = state.op(self.at);
        self.renewed = op.renewed;
        self.failures = op.failures;
        // What was under way then may be recorded by now.
        self.before = self.attempt.saturating_sub(u32::from(op.since_us > 0));
        self.began = began(self.engine.now_us(), op);
        self.last_answer.clear();
        self.due = None;
        true
    }

    /// The same while an attempt is under way: it is the first one that counts.
    pub(super) fn renew_in_flight(&mut self) {
        if self.renew() {
            self.before = self.attempt.saturating_sub(1);
        }
    }
}

/// Since when its time counts.
pub(super) fn began(now_us: i64, op: &OpState) -> Instant {
    let since_us = op.renewed.map_or(op.since_us, |renewed| renewed.at_us.max(op.since_us));
    let before_us = if since_us > 0 { now_us.saturating_sub(since_us) } else { 0 };
    let before = Duration::from_micros(u64::try_from(before_us).unwrap_or(0));
    Instant::now().checked_sub(before).unwrap_or_else(Instant::now)
}
