//! What must hold of every case, said from the recorded facts and the participants' effects alone: this file may ask
//! neither `decide` nor the fold.

use super::participants::{Effect, Memory, Participants};
use super::shape::Shape;
use crate::history::{Cause, End, Event, Fact, Resolution};
use crate::plan::{Mode, OpRef};
use amends_dtm::Op;

/// The promises of one case.
pub struct Oracle<'a> {
    pub shape: &'a Shape,
    pub events: &'a [Event],
    pub participants: &'a Participants,
    /// Microseconds since the beginning of time.
    pub now_us: i64,
}

pub fn is_forward(op: Op) -> bool {
    matches!(op, Op::Action | Op::Try)
}

/// Whether an op is of this kind.
pub fn only(op: Op) -> fn(Op) -> bool {
    match op {
        Op::Action | Op::Try => is_forward,
        Op::Confirm => |op| op == Op::Confirm,
        Op::Compensate | Op::Cancel => |op| matches!(op, Op::Compensate | Op::Cancel),
    }
}

pub fn is_undo(fact: &Fact) -> bool {
    matches!(fact, Fact::AbortDecided(_) | Fact::UndoDecided(_) | Fact::UndoAfterCommit(_))
}

impl Oracle<'_> {
    pub fn facts(&self) -> impl DoubleEndedIterator<Item = &Fact> {
        self.events.iter().map(|event| &event.fact)
    }

    pub fn cause(&self) -> Option<&Cause> {
        self.facts().find_map(|fact| match fact {
            Fact::AbortDecided(cause) | Fact::UndoDecided(cause) | Fact::UndoAfterCommit(cause) => {
                Some(cause)
            }
            Fact::Started | Fact::Registered(_) | Fact::SubmitDecided | Fact::Committed => None,
            Fact::AttemptStarted { .. } | Fact::AttemptSucceeded { .. } | Fact::AttemptRefused { .. } => None,
            Fact::AttemptUnknown { .. } | Fact::Parked { .. } | Fact::Skipped { .. } => None,
            Fact::CancelRequested(_) | Fact::AttentionOpened { .. } | Fact::AttentionClosed { .. } => None,
            Fact::Paused { .. } | Fact::Resumed(_) | Fact::OperatorRetry { .. } => None,
            Fact::OperatorProposed { .. } | Fact::OperatorResolved { .. } => None,
            Fact::OperatorAcknowledged { .. } | Fact::OperatorRedriven { .. } => None,
            Fact::Finished(_) => None,
        })
    }

    fn submit_decided(&self) -> bool {
        self.facts().any(|fact| *fact == Fact::SubmitDecided)
    }

    /// A forward op counts as succeeded if that was recorded before any decision against it.
    pub fn succeeded(&self, step: usize, wanted: fn(Op) -> bool) -> bool {
        let before_undo = self.facts().take_while(|fact| !is_undo(fact));
        let is_it = |at: &OpRef| at.step == step && wanted(at.op);
        before_undo.into_iter().any(|fact| {
            matches!(fact, Fact::AttemptSucceeded { at, .. } if is_it(at))
                || matches!(fact, Fact::OperatorResolved { at, outcome: Resolution::Succeeded, .. } if is_it(at))
        })
    }

    /// From when to when it was paused; the last pause may last. A cancel that counts wakes.
    pub fn pauses(&self) -> Vec<(i64, Option<i64>)> {
        let mut pauses: Vec<(i64, Option<i64>)> = Vec::new();
        let mut cancels = true;
        for Event { fact, time_us, .. } in self.events {
            let wakes = matches!(
                fact,
                Fact::AbortDecided(Cause::Cancelled(_)) | Fact::UndoDecided(Cause::Cancelled(_))
            );
            let ends = matches!(fact, Fact::Resumed(_) | Fact::Finished(_)) || (wakes && cancels);
            cancels &= ends || !is_undo(fact);
            match pauses.last_mut() {
                Some((_, until @ None)) if ends => *until = Some(*time_us),
                Some((_, None)) => {}
                Some((_, Some(_))) | None if matches!(fact, Fact::Paused { .. }) => {
                    pauses.push((*time_us, None));
                }
                Some((_, Some(_))) | None => {}
            }
        }
        pauses
    }

    pub fn is_paused(&self) -> bool {
        matches!(self.pauses().last(), Some((_, None)))
    }

    pub fn end(&self) -> Option<End> {
        self.facts().find_map(|fact| if let Fact::Finished(end) = fact { Some(*end) } else { None })
    }

    /// A participant is about to be called.
    pub fn may_be_called(&self, at: OpRef, forward_in_flight: bool) {
        assert_eq!(self.end(), None, "{at:?} is called after the end");
        assert!(!self.is_paused(), "{at:?} is called in a pause");
        assert!(!self.is_used_up(at), "{at:?} is called though it is to be given up");
        assert!(!self.succeeded(at.step, only(at.op)), "{at:?} is called though it is done");
        match at.op {
            Op::Action | Op::Try => {
                assert!(self.cause().is_none(), "{at:?} is called after the undo decision");
                assert!(!self.submit_decided(), "{at:?} is called after the commit decision");
                for earlier in &self.shape.before[at.step] {
                    assert!(
                        self.succeeded(*earlier, is_forward),
                        "{at:?} is called before {earlier} succeeded"
                    );
                }
            }
            Op::Confirm => {
                assert!(self.submit_decided() && self.cause().is_none(), "{at:?} without a commit decision");
                for later in (0..self.shape.count()).filter(|it| self.shape.waits(*it, at.step)) {
                    let confirmed = self.succeeded(later, |op| op == Op::Confirm);
                    assert!(confirmed, "{at:?} is called before {later} is confirmed");
                }
            }
            Op::Compensate | Op::Cancel => {
                assert!(self.cause().is_some(), "{at:?} without an undo decision");
                assert!(!forward_in_flight, "{at:?} is called beside its forward op");
            }
        }
    }

    /// A participant has just done something.
    pub fn after_effect(&self) {
        let memory = &self.participants.memory;
        let behind = |step: usize| (0..self.shape.count()).filter(move |it| self.shape.waits(*it, step));
        match self.participants.effects.last() {
            None => {}
            // Where there is nothing to undo there is no tombstone either: a delayed call may come after all is undone.
            Some(Effect::Applied(step)) if self.shape.without_undo[*step] => {}
            Some(Effect::Applied(step)) => {
                for earlier in &self.shape.before[*step] {
                    assert_eq!(memory[*earlier], Memory::Done, "{step} applied though {earlier} is not");
                }
            }
            Some(Effect::Undone(step)) => {
                for later in behind(*step).filter(|later| self.shape.has_undo(*later)) {
                    assert_ne!(memory[later], Memory::Done, "{step} is undone before {later}");
                }
                assert!(!self.pivot_passed(), "{step} is undone though the pivot is passed");
            }
            Some(Effect::Confirmed(step)) => {
                for later in behind(*step) {
                    assert_eq!(memory[later], Memory::Confirmed, "{step} is confirmed before {later}");
                }
            }
        }
    }

    fn pivot_passed(&self) -> bool {
        self.shape.pivot.is_some_and(|pivot| self.succeeded(pivot, is_forward))
    }

    /// Whether a person is needed: a refusal behind the pivot is the only thing that may stop it.
    pub fn may_be_stuck(&self) -> bool {
        let stuck = |at: &OpRef| self.shape.is_behind_pivot(at.step) && !self.succeeded(at.step, is_forward);
        self.facts().any(|fact| matches!(fact, Fact::AttemptRefused { at, .. } if stuck(at)))
    }

    /// Seqs have no gap, one decision stands, and nothing follows the end.
    pub fn history_is_sound(&self) {
        assert!(self.events.iter().zip(1..).all(|(event, seq)| event.seq == seq), "a gap: {:?}", self.events);
        let decisions = self.facts().filter(|fact| is_undo(fact));
        assert!(decisions.count() <= 1, "decided twice: {:?}", self.events);
        let ends = self.facts().filter(|fact| matches!(fact, Fact::Finished(_))).count();
        let last = matches!(self.facts().next_back(), Some(Fact::Finished(_)));
        assert!(ends == 0 || (ends == 1 && last), "something follows the end: {:?}", self.events);
        if self.pivot_passed() {
            assert!(self.cause().is_none(), "undo was decided behind the pivot");
        }
    }

    /// All or nothing, and the end says which. Holds whatever still arrives.
    pub fn end_is_true(&self) {
        let Some(end) = self.end() else { return };
        let memory = &self.participants.memory;
        let all = |wanted: Memory| memory.iter().all(|it| *it == wanted);
        let undone = |step: &usize| !self.shape.has_undo(*step) || memory[*step] != Memory::Done;
        match end {
            End::Succeeded if self.shape.mode == Mode::Tcc => assert!(all(Memory::Confirmed), "{memory:?}"),
            End::Succeeded => assert!(all(Memory::Done), "{memory:?}"),
            End::Failed | End::Cancelled => {
                assert!((0..memory.len()).all(|step| undone(&step)), "not undone: {memory:?}");
                assert!(!memory.contains(&Memory::Confirmed), "confirmed all the same: {memory:?}");
                let behind = (0..memory.len()).filter(|step| self.shape.is_behind_pivot(*step));
                let ran = |step: usize| memory[step] == Memory::Done;
                assert!(!behind.into_iter().any(ran), "it ran behind the pivot: {memory:?}");
            }
        }
        match (end, self.cause()) {
            (End::Succeeded, None) | (End::Cancelled, Some(Cause::Cancelled(_))) => {}
            (End::Failed, Some(cause)) if !matches!(cause, Cause::Cancelled(_)) => {}
            (end, cause) => panic!("it ended {end:?} by {cause:?}"),
        }
    }
}
