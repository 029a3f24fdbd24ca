//! The state of a global transaction as a fold of its history. Pure: reads no clock, no store, calls nobody.
//! The same function serves every view and recovery, so nothing shown can differ from what is stored.

use super::act::{Act, Deadlines, Resolution};
use super::event::{Cause, End, Event, Fact};
use super::op_state::{OpState, Standing, StepState};
use super::redrive::Redrive;
use crate::plan::{OpRef, Plan};
use amends_dtm::Op;

/// The cause that only the auditor opens and closes.
const OF_BOOKS: &str = "disagreement";

/// What was decided about a global transaction as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Forward work goes on.
    Open,
    /// TCC: commit is decided, the coordinator has not agreed yet.
    Submitting,
    /// TCC: commit is certain.
    Committed,
    /// Everything that may have run is taken back.
    Undo(Cause),
}

/// Why a person is needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// Short name of the cause.
    pub cause: String,
    /// Unix microseconds.
    pub since_us: i64,
    /// Seq of the event that opened it.
    pub opened_seq: i64,
    /// The op that waits, if it is one.
    pub at: Option<OpRef>,
    /// For people.
    pub text: String,
    /// Who has seen it; `None` = nobody yet.
    pub acknowledged: Option<Acknowledged>,
}

/// Somebody has seen that a person is needed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Acknowledged {
    /// Who said so.
    pub by: String,
    /// Unix microseconds.
    pub at_us: i64,
    /// Who looks after it.
    pub owner: String,
    /// That person's words.
    pub note: String,
}

/// No new attempt is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paused {
    /// Unix microseconds.
    pub since_us: i64,
    /// What deadlines do meanwhile.
    pub deadlines: Deadlines,
    /// By whom and why.
    pub act: Act,
}

/// A stated outcome that waits for a second person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Of which op.
    pub at: OpRef,
    /// What is stated.
    pub outcome: Resolution,
    /// By whom, and with what proof.
    pub act: Act,
}

/// Everything that the history of one gid says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// What was decided.
    pub verdict: Verdict,
    /// The coordinator has the branches.
    pub registered: bool,
    /// One for each step of the plan.
    pub steps: Vec<StepState>,
    /// Open needs for a person, oldest first.
    pub attention: Vec<Attention>,
    /// Somebody stopped its attempts.
    pub paused: Option<Paused>,
    /// From when to when deadlines stood still, in pauses that are over.
    pub standstills: Vec<(i64, i64)>,
    /// When it was cancelled, unix microseconds: pauses from before count no more; 0 = it was not.
    pub cancelled_us: i64,
    /// What a second person has to approve.
    pub proposal: Option<Proposal>,
    /// TCC: taken back after the commit decision, by an operator's word.
    pub after_commit: bool,
    /// The run that began last; `None` = it is the first.
    pub redrive: Option<Redrive>,
    /// How it ended.
    pub end: Option<End>,
    /// Seq of the newest event.
    pub last_seq: i64,
    /// Unix microseconds of its first event.
    pub started_us: i64,
    /// Unix microseconds of its end; 0 = not ended.
    pub finished_us: i64,
}

impl State {
    /// The state before any event.
    #[must_use]
    pub fn empty(plan: &Plan) -> Self {
        Self {
            verdict: Verdict::Open,
            registered: false,
            steps: vec![StepState::default(); plan.steps().len()],
            attention: Vec::new(),
            paused: None,
            standstills: Vec::new(),
            cancelled_us: 0,
            proposal: None,
            after_commit: false,
            redrive: None,
            end: None,
            last_seq: 0,
            started_us: 0,
            finished_us: 0,
        }
    }

