//! One op, attempt after attempt, until it has an outcome or history no longer wants it. Runs in a task of its
//! own: no caller that gives up can stop it.

use super::lanes::{Answered, Attempt, branch_headers};
use super::{Engine, Happened, Live, undo_decided};
use crate::history::{AppendError, Cause, Fact, Standing, State, Verdict, bounded};
use crate::plan::{Mode, OpRef, Plan};
use amends_dtm::{Op, Outcome};
use amends_proto::amends::v1::StepPolicy;
use backon::{BackoffBuilder as _, ExponentialBackoff, ExponentialBuilder};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::Instant;
use tonic::metadata::MetadataValue;

/// A participant that is still at it is asked again at least this often (payments-domain.md §3, Times).
const IN_PROGRESS_CAP: Duration = Duration::from_secs(2);
/// An attempt that takes longer is recorded as begun before its outcome is known.
const SLOW_ATTEMPT: Duration = Duration::from_millis(250);
/// So many attempts of an op are recorded even if they all end alike.
const EVERY_ATTEMPT: u32 = 8;
/// Between two tries to make an outcome durable while the store is away.
const STORE_RETRY: Duration = Duration::from_millis(200);

/// What one attempt leads to.
enum Next {
    /// The op is over, one way or the other.
    Over,
    /// Again after this time.
    Again(Duration),
}

struct Run<'a> {
    engine: &'a Arc<Engine>,
    live: &'a Arc<Live>,
    at: OpRef,
    policy: StepPolicy,
    began: Instant,
    attempt: u32,
    waits: ExponentialBackoff,
    last_answer: String,
    attention: bool,
}

