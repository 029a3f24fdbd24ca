//! Random cases: a plan's shape, what its participants will do, and what the scheduler does. Everything is an index
//! that is read modulo what there is, so that a case stays a case while it is shrunk.

use crate::history::Resolution;
use crate::plan::{Mode, Plan, samples};
use amends_dtm::BranchId;
use amends_proto::amends::v1::{RetryPolicy, StepPolicy};
use proptest::prelude::*;

const MOST_STEPS: usize = 7;
const MOST_ACTS: usize = 80;

/// A random case.
#[derive(Debug, Clone)]
pub struct Case {
    pub shape: Shape,
    pub acts: Vec<Act>,
}

/// What is planned, and how the participants are minded.
#[derive(Debug, Clone)]
pub struct Shape {
    pub mode: Mode,
    /// DTM asks and decides; otherwise the engine alone.
    pub on_dtm: bool,
    /// For each step the earlier ones that it waits for, near or far.
    pub before: Vec<Vec<usize>>,
    pub is_graph: bool,
    pub pivot: Option<usize>,
    /// Steps that there is nothing to undo of.
    pub without_undo: Vec<bool>,
    /// Steps whose participant refuses.
    pub refuses: Vec<bool>,
    /// What each step's policy limits.
    pub limits: Vec<Limits>,
}

/// Limits of a step; 0 = none.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Of its forward op.
    pub forward: Bounds,
    pub deadline_ms: i32,
    pub gives_up: bool,
    /// Of its confirm and its undo.
    pub second: Bounds,
}

/// What exhausts an op; 0 = nothing does.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub attempts: i32,
    pub total_ms: i32,
}

/// What becomes of a call on its way.
#[derive(Debug, Clone, Copy)]
pub enum Fate {
    /// It arrives, and so does the answer.
    Answered,
    /// It arrives; the answer does not.
    AnswerLost,
    /// It never arrives.
    Lost,
    /// The engine gives up waiting; it arrives some time later.
    Delayed,
    /// It arrives twice: the second time some time later.
    Twice,
    /// The participant is still at it.
    Busy,
}

/// One act of the scheduler.
#[derive(Debug, Clone, Copy)]
pub enum Act {
    /// The coordinator asks for an op, whether it makes sense or not.
    Ask { step: usize, op: usize },
    /// The engine takes up one of the ops that may begin.
    Next(usize),
    /// A claimed op makes an attempt.
    Attempt(usize),
    /// An attempt takes long: that it began is recorded.
    Slow(usize),
    /// A call ends.
    Deliver(usize, Fate),
    /// A call that nobody waits for arrives.
    Ghost(usize),
    /// A client cancels.
    Cancel,
    /// So many milliseconds pass.
    Pass(i64),
    /// An op that waits looks at its limits.
    Look(usize),
    /// Somebody begins another run.
    Redrive,
    /// The time for all tries is over.
    TryPhaseOver,
    /// DTM turns back by itself.
    DtmAborts,
    /// The outcome of a submit becomes known.
    Settle { taken: bool },
    /// The process dies and comes back.
    Crash,
    /// Somebody stops all attempts.
    Pause,
    /// Attempts go on.
    Resume,
    /// Somebody ends a wait.
    Retry(usize),
    /// Two people state the outcome of an op.
    State { step: usize, op: usize, outcome: Resolution },
}

/// All cases.
pub fn cases() -> impl Strategy<Value = Case> {
    let acts = prop::collection::vec(act(), 0..MOST_ACTS);
    (shape(), acts).prop_map(|(shape, acts)| Case { shape, acts })
}

fn act() -> impl Strategy<Value = Act> {
    let nth = 0..64_usize;
    let fate = prop_oneof![
        8 => Just(Fate::Answered),
        2 => Just(Fate::AnswerLost),
        1 => Just(Fate::Lost),
        1 => Just(Fate::Delayed),
        1 => Just(Fate::Twice),
        1 => Just(Fate::Busy),
    ];
    prop_oneof![
        8 => (nth.clone(), nth.clone()).prop_map(|(step, op)| Act::Ask { step, op }),
        20 => nth.clone().prop_map(Act::Next),
        20 => nth.clone().prop_map(Act::Attempt),
        2 => nth.clone().prop_map(Act::Slow),
        24 => (nth.clone(), fate).prop_map(|(call, fate)| Act::Deliver(call, fate)),
        3 => nth.clone().prop_map(Act::Ghost),
        1 => Just(Act::Cancel),
        4 => (1..=10_i64).prop_map(Act::Pass),
        3 => nth.clone().prop_map(Act::Look),
        3 => Just(Act::Redrive),
        1 => Just(Act::TryPhaseOver),
        1 => Just(Act::DtmAborts),
        4 => any::<bool>().prop_map(|taken| Act::Settle { taken }),
        2 => Just(Act::Crash),
        1 => Just(Act::Pause),
        2 => Just(Act::Resume),
        1 => nth.clone().prop_map(Act::Retry),
        4 => (nth.clone(), nth, prop::sample::select(Resolution::ALL.to_vec()))
            .prop_map(|(step, op, outcome)| Act::State { step, op, outcome }),
    ]
}

