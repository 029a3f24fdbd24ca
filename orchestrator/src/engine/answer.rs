//! Answers one branch call of the coordinator: decide, run or skip or consult, and hold the call for a while.
//! The table itself is `decide`; this drives it.

use super::decide::{Answer, Decision};
use super::live::Claim;
use super::{Engine, Lane, Live, undo_decided};
use crate::coordinator::CoordinatorStatus;
use crate::history::{AppendError, Cause, Fact, OpState, ReadError, Standing, State, Verdict, bounded};
use crate::plan::{OpRef, Plan};
use amends_dtm::{BranchId, Op};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// A branch call, as the coordinator names it.
#[derive(Debug, Clone)]
pub struct RelayCall {
    /// Which global transaction.
    pub gid: String,
    /// Which step.
    pub branch_id: BranchId,
    /// Which op of it.
    pub op: Op,
    /// Hash of the plan that the coordinator was given.
    pub plan_hash: Vec<u8>,
}

/// Why a call gets no answer in the coordinator's terms.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The history store is away: nothing can be decided.
    #[error("the history store is away")]
    Store(#[source] sea_orm::DbErr),
    /// It did not commit.
    #[error("the history store did not commit")]
    Append(#[from] AppendError),
    /// It is for another replica to answer.
    #[error("replica {owner} has it")]
    Elsewhere {
        /// That replica.
        owner: String,
    },
}

impl Engine {
    /// Answers a branch call. Must run in a task that nobody drops half-way.
    ///
    /// # Errors
    /// Only where the history store is away, or the global transaction is another replica's.
    pub async fn relay(self: &Arc<Self>, call: &RelayCall) -> Result<Answer, RelayError> {
        let live = match self.find(&call.gid).await {
            Ok(Some(live)) => live,
            // Never ABORTED: the history may have been restored from a backup (design.md §2).
            Ok(None) => {
                let (branch_id, op) = (call.branch_id.as_str(), call.op.as_str());
                tracing::error!(gid = call.gid, branch_id, op, "the coordinator calls an unknown gid");
                return Ok(Answer::InProgress);
            }
            Err(ReadError::Store(error)) => return Err(RelayError::Store(error)),
            Err(ReadError::Elsewhere { owner }) => return Err(RelayError::Elsewhere { owner }),
            Err(error @ (ReadError::Plan(_) | ReadError::Event(_))) => {
                let (branch_id, op) = (call.branch_id.as_str(), call.op.as_str());
                let alarm = "UNREADABLE_HISTORY";
                tracing::error!(gid = call.gid, branch_id, op, %error, alarm, "not answered");
                return Ok(Answer::InProgress);
            }
        };
        let step = live.plan.step_of(&call.branch_id);
        let known = live.coordinator().calls() && call.plan_hash == live.plan.hash();
        let (Some(step), true) = (step, known) else {
            let (branch_id, op) = (call.branch_id.as_str(), call.op.as_str());
            tracing::error!(gid = call.gid, branch_id, op, "the coordinator calls with a foreign plan");
            return Ok(Answer::InProgress);
        };
        let answer = self.answer(&live, OpRef { step, op: call.op }).await?;
        self.watch_silence(&live, answer);
        Ok(answer)
    }

    fn watch_silence(self: &Arc<Self>, live: &Arc<Live>, answer: Answer) {
        if live.state().end.is_some() {
            if answer == Answer::InProgress {
                self.tell_the_end(live);
            }
            return;
        }
        if answer == Answer::InProgress {
            live.owe_wake();
            // The op may have ended between the decision and this debt: then nobody else would pay it.
            if live.is_busy() {
                return;
            }
        }
        live.silence.expect(Instant::now(), live.state().last_seq);
    }

    async fn answer(self: &Arc<Self>, live: &Arc<Live>, asked: OpRef) -> Result<Answer, AppendError> {
        let mut consulted = false;
        loop {
            match live.claim(asked) {
                Claim::Run { at, ended } => {
                    let over = ended.subscribe();
                    self.spawn_op(live, at, ended);
                    if !held(over, self.hold(live, at)).await {
                        return Ok(Answer::InProgress);
                    }
                    if let Some(answer) = plain(&live.claim_nothing(asked)) {
                        return Ok(answer);
                    }
                    return Ok(Answer::InProgress);
                }
                Claim::Decided(Decision::Reply(answer)) => return Ok(answer),
                Claim::Decided(Decision::Skip(at)) => {
                    self.record(live, |_| vec![Fact::Skipped { at }.into()]).await?;
                    return Ok(Answer::Ok);
                }
                Claim::Decided(Decision::Consult) if !consulted => {
                    consulted = true;
                    if !self.consult(live, asked).await? {
                        return Ok(Answer::InProgress);
                    }
                }
                Claim::Decided(Decision::Disagree(text)) => {
                    self.open_disagreement(live, asked, text).await?;
                    return Ok(Answer::InProgress);
                }
                Claim::Decided(Decision::Consult | Decision::Run(_)) => return Ok(Answer::InProgress),
            }
        }
    }

    /// Nobody is held up for a participant that is away: DTM's loop may have others to call (dtm.md D13).
    fn hold(&self, live: &Live, at: OpRef) -> Duration {
        let lane = self.lanes().get(&live.plan.steps()[at.step].participant);
        if lane.is_some_and(Lane::is_shut) || self.held(live, at.step).is_some() {
            return Duration::ZERO;
        }
        match at.op {
            Op::Action | Op::Try => self.parts.times.hold_forward,
            Op::Confirm | Op::Compensate | Op::Cancel => self.parts.times.hold_second,
        }
    }

    /// The coordinator undoes what history has not decided to undo. Where its own timeout won, history follows;
    /// otherwise a person is needed. True = undo is decided now.
    async fn consult(self: &Arc<Self>, live: &Arc<Live>, asked: OpRef) -> Result<bool, AppendError> {
        let view = match live.coordinator().view(&live.base().gid).await {
            Ok(view) => view,
            Err(error) => {
                tracing::debug!(gid = live.base().gid, %error, "the coordinator cannot be consulted");
                self.coordinator_is_away();
                return Ok(false);
            }
        };
        let aborting = view.is_some_and(|view| match view.status {
            CoordinatorStatus::Aborting | CoordinatorStatus::Failed => true,
            CoordinatorStatus::Prepared | CoordinatorStatus::Submitted | CoordinatorStatus::Succeed => false,
        });
        if !aborting {
            self.open_disagreement(live, asked, "an undo that neither history nor the coordinator decided")
                .await?;
            return Ok(false);
        }
        let plan = &live.plan;
        let state = self
            .record(live, |state| {
                let cause = Cause::Timeout("the coordinator rolled back by itself".to_owned());
                let follows = may_follow(plan, state) && !live.runs(Op::Confirm);
                if follows { vec![undo_decided(plan, cause).into()] } else { Vec::new() }
            })
            .await?;
        if !state.undoing() {
            self.open_disagreement(live, asked, "the coordinator rolls back behind the pivot").await?;
        }
        Ok(state.undoing())
    }

    async fn open_disagreement(
        self: &Arc<Self>,
        live: &Arc<Live>,
        asked: OpRef,
        text: &'static str,
    ) -> Result<(), AppendError> {
        let cause = "disagreement".to_owned();
        self.record(live, |state| {
            if state.attention.iter().any(|open| open.cause == cause) {
                return Vec::new();
            }
            vec![Fact::AttentionOpened { cause: cause.clone(), at: Some(asked), text: bounded(text) }.into()]
        })
        .await
        .map(|_| ())
    }
}

/// History follows the coordinator's abort only where nothing was committed and the pivot was not attempted: behind it
/// there is only forward, whatever made the coordinator turn back.
pub(super) fn may_follow(plan: &Plan, state: &State) -> bool {
    let confirmed = state.steps.iter().any(|step| step.confirm.attempts > 0);
    // Attempted, or done by somebody's word without an attempt of ours.
    let passed = |op: &OpState| op.attempts > 0 || op.standing == Standing::Succeeded;
    let past_pivot = plan.pivot().is_some_and(|pivot| passed(&state.steps[pivot].forward));
    let open = matches!(state.verdict, Verdict::Open | Verdict::Submitting) && state.end.is_none();
    open && !confirmed && !past_pivot
}

fn plain(decision: &Decision) -> Option<Answer> {
    match decision {
        Decision::Reply(answer) => Some(*answer),
        Decision::Run(_) | Decision::Skip(_) | Decision::Consult | Decision::Disagree(_) => None,
    }
}

/// Whether the op ended within the hold.
async fn held(mut over: watch::Receiver<bool>, hold: Duration) -> bool {
    tokio::time::timeout(hold, over.wait_for(|ended| *ended)).await.is_ok()
}
