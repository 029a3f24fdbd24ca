//! The two ways in: a SAGA is handed to the coordinator; a TCC is tried step by step and then decided.
//! Every decision is durable before the coordinator hears of it (design.md §2, TCC's point of decision).

use super::{Engine, Live};
use crate::coordinator::{CoordinatorError, CoordinatorStatus};
use crate::history::{AppendError, Cause, Fact, State, Verdict};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Between two tries to reach a coordinator, or a store, that is away.
const AWAY_RETRY: Duration = Duration::from_millis(500);
/// How long a submit whose reply was lost is watched before it is settled by an abort.
const SETTLE: Duration = Duration::from_secs(2);
/// Between two looks at the coordinator's status meanwhile.
const SETTLE_LOOK: Duration = Duration::from_millis(200);

impl Engine {
    /// Hands a SAGA to the coordinator, which starts it. Repeated until it has it, or it is no longer wanted.
    pub(super) async fn register_saga(self: &Arc<Self>, live: &Arc<Live>) {
        if self.register(live).await {
            live.silence.expect(Instant::now(), live.state().last_seq);
        }
    }

    /// True = the coordinator has the branches; false = ended meanwhile.
    async fn register(self: &Arc<Self>, live: &Arc<Live>) -> bool {
        let mut turn = None;
        loop {
            if live.state().end.is_some() {
                return false;
            }
            let registered = live.coordinator().register(&live.plan).await;
            drop(turn.take());
            match registered {
                Ok(()) => {
                    if !live.state().registered {
                        let relay = live.coordinator().relay().to_owned();
                        live.note(Fact::Registered(relay), self.now_us());
                    }
                    return true;
                }
                // It is past that already: the silence watch finds out where it stands.
                Err(CoordinatorError::Refused(_)) => return true,
                Err(error @ CoordinatorError::Unknown(_)) => {
                    tracing::debug!(gid = live.base().gid, %error, "not registered yet");
                    self.coordinator_is_away();
                    let ended = live.until(|state| state.end.is_some());
                    let _ = tokio::time::timeout(AWAY_RETRY, ended).await;
                    // When it is back, not all of them call at once.
                    turn = self.turn().await;
                }
            }
        }
    }

    /// Runs a TCC from its registration to its decision. Confirms and cancels are then asked for by the coordinator.
    pub(super) async fn run_tcc(self: &Arc<Self>, live: &Arc<Live>) {
        if !live.start_driving() {
            return;
        }
        if self.register(live).await {
            self.try_all(live).await;
            self.settle_decision(live).await;
        }
        live.stop_driving();
    }

    /// Takes the decision if none is taken yet, and carries it to the coordinator.
    pub(super) async fn settle_decision(self: &Arc<Self>, live: &Arc<Live>) {
        let decided = self
            .record_patiently(live, |state| match state.verdict {
                Verdict::Open if all_tried(state) => vec![Fact::SubmitDecided],
                Verdict::Open => vec![Fact::AbortDecided(Cause::Crash("the tries did not end".to_owned()))],
                Verdict::Submitting | Verdict::Committed | Verdict::Undo(_) => Vec::new(),
            })
            .await;
        let Some(state) = decided else { return };
        match state.verdict {
            Verdict::Undo(_) => self.carry_abort(live).await,
            Verdict::Submitting => self.carry_submit(live).await,
            Verdict::Committed | Verdict::Open => live.silence.due_now(Instant::now()),
        }
    }

    /// Decides against it if nothing is decided yet.
    pub(super) async fn decide_abort(self: &Arc<Self>, live: &Arc<Live>, cause: Cause) {
        let cause = &cause;
        self.record_patiently(live, |state| match state.verdict {
            Verdict::Open => vec![Fact::AbortDecided(cause.clone())],
            Verdict::Submitting | Verdict::Committed | Verdict::Undo(_) => Vec::new(),
        })
        .await;
    }

    /// Records however long the store is away; `None` = the process is going down.
    pub(super) async fn record_patiently(
        self: &Arc<Self>,
        live: &Arc<Live>,
        decide: impl Fn(&State) -> Vec<Fact>,
    ) -> Option<Arc<State>> {
        loop {
            let facts = |state: &State| decide(state).into_iter().map(Into::into).collect();
            match self.record(live, facts).await {
                Ok(state) => return Some(state),
                Err(AppendError::Store(_)) => tokio::time::sleep(AWAY_RETRY).await,
                Err(AppendError::Closed | AppendError::Conflict(_)) => return None,
            }
        }
    }

