//! Carries out what people do to a global transaction: the act is recorded in the gid's own order, then whoever waits
//! for its consequence is woken. What may be done is `steer`'s; must not know who may act.

use super::op::last_try;
use super::steer::{self, Denied, Statement};
use super::{Engine, Happened, Live, Why};
use crate::history::{Act, AppendError, Deadlines, Fact, Resolution, State};
use crate::plan::OpRef;
use amends_dtm::Op;
use std::sync::Arc;
use tokio::time::Instant;

/// Why an act was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// History does not allow it; nothing was recorded.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// The store did not commit.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// The seq that whoever acts has seen as the newest; 0 = whatever it is.
pub type Seen = i64;

impl Engine {
    /// No new attempt from now on; a running one's outcome is recorded. Idempotent. Must run, as all acts, in a task
    /// that nobody drops half-way.
    ///
    /// # Errors
    /// Where history does not allow it, or the store did not commit.
    pub async fn pause(
        self: &Arc<Self>,
        live: &Arc<Live>,
        seen: Seen,
        deadlines: Deadlines,
        act: &Act,
    ) -> Result<(), ActError> {
        self.act(live, seen, |state| steer::pause(state, deadlines, act)).await.map(|_| ())
    }

    /// Attempts go on. Idempotent.
    ///
    /// # Errors
    /// As [`Engine::pause`].
    pub async fn resume(self: &Arc<Self>, live: &Arc<Live>, seen: Seen, act: &Act) -> Result<(), ActError> {
        self.act(live, seen, |state| Ok(steer::resume(state, act))).await?;
        self.bring_on(live);
        Ok(())
    }

    /// Ends the wait for the next attempt, of one op or of all that wait. A hold of the definition or the participant refuses
    /// nothing: that attempt is made when it ends.
    ///
    /// # Errors
    /// As [`Engine::pause`].
    pub async fn retry_now(
        self: &Arc<Self>,
        live: &Arc<Live>,
        seen: Seen,
        at: Option<OpRef>,
        act: &Act,
    ) -> Result<(), ActError> {
        // Ops that run in this process, and what a coordinator has still to ask for.
        let asked = |at: OpRef| live.coordinator().calls() && live.state().op(at).attempts > 0;
        let waits = |at: OpRef| live.running(at).is_some() || asked(at);
        self.act(live, seen, |state| steer::retry(state, at, &waits, act)).await?;
        self.bring_on(live);
        Ok(())
    }

    /// Another run goes on from where this one failed: limits count anew, and the next attempts are made now.
    ///
    /// # Errors
    /// As [`Engine::pause`].
    pub async fn redrive(self: &Arc<Self>, live: &Arc<Live>, seen: Seen, act: &Act) -> Result<(), ActError> {
        self.act(live, seen, |state| {
            let facts = steer::redrive(&live.plan, state, act)?;
            let held = |at: &OpRef| self.held(live, at.step).is_some();
            if steer::failed(&live.plan, state).iter().any(held) { Err(Denied::Paused) } else { Ok(facts) }
        })
        .await?;
        self.bring_on(live);
        Ok(())
    }

    /// States the outcome of an op. True = it counts; false = a second person has to approve.
    ///
    /// # Errors
    /// As [`Engine::pause`].
    pub async fn resolve(
        self: &Arc<Self>,
        live: &Arc<Live>,
        seen: Seen,
        said: &Statement,
    ) -> Result<bool, ActError> {
        if let Some(denied) = in_flight(live, said) {
            return Err(denied.into());
        }
        let calls = live.coordinator().calls();
        let state = self
            .act(live, seen, |state| {
                // Asked again in the gid's own order: an attempt may have begun meanwhile.
                if let Some(denied) = in_flight(live, said) {
                    return Err(denied);
                }
                let mut facts = steer::resolve(&live.plan, state, said)?;
                let counts = facts.iter().any(|fact| matches!(fact, Fact::OperatorResolved { .. }));
                if counts && said.outcome == Resolution::Succeeded && last_try(state, said.at) {
                    facts.push(Fact::SubmitDecided);
                    facts.extend((!calls).then_some(Fact::Committed));
                }
                Ok(facts)
            })
            .await?;
        let waits = state.proposal.as_ref().is_some_and(|it| (it.at, it.outcome) == (said.at, said.outcome));
        if !waits {
            self.bring_on(live);
            if state.after_commit && state.end.is_none() && calls {
                // The coordinator goes on asking for confirms: what is to be done instead is done from here.
                self.drive_in_background(live);
            }
        }
        Ok(!waits)
    }

    /// Records what `decide` makes of the state as it then is.
    async fn act(
        self: &Arc<Self>,
        live: &Arc<Live>,
        seen: Seen,
        decide: impl Fn(&State) -> Result<Vec<Fact>, Denied>,
    ) -> Result<Arc<State>, ActError> {
        let mut decided = None;
        let state = self
            .record(live, |state| {
                let facts = match decide(state) {
                    Ok(facts) if !facts.is_empty() && seen > 0 && seen != state.last_seq => {
                        Err(Denied::Changed { newest: state.last_seq })
                    }
                    facts @ (Ok(_) | Err(_)) => facts,
                };
                let (facts, outcome) = match facts {
                    Ok(facts) => (facts, Ok(())),
                    Err(why) => (Vec::new(), Err(why)),
                };
                decided = Some(outcome);
                facts.into_iter().map(Happened::from).collect()
            })
            .await?;
        // What has ended is not recorded any more: the act is refused then, or is an earlier one said again.
        decided.unwrap_or_else(|| decide(&state).map(drop))?;
        self.ended_by_an_act(live);
        Ok(state)
    }

    /// Where an act was the end, no op of ours has an answer for the coordinator, which would ask at its next poll only.
    pub(super) fn ended_by_an_act(self: &Arc<Self>, live: &Arc<Live>) {
        if live.coordinator().calls() && live.state().end.is_some() {
            self.tell_the_end(live);
        }
    }

    /// Whoever waits looks again: ops that run here, and a coordinator that should ask for the next ones.
    fn bring_on(&self, live: &Live) {
        live.poke();
        if live.coordinator().calls() && live.state().end.is_none() && live.is_stalled() {
            live.silence.due_now(Instant::now());
        }
    }
}

/// What is being called at this moment may still do the opposite of what is stated. A paused op is not called, and one
/// that waits is not either.
fn in_flight(live: &Live, said: &Statement) -> Option<Denied> {
    let called = |at: OpRef| {
        live.running(at).is_some()
            && !live.waits().all().iter().any(|(op, wait)| *op == at && waits(&wait.why))
    };
    let forward = OpRef { step: said.at.step, op: live.plan.forward_op() };
    let refused_confirm = said.at.op == Op::Confirm && said.outcome == Resolution::Refused;
    let beside = match said.outcome {
        Resolution::Compensated => called(forward),
        Resolution::Succeeded | Resolution::Refused => refused_confirm && called(said.at),
    };
    beside.then_some(Denied::InFlight)
}

fn waits(why: &Why) -> bool {
    !matches!(why, Why::Others)
}
