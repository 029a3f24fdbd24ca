//! Drives a global transaction from here: runs whatever history lacks next, step after step or side by side, and
//! records what came of it. The embedded coordinator is this, from start to end; DTM's global transactions pass
//! through it for a TCC's tries, and where DTM lost or contradicts something.
//! Must not know what DTM says: who calls decides when driving is right.

use super::decide::{Decision, next_ops};
use super::live::Claim;
use super::{Engine, Live};
use crate::history::{Cause, Fact, Standing, State, Verdict};
use crate::plan::Mode;
use crate::trace;
use amends_serve::traces;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Between two runs of an op whose task broke.
const BROKEN_RETRY: Duration = Duration::from_secs(1);

/// How far to drive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// Until a TCC's tries are decided about.
    Decision,
    /// Until nothing can be begun from here.
    Idle,
    /// To the end, whatever it takes.
    End,
}

impl Goal {
    fn reached(self, state: &State) -> bool {
        match self {
            Self::Decision => state.end.is_some() || state.verdict != Verdict::Open,
            Self::Idle | Self::End => state.end.is_some(),
        }
    }
}

/// Ops that were begun here, in tasks of their own: one that is about to record must go on while the driver records
/// too. False = the process is going down.
type Running = JoinSet<bool>;

impl Engine {
    /// The embedded coordinator: from wherever history stands to the end.
    pub(super) async fn drive_to_the_end(self: &Arc<Self>, live: &Arc<Live>) {
        if !live.start_driving() {
            return;
        }
        if interrupted(live) {
            let cause = Cause::Crash("the orchestrator restarted during the tries".to_owned());
            self.decide_abort(live, cause).await;
        }
        self.advance(live, Goal::End).await;
        live.stop_driving();
    }

    /// What DTM lost, or believes to be over: as far as history allows without it.
    pub(super) async fn drive(self: &Arc<Self>, live: &Arc<Live>) {
        if !live.start_driving() {
            return;
        }
        self.advance(live, Goal::Idle).await;
        live.stop_driving();
        let state = live.state();
        if state.end.is_some() {
            self.tell_the_end(live);
        } else {
            live.silence.expect(Instant::now(), state.last_seq);
        }
    }

    /// Tries step after step, or side by side; returns when all succeeded or undo is decided.
    pub(super) async fn try_all(self: &Arc<Self>, live: &Arc<Live>) {
        self.advance(live, Goal::Decision).await;
    }

    async fn advance(self: &Arc<Self>, live: &Arc<Live>, goal: Goal) {
        let began = (Instant::now(), self.now_us());
        let mut running = Running::new();
        loop {
            let state = live.state();
            let begun = match goal.reached(&state) {
                true if running.is_empty() => return,
                true => false,
                false => self.begin_all(live, &state, &mut running).await,
            };
            if running.is_empty() {
                if !begun && !wait_for_others(live, &state, goal).await {
                    return;
                }
                continue;
            }
            let trying = live.plan.mode() == Mode::Tcc && state.verdict == Verdict::Open;
            // Beside an op of ours that takes long others may become possible, by a cancel or another's op.
            let beside = live.plan.is_graph() || goal == Goal::Idle;
            tokio::select! {
                run = running.join_next() => match run {
                    Some(Ok(true)) => {}
                    // A defect of ours must not leave it without a driver: the op is tried again, later.
                    Some(Err(error)) if error.is_panic() => {
                        tracing::error!(gid = live.base().gid, %error, alarm = "OP_BROKE", "an op broke");
                        tokio::time::sleep(BROKEN_RETRY).await;
                    }
                    Some(Ok(false) | Err(_)) | None => return,
                },
                _ = live.until(|now| now.last_seq != state.last_seq), if beside => {}
                () = tokio::time::sleep_until(self.patience(live, began)), if trying => {
                    if self.patience(live, began) > Instant::now() {
                        continue;
                    }
                    let cause = Cause::Deadline("the try phase took too long".to_owned());
                    self.decide_abort(live, cause).await;
                }
            }
        }
    }

    /// When the tries have taken too long, unless deadlines stand still again until then.
    fn patience(&self, live: &Live, (began, began_us): (Instant, i64)) -> Instant {
        let steps = 0..live.plan.steps().len();
        let stood_still = steps.map(|step| self.stood_still(live, Some(step), began_us)).max();
        began + self.parts.times.try_phase + stood_still.unwrap_or_default()
    }

    /// Begins every op that may begin now, and records what needs no call; false = there was nothing of either.
    async fn begin_all(self: &Arc<Self>, live: &Arc<Live>, state: &State, running: &mut Running) -> bool {
        let mut begun = false;
        for at in next_ops(&live.plan, state) {
            match live.claim(at) {
                Claim::Run { at, ended } => {
                    let (engine, live) = (Arc::clone(self), Arc::clone(live));
                    let place = trace::of_work(&live.plan);
                    let run = async move { engine.run_op(&live, at, ended).await };
                    running.spawn(traces::within(place, run));
                    begun = true;
                }
                Claim::Decided(Decision::Skip(at)) => {
                    begun |= self.record_patiently(live, |_| vec![Fact::Skipped { at }]).await.is_some();
                }
                Claim::Decided(Decision::Reply(_) | Decision::Consult | Decision::Disagree(_))
                | Claim::Decided(Decision::Run(_)) => {}
            }
        }
        begun
    }
}

/// Nothing can be begun here: until another's op has ended or history goes on. False = nobody is at it either.
async fn wait_for_others(live: &Live, seen: &State, goal: Goal) -> bool {
    if let Some(mut other) = live.any_running() {
        let _ = other.wait_for(|ended| *ended).await;
        return true;
    }
    if goal != Goal::End {
        return false;
    }
    live.until(|state| state.last_seq != seen.last_seq).await;
    true
}

/// A TCC whose tries were under way when the process ended (orchestration.md item 15).
fn interrupted(live: &Live) -> bool {
    let state = live.state();
    let begun = state.steps.iter().any(|step| step.forward.standing != Standing::Untouched);
    live.plan.mode() == Mode::Tcc && state.verdict == Verdict::Open && begun
}
