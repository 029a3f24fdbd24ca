//! Runs one case: the engine's part around `decide` and the fold, with a scheduler in place of time and network.
//! What an attempt records is that of `op`, what a crash leaves is what was recorded.

mod ending;
mod limits;
mod steering;

pub use limits::count;

use super::oracle::Oracle;
use super::participants::{Participants, Said};
use super::shape::{Act, Case, Fate, Shape};
use super::ways::{Flight, Flights, Ways, right};
use crate::engine::answer::may_follow;
use crate::engine::decide::{Answer, Decision, next_ops};
use crate::engine::{Cancelled, may_cancel, undo_decided};
use crate::history::{self, Cause, Event, Fact, Standing, State, Verdict};
use crate::plan::{Mode, OpRef, Plan};
use amends_dtm::Op;
use std::collections::{BTreeMap, BTreeSet};

/// What so many cases must have met that their passing means something.
pub const MUST_BE_SEEN: [&str; 14] = [
    "succeeded",
    "failed",
    "cancelled",
    "graph",
    "crash",
    "consulted",
    "ghost ran",
    "late success",
    "undone beside each other",
    "paused",
    "resolved",
    "given up",
    "called for a person",
    "redriven",
];

/// One case under way.
pub struct Run<'a> {
    shape: &'a Shape,
    ways: Ways,
    plan: Plan,
    events: Vec<Event>,
    state: State,
    running: Flights,
    ghosts: Vec<OpRef>,
    participants: Participants,
    /// DTM turned back by itself, or it took the submit: never both (dtm.md D20).
    dtm_aborts: bool,
    dtm_confirms: bool,
    answers: BTreeMap<OpRef, Answer>,
    seen: BTreeSet<&'static str>,
    /// Microseconds since the beginning of time.
    clock_us: i64,
}

impl<'a> Run<'a> {
    /// Runs a case to its end and checks it all the way; tells what it met.
    pub fn of(case: &'a Case, ways: Ways) -> BTreeSet<&'static str> {
        let plan = case.shape.plan();
        let mut run = Self {
            shape: &case.shape,
            ways,
            state: State::empty(&plan),
            plan,
            events: Vec::new(),
            running: Flights::new(),
            ghosts: Vec::new(),
            participants: Participants::new(&case.shape.refuses),
            dtm_aborts: false,
            dtm_confirms: false,
            answers: BTreeMap::new(),
            seen: BTreeSet::new(),
            clock_us: 0,
        };
        run.record(vec![Fact::Started]);
        for act in &case.acts {
            let before = run.extent();
            run.act(*act);
            if run.extent() != before {
                run.check();
            }
        }
        run.finish();
        run.oracle().attempts_are_numbered_on();
        run.seen
    }

    /// Changes with everything that the checks look at: most acts find nothing to act on.
    fn extent(&self) -> [usize; 3] {
        [self.events.len(), self.running.len(), self.ghosts.len()]
    }

    fn oracle(&self) -> Oracle<'_> {
        let (shape, events, participants) = (self.shape, &self.events, &self.participants);
        Oracle { shape, events, participants, now_us: self.clock_us }
    }

    /// Appends facts as one commit, with the end if that was the last op. Nothing follows the end.
    fn record(&mut self, facts: Vec<Fact>) {
        if self.state.end.is_some() {
            return;
        }
        for fact in facts {
            self.push(fact);
        }
        if let (None, Some(end)) = (self.state.end, self.state.reached_end(&self.plan)) {
            self.push(Fact::Finished(end));
        }
    }

