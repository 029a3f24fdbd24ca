//! What comes of an attempt: the facts that its answer leads to, made durable with the decision that they take.
//! Must not know how a call is made.

use super::super::lanes::Answered;
use super::super::{Happened, Rule, undo_decided};
use super::attempt::Begun;
use super::{Next, Run, STORE_RETRY};
use crate::history::{AppendError, Cause, Fact, Standing, State, Verdict, bounded};
use crate::plan::OpRef;
use amends_dtm::{Op, Outcome};
use std::time::Duration;

/// A participant that is still at it is asked again at least this often (payments-domain.md §3, Times).
const IN_PROGRESS_CAP: Duration = Duration::from_secs(2);
/// So many attempts of an op are recorded even if they all end alike.
const EVERY_ATTEMPT: u32 = 8;

impl Run<'_> {
    pub(super) async fn keep(
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
                Next::Again(self.next_wait().min(IN_PROGRESS_CAP), Rule::InProgress)
            }
            // A second phase cannot be refused: whatever it answers, it is asked again.
            Outcome::Refused | Outcome::Unknown => {
                let code = answered.code.to_owned();
                if self.is_news(&format!("{code} {reason}")) {
                    facts.push(Fact::AttemptUnknown { at, attempt, code, reason: reason.clone() }.into());
                } else {
                    facts.clear();
                }
                Next::Again(self.next_wait(), Rule::Interval)
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
            (Next::Again(..), _) if self.attention => return,
            // What the participant itself says needs a person (payments-domain.md §3, refused after commit).
            (Next::Again(..), "UNDER_REVIEW") => "under_review",
            (Next::Again(..), "PAYMENT_UNKNOWN") if !self.is_forward() => "payment_in_doubt",
            (Next::Again(..), _) if late => "retries_exhausted",
            (Next::Over | Next::Again(..), _) => return,
        };
        self.attention = true;
        let text = bounded(&format!("{} {}", answered.code, answered.reason));
        facts.push(Fact::AttentionOpened { cause: cause.to_owned(), at: Some(self.at), text }.into());
    }
}

/// The reason of a participant's `REASON|text`.
fn said(text: &str) -> &str {
    text.split('|').next().unwrap_or_default()
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