    /// Folds a whole history.
    #[must_use]
    pub fn fold<'e>(plan: &Plan, events: impl IntoIterator<Item = &'e Event>) -> Self {
        let mut state = Self::empty(plan);
        for event in events {
            state.apply(event);
        }
        state
    }

    /// Takes one more event in. A repeated fact changes nothing but the seq.
    pub fn apply(&mut self, event: &Event) {
        self.last_seq = event.seq;
        match &event.fact {
            Fact::Started if self.started_us == 0 => self.started_us = event.time_us,
            Fact::Started => {}
            Fact::Registered(_) => self.registered = true,
            Fact::SubmitDecided => self.decide(Verdict::Submitting),
            Fact::Committed => self.decide(Verdict::Committed),
            Fact::AbortDecided(cause) | Fact::UndoDecided(cause) => self.turn_back(cause, event.time_us),
            Fact::UndoAfterCommit(cause) => self.turn_back_after_commit(cause),
            Fact::AttemptStarted { at, attempt } => self.op_mut(*at).begin(*attempt, event.time_us),
            Fact::AttemptSucceeded { at, .. } => self.succeed(*at, event.time_us),
            Fact::AttemptRefused { at, reason, .. } => {
                self.close(*at, Standing::Refused, event.time_us);
                self.note(*at, "ABORTED", reason);
            }
            Fact::AttemptUnknown { at, attempt, code, reason } => {
                self.op_mut(*at).fail(*attempt);
                self.note(*at, code, reason);
            }
            Fact::Parked { at, reason, .. } => {
                self.op_mut(*at).park();
                self.note(*at, "FAILED_PRECONDITION", reason);
            }
            Fact::Skipped { at } => self.close(*at, Standing::Skipped, event.time_us),
            Fact::CancelRequested(_) | Fact::OperatorRetry { .. } => {}
            Fact::OperatorAcknowledged { cause, act } => self.acknowledge(cause, act, event.time_us),
            Fact::Paused { deadlines, act } => self.pause(event.time_us, *deadlines, act),
            Fact::Resumed(_) => self.end_pause(event.time_us),
            Fact::OperatorProposed { at, outcome, act } => {
                self.proposal = Some(Proposal { at: *at, outcome: *outcome, act: act.clone() });
            }
            Fact::OperatorResolved { at, outcome, act } => {
                self.resolve(*at, *outcome, &act.reason, event.time_us);
            }
            Fact::OperatorRedriven { run, from, act } => self.redrive(*run, from, act, event.time_us),
            Fact::AttentionOpened { cause, at, text } => self.open_attention(event, cause, *at, text),
            Fact::AttentionClosed { cause } => self.attention.retain(|open| &open.cause != cause),
            Fact::Finished(_) if self.end.is_some() => {}
            Fact::Finished(end) => {
                self.end = Some(*end);
                self.finished_us = event.time_us;
                self.attention.clear();
                self.proposal = None;
                self.end_pause(event.time_us);
            }
        }
    }

    /// A decision stands once it is taken; only `Submitting` may still turn either way (design.md §2).
    fn decide(&mut self, next: Verdict) {
        match (&self.verdict, &next) {
            (Verdict::Open | Verdict::Submitting, _) => self.verdict = next,
            (Verdict::Committed | Verdict::Undo(_), _) => {}
        }
    }

    /// A cancel wakes what is paused: what it asks for is done.
    fn turn_back(&mut self, cause: &Cause, time_us: i64) {
        let stands = self.undoing();
        self.decide(Verdict::Undo(cause.clone()));
        if stands || !self.undoing() {
            return;
        }
        // Whatever was proposed was about the way forward.
        self.proposal = None;
        self.need_nobody_forward();
        if matches!(cause, Cause::Cancelled(_)) {
            self.cancelled_us = time_us;
            self.end_pause(time_us);
        }
    }

    /// Whoever was needed to go forward is not any more: undo asks for people of its own. Books that differ differ still.
    fn need_nobody_forward(&mut self) {
        let is_undo = |at: OpRef| matches!(at.op, Op::Compensate | Op::Cancel);
        self.attention.retain(|open| open.cause == OF_BOOKS || open.at.is_none_or(is_undo));
    }

    fn turn_back_after_commit(&mut self, cause: &Cause) {
        if matches!(self.verdict, Verdict::Submitting | Verdict::Committed) {
            self.verdict = Verdict::Undo(cause.clone());
            self.after_commit = true;
            self.proposal = None;
            self.need_nobody_forward();
        }
    }

    fn pause(&mut self, since_us: i64, deadlines: Deadlines, act: &Act) {
        if self.paused.is_none() && self.end.is_none() {
            self.paused = Some(Paused { since_us, deadlines, act: act.clone() });
        }
    }

    fn end_pause(&mut self, time_us: i64) {
        if let Some(Paused { since_us, deadlines: Deadlines::Stop, .. }) = self.paused.take() {
            self.standstills.push((since_us, time_us));
        }
    }

    /// A forward op that was refused by an operator's word is undone like one that may have run: the undo is harmless
    /// where there is nothing, and keeps out a call that comes late.
    fn resolve(&mut self, at: OpRef, outcome: Resolution, reason: &str, time_us: i64) {
        self.proposal = None;
        match (at.op, outcome) {
            (Op::Action | Op::Try, Resolution::Succeeded) => {
                let op = self.op_mut(at);
                if op.standing == Standing::Refused {
                    op.ended_us = 0;
                }
                self.succeed(at, time_us);
            }
            (Op::Action | Op::Try, Resolution::Refused) => self.op_mut(at).wait(),
            (Op::Confirm, Resolution::Refused) => self.close(at, Standing::Refused, time_us),
            (Op::Confirm, Resolution::Succeeded) | (Op::Compensate | Op::Cancel, Resolution::Compensated) => {
                self.close(at, Standing::Succeeded, time_us);
            }
            (Op::Action | Op::Try | Op::Confirm, Resolution::Compensated)
            | (Op::Compensate | Op::Cancel, Resolution::Succeeded | Resolution::Refused) => return,
        }
        self.op_mut(at).stated = true;
        self.note(at, "RESOLVED", reason);
    }

    /// Another run goes on from these ops: what is recorded stays, and their limits begin anew.
    fn redrive(&mut self, run: u32, from: &[OpRef], act: &Act, since_us: i64) {
        if run <= self.run() || self.end.is_some() {
            return;
        }
        self.redrive = Some(Redrive { run, since_us, from: from.to_vec(), act: act.clone() });
        for at in from {
            self.op_mut(*at).renew(run, since_us);
        }
    }

    fn succeed(&mut self, at: OpRef, time_us: i64) {
        let late = matches!(self.verdict, Verdict::Undo(_)) && matches!(at.op, Op::Action | Op::Try);
        self.close(at, if late { Standing::SucceededLate } else { Standing::Succeeded }, time_us);
        self.note(at, "OK", "");
    }

    fn close(&mut self, at: OpRef, standing: Standing, time_us: i64) {
        let closed = self.op_mut(at).close(standing, time_us);
        if closed && self.proposal.as_ref().is_some_and(|proposal| proposal.at == at) {
            self.proposal = None;
        }
    }

    fn note(&mut self, at: OpRef, code: &str, reason: &str) {
        self.op_mut(at).note(code, reason);
    }

    fn op_mut(&mut self, at: OpRef) -> &mut OpState {
        self.steps[at.step].op_mut(at.op)
    }

    fn open_attention(&mut self, event: &Event, cause: &str, at: Option<OpRef>, text: &str) {
        if self.attention.iter().any(|open| open.cause == cause) {
            return;
        }
        self.attention.push(Attention {
            cause: cause.to_owned(),
            since_us: event.time_us,
            opened_seq: event.seq,
            at,
            text: text.to_owned(),
            acknowledged: None,
        });
    }

    fn acknowledge(&mut self, cause: &str, act: &Act, at_us: i64) {
        if let Some(open) = self.attention.iter_mut().find(|open| open.cause == cause) {
            let Act { subject, owner, reason, .. } = act.clone();
            open.acknowledged = Some(Acknowledged { by: subject, at_us, owner, note: reason });
        }
    }

    /// The state of one op.
    #[must_use]
    pub fn op(&self, at: OpRef) -> &OpState {
        self.steps[at.step].op(at.op)
    }

    /// Number of the run that began last, from 1.
    #[must_use]
    pub fn run(&self) -> u32 {
        self.redrive.as_ref().map_or(1, |redrive| redrive.run)
    }

    /// Whether undo was decided.
    #[must_use]
    pub fn undoing(&self) -> bool {
        matches!(self.verdict, Verdict::Undo(_))
    }
}

#[cfg(test)]
#[path = "fold_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "redrive_tests.rs"]
mod redrive_tests;
