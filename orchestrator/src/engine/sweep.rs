//! Recovery and the silence watch: takes up what a crash interrupted, and reminds the coordinator of what it
//! should have gone on with. Every question "who moves this gid next?" ends here.

use super::answer::may_follow;
use super::op::Retry;
use super::{Engine, Live};
use crate::coordinator::{CoordinatorError, CoordinatorStatus};
use crate::history::{Cause, READ_AT_ONCE, ReadError, State, Verdict};
use crate::plan::{Mode, OpRef};
use crate::replica::Left;
use amends_dtm::Op;
use futures::StreamExt as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Between two looks at all open global transactions.
const TICK: Duration = Duration::from_millis(100);
/// After so many reminders, some ten seconds, a coordinator that does not ask for what history lacks is done without.
const DEAF: u32 = 3;
/// The same for second phases: DTM comes to many of them one after another (dtm.md D13), and each reminder begins anew.
const SLOW: u32 = 1;
/// What was taken over is read back so many at a time: half of the connections that the store has.
const ADOPTED_AT_ONCE: usize = 8;
/// Between two looks whether a coordinator that was away is back.
pub(super) const AWAY_LOOK: Duration = Duration::from_millis(500);

impl Engine {
    /// Takes up every open global transaction, whatever the moment of the crash (orchestration.md item 15).
    ///
    /// # Errors
    /// Where the store cannot be read.
    pub async fn recover(self: &Arc<Self>) -> Result<usize, ReadError> {
        self.look_at_holds().await?;
        let open = self.parts.history.reader.open_gids().await?;
        for gids in open.chunks(READ_AT_ONCE) {
            for (gid, loaded) in self.parts.history.reader.load_open(gids).await? {
                match loaded {
                    Ok(loaded) => drop(self.take_in(loaded)),
                    // One history that this version cannot read must not keep all others waiting.
                    Err(error) => {
                        tracing::error!(gid, %error, alarm = "UNREADABLE_HISTORY", "not taken up");
                    }
                }
            }
        }
        self.tell_what_ended_shortly_before();
        Ok(open.len())
    }

    /// Goes on with what other replicas leave behind, until nothing more can come.
    pub async fn inherit(self: Arc<Self>, mut left: mpsc::Receiver<Left>) {
        while let Some(left) = left.recv().await {
            match left {
                Left::Open(gids) => self.take_up_all(gids).await,
                Left::Ended => self.tell_what_ended_shortly_before(),
            }
        }
    }

    async fn take_up_all(self: &Arc<Self>, gids: Vec<String>) {
        let each = |gid: String| {
            let engine = Arc::clone(self);
            async move {
                if let Some(live) = engine.find_patiently(&gid).await {
                    engine.hasten(&live);
                }
            }
        };
        futures::stream::iter(gids).for_each_concurrent(ADOPTED_AT_ONCE, each).await;
    }

    /// The replica that had it may have been suspended while participants were at its calls. They end by the deadline
    /// that each call has; two of one op at once are never made.
    pub(super) fn end_of_others_calls(&self, live: &Live) -> Option<Instant> {
        let since = self.tenure().doubtful_since(&live.base().gid)?;
        let plan = &live.plan;
        let ops = (0..plan.steps().len())
            .flat_map(|step| [plan.forward_op(), Op::Confirm, plan.undo_op()].map(|op| OpRef { step, op }));
        let timeouts = ops.map(|at| Retry::of(plan, at).attempt_timeout);
        Some(since + timeouts.max().unwrap_or_default())
    }

    /// What is decided is carried out from here at once. DTM would come to it, too, but to many in a serial loop, one
    /// after another (dtm.md D13), and is answered from history then.
    pub(super) fn hasten(self: &Arc<Self>, live: &Arc<Live>) {
        let state = live.state();
        if live.coordinator().calls() && is_decided(&state) {
            self.drive_in_background(live);
        }
    }

    pub(super) fn take_up(self: &Arc<Self>, live: &Arc<Live>) {
        let state = live.state();
        let (engine, live) = (Arc::clone(self), Arc::clone(live));
        if !live.coordinator().calls() {
            tokio::spawn(async move { engine.drive_to_the_end(&live).await });
            return;
        }
        match (live.plan.mode(), &state.verdict) {
            (Mode::Tcc, Verdict::Open) if state.steps.iter().all(|step| step.forward.attempts == 0) => {
                tokio::spawn(async move { engine.run_tcc(&live).await });
            }
            (Mode::Tcc, Verdict::Open) => {
                let cause = Cause::Crash("the orchestrator restarted during the tries".to_owned());
                tokio::spawn(async move {
                    engine.decide_abort(&live, cause).await;
                    engine.settle_decision(&live).await;
                });
            }
            (Mode::Tcc, Verdict::Submitting) => {
                tokio::spawn(async move { engine.settle_submit(&live).await });
            }
            (Mode::Tcc, Verdict::Undo(_)) => {
                tokio::spawn(async move { engine.carry_abort(&live).await });
            }
            (Mode::Tcc, Verdict::Committed) | (Mode::Saga | Mode::Unspecified, _) => {
                live.silence.due_now(Instant::now());
            }
        }
    }