impl Engine {
    /// Runs a claimed op in a task of its own, then gives it back and wakes whoever waits.
    pub(super) fn spawn_op(self: &Arc<Self>, live: &Arc<Live>, at: OpRef, ended: watch::Sender<bool>) {
        let (engine, live) = (Arc::clone(self), Arc::clone(live));
        tokio::spawn(async move {
            engine.run_op(&live, at, ended).await;
            engine.after_op(&live).await;
        });
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

    /// One attempt of an op that history has already recorded; what comes of it is the caller's to record.
    pub(super) async fn attempt_once(
        self: &Arc<Self>,
        live: &Arc<Live>,
        at: OpRef,
        attempt: u32,
    ) -> Answered {
        let run = Run { attempt, ..Run::new(self, live, at) };
        run.call(Begun { time_us: 0, durable: true }).await.0
    }

    async fn after_op(self: &Arc<Self>, live: &Arc<Live>) {
        let owed = live.take_owed_wake();
        if live.state().end.is_some() {
            if owed {
                self.tell_the_end(live);
            }
        } else if owed {
            live.silence.expect(Instant::now(), live.state().last_seq);
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
    fn new(engine: &'a Arc<Engine>, live: &'a Arc<Live>, at: OpRef) -> Self {
        let policy = live.plan.policy(at.step);
        let state = live.state();
        let op = state.op(at);
        let waits = waits(&policy);
        // Its time goes on where an earlier process left off: a restart must not give a pivot another minute.
        let before_us = if op.started_us > 0 { engine.now_us().saturating_sub(op.started_us) } else { 0 };
        let before = Duration::from_micros(u64::try_from(before_us).unwrap_or(0));
        let began = Instant::now().checked_sub(before).unwrap_or_else(Instant::now);
        let (attempt, last_answer) = (op.attempts, String::new());
        Self { engine, live, at, policy, began, attempt, waits, last_answer, attention: false }
    }

    /// False = nothing can be recorded any more.
    async fn until_over(mut self) -> bool {
        self.engine.until_calls_of_others_ended(self.live).await;
        loop {
            let wait = match self.once().await {
                Ok(Next::Over) => return true,
                Ok(Next::Again(wait)) => wait,
                Err(AppendError::Closed | AppendError::Conflict(_)) => return false,
                Err(AppendError::Store(_)) => STORE_RETRY,
            };
            self.sleep(wait).await;
        }
    }

    /// Waits for the next attempt; a decision to undo ends the wait of a forward op.
    async fn sleep(&self, wait: Duration) {
        let turned = self.live.until(|state| self.is_forward() && state.undoing());
        let again = Instant::now() + wait;
        let until = self.deadline().map_or(again, |deadline| deadline.min(again));
        let _ = tokio::time::timeout_at(until, turned).await;
    }

    fn is_forward(&self) -> bool {
        matches!(self.at.op, Op::Action | Op::Try)
    }

    /// Only undo is wanted once it is decided; anything is over when the global transaction is.
    fn unwanted(&self, state: &State) -> bool {
        state.end.is_some() || (state.undoing() && self.at.op != self.live.plan.undo_op())
    }

    async fn once(&mut self) -> Result<Next, AppendError> {
        if self.unwanted(&self.live.state()) {
            return Ok(Next::Over);
        }
        if self.deadline().is_some_and(|deadline| deadline <= Instant::now()) {
            return self.give_up().await;
        }
        let Some(_room) = self.room().await else {
            return Ok(Next::Again(Duration::ZERO));
        };
        if self.unwanted(&self.live.state()) {
            return Ok(Next::Over);
        }
        self.attempt += 1;
        let Some(began) = self.begin().await? else {
            return Ok(Next::Over);
        };
        // Whoever has no right to go on any more makes no call; another replica does.
        if !self.engine.tenure().holds() {
            return Err(AppendError::Closed);
        }
        let (answered, begin_recorded) = self.call(began).await;
        self.keep(began, answered, begin_recorded).await
    }

    /// The pivot's attempt is durable before the call, in the order of decisions: from here a cancel is refused. Of a
    /// participant that may keep no guards the first attempt is: it must be known that it was called, not how often.
    /// `None` = undo was decided first. Elsewhere the event rides with the outcome (design.md §7).
    async fn begin(&self) -> Result<Option<Begun>, AppendError> {
        let time_us = self.engine.now_us();
        let plan = &self.live.plan;
        let pivot = self.at.op == Op::Action && plan.pivot() == Some(self.at.step);
        let first = plan.steps()[self.at.step].durable_start && self.attempt == 1;
        if !pivot && !first {
            return Ok(Some(Begun { time_us, durable: false }));
        }
        let state =
            self.engine
                .record(self.live, |state| {
                    if self.unwanted(state) { Vec::new() } else { vec![self.started(time_us)] }
                })
                .await?;
        Ok((!self.unwanted(&state)).then_some(Begun { time_us, durable: true }))
    }

    fn started(&self, time_us: i64) -> Happened {
        Happened { time_us: Some(time_us), fact: Fact::AttemptStarted { at: self.at, attempt: self.attempt } }
    }

    async fn call(&self, began: Begun) -> (Answered, bool) {
        let plan = &self.live.plan;
        let step = &plan.steps()[self.at.step];
        let Some(lane) = self.engine.lanes().get(&step.participant) else {
            let reason = format!("NOT_ALLOWED|participant {} is not configured", step.participant);
            return (Answered { outcome: Outcome::Unknown, code: "UNAVAILABLE", reason }, began.durable);
        };
        let mut headers = branch_headers(
            plan.gid().as_str(),
            match plan.mode() {
                Mode::Tcc => "tcc",
                Mode::Saga | Mode::Unspecified => "saga",
            },
            plan.branch_id(self.at.step).as_str(),
            self.at.op.as_str(),
            &self.live.mac,
        );
        if let Ok(traceparent) = MetadataValue::try_from(plan.body().traceparent.as_str())
            && !traceparent.is_empty()
        {
            headers.insert("traceparent", traceparent);
        }
        let timeout = attempt_timeout(&self.policy);
        let method = plan.method(self.at);
        let call = lane.call(Attempt { method, payload: step.payload.clone(), headers, timeout });
        tokio::pin!(call);
        if began.durable {
            return (call.await, true);
        }
        tokio::select! {
            answered = &mut call => (answered, false),
            () = tokio::time::sleep(SLOW_ATTEMPT) => {
                let recorded = self.engine.record(self.live, |_| vec![self.started(began.time_us)]).await.is_ok();
                (call.await, recorded)
            }
        }
    }

    async fn keep(
        &mut self,
        began: Begun,
        answered: Answered,
        begin_recorded: bool,
    ) -> Result<Next, AppendError> {
        let mut facts = Vec::with_capacity(3);
        if !begin_recorded {
            facts.push(self.started(began.time_us));
        }
        let (at, attempt, reason) = (self.at, self.attempt, bounded(&answered.reason));
        let next = match answered.outcome {
            Outcome::Succeeded => {
                facts.push(Fact::AttemptSucceeded { at, attempt }.into());
                Next::Over
            }
            Outcome::Refused if self.is_forward() => {
                facts.push(Fact::AttemptRefused { at, attempt, reason: reason.clone() }.into());
                Next::Over
            }
            Outcome::InProgress => {
                if self.is_news(&reason) {
                    facts.push(Fact::Parked { at, attempt, reason: reason.clone() }.into());
                } else {
                    facts.clear();
                }
                Next::Again(self.next_wait().min(IN_PROGRESS_CAP))
            }
            // A second phase cannot be refused: whatever it answers, it is asked again.
            Outcome::Refused | Outcome::Unknown => {
                let code = answered.code.to_owned();
                if self.is_news(&format!("{code} {reason}")) {
                    facts.push(Fact::AttemptUnknown { at, attempt, code, reason: reason.clone() }.into());
                } else {
                    facts.clear();
                }
                Next::Again(self.next_wait())
            }
        };
        self.add_attention(&next, &answered, &mut facts);
        self.record_until_durable(facts, &answered, reason).await?;
        Ok(next)
    }

    /// The same answer again is not another event, or days of waiting would fill the store: after the first ones only
    /// each doubling of the attempts is recorded.
    fn is_news(&mut self, answer: &str) -> bool {
        let changed = self.last_answer != answer;
        answer.clone_into(&mut self.last_answer);
        changed || self.attempt <= EVERY_ATTEMPT || self.attempt.is_power_of_two()
    }

    /// The participant has answered: its outcome is recorded however long the store is away.
    async fn record_until_durable(
        &self,
        facts: Vec<Happened>,
        answered: &Answered,
        reason: String,
    ) -> Result<(), AppendError> {
        let plan = &self.live.plan;
        let turns =
            answered.outcome == Outcome::Refused && self.is_forward() && !plan.behind_pivot(self.at.step);
        loop {
            let decide = |state: &State| {
                let mut facts = facts.clone();
                if turns && !state.undoing() {
                    facts.push(undo_decided(plan, Cause::Refused(bounded(&reason))).into());
                }
                facts.extend(attention_over(state, self.at, answered.outcome));
                if answered.outcome == Outcome::Succeeded && last_try(state, self.at) {
                    facts.push(Fact::SubmitDecided.into());
                    // Nobody else has a say.
                    if !self.live.coordinator().calls() {
                        facts.push(Fact::Committed.into());
                    }
                }
                facts
            };
            match self.engine.record(self.live, decide).await {
                Err(AppendError::Store(_)) => tokio::time::sleep(STORE_RETRY).await,
                other => return other.map(|_| ()),
            }
        }
    }

    fn add_attention(&mut self, next: &Next, answered: &Answered, facts: &mut Vec<Happened>) {
        let late = u64::try_from(self.policy.attention_after_ms)
            .is_ok_and(|after| after > 0 && self.began.elapsed() > Duration::from_millis(after));
        let behind = answered.outcome == Outcome::Refused
            && self.is_forward()
            && self.live.plan.behind_pivot(self.at.step);
        let cause = match (next, said(&answered.reason)) {
            (Next::Over, _) if behind => "refused_behind_pivot",
            (Next::Again(_), _) if self.attention => return,
            // What the participant itself says needs a person (payments-domain.md §3, refused after commit).
            (Next::Again(_), "UNDER_REVIEW") => "under_review",
            (Next::Again(_), "PAYMENT_UNKNOWN") if !self.is_forward() => "payment_in_doubt",
            (Next::Again(_), _) if late => "retries_exhausted",
            (Next::Over | Next::Again(_), _) => return,
        };
        self.attention = true;
        let text = bounded(&format!("{} {}", answered.code, answered.reason));
        facts.push(Fact::AttentionOpened { cause: cause.to_owned(), at: Some(self.at), text }.into());
    }

    fn next_wait(&mut self) -> Duration {
        let cap = Duration::from_millis(u64::try_from(self.policy.max_interval_ms).unwrap_or(30_000));
        self.waits.next().unwrap_or(cap)
    }

    /// Room in the participant's lane; `None` = the deadline came first. A participant that is not configured needs
    /// none.
    async fn room(&self) -> Option<Option<OwnedSemaphorePermit>> {
        let step = &self.live.plan.steps()[self.at.step];
        let Some(lane) = self.engine.lanes().get(&step.participant) else { return Some(None) };
        match self.deadline() {
            Some(deadline) => tokio::time::timeout_at(deadline, lane.room()).await.ok(),
            None => Some(lane.room().await),
        }
    }

    /// Only forward ops up to the pivot have a deadline, and only after a first attempt: behind it, and when undoing,
    /// it goes on for ever.
    fn deadline(&self) -> Option<Instant> {
        let after = u64::try_from(self.policy.step_timeout_ms).ok().filter(|after| *after > 0)?;
        let bounded = self.is_forward() && self.attempt > 0 && !self.live.plan.behind_pivot(self.at.step);
        bounded.then(|| self.began + Duration::from_millis(after))
    }

    /// The outcome is still unknown at the deadline: take everything back, this step too (payments-domain.md §3).
    async fn give_up(&self) -> Result<Next, AppendError> {
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

/// How long one call may take, there and here.
pub(super) fn attempt_timeout(policy: &StepPolicy) -> Duration {
    Duration::from_millis(u64::try_from(policy.attempt_timeout_ms).unwrap_or(3_000))
}

/// The reason of a participant's `REASON|text`.
fn said(text: &str) -> &str {
    text.split('|').next().unwrap_or_default()
}

#[derive(Debug, Clone, Copy)]
struct Begun {
    time_us: i64,
    durable: bool,
}

/// The step whose outcome outside is what is in doubt: the SAGA's pivot, or a TCC's last try, which is the
/// payment by the order of steps (payments-domain.md §3).
fn is_payment(plan: &Plan, at: OpRef) -> bool {
    plan.pivot().unwrap_or(plan.steps().len() - 1) == at.step
}

/// The try that leaves none open decides: its outcome and the commit decision are one append, and one commit less.
fn last_try(state: &State, at: OpRef) -> bool {
    let tried = |step: usize| step == at.step || state.steps[step].forward.standing == Standing::Succeeded;
    at.op == Op::Try && state.verdict == Verdict::Open && (0..state.steps.len()).all(tried)
}

/// An op that has its outcome needs nobody any more.
fn attention_over(state: &State, at: OpRef, outcome: Outcome) -> Vec<Happened> {
    let over = match outcome {
        Outcome::Succeeded => true,
        Outcome::Refused => matches!(at.op, Op::Action | Op::Try),
        Outcome::InProgress | Outcome::Unknown => false,
    };
    if !over {
        return Vec::new();
    }
    let over = state.attention.iter().filter(|open| open.at == Some(at));
    over.map(|open| Fact::AttentionClosed { cause: open.cause.clone() }.into()).collect()
}

/// The policy's waits: doubling from the initial interval to the cap, ±20 % (orchestration.md item 3).
fn waits(policy: &StepPolicy) -> ExponentialBackoff {
    let ms = |value: i32, default: u64| Duration::from_millis(u64::try_from(value).unwrap_or(default).max(1));
    ExponentialBuilder::default()
        .with_min_delay(ms(policy.initial_interval_ms, 100))
        .with_max_delay(ms(policy.max_interval_ms, 30_000))
        .with_factor(2.0)
        .with_jitter()
        .without_max_times()
        .build()
}
