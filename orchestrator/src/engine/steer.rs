//! What people may do to a global transaction, as a pure function of its history: the facts that an act leads to, or why
//! it is refused. Reads no clock, no store and calls nobody; must not know who may act.

mod redrive;

pub use redrive::{failed, redrive};

use super::undo_decided;
use crate::history::{Act, Cause, Deadlines, Fact, Resolution, Standing, State, Verdict, bounded};
use crate::plan::{OpRef, Plan, StepIndex};
use amends_dtm::Op;

/// Why an act is refused. Nothing is recorded then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Nothing can be done any more.
    #[error("it has ended")]
    Ended,
    /// Somebody or something was quicker.
    #[error("its newest event is {newest} by now")]
    Changed {
        /// Seq of that event.
        newest: i64,
    },
    /// It is paused by another rule.
    #[error("it is paused already, and deadlines {}", if *.deadlines == Deadlines::Stop { "stand still" } else { "run" })]
    PausedOtherwise {
        /// That rule.
        deadlines: Deadlines,
    },
    /// No attempt may begin.
    #[error("it is paused: resume it first")]
    Paused,
    /// No such op waits for its next attempt.
    #[error("no op of it waits for a next attempt")]
    NothingWaits,
    /// This cannot be said of such an op.
    #[error("an op `{op}` cannot have this outcome", op = .op.as_str())]
    OtherOutcome {
        /// Which op.
        op: Op,
    },
    /// The op has its outcome.
    #[error("the op has its outcome already: {0}")]
    Settled(&'static str),
    /// What comes before it has no outcome yet.
    #[error("it is not this op's turn: others come first")]
    NotItsTurn,
    /// Its attempt is under way.
    #[error("an attempt is under way at the participant: pause it, or ask again")]
    InFlight,
    /// Its forward ops count no more.
    #[error("it is being taken back: state the outcome of the undo")]
    Compensating,
    /// Its earlier results do not stand any more.
    #[error("its earlier results are being taken back: start it anew")]
    TakenBack,
    /// Nothing to go on from.
    #[error("no op of it has been attempted in vain since its run began")]
    NothingFailed,
    /// There is only forward.
    #[error("behind the pivot there is only forward")]
    OnlyForward,
    /// It cannot be taken back as a whole.
    #[error("another confirm may have been made: it cannot be taken back any more")]
    OtherConfirms,
    /// Another person's word stands against it.
    #[error("{by} proposed `{}` of another kind, which has to be approved or replaced by {by}", .outcome.name())]
    ProposedOtherwise {
        /// Who.
        by: String,
        /// What.
        outcome: Resolution,
    },
    /// Two people are needed, who have to have names.
    #[error("a second person has to approve: say who you are")]
    Unnamed,
}

impl Denied {
    /// Machine-readable reason.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Ended => "ENDED",
            Self::Changed { .. } => "CHANGED_MEANWHILE",
            Self::PausedOtherwise { .. } => "PAUSED_OTHERWISE",
            Self::Paused => "PAUSED",
            Self::NothingWaits => "NOTHING_WAITS",
            Self::OtherOutcome { .. } => "WRONG_OUTCOME",
            Self::Settled(_) => "SETTLED",
            Self::NotItsTurn => "NOT_ITS_TURN",
            Self::InFlight => "IN_FLIGHT",
            Self::Compensating | Self::TakenBack => "COMPENSATING",
            Self::NothingFailed => "NOTHING_FAILED",
            Self::OnlyForward => "ONLY_FORWARD",
            Self::OtherConfirms => "OTHER_CONFIRMS",
            Self::ProposedOtherwise { .. } => "PROPOSED_OTHERWISE",
            Self::Unnamed => "UNNAMED_SUBJECT",
        }
    }
}

/// How many people have to state an outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// One is enough.
    One,
    /// A second one has to approve.
    Two,
}

/// What an operator states of an op.
#[derive(Debug, Clone)]
pub struct Statement {
    /// Which op.
    pub at: OpRef,
    /// What became of it.
    pub outcome: Resolution,
    /// Who says so, and with what proof.
    pub act: Act,
    /// How many have to.
    pub approval: Approval,
}

/// Name of a caller that named nobody.
const ANONYMOUS: &str = "anonymous";

