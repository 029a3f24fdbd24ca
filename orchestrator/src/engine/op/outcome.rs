//! What comes of an attempt: the facts that its answer leads to, made durable with the decision that they take.
//! Must not know how a call is made.

use super::super::lanes::Answered;
use super::super::{Happened, Rule, undo_decided};
use super::attempt::Begun;
use super::attention::{contradiction, is_called, need_at, open, over};
use super::policy::Judgement;
use super::{Next, Run, STORE_RETRY, is_forward};
use crate::history::{AppendError, Cause, Fact, Standing, State, Verdict, bounded};
use crate::plan::OpRef;
use amends_crash_points::{Place, around};
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
        self.renew_in_flight();
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
            Outcome::Refused if is_forward(at.op) => {
                facts.push(Fact::AttemptRefused { at, attempt, reason: reason.clone() }.into());
                Next::Over
            }
            Outcome::InProgress => {
                if self.is_news(&reason) {
                    facts.push(Fact::Parked { at, attempt, reason: reason.clone() }.into());
                } else {
                    facts.clear();
                }
                Next::Again(self.next_wait(self.in_run()).min(IN_PROGRESS_CAP), Rule::InProgress)
            }
            // A second phase cannot be refused: whatever it answers, it is asked again.
            Outcome::Refused | Outcome::Unknown => {
                let code = answered.code.to_owned();
                self.failures += 1;
                // What counts towards a limit has to count after a restart too.
                let counts = self.retry.max_attempts.is_some_and(|most| self.failures <= most);
                if self.is_news(&format!("{code} {reason}")) || counts {
                    facts.push(Fact::AttemptUnknown { at, attempt, code, reason: reason.clone() }.into());
                } else {
                    facts.clear();
                }
                Next::Again(self.next_wait(self.failures), Rule::Interval)
            }
        };
        self.record_until_durable(facts, &answered).await?;
        Ok(self.unless_given_up(next))
    }

    /// What is given up waits for no other attempt.
    fn unless_given_up(&self, next: Next) -> Next {
        match next {
            Next::Again(_, rule) if matches!(self.retry.judge(&self.done()), Judgement::GiveUp(_)) => {
                Next::Again(Duration::ZERO, rule)
            }
            Next::Over | Next::Again(..) => next,
        }
    }

    /// The same answer again is not another event, or days of waiting would fill the store: after the first ones only
    /// each doubling of the attempts is recorded.
    fn is_news(&mut self, answer: &str) -> bool {
        let changed = self.last_answer != answer;
        answer.clone_into(&mut self.last_answer);
        changed || self.in_run() <= EVERY_ATTEMPT || self.in_run().is_power_of_two()
    }

    /// The participant has answered: its outcome is recorded however long the store is away.
    async fn record_until_durable(
        &self,
        facts: Vec<Happened>,
        answered: &Answered,
    ) -> Result<(), AppendError> {
        loop {
            let decide = |state: &State| {
                let mut facts = facts.clone();
                facts.extend(self.follows(state, answered));
                facts
            };
            match around!(Place::AttemptEnd, self.engine.record(self.live, decide).await) {
                Err(AppendError::Store(_)) => tokio::time::sleep(STORE_RETRY).await,
                other => return other.map(|_| ()),
            }
        }
    }

    /// What follows from an answer, given history. Where the op has an outcome from elsewhere, nothing does
    /// but a need for a person if it says otherwise.
    fn follows(&self, state: &State, answered: &Answered) -> Vec<Happened> {
        let (plan, at, outcome) = (&self.live.plan, self.at, answered.outcome);
        if state.op(at).ended_us > 0 {
            let need = contradiction(state, at, outcome);
            return need.and_then(|need| open(state, at, &need)).into_iter().collect();
        }
        let mut facts = over(state, at, outcome);
        let turns = outcome == Outcome::Refused && is_forward(at.op) && !plan.behind_pivot(at.step);
        if turns && !state.undoing() {
            facts.push(undo_decided(plan, Cause::Refused(bounded(&answered.reason))).into());
        }
        if outcome == Outcome::Succeeded && last_try(state, at) {
            facts.push(Fact::SubmitDecided.into());
            // Nobody else has a say.
            if !self.live.coordinator().calls() {
                facts.push(Fact::Committed.into());
            }
        }
        facts.extend(self.needs(state, answered));
        facts
    }

    /// The needs for a person that an answer opens: by itself, or as the last one that the policy allows. What is
    /// unwanted needs nobody, unless it says otherwise than what was decided.
    fn needs(&self, state: &State, answered: &Answered) -> Vec<Happened> {
        let at = self.at;
        let unwanted = self.unwanted(state);
        let by_itself =
            if unwanted { contradiction(state, at, answered.outcome) } else { self.need_of(answered) };
        if let Some(need) = by_itself {
            return open(state, at, &need).into_iter().collect();
        }
        let unfinished = matches!(answered.outcome, Outcome::InProgress | Outcome::Unknown);
        // Limits that have just begun anew are looked at before the next attempt.
        if unwanted || !unfinished || is_called(state, at) || self.is_renewed(state) {
            return Vec::new();
        }
        match self.retry.judge(&self.done()) {
            Judgement::GoOn(limits) => {
                let need = |limit| need_at(limit, answered.code, &answered.reason);
                limits.iter().filter_map(|limit| open(state, at, &need(limit))).collect()
            }
            Judgement::GiveUp(_) => Vec::new(),
        }
    }
}

/// The try that leaves none open decides: its outcome and the commit decision are one append, and one commit less.
pub(in crate::engine) fn last_try(state: &State, at: OpRef) -> bool {
    let tried = |step: usize| step == at.step || state.steps[step].forward.standing == Standing::Succeeded;
    at.op == Op::Try && state.verdict == Verdict::Open && (0..state.steps.len()).all(tried)
}
