//! One op, attempt after attempt, until it has an outcome or history no longer wants it. Runs in a task of its
//! own: no caller that gives up can stop it.

mod attempt;
mod attention;
mod limits;
mod outcome;
mod paused;
mod policy;
mod renewal;
mod wait;

pub(super) use attention::BEHIND_DEADLINE;
pub(super) use limits::is_payment;
pub(super) use outcome::last_try;
pub use policy::{Done, Judgement, Limit, Retry};

use super::lanes::{Admission, Answered, Turn};
use super::{Engine, Happened, Live, Rule};
use crate::history::{AppendError, Fact, Renewed, State, Verdict};
use crate::plan::{Mode, OpRef};
use amends_crash_points::{Place, around};
use amends_dtm::{Op, Outcome};
use amends_serve::traces;
use attempt::Begun;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use wait::Room;

/// Between two tries to make an outcome durable while the store is away.
const STORE_RETRY: Duration = Duration::from_millis(200);

/// What one attempt leads to.
enum Next {
    /// The op is over, one way or the other.
    Over,
    /// Again after this time, which the rule set.
    Again(Duration, Rule),
}

struct Run<'a> {
    engine: &'a Arc<Engine>,
    live: &'a Arc<Live>,
    at: OpRef,
    retry: Retry,
    began: Instant,
    attempt: u32,
    /// Attempts of earlier runs: limits do not count them.
    before: u32,
    failures: u32,
    /// The run that its limits count in.
    renewed: Option<Renewed>,
    /// When the next attempt is due, where the wait for it was interrupted, and the rule that set it.
    due: Option<(Instant, Rule)>,
    pokes: watch::Receiver<u64>,
    last_answer: String,
    /// What its next call is to the lane.
    turn: Turn,
}

impl Engine {
    /// Runs a claimed op in a task of its own, then gives it back and wakes whoever waits.
    pub(super) fn spawn_op(self: &Arc<Self>, live: &Arc<Live>, at: OpRef, ended: watch::Sender<bool>) {
        let (engine, live) = (Arc::clone(self), Arc::clone(live));
        tokio::spawn(traces::carried(async move {
            engine.run_op(&live, at, ended).await;
            engine.after_op(&live).await;
        }));
    }

    /// Runs a claimed op here, then gives it back; false = the process is going down.
    /// Must run in a task that nobody drops half-way.
    pub(super) async fn run_op(
        self: &Arc<Self>,
        live: &Arc<Live>,
        at: OpRef,
        ended: watch::Sender<bool>,
    ) -> bool {
        if !live.is_stalled() {
            live.silence.rest();
        }
        let _claimed = Claimed { live, at, ended };
        Run::new(self, live, at).until_over().await
    }

    /// One attempt of an op that history has already recorded: a repeat, which takes its turn from the lane's budget of
    /// those. What comes of it is the caller's to record.
    pub(super) async fn attempt_once(
        self: &Arc<Self>,
        live: &Arc<Live>,
        at: OpRef,
        attempt: u32,
    ) -> Answered {
        let run = Run { attempt, turn: Turn::Retry, ..Run::new(self, live, at) };
        let Some(admission) = run.room_in_time().await else { return Answered::no_room() };
        leave(admission.as_ref()).await;
        if !self.tenure().holds() {
            return Answered::no_room();
        }
        let called = Instant::now();
        let answered = run.call(Begun { time_us: 0, durable: true }).await.0;
        if let Some(admission) = admission {
            admission.ended(&answered, called.elapsed());
        }
        answered
    }

    async fn after_op(self: &Arc<Self>, live: &Arc<Live>) {
        let owed = live.take_owed_wake();
        if live.state().end.is_some() {
            if owed {
                self.tell_the_end(live);
            }
        } else if owed {
            live.silence.expect(Instant::now(), live.state().last_seq);
            let Some(_turn) = self.turn().await else { return };
            self.wake(live).await;
        } else if live.plan.mode() == Mode::Saga || live.state().verdict != Verdict::Open {
            live.silence.expect(Instant::now(), live.state().last_seq);
        }
    }
}

/// An op that is owned; it is given back however its run ends, even by a panic.
struct Claimed<'a> {
    live: &'a Live,
    at: OpRef,
    ended: watch::Sender<bool>,
}

impl Drop for Claimed<'_> {
    fn drop(&mut self) {
        self.live.release(self.at, &self.ended);
    }
}

impl<'a> Run<'a> {
    /// Its counts and its time go on where an earlier process left off: a restart must not give a pivot another minute.
    fn new(engine: &'a Arc<Engine>, live: &'a Arc<Live>, at: OpRef) -> Self {
        let state = live.state();
        let op = state.op(at);
        Self {
            engine,
            live,
            at,
            retry: Retry::of(&live.plan, at),
            began: renewal::began(engine.now_us(), op),
            attempt: op.attempts,
            before: op.attempts.saturating_sub(op.attempts_in_run()),
            failures: op.failures,
            renewed: op.renewed,
            due: None,
            pokes: live.pokes(),
            last_answer: String::new(),
            // What a process that is gone began is no repeat: nobody has waited for it here.
            turn: if op.last_code == "FAILED_PRECONDITION" { Turn::Again } else { Turn::First },
        }
    }