/// No new attempt from now on. Repeated: nothing.
pub fn pause(state: &State, deadlines: Deadlines, act: &Act) -> Result<Vec<Fact>, Denied> {
    match &state.paused {
        _ if state.end.is_some() => Err(Denied::Ended),
        Some(paused) if paused.deadlines == deadlines => Ok(Vec::new()),
        Some(paused) => Err(Denied::PausedOtherwise { deadlines: paused.deadlines }),
        None => Ok(vec![Fact::Paused { deadlines, act: act.clone() }]),
    }
}

/// Attempts go on. Repeated, or where nothing was paused: nothing.
pub fn resume(state: &State, act: &Act) -> Vec<Fact> {
    if state.paused.is_some() { vec![Fact::Resumed(act.clone())] } else { Vec::new() }
}

/// The next attempt of an op, or of all that wait, is made now.
pub fn retry(
    state: &State,
    at: Option<OpRef>,
    waits: &impl Fn(OpRef) -> bool,
    act: &Act,
) -> Result<Vec<Fact>, Denied> {
    if state.end.is_some() {
        return Err(Denied::Ended);
    }
    if state.paused.is_some() {
        return Err(Denied::Paused);
    }
    let open = |at: OpRef| waits(at) && state.op(at).ended_us == 0;
    let ops = [Op::Action, Op::Try, Op::Confirm, Op::Compensate, Op::Cancel];
    let mut all = (0..state.steps.len()).flat_map(|step| ops.map(|op| OpRef { step, op }));
    let any = at.map_or_else(|| all.any(open), open);
    if any { Ok(vec![Fact::OperatorRetry { at, act: act.clone() }]) } else { Err(Denied::NothingWaits) }
}

/// An op has the outcome that is stated, and what follows from it, in one append; or a second person has to approve.
/// Repeated: nothing.
pub fn resolve(plan: &Plan, state: &State, said: &Statement) -> Result<Vec<Fact>, Denied> {
    let Statement { at, outcome, .. } = *said;
    if is_so_already(state, at, outcome) {
        return Ok(Vec::new());
    }
    if state.end.is_some() {
        return Err(Denied::Ended);
    }
    match at.op {
        Op::Action | Op::Try => forward(plan, state, at, outcome)?,
        Op::Confirm => confirm(plan, state, at, outcome)?,
        Op::Compensate | Op::Cancel => undo(plan, state, at, outcome)?,
    }
    match approved(state, said)? {
        Approved::By(act) => Ok(facts(plan, state, at, outcome, act)),
        Approved::Not(facts) => Ok(facts),
    }
}

fn is_so_already(state: &State, at: OpRef, outcome: Resolution) -> bool {
    let op = state.op(at);
    match (at.op, outcome) {
        (Op::Action | Op::Try, Resolution::Refused) => {
            let stated = state.cause().is_some_and(|cause| cause.text().starts_with(RESOLVED));
            stated && !state.after_commit && op.standing == Standing::Waiting
        }
        (Op::Action | Op::Try | Op::Confirm, Resolution::Succeeded) => op.standing == Standing::Succeeded,
        (Op::Confirm, Resolution::Refused) => op.standing == Standing::Refused,
        (Op::Compensate | Op::Cancel, Resolution::Compensated) => {
            matches!(op.standing, Standing::Succeeded | Standing::Skipped)
        }
        (Op::Action | Op::Try | Op::Confirm, Resolution::Compensated)
        | (Op::Compensate | Op::Cancel, Resolution::Succeeded | Resolution::Refused) => false,
    }
}

/// How the cause begins of what is taken back by somebody's word.
const RESOLVED: &str = "RESOLVED|";

fn forward(plan: &Plan, state: &State, at: OpRef, outcome: Resolution) -> Result<(), Denied> {
    let before = |step: StepIndex| state.steps[step].forward.standing == Standing::Succeeded;
    match (&state.verdict, state.op(at).standing) {
        _ if at.op != plan.forward_op() || outcome == Resolution::Compensated => {
            Err(Denied::OtherOutcome { op: at.op })
        }
        (Verdict::Undo(_), _) => Err(Denied::Compensating),
        (_, Standing::Succeeded | Standing::SucceededLate) => Err(Denied::Settled("it succeeded")),
        (Verdict::Submitting | Verdict::Committed, _) => Err(Denied::Settled("all tries succeeded")),
        (Verdict::Open, Standing::Refused | Standing::Skipped) if !plan.behind_pivot(at.step) => {
            Err(Denied::Settled("it was refused"))
        }
        (Verdict::Open, _) if !plan.before(at.step).iter().all(before) => Err(Denied::NotItsTurn),
        (Verdict::Open, _) if outcome == Resolution::Refused && plan.behind_pivot(at.step) => {
            Err(Denied::OnlyForward)
        }
        (Verdict::Open, _) => Ok(()),
    }
}

