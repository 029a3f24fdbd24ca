//! "Why is it waiting?" (orchestration.md item 11): a pure function of the plan, the fold of the history, and what is
//! going on right now as the caller has seen it. Reads no clock, no store, calls nobody, and decides nothing.

mod op;
mod words;

pub use words::scope;

use crate::engine::{Wait, next_ops};
use crate::history::{End, Standing, State, Verdict};
use crate::plan::{OpRef, Plan, StepIndex};
use crate::reason;
use amends_proto::amends::v1::Situation;
use std::collections::BTreeSet;

/// For so long after its start an orchestrator is taken to be taking things up.
const TAKING_UP_US: i64 = 10_000_000;

/// What is to be explained, at one moment. Times in unix microseconds.
#[derive(Debug, Clone)]
pub struct Scene<'a> {
    /// Its plan.
    pub plan: &'a Plan,
    /// The committed fold.
    pub state: &'a State,
    /// Now.
    pub now_us: i64,
    /// Since when this orchestrator runs.
    pub up_since_us: i64,
    /// Ops that run in this process.
    pub running: BTreeSet<OpRef>,
    /// What those of them wait for that are not calling.
    pub waits: Vec<(OpRef, Wait)>,
    /// What keeps steps from being attempted.
    pub holds: Vec<(StepIndex, Hold)>,
    /// What keeps the lanes of steps from letting a call through.
    pub hindrances: Vec<(StepIndex, Hindrance)>,
    /// Who decides about it.
    pub decider: Decider,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// What is paused, in words: `participant gateway`.
    pub what: String,
    /// The verb that resumes it.
    pub resume: String,
    /// Since when.
    pub since_us: i64,
    /// Who did it.
    pub by: String,
    /// Why, in their words.
    pub reason: String,
}

/// What a lane says to the next call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hindrance {
    /// The breaker is open, or the lane is just full.
    pub kind: HindranceKind,
    /// In words.
    pub text: String,
    /// Until when; `None` = nobody knows.
    pub until_us: Option<i64>,
}

/// Kinds of hindrances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HindranceKind {
    /// Too many calls failed or were slow.
    BreakerOpen,
    /// No room, no rate, no budget.
    Busy,
}

/// Who decides about a global transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decider {
    /// The engine itself.
    Engine,
    /// A coordinator that calls.
    Coordinator(Word),
}

/// What a coordinator said when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// No answer.
    Away(String),
    /// It has never heard of it.
    NotKnown,
    /// Its own status.
    Says(String),
    /// It was not asked: it is over.
    NotAsked,
}

/// The explanation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The most urgent situation of its ops.
    pub situation: Situation,
    /// One sentence.
    pub summary: String,
    /// The ops that are to be done now, the most urgent first.
    pub ops: Vec<Explained>,
    /// What would unblock it, the likeliest first.
    pub unblocked_by: Vec<String>,
}

/// One op that is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Which.
    pub at: OpRef,
    /// Why it does not go on.
    pub situation: Situation,
    /// When it is attempted again at the latest.
    pub next_us: Option<i64>,
    /// Which rule says so.
    pub rule: String,
    /// One sentence.
    pub why: String,
    /// What would unblock it.
    pub unblocked_by: Vec<String>,
}

/// Explains.
#[must_use]
pub fn explain(scene: &Scene<'_>) -> Explanation {
    if let Some(end) = scene.state.end {
        return finished(scene, end);
    }
    let mut ops: Vec<Explained> = current(scene).into_iter().map(|at| op::explain(scene, at)).collect();
    ops.sort_by_key(|op| (urgency(op.situation), op.at));
    let Some(first) = ops.first() else {
        return between_ops(scene);
    };
    let summary = match ops.len() {
        1 => first.why.clone(),
        more => format!("{} ({} other ops are under way or wait)", first.why, more - 1),
    };
    let situation = first.situation;
    let mut unblocked_by: Vec<String> = Vec::new();
    for text in ops.iter().flat_map(|op| &op.unblocked_by) {
        if !unblocked_by.contains(text) {
            unblocked_by.push(text.clone());
        }
    }
    Explanation { situation, summary, ops, unblocked_by }
}