    /// False = nothing can be recorded any more.
    async fn until_over(mut self) -> bool {
        self.until_others_ended().await;
        loop {
            match self.once().await {
                Ok(Next::Over) => return true,
                Ok(Next::Again(wait, rule)) => self.sleep(wait, rule).await,
                Err(AppendError::Closed | AppendError::Conflict(_)) => return false,
                Err(AppendError::Store(_)) => self.sleep(STORE_RETRY, Rule::Store).await,
            }
        }
    }

    /// Only undo is wanted once it is decided; anything is over when the global transaction is, or when the op has an
    /// outcome from elsewhere.
    fn unwanted(&self, state: &State) -> bool {
        let turned = state.undoing() && self.at.op != self.live.plan.undo_op();
        state.end.is_some() || turned || state.op(self.at).ended_us > 0
    }

    async fn once(&mut self) -> Result<Next, AppendError> {
        if self.unwanted(&self.live.state()) {
            return Ok(Next::Over);
        }
        self.renew();
        if let Some(next) = self.keep_limits().await? {
            return Ok(next);
        }
        if self.held_back().await {
            return Ok(Next::Again(Duration::ZERO, Rule::Interval));
        }
        if let Some((due, rule)) = self.due.take()
            && !self.pokes.has_changed().unwrap_or(false)
        {
            return Ok(Next::Again(due.saturating_duration_since(Instant::now()), rule));
        }
        self.pokes.mark_unchanged();
        let Room::Got(admission) = self.room().await else {
            return Ok(Next::Again(Duration::ZERO, Rule::Interval));
        };
        if self.unwanted(&self.live.state()) {
            return Ok(Next::Over);
        }
        if self.engine.held(self.live, self.at.step).is_some() {
            return Ok(Next::Again(Duration::ZERO, Rule::Interval));
        }
        // A run may have begun while it waited for room.
        self.renew();
        if self.in_run() == 0 {
            // Limits count from the first attempt, not from the wait for a resume, a breaker or room.
            self.began = Instant::now();
        }
        self.attempt += 1;
        let began = match self.begin().await {
            Ok(Some(began)) => began,
            not_begun => {
                self.attempt -= 1;
                return not_begun.map(|_| Next::Again(Duration::ZERO, Rule::Interval));
            }
        };
        leave(admission.as_ref()).await;
        // Whoever has no right to go on any more makes no call; another replica does.
        if !self.engine.tenure().holds() {
            return Err(AppendError::Closed);
        }
        let called = Instant::now();
        let (answered, begin_recorded) = around!(place_of(self.at.op), self.call(began).await);
        if let Some(admission) = admission {
            admission.ended(&answered, called.elapsed());
        }
        self.turn = turn_after(answered.outcome);
        self.keep(began, answered, begin_recorded).await
    }

    /// The pivot's attempt is durable before the call, in the order of decisions: from here a cancel is refused. Of a
    /// participant that may keep no guards the first attempt is: it must be known that it was called, not how often.
    /// `None` = undo was decided first, or it was paused. Elsewhere the event rides with the outcome (design.md §7).
    async fn begin(&self) -> Result<Option<Begun>, AppendError> {
        let time_us = self.engine.now_us();
        let plan = &self.live.plan;
        let pivot = self.at.op == Op::Action && plan.pivot() == Some(self.at.step);
        let first = plan.steps()[self.at.step].durable_start && self.attempt == 1;
        if !pivot && !first {
            return Ok(Some(Begun { time_us, durable: false }));
        }
        let stopped = |state: &State| self.unwanted(state) || state.paused.is_some();
        let started = |state: &State| if stopped(state) { Vec::new() } else { vec![self.started(time_us)] };
        let state = around!(Place::AttemptStart, self.engine.record(self.live, started).await)?;
        Ok((!stopped(&state)).then_some(Begun { time_us, durable: true }))
    }

    fn started(&self, time_us: i64) -> Happened {
        Happened { time_us: Some(time_us), fact: Fact::AttemptStarted { at: self.at, attempt: self.attempt } }
    }
}

/// Where the participant has a lane, its rate is kept at the call itself, too.
async fn leave(admission: Option<&Admission>) {
    if let Some(admission) = admission {
        admission.leave().await;
    }
}

/// What the next call is to the lane, after this outcome: only one that nobody knows makes it a repeat.
fn turn_after(outcome: Outcome) -> Turn {
    match outcome {
        Outcome::InProgress => Turn::Again,
        Outcome::Succeeded | Outcome::Refused | Outcome::Unknown => Turn::Retry,
    }
}

/// Where it may die around a call.
fn place_of(op: Op) -> Place {
    match op {
        Op::Action => Place::Action,
        Op::Compensate => Place::Compensate,
        Op::Try => Place::Try,
        Op::Confirm => Place::Confirm,
        Op::Cancel => Place::Cancel,
    }
}

fn is_forward(op: Op) -> bool {
    matches!(op, Op::Action | Op::Try)
}