    /// Tells the coordinator to roll back until it has heard it, even when everything is undone already.
    pub(super) async fn carry_abort(self: &Arc<Self>, live: &Arc<Live>) {
        let reason = live.state().cause().map(|cause| format!("{}: {}", cause.name(), cause.text()));
        let reason = reason.unwrap_or_default();
        let mut turn = None;
        loop {
            let told = live.coordinator().abort(&live.plan, &reason).await;
            drop(turn.take());
            match told {
                Ok(()) => break,
                // It is over there, or was never there: what history lacks is driven from here.
                Err(CoordinatorError::Refused(text)) => {
                    tracing::debug!(gid = live.base().gid, text, "abort was not taken");
                    break;
                }
                Err(CoordinatorError::Unknown(_)) => {
                    self.coordinator_is_away();
                    tokio::time::sleep(AWAY_RETRY).await;
                    // While it hangs, and when it is back, not all of them call at once.
                    turn = self.turn().await;
                }
            }
        }
        if live.state().end.is_none() {
            live.silence.expect(Instant::now(), live.state().last_seq);
        }
    }

    /// Submits once. A lost reply is settled by the coordinator's status, then by an abort: never by a second
    /// submit, which would mark it done with confirms missing (dtm.md D20).
    async fn carry_submit(self: &Arc<Self>, live: &Arc<Live>) {
        if let Ok(()) = live.coordinator().submit(&live.plan).await {
            live.note(Fact::Committed, self.now_us());
            live.silence.expect(Instant::now(), live.state().last_seq);
            return;
        }
        self.settle_submit(live).await;
    }

    /// Finds out what became of a submit whose reply is not known; also after a crash in that moment.
    pub(super) async fn settle_submit(self: &Arc<Self>, live: &Arc<Live>) {
        // A former owner that is gone has sent nothing for longer than that already.
        let silent = self.tenure().owner_is_gone(&live.base().gid);
        let patience = Instant::now() + if silent { Duration::ZERO } else { SETTLE };
        let mut turn = None;
        loop {
            let status = self.status_of(live).await;
            drop(turn.take());
            match status {
                Some(Some(CoordinatorStatus::Submitted | CoordinatorStatus::Succeed)) => {
                    self.record_patiently(live, |_| vec![Fact::Committed]).await;
                    live.silence.due_now(Instant::now());
                    if silent {
                        self.hasten(live);
                    }
                    return;
                }
                // It has lost it. It may have taken the submit before, and a confirm may have been made that nobody
                // recorded: what is confirmed cannot be cancelled, what is tried can still be confirmed.
                Some(None) => {
                    self.record_patiently(live, |_| vec![Fact::Committed]).await;
                    return self.drive_in_background(live);
                }
                Some(Some(CoordinatorStatus::Aborting | CoordinatorStatus::Failed)) => {
                    return self.lost_the_submit(live).await;
                }
                Some(Some(CoordinatorStatus::Prepared)) if Instant::now() >= patience => {
                    if live.coordinator().abort(&live.plan, "the submit was not seen").await.is_ok() {
                        return self.lost_the_submit(live).await;
                    }
                }
                Some(Some(CoordinatorStatus::Prepared)) | None => {}
            }
            tokio::time::sleep(SETTLE_LOOK).await;
            if status.is_none() {
                turn = self.turn().await;
            }
        }
    }

    async fn lost_the_submit(self: &Arc<Self>, live: &Arc<Live>) {
        let cause = Cause::Timeout("the coordinator did not take the submit".to_owned());
        self.record_patiently(live, |state| match state.verdict {
            Verdict::Submitting => vec![Fact::AbortDecided(cause.clone())],
            Verdict::Open | Verdict::Committed | Verdict::Undo(_) => Vec::new(),
        })
        .await;
        self.carry_abort(live).await;
    }

    /// Outer `None` = it cannot be asked now; inner `None` = it does not know the gid.
    pub(super) async fn status_of(&self, live: &Live) -> Option<Option<CoordinatorStatus>> {
        match live.coordinator().view(&live.base().gid).await {
            Ok(view) => Some(view.map(|view| view.status)),
            Err(_) => {
                self.coordinator_is_away();
                None
            }
        }
    }
}

fn all_tried(state: &State) -> bool {
    use crate::history::Standing;
    state.steps.iter().all(|step| step.forward.standing == Standing::Succeeded)
}