    fn push(&mut self, fact: Fact) {
        let seq = self.state.last_seq + 1;
        self.clock_us += 10;
        let event = Event { seq, time_us: self.clock_us, fact };
        self.state.apply(&event);
        let mut again = self.state.clone();
        again.apply(&Event { seq: 0, time_us: self.clock_us + 5, fact: event.fact.clone() });
        again.last_seq = seq;
        assert_eq!(again, self.state, "{:?} again changes something", event.fact);
        self.events.push(event);
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Ask { step, op } => self.ask(step, op),
            Act::Next(nth) => {
                if let Some(at) = pick(&next_ops(&self.plan, &self.state), nth) {
                    self.claim(at);
                }
            }
            Act::Attempt(nth) => {
                if let Some(at) = pick(&self.idle(), nth) {
                    self.attempt(at);
                }
            }
            Act::Slow(nth) => self.slow(nth),
            Act::Deliver(nth, fate) => {
                if let Some(at) = pick(&self.called(), nth) {
                    self.deliver(at, fate);
                }
            }
            Act::Ghost(nth) => self.ghost(nth),
            Act::Cancel => self.cancel(),
            Act::Pass(ms) => self.clock_us += ms * 1_000,
            Act::Look(nth) => self.look(nth),
            Act::Redrive => self.redrive(),
            Act::TryPhaseOver => self.abort_tries(Cause::Deadline("tries".into())),
            Act::DtmAborts => self.dtm_aborts = self.shape.on_dtm && !self.dtm_confirms,
            Act::Settle { taken } => self.settle(taken),
            Act::Crash => self.crash(),
            Act::Pause => self.pause(),
            Act::Resume => self.resume(),
            Act::Retry(nth) => self.retry_now(nth),
            Act::State { step, op, outcome } => self.state_outcome(step, op, outcome),
        }
    }

    fn idle(&self) -> Vec<OpRef> {
        let idle = self.running.iter().filter(|(_, flight)| matches!(flight, Flight::Idle(_)));
        idle.map(|(at, _)| *at).collect()
    }

    fn called(&self) -> Vec<OpRef> {
        let called = self.running.iter().filter(|(_, flight)| matches!(flight, Flight::Called { .. }));
        called.map(|(at, _)| *at).collect()
    }

    fn decide(&self, asked: OpRef) -> Decision {
        (self.ways.decide)(&self.plan, &self.state, asked, &self.running)
    }

    /// The coordinator asks: what was answered with OK or ABORTED once is answered so for ever.
    fn ask(&mut self, step: usize, op: usize) {
        let step = step % self.shape.count();
        let op = [Op::Action, Op::Compensate, Op::Try, Op::Confirm, Op::Cancel][op % 5];
        let at = OpRef { step, op };
        if op == Op::Confirm && self.state.verdict == Verdict::Submitting {
            if self.dtm_aborts {
                return;
            }
            self.dtm_confirms = true;
        }
        if let Some(Decision::Reply(answer)) = self.claim(at)
            && answer != Answer::InProgress
        {
            let first = *self.answers.entry(at).or_insert(answer);
            assert_eq!(first, answer, "{at:?} was answered otherwise before");
        }
        for (at, first) in &self.answers {
            assert_eq!(self.decide(*at), Decision::Reply(*first), "{at:?} was answered otherwise before");
        }
    }

    /// Does what is decided about an op; gives the decision that needed nothing to be done.
    fn claim(&mut self, asked: OpRef) -> Option<Decision> {
        match self.decide(asked) {
            Decision::Run(at) => {
                assert_eq!(at, asked);
                let before = self.running.insert(at, Flight::Idle(self.state.op(at).attempts));
                assert!(before.is_none(), "{at:?} is run twice at once");
                None
            }
            Decision::Skip(at) => {
                self.record(vec![Fact::Skipped { at }]);
                Some(Decision::Reply(Answer::Ok))
            }
            Decision::Consult => {
                let confirms = self.running.keys().any(|at| at.op == Op::Confirm);
                if self.dtm_aborts && may_follow(&self.plan, &self.state) && !confirms {
                    self.seen.insert("consulted");
                    self.record(vec![undo_decided(&self.plan, Cause::Timeout("dtm".into()))]);
                    return self.claim(asked);
                }
                None
            }
            decision @ (Decision::Reply(_) | Decision::Disagree(_)) => Some(decision),
        }
    }

    fn is_forward(&self, at: OpRef) -> bool {
        at.op == self.plan.forward_op()
    }

    fn unwanted(&self, at: OpRef) -> bool {
        let turned = self.state.undoing() && at.op != self.plan.undo_op();
        self.state.end.is_some() || turned || self.state.op(at).ended_us > 0
    }

    fn forward_succeeded(&self, step: usize) -> bool {
        self.state.steps[step].forward.standing == Standing::Succeeded
    }

    fn attempt(&mut self, at: OpRef) {
        let Some(Flight::Idle(attempts)) = self.running.get(&at).copied() else { return };
        if self.unwanted(at) {
            self.running.remove(&at);
            return;
        }
        if !self.keeps_limits(at) || self.state.paused.is_some() {
            return;
        }
        let attempt = attempts + 1;
        let forward = OpRef { step: at.step, op: self.plan.forward_op() };
        self.oracle().may_be_called(at, !self.is_forward(at) && self.running.contains_key(&forward));
        let durable = at.op == Op::Action && self.shape.pivot == Some(at.step);
        if durable {
            self.record(vec![Fact::AttemptStarted { at, attempt }]);
        }
        let undoes = |flight: &OpRef| flight.op == self.plan.undo_op() && flight.step != at.step;
        if self.running.keys().any(undoes) && !self.is_forward(at) {
            self.seen.insert("undone beside each other");
        }
        self.running.insert(at, Flight::Called { attempt, recorded: durable });
    }

    fn slow(&mut self, nth: usize) {
        let Some(at) = pick(&self.called(), nth) else { return };
        let Some(Flight::Called { attempt, recorded: false }) = self.running.get(&at).copied() else {
            return;
        };
        self.record(vec![Fact::AttemptStarted { at, attempt }]);
        self.running.insert(at, Flight::Called { attempt, recorded: true });
    }

    fn arrive(&mut self, at: OpRef) -> Said {
        let before = self.participants.effects.len();
        let said = self.participants.call(at.step, at.op);
        assert_ne!(said, Said::Denied, "{at:?} makes no sense at the participant");
        if self.participants.effects.len() > before {
            self.oracle().after_effect();
        }
        said
    }

    fn deliver(&mut self, at: OpRef, fate: Fate) {
        let unknown = |at, attempt| Fact::AttemptUnknown {
            at,
            attempt,
            code: "UNAVAILABLE".into(),
            reason: "x".into(),
        };
        let Some(Flight::Called { attempt, recorded }) = self.running.get(&at).copied() else { return };
        let said = match fate {
            Fate::Answered | Fate::Twice => Some(self.arrive(at)),
            Fate::AnswerLost => {
                self.arrive(at);
                None
            }
            Fate::Lost | Fate::Delayed | Fate::Busy => None,
        };
        if matches!(fate, Fate::Twice | Fate::Delayed) {
            self.ghosts.push(at);
        }
        let outcome = match (said, fate) {
            (Some(Said::Ok), _) => Fact::AttemptSucceeded { at, attempt },
            (Some(_), _) if self.is_forward(at) => Fact::AttemptRefused { at, attempt, reason: "R|x".into() },
            (None, Fate::Busy) => Fact::Parked { at, attempt, reason: "IN_PROGRESS|x".into() },
            (Some(_) | None, _) => unknown(at, attempt),
        };
        self.keep(at, attempt, recorded, outcome);
    }

    /// The outcome of an attempt, with what it decides: one commit.
    fn keep(&mut self, at: OpRef, attempt: u32, recorded: bool, outcome: Fact) {
        let mut facts = Vec::new();
        if !recorded {
            facts.push(Fact::AttemptStarted { at, attempt });
        }
        if self.state.op(at).ended_us > 0 {
            // It has an outcome from elsewhere: nothing follows from this one.
            facts.push(outcome);
            self.record(facts);
            self.running.remove(&at);
            return;
        }
        let refused = matches!(outcome, Fact::AttemptRefused { .. });
        let succeeded = matches!(outcome, Fact::AttemptSucceeded { .. });
        facts.push(outcome);
        if refused && !self.plan.behind_pivot(at.step) && !self.state.undoing() {
            facts.push(undo_decided(&self.plan, Cause::Refused("R|x".into())));
        }
        if succeeded && self.is_forward(at) && self.state.undoing() {
            self.seen.insert("late success");
        }
        let tried = |step: usize| step == at.step || self.forward_succeeded(step);
        let last_try = succeeded && at.op == Op::Try && self.state.verdict == Verdict::Open;
        if last_try && (0..self.shape.count()).all(tried) {
            facts.push(Fact::SubmitDecided);
            facts.extend((!self.shape.on_dtm).then_some(Fact::Committed));
        }
        if refused || succeeded {
            facts.extend(self.needs_nobody(at));
            self.record(facts);
            self.running.remove(&at);
        } else {
            self.record(facts);
            self.running.insert(at, Flight::Idle(attempt));
            self.call_for_a_person(at);
        }
    }

    fn ghost(&mut self, nth: usize) {
        if let Some(at) = pick(&self.ghosts, nth) {
            let place = self.ghosts.iter().position(|ghost| *ghost == at).unwrap();
            self.ghosts.remove(place);
            let before = self.participants.effects.len();
            self.arrive(at);
            if self.participants.effects.len() > before {
                self.seen.insert("ghost ran");
            }
        }
    }

    fn cancel(&mut self) {
        if self.state.end.is_none() && may_cancel(&self.plan, &self.state) == Cancelled::Decided {
            let cause = Cause::Cancelled("c".into());
            self.record(vec![
                Fact::CancelRequested(history::Act::of("", "c")),
                undo_decided(&self.plan, cause),
            ]);
        }
    }

    fn abort_tries(&mut self, cause: Cause) {
        if self.plan.mode() == Mode::Tcc && self.state.verdict == Verdict::Open {
            self.record(vec![Fact::AbortDecided(cause)]);
        }
    }

    fn settle(&mut self, taken: bool) {
        if self.state.verdict == Verdict::Submitting {
            self.record(match (taken || self.dtm_confirms) && !self.dtm_aborts {
                true => vec![Fact::Committed],
                false => vec![Fact::AbortDecided(Cause::Timeout("submit".into()))],
            });
        }
    }

    /// Memory is lost; calls in flight may arrive all the same.
    fn crash(&mut self) {
        self.seen.insert("crash");
        self.ghosts.extend(self.called());
        self.running.clear();
        let again = State::fold(&self.plan, &self.events);
        assert_eq!(again, self.state, "memory and history differ");
        self.state = again;
        let begun = |step: &crate::history::StepState| step.forward.standing != Standing::Untouched;
        if self.state.steps.iter().any(begun) {
            self.abort_tries(Cause::Crash("tries".into()));
        }
    }

    fn check(&self) {
        self.oracle().history_is_sound();
        self.oracle().end_is_true();
        self.names_what_may_begin();
    }

    /// What `decide` lets begin is what `next_ops` names, for whoever drives by either.
    fn names_what_may_begin(&self) {
        let named = next_ops(&self.plan, &self.state);
        let ops = [Op::Action, Op::Compensate, Op::Try, Op::Confirm, Op::Cancel];
        let all = (0..self.shape.count()).flat_map(|step| ops.map(|op| OpRef { step, op }));
        for at in all {
            match right(&self.plan, &self.state, at, &self.running) {
                Decision::Run(_) | Decision::Skip(_) if self.state.verdict != Verdict::Submitting => {
                    assert!(named.contains(&at), "{at:?} may begin and is not named");
                }
                Decision::Reply(Answer::InProgress) => {
                    let at_it = |it: &OpRef| *it == at || self.is_forward(*it) || it.op == Op::Confirm;
                    let waits = self.running.keys().any(at_it);
                    assert!(!named.contains(&at) || waits, "{at:?} is named and waits for nobody");
                }
                Decision::Run(_) | Decision::Skip(_) => {}
                Decision::Reply(Answer::Ok | Answer::Aborted) | Decision::Consult | Decision::Disagree(_) => {
                    assert!(!named.contains(&at), "{at:?} is named and has its answer");
                }
            }
        }
    }
}

fn pick(of: &[OpRef], nth: usize) -> Option<OpRef> {
    if of.is_empty() { None } else { Some(of[nth % of.len()]) }
}
