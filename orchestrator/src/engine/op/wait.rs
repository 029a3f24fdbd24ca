//! How long an op waits, for its next attempt and for room, and when it waits no longer.

use super::super::{Rule, Why, undo_decided};
use super::{Next, Run};
use crate::history::{AppendError, Cause, Fact};
use crate::plan::{OpRef, Plan};
use amends_proto::amends::v1::StepPolicy;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

impl Run<'_> {
    /// Waits for the next attempt; a decision to undo ends the wait of a forward op, a poke that of any.
    pub(super) async fn sleep(&mut self, wait: Duration, rule: Rule) {
        if wait.is_zero() {
            return;
        }
        let deadline = self.deadline();
        let live = self.live;
        let _told = live.waits().begin(self.at, Why::Backoff { rule }, self.engine.now_us(), Some(wait));
        let again = Instant::now() + wait;
        let until = deadline.map_or(again, |deadline| deadline.min(again));
        let forward = self.is_forward();
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            _ = live.until(|state| forward && state.undoing()) => {}
            _ = self.pokes.changed() => {}
        }
    }

    pub(super) fn next_wait(&mut self) -> Duration {
        let cap = Duration::from_millis(u64::try_from(self.policy.max_interval_ms).unwrap_or(30_000));
        self.waits.next().unwrap_or(cap)
    }

    /// Room in the participant's lane; `None` = the deadline came first. A participant that is not configured needs
    /// none.
    pub(super) async fn room(&self) -> Option<Option<OwnedSemaphorePermit>> {
        let step = &self.live.plan.steps()[self.at.step];
        let Some(lane) = self.engine.lanes().get(&step.participant) else { return Some(None) };
        let _told = self.live.waits().begin(self.at, Why::Room, self.engine.now_us(), None);
        match self.deadline() {
            Some(deadline) => tokio::time::timeout_at(deadline, lane.room()).await.ok(),
            None => Some(lane.room().await),
        }
    }

    /// Only forward ops up to the pivot have a deadline, and only after a first attempt: behind it, and when undoing,
    /// it goes on for ever.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let after = u64::try_from(self.policy.step_timeout_ms).ok().filter(|after| *after > 0)?;
        let bounded = self.is_forward() && self.attempt > 0 && !self.live.plan.behind_pivot(self.at.step);
        bounded.then(|| self.began + Duration::from_millis(after))
    }

    /// The outcome is still unknown at the deadline: take everything back, this step too (payments-domain.md §3).
    pub(super) async fn give_up(&self) -> Result<Next, AppendError> {
        let plan = &self.live.plan;
        let text = format!("step {} had no outcome in time", plan.branch_id(self.at.step).as_str());
        self.engine
            .record(self.live, |state| {
                if self.unwanted(state) {
                    return Vec::new();
                }
                let mut facts = vec![undo_decided(plan, Cause::Deadline(text.clone())).into()];
                if is_payment(plan, self.at) {
                    let cause = "payment_in_doubt".to_owned();
                    let at = Some(OpRef { step: self.at.step, op: plan.undo_op() });
                    facts.push(Fact::AttentionOpened { cause, at, text: text.clone() }.into());
                }
                facts
            })
            .await?;
        Ok(Next::Over)
    }
}

/// The step whose outcome outside is what is in doubt: the SAGA's pivot, or a TCC's last try, which is the
/// payment by the order of steps (payments-domain.md §3).
fn is_payment(plan: &Plan, at: OpRef) -> bool {
    plan.pivot().unwrap_or(plan.steps().len() - 1) == at.step
}

/// The policy's waits: doubling from the initial interval to the cap, ±20 % (orchestration.md item 3).
pub(super) fn waits(policy: &StepPolicy) -> ExponentialBackoff {
    let ms = |value: i32, default: u64| Duration::from_millis(u64::try_from(value).unwrap_or(default).max(1));
    ExponentialBuilder::default()
        .with_min_delay(ms(policy.initial_interval_ms, 100))
        .with_max_delay(ms(policy.max_interval_ms, 30_000))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}