fn finished(scene: &Scene<'_>, end: End) -> Explanation {
    let how = match end {
        End::Succeeded => "it succeeded: every step applied",
        End::Failed => "it failed, and everything that may have run was taken back",
        End::Cancelled => "it was cancelled, and everything that may have run was taken back",
    };
    let cause = scene.state.cause().map(|cause| reason::in_words(cause.text()));
    let because = cause.filter(|text| !text.is_empty()).map(|text| format!(" ({text})"));
    let at = words::time(scene.state.finished_us);
    Explanation {
        situation: Situation::Finished,
        summary: format!("It is over since {at}: {how}{}.", because.unwrap_or_default()),
        ops: Vec::new(),
        unblocked_by: Vec::new(),
    }
}

/// The ops that are to be done now: those that may begin or run, and those that stand in the way for good.
fn current(scene: &Scene<'_>) -> BTreeSet<OpRef> {
    let Scene { plan, state, .. } = scene;
    let to_undo = |at: &OpRef| at.op != plan.undo_op() || !state.cannot_have_run(plan, at.step);
    let mut ops: BTreeSet<OpRef> = next_ops(plan, state).into_iter().filter(to_undo).collect();
    ops.extend(&scene.running);
    let forward = (0..plan.steps().len()).map(|step| OpRef { step, op: plan.forward_op() });
    ops.extend(forward.filter(|at| refused_behind_pivot(scene, *at)));
    ops
}

fn refused_behind_pivot(scene: &Scene<'_>, at: OpRef) -> bool {
    let Scene { plan, state, .. } = scene;
    at.op == plan.forward_op()
        && state.op(at).standing == Standing::Refused
        && plan.behind_pivot(at.step)
        && !state.undoing()
}

/// No op is to be done: something is to be agreed on, or written down.
fn between_ops(scene: &Scene<'_>) -> Explanation {
    let (situation, what) = match &scene.state.verdict {
        Verdict::Submitting => {
            let what = "All tries succeeded and the commit is decided; the coordinator has not agreed yet.";
            (waiting_for(&scene.decider), what)
        }
        Verdict::Open | Verdict::Committed | Verdict::Undo(_) => {
            (Situation::Idle, "No op is to be done: the next decision is being written down.")
        }
    };
    let (more, unblocked_by) = words::decider(&scene.decider);
    let summary = format!("{what} {more}").trim_end().to_owned();
    Explanation { situation, summary, ops: Vec::new(), unblocked_by }
}

fn waiting_for(decider: &Decider) -> Situation {
    match decider {
        Decider::Engine => Situation::Idle,
        Decider::Coordinator(Word::Away(_)) => Situation::CoordinatorAway,
        Decider::Coordinator(Word::NotKnown | Word::Says(_) | Word::NotAsked) => Situation::CoordinatorsTurn,
    }
}

/// Small = a person should look at it first.
fn urgency(situation: Situation) -> u8 {
    match situation {
        Situation::RefusedBehindPivot => 0,
        Situation::AttemptsUsedUp => 1,
        Situation::UnderReview => 2,
        Situation::PaymentInDoubt => 3,
        Situation::Paused => 4,
        Situation::LaneOpen => 5,
        Situation::StoreAway => 6,
        Situation::CoordinatorAway => 7,
        Situation::WaitingForRetry => 8,
        Situation::InProgressThere => 9,
        Situation::LaneBusy => 10,
        Situation::Calling => 11,
        Situation::TakingUp => 12,
        Situation::CoordinatorsTurn => 13,
        Situation::Idle | Situation::Finished | Situation::Unspecified => 14,
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