/// A confirm that is refused for good takes everything back, as long as no other confirm can have been made: every other
/// step waits for this one (payments-domain.md §3, refused after commit).
fn confirm(plan: &Plan, state: &State, at: OpRef, outcome: Resolution) -> Result<(), Denied> {
    let confirmed = |step: StepIndex| state.steps[step].confirm.standing == Standing::Succeeded;
    let first = (0..plan.steps().len()).all(|step| step == at.step || plan.behind(step).contains(at.step));
    match &state.verdict {
        _ if outcome == Resolution::Compensated => Err(Denied::OtherOutcome { op: at.op }),
        Verdict::Undo(_) => Err(Denied::Compensating),
        Verdict::Open | Verdict::Submitting => Err(Denied::NotItsTurn),
        Verdict::Committed if state.op(at).standing == Standing::Succeeded => {
            Err(Denied::Settled("it succeeded"))
        }
        Verdict::Committed if outcome == Resolution::Refused && !first => Err(Denied::OtherConfirms),
        Verdict::Committed if !plan.behind(at.step).iter().all(confirmed) => Err(Denied::NotItsTurn),
        Verdict::Committed => Ok(()),
    }
}

fn undo(plan: &Plan, state: &State, at: OpRef, outcome: Resolution) -> Result<(), Denied> {
    match &state.verdict {
        _ if at.op != plan.undo_op() || outcome != Resolution::Compensated => {
            Err(Denied::OtherOutcome { op: at.op })
        }
        Verdict::Open | Verdict::Submitting | Verdict::Committed => Err(Denied::NotItsTurn),
        Verdict::Undo(_) if state.undone(plan, at.step) => Err(Denied::Settled("there is nothing to undo")),
        Verdict::Undo(_) if !plan.behind(at.step).iter().all(|step| state.undone(plan, step)) => {
            Err(Denied::NotItsTurn)
        }
        Verdict::Undo(_) => Ok(()),
    }
}

enum Approved {
    /// It counts.
    By(Act),
    /// Not yet; this is to be recorded.
    Not(Vec<Fact>),
}

fn approved(state: &State, said: &Statement) -> Result<Approved, Denied> {
    let Statement { at, outcome, ref act, approval } = *said;
    if approval == Approval::One {
        return Ok(Approved::By(act.clone()));
    }
    if act.subject.is_empty() || act.subject == ANONYMOUS {
        return Err(Denied::Unnamed);
    }
    let proposed = || vec![Fact::OperatorProposed { at, outcome, act: act.clone() }];
    Ok(match &state.proposal {
        None => Approved::Not(proposed()),
        Some(former) if (former.at, former.outcome) == (at, outcome) => {
            if former.act.subject == act.subject {
                Approved::Not(Vec::new())
            } else {
                Approved::By(Act { approved_by: act.subject.clone(), ..former.act.clone() })
            }
        }
        Some(former) if former.act.subject == act.subject => Approved::Not(proposed()),
        Some(former) => {
            let by = former.act.subject.clone();
            return Err(Denied::ProposedOtherwise { by, outcome: former.outcome });
        }
    })
}

fn facts(plan: &Plan, state: &State, at: OpRef, outcome: Resolution, act: Act) -> Vec<Fact> {
    let cause = Cause::Refused(bounded(&format!("{RESOLVED}{}", act.reason)));
    let mut facts = vec![Fact::OperatorResolved { at, outcome, act }];
    match (at.op, outcome) {
        (Op::Action | Op::Try, Resolution::Refused) => facts.push(undo_decided(plan, cause)),
        (Op::Confirm, Resolution::Refused) => facts.push(Fact::UndoAfterCommit(cause)),
        (_, Resolution::Succeeded | Resolution::Compensated)
        | (Op::Compensate | Op::Cancel, Resolution::Refused) => {}
    }
    let over = state.attention.iter().filter(|open| open.at == Some(at));
    facts.extend(over.map(|open| Fact::AttentionClosed { cause: open.cause.clone() }));
    facts
}

#[cfg(test)]
#[path = "steer_tests.rs"]
mod tests;
