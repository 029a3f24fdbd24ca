//! What is done about a disagreement: ops that history has recorded are called again, the coordinator is reminded.
//! Never a decision: whatever comes of a call, history stays as it is, and the next look tells whether it helped.

use super::Auditor;
use super::difference::{Difference, Remedy};
use crate::coordinator::CoordinatorStatus;
use crate::engine::lanes::Answered;
use crate::engine::{Engine, Happened, Live};
use crate::history::{AppendError, Fact, State, bounded};
use crate::plan::OpRef;
use amends_dtm::Outcome;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::Instant;

impl Auditor {
    /// Does what the remedies say, each op at most once.
    pub(super) async fn repair(
        &mut self,
        live: &Arc<Live>,
        lasting: &[Difference],
        seen: Option<CoordinatorStatus>,
    ) -> Result<(), AppendError> {
        if lasting.iter().any(|difference| difference.remedy == Remedy::Remind) {
            self.remind(live, seen).await;
        }
        let mut without_success = BTreeSet::new();
        for at in in_order(lasting) {
            // A confirm needs its try, and so does nobody else's business.
            if without_success.contains(&at.step) {
                continue;
            }
            if self.call_again(live, at).await? != Outcome::Succeeded {
                without_success.insert(at.step);
            }
        }
        Ok(())
    }

    /// What has ended is told to the coordinator again; what is open is looked at by the engine at once.
    async fn remind(&mut self, live: &Live, seen: Option<CoordinatorStatus>) {
        if live.state().end.is_none() {
            live.silence.due_now(Instant::now());
        } else if let Some(status) = seen {
            self.turn().await;
            self.engine.remind(live, status).await;
        }
    }

    async fn call_again(&mut self, live: &Arc<Live>, at: OpRef) -> Result<Outcome, AppendError> {
        self.turn().await;
        // To be asked immediately before a call: another replica may have it by now.
        if !self.engine.tenure().holds() {
            return Err(AppendError::Closed);
        }
        // Whoever holds a participant back means these calls too.
        if self.engine.held(live, at.step).is_some() {
            return Ok(Outcome::Unknown);
        }
        let attempt = live.state().op(at).attempts.saturating_add(1);
        let began_us = self.engine.now_us();
        let answered = self.engine.attempt_once(live, at, attempt).await;
        let outcome = answered.outcome;
        tracing::info!(
            gid = live.base().gid,
            branch_id = live.plan.steps()[at.step].branch_id,
            op = at.op.as_str(),
            code = answered.code,
            "called again"
        );
        self.engine.record_audit(live, |state| facts(state, at, (attempt, began_us), &answered)).await?;
        Ok(outcome)
    }
}

/// An attempt like any other; a call that is answered as the one before is not another event.
fn facts(state: &State, at: OpRef, (attempt, began_us): (u32, i64), answered: &Answered) -> Vec<Happened> {
    let reason = bounded(&answered.reason);
    let op = state.op(at);
    if answered.outcome != Outcome::Succeeded && op.last_code == answered.code && op.last_reason == reason {
        return Vec::new();
    }
    let ended = match answered.outcome {
        Outcome::Succeeded => Fact::AttemptSucceeded { at, attempt },
        Outcome::Refused if at.op.is_forward() => Fact::AttemptRefused { at, attempt, reason },
        Outcome::InProgress => Fact::Parked { at, attempt, reason },
        Outcome::Refused | Outcome::Unknown => {
            Fact::AttemptUnknown { at, attempt, code: answered.code.to_owned(), reason }
        }
    };
    vec![Happened { time_us: Some(began_us), fact: Fact::AttemptStarted { at, attempt } }, ended.into()]
}

/// Forward ops first, in the order of the plan; then second phases, against it.
fn in_order(lasting: &[Difference]) -> Vec<OpRef> {
    let called: BTreeSet<OpRef> = lasting
        .iter()
        .filter_map(|difference| match difference.remedy {
            Remedy::Call(at) => Some(at),
            Remedy::Remind | Remedy::Person => None,
        })
        .collect();
    let (forward, second): (Vec<OpRef>, Vec<OpRef>) = called.into_iter().partition(|at| at.op.is_forward());
    forward.into_iter().chain(second.into_iter().rev()).collect()
}

impl Engine {
    /// Records what an audit found or did, before the end or after it.
    pub(super) async fn record_audit<F>(&self, live: &Arc<Live>, decide: F) -> Result<Arc<State>, AppendError>
    where
        F: FnOnce(&State) -> Vec<Happened>,
    {
        if live.state().end.is_none() {
            let recorded = self.record(live, decide).await?;
            return Ok(recorded);
        }
        live.record_after_end(&self.parts.history, self.now_us(), decide).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use amends_dtm::Op;

    #[test]
    fn what_is_tried_again_comes_before_what_is_confirmed_again() {
        let difference = |step, op| {
            let at = OpRef { step, op };
            Difference::of(at, String::new(), Remedy::Call(at))
        };
        let lasting = [
            difference(0, Op::Confirm),
            difference(2, Op::Confirm),
            difference(1, Op::Try),
            difference(0, Op::Try),
            difference(0, Op::Try),
        ];
        let order: Vec<String> =
            in_order(&lasting).iter().map(|at| format!("{} {}", at.op, at.step)).collect();
        assert_eq!(order, ["try 0", "try 1", "confirm 2", "confirm 0"]);
    }
}
