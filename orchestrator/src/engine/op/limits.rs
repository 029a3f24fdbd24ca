//! What is done when a limit of an op's policy is reached: everything is undone, or a person is called and it goes on.

use super::super::{Rule, undo_decided};
use super::attention::{is_called, need_at, open};
use super::policy::{Done, Judgement, Limit};
use super::{Next, Run};
use crate::history::{AppendError, Cause, Fact, State, bounded};
use crate::plan::{OpRef, Plan};
use std::time::Duration;
use tokio::time::Instant;

impl Run<'_> {
    /// Since the first attempt of the run, without the time in which deadlines stood still.
    fn elapsed(&self) -> Duration {
        let stood_still = match self.live.state().op(self.at).since_us {
            0 => Duration::ZERO,
            from_us => self.engine.stood_still(self.live, Some(self.at.step), from_us),
        };
        self.began.elapsed().saturating_sub(stood_still)
    }

    pub(super) fn done(&self) -> Done {
        Done { attempts: self.in_run(), failures: self.failures, elapsed: self.elapsed() }
    }

    /// When limits are to be looked at again though nothing happens.
    pub(super) fn next_look(&self) -> Option<Instant> {
        let done = self.done();
        self.retry.next_look(&done).map(|look| Instant::now() + look.saturating_sub(done.elapsed))
    }

    /// Does what reached limits ask for; `None` = it goes on. What was never begun has reached none.
    pub(super) async fn keep_limits(&self) -> Result<Option<Next>, AppendError> {
        if self.in_run() == 0 {
            return Ok(None);
        }
        match self.retry.judge(&self.done()) {
            Judgement::GiveUp(limit) => self.give_up(limit).await.map(Some),
            Judgement::GoOn(limits) => {
                let wanted = !limits.is_empty() && !is_called(&self.live.state(), self.at);
                if wanted {
                    self.call_for_a_person(&limits).await?;
                }
                Ok(None)
            }
        }
    }

    async fn call_for_a_person(&self, limits: &[Limit]) -> Result<(), AppendError> {
        let at = self.at;
        let decide = |state: &State| {
            if self.unwanted(state) || self.is_renewed(state) || is_called(state, at) {
                return Vec::new();
            }
            let op = state.op(at);
            let need = |limit| need_at(limit, &op.last_code, &op.last_reason);
            limits.iter().filter_map(|limit| open(state, at, &need(limit))).collect()
        };
        self.engine.record(self.live, decide).await.map(|_| ())
    }

    /// Its outcome is still unknown: everything is taken back, this step too (payments-domain.md §3).
    async fn give_up(&self, limit: Limit) -> Result<Next, AppendError> {
        let plan = &self.live.plan;
        let step = plan.branch_id(self.at.step);
        let state = self
            .engine
            .record(self.live, |state| {
                if self.unwanted(state) || self.is_renewed(state) {
                    return Vec::new();
                }
                let last = &state.op(self.at).last_code;
                let cause = match limit {
                    Limit::Deadline(_) => {
                        Cause::Deadline(format!("step {} had no outcome in time", step.as_str()))
                    }
                    Limit::Attempts(_) | Limit::Total(_) => Cause::GivenUp(bounded(&format!(
                        "step {}: {limit}, the last with {last}",
                        step.as_str()
                    ))),
                };
                let text = cause.text().to_owned();
                let mut facts = vec![undo_decided(plan, cause).into()];
                if is_payment(plan, self.at.step) {
                    let cause = "payment_in_doubt".to_owned();
                    let at = Some(OpRef { step: self.at.step, op: plan.undo_op() });
                    facts.push(Fact::AttentionOpened { cause, at, text }.into());
                }
                facts
            })
            .await?;
        // Somebody may have been quicker, and it goes on.
        let again = Next::Again(Duration::ZERO, Rule::Interval);
        Ok(if self.unwanted(&state) { Next::Over } else { again })
    }
}

/// The step whose outcome outside is what is in doubt: the SAGA's pivot, or a TCC's last try, which is the
/// payment by the order of steps (payments-domain.md §3).
pub(in crate::engine) fn is_payment(plan: &Plan, step: usize) -> bool {
    plan.pivot().unwrap_or(plan.steps().len() - 1) == step
}