    /// Watches for silence until the process ends.
    pub async fn watch(self: Arc<Self>) {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tick.tick().await;
            if self.coordinator_away.load(Ordering::SeqCst) {
                self.until_back().await;
            }
            let now = Instant::now();
            for live in self.all_open().into_iter().filter(|live| live.is_stalled()) {
                let Some(strikes) = live.silence.strike(now) else { continue };
                let Some(turn) = self.turn().await else { return };
                let engine = Arc::clone(&self);
                tokio::spawn(async move {
                    match strikes {
                        0 => engine.wake(&live).await,
                        _ => engine.reconcile(&live, strikes).await,
                    }
                    drop(turn);
                });
            }
        }
    }

    pub(super) fn coordinator_is_away(&self) {
        self.coordinator_away.store(true, Ordering::SeqCst);
    }

    /// One call that failed proves little: only if the coordinator really is away, and then is back, everything open
    /// is due at once.
    async fn until_back(self: &Arc<Self>) {
        let mut was_away = false;
        while let Err(error) = self.parts.coordinators.remote().version().await {
            if !was_away {
                tracing::warn!(%error, "the coordinator is away");
            }
            was_away = true;
            tokio::time::sleep(AWAY_LOOK).await;
        }
        self.coordinator_away.store(false, Ordering::SeqCst);
        if !was_away {
            return;
        }
        tracing::info!("the coordinator is back");
        let now = Instant::now();
        for live in self.all_open() {
            if live.is_stalled() {
                live.silence.due_now(now);
            }
        }
    }

    /// Makes the coordinator go on with a global transaction now, by the cheapest way that history suggests.
    pub(super) async fn wake(self: &Arc<Self>, live: &Arc<Live>) {
        let forward_saga = live.plan.mode() == Mode::Saga && !live.state().undoing();
        if !forward_saga {
            return self.reconcile(live, 0).await;
        }
        match live.coordinator().register(&live.plan).await {
            Ok(()) => {}
            Err(CoordinatorError::Refused(_)) => self.reconcile(live, 0).await,
            Err(CoordinatorError::Unknown(_)) => self.coordinator_is_away(),
        }
    }

    /// Asks the coordinator where it stands, and does what brings the global transaction on from there. `strikes` counts
    /// the reminders that brought nothing.
    async fn reconcile(self: &Arc<Self>, live: &Arc<Live>, strikes: u32) {
        let Some(status) = self.status_of(live).await else { return };
        // What was only noted so far (that the submit was taken) decides what may be driven now.
        let state = match self.record(live, |_| Vec::new()).await {
            Ok(state) if state.end.is_none() => state,
            Ok(_) => return,
            Err(error) => return tracing::warn!(gid = live.base().gid, %error, "not reconciled"),
        };
        match (live.plan.mode(), status) {
            // It believes that it is over, or has lost it: what history lacks is driven from here.
            (_, Some(CoordinatorStatus::Succeed | CoordinatorStatus::Failed)) | (Mode::Tcc, None) => {
                self.drive_in_background(live);
            }
            // Somebody else submitted what history aborts: no confirm is ever made, the cancels run from here.
            (Mode::Tcc, Some(CoordinatorStatus::Submitted)) if state.undoing() => {
                self.drive_in_background(live);
            }
            // It turned back where history can only go forward.
            (Mode::Saga | Mode::Unspecified, Some(CoordinatorStatus::Aborting))
                if !state.undoing() && !may_follow(&live.plan, &state) =>
            {
                self.drive_in_background(live);
            }
            // It starts anew with the stored plan: relay and guards make a repeat harmless.
            (Mode::Saga | Mode::Unspecified, None) => self.remind(live, CoordinatorStatus::Submitted).await,
            (_, Some(status)) => {
                self.remind(live, status).await;
                // Where history came from a backup, it knows of ops that history lacks, and asks for those behind them only.
                let turns_back = status == CoordinatorStatus::Aborting && !state.undoing();
                let patience = if is_decided(&state) { SLOW } else { DEAF };
                if strikes >= patience && !turns_back {
                    self.drive_in_background(live);
                }
            }
        }
    }

    /// Makes the coordinator call the relay again soon, in the way that its status asks for (dtm.md D6).
    pub(super) async fn remind(&self, live: &Live, status: CoordinatorStatus) {
        let undoing = live.state().undoing();
        let done = match (live.plan.mode(), status) {
            (Mode::Saga | Mode::Unspecified, CoordinatorStatus::Submitted) => {
                live.coordinator().register(&live.plan).await
            }
            (Mode::Tcc, CoordinatorStatus::Aborting | CoordinatorStatus::Prepared) if undoing => {
                live.coordinator().abort(&live.plan, "continue").await
            }
            (_, CoordinatorStatus::Aborting) | (Mode::Tcc, CoordinatorStatus::Submitted) => {
                live.coordinator().nudge_all().await
            }
            (_, CoordinatorStatus::Prepared | CoordinatorStatus::Succeed | CoordinatorStatus::Failed) => {
                Ok(())
            }
        };
        match done {
            Ok(()) => {}
            // That it is away is told once for all.
            Err(CoordinatorError::Unknown(_)) => self.coordinator_is_away(),
            Err(error @ CoordinatorError::Refused(_)) => {
                tracing::warn!(gid = live.base().gid, %error, "the coordinator did not go on");
            }
        }
    }

    pub(super) fn drive_in_background(self: &Arc<Self>, live: &Arc<Live>) {
        let (engine, live) = (Arc::clone(self), Arc::clone(live));
        tokio::spawn(async move { engine.drive(&live).await });
    }
}

/// Only second phases are left: what is to be done cannot change any more.
fn is_decided(state: &State) -> bool {
    state.undoing() || state.verdict == Verdict::Committed
}