prop_compose! {
    fn bounds()(attempts in prop::sample::select(vec![0, 0, 1, 2, 3]), total_ms in times()) -> Bounds {
        Bounds { attempts, total_ms }
    }
}

prop_compose! {
    fn limits()(
        forward in bounds(),
        second in bounds(),
        deadline_ms in times(),
        gives_up in prop::bool::weighted(0.3),
    ) -> Limits {
        Limits { forward, deadline_ms, gives_up, second }
    }
}

/// Times of limits: some are soon over, some hardly ever.
fn times() -> impl Strategy<Value = i32> {
    prop::sample::select(vec![0, 0, 0, 4, 40])
}

prop_compose! {
    fn shape()(count in 1..=MOST_STEPS)(
        masks in prop::collection::vec(any::<u8>(), count),
        pivot in prop::option::weighted(0.4, 0..count),
        without_undo in prop::collection::vec(prop::bool::weighted(0.1), count),
        refuses in prop::collection::vec(prop::bool::weighted(0.08), count),
        limits in prop::collection::vec(limits(), count),
        tcc in prop::bool::weighted(0.4),
        is_graph in prop::bool::weighted(0.7),
        on_dtm in any::<bool>(),
    ) -> Shape {
        let mode = if tcc { Mode::Tcc } else { Mode::Saga };
        let before = Vec::new();
        let mut shape = Shape { mode, on_dtm, before, is_graph, pivot, without_undo, refuses, limits };
        shape.fit(&masks);
        shape
    }
}

impl Shape {
    /// Makes a plan's order of the masks: what a step waits for is earlier, and with a pivot every other step is
    /// before or behind it.
    fn fit(&mut self, masks: &[u8]) {
        if self.mode == Mode::Tcc {
            self.pivot = None;
            self.without_undo.fill(false);
        }
        for (step, mask) in masks.iter().enumerate() {
            let mut before: Vec<usize> = (0..step)
                .filter(|earlier| if self.is_graph { mask >> earlier & 1 == 1 } else { true })
                .collect();
            match self.pivot {
                Some(pivot) if step == pivot => before = (0..step).collect(),
                Some(pivot) if step > pivot && !before.contains(&pivot) => before.push(pivot),
                Some(_) | None => {}
            }
            let far: Vec<usize> = before.iter().flat_map(|earlier| self.before[*earlier].clone()).collect();
            before.extend(far);
            before.sort_unstable();
            before.dedup();
            self.before.push(before);
        }
        for step in 0..masks.len() {
            self.limits[step].gives_up &= self.has_undo(step) && self.pivot != Some(step);
        }
        // Behind the pivot a refusal waits for a person for ever: rare, but not absent.
        for (step, mask) in masks.iter().enumerate() {
            if self.is_behind_pivot(step) && !mask.is_multiple_of(4) {
                self.refuses[step] = false;
            }
        }
    }

    pub fn is_behind_pivot(&self, step: usize) -> bool {
        self.pivot.is_some_and(|pivot| self.before[step].contains(&pivot))
    }

    /// Whether the later one waits for the earlier one, near or far.
    pub fn waits(&self, later: usize, earlier: usize) -> bool {
        self.before[later].contains(&earlier)
    }

    pub fn count(&self) -> usize {
        self.before.len()
    }

    /// Whether what a step did can be taken back.
    pub fn has_undo(&self, step: usize) -> bool {
        !self.without_undo[step] && !self.is_behind_pivot(step)
    }

    /// The plan of this shape.
    pub fn plan(&self) -> Plan {
        let mut body = samples::plan(self.mode, self.count(), self.pivot).body().clone();
        body.graph = self.is_graph;
        for (index, step) in body.steps.iter_mut().enumerate() {
            if self.is_graph {
                let name = |earlier: &usize| BranchId::of_index(*earlier).as_str().to_owned();
                step.after = self.before[index].iter().map(name).collect();
            }
            if !self.has_undo(index) {
                step.undo.clear();
            }
            step.policy = Some(self.limits[index].policy());
        }
        Plan::new(body).unwrap()
    }
}

impl Limits {
    fn policy(&self) -> StepPolicy {
        let Self { forward, deadline_ms, gives_up, second } = *self;
        let Bounds { attempts: max_attempts, total_ms } = second;
        let second = RetryPolicy { max_attempts, total_ms: Some(total_ms), ..RetryPolicy::default() };
        StepPolicy {
            max_attempts: forward.attempts,
            attention_after_ms: forward.total_ms,
            step_timeout_ms: deadline_ms,
            safe_to_give_up: gives_up,
            undo: Some(second),
            confirm: Some(second),
            ..samples::policy()
        }
    }
}
